"""The outcome of each record request in a batch or a stream: a receipt or an error. Pure."""

from collections.abc import Sequence
from copy import copy
from typing import TypeAlias

from google.protobuf.message import DecodeError

from pourparler import v1 as pb
from pourparler.errors import (
    CallCancelledError,
    DeadlineExceededError,
    InternalError,
    PourparlerError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    error_of_failure,
)

Outcome: TypeAlias = pb.Receipt | PourparlerError

SERVICE_UNAVAILABLE = (
    UnavailableError
    | ResourceExhaustedError
    | DeadlineExceededError
    | CallCancelledError
    | UnauthenticatedError
)
"""The errors that fail every request, not only the one that they answer."""


def with_request_id(request: pb.RecordEntriesRequest, error: PourparlerError) -> PourparlerError:
    """Return a copy of an error with the id of this request: other requests may share the error."""
    error = copy(error)
    error.request_id = request.request_id
    return error


def parse_outcome(data: bytes) -> tuple[bytes, pb.Receipt]:
    """Return the RecordEntriesResponse bytes and the receipt of a StreamRecordEntriesResponse.

    Raises the error of the request if it failed, and InternalError if the bytes are malformed.
    """
    try:
        # In protobuf, a submessage has the encoding of a bytes field. The field of the outcome has
        # the number of Record.header, and its receipt has that of RecordEntriesResponse.receipt.
        response = pb.Record.FromString(data).header
    except DecodeError as error:
        raise _malformed() from error
    return response, parse_receipt(response)


def parse_batch(data: bytes) -> Sequence[bytes]:
    """Return the bytes of each RecordOutcome in a BatchRecordEntriesResponse.

    Raises InternalError if the bytes are malformed.
    """
    try:
        # In protobuf, a submessage has the encoding of a bytes field, as this message has one.
        return pb.GetConsistencyProofResponse.FromString(data).hashes
    except DecodeError as error:
        raise _malformed() from error


def parse_receipt(response: bytes) -> pb.Receipt:
    """Return the receipt in a RecordOutcome. Raises the error of the request if it failed."""
    try:
        outcome = pb.RecordOutcome.FromString(response)
    except DecodeError as error:
        raise _malformed() from error
    if outcome.HasField("failure"):
        raise error_of_failure(outcome.failure)
    if not outcome.HasField("receipt"):
        raise InternalError("The response of the service has no receipt and no failure.")
    return outcome.receipt


def _malformed() -> InternalError:
    return InternalError("The response of the service is malformed.")
