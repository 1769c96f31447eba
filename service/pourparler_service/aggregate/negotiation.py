"""Negotiations as their stored entries make them: the aggregate, and what is held for readers."""

from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.state.fold import AMENDING, Undo, evolve, fold, is_amending
from pourparler.transparency.merkle import Tree
from pourparler_service.aggregate import chunking, loading
from pourparler_service.aggregate.snapshots import SnapshotStore
from pourparler_service.storage import paging
from pourparler_service.storage.interface import COPIES, EventReader
from pourparler_service.storage.record_codec import EncodedRecord, concerned, decode_record, leaf

# What a negotiation that is held takes in memory, as it was measured: by itself, for each of its
# entries, and for each stored byte of them.
_ITS_BYTES = 4_000
_ENTRY_BYTES = 1_000
_STORED_BYTES = 1.15

_LAST = (1 << 63) - 1  # to a database


class NegotiationMark(NamedTuple):
    """What an aggregate was before a group of entries, so that it can go back."""

    state: pb.Negotiation
    undo: Undo
    version: int
    record_time: Timestamp
    uncommitted: int
    taken: int


class Negotiation:
    """The event-sourced aggregate: what the entries of one negotiation come to.

    Owned by one thread at a time. It is rebuilt from its stored entries and advanced by new ones
    through the same `advance`.
    """

    def __init__(
        self, store: EventReader, id_: str, snapshots: SnapshotStore | None = None
    ) -> None:
        """The negotiation before its first entry.

        With snapshots it is a reader's: it begins at one, so that it does not know all requests,
        and takes its time. Without, it is the writer's, for whom everybody waits.
        """
        self.id = id_
        self.version = 0
        self.state = pb.Negotiation()
        self.record_time = Timestamp()
        self.requests: dict[tuple[str, str], tuple[int, int]] = {}
        """By who called and with which request id, the first and the last version."""
        self.copied = False
        self._store = store
        self._snapshots = snapshots
        self._tree = Tree()
        self._uncommitted: list[pb.Entry] = []
        self._taken = _ITS_BYTES
        self._wasted = 0  # by entries that were taken out again

    @property
    def size(self) -> int:
        """How many bytes of memory it takes, about."""
        return self._taken

    @property
    def tree(self) -> Tree:
        """The log up to this version: made of the entries themselves, never of a snapshot.

        Blocks on the store if it began at one.
        """
        for one in paging.stored(self._store, self.id, after=self._tree.size, upto=self.version):
            self._tree.append(leaf(one.data))
        return self._tree

    def catch_up(self) -> None:
        """Take in what the store has beyond this version."""
        is_new = not self.version
        if is_new and self._snapshots is not None:
            self._begin(self._snapshots)
        amended = False
        in_haste = self._snapshots is None
        for one in paging.stored(self._store, self.id, after=self.version, in_haste=in_haste):
            entry = decode_record(one.data)
            amended = amended or is_amending(entry)
            if not amended:
                evolve(self.state, entry)
            if self._tree.size == self.version:
                self._tree.append(leaf(one.data))
            self._note(len(one.data), entry)
        if amended:
            self.state = loading.refolded(self._store, self.id, self.version, in_haste=in_haste)
        if is_new and self.version:
            # Stored together with the first entries, and never changed.
            self.copied = self._store.last_version(COPIES + self.id) > 0

    def _begin(self, snapshots: SnapshotStore) -> None:
        snapshot = loading.begun(self._store, snapshots, self.id, _LAST)
        if snapshot is not None:
            self.state, self.version = snapshot.state, snapshot.version
            self.record_time.CopyFrom(snapshot.state.update_time)
            self._taken += snapshot.version * _ENTRY_BYTES + snapshot.size

    def advance(self, made: EncodedRecord, undo: Undo) -> None:
        """Take in an entry that is not in the store yet.

        `committed` or `back_to` says what became of it.
        """
        entry = decode_record(made.data)
        if is_amending(entry) and not entry.facts.HasField("entry_redacted"):
            self.state = fold([*self.history(), entry])
        else:
            # Redactions come many at once: what they took is out of the state with the last one.
            evolve(self.state, entry, undo=undo)
        self._tree.append(made.leaf)
        self._note(len(made.data), entry)
        self._uncommitted.append(entry)

    def _note(self, size: int, entry: pb.Entry) -> None:
        version, request = entry.header.version, _request(entry)
        self.version = version
        self.record_time.CopyFrom(entry.header.record_time)
        self._taken += _ENTRY_BYTES + int(size * _STORED_BYTES)
        if request[1]:
            first, _ = self.requests.get(request, (version, version))
            self.requests[request] = (first, version)

    def history(self, after: int = 0) -> list[pb.Entry]:
        """The entries up to this version, those that are not in the store yet among them."""
        committed = self.version - len(self._uncommitted)
        stored = self._store.read(self.id, after=after, upto=committed) if after < committed else []
        return [decode_record(one.data) for one in stored] + self._uncommitted[
            max(after - committed, 0) :
        ]

    def entry(self, version: int) -> pb.Entry | None:
        """The entry of a version, if there is one, as `history` has it."""
        committed = self.version - len(self._uncommitted)
        if version > committed:
            place = version - committed - 1
            return self._uncommitted[place] if place < len(self._uncommitted) else None
        stored = self._store.read(self.id, after=version - 1, upto=version)
        return decode_record(stored[0].data) if stored else None

    def refold(self) -> None:
        """Fold all entries anew: after those of a group that say which words were destroyed."""
        self.state = fold(self.history())

    def about(self, version: int) -> list[pb.Entry]:
        """The entry of a version, and those so far that speak of it: enough to know how it counts.

        Empty if there is none.
        """
        amendment = self.state.amendments.get(version)
        versions = [version]
        if amendment is not None:
            versions += sorted((*amendment.corrected_by, *amendment.disclosed_by))
        found = map(self.entry, versions)
        return [one for one in found if one is not None]

    def concerned(self, facts: pb.Facts) -> tuple[str, ...]:
        """The natural persons whom the words of an entry to come concern.

        What is said of another entry concerns those whom that entry concerns.
        """
        found = concerned(facts, self._is_person)
        event = facts.WhichOneof("event") or ""
        if event in AMENDING:
            target = self.entry(getattr(facts, event).target_version)
            if target is not None and event != "entry_redacted":
                found |= concerned(target.facts, self._is_person)
        return tuple(sorted(found))

    def _is_person(self, id_: str) -> bool:
        part = self.state.participants.get(id_)
        return part is not None and part.facts.kind == pb.PARTICIPANT_KIND_PERSON

    def mark(self) -> NegotiationMark:
        """Remember where the aggregate is."""
        record_time = Timestamp()
        record_time.CopyFrom(self.record_time)
        return NegotiationMark(
            self.state,
            Undo(self.state),
            self.version,
            record_time,
            len(self._uncommitted),
            self._taken,
        )

    def back_to(self, mark: NegotiationMark) -> None:
        """Take out all entries since the mark."""
        for entry in self._uncommitted[mark.uncommitted :]:
            self.requests.pop(_request(entry), None)
        del self._uncommitted[mark.uncommitted :]
        mark.undo.undo()
        self.tree.truncate(mark.version)
        self.state, self.version, self.record_time = mark.state, mark.version, mark.record_time
        # A message gives no memory back before it goes as a whole.
        self._wasted += self._taken - mark.taken
        if self._wasted > self._taken // 2:
            self.state = chunking.copied(self.state)
            self._taken, self._wasted = self._taken - self._wasted, 0

    def committed(self) -> None:
        """All entries are in the store now."""
        self._uncommitted.clear()


def _request(entry: pb.Entry) -> tuple[str, str]:
    # Ids of requests are their callers' own: nobody learns which ones others have used.
    return entry.facts.recorded_by, entry.facts.request_id
