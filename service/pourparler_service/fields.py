"""Each field of a draft by itself, against what its options in the contract say of it. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from pourparler import v1 as pb
from pourparler.contract import is_repeated, rule_of
from pourparler_service.refusal import Findings, quoted

LONGEST_TEXT = 65_536
"""Bytes of `text`: a long speech, or a short treaty."""

LONGEST_WORDS = 4_096
"""Bytes of any other text: a title, a reason, a passage of a source."""

LONGEST_LIST = 1_000
"""Items of a list: more attendees than any session has."""

MOST_TERMS = 64
"""Terms of one entry, and as many texts of terms."""

ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
ID_RULE = "1 to 64 lower-case letters, digits, '.', '_' or '-', beginning with a letter or a digit"


def check_fields(found: Findings, message: Message, path: str) -> None:
    """Find what is wrong with the fields of a message, and of the messages in it."""
    before = f"{path}." if path else ""
    unknown = UnknownFieldSet(message)
    for place in range(len(unknown)):
        text = f"The field number {unknown[place].field_number} is not known to this version."
        found.add(pb.ERROR_REASON_FIELD_NOT_ALLOWED, text, path)
    fields = _fields(message.DESCRIPTOR)
    for descriptor, value in message.ListFields():
        field, here = fields[descriptor.name], f"{before}{descriptor.name}"
        if field.repeated:
            _check_list(found, field, value, here)
        else:
            _check_value(found, field, value, here)
    for name in _required(message.DESCRIPTOR):
        if is_missing(message, name):
            require(found, f"{before}{name}")


def is_missing(message: Message, name: str) -> bool:
    """Whether a field says nothing: not given, empty, blank, zero or UNSPECIFIED."""
    field = _fields(message.DESCRIPTOR)[name]
    if field.is_message and not field.repeated:
        return not message.HasField(name)
    value = getattr(message, name)
    return not (value.strip() if isinstance(value, str) else value)


def require(found: Findings, path: str, why: str = "") -> None:
    """Find a field missing."""
    text = f"{_name(path)} is missing{why and f': {why}'}."
    found.add(pb.ERROR_REASON_FIELD_REQUIRED, text, path)


def forbid(found: Findings, path: str, why: str) -> None:
    """Find a field where it does not belong."""
    text = f"{_name(path)} has no place here: {why}."
    found.add(pb.ERROR_REASON_FIELD_NOT_ALLOWED, text, path)


def _name(path: str) -> str:
    return path.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class _Field:
    """What there is to look at in a field."""

    name: str
    required: bool
    repeated: bool
    is_id: bool
    is_text: bool
    is_message: bool
    most_items: int
    most_bytes: int
    choices: frozenset[int] | None


@cache
def _fields(descriptor: Descriptor) -> Mapping[str, _Field]:
    return {field.name: _field(field) for field in descriptor.fields}


@cache
def _required(descriptor: Descriptor) -> tuple[str, ...]:
    return tuple(field.name for field in _fields(descriptor).values() if field.required)


def _field(field: FieldDescriptor) -> _Field:
    rule = rule_of(field)
    of_terms = field.message_type in {pb.Term.DESCRIPTOR, pb.TermText.DESCRIPTOR}
    spoken = field.full_name == "pourparler.v1.Words.text"
    return _Field(
        name=field.name,
        required=rule.required,
        repeated=is_repeated(field),
        is_id=bool(rule.id or rule.introduces or rule.refers_to),
        is_text=field.type == FieldDescriptor.TYPE_STRING,
        is_message=field.message_type is not None,
        most_items=MOST_TERMS if of_terms else LONGEST_LIST,
        most_bytes=LONGEST_TEXT if spoken else LONGEST_WORDS,
        choices=frozenset(field.enum_type.values_by_number) if field.enum_type else None,
    )


def _check_list(found: Findings, field: _Field, values: Sequence[Any], path: str) -> None:
    if len(values) > field.most_items:
        _exceed(found, path, f"{len(values):,} items, where {field.most_items:,} are the most")
        return
    for place, value in enumerate(values):
        _check_value(found, field, value, f"{path}[{place}]")
    if field.is_id and len(set(values)) < len(values):
        place = next(place for place, value in enumerate(values) if value in values[:place])
        text = f"The list names {quoted(values[place])} twice."
        found.add(pb.ERROR_REASON_DUPLICATE, text, f"{path}[{place}]")


def _check_value(found: Findings, field: _Field, value: Any, path: str) -> None:
    if field.is_message:
        check_fields(found, value, path)
    elif field.is_id:
        if not ID.fullmatch(value):
            text = f"The id {quoted(value)} is not {ID_RULE}."
            found.add(pb.ERROR_REASON_ID_INVALID, text, path)
    elif field.is_text:
        most = field.most_bytes
        if 4 * len(value) > most and len(value.encode()) > most:
            _exceed(found, path, f"more than {most:,} bytes")
    elif field.choices is not None and value not in field.choices:
        text = f"The value {value} is not known to this version."
        found.add(pb.ERROR_REASON_ENUM_UNKNOWN, text, path, value=str(value))


def _exceed(found: Findings, path: str, what: str) -> None:
    found.add(pb.ERROR_REASON_LIMIT_EXCEEDED, f"{_name(path)} has {what}.", path)
