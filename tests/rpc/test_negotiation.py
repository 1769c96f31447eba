"""Asking for states, lists, standings and differences over the wire."""

from collections.abc import Callable
from datetime import UTC, datetime

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from tests.support.sample_entries import draft, joined, offered, opened, said, topic
from tests.support.service_client import Service, refused


@pytest.fixture(scope="module")
def talks(service: Service) -> Service:
    """An opening, statements of 2021 and 2022, an offer, a correction of the first statement."""
    service.record("talks", opened(), joined("a"), joined("b"), topic("t"))
    early, late = said("early", "a"), said("late", "b")
    early.facts.occurred.edtf = "2021"
    late.facts.occurred.edtf = "2022"
    service.record("talks", early, late)
    service.record("talks", offered("o", ["a"], ["b"], topics=["t"]))
    replacement = said("early", "a")
    replacement.facts.occurred.edtf = "2022-06"
    correction = pb.EntryCorrected(
        target_version=5,
        mode=pb.CORRECTION_MODE_REPLACE,
        kind=pb.CORRECTION_KIND_RECORDER,
        replacement=replacement.facts,
    )
    words = pb.Words(text="Said later", correction_reason="A slip")
    service.record("talks", draft(correction, words))
    return service


def test_now_is_the_latest_version(talks: Service) -> None:
    response = talks.state("talks")

    assert response.computed_at.version == 8
    assert response.negotiation.version == 8
    assert response.negotiation.statements["early"].words.text == "Said later"
    assert set(response.negotiation.proposals) == {"o"}
    assert not response.HasField("possible_state")


def test_the_same_state_is_answered_with_the_same_bytes(service: Service) -> None:
    def answer(view: pb.NegotiationView.ValueType) -> bytes:
        request = pb.GetNegotiationRequest(name="negotiations/same", view=view)
        method = "/pourparler.v1.NegotiationService/GetNegotiation"
        found: bytes = service.raw(method, request.SerializeToString())
        return found

    service.record("same", opened(), *(joined(f"p{n}") for n in range(50)))
    full, short = answer(pb.NEGOTIATION_VIEW_FULL), answer(pb.NEGOTIATION_VIEW_BASIC)

    assert {answer(pb.NEGOTIATION_VIEW_FULL) for _ in range(5)} == {full}
    assert {answer(pb.NEGOTIATION_VIEW_BASIC) for _ in range(5)} == {short}
    service.record("same", topic("t"))
    assert (
        "t"
        in pb.GetNegotiationResponse.FromString(answer(pb.NEGOTIATION_VIEW_FULL)).negotiation.topics
    )
    assert (
        "t"
        in pb.GetNegotiationResponse.FromString(
            answer(pb.NEGOTIATION_VIEW_BASIC)
        ).negotiation.topics
    )


def test_who_has_a_receipt_reads_its_entry(service: Service) -> None:
    service.record("own", opened(), joined("a"))
    for number in range(30):
        receipt = service.record("own", said(f"s{number}", "a"))
        for _ in range(3):
            response = service.state("own")
            assert response.computed_at.version == receipt.version
            assert f"s{number}" in response.negotiation.statements


def test_what_is_known_answers_no_other_question(service: Service) -> None:
    service.record("known", opened(), joined("a"))
    assert service.state("known").negotiation.version == 2

    strange = pb.GetNegotiationRequest(name="negotiations/known", view=9)  # type: ignore[arg-type]
    answered = refused(lambda: service.negotiations.GetNegotiation(strange))
    nameless = pb.GetNegotiationRequest(name="known")

    assert answered.reason == "ENUM_UNKNOWN"
    assert refused(lambda: service.negotiations.GetNegotiation(nameless)).fields == ["name"]
    assert service.state("known", pb.AsOf(version=1)).negotiation.version == 1


def test_a_standing_is_that_of_the_latest_version_and_the_day(service: Service) -> None:
    def asked(on_date: str = "") -> pb.GetStatusReportResponse:
        request = pb.GetStatusReportRequest(name="negotiations/days", on_date=on_date)
        answer: pb.GetStatusReportResponse = service.negotiations.GetStatusReport(request)
        return answer

    service.record("days", opened(), joined("a"))

    for _ in range(2):
        assert asked("2026-05-01").status_report.on_date == "2026-05-01"
        assert asked("2026-06-01").status_report.on_date == "2026-06-01"
        assert asked().computed_at.version == 2
    service.record("days", joined("b"))
    assert asked("2026-05-01").computed_at.version == asked().computed_at.version == 3


def test_basic_gives_the_head_the_participants_and_the_topics(talks: Service) -> None:
    request = pb.GetNegotiationRequest(name="negotiations/talks", view=pb.NEGOTIATION_VIEW_BASIC)

    state = talks.negotiations.GetNegotiation(request).negotiation

    assert (set(state.participants), set(state.topics)) == ({"a", "b"}, {"t"})
    assert not state.statements
    assert state.counts.statements == 2


def test_a_version_is_read_as_the_record_was_then(talks: Service) -> None:
    response = talks.state("talks", pb.AsOf(version=6))

    assert response.negotiation.statements["early"].words.text == "A text"
    assert not response.negotiation.proposals


def test_a_record_time_is_read_as_the_record_was_then(talks: Service) -> None:
    entries = [entry for part in talks.replay("talks") for entry in part.entries]

    response = talks.state("talks", pb.AsOf(record_time=entries[5].header.record_time))

    assert response.computed_at.version == 6
    assert response == talks.state("talks", pb.AsOf(version=6))


def test_a_date_is_read_as_things_had_happened_by_then(talks: Service) -> None:
    response = talks.state("talks", pb.AsOf(occur_date="2021"))
    before = talks.state("talks", pb.AsOf(occur_date="2021", version=6))

    assert "early" not in response.negotiation.statements
    assert "early" in before.negotiation.statements
    assert response.HasField("possible_state")
    assert "late" not in response.possible_state.statements


@pytest.mark.parametrize(
    ("as_of", "reason", "field"),
    [
        (pb.AsOf(version=9), "VERSION_NOT_FOUND", "as_of.version"),
        (pb.AsOf(occur_date="soon"), "DATE_INVALID", "as_of.occur_date"),
        (
            pb.AsOf(version=1, record_time=Timestamp(seconds=1)),
            "AS_OF_INVALID",
            "as_of.record_time",
        ),
        (
            pb.AsOf(record_time=Timestamp(seconds=1 << 60)),
            "FIELD_INVALID",
            "as_of.record_time",
        ),
        (pb.AsOf(record_time=Timestamp(nanos=-1)), "FIELD_INVALID", "as_of.record_time"),
    ],
    ids=["later version", "no date", "two clocks", "beyond the calendar", "no time"],
)
def test_a_point_that_cannot_be_is_refused(
    talks: Service, as_of: pb.AsOf, reason: str, field: str
) -> None:
    answered = refused(lambda: talks.state("talks", as_of))

    assert (answered.reason, answered.field) == (reason, field)
    for call in (
        lambda: talks.negotiations.GetStatusReport(
            pb.GetStatusReportRequest(name="negotiations/talks", as_of=as_of)
        ),
        lambda: talks.replay("talks", as_of=as_of),
    ):
        assert refused(call)[2:4] == answered[2:4]


@pytest.mark.parametrize(
    "call",
    [
        lambda s, name: s.negotiations.GetNegotiation(pb.GetNegotiationRequest(name=name)),
        lambda s, name: s.negotiations.GetStatusReport(pb.GetStatusReportRequest(name=name)),
        lambda s, name: s.negotiations.DiffNegotiation(pb.DiffNegotiationRequest(name=name)),
        lambda s, name: list(s.audits.ReplayEntries(pb.ReplayEntriesRequest(name=name))),
    ],
    ids=["state", "standing", "difference", "replay"],
)
def test_a_negotiation_is_asked_for_by_a_name_that_it_has(
    service: Service, call: Callable[[Service, str], object]
) -> None:
    unknown = refused(lambda: call(service, "negotiations/unknown"))
    assert (unknown.code, unknown.reason) == (
        grpc.StatusCode.NOT_FOUND,
        "NEGOTIATION_NOT_FOUND",
    )
    nameless = refused(lambda: call(service, ""))
    assert (nameless.reason, nameless.field) == ("FIELD_REQUIRED", "name")
    wrong = refused(lambda: call(service, "negotiations/\u202etxt"))
    assert (wrong.reason, wrong.field) == ("ID_INVALID", "name")
    assert "\u202e" not in wrong.text


def test_an_unknown_view_is_refused(talks: Service) -> None:
    request = pb.GetNegotiationRequest(name="negotiations/talks", view=7)  # type: ignore[arg-type]

    answered = refused(lambda: talks.negotiations.GetNegotiation(request))

    assert (answered.reason, answered.field) == ("ENUM_UNKNOWN", "view")


def test_the_standing_is_reckoned_against_the_day_that_is_asked_for(talks: Service) -> None:
    def standing(**more: object) -> pb.StatusReport:
        request = pb.GetStatusReportRequest(name="negotiations/talks", **more)  # type: ignore[arg-type]
        found: pb.StatusReport = talks.negotiations.GetStatusReport(request).status_report
        return found

    now = standing()
    assert now.on_date == datetime.now(UTC).date().isoformat()
    assert [one.proposal_ids for one in now.answers_due] == [["o"]]
    assert standing(on_date="2030").on_date == "2030"
    assert standing(as_of=pb.AsOf(occur_date="2022-07")).on_date == "2022-07"
    recorded = Timestamp(seconds=32_503_680_000)
    assert standing(as_of=pb.AsOf(record_time=recorded)).on_date == "3000-01-01"
    answered = refused(lambda: standing(on_date="never"))
    assert (answered.reason, answered.field) == ("DATE_INVALID", "on_date")


def test_a_difference_is_from_the_beginning_until_now_unless_it_is_said(talks: Service) -> None:
    request = pb.DiffNegotiationRequest(name="negotiations/talks")

    whole = talks.negotiations.DiffNegotiation(request)

    assert whole.start_computed_at.version == 0
    assert whole.end_computed_at.version == 8
    assert whole.changes[0].part == "negotiation"
    assert {change.kind for change in whole.changes[1:]} == {pb.CHANGE_KIND_ADDED}


def test_a_difference_names_what_changed_between_two_points(talks: Service) -> None:
    request = pb.DiffNegotiationRequest(name="negotiations/talks", end=pb.AsOf(version=7))
    request.start.version = 6

    response = talks.negotiations.DiffNegotiation(request)

    assert "proposals/o" in {change.part for change in response.changes}
    assert response.start_computed_at.version == 6
    request.start.version = 99
    answered = refused(lambda: talks.negotiations.DiffNegotiation(request))
    assert (answered.reason, answered.field) == ("VERSION_NOT_FOUND", "start.version")
