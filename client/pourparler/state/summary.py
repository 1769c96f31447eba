"""Parts of a state: its head, its counts and its BASIC view.

Pure: no I/O, no clock.
"""

from collections.abc import Collection

from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.schema.contract import PARTS

HEAD_FIELDS = frozenset(pb.Negotiation.DESCRIPTOR.fields_by_name) - frozenset(PARTS.values())
"""The fields of a state that hold no parts."""

LISTED_HEAD_FIELDS = frozenset({"amendments", "principals", "anomalies"})
"""The head fields that grow with the record, as the fields of parts do."""


def copy_without_parts(state: pb.Negotiation) -> pb.Negotiation:
    """Return a copy of a state without its parts."""
    return _copy(state, HEAD_FIELDS)


def copy_without_lists(state: pb.Negotiation) -> pb.Negotiation:
    """Return a copy of a state without its parts, amendments, principals and anomalies."""
    return _copy(state, HEAD_FIELDS - LISTED_HEAD_FIELDS)


def _copy(state: pb.Negotiation, names: Collection[str]) -> pb.Negotiation:
    result = pb.Negotiation()
    for field, value in state.ListFields():
        if field.name not in names:
            continue
        if isinstance(value, str | int):
            setattr(result, field.name, value)
        elif isinstance(value, Message):
            getattr(result, field.name).CopyFrom(value)
        else:
            getattr(result, field.name).MergeFrom(value)
    return result


def count_parts(state: pb.Negotiation) -> None:
    """Set the counts of a state to the number of its parts."""
    for name in PARTS.values():
        setattr(state.counts, name, len(getattr(state, name)))


def basic_view(state: pb.Negotiation) -> pb.Negotiation:
    """Return the BASIC view of a state: its head, its participants and its topics."""
    result = copy_without_lists(state)
    for name in ("participants", "topics"):
        getattr(result, name).MergeFrom(getattr(state, name))
    return result
