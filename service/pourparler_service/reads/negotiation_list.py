"""What lists over all negotiations read: a projection of the record, rebuilt at need."""

import contextlib
import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.state.fold import ACCESS, counted, evolve, is_amending
from pourparler_service.backends.sqlite.transaction import transaction
from pourparler_service.domain.refusal import refuse
from pourparler_service.reads import page_tokens
from pourparler_service.reads.page_tokens import PageTokens
from pourparler_service.runtime import cooperative
from pourparler_service.storage.event_store import Store
from pourparler_service.storage.interface import StoredEntry, StoreUnavailableError
from pourparler_service.storage.record_codec import decode_record
from pourparler_service.validation import drafts, requests

FORMAT = 3
"""The format of the database. One of another format is rebuilt."""

DATABASE = "catalogue.sqlite"
"""The file in the data folder that it is in."""

_BATCH = 2_000
_LOOKED_AT = 200
_TELLING = frozenset(
    {
        "negotiation_opened",
        "negotiation_suspended",
        "negotiation_resumed",
        "negotiation_concluded",
        "participant_joined",
        "participant_changed",
    }
    | ACCESS
)
_PARTIES = frozenset({pb.PARTICIPANT_ROLE_PARTY, pb.PARTICIPANT_ROLE_REPRESENTATIVE})

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
    public INTEGER NOT NULL,     -- whether anything in it is
    head BLOB NOT NULL           -- the state, as far as a list needs it
);
CREATE INDEX public ON negotiation (opened) WHERE public;
CREATE TABLE participant (
    id TEXT NOT NULL,
    opened INTEGER NOT NULL,
    PRIMARY KEY (id, opened)
) WITHOUT ROWID;
CREATE TABLE principal (  -- who has, or had, access
    id TEXT NOT NULL,
    opened INTEGER NOT NULL,
    PRIMARY KEY (id, opened)
) WITHOUT ROWID;
"""
_PAGE = """
SELECT opened, open_time, head FROM negotiation
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
# Only what may be seen is looked at: time would tell how much more there is.
_KNOWN = """
SELECT opened, id, open_time FROM negotiation WHERE opened IN (
    SELECT opened FROM principal WHERE id = :principal AND opened > :after
    UNION SELECT opened FROM negotiation WHERE public AND :public AND opened > :after
    ORDER BY opened LIMIT :most)
ORDER BY opened
"""
_PARTAKEN = """
SELECT negotiation.opened, negotiation.id, open_time FROM negotiation
JOIN participant ON participant.opened = negotiation.opened
WHERE participant.id = :participant AND negotiation.opened > :after
ORDER BY negotiation.opened LIMIT :most
"""
_ADMITTED = """
SELECT 1 FROM negotiation WHERE id = :id AND (public AND :public OR EXISTS (
    SELECT 1 FROM principal
    WHERE principal.id = :principal AND principal.opened = negotiation.opened))
"""


_Asked = dict[str, str | int | None]


class _ListedNegotiation(NamedTuple):
    """A negotiation as a list knows it."""

    opened: int
    open_time: int
    state: pb.Negotiation
    public: bool = False


class NegotiationList:
    """The negotiations on the record, in the order of their opening.

    Every page is as fresh as the store. For any thread.
    """

    def __init__(self, store: Store, path: Path | None, *, tokens: PageTokens, log_id: str) -> None:
        """Follow this store, whose record has this name, in a database at `path`, or in memory.

        Raises StoreUnavailableError.
        """
        self._store = store
        self._tokens = tokens
        self._log_id = log_id
        self._lock = threading.Lock()  # guards the database and the position
        self._position = 0
        with _as_unavailable():
            self._database = _connected(path)
            try:
                self._open()
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
                self._open()

    def _open(self) -> None:
        # What a crash loses here is read again from the record: no need to wait for the disk.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        # What is overwritten or deleted is gone from the file.
        self._database.execute("PRAGMA secure_delete = ON")
        progress = None
        with contextlib.suppress(sqlite3.OperationalError):
            progress = self._database.execute(
                "SELECT format, log_id, position, digest FROM progress"
            ).fetchone()
        if progress and self._is_current(*progress):
            self._position = progress[2]
        else:
            self._rebuild()

    def _is_current(self, written: int, log_id: str, position: int, digest: bytes) -> bool:
        """Whether what is in the database comes from this very record, as far as it goes."""
        if (written, log_id) != (FORMAT, self._log_id):
            return False
        if not position:
            return True
        last = self._store.scan(position - 1, 1)
        return bool(last) and last[0][0] == position and _digest(last[0][1]) == digest

    def _rebuild(self) -> None:
        self._database.executescript(_TABLES)
        self._database.execute(
            "INSERT INTO progress VALUES (?, ?, 0, ?)", (FORMAT, self._log_id, b"")
        )
        self._position = 0

    def page(self, request: pb.ListNegotiationsRequest) -> pb.ListNegotiationsResponse:
        """A page of a list. Blocks on the store; raises Refusal."""
        size = requests.page_size(request)
        asked = _asked(request)
        after = self._after(request)
        with self._lock, _as_unavailable():
            self._catch_up()
            rows = self._database.execute(
                _PAGE, {**asked, "after": after, "most": size + 1}
            ).fetchall()
        response = pb.ListNegotiationsResponse(
            negotiations=[_summary(open_time, head) for _, open_time, head in rows[:size]]
        )
        if len(rows) > size:
            response.next_page_token = self._tokens.write(rows[size - 1][0], _query(request))
        return response

    def admits(self, id_: str, principal: str, *, public: bool = False) -> bool:
        """Whether there is such a negotiation and a principal has, or had, access to it.

        Or anything in it is public, for whom that is enough. Blocks on the store.
        """
        asked = {"id": id_, "principal": principal, "public": public}
        with self._lock, _as_unavailable():
            self._catch_up()
            found = self._database.execute(_ADMITTED, asked).fetchone()
        return found is not None

    def catch_up(self) -> None:
        """Take in all that is on the record. Blocks on the store."""
        with self._lock, _as_unavailable():
            self._catch_up()

    def ids(self, principal: str, *, public: bool) -> list[str]:
        """The negotiations that `admits` names. Blocks on the store."""
        asked = {"principal": principal, "public": public, "after": 0, "most": -1}
        with self._lock, _as_unavailable():
            self._catch_up()
            return [id_ for _, id_, _ in self._database.execute(_KNOWN, asked)]

    def page_of(
        self,
        request: pb.ListNegotiationsRequest,
        principal: str | None,
        seen: Callable[[str], pb.Negotiation | None],
        *,
        public: bool = False,
    ) -> pb.ListNegotiationsResponse:
        """A page of a list of what is seen: of those that `admits` names.

        Without a principal, of those in which somebody takes part as whom all is to be seen.

        `seen` gives the state of a negotiation as it is seen, which is what the filters are about;
        None where nothing is.
        """
        size = requests.page_size(request)
        asked = _asked(request)
        after = self._after(request)
        found: list[tuple[int, int, pb.Negotiation]] = []
        rows: Sequence[tuple[int, str, int]] | None = None
        while len(found) <= size and (rows is None or len(rows) == _LOOKED_AT):
            with self._lock, _as_unavailable():
                self._catch_up()
                known: _Asked = {"principal": principal, "public": public}
                known |= {
                    "participant": request.viewer_participant_id,
                    "after": after,
                    "most": _LOOKED_AT,
                }
                sought = _KNOWN if principal is not None else _PARTAKEN
                rows = self._database.execute(sought, known).fetchall()
            for opened, id_, open_time in rows:
                after = opened
                state = seen(id_)
                if state is not None and _meets(state, open_time, asked):
                    found.append((opened, open_time, state))
                    if len(found) > size:
                        break
        response = pb.ListNegotiationsResponse(
            negotiations=[_summed_up(open_time, state) for _, open_time, state in found[:size]]
        )
        if len(found) > size:
            response.next_page_token = self._tokens.write(found[size - 1][0], _query(request))
        return response

    def _after(self, request: pb.ListNegotiationsRequest) -> int:
        """The position after which a list goes on."""
        if not request.page_token:
            return 0
        after = self._tokens.read(request.page_token, _query(request))
        if after is None:
            refuse(
                pb.ERROR_REASON_PAGE_TOKEN_INVALID,
                "The page_token was not given out for this list. Begin the list again without one.",
                "page_token",
            )
        return after

    def purge(self, id_: str) -> None:
        """Make a negotiation's row anew, and leave nothing in the files of what it was.

        Raises StoreUnavailableError.
        """
        with self._lock, _as_unavailable():
            self._catch_up()
            row = self._database.execute(
                "SELECT opened, open_time, public FROM negotiation WHERE id = ?", (id_,)
            ).fetchone()
            if row is not None:
                with transaction(self._database):
                    state = self._refolded(id_, self._store.last_version(id_))
                    self._write(id_, _ListedNegotiation(row[0], row[1], state, row[2]))
            busy, *_ = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StoreUnavailableError("the catalogue is in use by another process")

    def close(self) -> None:
        """Let the database go."""
        with self._lock:
            self._database.close()

    def _catch_up(self) -> None:
        """Take in what the store has beyond the position, rows and position together."""
        while batch := self._store.scan(self._position, _BATCH):
            cooperative.reading()
            heads: dict[str, _ListedNegotiation] = {}
            amended: dict[str, int] = {}
            for position, stored in batch:
                head = heads.get(stored.negotiation) or self._head(stored, position)
                entry = _told(stored)
                public = head.public or _is_public(entry.facts)
                heads[stored.negotiation] = head._replace(public=public)
                if _take(head.state, entry) or stored.negotiation in amended:
                    amended[stored.negotiation] = stored.version  # the last one of the batch
            for id_, version in amended.items():
                heads[id_] = heads[id_]._replace(state=self._refolded(id_, version))
            position, last = batch[-1]
            with transaction(self._database):
                for id_, head in heads.items():
                    self._write(id_, head)
                self._database.execute(
                    "UPDATE progress SET position = ?, digest = ?", (position, _digest(last))
                )
            self._position = position

    def _head(self, stored: StoredEntry, position: int) -> _ListedNegotiation:
        row = self._database.execute(
            "SELECT opened, open_time, head, public FROM negotiation WHERE id = ?",
            (stored.negotiation,),
        ).fetchone()
        if row:
            return _ListedNegotiation(row[0], row[1], pb.Negotiation.FromString(row[2]), row[3])
        record_time = decode_record(stored.data).header.record_time
        return _ListedNegotiation(position, record_time.ToNanoseconds(), pb.Negotiation())

    def _refolded(self, id_: str, version: int) -> pb.Negotiation:
        """The head after an entry that speaks of earlier ones."""
        state = pb.Negotiation()
        entries = [_told(stored) for stored in self._store.read(id_, upto=version)]
        for entry, _ in counted(entries):
            _take(state, entry)
        _move_on(state, entries[-1])
        return state

    def _write(self, id_: str, head: _ListedNegotiation) -> None:
        state = head.state
        self._database.execute(
            "INSERT OR REPLACE INTO negotiation VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                head.opened,
                id_,
                head.open_time,
                state.words.title.casefold(),
                state.status,
                state.outcome,
                head.public,
                state.SerializeToString(),
            ),
        )
        self._database.executemany(
            "INSERT OR IGNORE INTO principal VALUES (?, ?)",
            [(principal, head.opened) for principal in state.principals],
        )
        self._database.execute("DELETE FROM participant WHERE opened = ?", (head.opened,))
        self._database.executemany(
            "INSERT INTO participant VALUES (?, ?)",
            [(participant, head.opened) for participant in state.participants],
        )


def _connected(path: Path | None) -> sqlite3.Connection:
    return sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)


def _told(stored: StoredEntry) -> pb.Entry:
    """An entry as a list may know it: words that concern a person lie nowhere in clear."""
    entry = decode_record(stored.data)
    if stored.persons:
        entry.ClearField("words")
    return entry


def _is_public(facts: pb.Facts) -> bool:
    """Whether an entry is for everybody to see, or says so of another."""
    public = pb.VISIBILITY_LEVEL_PUBLIC
    return public in {facts.visibility.level, facts.entry_disclosed.disclosed_to.level}


def _take(state: pb.Negotiation, entry: pb.Entry) -> bool:
    """Take an entry into a head; whether it is one after which the head has to be folded anew."""
    if entry.facts.WhichOneof("event") in _TELLING:
        # Of all words a list shows the title alone: nobody's name is copied here.
        told = pb.Entry(header=entry.header, facts=entry.facts)
        if entry.facts.HasField("negotiation_opened"):
            told.words.title = entry.words.title
        evolve(state, told)
    else:
        _move_on(state, entry)
    return is_amending(entry)


def _move_on(state: pb.Negotiation, entry: pb.Entry) -> None:
    state.name = f"negotiations/{entry.header.negotiation}"
    state.version = entry.header.version
    state.update_time.CopyFrom(entry.header.record_time)


def _meets(state: pb.Negotiation, open_time: int, asked: _Asked) -> bool:
    """Whether a negotiation meets the filters, as the statement has them."""
    if asked["statuses"] is not None and state.status not in json.loads(str(asked["statuses"])):
        return False
    if asked["outcomes"] is not None and state.outcome not in json.loads(str(asked["outcomes"])):
        return False
    if asked["participant"] is not None and asked["participant"] not in state.participants:
        return False
    if asked["title"] is not None and str(asked["title"]) not in state.words.title.casefold():
        return False
    begin, end = asked["open_start_time"], asked["open_end_time"]
    return (begin is None or open_time >= int(begin)) and (end is None or open_time < int(end))


def _summary(open_time: int, head: bytes) -> pb.NegotiationSummary:
    return _summed_up(open_time, pb.Negotiation.FromString(head))


def _summed_up(open_time: int, state: pb.Negotiation) -> pb.NegotiationSummary:
    opened = Timestamp()
    opened.FromNanoseconds(open_time)
    return pb.NegotiationSummary(
        name=state.name,
        title=state.words.title,
        status=state.status,
        outcome=state.outcome,
        version=state.version,
        open_time=opened,
        update_time=state.update_time,
        parties=sorted(
            id_ for id_, part in state.participants.items() if part.facts.role in _PARTIES
        ),
    )


def _asked(request: pb.ListNegotiationsRequest) -> _Asked:
    """The filters of a request, as the statement takes them. Raises Refusal."""
    requests.check_enum(request, "statuses")
    requests.check_enum(request, "outcomes")
    if request.participant_id:
        drafts.check_id(request.participant_id, "participant_id")
    return {
        "statuses": json.dumps(list(request.statuses)) if request.statuses else None,
        "outcomes": json.dumps(list(request.outcomes)) if request.outcomes else None,
        "participant": request.participant_id or None,
        "title": request.title_contains.casefold() or None,
        "open_start_time": requests.time(request, "open_start_time"),
        "open_end_time": requests.time(request, "open_end_time"),
    }


def _query(request: pb.ListNegotiationsRequest) -> bytes:
    return page_tokens.query(request, "page_token", "page_size")


def _digest(stored: StoredEntry) -> bytes:
    return hashlib.sha256(stored.data).digest()


@contextlib.contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        message = f"the catalogue failed: {error}"
        raise StoreUnavailableError(message) from error
