"""Validation of the enums, ids, times and page sizes of a read request. Pure."""

from collections.abc import Container, Sequence
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.schema.contract import is_repeated
from pourparler_service.domain.refusal import refuse
from pourparler_service.validation import drafts
from pourparler_service.validation.fields import LONGEST_LIST

DEFAULT_PAGE = 50
LONGEST_PAGE = 1_000

# The calendar of google.protobuf.Timestamp: the years 0001 to 9999.
_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_799
_NANOS = 1_000_000_000
_LOWEST = -(1 << 63)  # the first nanosecond of a 64-bit column


def check_enum(request: Message, name: str) -> None:
    """Raise RefusalError for an unknown enum value, and in a list also for UNSPECIFIED."""
    field: Any = request.DESCRIPTOR.fields_by_name[name]
    values = field.enum_type.values_by_number
    if not is_repeated(field):
        _check_known(getattr(request, name), values.keys(), name)
        return
    check_length(getattr(request, name), name)
    for place, value in enumerate(getattr(request, name)):
        path = f"{name}[{place}]"
        _check_known(value, values.keys(), path)
        if not value:
            text = f"{values[0].name} is no filter. Leave the list empty to include all values."
            refuse(pb.ERROR_REASON_FIELD_INVALID, text, path)


def _check_known(value: int, known: Container[int], path: str) -> None:
    if value not in known:
        text = f"This version of the service does not know the value {value}. Update the service."
        refuse(pb.ERROR_REASON_ENUM_UNKNOWN, text, path, value=str(value))


def check_ids(ids: Sequence[str], name: str) -> None:
    """Raise RefusalError if an item of a list is not an id."""
    check_length(ids, name)
    for place, one in enumerate(ids):
        drafts.check_id(one, f"{name}[{place}]")


def check_length(items: Sequence[object], name: str) -> None:
    """Raise RefusalError if a list is too long."""
    if len(items) > LONGEST_LIST:
        refuse(
            pb.ERROR_REASON_LIMIT_EXCEEDED,
            f"{name} has {len(items)} items; {LONGEST_LIST} are allowed.",
            name,
            limit=str(LONGEST_LIST),
        )


def nanoseconds(time: Timestamp, path: str) -> int:
    """Return a time in nanoseconds since 1970; raise RefusalError if it is outside the calendar."""
    if not (_FIRST_SECOND <= time.seconds <= _LAST_SECOND and 0 <= time.nanos < _NANOS):
        text = "The time is outside the calendar: years are 0001 to 9999, nanos are 0 to 999999999."
        refuse(pb.ERROR_REASON_FIELD_INVALID, text, path)
    return time.seconds * _NANOS + time.nanos


def time(request: pb.ListNegotiationsRequest | pb.SearchEntriesRequest, name: str) -> int | None:
    """Return a time of a request in nanoseconds since 1970, within 64 bits; None if not set."""
    if not request.HasField(name):  # type: ignore[arg-type]
        return None
    return max(_LOWEST, min(nanoseconds(getattr(request, name), name), -1 - _LOWEST))


def check_as_of(as_of: pb.AsOf, path: str) -> None:
    """Raise RefusalError if the time of a point is outside the calendar."""
    if as_of.HasField("record_time"):
        nanoseconds(as_of.record_time, f"{path}.record_time")


def page_size(request: pb.ListNegotiationsRequest | pb.SearchEntriesRequest) -> int:
    """Return the number of results per page; raise RefusalError if it is negative."""
    if request.page_size < 0:
        refuse(
            pb.ERROR_REASON_FIELD_INVALID,
            f"The page_size is {request.page_size}; it cannot be below 0.",
            "page_size",
        )
    return min(request.page_size or DEFAULT_PAGE, LONGEST_PAGE)
