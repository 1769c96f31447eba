"""Answers about the latest state: as fresh as the store, and kept no longer than they are true."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given as given_any
from hypothesis import settings

from pourparler import v1 as pb
from pourparler.schema.contract import entry_type
from pourparler.state.fold import fold
from pourparler_service.aggregate.reading import StateAt
from pourparler_service.backends.memory.event_store import MemoryEventStore
from pourparler_service.domain.refusal import RefusalError
from pourparler_service.storage.interface import EventStore, StoredEntry, StoreUnavailableError
from pourparler_service.storage.record_codec import decode_record, record_bytes
from pourparler_service.writes.requests import WriteRequest
from pourparler_service.writes.writer import Writer
from tests.support.sample_entries import NEGOTIATION, joined, opened, recorded, said
from tests.support.signing_keys import SIGNER
from tests.support.state_reader import StateReader
from tests.support.stores import open_store, open_subject_keys
from tests.support.strategies import histories

NAME = f"negotiations/{NEGOTIATION}"
BEGIN = (opened(), joined("a"), joined("b"))


class StallingStore(MemoryEventStore):
    """A store in memory that can be halted after it has read, and at a commit."""

    def __init__(self) -> None:
        super().__init__(open_subject_keys(None))
        self.after_read: Callable[[], None] = lambda: None
        self.before_append: Callable[[], None] = lambda: None
        self.after_append: Callable[[], None] = lambda: None

    def read(
        self,
        negotiation: str,
        *,
        after: int = 0,
        upto: int | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> list[StoredEntry]:
        found = super().read(negotiation, after=after, upto=upto, reverse=reverse, limit=limit)
        halt, self.after_read = self.after_read, lambda: None
        halt()
        return found

    def append(self, records: Sequence[StoredEntry]) -> None:
        halt, self.before_append = self.before_append, lambda: None
        halt()
        super().append(records)
        halt, self.after_append = self.after_append, lambda: None
        halt()


class Halt:
    """A place where a thread stands still until it may go on."""

    def __init__(self) -> None:
        self._reached, self._go_on = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self._reached.set()
        assert self._go_on.wait(10)

    def reached(self) -> None:
        assert self._reached.wait(10)

    def go_on(self) -> None:
        self._go_on.set()


class Table:
    """Readers and a writer at one store."""

    def __init__(self, store: EventStore) -> None:
        self.latest = StateReader(store)
        self.writer = Writer(store, SIGNER, on_commit=self.latest.responses.on_commit)
        self.writer.start()
        self.made = 0

    def record(self, *drafts: pb.Draft) -> int:
        group = WriteRequest(NEGOTIATION, "", "me", drafts)
        return pb.Receipt.FromString(self.writer.submit(group).result(10)).version

    def version(self) -> int:
        """The version that the latest answer is of, made or known."""
        known = self.latest.cached(NAME, "version")
        return int(known or self.latest.respond(NEGOTIATION, "version", self._make))

    def known(self) -> int | None:
        known = self.latest.cached(NAME, "version")
        return None if known is None else int(known)

    def _make(self, at: StateAt) -> bytes:
        self.made += 1
        assert at.state.version == at.computed_at.version
        return str(at.state.version).encode()


@pytest.fixture
def store() -> Iterator[StallingStore]:
    store = StallingStore()
    yield store
    store.close()


@pytest.fixture
def table(store: StallingStore) -> Iterator[Table]:
    table = Table(store)
    yield table
    table.writer.close()


def test_an_answer_is_made_once_for_a_version(table: Table) -> None:
    table.record(*BEGIN)

    assert [table.version() for _ in range(5)] == [3] * 5
    assert table.made == 1
    assert table.record(said("s", "a")) == 4
    assert table.known() is None
    assert [table.version() for _ in range(5)] == [4] * 5
    assert table.made == 2


def test_what_is_known_needs_no_store(table: Table, store: StallingStore) -> None:
    table.record(*BEGIN)
    assert table.version() == 3

    def fail() -> None:
        raise StoreUnavailableError("gone")

    store.after_read = fail

    assert table.known() == 3
    with pytest.raises(StoreUnavailableError):
        table.latest.respond(NEGOTIATION, "other", lambda _: b"")
    assert table.known() == 3


def test_who_has_a_receipt_is_answered_with_its_entry_or_more(table: Table) -> None:
    table.record(*BEGIN)
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            table.version()

    readers = [threading.Thread(target=ask) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for number in range(150):
            receipt = table.record(said(f"s{number}", "a"))
            assert table.version() >= receipt
    finally:
        stop.set()
        for reader in readers:
            reader.join()


def test_an_answer_that_was_read_before_a_commit_is_not_kept_after_it(
    table: Table, store: StallingStore
) -> None:
    table.record(*BEGIN)
    halt = store.after_read = Halt()
    answered: list[int] = []
    reader = threading.Thread(target=lambda: answered.append(table.version()))
    reader.start()
    halt.reached()

    # The reader has read version 3, and stands still before it makes its answer.
    table.writer.submit(WriteRequest(NEGOTIATION, "", "me", [said("s", "a")])).result(10)
    halt.go_on()
    reader.join()

    assert answered == [3]
    assert table.known() is None
    assert table.version() == 4


def test_nothing_is_answered_before_it_is_committed(table: Table, store: StallingStore) -> None:
    table.record(*BEGIN)
    assert table.version() == 3
    halt = store.before_append = Halt()
    receipt = table.writer.submit(WriteRequest(NEGOTIATION, "", "me", [said("s", "a")]))
    halt.reached()

    assert table.known() == 3
    table.latest.responses.on_commit([NEGOTIATION])
    assert [table.version(), table.version()] == [3, 3]
    assert not receipt.done()
    halt.go_on()
    receipt.result(10)
    assert table.version() == 4


def test_what_was_read_between_commit_and_receipt_is_not_taken_for_old(
    table: Table, store: StallingStore
) -> None:
    table.record(*BEGIN)
    assert table.version() == 3
    halt = store.after_append = Halt()
    receipt = table.writer.submit(WriteRequest(NEGOTIATION, "", "me", [said("s", "a")]))
    halt.reached()

    assert (
        table.latest.respond(NEGOTIATION, "other", lambda one: bytes([one.state.version])) == b"\4"
    )
    halt.go_on()
    receipt.result(10)
    assert table.version() == 4


def test_a_commit_that_is_in_doubt_makes_answers_anew(table: Table, store: StallingStore) -> None:
    table.record(*BEGIN)
    assert table.version() == 3

    def fail() -> None:
        def fail_again() -> None:
            raise StoreUnavailableError("and it cannot be looked up")

        store.after_read = fail_again
        raise StoreUnavailableError("perhaps it was stored")

    store.after_append = fail

    with pytest.raises(RefusalError, match="request id"):
        table.record(said("s", "a"))
    assert table.known() is None
    assert table.version() == 4


def test_what_is_not_there_leaves_nothing(table: Table) -> None:
    with pytest.raises(RefusalError) as refused:
        table.version()

    assert refused.value.reason == pb.ERROR_REASON_NEGOTIATION_NOT_FOUND
    assert table.known() is None
    table.record(*BEGIN)
    assert table.version() == 3


def test_a_store_that_others_write_to_is_looked_at_each_time(tmp_path: Path) -> None:
    file = f"sqlite:{tmp_path / 'db'}"
    folders = [tmp_path / "ours", tmp_path / "theirs"]
    for folder in folders:
        folder.mkdir()
    ours, theirs = (open_store(folder, store=file) for folder in folders)
    here, there = Table(ours), Table(theirs)
    here.record(*BEGIN)

    assert [here.version(), here.version()] == [3, 3]
    assert here.made == 1
    assert here.known() is None
    there.record(said("s", "a"))
    assert here.version() == 4
    for table, store in ((here, ours), (there, theirs)):
        table.writer.close()
        store.close()


@pytest.mark.parametrize(
    ("url", "folder", "exclusive"),
    [
        ("", None, True),
        ("", Path("held"), True),
        ("sqlite:", Path("held"), True),
        ("memory:", Path("held"), True),
        ("sqlite:elsewhere.sqlite", Path("held"), False),
        ("sqlite:held/deeper/db.sqlite", Path("held"), False),
    ],
)
def test_a_store_is_exclusive_in_memory_and_in_the_folder_that_is_held(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    folder: Path | None,
    exclusive: bool,  # noqa: FBT001 - what is expected
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "held" / "deeper").mkdir(parents=True)

    store = open_store(folder, store=url)

    assert store.exclusive is exclusive
    store.close()


def test_answers_of_any_number_take_a_bounded_room(store: StallingStore) -> None:
    latest = StateReader(store, response_bytes=10_000)
    for number in range(20):
        store.append([_stored(recorded(1, opened()), id_=f"n{number}")])
    for number in range(20):
        latest.respond(f"n{number}", "", lambda _: b"x" * 1_000)

    known = [latest.cached(f"negotiations/n{number}", "") for number in range(20)]

    assert known[:14] == [None] * 14
    assert None not in known[14:]


def test_answers_about_one_negotiation_are_few(table: Table) -> None:
    table.record(*BEGIN)
    for day in range(100):
        table.latest.respond(NEGOTIATION, day, lambda _: b"owed")

    assert sum(table.latest.cached(NAME, day) is not None for day in range(100)) <= 16


@settings(max_examples=25, deadline=None)
@given_any(histories(24))
def test_after_every_entry_the_answer_is_the_fold_of_all(history: list[pb.Entry]) -> None:
    store = open_store(None, {})
    latest = StateReader(store)
    entries: list[pb.Entry] = []
    for entry in history:
        record = _stored(entry)
        entries.append(decode_record(record.data))
        store.append([record])
        latest.responses.on_commit([NEGOTIATION])

        made = latest.respond(NEGOTIATION, "state", _written)

        assert latest.cached(NAME, "state") == made
        assert made == fold(entries).SerializeToString(deterministic=True)
    store.close()


def _written(at: StateAt) -> bytes:
    return at.state.SerializeToString(deterministic=True)


def _stored(entry: pb.Entry, id_: str = NEGOTIATION) -> StoredEntry:
    kind = entry_type(entry.facts)
    assert kind is not None
    header = entry.header
    data = record_bytes(id_, header.version, header.record_time, entry.facts, entry.words)
    return StoredEntry(id_, header.version, str(kind.descriptor.full_name), data)
