"""The store: entries in, entries out, on disk when it says so."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pourparler_service.backends.sqlite.event_store import SqliteEventStore
from pourparler_service.storage import event_store as stores
from pourparler_service.storage.interface import (
    ConflictError,
    EventStore,
    StoredEntry,
    StoreSettingsError,
    StoreUnavailableError,
)
from tests.support.commit_control import Commits
from tests.support.stores import open_store, open_subject_keys


def records(negotiation: str, first: int, last: int) -> list[StoredEntry]:
    return [
        StoredEntry(negotiation, version, "pourparler.v1.StatementRecorded", b"%d" % version)
        for version in range(first, last + 1)
    ]


@pytest.fixture(params=["memory", "file", "sqlite-memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    if request.param == "file":
        store = open_store(tmp_path, {})
    elif request.param == "memory":
        store = open_store(None, {})
    else:
        store = SqliteEventStore(None, open_subject_keys(None))
    yield store
    store.close()


def test_what_is_appended_is_read_back_byte_for_byte(store: EventStore) -> None:
    given = [StoredEntry("a", 1, "t", bytes(range(256))), StoredEntry("a", 2, "t", b"")]

    store.append(given)

    assert store.read("a") == given


def test_entries_are_read_by_version(store: EventStore) -> None:
    given = records("a", 1, 9)
    store.append(given)

    assert store.read("a", after=3) == given[3:]
    assert store.read("a", after=3, upto=5) == given[3:5]
    assert store.read("a", upto=0) == []
    assert store.read("a", reverse=True, limit=2) == [given[8], given[7]]
    assert store.read("b") == []


def test_the_last_version_is_that_of_the_last_entry(store: EventStore) -> None:
    store.append(records("a", 1, 3))

    assert store.last_version("a") == 3
    assert store.last_version("b") == 0


def test_entries_of_all_negotiations_come_in_the_order_of_their_commits(store: EventStore) -> None:
    store.append([*records("b", 1, 1), *records("a", 1, 2)])
    store.append(records("b", 2, 2))

    scanned = store.scan(0, 10)

    assert [(one.negotiation, one.version) for _, one in scanned] == [
        ("b", 1),
        ("a", 1),
        ("a", 2),
        ("b", 2),
    ]
    assert store.position() == scanned[-1][0]
    assert store.scan(scanned[1][0], 1) == scanned[2:3]
    assert store.scan(store.position(), 10) == []


def test_rows_are_the_bytes_of_entries_by_version(store: EventStore) -> None:
    store.append([*records("a", 1, 5), *records("b", 1, 2)])

    rows, last = store.rows("a", after=1, upto=4, limit=10, size=1_000)

    assert (rows, last) == ([(2, "a", b"2"), (3, "a", b"3"), (4, "a", b"4")], True)
    assert store.rows("a", after=1, upto=5, limit=2, size=1_000) == (rows[:2], False)
    assert store.rows("none", after=0, upto=5, limit=2, size=1_000) == ([], True)


def test_rows_of_all_negotiations_come_by_position_without_what_stands_beside_them(
    store: EventStore,
) -> None:
    store.append([*records("a", 1, 2), *records("copies:c", 1, 1), *records("b", 1, 2)])
    scanned = [(place, one.negotiation, one.data) for place, one in store.scan(0, 10)]

    first = store.rows("", after=0, upto=store.position(), limit=3, size=1_000)
    rest = store.rows("", after=first.rows[-1][0], upto=store.position(), limit=3, size=1_000)

    assert [*first.rows, *rest.rows] == scanned
    assert [(id_, data) for _, id_, data in scanned] == [
        ("a", b"1"),
        ("a", b"2"),
        ("b", b"1"),
        ("b", b"2"),
    ]
    assert store.rows("", after=0, upto=scanned[1][0], limit=9, size=1_000) == (scanned[:2], True)
    assert store.rows("", after=store.position(), upto=1 << 62, limit=9, size=1) == ([], True)


def test_no_more_rows_are_read_than_there_is_room_for(tmp_path: Path) -> None:
    store = open_store(tmp_path, {})
    store.append(
        [
            StoredEntry("a", version, "pourparler.v1.StatementRecorded", bytes(100))
            for version in (1, 2, 3)
        ]
    )

    read = [
        len(store.rows("a", after=0, upto=3, limit=3, size=size).rows) for size in (1, 101, 900)
    ]

    store.close()
    assert read == [1, 2, 3]


def test_single_entries_are_read_in_the_order_in_which_they_are_asked_for(
    store: EventStore,
) -> None:
    store.append([*records("a", 1, 5), *records("b", 1, 2)])

    assert store.several([("b", 2), ("a", 4), ("b", 1), ("a", 4)], 100) == [b"2", b"4", b"1", b"4"]
    assert store.several([], 100) == []


def test_no_more_single_entries_are_read_than_there_is_room_for(tmp_path: Path) -> None:
    store = open_store(tmp_path, {})
    store.append([StoredEntry("a", version, "t", bytes(100)) for version in (1, 2, 3)])

    places = [("a", 1), ("a", 2), ("a", 3)]
    read = [len(store.several(places, size)) for size in (1, 101, 900)]
    store.close()

    assert read == [1, 2, 3]


def test_an_empty_store_is_at_position_0(store: EventStore) -> None:
    assert store.position() == 0
    assert store.scan(0, 10) == []


def test_a_conflict_stores_nothing_of_the_append(store: EventStore) -> None:
    store.append(records("a", 1, 2))

    with pytest.raises(ConflictError):
        store.append([*records("b", 1, 5), *records("a", 2, 3)])

    assert store.last_version("a") == 2
    assert store.last_version("b") == 0
    store.append(records("b", 1, 1))
    assert store.last_version("b") == 1


def test_a_store_that_works_passes_its_probe(store: EventStore) -> None:
    store.probe()
    store.append(records("a", 1, 1))
    store.probe()

    assert store.position() == 1


def test_a_closed_store_says_that_it_is_unavailable(tmp_path: Path) -> None:
    store = open_store(tmp_path, {})
    store.close()

    with pytest.raises(StoreUnavailableError):
        store.read("a")


def test_what_was_appended_is_there_when_the_store_is_opened_again(tmp_path: Path) -> None:
    store = open_store(tmp_path, {})
    store.append(records("a", 1, 3))
    store.close()

    again = open_store(tmp_path, {})

    assert again.read("a") == records("a", 1, 3)
    again.close()


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    store = open_store(tmp_path, {})
    store.append(records("a", 1, 1))

    with sqlite3.connect(tmp_path / "record.sqlite") as connection:
        journal_mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        synchronous = connection.execute("PRAGMA synchronous").fetchone()[0]
    connection.close()
    store.close()

    assert (journal_mode, synchronous) == ("wal", 2)


def test_after_a_failed_commit_the_store_takes_entries_again(tmp_path: Path) -> None:
    store = SqliteEventStore(
        tmp_path / "record.sqlite", open_subject_keys(tmp_path), lock_seconds=1
    )
    store.append(records("a", 1, 1))
    other = sqlite3.connect(tmp_path / "record.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailableError):
        store.append(records("a", 2, 2))
    with pytest.raises(StoreUnavailableError):
        store.probe()
    other.execute("ROLLBACK")
    other.close()

    store.probe()
    store.append(records("a", 2, 2))
    assert store.last_version("a") == 2
    store.close()


def test_an_unknown_encoding_of_the_library_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreSettingsError, match="no_such_module"):
        open_store(tmp_path, {"COMPRESSOR_TOPIC": "no_such_module:Compressor"})


def test_the_library_does_not_read_the_environment_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SQLITE_DBNAME", "POURPARLER_SQLITE_DBNAME"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere.sqlite"))
    monkeypatch.setenv("PERSISTENCE_MODULE", "eventsourcing.popo")
    monkeypatch.setenv("ORIGINATOR_ID_TYPE", "uuid")

    store = open_store(tmp_path)
    store.append(records("a", 1, 1))
    store.close()

    assert (tmp_path / "record.sqlite").exists()
    assert not (tmp_path / "elsewhere.sqlite").exists()


def test_a_database_elsewhere_needs_a_data_folder_for_its_keys(tmp_path: Path) -> None:
    with pytest.raises(StoreSettingsError, match="POURPARLER_DATA"):
        open_store(None, store=f"sqlite:{tmp_path / 'record.sqlite'}")


def test_entries_are_enciphered_where_the_library_is_told_to(tmp_path: Path) -> None:
    from eventsourcing.cipher import AESCipher  # noqa: PLC0415 - the key is the library's to make

    env = {
        "CIPHER_TOPIC": "eventsourcing.cipher:AESCipher",
        "CIPHER_KEY": AESCipher.create_key(num_bytes=16),
        "COMPRESSOR_TOPIC": "zlib",
    }
    given = [StoredEntry("a", 1, "t", b"strictly between ourselves")]

    store = open_store(tmp_path, env)
    store.append(given)

    assert store.read("a") == given
    assert [one for _, one in store.scan(0, 1)] == given
    assert store.several([("a", 1)], 1) == [given[0].data]
    store.close()
    assert all(b"between ourselves" not in path.read_bytes() for path in tmp_path.iterdir())


def test_the_client_alone_does_not_bring_in_the_store() -> None:
    program = (
        "import sys, pourparler, pourparler.state.fold\n"
        "sys.exit('eventsourcing' in sys.modules or 'pourparler_service' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_probe_gives_up_on_a_commit_that_hangs_and_leaves_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = Commits(monkeypatch)
    monkeypatch.setattr(stores, "PATIENCE_SECONDS", 0.05)
    store = open_store(tmp_path, {})
    writer = threading.Thread(target=store.append, args=(records("a", 1, 3),), name="writer")

    commits.hold()
    writer.start()
    commits.wait()
    for _ in range(3):
        with pytest.raises(StoreUnavailableError, match="takes too long"):
            store.probe()
    commits.go_on()
    writer.join()

    assert store.read("a") == records("a", 1, 3)
    store.append(records("a", 4, 4))
    store.probe()
    store.close()
