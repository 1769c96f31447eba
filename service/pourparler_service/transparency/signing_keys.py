"""Signing keys: made, kept in files that only their owner can read, and put to checkpoints."""

import base64
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.timestamp_pb2 import Timestamp

from pourparler.transparency.checkpoint import (
    COSIGNATURE,
    ED25519,
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    cosignature_text,
    log_origin,
)

_NAME = re.compile(r"[!-*,-~]{1,200}", re.ASCII)  # printable, no blank and no plus sign
_KEY_FILE = re.compile(
    r"PRIVATE\+KEY\+([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)\nsince ([0-9TZ:.-]+)\n"
)
_LONGEST = 4_096


class KeyFileError(Exception):
    """A signing key cannot be used. The text says why, and what would help."""


@dataclass(frozen=True)
class SigningKey:
    """A private key, the name that it signs under, and from when on it signs."""

    name: str
    private_key: Ed25519PrivateKey
    since: datetime
    algorithm: int = ED25519
    """What it is for: ED25519 for the key of a service, COSIGNATURE for that of a witness."""

    @cached_property
    def verifier_key(self) -> VerifierKey:
        """What verifies its signatures: to be given out by another way than the service."""
        public_key = self.private_key.public_key().public_bytes_raw()
        return VerifierKey(self.name, self.algorithm, public_key)

    def sign(self, text: str) -> Signature:
        """The signature of a text. Ed25519 gives the same one each time (RFC 8032)."""
        data = self.private_key.sign(text.encode())
        return Signature(self.name, self.verifier_key.key_id, data)

    def cosign(self, text: str, time: int) -> Signature:
        """A witness's signature of a text, with the time in seconds since 1970 that it states."""
        data = self.private_key.sign(cosignature_text(time, text).encode())
        return Signature(self.name, self.verifier_key.key_id, time.to_bytes(8, "big") + data)


def make_key(name: str, since: datetime | None = None, algorithm: int = ED25519) -> SigningKey:
    """A new key. Raises KeyFileError if the name is not one that a key can have."""
    if not _NAME.fullmatch(name):
        message = (
            f"A key cannot be named {name!r}: a name is 1 to 200 printable ASCII characters without"
            " blanks and plus signs, best the address of the service, such as example.org/record."
        )
        raise KeyFileError(message)
    return SigningKey(name, Ed25519PrivateKey.generate(), since or datetime.now(UTC), algorithm)


def write_key(key: SigningKey, path: Path) -> None:
    """Write a key to a new file that only its owner can read. Raises KeyFileError."""
    seed = key.private_key.private_bytes_raw()
    encoded = base64.b64encode(bytes([key.algorithm]) + seed).decode()
    since = key.since.astimezone(UTC).isoformat().replace("+00:00", "Z")
    text = f"PRIVATE+KEY+{key.name}+{key.verifier_key.key_id.hex()}+{encoded}\nsince {since}\n"
    fresh = path.with_name(path.name + ".new")
    try:
        # What a crash left may have another mode, or lead elsewhere: it is not written into.
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(fresh)
        finally:
            fresh.unlink()
    except FileExistsError:
        message = f"There is a file {path} already: a key is never written over."
        raise KeyFileError(message) from None
    except OSError as error:
        message = f"The key cannot be written to {path}: {error.strerror}."
        raise KeyFileError(message) from error


def read_key(path: Path) -> SigningKey:
    """Read a key. Raises KeyFileError, also where others than its owner could read it."""
    try:
        with path.open(encoding="ascii") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                message = (
                    f"The key file {path} can be read by others. Make it yours alone (chmod 600),"
                    " and think whether the key is still secret."
                )
                raise KeyFileError(message)
            text = file.read(_LONGEST)
    except (OSError, UnicodeDecodeError) as error:
        message = f"The key file {path} cannot be read: {error}."
        raise KeyFileError(message) from error
    key = _parsed(text)
    if key is None:
        message = f"The file {path} is not a signing key of pourparler."
        raise KeyFileError(message)
    return key


def _parsed(text: str) -> SigningKey | None:
    match = _KEY_FILE.fullmatch(text)
    if match is None:
        return None
    name, key_id, encoded, since = match.groups()
    try:
        data = base64.b64decode(encoded, validate=True)
        private_key = Ed25519PrivateKey.from_private_bytes(data[1:])
        key = SigningKey(name, private_key, datetime.fromisoformat(since), data[0])
    except ValueError:
        return None
    whole = data[0] in {ED25519, COSIGNATURE} and key.verifier_key.key_id.hex() == key_id
    return key if whole and key.since.tzinfo is not None else None


class Signer:
    """The keys of a service, all by its one name; for a rotation a newer one joins the older."""

    def __init__(self, keys: Iterable[SigningKey]) -> None:
        """Sign with these keys.

        Raises KeyFileError if there is none, if their names differ, or if one is a witness's.
        """
        self._keys = sorted(keys, key=lambda key: key.since)
        for key in self._keys:
            if key.algorithm != ED25519:
                message = f"The key {key.verifier_key} is a witness's: a service needs one to sign."
                raise KeyFileError(message)
        names = {key.name for key in self._keys}
        if len(names) != 1:
            message = (
                f"The keys of a service go by one name; these go by {', '.join(sorted(names))}."
                if names
                else "A service signs with one key at least."
            )
            raise KeyFileError(message)
        self.name = self._keys[0].name

    @property
    def verifier_keys(self) -> Sequence[VerifierKey]:
        """What verifies the signatures."""
        return [key.verifier_key for key in self._keys]

    def checkpoint(self, negotiation: str, size: int, root: bytes, recorded: Timestamp) -> str:
        """A signed checkpoint: by all keys that were in use when its last entry was recorded.

        So it is the same text each time, whatever keys have come since, as long as these keys are
        kept and a new one is put to use when it is made. The first key signs all that is older.
        """
        text = Checkpoint(log_origin(self.name, negotiation), size, root).text()
        at = recorded.ToMicroseconds()
        first, *others = self._keys
        keys = [first, *(key for key in others if _microseconds(key.since) <= at)]
        return Note(text, tuple(key.sign(text) for key in keys)).signed()


def _microseconds(since: datetime) -> int:
    time = Timestamp()
    time.FromDatetime(since)
    return time.ToMicroseconds()
