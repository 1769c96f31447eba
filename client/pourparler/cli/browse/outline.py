"""The rows of the three views of a record: status, topics and timeline."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

from google.protobuf.message import Message
from rich.text import Text

from pourparler import v1 as pb
from pourparler.cli.browse.record_model import Part, RecordAtVersion, brought
from pourparler.cli.browse.row_list import Row
from pourparler.cli.output import colors, part_descriptions, wording
from pourparler.cli.output import state as state_page
from pourparler.cli.output.entry_descriptions import describe, type_name
from pourparler.cli.output.page import safe
from pourparler.cli.output.part_summaries import BAD, GOOD
from pourparler.cli.output.status_lines import QUESTIONS, Item, status_lines
from pourparler.cli.terminal_escape import escaped
from pourparler.schema import edtf
from pourparler.schema.contract import is_repeated
from pourparler.state.status import status_report as stands

SIGNS: Mapping[int, str] = {
    pb.BASIS_DIRECT: "●",
    pb.BASIS_ON_RECORD: "◉",
    pb.BASIS_REPORTED: "◐",
    pb.BASIS_UNATTRIBUTED: "○",
    pb.BASIS_ANALYSIS: "◇",
}
"""A sign for each basis: the filled ones are confirmed."""

NUMBER = colors.LINK
"""How versions are shown."""

MINUTE = len("2026-11-23 09:30")
"""How much of an instant is shown where there is little room."""

_WIDE = 110
_WIDEST_DATE = 24
_WITHHELD = "withheld: only its place, its time and its digests are known"
_USUAL = frozenset({"stands", "latest"})
_MUST_ANSWER = 2
ELSEWHERE = ("topics", "")
"""The row of all that is on no topic."""


def sign(provenance: pb.Provenance) -> Text:
    """Return the sign of a basis, in the colour of its name."""
    return Text(SIGNS.get(provenance.basis, "·"), part_descriptions.known(provenance).style)


def tone(status: str) -> str:
    """Return the colour of a status: for success, for failure, or none."""
    plain = status.partition(",")[0]
    return colors.GOOD if plain in GOOD else colors.BAD if plain in BAD else ""


def legend(bases: Iterable[int]) -> Text:
    """Return the meaning of the signs of these bases."""
    wanted = set(bases)
    said = [
        Text.assemble(sign(pb.Provenance(basis=basis)), f" {wording.BASES[basis][0]}")  # type: ignore[arg-type]
        for basis in SIGNS
        if basis in wanted
    ]
    return Text("   ").join(said)


def matching(rows: Sequence[Row], words: Sequence[str]) -> list[Row]:
    """Return the rows that contain all these words, and the rows above them."""
    found: list[Row] = []
    above: Row | None = None
    for row in rows:
        if not row.heading and all(word in row.said() for word in words):
            if above is not None and row.key[0] != "topics":
                found.append(above)
            found.append(row)
            above = None
        elif row.heading or row.key[0] == "topics":
            above = row
    return found


def timeline(shown: RecordAtVersion) -> list[Row]:
    """Every entry, in the order of the record."""
    dates_wide = max((len(when(one.facts.occurred)) for one in shown.entries), default=0)
    column = min(dates_wide, _WIDEST_DATE)
    return [
        Row(
            ("entries", str(entry.header.version)),
            partial(_entry, entry, shown),
            partial(_entry_first, entry, column),
            partial(_entry_said, entry, shown),
        )
        for entry in shown.entries
    ]


def _entry_first(entry: pb.Entry, column: int, width: int) -> Text:
    number = Text(f"#{entry.header.version}".ljust(6), NUMBER)
    dated = when(entry.facts.occurred)
    dated.truncate(min(column, width // 4), overflow="ellipsis", pad=True)
    if width < _WIDE:
        return Text.assemble(number, dated, " ", sign(entry.facts.provenance), " ")
    name = wording.BASES.get(entry.facts.provenance.basis, ("",))[0].ljust(12)
    basis = Text(name, part_descriptions.known(entry.facts.provenance).style)
    return Text.assemble(number, dated, " ", sign(entry.facts.provenance), " ", basis, " ")


def when(date: pb.FuzzyDate) -> Text:
    """Return a date. A date that is not a single day is in italics."""
    if date.WhichOneof("date") == "instant":
        return Text(wording.moment(date.instant)[:MINUTE])
    exact = date.earliest == date.latest != ""
    return Text(wording.when(date), "" if exact else "italic")


def _entry(entry: pb.Entry, shown: RecordAtVersion) -> Text:
    if not entry.HasField("facts"):
        return Text(_WITHHELD, "dim italic")
    said = in_a_line(entry, shown)
    note = shown.state.amendments.get(entry.header.version)
    if note is None:
        return said
    if note.annulled:
        said.stylize("strike dim")
    what = state_page.amended(shown.state.amendments, entry.header.version).partition(" (")[0]
    return Text.assemble((f"[{what}] ", f"bold {colors.DOUBTFUL}"), said)


def in_a_line(entry: pb.Entry, shown: RecordAtVersion) -> Text:
    """Return the part that an entry introduces in its own words, or else its sentence."""
    bringing = brought(entry)
    if bringing is None:
        return safe(describe(entry, shown.names))
    (kind, _), part = bringing
    return Text.assemble((f"{kind[:-1]}  ", "dim"), safe(part_descriptions.what(part, shown.names)))


def _entry_said(entry: pb.Entry, shown: RecordAtVersion) -> str:
    facts = entry.facts
    said = [
        f"#{entry.header.version}",
        type_name(entry.facts),
        describe(entry, shown.names),
        wording.when(facts.occurred),
        wording.basis(facts.provenance),
        facts.recorded_by,
        *_strings(entry.words),
    ]
    return " ".join(said).casefold()


def _strings(message: Message) -> Iterator[str]:
    """All that is text in a message and in those within it."""
    for field, value in message.ListFields():
        for one in value if is_repeated(field) else (value,):
            if isinstance(one, str):
                yield one
            elif isinstance(one, Message):
                yield from _strings(one)


def status_rows(shown: RecordAtVersion, on: str) -> list[Row]:
    """Return the rows of the status report: the head, the participants and each question."""
    state, names = shown.state, shown.names
    answer = stands(state, edtf.bounds(on), on)
    rows = [*_what(shown), _heading("Who is at the table?")]
    people = sorted(state.participants.items(), key=lambda item: item[1].origin.version)
    rows += [_person(shown, key, part) for key, part in people]
    rows += [] if people else [_nothing("No participant is named yet.", "people")]
    items = list(status_lines(answer, state, names))
    for number, asked in enumerate(QUESTIONS):
        rows.append(_heading(asked))
        rows += [_item(shown, item) for item in items if item.question == number]
    rows.append(_heading(""))
    day = wording.edtf(on)
    rows.append(_nothing(f"Dues are reckoned on {day}.", "on"))
    return rows


def _what(shown: RecordAtVersion) -> Iterator[Row]:
    words = shown.state.words
    said = Text()
    if words.purpose:
        said.append(escaped(words.purpose, lines=True))
    if shown.state.facts.predecessor:
        said.append(f"{' ' if said else ''}Takes up {escaped(shown.state.facts.predecessor)}.")
    if said:
        yield _heading("What is it for?")
        yield Row(("entries", str(shown.state.origin.version)), said.copy, _indent, _said(said))


def _heading(text: str) -> Row:
    return Row(("heading", text), partial(Text, text, "bold"), heading=True)


def _nothing(text: str, key: str) -> Row:
    return Row(("nothing", key), partial(Text, text, "dim"), _indent, heading=True)


def _indent(width: int) -> Text:
    del width
    return Text("  ")


def _said(text: Text, *more: Message) -> Any:
    said = " ".join([text.plain, *(one for message in more for one in _strings(message))])
    return partial(str, said.casefold())


def _mark(shown: RecordAtVersion, parts: Iterable[Part]) -> Text:
    """Mark the parts that the last shown entry changed, if later entries exist."""
    touched = shown.past and not {*parts}.isdisjoint(shown.made.get(shown.version, ()))
    return Text("+ ", f"bold {colors.GOOD}") if touched else Text("  ")


def _person(shown: RecordAtVersion, key: str, part: pb.Participant) -> Row:
    details = part_descriptions.details_of(part, shown.names)
    left = (
        ""
        if part.status == pb.PARTICIPANT_STATUS_ACTIVE
        else str(part_descriptions.status(part, shown.names))
    )
    text = Text.assemble(
        (shown.names[key], "bold"),
        (f"  {left}" if left else "", colors.BAD),
        (f"  {escaped(details)}" if details else "", "dim"),
    )
    first = Text.assemble(_mark(shown, [("participants", key)]), sign(part.origin.provenance), " ")
    return Row(("participants", key), text.copy, lambda _: first, _said(text, part.words))


def _item(shown: RecordAtVersion, item: Item) -> Row:
    if not item.parts:
        return _nothing(item.text, item.text)
    part = shown.part(item.parts[0])
    plain = item.note.partition(";")[0].partition(", ")[2]
    how = f"bold {colors.BAD}" if "overdue" in item.note else tone(plain) or "dim"
    asked = [safe(part_descriptions.what(shown.part(one), shown.names)) for one in item.parts]
    text = Text.assemble(
        safe(item.text),
        *(Text.assemble("\n- ", one) for one in asked if item.question == _MUST_ANSWER),
        (f"  {escaped(item.note)}" if item.note else "", how),
        (f"  {wording.versions(item.blame)}", NUMBER),
    )
    first = Text.assemble(_mark(shown, item.parts), sign(part.origin.provenance), " ")
    return Row(item.parts[0], text.copy, lambda _: first, _said(text, part.words))


def topics(shown: RecordAtVersion, unfolded: AbstractSet[Part] | None) -> list[Row]:
    """Return the topics as a tree. `unfolded` names the open topics; None opens all."""
    state = shown.state
    found = _on_topics(state)
    below: dict[str, list[str]] = {}
    for key, _ in _in_order(state.topics):
        below.setdefault(_parent(state, key), []).append(key)
    rows: list[Row] = []

    def put(key: str, level: int) -> None:
        beneath = found.get(key, [])
        open_ = unfolded is None or ("topics", key) in unfolded
        rows.append(_topic(shown, key, level, beneath, below.get(key, ()), open_=open_))
        if open_:
            for part in beneath:
                rows.extend(_on_topic(shown, part, level + 1))
            for child in below.get(key, ()):
                put(child, level + 1)

    for key in below.get("", ()):
        put(key, 0)
    elsewhere = found.get("", [])
    if elsewhere:
        open_ = unfolded is None or ELSEWHERE in unfolded
        rows.append(_topic(shown, "", 0, elsewhere, (), open_=open_))
        if open_:
            for part in elsewhere:
                rows.extend(_on_topic(shown, part, 1))
    return rows


def _parent(state: pb.Negotiation, key: str) -> str:
    """Return the parent of a topic; "" if it has none or if its parents form a cycle."""
    above, passed = state.topics[key].facts.parent_id, {key}
    while above in state.topics:
        if above in passed:
            return ""
        passed.add(above)
        above = state.topics[above].facts.parent_id
    parent = state.topics[key].facts.parent_id
    return parent if parent in state.topics else ""


def _in_order(parts: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(parts.items(), key=lambda item: (item[1].origin.version, item[0]))


def _on_topics(state: pb.Negotiation) -> Mapping[str, list[Part]]:
    """Return the parts of each topic, by kind and in record order; "" is no topic."""
    found: dict[str, list[Part]] = {}
    for kind in part_descriptions.KINDS_BY_TOPIC:
        if kind in part_descriptions.FRAMEWORK:
            continue
        for key, part in _in_order(getattr(state, kind)):
            facts = part.facts
            names = facts.DESCRIPTOR.fields_by_name
            on = list(facts.topic_ids) if "topic_ids" in names else []
            on += [facts.topic_id] if "topic_id" in names else []
            for topic in [one for one in on if one in state.topics] or [""]:
                found.setdefault(topic, []).append((kind, key))
    return found


def _topic(
    shown: RecordAtVersion,
    key: str,
    level: int,
    beneath: Sequence[Part],
    children: Sequence[str],
    *,
    open_: bool,
) -> Row:
    counts: dict[str, int] = {}
    for kind, _ in beneath:
        counts[kind] = counts.get(kind, 0) + 1
    if children:
        counts["topics"] = len(children)
    many = wording.listed([wording.count(n, kind[:-1]) for kind, n in counts.items()])
    arrow = ("▾ " if open_ else "▸ ") if counts else "  "
    if key:
        part = shown.state.topics[key]
        status = str(part_descriptions.status(part, shown.names))
        title = safe(part_descriptions.what(part, shown.names))
        title.stylize("bold")
        text = Text.assemble(
            title, "  ", (status, tone(status)), (f"  {many}" if many else "", "dim")
        )
        mark = _mark(shown, [("topics", key)])
        first = Text.assemble(mark, "  " * level, arrow, sign(part.origin.provenance), " ")
        said = _said(text, part.words)
    else:
        text = Text.assemble(("On no topic", "bold"), (f"  {many}", "dim"))
        first = Text.assemble("  ", arrow, "  ")
        said = _said(text)
    return Row(("topics", key), text.copy, lambda _: first, said, open=open_ if counts else None)


def _on_topic(shown: RecordAtVersion, part: Part, level: int) -> Iterator[Row]:
    kind = part[0]
    one = shown.part(part)

    def text() -> Text:
        status = str(part_descriptions.status(one, shown.names))
        said = safe(part_descriptions.what(one, shown.names))
        if status in _USUAL:
            return said
        if status.startswith(("retracted", "withdrawn", "superseded")):
            said.stylize("dim")
        return Text.assemble((status, tone(status) or "bold"), " · ", said)

    def first(_width: int) -> Text:
        label = kind[:-1].ljust(11)
        where = Text.assemble(_mark(shown, [part]), "  " * level, (label, "dim"))
        return Text.assemble(where, sign(one.origin.provenance), " ")

    yield Row(part, text, first, partial(_part_said, text, one))
    for reply in getattr(one, "replies", ()):
        yield _reply(shown, reply, level + 1)


def _part_said(text: Callable[[], Text], part: Any) -> str:
    return " ".join([text().plain, *_strings(part.words)]).casefold()


def _reply(shown: RecordAtVersion, reply: pb.ProposalReply, level: int) -> Row:
    answer = wording.word(reply.facts, "answer")
    conditions = "; ".join(escaped(one) for one in reply.words.conditions)
    said = reply.words.text or reply.words.reason
    text = Text.assemble(
        f"{shown.names[reply.facts.by]}: ",
        (answer, {"accept": colors.GOOD, "reject": colors.BAD}.get(answer, "bold")),
        f", if {conditions}" if conditions else "",
        f": {escaped(said)}" if said else "",
    )
    version = reply.origin.version
    mark = (
        Text("+ ", f"bold {colors.GOOD}") if shown.past and version == shown.version else Text("  ")
    )
    first = Text.assemble(
        mark, "  " * level, ("answer".ljust(11), "dim"), sign(reply.origin.provenance), " "
    )
    return Row(("entries", str(version)), text.copy, lambda _: first, _said(text, reply.words))
