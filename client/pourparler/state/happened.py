"""The entries that had happened by a date. Pure: no I/O, no clock."""

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler.schema import edtf
from pourparler.schema.date_order import wide_bounds
from pourparler.state.corrections import EffectiveEntry, is_amending

_POSSIBLE = {
    edtf.Occurrence.DEFINITE: False,
    edtf.Occurrence.POSSIBLE: True,
    edtf.Occurrence.NOT_YET: None,
}


def happened_by(
    entries: Iterable[EffectiveEntry], by: edtf.Bounds
) -> list[tuple[EffectiveEntry, bool]]:
    """Return the entries that had happened by a date, each with True if it is only possible.

    A correction, disclosure or redaction follows its target.
    """
    possible_by_version: dict[int, bool] = {}
    happened = []
    for one in entries:
        facts, header = one.entry.facts, one.entry.header
        if is_amending(one.entry):
            event = getattr(facts, facts.WhichOneof("event") or "")
            possible = possible_by_version.get(event.target_version)
        else:
            recorded = _instant(header.record_time)
            possible = _POSSIBLE[edtf.occurrence(wide_bounds(facts.occurred), by, recorded)]
        if possible is not None:
            possible_by_version[header.version] = possible
            happened.append((one, possible))
    return happened


def _instant(time: Timestamp) -> tuple[int, int]:
    return time.seconds, time.nanos
