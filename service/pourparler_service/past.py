"""Negotiations as they were: what any point on the three clocks reads."""

import bisect
from collections.abc import Iterable, Sequence
from typing import NamedTuple, NoReturn

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import dates
from pourparler import v1 as pb
from pourparler.contract import references
from pourparler.fold import Counted, counted, gather, is_amending, tally
from pourparler_service import history
from pourparler_service.paced import paced
from pourparler_service.refusal import refuse
from pourparler_service.sealing import unseal
from pourparler_service.snapshots import Beginnings
from pourparler_service.store import Entries


class Replayed(NamedTuple):
    """An entry of a replay.

    Its stored bytes, what they say, and whether it had only possibly happened.
    """

    data: bytes
    entry: pb.Entry
    possible: bool


class Reading(NamedTuple):
    """A negotiation at a point on its clocks."""

    state: pb.Negotiation
    computed_at: pb.ComputedAt
    possible_state: pb.Negotiation | None = None
    possible_versions: tuple[int, ...] = ()


class Past:
    """Reads negotiations at points. Every method blocks on the store and raises Refusal."""

    def __init__(self, store: Entries, snapshots: Beginnings) -> None:
        """Read from this store, and begin at these snapshots."""
        self._store = store
        self._snapshots = snapshots

    def read(self, id_: str, as_of: pb.AsOf) -> Reading:
        """The negotiation at a point. The paths of its refusals are below `as_of`."""
        by = _occurred_by(as_of)
        upto = self._version(id_, as_of)
        if by is None:
            state = _named(history.state_at(self._store, self._snapshots, id_, upto), id_)
            return Reading(state, computed_at(state))
        entries = [unseal(one.data) for one in history.stored(self._store, id_, upto=upto)]
        as_counted = counted(entries)
        state = _named(gather(paced(as_counted)), id_)
        happened = _happened(paced(as_counted), by)
        return Reading(
            state=_partial(id_, [one for one, possible in happened if not possible], state),
            computed_at=computed_at(state),
            possible_state=_partial(id_, [one for one, _ in happened], state),
            possible_versions=tuple(
                one.entry.header.version for one, possible in happened if possible
            ),
        )

    def replay(self, id_: str, as_of: pb.AsOf) -> tuple[list[Replayed], pb.ComputedAt]:
        """The entries at a point, in the order of their versions; refused like `read`."""
        by = _occurred_by(as_of)
        upto = self._version(id_, as_of)
        recorded = [
            Replayed(one.data, unseal(one.data), possible=False)
            for one in history.stored(self._store, id_, upto=upto)
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
        return _instant(unseal(one.data).header.record_time)


def computed_at(state: pb.Negotiation) -> pb.ComputedAt:
    """Of which version and time of recording a state is."""
    if not state.version:
        return pb.ComputedAt()
    return pb.ComputedAt(version=state.version, record_time=state.update_time)


def not_found(id_: str) -> NoReturn:
    """Refuse a negotiation that is not there."""
    refuse(
        pb.ERROR_REASON_NEGOTIATION_NOT_FOUND,
        f"There is no negotiation '{id_}'.",
        negotiation=id_,
    )


def _occurred_by(as_of: pb.AsOf) -> dates.Bounds | None:
    if not as_of.occur_date:
        return None
    try:
        return dates.bounds(as_of.occur_date)
    except dates.DateRefused as error:
        refuse(pb.ERROR_REASON_DATE_INVALID, str(error), "occur_date")


def _happened(entries: Iterable[Counted], by: dates.Bounds) -> list[tuple[Counted, bool]]:
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
            bounds = dates.Bounds(facts.occurred.earliest, facts.occurred.latest)
            found = dates.occurrence(bounds, by, _instant(header.record_time))
            possible = {
                dates.Occurrence.DEFINITE: False,
                dates.Occurrence.POSSIBLE: True,
                dates.Occurrence.NOT_YET: None,
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
