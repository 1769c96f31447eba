"""Where answers are put: tables in a terminal, one plain line for each thing in a pipe."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from google.protobuf import json_format
from google.protobuf.message import Message
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.table import Table as Grid
from rich.text import Text

from pourparler.cli.terminal_escape import escaped

NOTHING = "-"
LONG = 600
"""How many characters of one text a terminal shows unless it is asked for all."""

WIDE = 60
"""How wide a column is at most in a pipe; what is longer moves the rest of its own line alone."""

_BROAD = 120
"""From how many columns on a terminal has room for all tables of a kind to be in line."""
_ROOMY = 100
"""From how many columns on running text has room beside more than three others."""
_READABLE = 120
"""How long a line of running text is at most: the eye finds the next one from there."""
_GAP = 2
_JOINTS = frozenset("-_/.:@#,+=")

Cell = str | Text
"""The content of a table cell. Only running text may contain line ends."""


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
    lead: str = ""
    """The text before the cell in a terminal, if it stands below another cell."""
    width: int = 0
    """How wide it is, in tables that are printed piece by piece; 0 is as wide as it needs to be."""


@dataclass(slots=True)
class _Place:
    """Where columns stand in a terminal: one, and those beneath it."""

    columns: list[int]
    text: bool
    whole: bool
    width: int


@dataclass(slots=True)
class Table:
    """Things of one kind, a row for each."""

    title: str
    columns: Sequence[Column]
    rows: list[Sequence[Cell]] = field(default_factory=list)
    dense: bool = False
    """Its rows need no blank lines between them, even if some are longer than a line."""


class Page:
    """An answer as it is put to a person or into a pipe."""

    def __init__(self, console: Console, *, full: bool = False) -> None:
        """Write to a console: in colours and tables if it is a terminal, else plainly."""
        self._console = console
        self._full = full
        self.plain = not console.is_terminal
        self.narrow = console.width < _ROOMY

    def line(self, text: Cell = "", style: str = "") -> None:
        """One line; in a terminal folded between words where it is longer."""
        if self.plain:
            print(_plain(text), file=self._console.file)
            return
        shown = safe(text)
        if style:
            shown.stylize(style)
        self._console.print(shown, highlight=False)

    def below(self, line: Callable[[], Text]) -> AbstractContextManager[object]:
        """Keep a line below all output and update it often. In a pipe, do nothing."""
        if self.plain:
            return nullcontext()

        def shown() -> Text:
            text = safe(line())
            text.truncate(self._console.width - 1, overflow="ellipsis")
            return text

        return Live(
            get_renderable=shown,
            console=self._console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def heading(self, text: str) -> None:
        """Print a heading."""
        self.line()
        self.line(text, "bold")

    def table(self, table: Table, *, head: bool = True) -> None:
        """Print a table with its title. Without `head`, continue the previous table."""
        self.tables([table], head=head)

    def tables(self, tables: Sequence[Table], *, head: bool = True) -> None:
        """Tables of the same columns, one after the other; in a broad terminal they are in line."""
        in_line = not self.plain and bool(tables) and self._console.width >= _BROAD
        places = self._places(tables) if in_line else []
        for number, table in enumerate(tables):
            if head and table.title:
                self.heading(table.title)
            if self.plain:
                self._in_lines(table, head=head)
            else:
                places = places if in_line else self._places([table])
                self._in_grid(table, places, head=head, first=not number)

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

    def _places(self, tables: Sequence[Table]) -> list[_Place]:
        """Where the columns of tables stand, and how wide they are."""
        width = self._console.width
        rows = [row for table in tables for row in table.rows]
        places: list[_Place] = []
        for number, column in enumerate(tables[0].columns):
            widest = column.width or max(
                cell_len(column.title), *(_widest(row[number]) for row in rows)
            )
            if column.under and places:
                places[-1].columns.append(number)
                places[-1].width = max(places[-1].width, widest)
            else:
                places.append(_Place([number], column.text, column.whole, widest))
        for place in places:
            if not (place.text or place.whole):
                words = (_longest_word(row[one]) for row in rows for one in place.columns)
                narrow = max(width // (5 if place is not places[0] else 4), 12)
                place.width = min(place.width, max(narrow, min(max(words), width // 3)))
        _fit(places, width, all_of_it=any(column.width for column in tables[0].columns))
        return places

    def _in_grid(self, table: Table, places: Sequence[_Place], *, head: bool, first: bool) -> None:
        grid = Grid(
            box=SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
            show_header=head,
            header_style="dim",
        )
        titles = [
            [table.columns[one].title for one in place.columns if not table.columns[one].lead]
            for place in places
        ]
        lines = max(map(len, titles)) if first else 1
        for place, said in zip(places, titles, strict=True):
            shown = "\n".join([*said, *[""] * lines][:lines])
            grid.add_column(shown, overflow="fold", width=place.width, no_wrap=place.whole)
        rows = [[self._cell(table.columns, place, row) for place in places] for row in table.rows]
        for row in rows:
            grid.add_row(*row)
        if not table.dense:
            grid.leading = int(any(any(map(_folds, row, places)) for row in rows))
        self._console.print(grid)

    def _cell(self, columns: Sequence[Column], place: _Place, row: Sequence[Cell]) -> Text:
        cells: list[Text] = []
        for number, one in enumerate(place.columns):
            shown = self._shortened(safe(row[one]))
            if not shown:
                continue
            if number and not shown.style:
                if columns[one].lead:
                    shown = Text.assemble(columns[one].lead, shown)
                if columns[one].lead or not shown.spans:
                    shown.style = "dim"
            cells.append(shown)
        cell = Text("\n").join(cells) if len(cells) != 1 else cells[0]
        return cell if place.whole else _broken(cell, place.width)

    def shortened(self, text: str, most: int) -> str:
        """Return at most this many characters of a text, cut between words, unless full."""
        if self._full or self.plain or len(text) <= most:
            return text
        cut = text.rfind(" ", most // 2, most)
        kept = text[: cut if cut > 0 else most].rstrip()
        return f"{kept} … ({len(text) - len(kept):,} more characters: see --full)"

    def _shortened(self, text: Text) -> Text:
        if self._full or len(text) <= LONG:
            return text
        left = len(text) - LONG
        return Text.assemble(text[:LONG], (f"… ({left:,} more characters: see --full)", "dim"))


def standard_page(*, full: bool = False) -> Page:
    """Return a page on standard output."""
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


def _widest(cell: Cell) -> int:
    return max(map(cell_len, str(cell).split("\n")))


def _folds(cell: Text, place: _Place) -> bool:
    """Whether a cell takes more than a line."""
    return "\n" in cell.plain or cell_len(cell.plain) > place.width


def _longest_word(cell: Cell) -> int:
    return max(map(cell_len, str(cell).split()), default=0)


def _fit(places: Sequence[_Place], width: int, *, all_of_it: bool) -> None:
    """Give running text the room that others leave, as far as it needs it."""
    texts = sorted((place for place in places if place.text), key=lambda place: place.width)
    others = [place for place in places if not place.text]
    room = width - _GAP * (len(places) - 1) - min(20, width // 3) * bool(texts)
    while others and sum(place.width for place in others) > max(room, len(others)):
        max(others, key=lambda place: place.width).width -= 1
    left = width - _GAP * (len(places) - 1) - sum(place.width for place in others)
    for number, place in enumerate(texts):
        share = min(max(left // (len(texts) - number), 1), _READABLE)
        place.width = share if all_of_it else min(place.width, share)
        left -= place.width


def _broken(text: Text, width: int) -> Text:
    """Return a text in which words longer than a line break at a joint, if they have one."""
    if width < 2 or all(cell_len(word) <= width for word in text.plain.split()):  # noqa: PLR2004
        return text
    ends, start, joint = [], 0, 0
    for place, character in enumerate(text.plain):
        if character.isspace():
            start = joint = place + 1
            continue
        if cell_len(text.plain[start : place + 1]) > width:
            start = joint if joint > start else place
            ends.append(start)
        if character in _JOINTS:
            joint = place + 1
    return Text("\n").join(text.divide(ends)) if ends else text


def _plain(cell: Cell) -> str:
    return escaped(cell.plain if isinstance(cell, Text) else cell)


def safe(cell: Cell) -> Text:
    """Return a copy of a cell that is safe for a terminal."""
    shown = cell.copy() if isinstance(cell, Text) else Text(cell)
    plain = escaped(shown.plain, lines=True)
    return shown if plain == shown.plain else Text(plain, shown.style)
