"""Both clients: against a service that answers as the test tells it, and against the true one."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2

import pourparler
from pourparler import (
    Client,
    aio,
    answer,
    as_of,
    errors,
    participant,
    percent,
    position,
    proposal,
    question,
    resolution,
    source,
    statement,
    topic,
)
from pourparler import v1 as pb
from pourparler.v1.audit_service_pb2_grpc import (
    AuditServiceServicer,
    add_AuditServiceServicer_to_server,
)
from pourparler.v1.negotiation_service_pb2_grpc import (
    NegotiationServiceServicer,
    add_NegotiationServiceServicer_to_server,
)
from pourparler.v1.record_service_pb2_grpc import (
    RecordServiceServicer,
    add_RecordServiceServicer_to_server,
)
from pourparler_service.server import running
from tests.support.client_variants import awaited

Connect = Callable[..., Any]

YES = statement("Yes.", id="s-1", by="nissan")
RECEIPT = pb.RecordEntriesResponse(receipt=pb.Receipt(negotiation="negotiations/a", version=1))
COMPLETE = pb.ReplayEntriesResponse(complete=pb.ReplayComplete(entry_count=2))


class Fails(NamedTuple):
    """An answer that is an error."""

    code: grpc.StatusCode
    retry_seconds: float | None = None


class Waits(NamedTuple):
    """An answer that is a while in coming."""

    seconds: float
    then: Any = None


GONE = Fails(grpc.StatusCode.UNAVAILABLE)


class Scripted(RecordServiceServicer, NegotiationServiceServicer, AuditServiceServicer):
    """A service that gives the answers it was given, in turn, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answers: list[Any] = []
        self.came = threading.Event()
        self.left = threading.Event()

    def _answer(self, request: Message, context: grpc.ServicerContext) -> Any:
        self.asked.append(request)
        self.came.set()
        context.add_callback(self.left.set)
        return self._said(self.answers.pop(0), context)

    def _said(self, one: Any, context: grpc.ServicerContext) -> Any:
        if isinstance(one, Waits):
            self.left.wait(one.seconds)
            return one.then
        if not isinstance(one, Fails):
            return one
        if one.retry_seconds is not None:
            retry = error_details_pb2.RetryInfo(
                retry_delay=Duration(nanos=int(one.retry_seconds * 1e9))
            )
            status = status_pb2.Status(details=[Packed()])
            status.details[0].Pack(retry)
            context.set_trailing_metadata(
                (("grpc-status-details-bin", status.SerializeToString()),)
            )
        return context.abort(one.code, "As the test tells it.")

    RecordEntries = GetNegotiation = ListNegotiations = GetStatusReport = _answer
    DiffNegotiation = _answer
    GetCheckpoint = GetInclusionProof = GetConsistencyProof = SearchEntries = _answer

    def BatchRecordEntries(self, request: Any, context: grpc.ServicerContext) -> Any:
        raise NotImplementedError

    def StreamRecordEntries(self, request_iterator: Any, context: grpc.ServicerContext) -> Any:
        raise NotImplementedError

    def ImportNegotiation(self, request_iterator: Any, context: grpc.ServicerContext) -> Any:
        raise NotImplementedError

    def ReplayEntries(
        self, request: pb.ReplayEntriesRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReplayEntriesResponse]:
        self.asked.append(request)
        context.add_callback(self.left.set)
        for one in self.answers.pop(0):
            said = self._said(one, context)
            if said is not None:
                yield said


@pytest.fixture(params=["sync", "asyncio"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes clients of the one kind or of the other, with the same face."""
    if request.param == "sync":
        yield Client
        return
    with asyncio.Runner() as runner:
        yield lambda target, **settings: awaited(runner, target, **settings)


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


@pytest.fixture
def target(scripted: Scripted) -> Iterator[str]:
    server, address = served(scripted)
    yield address
    scripted.left.set()
    server.stop(None).wait()


def served(scripted: Scripted, address: str = "127.0.0.1:0") -> tuple[grpc.Server, str]:
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    add_RecordServiceServicer_to_server(scripted, server)
    add_NegotiationServiceServicer_to_server(scripted, server)
    add_AuditServiceServicer_to_server(scripted, server)
    port = server.add_insecure_port(address)
    server.start()
    return server, f"127.0.0.1:{port}"


@pytest.fixture
def client(connect: Connect, target: str) -> Iterator[Any]:
    with connect(target, timeout=5.0) as made:
        yield made


def entries(*versions: int) -> pb.ReplayEntriesResponse:
    return pb.ReplayEntriesResponse(
        entries=[pb.Entry(header=pb.EntryHeader(version=version)) for version in versions]
    )


def versions(history: Any) -> list[int]:
    return [entry.header.version for entry in history]


def test_a_recording_that_did_not_arrive_is_repeated_as_it_was(
    client: Any, scripted: Scripted
) -> None:
    scripted.answers = [GONE, Fails(grpc.StatusCode.UNAVAILABLE, 0.01), RECEIPT]

    receipt = client.record("a", YES, expected_version=7)

    assert receipt == RECEIPT.receipt
    assert len(scripted.asked) == 3
    assert scripted.asked[0].request_id
    assert scripted.asked[0] == scripted.asked[1] == scripted.asked[2]


def test_an_opening_is_repeated_under_the_id_it_had(client: Any, scripted: Scripted) -> None:
    scripted.answers = [GONE, RECEIPT]

    client.open_negotiation("Alliance")

    first, second = scripted.asked
    assert first == second
    assert first.negotiation == f"negotiations/{first.request_id}"


def test_two_calls_have_two_request_ids_unless_the_caller_gives_one(
    client: Any, scripted: Scripted
) -> None:
    scripted.answers = [RECEIPT] * 3

    client.record("a", YES)
    client.record("a", YES)
    client.record("a", YES, request_id="mine")

    first, second, third = (one.request_id for one in scripted.asked)
    assert first != second
    assert third == "mine"


def test_an_overloaded_service_is_tried_again_when_it_asks_for_that(
    client: Any, scripted: Scripted
) -> None:
    scripted.answers = [Fails(grpc.StatusCode.RESOURCE_EXHAUSTED, 0.1), RECEIPT]

    began = time.monotonic()
    client.record("a", YES)

    assert 0.1 <= time.monotonic() - began < 2.0
    assert scripted.asked[0] == scripted.asked[1]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.ABORTED, errors.VersionMismatchError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.MessageTooLargeError),
        (grpc.StatusCode.FAILED_PRECONDITION, errors.FailedPreconditionError),
        (grpc.StatusCode.INTERNAL, errors.InternalError),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_what_would_fail_again_is_asked_once(
    client: Any,
    scripted: Scripted,
    code: grpc.StatusCode,
    error: type[errors.PourparlerError],
) -> None:
    scripted.answers = [Fails(code)]

    with pytest.raises(error):
        client.record("a", YES)

    assert len(scripted.asked) == 1


def test_the_time_of_a_call_is_bounded_in_all_and_its_request_id_is_told(
    connect: Connect, target: str, scripted: Scripted
) -> None:
    scripted.answers = [GONE] * 100

    began = time.monotonic()
    with (
        connect(target, timeout=0.5) as client,
        pytest.raises(errors.UnavailableError, match="As the test tells it") as failure,
    ):
        client.record("a", YES)

    assert time.monotonic() - began < 2.0
    assert 1 < len(scripted.asked) < 100
    assert failure.value.request_id == scripted.asked[0].request_id


def test_a_service_that_does_not_answer_is_waited_for_as_long_as_was_said(
    connect: Connect, target: str, scripted: Scripted
) -> None:
    scripted.answers = [Waits(5.0)]

    began = time.monotonic()
    with (
        connect(target, timeout=0.3) as client,
        pytest.raises(errors.DeadlineExceededError, match="did not answer in time") as failure,
    ):
        client.record("a", YES)

    assert 0.2 < time.monotonic() - began < 2.0
    assert failure.value.request_id == scripted.asked[0].request_id


def test_reads_are_tried_again_too(client: Any, scripted: Scripted) -> None:
    state = pb.GetNegotiationResponse(negotiation=pb.Negotiation(name="negotiations/a"))
    standing = pb.GetStatusReportResponse(status_report=pb.StatusReport(on_date="2022"))
    difference = pb.DiffNegotiationResponse(changes=[pb.Change(part="topics/t-ev")])
    scripted.answers = [GONE, state, GONE, standing, GONE, difference]

    assert client.get_negotiation("a") == state
    assert client.status_report("a") == standing
    assert client.diff("a") == difference


def test_a_list_turns_its_own_pages(client: Any, scripted: Scripted) -> None:
    def page(*names: str, following: str = "") -> pb.ListNegotiationsResponse:
        return pb.ListNegotiationsResponse(
            negotiations=[pb.NegotiationSummary(name=name) for name in names],
            next_page_token=following,
        )

    scripted.answers = [page("a", "b", following="t1"), GONE, page(following="t2"), page("c")]

    names = [
        one.name
        for one in client.list_negotiations(statuses="open", participant_id="nissan", page_size=2)
    ]

    assert names == ["a", "b", "c"]
    assert [one.page_token for one in scripted.asked] == ["", "t1", "t1", "t2"]
    for request in scripted.asked:
        request.ClearField("page_token")
        assert request == pb.ListNegotiationsRequest(
            page_size=2, statuses=[pb.NEGOTIATION_STATUS_OPEN], participant_id="nissan"
        )


def test_a_search_turns_its_own_pages_and_knows_where_it_found(
    client: Any, scripted: Scripted
) -> None:
    def page(version: int, name: str, following: str = "") -> pb.SearchEntriesResponse:
        hit = pb.SearchHit(entry=pb.Entry(header=pb.EntryHeader(version=version)))
        found = pb.SearchedNegotiation(name=name, title=name.upper())
        return pb.SearchEntriesResponse(hits=[hit], negotiations=[found], next_page_token=following)

    scripted.answers = [page(7, "a", "t1"), GONE, page(3, "b")]

    search = client.search(
        "crane",
        names="a",
        speakers="harbour",
        participants=["freight", "harbour"],
        topics="rent",
        entry_types="statement_recorded",
        bases="direct",
        occur_start_date=date(2023, 5, 1),
        occur_end_date="2023-41",
        occurred_match="definite",
        record_start_time=datetime(1970, 1, 1, second=1, tzinfo=UTC),
        record_end_time=datetime(1970, 1, 1, second=9, tzinfo=UTC),
        only_current=True,
        order="oldest",
        page_size=1,
        viewer_participant_id="freight",
    )
    found = [hit.entry.header.version for hit in search]

    assert found == [7, 3]
    assert {name: one.title for name, one in search.negotiations.items()} == {"a": "A", "b": "B"}
    assert [one.page_token for one in scripted.asked] == ["", "t1", "t1"]
    for request in scripted.asked:
        request.ClearField("page_token")
        assert request == pb.SearchEntriesRequest(
            query="crane",
            names=["negotiations/a"],
            speaker_ids=["harbour"],
            participant_ids=["freight", "harbour"],
            topic_ids=["rent"],
            entry_types=["statement_recorded"],
            bases=[pb.BASIS_DIRECT],
            occur_start_date="2023-05-01",
            occur_end_date="2023-41",
            occurred_match=pb.OCCURRED_MATCH_DEFINITE,
            record_start_time=Timestamp(seconds=1),
            record_end_time=Timestamp(seconds=9),
            only_current=True,
            order=pb.SEARCH_ORDER_OLDEST,
            page_size=1,
            viewer_participant_id="freight",
        )


def test_a_history_asks_for_what_was_said(client: Any, scripted: Scripted) -> None:
    scripted.answers = [[entries(3), COMPLETE]]

    history = client.replay(
        "a",
        after_version=2,
        as_of=11,
        entry_types=["statement_recorded"],
        participants="nissan",
        topics=["t-ev"],
        bases=["on_record", pb.BASIS_DIRECT],
        reverse=True,
        limit=5,
    )

    assert versions(history) == [3]
    assert scripted.asked == [
        pb.ReplayEntriesRequest(
            name="negotiations/a",
            after_version=2,
            as_of=pb.AsOf(version=11),
            entry_types=["statement_recorded"],
            participant_ids=["nissan"],
            topic_ids=["t-ev"],
            bases=[pb.BASIS_ON_RECORD, pb.BASIS_DIRECT],
            reverse=True,
            limit=5,
        )
    ]


def test_a_history_is_whole_and_then_says_where_it_ended(client: Any, scripted: Scripted) -> None:
    second = entries(2)
    second.possible_versions.append(2)
    scripted.answers = [[entries(1), second, COMPLETE]]

    history = client.replay("a")

    assert history.complete is None
    assert versions(history) == [1, 2]
    assert history.complete == COMPLETE.complete
    assert history.possible_versions == {2}


def test_a_history_that_did_not_begin_is_asked_for_again(client: Any, scripted: Scripted) -> None:
    scripted.answers = [[GONE], [GONE], [entries(1, 2), COMPLETE]]

    assert versions(client.replay("a")) == [1, 2]


@pytest.mark.parametrize("end", [[], [GONE]], ids=["quietly", "with an error"])
def test_a_history_that_was_cut_says_so_and_how_far_it_came(
    client: Any, scripted: Scripted, end: list[Fails]
) -> None:
    scripted.answers = [[entries(1), entries(2, 3), *end]]
    read: list[int] = []

    with pytest.raises(errors.IncompleteReplayError, match="cut after version 3") as failure:
        read.extend(entry.header.version for entry in client.replay("a"))

    assert read == [1, 2, 3]
    assert failure.value.last_version == 3
    assert len(scripted.asked) == 1


def test_a_history_that_is_refused_is_refused(client: Any, scripted: Scripted) -> None:
    scripted.answers = [
        [Fails(grpc.StatusCode.NOT_FOUND)],
        [entries(1), Fails(grpc.StatusCode.INTERNAL)],
    ]

    with pytest.raises(errors.NotFoundError):
        versions(client.replay("a"))
    with pytest.raises(errors.InternalError):
        versions(client.replay("a"))


@pytest.mark.parametrize("way", ["close", "with", "drop"])
def test_leaving_a_history_ends_its_call(client: Any, scripted: Scripted, way: str) -> None:
    scripted.answers = [
        [entries(1), entries(2), Waits(30.0)],
        pb.ListNegotiationsResponse(),
    ]

    history = client.replay("a")
    assert next(history).header.version == 1
    assert not scripted.left.is_set()
    if way == "close":
        history.close()
    elif way == "with":
        with history:
            pass
    else:
        del history
        list(client.list_negotiations())  # by the next call, whatever it is, it has been let go of

    assert scripted.left.wait(5.0)


def test_a_history_that_does_not_begin_is_waited_for_as_long_as_was_said(
    connect: Connect, target: str, scripted: Scripted
) -> None:
    scripted.answers = [[Waits(5.0)]]

    began = time.monotonic()
    with (
        connect(target, timeout=0.3) as client,
        pytest.raises(errors.DeadlineExceededError, match="did not begin in time"),
    ):
        versions(client.replay("a"))

    assert 0.2 < time.monotonic() - began < 2.0


def test_a_history_that_has_begun_may_be_read_at_leisure(
    connect: Connect, target: str, scripted: Scripted
) -> None:
    scripted.answers = [[entries(1), Waits(0.5), entries(2), COMPLETE]]

    with connect(target, timeout=0.3) as client:
        history = client.replay("a")
        first = next(history).header.version
        time.sleep(0.4)

        assert [first, *versions(history)] == [1, 2]


def test_a_service_that_is_not_there_cannot_be_reached(connect: Connect) -> None:
    with (
        connect("127.0.0.1:1", timeout=0.3) as client,
        pytest.raises(errors.UnavailableError, match="cannot be reached"),
    ):
        client.get_negotiation("a")


def test_a_service_that_comes_back_in_time_is_found(connect: Connect, scripted: Scripted) -> None:
    first, address = served(scripted)
    scripted.answers = [RECEIPT, RECEIPT]
    with connect(address, timeout=8.0) as client:
        client.record("a", YES)
        first.stop(None).wait()
        back: list[grpc.Server] = []
        timer = threading.Timer(0.5, lambda: back.append(served(scripted, address)[0]))
        timer.start()

        receipt = client.record("a", YES)

    timer.join()
    back[0].stop(None).wait()
    assert receipt == RECEIPT.receipt


def test_a_proxy_for_the_world_outside_is_not_asked(
    connect: Connect, target: str, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    scripted.answers = [RECEIPT]

    with connect(target, timeout=2.0) as client:
        assert client.record("a", YES) == RECEIPT.receipt


def test_a_client_that_is_closed_says_so(connect: Connect, target: str) -> None:
    with connect(target) as client:
        pass
    client.close()

    with pytest.raises(RuntimeError, match="closed"):
        client.get_negotiation("a")
    with pytest.raises(RuntimeError, match="closed"):
        versions(client.replay("a"))


async def test_many_calls_are_made_at_once(target: str, scripted: Scripted) -> None:
    scripted.answers = [GONE] * 10 + [RECEIPT] * 20

    async with aio.Client(target) as client:
        receipts = await asyncio.gather(*(client.record("a", YES) for _ in range(20)))

    assert receipts == [RECEIPT.receipt] * 20
    assert len({one.request_id for one in scripted.asked}) == 20


async def test_a_task_that_is_cancelled_ends_its_call(target: str, scripted: Scripted) -> None:
    scripted.answers = [Waits(30.0, then=RECEIPT)]

    async with aio.Client(target) as client:
        task = asyncio.create_task(client.record("a", YES))
        await asyncio.to_thread(scripted.came.wait, 5.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert await asyncio.to_thread(scripted.left.wait, 5.0)


async def test_a_history_that_a_task_breaks_off_ends_its_call(
    target: str, scripted: Scripted
) -> None:
    scripted.answers = [[entries(1), entries(2), Waits(30.0)]]

    async with aio.Client(target) as client:
        async for entry in client.replay("a"):
            if entry.header.version == 1:
                break

        assert await asyncio.to_thread(scripted.left.wait, 5.0)


def test_a_loop_that_is_broken_off_ends_the_call(target: str, scripted: Scripted) -> None:
    scripted.answers = [[entries(1), entries(2), Waits(30.0)]]

    with Client(target) as client:
        for entry in client.replay("a"):
            if entry.header.version == 1:
                break

        assert scripted.left.wait(5.0)


async def test_a_task_that_is_cancelled_ends_its_history(target: str, scripted: Scripted) -> None:
    scripted.answers = [[entries(1), Waits(30.0)]]

    async with aio.Client(target) as client:
        history = client.replay("a")
        await anext(history)
        task = asyncio.create_task(history.__anext__())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert await asyncio.to_thread(scripted.left.wait, 5.0)


async def test_closing_a_client_gives_up_what_it_waits_for(target: str, scripted: Scripted) -> None:
    scripted.answers = [Waits(30.0, then=RECEIPT)]
    client = aio.Client(target)

    task = asyncio.create_task(client.record("a", YES))
    await asyncio.to_thread(scripted.came.wait, 5.0)
    await client.close()

    with pytest.raises(errors.CallCancelledError, match="closed"):
        await task


def test_closing_a_client_from_another_thread_gives_up_what_it_waits_for(
    target: str, scripted: Scripted
) -> None:
    scripted.answers = [Waits(30.0, then=RECEIPT)]
    client = Client(target)
    threading.Timer(0.2, client.close).start()

    with pytest.raises(errors.CallCancelledError):
        client.record("a", YES)


@pytest.fixture
def service(connect: Connect) -> Iterator[Any]:
    """A client of the true service."""
    with running() as address, connect(address) as made:
        yield made


@pytest.fixture
def talks(service: Any) -> str:
    """Talks of two parties on one topic, at version 4."""
    receipt = service.open_negotiation(
        "Future of the alliance",
        participant("renault", "Renault Group", occurred="2022-10-10"),
        participant("nissan", "Nissan Motor", occurred="2022-10-10"),
        topic("The electric car division", id="t-ev", occurred="2022-10-10"),
        negotiation_id="alliance",
        occurred="2022-10-10",
    )
    return str(receipt.negotiation)


def test_what_was_recorded_is_read_back(service: Any, talks: str) -> None:
    paper = source("src-1", "news", title="A newspaper", published="2022-10")
    offer = proposal(
        "Fifteen per cent of it.",
        by="renault",
        to="nissan",
        about="t-ev",
        terms=[percent("stake", 15, held_by="nissan")],
    )

    receipt = service.record(
        talks,
        position(
            "It wants to keep more than half.",
            by="renault",
            stance="wants",
            about="t-ev",
            terms=[percent("stake", more_than=50, held_by="renault")],
            basis="reported",
            occurred="2022-10",
            sources=paper,
        ),
        offer,
        expected_version=4,
    )
    service.record(talks, answer(offer, "accept", by="nissan"))

    state = service.get_negotiation(talks).negotiation
    assert receipt.version == 6
    assert [entry.header.version for entry in receipt.entries] == [5, 6]
    assert state.version == 7
    assert state.proposals[pourparler.ref(offer)].status == pb.PROPOSAL_STATUS_ACCEPTED
    ((_, held),) = state.positions.items()
    assert held.words.sources == [paper]
    assert not held.origin.confirmed
    (accepted,) = service.status_report(talks).status_report.accepted_proposals
    assert accepted.facts.terms[0].value == "15"


def test_the_record_is_read_as_it_was_and_as_it_had_happened(service: Any, talks: str) -> None:
    service.record(talks, statement("We talk.", by="nissan", occurred="2022-11"))
    service.record(talks, statement("No more.", by="nissan", occurred="2023-41"))
    later = datetime.now(UTC)

    assert service.get_negotiation(talks, as_of=5).negotiation.counts.statements == 1
    assert service.get_negotiation(talks, as_of=later).negotiation.counts.statements == 2
    assert (
        service.get_negotiation(talks, as_of=as_of(4, occur_date="2022-12")).negotiation.version
        == 4
    )
    by_2023 = service.get_negotiation(talks, occur_date="2023-08")
    assert by_2023.negotiation.counts.statements == 1
    assert by_2023.possible_state.counts.statements == 2
    assert by_2023.possible_versions[-1] == 6
    history = service.replay(talks, occur_date="2023-08")
    assert versions(history)[-1] == 6
    assert 6 in history.possible_versions


def test_a_refusal_says_which_draft_and_why_and_records_nothing(service: Any, talks: str) -> None:
    with pytest.raises(errors.NotFoundError) as failure:
        service.record(
            talks,
            statement("Yes.", by="nissan"),
            statement("No.", by="daimler"),
        )

    assert failure.value.reason == "PART_NOT_FOUND"
    assert failure.value.field == "drafts[1].facts.statement_recorded.speakers[0]"
    assert service.get_negotiation(talks).negotiation.version == 4


def test_a_request_that_is_not_well_formed_hears_of_all_of_it(service: Any, talks: str) -> None:
    with pytest.raises(errors.InvalidArgumentError) as failure:
        service.record(talks, statement("", by="nissan"), statement("No.", by="Daimler AG"))

    fields = [one.field for one in failure.value.violations]
    assert "drafts[0].words.text" in fields
    assert failure.value.violations[0].reason


def test_a_version_that_was_not_expected_is_told(service: Any, talks: str) -> None:
    with pytest.raises(errors.VersionMismatchError) as failure:
        service.record(talks, statement("Yes.", by="nissan"), expected_version=3)

    assert (failure.value.expected, failure.value.current) == (3, 4)


def test_a_request_repeated_gives_its_first_receipt(service: Any, talks: str) -> None:
    said = statement("Yes.", by="nissan")

    first = service.record(talks, said, request_id="once")
    again = service.record(talks, said, request_id="once")

    assert first == again
    assert service.get_negotiation(talks).negotiation.version == 5
    with pytest.raises(errors.AlreadyExistsError) as failure:
        service.record(talks, statement("No.", by="nissan"), request_id="once")
    assert failure.value.reason == "REQUEST_ID_REUSED"


def test_an_opening_repeated_with_its_request_id_opens_one_negotiation(service: Any) -> None:
    when = datetime.now(UTC)

    first = service.open_negotiation("Alliance", request_id="first-try", occurred=when)
    again = service.open_negotiation("Alliance", request_id="first-try", occurred=when)
    own_words = service.open_negotiation("Alliance", request_id="Monday's import", occurred=when)
    same_words = service.open_negotiation("Alliance", request_id="Monday's import", occurred=when)

    assert first == again
    assert first.negotiation == "negotiations/first-try"
    assert own_words == same_words
    assert len(list(service.list_negotiations())) == 2


def test_a_check_records_nothing(service: Any, talks: str) -> None:
    receipt = service.record(talks, statement("Yes.", by="nissan"), validate_only=True)

    assert receipt.version == 5
    assert service.get_negotiation(talks, view="basic").negotiation.version == 4


def test_the_history_is_what_the_receipts_said(service: Any, talks: str) -> None:
    asked = question("How many?", id="q-1", about="t-ev", to="nissan")
    receipt = service.record(talks, asked, resolution(asked, answer="None."))

    assert list(service.replay(talks, after_version=4)) == list(receipt.entries)
    assert versions(service.replay(talks, entry_types="question_raised")) == [5]
    assert versions(service.replay(talks, reverse=True, limit=2)) == [6, 5]
    limited = service.replay(talks, limit=2)
    assert versions(limited) == [1, 2]
    assert limited.complete.limited


def test_what_changed_between_two_points_is_told(service: Any, talks: str) -> None:
    service.record(talks, topic("Governance", id="t-governance"))

    changes = service.diff(talks, start=4, end=5).changes

    assert "topics/t-governance" in [change.part for change in changes]


def test_all_pages_of_a_list_are_read(service: Any) -> None:
    for number in range(5):
        service.open_negotiation(f"Talks {number}", negotiation_id=f"talks-{number}")

    names = [one.name for one in service.list_negotiations(page_size=2, title_contains="talks")]

    assert names == [f"negotiations/talks-{number}" for number in range(5)]


def test_a_negotiation_that_there_is_not_is_not_found(service: Any) -> None:
    for ask in (
        service.get_negotiation,
        service.status_report,
        service.diff,
        lambda name: next(service.replay(name)),
    ):
        with pytest.raises(errors.NotFoundError) as failure:
            ask("nowhere")
        assert failure.value.reason == "NEGOTIATION_NOT_FOUND"
