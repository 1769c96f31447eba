"""A negotiation at a point on its clocks, as readers get it."""

from typing import NamedTuple

from pourparler import v1 as pb


class ReplayedEntry(NamedTuple):
    """An entry of a replay.

    Its stored bytes, what they say, and whether it had only possibly happened.
    """

    data: bytes
    entry: pb.Entry
    possible: bool


class StateAt(NamedTuple):
    """A negotiation at a point on its clocks."""

    state: pb.Negotiation
    computed_at: pb.ComputedAt
    possible_state: pb.Negotiation | None = None
    possible_versions: tuple[int, ...] = ()


def computed_at(state: pb.Negotiation) -> pb.ComputedAt:
    """Of which version and time of recording a state is."""
    if not state.version:
        return pb.ComputedAt()
    return pb.ComputedAt(version=state.version, record_time=state.update_time)
