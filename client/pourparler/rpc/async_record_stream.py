"""The record stream of the asyncio client: many requests, without waiting for each receipt.

`sync_record_stream` has the same class, without asyncio. Both are written by hand.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import grpc.aio

from pourparler import errors
from pourparler import v1 as pb
from pourparler.rpc import pending_requests
from pourparler.rpc.async_transport import AsyncTransport
from pourparler.rpc.outcomes import parse_outcome
from pourparler.rpc.pending_requests import PendingRequest, PendingRequests
from pourparler.rpc.requests import record_request
from pourparler.rpc.retry import is_retryable

# If the service ends a stream while the client sends on it, grpc.aio reports this error and hides
# the status of the service. A short pause before the first message lets the status arrive first.
_HIDDEN_STATUS = "Internal error from Core"
_STATUS_PAUSE = 0.1


class RecordStream:
    """Requests that are recorded in their order, without waiting for each receipt.

    Leaving the context waits for every response. Leaving it by an exception cancels the requests
    that are not recorded yet. It belongs to one event loop.
    """

    def __init__(
        self,
        transport: AsyncTransport,
        check_receipt: Callable[[pb.RecordEntriesRequest, bytes], Awaitable[pb.Receipt | None]],
        *,
        stop_on_failure: bool,
    ) -> None:
        self._transport = transport
        self._check_receipt = check_receipt
        self._changed = asyncio.Condition()  # guards all below
        self._pending: PendingRequests[asyncio.Future[pb.Receipt]] = PendingRequests(
            transport.timeout,
            stop_on_failure=stop_on_failure,
            renew_token=transport.credentials.renew_token,
        )
        self._closed = self._cancelled = self._status_hidden = False
        self._stream: object = None
        self._call: Any = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            await self._cancel()
        await self.close()

    async def close(self) -> None:
        """Wait until every request has a response. Accept no more requests."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def record(
        self,
        name: str,
        *drafts: pb.Draft,
        request_id: str | None = None,
        expected_version: int | None = None,
        validate_only: bool = False,
    ) -> asyncio.Future[pb.Receipt]:
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
        future: asyncio.Future[pb.Receipt] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="record-stream")
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or not self._pending.is_full)
            if self._closed:
                raise RuntimeError("This record stream is closed.")
            self._pending.add(PendingRequest(request, future))
            self._changed.notify_all()
        return future

    async def _cancel(self) -> None:
        async with self._changed:
            self._cancelled = self._closed = True
            self._changed.notify_all()
        if self._call is not None:
            self._call.cancel()

    async def _run(self) -> None:
        fault: Exception | None = None
        try:
            while await self._wait_for_requests():
                error = await self._exchange()
                if error is not None:
                    await self._handle_error(error)
        except Exception as error:  # noqa: BLE001 - the futures receive it
            fault = error
        async with self._changed:
            self._closed = True
            unanswered = self._pending.clear()
            self._changed.notify_all()
        for pending in unanswered:
            pending.fail(fault or pending_requests.cancelled_error())

    async def _wait_for_requests(self) -> bool:
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or len(self._pending))
            return len(self._pending) > 0 and not self._cancelled

    async def _exchange(self) -> errors.PourparlerError | None:
        """Send and receive on one stream until it ends. Return its error, or None."""
        stream = object()
        async with self._changed:
            self._stream = stream
            following = self._pending.restart()
        for pending in following:
            pending.fail(pending_requests.earlier_failure_error())
        self._call = None
        try:
            self._call = await self._transport.open_record_stream(self._requests(stream))
            async for data in self._call:
                await self._receive(data)
        except errors.PourparlerError as error:
            return error
        except grpc.aio.AioRpcError as failure:
            ended = errors.error_of_call(failure)
            is_late = isinstance(ended, errors.CallCancelledError) and self._pending.is_late
            self._status_hidden = failure.details() == _HIDDEN_STATUS
            if self._status_hidden:
                self._pending.send_singly()
                return pending_requests.interrupted_error()
            return pending_requests.timeout_error() if is_late else ended
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # The call was cancelled, here or with its channel; the task was not.
            if self._pending.is_late:
                return pending_requests.timeout_error()
            return pending_requests.cancelled_error()
        finally:
            if self._call is not None:
                self._call.cancel()
            async with self._changed:
                self._stream = None
                self._changed.notify_all()
        return pending_requests.interrupted_error() if len(self._pending) else None

    async def _requests(self, stream: object) -> AsyncIterator[pb.StreamRecordEntriesRequest]:
        """Yield the requests to send while `stream` is the current one."""
        if self._status_hidden:
            await asyncio.sleep(_STATUS_PAUSE)
        while True:
            async with self._changed:
                while (request := self._next_request(stream)) is None:
                    if self._stream is not stream or (self._closed and not len(self._pending)):
                        return
                    if self._pending.is_late and self._call is not None:
                        self._call.cancel()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(pending_requests.TIMEOUT_CHECK_SECONDS):
                            await self._changed.wait()
            yield request

    def _next_request(self, stream: object) -> pb.StreamRecordEntriesRequest | None:
        return self._pending.next_request() if self._stream is stream else None

    async def _receive(self, data: bytes) -> None:
        """Complete the first request with its response. Raises an error that all of them share."""
        pending = self._pending.first()
        receipt: pb.Receipt | None = None
        error: errors.PourparlerError | None = None
        try:
            response, receipt = parse_outcome(data)
            receipt = await self._check_receipt(pending.request, response) or receipt
        except errors.PourparlerError as failure:
            if is_retryable(failure):
                raise
            error = failure
        async with self._changed:
            self._pending.complete_first(error)
            self._changed.notify_all()
        if error is not None:
            pending.fail(error)
        elif receipt is not None:
            pending.succeed(receipt)

    async def _handle_error(self, error: errors.PourparlerError) -> None:
        """Wait before all requests are sent again, or fail those that the error concerns."""
        async with self._changed:
            pause = self._pending.pause(error)
            failed = self._pending.fail(error) if pause is None else ()
            self._changed.notify_all()
        for pending in failed:
            pending.fail(error)
        if pause is not None:
            await asyncio.sleep(pause)
