"""Dates and times in the cells of a table. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from pourparler.formats.cell_values import Exact
from pourparler.schema.edtf import InvalidDateError, bounds

_TIME = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[T ](?P<time>\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)"
    r" ?(?P<zone>Z|UTC|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>[01]\d):(?P<minutes>[0-5]\d)", re.ASCII)
_DIRECTIVE = re.compile("%(.)")
_OF_DAY = frozenset("dj")
_OF_MONTH = frozenset("mbB")
_OF_TIME = frozenset("HIMSfpcXxT")


@dataclass(frozen=True, slots=True)
class Dates:
    """The way in which a table writes dates: by formats of strptime, else in ISO 8601 or EDTF."""

    formats: Sequence[str] = ()
    zone: tzinfo | None = None
    """The zone of the times that name none."""

    def fuzzy(self, cell: str) -> dict[str, str]:
        """Return the FuzzyDate of a cell. Raises ValueError, which says what to do."""
        text = cell.strip()
        if not self.formats or isinstance(cell, Exact):
            return self._standard(text)
        for one in self.formats:
            try:
                found = datetime.strptime(text, one)  # noqa: DTZ007 - it may have no zone
            except ValueError:
                continue
            return self._found(text, one, found)
        known = ", ".join(self.formats)
        raise ValueError(
            f"{text[:60]!r} fits none of the date_formats of the mapping: {known}. Add its format."
        )

    def day(self, cell: str) -> str:
        """Return a day such as 2026-11-30. Raises ValueError."""
        found = self.fuzzy(cell).get("edtf", "")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", found):
            raise ValueError(f"{cell.strip()[:60]!r} is not one day such as 2026-11-30.")
        return found

    def instant(self, cell: str) -> str:
        """Return an instant of RFC 3339. Raises ValueError."""
        found = self.fuzzy(cell).get("instant", "")
        if not found:
            raise ValueError(f"{cell.strip()[:60]!r} is not a time such as 2026-11-30T14:05Z.")
        return found

    def _standard(self, text: str) -> dict[str, str]:
        found = _TIME.fullmatch(text)
        try:
            if found is None:
                bounds(text)
                return {"edtf": text}
            zone = (found["zone"] or "").replace("UTC", "Z")
            return self._time(text, datetime.fromisoformat(f"{found['day']}T{found['time']}{zone}"))
        except InvalidDateError as error:
            raise ValueError(
                f"{error} If the table writes dates in another way, name it in the mapping, as in"
                ' date_formats = ["%d.%m.%Y"].'
            ) from None

    def _found(self, text: str, form: str, found: datetime) -> dict[str, str]:
        parts = set(_DIRECTIVE.findall(form.replace("%%", "")))
        if parts & _OF_TIME:
            return self._time(text, found)
        if parts & _OF_DAY:
            return {"edtf": f"{found:%Y-%m-%d}".rjust(10, "0")}
        if parts & _OF_MONTH:
            return {"edtf": f"{found:%Y-%m}".rjust(7, "0")}
        return {"edtf": f"{found:%Y}".rjust(4, "0")}

    def _time(self, text: str, found: datetime) -> dict[str, str]:
        if found.tzinfo is None:
            found = self._in_zone(text, found)
        return {"instant": found.astimezone(UTC).isoformat().replace("+00:00", "Z")}

    def _in_zone(self, text: str, local: datetime) -> datetime:
        """Return a local time in the zone of the mapping. This is the only place that needs one."""
        if self.zone is None:
            raise ValueError(
                f"The time {text[:60]!r} has no zone. Name the zone in the mapping, as in"
                ' zone = "Europe/Berlin", or in the cell, as in 2026-11-30T14:05+01:00.'
            )
        first, second = (local.replace(tzinfo=self.zone, fold=fold) for fold in (0, 1))
        if first.utcoffset() == second.utcoffset():
            return first
        exists = first.astimezone(UTC).astimezone(self.zone).replace(tzinfo=None) == local
        times = "occurs twice" if exists else "does not exist"
        raise ValueError(
            f"The time {text[:60]!r} {times} in the zone {self.zone}. Write it with its offset, as"
            " in 2026-10-25T02:30+01:00."
        )


def zone_of(name: str) -> tzinfo:
    """Return a zone by its name, such as `Europe/Berlin`, or offset. Raises ValueError."""
    if name in {"Z", "UTC"}:
        return UTC
    found = _OFFSET.fullmatch(name)
    if found is not None:
        offset = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"]))
        return timezone(offset if found["sign"] == "+" else -offset)
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"{name[:60]!r} is no zone such as Europe/Berlin or +01:00.") from None


def check_format(form: str) -> None:
    """Raise ValueError unless it is a format of strptime with a year."""
    try:
        datetime.strptime("", form)  # noqa: DTZ007 - only the format is checked
    except ValueError as error:
        if "does not match" not in str(error):
            raise ValueError(f"{form[:60]!r} is no date format such as %d.%m.%Y.") from None
    if not {"Y", "y"} & set(_DIRECTIVE.findall(form)):
        raise ValueError(f"The date format {form[:60]!r} has no year (%Y).")
