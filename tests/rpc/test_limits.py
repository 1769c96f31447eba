"""What a caller may have under way: who asks for more is told so, and the others are served."""

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from pourparler import v1 as pb
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from tests.support import http2_frames
from tests.support.sample_entries import joined, opened, said, topic
from tests.support.service_client import (
    Answered,
    Service,
    answered_by,
    answered_with,
    connected,
    refused,
)

GET = "/pourparler.v1.NegotiationService/GetNegotiation"
SESSION = "/pourparler.v1.RecordService/StreamRecordEntries"


@contextlib.contextmanager
def limited(**limits: Any) -> Iterator[Callable[[], Service]]:
    """A service with these limits; each caller is a connection of its own."""
    settings = Settings(address="127.0.0.1:0", **limits)
    with contextlib.ExitStack() as callers, running(settings) as address:

        def another() -> Service:
            alone = [("grpc.use_local_subchannel_pool", 1)]
            return callers.enter_context(connected(address, alone))

        yield another
        callers.close()


def is_told_to_come_back(answered: Answered) -> None:
    assert (answered.code.name, answered.reason) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
    assert answered.retry_seconds
    assert answered.metadata["limit"]


def test_who_calls_too_often_is_refused_and_others_are_not() -> None:
    with limited(max_calls_per_second_per_caller=5) as another:
        often, other = another(), another()
        often.record("n", opened())

        refusals = 0
        for _ in range(30):
            with contextlib.suppress(grpc.RpcError):
                often.state("n")
                continue
            refusals += 1
        answered = refused(lambda: [often.replay("n") for _ in range(10)])

        assert refusals > 10
        is_told_to_come_back(answered)
        assert answered.metadata["limit"] == "5"
        assert other.state("n").computed_at.version == 1


def watched(service: Service) -> Any:
    """A replay that waits for more, once it is under way."""
    watch = service.audits.ReplayEntries(
        pb.ReplayEntriesRequest(name="negotiations/n", follow=True), timeout=20
    )
    next(watch)
    return watch


@pytest.mark.parametrize("kind", ["max_streams_per_caller", "max_watches_per_caller"])
def test_who_holds_as_many_watches_as_one_may_gets_no_more(kind: str) -> None:
    with limited(**{kind: 2}) as another:
        one, other = another(), another()
        one.record("n", opened())
        held = [watched(one) for _ in range(2)]

        is_told_to_come_back(refused(lambda: watched(one)))
        assert one.state("n").computed_at.version == 1
        held.append(watched(other))
        if kind == "max_watches_per_caller":
            assert one.replay("n")

        held.pop(0).cancel()
        held.append(eventually(lambda: watched(one)))
        for watch in held:
            watch.cancel()


def eventually(call: Callable[[], Any]) -> Any:
    """What a call gives once it is not refused any more."""
    for _ in range(500):
        with contextlib.suppress(grpc.RpcError):
            return call()
        threading.Event().wait(0.01)
    return call()


def test_all_together_hold_no_more_watches_than_there_is_room_for() -> None:
    with limited(max_watches=2) as another:
        first = another()
        first.record("n", opened())
        held = [watched(first), watched(another())]

        is_told_to_come_back(refused(lambda: watched(another())))

        for watch in held:
            watch.cancel()


def test_answers_that_nobody_takes_count_until_they_are_given_up() -> None:
    long = said("s", "a")
    long.words.text = "x" * 60_000
    with limited(max_in_flight_bytes_per_caller=200_000) as another:
        service = another()
        service.record("n", opened(), joined("a"))
        for number in range(4):
            long.facts.statement_recorded.statement_id = f"s{number}"
            service.record("n", long)
        asked = pb.GetNegotiationRequest(name="negotiations/n").SerializeToString()
        with http2_frames.dialled(service.address) as idle:
            # Who says nothing of a window is sent 64 KiB, of answers of 240.
            idle.sendall(http2_frames.BEGIN + http2_frames.called(GET, 1, asked))
            assert b"grpc-status" not in http2_frames.heard(idle, 1)
            idle.sendall(http2_frames.called(GET, 3, asked))
            assert b"of your bytes" in http2_frames.heard(idle, 1)
            for _ in range(20):
                assert service.state("n").computed_at.version == 6

            idle.sendall(http2_frames.reset(1))
            idle.sendall(http2_frames.called(GET, 5, asked))
            assert b"of your bytes" not in http2_frames.heard(idle, 1)


def test_a_session_whose_outcomes_nobody_takes_holds_no_more_than_its_share() -> None:
    with limited(max_in_flight_bytes_per_caller=100_000) as another:
        idle, other = another(), another()
        idle.record("n", opened(), joined("a"))
        size, read = 20_000, itertools.count()

        def groups() -> Iterator[bytes]:
            for number in range(100):
                spoken = said(f"s{number}", "a")
                spoken.words.text = "x" * size
                request = pb.RecordEntriesRequest(negotiation="negotiations/n", drafts=[spoken])
                next(read)
                yield pb.StreamRecordEntriesRequest(request=request).SerializeToString()

        channel: Any = idle.channel
        outcomes = list(channel.stream_stream(SESSION)(groups(), timeout=60))

        assert len(outcomes) == 100
        assert other.state("n").computed_at.version == 102


# How large a request may be.

METHODS: list[Any] = [
    method
    for file in (
        pb.RecordEntriesRequest.DESCRIPTOR.file,
        pb.GetNegotiationRequest.DESCRIPTOR.file,
        pb.ReplayEntriesRequest.DESCRIPTOR.file,
        health_pb2.DESCRIPTOR,
        reflection_pb2.DESCRIPTOR,
    )
    for service in file.services_by_name.values()
    for method in service.methods
]


def answer(service: Service, method: Any, data: bytes) -> Answered:
    """How a method refuses a request of these bytes."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    channel: Any = service.channel
    if method.client_streaming:
        return refused(lambda: list(channel.stream_stream(path)(iter([data]), timeout=10)))
    return refused(lambda: service.raw(path, data, stream=True))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: str(method.name))
@pytest.mark.parametrize("more", [1, 8 << 20], ids=["a byte", "eight times"])
def test_no_method_takes_more_than_a_mebibyte(service: Service, method: Any, more: int) -> None:
    answered = answer(service, method, b"\0" * ((1 << 20) + more))

    assert answered.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    if more == 1:
        assert answered.reason == "MESSAGE_TOO_LARGE"
        assert answered.metadata["limit"] == str(1 << 20)
    assert service.health.Check(health_pb2.HealthCheckRequest(), timeout=10)


def crowd(service: Service, drafts: int) -> pb.RecordEntriesRequest:
    return pb.RecordEntriesRequest(
        negotiation="negotiations/crowd",
        drafts=[topic(f"t{number}") for number in range(drafts)],
        validate_only=True,
    )


def test_a_group_has_a_thousand_entries_at_most_however_it_comes(service: Service) -> None:
    service.record("crowd", opened())
    for count in (1_000, 1_001):
        request = crowd(service, count)
        batch = pb.BatchRecordEntriesRequest(requests=[request])
        session = iter([pb.StreamRecordEntriesRequest(request=request)])
        told = [
            outcome(lambda request=request: service.records.RecordEntries(request, timeout=30)),  # type: ignore[misc]
            outcome(lambda batch=batch: service.records.BatchRecordEntries(batch, timeout=30)),  # type: ignore[misc]
            outcome(lambda session=session: next(service.records.StreamRecordEntries(session))),  # type: ignore[misc]
        ]

        assert told == ["" if count == 1_000 else "LIMIT_EXCEEDED"] * 3


def outcome(call: Callable[[], Message]) -> str:
    """Why a group was refused; empty if it was not."""
    try:
        answer: Any = call()
    except grpc.RpcError as error:
        return answered_by(error).reason
    if isinstance(answer, pb.BatchRecordEntriesResponse):
        answer = answer.outcomes[0]
    if isinstance(answer, pb.StreamRecordEntriesResponse):
        answer = answer.outcome
    if isinstance(answer, pb.RecordOutcome) and answer.HasField("failure"):
        return answered_with(answer.failure.status).reason
    return ""
