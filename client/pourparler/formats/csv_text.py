"""The text of a CSV file of any program: its encoding, its lines and the separator of its cells."""

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, BinaryIO

from pourparler.formats.draft_lines import LONGEST, BadLineError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HEAD = 4
_USUAL = ",;\t|"
_NAMED = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
_UNDECODED = re.compile("[\udc80-\udcff]")


class _Source(io.RawIOBase):
    """The bytes of a file, and how many of them were read."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._read = getattr(file, "read1", file.read)
        self.head = b""
        while len(self.head) < _HEAD and (more := file.read(_HEAD - len(self.head))):
            self.head += more
        self._rest = self.head
        self.reached = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read more bytes of the file."""
        view = memoryview(buffer)
        data = self._rest[: len(view)] or self._read(len(view))
        self._rest = self._rest[len(data) :]
        view[: len(data)] = data
        self.reached += len(data)
        return len(data)


class CsvText:
    """The lines of a CSV file, with their ends, up to a maximum length."""

    def __init__(self, file: BinaryIO, encoding: str = "") -> None:
        """Read a file in an encoding. A mark of the order of bytes names the encoding itself."""
        self._source = _Source(file)
        self.encoding = _encoding(self._source.head, encoding)
        self._named = encoding
        # A wrong byte is found in its own line, not in the block that contains it.
        self._text = io.TextIOWrapper(
            io.BufferedReader(self._source), self.encoding, "surrogateescape", newline=""
        )

    @property
    def reached(self) -> int:
        """The number of bytes read."""
        return self._source.reached

    def __iter__(self) -> Iterator[str]:
        """Yield the lines. Raises BadLineError."""
        while line := self._line():
            yield line

    def _line(self) -> str:
        try:
            line = self._text.readline(LONGEST + 1)
        except UnicodeError:
            line = "\udc80"
        if len(line) > LONGEST:
            raise BadLineError(f"A line is longer than {LONGEST:,} characters.")
        if _UNDECODED.search(line):
            shown = self.encoding.removesuffix("-sig").upper()
            cure = "Name another" if self._named else "Name its"
            raise BadLineError(
                f'It is not {shown}. {cure} encoding in a mapping, as in encoding = "cp1252".'
            )
        return line


def delimiter_of(header: str, columns: Collection[str]) -> str:
    """Return the character that separates the most of some columns in a header; else a comma."""
    named = _NAMED.fullmatch(header)
    if named is not None:
        return named[1]
    others = dict.fromkeys(one for one in header if not (one.isalnum() or one.isspace()))
    found, most = ",", 0
    for one in (*_USUAL, *others):
        if one == '"':
            continue
        names = {name.strip() for name in next(csv.reader([header], delimiter=one), [])}
        count = len(names.intersection(columns))
        if count > most:
            found, most = one, count
    return found


def names_delimiter(line: str) -> bool:
    """Return True if a first line names only the separator of the cells, as `sep=;`."""
    return _NAMED.fullmatch(line) is not None


def _encoding(head: bytes, named: str) -> str:
    marked = next((encoding for mark, encoding in _MARKS if head.startswith(mark)), "")
    if marked or named:
        return marked or named
    if head[:1] and head[1:2] == b"\0":
        return "utf-16-le"
    if head[:1] == b"\0" and head[1:2].strip(b"\0"):
        return "utf-16-be"
    return "utf-8"
