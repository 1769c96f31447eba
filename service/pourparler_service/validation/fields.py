"""Each field of a draft by itself, against what its options in the contract say of it. Pure."""

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
"""Bytes of `text`: a long speech, or a short treaty."""

LONGEST_WORDS = 4_096
"""Bytes of any other text: a title, a reason, a passage of a source."""

LONGEST_LIST = 1_000
"""Items of a list: more attendees than any session has."""

MOST_TERMS = 64
"""Terms of one entry, and as many texts of terms."""

ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
ID_RULE = "1 to 64 lower-case letters, digits, '.', '_' or '-', beginning with a letter or a digit"


def check_fields(found: ViolationList, message: Message, path: str) -> None:
    """Find what is wrong with the fields of a message, and of the messages in it."""
    _check_message(found, message, f"{path}." if path else "")


def is_missing(message: Message, name: str) -> bool:
    """Whether a field says nothing: not given, empty, blank, zero or UNSPECIFIED."""
    return not _plan(message.DESCRIPTOR).by_name[name].says(message)


def require(found: ViolationList, path: str, why: str = "") -> None:
    """Find a field missing."""
    text = f"{_name(path)} is missing{why and f': {why}'}."
    found.add(pb.ERROR_REASON_FIELD_REQUIRED, text, path)


def forbid(found: ViolationList, path: str, why: str) -> None:
    """Find a field where it does not belong."""
    text = f"{_name(path)} has no place here: {why}."
    found.add(pb.ERROR_REASON_FIELD_NOT_ALLOWED, text, path)


def _name(path: str) -> str:
    return path.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class _Field:
    """What there is to look at in a field, found out once for its type of message."""

    name: str
    is_message: bool
    is_list: bool
    most_items: int
    distinct: bool
    """Whether nothing may stand in the list twice."""
    says: Callable[[Any], object]
    """Whether a message says anything in this field."""
    fits: Callable[[Any], object]
    """Whether a value may stand in this field, by itself. Of a message its own fields say so."""
    tell: Callable[[ViolationList, Any, str], None]
    """Finds a value that does not fit, at its path."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What there is to look at in a type of message."""

    fields: Mapping[FieldDescriptor, _Field]
    by_name: Mapping[str, _Field]
    required: Sequence[_Field]


@cache
def _plan(descriptor: Descriptor) -> _Plan:
    fields = {field: _field(field) for field in descriptor.fields}
    return _Plan(
        fields=fields,
        by_name={one.name: one for one in fields.values()},
        required=[one for field, one in fields.items() if rule_of(field).required],
    )


def _field(field: FieldDescriptor) -> _Field:
    of_terms = field.message_type in {pb.Term.DESCRIPTOR, pb.TermText.DESCRIPTOR}
    rule = rule_of(field)
    is_id = bool(rule.id or rule.introduces or rule.refers_to)
    fits, tell = _check_of(field, is_id=is_id)
    return _Field(
        name=field.name,
        is_message=field.message_type is not None,
        is_list=is_repeated(field),
        most_items=MOST_TERMS if of_terms else LONGEST_LIST,
        distinct=is_id,
        says=_saying(field),
        fits=fits,
        tell=tell,
    )


def _saying(field: FieldDescriptor) -> Callable[[Any], object]:
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
    """How to see that one value of a field fits, and how to tell that it does not."""
    if is_id:
        return ID.fullmatch, _tell_id
    if field.type == FieldDescriptor.TYPE_STRING:
        spoken = field.full_name == "pourparler.v1.Words.text"
        most = LONGEST_TEXT if spoken else LONGEST_WORDS
        return (
            lambda text: 4 * len(text) <= most or len(text.encode()) <= most,
            lambda found, _, path: _exceed(found, path, f"more than {most:,} bytes"),
        )
    if field.enum_type is not None:
        return frozenset(field.enum_type.values_by_number).__contains__, _tell_choice
    return lambda _: True, lambda _found, _value, _path: None


def _check_message(found: ViolationList, message: Message, before: str) -> None:
    """As `check_fields`; paths are put together where something is wrong, `before` coming first."""
    unknown = UnknownFieldSet(message)
    if len(unknown):
        _tell_unknown(found, unknown, before.removesuffix("."))
    plan = _plan(message.DESCRIPTOR)
    for descriptor, value in message.ListFields():
        field = plan.fields[descriptor]
        if field.is_list:
            _check_list(found, field, value, before)
        elif field.is_message:
            _check_message(found, value, f"{before}{field.name}.")
        elif not field.fits(value):
            field.tell(found, value, f"{before}{field.name}")
    for field in plan.required:
        if not field.says(message):
            require(found, f"{before}{field.name}")


def _check_list(found: ViolationList, field: _Field, values: Sequence[Any], before: str) -> None:
    path = f"{before}{field.name}"
    if len(values) > field.most_items:
        _exceed(found, path, f"{len(values):,} items, where {field.most_items:,} are the most")
        return
    values = values[:]  # To read a list of Python's is quicker than one of a message.
    for place, value in enumerate(values):
        if field.is_message:
            _check_message(found, value, f"{path}[{place}].")
        elif not field.fits(value):
            field.tell(found, value, f"{path}[{place}]")
    if field.distinct and len(values) > 1 and len(set(values)) < len(values):
        place = next(place for place, value in enumerate(values) if value in values[:place])
        text = f"The list names {quoted(values[place])} twice."
        found.add(pb.ERROR_REASON_DUPLICATE, text, f"{path}[{place}]")


def _tell_unknown(found: ViolationList, unknown: UnknownFieldSet, path: str) -> None:
    for place in range(len(unknown)):
        text = f"The field number {unknown[place].field_number} is not known to this version."
        found.add(pb.ERROR_REASON_FIELD_NOT_ALLOWED, text, path)


def _tell_id(found: ViolationList, value: str, path: str) -> None:
    found.add(pb.ERROR_REASON_ID_INVALID, f"The id {quoted(value)} is not {ID_RULE}.", path)


def _tell_choice(found: ViolationList, value: int, path: str) -> None:
    text = f"The value {value} is not known to this version."
    found.add(pb.ERROR_REASON_ENUM_UNKNOWN, text, path, value=str(value))


def _exceed(found: ViolationList, path: str, what: str) -> None:
    found.add(pb.ERROR_REASON_LIMIT_EXCEEDED, f"{_name(path)} has {what}.", path)
