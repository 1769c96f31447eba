"""The prompt for the version to show."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static


class AskVersion(ModalScreen[int | None]):
    """Asks for a version from 1 to the last one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Back")]

    def __init__(self, latest: int) -> None:
        """There are this many."""
        super().__init__()
        self._latest = latest

    def compose(self) -> ComposeResult:
        """Yield the question and the input field."""
        with Vertical():
            yield Static(Text(f"As of which version? From 1 to {self._latest:,}."))
            yield Input(restrict=r"[0-9]{0,18}", compact=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answer with the nearest there is."""
        number = int(event.value) if event.value else 0
        self.dismiss(min(number, self._latest) or None)
