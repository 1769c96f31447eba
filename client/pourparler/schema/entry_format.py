"""The format of an entry: the version of the contract that a reader needs to read it. Pure."""

from functools import cache

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.schema.contract import ENTRY_TYPES, is_repeated, rule_of

FIRST_FORMAT = 1
"""The format of an entry that uses nothing that a later format introduced."""

LATEST_FORMAT = 2
"""The latest format that this version reads and writes."""

_READ_ANEW = {"participant_left": 2}
"""The entry types that the fold of a later format reads in another way, and that format."""


def entry_format(facts: pb.Facts, words: pb.Words) -> int:
    """Return the least format that a reader of an entry must support, from its own content.

    The format follows from the option `since` of the fields, enum values and entry types in use.
    Entries that a later format reads in another way have that format too.
    """
    kind = facts.WhichOneof("event") or ""
    known = ENTRY_TYPES.get(kind)
    least = known.rule.since if known is not None else FIRST_FORMAT
    if facts.HasField("agreement_recorded") and facts.agreement_recorded.supersedes:
        least = max(least, 2)
    least = max(least, FIRST_FORMAT, _READ_ANEW.get(kind, FIRST_FORMAT))
    for section in (facts, words):
        if least == LATEST_FORMAT:
            break
        least = max(least, _since_of(section))
    return least


def _since_of(message: Message) -> int:
    """Return the latest format among the fields and the values of a message."""
    checks = _checks(message.DESCRIPTOR)
    if not checks:
        return FIRST_FORMAT
    found = FIRST_FORMAT
    for field, value in message.ListFields():
        check = checks.get(field)
        if check is None:
            continue
        since, values = check
        found = max(found, since)
        if found == LATEST_FORMAT:
            return found
        if values is not None:
            for one in value if is_repeated(field) else (value,):
                found = max(found, values.get(one, FIRST_FORMAT))
        elif field.message_type is not None:
            for one in value if is_repeated(field) else (value,):
                found = max(found, _since_of(one))
    return found


_Checks = dict[FieldDescriptor, tuple[int, dict[int, int] | None]]


@cache
def _checks(descriptor: Descriptor) -> _Checks:
    """Return the fields that can need a later format: their format, and that of their values."""
    found: _Checks = {}
    for field in descriptor.fields:
        since = rule_of(field).since or FIRST_FORMAT
        values = _values_since(field)
        message = field.message_type
        if since > FIRST_FORMAT or values or (message is not None and _can_need(message)):
            found[field] = since, values
    return found


def _values_since(field: FieldDescriptor) -> dict[int, int] | None:
    if field.enum_type is None or not field.enum_type.full_name.startswith("pourparler.v1."):
        return None
    later = {
        value.number: since
        for value in field.enum_type.values
        if (since := int(value.GetOptions().Extensions[pb.since]))
    }
    return later or None


def _can_need(descriptor: Descriptor) -> bool:
    # A correction holds Facts within Facts: without this check, the recursion would not end.
    if descriptor is pb.Facts.DESCRIPTOR:
        return True
    return descriptor.file.package == "pourparler.v1" and bool(_checks(descriptor))
