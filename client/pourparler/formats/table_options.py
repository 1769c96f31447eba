"""The way in which another program writes a table: encoding, marks, dates and numbers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from pourparler.formats.cell_dates import Dates, check_format, zone_of
from pourparler.formats.cell_values import Numbers

MEMBERS = {"encoding", "delimiter", "sheet", "zone", "date_formats", "decimal", "thousands"}
"""The members of a column mapping that are options of its table."""


class BadMappingError(ValueError):
    """A mapping is not valid; the text gives the reason."""


@dataclass(frozen=True, slots=True)
class TableOptions:
    """The options of a table. Without them, the file itself is examined."""

    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""
    dates: Dates = field(default_factory=Dates)
    numbers: Numbers = field(default_factory=Numbers)
    column_dates: Mapping[str, Dates] = field(default_factory=dict)

    def dates_of(self, column: str) -> Dates:
        """Return the way in which a column writes dates."""
        return self.column_dates.get(column, self.dates)


def read(said: Mapping[str, Any]) -> TableOptions:
    """Return the options in a mapping. Raises BadMappingError."""
    for name in sorted(MEMBERS - {"date_formats"}):
        if not isinstance(said.get(name, ""), str):
            raise BadMappingError(f"The member {name} has to be text.")
    zone = _zone(said.get("zone", ""))
    formats, of_columns = said.get("date_formats", []), {}
    if isinstance(formats, dict):
        of_columns = {name: Dates(_formats(one), zone) for name, one in formats.items()}
        formats = []
    return TableOptions(
        encoding=_encoding(said.get("encoding", "")),
        delimiter=_delimiter(said.get("delimiter", "")),
        sheet=said.get("sheet", ""),
        dates=Dates(_formats(formats), zone),
        numbers=_numbers(said.get("decimal", "."), said.get("thousands", "")),
        column_dates=of_columns,
    )


def _zone(name: str) -> tzinfo | None:
    try:
        return zone_of(name) if name else None
    except ValueError as error:
        raise BadMappingError(str(error)) from None


def _formats(said: object) -> tuple[str, ...]:
    formats = [said] if isinstance(said, str) else said
    if not isinstance(formats, list) or not all(isinstance(one, str) for one in formats):
        raise BadMappingError(
            "The member date_formats has to be a format, a list of them, or a table."
        )
    for one in formats:
        try:
            check_format(one)
        except ValueError as error:
            raise BadMappingError(str(error)) from None
    return tuple(formats)


def _encoding(name: str) -> str:
    try:
        "".encode(name or "utf-8")
    except (LookupError, ValueError):
        raise BadMappingError(
            f"{name[:60]!r} is no encoding such as utf-8, utf-16 or cp1252."
        ) from None
    return name


def _delimiter(said: str) -> str:
    found = "\t" if said.lower() == "tab" else said
    if found and (len(found) > 1 or found in '"\r\n'):
        raise BadMappingError(f"The delimiter {said[:60]!r} is not one character, and not tab.")
    return found


def _numbers(decimal: str, thousands: str) -> Numbers:
    if decimal not in {".", ","}:
        raise BadMappingError("The member decimal has to be a point or a comma.")
    if thousands not in {"", ".", ",", " ", "'", "\u2019"} or thousands == decimal:
        raise BadMappingError(
            "The member thousands has to be a point, a comma, a space or an apostrophe, and another"
            " mark than decimal."
        )
    return Numbers(decimal, thousands)
