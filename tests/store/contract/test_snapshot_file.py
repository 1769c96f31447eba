"""Every snapshot file keeps bytes by negotiation and version, and lets go of them for good."""

import threading
from collections.abc import Iterator

import pytest

from pourparler_service.aggregate.snapshots import SnapshotFile
from pourparler_service.application import Backend
from pourparler_service.storage.interface import StoredEntry


@pytest.fixture
def file(backend: Backend) -> Iterator[SnapshotFile]:
    backend.directory().close()
    file = backend.snapshot_file()
    yield file
    file.close()


def at(version: int, negotiation: str = "a", topic: str = "t/1", data: bytes = b"x") -> StoredEntry:
    return StoredEntry(negotiation, version, topic, data)


def test_the_nearest_is_the_last_one_up_to_a_version(file: SnapshotFile) -> None:
    for version in (30, 10, 20):
        file.put(at(version, data=b"%d" % version))
    file.put(at(25, "b"))

    found = [file.nearest("a", upto) for upto in (9, 10, 19, 20, 29, 31)]

    assert [one and one.version for one in found] == [None, 10, 10, 20, 20, 30]
    assert found[1] == at(10, data=b"10")
    assert file.nearest("c", 99) is None


def test_the_first_of_a_version_stays(file: SnapshotFile) -> None:
    file.put(at(1, data=b"first"))
    file.put(at(1, data=b"second"))

    assert file.nearest("a", 1) == at(1, data=b"first")


def test_the_size_is_that_of_all_bytes(file: SnapshotFile) -> None:
    assert file.size() == 0
    file.put(at(1, data=bytes(10)))
    file.put(at(1, "b", data=bytes(7)))

    assert file.size() == 17
    assert file.capacity > 1 << 20


def test_a_purge_is_of_one_negotiation(file: SnapshotFile) -> None:
    file.put(at(1))
    file.put(at(2))
    file.put(at(1, "b"))

    file.purge("a")
    file.purge("none")

    assert file.nearest("a", 9) is None
    assert file.nearest("b", 9) == at(1, "b")
    assert file.size() == 1


def test_snapshots_of_another_topic_are_purged_together(file: SnapshotFile) -> None:
    file.put(at(1, topic="t/1"))
    file.put(at(2, topic="t/2"))
    file.put(at(1, "b", topic="t/1"))

    file.purge_others("t/2")

    assert file.nearest("a", 9) == at(2, topic="t/2")
    assert file.nearest("a", 1) is None
    assert file.nearest("b", 9) is None
    file.purge_others("")
    assert file.size() == 0


def test_any_thread_may_use_it(file: SnapshotFile) -> None:
    faults: list[Exception] = []

    def use(mark: int) -> None:
        try:
            for version in range(1, 40):
                file.put(at(version, f"n{mark}", data=b"%d" % version))
                found = file.nearest(f"n{mark}", version)
                assert found is not None
                assert found.data == b"%d" % version
            file.purge(f"n{mark}")
        except Exception as fault:  # noqa: BLE001 - told of below
            faults.append(fault)

    threads = [threading.Thread(target=use, args=(mark,)) for mark in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert file.size() == 0
