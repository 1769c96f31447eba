"""Dates in EDTF (ISO 8601-2) and their bounds. Pure: no I/O, no clock."""

# The contract defines the profile of EDTF at `FuzzyDate`. This parser is our own. The library
# `edtf` gives wrong bounds, or none, for a large part of the profile. It prints where it fails, and
# ten characters (Y1E9999999) block it for seconds. The tests compare both where it is right.

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple, TypeAlias

MAX_CHARS = 64
_MAX_SHOWN_CHARS = 40
_CACHE_SIZE = 1_024  # dates that were read: entries of one time say the same few again and again

Instant: TypeAlias = tuple[int, int]
"""Seconds since 1970-01-01T00:00:00Z, and nanoseconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400
_LAST_NANO = 999_999_999

_YEAR = (1, 12)
# First and last month, in the northern hemisphere. Winter is named by the year in which it begins.
_PARTS_OF_YEAR = {
    "21": (3, 5),
    "22": (6, 8),
    "23": (9, 11),
    "24": (12, 2),
    "33": (1, 3),
    "34": (4, 6),
    "35": (7, 9),
    "36": (10, 12),
    "40": (1, 6),
    "41": (7, 12),
}
_DATE = re.compile(
    r"""(?!.*X.*\d|\d+X+-)
    (?P<year>\d\d(?:\d\d|\dX|XX))
    (?: -(?P<part>2[1-4]|3[3-6]|4[01])
      | -XX(?:-XX)?
      | -(?P<month>[01]\d)(?:-XX|-(?P<day>\d\d))?
    )?
    [~?%]?""",
    re.ASCII | re.VERBOSE,
)
_DATE_TIME = re.compile(
    r"""(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)
    (?:\.(?P<fraction>\d{1,9}))?
    (?:Z|(?P<sign>[+-])(?P<hours>0\d|1[0-4])(?::(?P<minutes>[0-5]\d))?)""",
    re.ASCII | re.VERBOSE,
)
_CALENDAR = "is not in the calendar of the years 0001 to 9999"
_REASONS = {
    r"^$": "stands where a date should, beside a comma",
    r"[{}]": "is a set of all its members, which is not supported: record each by itself",
    r"[][/]|\.\.": "is no interval a/b and no set [a..b], [..a], [a..] or [a,b]",
    r"^(-|Y-?)\d|^\d{5}(-|$)": _CALENDAR,
    r"\dS\d": "counts significant digits, which is not supported: write an interval, or X",
    r"^[\dX-]*X[\dX-]*$": "has X elsewhere than in 201X, 20XX, 2023-XX, 2023-10-XX or 2023-XX-XX",
    r"[~?%].": "is doubtful in one part only, which is not supported: ~ ? % stand at the end",
    r"^\d{4}-(2[5-9]|3[0-27-9])[~?%]?$": "is of no part of the year but 21-24, 33-36, 40 or 41",
    r"T24": "is at hour 24: write hour 00 of the next day",
    r"T\d\d:\d\d:60": "is at second 60, which an instant cannot show: write second 59",
    r"T\d\d:\d\d(Z|[+-]|$)": "has a time without seconds: write hh:mm:ss",
    r"T[\d:.]+$": "has a time without Z or an offset such as +02:00",
    r"T.*[~?%]": "has a time and ~ ? or %, which only days, months and years may have",
}


class InvalidDateError(ValueError):
    """A date is not in the supported profile; the text shows it and gives the reason."""


class Bounds(NamedTuple):
    """The earliest and latest meaning of a date, inclusive; "" is an open side.

    Both are days (`2022-10-10`, in UTC) or instants (`2022-10-10T08:00:00Z`).
    """

    earliest: str
    latest: str


class Occurrence(Enum):
    """Occurrence of an event by a date: definite, possible or not yet."""

    DEFINITE = auto()
    POSSIBLE = auto()
    NOT_YET = auto()


class Due(Enum):
    """The state of an expected event on a date."""

    NOT_DUE = auto()
    DUE = auto()
    PERHAPS_OVERDUE = auto()
    OVERDUE = auto()
    UNDATED = auto()


@lru_cache(maxsize=_CACHE_SIZE)
def bounds(edtf: str) -> Bounds:
    """Return the bounds of a date in EDTF. Raises InvalidDateError if it is not in the profile."""
    if not edtf:
        raise InvalidDateError("the date is empty: leave it out if it is not known")
    if len(edtf) > MAX_CHARS:
        raise _invalid(edtf, f"is longer than {MAX_CHARS} characters")
    one_of = edtf.startswith("[") and edtf.endswith("]")
    if one_of:
        edtf = edtf.replace(", ", ",")  # the examples of the standard have a blank after a comma
    if not (edtf.isascii() and edtf.isprintable()) or " " in edtf:
        raise _invalid(edtf, "has blanks or characters that are in no date")
    if one_of:
        return _one_of(edtf)
    if edtf.count("/") == 1:
        return _interval(edtf)
    if "T" in edtf:
        return instant_bounds(*_date_time(edtf))
    return _date(edtf)


def instant_bounds(seconds: int, nanos: int) -> Bounds:
    """Return the bounds of an instant, given as in a protobuf Timestamp."""
    if not 0 <= nanos <= _LAST_NANO:
        raise InvalidDateError("the instant has nanoseconds outside of 0 to 999999999")
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise InvalidDateError(f"the instant {_CALENDAR}") from None
    fraction = f".{nanos:09}".rstrip("0") if nanos else ""
    text = f"{moment.isoformat().removesuffix('+00:00')}{fraction}Z"
    return Bounds(text, text)


def earliest_instant(bounds: Bounds) -> Instant | None:
    """Return the first nanosecond within the bounds; None if that side is open."""
    return _instant(bounds.earliest, (0, 0))


def latest_instant(bounds: Bounds) -> Instant | None:
    """Return the last nanosecond within the bounds; None if that side is open."""
    return _instant(bounds.latest, (_DAY - 1, _LAST_NANO))


def happened(bounds: Bounds, recorded: Instant) -> tuple[Instant | None, Instant | None]:
    """Return the interval in which an event with these bounds occurred; None is an open side.

    A recorded event occurred before its recording, unless its bounds are later.
    """
    earliest, latest = earliest_instant(bounds), latest_instant(bounds)
    if earliest is None or earliest <= recorded:
        latest = recorded if latest is None else min(latest, recorded)
    return earliest, latest


def occurrence(bounds: Bounds, by: Bounds, recorded: Instant) -> Occurrence:
    """Return whether an event with these bounds occurred by the end of `by`.

    A recorded event occurred before its recording, unless its bounds are later.
    """
    end = latest_instant(by)
    earliest, latest = happened(bounds, recorded)
    if end is None:
        return Occurrence.DEFINITE
    if earliest is not None and earliest > end:
        return Occurrence.NOT_YET
    return Occurrence.DEFINITE if latest is not None and latest <= end else Occurrence.POSSIBLE


def due(bounds: Bounds, on: Bounds, widened: Bounds | None = None) -> Due:
    """Return the state of an event that is expected within these bounds; in doubt, DUE.

    `widened` are the bounds with the tolerance of the date. An event past its bounds and within its
    tolerance is PERHAPS_OVERDUE.
    """
    if bounds == Bounds("", ""):
        return Due.UNDATED
    wide = bounds if widened is None else widened
    earliest, latest = earliest_instant(wide), latest_instant(wide)
    begin, end = earliest_instant(on), latest_instant(on)
    if latest is not None and begin is not None and latest < begin:
        return Due.OVERDUE
    strictly = latest_instant(bounds)
    if strictly is not None and begin is not None and strictly < begin:
        return Due.PERHAPS_OVERDUE
    if earliest is not None and end is not None and end < earliest:
        return Due.NOT_DUE
    return Due.DUE


def widened(edtf: str, strict: Bounds) -> Bounds:
    """Return the bounds of a date in EDTF with the tolerance of its qualifiers.

    The standard gives no tolerance to an approximate date (`~`). This one has that of its precision
    on both sides: a week for a day, else a month, a quarter or a year. An uncertain date (`?` or
    `%`) has no bounds.
    """
    if "?" in edtf or "%" in edtf:
        return Bounds("", "")
    if "~" not in edtf:
        return strict
    days = max(_tolerance(one) for one in re.findall(r"[\dX-]+(?=~)", edtf))
    return Bounds(_moved(strict.earliest, -days), _moved(strict.latest, days))


_WEEK, _MONTH, _QUARTER, _LEAP_YEAR = 7, 31, 92, 366


def _tolerance(text: str) -> int:
    """Return the tolerance of an approximate date in days, by its precision."""
    parts = text.split("-")
    if "X" in parts[0]:
        return _LEAP_YEAR * (100 if parts[0].endswith("XX") else 10)
    if len(parts) == 1 or parts[1] == "XX":
        return _LEAP_YEAR
    if len(parts) == len(("year", "month", "day")) and parts[2] != "XX":
        return _WEEK
    return _QUARTER if parts[1] in _PARTS_OF_YEAR else _MONTH


def _moved(day: str, days: int) -> str:
    if not day:
        return ""
    try:
        return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
    except OverflowError:
        return ""


def _one_of(edtf: str) -> Bounds:
    members = edtf[1:-1].split(",")
    if len(members) == 1 and ".." not in edtf:
        raise _invalid(edtf, "is a set of one: write the date without the brackets")
    if re.search(r",\.\.|\.\.,", edtf):
        raise _invalid(edtf, "has an open end elsewhere than first or last")
    read = [_member(member) for member in members]
    # As text, the open "" comes before every day, which is right for the earliest alone.
    earliest = min(each.earliest for each in read)
    latest = "" if any(not each.latest for each in read) else max(each.latest for each in read)
    return _not_open(edtf, Bounds(earliest, latest))


def _member(text: str) -> Bounds:
    first, dots, last = text.partition("..")
    return _between(text, first, last) if dots else _date(text)


def _interval(edtf: str) -> Bounds:
    first, last = ("" if end == ".." else end for end in edtf.split("/"))
    return _between(edtf, first, last)


def _between(text: str, first: str, last: str) -> Bounds:
    earliest = _date(first).earliest if first else ""
    latest = _date(last).latest if last else ""
    if earliest and latest and earliest > latest:
        raise _invalid(text, "ends before it begins")
    return _not_open(text, Bounds(earliest, latest))


def _not_open(text: str, read: Bounds) -> Bounds:
    if read == ("", ""):
        raise _invalid(text, "is open on both sides: leave the date out if it is not known")
    return read


def _date(text: str) -> Bounds:
    match = _DATE.fullmatch(text)
    if match is None:
        if re.search(r"\dT\d", text):
            raise _invalid(text, "has a time of day, which no part of an interval or set may have")
        raise _not_understood(text)
    month, day = match["month"], match["day"]
    begin, end = (int(month),) * 2 if month else _PARTS_OF_YEAR.get(match["part"], _YEAR)
    lowest, highest = (int(match["year"].replace("X", digit)) for digit in "09")
    try:
        first = date(lowest, begin, int(day or 1))
        year = highest + 1 if end < begin else highest
        last = date(year, end, int(day or monthrange(year, end)[1]))
    except ValueError:
        raise _invalid(text, _CALENDAR) from None
    return Bounds(first.isoformat(), last.isoformat())


def _date_time(text: str) -> Instant:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise _not_understood(text)
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    offset = timedelta(hours=int(match["hours"] or 0), minutes=int(match["minutes"] or 0))
    try:
        local = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        moment = local + offset if match["sign"] == "-" else local - offset
    except (ValueError, OverflowError):
        raise _invalid(text, _CALENDAR) from None
    return (moment - _EPOCH) // timedelta(seconds=1), int((match["fraction"] or "").ljust(9, "0"))


def _instant(bound: str, in_day: Instant) -> Instant | None:
    if not bound:
        return None
    if "T" in bound:
        return _date_time(bound)
    days = date.fromisoformat(bound).toordinal() - _EPOCH.toordinal()
    return days * _DAY + in_day[0], in_day[1]


def _not_understood(text: str) -> InvalidDateError:
    reasons = (reason for pattern, reason in _REASONS.items() if re.search(pattern, text))
    return _invalid(text, next(reasons, "is not in the supported profile of EDTF"))


def _invalid(text: str, reason: str) -> InvalidDateError:
    shown = ascii(text[: _MAX_SHOWN_CHARS + 1])
    if len(shown) > _MAX_SHOWN_CHARS:
        shown = shown[: _MAX_SHOWN_CHARS - 1] + "…"
    return InvalidDateError(f"{shown} {reason}")
