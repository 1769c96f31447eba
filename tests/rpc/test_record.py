"""Recording over the wire: what is answered, and what every refusal says."""

import uuid
from collections.abc import Callable

import grpc
import pytest

from pourparler import v1 as pb
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from tests.support.sample_entries import joined, opened, said, topic
from tests.support.service_client import Service, connected, refused

GROUP = [opened(), joined("renault"), joined("nissan"), topic("ev"), said("s", "renault", "nissan")]


def test_a_group_is_answered_with_its_entries_as_stored(service: Service) -> None:
    receipt = service.record("answered", *GROUP)

    assert receipt.negotiation == "negotiations/answered"
    assert receipt.version == 5
    assert [entry.header.version for entry in receipt.entries] == [1, 2, 3, 4, 5]
    assert all(len(entry.header.section_digests) == 2 for entry in receipt.entries)
    replayed = [entry for part in service.replay("answered") for entry in part.entries]
    assert replayed == list(receipt.entries)


def test_a_repeated_request_is_answered_with_the_first_receipt(service: Service) -> None:
    first = service.record("repeated", *GROUP, request_id="r-1", expected_version=0)
    service.record("repeated", said("later", "nissan"))

    again = service.record("repeated", *GROUP, request_id="r-1", expected_version=0)

    assert again.SerializeToString(deterministic=True) == first.SerializeToString(
        deterministic=True
    )
    assert service.state("repeated").computed_at.version == 6


def test_a_negotiation_without_a_name_gets_one_of_its_request_id(service: Service) -> None:
    request = pb.RecordEntriesRequest(request_id="nameless", drafts=[opened()])

    first = service.records.RecordEntries(request).receipt
    again = service.records.RecordEntries(request).receipt

    assert again == first
    made = uuid.UUID(first.negotiation.removeprefix("negotiations/"))
    assert (made.version, made.variant) == (8, uuid.RFC_4122)


def test_without_a_request_id_every_call_makes_a_negotiation(service: Service) -> None:
    request = pb.RecordEntriesRequest(drafts=[opened()])

    names = [service.records.RecordEntries(request).receipt.negotiation for _ in range(3)]

    ids = [uuid.UUID(name.removeprefix("negotiations/")) for name in names]
    assert len(set(ids)) == 3
    assert {(id_.version, id_.variant) for id_ in ids} == {(7, uuid.RFC_4122)}


def test_validate_only_records_nothing(service: Service) -> None:
    receipt = service.record("validated", *GROUP, validate_only=True)

    assert [entry.header.version for entry in receipt.entries] == [1, 2, 3, 4, 5]
    assert not any(entry.header.section_digests or entry.salts for entry in receipt.entries)
    answered = refused(lambda: service.state("validated"))
    assert answered.reason == "NEGOTIATION_NOT_FOUND"


def test_dates_get_their_bounds_whatever_their_form(service: Service) -> None:
    drafts = [opened(), joined("a"), said("plain", "a"), said("set", "a"), said("instant", "a")]
    drafts[2].facts.occurred.edtf = "2022-10"
    drafts[3].facts.occurred.edtf = "[..2022-10-10]"
    drafts[4].facts.occurred.instant.seconds = 1_665_360_000

    receipt = service.record("dated", *drafts)

    bounds = [(e.facts.occurred.earliest, e.facts.occurred.latest) for e in receipt.entries[2:]]
    assert bounds == [
        ("2022-10-01", "2022-10-31"),
        ("", "2022-10-10"),
        ("2022-10-10T00:00:00Z", "2022-10-10T00:00:00Z"),
    ]


def test_what_is_the_services_own_is_not_taken_from_a_draft(service: Service) -> None:
    draft = opened()
    draft.facts.recorded_by = "somebody else"
    draft.facts.request_id = "another"

    entry = service.record("own", draft, request_id="mine").entries[0]

    assert (entry.facts.recorded_by, entry.facts.request_id) == ("anonymous@loopback", "mine")


def test_a_group_of_a_thousand_is_recorded_at_once(service: Service) -> None:
    drafts = [opened(), joined("a"), *(said(f"s{place}", "a") for place in range(998))]

    assert service.record("thousand", *drafts).version == 1_000


def test_every_violation_of_every_draft_is_named(service: Service) -> None:
    wrong = said("UPPER", "a")
    wrong.words.Clear()

    answered = refused(lambda: service.record("violated", opened(), wrong, wrong))

    assert answered.code is grpc.StatusCode.INVALID_ARGUMENT
    assert answered.field == answered.fields[0]
    assert {"drafts[1].words.text", "drafts[2].words.text"} <= set(answered.fields)
    assert "drafts[1].facts.statement_recorded.statement_id" in answered.fields


CASES: list[tuple[str, Callable[[Service], object], str, str, str]] = [
    (
        "no drafts",
        lambda s: s.record("n"),
        "INVALID_ARGUMENT",
        "FIELD_REQUIRED",
        "drafts",
    ),
    (
        "an empty draft",
        lambda s: s.record("n", pb.Draft()),
        "INVALID_ARGUMENT",
        "FIELD_REQUIRED",
        "drafts[0].facts",
    ),
    (
        "a name that is none",
        lambda s: s.record("../n", opened()),
        "INVALID_ARGUMENT",
        "ID_INVALID",
        "negotiation",
    ),
    (
        "a request id of another script",
        lambda s: s.record("n", opened(), request_id="é"),
        "INVALID_ARGUMENT",
        "FIELD_INVALID",
        "request_id",
    ),
    (
        "a date of nonsense",
        lambda s: s.record("n", dated("last Tuesday")),
        "INVALID_ARGUMENT",
        "DATE_INVALID",
        "drafts[0].facts.occurred",
    ),
    (
        "a date of enormous length",
        lambda s: s.record("n", dated("[" + "2022," * 1_000 + "2023]")),
        "INVALID_ARGUMENT",
        "DATE_INVALID",
        "drafts[0].facts.occurred",
    ),
    (
        "a negotiation that is not there",
        lambda s: s.record("nowhere", said("s", "a")),
        "NOT_FOUND",
        "NEGOTIATION_NOT_FOUND",
        "",
    ),
    (
        "somebody who is not there",
        lambda s: s.record("there", said("s", "nobody")),
        "NOT_FOUND",
        "PART_NOT_FOUND",
        "drafts[0].facts.statement_recorded.speakers[0]",
    ),
    (
        "a negotiation that is there already",
        lambda s: s.record("there", opened()),
        "ALREADY_EXISTS",
        "NEGOTIATION_EXISTS",
        "negotiation",
    ),
    (
        "an id that was used",
        lambda s: s.record("there", topic("t"), topic("t")),
        "ALREADY_EXISTS",
        "ID_ALREADY_USED",
        "drafts[1].facts.topic_added.topic_id",
    ),
    (
        "a request id with other content",
        lambda s: s.record("there", joined("other"), request_id="first"),
        "ALREADY_EXISTS",
        "REQUEST_ID_REUSED",
        "request_id",
    ),
    (
        "too low a version",
        lambda s: s.record("there", joined("b"), expected_version=1),
        "ABORTED",
        "VERSION_MISMATCH",
        "expected_version",
    ),
    (
        "too high a version",
        lambda s: s.record("there", joined("b"), expected_version=3),
        "ABORTED",
        "VERSION_MISMATCH",
        "expected_version",
    ),
    (
        "a second coming",
        lambda s: s.record("there", joined("a")),
        "FAILED_PRECONDITION",
        "PARTICIPANT_ALREADY_ACTIVE",
        "drafts[0].facts.participant_joined.participant_id",
    ),
]


def dated(edtf: str) -> pb.Draft:
    draft = opened()
    draft.facts.occurred.edtf = edtf
    return draft


@pytest.fixture(scope="module")
def with_there(service: Service) -> Service:
    service.record("there", opened(), joined("a"), request_id="first")
    return service


@pytest.mark.parametrize(
    ("call", "code", "reason", "field"), [pytest.param(*one[1:], id=one[0]) for one in CASES]
)
def test_a_refusal_says_why_and_where(
    with_there: Service, call: Callable[[Service], object], code: str, reason: str, field: str
) -> None:
    answered = refused(lambda: call(with_there))

    assert (answered.code.name, answered.reason, answered.field) == (code, reason, field)
    assert with_there.state("there").computed_at.version == 2


def test_a_million_entries_are_too_large_a_request(service: Service) -> None:
    request = pb.RecordEntriesRequest(negotiation="negotiations/million")
    request.drafts.extend([pb.Draft()] * 1_000_000)

    answered = refused(lambda: service.records.RecordEntries(request, timeout=20))

    assert (answered.code.name, answered.reason) == ("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE")
    assert answered.metadata["limit"] == str(1 << 20)


def test_a_million_entries_are_too_many_even_where_they_are_not_too_large() -> None:
    request = pb.RecordEntriesRequest(negotiation="negotiations/million")
    request.drafts.extend([pb.Draft()] * 1_000_000)
    roomy = Settings(
        address="127.0.0.1:0",
        environment=Settings.in_memory().environment,
        max_request_bytes=8 << 20,
    )

    with running(roomy) as address, connected(address) as service:
        answered = refused(lambda: service.records.RecordEntries(request, timeout=20))

    assert (answered.code.name, answered.reason) == ("INVALID_ARGUMENT", "LIMIT_EXCEEDED")
    assert (answered.field, answered.metadata["count"]) == ("drafts", "1000000")


def test_a_request_beyond_all_bounds_is_stopped_before_it_is_read(service: Service) -> None:
    answered = refused(
        lambda: service.raw("/pourparler.v1.RecordService/RecordEntries", b"\0" * (5 << 20))
    )

    assert answered.code is grpc.StatusCode.RESOURCE_EXHAUSTED
