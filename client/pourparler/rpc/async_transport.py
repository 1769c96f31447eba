"""The asyncio transport: the channel, and each kind of call with its retries.

`sync_transport` has the same methods, without asyncio. Both are written by hand.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar

import grpc.aio

from pourparler import errors
from pourparler import v1 as pb
from pourparler.rpc import streams
from pourparler.rpc.channel import (
    BATCH_METHOD,
    CHANNEL_OPTIONS,
    CHUNK_BYTES,
    RECORD_METHOD,
    REPLAY_METHOD,
    STREAM_METHOD,
)
from pourparler.rpc.credentials import Credentials, Metadata
from pourparler.rpc.requests import import_requests
from pourparler.rpc.retry import RetryBudget
from pourparler.rpc.streams import (
    ReplayProgress,
    WatchProgress,
    watch_ended_error,
    watch_timeout_error,
)
from pourparler.transparency.audit_exchange import AuditExchange
from pourparler.transparency.checkpoint import VerifierKey
from pourparler.transparency.export_exchange import ExportExchange
from pourparler.v1.audit_service_pb2_grpc import AuditServiceStub
from pourparler.v1.negotiation_service_pb2_grpc import NegotiationServiceStub
from pourparler.v1.privacy_service_pb2_grpc import PrivacyServiceStub
from pourparler.v1.record_service_pb2_grpc import RecordServiceStub

if TYPE_CHECKING:
    from pourparler.v1.audit_service_pb2_grpc import AuditServiceAsyncStub
    from pourparler.v1.negotiation_service_pb2_grpc import NegotiationServiceAsyncStub
    from pourparler.v1.privacy_service_pb2_grpc import PrivacyServiceAsyncStub
    from pourparler.v1.record_service_pb2_grpc import RecordServiceAsyncStub

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class Stubs(NamedTuple):
    """The channel and the methods of the service that are called on it."""

    channel: grpc.aio.Channel
    records: "RecordServiceAsyncStub"
    negotiations: "NegotiationServiceAsyncStub"
    audits: "AuditServiceAsyncStub"
    privacy: "PrivacyServiceAsyncStub"
    record_bytes: Any  # RecordEntries, with its response as bytes
    batch_bytes: Any  # BatchRecordEntries, with its response as bytes
    stream_bytes: Any  # StreamRecordEntries, with its responses as bytes
    replay_records: Any  # ReplayEntries, with its entries as records


class AsyncTransport:
    """The calls of one client on one channel. It belongs to one event loop.

    A call that fails with a retryable error is sent again within the timeout.
    """

    def __init__(self, target: str, timeout: float, credentials: Credentials) -> None:
        self.timeout = timeout
        self.credentials = credentials
        self._target = target
        self._closed = False
        self._stubs: Stubs | None = None
        self._streams: set[Any] = (
            set()
        )  # closing a channel leaves the readers of its streams waiting

    async def close(self) -> None:
        """Close the channel and cancel the calls in progress."""
        self._closed = True
        for stream in tuple(self._streams):
            stream.cancel()
        if self._stubs is not None:
            await self._stubs.channel.close()

    @property
    def stubs(self) -> Stubs:
        """The stubs of the channel. Raises RuntimeError if the client is closed."""
        if self._closed:
            raise RuntimeError("This client is closed.")
        if self._stubs is None:
            # A channel belongs to the running event loop, so it is created by the first call.
            self._stubs = _create_stubs(self._channel())
        return self._stubs

    async def call(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[_Request, _Response]",
        request: _Request,
    ) -> _Response:
        """Call a unary method, with retries. Return its response."""
        budget = self._budget()
        while True:
            metadata = await self._metadata()
            call = method(request, timeout=budget.remaining_seconds(), metadata=metadata)
            try:
                response = await call
            except grpc.aio.AioRpcError as failure:
                await self._pause(budget, failure)
            except asyncio.CancelledError:
                self._raise_if_closed()
                raise
            else:
                return _parsed(response)
            finally:
                call.cancel()  # the task that awaits it may be cancelled

    async def call_batch(self, request: pb.BatchRecordEntriesRequest, seconds: float) -> bytes:
        """Call BatchRecordEntries once, within this time. Return the bytes of its response."""
        metadata = await self._metadata()
        call = self.stubs.batch_bytes(request, timeout=seconds, metadata=metadata)
        try:
            response: bytes = await call
        except grpc.aio.AioRpcError as failure:
            raise errors.error_of_call(failure) from failure
        except asyncio.CancelledError:
            self._raise_if_closed()
            raise
        else:
            return response
        finally:
            call.cancel()  # the task that awaits it may be cancelled

    async def open_record_stream(
        self, requests: AsyncIterator[pb.StreamRecordEntriesRequest]
    ) -> Any:
        """Open a record stream. Return the call, which iterates over responses as bytes."""
        metadata = await self._metadata()
        if self._closed:
            raise errors.CallCancelledError("The client was closed.")
        return self.stubs.stream_bytes(requests, metadata=metadata)

    async def import_bundle(
        self, bundle: BinaryIO, verifier_keys: Iterable[VerifierKey | str]
    ) -> pb.ImportNegotiationResponse:
        """Upload a bundle, without a timeout and without retries."""
        metadata = await self._metadata()
        requests = _import_requests(bundle, verifier_keys)
        call = self.stubs.records.ImportNegotiation(requests, metadata=metadata)
        try:
            return await call
        except grpc.aio.AioRpcError as failure:
            error = errors.error_of_call(failure)
            self.credentials.renew_token(error)  # for the next call: this file is already read
            raise error from failure
        except asyncio.CancelledError:
            self._raise_if_closed()
            raise
        finally:
            call.cancel()

    async def read_records(self, exchange: AuditExchange | ExportExchange) -> None:
        """Read the records that an exchange requests, with retries, until it has all of them."""
        budget = self._budget()
        while True:
            metadata = await self._metadata()
            call = self.stubs.replay_records(exchange.replay_request(), metadata=metadata)
            try:
                async for message in call:
                    exchange.add_records(_parsed(message).records)
            except errors.InternalError as error:
                if not exchange.fail_replay(error):
                    raise
                return
            except grpc.aio.AioRpcError as failure:
                if exchange.fail_replay(errors.error_of_call(failure)):
                    return
                await self._pause(budget, failure)
            except asyncio.CancelledError:
                self._raise_if_closed()
                raise
            else:
                exchange.end_replay()
                return
            finally:
                call.cancel()

    async def replay(
        self, request: pb.ReplayEntriesRequest, progress: ReplayProgress
    ) -> AsyncGenerator[pb.Entry, None]:
        """Yield the entries of a replay. It is called again only before its first message."""
        budget = self._budget()
        while progress.complete is None:
            metadata = await self._metadata()
            call = self.stubs.audits.ReplayEntries(request, metadata=metadata)
            self._streams.add(call)
            try:
                async with asyncio.timeout(budget.remaining_seconds()):
                    message = await call.read()
                while isinstance(message, pb.ReplayEntriesResponse):
                    for entry in progress.add(message):
                        yield entry
                    message = await call.read()
                progress.end()
            except TimeoutError as late:
                raise errors.DeadlineExceededError("The replay did not begin in time.") from late
            except grpc.aio.AioRpcError as failure:
                if progress.started:
                    raise progress.error_after(errors.error_of_call(failure)) from failure
                await self._pause(budget, failure)
            except asyncio.CancelledError:
                self._raise_if_closed()
                raise
            finally:
                self._streams.discard(call)
                call.cancel()  # the reader may leave early

    async def watch(self, progress: WatchProgress) -> AsyncGenerator[pb.Entry, None]:
        """Yield the entries of a watch, over as many calls as it takes."""
        budget = self._budget()
        while True:
            metadata = await self._metadata()
            call = self.stubs.audits.ReplayEntries(progress.request(), metadata=metadata)
            started = False
            self._streams.add(call)
            try:
                message = await _read(call, budget.remaining_seconds())
                while message is not None:
                    started = True
                    for entry in progress.add(message):
                        yield entry
                    message = await _read(call, streams.HEARTBEAT_TIMEOUT)
                error = watch_ended_error()
            except TimeoutError:
                error = watch_timeout_error()
            except grpc.aio.AioRpcError as failure:
                error = errors.error_of_call(failure)
            except asyncio.CancelledError:
                self._raise_if_closed()
                raise
            finally:
                self._streams.discard(call)
                call.cancel()  # the reader may leave early
            progress.last_error = error
            if started:
                budget = self._budget()
            await self._wait(budget, error)

    async def sleep(self, seconds: float) -> None:
        """Wait, in seconds."""
        await asyncio.sleep(seconds)

    async def _metadata(self) -> Metadata:
        """Return the metadata of a call. A callable that provides the token runs on a thread."""
        cached = self.credentials.cached_metadata
        return await asyncio.to_thread(self.credentials.metadata) if cached is None else cached

    def _budget(self) -> RetryBudget:
        return RetryBudget(self.timeout, renew_token=self.credentials.renew_token)

    async def _pause(self, budget: RetryBudget, failure: grpc.aio.AioRpcError) -> None:
        """Wait before a retry, or raise the error of a call that is not sent again."""
        await self._wait(budget, errors.error_of_call(failure), failure)

    async def _wait(
        self, budget: RetryBudget, error: errors.PourparlerError, cause: Exception | None = None
    ) -> None:
        pause = budget.pause(error)
        if pause is None:
            raise error from cause
        await asyncio.sleep(pause)
        if self._closed:
            raise RuntimeError("This client is closed.")

    def _raise_if_closed(self) -> None:
        """Raise CallCancelledError if the client cancelled the call, and not the caller's task."""
        task = asyncio.current_task()
        if self._closed and task is not None and not task.cancelling():
            raise errors.CallCancelledError("The client was closed.") from None

    def _channel(self) -> grpc.aio.Channel:
        if not self.credentials.uses_tls:
            return grpc.aio.insecure_channel(self._target, options=CHANNEL_OPTIONS)
        credentials = grpc.ssl_channel_credentials(*self.credentials.pem_files)
        return grpc.aio.secure_channel(self._target, credentials, options=CHANNEL_OPTIONS)


def _create_stubs(channel: grpc.aio.Channel) -> Stubs:
    return Stubs(
        channel,
        RecordServiceStub(channel),
        NegotiationServiceStub(channel),
        AuditServiceStub(channel),
        PrivacyServiceStub(channel),
        record_bytes=channel.unary_unary(
            RECORD_METHOD, request_serializer=pb.RecordEntriesRequest.SerializeToString
        ),
        batch_bytes=channel.unary_unary(
            BATCH_METHOD, request_serializer=pb.BatchRecordEntriesRequest.SerializeToString
        ),
        stream_bytes=channel.stream_stream(
            STREAM_METHOD, request_serializer=pb.StreamRecordEntriesRequest.SerializeToString
        ),
        replay_records=channel.unary_stream(
            REPLAY_METHOD,
            request_serializer=pb.ReplayEntriesRequest.SerializeToString,
            response_deserializer=pb.Records.FromString,
        ),
    )


async def _import_requests(
    bundle: BinaryIO, verifier_keys: Iterable[VerifierKey | str]
) -> AsyncIterator[pb.ImportNegotiationRequest]:
    chunks = iter(lambda: bundle.read(CHUNK_BYTES), b"")
    requests = import_requests(chunks, verifier_keys)
    while (request := await asyncio.to_thread(next, requests, None)) is not None:
        yield request


async def _read(call: Any, seconds: float) -> pb.ReplayEntriesResponse | None:
    """Return the next message of a watch, or None at the end of the stream."""
    async with asyncio.timeout(seconds):
        message = _parsed(await call.read())
    return message if isinstance(message, pb.ReplayEntriesResponse) else None


def _parsed(response: _Response | None) -> _Response:
    """Return a response. grpc.aio gives None for bytes that are no message of its type."""
    if response is None:
        raise errors.InternalError("The response of the service is malformed.")
    return response
