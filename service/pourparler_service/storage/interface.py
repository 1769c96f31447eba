"""The faces of the stores, with their guarantees."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

COPIES = "copies:"
"""Before the id of a negotiation: where it stands, in place of entries, that it is a copy.

Permanent. No id of a negotiation has a colon.
"""


Row = tuple[int, str, bytes]
"""A stored entry: its place, the id of its negotiation, and the bytes of its Record.

A place is a version of one negotiation, a position over all of them.
"""


class StoredEntry(NamedTuple):
    """An entry in the store.

    The id of its negotiation, its version, its type's full name, and the bytes of its Record. Its
    words lie sealed with the keys of the persons whom they concern, if there are any.
    """

    negotiation: str
    version: int
    topic: str
    data: bytes
    persons: tuple[str, ...] = ()


class Rows(NamedTuple):
    """Entries one after the other, and whether there are no more of them."""

    rows: Sequence[Row]
    last: bool


class StoreUnavailableError(Exception):
    """The store cannot be read or written just now.

    Whether a write got through is to be looked up, not assumed.
    """


class ConflictError(Exception):
    """Somebody else stored an entry of this negotiation and version first.

    Nothing of the append was stored.
    """


class StoreSettingsError(Exception):
    """The environment asks for a store that would not keep the record safe."""


class EventReader(Protocol):
    """Where the entries of negotiations are read."""

    def read(
        self,
        negotiation: str,
        *,
        after: int = 0,
        upto: int | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> list[StoredEntry]:
        """The entries of a negotiation above the version `after`, up to and including `upto`."""

    def last_version(self, negotiation: str) -> int:
        """The version of the last entry of a negotiation; 0 if there is none."""
