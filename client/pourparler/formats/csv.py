"""CSV (RFC 4180): with the columns of a table, or others by a column mapping.

The columns of a table are lossless. They are written in UTF-8, and read in any encoding.
"""

import csv
import io
import itertools
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from pourparler import v1 as pb
from pourparler.formats.column_mapping import ColumnMapping
from pourparler.formats.csv_text import CsvText, delimiter_of, names_delimiter
from pourparler.formats.draft_lines import LONGEST, BadLineError, Read
from pourparler.formats.table import COLUMNS, WHOLE, entry_in, row
from pourparler.formats.table_options import TableOptions
from pourparler.formats.table_rows import Cells, Row, drafts


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


def read(file: BinaryIO, mapping: ColumnMapping | None = None) -> Iterator[Read]:
    """Yield the rows as drafts. A mapping says what other columns stand for."""
    return drafts(_rows(file, mapping), mapping)


def entries(file: BinaryIO) -> Iterator[pb.Entry]:
    """Yield the entries of a table. Raises BadLineError."""
    for _number, cells, _reached in _rows(file, None):
        if isinstance(cells, BadLineError):
            raise cells
        yield entry_in(cells)


def _rows(file: BinaryIO, mapping: ColumnMapping | None) -> Iterator[Row]:
    """Yield the first line, the cells and the end offset of each row."""
    csv.field_size_limit(LONGEST)  # of the whole process; its default is less than an entry may be
    options = mapping.options if mapping is not None else TableOptions()
    text = CsvText(file, options.encoding)
    begins, passed = 1, 0
    try:
        lines = iter(text)
        header = next(lines, "")
        delimiter = options.delimiter or delimiter_of(
            header, mapping.columns if mapping is not None else {WHOLE}
        )
        if names_delimiter(header):
            passed = 1
        else:
            lines = itertools.chain([header], lines)
        rows = csv.reader(lines, strict=True, delimiter=delimiter)
        columns = [name.strip() for name in next(rows, [])]
        if wrong := _wrong(columns):
            yield 1, BadLineError(wrong), text.reached
            return
        begins = rows.line_num + passed + 1
        for cells in rows:
            if cells:
                yield begins, _named(columns, cells), text.reached
            begins = rows.line_num + passed + 1
    except (csv.Error, BadLineError) as error:
        said = str(error).rstrip(".")
        yield begins, BadLineError(f"The row cannot be read: {said}."), text.reached


def _wrong(columns: list[str]) -> str:
    if not columns:
        return "The first line does not name the columns."
    twice = next((one for one in columns if columns.count(one) > 1), None)
    return f"The first line names a column twice (column {twice})." if twice is not None else ""


def _named(columns: list[str], cells: list[str]) -> Cells | BadLineError:
    if len(cells) != len(columns):
        return BadLineError(f"The row has {len(cells)} cells for {len(columns)} columns.")
    return dict(zip(columns, cells, strict=True))
