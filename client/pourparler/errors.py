"""The errors of a call: one root, and one class for each way to handle an error.

    PourparlerError                     every error of a call
    ├── InvalidArgumentError            malformed request: `violations` names every field
    ├── FailedPreconditionError         a rule of the record forbids the request in this state
    ├── NotFoundError                   no such negotiation, part or version is visible
    ├── AlreadyExistsError              the id, or the request id, is already used
    ├── VersionMismatchError            not at the expected version: read it and decide again
    ├── UnauthenticatedError            the credentials are missing or not valid
    ├── PermissionDeniedError           the caller is not allowed to do this
    ├── ResourceExhaustedError          the service is overloaded: retry later
    ├── MessageTooLargeError            the request or the response exceeds a size limit
    ├── UnavailableError                the service, or its store, cannot be reached
    │   └── IncompleteReplayError       a replay ended before it was complete
    ├── DeadlineExceededError           no response within the timeout
    ├── CallCancelledError              the call was cancelled
    ├── TrustError                      the signed log does not back a response
    │   ├── CheckpointVerificationError the checkpoint is not signed by a trusted key
    │   ├── ReceiptMismatchError        the receipt is not for the request
    │   ├── ForkDetectedError           the log does not extend the last trusted checkpoint
    │   └── StaleReadError              the response is older than the last trusted checkpoint
    ├── TrustStoreError                 the trust store cannot be read or written
    └── InternalError                   a fault of the service, or an unknown method

`reason` is the name of an ErrorReason of the contract, without its prefix. It is empty for an
error that does not come from the service. A status without a class here is a PourparlerError with
its `code` (gRPC status codes).
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
    """One problem of a request: the path of its field, a sentence, and its reason."""

    field: str
    text: str
    reason: str = ""


class PourparlerError(Exception):
    """The root of all errors of a call."""

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
        """The time after which the service asks for a retry, in seconds; None if it does not."""
        self.request_id = ""
        """The request id of a call that records. Repeat the call with the same id and drafts: the
        service records it only once, and returns the receipt if it is already recorded."""

    @property
    def field(self) -> str:
        """The path of the field in the request, or "" if the error has no field."""
        return self.metadata.get("field", "")

    def __str__(self) -> str:
        if not self.reason:
            return self.message
        return f"{self.message} [{self.reason}{': ' if self.field else ''}{self.field}]"


class InvalidArgumentError(PourparlerError):
    """The request is malformed; `violations` names every field."""

    code = "INVALID_ARGUMENT"


class FailedPreconditionError(PourparlerError):
    """A rule of the record forbids the request in the current state of the negotiation."""

    code = "FAILED_PRECONDITION"


class NotFoundError(PourparlerError):
    """No such negotiation, part or version is visible to the caller."""

    code = "NOT_FOUND"


class AlreadyExistsError(PourparlerError):
    """The id of the negotiation or part, or the request id, is already used."""

    code = "ALREADY_EXISTS"


class VersionMismatchError(PourparlerError):
    """The negotiation is not at the expected version. Read it and decide again."""

    code = "ABORTED"

    @property
    def expected(self) -> int | None:
        """The version that the caller expected."""
        return _number(self.metadata.get("expected_version"))

    @property
    def current(self) -> int | None:
        """The current version of the negotiation."""
        return _number(self.metadata.get("version"))


class UnauthenticatedError(PourparlerError):
    """The credentials of the caller are missing or not valid."""

    code = "UNAUTHENTICATED"


class PermissionDeniedError(PourparlerError):
    """The caller is authenticated, but not allowed to do this."""

    code = "PERMISSION_DENIED"


class ResourceExhaustedError(PourparlerError):
    """The service is overloaded and did nothing. Retry after `retry_after` seconds."""

    code = "RESOURCE_EXHAUSTED"


class MessageTooLargeError(PourparlerError):
    """The request or the response exceeds a size limit."""

    code = "RESOURCE_EXHAUSTED"


class UnavailableError(PourparlerError):
    """The service cannot be reached, is shutting down, or cannot reach its store."""

    code = "UNAVAILABLE"


class IncompleteReplayError(UnavailableError):
    """A replay ended before it was complete. The entries read so far are correct."""

    last_version: int | None = None
    """The last version that was read; None if there is none."""


class DeadlineExceededError(PourparlerError):
    """No response within the timeout. The entries may be recorded: repeat with `request_id`."""

    code = "DEADLINE_EXCEEDED"


class CallCancelledError(PourparlerError):
    """The call was cancelled, here or by the service."""

    code = "CANCELLED"


class TrustError(PourparlerError):
    """The signed log of the service does not back a response (RFC 6962, C2SP tlog-checkpoint).

    The trust store is unchanged.
    """

    code = "DATA_LOSS"

    finding = ""
    """The name of the finding in an audit, such as `forked`."""
    shown = ""
    """The signed checkpoint of the response."""
    seen = ""
    """The last trusted signed checkpoint. With `shown`, it proves a fork."""


class CheckpointVerificationError(TrustError):
    """The checkpoint is not signed by a trusted key, or it is for another log or version."""


class ReceiptMismatchError(TrustError):
    """The receipt is not for the entries of the request."""


class ForkDetectedError(TrustError):
    """The log does not extend the last trusted checkpoint: the service forked it."""


class StaleReadError(TrustError):
    """The response is older than the last trusted checkpoint."""


class TrustStoreError(PourparlerError):
    """The trust store cannot be read or written."""


class InternalError(PourparlerError):
    """A fault of the service, or a method that it does not implement."""

    code = "INTERNAL"

    @property
    def fault_id(self) -> str:
        """The id of the fault in the log of the service."""
        return self.metadata.get("fault_id", "")


_CLASSES: Mapping[str, type[PourparlerError]] = {
    "INVALID_ARGUMENT": InvalidArgumentError,
    "OUT_OF_RANGE": InvalidArgumentError,
    "FAILED_PRECONDITION": FailedPreconditionError,
    "NOT_FOUND": NotFoundError,
    "ALREADY_EXISTS": AlreadyExistsError,
    "ABORTED": VersionMismatchError,
    "UNAUTHENTICATED": UnauthenticatedError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "UNAVAILABLE": UnavailableError,
    "DEADLINE_EXCEEDED": DeadlineExceededError,
    "CANCELLED": CallCancelledError,
    "INTERNAL": InternalError,
    "UNKNOWN": InternalError,
    "DATA_LOSS": InternalError,
    "UNIMPLEMENTED": InternalError,
}


class FailedCall(Protocol):
    """A failed call, of gRPC's synchronous or asyncio interface."""

    def code(self) -> Any:
        """Return the status code."""

    def details(self) -> str | None:
        """Return the message."""

    def trailing_metadata(self) -> Iterable[Any] | None:
        """Return the trailer, as pairs of keys and values."""


def error_of_call(call: FailedCall) -> PourparlerError:
    """Return the error of a failed call, with the google.rpc details of its trailer (AIP-193)."""
    return _of_status(
        str(call.code().name), call.details() or "", _details(call.trailing_metadata())
    )


def error_of_failure(failure: pb.RecordFailure) -> PourparlerError:
    """Return the error of one failed request in a batch or a stream."""
    status = failure.status
    known = code_pb2.Code.DESCRIPTOR.values_by_number.get(status.code)
    return _of_status(known.name if known else "UNKNOWN", status.message, status.details)


def _of_status(code: str, message: str, details: Iterable[Any]) -> PourparlerError:
    reason, metadata, retry_after = "", {}, None
    violations: list[Violation] = []
    with contextlib.suppress(DecodeError):  # not from this service: only its message is usable
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
        message if reason else _local_message(code, message),
        code=code,
        reason=reason,
        metadata=metadata,
        violations=violations,
        retry_after=retry_after,
    )


def _class(code: str, reason: str, retry_after: float | None) -> type[PourparlerError]:
    if code == "RESOURCE_EXHAUSTED":
        return (
            ResourceExhaustedError
            if reason == "OVERLOADED" or retry_after is not None
            else MessageTooLargeError
        )
    return _CLASSES.get(code, PourparlerError)


def _details(trailer: Iterable[Any] | None) -> Iterable[Any]:
    for key, value in trailer or ():
        if key == _DETAILS and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value).details
            except DecodeError:  # not from this service: only its message is usable
                return ()
    return ()


def _field_violation(violation: error_details_pb2.BadRequest.FieldViolation) -> Violation:
    # googleapis-common-protos before 1.67 has no reason.
    reason = getattr(violation, "reason", "")
    return Violation(violation.field, violation.description, reason)


def _local_message(code: str, message: str) -> str:
    """Return the message of an error that does not come from the service."""
    if code == "UNAVAILABLE":
        return f"The service cannot be reached: {message}"
    if code == "DEADLINE_EXCEEDED":
        return "The service did not answer in time."
    return message or f"The call failed with {code}."


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
