"""Parts of a state: its head, its counts and its BASIC view.

Pure: no I/O, no clock.
"""

from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.schema.contract import PARTS

HEAD_FIELDS = frozenset(pb.Negotiation.DESCRIPTOR.fields_by_name) - frozenset(PARTS.values())
"""The fields of a state that hold no parts."""

KEYED_HEAD_FIELDS = frozenset({"amendments", "principals"})
"""The head fields that are maps, as the fields of parts are."""


def copy_without_parts(state: pb.Negotiation) -> pb.Negotiation:
    """Return a copy of a state without its parts."""
    result = pb.Negotiation()
    for field, value in state.ListFields():
        if field.name not in HEAD_FIELDS:
            continue
        if isinstance(value, str | int):
            setattr(result, field.name, value)
        elif isinstance(value, Message):
            getattr(result, field.name).CopyFrom(value)
        else:
            getattr(result, field.name).MergeFrom(value)
    return result


def copy_without_maps(state: pb.Negotiation) -> pb.Negotiation:
    """Return a copy of a state without its parts, amendments and principals."""
    result = copy_without_parts(state)
    result.ClearField("amendments")
    result.ClearField("principals")
    return result


def count_parts(state: pb.Negotiation) -> None:
    """Set the counts of a state to the number of its parts."""
    for name in PARTS.values():
        setattr(state.counts, name, len(getattr(state, name)))


def basic_view(state: pb.Negotiation) -> pb.Negotiation:
    """Return the BASIC view of a state: its head, its participants and its topics."""
    result = copy_without_maps(state)
    for name in ("participants", "topics"):
        getattr(result, name).MergeFrom(getattr(state, name))
    return result
