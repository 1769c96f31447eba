"""Negotiations as of a point on the three clocks: version, record time, occurrence date."""

import bisect
from collections.abc import Iterator, Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.contract import references
from pourparler.state.corrections import EffectiveEntry, effective_entries
from pourparler.state.fold import fold_effective
from pourparler.state.happened import happened_by
from pourparler.state.summary import count_parts
from pourparler_service.aggregate import loading
from pourparler_service.aggregate.reading import ReplayedEntry, StateAt, computed_at
from pourparler_service.aggregate.snapshots import SnapshotStore
from pourparler_service.authorization.filtered_store import FilteredEventReader
from pourparler_service.domain.refusal import not_found, refuse
from pourparler_service.runtime.cooperative import yielding
from pourparler_service.storage import paging
from pourparler_service.storage.interface import StoredEntry
from pourparler_service.storage.record_codec import decode_record


class PointInTimeReader:
    """Reads one negotiation at points in time. Every method blocks on the store.

    Field paths of refusals start below `as_of`.
    """

    def __init__(self, events: FilteredEventReader, snapshots: SnapshotStore) -> None:
        """Fold the entries of a reader, from the nearest of these snapshots on."""
        self._events = events
        self._id = events.id
        self._snapshots = snapshots

    def read(self, as_of: pb.AsOf) -> StateAt:
        """Return the state at a point. Raise RefusalError if there is no such point."""
        by = _occurred_by(as_of)
        upto = self._version(as_of)
        if by is None:
            state = loading.state_at(self._events, self._snapshots, self._id, upto)
            return StateAt(self._named(state), computed_at(state))
        entries = [decode_record(one.data) for one in self._stored(upto)]
        in_force = effective_entries(entries)
        state = self._named(fold_effective(yielding(in_force)))
        happened = happened_by(yielding(in_force), by)
        definite = [one for one, possible in happened if not possible]
        return StateAt(
            state=self._partial(definite, state),
            computed_at=computed_at(state),
            possible_state=self._partial([one for one, _ in happened], state),
            possible_versions=tuple(
                one.entry.header.version for one, possible in happened if possible
            ),
        )

    def possible_by(self, as_of: pb.AsOf, by: edtf.Bounds) -> StateAt:
        """Return the state of the entries that had possibly happened by a date. Raise as `read`.

        With an `occur_date`, only the entries that had definitely happened by that date count.
        """
        upto = self._version(as_of)
        entries = effective_entries([decode_record(one.data) for one in self._stored(upto)])
        certainly = _occurred_by(as_of)
        whole = self._named(fold_effective(yielding(entries)))
        if certainly is not None:
            found = happened_by(yielding(entries), certainly)
            entries = [one for one, possible in found if not possible]
        happened = [one for one, _ in happened_by(yielding(entries), by)]
        return StateAt(self._partial(happened, whole), computed_at(whole))

    def replay(self, as_of: pb.AsOf) -> tuple[list[ReplayedEntry], pb.ComputedAt]:
        """Return the entries at a point, in the order of their versions. Raise as `read`."""
        by = _occurred_by(as_of)
        upto = self._version(as_of)
        recorded = [
            ReplayedEntry(one.data, decode_record(one.data), possible=False)
            for one in self._stored(upto)
        ]
        computed_at = pb.ComputedAt(version=upto)
        if recorded:
            computed_at.record_time.CopyFrom(recorded[-1].entry.header.record_time)
        if by is None:
            return recorded, computed_at
        happened = happened_by(effective_entries(replayed.entry for replayed in recorded), by)
        possible_by_version = {one.entry.header.version: possible for one, possible in happened}
        return [
            replayed._replace(possible=possible_by_version[replayed.entry.header.version])
            for replayed in recorded
            if replayed.entry.header.version in possible_by_version
        ], computed_at

    def _stored(self, upto: int) -> Iterator[StoredEntry]:
        return paging.stored(self._events, self._id, upto=upto)

    def _version(self, as_of: pb.AsOf) -> int:
        """Return the last version at a point of the clocks `version` and `record_time`."""
        if as_of.HasField("version") and as_of.HasField("record_time"):
            refuse(
                pb.ERROR_REASON_AS_OF_INVALID,
                "Give a version or a record_time, not both.",
                "record_time",
            )
        last = self._events.last_version(self._id)
        if not last:
            not_found(self._id)
        if as_of.HasField("record_time"):
            # Times do not run back within a negotiation.
            until, versions = _instant(as_of.record_time), range(1, last + 1)
            return bisect.bisect_right(versions, until, key=self._record_time)
        upto = as_of.version if as_of.HasField("version") else last
        if upto > last:
            refuse(
                pb.ERROR_REASON_VERSION_NOT_FOUND,
                f"The negotiation has no version {upto}; its last is {last}.",
                "version",
                version=str(upto),
                last_version=str(last),
            )
        return upto

    def _record_time(self, version: int) -> tuple[int, int]:
        (one,) = self._events.read(self._id, after=version - 1, upto=version)
        return _instant(decode_record(one.data).header.record_time)

    def _partial(
        self, entries: Sequence[EffectiveEntry], everyone: pb.Negotiation
    ) -> pb.Negotiation:
        """Return the state after some entries, with every participant that they name."""
        state = self._named(fold_effective(yielding(entries)))
        for one in entries:
            for reference in references(one.entry.facts):
                known = everyone.participants.get(reference.id)
                if (
                    reference.kind == pb.PART_KIND_PARTICIPANT
                    and known is not None
                    and reference.id not in state.participants
                ):
                    part = state.participants[reference.id]
                    part.CopyFrom(known)
                    for name in ("status", "status_change", "leaving_reason"):
                        part.ClearField(name)
        count_parts(state)
        return state

    def _named(self, state: pb.Negotiation) -> pb.Negotiation:
        state.name = f"negotiations/{self._id}"
        return state


def _occurred_by(as_of: pb.AsOf) -> edtf.Bounds | None:
    if not as_of.occur_date:
        return None
    try:
        return edtf.bounds(as_of.occur_date)
    except edtf.InvalidDateError as error:
        refuse(pb.ERROR_REASON_DATE_INVALID, str(error), "occur_date")


def _instant(time: Timestamp) -> tuple[int, int]:
    return time.seconds, time.nanos
