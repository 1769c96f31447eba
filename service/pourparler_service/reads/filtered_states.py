"""Negotiations as callers see them.

Who sees everything reads what all of them read; for others they are cut: folded of what is seen.
"""

import bisect
import threading
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.state.fold import tally
from pourparler_service.aggregate import chunking
from pourparler_service.aggregate.current import CurrentNegotiations
from pourparler_service.aggregate.negotiation import Negotiation
from pourparler_service.aggregate.reading import ReplayedEntry, StateAt, computed_at
from pourparler_service.aggregate.snapshots import FEWEST, Snapshot, SnapshotStore, is_far
from pourparler_service.authorization.filtered_store import FilteredEventReader
from pourparler_service.authorization.viewer_scopes import (
    CachedScope,
    ScopeKey,
    ScopeResolver,
    ViewerScope,
)
from pourparler_service.reads.as_of import PointInTimeReader
from pourparler_service.runtime.lru_cache import LruCache
from pourparler_service.storage.interface import EventStore

HELD_BYTES = 1 << 27
"""How many bytes the cut negotiations held for readers may take together."""

KEPT_BYTES = 1 << 26
"""How many bytes of snapshots of what is cut are kept."""

_ITS_BYTES = 2_000  # what it takes to keep a snapshot or an answer, besides its bytes


class _StateKey(NamedTuple):
    """A negotiation as it is cut."""

    id: str
    cut: ScopeKey


class _EncodedSnapshot(NamedTuple):
    """A snapshot that is kept, its state as bytes."""

    leaf: bytes
    written: list[bytes]


class FilteredSnapshots:
    """Snapshots of what is cut, each for all who see the same.

    In memory alone: what stands on disk is the whole, and sealed. For any thread; never blocks.
    """

    def __init__(self, fewest: int = FEWEST, kept_bytes: int = KEPT_BYTES) -> None:
        """Keep none of fewer entries than these, and so many bytes together."""
        self.fewest = fewest
        self._lock = threading.Lock()  # guards all below
        self._kept: LruCache[tuple[_StateKey, int], _EncodedSnapshot] = LruCache(kept_bytes)
        self._versions: dict[
            _StateKey, list[int]
        ] = {}  # of which there are snapshots, in their order
        self._purged = 0

    @property
    def purged(self) -> int:
        """How often something was purged: what was read before is not to be kept after."""
        return self._purged

    def of(self, view: ViewerScope) -> SnapshotStore:
        """Those of what is seen by this view."""
        return _ScopedSnapshots(self, view)

    def nearest(self, key: _StateKey, upto: int) -> Snapshot | None:
        """The snapshot of the highest version up to and including `upto`, if there is any."""
        with self._lock:
            versions = self._versions.get(key, ())
            before = versions[: bisect.bisect_right(versions, upto)]
            kept = self._kept.get((key, before[-1])) if before else None
        if kept is None:
            return None
        state = chunking.read(kept.written)
        return Snapshot(before[-1], kept.leaf, state, sum(map(len, kept.written)))

    def keep(self, key: _StateKey, snapshot: Snapshot, *, purged: int) -> None:
        """Keep a snapshot whose entries were read when so many purges had been."""
        kept = _EncodedSnapshot(snapshot.leaf, chunking.written(snapshot.state))
        size = _ITS_BYTES + sum(map(len, kept.written))
        with self._lock:
            if purged != self._purged:
                return
            versions = self._versions.setdefault(key, [])
            if snapshot.version not in versions:
                bisect.insort(versions, snapshot.version)
            for gone in self._kept.put((key, snapshot.version), kept, size):
                self._forget(*gone)

    def purge(self, id_: str) -> None:
        """Destroy the snapshots of a negotiation: its entries are not what they were."""
        with self._lock:
            self._purged += 1
            for key, version in self._kept.held():
                if key.id == id_:
                    self._kept.drop((key, version))
                    self._forget(key, version)

    def _forget(self, key: _StateKey, version: int) -> None:
        versions = self._versions[key]
        versions.remove(version)
        if not versions:
            del self._versions[key]


class _ScopedSnapshots:
    """The snapshots of what one view sees: from where its folds begin."""

    def __init__(self, snapshots: FilteredSnapshots, view: ViewerScope) -> None:
        self._snapshots = snapshots
        self._view = view

    @property
    def purged(self) -> int:
        return self._snapshots.purged

    def nearest(self, id_: str, upto: int) -> Snapshot | None:
        upto = min(upto, self._view.version)
        if upto < self._snapshots.fewest:
            return None
        return self._snapshots.nearest(_StateKey(id_, self._view.cut(upto)), upto)

    def is_wanted(self, after: int, upto: int) -> bool:
        return is_far(after, upto, self._snapshots.fewest)

    def keep(self, id_: str, snapshot: Snapshot, *, purged: int) -> None:
        self._snapshots.keep(
            _StateKey(id_, self._view.cut(snapshot.version)), snapshot, purged=purged
        )


@dataclass(slots=True)
class _HeldState:
    """A negotiation that is held for those to whom it is cut in the same way."""

    store: FilteredEventReader
    negotiation: Negotiation
    lock: threading.Lock = field(default_factory=threading.Lock)  # guards both


class _CachedResponse(NamedTuple):
    """What was made of a cut negotiation as it was at a version."""

    version: int
    data: bytes


class FilteredStates:
    """What callers read. Every method blocks on the store and raises Refusal."""

    def __init__(
        self,
        store: EventStore,
        negotiations: CurrentNegotiations,
        sights: ScopeResolver,
        snapshots: FilteredSnapshots | None = None,
        held_bytes: int = HELD_BYTES,
    ) -> None:
        """Read from this store as these sights say, and of these whoever sees everything."""
        self.sights = sights
        self._store = store
        self._negotiations = negotiations
        self._snapshots = snapshots or FilteredSnapshots()
        self._lock = threading.Lock()  # guards all below
        self._held: LruCache[_StateKey, _HeldState] = LruCache(held_bytes)
        self._answers: LruCache[tuple[_StateKey, Hashable], _CachedResponse] = LruCache(KEPT_BYTES)

    def read(self, id_: str, as_of: pb.AsOf, view: ViewerScope) -> StateAt:
        """The negotiation at a point. The paths of its refusals are below `as_of`."""
        if view.sight.whole:
            return self._negotiations.read(id_, as_of)
        if as_of != pb.AsOf():
            return self._past(view).read(id_, as_of)
        # More than was disclosed then opens entries that were folded as withheld: anew for that.
        key = _StateKey(id_, view.cut(view.version))
        with self._lock:
            held = self._held.get(key)
            if held is None:
                store = FilteredEventReader(self._store, view)
                held = _HeldState(store, Negotiation(store, id_, self._snapshots.of(view)))
                self._held.put(key, held, held.negotiation.size)
        with held.lock:
            held.store.version = max(held.store.version, view.version)
            try:
                held.negotiation.catch_up()
            except BaseException:
                with self._lock:
                    self._held.drop(key)  # It may have taken in a part.
                raise
            tally(held.negotiation.state)
            state = chunking.copied(held.negotiation.state)
            with self._lock:
                if self._held.get(key) is held:
                    self._held.put(key, held, held.negotiation.size)
        return StateAt(state, computed_at(state))

    def known(self, name: str, asked: Hashable, noted: CachedScope) -> bytes | None:
        """The answer about the latest state that is kept for who sees this. Never blocks."""
        key = _StateKey(name.removeprefix("negotiations/"), noted.cut)
        with self._lock:
            known = self._answers.get((key, asked))
        return known.data if known is not None and known.version == noted.version else None

    def answer(
        self, id_: str, asked: Hashable, view: ViewerScope, make: Callable[[StateAt], bytes]
    ) -> bytes:
        """What is made of the latest state that is seen, given again while it is the latest."""
        purged = self._snapshots.purged  # before the store is read
        key = _StateKey(id_, view.cut(view.version))
        with self._lock:
            known = self._answers.get((key, asked))
        if known is not None and known.version >= view.version:
            return known.data
        reading = self.read(id_, pb.AsOf(), view)
        answer = _CachedResponse(reading.computed_at.version, make(reading))
        with self._lock:
            if purged == self._snapshots.purged:
                self._answers.put((key, asked), answer, _ITS_BYTES + len(answer.data))
        return answer.data

    def on_commit(self, ids: Collection[str]) -> None:
        """Do nothing: every read takes in the new entries first."""

    def purge(self, id_: str) -> None:
        """Drop all states of a negotiation and all that was made of them."""
        self._snapshots.purge(id_)  # first: what is under way is not kept after that
        with self._lock:
            for key in self._held.held():
                if key.id == id_:
                    self._held.drop(key)
            for known in self._answers.held():
                if known[0].id == id_:
                    self._answers.drop(known)

    def replay(
        self, id_: str, as_of: pb.AsOf, view: ViewerScope
    ) -> tuple[list[ReplayedEntry], pb.ComputedAt]:
        """The entries at a point, in the order of their versions; refused like `read`."""
        if view.sight.whole:
            return self._negotiations.replay(id_, as_of)
        return self._past(view).replay(id_, as_of)

    def _past(self, view: ViewerScope) -> PointInTimeReader:
        return PointInTimeReader(FilteredEventReader(self._store, view), self._snapshots.of(view))
