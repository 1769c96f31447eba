"""The negotiations held in memory for readers: committed entries only."""

import contextlib
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from pourparler import v1 as pb
from pourparler.state.fold import tally
from pourparler_service.aggregate import chunking
from pourparler_service.aggregate.negotiation import Negotiation
from pourparler_service.aggregate.reading import ReplayedEntry, StateAt, computed_at
from pourparler_service.aggregate.snapshots import Snapshots
from pourparler_service.domain.refusal import not_found
from pourparler_service.reads.as_of import PointInTimeReader
from pourparler_service.runtime.lru_cache import LruCache
from pourparler_service.storage.interface import EventStore

HELD_BYTES = 1 << 28
"""How many bytes the negotiations held for readers may take together."""


@dataclass(slots=True)
class _HeldNegotiation:
    """A negotiation that is held for readers."""

    negotiation: Negotiation
    lock: threading.Lock = field(default_factory=threading.Lock)  # guards the negotiation


class CurrentNegotiations:
    """What readers see: committed entries only, and every read as fresh as the store."""

    def __init__(
        self, store: EventStore, snapshots: Snapshots | None = None, held_bytes: int = HELD_BYTES
    ) -> None:
        """Read from this store, and of long records from these snapshots on."""
        self._store = store
        self._snapshots = snapshots or Snapshots(None)
        self._past = PointInTimeReader(store, self._snapshots)
        self._held: LruCache[str, _HeldNegotiation] = LruCache(held_bytes)
        self._lock = threading.Lock()  # guards _held

    def read(self, id_: str, as_of: pb.AsOf) -> StateAt:
        """The negotiation at a point.

        Blocks on the store; raises Refusal, its paths below `as_of`.
        """
        if as_of != pb.AsOf():
            return self._past.read(id_, as_of)
        with self.current(id_) as negotiation:
            state = chunking.copied(negotiation.state)
        return StateAt(state, computed_at(state))

    def replay(self, id_: str, as_of: pb.AsOf) -> tuple[list[ReplayedEntry], pb.ComputedAt]:
        """The entries at a point, in the order of their versions.

        Blocks on the store; raises Refusal like `read`.
        """
        return self._past.replay(id_, as_of)

    @contextlib.contextmanager
    def current(self, id_: str) -> Iterator[Negotiation]:
        """A negotiation as it is in the store now, to be looked at for as long as the block lasts.

        Blocks on the store; raises Refusal.
        """
        with self._lock:
            held = self._held.get(id_)
            if held is None:
                held = _HeldNegotiation(Negotiation(self._store, id_, self._snapshots))
                self._held.put(id_, held, held.negotiation.size)
        with held.lock:
            negotiation = held.negotiation
            before = negotiation.size
            try:
                negotiation.catch_up()
            except BaseException:
                self._drop(id_)  # It may have taken in a part.
                raise
            if not negotiation.version:
                self._drop(id_)
                not_found(id_)
            if negotiation.size != before:
                tally(negotiation.state)
                self._resize(id_, held)
            yield negotiation

    def on_commit(self, ids: Collection[str]) -> None:
        """Do nothing: every read takes in the new entries first."""

    def purge(self, id_: str) -> None:
        """Drop a negotiation: the next read folds it again from the store."""
        self._drop(id_)

    def _drop(self, id_: str) -> None:
        with self._lock:
            self._held.drop(id_)

    def _resize(self, id_: str, held: _HeldNegotiation) -> None:
        with self._lock:
            if self._held.get(id_) is held:
                self._held.put(id_, held, held.negotiation.size)
