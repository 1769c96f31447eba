"""The master key: it wraps the subject keys."""

import base64
import binascii
import secrets
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from pourparler_service.storage.data_directory import write_whole

MASTER_KEY = "master.key"
"""The file of the master key in the data folder, where no other is named."""


KEY_BYTES = 32


_INFO = b"pourparler.v1.words"


class SubjectKeyError(Exception):
    """The keys of persons cannot be had, or not changed. The text says why."""


class MasterKeyError(SubjectKeyError):
    """The master key is not here, or not the one. The text says what is lost without it."""


class MasterKey(NamedTuple):
    """The key that wraps those of persons, and the file in which it lies, if it does."""

    key: bytes
    file: Path | None = None

    @property
    def key_id(self) -> str:
        """By which it is known without being told: eight hexadecimal digits."""
        return sha256(_INFO + self.key).hexdigest()[:8]


def read_master_key(said: str) -> MasterKey:
    """The master key that is said: 32 bytes in base64, or the file that has them.

    Raises MasterKeyError.
    """
    if (key := _decoded(said)) is not None:
        return MasterKey(key)
    file = Path(said)
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise MasterKeyError(f"The master key cannot be read from {file}: {why}.") from None
    if (key := _decoded(text)) is None:
        raise MasterKeyError(f"The file {file} is not a master key: 32 bytes in base64.")
    return MasterKey(key, file)


def _decoded(text: str) -> bytes | None:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None


def write_master_key(file: Path) -> MasterKey:
    """A new master key, in this file, which only its owner can read. Raises FolderError."""
    key = secrets.token_bytes(KEY_BYTES)
    write_whole(file, base64.b64encode(key) + b"\n")
    return MasterKey(key, file)
