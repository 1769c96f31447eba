"""The cache of current negotiations: committed entries only, unfiltered."""

import contextlib
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from pourparler.state.summary import count_parts
from pourparler_service.aggregate.negotiation import Negotiation
from pourparler_service.aggregate.snapshots import Snapshots
from pourparler_service.domain.refusal import not_found
from pourparler_service.runtime.lru_cache import LruCache
from pourparler_service.storage.interface import EventStore

CACHED_BYTES = 1 << 28
"""The size of all cached negotiations together, in bytes."""


@dataclass(slots=True)
class _CachedNegotiation:
    """A cached negotiation and its lock."""

    negotiation: Negotiation
    lock: threading.Lock = field(default_factory=threading.Lock)  # guards the negotiation


class CurrentNegotiations:
    """Caches negotiations with full access. Every read is as fresh as the store. Thread-safe."""

    def __init__(
        self,
        store: EventStore,
        snapshots: Snapshots | None = None,
        cached_bytes: int = CACHED_BYTES,
    ) -> None:
        """Read from a store, and start long negotiations from these snapshots."""
        self._store = store
        self.snapshots = snapshots or Snapshots(None)
        self._lock = threading.Lock()  # guards _cached
        self._cached: LruCache[str, _CachedNegotiation] = LruCache(cached_bytes)

    @contextlib.contextmanager
    def current(self, id_: str) -> Iterator[Negotiation]:
        """Hold a negotiation, up to date with the store, for a `with` block.

        Block on the store. Raise RefusalError if there is no such negotiation.
        """
        with self._lock:
            cached = self._cached.get(id_)
            if cached is None:
                cached = _CachedNegotiation(Negotiation(self._store, id_, self.snapshots))
                self._cached.put(id_, cached, cached.negotiation.size)
        with cached.lock:
            negotiation = cached.negotiation
            before = negotiation.size
            try:
                negotiation.catch_up()
            except BaseException:
                self._drop(id_)  # it may have taken a part
                raise
            if not negotiation.version:
                self._drop(id_)
                not_found(id_)
            if negotiation.size != before:
                count_parts(negotiation.state)
                self._resize(id_, cached)
            yield negotiation

    def on_commit(self, ids: Collection[str]) -> None:
        """Do nothing: every read takes in the new entries first."""

    def purge(self, id_: str) -> None:
        """Drop a negotiation: the next read folds it again from the store."""
        self._drop(id_)

    def _drop(self, id_: str) -> None:
        with self._lock:
            self._cached.drop(id_)

    def _resize(self, id_: str, cached: _CachedNegotiation) -> None:
        with self._lock:
            if self._cached.get(id_) is cached:
                self._cached.put(id_, cached, cached.negotiation.size)
