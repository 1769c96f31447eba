"""One negotiation: where it stands, its topics, its entries, and what is under the cursor in full.

It is shown as it is now, growing as entries come, or as it was at one of its versions.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from pourparler.aio import Watch
from pourparler.cli.browse import descriptions, outline, screen_lines
from pourparler.cli.browse.detail_pane import Detail
from pourparler.cli.browse.record_model import Record, RecordAtVersion
from pourparler.cli.browse.row_list import Key, Row, Rows
from pourparler.cli.browse.source import RecordSource
from pourparler.cli.browse.text_layout import flat, words_of
from pourparler.cli.browse.version_prompt import AskVersion
from pourparler.cli.output import colors, wording
from pourparler.cli.terminal_escape import escaped
from pourparler.errors import (
    DeadlineExceededError,
    PourparlerError,
    ResourceExhaustedError,
    UnavailableError,
)
from pourparler.state.fold import UnknownEntryError

VIEWS = ("status", "topics", "timeline")
"""The views of a negotiation, in the order of their keys."""

WIDE = 110
"""From this width on the text stands beside the list, and not below it."""

_FEW = 200  # entries: so many topics are shown unfolded at first
_MOST_FOLDED = 300  # rows: of more, each has one line
_LOOK = 0.25
_PAUSE = 2.0


class _Place(NamedTuple):
    """Where the reader is."""

    view: str
    key: Key | None
    version: int | None


class NegotiationScreen(Screen[None]):
    """A negotiation, from above and from near."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "view('status')", "Status", show=False),
        Binding("2", "view('topics')", "Topics", show=False),
        Binding("3", "view('timeline')", "Timeline", show=False),
        Binding("enter", "read", show=False),
        Binding("slash", "search", "Search", key_display="/"),
        Binding("comma,left_square_bracket", "step(-1)", "Earlier", key_display=","),
        Binding("full_stop,right_square_bracket", "step(1)", "Later", key_display="."),
        Binding("less_than_sign", "step(-10)", show=False),
        Binding("greater_than_sign", "step(10)", show=False),
        Binding("v", "ask_version", "Version"),
        Binding("a", "as_of_here", show=False),
        Binding("n", "now", show=False),
        Binding("s", "app.find", show=False),
        Binding("t", "trace", show=False),
        Binding("x", "unfold_all", show=False),
        Binding("space", "read_on(1)", show=False),
        Binding("backspace", "read_on(-1)", show=False),
        Binding("question_mark", "app.help", "Help", key_display="?"),
        Binding("escape", "back", "Back", key_display="Esc"),
        Binding("q", "app.quit", "Quit"),
    ]

    def __init__(
        self, source: RecordSource, name: str, version: int | None = None, entry: int | None = None
    ) -> None:
        """Show this one, as it is now or at a version; with the cursor on an entry."""
        super().__init__()
        self._source, self._negotiation = source, name
        self._record = Record()
        self._shown = self._record.at()
        self._version = version  # None: now, and whatever comes
        self._view = VIEWS[0] if entry is None else "timeline"
        self._keys: dict[str, Key | None] = {"timeline": ("entries", str(entry)) if entry else None}
        self._unfolded: set[Key] | None = None
        self._words: tuple[str, ...] = ()
        self._trail: list[_Place] = []
        self._watch: Watch | None = None
        self._away = ""
        self._unseen: list[int] = []
        self._grown = False
        self._zoomed = False

    @property
    def shown(self) -> RecordAtVersion:
        """The state and the entries on the screen."""
        return self._shown

    def compose(self) -> ComposeResult:
        """Head, views, list and text, line to type on."""
        yield Static(id="head", markup=False)
        yield Static(id="when", markup=False)
        yield Static(id="views", markup=False)
        with Container(id="body"):
            yield Rows(folded=_MOST_FOLDED, id="status")
            yield Rows(folded=_MOST_FOLDED, id="topics")
            yield Rows(id="timeline")
            yield Detail()
        yield Input(placeholder="words", compact=True)
        yield Static(id="notice", markup=False)
        yield Static(id="legend", markup=False)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to read, and to look for what comes."""
        self.query_one(Input).display = False
        self.query_one("#notice").display = False
        self._arrange()
        self._head()
        self._follow()
        self.set_interval(_LOOK, self._look)

    # New entries

    @work(exclusive=True, group="follow")
    async def _follow(self) -> None:
        """Read the record, and go on with what comes to it for as long as the screen is there."""
        reading = True
        while True:
            try:
                if reading:
                    await self._read()
                    reading = False
                await self._go_on()
            except (UnavailableError, ResourceExhaustedError, DeadlineExceededError) as error:
                self._away = self._told_away(error)
                self._head()
                await asyncio.sleep(_PAUSE)
            except PourparlerError as error:
                self._fail(self._source.error_lines(error))
                return
            else:
                return

    async def _read(self) -> None:
        record, told = Record(), 0.0
        async for entry in self._source.entries(self._negotiation):
            record.add(entry)
            now = asyncio.get_running_loop().time()
            if now - told > _LOOK:
                told = now
                self._put(
                    "#when",
                    Text(
                        f"Reading the record: {wording.count(record.latest, 'entry', 'entries')}…"
                    ),
                )
                await asyncio.sleep(0)
        self._record, self._away = record, ""
        self._fold(key=self._keys.get(self._view))

    async def _go_on(self) -> None:
        watch = self._source.watch(self._negotiation, self._record.latest)
        if watch is None:
            return
        self._watch = watch
        try:
            async for entry in watch:
                self._record.add(entry)
                self._unseen.append(entry.header.version)
                self._grown = True
        finally:
            self._watch = None
            await watch.close()

    def _told_away(self, error: PourparlerError) -> str:
        """Return the message for a service that does not answer: the client retries."""
        said = self._source.error_lines(error)[0]
        if self._shown.entries:
            said = said.partition(". ")[0].rstrip(".")
            return f"{said}; it is asked again by itself."
        return f"{said} It is asked again by itself."

    def _look(self) -> None:
        """Take in what has come, now and then: however much comes, the screen stays quick."""
        if self._watch is not None:
            away = "" if self._watch.last_error is None else self._told_away(self._watch.last_error)
            if away != self._away:
                self._away = away
                self._head()
        if self._grown:
            self._grown = False
            self._fold()

    # Display

    @work(exclusive=True, group="fold")
    async def _fold(self, key: Key | None = None) -> None:
        """Fold the record as it is asked for, on another thread, and show it."""
        try:
            shown, rows = await asyncio.to_thread(
                self._made, self._record, self._version, self._view, self._words, self._unfolded
            )
        except UnknownEntryError as error:
            self._fail([f"{escaped(str(error)).capitalize()}. A newer version may show it."])
            return
        self._shown = shown
        if not shown.past:
            self._version = None
        self._show(rows, key)

    def _show(self, rows: list[Row], key: Key | None) -> None:
        self._arrange()
        self._head()
        self._list.show(rows, self._words, key)
        self._tell()

    @staticmethod
    def _made(
        record: Record,
        version: int | None,
        view: str,
        words: Sequence[str],
        unfolded: set[Key] | None,
    ) -> tuple[RecordAtVersion, list[Row]]:
        shown = record.at(version)
        return shown, NegotiationScreen._rows(shown, view, words, unfolded)

    @staticmethod
    def _rows(
        shown: RecordAtVersion, view: str, words: Sequence[str], unfolded: set[Key] | None
    ) -> list[Row]:
        if view == "status":
            rows = outline.status_rows(shown, datetime.now(UTC).date().isoformat())
        elif view == "topics":
            few = len(shown.entries) <= _FEW
            open_ = None if words or (unfolded is None and few) else unfolded or set()
            rows = outline.topics(shown, open_)
        else:
            rows = outline.timeline(shown)
        return outline.matching(rows, words) if words else rows

    def _put(self, place: str, text: Text) -> None:
        """Put a text into one of the lines that are always one line high."""
        text = flat(text)
        text.truncate(max(self.size.width - 1, 8), overflow="ellipsis")
        self.query_one(place, Static).update(text, layout=False)

    @property
    def _list(self) -> Rows:
        return self.query_one(f"#{self._view}", Rows)

    def _arrange(self) -> None:
        """Show the widgets of the current view, and hide all others."""
        for view in VIEWS:
            self.query_one(f"#{view}").display = view == self._view and not self._zoomed
        detail = self.query_one(Detail)
        narrow = self.size.width < WIDE
        self.set_class(not narrow, "-wide")
        detail.display = self._zoomed or not (narrow and self._view == "status")
        self.set_class(self._zoomed, "-zoomed")
        if self._zoomed:
            self.set_focus(detail)
        elif self.focused is None or self.focused is detail or isinstance(self.focused, Rows):
            self.set_focus(self._list)  # at once: the next key is for it

    def on_resize(self) -> None:
        """Fit the widgets to the new size."""
        self._arrange()
        self._head()

    def _head(self) -> None:
        """Show the title, the status, the point in time and the connection."""
        shown, width = self._shown, self.size.width
        self._put("#head", screen_lines.title(shown, self._negotiation, width))
        monochrome = self.app.no_color
        note = self._source.note
        self._put("#when", screen_lines.point(shown, note, self._away, monochrome=monochrome))
        if shown.entries:
            self.set_class(shown.past, "-past")
            self._views()

    def _views(self) -> None:
        rows = [key for key in self._list.keys if key[0] not in {"heading", "nothing"}]
        line = screen_lines.views(VIEWS, self._view, self._words, len(rows), self._unseen)
        self._put("#views", line)
        bases = {entry.facts.provenance.basis for entry in self._shown.entries}
        self._put("#legend", outline.legend(bases))

    def _tell(self) -> None:
        """Show in full what is under the cursor."""
        self._views()
        key = self._list.key
        detail = self.query_one(Detail)
        if key is None or not self._shown.entries:
            detail.show(None, ())
            return
        about = (key, self._shown.version if self._shown.past else None)
        if key[0] == "entries":
            detail.show(key, descriptions.entry(self._shown, int(key[1])), self._words)
        elif key == outline.ELSEWHERE:
            detail.show(key, ())
        else:
            detail.show(about, descriptions.part(self._shown, key), self._words)

    def _fail(self, lines: Sequence[str]) -> None:
        """Say what went wrong, and that nothing more will come."""
        notice = self.query_one("#notice", Static)
        said = [Text(lines[0], f"bold {colors.BAD}"), *(Text(line, "dim") for line in lines[1:])]
        notice.update(Text("\n").join([*said, Text("Esc leads back.")]))
        notice.display = True
        if not self._shown.entries:
            self._put("#when", Text("Nothing can be shown.", colors.DOUBTFUL))

    # Actions of the user

    def _step(self, version: int | None) -> None:
        """Show it at a version; in the timeline, with the cursor on its entry."""
        if not self._shown.entries:
            return
        if version is not None:
            version = max(version, self._shown.entries[0].header.version)
        now = version is None or version >= self._record.latest
        self._version = None if now else version
        key = ("entries", str(self._record.latest if now else version))
        self._fold(key=key if self._view == "timeline" and version is not None else None)

    def action_step(self, by: int) -> None:
        """Show it some versions earlier or later."""
        at = self._shown.version if self._version is None else self._version
        self._step(at + by)

    def action_as_of_here(self) -> None:
        """Show it as of the entry under the cursor, or the last one that made the part there."""
        version = self._version_here()
        if version:
            self._step(version)

    def _version_here(self) -> int:
        key = self._list.key
        if key is None:
            return 0
        if key[0] == "entries":
            return int(key[1])
        part = self._shown.part(key) if key != outline.ELSEWHERE else None
        return part.blame[-1] if part is not None else 0

    @work
    async def action_ask_version(self) -> None:
        """Ask for a version, and show it as it was then."""
        if not self._shown.entries:
            return
        version = await self.app.push_screen_wait(AskVersion(self._record.latest))
        if version is not None:
            self._step(version)

    def action_now(self) -> None:
        """Show it as it is now; if it is, go to the newest entry."""
        if self._version is not None:
            self._step(None)
            return
        self._unseen.clear()
        self._go("timeline", ("entries", str(self._record.latest)))

    def action_view(self, view: str) -> None:
        """Show another view."""
        self._go(view, self._keys.get(view))

    def _go(self, view: str, key: Key | None) -> None:
        self._keys[self._view] = self._list.key
        self._view, self._zoomed = view, False
        if self._version == (self._shown.version if self._shown.past else None):
            # Nothing to fold: the keys that follow find the other list in its place.
            self._show(self._rows(self._shown, view, self._words, self._unfolded), key)
        else:
            self._fold(key=key)

    def action_go(self, version: int) -> None:
        """Go to an entry, and remember where the reader was."""
        if self._shown.entry(version) is None:
            self.app.bell()
            return
        self._trail.append(_Place(self._view, self._list.key, self._version))
        self._close_search()
        self._go("timeline", ("entries", str(version)))

    def action_trace(self) -> None:
        """Go to the entry that last changed what is under the cursor."""
        version = self._version_here()
        if version and self._view != "timeline":
            self.action_go(version)

    def action_unfold_all(self) -> None:
        """Fold all topics, or unfold all."""
        topics = {("topics", key) for key in self._shown.state.topics} | {outline.ELSEWHERE}
        few = len(self._shown.entries) <= _FEW
        open_ = topics if self._unfolded is None and few else self._unfolded or set()
        self._unfolded = set() if open_ else topics
        if self._view == "topics":
            self._fold()

    def on_rows_unfolded(self, event: Rows.Unfolded) -> None:
        """Show what is beneath a topic, or no more."""
        if self._unfolded is None:
            few = len(self._shown.entries) <= _FEW
            topics = {("topics", key) for key in self._shown.state.topics} | {outline.ELSEWHERE}
            self._unfolded = topics if few else set()
        self._unfolded = self._unfolded ^ {event.key}
        self._fold()

    def on_rows_moved(self, event: Rows.Moved) -> None:
        """Tell of what is under the cursor now."""
        if event.rows is self._list:
            if self._view == "timeline" and event.rows.at_end and self._version is None:
                self._unseen.clear()
            self._tell()

    def on_rows_opened(self) -> None:
        """Give the text the whole screen."""
        self.action_read()

    def action_read(self) -> None:
        """Give the text the whole screen, or take it back."""
        self._zoomed = not self._zoomed and self._list.key is not None
        self._arrange()
        self._tell()

    def action_read_on(self, pages: int) -> None:
        """Move the text beside the list."""
        detail = self.query_one(Detail)
        detail.scroll_relative(y=pages * max(detail.size.height - 1, 1), animate=False)

    def action_search(self) -> None:
        """Show the line to type on."""
        self._zoomed = False
        self._arrange()
        line = self.query_one(Input)
        line.display = True
        line.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what has these words."""
        words = words_of(event.value)
        if words != self._words:
            self._words = words
            self._fold()

    def on_input_submitted(self) -> None:
        """Go on to what was found."""
        line = self.query_one(Input)
        line.display = False
        self._list.focus()

    def _close_search(self) -> None:
        line = self.query_one(Input)
        self._words, line.value = (), ""
        line.display = False

    def action_back(self) -> None:
        """One step back: from the text, the search, where one was led to, and at last out."""
        line = self.query_one(Input)
        if self._zoomed:
            self.action_read()
        elif self._words or line.display:
            self._close_search()
            self._list.focus()
            self._fold()
        elif self._trail:
            place = self._trail.pop()
            self._version = place.version
            self._go(place.view, place.key)
        elif self._source.lists:
            self.dismiss()
        else:
            self.app.exit()
