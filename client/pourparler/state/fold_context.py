"""The context of one entry in the fold: what a handler reads and changes.

Pure: no I/O, no clock.
"""

from collections.abc import MutableMapping, MutableSequence, Sequence
from typing import Any

from pourparler import v1 as pb
from pourparler.state.undo import UndoLog

_CONFIRMED_BASES = frozenset({pb.BASIS_DIRECT, pb.BASIS_ON_RECORD})


class FoldContext:
    """The entry, the state it applies to, and the changes that handlers have in common.

    Fields that handlers read more than once are read here, once: access to message fields takes
    most of the time of a fold.
    """

    __slots__ = (
        "confirmed",
        "facts",
        "has_words",
        "header",
        "provenance",
        "state",
        "undo",
        "versions",
        "words",
    )

    def __init__(
        self,
        state: pb.Negotiation,
        entry: pb.Entry,
        facts: pb.Facts,
        amended_by: tuple[int, ...],
        undo: UndoLog | None,
    ) -> None:
        self.state = state
        self.header = header = entry.header
        self.facts = facts
        self.words = entry.words
        self.has_words = entry.HasField("words")
        self.provenance = provenance = facts.provenance
        self.confirmed = provenance.basis in _CONFIRMED_BASES
        self.versions = (header.version, *amended_by)
        self.undo = undo

    def add_part(self, parts: MutableMapping[str, Any], key: str, event: Any) -> Any:
        """Add the part of this entry, or replace the part of the same id. Return it."""
        if self.undo is not None:
            self.undo.save(parts, key)
        part = parts[key]
        part.facts.CopyFrom(event)
        self.set_words(part)
        self.set_origin(part.origin)
        self.add_to_blame(part.blame)
        return part

    def change_part(self, parts: MutableMapping[Any, Any], key: Any) -> Any:
        """Return the part that this entry changes, or None if the state does not have it."""
        if key not in parts:
            return None
        if self.undo is not None:
            self.undo.save(parts, key)
        part = parts[key]
        self.add_to_blame(part.blame)
        return part

    def set_words(self, part: Any) -> None:
        """Set the words of a part to those of this entry."""
        if self.has_words:
            part.words.CopyFrom(self.words)
        else:
            part.ClearField("words")

    def add_to_blame(self, blame: MutableSequence[int]) -> None:
        """Add the versions of this entry, and of its amendments, to a list of versions."""
        known = blame[:]
        for version in self.versions:
            if version not in known:
                blame.append(version)
                known.append(version)

    def set_origin(self, origin: pb.Origin) -> None:
        """Set the origin of a part to this entry."""
        facts = self.facts
        origin.Clear()
        origin.version = self.versions[0]
        origin.record_time.CopyFrom(self.header.record_time)
        origin.recorded_by = facts.recorded_by
        if facts.HasField("occurred"):
            origin.occurred.CopyFrom(facts.occurred)
        origin.provenance.CopyFrom(self.provenance)
        origin.confirmed = self.confirmed
        origin.visibility.CopyFrom(facts.visibility)
        origin.session_id = facts.session_id
        origin.after_end = self.state.status == pb.NEGOTIATION_STATUS_CONCLUDED

    def add_anomaly(
        self,
        kind: pb.AnomalyKind.ValueType,
        earlier: Sequence[int],
        part: str,
        keys: Sequence[str] = (),
    ) -> None:
        """Add an anomaly that this entry causes with earlier entries.

        `part` is a path such as `proposals/offer`, and `keys` are the keys of terms.
        """
        anomalies = self.state.anomalies
        versions = [*(one for one in earlier if one), self.versions[0]]
        anomaly = pb.Anomaly(kind=kind, versions=versions, part=part, keys=keys)
        if self.undo is not None:
            self.undo.save_anomaly(anomalies, len(anomalies), None)
        anomalies.append(anomaly)

    def remove_anomalies(self, kind: int, part: str) -> None:
        """Remove the anomalies of a kind from a part, which this entry resolves."""
        anomalies = self.state.anomalies
        for place in reversed(range(len(anomalies))):
            if anomalies[place].kind == kind and anomalies[place].part == part:
                if self.undo is not None:
                    self.undo.save_anomaly(anomalies, place, anomalies[place])
                del anomalies[place]

    def set_status(
        self,
        part: Any,
        status: int,
        by: Sequence[str] = (),
        cause: pb.StatusCause.ValueType = pb.STATUS_CAUSE_UNSPECIFIED,
    ) -> None:
        """Set the status of a part, and note this entry as its origin.

        `cause` says why, if the entry is about another part.
        """
        part.status = status
        facts, change = self.facts, part.status_change
        change.Clear()
        change.version = self.versions[0]
        if facts.HasField("occurred"):
            change.occurred.CopyFrom(facts.occurred)
        change.provenance.CopyFrom(self.provenance)
        if by:
            change.by.extend(by)
        change.reason = self.words.reason
        change.confirmed = self.confirmed
        change.cause = cause
