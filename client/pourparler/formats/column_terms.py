"""The terms of an entry, from the columns of a table. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pourparler import v1 as pb
from pourparler.drafts.values import choice
from pourparler.formats.cell_dates import Dates
from pourparler.formats.cell_values import Exact, Numbers, truth
from pourparler.formats.draft_lines import BadLineError

MEMBERS = tuple(field.name for field in pb.Term.DESCRIPTOR.fields)
REQUIRED = ("key", "type", "value")
_UNKNOWN = "TERM_QUALIFIER_UNKNOWN"


@dataclass(frozen=True, slots=True)
class Column:
    """A member of a term that the cells of a column fill."""

    name: str


@dataclass(frozen=True, slots=True)
class ColumnTerm:
    """A term of each row: its members, each of them constant or from a column."""

    members: Mapping[str, Exact | Column]

    @property
    def columns(self) -> Sequence[str]:
        """The columns that it reads."""
        return [one.name for one in self.members.values() if isinstance(one, Column)]

    def read(
        self, cell: Callable[[str], str], dates: Dates, numbers: Numbers
    ) -> tuple[dict[str, Any], dict[str, str]] | None:
        """Return the term of a row and its text, each as JSON; None if the cell of it is empty.

        `cell` returns the value of a column. Raises BadLineError, which names the column.
        """
        given = {
            name: cell(one.name) if isinstance(one, Column) else one
            for name, one in self.members.items()
        }
        found: dict[str, Any] = {}
        text: dict[str, str] = {}
        qualifier = given.get("qualifier") or "exact"
        kind = self._read("type", given["type"], lambda one: _name(pb.TermType, one))
        found["key"], found["type"] = given["key"].strip(), kind
        found["qualifier"] = self._read(
            "qualifier", qualifier, lambda one: _name(pb.TermQualifier, one)
        )
        if found["qualifier"] != _UNKNOWN:
            if not given["value"].strip():
                return None
            if kind == "TERM_TYPE_TEXT":
                text = {"key": found["key"], "text": given["value"]}
            else:
                read = _READERS[kind](dates, numbers)
                for name in ("value", "value_max"):
                    if given.get(name, "").strip():
                        found[name] = self._read(name, given[name], read)
        for name in ("unit", "of", "held_by", "by", "into"):
            if given.get(name, "").strip():
                found[name] = given[name].strip()
        return found, text

    def _read(self, member: str, value: str, read: Callable[[str], str]) -> str:
        try:
            return read(value)
        except ValueError as error:
            source = self.members.get(member)
            where = source.name if isinstance(source, Column) else "the mapping"
            raise BadLineError(f"{error} (column {where})") from None


def _name(enum: Any, text: str) -> str:
    prefix = enum.DESCRIPTOR.values[0].name.removesuffix("UNSPECIFIED")
    return str(enum.Name(choice(enum, text.removeprefix(prefix))))


_Reader = Callable[[Dates, Numbers], Callable[[str], str]]
_READERS: Mapping[str, _Reader] = {
    "TERM_TYPE_MONEY": lambda _dates, numbers: numbers.read,
    "TERM_TYPE_QUANTITY": lambda _dates, numbers: numbers.read,
    "TERM_TYPE_PERCENT": lambda _dates, numbers: lambda text: numbers.read(_without_sign(text)),
    "TERM_TYPE_ENUM": lambda _dates, _numbers: str.strip,
    "TERM_TYPE_DATE": lambda dates, _numbers: dates.day,
    "TERM_TYPE_BOOL": lambda _dates, _numbers: lambda text: str(truth(text.strip())).lower(),
}
"""The reader of a value, for each type that has one in the term."""


def _without_sign(text: str) -> str:
    return text if isinstance(text, Exact) else text.strip().removesuffix("%")
