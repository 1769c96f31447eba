"""Check a bundle by docs/reference/record-format.md, without using Pourparler.

    python verifier.py FILE KEY [KEY ...]

Every KEY is a verifier key of the service. Obtain it from another source than the file. The exit
code is 0 for sound, 4 for manipulated, 5 for incomplete, 6 for cannot tell, and 7 for partial. A
partial bundle is sound as far as it is readable, and withholds the rest.
"""

import base64
import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SOUND, MANIPULATED, INCOMPLETE, CANNOT_TELL, PARTIAL = 0, 4, 5, 6, 7
MAGIC = b"pourparler.v1.bundle\n"
SIGNATURES = re.compile("(?:\u2014 [^\\s+]+ [A-Za-z0-9+/=]+\n){1,64}")
KEY = re.compile("([^\\s+]+)\\+([0-9a-f]{8})\\+([A-Za-z0-9+/=]+)")
SIZE = re.compile("0|[1-9][0-9]{0,18}", re.ASCII)
# The fields of messages in the order of their numbers, one letter each: b bytes, B repeated bytes,
# m a message that may be empty, v a number, - none.
HEADER = "bvmBv"
FACTS = "bbmmmbB" + "-" * 12 + "m" * 33
WORDS = "bbBb" + "b" * 7 + "B" + "b" * 7 + "BBbb"
EVENTS = slice(19, 52)
REDACTED = 48
Keys = dict[tuple[str, bytes], Ed25519PublicKey]


class VerificationError(Exception):
    """A problem: its exit code and a text."""


def expect(holds: object, text: str, verdict: int = MANIPULATED) -> None:
    if not holds:
        raise VerificationError(verdict, text)


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def number(data: bytes, at: int) -> tuple[int, int]:
    """Return a protobuf varint, lowest seven bits first, and its end."""
    value = 0
    for place, byte in enumerate(data[at : at + 10]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            expect(value < 1 << 64, "a number is beyond all bounds")
            return value, at + place + 1
    raise VerificationError(
        INCOMPLETE if at + 10 > len(data) else MANIPULATED, "a number has no end"
    )


def piece(data: bytes, at: int) -> tuple[bytes, int]:
    """Return length-prefixed bytes and their end."""
    length, at = number(data, at)
    expect(length <= 1 << 24, "a length is beyond all bounds")
    expect(at + length <= len(data), "it is cut off", INCOMPLETE)
    return data[at : at + length], at + length


def written(value: int | bytes) -> bytes:
    """Return a number, or length-prefixed bytes, in the canonical encoding."""
    if isinstance(value, bytes):
        return written(len(value)) + value
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + written(value >> 7)


def message(data: bytes, shape: str) -> list[Any]:
    """Return the fields of a message of this shape; it must be canonical."""
    values: list[Any] = [{"b": b"", "B": [], "v": 0}.get(kind) for kind in shape]
    again, at = b"", 0
    try:
        while at < len(data):
            tag, at = number(data, at)
            expect(tag & 7 in {0, 2}, "a field is of no kind that occurs")
            value, at = piece(data, at) if tag & 7 else number(data, at)
            kind = shape[(tag >> 3) - 1 : tag >> 3]
            if kind == "B" and tag & 7:
                values[(tag >> 3) - 1].append(value)
            elif kind and kind in ("bm" if tag & 7 else "v"):
                values[(tag >> 3) - 1] = value
    except VerificationError as finding:
        raise VerificationError(MANIPULATED, f"a message is garbled: {finding.args[1]}") from None
    for field, (kind, value) in enumerate(zip(shape, values, strict=True), start=1):
        there = value is not None if kind == "m" else value
        for one in value if kind == "B" else [value] if there else []:
            again += written(field << 3 | (0 if kind == "v" else 2)) + written(one)
    expect(again == data, "a message is not in the one form that it can have")
    return values


def entry_header(data: bytes) -> list[Any]:
    """Return the fields of an entry header; its times are signed numbers."""
    fields = message(data, HEADER)
    expect(is_text(fields[0]), "the negotiation is no text")
    fields[2] = [(one ^ 1 << 63) - (1 << 63) for one in message(fields[2] or b"", "vv")]
    expect(-(1 << 31) <= fields[2][1] < 1 << 31, "nanoseconds are beyond all bounds")
    expect(fields[4] < 1 << 32, "a format is beyond all bounds")
    return fields


def is_text(data: bytes) -> bool:
    return data.decode(errors="replace").encode() == data


def frames(data: bytes) -> Iterator[bytes]:
    """Yield the header of a bundle, and then its records."""
    begins = data and MAGIC.startswith(data[: len(MAGIC)])
    expect(begins, "it is no bundle of a known format", CANNOT_TELL)
    at, count, wanted = len(MAGIC), -1, b"\x12"
    while True:
        expect(at < len(data), "it is cut off", INCOMPLETE)
        begin, tag = at, data[at]
        expect(tag in wanted, "it is out of order")
        frame, at = piece(data, begin + 1)
        expect(data[begin + 1 : at] == written(frame), "a length is not well written")
        if tag == 0x1A:
            right = message(frame, "vb") == [count, sha256(data[:begin])]
            return expect(right and at == len(data), "it is not what its end says")
        yield frame
        count, wanted = count + 1, b"\x0a\x1a"


def decoded(text: str) -> bytes:
    try:
        data = base64.b64decode(text)
    except ValueError:
        data = b""
    expect(base64.b64encode(data).decode() == text, "base64 is not well written", CANNOT_TELL)
    return data


def checkpoint(note: str, origin: str, keys: Keys) -> tuple[int, bytes]:
    """Return size and root of a checkpoint of this origin, signed by one of these keys."""
    text, _, below = note.rpartition("\n\n")
    whole = SIGNATURES.fullmatch(below) and not re.search("[\x00-\x09\x0b-\x1f]", note)
    expect(whole and len(note) <= 65536, "the checkpoint is no signed note", CANNOT_TELL)
    signatures = [line.split(" ")[1:] for line in below.split("\n")[:-1]]
    signed = [(name, decoded(data)[:4], decoded(data)[4:]) for name, data in signatures]
    said, size, root, *_ = lines = [*text.split("\n"), "", ""]
    whole = all(lines[:-2]) and SIZE.fullmatch(size) and len(decoded(root)) == 32
    whole = whole and all(data for _, _, data in signed)
    expect(whole, "the checkpoint cannot be read", CANNOT_TELL)
    mine = [one for one in signed if one[:2] in keys]
    expect(mine, "the checkpoint is not signed by any of the keys", CANNOT_TELL)
    for name, key_id, data in mine:
        try:
            keys[name, key_id].verify(data, f"{text}\n".encode())
        except InvalidSignature:
            raise VerificationError(MANIPULATED, "a signature is not valid") from None
    expect(said == origin, "the checkpoint is of another origin")
    return int(size), decoded(root)


class Log:
    """The state of the reader: last version, its time, the tree, and withheld sections."""

    def __init__(self, negotiation: bytes) -> None:
        self.negotiation, self.version, self.time, self.size = negotiation, 0, [0, 0], 0
        self.nodes: list[bytes] = []  # roots of complete subtrees, the largest first
        self.withheld: set[tuple[int, int]] = set()
        self.redacted: set[tuple[int, int]] = set()

    def take(self, record: bytes) -> Iterator[VerificationError]:
        header, salts, *sections = message(record, "bBbb")
        node, size, self.size = sha256(b"\x00", header), self.size, self.size + 1
        while size & 1:  # RFC 6962, 2.1
            node, size = sha256(b"\x01", self.nodes.pop(), node), size >> 1
        self.nodes.append(node)
        try:
            said, version, time, digests, form = entry_header(header)
        except VerificationError as finding:
            self.version += 1
            yield VerificationError(
                CANNOT_TELL, f"header {self.size} cannot be read: {finding.args[1]}"
            )
            return
        expect(said == self.negotiation, f"version {version} is of another negotiation")
        expect(version > self.version, f"version {version} is out of order")
        if version > self.version + 1:
            yield VerificationError(INCOMPLETE, f"something is missing before version {version}")
        earlier, self.time, self.version = self.time, time, version
        expect(self.time >= earlier, f"at version {version} time runs back")
        if form not in {1, 2}:
            yield VerificationError(CANNOT_TELL, f"version {version} is of an unknown format")
            return
        salts = salts or [b"", b""]
        expect(len(salts) == len(digests) == 2, f"version {version} has not two sections")
        for place, section in enumerate(sections):
            right = len(salts[place]) == 32 and sha256(salts[place], section) == digests[place]
            if not salts[place] and not section:
                self.withheld.add((version, place))
            else:
                expect(right, f"section {place} of version {version} was changed")
        try:
            self.read(*sections)
        except VerificationError as finding:
            yield VerificationError(
                CANNOT_TELL, f"version {version} cannot be read: {finding.args[1]}"
            )

    def read(self, facts: bytes, words: bytes) -> None:
        """Check that the sections are messages, and note which words were destroyed."""
        message(words, WORDS)
        fields = message(facts, FACTS)
        events = [event for event in fields[EVENTS] if event is not None]
        expect(len(events) == (1 if facts else 0), "an entry is of one type that is known")
        if fields[REDACTED] is not None:
            self.redacted.add((message(fields[REDACTED], "v")[0], 1))

    def root(self) -> bytes:
        *others, root = self.nodes or [sha256()]
        for node in reversed(others):
            root = sha256(b"\x01", node, root)
        return root


def verify(data: bytes, service: str, keys: Keys) -> Iterator[VerificationError]:
    """Yield the problems of a bundle. Raise VerificationError for manipulation, the last one."""
    log, header = Log(b""), [b"", b"", b""]
    try:
        for place, frame in enumerate(frames(data)):
            if place:
                yield from log.take(frame)
            else:
                header = message(frame, "bbb")
                expect(all(map(is_text, header)), "the header is no text")
                log = Log(header[0])
    except VerificationError as finding:
        expect(finding.args[0] != MANIPULATED, finding.args[1])
        yield finding
    negotiation, origin, note = (text.decode(errors="replace") for text in header)
    asked = f"{service}/negotiations/{negotiation}"
    size, root = checkpoint(note, asked, keys)
    expect(origin == asked, "the bundle says that it is of another origin")
    expect(max(log.version, log.size) <= size, "there is more than was signed for")
    expect(log.size != size or log.root() == root, "the entries are not those signed for")
    if log.version < size:
        yield VerificationError(INCOMPLETE, f"what comes after version {log.version} is missing")
    for version in sorted({version for version, _ in log.withheld - log.redacted}):
        yield VerificationError(PARTIAL, f"of version {version}, facts or words are withheld")


def main(path: str, *texts: str) -> int:
    keys: Keys = {}
    names: set[str] = set()
    findings: list[VerificationError] = []
    for text in texts:
        match = KEY.fullmatch(text)
        try:
            data = decoded(match[3]) if match else b""
        except VerificationError:
            data = b""
        if not match or data[:1] != b"\x01" or len(data) != 33:
            sys.exit(f"{text} is no verifier key of a service.")
        key_id = sha256(f"{match[1]}\n".encode(), data)[:4]
        if key_id.hex() != match[2]:
            sys.exit(f"{text} has not the id of its key.")
        keys[match[1], key_id] = Ed25519PublicKey.from_public_bytes(data[1:])
        names.add(match[1])
    if len(names) != 1:
        sys.exit("Say at least one key, and keys of one service only.")
    try:
        findings += verify(Path(path).read_bytes(), names.pop(), keys)
    except VerificationError as finding:
        findings.append(finding)
    verdict = min((finding.args[0] for finding in findings), default=SOUND)
    said = {4: "manipulated", 5: "incomplete", 6: "cannot tell", 7: "partial"}
    print(said.get(verdict, "sound"))
    print("".join(f"- {finding.args[1]}\n" for finding in findings), end="")
    return int(verdict)


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]) if sys.argv[1:] else __doc__)
    except OSError as error:
        sys.exit(f"The file cannot be read: {error}")
