"""Messages with every field set, the same at every run, to fix the stored format."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from pourparler.schema.contract import is_repeated, rule_of
from pourparler.schema.entry_format import LATEST_FORMAT


def fill(message: Message, depth: int = 4, entry_format: int = LATEST_FORMAT) -> None:
    """Set all fields of a message that a format has, and the first member of each oneof."""
    chosen: set[str] = set()
    fields: Any = message.DESCRIPTOR.fields
    for field in fields:
        if rule_of(field).since > entry_format:
            continue
        oneof = field.containing_oneof
        if oneof is not None:
            if oneof.name in chosen:
                continue
            chosen.add(oneof.name)
        if field.message_type is None:
            _set(message, field)
        elif depth:
            value = getattr(message, field.name)
            for part in (value.add(), value.add()) if is_repeated(field) else (value,):
                fill(part, depth - 1, entry_format)


def _set(message: Message, field: Any) -> None:
    if is_repeated(field):
        getattr(message, field.name).extend([_value(field, 1), _value(field, 2)])
    else:
        setattr(message, field.name, _value(field, 1))


def _value(field: Any, place: int) -> Any:
    if field.enum_type is not None:
        return field.enum_type.values[place].number
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        text = f"{field.name} {place}"
        return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return True
    return 10 * field.number + place
