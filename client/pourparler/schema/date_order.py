"""The order of dates that are not exact. Pure: no I/O, no clock."""

from pourparler import v1 as pb
from pourparler.schema import edtf

_DAY = len("2026-01-31")


def strict_bounds(date: pb.FuzzyDate) -> edtf.Bounds:
    """Return the bounds of a date, without the tolerance of an approximate one."""
    return edtf.Bounds(date.earliest, date.latest)


def wide_bounds(date: pb.FuzzyDate) -> edtf.Bounds:
    """Return the bounds of a date, with the tolerance of an approximate or uncertain one."""
    return edtf.widened(date.edtf, strict_bounds(date))


def surely_before(first: pb.FuzzyDate, second: pb.FuzzyDate) -> bool:
    """Return True if every meaning of the first date is before every meaning of the second."""
    if not first.latest or not second.earliest:
        return False
    # Days in ISO 8601 sort as text. The tolerance never makes a date later than its bounds.
    if first.latest[:_DAY] > second.earliest[:_DAY]:
        return False
    latest = edtf.latest_instant(wide_bounds(first))
    earliest = edtf.earliest_instant(wide_bounds(second))
    return latest is not None and earliest is not None and latest < earliest
