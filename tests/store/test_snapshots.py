"""Snapshots: a fold that begins at one comes to what all entries come to, whatever it is."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given as given_any
from hypothesis import settings

from pourparler import v1 as pb
from pourparler.schema.contract import entry_type
from pourparler.state.fold import fold
from pourparler.transparency.bundle import BundleReader
from pourparler.transparency.merkle import MerkleTree
from pourparler_service.aggregate import snapshots as kept
from pourparler_service.aggregate.current import CurrentNegotiations
from pourparler_service.aggregate.snapshots import Snapshot, Snapshots, open_snapshots
from pourparler_service.backends.memory.snapshot_store import MemorySnapshotFile
from pourparler_service.backends.sqlite.snapshot_store import SqliteSnapshotFile
from pourparler_service.storage.interface import EventStore, StoredEntry, StoreUnavailableError
from pourparler_service.storage.record_codec import decode_record, leaf, record_bytes
from tests.support.sample_entries import NEGOTIATION, joined, opened, recorded, said
from tests.support.state_reader import StateReader
from tests.support.stores import open_store, open_subject_keys
from tests.support.strategies import histories

GOLDEN = Path(__file__).parent.parent / "golden" / "talks.bundle"
KEYS = open_subject_keys(None)
DIGEST = "8d288adad50f3223a6c07129992bb95c767e9135c498f5ab006cca9f1dd48071"


class FaultyShelf(SqliteSnapshotFile):
    """A shelf that can be made to fail, and remembers what was put on it."""

    def __init__(self) -> None:
        super().__init__(None)
        self.fails = False
        self.versions: list[int] = []

    def put(self, one: StoredEntry) -> None:
        self._look()
        self.versions.append(one.version)
        super().put(one)

    def nearest(self, negotiation: str, upto: int) -> StoredEntry | None:
        self._look()
        return super().nearest(negotiation, upto)

    def _look(self) -> None:
        if self.fails:
            raise StoreUnavailableError("the disk is gone")


@pytest.fixture
def store() -> Iterator[EventStore]:
    store = open_store(None, {})
    yield store
    store.close()


@pytest.fixture
def shelf() -> Iterator[FaultyShelf]:
    shelf = FaultyShelf()
    yield shelf
    shelf.close()


def stored(entry: pb.Entry) -> StoredEntry:
    kind = entry_type(entry.facts)
    assert kind is not None
    header = entry.header
    data = record_bytes(NEGOTIATION, header.version, header.record_time, entry.facts, entry.words)
    return StoredEntry(NEGOTIATION, header.version, str(kind.descriptor.full_name), data)


def talks(length: int, words: str = "s") -> list[pb.Entry]:
    drafts = [opened(), joined("a"), *(said(f"{words}{n}", "a") for n in range(length - 2))]
    return [recorded(version, one) for version, one in enumerate(drafts, start=1)]


def reader(store: EventStore, snapshots: Snapshots) -> StateReader:
    return StateReader(store, CurrentNegotiations(store, snapshots))


def at(negotiations: StateReader, version: int) -> bytes:
    reading = negotiations.read(NEGOTIATION, pb.AsOf(version=version))
    assert reading.computed_at.version == version
    return reading.state.SerializeToString(deterministic=True)


def folded(entries: Sequence[pb.Entry], version: int) -> bytes:
    state = fold(entries[:version])
    state.name = f"negotiations/{NEGOTIATION}"
    return state.SerializeToString(deterministic=True)


@settings(max_examples=40, deadline=None)
@given_any(histories(40))
def test_at_every_version_a_fold_from_a_snapshot_is_the_fold_of_all(
    history: list[pb.Entry],
) -> None:
    store, shelf = open_store(None, {}), SqliteSnapshotFile(None)
    store.append([stored(one) for one in history])
    entries = [decode_record(one.data) for one in store.read(NEGOTIATION)]
    negotiations = reader(store, Snapshots(shelf, KEYS, fewest=3))
    versions = range(len(entries) + 1)
    expected = [folded(entries, version) for version in versions]

    assert [at(negotiations, version) for version in versions] == expected
    assert [at(negotiations, version) for version in reversed(versions)] == expected[::-1]
    if len(entries) > 3:
        assert shelf.size() > 0
    latest = reader(store, Snapshots(shelf, KEYS, fewest=3)).read(NEGOTIATION, pb.AsOf())
    assert latest.state.SerializeToString(deterministic=True) == expected[-1]
    store.close()
    shelf.close()


def test_a_point_is_reached_from_the_snapshot_before_it(
    store: EventStore, shelf: FaultyShelf
) -> None:
    entries = talks(300)
    store.append([stored(one) for one in entries])
    negotiations = reader(store, Snapshots(shelf, KEYS))

    for version in (250, 260, 100, 300, 250):
        assert at(negotiations, version) == folded(entries, version)

    assert shelf.versions == [250]


def test_what_begins_at_a_snapshot_proves_by_the_entries_alone(
    store: EventStore, shelf: FaultyShelf
) -> None:
    entries = talks(300)
    records = [stored(one) for one in entries]
    store.append(records[:250])
    snapshots = Snapshots(shelf, KEYS)
    at(reader(store, snapshots), 250)
    store.append(records[250:])

    with CurrentNegotiations(store, snapshots).current(NEGOTIATION) as negotiation:
        assert negotiation.requests == {}
        assert negotiation.tree.root() == MerkleTree(leaf(one.data) for one in records).root()
        assert negotiation.version == 300
        assert negotiation.record_time == entries[-1].header.record_time
        assert negotiation.state.SerializeToString(deterministic=True) == folded(entries, 300)


def test_a_snapshot_of_another_record_is_not_used(store: EventStore, shelf: FaultyShelf) -> None:
    before, after = talks(200, "before"), talks(300, "after")
    elsewhere = open_store(None, {})
    elsewhere.append([stored(one) for one in before])
    at(reader(elsewhere, Snapshots(shelf, KEYS)), 200)
    elsewhere.close()
    store.append([stored(one) for one in after])

    negotiations = reader(store, Snapshots(shelf, KEYS))

    assert shelf.versions == [200]
    assert at(negotiations, 250) == folded(after, 250)


def test_a_snapshot_beyond_the_end_of_the_record_is_not_used(
    store: EventStore, shelf: FaultyShelf
) -> None:
    entries = talks(200)
    shelf.put(StoredEntry(NEGOTIATION, 500, "pourparler.v1.Negotiation/1", b"0" * 32))
    store.append([stored(one) for one in entries])

    latest = reader(store, Snapshots(shelf, KEYS)).read(NEGOTIATION, pb.AsOf())

    assert latest.state.SerializeToString(deterministic=True) == folded(entries, 200)


def test_a_snapshot_of_another_format_is_ignored(store: EventStore, shelf: FaultyShelf) -> None:
    entries = talks(200)
    store.append([stored(one) for one in entries])
    shelf.put(StoredEntry(NEGOTIATION, 200, "pourparler.v1.Negotiation/0", b"something else"))

    assert at(reader(store, Snapshots(shelf, KEYS)), 200) == folded(entries, 200)
    found = shelf.nearest(NEGOTIATION, 200)
    assert found is not None
    assert found.topic == "pourparler.v1.Negotiation/3"


@pytest.mark.parametrize("damage", [b"", b"\0\0\0\4oops", b"\0\0\1\0"])
def test_a_damaged_snapshot_is_not_used(
    store: EventStore, shelf: FaultyShelf, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    entries = talks(200)
    records = [stored(one) for one in entries]
    store.append(records)
    data = pb.SealedRecord(sealed=leaf(records[149].data) + damage).SerializeToString()
    shelf.put(StoredEntry(NEGOTIATION, 150, "pourparler.v1.Negotiation/2", data))

    with caplog.at_level(logging.WARNING):
        assert at(reader(store, Snapshots(shelf, KEYS)), 200) == folded(entries, 200)


def test_a_shelf_that_fails_is_told_of_once_and_harms_nobody(
    store: EventStore, shelf: FaultyShelf, caplog: pytest.LogCaptureFixture
) -> None:
    entries = talks(200)
    store.append([stored(one) for one in entries])
    negotiations = reader(store, Snapshots(shelf, KEYS))
    shelf.fails = True

    with caplog.at_level(logging.WARNING):
        for version in (200, 150, 200):
            assert at(negotiations, version) == folded(entries, version)

    assert len(caplog.records) == 1
    assert "the disk is gone" in caplog.text


def test_what_is_purged_is_gone_from_the_file_and_not_put_back(
    store: EventStore, tmp_path: Path
) -> None:
    secret = said("s-secret", "a")
    entries = [*talks(199), recorded(200, secret)]
    store.append([stored(one) for one in entries])
    path = tmp_path / "snapshots.sqlite"
    snapshots = open_snapshots(lambda: SqliteSnapshotFile(path), KEYS)
    negotiations = reader(store, snapshots)
    at(negotiations, 200)
    before = snapshots.purged
    assert snapshots.nearest(NEGOTIATION, 200) is not None

    snapshots.purge(NEGOTIATION)

    assert snapshots.nearest(NEGOTIATION, 200) is None
    state = fold(entries)
    late = Snapshot(200, leaf(store.read(NEGOTIATION, after=199)[0].data), state)
    snapshots.keep(NEGOTIATION, late, purged=before)
    assert snapshots.nearest(NEGOTIATION, 200) is None
    snapshots.keep(NEGOTIATION, late, purged=snapshots.purged)
    assert snapshots.nearest(NEGOTIATION, 200) is not None
    snapshots.close()


def test_a_file_that_is_no_database_is_made_anew(
    store: EventStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entries = talks(200)
    store.append([stored(one) for one in entries])
    path = tmp_path / "snapshots.sqlite"
    path.write_bytes(b"not a database" * 1_000)

    with caplog.at_level(logging.WARNING):
        snapshots = open_snapshots(lambda: SqliteSnapshotFile(path), KEYS)

    assert "is damaged" in caplog.text
    assert at(reader(store, snapshots), 200) == folded(entries, 200)
    assert snapshots.nearest(NEGOTIATION, 200) is not None
    snapshots.close()


def test_without_a_folder_snapshots_are_kept_in_memory(store: EventStore) -> None:
    entries = talks(200)
    store.append([stored(one) for one in entries])
    snapshots = open_snapshots(MemorySnapshotFile, KEYS)

    assert at(reader(store, snapshots), 200) == folded(entries, 200)

    found = snapshots.nearest(NEGOTIATION, 200)
    assert found is not None
    assert found.state == fold(entries)
    assert found.size == found.state.ByteSize()
    snapshots.close()


def test_where_no_file_can_be_there_are_no_snapshots(
    store: EventStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entries = talks(200)
    store.append([stored(one) for one in entries])

    with caplog.at_level(logging.WARNING):
        snapshots = open_snapshots(
            lambda: SqliteSnapshotFile(tmp_path / "missing" / "snapshots.sqlite"), KEYS
        )

    assert "there are no snapshots" in caplog.text
    assert at(reader(store, snapshots), 200) == folded(entries, 200)
    snapshots.purge(NEGOTIATION)
    snapshots.close()


def test_snapshots_have_a_bound(store: EventStore, shelf: FaultyShelf) -> None:
    entries = talks(600)
    store.append([stored(one) for one in entries])
    negotiations = reader(store, Snapshots(shelf, KEYS, kept_bytes=20_000))

    for version in (200, 400, 600):
        assert at(negotiations, version) == folded(entries, version)
        assert shelf.size() < 30_000

    assert shelf.versions == [200, 400, 600]


def test_the_fold_makes_the_states_that_snapshots_of_this_format_have() -> None:
    """If the fold makes another state by now, raise FORMAT, and put its digest here."""
    with GOLDEN.open("rb") as file:
        state = fold([decode_record(data) for data in BundleReader(file).records()])

    assert kept.FORMAT == 3
    assert hashlib.sha256(state.SerializeToString(deterministic=True)).hexdigest() == DIGEST
