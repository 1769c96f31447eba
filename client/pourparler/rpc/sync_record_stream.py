"""The record stream of the client: many requests, without waiting for each receipt.

`async_record_stream` has the same class, for asyncio. Both are written by hand.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

import grpc

from pourparler import errors
from pourparler import v1 as pb
from pourparler.rpc import pending_requests
from pourparler.rpc.outcomes import parse_outcome
from pourparler.rpc.pending_requests import PendingRequest, PendingRequests
from pourparler.rpc.requests import record_request
from pourparler.rpc.retry import is_retryable
from pourparler.rpc.sync_transport import SyncTransport


class RecordStream:
    """Requests that are recorded in their order, without waiting for each receipt.

    Leaving the context waits for every response. Leaving it by an exception cancels the requests
    that are not recorded yet. Threads may share it.
    """

    def __init__(
        self,
        transport: SyncTransport,
        check_receipt: Callable[[pb.RecordEntriesRequest, bytes], pb.Receipt | None],
        *,
        stop_on_failure: bool,
    ) -> None:
        self._transport = transport
        self._check_receipt = check_receipt
        self._changed = threading.Condition()  # guards all below
        self._pending: PendingRequests[Future[pb.Receipt]] = PendingRequests(
            transport.timeout,
            stop_on_failure=stop_on_failure,
            renew_token=transport.credentials.renew_token,
        )
        self._closed = self._cancelled = False
        self._stream: object = None
        self._call: Any = None
        self._thread = threading.Thread(target=self._run, name="record-stream", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._cancel()
        self.close()

    def close(self) -> None:
        """Wait until every request has a response. Accept no more requests."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def record(
        self,
        name: str,
        *drafts: pb.Draft,
        request_id: str | None = None,
        expected_version: int | None = None,
        validate_only: bool = False,
    ) -> Future[pb.Receipt]:
        """Record entries together, after those of the requests before.

        Return the future of the receipt. It waits only while 256 requests have no response. Raises
        RuntimeError if the stream is closed.
        """
        request = record_request(
            name,
            *drafts,
            request_id=request_id,
            expected_version=expected_version,
            validate_only=validate_only,
        )
        future: Future[pb.Receipt] = Future()
        future.set_running_or_notify_cancel()
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._pending.is_full)
            if self._closed:
                raise RuntimeError("This record stream is closed.")
            self._pending.add(PendingRequest(request, future))
            self._changed.notify_all()
        return future

    def _cancel(self) -> None:
        with self._changed:
            self._cancelled = self._closed = True
            self._changed.notify_all()
        if self._call is not None:
            self._call.cancel()

    def _run(self) -> None:
        fault: BaseException | None = None
        try:
            while self._wait_for_requests():
                error = self._exchange()
                if error is not None:
                    self._handle_error(error)
        except BaseException as error:  # noqa: BLE001 - the futures receive it, or wait forever
            fault = error
        with self._changed:
            self._closed = True
            unanswered = self._pending.clear()
            self._changed.notify_all()
        for pending in unanswered:
            pending.fail(fault or pending_requests.cancelled_error())

    def _wait_for_requests(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._pending))
            return len(self._pending) > 0 and not self._cancelled

    def _exchange(self) -> errors.PourparlerError | None:
        """Send and receive on one stream until it ends. Return its error, or None."""
        stream = object()
        with self._changed:
            self._stream = stream
            following = self._pending.restart()
        for pending in following:
            pending.fail(pending_requests.earlier_failure_error())
        self._call = None
        try:
            self._call = self._transport.open_record_stream(self._requests(stream))
            for data in self._call:
                self._receive(data)
        except errors.PourparlerError as error:
            return error
        except grpc.RpcError as failure:
            ended = errors.error_of_call(failure)
            is_late = isinstance(ended, errors.CallCancelledError) and self._pending.is_late
            return pending_requests.timeout_error() if is_late else ended
        finally:
            if self._call is not None:
                self._call.cancel()
            with self._changed:
                self._stream = None
                self._changed.notify_all()
        return pending_requests.interrupted_error() if len(self._pending) else None

    def _requests(self, stream: object) -> Iterator[pb.StreamRecordEntriesRequest]:
        """Yield the requests to send while `stream` is the current one."""
        while True:
            with self._changed:
                while (request := self._next_request(stream)) is None:
                    if self._stream is not stream or (self._closed and not len(self._pending)):
                        return
                    if self._pending.is_late and self._call is not None:
                        self._call.cancel()
                    self._changed.wait(pending_requests.TIMEOUT_CHECK_SECONDS)
            yield request

    def _next_request(self, stream: object) -> pb.StreamRecordEntriesRequest | None:
        return self._pending.next_request() if self._stream is stream else None

    def _receive(self, data: bytes) -> None:
        """Complete the first request with its response. Raises an error that all of them share."""
        pending = self._pending.first()
        receipt: pb.Receipt | None = None
        error: errors.PourparlerError | None = None
        try:
            response, receipt = parse_outcome(data)
            receipt = self._check_receipt(pending.request, response) or receipt
        except errors.PourparlerError as failure:
            if is_retryable(failure):
                raise
            error = failure
        with self._changed:
            self._pending.complete_first(error)
            self._changed.notify_all()
        if error is not None:
            pending.fail(error)
        elif receipt is not None:
            pending.succeed(receipt)

    def _handle_error(self, error: errors.PourparlerError) -> None:
        """Wait before all requests are sent again, or fail those that the error concerns."""
        with self._changed:
            pause = self._pending.pause(error)
            failed = self._pending.fail(error) if pause is None else ()
            self._changed.notify_all()
        for pending in failed:
            pending.fail(error)
        if pause is not None:
            time.sleep(pause)
