"""Refusals and failures as google.rpc.Status (AIP-193)."""

import logging
import secrets

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

from pourparler import v1 as pb
from pourparler_service.domain.refusal import RefusalError, Violation, reason_name, status_name
from pourparler_service.storage.interface import StoreUnavailableError

_LOG = logging.getLogger(__name__)


DOMAIN = "pourparler"
"""The domain of every ErrorInfo. It has no version: reasons keep their meaning."""


# Clients refuse headers of more than 8 KiB in all; details are sent in base64, beside the message.
_DETAILS_BYTES = 3_072


_TEXT_BYTES = 600


_VALUE_BYTES = 200


_RETRY_SECONDS: dict[int, float] = {
    pb.ERROR_REASON_OVERLOADED: 0.5,
    pb.ERROR_REASON_STORE_UNAVAILABLE: 2.0,
    pb.ERROR_REASON_SHUTTING_DOWN: 1.0,
    pb.ERROR_REASON_TOKEN_KEYS_UNAVAILABLE: 0.5,
    pb.ERROR_REASON_INDEX_NOT_READY: 1.0,
}


# Releases of googleapis-common-protos before 1.67 do not have it.
_HAS_REASON = "reason" in error_details_pb2.BadRequest.FieldViolation.DESCRIPTOR.fields_by_name


def as_refusal(error: Exception, where: str) -> RefusalError:
    """Return an error as a refusal. A fault of the service is logged, and refused by its id."""
    if isinstance(error, RefusalError):
        return error
    if isinstance(error, StoreUnavailableError):
        _LOG.warning("store failed in %s: %s", where, error)
        return _single(
            pb.ERROR_REASON_STORE_UNAVAILABLE,
            "The store cannot be read or written at the moment. Try again later; to record,"
            " with the same request id.",
        )
    fault_id = secrets.token_hex(8)
    _LOG.error("fault %s in %s", fault_id, where, exc_info=error)
    return _single(
        pb.ERROR_REASON_INTERNAL,
        f"The service failed. Give its operator the id {fault_id}, to find the fault in the log.",
        fault_id=fault_id,
    )


def _single(reason: int, text: str, **metadata: str) -> RefusalError:
    return RefusalError([Violation(reason, "", text, metadata)])


def status_message(refusal: RefusalError) -> Status:
    """Return a refusal as google.rpc.Status, with as many details as headers may hold."""
    code = grpc.StatusCode[status_name(refusal.reason)]
    number, _ = code.value
    text = _short(refusal.text, _TEXT_BYTES)
    status = Status(code=number, message=text)
    metadata = {key: _short(value, _VALUE_BYTES) for key, value in refusal.metadata.items()}
    if refusal.field:
        metadata["field"] = refusal.field
    _add(
        status,
        error_details_pb2.ErrorInfo(
            reason=reason_name(refusal.reason), domain=DOMAIN, metadata=metadata
        ),
    )
    seconds = _RETRY_SECONDS.get(refusal.reason)
    if seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(int(seconds * 1_000))
        _add(status, retry)
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        bad_request = error_details_pb2.BadRequest()
        for violation in refusal.violations:
            bad_request.field_violations.add(
                field=violation.field,
                description=_short(violation.text, _TEXT_BYTES),
                **({"reason": reason_name(violation.reason)} if _HAS_REASON else {}),
            )
            if status.ByteSize() + bad_request.ByteSize() > _DETAILS_BYTES:
                del bad_request.field_violations[-1]
                break
        if bad_request.field_violations:
            _add(status, bad_request)
    elif code is grpc.StatusCode.FAILED_PRECONDITION:
        failure = error_details_pb2.PreconditionFailure()
        for violation in refusal.violations:
            failure.violations.add(
                type=reason_name(violation.reason),
                subject=violation.field,
                description=_short(violation.text, _TEXT_BYTES),
            )
        _add(status, failure)
    return status


def failure_message(refusal: RefusalError) -> pb.RecordFailure:
    """Return a refusal as the outcome of one of several requests."""
    return pb.RecordFailure(status=status_message(refusal))


def _add(status: Status, detail: Message) -> None:
    status.details.add().Pack(detail, deterministic=True)


def _short(text: str, most: int) -> str:
    data = text.encode()
    return text if len(data) <= most else data[:most].decode(errors="ignore") + "…"
