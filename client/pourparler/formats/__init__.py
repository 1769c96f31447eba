"""A record in the formats of others: written entry by entry, and read back row by row.

No format but the bundle proves anything: these are for tools, not for auditors.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO

from pourparler import v1 as pb
from pourparler.formats import cloudevents, debate, lines, provenance, rows
from pourparler.formats.reading import Read, numbered

Write = Callable[[BinaryIO, Iterable[pb.Entry], str], int]
"""Writes entries to a file, given the origin of their log; how many there were."""

WRITERS: Mapping[str, Write] = {
    "jsonl": lambda file, entries, _origin: lines.write(file, entries),
    "csv": lambda file, entries, _origin: rows.write(file, entries),
    "cloudevents": cloudevents.write,
    "prov": provenance.write,
    "akn": debate.write,
}
"""How each format is written."""

READERS: Mapping[str, Callable[[BinaryIO], Iterator[Read]]] = {
    "jsonl": numbered,
    "csv": rows.read,
    "cloudevents": cloudevents.read,
    "akn": debate.read,
}
"""How each format is read as drafts."""

__all__ = ["READERS", "WRITERS", "Write"]
