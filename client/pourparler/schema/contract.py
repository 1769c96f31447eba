"""The rules of the contract, from the options of its fields: new ids and references. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from pourparler import v1 as pb

PARTS: Mapping[int, str] = {
    number: name.removeprefix("PART_KIND_").lower() + "s"
    for name, number in pb.PartKind.items()
    if number != pb.PART_KIND_UNSPECIFIED
}
"""The field of Negotiation that holds the parts of a kind, by PartKind."""


TALLY_COUNTS = tuple(
    field.name for field in pb.Tally.DESCRIPTOR.fields if field.type == FieldDescriptor.TYPE_STRING
)
"""The fields of a Tally that hold a count."""


class Reference(NamedTuple):
    """An id in an entry: its path, its PartKind, and for a participant its capacity and role."""

    path: str
    kind: int
    id: str
    acting: int
    role: int


@dataclass(frozen=True, slots=True)
class EntryType:
    """An entry type: its field in the oneof of Facts, its message, and the rule of its words."""

    name: str
    descriptor: Descriptor
    rule: pb.EventRule
    introduces: FieldDescriptor | None

    @property
    def title(self) -> str:
        """The name of the message, such as `StatementRecorded`."""
        return str(self.descriptor.name)


def rule_of(field: FieldDescriptor) -> pb.FieldRule:
    """Return the rule of a field; an empty one if the field has none."""
    rule: pb.FieldRule = field.GetOptions().Extensions[pb.rule]
    return rule


def _entry_type(field: FieldDescriptor) -> EntryType:
    message = cast("Descriptor", field.message_type)
    brings = [f for f in message.fields if rule_of(f).introduces]
    return EntryType(
        name=field.name,
        descriptor=message,
        rule=message.GetOptions().Extensions[pb.event_rule],
        introduces=brings[0] if brings else None,
    )


ENTRY_TYPES: Mapping[str, EntryType] = {
    field.name: _entry_type(field) for field in pb.Facts.DESCRIPTOR.oneofs_by_name["event"].fields
}
"""All entry types, by the name of their field in Facts."""


def entry_type(facts: pb.Facts) -> EntryType | None:
    """Return the type of an entry, or None if it has no type that this version supports."""
    name = facts.WhichOneof("event")
    return ENTRY_TYPES[name] if name else None


@dataclass(frozen=True, slots=True)
class _ReferenceField:
    """A field that refers to parts of a kind, or (kind 0) a message that contains such fields."""

    name: str
    kind: int
    acting: int
    role: int
    repeated: bool


@cache
def _reference_fields(descriptor: Descriptor) -> Mapping[FieldDescriptor, _ReferenceField]:
    """Return the fields through which a message refers to parts."""
    found = {}
    for field in descriptor.fields:
        rule = rule_of(field)
        if rule.refers_to or (
            field.message_type is not None and _has_references(field.message_type)
        ):
            found[field] = _ReferenceField(
                field.name, rule.refers_to, rule.acting, rule.role, is_repeated(field)
            )
    return found


def _has_references(descriptor: Descriptor) -> bool:
    # A correction holds Facts within Facts: without this check, the recursion would not end.
    if descriptor is pb.Facts.DESCRIPTOR:
        return True
    return descriptor.file.package == "pourparler.v1" and bool(_reference_fields(descriptor))


def is_repeated(field: FieldDescriptor) -> bool:
    """Return True if a field is repeated."""
    # Before protobuf 6.31, a field has only its label.
    known = getattr(field, "is_repeated", None)
    if known is None:
        label: int = getattr(field, "label")  # noqa: B009 - newer runtimes do not have it
        return label == FieldDescriptor.LABEL_REPEATED
    return bool(known)


def introduced_part(facts: pb.Facts) -> tuple[int, str] | None:
    """Return the kind and the id of the part that an entry introduces, or None."""
    kind = entry_type(facts)
    if kind is None or kind.introduces is None:
        return None
    event = getattr(facts, kind.name)
    return rule_of(kind.introduces).introduces, getattr(event, kind.introduces.name)


def references(message: Message, path: str = "") -> list[Reference]:
    """Return every reference of a message, in the order of its fields; `path` is a prefix."""
    found: list[Reference] = []
    _collect(found, message, f"{path}." if path else "")
    return found


def _collect(found: list[Reference], message: Message, before: str) -> None:
    referring = _reference_fields(message.DESCRIPTOR)
    for descriptor, value in message.ListFields():
        field = referring.get(descriptor)
        if field is None:
            continue
        if field.repeated:
            for place, one in enumerate(value[:]):
                _collect_value(found, field, one, f"{before}{field.name}[{place}]")
        else:
            _collect_value(found, field, value, f"{before}{field.name}")


def _collect_value(found: list[Reference], field: _ReferenceField, value: Any, path: str) -> None:
    if field.kind:
        found.append(Reference(path, field.kind, value, field.acting, field.role))
    else:
        _collect(found, value, f"{path}.")
