"""Checkpoints: a signed size and root, as C2SP tlog-checkpoint in a C2SP signed-note.

A checkpoint is text that people can store, mail and print. This module accepts only the exact form,
so that two readers never understand one text in two ways.
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
_MAX_NOTE_CHARS = 65_536
_TLOG_PROOF = "c2sp.org/tlog-proof@v1"
_MAX_SIGNATURES = 64


class CheckpointError(ValueError):
    """A text is no valid checkpoint, or lacks a valid signature; the text gives the reason."""


class Checkpoint(NamedTuple):
    """The state of a log: its origin, its number of leaves, and their Merkle root."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the text that is signed."""
        root = base64.b64encode(self.root).decode()
        return "".join(f"{line}\n" for line in (self.origin, self.size, root, *self.extensions))


class Signature(NamedTuple):
    """A signature on a note: the name of its key, the key id (4 bytes), and its bytes."""

    name: str
    key_id: bytes
    data: bytes

    def line(self) -> str:
        """Return the line of the signature in a note."""
        return f"\u2014 {self.name} {base64.b64encode(self.key_id + self.data).decode()}\n"


class Note(NamedTuple):
    """A signed text (C2SP signed-note)."""

    text: str
    signatures: tuple[Signature, ...]

    def signed(self) -> str:
        """Return the note with its signatures, as text."""
        return self.text + "\n" + "".join(signature.line() for signature in self.signatures)


class VerifierKey(NamedTuple):
    """A public key and its name, in the form `name+id+key` (C2SP signed-note)."""

    name: str
    algorithm: int
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The id of the key in its signatures, 4 bytes."""
        return key_id(self.name, self.algorithm, self.public_key)

    def __str__(self) -> str:
        """Return the key as text."""
        key = base64.b64encode(bytes([self.algorithm]) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Parse a key. Raises CheckpointError if it is malformed or not supported."""
        match = _VERIFIER_KEY.fullmatch(text)
        if match is None:
            raise CheckpointError("a verifier key has the form name+id+key")
        name, id_, encoded = match.groups()
        if not _is_unicode(name):
            raise CheckpointError("the name in the verifier key is not valid text")
        data = _decode_base64(encoded, "the verifier key")
        if len(data) != 1 + HASH_BYTES or data[0] not in {ED25519, COSIGNATURE}:
            raise CheckpointError("the algorithm of the verifier key is not supported")
        key = cls(name, data[0], data[1:])
        if key.key_id.hex() != id_:
            raise CheckpointError("the id of the verifier key does not match its key")
        return key

    def verify(self, note: Note) -> int | None:
        """Verify the signature of this key on a note. Return the time of a cosignature, or None.

        The time is in seconds since 1970. Raises CheckpointError if there is no signature of this
        key, or if any is not valid.
        """
        mine = [
            one for one in note.signatures if (one.name, one.key_id) == (self.name, self.key_id)
        ]
        if not mine:
            raise CheckpointError(f"there is no signature by {self.name}+{self.key_id.hex()}")
        times = [self._verify_signature(note.text, one.data) for one in mine]
        return times[0]

    def _verify_signature(self, text: str, data: bytes) -> int | None:
        time, message = None, text
        if self.algorithm == COSIGNATURE:
            if len(data) != _TIME_BYTES + _SIGNATURE_BYTES:
                raise CheckpointError(f"the cosignature by {self.name} has a wrong length")
            time, data = int.from_bytes(data[:_TIME_BYTES], "big"), data[_TIME_BYTES:]
            message = cosignature_text(time, text)
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(data, message.encode())
        except (InvalidSignature, ValueError):
            raise CheckpointError(f"the signature by {self.name} is not valid") from None
        return time


def log_origin(name: str, negotiation: str) -> str:
    """Return the origin of a log, from the name of its service and the id of its negotiation."""
    return f"{name}/negotiations/{negotiation}"


def key_id(name: str, algorithm: int, public_key: bytes) -> bytes:
    """Return the key id: 4 bytes of SHA-256 over name, newline, algorithm, key (signed-note)."""
    named = name.encode() + b"\n" + bytes([algorithm]) + public_key
    return hashlib.sha256(named).digest()[:_KEY_ID_BYTES]


def cosignature_text(time: int, text: str) -> str:
    """Return the text that a witness signs (C2SP tlog-cosignature); time in seconds since 1970."""
    return f"cosignature/v1\ntime {time}\n{text}"


def parse_note(signed: str) -> Note:
    """Parse a signed note (C2SP signed-note). Raises CheckpointError if it is malformed."""
    if len(signed) > _MAX_NOTE_CHARS:
        raise CheckpointError("the note is too long")
    if any(character < " " and character != "\n" for character in signed):
        raise CheckpointError("the note has control characters; its lines end in a newline alone")
    text, blank, signatures = signed.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise CheckpointError("the note has no signatures below a blank line, or is truncated")
    lines = signatures.removesuffix("\n").split("\n")
    if len(lines) > _MAX_SIGNATURES:
        raise CheckpointError(f"the note has more than {_MAX_SIGNATURES} signatures")
    return Note(text + "\n", tuple(map(_signature, lines)))


def _signature(line: str) -> Signature:
    match = _SIGNATURE_LINE.fullmatch(line)
    if match is None:
        raise CheckpointError("a line below the blank line is not a signature")
    data = _decode_base64(match[2], "a signature")
    if len(data) <= _KEY_ID_BYTES:
        raise CheckpointError("a signature is too short")
    return Signature(match[1], data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])


def parse_checkpoint(text: str) -> Checkpoint:
    """Parse the text of a checkpoint, without signatures. Raises CheckpointError if malformed."""
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
    """Parse a hash of 32 bytes in base64. Raises CheckpointError if it is malformed."""
    digest = _decode_base64(text, what)
    if len(digest) != HASH_BYTES:
        raise CheckpointError(f"{what} is not of {HASH_BYTES} bytes")
    return digest


def tlog_proof(index: int, hashes: Sequence[bytes], checkpoint: str) -> str:
    """Return an inclusion proof and its checkpoint as one text (C2SP tlog-proof)."""
    lines = "".join(f"{base64.b64encode(one).decode()}\n" for one in hashes)
    return f"{_TLOG_PROOF}\nindex {index}\n{lines}\n{checkpoint}"


def verify_checkpoint(signed: str, origin: str, keys: Sequence[VerifierKey]) -> Checkpoint:
    """Return the checkpoint in a note that one of these keys signed, for this origin.

    The caller must know the origin and the keys from another source than the server. Raises
    CheckpointError if the note is not valid.
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
        raise CheckpointError("the checkpoint is not signed by any of the given keys")
    for key in known:
        key.verify(note)


def _is_unicode(name: str) -> bool:
    """Return True if the text encodes as UTF-8. Command arguments may hold lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _decode_base64(text: str, what: str) -> bytes:
    """Return the bytes of canonical base64. Raises CheckpointError for any other form."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CheckpointError(f"{what} is not in base64") from None
    if base64.b64encode(data).decode() != text:
        raise CheckpointError(f"{what} is not in canonical base64")
    return data
