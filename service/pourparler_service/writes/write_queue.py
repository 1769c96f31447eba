"""The write queue: bounded, fair between its keys, and taken in batches."""

import threading
import time
from collections import OrderedDict, deque
from typing import Generic, Protocol, TypeVar

from pourparler import v1 as pb
from pourparler_service.domain.refusal import refuse

WAITING = 4_096
"""The number of requests that may wait; the next one is refused at once."""

SHARE = WAITING // 4
"""The number of requests that may wait under one key, so that others find room."""

BATCH_ENTRIES = 128
"""The number of entries at which a batch is full. A batch has at least one request, of any size."""

_GATHERING_SECONDS = 0.000_3


class QueueItem(Protocol):
    """A request in the queue."""

    def entries(self) -> int:
        """Return the number of entries of the request."""

    def start(self) -> bool:
        """Mark the request as started. Return False if its caller has already cancelled it."""


_Item = TypeVar("_Item", bound=QueueItem)


class WriteQueue(Generic[_Item]):
    """A queue that takes one request of each key in turn, so a busy key delays only itself.

    The requests of one key stay in their order. Any thread may put, and one thread takes.
    """

    def __init__(self, waiting: int = WAITING, share: int = SHARE) -> None:
        """Accept so many requests in all, and so many under one key."""
        self._most = waiting
        self._share = min(share, waiting)
        self._last_batch = 0  # its number of requests
        # Guarded by _changed: the requests by their keys, and whether more are accepted.
        self._changed = threading.Condition()
        self._by_key: OrderedDict[str, deque[_Item]] = OrderedDict()
        self._waiting = 0
        self._closed = False

    def __len__(self) -> int:
        """Return the number of waiting requests."""
        return self._waiting

    @property
    def closed(self) -> bool:
        """True if no more requests are accepted."""
        return self._closed

    def is_crowded(self, key: str) -> bool:
        """Return True if half of the room, or half of the share of a key, is in use."""
        others = self._by_key.get(key, ())
        return 2 * self._waiting >= self._most or 2 * len(others) >= self._share

    def put(self, key: str, item: _Item) -> None:
        """Add a request behind the others of its key. Raise RefusalError if there is no room."""
        with self._changed:
            if self._closed:
                refuse(pb.ERROR_REASON_SHUTTING_DOWN, "The service is shutting down. Try again.")
            if self._waiting >= self._most:
                _overloaded(self._most, "requests")
            others = self._by_key.setdefault(key, deque())
            if len(others) >= self._share:
                _overloaded(self._share, "of your requests")
            others.append(item)
            self._waiting += 1
            self._changed.notify()

    def close(self) -> None:
        """Accept no more requests."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def take_batch(self) -> list[_Item]:
        """Wait for a request, and take a batch. Return none after the close, once it is empty."""
        batch: list[_Item] = []
        while not batch:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    break
            self._gather()
            with self._changed:
                batch = self._first()
        self._last_batch = len(batch)
        return batch

    def _gather(self) -> None:
        """Wait while callers that were answered together come back: one commit serves them all.

        A lone caller does not wait.
        """
        came = 0
        while came < self._waiting < self._last_batch:
            came = self._waiting
            time.sleep(_GATHERING_SECONDS)

    def _first(self) -> list[_Item]:
        batch: list[_Item] = []
        entries = 0
        while self._by_key and entries < BATCH_ENTRIES:
            key, others = self._by_key.popitem(last=False)
            item = others.popleft()
            self._waiting -= 1
            if others:
                self._by_key[key] = others
            if item.start():
                batch.append(item)
                entries += item.entries()
        return batch


def _overloaded(most: int, what: str) -> None:
    refuse(
        pb.ERROR_REASON_OVERLOADED,
        f"{most} {what} are waiting to be recorded. Try again later.",
        waiting=str(most),
    )
