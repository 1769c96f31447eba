"""The changes between two points, part by part, and the reversals of terms."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.text import Text

from pourparler import v1 as pb
from pourparler.cli.output import colors, wording
from pourparler.cli.output.page import Cell, Column, Page, Table
from pourparler.cli.output.part_descriptions import details_of, known, since, status, what
from pourparler.cli.output.state import explain
from pourparler.cli.output.wording import Names
from pourparler.cli.terminal_escape import escaped
from pourparler.schema.contract import PARTS, is_repeated, rule_of

ARROW = " → "
_LABELS = {"provenance": "basis", "visibility": "seen by", "replies": "answers"}
_KINDS = {
    pb.CHANGE_KIND_ADDED: "new",
    pb.CHANGE_KIND_REMOVED: "gone",
    pb.CHANGE_KIND_CHANGED: "changed",
}
TOLD_OTHERWISE = frozenset(
    {
        "blame",
        "version",
        "update_time",
        "status_change",
        "in_force",
        "origin.version",
        "origin.record_time",
        "origin.confirmed",
    }
)
"""The fields that another column shows, or that follow from others."""


def changes(page: Page, found: Sequence[pb.Change], names: Names, title: str = "Changes") -> None:
    """Print the changes, part by part."""
    shown = [change for change in found if _tells(change)]
    if not shown:
        page.line(f"{title}: none.")
        return
    columns = [
        Column("part"),
        Column("kind", under=True),
        Column("versions", under=True),
        Column("change"),
        Column("what", text=True),
        Column("basis"),
    ]
    rows: list[Sequence[Cell]] = []
    for change in shown:
        kind, _, key = change.part.partition("/")
        part, basis = _part(change.after) or _part(change.before), Text("")
        if part is not None and "origin" in part.DESCRIPTOR.fields_by_name:
            basis = _basis(part, change)
        rows.append(
            (
                Text(f"#{key}" if kind == "amendments" else key or kind, "bold"),
                kind.removesuffix("s") if key else "",
                wording.versions(change.versions),
                _KINDS.get(change.kind, ""),
                _told(change, names, "; " if page.plain else "\n"),
                basis,
            )
        )
    page.table(Table(f"{title} ({len(rows)})", columns, rows))


def _tells(change: pb.Change) -> bool:
    """Whether more changed than the version, which stands at the top."""
    moved = {"name", "version", "update_time"}
    return change.part != "negotiation" or not change.fields or not moved.issuperset(change.fields)


def _part(part: pb.Part) -> Any:
    kind = part.WhichOneof("part")
    return getattr(part, kind) if kind else None


def _basis(part: Any, change: pb.Change) -> Text:
    """How the change is known: of the status if that is what changed, else of the part."""
    if "status_change" in part.DESCRIPTOR.fields_by_name:
        turned = part.status_change
        if turned.version in change.versions:
            return known(turned.provenance)
    return known(part.origin.provenance)


def _told(change: pb.Change, names: Names, joint: str) -> Cell:
    before, after = _part(change.before), _part(change.after)
    opened = isinstance(after, pb.Negotiation) and not before.status if before else False
    if before is None or after is None or opened:
        return _whole(before if after is None else after, names, joint)
    fields = [field for field in change.fields if field not in TOLD_OTHERWISE]
    told = [moved(before, after, field, names) for field in fields or change.fields]
    reason = getattr(getattr(after, "status_change", None), "reason", "")
    if "status" in fields and reason:
        told.append(f"because: {escaped(reason)}")
    return joint.join(told)


def _whole(part: Any, names: Names, joint: str) -> Cell:
    """Return the row of a new or a removed part."""
    if isinstance(part, pb.Negotiation):
        return f"{escaped(part.words.title)}, {wording.word(part, 'status')}"
    if isinstance(part, pb.Amendment):
        return _amendment(part)
    if isinstance(part, pb.Principal):
        return wording.grants(part, names)
    stands = ", since ".join(filter(None, (str(status(part, names)), str(since(part, names)))))
    said = [str(what(part, names)), details_of(part, names), stands]
    return joint.join(one for one in said if one)


def _amendment(part: pb.Amendment) -> str:
    pairs = [
        ("annulled by" if part.annulled else "corrected by", part.corrected_by),
        ("disclosed by", part.disclosed_by),
        ("words destroyed by", [part.redacted_by] if part.redacted_by else []),
    ]
    said = [f"{how} {wording.versions(which)}" for how, which in pairs if which]
    reason = f": {escaped(part.correction_reason)}" if part.correction_reason else ""
    return f"{', '.join(said)}{reason}"


def label(path: str) -> str:
    """Return the name of a field for readers: `facts.topic_ids` is `topics`."""
    name = path.rpartition(".")[2]
    said = _LABELS.get(name) or re.sub(r"_id(s?)$", r"\1", name)
    return said.replace("_", " ")


def moved(before: Any, after: Any, path: str, names: Names) -> str:
    """From what to what a field of a part went: `status: open → accepted`."""
    return (
        f"{label(path)}: {field_value(before, path, names)}{ARROW}{field_value(after, path, names)}"
    )


def field_value(part: Any, path: str, names: Names) -> str:
    """Return the value of a field for readers, by its path."""
    message, words = part, getattr(part, "words", None)
    *outer, last = path.split(".")
    for name in outer:
        message = getattr(message, name)
    field = message.DESCRIPTOR.fields_by_name[last]
    found = getattr(message, last)
    if is_repeated(field):
        return "; ".join(_one(field, item, names, words) for item in found) or "none"
    if field.has_presence and not message.HasField(last):
        return "none"
    return _one(field, found, names, words) or "none"


def _one(field: FieldDescriptor, value: Any, names: Names, words: pb.Words | None) -> str:
    if field.enum_type is not None:
        return wording.word_of(field.enum_type.name, value)
    if isinstance(value, Message):
        return _message(value, names, words)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if rule_of(field).refers_to == pb.PART_KIND_PARTICIPANT or field.name in {"by", "retracted_by"}:
        return names[value]
    return escaped(str(value), lines=True)


def _message(value: Message, names: Names, words: pb.Words | None) -> str:
    if isinstance(value, pb.FuzzyDate):
        return wording.when(value)
    if isinstance(value, Timestamp):
        return wording.moment(value)
    if isinstance(value, pb.Term):
        return wording.term(value, names, words)
    if isinstance(value, pb.Provenance):
        return f"{wording.basis(value)}, {wording.word(value, 'form')}"
    if isinstance(value, pb.Visibility):
        return wording.seen_by(value, names) or wording.word(value, "level")
    if isinstance(value, pb.Grant):
        return wording.access(value.facts, names)
    if isinstance(value, pb.ProposalReply):
        answer = wording.word(value.facts, "answer")
        return f"{names[value.facts.by]}: {answer} (#{value.origin.version})"
    if isinstance(value, pb.Source):
        return f"{value.id} ({wording.source(value)})"
    if isinstance(value, pb.TermText):
        return f"{value.key}: {escaped(value.text)}"
    told = [
        f"{field.name.replace('_', ' ')} {field_value(value, field.name, names)}"
        for field, _ in value.ListFields()
    ]
    return ", ".join(told)


def reversals(page: Page, found: Sequence[pb.Reversal], names: Names) -> None:
    """Print the reversals: terms that undo an earlier move."""
    if not found:
        return
    columns = [
        Column("who"),
        Column("topic", under=True),
        Column("what"),
        Column("first", text=True),
        Column("moved to", text=True),
        Column("back to", text=True),
    ]
    rows: list[Sequence[Cell]] = [
        (
            Text(names[one.participant_id], "bold"),
            one.topic_id,
            Text(one.term_key or "stance", f"bold {colors.BAD}"),
            *(_moved(step) for step in (one.first, one.moved, one.back)),
        )
        for one in found
    ]
    page.table(Table(f"Reversals: later terms that undo earlier ones ({len(rows)})", columns, rows))


def _moved(step: pb.Movement) -> str:
    value = wording.amount(step.term) if step.HasField("term") else wording.word(step, "stance")
    return f"{value} (#{step.version}, {PARTS[step.kind][:-1]} {step.id})"


def legend(page: Page, found: Iterable[pb.Change]) -> None:
    """Print the meaning of the bases among these changes."""
    bases: set[int] = set()
    for change in found:
        for side in (change.before, change.after):
            part = _part(side)
            for name in ("origin", "status_change"):
                if part is not None and name in part.DESCRIPTOR.fields_by_name:
                    bases.add(getattr(part, name).provenance.basis)
    explain(page, bases)
