"""The master key: it wraps the subject keys."""

import base64
import binascii
import secrets
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Self

from pourparler_service.storage.data_directory import write_whole

MASTER_KEY = "master.key"
"""The file of the master key in the data directory, unless another one is named."""

KEY_BYTES = 32

INFO = b"pourparler.v1.words"
"""The context of derived keys. Permanent."""


class SubjectKeyError(Exception):
    """The keys of persons cannot be read or changed. The text says why."""


class MasterKeyError(SubjectKeyError):
    """The master key is missing, or another one is needed. The text says what depends on it."""


class MasterKey(NamedTuple):
    """The key that wraps subject keys, and its file, if it is in one."""

    key: bytes
    file: Path | None = None

    @property
    def key_id(self) -> str:
        """Eight hexadecimal digits that name the key without revealing it."""
        return sha256(INFO + self.key).hexdigest()[:8]

    @classmethod
    def random(cls) -> Self:
        """Return a new master key that is in no file."""
        return cls(secrets.token_bytes(KEY_BYTES))


def read_master_key(given: str) -> MasterKey:
    """Return the master key of a setting: 32 bytes in base64, or a file that contains them.

    Raise MasterKeyError.
    """
    if (key := decoded(given)) is not None:
        return MasterKey(key)
    file = Path(given)
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise MasterKeyError(f"The master key cannot be read from {file}: {why}.") from None
    if (key := decoded(text)) is None:
        raise MasterKeyError(f"The file {file} is not a master key: 32 bytes in base64.")
    return MasterKey(key, file)


def decoded(text: str) -> bytes | None:
    """Return the key that a text encodes in base64; None if it encodes none."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None


def write_master_key(file: Path) -> MasterKey:
    """Write a new master key to a file that its owner alone can read. Raise DataDirectoryError."""
    master = MasterKey(MasterKey.random().key, file)
    write_whole(file, base64.b64encode(master.key) + b"\n")
    return master
