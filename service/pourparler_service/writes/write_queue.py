"""The line before the writer: bounded, fair, and taken many at a time."""

import threading
import time
from collections import OrderedDict, deque
from typing import Generic, Protocol, TypeVar

from pourparler import v1 as pb
from pourparler_service.domain.refusal import refuse

WAITING = 4_096
"""How many may wait in all; the next one is refused at once."""

SHARE = WAITING // 4
"""How many may wait in one name; the others find room beside them."""

BATCH_ENTRIES = 128
"""How many entries are taken up to; one of those who wait is taken at least, whatever its size."""

_GATHERING_SECONDS = 0.000_3


class Waits(Protocol):
    """What waits in a line."""

    def entries(self) -> int:
        """How many entries it is about."""

    def taken_up(self) -> bool:
        """Take it up; it is not to be had if its caller gave up."""


_Waiting = TypeVar("_Waiting", bound=Waits)


class WriteQueue(Generic[_Waiting]):
    """Those who wait, taken in turn from each name: who hands in much waits behind himself alone.

    What waits in one name is taken in its order. Joined from any thread, taken from by one.
    """

    def __init__(self, waiting: int = WAITING, share: int = SHARE) -> None:
        """Let so many wait in all, and so many of them in one name."""
        self._most = waiting
        self._share = min(share, waiting)
        self._taken = 0  # the last time
        # Guarded by _changed: who waits, by name, and whether more may join.
        self._changed = threading.Condition()
        self._by_name: OrderedDict[str, deque[_Waiting]] = OrderedDict()
        self._waiting = 0
        self._closed = False

    def __len__(self) -> int:
        """How many wait."""
        return self._waiting

    @property
    def closed(self) -> bool:
        """Whether nobody may join."""
        return self._closed

    def crowded(self, name: str) -> bool:
        """Whether half of the room there is, or half of this name's, is taken."""
        others = self._by_name.get(name, ())
        return 2 * self._waiting >= self._most or 2 * len(others) >= self._share

    def put(self, name: str, one: _Waiting) -> None:
        """Wait behind the others of this name. Refuses if there is no room."""
        with self._changed:
            if self._closed:
                refuse(pb.ERROR_REASON_SHUTTING_DOWN, "The service is shutting down. Try again.")
            if self._waiting >= self._most:
                _overloaded(self._most, "requests")
            others = self._by_name.setdefault(name, deque())
            if len(others) >= self._share:
                _overloaded(self._share, "of your requests")
            others.append(one)
            self._waiting += 1
            self._changed.notify()

    def close(self) -> None:
        """Let nobody join any more."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def take_batch(self) -> list[_Waiting]:
        """Wait for somebody, and take up as many as a batch has.

        Nothing once the line is closed and empty.
        """
        batch: list[_Waiting] = []
        while not batch:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    break
            self._gather()
            with self._changed:
                batch = self._first()
        self._taken = len(batch)
        return batch

    def _gather(self) -> None:
        """Wait while they come back who were answered together: a commit serves them all at once.

        Whoever is alone does not wait.
        """
        came = 0
        while came < self._waiting < self._taken:
            came = self._waiting
            time.sleep(_GATHERING_SECONDS)

    def _first(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        entries = 0
        while self._by_name and entries < BATCH_ENTRIES:
            name, others = self._by_name.popitem(last=False)
            one = others.popleft()
            self._waiting -= 1
            if others:
                self._by_name[name] = others
            if one.taken_up():
                batch.append(one)
                entries += one.entries()
        return batch


def _overloaded(most: int, what: str) -> None:
    refuse(
        pb.ERROR_REASON_OVERLOADED,
        f"{most} {what} are waiting to be recorded. Try again later.",
        waiting=str(most),
    )
