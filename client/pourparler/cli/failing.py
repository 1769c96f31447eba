"""What a command says when it cannot do what it was asked, and the exit code it leaves with."""

import sys

import click

from pourparler.cli.safe import harmless
from pourparler.errors import (
    AlreadyExists,
    DeadlineExceeded,
    InvalidArgument,
    NotAllowed,
    NotFound,
    Overloaded,
    PourparlerError,
    Refused,
    ReplayCut,
    ServiceFault,
    Unauthenticated,
    Unavailable,
    VersionMismatch,
)

REFUSED = 1
USAGE = 2
AWAY = 3
INTERRUPTED = 130

_START = (
    "Start a service with `pourparler serve`, or say where one is with --server or "
    "POURPARLER_SERVER."
)
_NEXT: tuple[tuple[type[PourparlerError], str], ...] = (
    (ReplayCut, "Ask for the rest with --after and the last version shown."),
    (Unavailable, _START),
    (DeadlineExceeded, "Try again, or give it longer with --timeout."),
    (Overloaded, "Try again in a while."),
    (Unauthenticated, "Say who you are with --token-file, or with --certificate and its key."),
    (NotAllowed, "See who has access with `pourparler show`, and ask a custodian."),
    (VersionMismatch, "See what is new with `pourparler history`, and decide anew."),
    (AlreadyExists, "See what is there with `pourparler show`, or choose another id."),
    (InvalidArgument, "Mend it and try again."),
    (Refused, "See how things stand with `pourparler show`."),
    (ServiceFault, "The log of the service says more."),
)
_NEXT_BY_REASON = {
    "NEGOTIATION_NOT_FOUND": "See what there is with `pourparler list`.",
    "VERSION_NOT_FOUND": "See the versions there are with `pourparler history`.",
    "PART_NOT_FOUND": "See the parts and their ids with `pourparler show`.",
    "REQUEST_ID_REUSED": "Repeat the first content, or choose another request id.",
    "STORE_UNAVAILABLE": "Repeat it once the store of the service is back: nothing is doubled.",
    "SHUTTING_DOWN": "Repeat it once the service is back: nothing is doubled.",
    "NEGOTIATION_IS_COPY": "Read it with `pourparler show`.",
    "BUNDLE_INVALID": "See all that is wrong with `pourparler verify`.",
    "COPY_DIVERGES": "Write the copy to a bundle of its own with `pourparler export`, too.",
    "TOKEN_EXPOSED": "Ask by TLS: see --root-certificates.",
    "TOKEN_KEYS_UNAVAILABLE": "Repeat it in a while.",
    "INDEX_NOT_READY": "Repeat it in a while.",
    "BASIS_NOT_ALLOWED": "Record what was said with --statement instead.",
}


def exit_code(error: PourparlerError) -> int:
    """3 if the service is away, else 1."""
    return AWAY if isinstance(error, Unavailable | DeadlineExceeded | Overloaded) else REFUSED


def told(error: PourparlerError) -> list[str]:
    """What is wrong and what to do next; the reason and the field; whatever else is wrong."""
    message, detail = harmless(error.message).rstrip("."), ""
    if isinstance(error, Unavailable) and not error.reason:
        # What the connection says of itself is for those who look into it.
        message, _, detail = message.partition(": ")
    lines = [f"{message}. {_next(error)}".rstrip()]
    second = [f"reason {error.reason or error.code}"]
    if detail:
        second.append(detail)
    if error.field:
        second.append(f"field {harmless(error.field)}")
    if isinstance(error, ServiceFault) and error.fault_id:
        second.append(f"id {harmless(error.fault_id)}")
    lines.append("  " + ", ".join(second))
    lines += [
        f"  {harmless(violation.field)}: {harmless(violation.text)}"
        for violation in error.violations[1:]
    ]
    return lines


def _next(error: PourparlerError) -> str:
    if error.reason in _NEXT_BY_REASON:
        return _NEXT_BY_REASON[error.reason]
    for kind, advice in _NEXT:
        if isinstance(error, kind):
            return advice
    return "See `pourparler list` and `pourparler show`." if isinstance(error, NotFound) else ""


def in_one_line(error: Exception) -> str:
    """A refusal as `reason: text (field)`."""
    if not isinstance(error, PourparlerError):
        return f"MALFORMED: {harmless(str(error))}"
    field = f" ({harmless(error.field)})" if error.field else ""
    return f"{error.reason or error.code}: {harmless(error.message)}{field}"


def report(error: PourparlerError) -> int:
    """Say what is wrong, on the error stream; the exit code."""
    first, *rest = told(error)
    print(
        f"{click.style('Error:', fg='red', bold=True)} {first}"
        if sys.stderr.isatty()
        else f"Error: {first}",
        file=sys.stderr,
    )
    for line in rest:
        print(line, file=sys.stderr)
    return exit_code(error)
