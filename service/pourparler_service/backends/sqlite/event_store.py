"""The event store in a SQLite file, by the tables of the `eventsourcing` library."""

import contextlib
import sqlite3
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

from eventsourcing.domain import EventSourcingError
from eventsourcing.persistence import InfrastructureFactoryError
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore
from eventsourcing.utils import TopicError

from pourparler_service.storage.event_store import (
    ENCRYPTED,
    FAILURES,
    RecordApplication,
    RecorderEventStore,
    as_unavailable,
)
from pourparler_service.storage.interface import (
    COPIES,
    Row,
    Rows,
    StoredEntry,
    StoreSettingsError,
    StoreUnavailableError,
)
from pourparler_service.storage.subject_keys import SubjectKeyStore

DATABASE = "record.sqlite"
"""The file in the data directory. Permanent."""

LOCK_SECONDS = 5
"""How long a write waits for another process that writes to the file."""

_FULL = 2
_PURGE_SECONDS = 10.0
_PURGE_PAUSE = 0.05

_OF_ONE = (
    "SELECT originator_version, originator_id, state FROM stored_events WHERE originator_id = ?"
    " AND originator_version > ? AND originator_version <= ? ORDER BY originator_version"
)
_ONE = "SELECT state FROM stored_events WHERE originator_id = ? AND originator_version = ?"
_OF_ALL = (
    "SELECT rowid, originator_id, state FROM stored_events WHERE originator_id NOT GLOB ?"
    " AND rowid > ? AND rowid <= ? ORDER BY rowid"
)
_REWRITE = "UPDATE stored_events SET state = ? WHERE originator_id = ? AND originator_version = ?"
_ANY_ENCRYPTED = "SELECT 1 FROM stored_events WHERE substr(state, 1, 1) = ? LIMIT 1"


class SqliteEventStore(RecorderEventStore):
    """An EventStore in a file: WAL, and synchronous = FULL.

    One process writes. A position is the rowid: no row is ever deleted, so none is given twice.
    """

    failures: ClassVar = (*FAILURES, sqlite3.Error)

    def __init__(
        self,
        path: Path | None,
        keys: SubjectKeyStore,
        *,
        exclusive: bool = True,
        encoding: Mapping[str, str] | None = None,
        lock_seconds: int = LOCK_SECONDS,
    ) -> None:
        """Open the database at `path`, or create it; without a path, open one in memory.

        `encoding` has variables of the library from `ENCODING`. Raise StoreSettingsError or
        StoreUnavailableError.
        """
        self._keys = keys
        self._on_disk = path is not None
        # The library never closes a database in memory between two of its connections.
        name = str(path) if path is not None else f"file:{uuid.uuid4()}?mode=memory&cache=shared"
        self._environment = {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": name,
            "SQLITE_LOCK_TIMEOUT": str(lock_seconds),
            **(encoding or {}),
        }
        with as_unavailable(self.failures):
            try:
                application = self._opened()
            except (InfrastructureFactoryError, TopicError, OSError) as error:
                # The library says it of settings that it cannot use.
                raise StoreSettingsError(str(error)) from error
            super().__init__(application, keys, exclusive=exclusive)
            if self._on_disk:
                # In a pool of the library, a writer that waits makes readers wait: reads have their
                # own.
                self._reads = self._opened(CREATE_TABLE="n")
            self._prepare()

    def _opened(self, **environment: str) -> RecordApplication:
        return RecordApplication({**self._environment, **environment}, self._keys)

    def _prepare(self) -> None:
        """Create the table of `probe`, and see that commits reach the disk before they return."""
        with self._datastore.transaction(commit=True) as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS probe (probed INTEGER)")
            cursor.execute("INSERT INTO probe SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM probe)")
        if self._on_disk:
            with self._datastore.transaction(commit=False) as cursor:
                cursor.execute("PRAGMA synchronous")
                if cursor.fetchone()[0] < _FULL:
                    message = (
                        "This build of SQLite does not wait for the disk at a commit (synchronous"
                        " is below FULL): acknowledged entries would not be safe."
                    )
                    raise StoreSettingsError(message)

    @property
    def _datastore(self) -> SQLiteDatastore:
        return cast("SQLiteApplicationRecorder", self._writes.recorder).datastore

    def _reopen(self) -> None:
        # A connection whose commit failed returns to the pool of the library with its transaction
        # open: it must not be used again. Closing it while another thread writes with it would end
        # the process: the caller excludes that.
        if self._on_disk:
            with contextlib.suppress(EventSourcingError, sqlite3.Error, OSError):
                self._writes.close()
            with contextlib.suppress(EventSourcingError, sqlite3.Error, OSError):
                self._writes = self._opened()

    def rows(self, negotiation: str, *, after: int, upto: int, limit: int, size: int) -> Rows:
        """Return the next entries as bytes, as EventStore says."""
        recorder = self._readable
        if recorder is None:
            return super().rows(negotiation, after=after, upto=upto, limit=limit, size=size)
        statement, which = (_OF_ONE, negotiation) if negotiation else (_OF_ALL, f"{COPIES}*")
        rows: list[Row] = []
        decrypt = self.subject_keys.decrypt
        with (
            as_unavailable(self.failures),
            recorder.datastore.transaction(commit=False) as connected,
        ):
            cursor = connected.sqlite_cursor
            cursor.row_factory = None
            # Row by row: memory never holds more of them than are returned.
            for place, id_, stored in cursor.execute(statement, (which, after, upto)):
                data = decrypt(id_, stored) if stored[:1] == ENCRYPTED else stored
                rows.append((place, id_, data))
                size -= len(data)
                if size <= 0 or len(rows) == limit:
                    return Rows(rows, last=False)
        return Rows(rows, last=True)

    def several(self, places: Sequence[tuple[str, int]], size: int) -> list[bytes]:
        """Return the bytes of entries in the given order, as EventStore says."""
        recorder = self._readable
        if recorder is None:
            return super().several(places, size)
        found: list[bytes] = []
        decrypt = self.subject_keys.decrypt
        with (
            as_unavailable(self.failures),
            recorder.datastore.transaction(commit=False) as connected,
        ):
            cursor = connected.sqlite_cursor
            cursor.row_factory = None
            for id_, version in places:
                ((stored,),) = cursor.execute(_ONE, (id_, version))
                found.append(decrypt(id_, stored) if stored[:1] == ENCRYPTED else stored)
                size -= len(found[-1])
                if size <= 0:
                    break
        return found

    @property
    def _readable(self) -> SQLiteApplicationRecorder | None:
        """The recorder whose rows have entries as they are; None if they pass a compressor."""
        mapper = self._reads.mapper
        if mapper.compressor or mapper.cipher:
            return None
        return cast("SQLiteApplicationRecorder", self._reads.recorder)

    def rewrite(self, records: Sequence[StoredEntry]) -> bool:
        """Replace the stored bytes of these versions, as EventStore says. Return True."""
        rows = [self._writes.mapper.to_stored_event(cast("Any", one)) for one in records]
        with self._write(), self._datastore.transaction(commit=True) as cursor:
            cursor.execute("PRAGMA secure_delete = ON")
            for row in rows:
                cursor.execute(_REWRITE, (row.state, row.originator_id, row.originator_version))
        return True

    def purge(self) -> None:
        """Remove replaced bytes from the file and its write-ahead log, as EventStore says."""
        if not self._on_disk:
            return
        until = time.monotonic() + _PURGE_SECONDS
        while True:
            with self._write(), self._datastore.get_connection(commit=True) as connection:
                cursor = connection.cursor()
                cursor.execute("PRAGMA secure_delete = ON")
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                if not cursor.fetchone()[0]:
                    return
            if time.monotonic() > until:
                raise StoreUnavailableError("readers keep the write-ahead log from being emptied")
            time.sleep(_PURGE_PAUSE)

    def probe(self) -> None:
        """Read and write, to see that both work. Raise StoreUnavailableError."""
        self.position()
        with self._write(), self._datastore.transaction(commit=True) as cursor:
            cursor.execute("UPDATE probe SET probed = probed + 1")


def has_encrypted_entries(path: Path) -> bool:
    """Return True if a record has entries that subject keys encrypt. Do not create the file."""
    if not path.exists():
        return False
    try:
        with contextlib.closing(sqlite3.connect(path)) as database:
            return database.execute(_ANY_ENCRYPTED, (ENCRYPTED,)).fetchone() is not None
    except sqlite3.Error:
        return False  # Opening the store says what is wrong with it.
