"""Snapshots: states at a version, from which the fold of a long record begins.

A cache: whatever becomes of one, the state comes of the entries themselves. Neither audits nor
proofs know of it. As the words of persons are in it, it lies sealed with all of their keys.
"""

import contextlib
import logging
import threading
import zlib
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from google.protobuf.message import DecodeError

from pourparler import v1 as pb
from pourparler.transparency.merkle import HASH_BYTES
from pourparler_service.aggregate import chunking
from pourparler_service.storage.interface import StoredEntry, StoreUnavailableError
from pourparler_service.storage.key_rotation import open_subject_keys
from pourparler_service.storage.master_key import SubjectKeyError
from pourparler_service.storage.subject_keys import SubjectKeyStore

FORMAT = 2
"""To be raised whenever the fold makes another state of the same entries. Others are ignored."""

KEPT_BYTES = 1 << 27
"""How many bytes of snapshots are kept in a file; when there are more, all are let go of."""

HELD_BYTES = 1 << 25
"""How many are kept in memory, where there is no file."""

FEWEST = 128
"""Over fewer entries no snapshot is worth its room: they are folded as fast."""

_LOG = logging.getLogger(__name__)

_TOPIC = f"{pb.Negotiation.DESCRIPTOR.full_name}/{FORMAT}"
_PART = 8  # of the record: so snapshots of it take a few times the bytes of its state together
_LENGTH_BYTES = 4
_FASTEST = 1


class Snapshot(NamedTuple):
    """A state, and the leaf of the entry that made it: of another record it is no snapshot."""

    version: int
    leaf: bytes
    state: pb.Negotiation
    size: int = 0
    """How many bytes the state has."""


class SnapshotFile(Protocol):
    """Where encoded snapshots are kept: a cache. Every method raises StoreUnavailableError."""

    def put(self, one: StoredEntry) -> None:
        """Keep this, unless there is something of its negotiation and version already."""

    def nearest(self, negotiation: str, upto: int) -> StoredEntry | None:
        """Return what is kept of the highest version up to and including `upto`."""

    def size(self) -> int:
        """Return how many bytes are kept."""

    def purge(self, negotiation: str) -> None:
        """Destroy all that is kept of a negotiation."""

    def purge_others(self, topic: str) -> None:
        """Destroy all that is of another topic."""

    def close(self) -> None:
        """Close the file."""


class SnapshotStore(Protocol):
    """Where long folds begin, and leave where others may."""

    @property
    def purged(self) -> int:
        """How often something was purged: what was read before is not to be kept after."""

    def nearest(self, id_: str, upto: int) -> Snapshot | None:
        """The snapshot of the highest version up to and including `upto`, if there is any."""

    def is_wanted(self, after: int, upto: int) -> bool:
        """Whether one is worth its room at a version, where the fold began after another."""

    def keep(self, id_: str, snapshot: Snapshot, *, purged: int) -> None:
        """Keep a snapshot whose entries were read when so many purges had been."""


def is_far(after: int, upto: int, fewest: int = FEWEST) -> bool:
    """Whether a fold from one version to another is long, for a record of that length."""
    return upto - after >= max(fewest, upto // _PART)


class Snapshots:
    """The snapshots of all negotiations. For any thread; blocks on the disk."""

    def __init__(
        self,
        shelf: SnapshotFile | None,
        persons: SubjectKeyStore | None = None,
        *,
        fewest: int = FEWEST,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        """Keep them on this shelf, sealed for these persons; without a shelf, there are none."""
        self._shelf = shelf
        self._persons = open_subject_keys(None, {}) if persons is None else persons
        self._fewest = fewest
        self._kept_bytes = kept_bytes
        self._lock = threading.Lock()  # guards all below, and that nothing purged is put back
        self._size: int | None = None
        self._failed = False
        self._purged = 0

    @property
    def purged(self) -> int:
        """How often something was purged: what was read before is not to be kept after."""
        return self._purged

    def nearest(self, id_: str, upto: int) -> Snapshot | None:
        """The snapshot of the highest version up to and including `upto`, if there is any."""
        if self._shelf is None or upto < self._fewest:
            return None
        with self._tolerating():
            found = self._shelf.nearest(id_, upto)
            if found is not None and found.topic == _TOPIC:
                data = self._persons.decrypt_blob(id_, found.data)
                if data is None:
                    return None
                written = list(_unpacked(data))
                state, size = chunking.decode(written), sum(map(len, written))
                if state.version == found.version:
                    return Snapshot(found.version, data[:HASH_BYTES], state, size)
        return None

    def is_wanted(self, after: int, upto: int) -> bool:
        """Whether one is worth its room at a version, where the fold began after another."""
        return self._shelf is not None and is_far(after, upto, self._fewest)

    def keep(self, id_: str, snapshot: Snapshot, *, purged: int) -> None:
        """Keep a snapshot whose entries were read when so many purges had been."""
        if self._shelf is None:
            return
        data = snapshot.leaf + b"".join(map(_packed, chunking.encode(snapshot.state)))
        with self._lock, self._tolerating():
            data = self._persons.encrypt_blob(id_, data)
            if purged != self._purged:
                return
            if self._size is None:
                self._shelf.purge_others(_TOPIC)
                self._size = self._shelf.size()
            self._size += len(data)
            if self._size > self._kept_bytes:
                self._shelf.purge_others("")
                self._size = len(data)
            self._shelf.put(StoredEntry(id_, snapshot.version, _TOPIC, data))

    def purge(self, id_: str) -> None:
        """Destroy the snapshots of a negotiation. Raises StoreUnavailableError if they may be left.

        For when entries are not any more what they were: call it once that is so in the store.
        """
        with self._lock:
            self._purged += 1
            if self._shelf is not None:
                self._shelf.purge(id_)

    def close(self) -> None:
        """Let the shelf go."""
        if self._shelf is not None:
            self._shelf.close()

    @contextlib.contextmanager
    def _tolerating(self) -> Iterator[None]:
        try:
            yield
        except (StoreUnavailableError, SubjectKeyError, DecodeError, zlib.error) as error:
            if not self._failed:
                self._failed = True
                _LOG.warning("snapshots fail, long records are read more slowly: %s", error)


def _packed(piece: bytes) -> bytes:
    # Other threads run while zlib is at work, as they do not while a long blob is copied.
    packed = zlib.compress(piece, _FASTEST)
    return len(packed).to_bytes(_LENGTH_BYTES, "big") + packed


def _unpacked(data: bytes) -> Iterator[bytes]:
    begin = HASH_BYTES
    while begin < len(data):
        length = int.from_bytes(data[begin : begin + _LENGTH_BYTES], "big")
        begin += _LENGTH_BYTES
        yield zlib.decompress(data[begin : begin + length])
        begin += length
