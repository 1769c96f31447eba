"""Readers that return entries already filtered to what one viewer may see.

Every read takes a reader of this module, and only `ScopeResolver` builds one. A raw event reader is
not of these types, so a read that ignores the visibility scope does not pass the type checker.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, final

from pourparler import v1 as pb
from pourparler_service.authorization.audience import Audience
from pourparler_service.authorization.filtering import filtered, header_only
from pourparler_service.authorization.roles import EVERYTHING, VisibilityScope
from pourparler_service.domain.refusal import RefusalError
from pourparler_service.storage.interface import COPIES, EventStore, StoredEntry
from pourparler_service.storage.record_codec import decode_record

FilteredRow = tuple[int, str, bytes | None]
"""The place of an entry, the id of its negotiation, and the bytes that the viewer may see.

The bytes are None if the viewer may not see even the header.
"""


class FilteredRows(NamedTuple):
    """Consecutive entries, and whether the store has no more of them."""

    rows: Sequence[FilteredRow]
    last: bool


class ScopeKey(NamedTuple):
    """The key of a filtered state.

    If two versions have an equal key, every entry is visible at both or hidden at both.
    """

    scope: VisibilityScope
    disclosures: int
    """The number of entries disclosed so far; 0 for a scope that allows everything."""


WHOLE = ScopeKey(EVERYTHING, 0)


@final
class FilteredEventReader:
    """Reads the entries of one negotiation as a viewer may see them.

    A hidden entry comes as its header alone. A scope that allows everything changes no byte. The
    reader is an `EventReader`; it never reads beyond its version.
    """

    def __init__(
        self,
        store: EventStore,
        id_: str,
        scope: VisibilityScope,
        *,
        version: int | None = None,
        audience: Audience | None = None,
    ) -> None:
        """Filter the entries of this store by a scope and an audience.

        Only a scope that allows everything may come without a version and an audience.
        """
        self._store = store
        self.audience = audience or Audience()
        self.id = id_
        self.scope = scope
        self.version = version
        """The last version that the scope was resolved for; None if there is no such limit."""

    def key(self, upto: int | None = None) -> ScopeKey:
        """Return the key of the state at a version, by default the last one."""
        if self.scope.whole:
            return WHOLE
        return ScopeKey(self.scope, self.audience.disclosures(self._limit(upto) or 0))

    def shows(self, upto: int | None = None) -> Callable[[int], bool]:
        """Return a function that tells if a version was visible as of another, the last one.

        An entry that was disclosed later was hidden then.
        """
        if self.scope.whole:
            return _always
        return self.audience.visible(self.scope, self._limit(upto))

    def read(
        self,
        negotiation: str,
        *,
        after: int = 0,
        upto: int | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> list[StoredEntry]:
        """Return entries as an event store does. Entries disclosed after `upto` are hidden."""
        self._check(negotiation)
        upto = self._limit(upto)
        found = self._store.read(negotiation, after=after, upto=upto, reverse=reverse, limit=limit)
        if self.scope.whole:
            return found
        return filtered(found, self.shows(upto))

    def last_version(self, negotiation: str) -> int:
        """Return the last version as an event store does."""
        if negotiation != COPIES + self.id:
            self._check(negotiation)
            if self.version is not None:
                return self.version
        return self._store.last_version(negotiation)

    def last(self) -> int:
        """Return the last version."""
        return self.last_version(self.id)

    def rows(self, *, after: int, upto: int, limit: int, size: int) -> FilteredRows:
        """Return the bytes of consecutive entries, unparsed. See `Store.rows`."""
        upto = upto if self.version is None else min(upto, self.version)
        rows, last = self._store.rows(self.id, after=after, upto=upto, limit=limit, size=size)
        if self.scope.whole:
            return FilteredRows(rows, last)
        shows = self.shows()
        shown = [
            (version, id_, data if shows(version) else header_only(data))
            for version, id_, data in rows
        ]
        return FilteredRows(shown, last)

    def entry(self, negotiation: str, version: int) -> pb.Entry | None:
        """Return the entry of a version; None if there is none."""
        found = self.read(negotiation, after=version - 1, upto=version)
        return decode_record(found[0].data) if found else None

    def advance(self, newer: "FilteredEventReader") -> None:
        """Read up to the version of a newer reader with an equal key."""
        if (newer.version or 0) > (self.version or 0):
            self.audience, self.version = newer.audience, newer.version

    def _limit(self, upto: int | None) -> int | None:
        if self.version is None or upto is None:
            return upto if self.version is None else self.version
        return min(upto, self.version)

    def _check(self, negotiation: str) -> None:
        if negotiation != self.id:
            message = (
                f"This reader was resolved for '{self.id}', not for '{negotiation}'."
                " Resolve the scope of each negotiation."
            )
            raise ValueError(message)


@final
class FilteredLogReader:
    """Reads the entries of all negotiations as a viewer may see them.

    Entries of a negotiation that the viewer may not see at all are left out.
    """

    scope = None
    """None: the viewer has a scope in each negotiation."""

    def __init__(
        self, store: EventStore, resolve: Callable[[str], FilteredEventReader], *, whole: bool
    ) -> None:
        """Filter this store with the readers of its negotiations; `whole` passes every byte."""
        self._store = store
        self._resolve = resolve
        self._whole = whole
        self._readers: dict[str, FilteredEventReader | None] = {}

    def last(self) -> int:
        """Return the position of the last entry."""
        return self._store.position()

    def events(self, id_: str, *, at_least: int = 0) -> FilteredEventReader | None:
        """Return the reader of a negotiation; None if the viewer may not see it.

        The scope is resolved again if it was resolved for a version below `at_least`.
        """
        known = self._readers.get(id_)
        is_old = known is not None and known.version is not None and known.version < at_least
        if is_old or id_ not in self._readers:
            try:
                known = self._readers[id_] = self._resolve(id_)
            except RefusalError:
                known = self._readers[id_] = None
        return known

    def require(self, id_: str) -> None:
        """Resolve the scope of a negotiation. Raise RefusalError if the viewer may not see it."""
        self._readers[id_] = self._resolve(id_)

    def rows(self, *, after: int, upto: int, limit: int, size: int) -> FilteredRows:
        """Return the bytes of consecutive entries, unparsed. See `Store.rows`."""
        rows, last = self._store.rows("", after=after, upto=upto, limit=limit, size=size)
        if self._whole:
            return FilteredRows(rows, last)
        # Resolved after the rows are read: no access of the viewer ended before one was recorded.
        self._readers.clear()
        shows: dict[str, Callable[[int], bool] | None] = {}
        shown: list[FilteredRow] = []
        for position, id_, data in rows:
            if id_ not in shows:
                events = self.events(id_)
                shows[id_] = None if events is None else events.shows()
            is_visible = shows[id_]
            if is_visible is None:
                shown.append((position, id_, None))
            elif is_visible is _always or is_visible(_version(data)):
                shown.append((position, id_, data))
            else:
                shown.append((position, id_, header_only(data)))
        return FilteredRows(shown, last)

    def entry(self, negotiation: str, version: int) -> pb.Entry | None:
        """Return the entry of a version; None if there is none or the viewer may not see it."""
        events = self.events(negotiation)
        return None if events is None else events.entry(negotiation, version)

    def several(self, places: Sequence[tuple[str, int]], size: int) -> list[bytes]:
        """Return the bytes of entries by negotiation and version. See `Store.several`."""
        found = self._store.several(places, size)
        if self._whole:
            return found
        return [
            data if self._is_visible(id_, version) else header_only(data)
            for (id_, version), data in zip(places, found, strict=False)
        ]

    def _is_visible(self, id_: str, version: int) -> bool:
        events = self.events(id_, at_least=version)
        return events is not None and events.shows()(version)


FilteredReader = FilteredEventReader | FilteredLogReader
"""A reader of one negotiation, or of all of them."""


def _always(_version: int) -> bool:
    return True


def _version(data: bytes) -> int:
    return decode_record(header_only(data)).header.version
