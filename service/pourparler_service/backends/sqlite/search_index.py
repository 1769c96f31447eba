"""The search index in a SQLite file with FTS5; words of persons are in memory only."""

import contextlib
import itertools
import json
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pourparler import v1 as pb
from pourparler_service.backends.sqlite import search_query
from pourparler_service.backends.sqlite.search_query import Statement
from pourparler_service.backends.sqlite.transaction import (
    as_unavailable,
    connect_derived,
    empty_journal,
    transaction,
)
from pourparler_service.search.index import Candidate, Correction, Document, IndexQuery
from pourparler_service.storage.interface import StoreUnavailableError

DATABASE = "search.sqlite"
"""The file in the data directory."""

FORMAT = 1
"""The format of the database. One of another format is derived again."""

_STEPS = 50_000  # of the machine of SQLite between two looks at the clock, some milliseconds
_SCHEMAS = ("main", "concealed")  # on disk, and in memory
_TABLES = ("progress", "negotiation", "entry", "named", "brought", "correction", "words")
# FTS5 splits normalized words at spaces alone. Their ASCII characters are letters and digits, and
# this tokenizer takes all other characters for parts of words. The words are stored beside the
# index: FTS5 needs them to delete an entry from it.
_WORDS = (
    "CREATE VIRTUAL TABLE {}.words"
    " USING fts5(heading, said, beside, tokenize = 'ascii', columnsize = 0)"
)
_MADE = f"""
CREATE TABLE progress (format INTEGER, log_id TEXT, position INTEGER, digest BLOB);
CREATE TABLE negotiation (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE TABLE entry (
    position INTEGER PRIMARY KEY,
    negotiation INTEGER NOT NULL,
    version INTEGER NOT NULL,
    recorded INTEGER NOT NULL,  -- nanoseconds since 1970
    begin INTEGER,              -- seconds since 1970: it happened between them
    end INTEGER,
    type INTEGER NOT NULL,
    puts INTEGER NOT NULL,      -- the type of a replacement, or 0
    basis INTEGER NOT NULL,
    replaces INTEGER NOT NULL,  -- the version that a correction replaces, or 0
    length INTEGER NOT NULL,    -- in words
    concealed INTEGER NOT NULL
);
CREATE INDEX version ON entry (negotiation, version);
CREATE INDEX concealed ON entry (position) WHERE concealed;
CREATE TABLE named (  -- parts that an entry names; kind 0 for its speakers and actors
    position INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (position, kind, id)
) WITHOUT ROWID;
CREATE TABLE brought (  -- the topics of a part, and the entry that says so
    negotiation INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    id TEXT NOT NULL,
    topic TEXT NOT NULL,
    position INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (negotiation, kind, id, topic, position)
) WITHOUT ROWID;
CREATE TABLE correction (
    negotiation INTEGER NOT NULL,
    target INTEGER NOT NULL,
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,
    annuls INTEGER NOT NULL,
    PRIMARY KEY (negotiation, target, version)
) WITHOUT ROWID;
{_WORDS.format("main")};
"""


class SqliteSearchIndex:
    """A SearchIndex in a file, or in memory.

    Words that concern natural persons, and all that is derived from them, are in memory only. They
    are lost when the index is opened, and restored from the record.
    """

    def __init__(
        self, path: Path | None, log_id: str, digest_at: Callable[[int], bytes | None]
    ) -> None:
        """Open the index of the record with this id at a path, or create it.

        `digest_at` returns the digest of the entry at a position, None if there is none. An index
        of another record is derived again. Raise StoreUnavailableError.
        """
        self._log_id = log_id
        self._digest_at = digest_at
        self.position = 0
        self._lost = range(0)  # positions at which words may be lost
        self._until: float | None = None  # the deadline of the question that is being answered
        self._database = connect_derived(path, self._open)
        # Others wait for the index meanwhile: a question that has passed its deadline is given up.
        self._database.set_progress_handler(self._is_late, _STEPS)

    def _open(self, database: sqlite3.Connection) -> None:
        run = database.execute
        # No sort and no temporary table may write words to a file.
        run("PRAGMA temp_store = MEMORY")
        run("ATTACH DATABASE ':memory:' AS concealed")
        run("PRAGMA main.secure_delete = ON")
        run("PRAGMA concealed.secure_delete = ON")
        run(_WORDS.format("concealed"))
        progress = None
        with contextlib.suppress(sqlite3.OperationalError):  # There are no tables yet.
            progress = run("SELECT format, log_id, position, digest FROM progress").fetchone()
        if progress and self._is_current(progress):
            self.position = progress[2]
            self._lost = range(1, self.position + 1)
        else:
            self._create(database)
        for name, schema in (("clear_words", "main"), ("concealed_words", "concealed")):
            run(f"CREATE VIRTUAL TABLE temp.{name} USING fts5vocab({schema}, words, instance)")

    def _is_current(self, progress: Sequence[Any]) -> bool:
        """Return True if the index is derived from this very record, as far as it goes."""
        written, log_id, position, digest = progress
        if (written, log_id) != (FORMAT, self._log_id):
            return False
        return not position or self._digest_at(position) == digest

    def _create(self, database: sqlite3.Connection) -> None:
        for table in _TABLES:
            database.execute(f"DROP TABLE IF EXISTS main.{table}")
        database.executescript(_MADE)
        database.execute("DELETE FROM concealed.words")
        database.execute("INSERT INTO progress VALUES (?, ?, 0, ?)", (FORMAT, self._log_id, b""))
        self.position, self._lost = 0, range(0)

    def _is_late(self) -> int:
        return int(self._until is not None and time.monotonic() > self._until)

    def _answers(self, asked: IndexQuery, statement: Statement) -> Sequence[Candidate]:
        """Return the hits of a statement. Raise TimeoutError after the deadline of the question."""
        self._until = asked.until
        try:
            with as_unavailable(DATABASE):
                return [_candidate(row) for row in self._database.execute(*statement)]
        except StoreUnavailableError:
            if self._is_late():
                raise TimeoutError from None
            raise
        finally:
            self._until = None

    def close(self) -> None:
        """As SearchIndex says."""
        self._database.close()

    def take(self, documents: Sequence[Document], position: int, digest: bytes) -> None:
        """As SearchIndex says."""
        with as_unavailable(DATABASE), transaction(self._database):
            run, many = self._database.execute, self._database.executemany
            ids = [(one.negotiation,) for one in documents if one.version == 1]
            many("INSERT OR IGNORE INTO negotiation (id) VALUES (?)", ids)
            numbers = self._numbers({one.negotiation for one in documents})
            many(
                "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        one.position,
                        numbers[one.negotiation],
                        one.version,
                        one.recorded,
                        one.begin,
                        one.end,
                        one.types[0],
                        one.types[1] if len(one.types) > 1 else 0,
                        one.basis,
                        one.target if not one.annuls else 0,
                        one.length,
                        one.concealed,
                    )
                    for one in documents
                ],
            )
            many(
                "INSERT OR IGNORE INTO named VALUES (?, ?, ?)",
                [
                    (one.position, kind, id_)
                    for one in documents
                    for kind, id_ in (*((0, id_) for id_ in one.speakers), *one.parts)
                ],
            )
            many(
                "INSERT OR IGNORE INTO brought VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (numbers[one.negotiation], *one.brought, part.id, one.position, one.version)
                    for one in documents
                    if one.brought is not None
                    for part in one.parts
                    if part.kind == pb.PART_KIND_TOPIC
                ],
            )
            many(
                "INSERT INTO correction VALUES (?, ?, ?, ?, ?)",
                [
                    (numbers[one.negotiation], one.target, one.version, one.position, one.annuls)
                    for one in documents
                    if one.target
                ],
            )
            self._put_words(documents)
            run("UPDATE progress SET position = ?, digest = ?", (position, digest))
        self.position = position

    def _numbers(self, ids: Collection[str]) -> dict[str, int]:
        found = self._database.execute(
            "SELECT id, number FROM negotiation WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(ids)),),
        )
        return dict(found)

    def _put_words(self, documents: Iterable[Document]) -> None:
        rows: tuple[list[Any], list[Any]] = ([], [])
        for one in documents:
            if any(one.words):
                rows[one.concealed].append((one.position, *one.words))
        for schema, of_it in zip(_SCHEMAS, rows, strict=True):
            self._database.executemany(
                f"INSERT INTO {schema}.words (rowid, heading, said, beside) VALUES (?, ?, ?, ?)",
                of_it,
            )

    def lost(self, most: int) -> Sequence[int]:
        """As SearchIndex says."""
        if not self._lost:
            return ()
        with as_unavailable(DATABASE):
            found = self._database.execute(
                "SELECT position FROM entry WHERE concealed AND position BETWEEN ? AND ?"
                " ORDER BY position LIMIT ?",
                (self._lost[0], self._lost[-1], most),
            ).fetchall()
        if not found:
            self._lost = range(0)
        return [position for (position,) in found]

    def restore(self, documents: Sequence[Document]) -> None:
        """As SearchIndex says."""
        with as_unavailable(DATABASE), transaction(self._database):
            self._put_words(one for one in documents if one.concealed)
        self._lost = range(documents[-1].position + 1, self._lost.stop)

    def positions(self, negotiation: str) -> Mapping[int, int]:
        """As SearchIndex says."""
        with as_unavailable(DATABASE):
            found = self._database.execute(
                "SELECT version, position FROM entry"
                " WHERE negotiation = (SELECT number FROM negotiation WHERE id = ?)",
                (negotiation,),
            )
            return dict(found)

    def purge(self, documents: Sequence[Document]) -> None:
        """As SearchIndex says."""
        run = self._database.execute
        changed = set()
        with as_unavailable(DATABASE):
            with transaction(self._database):
                for one, schema in itertools.product(documents, _SCHEMAS):
                    held = run(
                        f"SELECT heading, said, beside FROM {schema}.words WHERE rowid = ?",
                        (one.position,),
                    ).fetchone()
                    if held is not None and held != one.words:
                        changed.add(schema)
                        run(f"DELETE FROM {schema}.words WHERE rowid = ?", (one.position,))
                        self._put_words([one])
                        run(
                            "UPDATE entry SET length = ? WHERE position = ?",
                            (one.length, one.position),
                        )
            for schema in changed:
                # A deletion is a mark in a new segment: the words are gone once all are merged.
                run(f"INSERT INTO {schema}.words (words) VALUES ('optimize')")
            empty_journal(self._database)

    def ranked(
        self, asked: IndexQuery, upto: int, *, after: tuple[int, int] | None, most: int
    ) -> Sequence[Candidate]:
        """As SearchIndex says."""
        return self._answers(asked, search_query.ranked(asked, upto, after=after, most=most))

    def listed(
        self, asked: IndexQuery, upto: int, *, after: int | None, most: int, newest: bool
    ) -> Sequence[Candidate]:
        """As SearchIndex says."""
        statement = search_query.listed(asked, upto, after=after, most=most, newest=newest)
        return self._answers(asked, statement)

    def corrections(
        self, negotiations: Collection[str], upto: int
    ) -> Mapping[tuple[str, int], Sequence[Correction]]:
        """As SearchIndex says."""
        found: dict[tuple[str, int], list[Correction]] = {}
        with as_unavailable(DATABASE):
            rows = self._database.execute(
                "SELECT id, target, version, annuls FROM correction"
                " JOIN negotiation ON number = correction.negotiation"
                " WHERE id IN (SELECT value FROM json_each(?)) AND position <= ?"
                " ORDER BY position",
                (json.dumps(list(negotiations)), upto),
            )
            for id_, target, version, annuls in rows:
                found.setdefault((id_, target), []).append(Correction(version, bool(annuls)))
        return found

    def version(self, negotiation: str, upto: int) -> tuple[int, int]:
        """As SearchIndex says."""
        with as_unavailable(DATABASE):
            row = self._database.execute(
                "SELECT version, recorded FROM entry"
                " WHERE negotiation = (SELECT number FROM negotiation WHERE id = ?)"
                " AND position <= ? ORDER BY version DESC LIMIT 1",
                (negotiation, upto),
            ).fetchone()
        return row or (0, 0)


def _candidate(row: Sequence[Any]) -> Candidate:
    position, negotiation, version, rank, replaces, through = row
    versions = frozenset(map(int, through.split(","))) if through else frozenset()
    return Candidate(position, negotiation, version, rank, replaces, versions)
