"""The order of dates that are not exact. Pure: no I/O, no clock."""

from pourparler import v1 as pb
from pourparler.schema import edtf


def surely_before(first: pb.FuzzyDate, second: pb.FuzzyDate) -> bool:
    """Return True if every meaning of the first date is before every meaning of the second."""
    if not first.latest or not second.earliest:
        return False
    latest = edtf.latest_instant(edtf.Bounds(first.earliest, first.latest))
    earliest = edtf.earliest_instant(edtf.Bounds(second.earliest, second.latest))
    return latest is not None and earliest is not None and latest < earliest
