"""The groups of a session that have no answer yet: what is sent, failed, or sent again.

Pure but for the clock: neither waits nor sends. It belongs to whoever keeps others from it.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from copy import copy
from itertools import islice
from typing import Generic, NamedTuple, Protocol, TypeVar

from google.protobuf.message import DecodeError

from pourparler import v1 as pb
from pourparler.calls import Budget
from pourparler.errors import (
    Cancelled,
    DeadlineExceeded,
    Overloaded,
    PourparlerError,
    Refused,
    ServiceFault,
    Unavailable,
    of_failure,
)

GROUPS = 256
"""How many groups may be without an answer: as many as a service has under way ..."""

GROUPS_BYTES = 4 << 20
"""... and with how many bytes no more are taken."""


LOOK_SECONDS = 1.0
"""How often it is looked whether the service is late."""


class Answer(Protocol):
    """Where somebody waits for what a group comes to: a future, of threads or of asyncio."""

    def set_result(self, result: pb.Receipt, /) -> None:
        """Tell the receipt."""

    def set_exception(self, exception: Exception, /) -> None:
        """Tell why there is none."""

    def done(self) -> bool:
        """Whether nobody waits any more."""


_Answer = TypeVar("_Answer", bound=Answer)


class Asked(NamedTuple, Generic[_Answer]):
    """A group, and where its receipt is waited for."""

    request: pb.RecordRequest
    answer: _Answer

    def fail(self, error: Exception) -> None:
        """Tell whoever waits what it has failed with."""
        if isinstance(error, PourparlerError):
            error = copy(error)  # it may fail others too, whose request ids are others
            error.request_id = self.request.request_id
        if not self.answer.done():
            self.answer.set_exception(error)

    def succeed(self, receipt: pb.Receipt) -> None:
        """Tell whoever waits."""
        if not self.answer.done():
            self.answer.set_result(receipt)


class Unanswered(Generic[_Answer]):
    """The groups without an answer, in their order; the first of them are sent."""

    def __init__(
        self, timeout: float, *, in_turn: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._timeout = timeout
        self._in_turn = in_turn
        self._clock = clock
        self._asked: deque[Asked[_Answer]] = deque()
        self._bytes = 0
        self._sent = 0
        self._at_once = GROUPS
        self._suspects = 0
        self._failed: set[str] = set()
        self._since = clock()  # the first one waits for its answer
        self._budget: Budget | None = None

    def __len__(self) -> int:
        return len(self._asked)

    @property
    def full(self) -> bool:
        """Whether no more is to be taken for now."""
        return len(self._asked) >= GROUPS or self._bytes >= GROUPS_BYTES

    @property
    def late(self) -> bool:
        """Whether the answer to the first one has not come in time."""
        return bool(self._asked) and self._clock() - self._since > self._timeout

    def add(self, asked: Asked[_Answer]) -> None:
        """Take one more."""
        if self._is_in_vain(asked):
            asked.fail(in_vain())
            return
        if not self._asked:
            self._since = self._clock()
            self._budget = None
        self._asked.append(asked)
        self._bytes += asked.request.ByteSize()

    def begin(self) -> Iterator[Asked[_Answer]]:
        """Send all again, on a new stream; but not those that are given, which are in vain.

        The service does not know what failed on the stream before.
        """
        self._sent = 0
        in_vain = [one for one in self._asked if self._is_in_vain(one)]
        for one in in_vain:
            self._asked.remove(one)
            self._bytes -= one.request.ByteSize()
        return iter(in_vain)

    def to_send(self) -> pb.RecordSessionRequest | None:
        """The next one to be sent on this stream, if any is."""
        if self._sent >= min(len(self._asked), self._at_once):
            return None
        asked = next(islice(self._asked, self._sent, None))
        self._sent += 1
        return pb.RecordSessionRequest(request=asked.request, in_turn=self._in_turn)

    def first(self) -> Asked[_Answer]:
        """The one that is answered next. Raises ServiceFault if none was sent."""
        if not self._sent:
            raise ServiceFault("The service answered what it was not asked.")
        return self._asked[0]

    def clear(self) -> Iterator[Asked[_Answer]]:
        """Let go of all."""
        left = list(self._asked)
        self._asked.clear()
        self._bytes = self._sent = 0
        return iter(left)

    def answered(self, error: PourparlerError | None) -> None:
        """Let go of the first one, which has its answer."""
        asked = self._asked.popleft()
        self._sent -= 1
        self._bytes -= asked.request.ByteSize()
        self._since = self._clock()
        self._budget = None
        self._suspects -= 1
        if not self._suspects:
            self._at_once = GROUPS
        if error is not None:
            self._note(asked)

    def pause(self, error: PourparlerError) -> float | None:
        """The seconds to wait before all are sent again, because of this error; None if not to."""
        if self._budget is None:
            self._budget = Budget(self._timeout - (self._clock() - self._since), clock=self._clock)
        return self._budget.pause(error)

    def blamed(self, error: PourparlerError) -> Iterator[Asked[_Answer]]:
        """Those that an error has failed by which a stream has ended, and is not tried again.

        All, where the service is away. Else one of those that were sent, which are sent again one
        by one to see which: gRPC says so of a message that is too large for it.
        """
        away = Unavailable | Overloaded | DeadlineExceeded | Cancelled
        if isinstance(error, away):
            blamed = list(self._asked)
        elif self._sent <= 1:
            blamed = list(islice(self._asked, 1))
        else:
            self._at_once, self._suspects = 1, self._sent
            return iter(())
        for _ in blamed:
            self.answered(error)
        self._sent = 0
        return iter(blamed)

    def _note(self, asked: Asked[_Answer]) -> None:
        if self._in_turn and asked.request.negotiation:
            self._failed.add(asked.request.negotiation)

    def _is_in_vain(self, asked: Asked[_Answer]) -> bool:
        return asked.request.negotiation in self._failed


def in_vain() -> Refused:
    """What a group comes to that was to follow one that has failed."""
    return Refused(
        "A group of this negotiation that came before it was not recorded, so neither is this one.",
        reason="EARLIER_NOT_RECORDED",
    )


def late() -> DeadlineExceeded:
    """What groups come to when no answer comes in time."""
    return DeadlineExceeded("The service did not answer in time.")


def cut() -> Unavailable:
    """What a stream comes to that ends before all is answered."""
    return Unavailable("The session ended before all was answered.")


def given_up() -> Cancelled:
    """What groups come to when whoever sent them leaves."""
    return Cancelled("The session was given up.")


def is_passing(error: PourparlerError) -> bool:
    """Whether the same group may be recorded later: it is sent again, and all after it."""
    return isinstance(error, Unavailable) or (
        isinstance(error, Overloaded) and error.retry_after is not None
    )


def receipt(data: bytes) -> tuple[bytes, pb.Receipt]:
    """The receipt in a RecordSessionResponse, and the bytes of the RecordResponse that it makes.

    Raises what the group has failed with.
    """
    try:
        # On the wire a message is the bytes of a field, and an outcome that is a receipt those of a
        # RecordResponse.
        response = pb.Record.FromString(data).header
        outcome = pb.RecordOutcome.FromString(response)
    except DecodeError as error:
        raise ServiceFault("The answer of the service cannot be read.") from error
    if outcome.HasField("failure"):
        raise of_failure(outcome.failure)
    if not outcome.HasField("receipt"):
        raise ServiceFault("The answer of the service says nothing.")
    return response, outcome.receipt
