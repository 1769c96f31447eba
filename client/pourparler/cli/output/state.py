"""The page of a state: its head, its parts in tables, and the basis of each part."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.text import Text

from pourparler import v1 as pb
from pourparler.cli.output import colors, wording
from pourparler.cli.output.page import Cell, Column, Page, Table
from pourparler.cli.output.part_descriptions import (
    COUNTED_AT_ZERO,
    KINDS,
    details_of,
    known,
    since,
    status,
    what,
)
from pourparler.cli.output.wording import Names
from pourparler.cli.terminal_escape import escaped


def point(as_of: pb.AsOf, at: pb.ComputedAt) -> str:
    """At which point of which clocks an answer was computed. Empty for now."""
    recorded = wording.moment(at.record_time)
    version = f"version {at.version}" + (f" (recorded {recorded})" if recorded else "")
    if as_of.HasField("version"):
        record = f"as the record stood at {version}"
    elif as_of.HasField("record_time"):
        record = f"as the record stood on {wording.moment(as_of.record_time)}, at {version}"
    elif as_of.occur_date:
        record = f"by the record as it is now, at {version}"
    else:
        return ""
    if as_of.occur_date:
        date = wording.edtf(as_of.occur_date)
        return f"Events that definitely happened by {date}, {record}."
    return f"{record[0].upper()}{record[1:]}."


def head(page: Page, state: pb.Negotiation, title: str = "") -> None:
    """Title, status and size; `title` is for one whose opening is not in this reading."""
    said = escaped(state.words.title or title or state.name)
    page.line(said or "Nothing is on the record.", "bold")
    if not state.status:
        page.line("No event definitely happened by then, not even the opening.")
    else:
        page.line(
            Text.assemble(
                f"{state.name}: {_course(state)}; version {state.version}; opened ",
                wording.when(state.origin.occurred, state.words.occurred_verbatim)
                or "at a date not known",
                " (",
                known(state.origin.provenance),
                f", {wording.versions(state.blame)})",
            )
        )
    if state.words.purpose:
        page.line(f"Purpose: {escaped(state.words.purpose)}")
    if state.facts.predecessor:
        page.line(f"Takes up {escaped(state.facts.predecessor)}.")
    page.line(_size(state), "dim")


def _course(state: pb.Negotiation) -> str:
    said = wording.word(state, "status")
    if state.outcome:
        said += f", {wording.word(state, 'outcome')}"
    if state.HasField("expected_resume"):
        said += f", expected to go on {wording.when(state.expected_resume)}"
    if state.status_change.reason:
        said += f" ({escaped(state.status_change.reason)})"
    return said


def _size(state: pb.Negotiation) -> str:
    """How many parts there are of what: that there is none is an answer, too."""
    said = []
    for kind in KINDS:
        number = getattr(state.counts, kind)
        if number or kind in COUNTED_AT_ZERO:
            said.append(wording.count(number, kind[:-1]) if number else f"no {kind}")
        if kind == "agreements" and state.agreements:
            reached = sum(
                one.facts.origin == pb.AGREEMENT_ORIGIN_REACHED for one in state.agreements.values()
            )
            said[-1] += f" ({reached} reached, {number - reached} prior)"
        elif kind == "agreements" and not number:
            said.append("no agreements")
    return f"{', '.join(said)}."


def parts(page: Page, state: pb.Negotiation, only: Iterable[str] = (), title: str = "{}") -> None:
    """Print the parts of a state, in a table for each kind."""
    names, wanted = Names(state.participants), set(only)
    shown: list[Any] = []
    tables: list[Table] = []
    for kind in KINDS:
        if wanted and kind not in wanted:
            continue
        found = getattr(state, kind)
        if found:
            tables.append(table(kind, found, state, names, title))
            shown.extend(part for _, part in _in_order(found))
    page.tables(tables)
    if not wanted:
        amendments(page, state)
        principals(page, state)
    sources(page, shown)
    legend(page, shown)


def table(
    kind: str, found: Mapping[str, Any], state: pb.Negotiation, names: Names, title: str = "{}"
) -> Table:
    """Return the table of one kind of part, in record order."""
    columns = [
        Column("id"),
        Column("versions", under=True),
        Column("what", text=True),
        Column("details", under=True, text=True),
        Column("since", under=True, text=True, lead="since "),
        Column("status"),
        Column("basis"),
        Column("when", under=True),
    ]
    rows = [row(key, part, state, names) for key, part in _in_order(found)]
    return Table(title.format(f"{kind.capitalize()} ({len(rows)})"), columns, rows)


def _in_order(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Parts in the order in which they came on the record; a map of protobuf has none."""
    return sorted(found.items(), key=lambda item: (item[1].origin.version, item[0]))


def row(key: str, part: Any, state: pb.Negotiation, names: Names) -> Sequence[Cell]:
    """One part of any kind: what it is, how it stands, how that is known."""
    origin, words = part.origin, part.words
    details = [
        details_of(part, names),
        wording.seen_by(origin.visibility, names),
        f"in session {origin.session_id}" if origin.session_id else "",
        _sourced(words),
        amended(state.amendments, origin.version),
    ]
    return (
        Text(key, "bold"),
        wording.versions(part.blame),
        what(part, names),
        "; ".join(detail for detail in details if detail),
        since(part, names),
        status(part, names),
        known(origin.provenance),
        wording.when(origin.occurred, words.occurred_verbatim),
    )


def _sourced(words: pb.Words) -> str:
    found = list(dict.fromkeys(source.id for source in words.sources))
    return f"{'source' if len(found) == 1 else 'sources'} {wording.listed(found)}" if found else ""


def amended(amendments: Mapping[int, pb.Amendment], version: int) -> str:
    """Return a phrase for the amendments of an entry."""
    if version not in amendments:
        return ""
    note = amendments[version]
    pairs = [
        ("annulled by" if note.annulled else "corrected by", note.corrected_by),
        ("disclosed by", note.disclosed_by),
        ("words destroyed by", [note.redacted_by] if note.redacted_by else []),
    ]
    said = [f"{how} {wording.versions(which)}" for how, which in pairs if which]
    if note.correction_reason:
        said[0] += f" ({escaped(note.correction_reason)})"
    return ", ".join(said)


def amendments(page: Page, state: pb.Negotiation) -> None:
    """Print the table of amended entries."""
    rows = [
        (f"#{version}", amended(state.amendments, version)) for version in sorted(state.amendments)
    ]
    if rows:
        columns = [Column("entry"), Column("what became of it", text=True)]
        page.table(Table(f"Entries amended ({len(rows)})", columns, list(rows)))


def principals(page: Page, state: pb.Negotiation) -> None:
    """Print the principals with access, if any access was granted."""
    names = Names(state.participants)
    if len(state.principals) < 2:  # noqa: PLR2004 - only the one who opened it
        return
    rows = [
        (escaped(who), wording.versions(one.blame), wording.grants(one, names))
        for who, one in sorted(state.principals.items(), key=lambda item: item[1].blame[0])
    ]
    columns = [Column("who"), Column("versions", under=True), Column("access", text=True)]
    page.table(Table(f"Access ({len(rows)})", columns, list(rows)))


def sources(page: Page, shown: Iterable[Any]) -> None:
    """Print the sources that these parts name."""
    found: dict[str, pb.Source] = {}
    for part in shown:
        for source in part.words.sources:
            found.setdefault(source.id, source)
    rows = [
        (key, wording.word(source, "kind"), wording.source(source) or wording.NOTHING)
        for key, source in found.items()
    ]
    if rows:
        columns = [Column("id"), Column("kind"), Column("what", text=True)]
        page.table(Table(f"Sources ({len(rows)})", columns, list(rows)))


def legend(page: Page, shown: Iterable[Any]) -> None:
    """Print the meaning of the bases and forms of these parts."""
    bases, forms = set[int](), set[int]()
    for part in shown:
        for name in ("origin", "status_change"):
            if name in part.DESCRIPTOR.fields_by_name:
                bases.add(getattr(part, name).provenance.basis)
        if part.words.text:
            forms.add(part.origin.provenance.form)
    explain(page, bases, forms=forms)


def explain(
    page: Page, bases: Iterable[int], *, forms: Iterable[int] = (), numbers: bool = True
) -> None:
    """Print the meaning of bases, of forms, and of the version numbers."""
    wanted = set(bases)
    said = [(basis, *wording.BASES[basis]) for basis in wording.BASES if basis in wanted]
    if not said:
        return
    page.line()
    for basis, name, meaning in said:
        page.line(Text.assemble((name, colors.BASES[basis]), (f": {meaning}.", "dim")))
    given = set(forms) - {0}
    if pb.FORM_VERBATIM in given and not page.plain:
        others = [wording.word_of("Form", form) for form in sorted(given - {pb.FORM_VERBATIM})]
        rest = f"; what is a {wording.listed(others, 'or')} says so" if others else ""
        page.line(f"“…”: word for word{rest}.", "dim")
    if numbers:
        page.line("#12: the entries that made it so; `pourparler blame` says how.", "dim")
