"""The fields of a draft by themselves: a plan of them finds what a plain reading finds."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler.schema.contract import is_repeated, rule_of
from pourparler_service.domain.refusal import (
    MOST_VIOLATIONS,
    RefusalError,
    ViolationList,
    reason_name,
)
from pourparler_service.validation import fields

TEXTS = ["acme", "bolt", "", " ", "No id", "x" * 64, "x" * 65, "ö" * 2_049, "x" * 4_097]
UNKNOWN = b"\xf8\x3f\x01"  # field 1,023, which no message has

Found = tuple[str, str]


def found(message: Message) -> list[Found]:
    """What is found by the plan."""
    findings = ViolationList()
    try:
        fields.check_fields(findings, message, "")
        findings.raise_if_any()
    except RefusalError as refusal:
        return [(reason_name(one.reason), one.field) for one in refusal.violations]
    return []


def read(message: Message, path: str = "") -> Iterator[Found]:
    """What is found by going through the options of each field as they stand in the contract."""
    rest = type(message)()
    rest.CopyFrom(message)
    for field in fields_of(message):
        rest.ClearField(field.name)
    if rest.SerializeToString():
        yield "FIELD_NOT_ALLOWED", path
    for field in fields_of(message):
        here, value = f"{path}.{field.name}".removeprefix("."), getattr(message, field.name)
        if is_repeated(field):
            yield from items(field, value, here)
        elif message.HasField(field.name) if field.has_presence else value:
            yield from one(field, value, here)
    for field in fields_of(message):
        if rule_of(field).required and says_nothing(message, field):
            yield "FIELD_REQUIRED", f"{path}.{field.name}".removeprefix(".")


def fields_of(message: Message) -> Sequence[FieldDescriptor]:
    """All fields that a message may have."""
    known: Any = message.DESCRIPTOR.fields
    return list(known)


def items(field: FieldDescriptor, values: Any, path: str) -> Iterator[Found]:
    """What is found in a list."""
    of_terms = field.message_type in {pb.Term.DESCRIPTOR, pb.TermText.DESCRIPTOR}
    if len(values) > (fields.MOST_TERMS if of_terms else fields.LONGEST_LIST):
        yield "LIMIT_EXCEEDED", path
        return
    for place, value in enumerate(values):
        yield from one(field, value, f"{path}[{place}]")
    twice = [place for place, value in enumerate(values) if value in values[:place]]
    if is_id(field) and twice:
        yield "DUPLICATE", f"{path}[{twice[0]}]"


def one(field: FieldDescriptor, value: Any, path: str) -> Iterator[Found]:
    """What is found in one value."""
    if field.message_type is not None:
        yield from read(value, path)
    elif is_id(field):
        if not fields.ID.fullmatch(value):
            yield "ID_INVALID", path
    elif isinstance(value, str):
        spoken = field.name == "text" and field.containing_type is pb.Words.DESCRIPTOR
        if len(value.encode()) > (fields.LONGEST_TEXT if spoken else fields.LONGEST_WORDS):
            yield "LIMIT_EXCEEDED", path
    elif field.enum_type is not None and value not in field.enum_type.values_by_number:
        yield "ENUM_UNKNOWN", path


def is_id(field: FieldDescriptor) -> bool:
    """Whether a field is an id, or a list of them."""
    rule = rule_of(field)
    return bool(rule.id or rule.introduces or rule.refers_to)


def says_nothing(message: Message, field: FieldDescriptor) -> bool:
    """Whether a field is as good as not given."""
    value = getattr(message, field.name)
    if field.message_type is not None and not is_repeated(field):
        return not message.HasField(field.name)
    return not (value.strip() if isinstance(value, str) else value)


def fill(random: Random, message: Message, depth: int = 5) -> None:
    """Say something, or nothing, or nonsense, in each field."""
    for field in fields_of(message):
        if random.random() < (0.5 if depth > 1 else 0.8) or (field.message_type and not depth):
            continue
        value = getattr(message, field.name)
        times = random.choice([1, 2, 3, 65, 1_001] if random.random() < 0.1 else [1, 2])
        if field.message_type is not None:
            for part in [value.add() for _ in range(times)] if is_repeated(field) else [value]:
                part.SetInParent()
                fill(random, part, min(depth - 1, 1 if times > 2 else depth))
        elif is_repeated(field):
            value.extend(random.choice(TEXTS) for _ in range(times))
        elif field.enum_type is not None:
            setattr(message, field.name, random.choice([0, 1, 2, 99]))
        elif field.type == FieldDescriptor.TYPE_STRING:
            setattr(message, field.name, random.choice(TEXTS))
        else:
            setattr(message, field.name, random.choice([0, 1]))
    if random.random() < 0.02:
        message.MergeFromString(UNKNOWN)


@settings(max_examples=200, deadline=None, database=None)
@given(st.integers(0, 2**32 - 1))
def test_the_plan_finds_what_a_plain_reading_of_the_contract_finds(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - dice, not secrets
    draft = pb.Draft()
    fill(random, draft)

    assert found(draft) == list(read(draft))[:MOST_VIOLATIONS]
