"""Drafts in a file: ProtoJSON, one after the other or in a list."""

import json
from typing import Any, BinaryIO

import click
from google.protobuf import json_format

from pourparler import v1 as pb
from pourparler.cli.terminal_escape import escaped

LONGEST = 16 << 20
"""The longest file in bytes: far more than one request of a service may have."""


def read(file: BinaryIO) -> list[pb.Draft]:
    """Return the drafts of a file. Raises click.UsageError."""
    data = file.read(LONGEST + 1)
    if len(data) > LONGEST:
        raise click.UsageError("The file is too long for one request. Use `pourparler import`.")
    try:
        found = [parsed(value) for value in _values(data.decode("utf-8-sig"))]
    except (ValueError, RecursionError) as error:
        raise click.UsageError(
            f"The file contains no drafts: {escaped(str(error))}."
            " See docs/reference/import-formats.md for their format."
        ) from error
    if not found:
        raise click.UsageError("The file contains no draft. Write at least one to it.")
    return found


def parsed(value: object) -> pb.Draft:
    """Return the draft that a JSON value describes. Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError("it is JSON, but not an object with facts and words")  # noqa: TRY004 (one error for all)
    try:
        return json_format.ParseDict(value, pb.Draft())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (json_format.ParseError, TypeError, AttributeError, OverflowError) as error:
        # The parser raises TypeError and its like for some values of the wrong type.
        raise ValueError(" ".join(str(error).split()).rstrip(".")) from error


def _values(text: str) -> list[Any]:
    decoder, place, values = json.JSONDecoder(), 0, []
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        value, place = decoder.raw_decode(text, place)
        values.extend(value if isinstance(value, list) else [value])
    return values
