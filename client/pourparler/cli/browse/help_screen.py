"""All keys, and what the signs mean."""

from collections.abc import Sequence
from typing import ClassVar

from rich.console import Group
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from pourparler import v1 as pb
from pourparler.cli.browse.outline import SIGNS, sign
from pourparler.cli.browse.text_layout import IndentedText
from pourparler.cli.output import colors, wording

KEYS: Sequence[tuple[str, Sequence[tuple[str, str]]]] = (
    (
        "Everywhere",
        (
            ("Up Down, k j", "a row up or down; in a text, a line"),
            ("PgUp PgDn Home End", "a page on, the first, the last"),
            ("Enter", "open what is under the cursor, over the whole screen"),
            ("Esc", "back, one step at a time"),
            ("/", "show only what has these words"),
            ("s", "search the words of all negotiations"),
            ("?", "this help"),
            ("q, Ctrl-C", "leave"),
        ),
    ),
    (
        "The list",
        (
            ("Enter", "open the negotiation"),
            ("r", "ask the service again"),
        ),
    ),
    (
        "A negotiation",
        (
            ("1 2 3", "where it stands; its topics; all its entries"),
            ("Tab", "between the list and the text beside it"),
            ("Space, Backspace", "the text beside the list, a page on or back"),
            ("Left Right, h l", "fold and unfold a topic; x does it with all"),
            ("t", "from a part to the entry that last changed it"),
        ),
    ),
    (
        "As it was",
        (
            (", .", "one version back or on; also [ ]"),
            ("< >", "ten versions back or on"),
            ("v", "go to a version by its number"),
            ("a", "as of the entry under the cursor"),
            ("n", "back to now; when it is now, to the newest entry"),
        ),
    ),
)
"""The keys of each screen."""


class Help(ModalScreen[None]):
    """The screen that explains the keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Back"),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("down,j", "scroll(1)", show=False),
    ]

    def compose(self) -> ComposeResult:
        """Keys, then signs."""
        with VerticalScroll():
            yield Static(Group(*_pieces()), markup=False)

    def action_scroll(self, lines: int) -> None:
        """Move the text."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)


def _pieces() -> list[IndentedText]:
    pieces: list[IndentedText] = []
    for place, keys in KEYS:
        pieces.append(IndentedText(Text(place, "bold")))
        pieces += [
            IndentedText(Text(does), Text(f"  {key:<20}", colors.LINK)) for key, does in keys
        ]
        pieces.append(IndentedText(Text(" ")))
    pieces.append(IndentedText(Text("How something is known", "bold")))
    for basis in SIGNS:
        name, meaning = wording.BASES[basis]
        first = Text.assemble("  ", sign(pb.Provenance(basis=basis)), f" {name:<18}")  # type: ignore[arg-type]
        pieces.append(IndentedText(Text(meaning), first))
    pieces += [
        IndentedText(Text(" ")),
        IndentedText(
            Text("word for word: “…” in bold beside a bar"), Text("  ┃ ", f"bold {colors.GOOD}")
        ),
        IndentedText(
            Text("anything else: slanted, and says what it is instead"), Text("  ┊ ", "dim")
        ),
        IndentedText(
            Text("in history: touched by the last entry shown"),
            Text("  + ", f"bold {colors.GOOD}"),
        ),
        IndentedText(Text("#7 is an entry: a click leads to it"), Text("  ")),
        IndentedText(Text(" ")),
        IndentedText(Text("Esc closes this.", "dim")),
    ]
    return pieces
