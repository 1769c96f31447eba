"""Negotiations as their stored entries make them.

The aggregate, and what any point on its three clocks reads.
"""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.contract import references
from pourparler.fold import Counted, Undo, counted, evolve, fold, gather, is_amending, tally
from pourparler.proof import Tree
from pourparler_service import dates
from pourparler_service.refusal import refuse
from pourparler_service.sealing import leaf, unseal
from pourparler_service.store import COPIES, Store

HELD_ENTRIES = 200_000
"""How many entries the negotiations held for readers may have together."""


class Mark(NamedTuple):
    """What an aggregate was before a group of entries, so that it can go back."""

    state: pb.Negotiation
    undo: Undo
    version: int
    record_time: Timestamp
    uncommitted: int


class Negotiation:
    """The event-sourced aggregate: what the entries of one negotiation come to.

    Owned by one thread at a time. It is rebuilt from its stored entries and advanced by new ones
    through the same `advance`.
    """

    def __init__(self, store: Store, id_: str) -> None:
        """The negotiation before its first entry."""
        self.id = id_
        self.version = 0
        self.state = pb.Negotiation()
        self.record_time = Timestamp()
        self.requests: dict[str, tuple[int, int]] = {}
        self.tree = Tree()
        self.copied = False
        self._store = store
        self._uncommitted: list[pb.Entry] = []

    def catch_up(self) -> None:
        """Take in what the store has beyond this version."""
        stored = self._store.read(self.id, after=self.version)
        if stored and not self.version:
            # Stored together with the first entries, and never changed.
            self.copied = self._store.last_version(COPIES + self.id) > 0
        entries = [unseal(one.data) for one in stored]
        if any(map(is_amending, entries)):
            self.state = fold([*self.history(), *entries])
        else:
            for entry in entries:
                evolve(self.state, entry)
        for one, entry in zip(stored, entries, strict=True):
            self._note(one.data, entry)

    def advance(self, data: bytes, undo: Undo) -> None:
        """Take in an entry that is not in the store yet.

        `committed` or `back_to` says what became of it.
        """
        entry = unseal(data)
        if is_amending(entry):
            self.state = fold([*self.history(), entry])
        else:
            evolve(self.state, entry, undo=undo)
        self._note(data, entry)
        self._uncommitted.append(entry)

    def _note(self, data: bytes, entry: pb.Entry) -> None:
        self.tree.append(leaf(data))
        version, request_id = entry.header.version, entry.facts.request_id
        self.version = version
        self.record_time.CopyFrom(entry.header.record_time)
        if request_id:
            first, _ = self.requests.get(request_id, (version, version))
            self.requests[request_id] = (first, version)

    def history(self) -> list[pb.Entry]:
        """All entries up to this version, those that are not in the store yet among them."""
        committed = self.version - len(self._uncommitted)
        stored = self._store.read(self.id, upto=committed)
        return [unseal(one.data) for one in stored] + self._uncommitted

    def mark(self) -> Mark:
        """Remember where the aggregate is."""
        record_time = Timestamp()
        record_time.CopyFrom(self.record_time)
        return Mark(self.state, Undo(self.state), self.version, record_time, len(self._uncommitted))

    def back_to(self, mark: Mark) -> None:
        """Take out all entries since the mark."""
        for entry in self._uncommitted[mark.uncommitted :]:
            self.requests.pop(entry.facts.request_id, None)
        del self._uncommitted[mark.uncommitted :]
        mark.undo.undo()
        self.tree.truncate(mark.version)
        self.state, self.version, self.record_time = mark.state, mark.version, mark.record_time

    def committed(self) -> None:
        """All entries are in the store now."""
        self._uncommitted.clear()


class Replayed(NamedTuple):
    """An entry of a replay.

    Its stored bytes, what they say, and whether it had only possibly happened.
    """

    data: bytes
    entry: pb.Entry
    possible: bool


class Reading(NamedTuple):
    """A negotiation at a point on its clocks.

    The states are shared between readers: they are not to be changed.
    """

    state: pb.Negotiation
    computed_at: pb.ComputedAt
    possibly: pb.Negotiation | None = None
    possible_versions: tuple[int, ...] = ()


@dataclass(slots=True)
class _Held:
    """A negotiation that is held for readers."""

    negotiation: Negotiation
    lock: threading.Lock = field(default_factory=threading.Lock)  # guards the negotiation
    published: Reading | None = None  # a copy that stays as it is


class Negotiations:
    """What readers see: committed entries only, and every read as fresh as the store."""

    def __init__(self, store: Store) -> None:
        """Read from this store."""
        self._store = store
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._lock = threading.Lock()  # guards _held

    def read(self, id_: str, as_of: pb.AsOf) -> Reading:
        """The negotiation at a point.

        Blocks on the store; raises Refusal, its paths below `as_of`.
        """
        if as_of == pb.AsOf():
            return self._latest(id_)
        by = _occurred_by(as_of)
        entries = [replayed.entry for replayed in self._recorded(id_, as_of)]
        state = _named(fold(entries), id_)
        computed_at = _computed_at(entries)
        if by is None:
            return Reading(state, computed_at)
        happened = _happened(counted(entries), by)
        return Reading(
            state=_partial(id_, [one for one, possible in happened if not possible], state),
            computed_at=computed_at,
            possibly=_partial(id_, [one for one, _ in happened], state),
            possible_versions=tuple(
                one.entry.header.version for one, possible in happened if possible
            ),
        )

    def replay(self, id_: str, as_of: pb.AsOf) -> tuple[list[Replayed], pb.ComputedAt]:
        """The entries at a point, in the order of their versions.

        Blocks on the store; raises Refusal like `read`.
        """
        by = _occurred_by(as_of)
        recorded = self._recorded(id_, as_of)
        computed_at = _computed_at([replayed.entry for replayed in recorded])
        if by is None:
            return recorded, computed_at
        happened = _happened(counted(replayed.entry for replayed in recorded), by)
        possible_by_version = {one.entry.header.version: possible for one, possible in happened}
        return [
            replayed._replace(possible=possible_by_version[replayed.entry.header.version])
            for replayed in recorded
            if replayed.entry.header.version in possible_by_version
        ], computed_at

    def _recorded(self, id_: str, as_of: pb.AsOf) -> list[Replayed]:
        """The entries that were on the record at a point of the two clocks of the record."""
        if as_of.HasField("version") and as_of.HasField("record_time"):
            refuse(
                pb.ERROR_REASON_AS_OF_INVALID,
                "Give a version or a record_time, not both.",
                "record_time",
            )
        last = self._store.last_version(id_)
        if not last:
            _not_found(id_)
        upto = as_of.version if as_of.HasField("version") else last
        if upto > last:
            refuse(
                pb.ERROR_REASON_VERSION_NOT_FOUND,
                f"The negotiation has no version {upto}; its last is {last}.",
                "version",
                version=str(upto),
                last_version=str(last),
            )
        stored = self._store.read(id_, upto=upto)
        recorded = [Replayed(one.data, unseal(one.data), possible=False) for one in stored]
        if not as_of.HasField("record_time"):
            return recorded
        until = _instant(as_of.record_time)
        return [one for one in recorded if _instant(one.entry.header.record_time) <= until]

    def _latest(self, id_: str) -> Reading:
        with self._current(id_) as held:
            if held.published is None:
                held.published = _published(held.negotiation)
            return held.published

    @contextlib.contextmanager
    def current(self, id_: str) -> Iterator[Negotiation]:
        """A negotiation as it is in the store now, to be looked at for as long as the block lasts.

        Blocks on the store; raises Refusal.
        """
        with self._current(id_) as held:
            yield held.negotiation

    @contextlib.contextmanager
    def _current(self, id_: str) -> Iterator[_Held]:
        with self._lock:
            held = self._held.setdefault(id_, _Held(Negotiation(self._store, id_)))
            self._held.move_to_end(id_)
        with held.lock:
            try:
                grown = self._store.last_version(id_) > held.negotiation.version
                if grown:
                    held.published = None
                    held.negotiation.catch_up()
            except BaseException:
                self._drop(id_)  # It may have taken in a part.
                raise
            if not held.negotiation.version:
                self._drop(id_)
                _not_found(id_)
            yield held
        if grown:
            self._shrink()

    def _drop(self, id_: str) -> None:
        with self._lock:
            self._held.pop(id_, None)

    def _shrink(self) -> None:
        """Let go of the negotiations that were read longest ago, until the rest is not too much."""
        with self._lock:
            entries = sum(held.negotiation.version for held in self._held.values())
            while entries > HELD_ENTRIES and len(self._held) > 1:
                _, dropped = self._held.popitem(last=False)
                entries -= dropped.negotiation.version


def _published(negotiation: Negotiation) -> Reading:
    state = pb.Negotiation()
    state.CopyFrom(negotiation.state)
    tally(state)
    computed_at = pb.ComputedAt(version=negotiation.version, record_time=negotiation.record_time)
    return Reading(state, computed_at)


def _occurred_by(as_of: pb.AsOf) -> dates.Bounds | None:
    if not as_of.occur_date:
        return None
    try:
        return dates.bounds(as_of.occur_date)
    except dates.DateRefused as error:
        refuse(pb.ERROR_REASON_DATE_INVALID, str(error), "occur_date")


def _happened(entries: Iterable[Counted], by: dates.Bounds) -> list[tuple[Counted, bool]]:
    """The entries that had happened by a date, each with whether only possibly.

    What is said of an entry comes with it.
    """
    possible_by_version: dict[int, bool] = {}
    happened = []
    for one in entries:
        facts, header = one.entry.facts, one.entry.header
        if is_amending(one.entry):
            event = getattr(facts, facts.WhichOneof("event") or "")
            possible = possible_by_version.get(event.target_version)
        else:
            bounds = dates.Bounds(facts.occurred.earliest, facts.occurred.latest)
            found = dates.occurrence(bounds, by, _instant(header.record_time))
            possible = {
                dates.Occurrence.DEFINITE: False,
                dates.Occurrence.POSSIBLE: True,
                dates.Occurrence.NOT_YET: None,
            }[found]
        if possible is not None:
            possible_by_version[header.version] = possible
            happened.append((one, possible))
    return happened


def _partial(id_: str, entries: Sequence[Counted], everyone: pb.Negotiation) -> pb.Negotiation:
    """The state after some of the entries, with everyone they name, so that the names resolve."""
    state = _named(gather(entries), id_)
    for one in entries:
        for reference in references(one.entry.facts):
            known = everyone.participants.get(reference.id)
            if (
                reference.kind == pb.PART_KIND_PARTICIPANT
                and known is not None
                and reference.id not in state.participants
            ):
                part = state.participants[reference.id]
                part.CopyFrom(known)
                for name in ("status", "status_change", "leaving_reason"):
                    part.ClearField(name)
    tally(state)
    return state


def _named(state: pb.Negotiation, id_: str) -> pb.Negotiation:
    state.name = f"negotiations/{id_}"
    return state


def _computed_at(entries: Sequence[pb.Entry]) -> pb.ComputedAt:
    if not entries:
        return pb.ComputedAt()
    header = entries[-1].header
    return pb.ComputedAt(version=header.version, record_time=header.record_time)


def _instant(time: Timestamp) -> tuple[int, int]:
    return time.seconds, time.nanos


def _not_found(id_: str) -> NoReturn:
    refuse(
        pb.ERROR_REASON_NEGOTIATION_NOT_FOUND,
        f"There is no negotiation '{id_}'.",
        negotiation=id_,
    )
