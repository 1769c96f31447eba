"""Quotas and rate limits, of each caller and of all callers together. Owned by one thread.

A request beyond a limit is refused at once, so that others are not delayed.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pourparler import v1 as pb
from pourparler_service.domain.refusal import refuse

REMEMBERED = 10_000
"""The number of callers whose rate is known. A forgotten caller starts again."""

BURST_SECONDS = 2.0
"""The seconds of quiet that a caller may save up for a burst of calls."""


class Quota:
    """A limit of the amount in flight. Only names with something in flight take memory."""

    def __init__(self, kind: str, most: int, each: int | None = None) -> None:
        """Admit so much in all, and so much in each name. None: `each` is as much as in all."""
        self._kind = kind
        self._most = most
        self._each = most if each is None else each
        self._all = 0
        self._by_name: dict[str, int] = {}

    def take(self, name: str, amount: int = 1) -> None:
        """Take an amount in a name. Raise RefusalError if nothing is free.

        A part of the amount may exceed the limit, so that a large request is admitted alone.
        """
        taken = self._by_name.get(name, 0)
        if taken >= self._each:
            _refuse(self._each, f"of your {self._kind}")
        if self._all >= self._most:
            _refuse(self._most, self._kind)
        self._by_name[name] = taken + amount
        self._all += amount

    def give(self, name: str, amount: int = 1) -> None:
        """Free an amount, once."""
        left = self._by_name.get(name, 0) - amount
        if left > 0:
            self._by_name[name] = left
        else:
            self._by_name.pop(name, None)
        self._all -= amount

    def has_room(self, name: str) -> bool:
        """Return True if something is free in a name."""
        return self._all < self._most and self._by_name.get(name, 0) < self._each

    @contextmanager
    def place(self, name: str, amount: int = 1) -> Iterator[None]:
        """Take an amount for the length of a `with` block."""
        self.take(name, amount)
        try:
            yield
        finally:
            self.give(name, amount)


class RateLimit:
    """A limit of how often each name may act in a second, with bursts after a quiet time."""

    def __init__(
        self,
        kind: str,
        most: int,
        *,
        remembered: int = REMEMBERED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Let each name act `most` times a second, and remember so many names."""
        self._kind = kind
        self._most = most
        self._remembered = remembered
        self._clock = clock
        self._seconds = 1 / most
        # The time up to which the actions of a name are paid for (GCRA).
        self._paid: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of remembered names."""
        return len(self._paid)

    def take(self, name: str) -> None:
        """Act once. Raise RefusalError if a name acts too often."""
        now = self._clock()
        paid = max(self._paid.pop(name, now), now)
        if paid - now > BURST_SECONDS:
            self._paid[name] = paid
            refuse(
                pb.ERROR_REASON_OVERLOADED,
                f"A caller may make {self._most} {self._kind} a second. Nothing was done; try again"
                " later.",
                limit=str(self._most),
            )
        self._paid[name] = paid + self._seconds
        if len(self._paid) > self._remembered:
            self._paid.popitem(last=False)


def _refuse(most: int, what: str) -> None:
    refuse(
        pb.ERROR_REASON_OVERLOADED,
        f"The limit of {most} {what} in flight is reached. Nothing was done; try again later.",
        limit=str(most),
    )
