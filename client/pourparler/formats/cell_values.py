"""Numbers, choices and truth values in the cells of a table. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from pourparler import v1 as pb
from pourparler.drafts.values import choice

_SPACES = " \u00a0\u2009\u202f"
_DIGITS = 19  # of a number of 64 bits


class Exact(str):
    """A value in the form of the contract, which is not read as the table writes values."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Numbers:
    """The way in which a table writes decimal numbers."""

    decimal: str = "."
    thousands: str = ""

    def read(self, cell: str) -> str:
        """Return a number as `-1234.5`. Raises ValueError, which says what to do."""
        text = cell.strip().replace("\u2212", "-")
        if isinstance(cell, Exact):
            return text
        marks = _SPACES if self.thousands == " " else self.thousands
        group = f"(?:[{re.escape(marks)}][0-9]{{3}})" if marks else "(?!)"
        pattern = rf"([+-]?)([0-9]+|[0-9]{{1,3}}{group}+)(?:{re.escape(self.decimal)}([0-9]+))?"
        found = re.fullmatch(pattern, text)
        if found is None:
            raise ValueError(
                f"{text[:60]!r} is not a number such as 1234{self.decimal}5. Its marks are named in"
                ' the mapping, as in decimal = "," and thousands = ".".'
            )
        whole = re.sub(r"[^0-9]", "", found[2]).lstrip("0") or "0"
        return f"{found[1].strip('+')}{whole}{f'.{found[3]}' if found[3] else ''}"


def reader_of(field: FieldDescriptor) -> Callable[[str], Any]:
    """Return the function that reads a cell for a field of the contract."""
    enum = field.enum_type
    if enum is not None:
        plain = getattr(pb, enum.name)
        prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
        return lambda text: choice(plain, text.removeprefix(prefix))
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return truth
    if field.cpp_type in {FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64}:
        return _whole
    return str


def truth(text: str) -> bool:
    """Return a truth value. Raises ValueError."""
    if text.lower() not in {"true", "false"}:
        raise ValueError(
            f"{text[:60]!r} is not true or false. Say what it means in [values] of the mapping."
        )
    return text.lower() == "true"


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > _DIGITS:
        raise ValueError(f"{text[:60]!r} is not a whole number.")
    return int(text)
