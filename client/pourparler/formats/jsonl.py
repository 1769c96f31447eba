"""JSON Lines: each entry a line of ProtoJSON, with its header. Carries all."""

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from google.protobuf import json_format

from pourparler import v1 as pb
from pourparler.formats.draft_lines import compact, entry_of, loaded


def said(entry: pb.Entry) -> dict[str, Any]:
    """An entry as ProtoJSON has it."""
    return json_format.MessageToDict(entry)


def write(file: BinaryIO, entries: Iterable[pb.Entry]) -> int:
    """Write each entry as a line; how many there were."""
    count = 0
    for entry in entries:
        file.write(f"{compact(said(entry))}\n".encode())
        count += 1
    return count


def entries(file: BinaryIO) -> Iterator[pb.Entry]:
    """The entries that were written. Raises BadLineError."""
    for line in file:
        yield entry_of(loaded(line, "The line"))
