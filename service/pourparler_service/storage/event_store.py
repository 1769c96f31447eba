"""The one door to `eventsourcing`: entries in, entries out, as the bytes they are.

What is said of natural persons lies sealed in the store, and is opened on the way out.

Nothing else imports that library.
"""

import contextlib
import functools
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from eventsourcing.application import Application
from eventsourcing.domain import EventSourcingError
from eventsourcing.persistence import (
    InfrastructureFactoryError,
    IntegrityError,
    Mapper,
    StoredEvent,
)
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteDatastore,
)
from eventsourcing.utils import EnvType, strtobool

from pourparler_service.storage.interface import (
    COPIES,
    ConflictError,
    Row,
    Rows,
    StoredEntry,
    StoreSettingsError,
    StoreUnavailableError,
)
from pourparler_service.storage.key_rotation import open_subject_keys
from pourparler_service.storage.master_key import SubjectKeyError
from pourparler_service.storage.subject_keys import DATABASE, SubjectKeyStore

SQLITE = "eventsourcing.sqlite"
IN_MEMORY = "eventsourcing.popo"


_FULL = 2
_SEALED = b"\x12"  # what a SealedRecord begins with, and no Record
PATIENCE_SECONDS = 5.0
"""How long a write waits for another that is under way."""

_PURGE_SECONDS = 10.0
_PURGE_PAUSE = 0.05
_ANY_SEALED = "SELECT 1 FROM stored_events WHERE substr(state, 1, 1) = x'12' LIMIT 1"
_REWRITE = "UPDATE stored_events SET state = ? WHERE originator_id = ? AND originator_version = ?"
_MAPPED = 64  # how many entries are read at once where their bytes cannot be counted before

_OF_ONE = (
    "SELECT originator_version, originator_id, state FROM stored_events WHERE originator_id = ?"
    " AND originator_version > ? AND originator_version <= ? ORDER BY originator_version"
)
_ONE = "SELECT state FROM stored_events WHERE originator_id = ? AND originator_version = ?"
_OF_ALL = (
    "SELECT rowid, originator_id, state FROM stored_events WHERE originator_id NOT GLOB ?"
    " AND rowid > ? AND rowid <= ? ORDER BY rowid"
)


class _RecordMapper(Mapper[str]):
    """Between Stored and the library's StoredEvent.

    The bytes pass as they are, but for the words that concern persons, which are sealed and opened,
    and for a compressor or cipher if one is set.
    """

    def __init__(self, persons: SubjectKeyStore, **given: Any) -> None:
        super().__init__(**given)
        self._persons = persons

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        stored: StoredEntry = domain_event
        data = stored.data
        if stored.persons:
            data = self._persons.encrypt(stored.negotiation, data, stored.persons)
        if self.compressor:
            data = self.compressor.compress(data)
        if self.cipher:
            data = self.cipher.encrypt(data)
        return StoredEvent(stored.negotiation, stored.version, stored.topic, data)

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        data = stored_event.state
        if self.cipher:
            data = self.cipher.decrypt(data)
        if self.compressor:
            data = self.compressor.decompress(data)
        persons: tuple[str, ...] = ()
        if data[:1] == _SEALED:
            id_ = str(stored_event.originator_id)
            persons = self._persons.subjects_of(id_, data)
            data = self._persons.decrypt(id_, data)
        return StoredEntry(
            str(stored_event.originator_id),
            stored_event.originator_version,
            stored_event.topic,
            data,
            persons,
        )


class _Record(Application[str]):
    """The library's application: one aggregate a negotiation, its id a string."""

    name = "pourparler"

    def __init__(self, env: EnvType, persons: SubjectKeyStore) -> None:
        self._persons = persons
        super().__init__(env)

    def construct_mapper(self) -> Mapper[str]:
        mapper = functools.partial(_RecordMapper, self._persons)
        return mapper(
            transcoder=self.construct_transcoder(),
            cipher=self.factory.cipher(),
            compressor=self.factory.compressor(),
        )


class Store:
    """Entries by negotiation and version, and all together by position: the order of commits.

    Appends come from one thread; reads from any. Every method raises StoreUnavailableError when the
    store fails.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        folder: Path | None = None,
        persons: SubjectKeyStore | None = None,
    ) -> None:
        """Open the store that the environment of the `eventsourcing` library asks for.

        The folder, if there is one, is held by this process alone. What concerns natural persons is
        sealed with the keys of these; without any, with keys in memory. Raises StoreSettingsError.
        """
        self._env = dict(env)
        self.persons = open_subject_keys(None, {}) if persons is None else persons
        _refuse_unsafe(self._env)
        self._writing = threading.Lock()  # held by whoever writes, or opens the store anew
        with _as_unavailable():
            try:
                self._writes = _Record(cast("EnvType", self._env), self.persons)
            except (InfrastructureFactoryError, OSError) as error:
                # What the library says of settings that it cannot use.
                raise StoreSettingsError(str(error)) from error
            datastore = self._datastore
            self._on_disk = datastore is not None and not datastore.pool.is_sqlite_memory_mode
            # In the library's pool a writer that waits makes readers wait; with a pool of their own
            # they do not.
            reading = {**self._env, "CREATE_TABLE": "n"}
            self._reads = self._writes
            if self._on_disk:
                self._reads = _Record(cast("EnvType", reading), self.persons)
            if datastore is not None:
                _prepare(datastore, durable=self._on_disk)
        self.exclusive = self._is_exclusive(folder)
        """Whether nobody but this process can write to it."""

    @property
    def _datastore(self) -> SQLiteDatastore | None:
        recorder = self._writes.recorder
        return recorder.datastore if isinstance(recorder, SQLiteApplicationRecorder) else None

    def _is_exclusive(self, folder: Path | None) -> bool:
        datastore = self._datastore
        if datastore is None:
            return self._env.get("PERSISTENCE_MODULE", IN_MEMORY) == IN_MEMORY
        if not self._on_disk:
            return True
        return folder is not None and Path(datastore.pool.db_name).resolve().parent == folder

    def append(self, records: Sequence[StoredEntry]) -> None:
        """Store entries of any negotiations: when this returns they are on disk, all of them.

        Raises ConflictError, and then stored none. After StoreUnavailableError they may be stored
        or not: read them back.
        """
        sealed = {(one.negotiation, who) for one in records for who in one.persons}
        with self.persons.lock if sealed else contextlib.nullcontext(), self._alone():
            # A crash after this leaves keys that nothing is sealed with; never the reverse.
            self.persons.ensure_keys(sealed)
            self._writes.events.put(cast("Any", records))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Write while nobody else does. Raises StoreUnavailableError, also if others take long."""
        if not self._writing.acquire(timeout=PATIENCE_SECONDS):
            raise StoreUnavailableError("what somebody else writes takes too long")
        try:
            with _as_unavailable():
                yield
        except StoreUnavailableError:
            self._reopen()
            raise
        finally:
            self._writing.release()

    def _reopen(self) -> None:
        # A connection whose commit failed comes back to the library's pool with its transaction
        # open: it must not be used again. Closed under somebody who writes, it would end the
        # process: that is why nobody else may.
        if self._on_disk:
            with contextlib.suppress(EventSourcingError, sqlite3.Error, OSError):
                self._writes.close()
            with contextlib.suppress(EventSourcingError, sqlite3.Error, OSError):
                self._writes = _Record(cast("EnvType", self._env), self.persons)

    def read(
        self,
        negotiation: str,
        *,
        after: int = 0,
        upto: int | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> list[StoredEntry]:
        """The entries of a negotiation above the version `after`, up to and including `upto`."""
        with _as_unavailable():
            found = self._reads.events.get(
                negotiation, gt=after, lte=upto, desc=reverse, limit=limit
            )
            return cast("list[StoredEntry]", list(found))

    def last_version(self, negotiation: str) -> int:
        """The version of the last entry of a negotiation; 0 if there is none."""
        last = self.read(negotiation, reverse=True, limit=1)
        return last[0].version if last else 0

    def scan(self, after: int, limit: int) -> list[tuple[int, StoredEntry]]:
        """Entries of all negotiations above the position `after`, each with its position.

        Positions may have gaps. What stands beside the entries is left out, so that fewer may come
        than there could; none come only at the end.
        """
        reads = self._reads
        with _as_unavailable():
            while found := reads.recorder.select_notifications(
                start=after, limit=limit, inclusive_of_start=False
            ):
                entries = [
                    (one.id, cast("StoredEntry", reads.mapper.to_domain_event(one)))
                    for one in found
                    if not str(one.originator_id).startswith(COPIES)
                ]
                if entries:
                    return entries
                after = found[-1].id
            return []

    def rows(self, negotiation: str, *, after: int, upto: int, limit: int, size: int) -> Rows:
        """The next entries above the place `after`, up to and including `upto`, as bytes.

        Of all negotiations where the id is empty, without what stands beside the entries. There are
        at most so many, and none after those that have `size` bytes together.
        """
        recorder = self._legible
        if recorder is None:
            return self._mapped(negotiation, after, upto, min(limit, _MAPPED))
        statement, whose = (_OF_ONE, negotiation) if negotiation else (_OF_ALL, f"{COPIES}*")
        rows: list[Row] = []
        unsealed = self.persons.decrypt
        with _as_unavailable(), recorder.datastore.transaction(commit=False) as connected:
            cursor = connected.sqlite_cursor
            cursor.row_factory = None
            # Row by row, so that memory never holds more of them than are wanted.
            for place, id_, stored in cursor.execute(statement, (whose, after, upto)):
                data = unsealed(id_, stored) if stored[:1] == _SEALED else stored
                rows.append((place, id_, data))
                size -= len(data)
                if size <= 0 or len(rows) == limit:
                    return Rows(rows, last=False)
        return Rows(rows, last=True)

    def several(self, places: Sequence[tuple[str, int]], size: int) -> list[bytes]:
        """Entries by the ids of their negotiations and their versions, in this order, as bytes.

        There are none after those that have `size` bytes together.
        """
        recorder = self._legible
        if recorder is None:
            read = (self.read(id_, after=one - 1, upto=one) for id_, one in places[:_MAPPED])
            return [one.data for (one,) in read]
        found: list[bytes] = []
        unsealed = self.persons.decrypt
        with _as_unavailable(), recorder.datastore.transaction(commit=False) as connected:
            cursor = connected.sqlite_cursor
            cursor.row_factory = None
            for id_, version in places:
                ((stored,),) = cursor.execute(_ONE, (id_, version))
                found.append(unsealed(id_, stored) if stored[:1] == _SEALED else stored)
                size -= len(found[-1])
                if size <= 0:
                    break
        return found

    @property
    def _legible(self) -> SQLiteApplicationRecorder | None:
        """Where entries lie as the bytes they are; None: they are read through the library."""
        recorder, mapper = self._reads.recorder, self._reads.mapper
        if mapper.compressor or mapper.cipher:
            return None
        return recorder if isinstance(recorder, SQLiteApplicationRecorder) else None

    def _mapped(self, negotiation: str, after: int, upto: int, limit: int) -> Rows:
        """The same through the library, which knows of other databases, and deciphers."""
        if negotiation:
            read = self.read(negotiation, after=after, upto=upto, limit=limit)
            rows = [(one.version, negotiation, one.data) for one in read]
            return Rows(rows, last=len(rows) < limit)
        found = self.scan(after, limit)
        rows = [(place, one.negotiation, one.data) for place, one in found if place <= upto]
        return Rows(rows, last=not found or len(rows) < len(found))

    def rewrite(self, records: Sequence[StoredEntry]) -> bool:
        """Put these in the place of what is stored of their versions; whether this store can.

        Only for words that are destroyed. What stood there before is overwritten, but may still be
        in the files until they are purged.
        """
        if self._datastore is None:
            return False
        rows = [self._writes.mapper.to_stored_event(cast("Any", one)) for one in records]
        with self._alone(), self._datastore.transaction(commit=True) as cursor:
            cursor.execute("PRAGMA secure_delete = ON")
            for row in rows:
                cursor.execute(_REWRITE, (row.state, row.originator_id, row.originator_version))
        return True

    def purge(self) -> None:
        """See that nothing is left in the files of what was overwritten, on SQLite."""
        if self._datastore is None or not self._on_disk:
            return
        until = time.monotonic() + _PURGE_SECONDS
        while True:
            with self._alone(), self._datastore.get_connection(commit=True) as connection:
                cursor = connection.cursor()
                cursor.execute("PRAGMA secure_delete = ON")
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                if not cursor.fetchone()[0]:
                    return
            if time.monotonic() > until:
                raise StoreUnavailableError("readers keep the write-ahead log from being emptied")
            time.sleep(_PURGE_PAUSE)

    def position(self) -> int:
        """The position of the last entry; 0 if there is none."""
        with _as_unavailable():
            return self._reads.recorder.max_notification_id() or 0

    def probe(self) -> None:
        """Read, and on SQLite write, to see that it can be done. Raises StoreUnavailableError."""
        self.position()
        if self._datastore is not None:
            with self._alone(), self._datastore.transaction(commit=True) as cursor:
                cursor.execute("UPDATE probe SET probed = probed + 1")

    def close(self) -> None:
        """Let the store go."""
        with contextlib.suppress(EventSourcingError):
            self._reads.close()
            self._writes.close()
        self.persons.close()


def open_store(folder: Path | None, env: Mapping[str, str] | None = None) -> Store:
    """The store that the environment asks for, and the keys of the persons in it.

    Unless it says otherwise, SQLite in this folder, which is held; without a folder, in memory.
    Raises StoreSettingsError, PersonsError or FolderError.
    """
    env = dict(os.environ if env is None else env)
    env.setdefault("PERSISTENCE_MODULE", SQLITE if folder else IN_MEMORY)
    if folder is not None and env["PERSISTENCE_MODULE"] == SQLITE:
        env.setdefault("SQLITE_DBNAME", str(folder / "record.sqlite"))
        _check_keys(folder, Path(env["SQLITE_DBNAME"]))
    persons = open_subject_keys(folder, env)
    try:
        return Store(env, folder.resolve() if folder else None, persons)
    except BaseException:
        persons.close()
        raise


def _check_keys(folder: Path, record: Path) -> None:
    """Refuse a record that is sealed with keys of which nothing is here: no others will open it."""
    if (folder / DATABASE).exists() or not record.exists():
        return
    try:
        with contextlib.closing(sqlite3.connect(record)) as database:
            sealed = database.execute(_ANY_SEALED).fetchone()
    except sqlite3.Error:
        return  # What is wrong with it is said when it is opened.
    if sealed:
        raise SubjectKeyError(
            f"The data folder {folder} has words that are sealed with keys of persons, but no"
            f" {DATABASE}. Without it they cannot be read, by anybody, ever; facts and proofs would"
            " be left. Put it back. Nothing was changed."
        )


def _refuse_unsafe(env: dict[str, str]) -> None:
    if strtobool(env.get("POSTGRES_ENABLE_DB_FUNCTIONS") or "n"):
        message = (
            "POSTGRES_ENABLE_DB_FUNCTIONS loses entries for readers that follow the record, and"
            " mixes up the tables of two services in one schema. Unset it."
        )
        raise StoreSettingsError(message)
    if env.setdefault("ORIGINATOR_ID_TYPE", "text") != "text":
        message = "ORIGINATOR_ID_TYPE must be text: negotiations are named by their callers."
        raise StoreSettingsError(message)


def _prepare(datastore: SQLiteDatastore, *, durable: bool) -> None:
    """See that commits reach the disk before they return, and make the table of `probe`."""
    with datastore.transaction(commit=True) as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS probe (probed INTEGER)")
        cursor.execute("INSERT INTO probe SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM probe)")
    if durable:
        with datastore.transaction(commit=False) as cursor:
            cursor.execute("PRAGMA synchronous")
            if cursor.fetchone()[0] < _FULL:
                message = (
                    "This build of SQLite does not wait for the disk at a commit (synchronous is"
                    " below FULL): what is acknowledged would not be safe."
                )
                raise StoreSettingsError(message)


@contextlib.contextmanager
def _as_unavailable() -> Iterator[None]:
    """Let the library's and the driver's errors go on as ours."""
    try:
        yield
    except IntegrityError as error:
        raise ConflictError(str(error)) from error
    except (EventSourcingError, SubjectKeyError, sqlite3.Error, OSError) as error:
        raise StoreUnavailableError(str(error)) from error
