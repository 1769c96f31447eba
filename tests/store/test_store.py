"""The store: entries in, entries out, on disk when it says so."""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pourparler_service.backends.sqlite.event_store import SqliteEventStore
from pourparler_service.storage import event_store as stores
from pourparler_service.storage.interface import (
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
