"""The blame page: the entries that set each part, and the fields that each entry set."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from google.protobuf import json_format
from rich.text import Text

from pourparler import v1 as pb
from pourparler.cli.output import diff as diff_page
from pourparler.cli.output import history, part_descriptions, wording
from pourparler.cli.output import state as state_page
from pourparler.cli.output.anomaly_descriptions import of_versions
from pourparler.cli.output.anomaly_section import anomalies
from pourparler.cli.output.entry_descriptions import describe, type_name
from pourparler.cli.output.page import Cell, Column, Page, Table
from pourparler.cli.output.wording import Names
from pourparler.cli.terminal_escape import escaped
from pourparler.errors import NotFoundError
from pourparler.schema.entry_roles import principals
from pourparler.state.acceptance import deciders, final_answers
from pourparler.state.blame import NEGOTIATION, Blame, Contribution, PartKey
from pourparler.state.corrections import is_amending

ACCESS = "access"
KINDS = (NEGOTIATION, *part_descriptions.KINDS, ACCESS)
"""The kinds of part that `blame` shows, in order."""

_STORED = {ACCESS: "principals"}
_NAMED = {stored: said for said, stored in _STORED.items()}
_ALONE = 180
"""How many characters of an entry's words a terminal shows here: `history` has them all."""

_ASIDE = diff_page.TOLD_OTHERWISE | {
    "facts.status",
    "origin.recorded_by",
    "origin.occurred",
    "words.occurred_verbatim",
    "words.sources",
}
"""The fields that the columns of the entries already show."""


class PartSelector:
    """Which parts are asked for: all, those of a kind, or one by its id or path."""

    def __init__(self, said: str) -> None:
        """Take it as it was said: `proposals`, `proposals/offer` or `offer`."""
        self._said = said
        kind, slash, key = said.partition("/")
        plural = kind if kind in KINDS else f"{kind}s"
        self._kind = _STORED.get(plural, plural) if plural in KINDS else ""
        self._key = key if slash else ""
        self.one = bool(said) and (not self._kind or bool(self._key) or self._kind == NEGOTIATION)
        """Whether a single part is meant."""

    def __call__(self, place: PartKey) -> bool:
        """Whether this part is asked for."""
        if not self._said:
            return True
        kind, key = place
        of_kind = kind == self._kind and self._key in {"", key}
        return of_kind or key == self._said

    def missing(self, negotiation: str) -> NotFoundError:
        """Return the error for a part that does not exist."""
        what = f"part {self._said!r}" if self.one else f"part among the {self._said}"
        return NotFoundError(
            f"There is no {what} in {negotiation.removeprefix('negotiations/')}.",
            reason="PART_NOT_FOUND",
            metadata={"id": self._key or self._said},
        )


def _columns(*, narrow: bool) -> list[Column]:
    """Return the columns. In a narrow terminal the basis is below the dates."""
    return [
        Column("part"),
        Column("status", under=True),
        Column("#"),
        Column("occurred"),
        Column("recorded", under=True),
        Column("basis", under=narrow),
        Column("type", under=True),
        Column("what", text=True),
        Column("sets", under=True, text=True),
        Column("recorded by", under=True, text=True, lead=" "),
        Column("source", under=True, text=True),
    ]


def path(found: Blame) -> str:
    """Return the path of a part: `proposals/offer`, `access/PRINCIPAL`."""
    return escaped("/".join(filter(None, (_kind(found), found.place[1]))))


def blame(page: Page, found: Sequence[Blame], state: pb.Negotiation, *, one: bool = False) -> None:
    """Put on the page what made these parts what they are; of one alone each of its fields, too."""
    names = Names(state.participants)
    columns = _columns(narrow=page.narrow and not page.plain)
    if one and not page.plain:
        for part in found:
            _alone(page, part, state, names)
    elif page.plain:
        rows = [row for part in found for row in _rows(page, part, state, names)]
        page.table(Table("", columns, rows))
    else:
        page.tables(
            [
                Table(_title(kind, parts), columns, rows)
                for kind in KINDS
                if (parts := [part for part in found if _kind(part) == kind])
                and (rows := [row for part in parts for row in _rows(page, part, state, names)])
            ]
        )
    if not page.plain:
        bases = {made.entry.facts.provenance.basis for part in found for made in part.contributions}
        state_page.explain(page, bases, numbers=False)


def _kind(found: Blame) -> str:
    return _NAMED.get(found.place[0], found.place[0])


def _title(kind: str, parts: Sequence[Blame]) -> str:
    return kind.capitalize() if kind == NEGOTIATION else f"{kind.capitalize()} ({len(parts)})"


def ordered(found: Iterable[Blame]) -> list[Blame]:
    """Return the parts in display order."""
    places = {_STORED.get(kind, kind): place for place, kind in enumerate(KINDS)}
    return sorted(found, key=lambda part: places[part.place[0]])


def _alone(page: Page, found: Blame, state: pb.Negotiation, names: Names) -> None:
    page.heading(f"{path(found)}: {_status(found, names)}")
    for line in _why(found, state, names):
        page.line(line)
    rows: list[Sequence[Cell]] = [
        (
            f"#{found.fields[field]}",
            diff_page.label(field),
            diff_page.field_value(found.part, field, names),
        )
        for field in _asked_for(found, found.fields)
    ]
    if rows:
        columns = [Column("set by"), Column("field"), Column("as it stands", text=True)]
        page.table(Table("Fields, and the entry that set each", columns, rows, dense=True))
    entries = [row[2:] for row in _rows(page, found, state, names)]
    columns = _columns(narrow=False)[2:]
    page.table(Table(f"The entries that made it so ({len(entries)})", columns, entries))
    anomalies(page, of_versions(state.anomalies, found.part.blame))


def _asked_for(found: Blame, fields: Iterable[str]) -> list[str]:
    """Return the fields that readers want: the status first, and the id only once."""
    told = []
    for field in fields:
        section, _, name = field.rpartition(".")
        own_id = section == "facts" and getattr(found.part.facts, name) == found.place[1]
        if field not in _ASIDE and not own_id:
            told.append(field)
    return sorted(told, key=lambda field: field != "status")


def _status(found: Blame, names: Names) -> str:
    if found.part is None:
        return "counts as never made"
    if isinstance(found.part, pb.Principal):
        return "has access" if found.part.grants else "has no access any more"
    if isinstance(found.part, pb.Negotiation):
        outcome = wording.word(found.part, "outcome")
        return wording.word(found.part, "status") + (f", {outcome}" if outcome else "")
    return str(part_descriptions.status(found.part, names))


def _why(found: Blame, state: pb.Negotiation, names: Names) -> Iterator[str]:
    """Return the answers and the rule that decided a proposal."""
    part = found.part
    if not isinstance(part, pb.Proposal):
        return
    decisive = {
        pb.PROPOSAL_STATUS_ACCEPTED: pb.ANSWER_ACCEPT,
        pb.PROPOSAL_STATUS_REJECTED: pb.ANSWER_REJECT,
    }.get(part.status)
    if decisive is None:
        return
    holder = part if part.facts.acceptance_rule else state
    said = wording.word(holder.facts, "acceptance_rule") or "all addressees"
    final, who = final_answers(part), deciders(state, part)

    def decides(given: pb.ProposalAnswered) -> bool:
        return any(one in who and final.get(one) == given.answer for one in principals(given))

    answers = [
        f"{names[reply.facts.by]}: {wording.word(reply.facts, 'answer')} (#{reply.origin.version})"
        for reply in part.replies
        if decides(reply.facts)
    ]
    made = f"#{holder.origin.version}" if holder.origin.version else "the opening"
    yield f"Why: by the acceptance rule of {made}, {said}. {', '.join(answers)}."


def _rows(
    page: Page, found: Blame, state: pb.Negotiation, names: Names
) -> Iterator[Sequence[Cell]]:
    for place, made in enumerate(found.contributions):
        entry = made.entry
        facts, words = entry.facts, entry.words
        first = page.plain or not place
        said, who = describe(entry, names), escaped(facts.recorded_by)
        yield (
            Text(path(found) if page.plain else found.place[1] or NEGOTIATION, "bold")
            if first
            else "",
            _status(found, names) if first else "",
            f"#{entry.header.version}",
            wording.when(facts.occurred),
            wording.moment(entry.header.record_time),
            part_descriptions.known(facts.provenance),
            type_name(facts),
            said if page.plain else page.shortened(said, _ALONE),
            _sets(found, made, state, names)
            + ("" if page.plain or not who else f"; recorded by {who}"),
            who if page.plain else "",
            "; ".join(map(history.source, words.sources)),
        )


def _sets(found: Blame, made: Contribution, state: pb.Negotiation, names: Names) -> str:
    """Return the fields of a part that an entry set, and its later amendments."""
    version = made.entry.header.version
    amended = state_page.amended(state.amendments, version)
    told = _asked_for(found, made.sets)
    if made.annulled:
        said = "sets nothing any more"
    elif made.before == type(made.before)() and not is_amending(made.entry):
        said = "brings it"
    elif not told:
        said = "" if made.sets or is_amending(made.entry) else "sets nothing of what it says now"
    elif is_amending(made.entry):
        said = f"sets {wording.listed(list(map(diff_page.label, told)))}"
    else:
        said = "sets " + "; ".join(
            diff_page.moved(made.before, made.after, field, names) for field in told
        )
    return "; ".join(filter(None, (said, amended)))


def print_json(found: Iterable[Blame]) -> None:
    """Print each part on a line of its own: its fields, and its entries as ProtoJSON."""
    for part in found:
        entries = [
            {
                "version": made.entry.header.version,
                "sets": list(made.sets),
                "annulled": made.annulled,
                "entry": _as_json(made.entry),
            }
            for made in part.contributions
        ]
        print(json.dumps({"part": part.path, "fields": dict(part.fields), "entries": entries}))


def _as_json(entry: pb.Entry) -> Any:
    return json_format.MessageToDict(entry, preserving_proto_field_name=True)
