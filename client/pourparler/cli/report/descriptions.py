"""The description of a part at a version: summary, dates, sides and terms.

Pure: no I/O, no clock.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, DecimalException
from typing import Any, NamedTuple

from pourparler import v1 as pb
from pourparler.cli.output import wording
from pourparler.cli.output.part_summaries import PartSummary, summarize
from pourparler.cli.output.wording import Names
from pourparler.cli.report.charts import Dated, dated
from pourparler.cli.terminal_escape import escaped

_LONGEST_LABEL = 36
_NUMBERS = frozenset({pb.TERM_TYPE_MONEY, pb.TERM_TYPE_PERCENT, pb.TERM_TYPE_QUANTITY})
_OUTCOMES = {
    pb.MILESTONE_STATUS_REACHED: "reached",
    pb.MILESTONE_STATUS_MISSED: "missed",
    pb.MILESTONE_STATUS_CANCELLED: "cancelled",
}


class Row(NamedTuple):
    """A date as the timeline has it: what is drawn, the words it was given in, its entry."""

    drawn: Dated
    said: str
    version: int


class Side(NamedTuple):
    """Whose part something is, on which topic; "" where it is on none."""

    topic: str
    who: tuple[str, ...]


class Step(NamedTuple):
    """One value of a term, from a version on."""

    side: Side
    matter: str
    unit: str
    version: int
    amount: str
    number: float | None
    part: str
    key: str


class PartAtVersion(NamedTuple):
    """A part as it is told at some versions."""

    face: PartSummary
    rows: tuple[Row, ...]
    sides: tuple[Side, ...]
    steps: tuple[Step, ...]


class NegotiationAtVersion(NamedTuple):
    """The negotiation itself, as it is told at some versions."""

    title: str
    purpose: str
    status: str
    opened: str
    rows: tuple[Row, ...]
    blame: tuple[int, ...]


def describe_part(
    kind: str, key: str, part: Any, state: pb.Negotiation, names: Names
) -> PartAtVersion:
    """Return the description of a part as of this state."""
    shown = summarize(kind, key, part, state, names)
    rows = tuple(DATES[kind](part)) if kind in DATES else ()
    if kind == "positions":
        side = Side(part.facts.topic_id, tuple(sorted(part.facts.holders)))
        return PartAtVersion(shown, rows, (side,), tuple(_steps(part, key, side, names)))
    if kind == "proposals":
        who = tuple(sorted(part.facts.by))
        topics = part.facts.topic_ids or [""]
        sides = tuple(Side(one, who) for one in topics)
        # The terms of an offer on several topics are told once, with what is on no single one.
        at = sides[0] if len(sides) == 1 else Side("", who)
        return PartAtVersion(shown, rows, sides, tuple(_steps(part, key, at, names)))
    return PartAtVersion(shown, rows, (), ())


def describe_negotiation(state: pb.Negotiation, names: Names) -> NegotiationAtVersion:
    """Return the description of the negotiation as of this state."""
    return NegotiationAtVersion(
        title=state.words.title or state.name or "A negotiation",
        purpose=state.words.purpose,
        status=_status(state, names),
        opened=wording.when(state.origin.occurred, state.words.occurred_verbatim),
        rows=tuple(_talks(state)),
        blame=tuple(state.blame),
    )


def _status(state: pb.Negotiation, names: Names) -> str:
    said = wording.word(state, "status") or "not opened, as far as this record says"
    if state.outcome:
        said += f", {wording.word(state, 'outcome')}"
    if state.HasField("expected_resume"):
        said += f", expected to go on {wording.when(state.expected_resume)}"
    if state.status_change.by:
        said += f", by {names.all(state.status_change.by)}"
    return said + (f" ({state.status_change.reason})" if state.status_change.reason else "")


def _row(version: int, what: str, how: str, date: pb.FuzzyDate, said: str = "") -> Row:
    short = what if len(what) <= _LONGEST_LABEL else f"{what[: _LONGEST_LABEL - 1]}…"
    label = f"{how}: {escaped(short)} #{version}"
    state = how.partition(" (")[0]
    return Row(dated(label, state, date), wording.when(date, said), version)


def _talks(state: pb.Negotiation) -> Iterator[Row]:
    version, title = state.origin.version, "The talks"
    if state.origin.HasField("occurred"):
        opening = state.origin.occurred
        yield _row(version, title, "opened", opening, state.words.occurred_verbatim)
    concluded = state.status == pb.NEGOTIATION_STATUS_CONCLUDED
    if concluded and state.status_change.HasField("occurred"):
        yield _row(state.blame[-1], title, "concluded", state.status_change.occurred)


def _sessions(one: pb.Session) -> Iterator[Row]:
    if one.origin.HasField("occurred"):
        what = one.words.title or f"session {one.facts.session_id}"
        said = one.words.occurred_verbatim
        yield _row(one.origin.version, what, "held", one.origin.occurred, said)


def _agreements(one: pb.Agreement) -> Iterator[Row]:
    if one.origin.HasField("occurred"):
        what = one.words.title or f"agreement {one.facts.agreement_id}"
        said = one.words.occurred_verbatim
        yield _row(one.origin.version, what, "made", one.origin.occurred, said)


def _milestones(one: pb.Milestone) -> Iterator[Row]:
    what = one.words.title or f"milestone {one.facts.milestone_id}"
    came = one.blame[0]  # planned anew, it keeps its row
    for number, before in enumerate(one.planned_before, 1):
        yield _row(came, what, f"planned before ({number})", before)
    if one.facts.HasField("expected"):
        planned = _row(came, what, "planned", one.facts.expected, one.words.date_verbatim)
        yield planned._replace(version=one.origin.version)
    outcome = _OUTCOMES.get(one.status)
    if outcome is not None:
        happened = one.actual if one.HasField("actual") else one.status_change.occurred
        yield _row(came, what, outcome, happened)._replace(version=one.blame[-1])


def _commitments(one: pb.Commitment) -> Iterator[Row]:
    if one.facts.HasField("due"):
        what = one.words.text or f"commitment {one.facts.commitment_id}"
        yield _row(one.origin.version, what, "due", one.facts.due, one.words.date_verbatim)


def _proposals(one: pb.Proposal) -> Iterator[Row]:
    if one.facts.HasField("expires"):
        what = f"proposal {one.facts.proposal_id}"
        said = one.words.date_verbatim
        yield _row(one.origin.version, what, "expires", one.facts.expires, said)


DATES: Mapping[str, Callable[[Any], Iterator[Row]]] = {
    "sessions": _sessions,
    "agreements": _agreements,
    "milestones": _milestones,
    "commitments": _commitments,
    "proposals": _proposals,
}


def _steps(part: Any, key: str, side: Side, names: Names) -> Iterator[Step]:
    for term in part.facts.terms:
        yield Step(
            side,
            matter=wording.term(term, names, part.words).partition(": ")[0],
            unit="%" if term.type == pb.TERM_TYPE_PERCENT else term.unit,
            version=part.origin.version,
            amount=wording.amount(term, part.words),
            number=_number(term),
            part=key,
            key=term.key,
        )


def _number(term: pb.Term) -> float | None:
    if term.type not in _NUMBERS or not term.value:
        return None
    try:
        low = Decimal(term.value)
        return float((low + Decimal(term.value_max)) / 2) if term.value_max else float(low)
    except DecimalException:
        return None
