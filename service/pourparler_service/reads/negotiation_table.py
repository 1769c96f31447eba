"""The face of the table behind the negotiation list, and what its rows are."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol


class Progress(NamedTuple):
    """The part of a record that a table is derived from."""

    format: int
    log_id: str
    position: int = 0
    """All entries up to this position are in the table, and none after it."""
    digest: bytes = b""
    """The digest of the entry there."""


class NegotiationRow(NamedTuple):
    """A negotiation as a list knows it."""

    opened: int
    """The position of its first entry. It identifies the row, as the id does."""
    id: str
    open_time: int
    """In nanoseconds since 1970."""
    title: str
    """Without case."""
    status: int
    outcome: int
    public: bool
    """True if any entry in it is public."""
    head: bytes
    """The encoded state, as far as a list needs it."""
    participants: Collection[str] = ()
    principals: Collection[str] = ()
    """All who have access, or had it."""


class Listed(NamedTuple):
    """The columns of a row that a list needs."""

    opened: int
    id: str
    open_time: int
    head: bytes = b""
    """Empty where the caller reads the state elsewhere."""


class Filters(NamedTuple):
    """The filters of a list: a negotiation has to meet all of them."""

    statuses: frozenset[int] | None = None
    outcomes: frozenset[int] | None = None
    participant: str | None = None
    title: str | None = None
    """A part of the title, without case."""
    open_start_time: int | None = None
    """In nanoseconds since 1970, as is the end."""
    open_end_time: int | None = None


class NegotiationTable(Protocol):
    """The negotiations on the record, by the position of their first entry: derived data.

    - Atomic: `save` stores its rows and the position, or nothing, also if the process dies.
    - Durable: a crash may lose the last calls of `save`: rows and position go back together.
    - Final: when `purge` returns, the former row is in no file.
    - Ordered: every list comes by `opened`, ascending.
    - Confidential: the time that `accessible`, `joined` and `admits` take does not depend on rows
      that they do not return.
    - Concurrent: the caller holds one lock around every call.

    Every method raises StoreUnavailableError if the table fails, and has changed nothing then.
    """

    def progress(self) -> Progress | None:
        """Return what the rows are derived from; None if the table is empty."""

    def reset(self, progress: Progress) -> None:
        """Delete all rows, and begin at this position."""

    def save(self, rows: Sequence[NegotiationRow], position: int, digest: bytes) -> None:
        """Add or replace rows, and be at this position. Principals are added, never removed."""

    def purge(self, row: NegotiationRow | None) -> None:
        """Replace a row; leave nothing of the former one, or of earlier ones, in any file."""

    def find(self, id_: str) -> NegotiationRow | None:
        """Return the row of a negotiation, without participants and principals."""

    def page(self, filters: Filters, after: int, most: int) -> Sequence[Listed]:
        """Return the first `most` rows opened after a position that meet the filters."""

    def accessible(
        self, principal: str, after: int, most: int | None, *, public: bool
    ) -> Sequence[Listed]:
        """Return the first `most` rows after a position to which a principal has, or had, access.

        Rows with public entries are included if `public` is true. None for `most` means all. The
        rows come without heads.
        """

    def joined(self, participant: str, after: int, most: int) -> Sequence[Listed]:
        """Return, without heads, the first `most` rows after a position with this participant."""

    def admits(self, id_: str, principal: str, *, public: bool) -> bool:
        """Return True if `accessible` would return this negotiation."""

    def close(self) -> None:
        """Close the table."""
