"""The faces of the stores that many rooms use, with their guarantees.

A face that one room uses stands in that room: `key_table`, `aggregate.snapshots`,
`reads.negotiation_table` and `search.index`. Every face has its implementations in `backends`, and
one contract suite in tests/store/contract.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

COPIES = "copies:"
"""Prefix of the id under which the record of an imported bundle is stored, beside its entries.

Permanent. No id of a negotiation has a colon.
"""


Row = tuple[int, str, bytes]
"""A stored entry: its place, the id of its negotiation, and the bytes of its Record.

A place is a version of one negotiation, or a position over all of them.
"""


class StoredEntry(NamedTuple):
    """An entry in the store.

    It has the id of its negotiation, its version, the full name of its type, and the bytes of its
    Record. `persons` are the participants with whose keys its words are encrypted at rest.
    """

    negotiation: str
    version: int
    topic: str
    data: bytes
    persons: tuple[str, ...] = ()


class Rows(NamedTuple):
    """Consecutive entries, and whether they are the last ones."""

    rows: Sequence[Row]
    last: bool


class StoreUnavailableError(Exception):
    """The store cannot be read or written now.

    A write may have been committed or not: read it back.
    """


class ConflictError(Exception):
    """An entry of this negotiation and version is already stored.

    Nothing of the append is stored.
    """


class StoreSettingsError(Exception):
    """The settings name a store that cannot be used, or that would not keep the record safe."""


class EventReader(Protocol):
    """Reads the entries of negotiations, whole or filtered."""

    def read(
        self,
        negotiation: str,
        *,
        after: int = 0,
        upto: int | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> list[StoredEntry]:
        """Return the entries of a negotiation above the version `after`, up to `upto` inclusive."""

    def last_version(self, negotiation: str) -> int:
        """Return the version of the last entry of a negotiation; 0 if there is none."""


class EventStore(EventReader, Protocol):
    """Entries by negotiation and version, and all together by position.

    - Durable: `append` returns when all of its entries survive a crash of the machine.
    - Atomic: a crash or an error leaves all entries of an append or none.
    - Ordered: a position is the place of an entry in the order of commits. An entry that becomes
      readable has a higher position than all entries that were readable before. Positions may have
      gaps. They never change, and no position is given twice.
    - Read your writes: every read that begins after `append` has returned sees its entries.
    - Versions: one entry at most has a negotiation and a version. The store does not check that
      versions have no gaps: its writer does.
    - Concurrent: appends come from one thread of this process. Every other method may be called
      from any thread, also while an append runs. Reads never wait for an append.
    - Encrypted: the words of an entry with `persons` are encrypted before they reach a disk.

    Every method raises StoreUnavailableError if the store fails. The store is usable again once
    its cause has gone.
    """

    @property
    def exclusive(self) -> bool:
        """True if no other process can write to this store."""

    def append(self, records: Sequence[StoredEntry]) -> None:
        """Store entries of any number of negotiations.

        Raise ConflictError if one of the versions is stored already: nothing is stored then. After
        StoreUnavailableError the entries may be stored or not.
        """

    def scan(self, after: int, limit: int) -> list[tuple[int, StoredEntry]]:
        """Return entries of all negotiations above the position `after`, with their positions.

        The records of imported bundles are left out. Fewer than `limit` may come before the end;
        none come at the end only.
        """

    def rows(self, negotiation: str, *, after: int, upto: int, limit: int, size: int) -> Rows:
        """Return the next entries above the place `after`, up to `upto` inclusive, as bytes.

        An empty id stands for all negotiations; the records of imported bundles are left out then.
        At most `limit` entries come, and none after the one that completes `size` bytes.
        """

    def several(self, places: Sequence[tuple[str, int]], size: int) -> list[bytes]:
        """Return the bytes of entries, given by negotiation and version, in the given order.

        Fewer than all come where the store bounds a read: none after the one that completes `size`
        bytes, but always the first.
        """

    def rewrite(self, records: Sequence[StoredEntry]) -> bool:
        """Replace the stored bytes of these versions, durably. Return False if this is impossible.

        An erasure alone calls this, for words that are not encrypted. The former bytes may stay in
        files until `purge` returns.
        """

    def purge(self) -> None:
        """Remove the bytes that `rewrite` replaced from all files of the store."""

    def position(self) -> int:
        """Return the position of the last entry; 0 if there is none."""

    def probe(self) -> None:
        """Read, and write where that is possible without a trace, to see that both work."""

    def close(self) -> None:
        """Close the store. Every later call but `close` raises StoreUnavailableError."""


class RecordDirectory(Protocol):
    """The identity and the secrets of one record, held by this process alone.

    - Exclusive: while one process has it open, another one cannot open it. A crash frees it.
    - Durable: the id and the secrets are on disk before they are first returned. They are the same
      at every later opening, also after a restore from a backup. In memory they last as long as the
      process.
    - Concurrent: any thread may call any method.

    Methods raise DataDirectoryError if the directory cannot be used.
    """

    @property
    def path(self) -> Path | None:
        """The directory for files of the operator and of derived data; None if there is none."""

    @property
    def log_id(self) -> str:
        """The id of the record. Two records never have the same one."""

    def secret(self, name: str) -> bytes:
        """Return the secret of this name: 32 random bytes, made when it is first asked for."""

    def close(self) -> None:
        """Let another process open it."""


Listener = Callable[[Collection[str]], object]
"""Takes the ids of the negotiations that have new entries. It must not block or raise."""


class Notifications(Protocol):
    """Tells listeners of commits, in this process and in others that write to the same store.

    - At least once: every commit is told of after its entries are readable. A listener may be told
      twice, or of a negotiation without new entries: it looks into the store.
    - Own commits: `publish` returns when all listeners of this process have been told.
    - Commits of other processes: listeners are told within one second, from a thread of the
      implementation. A lost connection delays this, and loses nothing.
    - Order: the order between commits of several processes is not defined.
    - Concurrent: any thread may call any method. Calls of one listener may overlap.
    """

    def listen(self, listener: Listener) -> None:
        """Call this listener for each commit from now on."""

    def publish(self, ids: Collection[str]) -> None:
        """Tell all listeners of a commit, or of one whose outcome is unknown. Never block."""


class Lease(Protocol):
    """The right to do a named job, while a `with` block lasts."""

    @property
    def fence(self) -> int:
        """A number that grows with each holder of the job, to refuse the writes of earlier ones."""

    @property
    def held(self) -> bool:
        """True while no other process can have been given the job."""


class Leases(Protocol):
    """One holder at a time for each named job, over all threads and processes of a store.

    - Exclusive: while a lease is held, no other caller of `hold` with its name proceeds.
    - Crash: a lease of a process that died is free after a bounded time, without help.
    - Not reentrant: a thread that holds a job waits for itself if it asks for it again.
    - Concurrent: any thread may call any method. Leases of different names are independent.

    Where one process holds the store, a lock of this process is all that a lease needs.
    """

    def hold(self, name: str) -> AbstractContextManager[Lease]:
        """Wait until the job of this name is free, and hold it while the block lasts."""
