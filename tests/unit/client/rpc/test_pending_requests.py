"""The groups of a session without an answer: which are sent, sent again, or failed."""

from concurrent.futures import Future

import pytest

from pourparler import v1 as pb
from pourparler.errors import (
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    MessageTooLargeError,
    PourparlerError,
    UnavailableError,
)
from pourparler.rpc import outcomes
from pourparler.rpc.pending_requests import MAX_PENDING_REQUESTS, PendingRequest, PendingRequests
from pourparler_service.api.error_status import failure_message
from pourparler_service.domain.refusal import RefusalError, Violation

Answer = Future[pb.Receipt]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def unanswered(
    *names: str, stop_on_failure: bool = False, clock: Clock | None = None
) -> PendingRequests[Answer]:
    made: PendingRequests[Answer] = PendingRequests(
        10.0, stop_on_failure=stop_on_failure, clock=clock or Clock()
    )
    for number, name in enumerate(names):
        made.add(group(name, number))
    return made


def group(name: str, number: int = 0, text: str = "") -> PendingRequest[Answer]:
    request = pb.RecordEntriesRequest(negotiation=name, request_id=f"r-{number}")
    request.drafts.add().words.text = text
    return PendingRequest(request, Future())


def sent(waiting: PendingRequests[Answer]) -> list[str]:
    found = []
    while (one := waiting.next_request()) is not None:
        found.append(one.request.request_id)
    return found


def test_all_are_sent_once_in_their_order_and_again_on_another_stream() -> None:
    waiting = unanswered("a", "b", "c")

    first = sent(waiting)
    waiting.complete_first(None)

    assert first == ["r-0", "r-1", "r-2"]
    assert sent(waiting) == []
    assert list(waiting.restart()) == []
    assert sent(waiting) == ["r-1", "r-2"]


def test_it_is_full_with_many_groups_or_with_large_ones() -> None:
    nearly, many = (
        unanswered(*["a"] * (MAX_PENDING_REQUESTS - 1)),
        unanswered(*["a"] * MAX_PENDING_REQUESTS),
    )
    answered = unanswered(*["a"] * MAX_PENDING_REQUESTS)
    answered.next_request()
    answered.complete_first(None)
    large = unanswered()
    was_full = []
    for _ in range(4):
        was_full.append(large.is_full)
        large.add(group("a", text="x" * (1 << 20)))

    assert [nearly.is_full, many.is_full, answered.is_full] == [False, True, False]
    assert [*was_full, large.is_full] == [False] * 4 + [True]


def test_what_ends_a_stream_is_found_by_sending_one_by_one() -> None:
    waiting = unanswered("a", "b", "c")
    sent(waiting)

    assert list(waiting.fail(MessageTooLargeError("Too large."))) == []
    waiting.restart()
    assert sent(waiting) == ["r-0"]
    waiting.complete_first(None)
    assert sent(waiting) == ["r-1"]
    blamed = list(waiting.fail(MessageTooLargeError("Too large.")))

    assert [one.request.request_id for one in blamed] == ["r-1"]
    waiting.restart()
    assert sent(waiting) == ["r-2"]


def test_after_those_that_were_suspected_all_are_sent_at_once_again() -> None:
    waiting = unanswered("a", "b")
    sent(waiting)
    assert list(waiting.fail(InvalidArgumentError("No."))) == []
    waiting.restart()
    for number in range(2):
        assert sent(waiting) == [f"r-{number}"]
        waiting.complete_first(None)

    for number in range(2, 5):
        waiting.add(group("a", number))

    assert sent(waiting) == ["r-2", "r-3", "r-4"]


def test_a_service_that_is_away_fails_all() -> None:
    waiting = unanswered("a", "b", "c")
    waiting.next_request()

    blamed = list(waiting.fail(UnavailableError("Away.")))

    assert [one.request.request_id for one in blamed] == ["r-0", "r-1", "r-2"]
    assert len(waiting) == 0


def test_a_failure_that_passes_is_waited_for_until_the_time_is_over() -> None:
    clock = Clock()
    waiting = unanswered("a", clock=clock)

    late = []
    clock.now += 8
    late.append(waiting.is_late)
    pause = waiting.pause(UnavailableError("Away."))
    assert pause is not None
    assert pause < 2
    clock.now += 3
    late.append(waiting.is_late)

    assert late == [False, True]
    assert waiting.pause(UnavailableError("Away.")) is None
    assert waiting.pause(FailedPreconditionError("No.")) is None


def test_every_answer_and_every_idle_time_begin_a_new_time() -> None:
    clock = Clock()
    waiting = unanswered("a", "b", clock=clock)
    sent(waiting)
    for _ in range(2):
        clock.now += 9
        assert waiting.pause(UnavailableError("Away.")) is not None
        waiting.complete_first(None)
    clock.now += 300
    assert not waiting.is_late
    assert waiting.pause(UnavailableError("Away.")) is None

    waiting.add(group("c"))

    assert waiting.pause(UnavailableError("Away.")) is not None


def test_in_turn_what_follows_a_failure_fails_at_once_or_when_it_would_be_sent_again() -> None:
    waiting = unanswered("a", "b", "a", stop_on_failure=True)
    sent(waiting)
    waiting.complete_first(FailedPreconditionError("No."))
    late = group("a", 3)
    waiting.add(late)

    in_vain = list(waiting.restart())

    assert [one.request.request_id for one in in_vain] == ["r-2"]
    assert sent(waiting) == ["r-1"]
    error = late.future.exception(0)
    assert isinstance(error, FailedPreconditionError)
    assert (error.reason, error.request_id) == ("EARLIER_NOT_RECORDED", "r-3")


def test_an_answer_to_nothing_is_a_fault_of_the_service() -> None:
    with pytest.raises(InternalError):
        unanswered("a").first()


def test_an_error_that_fails_several_names_the_request_of_each() -> None:
    groups = [group("a", 0), group("a", 1)]
    error = UnavailableError("Away.")
    for one in groups:
        one.fail(error)

    errors = [one.future.exception(0) for one in groups]

    assert [isinstance(one, PourparlerError) and one.request_id for one in errors] == ["r-0", "r-1"]


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x02\x0a\x7f", b""], ids=["no", "cut", "empty"])
def test_an_answer_that_cannot_be_read_is_a_fault_of_the_service(data: bytes) -> None:
    with pytest.raises(InternalError):
        outcomes.parse_outcome(data)


def test_a_failure_says_all_that_an_error_would() -> None:
    missing = Violation(
        pb.ERROR_REASON_FIELD_REQUIRED, "drafts[0].words.text", "It needs a text.", {"limit": "3"}
    )

    with pytest.raises(InvalidArgumentError) as caught:
        outcomes.parse_outcome(failed(failure_message(RefusalError([missing]))))

    error = caught.value
    assert (error.reason, error.field) == ("FIELD_REQUIRED", "drafts[0].words.text")
    assert error.metadata["limit"] == "3"
    assert error.violations == (("drafts[0].words.text", "It needs a text.", "FIELD_REQUIRED"),)


def test_a_code_that_is_not_known_is_a_fault_and_details_that_cannot_be_read_are_left_out() -> None:
    failure = pb.RecordFailure()
    failure.status.code = 9_999
    failure.status.message = "No."
    failure.status.details.add(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")

    with pytest.raises(InternalError) as caught:
        outcomes.parse_outcome(failed(failure))

    assert (caught.value.code, caught.value.message) == ("UNKNOWN", "No.")


def failed(failure: pb.RecordFailure) -> bytes:
    outcome = pb.RecordOutcome(failure=failure)
    return pb.StreamRecordEntriesResponse(outcome=outcome).SerializeToString()
