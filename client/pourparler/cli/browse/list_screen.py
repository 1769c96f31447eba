"""The list of negotiations, from which one is opened."""

import asyncio
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from pourparler import v1 as pb
from pourparler.cli.browse.negotiation_screen import NegotiationScreen
from pourparler.cli.browse.outline import matching
from pourparler.cli.browse.row_list import Row, Rows
from pourparler.cli.browse.source import RecordSource
from pourparler.cli.browse.text_layout import words_of
from pourparler.cli.output import colors, wording
from pourparler.cli.terminal_escape import escaped
from pourparler.errors import PourparlerError

_SHORTEST_PAUSE = 5.0
_SHARE = 20
"""The pause between two queries of the list, as a multiple of the duration of a query."""


class NegotiationsScreen(Screen[None]):
    """All negotiations on the record, filtered as one types."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Filter", key_display="/"),
        Binding("s", "app.find", "Search all"),
        Binding("r", "ask", "Ask again"),
        Binding("question_mark", "app.help", "Help", key_display="?"),
        Binding("escape", "back", show=False),
        Binding("q", "app.quit", "Quit"),
    ]

    def __init__(self, source: RecordSource) -> None:
        """Show what is on this source."""
        super().__init__()
        self._source = source
        self._found: list[pb.NegotiationSummary] = []
        self._words: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """Head, list, line to type on."""
        yield Static(Text("Negotiations", "bold"), id="head", markup=False)
        yield Static(_columns(), id="columns", markup=False)
        yield Rows()
        yield Input(placeholder="words of title, party, id or status", compact=True)
        yield Static(id="notice", markup=False)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Ask for the list, and again while it is looked at."""
        self.query_one(Input).display = False
        self.query_one(Rows).focus()
        self._keep_asking()

    @work(exclusive=True, group="ask")
    async def _keep_asking(self) -> None:
        while True:
            begun = monotonic()
            if self.is_current or not self._found:
                await self._ask()
            took = monotonic() - begun
            await asyncio.sleep(max(_SHORTEST_PAUSE, _SHARE * took))

    async def _ask(self) -> None:
        if not self._found:
            self._say(Text("Asking the service…", "dim"))
        try:
            found = [one async for one in self._source.negotiations()]
        except PourparlerError as error:
            self._say(_failed(self._source.error_lines(error)))
            return
        self._found = found
        self._show()

    def _show(self) -> None:
        rows = [
            Row(
                ("negotiations", one.name),
                partial(_title, one),
                partial(_first, one),
                partial(_said, one),
            )
            for one in reversed(self._found)
        ]
        shown = matching(rows, self._words) if self._words else rows
        self.query_one(Rows).show(shown, self._words)
        count = wording.count(len(rows), "negotiation")
        if len(shown) < len(rows):
            count = f"{len(shown):,} of {count}"
        head = Text.assemble(("Negotiations", "bold"), f"  {count}, the latest first")
        note = self._source.note
        if note:
            head.append(f"; {note}", colors.DOUBTFUL)
        self.query_one("#head", Static).update(head)
        if not rows and note:
            self._say(Text(f"There is none, {note}."))
        elif not rows:
            self._say(Text("None is on the record. Open one with `pourparler open TITLE`."))
        elif not shown:
            self._say(Text("None has these words. Esc shows all.", colors.DOUBTFUL))
        else:
            self._say(Text())

    def _say(self, text: Text) -> None:
        notice = self.query_one("#notice", Static)
        notice.update(text)
        notice.display = bool(text.plain)

    def action_ask(self) -> None:
        """Ask the service for the list."""
        self._keep_asking()

    def action_search(self) -> None:
        """Show the line to type on."""
        line = self.query_one(Input)
        line.display = True
        line.focus()

    def action_back(self) -> None:
        """Show all again."""
        line = self.query_one(Input)
        line.value = ""
        line.display = False
        self.query_one(Rows).focus()

    def action_open(self) -> None:
        """Open the one under the cursor."""
        self.query_one(Rows).action_open()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show those with these words."""
        self._words = words_of(event.value)
        self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Open the first, if it is the only one; else choose among them."""
        rows = self.query_one(Rows)
        rows.focus()
        if not event.value:
            self.action_back()
        elif len(rows.keys) == 1:
            rows.action_open()

    def on_rows_opened(self, event: Rows.Opened) -> None:
        """Open it."""
        self.app.push_screen(NegotiationScreen(self._source, event.key[1]))


def _failed(told: Sequence[str]) -> Text:
    first, *rest = told
    return Text("\n").join(
        [
            Text(first, f"bold {colors.BAD}"),
            *(Text(line, "dim") for line in rest),
            Text("It is asked again by itself, and by r at once."),
        ]
    )


def _columns() -> Text:
    return Text(f" {'status':<11}{'entries':>8}  {'last entry':<17} title and parties", "dim")


def _first(one: pb.NegotiationSummary, width: int) -> Text:
    del width
    status = wording.word(one, "status")
    tone = {"open": colors.GOOD, "suspended": colors.DOUBTFUL}.get(status, "dim")
    return Text.assemble(
        (f"{status:<11}", tone),
        f"{one.version:>8,}  ",
        (wording.moment(one.update_time)[:16].ljust(17), "dim"),
        " ",
    )


def _title(one: pb.NegotiationSummary) -> Text:
    outcome = wording.word(one, "outcome")
    parties = wording.listed([escaped(party) for party in one.parties])
    name = escaped(one.name.removeprefix("negotiations/"))
    return Text.assemble(
        (escaped(one.title) or name, "bold"),
        f"  {outcome}" if outcome else "",
        (f"  {parties}" if parties else "", "dim"),
        (f"  {name}", "dim italic"),
    )


def _said(one: pb.NegotiationSummary) -> str:
    status = f"{wording.word(one, 'status')} {wording.word(one, 'outcome')}"
    return " ".join([one.name, one.title, status, *one.parties]).casefold()
