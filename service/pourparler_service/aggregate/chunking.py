"""Long states, encoded and copied in chunks. Pure.

A call of protobuf lets no other thread run. For a long state it would take milliseconds.
"""

from collections.abc import Iterable, Iterator

from pourparler import v1 as pb
from pourparler.schema.contract import PARTS
from pourparler.state.summary import copy_without_parts
from pourparler_service.runtime.cooperative import yielding

_SHORT = 500
"""The number of entries up to which a state is one chunk, which is faster."""

_STEP = 128  # parts


def chunks(state: pb.Negotiation) -> Iterator[pb.Negotiation]:
    """Yield a state in chunks. Merged they make the state, and joined bytes make its bytes."""
    if state.version <= _SHORT:
        yield state
        return
    yield copy_without_parts(state)
    for name in PARTS.values():
        parts = getattr(state, name)
        chunk = pb.Negotiation()
        copied = getattr(chunk, name)
        for key, part in parts.items():
            copied[key].CopyFrom(part)
            if len(copied) == _STEP:
                yield chunk
                chunk = pb.Negotiation()
                copied = getattr(chunk, name)
        if copied:
            yield chunk


def encode(state: pb.Negotiation) -> list[bytes]:
    """Return the bytes of the chunks of a state: joined they are the bytes of the state."""
    return [chunk.SerializeToString() for chunk in yielding(chunks(state))]


def decode(encoded_chunks: Iterable[bytes]) -> pb.Negotiation:
    """Return the state from the bytes of its chunks."""
    state = pb.Negotiation()
    for chunk in yielding(encoded_chunks):
        state.MergeFromString(chunk)
    return state


def copy(state: pb.Negotiation) -> pb.Negotiation:
    """Return a copy of a state."""
    result = pb.Negotiation()
    for chunk in chunks(state):
        result.MergeFrom(chunk)
    return result
