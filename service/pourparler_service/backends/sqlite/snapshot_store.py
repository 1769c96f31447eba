"""Snapshots in a SQLite file of their own."""

import contextlib
import logging
from pathlib import Path

from eventsourcing.domain import EventSourcingError
from eventsourcing.persistence import (
    StoredEvent,
)
from eventsourcing.sqlite import (
    SQLiteAggregateRecorder,
    SQLiteDatastore,
)

from pourparler_service.aggregate.snapshots import HELD_BYTES, Snapshots
from pourparler_service.storage.event_store import _as_unavailable
from pourparler_service.storage.interface import (
    ConflictError,
    StoredEntry,
    StoreUnavailableError,
)
from pourparler_service.storage.subject_keys import SubjectKeyStore

_LOG = logging.getLogger(__name__)


class SqliteSnapshotFile:
    """Bytes by negotiation and version, beside the record and apart from it: a cache.

    In a file of its own, so that to write to it never keeps an append waiting. For any thread.
    Every method raises StoreUnavailableError when it fails.
    """

    def __init__(self, path: Path | None) -> None:
        """Open the file at this path, or make it; without one, keep them in memory."""
        with _as_unavailable():
            self._datastore = SQLiteDatastore(
                str(path or ":memory:"), pool_size=1, max_overflow=0, originator_id_type="text"
            )
            self._recorder = SQLiteAggregateRecorder(self._datastore, "shelf")
            with self._datastore.get_connection(commit=True) as connection:
                cursor = connection.cursor()
                # What a crash loses can be made again: no need to wait for the disk.
                cursor.execute("PRAGMA synchronous = NORMAL")
                # What is purged is gone from the file.
                cursor.execute("PRAGMA secure_delete = ON")
            self._recorder.create_table()

    def put(self, one: StoredEntry) -> None:
        """Keep this, unless there is something of its negotiation and version already."""
        with contextlib.suppress(ConflictError), _as_unavailable():
            self._recorder.insert_events(
                [StoredEvent(one.negotiation, one.version, one.topic, one.data)]
            )

    def nearest(self, negotiation: str, upto: int) -> StoredEntry | None:
        """What is kept of the highest version up to and including `upto`."""
        with _as_unavailable():
            found = self._recorder.select_events(negotiation, lte=upto, desc=True, limit=1)
        if not found:
            return None
        (one,) = found
        return StoredEntry(negotiation, one.originator_version, one.topic, one.state)

    def size(self) -> int:
        """How many bytes are kept."""
        with _as_unavailable(), self._datastore.transaction(commit=False) as cursor:
            cursor.execute("SELECT COALESCE(SUM(LENGTH(state)), 0) FROM shelf")
            return int(cursor.fetchone()[0])

    def purge(self, negotiation: str) -> None:
        """Destroy all that is kept of a negotiation."""
        self._delete("DELETE FROM shelf WHERE originator_id = ?", negotiation)

    def purge_others(self, topic: str) -> None:
        """Destroy all that is of another topic."""
        self._delete("DELETE FROM shelf WHERE topic != ?", topic)

    def _delete(self, statement: str, value: str) -> None:
        with _as_unavailable():
            with self._datastore.transaction(commit=True) as cursor:
                cursor.execute(statement, (value,))
            with self._datastore.get_connection(commit=True) as connection:
                # The file's journal has copies of what was deleted.
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Let the file go."""
        with contextlib.suppress(EventSourcingError):
            self._datastore.close()


def open_snapshots(path: Path | None, persons: SubjectKeyStore | None = None) -> Snapshots:
    """The snapshots in the file at this path, which is made anew if it cannot be read.

    Without a path they are kept in memory. They are sealed with the keys of these persons.
    """
    if path is None:
        return Snapshots(SqliteSnapshotFile(None), persons, kept_bytes=HELD_BYTES)
    try:
        return Snapshots(SqliteSnapshotFile(path), persons)
    except StoreUnavailableError as error:
        _LOG.warning("snapshots are begun anew: %s", error)
    try:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return Snapshots(SqliteSnapshotFile(path), persons)
    except (StoreUnavailableError, OSError) as error:
        _LOG.warning("there are no snapshots: %s", error)
        return Snapshots(None)
