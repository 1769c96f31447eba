"""The results of reads: a state or an entry as of a point in time."""

from typing import NamedTuple

from pourparler import v1 as pb


class ReplayedEntry(NamedTuple):
    """An entry of a replay: its stored bytes, the parsed entry, and True if it is only possible."""

    data: bytes
    entry: pb.Entry
    possible: bool


class StateAt(NamedTuple):
    """The state of a negotiation as of a point in time."""

    state: pb.Negotiation
    computed_at: pb.ComputedAt
    possible_state: pb.Negotiation | None = None
    possible_versions: tuple[int, ...] = ()


def computed_at(state: pb.Negotiation) -> pb.ComputedAt:
    """Return the version and the record time of a state."""
    if not state.version:
        return pb.ComputedAt()
    return pb.ComputedAt(version=state.version, record_time=state.update_time)
