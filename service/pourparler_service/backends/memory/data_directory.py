"""The identity and the secrets of a record in memory."""

import secrets
import threading
import uuid
from pathlib import Path

_SECRET_BYTES = 32


class MemoryDirectory:
    """A RecordDirectory that is lost with the process, and that no other process can open."""

    path: Path | None = None

    def __init__(self) -> None:
        self.log_id = str(uuid.uuid4())
        self._lock = threading.Lock()  # guards the secrets
        self._secrets: dict[str, bytes] = {}

    def secret(self, name: str) -> bytes:
        """As RecordDirectory says."""
        with self._lock:
            return self._secrets.setdefault(name, secrets.token_bytes(_SECRET_BYTES))

    def close(self) -> None:
        """As RecordDirectory says."""
