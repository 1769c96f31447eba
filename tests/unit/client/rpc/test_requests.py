"""When a call is tried again, with which ids, and when a replay is whole."""

import uuid
from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

import pourparler
from pourparler import errors, statement
from pourparler import v1 as pb
from pourparler.rpc import requests
from pourparler.rpc.retry import RetryBudget
from pourparler.rpc.streams import ReplayProgress

GONE = errors.UnavailableError("Gone.")


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def longest(_low: float, high: float) -> float:
    return high


def test_a_call_that_did_not_arrive_is_tried_again_after_longer_and_longer_pauses() -> None:
    budget = RetryBudget(60.0, clock=Clock(), jitter=longest)

    pauses = [budget.pause(GONE) for _ in range(8)]

    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_the_pause_is_drawn_from_nothing_up() -> None:
    drawn = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    budget = RetryBudget(60.0, clock=Clock(), jitter=draw)

    assert [budget.pause(GONE), budget.pause(GONE)] == [0.0, 0.0]
    assert drawn == [(0.0, 0.05), (0.0, 0.1)]


def test_what_the_service_asks_to_wait_is_waited_and_a_little_more() -> None:
    budget = RetryBudget(60.0, clock=Clock(), jitter=longest)

    assert budget.pause(errors.ResourceExhaustedError("Too much.", retry_after=0.5)) == 0.55
    assert budget.pause(errors.UnavailableError("Shutting down.", retry_after=1.0)) == 1.1


def test_a_call_is_made_once_more_with_what_is_renewed() -> None:
    failed = []

    def renew_token(error: errors.PourparlerError) -> bool:
        failed.append(error)
        return isinstance(error, errors.UnauthenticatedError)

    budget = RetryBudget(60.0, renew_token=renew_token, clock=Clock(), jitter=longest)
    expired = errors.UnauthenticatedError("Expired.")

    assert [budget.pause(error) for error in (GONE, expired, expired)] == [0.05, 0.0, None]
    assert failed == [GONE, expired, expired]


def test_no_pause_goes_beyond_the_time_there_is() -> None:
    clock = Clock()
    budget = RetryBudget(1.0, clock=clock, jitter=longest)

    clock.now += 0.96

    assert budget.remaining_seconds() == pytest.approx(0.04)
    assert budget.pause(GONE) is None
    clock.now += 9
    assert budget.remaining_seconds() == 0.0


@pytest.mark.parametrize(
    "error",
    [
        errors.VersionMismatchError("At 9."),
        errors.FailedPreconditionError("Not open."),
        errors.InvalidArgumentError("No id."),
        errors.NotFoundError("None."),
        errors.AlreadyExistsError("Used."),
        errors.MessageTooLargeError("Too large."),
        errors.ResourceExhaustedError("Too much, and no word of when to come back."),
        errors.DeadlineExceededError("Late."),
        errors.CallCancelledError("Given up."),
        errors.InternalError("At fault."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_nothing_else_is_tried_again(error: errors.PourparlerError) -> None:
    assert RetryBudget(60.0).pause(error) is None


def test_a_new_id_is_a_uuid_of_version_7_and_begins_with_the_time() -> None:
    before = int(datetime.now(UTC).timestamp() * 1000)

    made = uuid.UUID(requests.new_id())

    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert before <= made.int >> 80 <= before + 60_000
    assert requests.new_id() != str(made)


def test_a_new_negotiation_has_the_id_of_its_request_so_that_a_repetition_finds_it() -> None:
    request = requests.open_negotiation_request(None, [], None, validate_only=False)
    again = requests.open_negotiation_request(None, [], request.request_id, validate_only=False)

    assert request.negotiation == f"negotiations/{request.request_id}"
    assert request.expected_version == 0
    assert request.HasField("expected_version")
    assert again == request


def test_a_request_id_that_cannot_be_an_id_leaves_it_to_the_service_to_make_one() -> None:
    request = requests.open_negotiation_request(None, [], "Import of Monday", validate_only=False)

    assert request.negotiation == ""
    assert request.request_id == "Import of Monday"


def test_the_id_that_is_given_is_the_id() -> None:
    request = requests.open_negotiation_request("alliance", [], "r1", validate_only=True)

    assert request.negotiation == "negotiations/alliance"
    assert request.validate_only


def test_every_request_to_record_has_an_id_of_its_own() -> None:
    yes = statement("Yes.", by="nissan")
    one = requests.record_request("alliance", yes)
    other = requests.record_request("negotiations/alliance", yes, expected_version=0)

    assert one.negotiation == other.negotiation == "negotiations/alliance"
    assert uuid.UUID(one.request_id) != uuid.UUID(other.request_id)
    assert not one.HasField("expected_version")
    assert other.HasField("expected_version")


def test_a_point_is_a_version_an_instant_or_the_three_clocks() -> None:
    noon = datetime(2022, 10, 10, 12, tzinfo=UTC)

    by_version = requests.get_negotiation_request("a", 11, None, "basic")
    by_time = requests.status_report_request("a", noon, "2021", "2022-12-31")
    by_all = requests.diff_request(
        "a", pourparler.as_of(3, occur_date="2021"), pourparler.as_of(record_time=noon)
    )

    assert by_version == pb.GetNegotiationRequest(
        name="negotiations/a", as_of=pb.AsOf(version=11), view=pb.NEGOTIATION_VIEW_BASIC
    )
    assert by_time == pb.GetStatusReportRequest(
        name="negotiations/a",
        as_of=pb.AsOf(record_time=Timestamp(seconds=int(noon.timestamp())), occur_date="2021"),
        on_date="2022-12-31",
    )
    assert by_all.start == pb.AsOf(version=3, occur_date="2021")
    assert by_all.end == pb.AsOf(record_time=Timestamp(seconds=int(noon.timestamp())))


def test_now_is_asked_for_by_saying_nothing_and_version_0_by_saying_0() -> None:
    assert not requests.get_negotiation_request("a", None, None, "full").HasField("as_of")
    assert requests.get_negotiation_request("a", 0, None, "full").as_of.HasField("version")
    assert requests.get_negotiation_request("a", None, "2021", "full").as_of == pb.AsOf(
        occur_date="2021"
    )


def test_a_point_that_is_given_is_not_changed_and_has_one_date() -> None:
    given = pb.AsOf(version=3)

    assert requests.get_negotiation_request("a", given, "2021", "full").as_of.occur_date == "2021"
    assert given == pb.AsOf(version=3)
    with pytest.raises(ValueError, match="once, not twice"):
        requests.get_negotiation_request("a", pb.AsOf(occur_date="2020"), "2021", "full")


def entry(version: int) -> pb.Entry:
    return pb.Entry(header=pb.EntryHeader(version=version))


def test_a_replay_is_whole_when_it_says_so() -> None:
    progress = ReplayProgress()

    taken = list(progress.add(pb.ReplayEntriesResponse(entries=[entry(1)], possible_versions=[1])))
    progress.add(pb.ReplayEntriesResponse(complete=pb.ReplayComplete(entry_count=1)))
    progress.end()

    assert taken == [entry(1)]
    assert progress.possible_versions == {1}
    assert progress.complete == pb.ReplayComplete(entry_count=1)


def test_a_replay_that_ends_without_a_word_was_cut() -> None:
    progress = ReplayProgress()
    progress.add(pb.ReplayEntriesResponse(entries=[entry(1), entry(2)]))

    with pytest.raises(errors.IncompleteReplayError, match="cut after version 2") as cut:
        progress.end()

    assert cut.value.last_version == 2
    with pytest.raises(errors.IncompleteReplayError, match="cut before its first entry"):
        ReplayProgress().end()


def test_a_replay_that_breaks_off_says_how_far_it_came_unless_it_was_refused() -> None:
    progress = ReplayProgress()
    progress.add(pb.ReplayEntriesResponse(entries=[entry(7)]))
    refusal = errors.InternalError("At fault.")

    broken = progress.error_after(errors.UnavailableError("Gone.", reason="SHUTTING_DOWN"))

    assert isinstance(broken, errors.IncompleteReplayError)
    assert (broken.last_version, broken.reason) == (7, "SHUTTING_DOWN")
    assert progress.error_after(refusal) is refusal
