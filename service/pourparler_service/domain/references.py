"""The parts that an entry names or brings. Pure."""

from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.schema.contract import introduced_part, references


class Part(NamedTuple):
    """A part of the negotiation, as entries name it."""

    kind: int
    id: str


def parts_named(facts: pb.Facts) -> set[Part]:
    """All parts that an entry names, brings or corrects."""
    parts = {Part(reference.kind, reference.id) for reference in references(facts)}
    part = part_brought(facts)
    if part:
        parts.add(part)
    if facts.WhichOneof("event") == "entry_corrected":
        parts |= parts_named(facts.entry_corrected.replacement)
    return parts


def part_brought(facts: pb.Facts) -> Part | None:
    """The part that an entry brings, if it brings one."""
    found = introduced_part(facts)
    return None if found is None else Part(*found)
