"""Whatever a caller sends, whatever fails behind the guard: a status with details."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from pourparler import v1 as pb
from pourparler_service.api.call_handler import Call, CallHandler
from pourparler_service.api.error_status import status_message
from pourparler_service.api.quotas import Quota, RateLimit
from pourparler_service.api.record_service import RecordServicer
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.domain.refusal import RefusalError, Violation
from pourparler_service.storage.interface import StoreUnavailableError
from tests.support.sample_entries import opened, said
from tests.support.service_client import Answered, Service, answered_by, refused
from tests.support.visibility_harness import everything

UNARY = {
    "/pourparler.v1.RecordService/RecordEntries": pb.RecordEntriesRequest,
    "/pourparler.v1.RecordService/BatchRecordEntries": pb.BatchRecordEntriesRequest,
    "/pourparler.v1.NegotiationService/GetNegotiation": pb.GetNegotiationRequest,
    "/pourparler.v1.NegotiationService/ListNegotiations": pb.ListNegotiationsRequest,
    "/pourparler.v1.NegotiationService/GetStatusReport": pb.GetStatusReportRequest,
    "/pourparler.v1.NegotiationService/DiffNegotiation": pb.DiffNegotiationRequest,
}
REPLAY = "/pourparler.v1.AuditService/ReplayEntries"
GARBAGE = {
    "no message": b"\xff\xff\xff\xff",
    "a field cut short": b"\x0a\x7fabc",
    "text that is not UTF-8": b"\x0a\x02\xc3\x28",
    "an end without a beginning": b"\x0c",
    "messages in messages without end": b"\x0a\x02\xc3\x28" + b"\x2b" * 10_000,
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE.keys())
@pytest.mark.parametrize("method", [*UNARY, REPLAY])
def test_garbage_is_malformed(service: Service, method: str, data: bytes) -> None:
    if method.endswith("ListNegotiations"):
        data = data.replace(b"\x0a", b"\x12")  # its first text is its second field

    answered = refused(lambda: service.raw(method, data, stream=method == REPLAY))

    assert (answered.code, answered.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED")


@pytest.mark.parametrize(
    "method",
    [
        "/pourparler.v1.RecordService/Forget",
        "/pourparler.v2.RecordService/RecordEntries",
        "/nobody/knows",
    ],
)
def test_an_unknown_method_is_unimplemented(service: Service, method: str) -> None:
    assert refused(lambda: service.raw(method, b"")).code is grpc.StatusCode.UNIMPLEMENTED


def test_after_a_deadline_that_has_passed_nothing_is_done(service: Service) -> None:
    request = pb.RecordEntriesRequest(negotiation="negotiations/too-late", drafts=[opened()])

    answered = refused(lambda: service.records.RecordEntries(request, timeout=-1))

    assert answered.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert refused(lambda: service.state("too-late")).reason == "NEGOTIATION_NOT_FOUND"


@asynccontextmanager
async def guarded(**more: Any) -> AsyncIterator[tuple[CallHandler, grpc.aio.Server]]:
    """A guard with narrow limits, and the server it stands before."""
    limits: dict[str, Any] = {
        "calls": Quota("calls", 2),
        "streams": Quota("streams", 1),
        "in_flight_bytes": Quota("bytes", 1 << 20),
        "rate": None,
        "unary_seconds": 30.0,
        "request_bytes": 1 << 20,
        "caller": lambda _: ANONYMOUS,
        "on_store_failure": lambda: None,
    }
    server = grpc.aio.server()
    try:
        yield CallHandler(**{**limits, **more}), server
    finally:
        await server.stop(0)


async def start(server: grpc.aio.Server, *handlers: Any) -> Any:
    server.add_generic_rpc_handlers(handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}")


async def refusal_of(call: Awaitable[object]) -> Answered:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return answered_by(error)
    raise AssertionError("it was not refused")


class FakeReads:
    """Servicers of which every call does what a test says."""

    def __init__(self, read: Callable[[], Awaitable[pb.GetNegotiationResponse]]) -> None:
        self.read = read

    async def GetNegotiation(self, request: object, call: Call) -> pb.GetNegotiationResponse:
        return await self.read()

    ListNegotiations = GetStatusReport = DiffNegotiation = GetNegotiation

    async def ReplayEntries(
        self, request: object, call: Call
    ) -> AsyncIterator[pb.ReplayEntriesResponse]:
        yield pb.ReplayEntriesResponse(possible_versions=[1])
        await self.read()


NEGOTIATIONS: Any = pb.GetNegotiationRequest.DESCRIPTOR.file
AUDITS: Any = pb.ReplayEntriesRequest.DESCRIPTOR.file
RECORDS: Any = pb.RecordEntriesRequest.DESCRIPTOR.file
GET = "/pourparler.v1.NegotiationService/GetNegotiation"
RECORD = "/pourparler.v1.RecordService/RecordEntries"


async def reads(guard: CallHandler, server: grpc.aio.Server, fake: FakeReads) -> Any:
    return await start(
        server,
        guard.handlers(NEGOTIATIONS.services_by_name["NegotiationService"], fake),
        guard.handlers(AUDITS.services_by_name["AuditService"], fake),
    )


async def read_all(channel: Any) -> list[bytes]:
    return [part async for part in channel.unary_stream(REPLAY)(b"")]


async def test_a_fault_is_told_by_its_id_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> pb.GetNegotiationResponse:
        raise ValueError("the secret of the house")

    async with guarded() as (guard, server):
        channel = await reads(guard, server, FakeReads(fail))
        with caplog.at_level(logging.ERROR, "pourparler_service.api.call_handler"):
            answers = [
                await refusal_of(channel.unary_unary(GET)(b"")),
                await refusal_of(read_all(channel)),
            ]
        await channel.close()

    for answer in answers:
        assert (answer.code, answer.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
        assert "secret" not in answer.text
        assert answer.metadata["fault_id"] in caplog.text
    assert "the secret of the house" in caplog.text


async def test_a_store_that_fails_is_unavailable_and_looked_at() -> None:
    looked: list[str] = []

    async def fail() -> pb.GetNegotiationResponse:
        raise StoreUnavailableError("disk /dev/sda1 is full")

    async with guarded(on_store_failure=lambda: looked.append("look")) as (guard, server):
        channel = await reads(guard, server, FakeReads(fail))
        answer = await refusal_of(channel.unary_unary(GET)(b""))
        await channel.close()

    assert (answer.code, answer.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert answer.retry_seconds == 2.0
    assert "sda1" not in answer.text
    assert looked == ["look"]


async def test_what_does_not_fit_is_refused_at_once_and_fits_again_later() -> None:
    release = asyncio.Event()

    async def wait() -> pb.GetNegotiationResponse:
        await release.wait()
        return pb.GetNegotiationResponse()

    async with guarded() as (guard, server):
        channel = await reads(guard, server, FakeReads(wait))
        get = channel.unary_unary(GET)
        first = [asyncio.ensure_future(get(b"")) for _ in range(2)]
        stream = asyncio.ensure_future(read_all(channel))
        await asyncio.sleep(0.1)
        refusals = [await refusal_of(get(b"")), await refusal_of(read_all(channel))]
        release.set()
        await asyncio.gather(*first, stream)
        await get(b"")
        await read_all(channel)
        await channel.close()

    for refusal in refusals:
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "OVERLOADED",
        )
        assert refusal.retry_seconds == 0.5


async def test_a_read_without_a_deadline_is_given_one() -> None:
    given_up = asyncio.Event()

    async def wait() -> pb.GetNegotiationResponse:
        try:
            await asyncio.sleep(30)
        finally:
            given_up.set()
        return pb.GetNegotiationResponse()

    async with guarded(unary_seconds=0.1) as (guard, server):
        channel = await reads(guard, server, FakeReads(wait))
        answer = await refusal_of(channel.unary_unary(GET)(b""))
        await asyncio.wait_for(given_up.wait(), 5)
        await channel.close()

    assert (answer.code, answer.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")


async def test_a_call_that_is_given_up_is_given_up_within_and_its_place_is_free() -> None:
    begun, given_up = asyncio.Event(), asyncio.Event()

    async def wait() -> pb.GetNegotiationResponse:
        begun.set()
        try:
            await asyncio.sleep(30)
        finally:
            given_up.set()
        return pb.GetNegotiationResponse()

    fake = FakeReads(wait)
    async with guarded(calls=Quota("calls", 1)) as (guard, server):
        channel = await reads(guard, server, fake)
        for method in (channel.unary_unary(GET), channel.unary_stream(REPLAY)):
            begun.clear()
            given_up.clear()
            call = method(b"")
            await asyncio.wait_for(begun.wait(), 5)
            call.cancel()
            await asyncio.wait_for(given_up.wait(), 5)

        async def answer() -> pb.GetNegotiationResponse:
            return pb.GetNegotiationResponse()

        fake.read = answer
        await asyncio.sleep(0.05)
        await channel.unary_unary(GET)(b"")
        await read_all(channel)
        await channel.close()


async def test_once_it_is_closing_every_call_is_told_so() -> None:
    async def answer() -> pb.GetNegotiationResponse:
        return pb.GetNegotiationResponse()

    async with guarded() as (guard, server):
        channel = await reads(guard, server, FakeReads(answer))
        await channel.unary_unary(GET)(b"")
        guard.close()
        refusal = await refusal_of(channel.unary_unary(GET)(b""))
        await channel.close()

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    assert refusal.retry_seconds is not None


async def test_callers_have_each_their_own_share_of_one_connection() -> None:
    async def answer() -> pb.GetNegotiationResponse:
        return pb.GetNegotiationResponse()

    def caller(context: Any) -> str:
        return str(dict(context.invocation_metadata())["who"])

    async with guarded(rate=RateLimit("calls", 1), caller=caller) as (guard, server):
        channel = await reads(guard, server, FakeReads(answer))
        get = channel.unary_unary(GET)
        for _ in range(3):
            await get(b"", metadata=[("who", "a")])
        refusal = await refusal_of(get(b"", metadata=[("who", "a")]))
        await get(b"", metadata=[("who", "b")])
        await channel.close()

    assert (refusal.code.name, refusal.reason) == ("RESOURCE_EXHAUSTED", "OVERLOADED")


class FakeWriter:
    """A writer that takes up nothing by itself."""

    def __init__(self) -> None:
        self.handed_in: list[Future[bytes]] = []
        self._arrivals: asyncio.Queue[Future[bytes]] = asyncio.Queue()

    def submit(self, group: object) -> Future[bytes]:
        self.handed_in.append(Future())
        self._arrivals.put_nowait(self.handed_in[-1])
        return self.handed_in[-1]

    async def next(self) -> Future[bytes]:
        return await asyncio.wait_for(self._arrivals.get(), 10)


@pytest.fixture
async def writer() -> FakeWriter:
    return FakeWriter()


REQUEST = pb.RecordEntriesRequest(
    negotiation="negotiations/n", drafts=[opened()]
).SerializeToString()


@asynccontextmanager
async def recording(writer: Any, unary_seconds: float) -> AsyncIterator[Any]:
    with ThreadPoolExecutor(1) as threads:
        async with guarded(unary_seconds=unary_seconds) as (guard, server):
            servicer = RecordServicer(writer, threads, everything())
            handlers = guard.handlers(RECORDS.services_by_name["RecordService"], servicer)
            channel = await start(server, handlers)
            yield channel
            await channel.close()


async def test_a_deadline_that_passes_in_the_line_leaves_nothing_behind(
    writer: FakeWriter,
) -> None:
    async with recording(writer, 0.1) as channel:
        answer = await refusal_of(channel.unary_unary(RECORD)(REQUEST))

    assert (answer.code, answer.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert writer.handed_in[0].cancelled()


async def test_a_caller_who_gives_up_in_the_line_leaves_nothing_behind(
    writer: FakeWriter,
) -> None:
    async with recording(writer, 30) as channel:
        call = channel.unary_unary(RECORD)(REQUEST)
        handed_in = await writer.next()
        call.cancel()
        for _ in range(500):
            if handed_in.cancelled():
                break
            await asyncio.sleep(0.01)

    assert handed_in.cancelled()


async def test_a_callers_own_deadline_takes_the_group_out_of_the_line(
    writer: FakeWriter,
) -> None:
    async with recording(writer, 30) as channel:
        answer = await refusal_of(channel.unary_unary(RECORD)(REQUEST, timeout=0.2))
        handed_in = await writer.next()
        for _ in range(500):
            if handed_in.cancelled():
                break
            await asyncio.sleep(0.01)

    assert answer.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert handed_in.cancelled()


async def test_what_was_taken_up_is_answered_even_after_the_deadline(writer: FakeWriter) -> None:
    receipt = pb.Receipt(negotiation="negotiations/n", version=1)

    async with recording(writer, 0.1) as channel:
        call = asyncio.ensure_future(channel.unary_unary(RECORD)(REQUEST))
        handed_in = await writer.next()
        assert handed_in.set_running_or_notify_cancel()
        await asyncio.sleep(0.3)
        assert not call.done()
        handed_in.set_result(receipt.SerializeToString())
        answer = pb.RecordEntriesResponse.FromString(await call)

    assert answer.receipt == receipt


async def test_a_large_group_does_not_hold_up_other_calls(writer: FakeWriter) -> None:
    large = [opened(), *(said(f"s{number}", "a") for number in range(100))]
    request = pb.RecordEntriesRequest(
        negotiation="negotiations/n", drafts=large
    ).SerializeToString()
    free = threading.Event()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(free.wait)
        async with guarded() as (guard, server):
            servicer = RecordServicer(writer, threads, everything())  # type: ignore[arg-type]
            handlers = guard.handlers(RECORDS.services_by_name["RecordService"], servicer)
            channel = await start(server, handlers)
            first = asyncio.ensure_future(channel.unary_unary(RECORD)(request))
            await asyncio.sleep(0.05)
            second = asyncio.ensure_future(channel.unary_unary(RECORD)(REQUEST))
            (await writer.next()).set_result(b"")
            await asyncio.wait_for(second, 5)
            assert not first.done()
            free.set()
            (await writer.next()).set_result(b"")
            await first
            await channel.close()


@pytest.mark.parametrize("filling", ["x", "é", "\u202e", "漢", "🙂"])
def test_details_fit_into_headers_whatever_the_caller_wrote(filling: str) -> None:
    text = filling * 10_000
    violations = [
        Violation(pb.ERROR_REASON_FIELD_INVALID, f"drafts[{n}].words.text", text, {"value": text})
        for n in range(20)
    ]

    status = status_message(RefusalError(violations))

    message = len(status.message.encode()) * 3  # as it is escaped in a header
    assert status.ByteSize() * 4 // 3 + message < 8_000
    assert status.details


def test_hostile_text_in_an_error_arrives_whole(service: Service) -> None:
    hostile = "\u202e\0\x1b[2J" + "🙂" * 500

    answered = refused(
        lambda: service.records.RecordEntries(
            pb.RecordEntriesRequest(negotiation=f"negotiations/{hostile}", drafts=[opened()])
        )
    )

    assert (answered.reason, answered.field) == ("ID_INVALID", "negotiation")
    assert not {"\u202e", "\0", "\x1b"}.intersection(answered.text)


def test_many_wrong_drafts_with_hostile_text_are_still_explained(service: Service) -> None:
    wrong = opened()
    wrong.facts.session_id = "🙂" * 1_000
    wrong.words.place = "🙂" * 1_000

    answered = refused(
        lambda: service.records.RecordEntries(
            pb.RecordEntriesRequest(negotiation="negotiations/n", drafts=[wrong] * 50)
        )
    )

    assert answered.code is grpc.StatusCode.INVALID_ARGUMENT
    assert answered.fields


def test_calls_side_by_side_are_all_answered(service: Service) -> None:
    service.record("side-by-side", opened())
    request = pb.GetNegotiationRequest(name="negotiations/side-by-side")
    began = time.monotonic()

    calls = [service.negotiations.GetNegotiation.future(request, timeout=20) for _ in range(200)]

    assert {call.result().computed_at.version for call in calls} == {1}
    assert time.monotonic() - began < 20
