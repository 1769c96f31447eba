"""Many groups in one call: batches, and sessions that are answered in their order."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from pourparler import v1 as pb
from pourparler_service.api.call_handler import Call
from pourparler_service.api.record_service import RecordServicer
from pourparler_service.domain.refusal import RefusalError
from pourparler_service.server import running
from pourparler_service.writes.requests import FAILED_NEGOTIATIONS, FailedNegotiations, WriteRequest
from tests.support.sample_entries import joined, opened, said, topic
from tests.support.service_client import Service, answered_by, answered_with, connected, refused
from tests.support.visibility_harness import everything

SESSION = "/pourparler.v1.RecordService/StreamRecordEntries"
MOST = 256


def group(id_: str, *drafts: pb.Draft, request_id: str = "") -> pb.RecordEntriesRequest:
    return pb.RecordEntriesRequest(
        negotiation=f"negotiations/{id_}", drafts=drafts, request_id=request_id
    )


def talks(id_: str) -> pb.RecordEntriesRequest:
    return group(id_, opened(), joined("a"))


def spoken(id_: str, number: int, by: str = "a") -> pb.RecordEntriesRequest:
    return group(id_, said(f"s-{number}", by), request_id=f"{id_}-{number}")


def unfit(id_: str) -> pb.RecordEntriesRequest:
    return group(id_, pb.Draft())


def batch(service: Service, *groups: pb.RecordEntriesRequest) -> list[pb.RecordOutcome]:
    answer = service.records.BatchRecordEntries(
        pb.BatchRecordEntriesRequest(requests=groups), timeout=20
    )
    return list(answer.outcomes)


def session(
    service: Service, *groups: pb.RecordEntriesRequest, stop_on_failure: bool = False
) -> list[pb.RecordOutcome]:
    asked = (
        pb.StreamRecordEntriesRequest(request=one, stop_on_failure=stop_on_failure)
        for one in groups
    )
    return [one.outcome for one in service.records.StreamRecordEntries(asked, timeout=30)]


def told(outcomes: Sequence[pb.RecordOutcome]) -> list[int | str]:
    """The version of each receipt, or the reason why there is none."""
    return [
        one.receipt.version if one.HasField("receipt") else answered_with(one.failure.status).reason
        for one in outcomes
    ]


Send = Callable[..., list[pb.RecordOutcome]]
either = pytest.mark.parametrize("send", [batch, session], ids=["batch", "session"])


@either
def test_groups_are_answered_in_their_order_whatever_negotiation_they_are_of(
    service: Service, send: Send
) -> None:
    ids = [f"ordered-{send.__name__}-{number}" for number in range(7)]
    groups = [talks(id_) for id_ in ids]
    groups += [spoken(ids[number % 7], number) for number in range(140)]

    outcomes = send(service, *groups)

    assert [one.receipt.negotiation for one in outcomes] == [one.negotiation for one in groups]
    assert told(outcomes) == [2] * 7 + [3 + number // 7 for number in range(140)]
    for id_ in ids:
        assert service.state(id_).computed_at.version == 22


@either
def test_a_group_that_is_refused_leaves_the_others_as_they_are(
    service: Service, send: Send
) -> None:
    id_ = f"failing-{send.__name__}"

    outcomes = send(
        service,
        talks(id_), spoken(id_, 1), spoken(id_, 2, by="nobody"), unfit(id_), spoken(id_, 3),
    )  # fmt: skip

    assert told(outcomes) == [2, 3, "PART_NOT_FOUND", "FIELD_REQUIRED", 4]
    failure = answered_with(outcomes[2].failure.status)
    assert failure.code is grpc.StatusCode.NOT_FOUND
    assert failure.metadata == {
        "field": "drafts[0].facts.statement_recorded.speakers[0]",
        "id": "nobody",
    }
    assert "'nobody'" in failure.text


@either
def test_a_group_that_is_repeated_gets_its_first_receipt(service: Service, send: Send) -> None:
    id_ = f"repeated-{send.__name__}"
    groups = [talks(id_), *(spoken(id_, number) for number in range(5))]
    groups[0].request_id = "opening"
    first = send(service, *groups)

    again = send(service, *reversed(groups))

    assert list(reversed(again)) == first
    other = spoken(id_, 7)
    other.request_id = groups[1].request_id
    assert told(send(service, other)) == ["REQUEST_ID_REUSED"]


@either
def test_a_group_of_a_newer_contract_is_refused(service: Service, send: Send) -> None:
    id_ = f"newer-{send.__name__}"
    newer = pb.RecordEntriesRequest.FromString(talks(id_).SerializeToString() + b"\xf8\x07\x01")

    if send is session:
        assert refused(lambda: send(service, newer)).reason == "FIELD_NOT_ALLOWED"
    else:
        assert told(send(service, newer, talks(id_))) == ["FIELD_NOT_ALLOWED", 2]


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        pytest.param([], "FIELD_REQUIRED", id="no groups"),
        pytest.param([pb.RecordEntriesRequest()] * 1_001, "LIMIT_EXCEEDED", id="empty groups"),
        pytest.param([group("n", *[topic()] * 501)] * 2, "LIMIT_EXCEEDED", id="drafts"),
    ],
)
def test_a_batch_has_a_group_and_at_most_a_thousand_drafts(
    service: Service, groups: list[pb.RecordEntriesRequest], reason: str
) -> None:
    answered = refused(lambda: batch(service, *groups))

    assert (answered.code.name, answered.reason) == ("INVALID_ARGUMENT", reason)
    assert answered.field == "requests"


def test_in_turn_nothing_is_recorded_after_a_failure_in_the_same_negotiation(
    service: Service,
) -> None:
    outcomes = session(
        service,
        talks("turn-1"), talks("turn-2"), talks("turn-3"),
        spoken("turn-1", 1, by="nobody"), spoken("turn-2", 1), unfit("turn-2"),
        spoken("turn-1", 2), spoken("turn-2", 2), spoken("turn-3", 1),
        stop_on_failure=True,
    )  # fmt: skip

    assert told(outcomes) == [
        2, 2, 2,
        "PART_NOT_FOUND", 3, "FIELD_REQUIRED",
        "EARLIER_NOT_RECORDED", "EARLIER_NOT_RECORDED", 3,
    ]  # fmt: skip
    assert service.state("turn-1").computed_at.version == 2


def test_a_session_in_which_nearly_all_fails_holds_no_more_names_than_a_bound() -> None:
    turn = FailedNegotiations()
    turn.add("x" * 1_000_000)
    for number in range(FAILED_NEGOTIATIONS - 1):
        turn.add(f"failed-{number}")
    turn.check("another")
    turn.add("the-last")

    for negotiation in ("failed-0", "the-last", "another"):
        with pytest.raises(RefusalError):
            turn.check(negotiation)


def test_what_cannot_be_read_ends_a_session_after_the_answers_to_what_came_before(
    service: Service,
) -> None:
    good = [pb.StreamRecordEntriesRequest(request=talks(f"before-{one}")) for one in range(20)]
    sent = [*(one.SerializeToString() for one in good), b"\xff\xff", good[0].SerializeToString()]
    channel: Any = service.channel
    outcomes: list[bytes] = []

    answered = refused(
        lambda: outcomes.extend(channel.stream_stream(SESSION)(iter(sent), timeout=20))
    )

    assert (answered.code.name, answered.reason) == ("INVALID_ARGUMENT", "MALFORMED")
    got = [pb.StreamRecordEntriesResponse.FromString(one).outcome for one in outcomes]
    # extend() takes what came before the error, too.
    assert told(got) == [2] * 20


def test_a_group_that_is_too_large_ends_a_session_after_what_came_before(service: Service) -> None:
    large = spoken("too-large", 1)
    large.drafts[0].words.text = "x" * (1 << 20)
    outcomes: list[Any] = []
    asked = [pb.StreamRecordEntriesRequest(request=one) for one in (talks("too-large"), large)]

    answered = refused(lambda: outcomes.extend(service.records.StreamRecordEntries(iter(asked))))

    assert (answered.code.name, answered.reason) == ("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE")
    assert told([one.outcome for one in outcomes]) == [2]


def test_a_session_of_nothing_is_answered_with_nothing(service: Service) -> None:
    assert session(service) == []


def test_a_flood_of_sessions_is_taken_and_leaves_room_for_single_calls() -> None:
    sessions, groups = 20, 400
    with running() as address, connected(address) as service:
        for number in range(sessions):
            service.records.RecordEntries(talks(f"flood-{number}"), timeout=20)
        single = talks("single")
        versions: list[list[int | str]] = []

        def pour(number: int) -> None:
            id_ = f"flood-{number}"
            versions.append(told(session(service, *(spoken(id_, one) for one in range(groups)))))

        callers = [threading.Thread(target=pour, args=(number,)) for number in range(sessions)]
        for caller in callers:
            caller.start()
        single_version = service.records.RecordEntries(single, timeout=20).receipt.version
        for caller in callers:
            caller.join(timeout=60)

    assert single_version == 2
    assert versions == [[*range(3, groups + 3)]] * sessions


def test_a_session_ends_when_the_service_does_and_says_so() -> None:
    with connected_while_running() as (service, stop):
        go_on = threading.Event()

        def asked() -> Iterator[pb.StreamRecordEntriesRequest]:
            yield pb.StreamRecordEntriesRequest(request=talks("ending"))
            go_on.wait(20)

        answers = service.records.StreamRecordEntries(asked())
        first = next(answers).outcome
        stopping = threading.Thread(target=stop)
        stopping.start()
        try:
            list(answers)
        except grpc.RpcError as error:
            answered = answered_by(error)
        go_on.set()
        stopping.join(timeout=20)

    assert told([first]) == [2]
    assert (answered.code.name, answered.reason) == ("UNAVAILABLE", "SHUTTING_DOWN")
    assert answered.retry_seconds is not None


class connected_while_running:  # noqa: N801 - it is used as a function is
    """A service that the test can stop."""

    def __enter__(self) -> tuple[Service, Callable[[], object]]:
        self._running = running()
        self._stopped = False
        self._connected = connected(self._running.__enter__())

        def stop() -> None:
            self._stopped = True
            self._running.__exit__(None, None, None)

        return self._connected.__enter__(), stop

    def __exit__(self, *error: object) -> None:
        self._connected.__exit__(None, None, None)
        if not self._stopped:
            self._running.__exit__(None, None, None)


class FakeWriter:
    """A writer that takes up nothing by itself."""

    def __init__(self) -> None:
        self.handed_in: list[tuple[WriteRequest, Future[bytes]]] = []
        self.crowded = False

    def is_crowded(self, key: str) -> bool:
        return self.crowded

    def submit(self, given: WriteRequest) -> Future[bytes]:
        self.handed_in.append((given, Future()))
        return self.handed_in[-1][1]

    def answer(self, count: int) -> None:
        """Answer the first of those that have no answer."""
        for _, receipt in [one for one in self.handed_in if not one[1].done()][:count]:
            receipt.set_result(b"")


class Asked(AsyncIterator[pb.StreamRecordEntriesRequest]):
    """The groups of a session, without end, and how many of them were read."""

    def __init__(self, size: int = 1) -> None:
        self.read = 0
        self._size = size

    async def __anext__(self) -> pb.StreamRecordEntriesRequest:
        await asyncio.sleep(0)
        self.read += 1
        one = spoken("endless", self.read)
        one.drafts[0].words.text = "x" * self._size
        return pb.StreamRecordEntriesRequest(request=one)


@asynccontextmanager
async def under_way(
    asked: AsyncIterator[pb.StreamRecordEntriesRequest], writer: FakeWriter
) -> AsyncIterator[tuple[RecordServicer, Any]]:
    """A session whose answers nobody has taken yet, with all under way that may be."""
    with ThreadPoolExecutor(1) as threads:
        servicer = RecordServicer(writer, threads, everything())  # type: ignore[arg-type]
        answers: Any = servicer.StreamRecordEntries(asked, Call("anybody", None))
        try:
            yield servicer, answers
        finally:
            await answers.aclose()


async def settled(count: Callable[[], int]) -> int:
    """A number, once it does not change any more."""
    last = -1
    while last != (now := count()):
        last = now
        await asyncio.sleep(0.2)
    return last


async def test_no_more_groups_are_read_than_may_be_under_way() -> None:
    asked, writer = Asked(), FakeWriter()
    async with under_way(asked, writer) as (_, answers):
        first = asyncio.ensure_future(anext(answers))
        assert await settled(lambda: asked.read) == MOST

        writer.answer(10)
        await first
        for _ in range(9):
            await anext(answers)
        last = asyncio.ensure_future(anext(answers))

        assert await settled(lambda: asked.read) == MOST + 10
        writer.answer(1)
        await last


async def test_of_a_caller_who_does_not_take_the_answers_no_more_is_read() -> None:
    asked, writer = Asked(), FakeWriter()
    async with under_way(asked, writer) as (_, answers):
        first = asyncio.ensure_future(anext(answers))
        await settled(lambda: asked.read)
        writer.answer(MOST)
        await first

        assert await settled(lambda: asked.read) == MOST


async def test_large_groups_are_not_held_in_any_number() -> None:
    asked, writer = Asked(60_000), FakeWriter()
    async with under_way(asked, writer) as (_, answers):
        first = asyncio.ensure_future(anext(answers))

        assert 60 < await settled(lambda: asked.read) <= 71
        writer.answer(1)
        await first


async def test_a_session_waits_while_the_line_is_crowded() -> None:
    asked, writer = Asked(), FakeWriter()
    writer.crowded = True
    async with under_way(asked, writer) as (_, answers):
        first = asyncio.ensure_future(anext(answers))
        await settled(lambda: asked.read)
        assert writer.handed_in == []

        writer.crowded = False

        assert await settled(lambda: len(writer.handed_in)) == MOST
        writer.answer(1)
        await first


async def test_what_still_waits_of_a_session_that_is_cancelled_is_taken_out_of_the_line() -> None:
    asked, writer = Asked(), FakeWriter()
    async with under_way(asked, writer) as (_, answers):
        first = asyncio.ensure_future(anext(answers))
        await settled(lambda: asked.read)
        taken_up = writer.handed_in[1][1]
        assert taken_up.set_running_or_notify_cancel()
        first.cancel()
        await asyncio.wait([first])

    receipts = [receipt for _, receipt in writer.handed_in]
    assert [one.cancelled() for one in receipts] == [True, False, *[True] * (MOST - 2)]


async def test_what_is_under_way_is_answered_before_the_service_ends_a_session() -> None:
    asked, writer = Asked(), FakeWriter()
    outcomes = []
    async with under_way(asked, writer) as (servicer, answers):
        first = asyncio.ensure_future(anext(answers))
        await settled(lambda: asked.read)
        servicer.close()
        writer.answer(MOST)
        outcomes.append(await first)
        with pytest.raises(RefusalError) as ended:
            outcomes.extend([one async for one in answers])

    assert asked.read == MOST
    assert ended.value.reason == pb.ERROR_REASON_SHUTTING_DOWN


async def test_a_session_has_no_deadline_for_its_groups() -> None:
    writer = FakeWriter()
    with ThreadPoolExecutor(1) as threads:
        servicer = RecordServicer(writer, threads, everything())  # type: ignore[arg-type]
        answers: Any = servicer.StreamRecordEntries(Asked(), Call("anybody", 0.0))
        first = asyncio.ensure_future(anext(answers))
        await settled(lambda: len(writer.handed_in))
        writer.answer(1)
        await first
        await answers.aclose()

    assert {given.deadline for given, _ in writer.handed_in} == {None}


async def test_a_fault_of_ours_fails_its_own_group_alone(caplog: pytest.LogCaptureFixture) -> None:
    writer = FakeWriter()
    async with under_way(Asked(), writer) as (_, answers):
        first = asyncio.ensure_future(anext(answers))
        await settled(lambda: len(writer.handed_in))
        writer.handed_in[0][1].set_exception(ZeroDivisionError("secret"))
        writer.answer(1)
        outcomes = [
            pb.StreamRecordEntriesResponse.FromString(one).outcome
            for one in (await first, await anext(answers))
        ]

    assert told(outcomes) == ["INTERNAL", 0]
    assert "secret" not in str(outcomes)
    assert "secret" in caplog.text
    assert answered_with(outcomes[0].failure.status).metadata["fault_id"] in caplog.text
