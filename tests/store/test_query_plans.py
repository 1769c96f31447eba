"""Every statement of the SQLite backend finds its rows by an index, however large the record."""

import ast
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pourparler import v1 as pb
from pourparler_service.aggregate.snapshots import Snapshot
from pourparler_service.backends import sqlite
from pourparler_service.backends.sqlite.backend import SqliteBackend
from pourparler_service.backends.sqlite.event_store import has_encrypted_entries
from pourparler_service.domain.references import Part
from pourparler_service.reads.negotiation_table import Filters, NegotiationRow, Progress
from pourparler_service.search.index import Document, IndexQuery
from pourparler_service.search.query import SearchQuery
from pourparler_service.storage.interface import StoredEntry
from pourparler_service.storage.master_key import MasterKey
from tests.support.erasure_cases import ASKED, ID, kept, talks
from tests.support.stores import keys_of

BIG = {
    "brought",
    "correction",
    "entry",
    "key",
    "named",
    "negotiation",
    "participant",
    "principal",
    "shelf",
    "stored_events",
}
"""The tables that grow with the record. The others have a row, or one for each erasure."""

ALLOWED = {
    "SELECT COALESCE(SUM(LENGTH(state)), 0) FROM shelf": "once after a start, in a bounded file",
    "DELETE FROM shelf WHERE topic !=": "once after a start and when the bounded file is full",
    "SELECT negotiation, participant, number, wrapped FROM key WHERE wrapped IS NOT NULL": (
        "all keys, when the master key is rotated or lost"
    ),
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM key)": "ends at the first row",
    "SELECT 1 FROM stored_events WHERE substr(state, 1, 1) =": "only if the keys are lost",
}
"""Statements that read a whole table on purpose, and why."""


class Traced:
    """The statements that ran on all connections, and each step of their plans."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: set[str] = set()
        self.plans: set[tuple[str, str]] = set()
        traced, connect = self, sqlite3.connect

        class Connection(sqlite3.Connection):
            """Explains before it is closed what it ran."""

            ran: set[str]

            def close(self) -> None:
                self.set_trace_callback(None)
                self.set_progress_handler(None, 0)
                for text in self.ran:
                    for *_, step in self.execute(f"EXPLAIN QUERY PLAN {text}").fetchall():
                        traced.plans.add((text, step))
                self.ran = set()
                super().close()

        def connected(*given: Any, **more: Any) -> Connection:
            connection: Connection = connect(*given, **more, factory=Connection)
            connection.ran = set()

            def ran(text: str) -> None:
                text = " ".join(text.split())
                if re.match("(SELECT|WITH|INSERT|UPDATE|DELETE) ", text):
                    connection.ran.add(text)
                    traced.statements.add(text)

            connection.set_trace_callback(ran)
            return connection

        monkeypatch.setattr(sqlite3, "connect", connected)


def scanned(step: str, text: str) -> str:
    """The big table that a step of a plan reads from end to end; empty if there is none."""
    found = re.match(r"SCAN (\w+)(?! VIRTUAL)", step)
    if not found or "VIRTUAL TABLE" in step:
        return ""
    named = re.search(rf"(\w+) AS {found[1]}\b", text)
    table = named[1] if named else found[1]
    return table if table in BIG else ""


def written() -> set[str]:
    """How each statement in the source of the backend begins, as far as it is not put together."""
    beginnings = set()
    for path in sorted(Path(sqlite.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            text = ""
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                text = str(node.values[0].value)
            text = " ".join(text.split())
            if re.match(r"(SELECT|WITH|INSERT|UPDATE|DELETE) [\w(]", text):
                beginnings.add(re.split(r"[?:{]", text)[0].strip())
    return beginnings


def use_everything(folder: Path) -> None:
    """Run every statement of the backend."""
    use_a_record(folder)
    backend = SqliteBackend(folder, None, {})
    assert has_encrypted_entries(folder / "record.sqlite")
    keys = keys_of(backend, folder)
    keys.ensure_keys([(ID, "carl")])
    keys.encrypt_blob(ID, b"x")
    keys.rewrap(MasterKey.random())
    store = backend.event_store(keys)
    given = StoredEntry("n", 1, "t", b"\x0a\x00")
    store.append([given])
    store.rewrite([given])
    store.probe()
    for id_ in ("n", ""):
        store.rows(id_, after=0, upto=9, limit=9, size=9)
    store.several([("n", 1)], 9)
    store.read("n", after=0, upto=9, reverse=True, limit=1)
    store.read("n", limit=1)
    file = backend.snapshot_file()
    file.put(StoredEntry("n", 1, "t", b"x"))
    file.nearest("n", 1)
    file.size()
    file.purge("n")
    file.purge_others("t")
    table = backend.negotiation_table()
    table.reset(Progress(1, "log"))
    row = NegotiationRow(1, "n", 1, "t", 1, 1, True, b"", ["p"], ["p"])
    table.save([row], 1, b"d")
    table.purge(row)
    table.find("n")
    table.page(Filters(), 0, 1)
    table.page(Filters(frozenset({1}), frozenset({1}), "p", "t", 0, 9), 0, 1)
    table.accessible("p", 0, 1, public=True)
    table.joined("p", 0, 1)
    table.admits("n", "p", public=True)
    index = backend.search_index("log", lambda _: b"d")
    ask_everything(index)
    for one in (index, table, file, store):
        one.close()


def use_a_record(folder: Path) -> None:
    """Record, read, search and erase, as a service does."""
    for _ in range(2):
        with kept(folder) as rooms:
            if not rooms.store.position():
                rooms.record(*talks())
            rooms.look_at_everything()
            rooms.found("said")
            state = rooms.state()
            rooms.snapshots.keep(ID, Snapshot(3, bytes(32), state), purged=0)
            if not rooms.erasures.erase(ASKED).versions:
                raise AssertionError


def ask_everything(index: Any) -> None:
    """Put questions to an index with all filters and with none."""
    topic = Part(int(pb.PART_KIND_TOPIC), "t")
    brought = Part(int(pb.PART_KIND_PROPOSAL), "p")
    document = Document(
        position=1,
        negotiation="n",
        version=1,
        recorded=0,
        begin=None,
        end=None,
        types=(1,),
        basis=1,
        speakers=frozenset(),
        parts=frozenset({topic, brought}),
        brought=brought,
        target=0,
        annuls=False,
        words=("", "", ""),
        concealed=False,
    )
    index.take([document], 1, b"d")
    whole = IndexQuery(
        SearchQuery.parse('quokka "a b" qu* -c'),
        negotiations=["n"],
        speakers=["p"],
        participants=["p"],
        topics=["t"],
        types=[1],
        bases=[1],
        begin=0,
        end=9,
        record_start_time=0,
        record_end_time=9,
    )
    for asked in (whole, whole._replace(surely=True), IndexQuery(SearchQuery.parse("quokka"))):
        for after in (None, (1, 1)):
            index.ranked(asked, 9, after=after, most=1)
    for asked in (whole, IndexQuery(SearchQuery.parse(""))):
        for newest in (False, True):
            index.listed(asked, 9, after=1, most=1, newest=newest)
            index.listed(asked, 9, after=None, most=1, newest=newest)
    index.corrections(["n"], 9)
    index.version("n", 9)
    index.positions("n")


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Traced:
    return Traced(monkeypatch)


def test_no_statement_reads_a_big_table_from_end_to_end(traced: Traced, tmp_path: Path) -> None:
    use_everything(tmp_path)

    ran = traced.statements
    assert {
        (text, step)
        for text, step in traced.plans
        if scanned(step, text) and not any(text.startswith(one) for one in ALLOWED)
    } == set()
    # The test is about all of them: each that is written was run, and each exception is one.
    assert {one for one in written() if not any(one in text for text in ran)} == set()
    assert {one for one in ALLOWED if not any(text.startswith(one) for text in ran)} == set()


def test_a_statement_without_an_index_is_found(traced: Traced, tmp_path: Path) -> None:
    """The test above would fail: this is how participants were deleted once."""
    database = sqlite3.connect(tmp_path / "planted.sqlite")
    database.execute("CREATE TABLE participant (id TEXT, opened INTEGER, PRIMARY KEY (id, opened))")
    database.execute("DELETE FROM participant WHERE opened = ?", (1,))
    database.close()

    assert [scanned(step, text) for text, step in traced.plans] == ["participant"]
