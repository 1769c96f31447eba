"""Negotiations as callers see them.

Who sees everything reads what all of them read; for others they are cut: folded of what is seen.
"""

import threading
from dataclasses import dataclass, field

from pourparler import v1 as pb
from pourparler.fold import tally
from pourparler_service import pieces
from pourparler_service.bounded import Bounded
from pourparler_service.negotiations import Negotiation, Negotiations
from pourparler_service.past import Past, Reading, Replayed, computed_at
from pourparler_service.sights import CutStore, Sights, View
from pourparler_service.snapshots import Snapshots
from pourparler_service.store import Store
from pourparler_service.views import Sight

HELD_BYTES = 1 << 27
"""How many bytes the cut negotiations held for readers may take together."""

_UNKEPT = Snapshots(None)  # Of what is cut there are none: they are of the whole.


@dataclass(slots=True)
class _Held:
    """A negotiation that is held for those of one sight."""

    store: CutStore
    negotiation: Negotiation
    lock: threading.Lock = field(default_factory=threading.Lock)  # guards both


class Cuts:
    """What callers read. Every method blocks on the store and raises Refusal."""

    def __init__(
        self, store: Store, negotiations: Negotiations, sights: Sights, held_bytes: int = HELD_BYTES
    ) -> None:
        """Read from this store as these sights say, and of these whoever sees everything."""
        self.sights = sights
        self._store = store
        self._negotiations = negotiations
        self._lock = threading.Lock()  # guards _held
        self._held: Bounded[tuple[str, Sight, int], _Held] = Bounded(held_bytes)

    def read(self, id_: str, as_of: pb.AsOf, view: View) -> Reading:
        """The negotiation at a point. The paths of its refusals are below `as_of`."""
        if view.sight.whole:
            return self._negotiations.read(id_, as_of)
        if as_of != pb.AsOf():
            return Past(CutStore(self._store, view), _UNKEPT).read(id_, as_of)
        # More than was disclosed then opens entries that were folded as withheld: anew for that.
        key = id_, view.sight, view.disclosures
        with self._lock:
            held = self._held.get(key)
            if held is None:
                store = CutStore(self._store, view)
                held = _Held(store, Negotiation(store, id_, _UNKEPT))
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
            state = pieces.copied(held.negotiation.state)
            with self._lock:
                if self._held.get(key) is held:
                    self._held.put(key, held, held.negotiation.size)
        return Reading(state, computed_at(state))

    def forget(self, id_: str) -> None:
        """Hold nothing of a negotiation any more: its entries are not what they were."""
        with self._lock:
            for key in self._held.held():
                if key[0] == id_:
                    self._held.drop(key)

    def replay(self, id_: str, as_of: pb.AsOf, view: View) -> tuple[list[Replayed], pb.ComputedAt]:
        """The entries at a point, in the order of their versions; refused like `read`."""
        if view.sight.whole:
            return self._negotiations.replay(id_, as_of)
        return Past(CutStore(self._store, view), _UNKEPT).replay(id_, as_of)
