"""The reader: its screens, its colours, and how it ends."""

import asyncio
import contextlib
import signal
from typing import ClassVar

from textual import work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.theme import Theme

from pourparler.cli.browse.help_screen import Help
from pourparler.cli.browse.list_screen import NegotiationsScreen
from pourparler.cli.browse.negotiation_screen import NegotiationScreen
from pourparler.cli.browse.search_screen import FindScreen
from pourparler.cli.browse.source import RecordSource

# The terminal's own colours, as all other commands have them: what is readable there is readable
# here, be it light or dark.
_THEME = Theme(
    name="pourparler",
    ansi=True,
    primary="ansi_cyan",
    secondary="ansi_cyan",
    warning="ansi_yellow",
    error="ansi_red",
    success="ansi_green",
    accent="ansi_cyan",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    variables={
        "ansi-background": "ansi_default",
        "ansi-foreground": "ansi_default",
        "border-blurred": "ansi_bright_black",
        "block-cursor-foreground": "ansi_default",
        "block-cursor-background": "ansi_default",
        "input-cursor-foreground": "ansi_default",
        "input-cursor-background": "ansi_default",
        "input-cursor-text-style": "reverse",
        "input-selection-foreground": "ansi_black",
        "input-selection-background": "ansi_cyan",
        "screen-selection-foreground": "ansi_black",
        "screen-selection-background": "ansi_cyan",
    },
)


class Browser(App[None]):
    """Reads negotiations in a terminal, whole."""

    CSS_PATH = "browse.tcss"
    ENABLE_COMMAND_PALETTE = False
    TITLE = "Pourparler"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,ctrl+q", "quit", "Quit", show=False, priority=True),
    ]

    def __init__(
        self, source: RecordSource, name: str | None = None, version: int | None = None
    ) -> None:
        """Read what is on this source, beginning with the list or with one."""
        super().__init__(ansi_color=True)
        self._source, self._negotiation, self._version = source, name, version

    def on_mount(self) -> None:
        """Start. A signal that ends the process also restores the terminal."""
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            for ending in (signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(ending, self.exit)
        self.register_theme(_THEME)
        self.theme = _THEME.name
        if self._source.lists:
            self.push_screen(NegotiationsScreen(self._source))
        if self._negotiation is not None:
            self.push_screen(NegotiationScreen(self._source, self._negotiation, self._version))

    @work
    async def action_find(self) -> None:
        """Search the words of all negotiations, and go to the entry that was chosen."""
        if not self._source.lists:
            self.bell()
            return
        found = await self.push_screen_wait(FindScreen(self._source))
        if found is not None:
            name, version = found
            self.push_screen(NegotiationScreen(self._source, name, entry=version))

    def action_help(self) -> None:
        """Say what each key does."""
        self.push_screen(Help())

    async def on_unmount(self) -> None:
        """Let go of what was read from."""
        await self._source.close()
