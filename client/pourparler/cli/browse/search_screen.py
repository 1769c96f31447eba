"""A search over the words of all negotiations, from which one is led to an entry."""

import asyncio
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Static

from pourparler import v1 as pb
from pourparler.cli.browse.outline import NUMBER, sign, when
from pourparler.cli.browse.row_list import Row, Rows
from pourparler.cli.browse.source import Found, RecordSource
from pourparler.cli.browse.text_layout import FOUND
from pourparler.cli.output import colors, wording
from pourparler.cli.terminal_escape import escaped
from pourparler.errors import PourparlerError

MOST = 100
"""How many are shown at most: who finds more says more words."""

_PATIENCE = 0.3  # seconds without a key before the service is asked
_STATUSES = {
    pb.HIT_STATUS_REPLACED: "corrected by #{}",
    pb.HIT_STATUS_ANNULLED: "annulled by #{}",
}


class FindScreen(ModalScreen[tuple[str, int] | None]):
    """Words to look for, and the entries that have them: it gives one, by name and version."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Back", key_display="Esc"),
        Binding("slash", "ask", "Other words", key_display="/"),
        Binding("down", "list", show=False),
    ]

    def __init__(self, source: RecordSource) -> None:
        """Search on this source."""
        super().__init__()
        self._source = source

    def compose(self) -> ComposeResult:
        """Line to type on, list, what it came to."""
        yield Static(Text("Search the words of all negotiations", "bold"), id="head", markup=False)
        yield Input(placeholder='crane rent   "fixed rent"   cran*   -lease', compact=True)
        yield Rows(folded=MOST)
        yield Static(id="notice", markup=False)
        yield Footer(show_command_palette=False)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search, once no more is typed."""
        self._search(event.value.strip())

    def on_input_submitted(self) -> None:
        """Go on to what was found."""
        self.action_list()

    def action_ask(self) -> None:
        """Type other words."""
        self.query_one(Input).focus()

    def action_list(self) -> None:
        """Go on to what was found."""
        if self.query_one(Rows).keys:
            self.set_focus(self.query_one(Rows))

    def on_rows_opened(self, event: Rows.Opened) -> None:
        """Lead there."""
        name, _, version = event.key[1].rpartition("#")
        self.dismiss((name, int(version)))

    @work(exclusive=True, group="search")
    async def _search(self, query: str) -> None:
        if not query:
            self._put([], Text())
            return
        await asyncio.sleep(_PATIENCE)
        found: list[Found] = []
        try:
            async for one in self._source.search(query):
                found.append(one)
                if len(found) == MOST:
                    break
        except PourparlerError as error:
            first, *rest = self._source.error_lines(error)
            lines = [Text(first, f"bold {colors.BAD}"), *(Text(line, "dim") for line in rest)]
            self._put([], Text("\n").join(lines))
            return
        count = wording.count(len(found), "entry", "entries")
        said = (
            f"The best {count}; with more words there are fewer." if len(found) == MOST else count
        )
        self._put(found, Text(said if found else "No entry has these words."))

    def _put(self, found: list[Found], said: Text) -> None:
        self.query_one(Rows).show([_row(one) for one in found])
        self.query_one("#notice", Static).update(said)


def _row(found: Found) -> Row:
    entry = found.hit.entry
    key = f"{entry.header.negotiation}#{entry.header.version}"
    return Row(("found", key), partial(_text, found), partial(_first, found))


def _first(found: Found, width: int) -> Text:
    del width
    return Text.assemble(sign(found.hit.entry.facts.provenance), " ")


def _text(found: Found) -> Text:
    """Where it stands, and the passages in which something was found."""
    entry, hit = found.hit.entry, found.hit
    text = Text.assemble(
        (escaped(found.title) or escaped(entry.header.negotiation), "bold"),
        (f"  #{entry.header.version}", NUMBER),
        "  ",
        when(entry.facts.occurred),
    )
    if hit.status in _STATUSES:
        said = _STATUSES[hit.status].format(hit.amended_by)
        text.append(f"  [{said}]", f"bold {colors.DOUBTFUL}")
    for snippet in hit.snippets:
        text.append("\n")
        text.append("… " if snippet.more_before else "", "dim")
        for piece in snippet.segments:
            text.append(escaped(piece.text), FOUND if piece.match else "")
        text.append(" …" if snippet.more_after else "", "dim")
    return text
