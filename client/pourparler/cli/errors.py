"""What a command says when it cannot do what it was asked, and the exit code it leaves with."""

import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import click

from pourparler.cli.terminal_escape import harmless
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


class Asked(NamedTuple):
    """What was asked, as far as the command line says it."""

    command: str = ""
    negotiation: str = ""
    server: str = ""


_START = (
    "Start a service with `pourparler serve`, or say where one is with --server or "
    "POURPARLER_SERVER."
)
_CONNECTING: tuple[tuple[str, str, str], ...] = (
    ("Connection refused", "Nothing listens at {server}", _START),
    ("errors resolving", "There is no host as in {server}", "Mend --server, or POURPARLER_SERVER."),
    (
        "WRONG_VERSION_NUMBER",
        "The service at {server} does not speak TLS, and was asked by it",
        "Leave out certificates and token, and their variables, or ask another with --server.",
    ),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "The certificate of the service at {server} is by no authority that you trust",
        "Name its authority with --root-certificates.",
    ),
    (
        "eer name",
        "The certificate of the service is for another name than {server}",
        "Ask for it by the name in its certificate, with --server.",
    ),
    (
        "security handshaker",
        "A certificate cannot be used, or is not by the key beside it",
        "Give files in PEM with --root-certificates, --certificate and --certificate-key.",
    ),
    (
        "Socket closed",
        "The service at {server} has ended the connection",
        "If it speaks TLS, name its authority with --root-certificates.",
    ),
    ("", "The service at {server} cannot be reached", _START),
)
"""By what the connection says of itself: what is wrong, and what to do next."""

_NEXT: tuple[tuple[type[PourparlerError], str], ...] = (
    (IncompleteReplayError, "Ask for the rest with --after and the last version shown."),
    (UnavailableError, _START),
    (DeadlineExceededError, "Try again, or give it longer with --timeout."),
    (ResourceExhaustedError, "Try again in a while."),
    (UnauthenticatedError, "Say who you are with --token-file, or with --certificate and its key."),
    (PermissionDeniedError, "See who has access with `pourparler show{of}`, and ask a custodian."),
    (VersionMismatchError, "See what is new with `pourparler history{of}{after}`."),
    (AlreadyExistsError, "See what is there with `pourparler show{of}`, or choose another id."),
    (InvalidArgumentError, "Mend it and try again."),
    (FailedPreconditionError, "See how things stand with `pourparler show{of}`."),
    (InternalError, "The log of the service says more."),
    (NotFoundError, "See `pourparler list` and `pourparler show{of}`."),
)
NEXT_BY_REASON = {
    "NEGOTIATION_NOT_FOUND": "See what there is with `pourparler list`.",
    "NEGOTIATION_EXISTS": "See it with `pourparler show {taken}`.",
    "VERSION_NOT_FOUND": "See the versions there are with `pourparler history{of}`.",
    "PART_NOT_FOUND": "See the parts and their ids with `pourparler show{of}`.",
    "ID_ALREADY_USED": "See it with `pourparler blame{of} {id}`, or choose another id.",
    "ID_INVALID": "An id is such as crane-lease-2026.",
    "DATE_INVALID": "A date is such as 2021, 2021-05-31, 2023-41 (second half) or [2021-05-31..].",
    "AS_OF_INVALID": "Give one of them alone.",
    "CURSOR_INVALID": "",
    "LIMIT_EXCEEDED": "Say it in less, or in several entries.",
    "REQUEST_ID_REUSED": "Repeat the first content, or choose another request id.",
    "STORE_UNAVAILABLE": "Repeat it once the store of the service is back: nothing is doubled.",
    "SHUTTING_DOWN": "Repeat it once the service is back: nothing is doubled.",
    "NEGOTIATION_CONCLUDED": "See how it ended with `pourparler blame{of} negotiation`.",
    "NEGOTIATION_NOT_OPEN": "See why with `pourparler blame{of} negotiation`.",
    "NEGOTIATION_IS_COPY": "Read it with `pourparler show{of}`.",
    "PROPOSAL_NOT_OPEN": "See what became of it with `pourparler blame{of} proposals`.",
    "FINAL_ANSWER_EXISTS": "See the answers with `pourparler blame{of} proposals`.",
    "OCCURRED_IN_FUTURE": "What is still to come is a milestone or a commitment.",
    "NOT_A_PERSON": "See who is a person with `pourparler show{of} --only participants`.",
    "BUNDLE_INVALID": "See all that is wrong with `pourparler verify`.",
    "COPY_CONFLICT": "Write the copy to a bundle of its own with `pourparler export`, too.",
    "TOKEN_EXPIRED": "Give the new one with --token-file or in POURPARLER_TOKEN.",
    "TOKEN_MALFORMED": "Give the token alone, with --token-file or in POURPARLER_TOKEN.",
    "TOKEN_EXPOSED": "Ask by TLS: see --root-certificates.",
    "TOKEN_KEYS_UNAVAILABLE": "Repeat it in a while.",
    "INDEX_NOT_READY": "Repeat it in a while.",
    "NOT_ALLOWED_HERE": (
        "Ask the operator of the service: see [access] in docs/reference/configuration.md."
    ),
    "BASIS_NOT_ALLOWED": "Record what was said with --statement instead.",
    "SOURCE_REQUIRED": "Name where it stands, such as --source press news 'The Daily, page 3'.",
    "SPEAKER_REQUIRED": "Name who said or did it with --by, or choose another --basis.",
    "SPEAKER_NOT_ALLOWED": "Leave out --by, or choose another --basis.",
    "ATTRIBUTION_REQUIRED": "Say whose word it is with --attributed-to or --speaker.",
    "ATTRIBUTION_NOT_ALLOWED": "Leave out --attributed-to, or choose another --basis.",
    "DESCRIPTION_REQUIRED": "Say whose word it rests on with --speaker.",
    "AUTHOR_REQUIRED": "Say who inferred it with --author, or from what with --source.",
    "REPLY_REQUIRED": "Say to which statement with --in-reply-to.",
}
"""What to do next, by the reason of a refusal; empty where its text says so itself."""

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
"""Next steps that are options of `record` alone."""


def exit_code(error: PourparlerError) -> int:
    """3 if the service is away, else 1."""
    return (
        AWAY
        if isinstance(error, UnavailableError | DeadlineExceededError | ResourceExhaustedError)
        else REFUSED
    )


def told(error: PourparlerError, asked: Asked | None = None, near: Sequence[str] = ()) -> list[str]:
    """What is wrong and what to do next; the reason and the field; whatever else is wrong.

    `near` are ids that were perhaps meant by the one that is not there.
    """
    asked = asked or Asked()
    message, detail, advice = harmless(error.message).rstrip("."), "", _next(error, asked)
    if isinstance(error, UnavailableError) and not error.reason:
        # What the connection says of itself is for those who look into it.
        message, _, detail = message.partition(": ")
    if detail:
        for sign, meaning, advised in _CONNECTING:
            if sign in detail:
                message = meaning.format(server=harmless(asked.server) or "its address")
                advice = advised
                break
    if near:
        advice = f"Did you mean {either(near)}? {advice}"
    lines = [f"{message}. {advice}".rstrip()]
    second = [f"reason {error.reason or error.code}"]
    if detail:
        second.append(detail)
    if error.field:
        second.append(f"field {harmless(error.field)}")
    if isinstance(error, InternalError) and error.fault_id:
        second.append(f"id {harmless(error.fault_id)}")
    lines.append("  " + ", ".join(second))
    lines += [
        f"  {harmless(violation.field)}: {harmless(violation.text)}"
        for violation in error.violations[1:]
    ]
    return lines


def either(words: Sequence[str]) -> str:
    """Several words of which one is meant: `a, b or c`."""
    *others, last = map(harmless, words)
    return f"{', '.join(others)} or {last}" if others else last


def _next(error: PourparlerError, asked: Asked) -> str:
    advice = NEXT_BY_REASON.get(error.reason)
    if advice is None or (error.reason in _OF_RECORD and asked.command not in {"", "record"}):
        advice = next((advice for kind, advice in _NEXT if isinstance(error, kind)), "")
    after = error.expected if isinstance(error, VersionMismatchError) else None
    known: Mapping[str, str] = {
        "of": f" {harmless(asked.negotiation)}" if asked.negotiation else "",
        "after": f" --after {after}" if after else "",
        "id": harmless(error.metadata.get("id", "")) or "ID",
        "taken": harmless(error.metadata.get("negotiation", "").removeprefix("negotiations/"))
        or "ID",
    }
    return advice.format(**known)


def in_one_line(error: Exception) -> str:
    """A refusal as `reason: text (field)`."""
    if not isinstance(error, PourparlerError):
        return f"MALFORMED: {harmless(str(error))}"
    field = f" ({harmless(error.field)})" if error.field else ""
    return f"{error.reason or error.code}: {harmless(error.message)}{field}"


def report(error: PourparlerError, asked: Asked | None = None, near: Sequence[str] = ()) -> int:
    """Say what is wrong, on the error stream; the exit code."""
    first, *rest = told(error, asked, near)
    print(
        f"{click.style('Error:', fg='red', bold=True)} {first}"
        if sys.stderr.isatty()
        else f"Error: {first}",
        file=sys.stderr,
    )
    for line in rest:
        print(line, file=sys.stderr)
    return exit_code(error)
