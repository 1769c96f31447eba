"""Answers about the latest state of negotiations, given again while it is the latest."""

import threading
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field

from pourparler_service.aggregate.current import CurrentNegotiations
from pourparler_service.aggregate.negotiation import Negotiation
from pourparler_service.runtime.lru_cache import LruCache
from pourparler_service.storage.interface import EventStore

KEPT_BYTES = 1 << 26
"""How many bytes of answers are kept, to be given again."""

_ITS_BYTES = 500  # what it takes to keep any of a negotiation
_MOST = 16  # answers about one negotiation


@dataclass(slots=True)
class _CachedResponse:
    """The answers about one negotiation, all of one version."""

    version: int = 0
    answers: dict[Hashable, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return _ITS_BYTES + sum(map(len, self.answers.values()))


class ResponseCache:
    """Keeps answers until there is more in the store.

    Whoever commits says so before any caller is told, so that nobody who has a receipt is given an
    answer from before it. If others can write to the store, too, it is looked at each time.
    """

    def __init__(
        self, store: EventStore, negotiations: CurrentNegotiations, kept_bytes: int = KEPT_BYTES
    ) -> None:
        """Answer about these negotiations, which are read from this store."""
        self._is_told = store.exclusive
        self._negotiations = negotiations
        self._lock = threading.Lock()  # guards _kept and all in it
        self._kept: LruCache[str, _CachedResponse] = LruCache(
            kept_bytes
        )  # by the negotiation's name

    def known(self, name: str, asked: Hashable) -> bytes | None:
        """The answer that is kept, if it is sure to be that of the latest state. Never blocks."""
        if not self._is_told:
            return None
        with self._lock:
            kept = self._kept.get(name)
            return kept.answers.get(asked) if kept is not None else None

    def answer(self, id_: str, asked: Hashable, make: Callable[[Negotiation], bytes]) -> bytes:
        """The answer that the latest state gives, made if it is not kept.

        Blocks on the store; raises Refusal.
        """
        # Before the store is read. What is committed from here on takes it out again, and then
        # what was read perhaps too early is not kept.
        name = _name(id_)
        kept = self._begin(name)
        try:
            with self._negotiations.current(id_) as negotiation:
                version = negotiation.version
                known = self._known_of(kept, version, asked)
                answer = make(negotiation) if known is None else known
        except BaseException:
            self._give_up(name, kept)
            raise
        if known is None:
            self._keep(name, kept, version, asked, answer)
        return answer

    def on_commit(self, ids: Collection[str]) -> None:
        """Drop the answers about these negotiations. Any thread may call it."""
        with self._lock:
            for id_ in ids:
                self._kept.drop(_name(id_))

    def purge(self, id_: str) -> None:
        """Drop the answers about a negotiation."""
        self.on_commit((id_,))

    def _begin(self, name: str) -> _CachedResponse:
        with self._lock:
            kept = self._kept.get(name)
            if kept is None:
                kept = _CachedResponse()
                self._kept.put(name, kept, kept.size)
            return kept

    def _give_up(self, name: str, kept: _CachedResponse) -> None:
        with self._lock:
            if self._kept.get(name) is kept and not kept.answers:
                self._kept.drop(name)

    def _known_of(self, kept: _CachedResponse, version: int, asked: Hashable) -> bytes | None:
        with self._lock:
            return kept.answers.get(asked) if kept.version == version else None

    def _keep(
        self, name: str, kept: _CachedResponse, version: int, asked: Hashable, answer: bytes
    ) -> None:
        with self._lock:
            if self._kept.get(name) is not kept or version < kept.version:
                return
            if version > kept.version or len(kept.answers) == _MOST:
                kept.answers.clear()
            kept.version = version
            kept.answers[asked] = answer
            self._kept.put(name, kept, kept.size)


def _name(id_: str) -> str:
    return f"negotiations/{id_}"
