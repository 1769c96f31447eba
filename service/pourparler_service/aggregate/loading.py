"""Folds of stored entries, a page at a time.

Long records are never in memory as a whole, and other threads run between the pages.
"""

from pourparler import v1 as pb
from pourparler.state.corrections import Amendments, is_amending
from pourparler.state.fold import StateBuilder, evolve
from pourparler.state.summary import count_parts
from pourparler_service.aggregate.snapshots import Snapshot, SnapshotStore
from pourparler_service.storage.interface import EventReader
from pourparler_service.storage.paging import stored
from pourparler_service.storage.record_codec import decode_record, leaf


def refold(store: EventReader, id_: str, upto: int, *, in_haste: bool = False) -> pb.Negotiation:
    """Return the state at a version, folded from the first entry with all corrections applied."""
    amendments = Amendments()
    for one in stored(store, id_, upto=upto, in_haste=in_haste):
        entry = decode_record(one.data)
        if is_amending(entry):
            amendments.add(entry)
    builder = StateBuilder()
    for one in stored(store, id_, upto=upto, in_haste=in_haste):
        effective = amendments.apply(decode_record(one.data))
        if effective is not None:
            builder.apply(*effective)
    return builder.state()


def nearest_snapshot(
    store: EventReader, snapshots: SnapshotStore, id_: str, upto: int
) -> Snapshot | None:
    """Return the nearest snapshot at or below a version, if it belongs to this record."""
    snapshot = snapshots.nearest(id_, upto)
    if snapshot is None:
        return None
    version = snapshot.version
    made_by = store.read(id_, after=version - 1, upto=version)
    return snapshot if made_by and leaf(made_by[0].data) == snapshot.leaf else None


def state_at(store: EventReader, snapshots: SnapshotStore, id_: str, upto: int) -> pb.Negotiation:
    """Return the state at a version, folded from the nearest snapshot.

    If the snapshot is far from the version, keep a new one there.
    """
    purged = snapshots.purged
    snapshot = nearest_snapshot(store, snapshots, id_, upto)
    state, after = (snapshot.state, snapshot.version) if snapshot else (pb.Negotiation(), 0)
    for one in stored(store, id_, after=after, upto=upto):
        entry = decode_record(one.data)
        if is_amending(entry):
            state, after = refold(store, id_, upto), 0
            break
        evolve(state, entry)
    count_parts(state)
    if snapshots.is_wanted(after, upto):
        keep_snapshot(store, snapshots, id_, state, purged=purged)
    return state


def keep_snapshot(
    store: EventReader, snapshots: SnapshotStore, id_: str, state: pb.Negotiation, *, purged: int
) -> None:
    """Keep a state as a snapshot of its version. See `SnapshotStore.keep`."""
    version = state.version
    (made_by,) = store.read(id_, after=version - 1, upto=version)
    snapshots.keep(id_, Snapshot(version, leaf(made_by.data), state), purged=purged)
