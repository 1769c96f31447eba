"""The outermost wrapper of every call: parse, deadline, caller, limits, errors to status.

Nothing that a caller sends comes out of it as a fault.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any, NamedTuple, Never, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet

from pourparler import v1 as pb
from pourparler_service.api.error_status import as_refusal, status_message
from pourparler_service.api.quotas import Quota, RateLimit
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.domain.refusal import RefusalError, refuse, status_name

_PACKAGE = str(pb.Facts.DESCRIPTOR.file.package)
_STATUS_TRAILER = "grpc-status-details-bin"

_QUIET_SECONDS = 0.1
# A shorter response fits into the buffers of its connection.
_LONG_ANSWER_BYTES = 65_536


_Context = grpc.aio.ServicerContext[Any, Any]
_Answer = TypeVar("_Answer")


class Call(NamedTuple):
    """The caller and the deadline of a call.

    The deadline is a time of `time.monotonic`; None for a stream without one.
    """

    caller: str
    deadline: float | None
    name: str = ""
    """The key of quotas and of the write queue: a caller, or the connection of an anonymous one."""


class CallHandler:
    """Wraps methods of servicers into handlers of raw bytes. Owned by the thread of the event loop.

    A method of a servicer takes the parsed request, or a stream of requests, and the Call. A unary
    response comes from a coroutine function, and a stream from an async generator. Both give
    messages or their bytes.
    """

    def __init__(
        self,
        *,
        calls: Quota,
        streams: Quota,
        in_flight_bytes: Quota,
        rate: RateLimit | None,
        unary_seconds: float,
        request_bytes: int,
        caller: Callable[[_Context], str],
        on_store_failure: Callable[[], None],
    ) -> None:
        """Set the limits. `on_store_failure` is called if the store fails a call.

        `in_flight_bytes` counts unanswered requests, and responses that callers have not taken yet.
        `rate` counts calls; None for no limit. `caller` returns the caller or raises RefusalError,
        before a request is parsed.
        """
        self._calls = calls
        self._streams = streams
        self._in_flight = in_flight_bytes
        self._rate = rate
        self._unary_seconds = unary_seconds
        self._request_bytes = request_bytes
        self._caller = caller
        self._on_store_failure = on_store_failure
        self._closing = False
        self._call_count = 0

    def close(self) -> None:
        """Refuse every call from now on."""
        self._closing = True

    async def quiet(self) -> None:
        """Wait until no more calls come, after `close` refused them."""
        count = -1
        while count != self._call_count:
            count = self._call_count
            await asyncio.sleep(_QUIET_SECONDS)

    def handlers(
        self,
        service: ServiceDescriptor,
        servicer: object,
        name: str | None = None,
        *,
        unauthenticated: Collection[str] = (),
    ) -> grpc.GenericRpcHandler:
        """Return the handlers of a service, under its own name or another.

        The `unauthenticated` unary methods need no credentials. gRPC answers UNIMPLEMENTED for a
        method that the servicer does not have.
        """
        return grpc.method_handlers_generic_handler(
            name or service.full_name,
            {
                method.name: self._handler(
                    method, getattr(servicer, method.name), for_all=method.name in unauthenticated
                )
                for method in service.methods
                if hasattr(servicer, method.name)
            },
        )

    def _handler(
        self, method: MethodDescriptor, call: Callable[..., Any], *, for_all: bool
    ) -> "grpc.RpcMethodHandler[Any, Any]":
        # Without a deserializer the bytes come unparsed: gRPC would answer garbage as UNKNOWN.
        if method.client_streaming and not method.server_streaming:
            return grpc.stream_unary_rpc_method_handler(self._stream_unary(method, call))
        if method.client_streaming:
            return grpc.stream_stream_rpc_method_handler(self._stream_stream(method, call))
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(self._unary_stream(method, call))
        return grpc.unary_unary_rpc_method_handler(self._unary_unary(method, call, for_all=for_all))

    def _unary_unary(
        self,
        method: MethodDescriptor,
        call: Callable[[Any, Call], Awaitable[Message | bytes]],
        *,
        for_all: bool,
    ) -> Any:
        request_type = GetMessageClass(method.input_type)
        # A call that changes something is not cut off here: only the writer knows its outcome.
        is_cancellable = (
            method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS
            or not method.full_name.startswith(_PACKAGE)
        )

        async def handler(data: bytes, context: _Context) -> bytes:
            # As `_answering` does, without the cost of its layers on the most frequent path.
            self._call_count += 1
            try:
                self._check_open()
                deadline = self._deadline(context, self._unary_seconds)
                known = Call("", deadline) if for_all else self._call(context, deadline)
                name, size = known.name, len(data)
                self._calls.take(name)
                try:
                    self._in_flight.take(name, size)
                    try:
                        answer = call(self._parsed(request_type, data), known)
                        sent = _bytes(
                            await (_within(deadline, answer) if is_cancellable else answer)
                        )
                    finally:
                        self._in_flight.give(name, size)
                finally:
                    self._calls.give(name)
                if len(sent) > _LONG_ANSWER_BYTES:
                    self._await_taken(name, len(sent), context)
                return sent  # noqa: TRY300 - here, so that it costs the same
            except Exception as error:  # noqa: BLE001 - the last one to know
                await self._failed(method, context, error)

        return handler

    def _unary_stream(
        self, method: MethodDescriptor, call: Callable[[Any, Call], AsyncIterator[Message | bytes]]
    ) -> Any:
        request_type = GetMessageClass(method.input_type)

        async def handler(data: bytes, context: _Context) -> None:
            async with self._answering(method, context):
                known = self._call(context, self._deadline(context, None))
                with self._streams.place(known.name):
                    request = self._parsed(request_type, data)
                    await _written(call(request, known), context)

        return handler

    def _stream_unary(
        self,
        method: MethodDescriptor,
        call: Callable[[AsyncIterator[Any], Call], Awaitable[Message | bytes]],
    ) -> Any:
        request_type = GetMessageClass(method.input_type)

        async def handler(received: AsyncIterator[bytes], context: _Context) -> bytes:
            async with self._answering(method, context):
                known = self._call(context, self._deadline(context, None))
                with self._streams.place(known.name):
                    return _bytes(await call(self._requests(request_type, received), known))
            raise AssertionError("a call that fails is aborted")

        return handler

    def _stream_stream(
        self,
        method: MethodDescriptor,
        call: Callable[[AsyncIterator[Any], Call], AsyncIterator[Message | bytes]],
    ) -> Any:
        request_type = GetMessageClass(method.input_type)

        async def handler(received: AsyncIterator[bytes], context: _Context) -> None:
            async with self._answering(method, context):
                known = self._call(context, self._deadline(context, None))
                with self._streams.place(known.name):
                    await _written(call(self._requests(request_type, received), known), context)

        return handler

    async def _requests(
        self, request_type: type[Message], received: AsyncIterator[bytes]
    ) -> AsyncIterator[Message]:
        async for data in received:
            yield self._parsed(request_type, data)

    @contextlib.asynccontextmanager
    async def _answering(self, method: MethodDescriptor, context: _Context) -> AsyncIterator[None]:
        """Answer with a status for every error. After a cancellation no caller waits."""
        self._call_count += 1
        try:
            self._check_open()
            yield
        except Exception as error:  # noqa: BLE001 - the last one to know
            await self._failed(method, context, error)

    def _check_open(self) -> None:
        if self._closing:
            refuse(
                pb.ERROR_REASON_SHUTTING_DOWN,
                "The service is shutting down. Nothing was done; try again.",
            )

    async def _failed(self, method: MethodDescriptor, context: _Context, error: Exception) -> Never:
        refusal = as_refusal(error, method.full_name)
        if refusal.reason == pb.ERROR_REASON_STORE_UNAVAILABLE:
            self._on_store_failure()
        await _refused(context, refusal)

    def _call(self, context: _Context, deadline: float | None) -> Call:
        caller = self._caller(context)
        name = context.peer() if caller == ANONYMOUS else caller
        if self._rate is not None:
            self._rate.take(name)
        return Call(caller, deadline, name)

    def _await_taken(self, name: str, size: int, context: _Context) -> None:
        """Count a response as in flight, since it is in memory, until its caller has taken it."""
        self._in_flight.take(name, size)
        free: Any = lambda _: self._in_flight.give(name, size)  # noqa: E731 - the stubs lack its context
        context.add_done_callback(free)

    def _parsed(self, request_type: type[Message], data: bytes) -> Message:
        if len(data) > self._request_bytes:
            refuse(
                pb.ERROR_REASON_MESSAGE_TOO_LARGE,
                f"The request has {len(data)} bytes; the service takes up to"
                f" {self._request_bytes}. Send it in parts.",
                size=str(len(data)),
                limit=str(self._request_bytes),
            )
        try:
            request = request_type.FromString(data)
        except DecodeError:
            name = str(request_type.DESCRIPTOR.full_name)
            refuse(
                pb.ERROR_REASON_MALFORMED,
                f"The bytes of the request are not a {name}, or a text in it is not UTF-8.",
                type=name,
            )
        if request_type.DESCRIPTOR.file.package == _PACKAGE:
            check_understood(request, "")
        return request

    def _deadline(self, context: _Context, longest: float | None) -> float | None:
        remaining: float | None = context.time_remaining()
        if remaining is None:
            remaining = longest
        elif remaining <= 0:
            _too_late()
        return None if remaining is None else time.monotonic() + remaining


def check_understood(request: Message, path: str) -> None:
    """Raise RefusalError for a field of a newer client: without it the response would be wrong.

    Messages in lists, such as drafts, have a check of their own.
    """
    unknown = UnknownFieldSet(request)
    if len(unknown):
        number = unknown[0].field_number
        refuse(
            pb.ERROR_REASON_FIELD_NOT_ALLOWED,
            f"This service does not know the field number {number}. Leave it out, or ask the"
            " operator for a newer version.",
            path,
        )
    for field, value in request.ListFields():
        if isinstance(value, Message):
            check_understood(value, f"{path}.{field.name}" if path else field.name)


def _too_late() -> Never:
    refuse(pb.ERROR_REASON_DEADLINE_EXCEEDED, "The deadline passed before the call was done.")


async def _within(deadline: float | None, answer: Awaitable[_Answer]) -> _Answer:
    remaining = None if deadline is None else deadline - time.monotonic()
    limit = asyncio.timeout(remaining)
    try:
        async with limit:
            return await answer
    except TimeoutError:
        if limit.expired():
            _too_late()
        raise


async def _written(answers: AsyncIterator[Message | bytes], context: _Context) -> None:
    """Send a stream, and close it in any case, so that it frees its resources."""
    async with contextlib.aclosing(answers) as open_answers:  # type: ignore[type-var]
        async for answer in open_answers:
            try:
                await context.write(_bytes(answer))
            except grpc.aio.InternalError:
                # The caller left before it read this message.
                raise asyncio.CancelledError from None


def _bytes(answer: Message | bytes) -> bytes:
    return answer if isinstance(answer, bytes) else answer.SerializeToString()


async def _refused(context: _Context, refusal: RefusalError) -> Never:
    code = grpc.StatusCode[status_name(refusal.reason)]
    status = status_message(refusal)
    await context.abort(code, status.message, ((_STATUS_TRAILER, status.SerializeToString()),))
