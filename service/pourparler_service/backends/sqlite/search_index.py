"""An index in SQLite, with FTS5: in a file, and what may not lie there in memory."""

import contextlib
import itertools
import json
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pourparler import v1 as pb
from pourparler_service.backends.sqlite.transaction import transaction
from pourparler_service.search.index import (
    BEST_RANK,
    Candidate,
    Correction,
    Document,
    IndexQuery,
    SearchIndex,
)
from pourparler_service.search.query import Phrase
from pourparler_service.search.snippets import BESIDE, HEADING, SAID
from pourparler_service.storage.event_store import Store
from pourparler_service.storage.interface import StoreUnavailableError
from pourparler_service.storage.record_codec import leaf

FORMAT = 1
"""The format of the database. One of another format is made anew."""

_STEPS = 50_000  # of SQLite's machine between two looks at the clock, some milliseconds
_LAST = "\U0010ffff"
_COLUMNS = {HEADING: "heading", SAID: "said", BESIDE: "beside"}
_SCHEMAS = ("main", "concealed")  # of what lies on disk, and of what does not
_TABLES = ("progress", "negotiation", "entry", "named", "brought", "correction", "words")
# FTS5 splits at spaces alone what is spelled here: of ASCII there are only letters and digits in
# it, and all else is a part of a word to this tokenizer. The words are kept beside what is made of
# them, for without them they could not be deleted from it.
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
    begin INTEGER,              -- the seconds since 1970 between which it happened
    end INTEGER,
    type INTEGER NOT NULL,
    puts INTEGER NOT NULL,      -- the type of what a correction puts there, or 0
    basis INTEGER NOT NULL,
    replaces INTEGER NOT NULL,  -- the version of which a correction takes the place, or 0
    length INTEGER NOT NULL,    -- of its words
    concealed INTEGER NOT NULL
);
CREATE INDEX version ON entry (negotiation, version);
CREATE INDEX concealed ON entry (position) WHERE concealed;
CREATE TABLE named (  -- what an entry names; 0 is for who speaks or acts in it
    position INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (position, kind, id)
) WITHOUT ROWID;
CREATE TABLE brought (  -- that a part is on a topic, and which entry says so
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
_MATCHING = (
    "SELECT rowid FROM main.words WHERE words MATCH {0}"
    " UNION ALL SELECT rowid FROM concealed.words WHERE words MATCH {0}"
)
_TOLD = (
    "SELECT doc, CASE col WHEN 'heading' THEN 4 WHEN 'said' THEN 2 ELSE 1 END"
    " FROM temp.{table} WHERE {terms}"
)
_CORRECTED = """EXISTS (
    SELECT 1 FROM correction WHERE correction.negotiation = entry.negotiation
        AND correction.target = ifnull(nullif(entry.replaces, 0), entry.version))"""
# How much of an entry it is that was looked for, so many times as much worth by where it stands.
_RANK = f"CAST({float(BEST_RANK)} * weight / (weight + 2.0 + 0.05 * entry.length) AS INTEGER)"
_THROUGH = """(
    SELECT group_concat(version) FROM (
        SELECT entry.version AS version FROM named
        WHERE named.position = entry.position AND named.kind = :topic_kind
            AND named.id IN (SELECT value FROM json_each(:topics))
        UNION
        SELECT brought.version FROM named JOIN brought
            ON brought.negotiation = entry.negotiation
            AND brought.kind = named.kind AND brought.id = named.id
        WHERE named.position = entry.position AND brought.position <= :upto
            AND brought.topic IN (SELECT value FROM json_each(:topics))
    )
)"""
_OF_KIND = """EXISTS (
    SELECT 1 FROM named WHERE named.position = entry.position AND named.kind = {kind}
        AND named.id IN (SELECT value FROM json_each({ids})))"""


class _Statement(NamedTuple):
    """A part of a statement, and what it is given."""

    text: str
    given: dict[str, Any]


class SqliteSearchIndex:
    """An Index in a file, or in memory.

    What concerns natural persons is in memory only, words and all that is made of them; so it is
    lost when the index is opened, and restored from the record.
    """

    def __init__(
        self, path: Path | None, log_id: str, digest_at: Callable[[int], bytes | None]
    ) -> None:
        """Open the index of the record of this name at a path, or make it; without one, in memory.

        `digest_at` gives the digest of the entry at a position, None if there is none. What does
        not come from this very record is made anew. Raises StoreUnavailableError.
        """
        self._log_id = log_id
        self.position = 0
        self._lost = range(0)  # positions at which it has lost words, as far as is known
        self._until: float | None = None  # of the question that is being answered
        with _as_unavailable():
            self._database = _connected(path)
            try:
                self._open(digest_at)
            except sqlite3.OperationalError:
                self._database.close()
                raise
            except sqlite3.DatabaseError:
                # Not a database any more: all that was in it can be read again from the record.
                self._database.close()
                if path is not None:
                    for suffix in ("", "-wal", "-shm"):
                        path.with_name(path.name + suffix).unlink(missing_ok=True)
                self._database = _connected(path)
                self._open(digest_at)

    def _open(self, digest_at: Callable[[int], bytes | None]) -> None:
        run = self._database.execute
        # Neither a sort nor a temporary table may write words to a file anywhere.
        run("PRAGMA temp_store = MEMORY")
        # What a crash loses here is read again from the record: no need to wait for the disk.
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        run("ATTACH DATABASE ':memory:' AS concealed")
        # What is overwritten or deleted is gone from the file, and from memory.
        run("PRAGMA main.secure_delete = ON")
        run("PRAGMA concealed.secure_delete = ON")
        run(_WORDS.format("concealed"))
        progress = None
        with contextlib.suppress(sqlite3.OperationalError):
            progress = run("SELECT format, log_id, position, digest FROM progress").fetchone()
        if progress and self._is_current(progress, digest_at):
            self.position = progress[2]
            self._lost = range(1, self.position + 1)
        else:
            self._make()
        # For others the index is locked meanwhile: what nobody waits for any more is given up.
        self._database.set_progress_handler(self._is_late, _STEPS)
        for name, schema in (("clear_words", "main"), ("concealed_words", "concealed")):
            run(f"CREATE VIRTUAL TABLE temp.{name} USING fts5vocab({schema}, words, instance)")

    def _is_late(self) -> int:
        return int(self._until is not None and time.monotonic() > self._until)

    @contextlib.contextmanager
    def _answering(self, asked: IndexQuery) -> Iterator[None]:
        self._until = asked.until
        try:
            with _as_unavailable():
                yield
        except StoreUnavailableError:
            if self._is_late():
                raise TimeoutError from None
            raise
        finally:
            self._until = None

    def _is_current(
        self, progress: Sequence[Any], digest_at: Callable[[int], bytes | None]
    ) -> bool:
        """Whether what is in the database comes from this very record, as far as it goes."""
        written, log_id, position, digest = progress
        if (written, log_id) != (FORMAT, self._log_id):
            return False
        return not position or digest_at(position) == digest

    def _make(self) -> None:
        for table in _TABLES:
            self._database.execute(f"DROP TABLE IF EXISTS main.{table}")
        self._database.executescript(_MADE)
        self._database.execute("DELETE FROM concealed.words")
        self._database.execute(
            "INSERT INTO progress VALUES (?, ?, 0, ?)", (FORMAT, self._log_id, b"")
        )
        self.position, self._lost = 0, range(0)

    def close(self) -> None:
        """As of every Index."""
        self._database.close()

    def take(self, documents: Sequence[Document], position: int, digest: bytes) -> None:
        """As of every Index."""
        with _as_unavailable(), transaction(self._database):
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
        """As of every Index."""
        if not self._lost:
            return ()
        with _as_unavailable():
            found = self._database.execute(
                "SELECT position FROM entry WHERE concealed AND position BETWEEN ? AND ?"
                " ORDER BY position LIMIT ?",
                (self._lost[0], self._lost[-1], most),
            ).fetchall()
        if not found:
            self._lost = range(0)
        return [position for (position,) in found]

    def restore(self, documents: Sequence[Document]) -> None:
        """As of every Index."""
        with _as_unavailable(), transaction(self._database):
            self._put_words(one for one in documents if one.concealed)
        self._lost = range(documents[-1].position + 1, self._lost.stop)

    def positions(self, negotiation: str) -> Mapping[int, int]:
        """As of every Index."""
        with _as_unavailable():
            found = self._database.execute(
                "SELECT version, position FROM entry"
                " WHERE negotiation = (SELECT number FROM negotiation WHERE id = ?)",
                (negotiation,),
            )
            return dict(found)

    def purge(self, documents: Sequence[Document]) -> None:
        """As of every Index."""
        run = self._database.execute
        changed = set()
        with _as_unavailable():
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
                # What is deleted is marked in new segments, and gone once all are one.
                run(f"INSERT INTO {schema}.words (words) VALUES ('optimize')")
            busy, *_ = run("PRAGMA main.wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StoreUnavailableError("the index is in use by another process")

    def ranked(
        self, asked: IndexQuery, upto: int, *, after: tuple[int, int] | None, most: int
    ) -> Sequence[Candidate]:
        """As of every Index."""
        told, told_given = _told(asked.wanted.phrases)
        where, given = _where(asked, upto)
        beyond = ""
        if after is not None:
            beyond = f" AND ((rank, entry.position) < (:after_rank, :after) OR {_CORRECTED})"
            given["after_rank"], given["after"] = after
        # What does not match is left out before the rest is weighed, and all that it takes to show
        # an entry is looked up for the best alone.
        statement = (
            f"WITH told (position, weight) AS ({told}),"
            " weighed (position, weight) AS"
            " (SELECT position, SUM(weight) FROM told"
            f" WHERE position IN ({_MATCHING.format(':match')}) GROUP BY position),"
            " best (position, rank) AS"
            f" (SELECT entry.position, {_RANK} AS rank"
            " FROM weighed CROSS JOIN entry ON entry.position = weighed.position"
            f" WHERE {where}{beyond} ORDER BY rank DESC, entry.position DESC LIMIT :most)"
            " SELECT entry.position, negotiation.id, entry.version, best.rank, entry.replaces,"
            f" {_THROUGH if asked.topics else 'NULL'}"
            " FROM best CROSS JOIN entry ON entry.position = best.position"
            " JOIN negotiation ON negotiation.number = entry.negotiation"
            " ORDER BY best.rank DESC, best.position DESC"
        )
        given |= {**told_given, "match": _all_of(asked.wanted.phrases), "most": most}
        with self._answering(asked):
            return [_candidate(row) for row in self._database.execute(statement, given)]

    def listed(
        self, asked: IndexQuery, upto: int, *, after: int | None, most: int, newest: bool
    ) -> Sequence[Candidate]:
        """As of every Index."""
        where, given = _where(asked, upto)
        if asked.wanted.phrases:
            where += f" AND entry.position IN ({_MATCHING.format(':match')})"
            given["match"] = _all_of(asked.wanted.phrases)
        beyond = "" if after is None else f" AND entry.position {'<' if newest else '>'} :after"
        statement = (
            "SELECT entry.position, negotiation.id, entry.version, 0, entry.replaces,"
            f" {_THROUGH if asked.topics else 'NULL'}"
            " FROM entry JOIN negotiation ON negotiation.number = entry.negotiation"
            f" WHERE {where}{beyond}"
            f" ORDER BY entry.position {'DESC' if newest else ''} LIMIT :most"
        )
        with self._answering(asked):
            rows = self._database.execute(statement, {**given, "after": after, "most": most})
            return [_candidate(row) for row in rows]

    def corrections(
        self, negotiations: Collection[str], upto: int
    ) -> Mapping[tuple[str, int], Sequence[Correction]]:
        """As of every Index."""
        found: dict[tuple[str, int], list[Correction]] = {}
        with _as_unavailable():
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
        """As of every Index."""
        with _as_unavailable():
            row = self._database.execute(
                "SELECT version, recorded FROM entry"
                " WHERE negotiation = (SELECT number FROM negotiation WHERE id = ?)"
                " AND position <= ? ORDER BY version DESC LIMIT 1",
                (negotiation, upto),
            ).fetchone()
        return row or (0, 0)


def _connected(path: Path | None) -> sqlite3.Connection:
    return sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)


def _candidate(row: Sequence[Any]) -> Candidate:
    position, negotiation, version, rank, replaces, through = row
    versions = frozenset(map(int, through.split(","))) if through else frozenset()
    return Candidate(position, negotiation, version, rank, replaces, versions)


def _where(asked: IndexQuery, upto: int) -> _Statement:
    """Which entries meet what is asked, apart from the phrases that they are to have."""
    given: dict[str, Any] = {"upto": upto}
    terms = ["entry.position <= :upto"]

    def is_among(name: str, values: Collection[Any], term: str) -> None:
        if values:
            terms.append(term.format(f"(SELECT value FROM json_each(:{name}))"))
            given[name] = json.dumps(list(values))

    if asked.wanted.excluded:
        terms.append(f"entry.position NOT IN ({_MATCHING.format(':exclude')})")
        given["exclude"] = " OR ".join(map(_matching, asked.wanted.excluded))
    if asked.negotiations is not None:
        terms.append(
            "entry.negotiation IN (SELECT number FROM negotiation"
            " WHERE id IN (SELECT value FROM json_each(:negotiations)))"
        )
        given["negotiations"] = json.dumps(list(asked.negotiations))
    is_among("types", asked.types, "(entry.type IN {0} OR entry.puts IN {0})")
    is_among("bases", asked.bases, "entry.basis IN {0}")
    for name, kind, ids in (
        ("speakers", 0, asked.speakers),
        ("participants", int(pb.PART_KIND_PARTICIPANT), asked.participants),
    ):
        if ids:
            terms.append(_OF_KIND.format(kind=kind, ids=f":{name}"))
            given[name] = json.dumps(list(ids))
    if asked.topics:
        terms.append(f"{_THROUGH} IS NOT NULL")
        given["topics"] = json.dumps(list(asked.topics))
        given["topic_kind"] = int(pb.PART_KIND_TOPIC)
    for name, term in (
        ("record_start_time", "entry.recorded >= :record_start_time"),
        ("record_end_time", "entry.recorded < :record_end_time"),
        ("begin", "entry.begin >= :begin" if asked.surely else "ifnull(entry.end >= :begin, 1)"),
        ("end", "entry.end <= :end" if asked.surely else "ifnull(entry.begin <= :end, 1)"),
    ):
        if (value := getattr(asked, name)) is not None:
            terms.append(term)
            given[name] = value
    return _Statement(" AND ".join(terms), given)


def _all_of(phrases: Sequence[Phrase]) -> str:
    """Phrases that all have to be there, in the language of FTS5."""
    return " AND ".join(map(_matching, phrases))


def _matching(phrase: Phrase) -> str:
    """A phrase in the language of FTS5, in which nothing has a meaning that stands in quotes.

    Words that are spelled have no quotes in them.
    """
    return f'("{" ".join(phrase.words)}"{" *" if phrase.prefix else ""})'


def _told(phrases: Sequence[Phrase]) -> _Statement:
    """Where one word of each phrase stands, the longest."""
    parts, given = [], {}
    for number, phrase in enumerate(phrases):
        word = max(phrase.words, key=len)
        terms = f"term = :word{number}"
        given[f"word{number}"] = word
        if phrase.prefix and word == phrase.words[-1]:
            terms = f"term >= :word{number} AND term < :beyond{number}"
            given[f"beyond{number}"] = word + _LAST
        parts += [
            _TOLD.format(table=one, terms=terms) for one in ("clear_words", "concealed_words")
        ]
    return _Statement(" UNION ALL ".join(parts), given)


@contextlib.contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        message = f"the index failed: {error}"
        raise StoreUnavailableError(message) from error


def open_index(store: Store, path: Path | None, log_id: str) -> SearchIndex:
    """The index of the record of this name in a store; without a path, in memory."""

    def digest_at(position: int) -> bytes | None:
        found = store.scan(position - 1, 1)
        there = found and found[0][0] == position
        return leaf(found[0][1].data) if there else None

    return SqliteSearchIndex(path, log_id, digest_at)
