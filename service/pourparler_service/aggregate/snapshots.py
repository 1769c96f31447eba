"""Snapshots: states at a version, from which the fold of a long record begins.

They are a cache: if a snapshot is missing or damaged, the state is folded from the entries. Audits
and proofs do not use them. They contain words of persons: the keys of all of them encrypt each one.
"""

import contextlib
import logging
import threading
import zlib
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple, Protocol

from google.protobuf.message import DecodeError

from pourparler import v1 as pb
from pourparler.transparency.merkle import HASH_BYTES
from pourparler_service.aggregate import chunking
from pourparler_service.storage.interface import StoredEntry, StoreUnavailableError
from pourparler_service.storage.master_key import SubjectKeyError
from pourparler_service.storage.subject_keys import SubjectKeyStore

FORMAT = 3
"""Raise it whenever the fold makes another state of the same entries. Others are ignored."""

DISK_BYTES = 1 << 27
"""The capacity of a snapshot file on disk; when it is full, all snapshots are deleted."""

MEMORY_BYTES = 1 << 25
"""The capacity of a snapshot file in memory."""

FEWEST = 128
"""Fewer entries than these are folded as fast without a snapshot."""

_LOG = logging.getLogger(__name__)

_TOPIC = f"{pb.Negotiation.DESCRIPTOR.full_name}/{FORMAT}"
_PART = 8  # of the record: together, its snapshots take a few times the bytes of its state
_LENGTH_BYTES = 4
_FASTEST = 1


class Snapshot(NamedTuple):
    """A state, and the leaf of the entry that made it: it is no snapshot of another record."""

    version: int
    leaf: bytes
    state: pb.Negotiation
    size: int = 0
    """The size of the encoded state in bytes."""


class SnapshotFile(Protocol):
    """Keeps encoded snapshots by negotiation and version: a cache.

    - Durable: nothing need survive a crash, but `purge` and `purge_others` are final: when they
      return, what they delete is in no file.
    - Atomic: `nearest` returns a snapshot whole, or none.
    - Concurrent: any thread may call any method. No method delays an append.

    Every method raises StoreUnavailableError if the file fails.
    """

    @property
    def capacity(self) -> int:
        """The number of bytes that it should keep at most."""

    def put(self, one: StoredEntry) -> None:
        """Keep a snapshot, unless there is one of its negotiation and version."""

    def nearest(self, negotiation: str, upto: int) -> StoredEntry | None:
        """Return the snapshot of the highest version up to `upto` inclusive; None without one."""

    def size(self) -> int:
        """Return the number of bytes that are kept."""

    def purge(self, negotiation: str) -> None:
        """Delete the snapshots of a negotiation."""

    def purge_others(self, topic: str) -> None:
        """Delete the snapshots of all other topics."""

    def close(self) -> None:
        """Close the file."""


class SnapshotStore(Protocol):
    """The snapshots from which long folds begin, and to which they add."""

    @property
    def purged(self) -> int:
        """The number of purges so far: a state that was read before one is not kept after it."""

    def nearest(self, id_: str, upto: int) -> Snapshot | None:
        """Return the snapshot of the highest version up to `upto` inclusive; None without one."""

    def is_wanted(self, after: int, upto: int) -> bool:
        """Return True if a fold from one version to another is worth a snapshot."""

    def keep(self, id_: str, snapshot: Snapshot, *, purged: int) -> None:
        """Keep a snapshot, unless there was a purge since its entries were read."""


def is_far(after: int, upto: int, fewest: int = FEWEST) -> bool:
    """Return True if a fold from one version to another is long, for a record of that length."""
    return upto - after >= max(fewest, upto // _PART)


class Snapshots:
    """The snapshots of all negotiations: derived data. Any thread may call it; it may block."""

    def __init__(
        self,
        file: SnapshotFile | None = None,
        keys: SubjectKeyStore | None = None,
        *,
        fewest: int = FEWEST,
        kept_bytes: int | None = None,
    ) -> None:
        """Keep snapshots in this file, encrypted with these keys. Without both there are none."""
        self._file = file if keys is not None else None
        self._keys = keys
        self._fewest = fewest
        self._kept_bytes = kept_bytes
        self._lock = threading.Lock()  # guards all below, and that nothing purged is put back
        self._size: int | None = None
        self._failed = False
        self._purged = 0

    @property
    def purged(self) -> int:
        """The number of purges so far: a state that was read before one is not kept after it."""
        return self._purged

    def nearest(self, id_: str, upto: int) -> Snapshot | None:
        """Return the snapshot of the highest version up to `upto` inclusive; None without one."""
        if self._file is None or self._keys is None or upto < self._fewest:
            return None
        with self._tolerating():
            found = self._file.nearest(id_, upto)
            if found is not None and found.topic == _TOPIC:
                data = self._keys.decrypt_blob(id_, found.data)
                if data is None:
                    return None
                written = list(_unpacked(data))
                state, size = chunking.decode(written), sum(map(len, written))
                if state.version == found.version:
                    return Snapshot(found.version, data[:HASH_BYTES], state, size)
        return None

    def is_wanted(self, after: int, upto: int) -> bool:
        """Return True if a fold from one version to another is worth a snapshot."""
        return self._file is not None and is_far(after, upto, self._fewest)

    def keep(self, id_: str, snapshot: Snapshot, *, purged: int) -> None:
        """Keep a snapshot, unless there was a purge since its entries were read."""
        if self._file is None or self._keys is None:
            return
        data = snapshot.leaf + b"".join(map(_packed, chunking.encode(snapshot.state)))
        with self._lock, self._tolerating():
            data = self._keys.encrypt_blob(id_, data)
            if purged != self._purged:
                return
            if self._size is None:
                self._file.purge_others(_TOPIC)
                self._size = self._file.size()
            self._size += len(data)
            if self._size > (self._kept_bytes or self._file.capacity):
                self._file.purge_others("")
                self._size = len(data)
            self._file.put(StoredEntry(id_, snapshot.version, _TOPIC, data))

    def on_commit(self, ids: Collection[str]) -> None:
        """Do nothing: a snapshot is of the entries up to its version."""

    def purge(self, id_: str) -> None:
        """Destroy the snapshots of a negotiation, as DerivedData says."""
        with self._lock:
            self._purged += 1
            if self._file is not None:
                self._file.purge(id_)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    @contextlib.contextmanager
    def _tolerating(self) -> Iterator[None]:
        try:
            yield
        except (StoreUnavailableError, SubjectKeyError, DecodeError, zlib.error) as error:
            if not self._failed:
                self._failed = True
                _LOG.warning("snapshots fail, long records are read more slowly: %s", error)


def open_snapshots(open_file: Callable[[], SnapshotFile], keys: SubjectKeyStore) -> Snapshots:
    """Open a snapshot file, and its snapshots with it; without any if it cannot be opened."""
    try:
        return Snapshots(open_file(), keys)
    except StoreUnavailableError as error:
        _LOG.warning("there are no snapshots: %s", error)
        return Snapshots()


def _packed(piece: bytes) -> bytes:
    # Other threads run while zlib compresses; they do not while a long blob is copied.
    packed = zlib.compress(piece, _FASTEST)
    return len(packed).to_bytes(_LENGTH_BYTES, "big") + packed


def _unpacked(data: bytes) -> Iterator[bytes]:
    begin = HASH_BYTES
    while begin < len(data):
        length = int.from_bytes(data[begin : begin + _LENGTH_BYTES], "big")
        begin += _LENGTH_BYTES
        yield zlib.decompress(data[begin : begin + length])
        begin += length
