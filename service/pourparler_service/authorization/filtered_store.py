"""A reader of entries that returns only the header of each hidden entry."""

from pourparler_service.authorization.filtering import header_alone
from pourparler_service.authorization.viewer_scopes import ViewerScope
from pourparler_service.storage.interface import COPIES, EventReader, StoredEntry


class FilteredEventReader:
    """The entries of one negotiation as they are seen: of what is not, the header alone."""

    def __init__(self, store: EventReader, view: ViewerScope) -> None:
        """Cut what is in this store."""
        self._store = store
        self._view = view
        self.version = view.version
        """Up to which it is known what is seen."""

    def read(
        self,
        negotiation: str,
        *,
        after: int = 0,
        upto: int | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> list[StoredEntry]:
        """As of a store. What was disclosed after `upto` was not disclosed then."""
        upto = self.version if upto is None else min(upto, self.version)
        found = self._store.read(negotiation, after=after, upto=upto, reverse=reverse, limit=limit)
        seen = self._view.audience.seen(self._view.sight, upto)
        return [
            one if seen(one.version) else one._replace(data=header_alone(one.data)) for one in found
        ]

    def last_version(self, negotiation: str) -> int:
        """As of a store."""
        beside = negotiation.startswith(COPIES)
        return self._store.last_version(negotiation) if beside else self.version
