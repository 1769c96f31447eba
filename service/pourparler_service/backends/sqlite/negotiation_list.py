"""The table of the negotiation list in a SQLite file of its own."""

import contextlib
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pourparler_service.backends.sqlite.transaction import (
    as_unavailable,
    connect_derived,
    empty_journal,
    transaction,
)
from pourparler_service.reads.negotiation_table import Filters, Listed, NegotiationRow, Progress

DATABASE = "catalogue.sqlite"
"""The file in the data directory."""

# After a change of these tables, raise FORMAT in reads.negotiation_list: files are rebuilt then.
_TABLES = """
DROP TABLE IF EXISTS progress;
DROP TABLE IF EXISTS negotiation;
DROP TABLE IF EXISTS participant;
DROP TABLE IF EXISTS principal;
CREATE TABLE progress (format INTEGER, log_id TEXT, position INTEGER, digest BLOB);
CREATE TABLE negotiation (
    opened INTEGER PRIMARY KEY,  -- the position of its first entry
    id TEXT NOT NULL UNIQUE,
    open_time INTEGER NOT NULL,  -- nanoseconds since 1970
    title TEXT NOT NULL,         -- without case
    status INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    public INTEGER NOT NULL,     -- true if any entry in it is
    head BLOB NOT NULL           -- the state, as far as a list needs it
);
CREATE INDEX public ON negotiation (opened) WHERE public;
CREATE TABLE participant (
    id TEXT NOT NULL,
    opened INTEGER NOT NULL,
    PRIMARY KEY (id, opened)
) WITHOUT ROWID;
CREATE INDEX participants ON participant (opened);
CREATE TABLE principal (  -- with access, now or formerly
    id TEXT NOT NULL,
    opened INTEGER NOT NULL,
    PRIMARY KEY (id, opened)
) WITHOUT ROWID;
"""
_PAGE = """
SELECT opened, id, open_time, head FROM negotiation
WHERE opened > :after
    AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
    AND (:outcomes IS NULL OR outcome IN (SELECT value FROM json_each(:outcomes)))
    AND (:participant IS NULL OR EXISTS (
        SELECT 1 FROM participant
        WHERE participant.id = :participant AND participant.opened = negotiation.opened))
    AND (:title IS NULL OR instr(title, :title) > 0)
    AND (:open_start_time IS NULL OR open_time >= :open_start_time)
    AND (:open_end_time IS NULL OR open_time < :open_end_time)
ORDER BY opened LIMIT :most
"""
# Only rows that are returned are looked at: the time would tell how many more there are.
_ACCESSIBLE = """
SELECT opened, id, open_time FROM negotiation WHERE opened IN (
    SELECT opened FROM principal WHERE id = :principal AND opened > :after
    UNION SELECT opened FROM negotiation WHERE public AND :public AND opened > :after
    ORDER BY opened LIMIT :most)
ORDER BY opened
"""
_JOINED = """
SELECT negotiation.opened, negotiation.id, open_time FROM negotiation
JOIN participant ON participant.opened = negotiation.opened
WHERE participant.id = :participant AND negotiation.opened > :after
ORDER BY negotiation.opened LIMIT :most
"""
_ADMITS = """
SELECT 1 FROM negotiation WHERE id = :id AND (public AND :public OR EXISTS (
    SELECT 1 FROM principal
    WHERE principal.id = :principal AND principal.opened = negotiation.opened))
"""


class SqliteNegotiationTable:
    """A NegotiationTable in a file, or in memory."""

    def __init__(self, path: Path | None) -> None:
        """Open the file at `path`, or create it; replace one that is damaged.

        Raise StoreUnavailableError.
        """
        self._progress: Progress | None = None
        self._database = connect_derived(path, self._look)

    def _look(self, database: sqlite3.Connection) -> None:
        with contextlib.suppress(sqlite3.OperationalError):  # There are no tables yet.
            row = database.execute(
                "SELECT format, log_id, position, digest FROM progress"
            ).fetchone()
            self._progress = Progress(*row) if row else None

    def progress(self) -> Progress | None:
        """As NegotiationTable says."""
        return self._progress

    def reset(self, progress: Progress) -> None:
        """As NegotiationTable says."""
        with as_unavailable(DATABASE), transaction(self._database):
            for statement in _TABLES.split(";"):
                self._database.execute(statement)
            self._database.execute("INSERT INTO progress VALUES (?, ?, ?, ?)", progress)

    def save(self, rows: Sequence[NegotiationRow], position: int, digest: bytes) -> None:
        """As NegotiationTable says."""
        with as_unavailable(DATABASE), transaction(self._database):
            for row in rows:
                self._write(row)
            self._database.execute(
                "UPDATE progress SET position = ?, digest = ?", (position, digest)
            )

    def _write(self, row: NegotiationRow) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO negotiation VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row[:8]
        )
        self._database.executemany(
            "INSERT OR IGNORE INTO principal VALUES (?, ?)",
            [(principal, row.opened) for principal in row.principals],
        )
        self._database.execute("DELETE FROM participant WHERE opened = ?", (row.opened,))
        self._database.executemany(
            "INSERT INTO participant VALUES (?, ?)",
            [(participant, row.opened) for participant in row.participants],
        )

    def purge(self, row: NegotiationRow | None) -> None:
        """As NegotiationTable says."""
        with as_unavailable(DATABASE):
            if row is not None:
                with transaction(self._database):
                    self._write(row)
            empty_journal(self._database)

    def find(self, id_: str) -> NegotiationRow | None:
        """As NegotiationTable says."""
        with as_unavailable(DATABASE):
            row = self._database.execute(
                "SELECT opened, id, open_time, title, status, outcome, public, head"
                " FROM negotiation WHERE id = ?",
                (id_,),
            ).fetchone()
        return None if row is None else NegotiationRow(*row)

    def page(self, filters: Filters, after: int, most: int) -> Sequence[Listed]:
        """As NegotiationTable says."""
        asked = {
            **filters._asdict(),
            "statuses": _json(filters.statuses),
            "outcomes": _json(filters.outcomes),
        }
        return self._listed(_PAGE, {**asked, "after": after, "most": most})

    def accessible(
        self, principal: str, after: int, most: int | None, *, public: bool
    ) -> Sequence[Listed]:
        """As NegotiationTable says."""
        asked = {"principal": principal, "public": public, "after": after}
        return self._listed(_ACCESSIBLE, {**asked, "most": -1 if most is None else most})

    def joined(self, participant: str, after: int, most: int) -> Sequence[Listed]:
        """As NegotiationTable says."""
        return self._listed(_JOINED, {"participant": participant, "after": after, "most": most})

    def _listed(self, statement: str, values: dict[str, Any]) -> Sequence[Listed]:
        with as_unavailable(DATABASE):
            return [Listed(*row) for row in self._database.execute(statement, values)]

    def admits(self, id_: str, principal: str, *, public: bool) -> bool:
        """As NegotiationTable says."""
        asked = {"id": id_, "principal": principal, "public": public}
        with as_unavailable(DATABASE):
            return self._database.execute(_ADMITS, asked).fetchone() is not None

    def close(self) -> None:
        """As NegotiationTable says."""
        self._database.close()


def _json(values: frozenset[int] | None) -> str | None:
    return None if values is None else json.dumps(sorted(values))
