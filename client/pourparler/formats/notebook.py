"""Histories and states as HTML, for notebooks. Pure; what was recorded is only ever text there."""

from collections.abc import Iterable
from html import escape

from pourparler import v1 as pb
from pourparler.formats.table import row
from pourparler.schema.contract import PARTS

SHOWN = 100
"""How many rows are shown at most: for more there are tables."""

_COLUMNS = ("version", "record_time", "type", "by", "about", "text", "basis")
_LONGEST = 200


def history(entries: Iterable[pb.Entry], *, more: bool) -> str:
    """A table of these entries; `more` if they are not all."""
    rows = [[row(entry)[name] for name in _COLUMNS] for entry in entries]
    note = "<p>The first of them. <code>to_pandas()</code> has all.</p>" if more else ""
    return _table([name.replace("_", " ") for name in _COLUMNS], rows) + note


def state(of: pb.Negotiation) -> str:
    """The name of a negotiation, its version, and a table of its parts."""
    rows = [
        [kind.removesuffix("s"), key, _said(part.words), _status(part)]
        for kind in PARTS.values()
        for key, part in sorted(getattr(of, kind).items())
    ]
    title = f"<p><b>{_text(of.words.title or of.name)}</b>, version {of.version}</p>"
    more = f"<p>{len(rows) - SHOWN} parts more.</p>" if len(rows) > SHOWN else ""
    return title + _table(["part", "id", "text", "status"], rows[:SHOWN]) + more


def _said(words: pb.Words) -> str:
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
    return escape(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")
