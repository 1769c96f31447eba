"""Encoded snapshots in a SQLite file of their own."""

import sqlite3
import threading
from pathlib import Path

from pourparler_service.aggregate.snapshots import DISK_BYTES, MEMORY_BYTES
from pourparler_service.backends.sqlite.transaction import (
    as_unavailable,
    connect_derived,
    empty_journal,
)
from pourparler_service.storage.interface import StoredEntry

DATABASE = "snapshots.sqlite"
"""The file in the data directory."""

_TABLE = """
CREATE TABLE IF NOT EXISTS shelf (
    originator_id TEXT,
    originator_version INTEGER,
    topic TEXT,
    state BLOB,
    PRIMARY KEY (originator_id, originator_version)
) WITHOUT ROWID
"""


class SqliteSnapshotFile:
    """A SnapshotFile in a file, so that a write to it never delays an append; or in memory."""

    def __init__(self, path: Path | None) -> None:
        """Open the file at `path`, or create it; replace one that is damaged.

        Raise StoreUnavailableError.
        """
        self.capacity = DISK_BYTES if path else MEMORY_BYTES
        self._lock = threading.Lock()  # guards the database
        self._database = connect_derived(path, _create)

    def put(self, one: StoredEntry) -> None:
        """As SnapshotFile says."""
        with self._lock, as_unavailable(DATABASE):
            self._database.execute(
                "INSERT OR IGNORE INTO shelf VALUES (?, ?, ?, ?)",
                (one.negotiation, one.version, one.topic, one.data),
            )

    def nearest(self, negotiation: str, upto: int) -> StoredEntry | None:
        """As SnapshotFile says."""
        with self._lock, as_unavailable(DATABASE):
            row = self._database.execute(
                "SELECT originator_version, topic, state FROM shelf"
                " WHERE originator_id = ? AND originator_version <= ?"
                " ORDER BY originator_version DESC LIMIT 1",
                (negotiation, upto),
            ).fetchone()
        return None if row is None else StoredEntry(negotiation, *row)

    def size(self) -> int:
        """As SnapshotFile says."""
        with self._lock, as_unavailable(DATABASE):
            ((size,),) = self._database.execute("SELECT COALESCE(SUM(LENGTH(state)), 0) FROM shelf")
        return int(size)

    def purge(self, negotiation: str) -> None:
        """As SnapshotFile says."""
        with self._lock, as_unavailable(DATABASE):
            self._database.execute("DELETE FROM shelf WHERE originator_id = ?", (negotiation,))
            empty_journal(self._database)

    def purge_others(self, topic: str) -> None:
        """As SnapshotFile says."""
        with self._lock, as_unavailable(DATABASE):
            self._database.execute("DELETE FROM shelf WHERE topic != ?", (topic,))
            empty_journal(self._database)

    def close(self) -> None:
        """As SnapshotFile says."""
        with self._lock:
            self._database.close()


def _create(database: sqlite3.Connection) -> None:
    database.execute(_TABLE)
