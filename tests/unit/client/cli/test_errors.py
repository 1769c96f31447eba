"""What a command says when it cannot do what it was asked."""

import re

import pytest

from pourparler import v1 as pb
from pourparler.cli.commands import pourparler
from pourparler.cli.errors import (
    AWAY,
    NEXT_BY_REASON,
    REFUSED,
    QueryContext,
    error_lines,
    exit_code,
    in_one_line,
)
from pourparler.cli.options.suggestions import similar
from pourparler.errors import (
    DeadlineExceededError,
    FailedPreconditionError,
    IncompleteReplayError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    PourparlerError,
    UnavailableError,
    VersionMismatchError,
    Violation,
)


def test_it_says_what_is_wrong_what_to_do_and_in_a_second_line_the_reason_and_the_field() -> None:
    error = FailedPreconditionError(
        "The proposal 'o' is not open.",
        reason="PROPOSAL_NOT_OPEN",
        metadata={"field": "drafts[0].facts.proposal_answered.proposal_id"},
    )

    assert error_lines(error) == [
        "The proposal 'o' is not open. See what became of it with `pourparler blame proposals`.",
        "  reason PROPOSAL_NOT_OPEN, field drafts[0].facts.proposal_answered.proposal_id",
    ]
    assert in_one_line(error) == (
        "PROPOSAL_NOT_OPEN: The proposal 'o' is not open."
        " (drafts[0].facts.proposal_answered.proposal_id)"
    )


def test_all_that_is_wrong_with_a_request_is_told() -> None:
    error = InvalidArgumentError(
        "A text is missing.",
        reason="FIELD_REQUIRED",
        violations=[Violation("words.text", "A text."), Violation("facts", "Facts, \x1b.")],
    )

    assert error_lines(error)[2:] == [r"  facts: Facts, \x1b."]


def test_a_service_that_is_away_is_told_in_plain_words_first() -> None:
    error = UnavailableError("The service cannot be reached: ipv4:127.0.0.1:1: refused")

    first, second = error_lines(error)

    assert first.startswith(
        "The client cannot reach the service at its address. Start a service with"
    )
    assert second == "  reason UNAVAILABLE, ipv4:127.0.0.1:1: refused"


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("ipv4:127.0.0.1:1: Connection refused", "Nothing listens at crane:50710. Start a service"),
        ("errors resolving crane", "No host has the name in crane:50710. Correct --server"),
        ("Tls: WRONG_VERSION_NUMBER", "does not use TLS, but the client does. Leave out"),
        ("Tls: CERTIFICATE_VERIFY_FAILED", "No trusted authority issued the certificate"),
        ("Peer name crane is not in peer certificate", "does not name crane:50710."),
        ("Failed to create security handshaker", "cannot use a certificate"),
        ("Socket closed", "closed the connection. If it uses TLS"),
        ("something new", "The client cannot reach the service at crane:50710. Start a service"),
    ],
)
def test_what_is_wrong_with_the_way_to_a_service_is_told_in_plain_words(
    detail: str, said: str
) -> None:
    error = UnavailableError(f"The service cannot be reached: {detail}")

    first, second = error_lines(error, QueryContext(server="crane:50710"))

    assert said in first
    assert second == f"  reason UNAVAILABLE, {detail}"


def test_the_next_step_names_the_negotiation_that_was_asked_for() -> None:
    asked = QueryContext("record", "crane")
    late = VersionMismatchError(
        "It is at version 9, not 3.",
        reason="VERSION_MISMATCH",
        metadata={"expected_version": "3", "version": "9"},
    )

    assert error_lines(late, asked)[0].endswith("`pourparler history crane --after 3`.")
    gone = NotFoundError(
        "There is no topic 'rend'.", reason="PART_NOT_FOUND", metadata={"id": "rend"}
    )
    assert error_lines(gone, asked, ["rent"])[0] == (
        "There is no topic 'rend'. Did you mean rent?"
        " See the parts and their ids with `pourparler show crane`."
    )


def test_an_option_of_record_is_advised_to_nobody_else() -> None:
    error = InvalidArgumentError("It needs a source.", reason="SOURCE_REQUIRED")

    assert "--source" in error_lines(error, QueryContext("record"))[0]
    assert "--source" not in error_lines(error, QueryContext("import"))[0]


@pytest.mark.parametrize("reason", NEXT_BY_REASON)
def test_what_is_advised_can_be_done(reason: str) -> None:
    assert f"ERROR_REASON_{reason}" in dict(pb.ErrorReason.items())
    commands = pourparler.commands
    options = {
        name: {one for option in command.params for one in option.opts}
        for name, command in (*commands.items(), ("", pourparler))
    }
    said = error_lines(PourparlerError("A.", reason=reason), QueryContext("record", "crane"))[0]
    for line in re.findall("`pourparler ([^`]*)`", said):
        name, *words = line.split()
        assert {word for word in words if word.startswith("--")} <= options[name]
    outside = re.sub("`[^`]*`", "", said)
    assert set(re.findall(r"--[a-z-]+", outside)) <= options[""] | options["record"] | {"--kind"}


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("renault-nisan", ["renault-nissan"]),
        ("casino-6", ["casino-62", "casino-61"]),
        ("casino", ["casino-61", "casino-62"]),
        ("nothing-like-it", []),
        ("", []),
    ],
)
def test_what_is_nearly_right_is_found(said: str, found: list[str]) -> None:
    assert sorted(similar(said, ["renault-nissan", "casino-61", "casino-62"])) == sorted(found)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnavailableError("a"), AWAY),
        (IncompleteReplayError("a"), AWAY),
        (DeadlineExceededError("a"), AWAY),
        (NotFoundError("a"), REFUSED),
        (VersionMismatchError("a"), REFUSED),
        (InternalError("a"), REFUSED),
    ],
)
def test_the_exit_code_tells_a_refusal_from_a_service_that_is_away(
    error: PourparlerError, code: int
) -> None:
    assert exit_code(error) == code
    assert all(line == line.rstrip() for line in error_lines(error))


def test_a_line_that_is_no_draft_is_told_in_the_same_form() -> None:
    assert in_one_line(ValueError("The line is not JSON.")) == "MALFORMED: The line is not JSON."
