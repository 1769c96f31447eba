"""Connections to the SQLite databases of this backend: opening, transactions, errors, purging."""

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from pourparler_service.storage.interface import StoreUnavailableError

_LOG = logging.getLogger(__name__)


def connect(path: Path | None) -> sqlite3.Connection:
    """Open a database, or one in memory; the caller guards it against concurrent use.

    Every statement is a transaction of its own, unless it runs in `transaction`.
    """
    return sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)


def connect_derived(
    path: Path | None, prepare: Callable[[sqlite3.Connection], None]
) -> sqlite3.Connection:
    """Open and prepare a database of derived data; replace a file that is no database any more.

    Its content can be derived again: a commit need not wait for the disk. Deleted content is gone
    from the file. Raise StoreUnavailableError.
    """
    with as_unavailable(path.name if path else "memory"):
        try:
            return _prepared(path, prepare)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            if path is None:
                raise
            _LOG.warning("%s is damaged, and is derived from the record again: %s", path, error)
            remove(path)
            return _prepared(path, prepare)


def _prepared(
    path: Path | None, prepare: Callable[[sqlite3.Connection], None]
) -> sqlite3.Connection:
    database = connect(path)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA secure_delete = ON")
        prepare(database)
    except BaseException:
        database.close()
        raise
    return database


def remove(path: Path) -> None:
    """Remove the files of a database that no process uses."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@contextlib.contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Exclude other writers, and commit at the end; an error leaves the database as it was."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise


def empty_journal(database: sqlite3.Connection) -> None:
    """Remove what was deleted from the write-ahead log too. Raise StoreUnavailableError."""
    busy, *_ = database.execute("PRAGMA main.wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise StoreUnavailableError("another process uses the database")


@contextlib.contextmanager
def as_unavailable(what: str) -> Iterator[None]:
    """Raise the errors of a database as StoreUnavailableError, with the name of the database."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        message = f"{what} failed: {error}"
        raise StoreUnavailableError(message) from error
