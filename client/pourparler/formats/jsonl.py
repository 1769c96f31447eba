"""JSON Lines: one line of ProtoJSON for each entry, with its header. Lossless."""

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from google.protobuf import json_format

from pourparler import v1 as pb
from pourparler.formats.draft_lines import compact, entry_of, loaded


def said(entry: pb.Entry) -> dict[str, Any]:
    """Return an entry as ProtoJSON."""
    return json_format.MessageToDict(entry)


def write(file: BinaryIO, entries: Iterable[pb.Entry]) -> int:
    """Write a line for each entry. Return the number of entries."""
    count = 0
    for entry in entries:
        file.write(f"{compact(said(entry))}\n".encode())
        count += 1
    return count


def entries(file: BinaryIO) -> Iterator[pb.Entry]:
    """Yield the entries of a file. Raises BadLineError."""
    for line in file:
        yield entry_of(loaded(line, "The line"))
