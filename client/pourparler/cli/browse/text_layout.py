"""Text laid into lines: cut, folded with what stands before each, the searched words marked. Pure.

Nothing that comes out of here can do anything to a terminal.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from pourparler.cli.output import colors
from pourparler.cli.output.page import Cell, safe

FOUND = f"bold underline {colors.MARKED}"
"""How searched words are shown; without colours they are still bold and underlined."""

_CONSOLE = Console(markup=False, highlight=False, emoji=False, width=80, color_system=None)


def flat(cell: Cell) -> Text:
    """In one line, whatever line ends it has."""
    shown = safe(cell)
    if "\n" in shown.plain:
        shown = Text(" ").join([line for line in shown.split("\n", allow_blank=True) if line])
    return shown


def fitted(cell: Cell, width: int) -> Text:
    """Exactly as wide as this; what does not fit is cut off with an ellipsis."""
    shown = flat(cell)
    shown.truncate(max(width, 0), overflow="ellipsis", pad=True)
    return shown


def words_of(asked: str) -> tuple[str, ...]:
    """Return the words of a search."""
    return tuple(dict.fromkeys(asked.casefold().split()))


def marked(text: Text, words: Sequence[str]) -> Text:
    """Return a copy of the text with these words marked, in any case."""
    if words:
        pattern = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
        text.highlight_regex(re.compile(pattern, re.IGNORECASE), FOUND)
    return text


@dataclass(frozen=True)
class IndentedText:
    """A text that is folded between words, with something before its first line and its others."""

    text: Cell
    first: Text = field(default_factory=Text)
    rest: Text | None = None
    """Before the others; None is as much space as stands before the first."""

    def lines(self, width: int, words: Sequence[str] = ()) -> Iterator[Text]:
        """Its lines, none wider than this; of an empty text none."""
        if not len(self.text):
            return
        before = self.first.cell_len
        rest = Text(" " * before) if self.rest is None else self.rest
        room = max(width - before, 8)
        text = marked(safe(self.text), words)
        for number, line in enumerate(text.wrap(_CONSOLE, room)):
            line.rstrip()
            yield Text.assemble(rest if number else self.first, line)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it as wide as there is room."""
        del console
        yield from self.lines(options.max_width)
