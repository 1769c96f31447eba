"""The error messages of the command: what is wrong, what to do next, and the exit code."""

import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import click

from pourparler.cli.terminal_escape import escaped
from pourparler.errors import (
    AlreadyExistsError,
    DeadlineExceededError,
    FailedPreconditionError,
    IncompleteReplayError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    PourparlerError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    VersionMismatchError,
)

REFUSED = 1
USAGE = 2
AWAY = 3
INTERRUPTED = 130


class QueryContext(NamedTuple):
    """The query that failed, as far as the command line shows it."""

    command: str = ""
    negotiation: str = ""
    server: str = ""


_START = (
    "Start a service with `pourparler serve`, or name its address with --server or "
    "POURPARLER_SERVER."
)
_CONNECTING: tuple[tuple[str, str, str], ...] = (
    ("Connection refused", "Nothing listens at {server}", _START),
    (
        "errors resolving",
        "No host has the name in {server}",
        "Correct --server or POURPARLER_SERVER.",
    ),
    (
        "WRONG_VERSION_NUMBER",
        "The service at {server} does not use TLS, but the client does",
        "Leave out certificates and token, or name another service with --server.",
    ),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "No trusted authority issued the certificate of the service at {server}",
        "Name its authority with --root-certificates.",
    ),
    (
        "eer name",
        "The certificate of the service does not name {server}",
        "Give the name in the certificate with --server.",
    ),
    (
        "security handshaker",
        "The client cannot use a certificate, or its key belongs to another certificate",
        "Name PEM files with --root-certificates, --certificate and --certificate-key.",
    ),
    (
        "Socket closed",
        "The service at {server} closed the connection",
        "If it uses TLS, name its authority with --root-certificates.",
    ),
    ("", "The client cannot reach the service at {server}", _START),
)
"""For a part of a connection error: what is wrong, and what to do next."""

_NEXT: tuple[tuple[type[PourparlerError], str], ...] = (
    (IncompleteReplayError, "Read the rest with --after and the last version shown."),
    (UnavailableError, _START),
    (DeadlineExceededError, "Retry, or set a longer --timeout."),
    (ResourceExhaustedError, "Retry later."),
    (
        UnauthenticatedError,
        "Authenticate with --token-file, or with --certificate and --certificate-key.",
    ),
    (
        PermissionDeniedError,
        "See who has access with `pourparler show{of}`, or contact a custodian.",
    ),
    (VersionMismatchError, "See what is new with `pourparler history{of}{after}`."),
    (AlreadyExistsError, "See what is there with `pourparler show{of}`, or choose another id."),
    (InvalidArgumentError, "Correct it and retry."),
    (FailedPreconditionError, "See the state with `pourparler show{of}`."),
    (InternalError, "The log of the service has the details."),
    (NotFoundError, "See `pourparler list` and `pourparler show{of}`."),
)
NEXT_BY_REASON = {
    "NEGOTIATION_NOT_FOUND": "See all with `pourparler list`.",
    "NEGOTIATION_EXISTS": "See it with `pourparler show {taken}`.",
    "VERSION_NOT_FOUND": "See the versions there are with `pourparler history{of}`.",
    "PART_NOT_FOUND": "See the parts and their ids with `pourparler show{of}`.",
    "ID_ALREADY_USED": "See it with `pourparler blame{of} {id}`, or choose another id.",
    "ID_INVALID": "Use an id such as crane-lease-2026.",
    "DATE_INVALID": "Use a date such as 2021, 2021-05-31, 2023-41 (second half) or [2021-05-31..].",
    "AS_OF_INVALID": "Give only one of them.",
    "CURSOR_INVALID": "",
    "LIMIT_EXCEEDED": "Shorten it, or record several entries.",
    "REQUEST_ID_REUSED": "Send the first content again, or choose another request id.",
    "STORE_UNAVAILABLE": "Retry when the store is available again. A retry records nothing twice.",
    "SHUTTING_DOWN": "Retry when the service is available again. A retry records nothing twice.",
    "NEGOTIATION_CONCLUDED": "See how it ended with `pourparler blame{of} negotiation`.",
    "NEGOTIATION_NOT_OPEN": "See why with `pourparler blame{of} negotiation`.",
    "NEGOTIATION_IS_COPY": "Read it with `pourparler show{of}`.",
    "PROPOSAL_NOT_OPEN": "See what became of it with `pourparler blame{of} proposals`.",
    "FINAL_ANSWER_EXISTS": "See the answers with `pourparler blame{of} proposals`.",
    "OCCURRED_IN_FUTURE": "Record a future event as a milestone or a commitment.",
    "NOT_A_PERSON": "See who is a person with `pourparler show{of} --kind participants`.",
    "BUNDLE_INVALID": "See all that is wrong with `pourparler verify`.",
    "COPY_CONFLICT": "Export the copy to a bundle of its own with `pourparler export`.",
    "TOKEN_EXPIRED": "Set a new token with --token-file or POURPARLER_TOKEN.",
    "TOKEN_MALFORMED": "Set only the token with --token-file or POURPARLER_TOKEN.",
    "TOKEN_EXPOSED": "Use TLS: see --root-certificates.",
    "TOKEN_KEYS_UNAVAILABLE": "Repeat it in a while.",
    "INDEX_NOT_READY": "Repeat it in a while.",
    "NOT_ALLOWED_HERE": (
        "Ask the operator of the service: see [access] in docs/reference/configuration.md."
    ),
    "BASIS_NOT_ALLOWED": "Record what was said with --statement instead.",
    "SOURCE_REQUIRED": "Name the source, such as --source press news 'The Daily, page 3'.",
    "SPEAKER_REQUIRED": "Name the participant with --by, or choose another --basis.",
    "SPEAKER_NOT_ALLOWED": "Leave out --by, or choose another --basis.",
    "ATTRIBUTION_REQUIRED": "Attribute it with --attributed-to or --speaker.",
    "ATTRIBUTION_NOT_ALLOWED": "Leave out --attributed-to, or choose another --basis.",
    "DESCRIPTION_REQUIRED": "Describe the speaker with --speaker.",
    "AUTHOR_REQUIRED": "Name the author with --author, or the source with --source.",
    "REPLY_REQUIRED": "Name the statement with --in-reply-to.",
}
"""The next step for each reason of an error. Empty if the message says it."""

_OF_RECORD = frozenset(
    {
        "SOURCE_REQUIRED",
        "SPEAKER_REQUIRED",
        "SPEAKER_NOT_ALLOWED",
        "ATTRIBUTION_REQUIRED",
        "ATTRIBUTION_NOT_ALLOWED",
        "DESCRIPTION_REQUIRED",
        "AUTHOR_REQUIRED",
        "REPLY_REQUIRED",
        "BASIS_NOT_ALLOWED",
    }
)
"""The reasons whose advice names options of `record`."""


def exit_code(error: PourparlerError) -> int:
    """Return 3 if the service is unavailable, else 1."""
    return (
        AWAY
        if isinstance(error, UnavailableError | DeadlineExceededError | ResourceExhaustedError)
        else REFUSED
    )


def error_lines(
    error: PourparlerError, asked: QueryContext | None = None, near: Sequence[str] = ()
) -> list[str]:
    """Return the lines of an error message: problem and advice, reason and field, other problems.

    `near` are existing ids that resemble the unknown one.
    """
    asked = asked or QueryContext()
    message, detail, advice = escaped(error.message).rstrip("."), "", _next(error, asked)
    if isinstance(error, UnavailableError) and not error.reason:
        # The text of the connection error is a detail for experts.
        message, _, detail = message.partition(": ")
    if detail:
        for sign, meaning, advised in _CONNECTING:
            if sign in detail:
                message = meaning.format(server=escaped(asked.server) or "its address")
                advice = advised
                break
    if near:
        advice = f"Did you mean {alternatives(near)}? {advice}"
    lines = [f"{message}. {advice}".rstrip()]
    second = [f"reason {error.reason or error.code}"]
    if detail:
        second.append(detail)
    if error.field:
        second.append(f"field {escaped(error.field)}")
    if isinstance(error, InternalError) and error.fault_id:
        second.append(f"id {escaped(error.fault_id)}")
    lines.append("  " + ", ".join(second))
    lines += [
        f"  {escaped(violation.field)}: {escaped(violation.text)}"
        for violation in error.violations[1:]
    ]
    return lines


def alternatives(words: Sequence[str]) -> str:
    """Return a phrase for alternatives: `a, b or c`."""
    *others, last = map(escaped, words)
    return f"{', '.join(others)} or {last}" if others else last


def _next(error: PourparlerError, asked: QueryContext) -> str:
    advice = NEXT_BY_REASON.get(error.reason)
    if advice is None or (error.reason in _OF_RECORD and asked.command not in {"", "record"}):
        advice = next((advice for kind, advice in _NEXT if isinstance(error, kind)), "")
    after = error.expected if isinstance(error, VersionMismatchError) else None
    known: Mapping[str, str] = {
        "of": f" {escaped(asked.negotiation)}" if asked.negotiation else "",
        "after": f" --after {after}" if after else "",
        "id": escaped(error.metadata.get("id", "")) or "ID",
        "taken": escaped(error.metadata.get("negotiation", "").removeprefix("negotiations/"))
        or "ID",
    }
    return advice.format(**known)


def in_one_line(error: Exception) -> str:
    """Return an error as `reason: text (field)`."""
    if not isinstance(error, PourparlerError):
        return f"MALFORMED: {escaped(str(error))}"
    field = f" ({escaped(error.field)})" if error.field else ""
    return f"{error.reason or error.code}: {escaped(error.message)}{field}"


def report(
    error: PourparlerError, asked: QueryContext | None = None, near: Sequence[str] = ()
) -> int:
    """Print an error message to stderr and return the exit code."""
    first, *rest = error_lines(error, asked, near)
    print(
        f"{click.style('Error:', fg='red', bold=True)} {first}"
        if sys.stderr.isatty()
        else f"Error: {first}",
        file=sys.stderr,
    )
    for line in rest:
        print(line, file=sys.stderr)
    return exit_code(error)
