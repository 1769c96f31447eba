"""The results of a search: by negotiation in a terminal, line by line in a pipe."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from rich.text import Text

from pourparler import v1 as pb
from pourparler.cli.output import colors, wording
from pourparler.cli.output.page import Cell, Column, Page, Table
from pourparler.cli.output.part_descriptions import known
from pourparler.cli.terminal_escape import escaped
from pourparler.schema.contract import entry_type
from pourparler.schema.entry_roles import entry_roles

FOUND = f"bold {colors.DOUBTFUL}"
"""How what was looked for is shown in a terminal."""

_STATUSES = {pb.HIT_STATUS_REPLACED: "replaced by", pb.HIT_STATUS_ANNULLED: "annulled by"}
_NEGOTIATION = Column("negotiation", whole=True)
_COLUMNS = (
    Column("#", width=6),
    Column("occurred", width=24),
    Column("basis", under=True, width=24),
    Column("type", under=True, width=24),
    Column("who", text=True),
    Column("found", under=True, text=True),
    Column("in", under=True, text=True),
)


def query(words: Iterable[str], without: Iterable[str]) -> str:
    """Return the query for words of a command line. An argument of several words is a phrase."""
    said = [*words, *(f"-{_phrase(one)}" for one in without)]
    return " ".join(one if one.startswith("-") else _phrase(one) for one in said)


def _phrase(argument: str) -> str:
    several = len(argument.split()) > 1 and '"' not in argument
    return f'"{argument}"' if several else argument


def results(
    page: Page, hits: Sequence[pb.SearchHit], negotiations: Mapping[str, pb.SearchedNegotiation]
) -> None:
    """Put hits on the page, those of one negotiation together where it is a terminal."""
    if page.plain:
        rows: list[Sequence[Cell]] = [(_id(hit), *_row(page, hit)) for hit in hits]
        page.table(Table("", (_NEGOTIATION, *_COLUMNS), rows))
        return
    order = {id_: place for place, id_ in reversed(list(enumerate(map(_id, hits))))}
    together = sorted(hits, key=lambda hit: order[_id(hit)])
    for id_, those in groupby(together, _id):
        title = escaped(negotiations[f"negotiations/{id_}"].title)
        page.table(
            Table(
                f"{title} ({id_})" if title else id_, _COLUMNS, [_row(page, one) for one in those]
            )
        )


def nothing(page: Page, asked: Mapping[str, object]) -> None:
    """Say that nothing was found, and what to try."""
    words = str(asked["query"])
    page.line(f"Nothing is found for {words}." if words else "There is no such entry.")
    if words:
        page.line("- Try fewer words, or the beginning of one with a * behind it: agree*")
    if any(value for name, value in asked.items() if name not in {"query", "names"}):
        page.line("- Try it without the options that narrow it.")
    if asked["names"]:
        page.line("- Try it without --in, over all negotiations.")
    page.line("- `pourparler list` shows the negotiations that you may see.")


def _id(hit: pb.SearchHit) -> str:
    return hit.entry.header.negotiation


def _row(page: Page, hit: pb.SearchHit) -> tuple[Cell, ...]:
    entry = hit.entry
    facts, version = entry.facts, entry.header.version
    kind = entry_type(facts)
    snippets = hit.snippets[:1] if page.plain else hit.snippets
    notes = [
        f"{_STATUSES[hit.status]} #{hit.amended_by}" if hit.status in _STATUSES else "",
        f"in place of #{hit.effective_version}" if hit.effective_version != version else "",
        *(one.field.replace("_", " ") for one in snippets if one.field != "text"),
    ]
    passages = [_passage(one) for one in snippets]
    return (
        f"#{version}",
        wording.when(facts.occurred),
        known(facts.provenance),
        kind.name.replace("_", " ") if kind else "",
        wording.listed(_speakers(facts)),
        Text(" … ").join(passages) if passages else "(words destroyed or withheld)",
        "; ".join(note for note in notes if note),
    )


def _speakers(facts: pb.Facts) -> list[str]:
    """Return the participants that speak or act in an entry, or that it is between."""
    roles = entry_roles(facts)
    return list(roles.by or roles.between)


def _passage(snippet: pb.Snippet) -> Text:
    passage = Text("…" if snippet.more_before else "")
    for piece in snippet.segments:
        passage.append(escaped(" ".join(piece.text.split("\n"))), FOUND if piece.match else "")
    return passage.append("…" if snippet.more_after else "")
