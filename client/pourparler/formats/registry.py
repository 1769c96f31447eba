"""The registry of formats: their writers, and their readers."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO

from pourparler import v1 as pb
from pourparler.formats import (
    akoma_ntoso,
    akoma_ntoso_reader,
    cloudevents,
    csv,
    jsonl,
    parquet,
    prov,
    xlsx,
)
from pourparler.formats.draft_lines import Read, numbered

Write = Callable[[BinaryIO, Iterable[pb.Entry], str], int]
"""Writes entries to a file, given the origin of their log. Returns the number of entries."""

WRITERS: Mapping[str, Write] = {
    "jsonl": lambda file, entries, _origin: jsonl.write(file, entries),
    "csv": lambda file, entries, _origin: csv.write(file, entries),
    "parquet": lambda file, entries, _origin: parquet.write(file, entries),
    "cloudevents": cloudevents.write,
    "prov": prov.write,
    "akn": akoma_ntoso.write,
}
"""The writer of each format."""

READERS: Mapping[str, Callable[[BinaryIO], Iterator[Read]]] = {
    "jsonl": numbered,
    "csv": csv.read,
    "parquet": parquet.read,
    "cloudevents": cloudevents.read,
    "xlsx": xlsx.read,
    "akn": akoma_ntoso_reader.read,
}
"""The reader of each format, which yields drafts."""
