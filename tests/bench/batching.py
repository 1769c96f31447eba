"""Appends by those who have much to record: a session, batches of groups, groups of drafts."""

import contextlib
import functools
import itertools
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pourparler import v1 as pb
from pourparler.schema.wire import length_delimited
from tests.bench import talks, wire
from tests.bench.appending import open_all, several
from tests.bench.measure import Aim, Means, Taken, Workload
from tests.bench.servers import OURS, servers

BATCH = 100
NEGOTIATIONS = (1, 1_000)
UNDER_WAY = 256
"""How many groups of a session wait for their answer: as many as the service lets."""

RAW = "raw SQLite"
CALL, SESSION = "empty call", "empty session"
_CALLERS = 4  # a batch is long: more of them at once only wait


def workloads(means: Means) -> Iterator[Workload]:
    """A workload for each way and each number of negotiations."""
    with contextlib.ExitStack() as started:
        at = started.enter_context(servers(means.folder))
        raw = started.enter_context(raw_sqlite(means))
        sizes = {way: _size_of_answer(at.ours, way) for way in _BODIES}
        for negotiations in NEGOTIATIONS:
            over = several(negotiations, "negotiation")
            yield Workload(
                f"session-{negotiations}",
                f"append by one session, {UNDER_WAY} groups under way, over {over}",
                "entries a second",
                {
                    SESSION: _emptily(at.empty, "session", sizes["session"], means.seconds),
                    OURS: _appending(at.ours, "session", negotiations, means.seconds),
                    RAW: raw,
                },
                SESSION,
            )
            for way, what in (("groups", f"{BATCH} groups"), ("drafts", f"{BATCH} drafts a group")):
                yield Workload(
                    f"batch-{way}-{negotiations}",
                    f"append by batches of {what}, by {_CALLERS} callers, over {over}",
                    "entries a second",
                    {
                        CALL: _emptily(at.empty, way, sizes[way], means.seconds),
                        OURS: _appending(at.ours, way, negotiations, means.seconds),
                        RAW: raw,
                    },
                    CALL,
                    [Aim(OURS, None, at_least=40_000)],
                )


def _emptily(address: str, way: str, size: int, seconds: float) -> Callable[[], Taken]:
    """Calls that do nothing, with requests and answers of the same sizes."""
    method = f"/empty/Session-{size}" if way == "session" else f"/empty/Unary-{size}"

    def append() -> Taken:
        bodies = _BODIES[way]("empty", 1)
        return _run(address, method, way, bodies, seconds).by_rate(_EACH[way])

    return append


def _appending(address: str, way: str, negotiations: int, seconds: float) -> Callable[[], Taken]:
    rounds = itertools.count()

    def append() -> Taken:
        name = f"{way}-over-{negotiations}-{next(rounds)}"
        open_all(address, name, negotiations)
        bodies = _BODIES[way](name, negotiations)
        run = _run(address, _METHODS[way], way, bodies, seconds)
        turns = run.answered * BATCH if way == "groups" else run.answered
        statements = -(-turns // negotiations) * (BATCH if way == "drafts" else 1)
        assert _statements(address, f"{name}-0000") == statements, "not all was recorded"
        return run.by_rate(_EACH[way])

    return append


def _run(address: str, method: str, way: str, bodies: Iterator[bytes], seconds: float) -> wire.Run:
    if way == "session":
        return wire.pump(address, method, bodies, under_way=UNDER_WAY, seconds=seconds)
    return wire.run(address, method, bodies, callers=_CALLERS, seconds=seconds)


def _size_of_answer(address: str, way: str) -> int:
    """How many bytes the first answer has."""
    name = f"sized-{way}"
    open_all(address, name, 1)
    first = itertools.islice(_BODIES[way](name, 1), 1)
    return _run(address, _METHODS[way], way, first, 60).size - wire.PREFIX_BYTES


def _statements(address: str, id_: str) -> int:
    """How many statements a negotiation has: of a batch, an answer does not mean that it is so."""
    asked = pb.GetNegotiationRequest(name=f"negotiations/{id_}", view=pb.NEGOTIATION_VIEW_BASIC)
    answer = wire.call(address, talks.STATE, asked.SerializeToString())
    version = pb.GetNegotiationResponse.FromString(answer).negotiation.version
    return version - len(talks.OPENING)


def _groups(name: str, negotiations: int) -> Iterator[bytes]:
    """Batches without end, of groups with one statement each."""
    some = talks.statements(name, negotiations)
    while True:
        yield b"".join(length_delimited(1, one) for one in itertools.islice(some, BATCH))


def _drafts(name: str, negotiations: int) -> Iterator[bytes]:
    """Groups without end, each of so many statements in one negotiation."""
    return talks.statements(name, negotiations, drafts=BATCH)


def _in_session(name: str, negotiations: int) -> Iterator[bytes]:
    """Messages of a session without end, a statement each."""
    for one in talks.statements(name, negotiations):
        yield length_delimited(1, one)


_BODIES: dict[str, Callable[[str, int], Iterator[bytes]]] = {
    "session": _in_session,
    "groups": _groups,
    "drafts": _drafts,
}
_EACH = {"session": 1, "groups": BATCH, "drafts": BATCH}
"""How many entries a message has."""
_METHODS = {"session": talks.SESSION, "groups": talks.BATCH, "drafts": talks.RECORD}


@contextlib.contextmanager
def raw_sqlite(means: Means) -> Iterator[Callable[[], Taken]]:
    """SQLite with nothing around it: as many bytes, in transactions that wait for the disk."""
    with tempfile.TemporaryDirectory(dir=means.folder) as folder:
        database = sqlite3.connect(Path(folder, "raw.sqlite"), isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(
            "CREATE TABLE entry (position INTEGER PRIMARY KEY, negotiation TEXT NOT NULL,"
            " version INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE (negotiation, version))"
        )
        yield functools.partial(_insert, database, itertools.count(), means.seconds)
        database.close()


def _insert(
    database: sqlite3.Connection, versions: "itertools.count[int]", seconds: float
) -> Taken:
    data = bytes(talks.STORED_BYTES)
    inserted = 0
    began = time.perf_counter()
    while time.perf_counter() < began + seconds:
        rows = [("raw", version, data) for version in itertools.islice(versions, BATCH)]
        database.execute("BEGIN IMMEDIATE")
        database.executemany(
            "INSERT INTO entry (negotiation, version, data) VALUES (?, ?, ?)", rows
        )
        database.execute("COMMIT")
        inserted += BATCH
    return Taken(inserted / (time.perf_counter() - began))
