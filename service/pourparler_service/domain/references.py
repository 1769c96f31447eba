"""The parts that an entry refers to or introduces. Pure."""

from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.schema.contract import brought, references


class Part(NamedTuple):
    """The kind and the id of a part."""

    kind: int
    id: str


def parts_named(facts: pb.Facts) -> set[Part]:
    """Return all parts that an entry refers to, introduces or corrects."""
    parts = {Part(reference.kind, reference.id) for reference in references(facts)}
    part = part_brought(facts)
    if part:
        parts.add(part)
    if facts.WhichOneof("event") == "entry_corrected":
        parts |= parts_named(facts.entry_corrected.replacement)
    return parts


def part_brought(facts: pb.Facts) -> Part | None:
    """Return the part that an entry introduces; None if there is none."""
    found = brought(facts)
    return None if found is None else Part(*found)
