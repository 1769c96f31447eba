"""The page: what it says, put into its template. The same record makes the same page, byte by byte.

Pure but for its own template, style and script, which it reads from beside this module.
"""

import base64
import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from importlib.resources import files
from itertools import pairwise
from operator import attrgetter
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from pourparler import v1 as pb
from pourparler.cli.output import wording
from pourparler.cli.output.entry_descriptions import describe, type_name
from pourparler.cli.output.part_descriptions import KINDS, KINDS_BY_RESULT
from pourparler.cli.output.part_summaries import PartSummary, sources
from pourparler.cli.output.status_lines import QUESTIONS
from pourparler.cli.output.wording import Names
from pourparler.cli.report import charts
from pourparler.cli.report.descriptions import DATES, PartAtVersion, Row, Side, Step
from pourparler.cli.report.timeline_data import Reversed, Spans, Timeline, presence, timeline
from pourparler.cli.terminal_escape import escaped
from pourparler.schema.contract import entry_type

_LONG = 300  # entries: from here on a browser does not lay out at once what is out of sight
_WITH_THEIR_OWN_SECTION = frozenset(
    {"participants", "topics", "positions", "proposals", "statements"}
)
"""The kinds of part that the template places itself. It lists each other kind in turn."""


class Checked(NamedTuple):
    """How the record was verified before the page was made of it."""

    verdict: str
    """`sound`, `manipulated`, `incomplete`, `cannot tell`; empty if it is not verified."""
    said: str
    origin: str = ""
    size: int = 0
    root: str = ""
    keys: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


When = tuple[str, bool]
"""When something is shown, as spans of versions, and whether it is at the latest."""


class _Card(NamedTuple):
    """A part, as it was told at each of its versions."""

    faces: Sequence[tuple[PartSummary, str, bool]]
    since: int
    when: str
    now: bool


class _Cards(NamedTuple):
    """Parts in the order in which they came on the record, and when there is none of them."""

    cards: Sequence[_Card]
    nothing: When | None


def page(entries: Sequence[pb.Entry], on: str, checked: Checked) -> str:
    """Return the HTML page of a negotiation, from all its entries. `on` is an EDTF date."""
    through = timeline(entries, on)
    state, (_, names) = through.state, through.names[-1]
    rows = list(_dated(through))
    dated = [row for spans in rows for row in spans]
    drawn = [(row.drawn, when, now) for row, when, now in dated]
    script, style = _beside("page.js"), _beside("page.css")
    return _template().render(
        script=Markup(script),  # noqa: S704 - our own
        script_digest=_digest(script),
        style=Markup(style),  # noqa: S704 - our own
        title=state.words.title or state.name or "A negotiation",
        state=state,
        talks={
            field: list(through.talks.through(partial(map, attrgetter(field))))
            for field in ("title", "purpose", "status", "opened", "blame")
        },
        counts=_counts(state),
        on=wording.edtf(on),
        checked=checked,
        questions=[
            (asked, [(item, when, now) for item, when, now in through.standing if item[0] == n])
            for n, asked in enumerate(QUESTIONS)
        ],
        people=_cards(through, "participants"),
        timelines=[
            (name, _drawn(charts.timeline(drawn, on, narrow=name == "narrow")))
            for name in ("wide", "narrow")
        ],
        dated=dated,
        dates_when=_whens(rows).get(True),
        dates_now=sum(now for _, _, now in dated),
        most_rows=charts.MOST_ROWS,
        long=_LONG,
        renamed=_renamed(through),
        topics=list(_topics(through, names)),
        no_topic=_cards(through, "topics").nothing,
        papers=[
            (kind, _cards(through, kind))
            for kind in KINDS_BY_RESULT
            if kind not in _WITH_THEIR_OWN_SECTION
        ],
        statements=_cards(through, "statements"),
        corrections=list(_corrections(entries, through)),
        rows=list(_rows(entries, through)),
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
    return value if isinstance(value, Markup) else escaped(str(value), lines=True)


@cache
def _beside(name: str) -> str:
    return files("pourparler.cli.report").joinpath(name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """Return the digest of a script. The content policy of the page allows only this script."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _drawn(chart: str) -> Markup:
    return Markup(chart)  # noqa: S704 - Vega escapes what it is given


def _counts(state: pb.Negotiation) -> str:
    said = [
        wording.count(len(getattr(state, kind)), kind[:-1])
        for kind in KINDS
        if getattr(state, kind)
    ]
    return wording.listed([wording.count(state.version, "entry", "entries"), *said])


def _bases(entries: Iterable[pb.Entry]) -> set[int]:
    return {entry.facts.provenance.basis for entry in entries}


def _cards(through: Timeline, kind: str) -> _Cards:
    """Return the cards of one kind of part."""
    return _ordered(
        spans.through(_faces) for (one, _), spans in through.parts.items() if one == kind
    )


def _faces(all_told: Iterable[PartAtVersion]) -> Iterator[PartSummary]:
    return (told.face for told in all_told)


def _ordered(parts: Iterable[Spans[PartSummary]]) -> _Cards:
    """Return a card for each part that was ever visible here."""
    spans = [faces for faces in parts if any(faces.turns())]
    cards = sorted(map(_card, spans), key=lambda card: card.since)
    return _Cards(cards, _whens(spans).get(False))


def _card(spans: Spans[PartSummary]) -> _Card:
    faces = list(spans)
    when = " ".join(when for _, when, _ in faces)
    return _Card(faces, min(spans.turns())[0], when, any(now for _, _, now in faces))


def _whens(many: Iterable[Spans[Any]]) -> dict[bool, When]:
    """When there is something of these, and when nothing."""
    return {there: (when, now) for there, when, now in presence(many)}


def _called(through: Timeline, version: int) -> Names:
    """How participants were called at a version."""
    place = bisect_right(through.names, version, key=lambda one: one[0])
    return through.names[max(place - 1, 0)][1]


def _named(through: Timeline, who: Iterable[str], since: int) -> list[tuple[str, str, bool]]:
    """How some participants were called, from a version on."""
    result: Spans[str] = Spans()
    result.become(since, (_called(through, since).all(who),))
    for version, names in through.names:
        if version > since:
            result.become(version, (names.all(who),))
    return list(result)


def _renamed(through: Timeline) -> bool:
    """Return True if any participant had another name at an earlier version."""
    faces = [faces for (kind, _), faces in through.parts.items() if kind == "participants"]
    return any(len({told.face.text for told, _, _ in one}) > 1 for one in faces)


def _dated(through: Timeline) -> Iterator[Spans[Row]]:
    """All that the timeline shows, and when."""
    yield through.talks.through(lambda talks: (row for one in talks for row in one.rows))
    for kind in DATES:
        for (one, _), spans in through.parts.items():
            if one == kind:
                yield spans.through(lambda parts: (row for part in parts for row in part.rows))


def _topics(through: Timeline, names: Names) -> Iterator[dict[str, Any]]:
    """Yield each topic, and "" for none, with the positions and offers of each party."""
    topics = {key: spans for (kind, key), spans in through.parts.items() if kind == "topics"}
    sides: dict[Side, list[Spans[PartSummary]]] = {}
    steps: dict[str, dict[tuple[tuple[str, ...], str, str], list[Spans[Step]]]] = {}
    for (kind, _), spans in through.parts.items():
        if kind not in {"positions", "proposals"}:
            continue
        ever = [told for told, _, _ in spans]
        for side in dict.fromkeys(side for told in ever for side in told.sides):
            sides.setdefault(side, []).append(spans.through(_faces_at(side)))
        for group in dict.fromkeys(
            (one.side, one.matter, one.unit) for told in ever for one in told.steps
        ):
            (topic, who), matter, unit = group
            mine = steps.setdefault(topic, {}).setdefault((who, matter, unit), [])
            mine.append(spans.through(_steps_of(group)))
    for key in (*topics, ""):
        here = {side.who: faces for side, faces in sides.items() if side.topic == key}
        moved = {group: Spans.together(parts) for group, parts in steps.get(key, {}).items()}
        if not key and not here and not moved:
            continue
        gone_back = [one for one in through.reversals if one[0].topic == key]
        back = {(one.steps[-1][1], one.key) for one, _, _ in gone_back}
        offered = [face for faces in here.values() for face in faces]
        yield {
            "id": key,
            "cards": _ordered([topics[key].through(_faces)]).cards if key else [],
            "titles": list(topics[key].through(_titles)) if key else [],
            "when": _whens([topics[key]] if key else [*moved.values(), *offered])[True],
            "sides": [
                (_named(through, who, cards[0].since), _whens(faces)[True], cards)
                for who, faces in here.items()
                for cards in [_ordered(faces).cards]
            ],
            "nothing": _whens(offered).get(False) if key else None,
            "moved": [
                (_named(through, who, first), matter, _whens([spans])[True], _in_steps(spans, back))
                for (who, matter, _), spans in moved.items()
                for first, _ in [min(spans.turns())]
            ],
            "moving": _whens(moved.values()).get(True),
            "charts": list(_movement_charts(moved, names)),
            "reversals": [
                (
                    _named(through, [one.participant], one.steps[-1][1]),
                    one.key,
                    one.steps,
                    when,
                    now,
                )
                for one, when, now in gone_back
            ],
            "gone_back": _whens([through.reversals.through(_on(key))]).get(True),
        }


def _titles(all_told: Iterable[PartAtVersion]) -> Iterator[str]:
    return (told.face.text or f"topic {told.face.key}" for told in all_told)


def _faces_at(side: Side) -> Callable[[Iterable[PartAtVersion]], Iterator[PartSummary]]:
    return lambda all_told: (told.face for told in all_told if side in told.sides)


def _steps_of(group: tuple[Side, str, str]) -> Callable[[Iterable[PartAtVersion]], Iterator[Step]]:
    return lambda all_told: (
        one for told in all_told for one in told.steps if (one.side, one.matter, one.unit) == group
    )


def _on(topic: str) -> Callable[[Iterable[Reversed]], Iterator[Reversed]]:
    return lambda found: (one for one in found if one.topic == topic)


def _in_steps(spans: Spans[Step], back: set[tuple[int, str]]) -> list[tuple[Step, bool, str, bool]]:
    """Return the steps in order, each with its reversal and its versions."""
    return [
        (step, (step.version, step.key) in back, when, now)
        for step, when, now in sorted(spans, key=lambda one: one[0].version)
    ]


def _movement_charts(
    moved: Mapping[tuple[tuple[str, ...], str, str], Spans[Step]], names: Names
) -> Iterator[tuple[str, Markup, When]]:
    """Return a chart for each numeric term that changed."""
    matters: dict[tuple[str, str], list[tuple[str, Spans[Step]]]] = {}
    for (who, matter, unit), spans in moved.items():
        matters.setdefault((matter, unit), []).append((names.all(who), spans))
    for (matter, unit), parties in matters.items():
        points = Spans.together(spans.through(_numbers(who)) for who, spans in parties)
        moving = _whens([points.through(_moving)]).get(True)
        if moving is not None:
            title = f"{matter}, in {unit}" if unit else matter
            yield title, _drawn(charts.movement(list(points))), moving


def _moving(points: Sequence[charts.Moved]) -> Iterator[bool]:
    """Whether there is more than one number, and more than one version."""
    if len({one.value for one in points}) > 1 and len({one.version for one in points}) > 1:
        yield True


def _numbers(who: str) -> Callable[[Iterable[Step]], Iterator[charts.Moved]]:
    """Return the values of a numeric term for a party, each up to the next value."""

    def of(steps: Iterable[Step]) -> Iterator[charts.Moved]:
        known = [(one.version, one.number) for one in steps if one.number is not None]
        known.sort()
        for (version, value), (until, then) in pairwise([*known, *known[-1:]]):
            yield charts.Moved(who, version, value, until, then)

    return of


def _corrections(entries: Sequence[pb.Entry], through: Timeline) -> Iterator[dict[str, Any]]:
    """Yield each correction: the entry before and after, the kind and the reason."""
    by_version = {entry.header.version: entry for entry in entries}
    for entry in entries:
        if not entry.facts.HasField("entry_corrected"):
            continue
        event = entry.facts.entry_corrected
        names = _called(through, entry.header.version)
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
            "kind": wording.CORRECTIONS.get(event.kind, ""),
            "reason": entry.words.correction_reason,
        }


def _rows(entries: Iterable[pb.Entry], through: Timeline) -> Iterator[dict[str, Any]]:
    """Yield the entries as recorded, each with its amendments."""
    amendments = through.state.amendments
    for entry in entries:
        facts, version = entry.facts, entry.header.version
        names = _called(through, version)
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
            "kind": type_name(entry.facts),
            "told": describe(entry, names),
            "occurred": wording.when(facts.occurred, entry.words.occurred_verbatim),
            "recorded": wording.moment(entry.header.record_time),
            "by": facts.recorded_by,
            "basis": wording.BASES.get(facts.provenance.basis, ("not said", ""))[0],
            "seen": wording.seen_by(facts.visibility, names),
            "session": facts.session_id,
            "lacking": lacking,
            "amended": [
                *(("corrected", one) for one in note.corrected_by[: -1 if note.annulled else None]),
                *(("annulled", one) for one in note.corrected_by[-1:] if note.annulled),
                *(("disclosed", one) for one in note.disclosed_by),
            ],
            "target": target,
            "sources": sources(entry.words),
            "made": through.made.get(version, ()),
        }
