"""The table of subject keys in a SQLite file of its own."""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from pourparler import v1 as pb
from pourparler_service.backends.sqlite.transaction import as_unavailable, connect, transaction
from pourparler_service.storage.key_table import ErasureIntent, WrappedKey
from pourparler_service.storage.master_key import SubjectKeyError

DATABASE = "persons.sqlite"
"""The file in the data directory. Permanent, as its format is."""

FORMAT = 1
"""The version of the format of the database."""

_TABLES = """
CREATE TABLE about (format INTEGER NOT NULL, master_key_id TEXT NOT NULL);
CREATE TABLE key (
    negotiation TEXT NOT NULL,
    participant TEXT NOT NULL,
    number INTEGER NOT NULL,
    wrapped BLOB,          -- NULL once it is destroyed
    PRIMARY KEY (negotiation, participant, number)
);
CREATE TABLE erasure (
    place INTEGER PRIMARY KEY,  -- the earlier, the lower
    name TEXT NOT NULL UNIQUE,
    negotiation TEXT NOT NULL,
    caller TEXT NOT NULL,
    request_id TEXT NOT NULL,
    destroyed INTEGER NOT NULL,
    done INTEGER NOT NULL,
    said BLOB NOT NULL     -- an Erasure
);
"""

_KEYS = "SELECT negotiation, participant, number, wrapped FROM key"
_ERASURES = "SELECT negotiation, caller, request_id, destroyed, said FROM erasure"


class SqliteKeyTable:
    """A SubjectKeyTable in a file, for its owner alone."""

    def __init__(self, path: Path) -> None:
        """Open the database at `path`, or create it.

        Raise SubjectKeyError if it cannot be read, or if a newer version wrote it.
        """
        self.name = str(path)
        try:
            path.touch(0o600)
            self._database = connect(path)
            try:
                self._open()
            except BaseException:
                self._database.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise SubjectKeyError(f"{path} cannot be read: {error}.") from error

    def _open(self) -> None:
        # Deleted and replaced content is overwritten with zeros. No second file is left once a
        # transaction is over: a write-ahead log would keep keys that were destroyed.
        self._database.execute("PRAGMA secure_delete = ON")
        self._database.execute("PRAGMA journal_mode = DELETE")
        self._database.execute("PRAGMA synchronous = EXTRA")
        if not self._database.execute("SELECT 1 FROM sqlite_master").fetchone():
            with transaction(self._database):
                for statement in _TABLES.split(";"):
                    self._database.execute(statement)
                self._database.execute("INSERT INTO about VALUES (?, '')", (FORMAT,))
        ((written,),) = self._database.execute("SELECT format FROM about")
        if written != FORMAT:
            raise SubjectKeyError(
                f"{self.name} has format {written}, written by a newer version of pourparler; this"
                f" one reads format {FORMAT}. Nothing was changed."
            )

    def _as_unavailable(self) -> AbstractContextManager[None]:
        return as_unavailable(self.name)

    @property
    def master_key_id(self) -> str:
        """As SubjectKeyTable says."""
        with self._as_unavailable():
            ((key_id,),) = self._database.execute(
                "SELECT CASE WHEN EXISTS (SELECT 1 FROM key) THEN master_key_id ELSE '' END"
                " FROM about"
            )
        return str(key_id)

    def set_master_key_id(self, key_id: str) -> None:
        """As SubjectKeyTable says."""
        with self._as_unavailable():
            self._database.execute("UPDATE about SET master_key_id = ?", (key_id,))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """As SubjectKeyTable says."""
        with self._as_unavailable(), transaction(self._database):
            yield

    def newest(self, negotiation: str, participant: str) -> WrappedKey | None:
        """As SubjectKeyTable says."""
        return self._one(
            f"{_KEYS} WHERE negotiation = ? AND participant = ? ORDER BY number DESC LIMIT 1",
            (negotiation, participant),
        )

    def find(self, negotiation: str, participant: str, number: int) -> WrappedKey | None:
        """As SubjectKeyTable says."""
        return self._one(
            f"{_KEYS} WHERE negotiation = ? AND participant = ? AND number = ?",
            (negotiation, participant, number),
        )

    def _one(self, statement: str, values: Sequence[str | int]) -> WrappedKey | None:
        with self._as_unavailable():
            row = self._database.execute(statement, values).fetchone()
        return None if row is None else WrappedKey(*row)

    def keys(self, negotiation: str | None = None) -> list[WrappedKey]:
        """As SubjectKeyTable says."""
        with self._as_unavailable():
            if negotiation is None:
                rows = self._database.execute(f"{_KEYS} WHERE wrapped IS NOT NULL")
            else:
                rows = self._database.execute(
                    f"{_KEYS} WHERE negotiation = ? AND wrapped IS NOT NULL", (negotiation,)
                )
            return [WrappedKey(*row) for row in rows]

    def add(self, key: WrappedKey) -> None:
        """As SubjectKeyTable says."""
        with self._as_unavailable():
            self._database.execute("INSERT INTO key VALUES (?, ?, ?, ?)", key)

    def replace(self, key: WrappedKey) -> None:
        """As SubjectKeyTable says."""
        with self._as_unavailable():
            self._database.execute(
                "UPDATE key SET wrapped = ?"
                " WHERE negotiation = ? AND participant = ? AND number = ?",
                (key.wrapped, key.negotiation, key.participant, key.number),
            )

    def destroy(self, negotiation: str, participant: str) -> int:
        """As SubjectKeyTable says."""
        with self._as_unavailable():
            return self._database.execute(
                "UPDATE key SET wrapped = NULL"
                " WHERE negotiation = ? AND participant = ? AND wrapped IS NOT NULL",
                (negotiation, participant),
            ).rowcount

    def add_erasure(self, intent: ErasureIntent) -> None:
        """As SubjectKeyTable says."""
        with self._as_unavailable():
            self._database.execute(
                "INSERT INTO erasure (name, negotiation, caller, request_id, destroyed, done, said)"
                " VALUES (?, ?, ?, ?, ?, 0, ?)",
                (
                    intent.erasure.name,
                    intent.negotiation,
                    intent.caller,
                    intent.request_id,
                    intent.destroyed,
                    intent.erasure.SerializeToString(),
                ),
            )

    def save_erasure(self, intent: ErasureIntent, *, done: bool) -> None:
        """As SubjectKeyTable says."""
        with self._as_unavailable():
            self._database.execute(
                "UPDATE erasure SET said = ?, destroyed = ?, done = ? WHERE name = ?",
                (intent.erasure.SerializeToString(), intent.destroyed, done, intent.erasure.name),
            )

    def erasure(self, name: str) -> ErasureIntent | None:
        """As SubjectKeyTable says."""
        found = self._erasures(f"{_ERASURES} WHERE name = ?", (name,))
        return found[0] if found else None

    def requested(self, caller: str, request_id: str) -> ErasureIntent | None:
        """As SubjectKeyTable says."""
        found = self._erasures(
            f"{_ERASURES} WHERE caller = ? AND request_id = ?", (caller, request_id)
        )
        return found[0] if found else None

    def unfinished(self) -> list[ErasureIntent]:
        """As SubjectKeyTable says."""
        return self._erasures(f"{_ERASURES} WHERE NOT done ORDER BY place")

    def _erasures(self, statement: str, values: Sequence[str] = ()) -> list[ErasureIntent]:
        with self._as_unavailable():
            rows = self._database.execute(statement, values).fetchall()
        return [
            ErasureIntent(
                negotiation, caller, request_id, bool(destroyed), pb.Erasure.FromString(said)
            )
            for negotiation, caller, request_id, destroyed, said in rows
        ]

    def close(self) -> None:
        """As SubjectKeyTable says."""
        self._database.close()
