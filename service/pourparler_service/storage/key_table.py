"""The face of the table of subject keys, and what its rows are."""

from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from pourparler import v1 as pb


class WrappedKey(NamedTuple):
    """The key of a person in a negotiation, encrypted with the master key."""

    negotiation: str
    participant: str
    number: int
    """1 for the first key; each later one follows the destruction of the one before."""
    wrapped: bytes | None
    """None once the key is destroyed."""


class ErasureIntent(NamedTuple):
    """An erasure that has begun, and the request that asked for it."""

    negotiation: str
    caller: str
    request_id: str
    destroyed: bool
    """True once the keys are destroyed."""
    erasure: pb.Erasure


class SubjectKeyTable(Protocol):
    """Wrapped keys and erasures. It never sees a key in clear.

    - Durable and atomic: all that a `transaction` writes is on disk when the block ends. After an
      error or a crash nothing of it is.
    - Destruction: when the transaction of `destroy` has ended, the wrapped keys are in no file of
      the table. Backups, and the logs of a database server, are beyond its reach.
    - Ordered: erasures keep the order in which they were added.
    - Concurrent: the caller holds one lock around every call. Other processes may use the same
      table; a transaction excludes theirs.

    Every method raises StoreUnavailableError if the table fails.
    """

    @property
    def name(self) -> str:
        """The place of the table, for messages."""

    @property
    def master_key_id(self) -> str:
        """The id of the master key that wraps the keys; empty if there is no key."""

    def transaction(self) -> AbstractContextManager[None]:
        """Write durably and atomically for the length of a `with` block."""

    def set_master_key_id(self, key_id: str) -> None:
        """Name the master key that wraps the keys."""

    def newest(self, negotiation: str, participant: str) -> WrappedKey | None:
        """Return the key with the highest number of a person, destroyed or not."""

    def find(self, negotiation: str, participant: str, number: int) -> WrappedKey | None:
        """Return a key, destroyed or not; None if there never was one."""

    def keys(self, negotiation: str | None = None) -> list[WrappedKey]:
        """Return the keys of a negotiation, or of all, that are not destroyed."""

    def add(self, key: WrappedKey) -> None:
        """Add a key. Call it in a transaction."""

    def replace(self, key: WrappedKey) -> None:
        """Replace the wrapped bytes of a key. Call it in a transaction."""

    def destroy(self, negotiation: str, participant: str) -> int:
        """Destroy the keys of a person; return how many there were. Call it in a transaction."""

    def add_erasure(self, intent: ErasureIntent) -> None:
        """Add an erasure that is not done. Call it in a transaction."""

    def save_erasure(self, intent: ErasureIntent, *, done: bool) -> None:
        """Replace what is stored of an erasure. Call it in a transaction."""

    def erasure(self, name: str) -> ErasureIntent | None:
        """Return the erasure of this name, if there is one."""

    def requested(self, caller: str, request_id: str) -> ErasureIntent | None:
        """Return the erasure that a caller asked for with this request id, if there is one."""

    def unfinished(self) -> list[ErasureIntent]:
        """Return the erasures that are not done, the oldest first."""

    def close(self) -> None:
        """Close the table. It may be called again."""
