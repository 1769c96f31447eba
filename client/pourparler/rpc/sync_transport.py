"""The transport of threads: the channel, and each kind of call with its retries.

`async_transport` has the same methods, for asyncio. Both are written by hand.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple, TypeVar

import grpc

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
from pourparler.rpc.credentials import Credentials
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

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")

_CHECK_SECONDS = 0.5


class Stubs(NamedTuple):
    """The channel and the methods of the service that are called on it."""

    channel: grpc.Channel
    records: RecordServiceStub
    negotiations: NegotiationServiceStub
    audits: AuditServiceStub
    privacy: PrivacyServiceStub
    record_bytes: Any  # RecordEntries, with its response as bytes
    batch_bytes: Any  # BatchRecordEntries, with its response as bytes
    stream_bytes: Any  # StreamRecordEntries, with its responses as bytes
    replay_records: Any  # ReplayEntries, with its entries as records


class SyncTransport:
    """The calls of one client on one channel. Threads may share it.

    A call that fails with a retryable error is sent again within the timeout.
    """

    def __init__(self, target: str, timeout: float, credentials: Credentials) -> None:
        self.timeout = timeout
        self.credentials = credentials
        self._target = target
        self._closed = False
        self._stubs = _create_stubs(self._channel())

    def close(self) -> None:
        """Close the channel and cancel the calls in progress."""
        self._closed = True
        self._stubs.channel.close()

    @property
    def stubs(self) -> Stubs:
        """The stubs of the channel. Raises RuntimeError if the client is closed."""
        if self._closed:
            raise RuntimeError("This client is closed.")
        return self._stubs

    def call(
        self, method: "grpc.UnaryUnaryMultiCallable[_Request, _Response]", request: _Request
    ) -> _Response:
        """Call a unary method, with retries. Return its response."""
        budget = self._budget()
        while True:
            metadata = self.credentials.metadata()
            try:
                return method(request, timeout=budget.remaining_seconds(), metadata=metadata)
            except grpc.RpcError as failure:
                self._pause(budget, failure)

    def call_batch(self, request: pb.BatchRecordEntriesRequest, seconds: float) -> bytes:
        """Call BatchRecordEntries once, within this time. Return the bytes of its response."""
        metadata = self.credentials.metadata()
        batch = self.stubs.batch_bytes
        try:
            response: bytes = batch(request, timeout=seconds, metadata=metadata)
        except grpc.RpcError as failure:
            raise errors.error_of_call(failure) from failure
        return response

    def open_record_stream(self, requests: Iterator[pb.StreamRecordEntriesRequest]) -> Any:
        """Open a record stream. Return the call, which iterates over responses as bytes."""
        metadata = self.credentials.metadata()
        if self._closed:
            raise errors.CallCancelledError("The client was closed.")
        return self._stubs.stream_bytes(requests, metadata=metadata)

    def import_bundle(
        self, bundle: BinaryIO, verifier_keys: Iterable[VerifierKey | str]
    ) -> pb.ImportNegotiationResponse:
        """Upload a bundle, without a timeout and without retries."""
        metadata = self.credentials.metadata()
        records = self.stubs.records
        chunks = iter(lambda: bundle.read(CHUNK_BYTES), b"")
        try:
            requests = import_requests(chunks, verifier_keys)
            return records.ImportNegotiation(requests, metadata=metadata)
        except grpc.RpcError as failure:
            error = errors.error_of_call(failure)
            self.credentials.renew_token(error)  # for the next call: this file is already read
            raise error from failure

    def read_records(self, exchange: AuditExchange | ExportExchange) -> None:
        """Read the records that an exchange requests, with retries, until it has all of them."""
        budget = self._budget()
        while True:
            metadata = self.credentials.metadata()
            call = self.stubs.replay_records(exchange.replay_request(), metadata=metadata)
            try:
                for message in call:
                    exchange.add_records(message.records)
            except grpc.RpcError as failure:
                if exchange.fail_replay(errors.error_of_call(failure)):
                    return
                self._pause(budget, failure)
            else:
                exchange.end_replay()
                return
            finally:
                call.cancel()

    def replay(
        self, request: pb.ReplayEntriesRequest, progress: ReplayProgress
    ) -> Generator[pb.Entry, None, None]:
        """Yield the entries of a replay. It is called again only before its first message."""
        budget = self._budget()
        while progress.complete is None:
            metadata = self.credentials.metadata()
            call = self.stubs.audits.ReplayEntries(request, metadata=metadata)
            timer = _StartTimer(budget.remaining_seconds(), call.cancel)
            try:
                for message in call:
                    timer.stop()
                    yield from progress.add(message)
                progress.end()
            except grpc.RpcError as failure:
                if timer.expired:
                    late = "The replay did not begin in time."
                    raise errors.DeadlineExceededError(late) from failure
                if progress.started:
                    raise progress.error_after(errors.error_of_call(failure)) from failure
                self._pause(budget, failure)
            finally:
                timer.stop()
                call.cancel()  # the reader may leave early

    def watch(self, progress: WatchProgress) -> Generator[pb.Entry, None, None]:
        """Yield the entries of a watch, over as many calls as it takes."""
        budget = self._budget()
        while True:
            metadata = self.credentials.metadata()
            call = self.stubs.audits.ReplayEntries(progress.request(), metadata=metadata)
            monitor = _HeartbeatMonitor(call.cancel)
            started = False
            try:
                message = monitor.read(call, budget.remaining_seconds())
                while message is not None:
                    started = True
                    yield from progress.add(message)
                    message = monitor.read(call, streams.HEARTBEAT_TIMEOUT)
                error = watch_ended_error()
            except grpc.RpcError as failure:
                late = monitor.expired
                error = watch_timeout_error() if late else errors.error_of_call(failure)
            finally:
                monitor.stop()
                call.cancel()  # the reader may leave early
            progress.last_error = error
            if started:
                budget = self._budget()
            self._wait(budget, error)

    def sleep(self, seconds: float) -> None:
        """Wait, in seconds."""
        time.sleep(seconds)

    def _budget(self) -> RetryBudget:
        return RetryBudget(self.timeout, renew_token=self.credentials.renew_token)

    def _pause(self, budget: RetryBudget, failure: grpc.RpcError) -> None:
        """Wait before a retry, or raise the error of a call that is not sent again."""
        self._wait(budget, errors.error_of_call(failure), failure)

    def _wait(
        self, budget: RetryBudget, error: errors.PourparlerError, cause: Exception | None = None
    ) -> None:
        pause = budget.pause(error)
        if pause is None:
            raise error from cause
        time.sleep(pause)
        if self._closed:
            raise RuntimeError("This client is closed.")

    def _channel(self) -> grpc.Channel:
        if not self.credentials.uses_tls:
            return grpc.insecure_channel(self._target, options=CHANNEL_OPTIONS)
        credentials = grpc.ssl_channel_credentials(*self.credentials.pem_files)
        return grpc.secure_channel(self._target, credentials, options=CHANNEL_OPTIONS)


def _create_stubs(channel: grpc.Channel) -> Stubs:
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


class _StartTimer:
    """Cancels a call that has not started in time. A gRPC deadline would also end a long replay."""

    def __init__(self, seconds: float, cancel: Callable[[], object]) -> None:
        self.expired = False
        self._cancel = cancel
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        self._timer.cancel()

    def _expire(self) -> None:
        self.expired = True
        self._cancel()


class _HeartbeatMonitor:
    """Cancels a call while its reader waits too long for a message.

    It has one thread for the whole call: a timer for each message would start a thread for each.
    """

    def __init__(self, cancel: Callable[[], object]) -> None:
        self.expired = False
        self._cancel = cancel
        self._deadline: float | None = None
        self._stopped = threading.Event()
        threading.Thread(target=self._check, name="watch", daemon=True).start()

    def read(
        self, call: Iterator[pb.ReplayEntriesResponse], seconds: float
    ) -> pb.ReplayEntriesResponse | None:
        """Return the next message, or None at the end of the stream."""
        self._deadline = time.monotonic() + seconds
        message = next(call, None)
        self._deadline = None
        return message

    def stop(self) -> None:
        self._stopped.set()

    def _check(self) -> None:
        while not self._stopped.wait(_CHECK_SECONDS):
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self.expired = True
                self._cancel()
                return
