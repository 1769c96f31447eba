"""A record as it is read: its entries as they come, and its state at any of its versions. Pure."""

import threading
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pourparler import v1 as pb
from pourparler.cli.output.part_descriptions import KINDS_BY_RESULT
from pourparler.cli.output.wording import Names
from pourparler.schema.contract import PARTS, entry_type, rule_of
from pourparler.state.corrections import effective_entries, is_amending
from pourparler.state.fold import evolve
from pourparler.state.summary import count_parts

Part = tuple[str, str]
"""A part of a state: its kind, such as `proposals`, and its id."""

_APART = 64  # versions
_MOST_KEPT = 32


@dataclass(frozen=True)
class RecordAtVersion:
    """A record as it is shown: its entries up to a version, and what these come to."""

    entries: Sequence[pb.Entry]
    state: pb.Negotiation
    latest: int
    """The last version that there is by now."""

    @property
    def version(self) -> int:
        """The version of which it is."""
        return self.state.version

    @property
    def past(self) -> bool:
        """Whether there is more than is shown."""
        return self.version < self.latest

    @cached_property
    def names(self) -> Names:
        """The names of the participants."""
        return Names(self.state.participants)

    @cached_property
    def made(self) -> Mapping[int, Sequence[Part]]:
        """The parts that each version had a hand in."""
        found: dict[int, list[Part]] = {}
        for kind in KINDS_BY_RESULT:
            parts: Mapping[str, Any] = getattr(self.state, kind)
            for key, part in parts.items():
                for version in part.blame:
                    found.setdefault(version, []).append((kind, key))
        return found

    def entry(self, version: int) -> pb.Entry | None:
        """Return the entry at a version; None if it is not shown."""
        place = bisect_right(self.entries, version, key=_version) - 1
        found = self.entries[place] if place >= 0 else None
        return found if found is not None and _version(found) == version else None

    def part(self, part: Part) -> Any:
        """Return a part; None if it does not exist at this version."""
        return getattr(self.state, part[0]).get(part[1])


def brought(entry: pb.Entry) -> tuple[Part, Any] | None:
    """Return the part that an entry introduces, from this entry alone; None if it has none."""
    kind = entry_type(entry.facts)
    if kind is None or kind.introduces is None:
        return None
    alone = pb.Negotiation()
    evolve(alone, entry)
    where = PARTS[rule_of(kind.introduces).introduces]
    key = getattr(getattr(entry.facts, kind.name), kind.introduces.name)
    part = getattr(alone, where).get(key)
    return None if part is None else ((where, key), part)


class Record:
    """The entries of one negotiation that have arrived. Threads may share it.

    A state is folded from the nearest stored state, and some states on the way are stored. A step
    is short, even in a long record.
    """

    def __init__(self, entries: Iterable[pb.Entry] = ()) -> None:
        """Begin with these, given in the order of their versions."""
        self._lock = threading.Lock()  # guards all below
        self._entries: list[pb.Entry] = []
        self._targets: dict[int, int] = {}  # by place, of those that speak of another entry
        self._kept: dict[int, pb.Negotiation] = {}  # by how many entries they are made of
        for entry in entries:
            self.add(entry)

    @property
    def latest(self) -> int:
        """The last version; 0 before the first."""
        return _version(self._entries[-1]) if self._entries else 0

    def add(self, entry: pb.Entry) -> None:
        """Take one more entry."""
        with self._lock:
            if is_amending(entry):
                event: Any = getattr(entry.facts, entry.facts.WhichOneof("event") or "")
                self._targets[len(self._entries)] = event.target_version
            self._entries.append(entry)

    def at(self, version: int | None = None) -> RecordAtVersion:
        """Return the record as of a version, or as of the last version before it."""
        with self._lock:
            latest = self.latest
            version = latest if version is None else version
            count = bisect_right(self._entries, version, key=_version)
            return RecordAtVersion(self._entries[:count], self._state(count), latest)

    def _state(self, count: int) -> pb.Negotiation:
        begun = self._nearest(count)
        state = pb.Negotiation()
        if begun:
            state.CopyFrom(self._kept[begun])
        apart = max(_APART, len(self._entries) // _MOST_KEPT)
        for end in (*range((begun // apart + 1) * apart, count, apart), count):
            if begun < end and not self._amended(begun, end):
                self._take(state, begun, end)
            elif begun < end:
                state = pb.Negotiation()
                self._take(state, 0, end)
            begun = end
            if end % apart == 0 and end not in self._kept:
                self._kept[end] = _copy(state)
        if len(self._kept) > 2 * _MOST_KEPT:
            self._kept = {end: kept for end, kept in self._kept.items() if end % apart == 0}
        count_parts(state)
        return state

    def _nearest(self, count: int) -> int:
        """How many entries the longest kept state has that a state of this many goes on from."""
        fit = (end for end in self._kept if end <= count and not self._amended(end, count))
        return max(fit, default=0)

    def _amended(self, begun: int, end: int) -> bool:
        """Whether an entry between these places speaks of one before them."""
        before = _version(self._entries[begun - 1]) if begun else 0
        return any(
            begun <= place < end and target <= before for place, target in self._targets.items()
        )

    def _take(self, state: pb.Negotiation, begun: int, end: int) -> None:
        for entry, amended_by in effective_entries(self._entries[begun:end]):
            evolve(state, entry, amended_by=amended_by)


def _version(entry: pb.Entry) -> int:
    return entry.header.version


def _copy(state: pb.Negotiation) -> pb.Negotiation:
    copy = pb.Negotiation()
    copy.CopyFrom(state)
    return copy
