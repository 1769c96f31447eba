"""The requests of a record stream that have no response: which to send, fail, or send again.

Pure but for the clock: it does not wait or send. The owner synchronizes access.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Generic, NamedTuple, Protocol, TypeVar

from pourparler import v1 as pb
from pourparler.errors import (
    CallCancelledError,
    DeadlineExceededError,
    FailedPreconditionError,
    InternalError,
    PourparlerError,
    UnavailableError,
)
from pourparler.rpc.outcomes import SERVICE_UNAVAILABLE, with_request_id
from pourparler.rpc.retry import RetryBudget

MAX_PENDING_REQUESTS = 256
"""The number of requests without a response, at most: the limit of the service."""

MAX_PENDING_BYTES = 4 << 20
"""The size of the requests without a response, in bytes, from which no more are accepted."""

TIMEOUT_CHECK_SECONDS = 1.0
"""The interval at which the stream checks for a late response, in seconds."""


class ReceiptFuture(Protocol):
    """A future of a receipt: of `concurrent.futures` or of asyncio."""

    def set_result(self, result: pb.Receipt, /) -> None:
        """Set the receipt."""

    def set_exception(self, exception: BaseException, /) -> None:
        """Set the error."""

    def done(self) -> bool:
        """Return True if the future has a result or is cancelled."""


_Future = TypeVar("_Future", bound=ReceiptFuture)


class PendingRequest(NamedTuple, Generic[_Future]):
    """A request without a response, and the future of its receipt."""

    request: pb.RecordEntriesRequest
    future: _Future

    def fail(self, error: BaseException) -> None:
        """Set the error of the future, with the id of this request."""
        if isinstance(error, PourparlerError):
            error = with_request_id(self.request, error)
        if not self.future.done():
            self.future.set_exception(error)

    def succeed(self, receipt: pb.Receipt) -> None:
        """Set the receipt of the future."""
        if not self.future.done():
            self.future.set_result(receipt)


class PendingRequests(Generic[_Future]):
    """The requests without a response, in their order; a prefix of them is sent."""

    def __init__(
        self,
        timeout: float,
        *,
        stop_on_failure: bool,
        renew_token: Callable[[PourparlerError], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout = timeout
        self._renew_token = renew_token
        self._stop_on_failure = stop_on_failure
        self._clock = clock
        self._pending: deque[PendingRequest[_Future]] = deque()
        self._bytes = 0
        self._sent = 0
        self._window = MAX_PENDING_REQUESTS
        self._singly = 0  # requests that are still sent one by one
        self._failed_negotiations: set[str] = set()
        self._since = clock()  # the first request waits for its response since then
        self._budget: RetryBudget | None = None

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def is_full(self) -> bool:
        """True if no more requests are accepted for now."""
        return len(self._pending) >= MAX_PENDING_REQUESTS or self._bytes >= MAX_PENDING_BYTES

    @property
    def is_late(self) -> bool:
        """True if the response to the first request has not arrived within the timeout."""
        return bool(self._pending) and self._clock() - self._since > self._timeout

    def add(self, pending: PendingRequest[_Future]) -> None:
        """Add a request, or fail it if an earlier one of its negotiation failed."""
        if self._follows_failure(pending):
            pending.fail(earlier_failure_error())
            return
        if not self._pending:
            self._since = self._clock()
            self._budget = None
        self._pending.append(pending)
        self._bytes += pending.request.ByteSize()

    def restart(self) -> Iterator[PendingRequest[_Future]]:
        """Send all requests again on a new stream. Return those that must fail instead.

        The service does not know which requests failed on the stream before.
        """
        self._sent = 0
        following = [one for one in self._pending if self._follows_failure(one)]
        for one in following:
            self._pending.remove(one)
            self._bytes -= one.request.ByteSize()
        return iter(following)

    def next_request(self) -> pb.StreamRecordEntriesRequest | None:
        """Return the next request to send on this stream, or None for now."""
        if self._sent >= min(len(self._pending), self._window):
            return None
        pending = next(islice(self._pending, self._sent, None))
        self._sent += 1
        return pb.StreamRecordEntriesRequest(
            request=pending.request, stop_on_failure=self._stop_on_failure
        )

    def first(self) -> PendingRequest[_Future]:
        """Return the request that the next response is for. Raises InternalError if none is."""
        if not self._sent:
            raise InternalError("The service sent a response to no request.")
        return self._pending[0]

    def clear(self) -> Iterator[PendingRequest[_Future]]:
        """Remove and return all requests."""
        pending = list(self._pending)
        self._pending.clear()
        self._bytes = self._sent = 0
        return iter(pending)

    def complete_first(self, error: PourparlerError | None) -> None:
        """Remove the first request, which has its response; `error` is its failure."""
        pending = self._pending.popleft()
        self._sent -= 1
        self._bytes -= pending.request.ByteSize()
        self._since = self._clock()
        self._budget = None
        self._singly -= 1
        if not self._singly:
            self._window = MAX_PENDING_REQUESTS
        if error is not None:
            self._note_failure(pending)

    def pause(self, error: PourparlerError) -> float | None:
        """Return the seconds to wait before all are sent again, or None to give up."""
        if self._budget is None:
            left = self._timeout - (self._clock() - self._since)
            self._budget = RetryBudget(left, renew_token=self._renew_token, clock=self._clock)
        return self._budget.pause(error)

    def fail(self, error: PourparlerError) -> Iterator[PendingRequest[_Future]]:
        """Remove and return the requests that fail with an error that ended the stream.

        If the service is unavailable, all fail. Otherwise one of the sent requests caused the
        error: gRPC ends a stream for a message over its size limit. They are sent again one by
        one, and only a request that is alone on the stream fails.
        """
        if isinstance(error, SERVICE_UNAVAILABLE):
            failed = list(self._pending)
        elif self._sent <= 1:
            failed = list(islice(self._pending, 1))
        else:
            self.send_singly()
            return iter(())
        for _ in failed:
            self.complete_first(error)
        self._sent = 0
        return iter(failed)

    def send_singly(self) -> None:
        """Send each of the sent requests only after the response to the one before it."""
        if self._sent:
            self._window, self._singly = 1, self._sent

    def _note_failure(self, pending: PendingRequest[_Future]) -> None:
        if self._stop_on_failure and pending.request.negotiation:
            self._failed_negotiations.add(pending.request.negotiation)

    def _follows_failure(self, pending: PendingRequest[_Future]) -> bool:
        return pending.request.negotiation in self._failed_negotiations


def earlier_failure_error() -> FailedPreconditionError:
    """Return the error of a request that follows a failed one of its negotiation."""
    return FailedPreconditionError(
        "An earlier request of this negotiation failed, so this one was not recorded.",
        reason="EARLIER_NOT_RECORDED",
    )


def timeout_error() -> DeadlineExceededError:
    """Return the error of requests whose response is late."""
    return DeadlineExceededError("The service did not answer in time.")


def interrupted_error() -> UnavailableError:
    """Return the error of a stream that ends before every request has a response."""
    return UnavailableError("The record stream ended before every request had a response.")


def cancelled_error() -> CallCancelledError:
    """Return the error of requests whose stream the caller left."""
    return CallCancelledError("The record stream was cancelled.")
