"""Bundles: the record of a negotiation in a file that verifies without a service.

A bundle is written and read as a stream. It has exactly one form, so every change is detected.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO, TypeVar

from google.protobuf.message import DecodeError, Message

from pourparler import v1 as pb
from pourparler.schema.wire import CONTINUATION_BIT, length_delimited, serialize, varint
from pourparler.transparency.auditor import Auditor
from pourparler.transparency.checkpoint import VerifierKey
from pourparler.transparency.findings import Audit, Finding, Verdict
from pourparler.transparency.merkle import EMPTY_ROOT
from pourparler.transparency.selection import Selection

MAGIC = b"pourparler.v1.bundle\n"
"""The first line of a bundle. Permanent: another format needs another line."""

MAX_RECORD_BYTES = 1 << 24
"""The size of a record in a bundle, in bytes, at most: well above the limit of a service."""

_MAX_LENGTH_BYTES = 10  # as in protobuf
_PROGRESS_INTERVAL = 256  # records
_MAGIC_PREFIX = b"pourparler."
_RECORD, _HEADER, _END = b"\x0a", b"\x12", b"\x1a"  # tags: field number << 3 | 2

_Message = TypeVar("_Message", bound=Message)


class BundleError(ValueError):
    """A file is no complete, valid bundle; the text gives the reason."""


class NotABundleError(BundleError):
    """A file is no bundle, or its format is not supported."""


class TruncatedBundleError(BundleError):
    """A bundle ends before its last message."""


class CorruptBundleError(BundleError):
    """A bundle does not have the canonical form."""


class BundleWriter:
    """Writes a bundle: its header, then each record, then its end. It verifies nothing."""

    def __init__(self, file: BinaryIO, header: pb.BundleHeader) -> None:
        """Write the first line and the header."""
        self._file = file
        self._digest = hashlib.sha256()
        self.count = 0
        """The number of records written so far."""
        self._write(MAGIC)
        self._write(length_delimited(pb.Bundle.HEADER_FIELD_NUMBER, serialize(header)))

    def add(self, stored: bytes) -> None:
        """Write the next record, in its stored bytes."""
        self._write(length_delimited(pb.Bundle.RECORDS_FIELD_NUMBER, stored))
        self.count += 1

    def end(self) -> None:
        """Write the end. A bundle without it is truncated."""
        end = pb.BundleEnd(count=self.count, digest=self._digest.digest())
        self._write(length_delimited(pb.Bundle.END_FIELD_NUMBER, serialize(end)))

    def _write(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)


def write(file: BinaryIO, header: pb.BundleHeader, records: Iterable[bytes]) -> int:
    """Write a whole bundle of records in their stored bytes. Return their number."""
    writer = BundleWriter(file, header)
    for stored in records:
        writer.add(stored)
    writer.end()
    return writer.count


_FINDING_OF: Mapping[type[BundleError], tuple[str, Verdict]] = {
    NotABundleError: ("not a bundle", Verdict.CANNOT_TELL),
    TruncatedBundleError: ("cut", Verdict.INCOMPLETE),
    CorruptBundleError: ("bundle damaged", Verdict.MANIPULATED),
}


class BundleReader:
    """Reads a bundle: its header, and then its records, once. Raises BundleError.

    The caller must not trust the records before the end of the bundle is read.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Read the first line and the header of a buffered binary file."""
        self._file = file
        self._digest = hashlib.sha256()
        self._read_magic()
        if self._read_exactly(1) != _HEADER:
            raise CorruptBundleError("The bundle does not begin with its header.")
        self._digest.update(_HEADER)
        data = self._read_field()
        self.header = _parse_canonical(pb.BundleHeader, data, "The header of the bundle")
        self.count = 0
        """The number of records read so far."""
        self.size = 0
        """The size of these records, in bytes."""

    def records(self) -> Iterator[bytes]:
        """Yield the stored bytes of each record. Raises BundleError if the bundle is not valid."""
        while True:
            tag = self._read_exactly(1)
            if tag == _END:
                return self._read_end()
            if tag != _RECORD:
                raise CorruptBundleError(
                    f"After record {self.count:,}, the bundle has no record and no end."
                )
            self._digest.update(_RECORD)
            data = self._read_field()
            self.count += 1
            self.size += len(data)
            yield data

    def _read_magic(self) -> None:
        line = self._file.read(len(MAGIC))
        if line == MAGIC:
            self._digest.update(line)
        elif line and MAGIC.startswith(line):
            raise TruncatedBundleError("The bundle is truncated in its first line.")
        elif line.startswith(_MAGIC_PREFIX):
            raise NotABundleError("The file has a format that is not supported.")
        else:
            raise NotABundleError("The file is not a bundle of Pourparler.")

    def _read_end(self) -> None:
        digest = self._digest.digest()
        end = _parse_canonical(pb.BundleEnd, self._read_field(), "The end of the bundle")
        if end.count != self.count:
            raise CorruptBundleError(
                f"The bundle has {self.count:,} records, but its end states {end.count:,}."
            )
        if end.digest != digest:
            raise CorruptBundleError("The bundle does not match the digest at its end.")
        if self._file.read(1):
            raise CorruptBundleError("The file has more data after the end of the bundle.")

    def _read_field(self) -> bytes:
        """Read the length and the bytes of a field. Return its bytes."""
        groups = self._read_exactly(1)
        while groups[-1] >= CONTINUATION_BIT and len(groups) < _MAX_LENGTH_BYTES:
            groups += self._read_exactly(1)
        length = sum((group % CONTINUATION_BIT) << 7 * place for place, group in enumerate(groups))
        if length > MAX_RECORD_BYTES or groups[-1] >= CONTINUATION_BIT:
            raise CorruptBundleError("A length in the bundle exceeds the limit.")
        data = self._read_exactly(length)
        if groups != varint(length):
            raise CorruptBundleError("A length in the bundle is not in its shortest form.")
        self._digest.update(groups + data)
        return data

    def _read_exactly(self, length: int) -> bytes:
        data = self._file.read(length)
        if len(data) < length:
            raise TruncatedBundleError("The bundle is truncated before its end.")
        return data


def redact(file: BinaryIO, output: BinaryIO, selection: Selection) -> int:
    """Write a copy of a bundle with only the selected entries readable. Return its entry count.

    The other entries keep their headers, so the copy still verifies. This function verifies
    nothing. Raises BundleError if the file is no whole bundle, and SelectionError if an entry
    cannot be selected. After an error, the output is a truncated bundle.
    """
    bundle = BundleReader(file)
    writer = BundleWriter(output, bundle.header)
    for stored in bundle.records():
        writer.add(selection.filter_record(stored))
    selection.check(writer.count)
    writer.end()
    return writer.count


def verify(
    file: BinaryIO,
    verifier_keys: Iterable[VerifierKey | str],
    *,
    negotiation: str = "",
    base_checkpoint: str | None = None,
    progress: Callable[[int], object] = int,
) -> Audit:
    """Audit a bundle without a service.

    `negotiation` is the expected id; the default is the one in the bundle. `base_checkpoint` is an
    earlier signed checkpoint that the record must extend. `progress` receives the number of records
    read. If the state needs a second pass, a seekable file is read twice. Raises ValueError if the
    keys are not those of one service.
    """
    start = file.tell() if file.seekable() else None
    try:
        bundle = BundleReader(file)
    except BundleError as error:
        finding = _finding(error)
        return Audit(finding.verdict, (finding,), 0, EMPTY_ROOT, None, None)
    header = bundle.header
    auditor = Auditor(
        negotiation or header.negotiation, verifier_keys, base_checkpoint=base_checkpoint
    )
    wrong = _audit_records(auditor, bundle.records(), progress)
    if wrong is None and auditor.needs_second_pass and start is not None:
        file.seek(start)
        auditor.start_second_pass()
        wrong = _audit_records(auditor, _records(file), progress)
    audit = auditor.finish(header.checkpoint)
    if wrong is not None:
        audit = _with_finding(audit, _finding(wrong))
    if audit.checkpoint is not None and header.origin != audit.checkpoint.origin:
        text = f"The bundle claims the origin {header.origin!r}, but its checkpoint has another."
        audit = _with_finding(audit, Finding(Verdict.MANIPULATED, "another origin", text))
    return audit


def _records(file: BinaryIO) -> Iterator[bytes]:
    yield from BundleReader(file).records()


def _audit_records(
    auditor: Auditor, records: Iterable[bytes], progress: Callable[[int], object]
) -> BundleError | None:
    try:
        for stored in records:
            auditor.add_record(stored)
            if not auditor.size % _PROGRESS_INTERVAL:
                progress(auditor.size)
    except BundleError as error:
        return error
    return None


def _finding(error: BundleError) -> Finding:
    name, verdict = _FINDING_OF[type(error)]
    return Finding(verdict, name, str(error))


def _with_finding(audit: Audit, finding: Finding) -> Audit:
    verdict = max(audit.verdict, finding.verdict, key=list(Verdict).index)
    return audit._replace(verdict=verdict, findings=(finding, *audit.findings), state=None)


def _parse_canonical(kind: type[_Message], data: bytes, what: str) -> _Message:
    """Return the message of these bytes. Raises CorruptBundleError if they are not canonical."""
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise CorruptBundleError(f"{what} is malformed.") from None
    message.DiscardUnknownFields()
    if serialize(message) != data:
        raise CorruptBundleError(f"{what} is not in its canonical form.")
    return message
