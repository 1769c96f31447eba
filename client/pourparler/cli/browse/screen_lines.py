"""The lines above a negotiation in the browser: title, point in time, views. Pure."""

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text

from pourparler.cli.browse import outline
from pourparler.cli.browse.record_model import RecordAtVersion
from pourparler.cli.output import colors, wording
from pourparler.cli.terminal_escape import escaped

_SHORTEST_TITLE = 8  # columns
_STATUS_STYLES = {"open": f"bold {colors.GOOD}", "suspended": f"bold {colors.DOUBTFUL}"}


def title(shown: RecordAtVersion, name: str, width: int) -> Text:
    """Return the title and the status, in a line of this width."""
    state = shown.state
    said = escaped(state.words.title) or name.removeprefix("negotiations/")
    word = wording.word(state, "status")
    status = ", ".join(filter(None, (word, wording.word(state, "outcome"))))
    head = Text(said, "bold")
    head.truncate(max(width - len(status) - 3, _SHORTEST_TITLE), overflow="ellipsis", pad=True)
    return Text.assemble(head, " ", (status, _STATUS_STYLES.get(word, "bold")))


def point(shown: RecordAtVersion, note: str, away: str, *, monochrome: bool) -> Text:
    """Return the point in time that is shown, and the state of the connection.

    `note` says whose view it is, `away` why the service does not answer.
    """
    if not shown.entries:
        return Text(away or "Asking for the record…", colors.DOUBTFUL if away else "dim")
    said = _past(shown, note, monochrome=monochrome) if shown.past else _now(shown, note)
    return Text.assemble((f"{away} ", f"bold {colors.DOUBTFUL}"), said) if away else said


def _past(shown: RecordAtVersion, note: str, *, monochrome: bool) -> Text:
    recorded = wording.moment(shown.state.update_time)
    bar = (
        f" HISTORY as of #{shown.version:,} of {shown.latest:,}, "
        f"recorded {recorded[: outline.MINUTE]}; n: now "
    )
    said = Text.assemble((bar, "bold reverse" if monochrome else colors.MARKED))
    if note:
        said.append(f" {note};", colors.DOUBTFUL)
    return said.append(" ").append_text(outline.in_a_line(shown.entries[-1], shown))


def _now(shown: RecordAtVersion, note: str) -> Text:
    count = wording.count(len(shown.entries), "entry", "entries")
    recorded = wording.moment(shown.state.update_time)
    name = escaped(shown.state.name.removeprefix("negotiations/"))
    rest = f"; the last was recorded {recorded}; {name}"
    said = Text.assemble((f"now, {count}", colors.GOOD), (rest, "dim"))
    if note:
        said.append(f"; {note}", colors.DOUBTFUL)
    return said


def views(
    names: Sequence[str], current: str, words: Sequence[str], rows: int, unseen: Sequence[int]
) -> Text:
    """Return the names of the views, the number of rows found, and the new entries."""
    said = Text()
    for number, view in enumerate(names, 1):
        style = Style(bold=True, reverse=True) if view == current else Style()
        click = Style(meta={"@click": f"screen.view('{view}')"})
        said.append(f" {number} {view.capitalize()} ", style + click)
        said.append(" ")
    if words:
        asked = escaped(" ".join(words))
        said.append(f" “{asked}”: {wording.count(rows, 'row')}; Esc: all", colors.DOUBTFUL)
    if unseen:
        said.append(f" new: {wording.ranges(unseen)}; n leads there", f"bold {colors.GOOD}")
    return said
