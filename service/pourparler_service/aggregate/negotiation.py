"""The aggregate: a negotiation, folded from its stored entries and advanced by new ones."""

from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.state.corrections import AMENDING_TYPES, is_amending
from pourparler.state.fold import evolve, fold
from pourparler.state.undo import UndoLog
from pourparler.transparency.merkle import MerkleTree
from pourparler_service.aggregate import chunking, loading
from pourparler_service.aggregate.snapshots import SnapshotStore
from pourparler_service.storage import paging
from pourparler_service.storage.interface import COPIES, EventReader, StoredEntry
from pourparler_service.storage.record_codec import (
    EncodedRecord,
    concerned,
    decode_record,
    leaf,
    topic,
)

# The measured memory of an aggregate: by itself, for each entry, and for each stored byte of them.
_OVERHEAD_BYTES = 4_000
_ENTRY_BYTES = 1_000
_STORED_BYTES = 1.15

_LAST = (1 << 63) - 1  # to a database


class NegotiationMark(NamedTuple):
    """A point that an aggregate can be rolled back to."""

    state: pb.Negotiation
    undo: UndoLog
    version: int
    record_time: Timestamp
    uncommitted: int
    size: int


class _Uncommitted(NamedTuple):
    """An entry that is not in the store yet, and its bytes."""

    entry: pb.Entry
    data: bytes


class Negotiation:
    """The event-sourced aggregate of one negotiation. Owned by one thread at a time.

    It is also an `EventReader` of its entries, uncommitted ones included.
    """

    def __init__(
        self, store: EventReader, id_: str, snapshots: SnapshotStore | None = None
    ) -> None:
        """Start before the first entry.

        With snapshots it serves readers: it starts at a snapshot, does not know all requests, and
        pauses between its steps. Without, it serves the writer, and does not pause.
        """
        self.id = id_
        self.version = 0
        self.state = pb.Negotiation()
        self.record_time = Timestamp()
        self.requests: dict[tuple[str, str], tuple[int, int]] = {}
        """The first and the last version of each request, by its caller and its id."""
        self.is_import = False
        self._store = store
        self._snapshots = snapshots
        self._tree = MerkleTree()
        self._uncommitted: list[_Uncommitted] = []
        self._size = _OVERHEAD_BYTES
        self._wasted = 0  # by entries that were rolled back

    @property
    def size(self) -> int:
        """The approximate size in memory, in bytes."""
        return self._size

    @property
    def tree(self) -> MerkleTree:
        """The Merkle tree of the log up to this version, from the entries, never from a snapshot.

        Blocks on the store if the aggregate started at a snapshot.
        """
        for one in paging.stored(self._store, self.id, after=self._tree.size, upto=self.version):
            self._tree.append(leaf(one.data))
        return self._tree

    def catch_up(self, undo: UndoLog | None = None) -> None:
        """Take the entries of the store beyond this version. An undo log can remove them again."""
        is_new = not self.version
        if is_new and self._snapshots is not None:
            self._start_at_snapshot(self._snapshots)
        amended = False
        in_haste = self._snapshots is None
        for one in paging.stored(self._store, self.id, after=self.version, in_haste=in_haste):
            entry = decode_record(one.data)
            amended = amended or is_amending(entry)
            if not amended:
                evolve(self.state, entry, undo=undo)
            if self._tree.size == self.version:
                self._tree.append(leaf(one.data))
            self._note(len(one.data), entry)
        if amended:
            self.state = loading.refold(self._store, self.id, self.version, in_haste=in_haste)
        if is_new and self.version:
            # Stored together with the first entries, and never changed later.
            self.is_import = self._store.last_version(COPIES + self.id) > 0

    def _start_at_snapshot(self, snapshots: SnapshotStore) -> None:
        snapshot = loading.nearest_snapshot(self._store, snapshots, self.id, _LAST)
        if snapshot is not None:
            self.state, self.version = snapshot.state, snapshot.version
            self.record_time.CopyFrom(snapshot.state.update_time)
            self._size += snapshot.version * _ENTRY_BYTES + snapshot.size

    def advance(self, made: EncodedRecord, undo: UndoLog) -> None:
        """Take an entry that is not in the store yet, until `mark_committed` or `rollback`."""
        entry = decode_record(made.data)
        if is_amending(entry) and not entry.facts.HasField("entry_redacted"):
            self.state = fold([*self.history(), entry])
        else:
            # Redactions come in large groups: `refold` follows the last one.
            evolve(self.state, entry, undo=undo)
        self._tree.append(made.leaf)
        self._note(len(made.data), entry)
        self._uncommitted.append(_Uncommitted(entry, made.data))

    def _note(self, size: int, entry: pb.Entry) -> None:
        version, request = entry.header.version, _request(entry)
        self.version = version
        self.record_time.CopyFrom(entry.header.record_time)
        self._size += _ENTRY_BYTES + int(size * _STORED_BYTES)
        if request[1]:
            first, _ = self.requests.get(request, (version, version))
            self.requests[request] = (first, version)

    def read(
        self,
        negotiation: str,
        *,
        after: int = 0,
        upto: int | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> list[StoredEntry]:
        """Return entries as an event store does, uncommitted ones included."""
        committed, last = self._committed, self.version if upto is None else upto
        found: list[StoredEntry] = []
        if after < committed:
            most = None if reverse else limit
            until = min(last, committed)
            found = self._store.read(negotiation, after=after, upto=until, limit=most)
        found += [
            StoredEntry(self.id, one.entry.header.version, topic(one.entry.facts), one.data)
            for one in self._uncommitted[max(after - committed, 0) : max(last - committed, 0)]
        ]
        if reverse:
            found.reverse()
        return found[:limit]

    def last_version(self, negotiation: str) -> int:
        """Return the last version as an event store does."""
        return self.version if negotiation == self.id else self._store.last_version(negotiation)

    def history(self, after: int = 0) -> list[pb.Entry]:
        """Return the entries above a version, uncommitted ones included."""
        committed = self._committed
        stored = self._store.read(self.id, after=after, upto=committed) if after < committed else []
        uncommitted = self._uncommitted[max(after - committed, 0) :]
        return [decode_record(one.data) for one in stored] + [one.entry for one in uncommitted]

    def entry(self, version: int) -> pb.Entry | None:
        """Return the entry of a version, uncommitted or not; None if there is none."""
        place = version - self._committed - 1
        if place >= 0:
            return self._uncommitted[place].entry if place < len(self._uncommitted) else None
        stored = self._store.read(self.id, after=version - 1, upto=version)
        return decode_record(stored[0].data) if stored else None

    @property
    def _committed(self) -> int:
        return self.version - len(self._uncommitted)

    def refold(self) -> None:
        """Fold all entries again, after a group of redactions."""
        self.state = fold(self.history())

    def entry_and_amendments(self, version: int) -> list[pb.Entry]:
        """Return the entry of a version with its corrections and disclosures; empty if none."""
        amendment = self.state.amendments.get(version)
        versions = [version]
        if amendment is not None:
            versions += sorted((*amendment.corrected_by, *amendment.disclosed_by))
        found = map(self.entry, versions)
        return [one for one in found if one is not None]

    def persons_concerned(self, facts: pb.Facts) -> tuple[str, ...]:
        """Return the natural persons that the words of the next entry concern.

        An entry about another one concerns the persons of that entry as well.
        """
        found = concerned(facts, self._is_person)
        event = facts.WhichOneof("event") or ""
        if event in AMENDING_TYPES:
            target = self.entry(getattr(facts, event).target_version)
            if target is not None and event != "entry_redacted":
                found |= concerned(target.facts, self._is_person)
        return tuple(sorted(found))

    def _is_person(self, id_: str) -> bool:
        part = self.state.participants.get(id_)
        return part is not None and part.facts.kind == pb.PARTICIPANT_KIND_PERSON

    def mark(self) -> NegotiationMark:
        """Return the current point, for `rollback`."""
        record_time = Timestamp()
        record_time.CopyFrom(self.record_time)
        return NegotiationMark(
            self.state,
            UndoLog(self.state),
            self.version,
            record_time,
            len(self._uncommitted),
            self._size,
        )

    def rollback(self, mark: NegotiationMark) -> None:
        """Remove the entries since a mark."""
        for one in self._uncommitted[mark.uncommitted :]:
            self.requests.pop(_request(one.entry), None)
        del self._uncommitted[mark.uncommitted :]
        mark.undo.rollback()
        self.tree.truncate(mark.version)
        self.state, self.version, self.record_time = mark.state, mark.version, mark.record_time
        # A message frees its memory only as a whole.
        self._wasted += self._size - mark.size
        if self._wasted > self._size // 2:
            self.state = chunking.copy(self.state)
            self._size, self._wasted = self._size - self._wasted, 0

    def mark_committed(self) -> None:
        """Note that every entry is in the store now."""
        self._uncommitted.clear()


def _request(entry: pb.Entry) -> tuple[str, str]:
    # A request id belongs to its caller: no caller learns the ids of others.
    return entry.facts.recorded_by, entry.facts.request_id
