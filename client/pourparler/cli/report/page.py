"""The page: what it says, put into its template. The same record makes the same page, byte by byte.

Pure but for its own template, style and script, which it reads from beside this module.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, DecimalException
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from pourparler import v1 as pb
from pourparler.cli import state as told
from pourparler.cli import wording
from pourparler.cli.faces import Face, sources
from pourparler.cli.history import describe
from pourparler.cli.questions import QUESTIONS
from pourparler.cli.report import charts
from pourparler.cli.report.course import Course, course
from pourparler.cli.safe import harmless
from pourparler.cli.wording import Names
from pourparler.contract import entry_type
from pourparler.diff import reversals

_LONGEST_LABEL = 36
_LONG = 300  # entries: from here on a browser does not lay out at once what is out of sight
_NUMBERS = frozenset({pb.TERM_TYPE_MONEY, pb.TERM_TYPE_PERCENT, pb.TERM_TYPE_QUANTITY})
_MODES = {
    pb.CORRECTION_KIND_RECORDER: "whoever recorded it erred",
    pb.CORRECTION_KIND_SPEAKER_REQUEST: "the speaker asked for it",
    pb.CORRECTION_KIND_TRANSLATION: "the translation was wrong",
    pb.CORRECTION_KIND_IDENTITY: "it was somebody else",
}
_OUTCOMES = {
    pb.MILESTONE_STATUS_REACHED: "reached",
    pb.MILESTONE_STATUS_MISSED: "missed",
    pb.MILESTONE_STATUS_CANCELLED: "cancelled",
}


class Checked(NamedTuple):
    """How the record was verified before the page was made of it."""

    verdict: str
    """`sound`, `manipulated`, `incomplete`, `cannot tell`; empty where nobody verified it."""
    said: str
    origin: str = ""
    size: int = 0
    root: str = ""
    keys: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


class _Card(NamedTuple):
    """A part, as it was told at each of its versions."""

    faces: Sequence[tuple[Face, str, bool]]
    since: int
    when: str
    now: bool


class _Step(NamedTuple):
    """What was held or offered of a matter, from a version on."""

    version: int
    amount: str
    number: float | None
    id: str
    back: bool


def page(entries: Sequence[pb.Entry], on: str, checked: Checked) -> str:
    """The page of a negotiation, from all its entries; dues are reckoned on a date in EDTF."""
    through = course(entries, on)
    state, names = through.state, Names(through.state.participants)
    dated = list(_dated(state))
    script, style = _beside("page.js"), _beside("page.css")
    return _template().render(
        script=Markup(script),  # noqa: S704 - our own
        script_digest=_digest(script),
        style=Markup(style),  # noqa: S704 - our own
        title=state.words.title or state.name or "A negotiation",
        state=state,
        status=_status(state, names),
        opened=wording.when(state.origin.occurred, state.words.occurred_verbatim),
        counts=_counts(state),
        on=wording.edtf(on),
        checked=checked,
        questions=[
            (asked, [(item, when, now) for item, when, now in through.standing if item[0] == n])
            for n, asked in enumerate(QUESTIONS)
        ],
        people=_cards(through, "participants"),
        timeline=_drawn(charts.timeline([row for row, _, _ in dated], on)),
        dated=[(row, wording.when(row.date, words), version) for row, words, version in dated],
        most_rows=charts.MOST_ROWS,
        long=_LONG,
        topics=list(_topics(through, names)),
        papers=[
            (kind, _cards(through, kind))
            for kind in (
                "agreements",
                "commitments",
                "milestones",
                "questions",
                "sessions",
                "documents",
            )
        ],
        statements=_cards(through, "statements"),
        corrections=list(_corrections(entries, names)),
        rows=list(_rows(entries, through, names)),
        bases=[said for basis, said in wording.BASES.items() if basis in _bases(entries)],
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        finalize=_finalized,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(_beside("page.html"))


def _finalized(value: Any) -> Any:
    """Whatever is put on the page: what could turn, hide or end text is shown, not done."""
    return value if isinstance(value, Markup) else harmless(str(value), lines=True)


@cache
def _beside(name: str) -> str:
    return files("pourparler.cli.report").joinpath(name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """The digest by which the page's own policy lets this script run, and no other."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _drawn(chart: str) -> Markup:
    return Markup(chart)  # noqa: S704 - Vega escapes what it is given


def _status(state: pb.Negotiation, names: Names) -> str:
    said = wording.word(state, "status") or "not opened, as far as this record says"
    if state.outcome:
        said += f", {wording.word(state, 'outcome')}"
    if state.HasField("expected_resume"):
        said += f", expected to go on {wording.when(state.expected_resume)}"
    if state.status_change.by:
        said += f", by {names.all(state.status_change.by)}"
    return said + (f" ({state.status_change.reason})" if state.status_change.reason else "")


def _counts(state: pb.Negotiation) -> str:
    said = [
        wording.count(len(getattr(state, kind)), kind[:-1])
        for kind in told.KINDS
        if getattr(state, kind)
    ]
    return wording.listed([wording.count(state.version, "entry", "entries"), *said])


def _bases(entries: Iterable[pb.Entry]) -> set[int]:
    return {entry.facts.provenance.basis for entry in entries}


def _cards(through: Course, kind: str, ids: Iterable[str] | None = None) -> list[_Card]:
    """The parts of a kind, in the order in which they came on the record."""
    wanted = None if ids is None else set(ids)
    cards = [
        _card(list(faces))
        for (one, key), faces in through.parts.items()
        if one == kind and (wanted is None or key in wanted)
    ]
    return sorted(cards, key=lambda card: card.since)


def _card(faces: Sequence[tuple[Face, str, bool]]) -> _Card:
    spans = " ".join(when for _, when, _ in faces)
    since = min(int(span.partition("-")[0]) for span in spans.split())
    return _Card(faces, since, spans, any(now for _, _, now in faces))


def _label(version: int, what: str) -> str:
    short = what if len(what) <= _LONGEST_LABEL else f"{what[: _LONGEST_LABEL - 1]}…"
    return f"{harmless(short)} #{version}"


def _dated(state: pb.Negotiation) -> Iterator[tuple[charts.Dated, str, int]]:
    """All that the timeline shows: a row, the words in which its date was given, its version."""

    def row(part: Any, what: str, how: str, date: pb.FuzzyDate, words: str = "") -> Any:
        version = part.origin.version
        return charts.Dated(f"{how}: {_label(version, what)}", how, date), words, version

    words = state.words
    if state.origin.HasField("occurred"):
        opening = state.origin.occurred
        yield row(state, "The talks", "opened", opening, words.occurred_verbatim)
    concluded = state.status == pb.NEGOTIATION_STATUS_CONCLUDED
    if concluded and state.status_change.HasField("occurred"):
        yield row(state, "The talks", "concluded", state.status_change.occurred)
    for one in _in_order(state.sessions):
        what = one.words.title or f"session {one.facts.session_id}"
        if one.origin.HasField("occurred"):
            yield row(one, what, "held", one.origin.occurred, one.words.occurred_verbatim)
    for one in _in_order(state.agreements):
        what = one.words.title or f"agreement {one.facts.agreement_id}"
        if one.origin.HasField("occurred"):
            yield row(one, what, "made", one.origin.occurred, one.words.occurred_verbatim)
    for one in _in_order(state.milestones):
        what = one.words.title or f"milestone {one.facts.milestone_id}"
        for number, before in enumerate(one.planned_before, 1):
            label = f"planned before ({number}): {_label(one.origin.version, what)}"
            yield charts.Dated(label, "planned before", before), "", one.blame[0]
        if one.facts.HasField("expected"):
            verbatim = one.words.date_verbatim
            yield row(one, what, "planned", one.facts.expected, verbatim)
        outcome = _OUTCOMES.get(one.status)
        if outcome is not None:
            happened = one.actual if one.HasField("actual") else one.status_change.occurred
            yield row(one, what, outcome, happened)
    for one in _in_order(state.commitments):
        if one.facts.HasField("due"):
            what = one.words.text or f"commitment {one.facts.commitment_id}"
            yield row(one, what, "due", one.facts.due, one.words.date_verbatim)
    for one in _in_order(state.proposals):
        if one.facts.HasField("expires"):
            what = f"proposal {one.facts.proposal_id}"
            yield row(one, what, "expires", one.facts.expires, one.words.date_verbatim)


def _in_order(parts: Mapping[str, Any]) -> list[Any]:
    return sorted(parts.values(), key=lambda one: one.origin.version)


def _topics(through: Course, names: Names) -> Iterator[dict[str, Any]]:
    """Of each topic, and of none: what each party held and offered, and how that moved."""
    state = through.state
    found = reversals(state)
    for topic in [*_in_order(state.topics), None]:
        key = topic.facts.topic_id if topic is not None else ""
        held = [one for one in _in_order(state.positions) if one.facts.topic_id == key]
        proposals = _in_order(state.proposals)
        offered = [one for one in proposals if key in (one.facts.topic_ids or [""])]
        moving = [one for one in proposals if key == _told_at(one)]
        if topic is None and not moving:
            continue
        sides: dict[tuple[str, ...], dict[str, list[str]]] = {}
        for one in held:
            side = sides.setdefault(tuple(sorted(one.facts.holders)), {})
            side.setdefault("positions", []).append(one.facts.position_id)
        for one in offered:
            side = sides.setdefault(tuple(sorted(one.facts.by)), {})
            side.setdefault("proposals", []).append(one.facts.proposal_id)
        moved = _movements(held, moving, found, names)
        yield {
            "id": key,
            "cards": _cards(through, "topics", [key]) if key else [],
            "title": topic.words.title or f"topic {key}"
            if topic
            else "On several topics at once, or on none",
            "sides": [
                (
                    names.all(who),
                    [card for kind, ids in by.items() for card in _cards(through, kind, ids)],
                )
                for who, by in sides.items()
            ],
            "moved": [(who, matter, steps) for (who, matter, _), steps in moved.items()],
            "charts": list(_movement_charts(moved)),
            "reversals": [
                (
                    names[one.participant_id],
                    one.term_key or "stance",
                    [(_value(step), step.version) for step in (one.first, one.moved, one.back)],
                )
                for one in found
                if one.topic_id == key
            ],
        }


def _told_at(proposal: pb.Proposal) -> str:
    """The topic under which the terms of an offer are told; "" if it names several, or none."""
    topics = proposal.facts.topic_ids
    return topics[0] if len(topics) == 1 else ""


def _value(step: pb.Movement) -> str:
    return wording.amount(step.term) if step.HasField("term") else wording.word(step, "stance")


_Moved = dict[tuple[str, str, str], list[_Step]]


def _movements(
    held: Iterable[pb.Position],
    offered: Iterable[pb.Proposal],
    found: Iterable[pb.Reversal],
    names: Names,
) -> _Moved:
    """By party, matter and unit of numbers: what was held and offered, step by step."""
    back = {(one.back.version, one.term_key) for one in found}
    steps: _Moved = {}
    parts = [(one, one.facts.holders, one.facts.position_id) for one in held]
    both: list[tuple[Any, Any, str]] = [
        *parts,
        *((one, one.facts.by, one.facts.proposal_id) for one in offered),
    ]
    for part, who, key in sorted(both, key=lambda one: one[0].origin.version):
        for term in part.facts.terms:
            matter = wording.term(term, names, part.words).partition(": ")[0]
            unit = "%" if term.type == pb.TERM_TYPE_PERCENT else term.unit
            version = part.origin.version
            steps.setdefault((names.all(who), matter, unit), []).append(
                _Step(
                    version,
                    wording.amount(term, part.words),
                    _number(term),
                    key,
                    (version, term.key) in back,
                )
            )
    return steps


def _number(term: pb.Term) -> float | None:
    if term.type not in _NUMBERS or not term.value:
        return None
    try:
        low = Decimal(term.value)
        return float((low + Decimal(term.value_max)) / 2) if term.value_max else float(low)
    except DecimalException:
        return None


def _movement_charts(moved: _Moved) -> Iterator[tuple[str, Markup]]:
    """A chart for each matter that is a number and moved."""
    matters: dict[tuple[str, str], list[charts.Moved]] = {}
    for (who, matter, unit), steps in moved.items():
        matters.setdefault((matter, unit), []).extend(
            charts.Moved(who, step.version, step.number)
            for step in steps
            if step.number is not None
        )
    for (matter, unit), points in matters.items():
        if len({point.value for point in points}) > 1 and len({one.version for one in points}) > 1:
            title = f"{matter}, in {unit}" if unit else matter
            yield title, _drawn(charts.movement(points))


def _corrections(entries: Sequence[pb.Entry], names: Names) -> Iterator[dict[str, Any]]:
    """What was corrected: what it was, what it counts as, at whose call and why."""
    by_version = {entry.header.version: entry for entry in entries}
    for entry in entries:
        if not entry.facts.HasField("entry_corrected"):
            continue
        event = entry.facts.entry_corrected
        now = "It counts as never made."
        if event.mode == pb.CORRECTION_MODE_REPLACE:
            replaced = pb.Entry(header=entry.header, facts=event.replacement, words=entry.words)
            now = describe(replaced, names)
        target = by_version.get(event.target_version)
        yield {
            "version": entry.header.version,
            "target": event.target_version,
            "was": describe(target, names) if target is not None else "",
            "now": now,
            "kind": _MODES.get(event.kind, ""),
            "reason": entry.words.correction_reason,
        }


def _rows(entries: Iterable[pb.Entry], through: Course, names: Names) -> Iterator[dict[str, Any]]:
    """The record itself: entry by entry, as recorded, and what became of each."""
    amendments = through.state.amendments
    for entry in entries:
        facts, version = entry.facts, entry.header.version
        kind = entry_type(facts)
        note = amendments[version] if version in amendments else pb.Amendment()
        target = getattr(getattr(facts, kind.name), "target_version", 0) if kind else 0
        lacking = ""
        if not entry.HasField("facts"):
            lacking = "withheld: only its place, time and digests are known"
        elif note.redacted_by:
            lacking = f"its words were erased by law, by #{note.redacted_by}"
        elif not entry.HasField("words"):
            lacking = "its words are withheld"
        yield {
            "version": version,
            "kind": kind.name.replace("_", " ") if kind else "withheld",
            "told": describe(entry, names),
            "occurred": wording.when(facts.occurred, entry.words.occurred_verbatim),
            "recorded": wording.moment(entry.header.record_time),
            "by": facts.recorded_by,
            "basis": wording.BASES.get(facts.provenance.basis, ("not said", ""))[0],
            "seen": wording.seen_by(facts.visibility, names),
            "session": facts.session_id,
            "lacking": lacking,
            "corrected": list(note.corrected_by),
            "annulled": note.annulled,
            "disclosed": list(note.disclosed_by),
            "target": target,
            "sources": sources(entry.words),
            "made": through.made.get(version, ()),
        }
