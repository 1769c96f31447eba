"""Negotiations as they were: what any point on the three clocks reads."""

import bisect
from collections.abc import Iterable, Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.contract import references
from pourparler.state.fold import Counted, counted, gather, is_amending, tally
from pourparler_service.aggregate import loading
from pourparler_service.aggregate.reading import ReplayedEntry, StateAt, computed_at
from pourparler_service.aggregate.snapshots import SnapshotStore
from pourparler_service.domain.refusal import not_found, refuse
from pourparler_service.runtime.cooperative import paced
from pourparler_service.storage import paging
from pourparler_service.storage.interface import EventReader
from pourparler_service.storage.record_codec import decode_record


class PointInTimeReader:
    """Reads negotiations at points. Every method blocks on the store and raises Refusal."""

    def __init__(self, store: EventReader, snapshots: SnapshotStore) -> None:
        """Read from this store, and begin at these snapshots."""
        self._store = store
        self._snapshots = snapshots

    def read(self, id_: str, as_of: pb.AsOf) -> StateAt:
        """The negotiation at a point. The paths of its refusals are below `as_of`."""
        by = _occurred_by(as_of)
        upto = self._version(id_, as_of)
        if by is None:
            state = _named(loading.state_at(self._store, self._snapshots, id_, upto), id_)
            return StateAt(state, computed_at(state))
        entries = [decode_record(one.data) for one in paging.stored(self._store, id_, upto=upto)]
        as_counted = counted(entries)
        state = _named(gather(paced(as_counted)), id_)
        happened = _happened(paced(as_counted), by)
        return StateAt(
            state=_partial(id_, [one for one, possible in happened if not possible], state),
            computed_at=computed_at(state),
            possible_state=_partial(id_, [one for one, _ in happened], state),
            possible_versions=tuple(
                one.entry.header.version for one, possible in happened if possible
            ),
        )

    def replay(self, id_: str, as_of: pb.AsOf) -> tuple[list[ReplayedEntry], pb.ComputedAt]:
        """The entries at a point, in the order of their versions; refused like `read`."""
        by = _occurred_by(as_of)
        upto = self._version(id_, as_of)
        recorded = [
            ReplayedEntry(one.data, decode_record(one.data), possible=False)
            for one in paging.stored(self._store, id_, upto=upto)
        ]
        computed_at = pb.ComputedAt(version=upto)
        if recorded:
            computed_at.record_time.CopyFrom(recorded[-1].entry.header.record_time)
        if by is None:
            return recorded, computed_at
        happened = _happened(counted(replayed.entry for replayed in recorded), by)
        possible_by_version = {one.entry.header.version: possible for one, possible in happened}
        return [
            replayed._replace(possible=possible_by_version[replayed.entry.header.version])
            for replayed in recorded
            if replayed.entry.header.version in possible_by_version
        ], computed_at

    def _version(self, id_: str, as_of: pb.AsOf) -> int:
        """The last version that was on the record at a point of the two clocks of the record."""
        if as_of.HasField("version") and as_of.HasField("record_time"):
            refuse(
                pb.ERROR_REASON_AS_OF_INVALID,
                "Give a version or a record_time, not both.",
                "record_time",
            )
        last = self._store.last_version(id_)
        if not last:
            not_found(id_)
        if as_of.HasField("record_time"):
            # Times do not run back within a negotiation.
            until, versions = _instant(as_of.record_time), range(1, last + 1)
            return bisect.bisect_right(versions, until, key=lambda one: self._recorded(id_, one))
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

    def _recorded(self, id_: str, version: int) -> tuple[int, int]:
        (one,) = self._store.read(id_, after=version - 1, upto=version)
        return _instant(decode_record(one.data).header.record_time)


def _occurred_by(as_of: pb.AsOf) -> edtf.Bounds | None:
    if not as_of.occur_date:
        return None
    try:
        return edtf.bounds(as_of.occur_date)
    except edtf.DateRefused as error:
        refuse(pb.ERROR_REASON_DATE_INVALID, str(error), "occur_date")


def _happened(entries: Iterable[Counted], by: edtf.Bounds) -> list[tuple[Counted, bool]]:
    """The entries that had happened by a date, each with whether only possibly.

    What is said of an entry comes with it.
    """
    possible_by_version: dict[int, bool] = {}
    happened = []
    for one in entries:
        facts, header = one.entry.facts, one.entry.header
        if is_amending(one.entry):
            event = getattr(facts, facts.WhichOneof("event") or "")
            possible = possible_by_version.get(event.target_version)
        else:
            bounds = edtf.Bounds(facts.occurred.earliest, facts.occurred.latest)
            found = edtf.occurrence(bounds, by, _instant(header.record_time))
            possible = {
                edtf.Occurrence.DEFINITE: False,
                edtf.Occurrence.POSSIBLE: True,
                edtf.Occurrence.NOT_YET: None,
            }[found]
        if possible is not None:
            possible_by_version[header.version] = possible
            happened.append((one, possible))
    return happened


def _partial(id_: str, entries: Sequence[Counted], everyone: pb.Negotiation) -> pb.Negotiation:
    """The state after some of the entries, with everyone they name, so that the names resolve."""
    state = _named(gather(paced(entries)), id_)
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
    tally(state)
    return state


def _named(state: pb.Negotiation, id_: str) -> pb.Negotiation:
    state.name = f"negotiations/{id_}"
    return state


def _instant(time: Timestamp) -> tuple[int, int]:
    return time.seconds, time.nanos
