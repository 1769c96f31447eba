"""Validation of each field of a draft by the options of the contract. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter, methodcaller
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from pourparler import v1 as pb
from pourparler.schema.contract import is_repeated, rule_of
from pourparler_service.domain.refusal import ViolationList, quoted

LONGEST_TEXT = 65_536
"""The maximum size of `Words.text` in bytes: a long speech, or a short treaty."""

LONGEST_WORDS = 4_096
"""The maximum size of any other text in bytes: a title, a reason, a passage of a source."""

LONGEST_LIST = 1_000
"""The maximum number of items of a list: more attendees than any session has."""

MOST_TERMS = 64
"""The maximum number of terms of an entry, and of the texts of terms."""

ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
ID_RULE = "1 to 64 lower-case letters, digits, '.', '_' or '-', beginning with a letter or a digit"


def check_fields(found: ViolationList, message: Message, path: str) -> None:
    """Add a violation for each invalid field of a message and of its nested messages."""
    _check_message(found, message, f"{path}." if path else "")


def is_missing(message: Message, name: str) -> bool:
    """Return True if a field has no content: not set, empty, blank, zero or UNSPECIFIED."""
    return not _message_check(message.DESCRIPTOR).by_name[name].is_set(message)


def require(found: ViolationList, path: str, why: str = "") -> None:
    """Add a violation for a missing field."""
    text = f"{_last_name(path)} is missing{why and f': {why}'}."
    found.add(pb.ERROR_REASON_FIELD_REQUIRED, text, path)


def forbid(found: ViolationList, path: str, why: str) -> None:
    """Add a violation for a field that is not allowed."""
    text = f"{_last_name(path)} is not allowed here: {why}."
    found.add(pb.ERROR_REASON_FIELD_NOT_ALLOWED, text, path)


def _last_name(path: str) -> str:
    return path.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class _FieldCheck:
    """The checks of one field, computed once per message type."""

    name: str
    is_message: bool
    is_list: bool
    most_items: int
    distinct: bool
    """True if the list may not contain duplicates."""
    is_set: Callable[[Any], object]
    """Returns a true value if a message has content in this field."""
    is_valid: Callable[[Any], object]
    """Returns a true value if the field may have a value. For a message, its own fields decide."""
    report: Callable[[ViolationList, Any, str], None]
    """Adds a violation for an invalid value at a path."""


@dataclass(frozen=True, slots=True)
class _MessageCheck:
    """The checks of one message type."""

    fields: Mapping[FieldDescriptor, _FieldCheck]
    by_name: Mapping[str, _FieldCheck]
    required: Sequence[_FieldCheck]


@cache
def _message_check(descriptor: Descriptor) -> _MessageCheck:
    fields = {field: _field_check(field) for field in descriptor.fields}
    return _MessageCheck(
        fields=fields,
        by_name={one.name: one for one in fields.values()},
        required=[one for field, one in fields.items() if rule_of(field).required],
    )


def _field_check(field: FieldDescriptor) -> _FieldCheck:
    of_terms = field.message_type in {pb.Term.DESCRIPTOR, pb.TermText.DESCRIPTOR}
    rule = rule_of(field)
    is_id = bool(rule.id or rule.introduces or rule.refers_to)
    is_valid, report = _check_of(field, is_id=is_id)
    return _FieldCheck(
        name=field.name,
        is_message=field.message_type is not None,
        is_list=is_repeated(field),
        most_items=MOST_TERMS if of_terms else LONGEST_LIST,
        distinct=is_id,
        is_set=_content_of(field),
        is_valid=is_valid,
        report=report,
    )


def _content_of(field: FieldDescriptor) -> Callable[[Any], object]:
    value_of = attrgetter(field.name)
    if is_repeated(field):
        return value_of
    if field.message_type is not None:
        return methodcaller("HasField", field.name)
    if field.type == FieldDescriptor.TYPE_STRING:
        return lambda message: value_of(message).strip()
    return value_of


def _check_of(
    field: FieldDescriptor, *, is_id: bool
) -> tuple[Callable[[Any], object], Callable[[ViolationList, Any, str], None]]:
    """Return a test for one value of a field, and a function that reports an invalid one."""
    if is_id:
        return ID.fullmatch, _report_id
    if field.type == FieldDescriptor.TYPE_STRING:
        is_text = field.full_name == "pourparler.v1.Words.text"
        most = LONGEST_TEXT if is_text else LONGEST_WORDS
        return (
            lambda text: 4 * len(text) <= most or len(text.encode()) <= most,
            lambda found, _, path: _report_limit(found, path, f"more than {most:,} bytes"),
        )
    if field.enum_type is not None:
        return frozenset(field.enum_type.values_by_number).__contains__, _report_enum
    return lambda _: True, lambda _found, _value, _path: None


def _check_message(found: ViolationList, message: Message, before: str) -> None:
    """Check as `check_fields`. The prefix `before` becomes a path only for a violation."""
    unknown = UnknownFieldSet(message)
    if len(unknown):
        _report_unknown(found, unknown, before.removesuffix("."))
    check = _message_check(message.DESCRIPTOR)
    for descriptor, value in message.ListFields():
        field = check.fields[descriptor]
        if field.is_list:
            _check_list(found, field, value, before)
        elif field.is_message:
            _check_message(found, value, f"{before}{field.name}.")
        elif not field.is_valid(value):
            field.report(found, value, f"{before}{field.name}")
    for field in check.required:
        if not field.is_set(message):
            require(found, f"{before}{field.name}")


def _check_list(
    found: ViolationList, field: _FieldCheck, values: Sequence[Any], before: str
) -> None:
    path = f"{before}{field.name}"
    if len(values) > field.most_items:
        _report_limit(found, path, f"{len(values):,} items; {field.most_items:,} are allowed")
        return
    values = values[:]  # A Python list is read faster than a list of a message.
    for place, value in enumerate(values):
        if field.is_message:
            _check_message(found, value, f"{path}[{place}].")
        elif not field.is_valid(value):
            field.report(found, value, f"{path}[{place}]")
    if field.distinct and len(values) > 1 and len(set(values)) < len(values):
        place = next(place for place, value in enumerate(values) if value in values[:place])
        text = f"The list names {quoted(values[place])} twice. Name it once."
        found.add(pb.ERROR_REASON_DUPLICATE, text, f"{path}[{place}]")


def _report_unknown(found: ViolationList, unknown: UnknownFieldSet, path: str) -> None:
    for place in range(len(unknown)):
        number = unknown[place].field_number
        text = f"This version of the service does not know the field {number}. Update the service."
        found.add(pb.ERROR_REASON_FIELD_NOT_ALLOWED, text, path)


def _report_id(found: ViolationList, value: str, path: str) -> None:
    found.add(pb.ERROR_REASON_ID_INVALID, f"The id {quoted(value)} is not {ID_RULE}.", path)


def _report_enum(found: ViolationList, value: int, path: str) -> None:
    text = f"This version of the service does not know the value {value}. Update the service."
    found.add(pb.ERROR_REASON_ENUM_UNKNOWN, text, path, value=str(value))


def _report_limit(found: ViolationList, path: str, what: str) -> None:
    found.add(pb.ERROR_REASON_LIMIT_EXCEEDED, f"{_last_name(path)} has {what}.", path)
