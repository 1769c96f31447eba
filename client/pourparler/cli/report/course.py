"""How a negotiation came to be what it is: at which versions each part was how, and stood how.

Pure: no I/O, no clock.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from pourparler import dates
from pourparler import v1 as pb
from pourparler.cli.faces import KINDS, Face, face
from pourparler.cli.questions import Item, answers
from pourparler.cli.wording import Names
from pourparler.fold import evolve, fold, is_amending
from pourparler.standing import standing

# What these say changes nothing of how a negotiation stands.
_ASIDE = frozenset({"statement_recorded", "session_opened", "session_closed", "document_attached"})

_Thing = TypeVar("_Thing", bound=Hashable)


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


class Course(NamedTuple):
    """A negotiation, and how it came to be so."""

    state: pb.Negotiation
    parts: Mapping[tuple[str, str], Spans[Face]]
    standing: Spans[Item]
    made: Mapping[int, Sequence[str]]
    """What each version made of the parts: `proposal p-1: rejected`."""


def course(entries: Sequence[pb.Entry], on: str) -> Course:
    """Follow the entries, given from the first on without gaps, dues reckoned on a date in EDTF."""
    day = dates.bounds(on)
    final = fold(entries)
    names = Names(final.participants)
    state = pb.Negotiation()
    parts: dict[tuple[str, str], Spans[Face]] = {}
    last: dict[tuple[str, str], Face] = {}
    stood: Spans[Item] = Spans()
    made: dict[int, list[str]] = {}

    def look(version: int, kind: str, key: str) -> None:
        part = getattr(state, kind).get(key)
        was = last.get((kind, key))
        if part is None:
            if was is not None:
                del last[kind, key]
                parts[kind, key].become(version, ())
                made.setdefault(version, []).append(f"{kind[:-1]} {key}: counts as never made")
            return
        now = face(kind, key, part, state, names)
        parts.setdefault((kind, key), Spans()).become(version, (now,))
        last[kind, key] = now
        if was is None or was.status != now.status:
            made.setdefault(version, []).append(f"{kind[:-1]} {key}: {now.status}")

    for place, entry in enumerate(entries, 1):
        version = entry.header.version
        event = entry.facts.WhichOneof("event")
        if is_amending(entry):
            before, state = state, fold(entries[:place])
            for kind in KINDS:
                was, now = getattr(before, kind), getattr(state, kind)
                for key in sorted({*was, *now}):
                    if was.get(key) != now.get(key) or _amended(before, state, now.get(key)):
                        look(version, kind, key)
        else:
            evolve(state, entry)
            for kind, key in _concerned(state, entry):
                look(version, kind, key)
        if event is not None and event not in _ASIDE:
            stood.become(version, answers(standing(state, day, on), state, names))
    return Course(final, parts, stood, made)


def _amended(before: pb.Negotiation, after: pb.Negotiation, part: Any) -> bool:
    """Whether something new is said of the entry that brought a part."""
    version = part.origin.version if part is not None else 0
    return version in after.amendments and (
        version not in before.amendments or before.amendments[version] != after.amendments[version]
    )


def _concerned(state: pb.Negotiation, entry: pb.Entry) -> list[tuple[str, str]]:
    """The parts that an entry names, and the statements that those it names reply to."""
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
    return [(kind, key) for kind in KINDS for key in ids if key in getattr(state, kind)]
