"""The groups of a session or a batch without an answer: what is sent, failed, or sent again.

Pure but for the clock: neither waits nor sends. It belongs to whoever keeps others from it.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from itertools import islice
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from google.protobuf.message import DecodeError

from pourparler import v1 as pb
from pourparler.errors import (
    Cancelled,
    DeadlineExceeded,
    Overloaded,
    PourparlerError,
    Refused,
    ServiceFault,
    Unauthenticated,
    Unavailable,
    of_failure,
)
from pourparler.rpc.requests import Budget

GROUPS = 256
"""How many groups may be without an answer: as many as a service has under way ..."""

GROUPS_BYTES = 4 << 20
"""... and with how many bytes no more are taken."""

BATCH_DRAFTS = 1_000
"""How many drafts the groups of a batch have in all: as many as a service takes ..."""

BATCH_BYTES = 1 << 20
"""... and how many bytes. A group that is larger is sent alone, to be told so."""

LOOK_SECONDS = 1.0
"""How often it is looked whether the service is late."""

_AWAY = Unavailable | Overloaded | DeadlineExceeded | Cancelled | Unauthenticated
_FRAME_BYTES = 6  # at most, around a group in a batch

Outcome: TypeAlias = pb.Receipt | PourparlerError


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

    request: pb.RecordEntriesRequest
    answer: _Answer

    def fail(self, error: Exception) -> None:
        """Tell whoever waits what it has failed with."""
        if isinstance(error, PourparlerError):
            error = _of(self.request, error)
        if not self.answer.done():
            self.answer.set_exception(error)

    def succeed(self, receipt: pb.Receipt) -> None:
        """Tell whoever waits."""
        if not self.answer.done():
            self.answer.set_result(receipt)


class Unanswered(Generic[_Answer]):
    """The groups without an answer, in their order; the first of them are sent."""

    def __init__(
        self,
        timeout: float,
        *,
        stop_on_failure: bool,
        renews: Callable[[PourparlerError], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout = timeout
        self._renews = renews
        self._stop_on_failure = stop_on_failure
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

    def to_send(self) -> pb.StreamRecordEntriesRequest | None:
        """The next one to be sent on this stream, if any is."""
        if self._sent >= min(len(self._asked), self._at_once):
            return None
        asked = next(islice(self._asked, self._sent, None))
        self._sent += 1
        return pb.StreamRecordEntriesRequest(
            request=asked.request, stop_on_failure=self._stop_on_failure
        )

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
            left = self._timeout - (self._clock() - self._since)
            self._budget = Budget(left, renews=self._renews, clock=self._clock)
        return self._budget.pause(error)

    def blamed(self, error: PourparlerError) -> Iterator[Asked[_Answer]]:
        """Those that an error has failed by which a stream has ended, and is not tried again.

        All, where the service is away or does not know who calls. Else one of those that were sent,
        which are sent again one by one to see which: gRPC says so of a message that is too large
        for it.
        """
        if isinstance(error, _AWAY):
            blamed = list(self._asked)
        elif self._sent <= 1:
            blamed = list(islice(self._asked, 1))
        else:
            self.one_by_one()
            return iter(())
        for _ in blamed:
            self.answered(error)
        self._sent = 0
        return iter(blamed)

    def one_by_one(self) -> None:
        """Send each of those that were sent only when the one before it has its answer."""
        if self._sent:
            self._at_once, self._suspects = 1, self._sent

    def _note(self, asked: Asked[_Answer]) -> None:
        if self._stop_on_failure and asked.request.negotiation:
            self._failed.add(asked.request.negotiation)

    def _is_in_vain(self, asked: Asked[_Answer]) -> bool:
        return asked.request.negotiation in self._failed


class Batch:
    """Groups that are sent some at a time, and what each has come to.

    Each call has the timeout to itself. What the service could not do for now is sent again.
    """

    def __init__(
        self,
        groups: Iterable[pb.RecordEntriesRequest],
        timeout: float,
        *,
        renews: Callable[[PourparlerError], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout = timeout
        self._renews = renews
        self._clock = clock
        self._groups = list(groups)
        self._outcomes: dict[int, Outcome] = {}  # by the places of the groups
        self._sent: list[int] = []  # in a call, and without an outcome
        self._next = self._place = 0
        self._budget = Budget(timeout, renews=renews, clock=clock)
        self._error: PourparlerError | None = None

    def request(self) -> pb.BatchRecordEntriesRequest | None:
        """The next call; None if there is nothing left to be sent."""
        if not self._sent:
            self._begin()
        if not self._sent:
            return None
        return pb.BatchRecordEntriesRequest(requests=[self._groups[place] for place in self._sent])

    def left(self) -> float:
        """The seconds that the call may take."""
        return self._budget.left()

    def answered(self, data: bytes) -> Iterator[tuple[pb.RecordEntriesRequest, bytes, pb.Receipt]]:
        """Each group of the call with a receipt, as RecordEntriesResponse too; of each, tell more.

        What the others have failed with is noted. Raises ServiceFault.
        """
        places, outcomes = tuple(self._sent), _outcomes(data)
        if len(places) != len(outcomes):
            raise ServiceFault("The service answered what it was not asked.")
        for place, response in zip(places, outcomes, strict=True):
            self._place = place
            try:
                receipt = _receipt(response)
            except PourparlerError as error:
                if is_passing(error):
                    self._error = error
                else:
                    self._note(_of(self._groups[place], error))
            else:
                yield self._groups[place], response, receipt

    def succeed(self, receipt: pb.Receipt) -> None:
        """The receipt is good."""
        self._note(receipt)

    def fail(self, error: PourparlerError) -> None:
        """The receipt is not good. Raises the error if the service did not say whether it is."""
        if isinstance(error, _AWAY):
            raise error
        self._note(_of(self._groups[self._place], error))

    def failed(self, error: PourparlerError) -> None:
        """The call has failed, or what it was to be checked with."""
        self._error = error

    def pause(self) -> float:
        """The seconds to wait before the next call. What is not to be sent again has failed."""
        error, self._error = self._error, None
        if error is None:
            return 0.0
        pause = self._budget.pause(error)
        if pause is not None:
            return pause
        if isinstance(error, _AWAY):
            self._sent += range(self._next, len(self._groups))
            self._next = len(self._groups)
        self._outcomes.update({one: _of(self._groups[one], error) for one in self._sent})
        self._sent.clear()
        return 0.0

    def outcomes(self) -> list[Outcome]:
        """What each group has come to, in their order, once there is no next call."""
        return [self._outcomes[place] for place in range(len(self._groups))]

    def _note(self, outcome: Outcome) -> None:
        self._outcomes[self._place] = outcome
        self._sent.remove(self._place)

    def _begin(self) -> None:
        """Take as many groups as go into a call, one at least."""
        self._budget = Budget(self._timeout, renews=self._renews, clock=self._clock)
        drafts = size = 0
        for place in range(self._next, len(self._groups)):
            group = self._groups[place]
            drafts += max(len(group.drafts), 1)
            size += group.ByteSize() + _FRAME_BYTES
            if self._sent and (drafts > BATCH_DRAFTS or size > BATCH_BYTES):
                break
            self._sent.append(place)
        self._next += len(self._sent)


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


def _of(group: pb.RecordEntriesRequest, error: PourparlerError) -> PourparlerError:
    """The error as that of this group: it may fail others too, whose request ids are others."""
    error = copy(error)
    error.request_id = group.request_id
    return error


def receipt(data: bytes) -> tuple[bytes, pb.Receipt]:
    """The receipt in a StreamRecordEntriesResponse, and the RecordEntriesResponse that it makes.

    Raises what the group has failed with.
    """
    try:
        # On the wire a message is the bytes of a field, and an outcome that is a receipt those of a
        # RecordEntriesResponse.
        response = pb.Record.FromString(data).header
    except DecodeError as error:
        raise ServiceFault("The answer of the service cannot be read.") from error
    return response, _receipt(response)


def _outcomes(data: bytes) -> Sequence[bytes]:
    """The bytes of each RecordOutcome in a BatchRecordEntriesResponse."""
    try:
        # On the wire they are the bytes of a field, which this message has as such.
        return pb.GetConsistencyProofResponse.FromString(data).hashes
    except DecodeError as error:
        raise ServiceFault("The answer of the service cannot be read.") from error


def _receipt(response: bytes) -> pb.Receipt:
    """The receipt in a RecordOutcome. Raises what the group has failed with."""
    try:
        outcome = pb.RecordOutcome.FromString(response)
    except DecodeError as error:
        raise ServiceFault("The answer of the service cannot be read.") from error
    if outcome.HasField("failure"):
        raise of_failure(outcome.failure)
    if not outcome.HasField("receipt"):
        raise ServiceFault("The answer of the service says nothing.")
    return outcome.receipt
