"""Checkpoints: a signed size and root, as C2SP tlog-checkpoint in a C2SP signed-note.

A checkpoint is text that people can keep, mail and print. This module reads it strictly: what is
not exactly of its form is refused, so that two readers never understand one text in two ways.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from pourparler.transparency.merkle import HASH_BYTES

ED25519 = 0x01
"""The algorithm byte of a signature by a log (C2SP signed-note)."""

COSIGNATURE = 0x04
"""The algorithm byte of a timestamped cosignature by a witness (C2SP tlog-cosignature, v1)."""

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_SIGNATURE_LINE = re.compile(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)")
_VERIFIER_KEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_KEY_ID_BYTES = 4
_SIGNATURE_BYTES = 64
_TIME_BYTES = 8
_LONGEST = 65_536
_TLOG_PROOF = "c2sp.org/tlog-proof@v1"
_SIGNATURES = 64


class CheckpointError(ValueError):
    """A text is no checkpoint, or is not signed by whom it should be.

    The text says in what respect.
    """


class Checkpoint(NamedTuple):
    """What a log says of itself: under which name, how many leaves it has, and their root."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The text that is signed."""
        root = base64.b64encode(self.root).decode()
        return "".join(f"{line}\n" for line in (self.origin, self.size, root, *self.extensions))


class Signature(NamedTuple):
    """A signature on a note: by whom, under which key id, and its bytes."""

    name: str
    key_id: bytes
    data: bytes

    def line(self) -> str:
        """The signature as it stands in a note."""
        return f"\u2014 {self.name} {base64.b64encode(self.key_id + self.data).decode()}\n"


class Note(NamedTuple):
    """A signed text (C2SP signed-note)."""

    text: str
    signatures: tuple[Signature, ...]

    def signed(self) -> str:
        """The note as it is passed on."""
        return self.text + "\n" + "".join(signature.line() for signature in self.signatures)


class VerifierKey(NamedTuple):
    """A public key and the name it goes by, in the form `name+id+key` of C2SP signed-note."""

    name: str
    algorithm: int
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The id by which signatures name the key."""
        return key_id(self.name, self.algorithm, self.public_key)

    def __str__(self) -> str:
        """The key as text, to be pinned."""
        key = base64.b64encode(bytes([self.algorithm]) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Read a key. Raises CheckpointError."""
        match = _VERIFIER_KEY.fullmatch(text)
        if match is None:
            raise CheckpointError("a verifier key has the form name+id+key")
        name, id_, encoded = match.groups()
        if not _is_text(name):
            raise CheckpointError("the name in the verifier key is no text")
        data = _decoded(encoded, "the verifier key")
        if len(data) != 1 + HASH_BYTES or data[0] not in {ED25519, COSIGNATURE}:
            raise CheckpointError("the verifier key is of no algorithm that is known here")
        key = cls(name, data[0], data[1:])
        if key.key_id.hex() != id_:
            raise CheckpointError("the id of the verifier key is not that of its key")
        return key

    def verify(self, note: Note) -> int | None:
        """See that the note bears a valid signature by this key; the time of it, if it bears one.

        Raises CheckpointError where there is no signature by this key, or one that is not valid.
        """
        mine = [
            one for one in note.signatures if (one.name, one.key_id) == (self.name, self.key_id)
        ]
        if not mine:
            raise CheckpointError(f"there is no signature by {self.name}+{self.key_id.hex()}")
        times = [self._verified(note.text, one.data) for one in mine]
        return times[0]

    def _verified(self, text: str, data: bytes) -> int | None:
        time, message = None, text
        if self.algorithm == COSIGNATURE:
            if len(data) != _TIME_BYTES + _SIGNATURE_BYTES:
                raise CheckpointError(f"the cosignature by {self.name} has a wrong length")
            time, data = int.from_bytes(data[:_TIME_BYTES], "big"), data[_TIME_BYTES:]
            message = cosigned_text(time, text)
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(data, message.encode())
        except (InvalidSignature, ValueError):
            raise CheckpointError(f"the signature by {self.name} is not valid") from None
        return time


def origin_of(name: str, negotiation: str) -> str:
    """The origin of the log of a negotiation: the name of its service, and its own."""
    return f"{name}/negotiations/{negotiation}"


def key_id(name: str, algorithm: int, public_key: bytes) -> bytes:
    """The first four bytes of SHA-256 over name, newline, algorithm and key (C2SP signed-note)."""
    named = name.encode() + b"\n" + bytes([algorithm]) + public_key
    return hashlib.sha256(named).digest()[:_KEY_ID_BYTES]


def cosigned_text(time: int, text: str) -> str:
    """What a witness signs: a header, the time in seconds since 1970, and the text of the note."""
    return f"cosignature/v1\ntime {time}\n{text}"


def parse_note(signed: str) -> Note:
    """Read a signed note. Raises CheckpointError."""
    if len(signed) > _LONGEST:
        raise CheckpointError("the note is too long")
    if any(character < " " and character != "\n" for character in signed):
        raise CheckpointError("the note has control characters; its lines end in a newline alone")
    text, blank, signatures = signed.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise CheckpointError("the note has no signatures below a blank line, or is cut off")
    lines = signatures.removesuffix("\n").split("\n")
    if len(lines) > _SIGNATURES:
        raise CheckpointError(f"the note has more than {_SIGNATURES} signatures")
    return Note(text + "\n", tuple(map(_signature, lines)))


def _signature(line: str) -> Signature:
    match = _SIGNATURE_LINE.fullmatch(line)
    if match is None:
        raise CheckpointError("a line below the blank line is not a signature")
    data = _decoded(match[2], "a signature")
    if len(data) <= _KEY_ID_BYTES:
        raise CheckpointError("a signature is too short")
    return Signature(match[1], data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint, without its signatures. Raises CheckpointError."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1]:  # noqa: PLR2004 - three lines, and the end of the last one
        raise CheckpointError("a checkpoint has an origin, a size and a root, a line each")
    origin, size, root, *extensions = lines[:-1]
    if not origin or not all(extensions):
        raise CheckpointError("a checkpoint has no empty lines")
    if not _SIZE.fullmatch(size):
        raise CheckpointError("the size of a checkpoint is a decimal number of at most 19 digits")
    return Checkpoint(origin, int(size), parse_hash(root, "the root"), tuple(extensions))


def parse_hash(text: str, what: str = "a hash") -> bytes:
    """Read a hash in base64. Raises CheckpointError."""
    digest = _decoded(text, what)
    if len(digest) != HASH_BYTES:
        raise CheckpointError(f"{what} is not of {HASH_BYTES} bytes")
    return digest


def tlog_proof(index: int, hashes: Sequence[bytes], checkpoint: str) -> str:
    """An inclusion proof and its checkpoint as one text (C2SP tlog-proof)."""
    lines = "".join(f"{base64.b64encode(one).decode()}\n" for one in hashes)
    return f"{_TLOG_PROOF}\nindex {index}\n{lines}\n{checkpoint}"


def verified(signed: str, origin: str, keys: Sequence[VerifierKey]) -> Checkpoint:
    """The checkpoint of this origin in a note that one of these keys has signed.

    Raises CheckpointError. Origin and keys are the caller's own: whatever a server says of them
    counts for nothing.
    """
    note = parse_note(signed)
    _verify_any(note, keys)
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != origin:
        raise CheckpointError(f"the checkpoint is of {checkpoint.origin!r}, not of {origin!r}")
    return checkpoint


def _verify_any(note: Note, keys: Sequence[VerifierKey]) -> None:
    present = {(one.name, one.key_id) for one in note.signatures}
    known = [key for key in keys if (key.name, key.key_id) in present]
    if not known:
        raise CheckpointError("the checkpoint is not signed by any key that was given")
    for key in known:
        key.verify(note)


def _is_text(name: str) -> bool:
    """Whether it can be written as UTF-8: a command is given other bytes as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _decoded(text: str, what: str) -> bytes:
    """Base64 in its one canonical form."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CheckpointError(f"{what} is not in base64") from None
    if base64.b64encode(data).decode() != text:
        raise CheckpointError(f"{what} is not in canonical base64")
    return data
