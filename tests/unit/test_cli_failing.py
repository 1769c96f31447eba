"""What a command says when it cannot do what it was asked."""

import pytest

from pourparler.cli.failing import AWAY, REFUSED, exit_code, in_one_line, told
from pourparler.errors import (
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    PourparlerError,
    Refused,
    ReplayCut,
    ServiceFault,
    Unavailable,
    VersionMismatch,
    Violation,
)


def test_it_says_what_is_wrong_what_to_do_and_in_a_second_line_the_reason_and_the_field() -> None:
    error = Refused(
        "The proposal 'o' is not open.",
        reason="PROPOSAL_NOT_OPEN",
        metadata={"field": "drafts[0].facts.proposal_answered.proposal_id"},
    )

    assert told(error) == [
        "The proposal 'o' is not open. See how things stand with `pourparler show`.",
        "  reason PROPOSAL_NOT_OPEN, field drafts[0].facts.proposal_answered.proposal_id",
    ]
    assert in_one_line(error) == (
        "PROPOSAL_NOT_OPEN: The proposal 'o' is not open."
        " (drafts[0].facts.proposal_answered.proposal_id)"
    )


def test_all_that_is_wrong_with_a_request_is_told() -> None:
    error = InvalidArgument(
        "A text is missing.",
        reason="FIELD_REQUIRED",
        violations=[Violation("words.text", "A text."), Violation("facts", "Facts, \x1b.")],
    )

    assert told(error)[2:] == [r"  facts: Facts, \x1b."]


def test_a_service_that_is_away_is_told_in_plain_words_first() -> None:
    error = Unavailable("The service cannot be reached: ipv4:127.0.0.1:1: refused")

    first, second = told(error)

    assert first.startswith("The service cannot be reached. Start a service with")
    assert second == "  reason UNAVAILABLE, ipv4:127.0.0.1:1: refused"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("a"), AWAY),
        (ReplayCut("a"), AWAY),
        (DeadlineExceeded("a"), AWAY),
        (NotFound("a"), REFUSED),
        (VersionMismatch("a"), REFUSED),
        (ServiceFault("a"), REFUSED),
    ],
)
def test_the_exit_code_tells_a_refusal_from_a_service_that_is_away(
    error: PourparlerError, code: int
) -> None:
    assert exit_code(error) == code
    assert all(line == line.rstrip() for line in told(error))


def test_a_line_that_is_no_draft_is_told_in_the_same_form() -> None:
    assert in_one_line(ValueError("The line is not JSON.")) == "MALFORMED: The line is not JSON."
