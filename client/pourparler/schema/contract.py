"""What the .proto says of its own fields, read once from its options.

Which ids a field brings, which it refers to. Pure.
"""

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


class Reference(NamedTuple):
    """An id that an entry names.

    Where, of what kind, and with what standing if it is a participant.
    """

    path: str
    kind: int
    id: str
    acting: int


@dataclass(frozen=True, slots=True)
class EntryType:
    """One member of the oneof in Facts.

    Its field name there, its message, and the rule of its words.
    """

    name: str
    descriptor: Descriptor
    rule: pb.EventRule
    introduces: FieldDescriptor | None

    @property
    def title(self) -> str:
        """The name of the message, such as `StatementRecorded`."""
        return str(self.descriptor.name)


def rule_of(field: FieldDescriptor) -> pb.FieldRule:
    """The rule of a field; an empty one where the field has none."""
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
    """The type of an entry; None if it has none, or one that this version does not know."""
    name = facts.WhichOneof("event")
    return ENTRY_TYPES[name] if name else None


@dataclass(frozen=True, slots=True)
class _Referring:
    """A field that refers to parts of a kind, or in whose messages (kind 0) such fields stand."""

    name: str
    kind: int
    acting: int
    repeated: bool


@cache
def _referring(descriptor: Descriptor) -> Mapping[FieldDescriptor, _Referring]:
    """The fields of a message through which it refers to parts."""
    found = {}
    for field in descriptor.fields:
        rule = rule_of(field)
        if rule.refers_to or (field.message_type is not None and _leads_on(field.message_type)):
            repeated = is_repeated(field)
            found[field] = _Referring(field.name, rule.refers_to, rule.acting, repeated)
    return found


def _leads_on(descriptor: Descriptor) -> bool:
    # A correction holds Facts within Facts: this is where the reading of the types would never end.
    if descriptor is pb.Facts.DESCRIPTOR:
        return True
    return descriptor.file.package == "pourparler.v1" and bool(_referring(descriptor))


def is_repeated(field: FieldDescriptor) -> bool:
    """Whether a field is a list."""
    # Runtimes before protobuf 6.31 know only its label.
    known = getattr(field, "is_repeated", None)
    if known is None:
        label: int = getattr(field, "label")  # noqa: B009 - newer runtimes do not have it
        return label == FieldDescriptor.LABEL_REPEATED
    return bool(known)


def brought(facts: pb.Facts) -> tuple[int, str] | None:
    """The kind and the id of the part that an entry brings, if it brings one."""
    kind = entry_type(facts)
    if kind is None or kind.introduces is None:
        return None
    event = getattr(facts, kind.name)
    return rule_of(kind.introduces).introduces, getattr(event, kind.introduces.name)


def references(message: Message, path: str = "") -> list[Reference]:
    """Every id that a message refers to, in the order of its fields; `path` leads to it."""
    found: list[Reference] = []
    _refer(found, message, f"{path}." if path else "")
    return found


def _refer(found: list[Reference], message: Message, before: str) -> None:
    referring = _referring(message.DESCRIPTOR)
    for descriptor, value in message.ListFields():
        field = referring.get(descriptor)
        if field is None:
            continue
        if field.repeated:
            for place, one in enumerate(value[:]):
                _refer_by(found, field, one, f"{before}{field.name}[{place}]")
        else:
            _refer_by(found, field, value, f"{before}{field.name}")


def _refer_by(found: list[Reference], field: _Referring, value: Any, path: str) -> None:
    if field.kind:
        found.append(Reference(path, field.kind, value, field.acting))
    else:
        _refer(found, value, f"{path}.")
