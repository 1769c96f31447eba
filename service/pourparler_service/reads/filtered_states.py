"""States of negotiations as viewers see them: latest, as of a point in time, and their entries."""

import bisect
import contextlib
import copy
import threading
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.state.summary import count_parts
from pourparler_service.aggregate import chunking
from pourparler_service.aggregate.current import CurrentNegotiations
from pourparler_service.aggregate.negotiation import Negotiation
from pourparler_service.aggregate.reading import ReplayedEntry, StateAt, computed_at
from pourparler_service.aggregate.snapshots import FEWEST, Snapshot, SnapshotStore, is_far
from pourparler_service.authorization.filtered_store import FilteredEventReader, ScopeKey
from pourparler_service.authorization.viewer_scopes import CachedScope
from pourparler_service.reads.as_of import PointInTimeReader
from pourparler_service.reads.response_cache import ResponseCache
from pourparler_service.runtime.lru_cache import LruCache

CACHED_BYTES = 1 << 27
"""The size of all cached filtered negotiations together, in bytes."""

SNAPSHOT_BYTES = 1 << 26
"""The size of all snapshots of filtered states together, in bytes."""

_OVERHEAD_BYTES = 2_000  # for each snapshot


class _StateKey(NamedTuple):
    """The key of a negotiation as a scope sees it."""

    id: str
    scope: ScopeKey


class _EncodedSnapshot(NamedTuple):
    """A snapshot with its state as bytes."""

    leaf: bytes
    chunks: list[bytes]


class FilteredSnapshots:
    """Snapshots of filtered states, shared by viewers with an equal scope key.

    They are in memory only: the snapshot file has unfiltered states, encrypted. Thread-safe; never
    blocks.
    """

    def __init__(self, fewest: int = FEWEST, cached_bytes: int = SNAPSHOT_BYTES) -> None:
        """Keep so many bytes of snapshots, each of at least `fewest` entries."""
        self.fewest = fewest
        self._lock = threading.Lock()  # guards all below
        self._cached: LruCache[tuple[_StateKey, int], _EncodedSnapshot] = LruCache(cached_bytes)
        self._versions: dict[_StateKey, list[int]] = {}  # of the snapshots, in ascending order
        self._purged = 0

    @property
    def purged(self) -> int:
        """The number of purges. Entries read before a purge must not be cached after it."""
        return self._purged

    def of(self, events: FilteredEventReader) -> SnapshotStore:
        """Return the snapshots of what a reader may see."""
        return _ScopedSnapshots(self, events)

    def nearest(self, key: _StateKey, upto: int) -> Snapshot | None:
        """Return the snapshot of the highest version up to and including `upto`, if any."""
        with self._lock:
            versions = self._versions.get(key, ())
            before = versions[: bisect.bisect_right(versions, upto)]
            cached = self._cached.get((key, before[-1])) if before else None
        if cached is None:
            return None
        state = chunking.decode(cached.chunks)
        return Snapshot(before[-1], cached.leaf, state, sum(map(len, cached.chunks)))

    def keep(self, key: _StateKey, snapshot: Snapshot, *, purged: int) -> None:
        """Keep a snapshot, unless there was a purge since its entries were read."""
        encoded = _EncodedSnapshot(snapshot.leaf, chunking.encode(snapshot.state))
        size = _OVERHEAD_BYTES + sum(map(len, encoded.chunks))
        with self._lock:
            if purged != self._purged:
                return
            versions = self._versions.setdefault(key, [])
            if snapshot.version not in versions:
                bisect.insort(versions, snapshot.version)
            for evicted in self._cached.put((key, snapshot.version), encoded, size):
                self._forget(*evicted)

    def purge(self, id_: str) -> None:
        """Drop the snapshots of a negotiation whose stored entries have changed."""
        with self._lock:
            self._purged += 1
            for key, version in self._cached.keys_by_age():
                if key.id == id_:
                    self._cached.drop((key, version))
                    self._forget(key, version)

    def _forget(self, key: _StateKey, version: int) -> None:
        versions = self._versions[key]
        versions.remove(version)
        if not versions:
            del self._versions[key]


class _ScopedSnapshots:
    """The snapshots of what one reader may see."""

    def __init__(self, snapshots: FilteredSnapshots, events: FilteredEventReader) -> None:
        self._snapshots = snapshots
        self._events = events

    @property
    def purged(self) -> int:
        return self._snapshots.purged

    def nearest(self, id_: str, upto: int) -> Snapshot | None:
        upto = min(upto, self._events.last_version(id_))
        if upto < self._snapshots.fewest:
            return None
        return self._snapshots.nearest(_StateKey(id_, self._events.key(upto)), upto)

    def is_wanted(self, after: int, upto: int) -> bool:
        return is_far(after, upto, self._snapshots.fewest)

    def keep(self, id_: str, snapshot: Snapshot, *, purged: int) -> None:
        key = _StateKey(id_, self._events.key(snapshot.version))
        self._snapshots.keep(key, snapshot, purged=purged)


@dataclass(slots=True)
class _CachedState:
    """A negotiation that is cached for readers with an equal scope key."""

    events: FilteredEventReader
    negotiation: Negotiation
    lock: threading.Lock = field(default_factory=threading.Lock)  # guards both


class _Source(NamedTuple):
    """The latest state for a `with` block, and the snapshots that earlier states start from."""

    current: AbstractContextManager[Negotiation]
    snapshots: SnapshotStore


class FilteredStates:
    """Reads states and entries through filtered readers. Thread-safe.

    Methods that take a reader block on the store and raise RefusalError.
    """

    def __init__(
        self,
        negotiations: CurrentNegotiations,
        responses: ResponseCache,
        snapshots: FilteredSnapshots | None = None,
        cached_bytes: int = CACHED_BYTES,
    ) -> None:
        """Share unfiltered negotiations with others; cache the filtered ones here."""
        self._negotiations = negotiations
        self._responses = responses
        self._snapshots = snapshots or FilteredSnapshots()
        self._lock = threading.Lock()  # guards _cached
        self._cached: LruCache[_StateKey, _CachedState] = LruCache(cached_bytes)

    def read(self, events: FilteredEventReader, as_of: pb.AsOf) -> StateAt:
        """Return the state at a point in time. Field paths of refusals start below `as_of`."""
        source = self._source(events)
        if as_of != pb.AsOf():
            return PointInTimeReader(events, source.snapshots).read(as_of)
        with source.current as negotiation:
            state = chunking.copy(negotiation.state)
        return StateAt(state, computed_at(state))

    def possible_by(self, events: FilteredEventReader, as_of: pb.AsOf, by: edtf.Bounds) -> StateAt:
        """Return the state of the entries that had possibly happened by a date. Raise as `read`."""
        return PointInTimeReader(events, self._source(events).snapshots).possible_by(as_of, by)

    def replay(
        self, events: FilteredEventReader, as_of: pb.AsOf
    ) -> tuple[list[ReplayedEntry], pb.ComputedAt]:
        """Return the entries at a point in time, by ascending version. Raise as `read`."""
        return PointInTimeReader(events, self._source(events).snapshots).replay(as_of)

    def respond(
        self, events: FilteredEventReader, request: Hashable, make: Callable[[StateAt], bytes]
    ) -> bytes:
        """Return the response that `make` gives for the latest state, cached by the request."""
        return self._responses.respond(events, request, self._source(events).current, make)

    def cached(self, name: str, scope: CachedScope, request: Hashable) -> bytes | None:
        """Return the cached response for the latest state, if there is one. Never blocks."""
        return self._responses.get(name, scope, request)

    def on_commit(self, ids: Collection[str]) -> None:
        """Do nothing: every read takes in the new entries first."""

    def purge(self, id_: str) -> None:
        """Drop everything about a negotiation whose stored entries have changed."""
        self._snapshots.purge(id_)  # first: an unfinished read caches nothing after that
        with self._lock:
            for key in self._cached.keys_by_age():
                if key.id == id_:
                    self._cached.drop(key)

    def _source(self, events: FilteredEventReader) -> _Source:
        """Return where the states of a reader come from. The one place that depends on the scope.

        Unfiltered states are shared with the rest of the service, and their snapshots are on disk.
        """
        if events.scope.whole:
            negotiations = self._negotiations
            return _Source(negotiations.current(events.id), negotiations.snapshots)
        return _Source(self._current(events), self._snapshots.of(events))

    @contextlib.contextmanager
    def _current(self, events: FilteredEventReader) -> Iterator[Negotiation]:
        # A new disclosure changes the key: entries folded as hidden before are visible after it.
        key = _StateKey(events.id, events.key())
        with self._lock:
            cached = self._cached.get(key)
            if cached is None:
                own = copy.copy(events)  # advanced by later reads, while others use `events`
                negotiation = Negotiation(own, own.id, self._snapshots.of(own))
                cached = _CachedState(own, negotiation)
                self._cached.put(key, cached, negotiation.size)
        with cached.lock:
            cached.events.advance(events)
            negotiation = cached.negotiation
            before = negotiation.size
            try:
                negotiation.catch_up()
            except BaseException:
                with self._lock:
                    self._cached.drop(key)  # it may have taken a part
                raise
            if negotiation.size != before:
                count_parts(negotiation.state)
                with self._lock:
                    if self._cached.get(key) is cached:
                        self._cached.put(key, cached, negotiation.size)
            yield negotiation
