"""States of a store as a viewer with full access reads them, without a service."""

from collections.abc import Callable, Hashable

from pourparler import v1 as pb
from pourparler_service.aggregate.current import CurrentNegotiations
from pourparler_service.aggregate.reading import ReplayedEntry, StateAt
from pourparler_service.authorization.filtered_store import FilteredEventReader
from pourparler_service.authorization.policy import EVERYONE, Policy
from pourparler_service.authorization.viewer_scopes import ScopeResolver
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.reads.filtered_states import FilteredStates
from pourparler_service.reads.response_cache import CACHED_BYTES, ResponseCache
from pourparler_service.storage.interface import EventStore


class StateReader:
    """A reader of a store with full access."""

    def __init__(
        self,
        store: EventStore,
        negotiations: CurrentNegotiations | None = None,
        *,
        response_bytes: int = CACHED_BYTES,
    ) -> None:
        self.negotiations = negotiations or CurrentNegotiations(store)
        self.responses = ResponseCache(exclusive=store.exclusive, cached_bytes=response_bytes)
        self.states = FilteredStates(self.negotiations, self.responses)
        self.scopes = ScopeResolver(store, Policy(auditors=[EVERYONE]))

    def events(self, id_: str) -> FilteredEventReader:
        return self.scopes.viewer(ANONYMOUS).events(id_)

    def read(self, id_: str, as_of: pb.AsOf) -> StateAt:
        return self.states.read(self.events(id_), as_of)

    def replay(self, id_: str, as_of: pb.AsOf) -> tuple[list[ReplayedEntry], pb.ComputedAt]:
        return self.states.replay(self.events(id_), as_of)

    def respond(self, id_: str, request: Hashable, make: Callable[[StateAt], bytes]) -> bytes:
        return self.states.respond(self.events(id_), request, make)

    def cached(self, name: str, request: Hashable) -> bytes | None:
        scope = self.scopes.cached_scope(name, ANONYMOUS)
        assert scope is not None
        return self.states.cached(name, scope, request)
