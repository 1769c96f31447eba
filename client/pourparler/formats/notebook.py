"""Replays and states as HTML tables for notebooks.

Pure. Recorded text is always escaped.
"""

from collections.abc import Iterable
from html import escape

from pourparler import v1 as pb
from pourparler.formats.table import row
from pourparler.schema.contract import PARTS

MAX_ROWS = 100
"""The number of rows of a table, at most."""

_COLUMNS = ("version", "record_time", "type", "by", "to", "about", "text", "basis")
_MAX_CELL = 200  # characters


def replay_table(entries: Iterable[pb.Entry], *, has_more: bool) -> str:
    """Return a table of entries, with a note if there are more."""
    rows = [[row(entry)[name] for name in _COLUMNS] for entry in entries]
    note = "<p>The first entries. <code>to_pandas()</code> has all.</p>" if has_more else ""
    return _table([name.replace("_", " ") for name in _COLUMNS], rows) + note


def state_table(state: pb.Negotiation) -> str:
    """Return the title of a negotiation, its version, and a table of its parts."""
    rows = [
        [kind.removesuffix("s"), key, _main_text(part.words), _status(part)]
        for kind in PARTS.values()
        for key, part in sorted(getattr(state, kind).items())
    ]
    title = f"<p><b>{_text(state.words.title or state.name)}</b>, version {state.version}</p>"
    more = f"<p>{len(rows) - MAX_ROWS} more parts.</p>" if len(rows) > MAX_ROWS else ""
    return title + _table(["part", "id", "text", "status"], rows[:MAX_ROWS]) + more


def _main_text(words: pb.Words) -> str:
    return words.text or words.title or words.name


def _status(part: object) -> str:
    field = getattr(part, "DESCRIPTOR").fields_by_name.get("status")  # noqa: B009 - of any part
    if field is None or field.enum_type is None:
        return ""
    known = field.enum_type.values_by_number.get(getattr(part, "status", 0))
    prefix = str(field.enum_type.values[0].name).removesuffix("UNSPECIFIED")
    return str(known.name).removeprefix(prefix).lower().replace("_", " ") if known else ""


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    names = "".join(f'<th scope="col">{_text(name)}</th>' for name in head)
    body = "".join(
        f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in cells)}</tr>" for cells in rows
    )
    return f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"


def _text(cell: object) -> str:
    text = str(cell)
    return escape(text if len(text) <= _MAX_CELL else f"{text[: _MAX_CELL - 1]}…")


def register() -> None:
    """Show a state in a notebook as a table: messages of the contract have no such method."""
    setattr(pb.Negotiation, "_repr_html_", state_table)  # noqa: B010 - no field of the message
