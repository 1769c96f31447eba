"""The pane that shows the selected row in full."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.console import Group
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from pourparler.cli.browse.text_layout import IndentedText, marked
from pourparler.cli.output.page import safe


class Detail(VerticalScroll, can_focus=True):
    """A text that is scrolled, about one thing at a time."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "scroll_up", show=False),
        Binding("j", "scroll_down", show=False),
    ]

    def __init__(self) -> None:
        """With nothing in it."""
        super().__init__()
        self._about: object = None
        self.plain = ""
        """Return the text of the pane, without colours."""

    def compose(self) -> ComposeResult:
        """Its text."""
        yield Static(markup=False)

    def show(
        self, about: object, pieces: Iterable[IndentedText], words: Sequence[str] = ()
    ) -> None:
        """Show this; from its beginning, if it is about something else than before."""
        told = [IndentedText(marked(safe(one.text), words), one.first, one.rest) for one in pieces]
        self.plain = "\n".join(str(one.first) + str(one.text) for one in told if len(one.text))
        self.query_one(Static).update(Group(*told) if told else Text())
        if about != self._about:
            self.scroll_home(animate=False)
        self._about = about
