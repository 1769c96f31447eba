"""What a caller may have under way, and how often call: of each caller, and of all together.

Whoever asks for more is refused at once, and the others go on. Belongs to one thread.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pourparler import v1 as pb
from pourparler_service.domain.refusal import refuse

REMEMBERED = 10_000
"""Of how many callers it is known how often they called. Who is forgotten begins anew."""

BURST_SECONDS = 2.0
"""A caller who was quiet may call as often at once as it may in so many seconds."""


class Quota:
    """How much of something may be under way at once. Names with nothing under way take no room."""

    def __init__(self, kind: str, most: int, each: int | None = None) -> None:
        """Let in at most so much in all, and in `each` name; as much in each as in all if None."""
        self._kind = kind
        self._most = most
        self._each = most if each is None else each
        self._all = 0
        self._by_name: dict[str, int] = {}

    def take(self, name: str, amount: int = 1) -> None:
        """Put so much under way in a name. Refuses if there is no room.

        Where there is some, what does not quite fit is let in: so what is large gets in alone.
        """
        taken = self._by_name.get(name, 0)
        if taken >= self._each:
            _refuse(self._each, f"of your {self._kind}")
        if self._all >= self._most:
            _refuse(self._most, self._kind)
        self._by_name[name] = taken + amount
        self._all += amount

    def give(self, name: str, amount: int = 1) -> None:
        """Give it back, once."""
        left = self._by_name.get(name, 0) - amount
        if left > 0:
            self._by_name[name] = left
        else:
            self._by_name.pop(name, None)
        self._all -= amount

    def has_room(self, name: str) -> bool:
        """Whether anything more may be put under way in a name."""
        return self._all < self._most and self._by_name.get(name, 0) < self._each

    @contextmanager
    def place(self, name: str, amount: int = 1) -> Iterator[None]:
        """So much under way for the length of a `with` block."""
        self.take(name, amount)
        try:
            yield
        finally:
            self.give(name, amount)


class RateLimit:
    """How many times a second each name may do something; in bursts, as often as in two seconds."""

    def __init__(
        self,
        kind: str,
        most: int,
        *,
        remembered: int = REMEMBERED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Let each name do it `most` times a second, and remember so many names."""
        self._kind = kind
        self._most = most
        self._remembered = remembered
        self._clock = clock
        self._seconds = 1 / most
        # The time up to which what a name did is paid for (GCRA); what lies in the past is over.
        self._paid: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """How many names are remembered."""
        return len(self._paid)

    def take(self, name: str) -> None:
        """Do it once. Refuses a name that has done it too often."""
        now = self._clock()
        paid = max(self._paid.pop(name, now), now)
        if paid - now > BURST_SECONDS:
            self._paid[name] = paid
            refuse(
                pb.ERROR_REASON_OVERLOADED,
                f"One caller has {self._most} {self._kind} a second. Nothing was done; try again"
                " later.",
                limit=str(self._most),
            )
        self._paid[name] = paid + self._seconds
        if len(self._paid) > self._remembered:
            self._paid.popitem(last=False)


def _refuse(most: int, what: str) -> None:
    refuse(
        pb.ERROR_REASON_OVERLOADED,
        f"There are {most} {what} under way, as many as there may be. Nothing was done; try again"
        " later.",
        limit=str(most),
    )
