"""CloudEvents 1.0 in the JSON batch format: one event and one line for each entry. Lossless."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO
from urllib.parse import quote

from google.protobuf import json_format

from pourparler import v1 as pb
from pourparler.drafts.values import negotiation_name
from pourparler.formats.draft_lines import LONGEST, BadLineError, Read, compact, entry_of, line_of
from pourparler.schema.contract import entry_type

MEDIA_TYPE = "application/cloudevents-batch+json"
TYPES = "pourparler.v1."
"""The prefix of every event type, before the name of the entry type."""

_REQUIRED = ("specversion", "id", "source", "type")
_CHUNK = 1 << 16
_BETWEEN = " \t\r\n"


def event(entry: pb.Entry, origin: str) -> dict[str, Any]:
    """Return an entry as an event. `origin` is that of its log, and makes the id unique."""
    kind = entry_type(entry.facts)
    return {
        "specversion": "1.0",
        "id": str(entry.header.version),
        "source": f"//{quote(origin)}",
        "type": f"{TYPES}{kind.title if kind else 'Entry'}",
        "subject": negotiation_name(entry.header.negotiation),
        "time": entry.header.record_time.ToJsonString(),
        "datacontenttype": "application/json",
        "data": json_format.MessageToDict(entry),
    }


def write(file: BinaryIO, entries: Iterable[pb.Entry], origin: str) -> int:
    """Write the entries as one batch. Return their number."""
    count = 0
    for entry in entries:
        file.write(b",\n" if count else b"[\n")
        file.write(compact(event(entry, origin)).encode())
        count += 1
    file.write(b"\n]\n" if count else b"[]\n")
    return count


def entry_in(said: object) -> pb.Entry:
    """Return the entry in an event. Raises BadLineError."""
    if not isinstance(said, dict):
        raise BadLineError("The event is not an object.")
    for name in _REQUIRED:
        if not isinstance(said.get(name), str) or not said[name]:
            raise BadLineError(f"The event has no attribute {name}, or it is not text.")
    if said["specversion"] != "1.0":
        raise BadLineError("The event is of another version of CloudEvents than 1.0.")
    if not said["type"].startswith(TYPES):
        raise BadLineError(f"The type of the event does not begin with {TYPES}.")
    if "data" not in said:
        raise BadLineError("The event has no data, or has it in another form than JSON.")
    entry = entry_of(said["data"])
    kind = entry_type(entry.facts)
    if said["type"] != f"{TYPES}{kind.title if kind else 'Entry'}":
        raise BadLineError("The type of the event is not that of the entry in its data.")
    negotiation = entry.header.negotiation
    if said.get("subject") != (negotiation_name(negotiation) if negotiation else None):
        raise BadLineError("The subject of the event is not the negotiation of its entry.")
    return entry


def read(file: BinaryIO) -> Iterator[Read]:
    """Yield the drafts of a batch, or of events in sequence."""
    for number, said, reached in _values(file):
        line: bytes | BadLineError
        delivery = ""
        try:
            line = line_of(entry_in(said)) if not isinstance(said, BadLineError) else said
        except BadLineError as error:
            line = error
        else:
            if not isinstance(said, BadLineError):
                # In the specification, an event with the same source and id is a duplicate.
                delivery = f"event\n{said['source']}\n{said['id']}"
        yield Read(number, line, reached, delivery)


def entries(file: BinaryIO) -> Iterator[pb.Entry]:
    """Yield the entries of a batch. Raises BadLineError."""
    for _number, said, _reached in _values(file):
        if isinstance(said, BadLineError):
            raise said
        yield entry_in(said)


def _values(file: BinaryIO) -> Iterator[tuple[int, Any, int]]:
    """Yield the line, value and end offset of each value in an array, or in a sequence.

    It holds one value at a time. Malformed JSON ends the file with a BadLineError.
    """
    try:
        yield from _Values(file).each()
    except _UnexpectedEndError as ended:
        yield ended.number, BadLineError(str(ended)), ended.reached


class _UnexpectedEndError(ValueError):
    """No further value can be parsed."""

    def __init__(self, text: str, number: int, reached: int) -> None:
        super().__init__(text)
        self.number = number
        self.reached = reached


class _Values:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._text = ""
        self._line = 1
        self._reached = 0
        self._decoder = json.JSONDecoder()
        self._incoming = b""

    def each(self) -> Iterator[tuple[int, Any, int]]:
        listed = self._next() == "["
        if listed:
            self._pass(1)
        first = True
        while (character := self._next()) and not (listed and character == "]"):
            if listed and not first:
                if character != ",":
                    raise self._ended("Between two events stands no comma.")
                self._pass(1)
                self._next()
            first = False
            line = self._line
            yield line, self._value(), self._reached
        if listed:
            if not character:
                raise self._ended("The batch is cut off: it has no end.")
            self._pass(1)
            if self._next():
                raise self._ended("The batch is followed by something else.")

    def _value(self) -> Any:
        wanted = _CHUNK
        while True:
            try:
                value, place = self._decoder.raw_decode(self._text)
            except RecursionError:
                raise self._ended("The event is nested too deeply.") from None
            except ValueError as error:
                # The value may continue in the next chunk. Chunks double to keep the time linear.
                if len(self._text) > LONGEST:
                    text = f"The data here is no event of at most {LONGEST:,} bytes."
                    raise self._ended(text) from None
                if not self._more(wanted):
                    raise self._ended(f"The event is not JSON: {error}.") from None
                wanted = len(self._text)
            else:
                self._pass(place)
                return value

    def _next(self) -> str:
        """Return the next character of a value; "" at the end."""
        while True:
            rest = self._text.lstrip(_BETWEEN)
            self._pass(len(self._text) - len(rest))
            if self._text:
                return self._text[0]
            if not self._more(_CHUNK):
                return ""

    def _pass(self, length: int) -> None:
        self._line += self._text.count("\n", 0, length)
        self._text = self._text[length:]

    def _more(self, length: int) -> bool:
        data = self._file.read(length)
        self._reached += len(data)
        self._incoming += data
        try:
            text = self._incoming.decode()
            self._incoming = b""
        except UnicodeDecodeError as error:
            if not data or error.start < len(self._incoming) - 3:
                raise self._ended("The data here is not UTF-8.") from None
            text = self._incoming[: error.start].decode()
            self._incoming = self._incoming[error.start :]
        self._text += text
        return bool(data)

    def _ended(self, text: str) -> _UnexpectedEndError:
        return _UnexpectedEndError(text, self._line, self._reached)
