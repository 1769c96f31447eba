"""The parts that an entry refers to or introduces. Pure."""

from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.schema import contract
from pourparler.schema.contract import references


class Part(NamedTuple):
    """The kind and the id of a part."""

    kind: int
    id: str


def referenced_parts(facts: pb.Facts) -> set[Part]:
    """Return all parts that an entry refers to, introduces or corrects."""
    parts = {Part(reference.kind, reference.id) for reference in references(facts)}
    part = introduced_part(facts)
    if part:
        parts.add(part)
    if facts.WhichOneof("event") == "entry_corrected":
        parts |= referenced_parts(facts.entry_corrected.replacement)
    return parts


def introduced_part(facts: pb.Facts) -> Part | None:
    """Return the part that an entry introduces; None if there is none."""
    found = contract.introduced_part(facts)
    return None if found is None else Part(*found)
