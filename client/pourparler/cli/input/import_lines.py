"""The lines of an import: their drafts, the negotiation that each is for, and their request ids."""

import hashlib
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.cli.input.draft_files import parsed
from pourparler.drafts.values import negotiation_name
from pourparler.formats.draft_lines import (
    BadLineError,
    delivery_of,
    draft_of,
    entry_of,
    line_of,
    loaded,
)


class Line(NamedTuple):
    """One line that can be tried."""

    number: int
    negotiation: str
    draft: pb.Draft
    request_id: str


def request_id(negotiation: str, number: int, line: bytes) -> str:
    """Return the request id of a line. It is permanent: a repeated import sends the same ids."""
    return _import_id(f"{negotiation}\n{number}\n".encode() + line)


def delivery_id(negotiation: str, delivery: str) -> str:
    """Return the request id of something that has an identity. It is permanent.

    A delivery begins with a letter, and a number does not: the two kinds of ids never meet.
    """
    return _import_id(f"{negotiation}\n{delivery}".encode())


def _import_id(text: bytes) -> str:
    return f"import-{hashlib.sha256(text).hexdigest()[:32]}"


def draft(line: bytes) -> tuple[str, pb.Draft]:
    """Return the negotiation of a line, "" if it names none, and the draft.

    A line with a header is an entry that was exported: what is the service's own is not kept.
    """
    return parsed_line(line)[:2]


def parsed_line(line: bytes) -> tuple[str, pb.Draft, str]:
    """Return the negotiation of a line, its draft, and the identity of its delivery, or ""."""
    said = loaded(line, "The line")
    if isinstance(said, dict) and "header" in said:
        entry = entry_of(said)
        return *draft_of(entry), delivery_of(entry, line_of(entry))
    members = said if isinstance(said, dict) else {}
    negotiation, given = members.pop("negotiation", ""), members.pop("request_id", "")
    if not isinstance(negotiation, str):
        raise BadLineError("The member negotiation has to be text, such as negotiations/my-talks.")
    if not isinstance(given, str):
        raise BadLineError("The member request_id has to be text, such as message-17.")
    try:
        return negotiation, parsed(said), f"line\n{given}" if given else ""
    except ValueError as error:
        raise BadLineError(f"The line is not a draft: {error}.") from None


class Address:
    """The negotiation that the lines of a file are recorded in."""

    def __init__(self, negotiation: str = "", renamed: str = "") -> None:
        """Lines without a negotiation are for `negotiation`. With `renamed`, all go there."""
        self._only = negotiation_name(negotiation) if negotiation else ""
        self._renamed = negotiation_name(renamed) if renamed else ""
        self._source = ""  # the negotiation that is renamed

    def of(self, named: str) -> str:
        """Return the negotiation of a line that names one, or none. Raises BadLineError."""
        name = negotiation_name(named) if named else self._only
        if self._only and name != self._only:
            raise BadLineError(f"The line is for {name}, not for {self._only}.")
        if not self._renamed:
            if not name:
                raise BadLineError(
                    "The line does not say which negotiation it is for, and neither does"
                    " --negotiation."
                )
            return name
        if name:
            self._source = self._source or name
            if name != self._source:
                raise BadLineError(
                    f"The line is for {name}, and an earlier one for {self._source}: --as takes one"
                    " negotiation. Name it with --negotiation."
                )
        return self._renamed
