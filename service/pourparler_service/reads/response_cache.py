"""Responses about the latest state of negotiations, cached until the next commit."""

import threading
from collections.abc import Callable, Collection, Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from pourparler_service.aggregate.negotiation import Negotiation
from pourparler_service.aggregate.reading import StateAt, computed_at
from pourparler_service.authorization.filtered_store import FilteredEventReader, ScopeKey
from pourparler_service.authorization.viewer_scopes import CachedScope
from pourparler_service.runtime.lru_cache import LruCache

CACHED_BYTES = 1 << 27
"""The size of all cached responses together, in bytes."""

_OVERHEAD_BYTES = 500  # for each negotiation and scope
_MOST_RESPONSES = 16  # for each negotiation and scope


_Key = tuple[str, ScopeKey]
"""The name of a negotiation, and the key of a scope."""


@dataclass(slots=True)
class _CachedResponses:
    """The responses about one negotiation for one scope, all of the same version."""

    version: int = 0
    responses: dict[Hashable, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return _OVERHEAD_BYTES + sum(map(len, self.responses.values()))


class ResponseCache:
    """Caches responses by negotiation, scope and request. Thread-safe.

    The committing thread calls `on_commit` before it answers any caller, so a caller with a receipt
    never gets an older response. If other processes can write to the store, each response is
    compared with the store first.
    """

    def __init__(self, *, exclusive: bool, cached_bytes: int = CACHED_BYTES) -> None:
        """Cache so many bytes. `exclusive`: no other process can write to the store."""
        self._exclusive = exclusive
        self._lock = threading.Lock()  # guards all below
        self._cached: LruCache[_Key, _CachedResponses] = LruCache(cached_bytes)
        self._scopes: dict[str, set[ScopeKey]] = {}  # of which there are responses, by name

    def get(self, name: str, scope: CachedScope, request: Hashable) -> bytes | None:
        """Return the response if it is certainly that of the latest state. Never blocks."""
        if not self._exclusive:
            return None
        with self._lock:
            cached = self._cached.get((name, scope.key))
            if cached is None or scope.version not in {None, cached.version}:
                return None
            return cached.responses.get(request)

    def respond(
        self,
        events: FilteredEventReader,
        request: Hashable,
        current: AbstractContextManager[Negotiation],
        make: Callable[[StateAt], bytes],
    ) -> bytes:
        """Return the response for the latest state, made if it is not cached.

        `current` holds the latest state of what the reader may see. Block on the store; raise
        RefusalError.
        """
        # A commit from here on drops what this caches: it was perhaps read before that commit.
        key = f"negotiations/{events.id}", events.key()
        cached = self._begin(key)
        if events.version is not None:
            known = self._find(cached, request, at_least=events.version)
            if known is not None:
                return known
        try:
            with current as negotiation:
                version, state = negotiation.version, negotiation.state
                known = self._find(cached, request, at_least=version)
                response = make(StateAt(state, computed_at(state))) if known is None else known
        except BaseException:
            self._give_up(key, cached)
            raise
        if known is None:
            self._put(key, cached, version, request, response)
        return response

    def on_commit(self, ids: Collection[str]) -> None:
        """Drop the responses about negotiations that have, or may have, more entries."""
        with self._lock:
            for id_ in ids:
                name = f"negotiations/{id_}"
                for scope in self._scopes.pop(name, ()):
                    self._cached.drop((name, scope))

    def purge(self, id_: str) -> None:
        """Drop the responses about a negotiation."""
        self.on_commit((id_,))

    def _begin(self, key: _Key) -> _CachedResponses:
        with self._lock:
            cached = self._cached.get(key)
            if cached is None:
                cached = _CachedResponses()
                self._keep(key, cached)
            return cached

    def _give_up(self, key: _Key, cached: _CachedResponses) -> None:
        with self._lock:
            if self._cached.get(key) is cached and not cached.responses:
                self._cached.drop(key)
                self._forget(key)

    def _find(self, cached: _CachedResponses, request: Hashable, *, at_least: int) -> bytes | None:
        with self._lock:
            return cached.responses.get(request) if cached.version >= at_least else None

    def _put(
        self, key: _Key, cached: _CachedResponses, version: int, request: Hashable, response: bytes
    ) -> None:
        with self._lock:
            if self._cached.get(key) is not cached or version < cached.version:
                return
            if version > cached.version or len(cached.responses) == _MOST_RESPONSES:
                cached.responses.clear()
            cached.version = version
            cached.responses[request] = response
            self._keep(key, cached)

    def _keep(self, key: _Key, cached: _CachedResponses) -> None:
        name, scope = key
        self._scopes.setdefault(name, set()).add(scope)
        for evicted in self._cached.put(key, cached, cached.size):
            self._forget(evicted)

    def _forget(self, key: _Key) -> None:
        name, scope = key
        scopes = self._scopes[name]
        scopes.discard(scope)
        if not scopes:
            del self._scopes[name]
