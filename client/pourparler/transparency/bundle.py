"""Bundles: the record of a negotiation as a file that is checked without the service it came from.

Written and read as a stream, and read strictly: a record makes one file and no other, so that
nothing can be changed, added or left out without being noticed.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO, TypeVar

from google.protobuf.message import DecodeError, Message

from pourparler import v1 as pb
from pourparler.schema.wire import MORE, framed, varint, written
from pourparler.transparency.auditor import Audit, Auditor, Finding, Verdict
from pourparler.transparency.checkpoint import VerifierKey
from pourparler.transparency.merkle import EMPTY_ROOT
from pourparler.transparency.selection import Selection

MAGIC = b"pourparler.v1.bundle\n"
"""The first line of a bundle. Permanent: another format has another line."""

LARGEST = 1 << 24
"""How many bytes a record in a bundle has at most: well above what a service takes."""

_LONGEST_LENGTH = 10  # as in protobuf
_TOLD_EVERY = 256  # records
_KIND = b"pourparler."
_RECORD, _HEADER, _END = b"\x0a", b"\x12", b"\x1a"  # tags: field number << 3 | 2

_Message = TypeVar("_Message", bound=Message)


class BundleError(ValueError):
    """A file is no bundle that can be read to its end. The text says in what respect."""


class NotABundle(BundleError):
    """A file is something else, or a bundle of a format that is not known here."""


class BundleCut(BundleError):
    """A bundle stops before its end."""


class BundleDamaged(BundleError):
    """A bundle is not as any bundle was ever written."""


class BundleWriter:
    """A bundle that is being written: its header, then each record, then its end.

    Nothing is checked here: whether a bundle is what it says of itself, verifying tells.
    """

    def __init__(self, file: BinaryIO, header: pb.BundleHeader) -> None:
        """Write up to the end of the header."""
        self._file = file
        self._digest = hashlib.sha256()
        self.count = 0
        """How many records have been written."""
        self._put(MAGIC)
        self._put(framed(pb.Bundle.HEADER_FIELD_NUMBER, written(header)))

    def add(self, stored: bytes) -> None:
        """Write the next record, as it is stored."""
        self._put(framed(pb.Bundle.RECORDS_FIELD_NUMBER, stored))
        self.count += 1

    def end(self) -> None:
        """Write the end: without it, the bundle is cut."""
        end = pb.BundleEnd(count=self.count, digest=self._digest.digest())
        self._put(framed(pb.Bundle.END_FIELD_NUMBER, written(end)))

    def _put(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)


def write(file: BinaryIO, header: pb.BundleHeader, records: Iterable[bytes]) -> int:
    """Write a whole bundle of these records, each as it is stored; how many there are."""
    writer = BundleWriter(file, header)
    for stored in records:
        writer.add(stored)
    writer.end()
    return writer.count


_FOUND: Mapping[type[BundleError], tuple[str, Verdict]] = {
    NotABundle: ("not a bundle", Verdict.CANNOT_TELL),
    BundleCut: ("cut", Verdict.INCOMPLETE),
    BundleDamaged: ("bundle damaged", Verdict.MANIPULATED),
}


class Bundle:
    """A bundle that is being read: its header, and then its records, once.

    Raises BundleError. Nothing that was read is to be believed before the end was reached.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Read up to the end of the header. The file is a buffered one."""
        self._file = file
        self._digest = hashlib.sha256()
        self._begin()
        if self._taken(1) != _HEADER:
            raise BundleDamaged("The bundle does not begin with its header.")
        self._digest.update(_HEADER)
        data = self._field()
        self.header = _strictly(pb.BundleHeader, data, "The header of the bundle")
        self.count = 0
        """How many records have been read."""
        self.size = 0
        """How many bytes they had."""

    def records(self) -> Iterator[bytes]:
        """The bytes of each record, unread. They come to an end only if the bundle is whole."""
        while True:
            tag = self._taken(1)
            if tag == _END:
                return self._end()
            if tag != _RECORD:
                raise BundleDamaged(
                    f"After record {self.count:,} of the bundle comes neither a record nor its end."
                )
            self._digest.update(_RECORD)
            data = self._field()
            self.count += 1
            self.size += len(data)
            yield data

    def _begin(self) -> None:
        line = self._file.read(len(MAGIC))
        if line == MAGIC:
            self._digest.update(line)
        elif line and MAGIC.startswith(line):
            raise BundleCut("The bundle is cut off in its first line.")
        elif line.startswith(_KIND):
            raise NotABundle("The file is of a format that is not known here.")
        else:
            raise NotABundle("The file is not a bundle of Pourparler.")

    def _end(self) -> None:
        digest = self._digest.digest()
        end = _strictly(pb.BundleEnd, self._field(), "The end of the bundle")
        if end.count != self.count:
            raise BundleDamaged(
                f"The bundle has {self.count:,} records, and its end says {end.count:,}."
            )
        if end.digest != digest:
            raise BundleDamaged("The bundle is not the one whose digest stands at its end.")
        if self._file.read(1):
            raise BundleDamaged("The bundle is followed by something else.")

    def _field(self) -> bytes:
        """The bytes of a field, from its length on."""
        groups = self._taken(1)
        while groups[-1] >= MORE and len(groups) < _LONGEST_LENGTH:
            groups += self._taken(1)
        length = sum((group % MORE) << 7 * place for place, group in enumerate(groups))
        if length > LARGEST or groups[-1] >= MORE:
            raise BundleDamaged("A length in the bundle is beyond all bounds.")
        data = self._taken(length)
        if groups != varint(length):
            raise BundleDamaged("A length in the bundle is written longer than it need be.")
        self._digest.update(groups + data)
        return data

    def _taken(self, length: int) -> bytes:
        data = self._file.read(length)
        if len(data) < length:
            raise BundleCut("The bundle is cut off before its end.")
        return data


def withhold(file: BinaryIO, output: BinaryIO, only: Selection) -> int:
    """Write a bundle anew, in which `only` these entries can be read; how many entries it has.

    Of the others nothing is in it but their headers, so that it verifies as before. Nothing is
    verified here. Raises BundleError if the file is no whole bundle, and SelectionError if an entry
    cannot be shown: what was written by then is a bundle that is cut.
    """
    bundle = Bundle(file)
    writer = BundleWriter(output, bundle.header)
    for stored in bundle.records():
        writer.add(only.take(stored))
    only.check(writer.count)
    writer.end()
    return writer.count


def verify(
    file: BinaryIO,
    keys: Iterable[VerifierKey | str],
    *,
    negotiation: str = "",
    since: str | None = None,
    progress: Callable[[int], object] = int,
) -> Audit:
    """Audit a bundle: nothing is asked of anybody, and nothing that it says is believed.

    Without the id of a negotiation it is that of the one it says that it is of. `since` is an older
    signed checkpoint that the record has to begin with; `progress` is told now and then how many
    records were read. A file that can be read twice is, where the state needs it. Raises ValueError
    if the keys are not those with which one service signs its logs.
    """
    start = file.tell() if file.seekable() else None
    try:
        bundle = Bundle(file)
    except BundleError as error:
        finding = _finding(error)
        return Audit(finding.verdict, (finding,), 0, EMPTY_ROOT, None, None)
    header = bundle.header
    auditor = Auditor(negotiation or header.negotiation, keys, since=since)
    wrong = _read(auditor, bundle.records(), progress)
    if wrong is None and auditor.again and start is not None:
        file.seek(start)
        auditor.repeat()
        wrong = _read(auditor, _records(file), progress)
    audit = auditor.finish(header.checkpoint)
    if wrong is not None:
        audit = _with(audit, _finding(wrong))
    if audit.checkpoint is not None and header.origin != audit.checkpoint.origin:
        text = f"The bundle says that it is of {header.origin!r}, and its checkpoint does not."
        audit = _with(audit, Finding(Verdict.MANIPULATED, "another origin", text))
    return audit


def _records(file: BinaryIO) -> Iterator[bytes]:
    yield from Bundle(file).records()


def _read(
    auditor: Auditor, records: Iterable[bytes], progress: Callable[[int], object]
) -> BundleError | None:
    try:
        for stored in records:
            auditor.take(stored)
            if not auditor.size % _TOLD_EVERY:
                progress(auditor.size)
    except BundleError as error:
        return error
    return None


def _finding(error: BundleError) -> Finding:
    name, verdict = _FOUND[type(error)]
    return Finding(verdict, name, str(error))


def _with(audit: Audit, finding: Finding) -> Audit:
    verdict = max(audit.verdict, finding.verdict, key=list(Verdict).index)
    return audit._replace(verdict=verdict, findings=(finding, *audit.findings), state=None)


def _strictly(kind: type[_Message], data: bytes, what: str) -> _Message:
    """The message that these bytes are the one and only canonical form of.

    Raises BundleDamaged.
    """
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise BundleDamaged(f"{what} is garbled.") from None
    message.DiscardUnknownFields()
    if written(message) != data:
        raise BundleDamaged(f"{what} is not written in the one way in which it is to be written.")
    return message
