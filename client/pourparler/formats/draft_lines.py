"""What every reader of a format gives: a draft as a line of JSON, or why there is none. Pure."""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from google.protobuf import json_format

from pourparler import v1 as pb

LONGEST = 4 << 20
"""The longest line, cell or event, in bytes: several times the largest request of a service."""


class BadLineError(ValueError):
    """A line, row or event is not a draft."""


class Read(NamedTuple):
    """What stands at one place of a file."""

    number: int
    """The line or row, counted from 1."""
    line: bytes | BadLineError
    """A draft as a line of JSON, or what is wrong with it."""
    reached: int
    """How far the file is read, in bytes."""


def numbered(source: BinaryIO) -> Iterator[Read]:
    """The lines of a file without their ends.

    Of a line that is too long only its beginning is kept, which tells that it is.
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
    """What JSON says. Raises BadLineError, which speaks of `what`."""
    try:
        return json.loads(text)
    except RecursionError:
        raise BadLineError(f"{what} is nested too deeply to be a draft.") from None
    except ValueError as error:
        raise BadLineError(f"{what} is not JSON: {error}.") from None


def compact(value: object) -> str:
    """JSON in one line, the same for the same value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def entry_of(said: object) -> pb.Entry:
    """The entry that its ProtoJSON says. Raises BadLineError."""
    if not isinstance(said, dict):
        raise BadLineError("The entry is not an object with header, facts and words.")
    try:
        return json_format.ParseDict(said, pb.Entry())
    except RecursionError:
        raise BadLineError("The entry is nested too deeply.") from None
    except (json_format.ParseError, ValueError, TypeError, AttributeError, OverflowError) as error:
        # Of some values that do not fit, the parser says so only by stumbling.
        raise BadLineError(f"The entry is none: {error}.") from None


def withheld(entry: pb.Entry) -> list[str]:
    """Which sections of an entry were withheld from the reader, or destroyed."""
    there = {"facts": entry.HasField("facts"), "words": entry.HasField("words")}
    # A section of which nothing is given has its salt still, if it was recorded empty.
    salted = [bool(salt) for salt in entry.salts] + [False, False]
    sealed = zip(there.items(), salted, entry.header.section_digests, strict=False)
    return [name for (name, given), salt, _digest in sealed if not given and not salt]


def draft_of(entry: pb.Entry) -> tuple[str, pb.Draft]:
    """The negotiation of an entry, and the draft that records the same again.

    Raises BadLineError where a section is withheld: what it said is not known.
    """
    lacking = withheld(entry)
    if lacking or not entry.HasField("facts"):
        sections = " and ".join(lacking or ["facts"])
        raise BadLineError(
            f"Of entry {entry.header.version} the {sections} were withheld or destroyed, so that it"
            " cannot be recorded again: a bundle carries it as it is."
        )
    draft = pb.Draft(facts=entry.facts)
    if entry.HasField("words"):
        draft.words.CopyFrom(entry.words)
    return entry.header.negotiation, draft


def line_of(entry: pb.Entry) -> bytes:
    """The line by which an entry is recorded again. Raises BadLineError, as `draft_of` does."""
    negotiation, draft = draft_of(entry)
    said = {"negotiation": negotiation, **json_format.MessageToDict(draft)}
    return compact(said).encode()
