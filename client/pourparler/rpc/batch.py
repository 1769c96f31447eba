"""A batch of record requests: it is sent in several calls, and each request has an outcome.

Pure but for the clock: it does not wait or send.
"""

import time
from collections.abc import Callable, Iterable, Iterator

from pourparler import v1 as pb
from pourparler.errors import InternalError, PourparlerError
from pourparler.rpc.outcomes import (
    SERVICE_UNAVAILABLE,
    Outcome,
    parse_batch,
    parse_receipt,
    with_request_id,
)
from pourparler.rpc.retry import RetryBudget, is_retryable

MAX_BATCH_DRAFTS = 1_000
"""The number of drafts in one call, at most: the limit of the service."""

MAX_BATCH_BYTES = 1 << 20
"""The size of one call in bytes, at most. A larger request is sent alone."""

_FIELD_BYTES = 6  # at most, for the tag and the length of a request in the batch


class Batch:
    """Record requests that are sent in several calls, and the outcome of each.

    Each call has the whole timeout. Requests with a retryable error are sent again.
    """

    def __init__(
        self,
        requests: Iterable[pb.RecordEntriesRequest],
        timeout: float,
        *,
        renew_token: Callable[[PourparlerError], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout = timeout
        self._renew_token = renew_token
        self._clock = clock
        self._requests = list(requests)
        self._outcomes: dict[int, Outcome] = {}  # by the index of the request
        self._sent: list[int] = []  # in the current call, without an outcome
        self._next = self._index = 0
        self._budget = RetryBudget(timeout, renew_token=renew_token, clock=clock)
        self._error: PourparlerError | None = None

    def request(self) -> pb.BatchRecordEntriesRequest | None:
        """Return the next call, or None if every request has an outcome."""
        if not self._sent:
            self._fill()
        if not self._sent:
            return None
        return pb.BatchRecordEntriesRequest(
            requests=[self._requests[index] for index in self._sent]
        )

    def remaining_seconds(self) -> float:
        """Return the seconds that the call may take."""
        return self._budget.remaining_seconds()

    def receipts(self, data: bytes) -> Iterator[tuple[pb.RecordEntriesRequest, bytes, pb.Receipt]]:
        """Yield each request with a receipt, its RecordEntriesResponse bytes, and the receipt.

        The caller answers each with `accept_receipt` or `reject_receipt`. Failures are noted here.
        Raises InternalError if the response does not match the call.
        """
        sent, outcomes = tuple(self._sent), parse_batch(data)
        if len(sent) != len(outcomes):
            raise InternalError(
                f"The service sent {len(outcomes)} outcomes for {len(sent)} requests."
            )
        for index, response in zip(sent, outcomes, strict=True):
            self._index = index
            try:
                receipt = parse_receipt(response)
            except PourparlerError as error:
                if is_retryable(error):
                    self._error = error
                else:
                    self._complete(with_request_id(self._requests[index], error))
            else:
                yield self._requests[index], response, receipt

    def accept_receipt(self, receipt: pb.Receipt) -> None:
        """Complete the request with its receipt."""
        self._complete(receipt)

    def reject_receipt(self, error: PourparlerError) -> None:
        """Complete the request with an error. Raises it if the receipt could not be checked."""
        if isinstance(error, SERVICE_UNAVAILABLE):
            raise error
        self._complete(with_request_id(self._requests[self._index], error))

    def fail_call(self, error: PourparlerError) -> None:
        """Note that the call failed, or the call that its receipts are checked with."""
        self._error = error

    def pause(self) -> float:
        """Return the seconds to wait before the next call. Complete what is not sent again."""
        error, self._error = self._error, None
        if error is None:
            return 0.0
        pause = self._budget.pause(error)
        if pause is not None:
            return pause
        if isinstance(error, SERVICE_UNAVAILABLE):
            self._sent += range(self._next, len(self._requests))
            self._next = len(self._requests)
        self._outcomes.update(
            {index: with_request_id(self._requests[index], error) for index in self._sent}
        )
        self._sent.clear()
        return 0.0

    def outcomes(self) -> list[Outcome]:
        """Return the outcomes in the order of the requests, once `request` returns None."""
        return [self._outcomes[index] for index in range(len(self._requests))]

    def _complete(self, outcome: Outcome) -> None:
        self._outcomes[self._index] = outcome
        self._sent.remove(self._index)

    def _fill(self) -> None:
        """Fill the next call: as many requests as its limits allow, and at least one."""
        self._budget = RetryBudget(self._timeout, renew_token=self._renew_token, clock=self._clock)
        drafts = size = 0
        for index in range(self._next, len(self._requests)):
            request = self._requests[index]
            drafts += max(len(request.drafts), 1)
            size += request.ByteSize() + _FIELD_BYTES
            if self._sent and (drafts > MAX_BATCH_DRAFTS or size > MAX_BATCH_BYTES):
                break
            self._sent.append(index)
        self._next += len(self._sent)
