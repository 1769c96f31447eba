"""What can go wrong with a call: one root error, and one class for each way to deal with it.

    PourparlerError            all of them
    ├── InvalidArgument        the request is not well formed: `violations` names every field
    ├── Refused                a rule of the record forbids it, as the negotiation stands
    ├── NotFound               no such negotiation, part or version
    ├── AlreadyExists          the id, or the request id, was used before
    ├── VersionMismatch        the negotiation is not at the expected version: read, decide anew
    ├── Unauthenticated        the service does not know who is calling, or by whose word
    ├── NotAllowed             the caller is known, and may not do this
    ├── Overloaded             more waits than can be done in time: later
    ├── TooLarge               the request or the answer is larger than is received
    ├── Unavailable            the service cannot be reached, or cannot reach its store
    │   └── ReplayCut          a replay ended before it was complete
    ├── DeadlineExceeded       no answer in time
    ├── Cancelled              the call was given up
    ├── TrustError             an answer is not backed by what the service has signed
    │   ├── NotSigned          not by any key that was given, or for something else
    │   ├── AnotherReceipt     the receipt is not for what was to be recorded
    │   ├── Forked             the log does not go on from what was seen of it before
    │   └── Stale              the answer is older than what was seen before
    ├── TrustStoreUnusable     what was seen before cannot be read or written
    └── ServiceFault           a fault of the service itself, or a call that it does not know

`reason` is the name of an ErrorReason of the contract, which documents them all, without its
prefix; it is empty where the error did not come from the service. A status that has no class
here is a PourparlerError with its `code`.
"""

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

from pourparler import v1 as pb

DOMAIN = "pourparler"
"""The domain of the ErrorInfo that the service sends."""

_DETAILS = "grpc-status-details-bin"


class Violation(NamedTuple):
    """One thing that is wrong with a request: the path of the field, what is wrong, and why."""

    field: str
    text: str
    reason: str = ""


class PourparlerError(Exception):
    """The root of all errors that a client raises for a call."""

    code = "UNKNOWN"
    """The gRPC status code, such as `FAILED_PRECONDITION`."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: Iterable[Violation] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after = retry_after
        """The seconds after which the service asks to be tried again, if it says so."""
        self.request_id = ""
        """Of a call that records: its request id. Repeated with it and the same drafts, the call
        is made only once, and gives the receipt if it was made already."""

    @property
    def field(self) -> str:
        """The path of the field in the request that it is about; empty if it is about none."""
        return self.metadata.get("field", "")

    def __str__(self) -> str:
        if not self.reason:
            return self.message
        return f"{self.message} [{self.reason}{': ' if self.field else ''}{self.field}]"


class InvalidArgument(PourparlerError):
    """The request is not well formed."""

    code = "INVALID_ARGUMENT"


class Refused(PourparlerError):
    """A rule of the record forbids it, as the negotiation stands."""

    code = "FAILED_PRECONDITION"


class NotFound(PourparlerError):
    """No such negotiation, part or version, as far as the caller may see."""

    code = "NOT_FOUND"


class AlreadyExists(PourparlerError):
    """The id of the negotiation or part, or the request id, was used before."""

    code = "ALREADY_EXISTS"


class VersionMismatch(PourparlerError):
    """The negotiation is not at the expected version."""

    code = "ABORTED"

    @property
    def expected(self) -> int | None:
        """The version that the caller expected."""
        return _number(self.metadata.get("expected_version"))

    @property
    def current(self) -> int | None:
        """The version at which the negotiation is."""
        return _number(self.metadata.get("version"))


class Unauthenticated(PourparlerError):
    """The service does not know who is calling: what was shown is not enough, or not good."""

    code = "UNAUTHENTICATED"


class NotAllowed(PourparlerError):
    """The service knows who is calling, and they may not do this."""

    code = "PERMISSION_DENIED"


class Overloaded(PourparlerError):
    """More waits than can be done in time; nothing was done."""

    code = "RESOURCE_EXHAUSTED"


class TooLarge(PourparlerError):
    """The request or the answer is larger than is received."""

    code = "RESOURCE_EXHAUSTED"


class Unavailable(PourparlerError):
    """The service cannot be reached, is shutting down, or cannot reach its store."""

    code = "UNAVAILABLE"


class ReplayCut(Unavailable):
    """A replay ended before it was complete: what was read of it is right, but not all."""

    last_version: int | None = None
    """The last version that was read; None if none was."""


class DeadlineExceeded(PourparlerError):
    """No answer in time. What was to be recorded may have been: repeat it with its request id."""

    code = "DEADLINE_EXCEEDED"


class Cancelled(PourparlerError):
    """The call was given up."""

    code = "CANCELLED"


class TrustError(PourparlerError):
    """An answer is not backed by what the service has signed, now or before.

    An answer that is refused in this way changes nothing of what the client remembers.
    """

    code = "DATA_LOSS"

    finding = ""
    """What an audit calls it, such as `forked`."""
    shown = ""
    """The signed checkpoint that came with the answer."""
    seen = ""
    """The signed checkpoint that was seen before. Where the log forked, the two together prove
    it."""


class NotSigned(TrustError):
    """The checkpoint is not signed by any key that was given, or for something else."""


class AnotherReceipt(TrustError):
    """The receipt is not for what was to be recorded."""


class Forked(TrustError):
    """The log does not go on from what was seen of it before."""


class Stale(TrustError):
    """The answer is older than what was seen before."""


class TrustStoreUnusable(PourparlerError):
    """What was seen before cannot be read or written: nothing can be compared with it."""


class ServiceFault(PourparlerError):
    """A fault of the service itself, or a call that it does not know."""

    code = "INTERNAL"

    @property
    def fault_id(self) -> str:
        """The id under which the service's log tells more."""
        return self.metadata.get("fault_id", "")


_CLASSES: Mapping[str, type[PourparlerError]] = {
    "INVALID_ARGUMENT": InvalidArgument,
    "OUT_OF_RANGE": InvalidArgument,
    "FAILED_PRECONDITION": Refused,
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyExists,
    "ABORTED": VersionMismatch,
    "UNAUTHENTICATED": Unauthenticated,
    "PERMISSION_DENIED": NotAllowed,
    "UNAVAILABLE": Unavailable,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "CANCELLED": Cancelled,
    "INTERNAL": ServiceFault,
    "UNKNOWN": ServiceFault,
    "DATA_LOSS": ServiceFault,
    "UNIMPLEMENTED": ServiceFault,
}


class FailedCall(Protocol):
    """What a failed call says of itself, with gRPC's sync and its asyncio interface alike."""

    def code(self) -> Any:
        """The status code."""

    def details(self) -> str | None:
        """The message."""

    def trailing_metadata(self) -> Iterable[Any] | None:
        """The trailer, in pairs of keys and values."""


def of_call(call: FailedCall) -> PourparlerError:
    """The error that a failed call comes to, with all that its trailer says."""
    return _of_status(
        str(call.code().name), call.details() or "", _details(call.trailing_metadata())
    )


def of_failure(failure: pb.RecordFailure) -> PourparlerError:
    """The error that the failure of one group of several comes to."""
    status = failure.status
    known = code_pb2.Code.DESCRIPTOR.values_by_number.get(status.code)
    return _of_status(known.name if known else "UNKNOWN", status.message, status.details)


def _of_status(code: str, message: str, details: Iterable[Any]) -> PourparlerError:
    reason, metadata, retry_after = "", {}, None
    violations: list[Violation] = []
    with contextlib.suppress(DecodeError):  # not from our service: its message is all there is
        for detail in details:
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                info = error_details_pb2.ErrorInfo()
                detail.Unpack(info)
                if info.domain == DOMAIN:
                    reason, metadata = info.reason, dict(info.metadata)
            elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
                bad = error_details_pb2.BadRequest()
                detail.Unpack(bad)
                violations += [_field_violation(one) for one in bad.field_violations]
            elif detail.Is(error_details_pb2.PreconditionFailure.DESCRIPTOR):
                failure = error_details_pb2.PreconditionFailure()
                detail.Unpack(failure)
                violations += [
                    Violation(one.subject, one.description, one.type) for one in failure.violations
                ]
            elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
                retry = error_details_pb2.RetryInfo()
                detail.Unpack(retry)
                retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    return _class(code, reason, retry_after)(
        message if reason else _plainly(code, message),
        code=code,
        reason=reason,
        metadata=metadata,
        violations=violations,
        retry_after=retry_after,
    )


def _class(code: str, reason: str, retry_after: float | None) -> type[PourparlerError]:
    if code == "RESOURCE_EXHAUSTED":
        return Overloaded if reason == "OVERLOADED" or retry_after is not None else TooLarge
    return _CLASSES.get(code, PourparlerError)


def _details(trailer: Iterable[Any] | None) -> Iterable[Any]:
    for key, value in trailer or ():
        if key == _DETAILS and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value).details
            except DecodeError:  # not from our service: its message is all there is
                return ()
    return ()


def _field_violation(violation: error_details_pb2.BadRequest.FieldViolation) -> Violation:
    # Releases of googleapis-common-protos before 1.67 do not have the reason.
    reason = getattr(violation, "reason", "")
    return Violation(violation.field, violation.description, reason)


def _plainly(code: str, message: str) -> str:
    """The message of an error that is not from the service but from the way to it."""
    if code == "UNAVAILABLE":
        return f"The service cannot be reached: {message}"
    if code == "DEADLINE_EXCEEDED":
        return "The service did not answer in time."
    return message or f"The call failed with {code}."


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
