"""The entries of a record, one after the other: when, how known, and what each says."""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet

from pourparler import v1 as pb
from pourparler.cli.output import wording
from pourparler.cli.output.entry_descriptions import describe, type_name
from pourparler.cli.output.page import Cell, Column, Page, Table
from pourparler.cli.output.part_descriptions import known
from pourparler.cli.output.state import amended, explain
from pourparler.cli.output.wording import Names
from pourparler.cli.terminal_escape import escaped

PIECE = 100
"""How many entries are put on the page at a time: a history can be longer than memory."""

COLUMNS = (
    Column("#", width=6),
    Column("occurred", width=24),
    Column("recorded", under=True, width=20),
    Column("basis", width=25),
    Column("type", under=True, width=25),
    Column("what", text=True),
    Column("details", under=True, text=True),
)
"""The columns of an entry."""


def history(
    page: Page,
    entries: Iterable[pb.Entry],
    names: Names,
    *,
    amendments: Mapping[int, pb.Amendment] | None = None,
    possible: Callable[[], AbstractSet[int]] = frozenset,
) -> int:
    """Put entries on the page as they come, and say how many they were."""
    total, rows = 0, list[tuple[Cell, ...]]()
    bases, forms = set[int](), set[int]()
    for entry in entries:
        total += 1
        bases.add(entry.facts.provenance.basis)
        if entry.words.text:
            forms.add(entry.facts.provenance.form)
        rows.append(row(entry, names, amendments or {}, possible()))
        if len(rows) == PIECE:
            page.table(Table("", COLUMNS, list(rows)), head=total == PIECE)
            rows.clear()
    if rows:
        page.table(Table("", COLUMNS, list(rows)), head=total < PIECE)
    if not page.plain:
        explain(page, bases, forms=forms, numbers=False)
    return total


def row(
    entry: pb.Entry,
    names: Names,
    amendments: Mapping[int, pb.Amendment],
    possible: AbstractSet[int],
) -> tuple[Cell, ...]:
    """One entry."""
    facts, words, version = entry.facts, entry.words, entry.header.version
    details = [
        "only possibly by then" if version in possible else "",
        f"in the words “{escaped(words.occurred_verbatim)}”" if words.occurred_verbatim else "",
        amended(amendments, version),
        wording.seen_by(facts.visibility, names),
        f"in session {facts.session_id}" if facts.session_id else "",
        *map(source, words.sources),
    ]
    return (
        f"#{version}",
        wording.when(facts.occurred),
        wording.moment(entry.header.record_time),
        known(facts.provenance),
        type_name(facts),
        describe(entry, names),
        "; ".join(detail for detail in details if detail),
    )


def source(one: pb.Source) -> str:
    """Return a source of an entry, with the place in it and the passage."""
    said = f"source {one.id}"
    place = escaped(one.locator)
    if place:
        said += f" ({place})"
    return f"{said}: “{escaped(one.excerpt)}”" if one.excerpt else said
