"""Workbooks of Excel and of other spreadsheet programs (Office Open XML), with openpyxl.

It needs the extra `xlsx`. It reads the stored values of one sheet, and computes no formula.
"""

import warnings
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, BinaryIO

from pourparler.formats.cell_values import Exact
from pourparler.formats.column_mapping import ColumnMapping
from pourparler.formats.dataframe import loaded
from pourparler.formats.draft_lines import LONGEST, BadLineError, Note, NoteKind, Read
from pourparler.formats.table_rows import Cells, Row, drafts

_LARGEST = 1 << 28
"""The size of the parts of a workbook together, in bytes, up to which it is read."""


def read(file: BinaryIO, mapping: ColumnMapping | None = None) -> Iterator[Read]:
    """Yield the rows of a sheet as drafts. Raises ExtraMissingError."""
    openpyxl = loaded("openpyxl", "xlsx")
    if not file.seekable():
        error = BadLineError("A workbook is read from its end: give it as a file, not in a pipe.")
        yield Read(1, error, 0)
        return
    try:
        _check_size(file)
        # The stored values and the formulas are two readings of the same file.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and other content that is not read
            books = [
                openpyxl.load_workbook(file, read_only=True, data_only=values, keep_links=False)
                for values in (True, False)
            ]
    except BadLineError as error:
        yield Read(1, error, 0)
        return
    except Exception as error:  # noqa: BLE001 - openpyxl raises many kinds for a wrong file
        text = " ".join(str(error).split())[:200]
        yield Read(1, BadLineError(f"It is no workbook that can be read: {text}"), 0)
        return
    try:
        yield from _drafts(books, file, mapping)
    finally:
        for book in books:
            book.close()


def _drafts(books: Sequence[Any], file: BinaryIO, mapping: ColumnMapping | None) -> Iterator[Read]:
    names = list(books[0].sheetnames)
    wanted = mapping.options.sheet if mapping is not None else ""
    name = wanted or next((one.title for one in books[0].worksheets), "")
    if name not in {one.title for one in books[0].worksheets}:
        known = ", ".join(map(repr, names))
        error = BadLineError(f"The workbook has no sheet {name!r}, but {known}.")
        yield Read(1, error, 0)
        return
    others = tuple(Note(NoteKind.LOST, f"the sheet {one!r}", 1) for one in names if one != name)
    if others:
        yield Read(1, b"", 0, notes=others)
    yield from drafts(_rows([book[name] for book in books], file), mapping)


def _rows(sheets: Sequence[Any], file: BinaryIO) -> Iterator[Row]:
    columns: list[str] = []
    number = 0
    try:
        both = zip(*(sheet.iter_rows(values_only=True) for sheet in sheets), strict=True)
        for number, (values, formulas) in enumerate(both, 1):
            if all(one is None for one in formulas):
                continue
            if not columns:
                columns = _columns(values)
                twice = next((one for one in columns if columns.count(one) > 1), None)
                if twice is not None:
                    text = f"The first row names a column twice (column {twice})."
                    yield number, BadLineError(text), 0
                    return
                continue
            yield number, _cells(columns, values, formulas), file.tell()
    except Exception as error:  # noqa: BLE001 - openpyxl raises many kinds for a wrong file
        text = " ".join(str(error).split())[:200]
        yield number + 1, BadLineError(f"It is no workbook that can be read: {text}"), 0


def _columns(values: Sequence[Any]) -> list[str]:
    """Return the names of the columns; one without a name has its letters."""
    letters = loaded("openpyxl.utils", "xlsx").get_column_letter
    names = [_text(value).strip() for value in values]
    while names and not names[-1]:
        names.pop()
    return [name or f"column {letters(place)}" for place, name in enumerate(names, 1)]


def _cells(
    columns: Sequence[str], values: Sequence[Any], formulas: Sequence[Any]
) -> Cells | BadLineError:
    if any(one is not None for one in values[len(columns) :]):
        return BadLineError(f"The row has a cell to the right of the {len(columns)} named columns.")
    found: Cells = {}
    for place, column in enumerate(columns):
        value = values[place] if place < len(values) else None
        formula = formulas[place] if place < len(formulas) else None
        if value is None and formula is not None:
            return BadLineError(
                "The formula has no stored value. Open the workbook in a spreadsheet program and"
                f" save it (column {column})."
            )
        if isinstance(value, str) and value.startswith("#") and value == formula:
            value = str(value)
        elif isinstance(value, str) and value.startswith("#"):
            return BadLineError(f"The formula has the error {value[:20]} (column {column}).")
        text = _text(value)
        if len(text) > LONGEST:
            return BadLineError(
                f"The cell is longer than {LONGEST:,} characters (column {column})."
            )
        found[column] = text
    return found


def _text(value: object) -> str:
    """Return the value of a cell. A number, a date and a truth value have an exact form."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return Exact(str(value).lower())
    if isinstance(value, int | float):
        number = Decimal(repr(value))
        whole = number == number.to_integral_value()
        return Exact(format(number.to_integral_value() if whole else number.normalize(), "f"))
    if isinstance(value, datetime):
        # A spreadsheet has no dates without a time: midnight stands for the whole day.
        is_day = value.time() == time()
        return Exact(value.date().isoformat() if is_day else value.isoformat(" "))
    if isinstance(value, date | time):
        return Exact(value.isoformat())
    return str(value)


def _check_size(file: BinaryIO) -> None:
    """Raise BadLineError for a file whose compressed parts are too large. Keep its place."""
    with zipfile.ZipFile(file) as parts:
        size = sum(one.file_size for one in parts.infolist())
    if size > _LARGEST:
        raise BadLineError(f"The workbook has {size:,} bytes, more than {_LARGEST:,}.")
    file.seek(0)
