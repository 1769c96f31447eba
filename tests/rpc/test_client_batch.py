"""Batches of both clients: against the true service, and against one that fails them."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from pourparler import Client, errors, opening, participant, record_request, statement
from pourparler import v1 as pb
from pourparler.rpc.batch import MAX_BATCH_BYTES, MAX_BATCH_DRAFTS
from pourparler.v1.record_service_pb2_grpc import add_RecordServiceServicer_to_server
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from pourparler_service.transparency.signing_keys import write_key
from tests.support.client_variants import awaited
from tests.support.service_client import failure
from tests.support.signing_keys import signing_key

Connect = Callable[..., Any]

GONE = grpc.StatusCode.UNAVAILABLE


def said(number: object, by: str = "acme", text: str = "Yes.") -> pb.Draft:
    return statement(text, id=f"s-{number}", by=by, occurred="2026-01-01")


def talks(name: str, **more: Any) -> pb.RecordEntriesRequest:
    return record_request(name, opening("Talks"), participant("acme", "Acme"), **more)


REFUSED = failure(pb.ERROR_REASON_NO_EFFECT)
STORE_AWAY = failure(pb.ERROR_REASON_STORE_UNAVAILABLE)
TOO_MANY = failure(pb.ERROR_REASON_OVERLOADED)
MALFORMED = grpc.StatusCode.INVALID_ARGUMENT


class Scripted:
    """A service whose batches go as they are told, in turn; then each group has its receipt.

    Each is a status with which the call ends, or a list of outcomes, None for a receipt.
    """

    def __init__(self) -> None:
        self.scripts: list[Any] = []
        self.came: list[list[str]] = []

    def BatchRecordEntries(
        self, batch: pb.BatchRecordEntriesRequest, context: grpc.ServicerContext
    ) -> pb.BatchRecordEntriesResponse:
        self.came.append([one.request_id for one in batch.requests])
        script = self.scripts.pop(0) if self.scripts else [None] * len(batch.requests)
        if isinstance(script, grpc.StatusCode):
            context.abort(script, "As the test tells it.")
        receipts = [
            pb.RecordOutcome(receipt=pb.Receipt(checkpoint=one.request_id))
            for one in batch.requests
        ]
        return pb.BatchRecordEntriesResponse(
            outcomes=[act or receipts[place] for place, act in enumerate(script)]
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return None


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
    with connect(f"127.0.0.1:{port}", timeout=2.0) as made:
        yield made
    server.stop(None).wait()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running() as at:
        yield at


def groups(count: int) -> list[pb.RecordEntriesRequest]:
    return [record_request(f"n-{one}", said(one), request_id=f"r-{one}") for one in range(count)]


def told(outcomes: Sequence[pb.Receipt | errors.PourparlerError]) -> list[str]:
    """The request id in each receipt, or the name of the error."""
    return [
        one.checkpoint if isinstance(one, pb.Receipt) else type(one).__name__ for one in outcomes
    ]


def test_groups_of_many_negotiations_are_answered_in_their_order_each_on_its_own(
    connect: Connect, address: str, request: pytest.FixtureRequest
) -> None:
    ids = [f"{request.node.callspec.id}-{one}" for one in range(600)]
    batch = [talks(id_) for id_ in ids]
    batch += [
        record_request(id_, said(1, "nobody" if id_.endswith("-7") else "acme")) for id_ in ids
    ]

    with connect(address) as client:
        outcomes = client.record_batch(batch)
        again = client.record_batch(batch)

    error = outcomes[607]
    assert isinstance(error, errors.NotFoundError)
    assert (error.reason, error.metadata["id"]) == ("PART_NOT_FOUND", "nobody")
    assert error.field == "drafts[0].facts.statement_recorded.speakers[0]"
    assert error.request_id == batch[607].request_id
    good = outcomes[:607] + outcomes[608:]
    assert [one.version for one in good] == [2] * 600 + [3] * 599
    assert [one.negotiation for one in outcomes[:600]] == [f"negotiations/{id_}" for id_ in ids]
    assert again[:607] + again[608:] == good


def test_a_batch_of_nothing_asks_nothing(client: Any, scripted: Scripted) -> None:
    assert client.record_batch([]) == []
    assert scripted.came == []


def test_a_check_records_nothing(connect: Connect, address: str) -> None:
    with connect(address) as client:
        (checked,) = client.record_batch([talks("only-checked", validate_only=True)])

        with pytest.raises(errors.NotFoundError):
            client.get_negotiation("only-checked")
    assert checked.version == 2


def test_a_call_that_did_not_arrive_is_repeated_with_its_request_ids(
    client: Any, scripted: Scripted
) -> None:
    scripted.scripts = [GONE, GONE]

    assert told(client.record_batch(groups(3))) == ["r-0", "r-1", "r-2"]
    assert scripted.came == [["r-0", "r-1", "r-2"]] * 3


def test_what_could_not_be_done_for_now_is_sent_again_alone(
    client: Any, scripted: Scripted
) -> None:
    scripted.scripts = [[None, STORE_AWAY, REFUSED, TOO_MANY, None], [None, STORE_AWAY]]

    outcomes = client.record_batch(groups(5))

    assert told(outcomes) == ["r-0", "r-1", "FailedPreconditionError", "r-3", "r-4"]
    assert scripted.came == [["r-0", "r-1", "r-2", "r-3", "r-4"], ["r-1", "r-3"], ["r-3"]]


def test_a_call_that_is_refused_fails_its_own_groups_alone(client: Any, scripted: Scripted) -> None:
    scripted.scripts = [MALFORMED]

    outcomes = client.record_batch(groups(MAX_BATCH_DRAFTS + 2))

    assert told(outcomes) == [*["InvalidArgumentError"] * MAX_BATCH_DRAFTS, "r-1000", "r-1001"]
    assert [one.request_id for one in outcomes[:3]] == ["r-0", "r-1", "r-2"]


@pytest.mark.parametrize(
    "script", [[None, None], [None] * 4, [None, None, pb.RecordOutcome()]], ids=len
)
def test_an_answer_to_something_else_is_a_fault_of_the_service(
    client: Any, scripted: Scripted, script: list[Any]
) -> None:
    scripted.scripts = [script]

    assert told(client.record_batch(groups(3)))[-1] == "InternalError"


def test_a_service_that_stays_away_fails_all_in_the_time_of_one_call(connect: Connect) -> None:
    with connect("127.0.0.1:1", timeout=0.3) as client:
        outcomes = client.record_batch(groups(20 * MAX_BATCH_DRAFTS))

    assert set(told(outcomes)) == {"UnavailableError"}
    assert outcomes[-1].request_id == "r-19999"


def test_calls_are_as_large_as_the_service_takes_and_what_is_larger_fails_alone(
    connect: Connect, address: str, request: pytest.FixtureRequest
) -> None:
    id_ = f"large-{request.node.callspec.id}"
    long = "x" * 50_000
    batch = [talks(id_), *(record_request(id_, said(one, text=long)) for one in range(60))]
    batch.insert(9, record_request(id_, said("a", text="x" * MAX_BATCH_BYTES)))
    batch.insert(4, record_request(id_, *(said(f"b{one}") for one in range(MAX_BATCH_DRAFTS + 1))))

    with connect(address) as client:
        outcomes = client.record_batch(batch)

    few, many = outcomes.pop(10), outcomes.pop(4)
    assert isinstance(few, errors.MessageTooLargeError)
    assert (many.code, many.reason) == ("INVALID_ARGUMENT", "LIMIT_EXCEEDED")
    assert [one.version for one in outcomes] == list(range(2, 63))


def test_what_keys_are_given_the_receipts_have_to_be_signed_with(
    connect: Connect, tmp_path: Path
) -> None:
    write_key(signing_key(), tmp_path / "key")
    settings = Settings(
        data=tmp_path / "data", address="127.0.0.1:0", signing_keys=(tmp_path / "key",)
    )
    key = str(signing_key().verifier_key)
    batch = [
        talks("a"),
        talks("b"),
        record_request("a", said(1)),
        record_request("a", said(2, "nobody")),
    ]
    with running(settings) as at, connect(at, verifier_keys=[key]) as trusting:
        honest = trusting.record_batch(batch)
        seen = trusting.get_checkpoint("a")
    with running() as at, connect(at, verifier_keys=[key]) as trusting:
        forged = trusting.record_batch(batch)

    assert [one.version for one in honest[:3]] == [2, 2, 3]
    assert seen == honest[2].checkpoint
    assert told(honest[3:]) == ["NotFoundError"]
    assert told(forged) == [
        "CheckpointVerificationError",
        "CheckpointVerificationError",
        "CheckpointVerificationError",
        "NotFoundError",
    ]
    assert forged[0].request_id == batch[0].request_id
