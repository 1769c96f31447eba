"""How a negotiation came to be what it is: at which versions each part was how, and stood how.

Pure: no I/O, no clock.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Generic, NamedTuple, TypeVar

from pourparler import v1 as pb
from pourparler.cli.output import wording
from pourparler.cli.output.part_descriptions import KINDS_BY_RESULT
from pourparler.cli.output.status_lines import Item, status_lines
from pourparler.cli.output.wording import Names
from pourparler.cli.report.descriptions import (
    NegotiationAtVersion,
    PartAtVersion,
    describe_negotiation,
    describe_part,
)
from pourparler.schema import edtf
from pourparler.state.corrections import EffectiveEntry, effective_entries, is_amending
from pourparler.state.diff import reversals
from pourparler.state.fold import evolve, fold, fold_effective
from pourparler.state.happened import happened_by
from pourparler.state.status import status_report

# Entries of these types do not change the status report.
_ASIDE = frozenset({"statement_recorded", "session_opened", "session_closed", "document_attached"})

_Thing = TypeVar("_Thing", bound=Hashable)
_Other = TypeVar("_Other", bound=Hashable)


class Spans(Generic[_Thing]):
    """From which version on, and up to which, each of some things was so."""

    def __init__(self) -> None:
        """Nothing has been so."""
        self._spans: dict[_Thing, list[list[int]]] = {}
        self._now: set[_Thing] = set()

    def become(self, version: int, things: Iterable[_Thing]) -> None:
        """From this version on, just these are so."""
        now = dict.fromkeys(things)
        for gone in self._now - now.keys():
            self._spans[gone][-1].append(version)
        for new in now:
            if new not in self._now:
                self._spans.setdefault(new, []).append([version])
        self._now = set(now)

    def __iter__(self) -> Iterator[tuple[_Thing, str, bool]]:
        """Each thing, when it was so (`3-7 9-`, the end not included), and whether it is now."""
        for thing, spans in self._spans.items():
            when = " ".join("-".join(map(str, span)) + "-" * (len(span) == 1) for span in spans)
            yield thing, when, thing in self._now

    def changes(self) -> Iterator[tuple[int, list[_Thing]]]:
        """Each version at which something began or ended, and all that was so from then on."""
        turns = [
            (version, place, thing)
            for thing, spans in self._spans.items()
            for span in spans
            for place, version in enumerate(span)
        ]
        now: dict[_Thing, None] = {}
        for version, at_once in groupby(sorted(turns, key=lambda one: one[0]), lambda one: one[0]):
            for _, ended, thing in sorted(at_once, key=lambda one: -one[1]):
                if ended:
                    now.pop(thing)
                else:
                    now[thing] = None
            yield version, list(now)

    def through(self, of: Callable[[list[_Thing]], Iterable[_Other]]) -> "Spans[_Other]":
        """Return what a function derives from these things, with the versions."""
        result: Spans[_Other] = Spans()
        for version, things in self.changes():
            result.become(version, of(things))
        return result

    def turns(self) -> Iterator[tuple[int, int]]:
        """Return the versions at which one of the things begins (1) or ends (-1)."""
        for spans in self._spans.values():
            for span in spans:
                yield from zip(span, (1, -1), strict=False)

    @classmethod
    def together(cls, many: "Iterable[Spans[_Thing]]") -> "Spans[_Thing]":
        """Return the things of several, which have none in common."""
        result = cls()
        for one in many:
            result._spans |= one._spans  # noqa: SLF001 - of its own kind
            result._now |= one._now  # noqa: SLF001
        return result


def presence(many: Iterable[Spans[Any]]) -> Spans[bool]:
    """Return, for each version, True if any of these things existed."""
    result: Spans[bool] = Spans()
    result.become(1, (False,))
    count = 0
    turns = sorted(turn for one in many for turn in one.turns())
    for version, at_once in groupby(turns, lambda turn: turn[0]):
        count += sum(turn for _, turn in at_once)
        result.become(version, (count > 0,))
    return result


class Reversed(NamedTuple):
    """A reversal, and the three steps that show it."""

    topic: str
    participant: str
    key: str
    steps: tuple[tuple[str, int], ...]
    """The value of each step, and its version."""


class Timeline(NamedTuple):
    """A negotiation, and how it came to be so."""

    state: pb.Negotiation
    talks: Spans[NegotiationAtVersion]
    parts: Mapping[tuple[str, str], Spans[PartAtVersion]]
    standing: Spans[Item]
    reversals: Spans[Reversed]
    names: Sequence[tuple[int, Names]]
    """From which version on participants were called how."""
    made: Mapping[int, Sequence[str]]
    """The parts that each version set."""


def timeline(entries: Sequence[pb.Entry], on: str) -> Timeline:
    """Return the timeline of all entries of a record, with its status report on a date in EDTF."""
    day = edtf.bounds(on)
    names = Names()
    called: list[tuple[int, Names]] = [(1, names)]
    state = pb.Negotiation()
    talks: Spans[NegotiationAtVersion] = Spans()
    parts: dict[tuple[str, str], Spans[PartAtVersion]] = {}
    last: dict[tuple[str, str], str] = {}
    stood: Spans[Item] = Spans()
    gone_back: Spans[Reversed] = Spans()
    made: dict[int, list[str]] = {}
    amended = 1
    that_day = _StatesByDate(entries, day)

    def look(version: int, kind: str, key: str) -> None:
        part = getattr(state, kind).get(key)
        was = last.get((kind, key))
        if part is None:
            if was is not None:
                del last[kind, key]
                parts[kind, key].become(version, ())
                made.setdefault(version, []).append(f"{kind[:-1]} {key}: counts as never made")
            return
        now = describe_part(kind, key, part, state, names)
        parts.setdefault((kind, key), Spans()).become(version, (now,))
        last[kind, key] = now.face.status
        if was != now.face.status:
            made.setdefault(version, []).append(f"{kind[:-1]} {key}: {now.face.status}")

    for place, entry in enumerate(entries, 1):
        version = entry.header.version
        event = entry.facts.WhichOneof("event")
        before, amends = state, is_amending(entry)
        if amends:
            _go_back(gone_back, amended, state)
            amended = version
            state = fold(entries[:place])
        else:
            evolve(state, entry)
        renamed = False
        if amends or event in {"participant_joined", "participant_changed"}:
            were, names = names, Names(state.participants)
            renamed = any(names[key] != were[key] for kind, key in last if kind == "participants")
            called.append((version, names))
        concerned = [*last] if renamed else []
        if amends:
            concerned += _differing(before, state)
        else:
            concerned += _concerned(state, entry)
        for kind, key in dict.fromkeys(concerned):
            look(version, kind, key)
        if amends or renamed or place == 1 or (event or "").startswith("negotiation_"):
            talks.become(version, (describe_negotiation(state, names),))
        if event is not None and event not in _ASIDE:
            by_then = that_day.after(place, state)
            stood.become(version, status_lines(status_report(by_then, day, on), by_then, names))
    if not entries:
        talks.become(1, (describe_negotiation(state, names),))
    _go_back(gone_back, amended, state)
    return Timeline(state, talks, parts, stood, gone_back, called, made)


class _StatesByDate:
    """The states after each version, of the entries that had possibly happened by a date."""

    def __init__(self, entries: Sequence[pb.Entry], day: edtf.Bounds) -> None:
        """Take all entries, and the date."""
        self._entries, self._day = entries, day
        self._state = pb.Negotiation()
        self._place = 0
        given = [EffectiveEntry(one) for one in entries]
        effective = list(effective_entries(entries))
        self._all = all(len(happened_by(some, day)) == len(some) for some in (given, effective))

    def after(self, place: int, state: pb.Negotiation) -> pb.Negotiation:
        """Return the state after so many entries; `state` is that of all entries."""
        if self._all:
            return state
        for entry in self._entries[self._place : place]:
            if is_amending(entry):
                until = self._entries[: entry.header.version]
                happened = happened_by(effective_entries(until), self._day)
                self._state = fold_effective(one for one, _ in happened)
            elif happened_by([EffectiveEntry(entry)], self._day):
                evolve(self._state, entry)
        self._place = place
        return self._state


def _go_back(gone_back: Spans[Reversed], since: int, state: pb.Negotiation) -> None:
    """Add the reversals up to the version of the state. `since` follows the last amendment."""
    now: list[Reversed] = []
    gone_back.become(since, now)
    for one in reversals(state):
        now.append(_reversed(one))
        gone_back.become(max(one.back.version, since), now)


def _reversed(one: pb.Reversal) -> Reversed:
    steps = tuple((_came_to(step), step.version) for step in (one.first, one.moved, one.back))
    return Reversed(one.topic_id, one.participant_id, one.term_key or "stance", steps)


def _came_to(step: pb.Movement) -> str:
    return wording.amount(step.term) if step.HasField("term") else wording.word(step, "stance")


def _differing(before: pb.Negotiation, after: pb.Negotiation) -> Iterator[tuple[str, str]]:
    """Yield the parts that an amendment changed."""
    for kind in KINDS_BY_RESULT:
        was, now = getattr(before, kind), getattr(after, kind)
        for key in sorted({*was, *now}):
            if was.get(key) != now.get(key) or _amended(before, after, now.get(key)):
                yield kind, key


def _amended(before: pb.Negotiation, after: pb.Negotiation, part: Any) -> bool:
    """Whether something new is said of the entry that brought a part."""
    version = part.origin.version if part is not None else 0
    return version in after.amendments and (
        version not in before.amendments or before.amendments[version] != after.amendments[version]
    )


def _concerned(state: pb.Negotiation, entry: pb.Entry) -> list[tuple[str, str]]:
    """Return the parts that an entry names, and the statements that these reply to."""
    kind = entry.facts.WhichOneof("event")
    if kind is None:
        return []
    ids: dict[str, None] = {}
    for _, value in getattr(entry.facts, kind).ListFields():
        if isinstance(value, str):
            ids[value] = None
        elif not hasattr(value, "DESCRIPTOR") and not isinstance(value, int | bool | float):
            ids.update((one, None) for one in value if isinstance(one, str))
    for one in [one for one in ids if one in state.statements]:
        replied = state.statements[one].facts.in_reply_to
        if replied:
            ids[replied] = None
    return [(kind, key) for kind in KINDS_BY_RESULT for key in ids if key in getattr(state, kind)]
