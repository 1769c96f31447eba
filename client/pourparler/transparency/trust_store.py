"""The trust store: the last trusted checkpoint of each log, in a file or in memory."""

import contextlib
import json
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pourparler.errors import (
    TrustStoreError,
)
from pourparler.transparency.checkpoint import (
    Checkpoint,
    CheckpointError,
    parse_checkpoint,
    parse_note,
)

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no file locks of this kind
    fcntl = None  # type: ignore[assignment]

_FORMAT = 1


class SignedCheckpoint(NamedTuple):
    """A trusted checkpoint: its signed text, and its parsed form."""

    signed: str
    checkpoint: Checkpoint


class TrustStore:
    """The last trusted checkpoint of each log, by origin, in a file or in memory.

    Processes and threads may share the file. Protect it: a writer can make the client trust any
    checkpoint that the service ever signed.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Use a file, which may not exist yet. Without a path, use memory."""
        self._path = path
        self._lock = threading.Lock()  # guards _checkpoints, and the file between threads
        self._checkpoints: dict[str, str] = {}

    def last(self, origin: str) -> SignedCheckpoint | None:
        """Return the last checkpoint of a log, or None. Raises TrustStoreError."""
        with self._lock:
            signed = self._read().get(origin)
        return _parse_stored(signed, origin) if signed is not None else None

    def advance(self, origin: str, before: SignedCheckpoint | None, now: SignedCheckpoint) -> bool:
        """Replace the checkpoint `before` of a log by `now`. Return True if it is replaced.

        It is not replaced if the store has another checkpoint than `before` by now. The caller then
        checks against that one. Raises TrustStoreError.
        """
        with self._lock, self._exclusive():
            checkpoints = self._read()
            if checkpoints.get(origin) != (before.signed if before else None):
                return False
            self._write({**checkpoints, origin: now.signed})
            return True

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Exclude the writes of other processes within the block."""
        if self._path is None or fcntl is None:
            yield
            return
        # The lock is a file of its own: each write replaces the store file.
        try:
            lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unusable(error.strerror) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the system releases it when the process ends
            yield
        finally:
            os.close(lock)

    def _read(self) -> dict[str, str]:
        if self._path is None:
            return self._checkpoints
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._unusable(error.strerror) from error
        except ValueError as error:
            raise self._unusable("it is no trust store") from error
        if isinstance(content, dict) and content.get("format") == _FORMAT:
            checkpoints = content.get("checkpoints")
            if isinstance(checkpoints, dict) and all(
                isinstance(one, str) for one in checkpoints.values()
            ):
                return checkpoints
        raise self._unusable("it is no trust store, or its format is not supported")

    def _write(self, checkpoints: dict[str, str]) -> None:
        if self._path is None:
            self._checkpoints = checkpoints
            return
        text = json.dumps({"format": _FORMAT, "checkpoints": checkpoints}, indent=1, sort_keys=True)
        temporary = ""
        try:
            handle, temporary = tempfile.mkstemp(
                prefix=f"{self._path.name}.", dir=self._path.parent
            )
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._path)
        except OSError as error:
            if temporary:
                Path(temporary).unlink(missing_ok=True)
            raise self._unusable(error.strerror) from error

    def _unusable(self, reason: object) -> TrustStoreError:
        return TrustStoreError(f"The trust store {self._path} cannot be used: {reason}.")


def _parse_stored(signed: str, origin: str) -> SignedCheckpoint:
    try:
        checkpoint = parse_checkpoint(parse_note(signed).text)
    except CheckpointError as error:
        raise TrustStoreError(
            f"The checkpoint of {origin} in the trust store is malformed: {error}."
        ) from error
    return SignedCheckpoint(signed, checkpoint)
