"""The undo log: restore a state to what it was before some entries.

Pure: no I/O, no clock.
"""

from collections.abc import MutableMapping
from typing import Any

from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.state.summary import HEAD_FIELDS, LISTED_HEAD_FIELDS, copy_without_lists


class UndoLog:
    """The parts of a state as they were before the first entry changed them."""

    __slots__ = (
        "_anomalies",
        "_counts",
        "_head",
        "_name",
        "_parts",
        "_state",
        "_update_time",
        "_version",
    )

    def __init__(self, state: pb.Negotiation) -> None:
        """Save what every entry changes; `evolve` saves the other parts before it changes them."""
        self._state = state
        self._name = state.name
        self._version = state.version
        self._update_time = _copy_of(state, "update_time")
        self._counts = _copy_of(state, "counts")
        self._head: pb.Negotiation | None = None
        self._parts: list[tuple[MutableMapping[Any, Any], Any, Any]] = []
        self._anomalies: list[tuple[Any, int, pb.Anomaly | None]] = []

    def save(self, parts: MutableMapping[Any, Any], key: Any) -> None:
        """Save a part as it is now, or note that it does not exist."""
        before = None
        if key in parts:
            before = type(parts[key])()
            before.CopyFrom(parts[key])
        self._parts.append((parts, key, before))

    def save_head(self) -> None:
        """Save the head of the state as it is now, unless it is saved already."""
        if self._head is None:
            # Amendments and principals are maps: `save` saves their values one by one.
            self._head = copy_without_lists(self._state)

    def save_anomaly(self, anomalies: Any, place: int, anomaly: pb.Anomaly | None) -> None:
        """Save an anomaly before its removal from its list; None: one is added at the end."""
        copy = None
        if anomaly is not None:
            copy = pb.Anomaly()
            copy.CopyFrom(anomaly)
        self._anomalies.append((anomalies, place, copy))

    def rollback(self) -> None:
        """Restore the state to what it was when this log began."""
        for parts, key, before in reversed(self._parts):
            if before is None:
                del parts[key]
            else:
                parts[key].CopyFrom(before)
        self._parts.clear()
        for anomalies, place, removed in reversed(self._anomalies):
            if removed is None:
                del anomalies[place]
            else:
                anomalies.insert(place, removed)
        self._anomalies.clear()
        state: Message = self._state
        if self._head is not None:
            for name in HEAD_FIELDS - LISTED_HEAD_FIELDS:
                state.ClearField(name)
            state.MergeFrom(self._head)
        self._state.name = self._name
        self._state.version = self._version
        _restore(state, "update_time", self._update_time)
        _restore(state, "counts", self._counts)


def _copy_of(message: Message, name: str) -> Message | None:
    """Return a copy of a message field, or None if it is not set."""
    if not message.HasField(name):
        return None
    value: Message = getattr(message, name)
    copy = type(value)()
    copy.CopyFrom(value)
    return copy


def _restore(message: Message, name: str, value: Message | None) -> None:
    if value is None:
        message.ClearField(name)
    else:
        getattr(message, name).CopyFrom(value)
