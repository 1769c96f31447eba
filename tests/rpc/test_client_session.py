"""Sessions of both clients: against the true service, and against one that cuts them."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from pourparler import Client, errors, participant, statement
from pourparler import v1 as pb
from pourparler.v1.record_service_pb2_grpc import add_RecordServiceServicer_to_server
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from pourparler_service.transparency.signing_keys import write_key
from tests.support.client_variants import awaited
from tests.support.service_client import failure
from tests.support.service_process import apart
from tests.support.signing_keys import signing_key

Connect = Callable[..., Any]

GONE = grpc.StatusCode.UNAVAILABLE
SILENCE = object()


def said(number: object, by: str = "acme") -> pb.Draft:
    return statement("Yes.", id=f"s-{number}", by=by, occurred="2026-01-01")


def receipt(request: pb.RecordEntriesRequest) -> pb.RecordOutcome:
    """A receipt in which the request is known again."""
    return pb.RecordOutcome(
        receipt=pb.Receipt(negotiation=request.negotiation, checkpoint=request.request_id)
    )


REFUSED = failure(pb.ERROR_REASON_NO_EFFECT)
STORE_AWAY = failure(pb.ERROR_REASON_STORE_UNAVAILABLE)


class Scripted:
    """A service whose sessions go as they are told, in turn; the last of them as long as it takes.

    Each is a list of what it does for the groups that come: an outcome, None for a receipt, or a
    status with which it ends.
    """

    def __init__(self) -> None:
        self.scripts: list[list[Any]] = []
        self.came: list[list[pb.StreamRecordEntriesRequest]] = []
        self.left = threading.Event()
        self.poison = ""

    def StreamRecordEntries(
        self, groups: Iterator[pb.StreamRecordEntriesRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.StreamRecordEntriesResponse]:
        came: list[pb.StreamRecordEntriesRequest] = []
        self.came.append(came)
        script = self.scripts.pop(0) if self.scripts else []
        for one in groups:
            came.append(one)
            act = script.pop(0) if script else None
            if one.request.request_id == self.poison:
                act = grpc.StatusCode.INVALID_ARGUMENT
            if act is SILENCE:
                context.add_callback(self.left.set)
                self.left.wait(20)
                return
            if isinstance(act, grpc.StatusCode):
                context.abort(act, "As the test tells it.")
            yield pb.StreamRecordEntriesResponse(outcome=act or receipt(one.request))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return None

    def ids(self) -> list[list[str]]:
        return [[one.request.request_id for one in came] for came in self.came]


@pytest.fixture(params=["sync", "asyncio"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    if request.param == "sync":
        yield Client
        return
    with asyncio.Runner() as runner:
        yield lambda target, **settings: awaited(runner, target, **settings)


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


@pytest.fixture
def client(connect: Connect, scripted: Scripted) -> Iterator[Any]:
    """A client of the scripted service."""
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    add_RecordServiceServicer_to_server(scripted, server)  # type: ignore[arg-type]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with connect(f"127.0.0.1:{port}", timeout=5.0) as made:
        yield made
    scripted.left.set()
    server.stop(None).wait()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running() as at:
        yield at


def recorded(client: Any, *names: str, **settings: Any) -> list[Any]:
    """A statement for each name, numbered; what is waited for, when all is answered."""
    with client.record_stream(**settings) as session:
        return [
            session.record(name, said(number), request_id=f"r-{number}")
            for number, name in enumerate(names)
        ]


def told(answers: list[Any]) -> list[str]:
    """The request id in each receipt, or the name of the error."""
    return [
        type(one.exception()).__name__ if one.exception() else str(one.result().checkpoint)
        for one in answers
    ]


def test_receipts_come_in_the_order_of_the_groups_and_a_failure_is_alone(
    connect: Connect, address: str
) -> None:
    with connect(address) as client:
        opened = client.open_negotiation("Talks", participant("acme", "Acme"))
        with client.record_stream() as session:
            answers = [
                session.record(
                    opened.negotiation, said(number, "nobody" if number == 7 else "acme")
                )
                for number in range(600)
            ]
        there = client.get_negotiation(opened.negotiation).computed_at.version

    error = answers.pop(7).exception()
    assert [one.result().version for one in answers] == list(range(3, 602))
    assert there == 601
    assert isinstance(error, errors.NotFoundError)
    assert (error.reason, error.metadata["id"]) == ("PART_NOT_FOUND", "nobody")
    assert error.field == "drafts[0].facts.statement_recorded.speakers[0]"
    assert error.request_id


def test_in_turn_what_follows_a_failure_in_its_negotiation_fails(
    connect: Connect, address: str
) -> None:
    with connect(address) as client:
        names = [
            client.open_negotiation("Talks", participant("acme", "Acme")).negotiation
            for _ in range(2)
        ]
        with client.record_stream(stop_on_failure=True) as session:
            answers = [
                session.record(names[number % 2], said(number, "nobody" if number == 4 else "acme"))
                for number in range(10)
            ]
        versions = [client.get_negotiation(name).computed_at.version for name in names]

    reasons = [getattr(one.exception(), "reason", "") for one in answers]
    assert reasons[::2] == [
        "",
        "",
        "PART_NOT_FOUND",
        "EARLIER_NOT_RECORDED",
        "EARLIER_NOT_RECORDED",
    ]
    assert reasons[1::2] == [""] * 5
    assert versions == [4, 7]


def test_whoever_leaves_by_an_exception_gives_up_what_was_not_taken_up(
    client: Any, scripted: Scripted
) -> None:
    scripted.scripts = [[None, SILENCE]]
    answers: list[Any] = []

    def leave() -> None:
        with client.record_stream() as session:
            answers.extend(session.record("a", said(one), request_id=f"r-{one}") for one in "012")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        leave()

    assert set(told(answers[1:])) == {"CallCancelledError"}


@pytest.mark.parametrize("end", [GONE, STORE_AWAY], ids=["the stream", "the store"])
def test_what_has_no_answer_is_sent_again_with_its_request_id(
    client: Any, scripted: Scripted, end: object
) -> None:
    scripted.scripts = [[None, None, end], [end], [None, end]]

    answers = recorded(client, *"abcdef")

    assert told(answers) == [f"r-{number}" for number in range(6)]
    assert [came[0] for came in scripted.ids()] == ["r-0", "r-2", "r-2", "r-3"]
    assert scripted.ids()[-1] == ["r-3", "r-4", "r-5"]


def test_in_turn_what_follows_a_failure_is_not_sent_again_on_another_stream(
    client: Any, scripted: Scripted
) -> None:
    scripted.scripts = [[REFUSED, GONE]]

    answers = recorded(client, *"abaab", stop_on_failure=True)

    assert told(answers) == [
        "FailedPreconditionError",
        "r-1",
        "FailedPreconditionError",
        "FailedPreconditionError",
        "r-4",
    ]
    assert scripted.ids()[1] == ["r-1", "r-4"]
    assert {one.stop_on_failure for came in scripted.came for one in came} == {True}


def test_a_service_that_stays_away_fails_all_in_time(connect: Connect) -> None:
    with connect("127.0.0.1:1", timeout=0.5) as client:
        began = time.monotonic()
        answers = recorded(client, "a", "b")
        took = time.monotonic() - began

    assert told(answers) == ["UnavailableError", "UnavailableError"]
    assert [one.exception().request_id for one in answers] == ["r-0", "r-1"]
    assert took < 5


def test_what_ends_every_stream_on_which_it_comes_fails_alone(
    client: Any, scripted: Scripted
) -> None:
    scripted.poison = "r-3"

    answers = recorded(client, *"abcdefg")

    assert told(answers) == [
        *("r-0", "r-1", "r-2"),
        "InvalidArgumentError",
        *("r-4", "r-5", "r-6"),
    ]


def test_a_service_that_does_not_answer_is_not_waited_for_without_end(
    scripted: Scripted, client: Any
) -> None:
    scripted.scripts = [[None, SILENCE]]
    with client.record_stream() as session:
        answers = [session.record("a", said(one), request_id=f"r-{one}") for one in range(3)]

    assert told(answers) == ["r-0", "DeadlineExceededError", "DeadlineExceededError"]


def test_an_answer_that_says_nothing_is_a_fault_of_the_service(
    client: Any, scripted: Scripted
) -> None:
    scripted.scripts = [[pb.RecordOutcome(), failure(pb.ERROR_REASON_INTERNAL)]]

    assert told(recorded(client, "a", "b", "c")) == ["InternalError", "InternalError", "r-2"]


@pytest.mark.parametrize("size", [2 << 20, 6 << 20], ids=["for the service", "for gRPC"])
def test_a_group_that_is_too_large_fails_alone(connect: Connect, address: str, size: int) -> None:
    with connect(address) as client:
        name = client.open_negotiation("Talks", participant("acme", "Acme")).negotiation
        with client.record_stream() as session:
            answers = [
                session.record(
                    name, said(one) if one != 5 else statement("x" * size, id="s", by="acme")
                )
                for one in range(20)
            ]

    error = answers.pop(5).exception()
    assert isinstance(error, errors.MessageTooLargeError)
    assert [one.result().version for one in answers] == list(range(3, 22))


def test_a_session_that_was_left_takes_no_more(client: Any) -> None:
    with client.record_stream() as session:
        pass

    with pytest.raises(RuntimeError):
        session.record("a", said(1))


def test_what_keys_are_given_the_receipts_have_to_be_signed_with(
    connect: Connect, tmp_path: Path
) -> None:
    write_key(signing_key(), tmp_path / "key")
    settings = Settings(
        data=tmp_path / "data", address="127.0.0.1:0", signing_keys=(tmp_path / "key",)
    )
    key = str(signing_key().verifier_key)
    with running(settings) as at, connect(at, verifier_keys=[key]) as trusting:
        name = trusting.open_negotiation("Talks", participant("acme", "Acme")).negotiation
        honest = recorded(trusting, name, name, name)
    with running() as at, connect(at, verifier_keys=[key]) as trusting, connect(at) as trustful:
        name = trustful.open_negotiation("Talks", participant("acme", "Acme")).negotiation
        forged = recorded(trusting, name)

    assert [one.result().version for one in honest] == [3, 4, 5]
    assert told(forged) == ["CheckpointVerificationError"]


@pytest.mark.slow
def test_through_a_death_of_the_service_nothing_is_lost_or_doubled(
    connect: Connect, tmp_path: Path
) -> None:
    def record(client: Any, number: int, session: Any) -> Any:
        return session.record("talks", said(number), request_id=f"r-{number}")

    with apart(tmp_path) as service, connect(service.address, timeout=1.0) as client:
        client.open_negotiation("Talks", participant("acme", "Acme"), negotiation_id="talks")
        with client.record_stream() as session:
            before = [record(client, number, session) for number in range(1_000)]
            service.kill()
            before += [record(client, number, session) for number in range(1_000, 1_200)]
    with apart(tmp_path) as service, connect(service.address) as client:
        survived = client.get_negotiation("talks").computed_at.version
        with client.record_stream() as session:
            after = [record(client, number, session) for number in range(1_200)]
        history = [one.facts.request_id for one in client.replay("talks", after_version=2)]

    answered = [one for one in before if one.exception() is None]
    assert 700 <= len(answered) <= survived - 2
    assert {type(one.exception()).__name__ for one in before[len(answered) :]} == {
        "UnavailableError"
    }
    assert [one.result() for one in answered] == [one.result() for one in after[: len(answered)]]
    assert history == [f"r-{number}" for number in range(1_200)]
