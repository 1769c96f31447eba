"""Copies and the writer: committed whole, never mixed with what is recorded here."""

from collections.abc import Iterator, Sequence

import pytest

from pourparler import v1 as pb
from pourparler_service.backends.memory.event_store import MemoryEventStore
from pourparler_service.domain.refusal import RefusalError
from pourparler_service.storage.interface import (
    ConflictError,
    EventStore,
    StoredEntry,
    StoreUnavailableError,
)
from pourparler_service.writes.requests import ImportRequest, WriteRequest
from pourparler_service.writes.writer import Writer
from tests.support import sample_entries
from tests.support.bundles import checkpoint, sealed
from tests.support.sample_entries import joined, opened, said
from tests.support.signing_keys import SIGNER
from tests.support.state_reader import StateReader
from tests.support.stores import open_subject_keys

DRAFTS = (opened(), joined("acme"), joined("bolt"), said("s", "acme"))
RECORDS = sealed(sample_entries.history(*DRAFTS))


class FaultyStore(MemoryEventStore):
    """A store in memory whose next appends fail, before or after they are made."""

    def __init__(self) -> None:
        super().__init__(open_subject_keys(None))
        self.before: list[Exception] = []
        self.after: list[Exception] = []
        self.appended: list[int] = []

    def append(self, records: Sequence[StoredEntry]) -> None:
        if self.before:
            raise self.before.pop()
        super().append(records)
        self.appended.append(len(records))
        if self.after:
            raise self.after.pop()


@pytest.fixture(name="store")
def _store() -> Iterator[FaultyStore]:
    store = FaultyStore()
    yield store
    store.close()


@pytest.fixture(name="writer")
def _writer(store: FaultyStore) -> Iterator[Writer]:
    """A writer that is not started yet, so that what is handed in makes one batch."""
    writer = Writer(store, SIGNER)
    yield writer
    writer.close()


def copying(after: int = 0, upto: int = 4) -> ImportRequest:
    new = [
        StoredEntry("talks", version, "pourparler.v1.Any", RECORDS[version - 1])
        for version in range(after + 1, upto + 1)
    ]
    return ImportRequest("talks", "anybody", after, new, checkpoint(RECORDS[:upto]), ["a key"])


def group(*drafts: pb.Draft, id_: str = "talks") -> WriteRequest:
    return WriteRequest(id_, "", "anonymous@loopback", drafts)


def kept(store: EventStore) -> list[pb.Copy]:
    return [pb.Copy.FromString(one.data) for one in store.read("copies:talks")]


def test_a_copy_and_that_it_is_one_are_committed_together(
    store: FaultyStore, writer: Writer
) -> None:
    first = writer.import_bundle(copying(upto=2))
    writer.start()
    first.result(10)
    writer.import_bundle(copying(after=2)).result(10)

    assert [one.data for one in store.read("talks")] == RECORDS
    assert store.appended == [3, 3]
    assert [(one.version, one.checkpoint) for one in kept(store)] == [
        (2, checkpoint(RECORDS[:2])),
        (4, checkpoint(RECORDS)),
    ]


def test_what_stands_beside_the_entries_is_not_among_them(
    store: FaultyStore, writer: Writer
) -> None:
    writer.import_bundle(copying(upto=2))
    writer.import_bundle(copying(after=2))
    writer.submit(group(opened(), id_="own"))
    writer.start()
    writer.close()

    for limit in (1, 2, 100):
        after, found = 0, []
        while batch := store.scan(after, limit):
            found += [(stored.negotiation, stored.version) for _, stored in batch]
            after = batch[-1][0]

        assert found == [("talks", 1), ("talks", 2), ("talks", 3), ("talks", 4), ("own", 1)]
        assert store.appended == [7]


def test_of_two_that_are_first_at_once_only_one_is(store: FaultyStore, writer: Writer) -> None:
    opening = writer.submit(group(*DRAFTS[:1]))
    copied = writer.import_bundle(copying())
    writer.start()

    assert pb.Receipt.FromString(opening.result(10)).version == 1
    with pytest.raises(RefusalError) as refused:
        copied.result(10)
    assert refused.value.reason == pb.ERROR_REASON_VERSION_MISMATCH
    assert store.last_version("talks") == 1
    assert kept(store) == []


def test_who_opens_what_is_just_being_copied_is_refused(store: FaultyStore, writer: Writer) -> None:
    copied = writer.import_bundle(copying())
    opening = writer.submit(group(*DRAFTS[:1]))
    other = writer.submit(group(opened(), id_="other"))
    writer.start()

    assert copied.result(10) == b""
    assert other.result(10)
    with pytest.raises(RefusalError) as refused:
        opening.result(10)
    assert refused.value.reason == pb.ERROR_REASON_NEGOTIATION_IS_COPY
    assert [one.data for one in store.read("talks")] == RECORDS


def test_what_was_read_as_absent_before_is_a_copy_from_then_on(
    store: FaultyStore, writer: Writer
) -> None:
    writer.start()
    early = writer.submit(group(said("x", "acme")))
    with pytest.raises(RefusalError) as absent:
        early.result(10)
    writer.import_bundle(copying()).result(10)
    late = writer.submit(group(said("x", "acme")))
    with pytest.raises(RefusalError) as refused:
        late.result(10)

    assert absent.value.reason == pb.ERROR_REASON_NEGOTIATION_NOT_FOUND
    assert refused.value.reason == pb.ERROR_REASON_NEGOTIATION_IS_COPY


def test_a_copy_of_which_nothing_got_through_is_said_to_have_failed(
    store: FaultyStore, writer: Writer
) -> None:
    store.before = [StoreUnavailableError("disk full")]
    writer.start()
    copied = writer.import_bundle(copying())

    with pytest.raises(RefusalError) as refused:
        copied.result(10)

    assert refused.value.reason == pb.ERROR_REASON_STORE_UNAVAILABLE
    assert store.last_version("talks") == 0
    assert writer.import_bundle(copying()).result(10) == b""


def test_a_copy_that_got_through_though_the_store_failed_is_there(
    store: FaultyStore, writer: Writer
) -> None:
    store.after = [StoreUnavailableError("lost the answer")]
    writer.start()

    assert writer.import_bundle(copying()).result(10) == b""
    assert [one.data for one in store.read("talks")] == RECORDS


def test_a_copy_is_tried_again_after_a_conflict_that_is_none_of_its_own(
    store: FaultyStore, writer: Writer
) -> None:
    store.before = [ConflictError("another group was forestalled")]
    writer.start()

    assert writer.import_bundle(copying()).result(10) == b""
    assert store.appended == [5]


def test_a_copy_that_was_forestalled_is_refused(store: FaultyStore, writer: Writer) -> None:
    others = [StoredEntry("talks", 1, "pourparler.v1.Any", RECORDS[0])]

    class Forestalled(FaultyStore):
        """A store to which another process appends first."""

        def append(self, records: Sequence[StoredEntry]) -> None:
            if others:
                super().append([others.pop()])
            super().append(records)

    forestalled = Forestalled()
    late = Writer(forestalled, SIGNER)
    late.start()
    copied = late.import_bundle(copying())

    with pytest.raises(RefusalError) as refused:
        copied.result(10)

    late.close()
    assert refused.value.reason == pb.ERROR_REASON_VERSION_MISMATCH
    assert forestalled.last_version("talks") == 1
    assert kept(forestalled) == []
    forestalled.close()


def test_readers_see_a_copy_at_once_and_that_it_is_one(store: FaultyStore, writer: Writer) -> None:
    readers = StateReader(store)
    with pytest.raises(RefusalError):
        readers.read("talks", pb.AsOf())
    writer.start()
    writer.import_bundle(copying(upto=2)).result(10)
    with readers.negotiations.current("talks") as negotiation:
        assert (negotiation.version, negotiation.is_import) == (2, True)
    writer.import_bundle(copying(after=2)).result(10)

    with readers.negotiations.current("talks") as negotiation:
        assert (negotiation.version, negotiation.is_import) == (4, True)
    assert readers.read("talks", pb.AsOf()).state.version == 4
