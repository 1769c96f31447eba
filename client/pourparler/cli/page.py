"""Where answers are put: tables in a terminal, one plain line for each thing in a pipe."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from google.protobuf import json_format
from google.protobuf.message import Message
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from pourparler.cli.safe import harmless

NOTHING = "-"
LONG = 600
"""How many characters of one text a terminal shows unless it is asked for all."""

WIDE = 60
"""How wide a column is at most in a pipe; what is longer moves the rest of its own line alone."""

Cell = str | Text
"""What stands in a table; a line end only in running text."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    under: bool = False
    """In a terminal it has no room of its own, and stands beneath the column before it."""
    text: bool = False
    """It is running text: it takes the room that is left, and comes last in a pipe."""
    whole: bool = False
    """It is never folded: people copy it."""
    width: int = 0
    """How wide it is, in tables that are printed piece by piece; 0 is as wide as it needs to be."""


@dataclass(slots=True)
class Table:
    """Things of one kind, a row for each."""

    title: str
    columns: Sequence[Column]
    rows: list[Sequence[Cell]] = field(default_factory=list)


class Page:
    """An answer as it is put to a person or into a pipe."""

    def __init__(self, console: Console, *, full: bool = False) -> None:
        """Write to a console: in colours and tables if it is a terminal, else plainly."""
        self._console = console
        self._full = full
        self.plain = not console.is_terminal

    def line(self, text: Cell = "", style: str = "") -> None:
        """One line; in a terminal folded between words where it is longer."""
        if self.plain:
            print(_plain(text), file=self._console.file)
            return
        shown = safe(text)
        if style:
            shown.stylize(style)
        self._console.print(shown, highlight=False)

    def heading(self, text: str) -> None:
        """A line that begins something new."""
        self.line()
        self.line(text, "bold")

    def table(self, table: Table, *, head: bool = True) -> None:
        """A table under its title; without `head`, further rows of one begun before."""
        if head and table.title:
            self.heading(table.title)
        if self.plain:
            self._in_lines(table, head=head)
        else:
            self._in_grid(table, head=head)

    def _in_lines(self, table: Table, *, head: bool) -> None:
        order = sorted(range(len(table.columns)), key=lambda place: table.columns[place].text)
        rows = [[_plain(row[place]) or NOTHING for place in order] for row in table.rows]
        columns = [table.columns[place] for place in order]
        if head:
            rows.insert(0, [column.title.upper() for column in columns])
        widths = [
            column.width or min(max(cell_len(row[place]) for row in rows), WIDE)
            for place, column in enumerate(columns)
        ]
        for row in rows:
            padded = [
                cell + " " * (width - cell_len(cell))
                for cell, width in zip(row, widths, strict=True)
            ]
            print("  ".join(padded).rstrip(), file=self._console.file)

    def _in_grid(self, table: Table, *, head: bool) -> None:
        width = self._console.width
        grid = Grid(
            box=SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
            show_header=head,
            header_style="dim",
            leading=1,
            expand=True,
        )
        for column in table.columns:
            narrow = max(width // (5 if grid.columns else 4), 12)
            if column.under:
                continue
            if column.text:
                grid.add_column(column.title, overflow="fold", ratio=1)
            else:
                grid.add_column(
                    column.title,
                    overflow="fold",
                    width=min(column.width, narrow) or None,
                    max_width=None if column.whole else narrow,
                    no_wrap=column.whole,
                )
        for row in table.rows:
            cells: list[Text] = []
            for column, cell in zip(table.columns, row, strict=True):
                shown = self._shortened(safe(cell))
                if not column.under:
                    cells.append(shown)
                elif shown:
                    if not shown.style and not shown.spans:
                        shown.style = "dim"
                    cells[-1] = Text("\n").join([cells[-1], shown]) if cells[-1] else shown
            grid.add_row(*cells)
        self._console.print(grid)

    def _shortened(self, text: Text) -> Text:
        if self._full or len(text) <= LONG:
            return text
        left = len(text) - LONG
        return Text.assemble(text[:LONG], (f"… ({left:,} more characters: see --full)", "dim"))


def standard_page(*, full: bool = False) -> Page:
    """A page on standard output."""
    return Page(Console(markup=False, highlight=False, emoji=False), full=full)


def print_message(message: Message, *, one_line: bool = False) -> None:
    """Print a message of the contract as ProtoJSON, with the names of the .proto.

    All but ASCII is escaped: nothing in it can do anything to a terminal.
    """
    print(
        json_format.MessageToJson(
            message, preserving_proto_field_name=True, indent=None if one_line else 2
        )
    )


def _plain(cell: Cell) -> str:
    return harmless(cell.plain if isinstance(cell, Text) else cell)


def safe(cell: Cell) -> Text:
    """A cell of one's own to put on a terminal: whatever came to here unsafe goes no further."""
    shown = cell.copy() if isinstance(cell, Text) else Text(cell)
    plain = harmless(shown.plain, lines=True)
    return shown if plain == shown.plain else Text(plain, shown.style)
