"""Tables: one row for each entry, with readable columns and one lossless column. Pure.

A row has its content twice, and both must agree when the row is read. A change in one column only
is therefore rejected, and not lost.
"""

from collections.abc import Iterable, Mapping

from google.protobuf import json_format

from pourparler import v1 as pb
from pourparler.formats.draft_lines import BadLineError, compact, entry_of, loaded, withheld
from pourparler.schema.contract import entry_type, references
from pourparler.schema.entry_roles import entry_roles

WHOLE = "entry"
"""The column of the whole entry, as ProtoJSON."""

_SHOWN = 60
_TEXTS = (
    "text", "title", "name", "answer", "summary", "reason", "correction_reason", "legal_basis",
)  # fmt: skip


def row(entry: pb.Entry) -> dict[str, str | int]:
    """Return the columns of an entry; a missing value is empty."""
    return {**_readable(entry), WHOLE: compact(json_format.MessageToDict(entry))}


def entry_in(cells: Mapping[str, object]) -> pb.Entry:
    """Return the entry of a row. Raises BadLineError, which names the column."""
    whole = cells.get(WHOLE)
    if not isinstance(whole, str):
        raise BadLineError(f"The row has no entry (column {WHOLE}).")
    try:
        entry = entry_of(loaded(whole, "The cell"))
    except BadLineError as error:
        raise BadLineError(f"{error} (column {WHOLE})") from None
    readable = _readable(entry)
    for column, cell in cells.items():
        if column == WHOLE:
            continue
        if column not in readable:
            raise BadLineError(f"There is no such column (column {_short(column)}).")
        if str(cell) != str(readable[column]):
            raise BadLineError(
                f"The cell says {_short(cell)}, and the entry {_short(readable[column])}: what is"
                f" recorded is the entry (column {column})."
            )
    return entry


def _readable(entry: pb.Entry) -> dict[str, str | int]:
    facts, words = entry.facts, entry.words
    kind = entry_type(facts)
    event = getattr(facts, kind.name) if kind else pb.Facts()
    named, roles = references(event), entry_roles(facts)
    brings = kind.introduces.name if kind and kind.introduces else ""
    return {
        "negotiation": entry.header.negotiation,
        "version": entry.header.version,
        "record_time": entry.header.record_time.ToJsonString(),
        "type": kind.name if kind else "",
        "occurred": _when(facts.occurred),
        "basis": _plain(pb.Basis, facts.provenance.basis),
        "form": _plain(pb.Form, facts.provenance.form),
        "visibility": _plain(pb.VisibilityLevel, facts.visibility.level),
        "session": facts.session_id,
        "id": str(getattr(event, brings)) if brings else "",
        "by": _listed(roles.by),
        "to": _listed(roles.to),
        "between": _listed(roles.between),
        "on_behalf_of": _listed(roles.on_behalf_of),
        "about": _listed(one.id for one in named if one.kind == pb.PART_KIND_TOPIC),
        "text": next((text for name in _TEXTS if (text := getattr(words, name))), ""),
        "withheld": " ".join(withheld(entry)),
    }


def _when(date: pb.FuzzyDate) -> str:
    return date.instant.ToJsonString() if date.HasField("instant") else date.edtf


def _plain(enum: type[pb.Basis] | type[pb.Form] | type[pb.VisibilityLevel], value: int) -> str:
    known = enum.DESCRIPTOR.values_by_number.get(value)
    if known is None or not value:
        return ""
    prefix = enum.DESCRIPTOR.values[0].name.removesuffix("UNSPECIFIED")
    return str(known.name.removeprefix(prefix).lower())


def _listed(ids: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(ids))


def _short(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


COLUMNS = (*_readable(pb.Entry()), WHOLE)
"""The columns of every table, in their order."""
