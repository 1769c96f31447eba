"""CSV in UTF-8 (RFC 4180): with the columns of a table, or others by a column mapping.

The columns of a table are lossless.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from pourparler import v1 as pb
from pourparler.formats.draft_lines import LONGEST, BadLineError, Read, line_of
from pourparler.formats.table import COLUMNS, entry_in, row

Cells = dict[str, str]
"""The cells of a row, by the names of their columns."""


def write(file: BinaryIO, entries: Iterable[pb.Entry]) -> int:
    """Write the header line and a row for each entry. Return the number of entries."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    try:
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
        writer.writeheader()
        count = 0
        for entry in entries:
            writer.writerow(row(entry))
            count += 1
    finally:
        text.detach()
    return count


def read(file: BinaryIO, line_in: Callable[[Cells], bytes] | None = None) -> Iterator[Read]:
    """Yield the rows as drafts. `line_in` maps the cells of other columns to a line."""
    for number, cells, reached in _rows(file):
        line: bytes | BadLineError
        try:
            if isinstance(cells, BadLineError):
                line = cells
            elif line_in is not None:
                line = line_in(cells)
            else:
                line = line_of(entry_in(cells))
        except BadLineError as error:
            line = error
        yield Read(number, line, reached)


def entries(file: BinaryIO) -> Iterator[pb.Entry]:
    """Yield the entries of a table. Raises BadLineError."""
    for _number, cells, _reached in _rows(file):
        if isinstance(cells, BadLineError):
            raise cells
        yield entry_in(cells)


def _rows(file: BinaryIO) -> Iterator[tuple[int, Cells | BadLineError, int]]:
    """Yield the first line, the cells and the end offset of each row."""
    csv.field_size_limit(LONGEST)  # of the whole process; its default is less than an entry may be
    lines = _Lines(file)
    rows = csv.reader(lines, strict=True)
    begins = 1
    try:
        columns = next(rows, [])
        if wrong := _wrong(columns):
            yield 1, BadLineError(wrong), lines.reached
            return
        begins = rows.line_num + 1
        for cells in rows:
            if cells:
                yield begins, _named(columns, cells), lines.reached
            begins = rows.line_num + 1
    except (csv.Error, UnicodeDecodeError, BadLineError) as error:
        text = "It is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        yield begins, BadLineError(f"The row cannot be read: {text.rstrip('.')}."), lines.reached


def _wrong(columns: list[str]) -> str:
    if not columns:
        return "The first line does not name the columns."
    twice = next((one for one in columns if columns.count(one) > 1), None)
    return f"The first line names a column twice (column {twice})." if twice is not None else ""


def _named(columns: list[str], cells: list[str]) -> Cells | BadLineError:
    if len(cells) != len(columns):
        return BadLineError(f"The row has {len(cells)} cells for {len(columns)} columns.")
    return dict(zip(columns, cells, strict=True))


class _Lines:
    """Yield the lines of a file as text, without a byte order mark, up to a maximum length."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.reached = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(LONGEST + 1):
            if len(line) > LONGEST:
                raise BadLineError(f"A line is longer than {LONGEST:,} bytes.")
            coding = "utf-8" if self.reached else "utf-8-sig"
            self.reached += len(line)
            yield line.decode(coding)
