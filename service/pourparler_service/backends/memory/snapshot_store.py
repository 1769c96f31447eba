"""Encoded snapshots in memory."""

import threading

from pourparler_service.aggregate.snapshots import MEMORY_BYTES
from pourparler_service.storage.interface import StoredEntry


class MemorySnapshotFile:
    """A SnapshotFile that is lost with the process."""

    def __init__(self) -> None:
        self.capacity = MEMORY_BYTES
        self._lock = threading.Lock()  # guards all below
        self._kept: dict[str, dict[int, StoredEntry]] = {}

    def put(self, one: StoredEntry) -> None:
        """As SnapshotFile says."""
        with self._lock:
            self._kept.setdefault(one.negotiation, {}).setdefault(one.version, one)

    def nearest(self, negotiation: str, upto: int) -> StoredEntry | None:
        """As SnapshotFile says."""
        with self._lock:
            kept = self._kept.get(negotiation, {})
            version = max((one for one in kept if one <= upto), default=None)
            return None if version is None else kept[version]

    def size(self) -> int:
        """As SnapshotFile says."""
        with self._lock:
            return sum(len(one.data) for kept in self._kept.values() for one in kept.values())

    def purge(self, negotiation: str) -> None:
        """As SnapshotFile says."""
        with self._lock:
            self._kept.pop(negotiation, None)

    def purge_others(self, topic: str) -> None:
        """As SnapshotFile says."""
        with self._lock:
            for id_, kept in list(self._kept.items()):
                left = {version: one for version, one in kept.items() if one.topic == topic}
                if left:
                    self._kept[id_] = left
                else:
                    del self._kept[id_]

    def close(self) -> None:
        """As SnapshotFile says."""
