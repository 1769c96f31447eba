"""The data directory on disk: one process at a time, one format, and the secrets of its record."""

import json
import os
import secrets
import threading
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

try:
    import fcntl
except ModuleNotFoundError:  # as on Windows
    fcntl = None  # type: ignore[assignment]

FORMAT = 1
"""The version of the directory format that this program reads and writes."""

_ABOUT = "pourparler.json"
_LOCK = "lock"
_CAN_LOCK = fcntl is not None
_SECRET_BYTES = 32


class DataDirectoryError(Exception):
    """The data directory cannot be used. The text says why, and what to do."""


class DataDirectoryInUseError(DataDirectoryError):
    """Another process uses the directory."""


class DataDirectoryTooNewError(DataDirectoryError):
    """A newer version of the program wrote the directory."""


def hold(path: Path) -> int:
    """Create a directory if it is missing, and lock it; return the file descriptor of the lock.

    Closing the descriptor unlocks it. Raise DataDirectoryError if the directory cannot be written,
    DataDirectoryInUseError while another process holds it.
    """
    if not _CAN_LOCK:
        message = (
            f"The data folder {path} cannot be locked: this system has no POSIX file locks."
            " Run the service on Linux, macOS or another POSIX system."
        )
        raise DataDirectoryError(message)
    try:
        # It contains confidential words: a new one is for its owner alone.
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The lock ends with the process: a crash leaves nothing to clean up.
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        message = f"The data folder {path} cannot be written: {error.strerror}."
        raise DataDirectoryError(message) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        message = (
            f"The data folder {path} is in use by another process."
            " Stop that one first, or give this one a folder of its own."
        )
        raise DataDirectoryInUseError(message) from None
    except OSError as error:
        os.close(lock)
        message = f"The data folder {path} cannot be locked: {error.strerror}."
        raise DataDirectoryError(message) from error
    return lock


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, durably. Raise DataDirectoryError."""
    fresh = path.with_name(path.name + ".new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        message = f"The data folder {path.parent} cannot be written: {error.strerror}."
        raise DataDirectoryError(message) from error


class DataDirectory:
    """A RecordDirectory on disk, locked by this process until it is closed.

    A directory that is restored from a backup keeps its log id. Another record has another one.
    """

    def __init__(self, path: Path) -> None:
        """Open a directory, or create it.

        Raise DataDirectoryError; the content of the directory is unchanged then.
        """
        self.path = path
        self._making = threading.Lock()  # held while a secret is made
        self._lock = hold(path)
        try:
            self.log_id = self._log_id()
        except BaseException:
            os.close(self._lock)
            raise

    def _log_id(self) -> str:
        about = self.path / _ABOUT
        if not about.exists():
            if any(self.path.glob("*.sqlite*")):
                message = (
                    f"The data folder {self.path} has a database but no {_ABOUT}:"
                    " it is not a data folder of pourparler, or a part of it is lost."
                )
                raise DataDirectoryError(message)
            write_whole(
                about, json.dumps({"format": FORMAT, "log_id": str(uuid.uuid4())}).encode() + b"\n"
            )
        try:
            said = json.loads(about.read_text(encoding="utf-8"))
            written, log_id = int(said["format"]), str(said["log_id"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            message = f"{about} cannot be read: {error}."
            raise DataDirectoryError(message) from error
        if written > FORMAT:
            message = (
                f"The data folder {self.path} has format {written}, written by a newer version of"
                f" pourparler; this one reads up to format {FORMAT}. Nothing was changed."
            )
            raise DataDirectoryTooNewError(message)
        return log_id

    def secret(self, name: str) -> bytes:
        """As RecordDirectory says. Raise DataDirectoryError if the file is damaged."""
        path = self.path / f"{name}.secret"
        with self._making:
            if not path.exists():
                write_whole(path, secrets.token_bytes(_SECRET_BYTES))
        try:
            secret = path.read_bytes()
        except OSError as error:
            message = f"The file {path} cannot be read: {error.strerror}."
            raise DataDirectoryError(message) from error
        if len(secret) != _SECRET_BYTES:
            message = (
                f"The file {path} is not a secret of {_SECRET_BYTES} bytes."
                " Remove it, and another one is made."
            )
            raise DataDirectoryError(message)
        return secret

    def close(self) -> None:
        """Unlock the directory, so that another process may use it."""
        os.close(self._lock)

    def __enter__(self) -> Self:
        """Keep the directory for the length of a `with` block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Unlock the directory."""
        self.close()
