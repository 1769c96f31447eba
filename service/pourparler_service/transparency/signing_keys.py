"""Signing keys (C2SP signed-note): their creation, their private files, and their signatures."""

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
    """A signing key cannot be used. The text gives the cause and the next step."""


@dataclass(frozen=True)
class SigningKey:
    """A private Ed25519 key, its name, and the time from which it signs (C2SP signed-note)."""

    name: str
    private_key: Ed25519PrivateKey
    since: datetime
    algorithm: int = ED25519
    """The purpose: ED25519 for the key of a service, COSIGNATURE for the key of a witness."""

    @cached_property
    def verifier_key(self) -> VerifierKey:
        """The verifier key. Publish it independently of the service."""
        public_key = self.private_key.public_key().public_bytes_raw()
        return VerifierKey(self.name, self.algorithm, public_key)

    def sign(self, text: str) -> Signature:
        """Return the signature of a text. Ed25519 is deterministic (RFC 8032)."""
        data = self.private_key.sign(text.encode())
        return Signature(self.name, self.verifier_key.key_id, data)

    def cosign(self, text: str, time: int) -> Signature:
        """Return a cosignature (C2SP tlog-cosignature) with a time in seconds since 1970."""
        data = self.private_key.sign(cosignature_text(time, text).encode())
        return Signature(self.name, self.verifier_key.key_id, time.to_bytes(8, "big") + data)


def make_key(name: str, since: datetime | None = None, algorithm: int = ED25519) -> SigningKey:
    """Return a new key. Raise KeyFileError if the name is not a valid key name."""
    if not _NAME.fullmatch(name):
        message = (
            f"The key name {name!r} is not valid: a name is 1 to 200 printable ASCII characters"
            " without spaces and plus signs. Use the address of the service, such as"
            " example.org/record."
        )
        raise KeyFileError(message)
    return SigningKey(name, Ed25519PrivateKey.generate(), since or datetime.now(UTC), algorithm)


def write_key(key: SigningKey, path: Path) -> None:
    """Write a key to a new file that only its owner can read. Raise KeyFileError on failure."""
    seed = key.private_key.private_bytes_raw()
    encoded = base64.b64encode(bytes([key.algorithm]) + seed).decode()
    since = key.since.astimezone(UTC).isoformat().replace("+00:00", "Z")
    text = f"PRIVATE+KEY+{key.name}+{key.verifier_key.key_id.hex()}+{encoded}\nsince {since}\n"
    new_path = path.with_name(path.name + ".new")
    try:
        # A file that a crash left may have another mode, or be a link: never write into it.
        new_path.unlink(missing_ok=True)
        handle = os.open(new_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(new_path)
        finally:
            new_path.unlink()
    except FileExistsError:
        message = (
            f"The file {path} already exists. A key file is never overwritten: choose another path."
        )
        raise KeyFileError(message) from None
    except OSError as error:
        message = f"The key cannot be written to {path}: {error.strerror}."
        raise KeyFileError(message) from error


def read_key(path: Path) -> SigningKey:
    """Read a key. Raise KeyFileError on failure, and if other users can read the file."""
    try:
        with path.open(encoding="ascii") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                message = (
                    f"Other users can read the key file {path}. Restrict it (chmod 600), and"
                    " replace the key if it may have leaked."
                )
                raise KeyFileError(message)
            text = file.read(_LONGEST)
    except (OSError, UnicodeDecodeError) as error:
        message = f"The key file {path} cannot be read: {error}."
        raise KeyFileError(message) from error
    key = _parse(text)
    if key is None:
        message = f"The file {path} is not a signing key. Create one with `pourparler keygen`."
        raise KeyFileError(message)
    return key


def _parse(text: str) -> SigningKey | None:
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
    is_valid = data[0] in {ED25519, COSIGNATURE} and key.verifier_key.key_id.hex() == key_id
    return key if is_valid and key.since.tzinfo is not None else None


class Signer:
    """The keys of a service under one name. In a rotation a newer key joins the older ones."""

    def __init__(self, keys: Iterable[SigningKey]) -> None:
        """Sign with these keys.

        Raise KeyFileError without a key, if the names differ, or if one is the key of a witness.
        """
        self._keys = sorted(keys, key=lambda key: key.since)
        for key in self._keys:
            if key.algorithm != ED25519:
                message = (
                    f"The key {key.verifier_key} is the key of a witness. Use the key of a service."
                )
                raise KeyFileError(message)
        names = {key.name for key in self._keys}
        if len(names) != 1:
            message = (
                f"The keys of a service have one name, but these are {', '.join(sorted(names))}."
                if names
                else "A service requires at least one signing key."
            )
            raise KeyFileError(message)
        self.name = self._keys[0].name

    @property
    def verifier_keys(self) -> Sequence[VerifierKey]:
        """The verifier keys of the signatures."""
        return [key.verifier_key for key in self._keys]

    def checkpoint(self, negotiation: str, size: int, root: bytes, record_time: Timestamp) -> str:
        """Return a checkpoint (C2SP tlog-checkpoint) signed by the keys in use at the record time.

        The text is the same each time, also after a key rotation. This holds while the keys are
        kept, and if a new key is put into use when it is made. The first key signs all older
        checkpoints.
        """
        text = Checkpoint(log_origin(self.name, negotiation), size, root).text()
        at = record_time.ToMicroseconds()
        first, *others = self._keys
        keys = [first, *(key for key in others if _microseconds(key.since) <= at)]
        return Note(text, tuple(key.sign(text) for key in keys)).signed()


def _microseconds(since: datetime) -> int:
    time = Timestamp()
    time.FromDatetime(since)
    return time.ToMicroseconds()
