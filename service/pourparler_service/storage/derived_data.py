"""Data derived from entries: its holders are told of every commit and of every erasure."""

from collections.abc import Collection, Sequence
from typing import Protocol


class DerivedData(Protocol):
    """Holds what was made of entries, in memory or on disk: a cache, a list, an index.

    Every holder is registered in `application`. A holder that was forgotten there would serve
    erased words: a test compares the registration with the wired objects.
    """

    def on_commit(self, ids: Collection[str]) -> None:
        """Take note of new entries, or of possible ones, of these negotiations.

        It is called after the commit and before the receipts, by the thread that commits. It
        must not block or raise.
        """

    def purge(self, id_: str) -> None:
        """Keep nothing that was made of the former entries of a negotiation.

        It is called after the store has lost the words. When it returns, nothing of them is left in
        memory or in files, and no read that began before puts it back. It may be called again. It
        may block on the disk. Raise StoreUnavailableError if something may be left.
        """


class DerivedDataList:
    """All holders of derived data, told in the order of their registration."""

    def __init__(self, holders: Sequence[DerivedData]) -> None:
        """Tell these holders: first those that others read from."""
        self.holders = tuple(holders)

    def on_commit(self, ids: Collection[str]) -> None:
        """Tell every holder of new entries of these negotiations."""
        for holder in self.holders:
            holder.on_commit(ids)

    def purge(self, id_: str) -> None:
        """Purge a negotiation from every holder. Raise StoreUnavailableError if one fails."""
        for holder in self.holders:
            holder.purge(id_)
