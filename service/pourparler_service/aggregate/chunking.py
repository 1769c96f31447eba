"""Long states in small steps. Pure.

What protobuf does in one call, it does without letting another thread run: of a long state that
would be milliseconds.
"""

from collections.abc import Iterable, Iterator

from pourparler import v1 as pb
from pourparler.schema.contract import PARTS
from pourparler.state.fold import head
from pourparler_service.runtime.cooperative import paced

_SHORT = 500
"""States of at most so many entries are taken in one step, which is faster."""

_STEP = 128  # parts


def pieces(state: pb.Negotiation) -> Iterator[pb.Negotiation]:
    """A state in parts, which come to it when they are merged, as do their bytes when joined."""
    if state.version <= _SHORT:
        yield state
        return
    yield head(state)
    for name in PARTS.values():
        parts = getattr(state, name)
        piece = pb.Negotiation()
        copied = getattr(piece, name)
        for key, part in parts.items():
            copied[key].CopyFrom(part)
            if len(copied) == _STEP:
                yield piece
                piece = pb.Negotiation()
                copied = getattr(piece, name)
        if copied:
            yield piece


def written(state: pb.Negotiation) -> list[bytes]:
    """The bytes of the pieces of a state: joined, they are those of the state."""
    return [piece.SerializeToString() for piece in paced(pieces(state))]


def read(written_pieces: Iterable[bytes]) -> pb.Negotiation:
    """The state that the bytes of its pieces make."""
    state = pb.Negotiation()
    for piece in paced(written_pieces):
        state.MergeFromString(piece)
    return state


def copied(state: pb.Negotiation) -> pb.Negotiation:
    """A copy of a state."""
    copy = pb.Negotiation()
    for piece in pieces(state):
        copy.MergeFrom(piece)
    return copy
