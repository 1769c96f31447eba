"""Every event store: atomic appends, one order, reads that see what was written."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pourparler_service.application import Backend
from pourparler_service.storage.interface import (
    ConflictError,
    EventStore,
    StoredEntry,
    StoreUnavailableError,
)
from tests.store.contract.conftest import BACKENDS
from tests.support.stores import keys_of


def records(negotiation: str, first: int, last: int) -> list[StoredEntry]:
    return [
        StoredEntry(negotiation, version, "pourparler.v1.StatementRecorded", b"%d" % version)
        for version in range(first, last + 1)
    ]


def of_length(length: int) -> list[StoredEntry]:
    return [StoredEntry("a", version, "t", bytes(length)) for version in (1, 2, 3)]


def places(store: EventStore) -> list[tuple[str, int]]:
    return [(one.negotiation, one.version) for _, one in store.scan(0, 1_000)]


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

    assert places(store) == [("b", 1), ("a", 1), ("a", 2), ("b", 2)]
    assert store.position() == scanned[-1][0]
    assert store.scan(scanned[1][0], 1) == scanned[2:3]
    assert store.scan(store.position(), 10) == []


def test_positions_grow_and_never_change(store: EventStore) -> None:
    seen: list[tuple[int, StoredEntry]] = []
    for number in range(1, 6):
        store.append([*records("a", number, number), *records(f"b{number}", 1, 2)])
        scanned = store.scan(0, 100)
        # Gaps are allowed, above all where an append was refused.
        with pytest.raises(ConflictError):
            store.append([*records(f"c{number}", 1, 3), *records("a", number, number)])

        assert scanned[: len(seen)] == seen
        positions = [position for position, _ in scanned]
        assert positions == sorted(set(positions))
        assert all(position > 0 for position in positions)
        assert store.position() == positions[-1]
        seen = scanned
    assert len(seen) == 15


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


def test_no_more_rows_are_read_than_there_is_room_for(store: EventStore) -> None:
    store.append(of_length(100))

    read = [
        len(store.rows(id_, after=0, upto=3, limit=3, size=size).rows)
        for id_ in ("a", "")
        for size in (1, 101, 900)
    ]

    assert read == [1, 2, 3, 1, 2, 3]


def test_single_entries_are_read_in_the_order_in_which_they_are_asked_for(
    store: EventStore,
) -> None:
    store.append([*records("a", 1, 5), *records("b", 1, 2)])

    assert store.several([("b", 2), ("a", 4), ("b", 1), ("a", 4)], 100) == [b"2", b"4", b"1", b"4"]
    assert store.several([], 100) == []


def test_no_more_single_entries_are_read_than_there_is_room_for(store: EventStore) -> None:
    store.append(of_length(100))

    asked = [("a", 1), ("a", 2), ("a", 3)]

    assert [len(store.several(asked, size)) for size in (1, 101, 900)] == [1, 2, 3]


def test_an_empty_store_is_at_position_0(store: EventStore) -> None:
    assert store.position() == 0
    assert store.scan(0, 10) == []


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_conflict_stores_nothing_of_the_append(store: EventStore, place: int) -> None:
    store.append(records("a", 1, 2))
    position = store.position()
    appended = [records("b", 1, 5), records("c", 1, 1)]
    appended.insert(place, records("a", 2, 3))

    with pytest.raises(ConflictError):
        store.append([one for each in appended for one in each])

    assert places(store) == [("a", 1), ("a", 2)]
    assert store.position() == position
    assert [store.last_version(id_) for id_ in "abc"] == [2, 0, 0]
    store.append(records("b", 1, 1))
    assert store.last_version("b") == 1


def test_an_append_with_one_version_twice_stores_nothing(store: EventStore) -> None:
    with pytest.raises(ConflictError):
        store.append([*records("b", 1, 1), *records("a", 1, 2), *records("a", 2, 2)])

    assert store.scan(0, 10) == []


def test_a_negotiation_is_not_found_by_another_spelling_of_its_id(store: EventStore) -> None:
    store.append([*records("a", 1, 1), *records("A", 1, 2), *records("a%", 1, 3)])

    assert [store.last_version(id_) for id_ in ("a", "A", "a%", "a ", "_")] == [1, 2, 3, 0, 0]


def test_readers_see_whole_appends_in_one_order_while_others_append(store: EventStore) -> None:
    groups, size = 40, 5
    faults: list[str] = []
    done = threading.Event()

    def read() -> None:
        before: list[int] = []
        while not faults:
            ended = done.is_set()
            positions = [position for position, _ in store.scan(0, 1_000)]
            version = store.last_version("a")
            if positions[: len(before)] != before or positions != sorted(positions):
                faults.append("the order has changed")
            if len(positions) % (2 * size) or version % size:
                faults.append("a part of an append is there")
            if version < len(before) // 2:
                faults.append("an entry that was read is gone")
            if ended:
                break
            before = positions

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for group in range(groups):
        first = group * size + 1
        store.append([*records("a", first, first + size - 1), *records("b", first, first + 4)])
        assert store.last_version("a") == first + size - 1  # it reads what it wrote
    done.set()
    for reader in readers:
        reader.join()

    assert faults == []
    assert len(store.scan(0, 1_000)) == groups * size * 2


def test_a_store_that_works_passes_its_probe(store: EventStore) -> None:
    store.probe()
    store.append(records("a", 1, 1))
    store.probe()

    assert store.position() == 1
    assert places(store) == [("a", 1)]


def test_a_closed_store_says_that_it_is_unavailable(store: EventStore) -> None:
    store.append(records("a", 1, 1))
    store.close()

    for use in (
        lambda: store.read("a"),
        lambda: store.last_version("a"),
        lambda: store.scan(0, 1),
        lambda: store.rows("a", after=0, upto=1, limit=1, size=1),
        lambda: store.several([("a", 1)], 1),
        store.position,
        store.probe,
    ):
        with pytest.raises(StoreUnavailableError):
            use()
    store.close()


def test_what_is_rewritten_replaces_what_was_there_or_nothing_changes(store: EventStore) -> None:
    store.append([*records("a", 1, 3), *records("b", 1, 1)])
    before = store.scan(0, 10)
    other = StoredEntry("a", 2, "pourparler.v1.StatementRecorded", b"other")

    rewritten = store.rewrite([other])
    store.purge()

    after = [(at, other if rewritten and one.version == 2 else one) for at, one in before]
    assert store.scan(0, 10) == after


def test_what_was_appended_is_there_when_the_store_is_opened_again(
    reopened: Callable[[], Backend], tmp_path: Path
) -> None:
    backend = reopened()
    store = backend.event_store(keys_of(backend, tmp_path))
    store.append([*records("a", 1, 3), *records("b", 1, 1)])
    scanned = store.scan(0, 10)
    store.close()

    backend = reopened()
    again = backend.event_store(keys_of(backend, tmp_path))

    assert again.read("a") == records("a", 1, 3)
    assert again.scan(0, 10) == scanned
    again.append(records("a", 4, 4))
    assert again.position() > scanned[-1][0]
    again.close()


_GROUP = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 6)), min_size=1, max_size=5)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=st.lists(_GROUP, max_size=12), kind=st.sampled_from(sorted(BACKENDS)))
def test_whatever_is_appended_a_store_is_a_list_with_one_entry_a_version(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[tuple[str, int]]], kind: str
) -> None:
    folder = tmp_path_factory.mktemp("model")
    backend = BACKENDS[kind](folder)
    store = backend.event_store(keys_of(backend, folder))
    model: list[tuple[str, int]] = []
    for group in groups:
        entries = [StoredEntry(id_, version, "t", b"%d" % version) for id_, version in group]
        if len(set(group)) == len(group) and not set(group) & set(model):
            store.append(entries)
            model += group
        else:
            with pytest.raises(ConflictError):
                store.append(entries)

    assert places(store) == model
    for id_ in "abc":
        versions = sorted(version for one, version in model if one == id_)
        assert [one.version for one in store.read(id_)] == versions
        assert store.last_version(id_) == max(versions, default=0)
        rows = store.rows(id_, after=0, upto=99, limit=99, size=1_000)
        assert [place for place, _, _ in rows.rows] == versions
    store.close()
