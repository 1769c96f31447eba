"""A list of rows, drawn line by line as they come into sight, however many there are."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from pourparler.cli.browse.text_layout import IndentedText, flat, marked

Key = tuple[str, str]
"""The key of a row: `entries` and a version, or a part by its kind and id."""

_MOST_LINES = 6
_CURSOR = Style(reverse=True, bold=True)
_LEFT_CURSOR = Style(bold=True)


@dataclass(frozen=True)
class Row:
    """A line of a list, or several where the list is folded."""

    key: Key
    text: Callable[[], Text]
    first: Callable[[int], Text] = lambda _width: Text()
    """Return the text before the row, in a list of this width."""
    said: Callable[[], str] = str
    """All its words, in lower case, for who searches."""
    heading: bool = False
    """The cursor passes it over."""
    open: bool | None = None
    """Whether what is beneath it is shown; None where there is nothing beneath."""
    drawn: dict[int, list[Text]] = field(default_factory=dict, compare=False)


def _short(lines: list[Text], width: int) -> list[Text]:
    """Not more than the first few; if there are more, with an ellipsis."""
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES - 1].truncate(width - 2)
        lines[_MOST_LINES - 1].append(" …")
    return lines[:_MOST_LINES]


class Rows(ScrollView, can_focus=True):
    """Rows with a cursor. It stays where it is when rows come and go."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "A page up", show=False),
        Binding("pagedown", "page(1)", "A page down", show=False),
        Binding("home", "end(-1)", "To the first", show=False),
        Binding("end", "end(1)", "To the last", show=False),
        Binding("enter", "open", "Open"),
        Binding("left,h", "unfold(False)", "Fold", show=False),
        Binding("right,l", "unfold(True)", "Unfold", show=False),
    ]

    class Moved(Message):
        """The cursor is on another row."""

        def __init__(self, rows: "Rows", key: Key) -> None:
            super().__init__()
            self.rows, self.key = rows, key

    class Opened(Moved):
        """A row was asked for."""

    class Unfolded(Moved):
        """The user opens or closes the rows below a row."""

    def __init__(self, *, folded: int = 0, id: str | None = None) -> None:  # noqa: A002
        """Create an empty list. With up to `folded` rows, long rows wrap."""
        super().__init__(id=id)
        self._most_folded = folded
        self._folded = False
        self._rows: Sequence[Row] = ()
        self._places: dict[Key, int] = {}
        self._tops: list[int] = [0]
        self._words: Sequence[str] = ()
        self._cursor = -1

    @property
    def key(self) -> Key | None:
        """The key of the selected row."""
        return self._rows[self._cursor].key if 0 <= self._cursor < len(self._rows) else None

    @property
    def keys(self) -> list[Key]:
        """The keys of all rows, in order."""
        return [row.key for row in self._rows]

    @property
    def at_end(self) -> bool:
        """Whether the cursor is on the last row."""
        return self._cursor == len(self._rows) - 1

    def show(self, rows: Sequence[Row], words: Sequence[str] = (), key: Key | None = None) -> None:
        """Show these rows, with the cursor on this one or else where it was."""
        was, stood = self.key, self._place_on_screen()
        self._rows, self._words = rows, words
        self._folded = len(rows) <= self._most_folded
        self._places = {row.key: place for place, row in enumerate(rows)}
        place = self._places.get(key or was or ("", ""), self._cursor)
        self._lay()
        self._cursor = self._allowed(min(max(place, 0), len(rows) - 1), 1)
        if key is None and stood is not None and self._cursor >= 0:
            top = self._tops[self._cursor] - stood
            self.scroll_to(y=top, animate=False, immediate=True, force=True)
        self._reveal()
        self.refresh()
        if self.key is not None and self.key != was:
            self.post_message(self.Moved(self, self.key))

    def go(self, key: Key) -> bool:
        """Put the cursor on the row of this; whether there is one."""
        place = self._places.get(key)
        if place is None:
            return False
        self._put(place)
        return True

    def _place_on_screen(self) -> int | None:
        """How far below the top edge the cursor is, if it can be seen."""
        if not 0 <= self._cursor < len(self._rows):
            return None
        below = self._tops[self._cursor] - round(self.scroll_y)
        return below if 0 <= below < self.size.height else None

    def _lay(self) -> None:
        width = self._width
        heights = (len(self._lines(row, width)) if self._folded else 1 for row in self._rows)
        self._tops = [*accumulate(heights, initial=0)]
        self.virtual_size = Size(width, self._tops[-1])

    @property
    def _width(self) -> int:
        # As if there were always a scrollbar: rows do not move when there comes to be one.
        return max(self.container_size.width - self.styles.scrollbar_size_vertical, 10)

    def _lines(self, row: Row, width: int) -> list[Text]:
        if width not in row.drawn:
            row.drawn.clear()
            text, first = row.text(), row.first(width - 1)
            if self._folded:
                row.drawn[width] = _short([*IndentedText(text, first).lines(width - 1)], width - 1)
            else:
                line = Text.assemble(first, flat(text))
                line.truncate(width - 1, overflow="ellipsis")
                row.drawn[width] = [line]
        return row.drawn[width]

    def on_focus(self) -> None:
        """Show the cursor as one that keys move."""
        self.refresh()

    def on_blur(self) -> None:
        """Show the cursor as one that is left."""
        self.refresh()

    def on_resize(self, event: Resize) -> None:
        """Lay the rows out for the new size."""
        del event
        self._lay()
        self._reveal()

    def render_line(self, y: int) -> Strip:
        """Draw the line at this height of what can be seen."""
        y += round(self.scroll_y)
        if y >= self._tops[-1]:
            return Strip.blank(self.size.width)
        place = bisect_right(self._tops, y) - 1
        row = self._rows[place]
        lines = self._lines(row, self._width)
        line = lines[min(y - self._tops[place], len(lines) - 1)].copy()
        if place == self._cursor and self.has_focus:
            line = Text(line.plain, _CURSOR)
            marked(line, self._words)
            line.pad_right(max(self._width - 1 - line.cell_len, 0))
            line = Text.assemble((" ", _CURSOR), line)
        else:
            marked(line, self._words)
            mark = "▌" if place == self._cursor else " "
            line = Text.assemble(mark, line)
            if place == self._cursor:
                line.stylize(_LEFT_CURSOR)
        segments = line.render(self.app.console)
        return Strip(segments).adjust_cell_length(self.size.width).apply_offsets(0, y)

    def _allowed(self, place: int, step: int) -> int:
        """Return the nearest selectable row in a direction, or else in the other direction."""
        for way in (step, -step):
            found = place
            while 0 <= found < len(self._rows):
                if not self._rows[found].heading:
                    return found
                found += way
        return -1

    def _put(self, place: int, step: int = 1) -> None:
        place = self._allowed(min(max(place, 0), len(self._rows) - 1), step)
        if place in {-1, self._cursor}:
            self._reveal(step)
            return
        self._cursor = place
        self._reveal(step)
        self.refresh()
        self.post_message(self.Moved(self, self._rows[place].key))

    def _reveal(self, step: int = 0) -> None:
        """Have the row under the cursor in sight; going up, with the headings above it."""
        if not 0 <= self._cursor < len(self._rows):
            return
        first = self._cursor
        while step <= 0 and first and self._rows[first - 1].heading:
            first -= 1
        top, bottom = self._tops[first], self._tops[self._cursor + 1]
        if bottom - top > self.size.height:
            top = self._tops[self._cursor]
        region = Region(0, top, self._width, min(bottom - top, max(self.size.height, 1)))
        self.scroll_to_region(region, animate=False, immediate=True, force=True, x_axis=False)

    def action_move(self, step: int) -> None:
        """Put the cursor some rows on."""
        self._put(self._cursor + step, step)

    def action_page(self, step: int) -> None:
        """Put the cursor a page on."""
        if not self._rows:
            return
        y = self._tops[max(self._cursor, 0)] + step * max(self.size.height - 1, 1)
        place = bisect_right(self._tops, min(max(y, 0), self._tops[-1] - 1)) - 1
        self._put(place if place != self._cursor else place + step, step)

    def action_end(self, step: int) -> None:
        """Put the cursor on the first row or the last."""
        self._put(0 if step < 0 else len(self._rows) - 1, -step)
        if step < 0:
            self.scroll_home(animate=False, immediate=True)

    def action_open(self) -> None:
        """Ask for the row under the cursor."""
        if self.key is not None:
            self.post_message(self.Opened(self, self.key))

    def action_unfold(self, open: bool) -> None:  # noqa: A002, FBT001 - as the row says it
        """Show what is beneath the row, or no more."""
        if 0 <= self._cursor < len(self._rows) and self._rows[self._cursor].open is (not open):
            self.post_message(self.Unfolded(self, self._rows[self._cursor].key))

    def on_click(self, event: Click) -> None:
        """Put the cursor on the row that was clicked; a second click asks for it."""
        y = event.y + round(self.scroll_y)
        if y >= self._tops[-1]:
            return
        place = bisect_right(self._tops, y) - 1
        row = self._rows[place]
        if row.heading:
            return
        if row.open is not None and event.x <= row.first(self._width).cell_len:
            self.post_message(self.Unfolded(self, row.key))
        again = place == self._cursor and event.chain > 1
        self._put(place)
        if again:
            self.action_open()
