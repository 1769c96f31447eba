"""The drafts of the rows of a table: of the columns of an export, or by a column mapping. Pure."""

from collections.abc import Iterable, Iterator

from pourparler.formats.column_mapping import ColumnMapping
from pourparler.formats.draft_lines import BadLineError, Note, NoteKind, Read, read_of
from pourparler.formats.table import entry_in

Cells = dict[str, str]
"""The cells of a row, by the names of their columns."""
Row = tuple[int, Cells | BadLineError, int]
"""The first line, the cells and the end offset of a row."""


def drafts(rows: Iterable[Row], mapping: ColumnMapping | None) -> Iterator[Read]:
    """Yield the drafts of rows, and with the first of them a note for each column without use."""
    is_first = True
    for number, cells, reached in rows:
        notes: tuple[Note, ...] = ()
        try:
            if isinstance(cells, BadLineError):
                one = Read(number, cells, reached)
            elif mapping is None:
                one = read_of(number, entry_in(cells), reached)
            else:
                if is_first:
                    notes = _unused(cells, mapping)
                    is_first = False
                one = Read(number, mapping.line(cells), reached, mapping.delivery(cells))
        except BadLineError as error:
            one = Read(number, error, reached)
        yield one._replace(notes=notes) if notes else one


def _unused(cells: Cells, mapping: ColumnMapping) -> tuple[Note, ...]:
    known = mapping.columns
    return tuple(
        Note(NoteKind.LOST, f"the column {name!r}, which the mapping does not use", 1)
        for name in cells
        if name not in known
    )
