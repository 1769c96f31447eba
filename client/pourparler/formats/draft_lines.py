"""The result of every format reader: a draft as a line of JSON, or an error. Pure."""

import hashlib
import json
from collections.abc import Iterator
from enum import Enum
from typing import Any, BinaryIO, NamedTuple

from google.protobuf import json_format

from pourparler import v1 as pb

LONGEST = 4 << 20
"""The longest line, cell or event, in bytes: several times the largest request of a service."""


class BadLineError(ValueError):
    """A line, row or event is not a draft."""


class NoteKind(Enum):
    """The way in which a draft is less or more than the file."""

    LOST = "lost"
    """The file has it, and the record does not."""
    INFERRED = "inferred"
    """The record has it, and the file does not state it."""


class Note(NamedTuple):
    """Something that a reader lost or inferred. Notes with an equal text are shown together."""

    kind: NoteKind
    text: str
    number: int
    """The line or row, counted from 1."""


class Read(NamedTuple):
    """The content at one place of a file."""

    number: int
    """The line or row, counted from 1."""
    line: bytes | BadLineError
    """A draft as a line of JSON, or its error. Empty if there are only notes."""
    reached: int
    """The end offset in the file, in bytes."""
    delivery: str = ""
    """The identity that its sender gave it; empty if none. It is recorded once, however often it is
    delivered."""
    notes: tuple[Note, ...] = ()
    """The content that was lost or inferred, here and since the last draft."""


def numbered(source: BinaryIO) -> Iterator[Read]:
    """Yield the lines of a file without their line ends.

    A line that is too long is truncated to one byte over the limit.
    """
    number = reached = 0
    while line := source.readline(LONGEST + 1):
        number += 1
        reached += len(line)
        kept = line.rstrip(b"\r\n")
        while not line.endswith(b"\n") and (line := source.readline(LONGEST + 1)):
            reached += len(line)
        yield Read(number, kept, reached)


def loaded(text: str | bytes, what: str) -> Any:
    """Return the value of JSON. Raises BadLineError, whose text names `what`."""
    try:
        return json.loads(text)
    except RecursionError:
        raise BadLineError(f"{what} is nested too deeply to be a draft.") from None
    except ValueError as error:
        raise BadLineError(f"{what} is not JSON: {error}.") from None


def compact(value: object) -> str:
    """Return a value as canonical JSON in one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def entry_of(said: object) -> pb.Entry:
    """Return the entry in ProtoJSON. Raises BadLineError."""
    if not isinstance(said, dict):
        raise BadLineError("The entry is not an object with header, facts and words.")
    try:
        return json_format.ParseDict(said, pb.Entry())
    except RecursionError:
        raise BadLineError("The entry is nested too deeply.") from None
    except (json_format.ParseError, ValueError, TypeError, AttributeError, OverflowError) as error:
        # The parser raises various errors for values that do not fit.
        raise BadLineError(f"The entry is none: {error}.") from None


def withheld(entry: pb.Entry) -> list[str]:
    """Return the names of the sections of an entry that are withheld or destroyed."""
    there = {"facts": entry.HasField("facts"), "words": entry.HasField("words")}
    # A section of which nothing is given has its salt still, if it was recorded empty.
    salted = [bool(salt) for salt in entry.salts] + [False, False]
    sealed = zip(there.items(), salted, entry.header.section_digests, strict=False)
    return [name for (name, given), salt, _digest in sealed if not given and not salt]


def draft_of(entry: pb.Entry) -> tuple[str, pb.Draft]:
    """Return the negotiation of an entry, and a draft that records the same content again.

    Raises BadLineError if a section is withheld: its content is unknown.
    """
    lacking = withheld(entry)
    if lacking or not entry.HasField("facts"):
        sections = " and ".join(lacking or ["facts"])
        raise BadLineError(
            f"The {sections} of entry {entry.header.version} were withheld or destroyed, so it"
            " cannot be recorded again: use a bundle."
        )
    draft = pb.Draft(facts=entry.facts)
    if entry.HasField("words"):
        draft.words.CopyFrom(entry.words)
    return entry.header.negotiation, draft


def delivery_of(entry: pb.Entry, line: bytes) -> str:
    """Return the identity of an exported entry: its place in its record, and its content as a line.

    It is permanent, and empty if the entry has no place. The content is a part of it: after an
    edit, it is another entry.
    """
    header = entry.header
    if not (header.negotiation and header.version):
        return ""
    time, content = header.record_time.ToJsonString(), hashlib.sha256(line).hexdigest()
    return f"entry\n{header.negotiation}\n{header.version}\n{time}\n{content}"


def read_of(number: int, entry: pb.Entry, reached: int) -> Read:
    """Return the draft that records an entry again. Raises BadLineError, as `draft_of` does."""
    line = line_of(entry)
    return Read(number, line, reached, delivery_of(entry, line))


def line_of(entry: pb.Entry) -> bytes:
    """Return the line that records an entry again. Raises BadLineError, as `draft_of` does."""
    negotiation, draft = draft_of(entry)
    said = {"negotiation": negotiation, **json_format.MessageToDict(draft)}
    return compact(said).encode()
