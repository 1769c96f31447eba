"""The entries of a negotiation, read and folded a few at a time.

Long records are never in memory as a whole, and other threads get their turn in between.
"""

from pourparler import v1 as pb
from pourparler.state.fold import Amendments, Fold, evolve, is_amending, tally
from pourparler_service.aggregate.snapshots import Snapshot, SnapshotStore
from pourparler_service.storage.interface import EventReader
from pourparler_service.storage.paging import stored
from pourparler_service.storage.record_codec import decode_record, leaf


def refolded(store: EventReader, id_: str, upto: int, *, in_haste: bool = False) -> pb.Negotiation:
    """The state at a version, from the first entry on, with all that is said of others in it."""
    amendments = Amendments()
    for one in stored(store, id_, upto=upto, in_haste=in_haste):
        entry = decode_record(one.data)
        if is_amending(entry):
            amendments.add(entry)
    under_way = Fold()
    for one in stored(store, id_, upto=upto, in_haste=in_haste):
        counted = amendments.apply(decode_record(one.data))
        if counted is not None:
            under_way.take(*counted)
    return under_way.state()


def begun(store: EventReader, snapshots: SnapshotStore, id_: str, upto: int) -> Snapshot | None:
    """The nearest snapshot at or below a version, if it is of this very record."""
    snapshot = snapshots.nearest(id_, upto)
    if snapshot is None:
        return None
    version = snapshot.version
    made_by = store.read(id_, after=version - 1, upto=version)
    return snapshot if made_by and leaf(made_by[0].data) == snapshot.leaf else None


def state_at(store: EventReader, snapshots: SnapshotStore, id_: str, upto: int) -> pb.Negotiation:
    """The state at a version that there is, from the nearest snapshot on.

    Where that was far, there is a snapshot of this version now.
    """
    purged = snapshots.purged
    snapshot = begun(store, snapshots, id_, upto)
    state, after = (snapshot.state, snapshot.version) if snapshot else (pb.Negotiation(), 0)
    for one in stored(store, id_, after=after, upto=upto):
        entry = decode_record(one.data)
        if is_amending(entry):
            state, after = refolded(store, id_, upto), 0
            break
        evolve(state, entry)
    tally(state)
    if snapshots.is_wanted(after, upto):
        keep(store, snapshots, id_, state, purged=purged)
    return state


def keep(
    store: EventReader, snapshots: SnapshotStore, id_: str, state: pb.Negotiation, *, purged: int
) -> None:
    """Keep a state as a snapshot of its version. See `Beginnings.keep`."""
    version = state.version
    (made_by,) = store.read(id_, after=version - 1, upto=version)
    snapshots.keep(id_, Snapshot(version, leaf(made_by.data), state), purged=purged)
