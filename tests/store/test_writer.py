"""The writer: all or nothing, once and only once, and nobody is told what is not so."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

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
from pourparler_service.writes.requests import WriteRequest
from pourparler_service.writes.write_queue import WriteQueue
from pourparler_service.writes.writer import Writer
from tests.support.sample_entries import (
    answered,
    draft,
    joined,
    offered,
    opened,
    restricted,
    said,
    topic,
)
from tests.support.signing_keys import SIGNER
from tests.support.state_reader import StateReader
from tests.support.store_audit import audit
from tests.support.stores import open_store, open_subject_keys


class FaultyStore(MemoryEventStore):
    """A store in memory whose next append fails or stalls, before or after it is made."""

    def __init__(self) -> None:
        super().__init__(open_subject_keys(None))
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None
        self.appended: list[int] = []

    def append(self, records: Sequence[StoredEntry]) -> None:
        before, self.before = self.before, lambda: None
        after, self.after = self.after, lambda: None
        before()
        super().append(records)
        self.appended.append(len(records))
        after()


def fail_with(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.fixture
def store() -> Iterator[FaultyStore]:
    store = FaultyStore()
    yield store
    store.close()


@pytest.fixture
def writer(store: FaultyStore) -> Iterator[Writer]:
    writer = Writer(store, SIGNER)
    writer.start()
    yield writer
    writer.close()


def group(*drafts: pb.Draft, negotiation: str = "n", request_id: str = "") -> WriteRequest:
    return WriteRequest(negotiation, request_id, "anonymous@loopback", drafts)


def record(writer: Writer, *drafts: pb.Draft, **kwargs: str) -> pb.Receipt:
    return pb.Receipt.FromString(writer.submit(group(*drafts, **kwargs)).result(10))


def refusal_of(future: Future[bytes]) -> RefusalError:
    with pytest.raises(RefusalError) as refused:
        future.result(10)
    return refused.value


BEGIN = (opened(), joined("a"), joined("b"))


def test_a_receipt_has_the_entries_as_they_are_stored(writer: Writer, store: EventStore) -> None:
    receipt = writer.submit(group(*BEGIN)).result(10)

    read = pb.Receipt.FromString(receipt)
    assert read.negotiation == "negotiations/n"
    assert read.version == 3
    records = pb.Records.FromString(receipt).records
    assert [one.SerializeToString(deterministic=True) for one in records] == [
        one.data for one in store.read("n")
    ]
    audit(store, "n")


def test_the_service_says_who_called_and_when(writer: Writer, store: EventStore) -> None:
    before = time.time_ns()
    receipt = record(writer, *BEGIN, request_id="r1")
    after = time.time_ns()

    for entry in receipt.entries:
        assert entry.facts.recorded_by == "anonymous@loopback"
        assert entry.facts.request_id == "r1"
        assert before <= entry.header.record_time.ToNanoseconds() <= after


def test_time_never_runs_back_in_a_record(store: FaultyStore) -> None:
    times = iter([5_000, 3_000, 4_000])
    writer = Writer(store, SIGNER, clock=lambda: next(times) * 1_000_000_000)
    writer.start()

    record(writer, *BEGIN)
    record(writer, said("s1", "a"))
    record(writer, said("s2", "a"))
    writer.close()

    seconds = [pb.Entry.FromString(one.data).header.record_time.seconds for one in store.read("n")]
    assert seconds == [5_000] * 5


def test_every_group_has_a_time_of_its_own(store: FaultyStore) -> None:
    writer = Writer(store, SIGNER, clock=lambda: 5_000_000_000_000)
    writer.submit(group(*BEGIN))
    writer.submit(group(said("s1", "a"), said("s2", "a")))
    writer.submit(group(said("s3", "b")))
    writer.start()
    writer.close()

    times = [pb.Entry.FromString(one.data).header.record_time for one in store.read("n")]
    assert [one.ToNanoseconds() - 5_000_000_000_000 for one in times] == [
        *(0, 0, 0),
        *(1_000, 1_000),
        2_000,
    ]


def test_a_clock_that_ran_ahead_before_a_restart_does_not_turn_time_back(
    store: FaultyStore,
) -> None:
    for now in (9_000, 1_000):
        writer = Writer(store, SIGNER, clock=lambda now=now: now * 1_000_000_000)  # type: ignore[misc]
        writer.start()
        record(writer, *BEGIN) if now == 9_000 else record(writer, said("s1", "a"))
        writer.close()

    audit(store, "n")


def test_a_group_is_recorded_whole_or_not_at_all(writer: Writer, store: EventStore) -> None:
    record(writer, *BEGIN)

    refused = refusal_of(writer.submit(group(said("s1", "a"), said("s2", "nobody"), topic())))

    assert refused.reason == pb.ERROR_REASON_PART_NOT_FOUND
    assert refused.field == "drafts[1].facts.statement_recorded.speakers[0]"
    assert store.last_version("n") == 3
    assert record(writer, said("s1", "a")).version == 4
    audit(store, "n")


def test_a_draft_may_refer_to_one_before_it_in_its_group(writer: Writer, store: EventStore) -> None:
    record(writer, *BEGIN, offered("p1", ["a"], ["b"]), answered("p1", "b"))

    state = audit(store, "n")
    assert state.proposals["p1"].status == pb.PROPOSAL_STATUS_ACCEPTED


def test_a_retry_gets_the_first_receipt_whatever_came_since(
    writer: Writer, store: EventStore
) -> None:
    record(writer, *BEGIN)
    first = writer.submit(group(said("s1", "a"), request_id="r1")).result(10)
    record(writer, said("s2", "b"))

    again = writer.submit(group(said("s1", "a"), request_id="r1")).result(10)
    late = writer.submit(
        group(said("s1", "a"), request_id="r1")._replace(expected_version=3)
    ).result(10)

    assert again == late == first
    assert store.last_version("n") == 5


def test_a_retry_finds_its_receipt_after_a_restart(store: FaultyStore) -> None:
    receipts = []
    for _ in range(2):
        writer = Writer(store, SIGNER)
        writer.start()
        receipts.append(writer.submit(group(*BEGIN, request_id="r1")).result(10))
        writer.close()

    assert receipts[0] == receipts[1]
    assert store.last_version("n") == 3


def test_a_retry_beside_its_first_request_is_recorded_once(store: FaultyStore) -> None:
    writer = Writer(store, SIGNER)
    waiting = [writer.submit(group(*BEGIN, request_id="r1")) for _ in range(5)]
    writer.start()

    receipts = {future.result(10) for future in waiting}

    assert len(receipts) == 1
    assert store.appended == [3]
    writer.close()


def test_what_the_service_fills_in_does_not_make_a_retry_another_request(
    writer: Writer, store: EventStore
) -> None:
    session = draft(pb.SessionOpened(session_id="c", kind=pb.SESSION_KIND_CAUCUS, attendees=["a"]))
    record(writer, *BEGIN, session)
    spoken = said("s1", "a", session="c")

    first = writer.submit(group(spoken, request_id="r1")).result(10)
    again = writer.submit(group(spoken, request_id="r1")).result(10)

    assert first == again
    entry = pb.Receipt.FromString(first).entries[0]
    assert entry.facts.visibility == restricted("a")


@pytest.mark.parametrize(
    "other",
    [
        (said("s2", "a"),),
        (said("s1", "b"),),
        (said("s1", "a"), said("s2", "a")),
        (draft(pb.TopicAdded(topic_id="s1"), pb.Words(title="A topic")),),
    ],
    ids=["another id", "another speaker", "one more", "another type"],
)
def test_a_request_id_with_other_content_is_refused(
    writer: Writer, store: EventStore, other: tuple[pb.Draft, ...]
) -> None:
    record(writer, *BEGIN)
    record(writer, said("s1", "a"), request_id="r1")

    refused = refusal_of(writer.submit(group(*other, request_id="r1")))

    assert refused.reason == pb.ERROR_REASON_REQUEST_ID_REUSED
    assert refused.metadata["first_version"] == "4"
    assert store.last_version("n") == 4


def test_a_request_id_belongs_to_its_negotiation(writer: Writer, store: EventStore) -> None:
    record(writer, *BEGIN, request_id="r1")
    record(writer, *BEGIN, negotiation="m", request_id="r1")

    assert store.last_version("m") == 3


def test_a_refused_request_id_can_be_used_again(writer: Writer) -> None:
    record(writer, *BEGIN)
    refusal_of(writer.submit(group(said("s1", "nobody"), request_id="r1")))

    assert record(writer, said("s1", "a"), request_id="r1").version == 4


@pytest.mark.parametrize("expected", [0, 2, 4, 2**64 - 1])
def test_another_version_than_the_expected_is_refused(writer: Writer, expected: int) -> None:
    record(writer, *BEGIN)

    refused = refusal_of(writer.submit(group(said("s1", "a"))._replace(expected_version=expected)))

    assert refused.reason == pb.ERROR_REASON_VERSION_MISMATCH
    assert refused.field == "expected_version"
    assert refused.metadata == {"expected_version": str(expected), "version": "3"}


def test_the_expected_version_is_recorded(writer: Writer) -> None:
    receipt = writer.submit(group(*BEGIN)._replace(expected_version=0)).result(10)
    assert pb.Receipt.FromString(receipt).version == 3

    receipt = writer.submit(group(said("s1", "a"))._replace(expected_version=3)).result(10)
    assert pb.Receipt.FromString(receipt).version == 4


def test_of_two_who_expect_the_same_version_one_is_refused(store: FaultyStore) -> None:
    writer = Writer(store, SIGNER)
    writer.submit(group(*BEGIN))
    first = writer.submit(group(said("s1", "a"))._replace(expected_version=3))
    second = writer.submit(group(said("s2", "b"))._replace(expected_version=3))
    writer.start()

    assert pb.Receipt.FromString(first.result(10)).version == 4
    assert refusal_of(second).reason == pb.ERROR_REASON_VERSION_MISMATCH
    writer.close()


def test_an_unknown_negotiation_is_refused(writer: Writer, store: EventStore) -> None:
    refused = refusal_of(writer.submit(group(said("s1", "a"), negotiation="q")))

    assert refused.reason == pb.ERROR_REASON_NEGOTIATION_NOT_FOUND
    assert store.position() == 0


def test_a_negotiation_is_opened_once(writer: Writer, store: EventStore) -> None:
    record(writer, *BEGIN)

    assert refusal_of(writer.submit(group(opened()))).reason == pb.ERROR_REASON_NEGOTIATION_EXISTS
    assert (
        refusal_of(writer.submit(group(said("s1", "a"), opened()))).reason
        == pb.ERROR_REASON_NEGOTIATION_ALREADY_OPENED
    )
    assert store.last_version("n") == 3


def test_validate_only_checks_and_records_nothing(writer: Writer, store: EventStore) -> None:
    record(writer, *BEGIN)

    checked = pb.Receipt.FromString(
        writer.submit(group(topic(), said("s1", "a"))._replace(validate_only=True)).result(10)
    )

    assert checked.version == 5
    assert [entry.header.version for entry in checked.entries] == [4, 5]
    assert not any(entry.salts or entry.header.section_digests for entry in checked.entries)
    assert store.last_version("n") == 3
    assert record(writer, topic()).version == 4
    audit(store, "n")


def test_validate_only_refuses_what_recording_would(writer: Writer) -> None:
    record(writer, *BEGIN)

    refused = refusal_of(writer.submit(group(said("s1", "x"))._replace(validate_only=True)))

    assert refused.reason == pb.ERROR_REASON_PART_NOT_FOUND


def test_what_waits_is_committed_together(store: FaultyStore) -> None:
    writer = Writer(store, SIGNER)
    waiting = [writer.submit(group(*BEGIN, negotiation=f"n{place}")) for place in range(20)]
    writer.start()

    assert {pb.Receipt.FromString(one.result(10)).version for one in waiting} == {3}
    assert store.appended == [60]
    writer.close()


def test_a_refusal_fails_only_its_own_group_in_a_batch(store: FaultyStore) -> None:
    writer = Writer(store, SIGNER)
    writer.submit(group(*BEGIN))
    good = writer.submit(group(said("s1", "a")))
    bad = writer.submit(group(said("s2", "a"), said("s2", "a")))
    after = writer.submit(group(said("s2", "b")))
    writer.start()

    assert pb.Receipt.FromString(good.result(10)).version == 4
    assert refusal_of(bad).reason == pb.ERROR_REASON_ID_ALREADY_USED
    assert pb.Receipt.FromString(after.result(10)).version == 5
    writer.close()
    audit(store, "n")


def test_a_correction_and_what_follows_it_in_a_batch_are_folded_right(store: FaultyStore) -> None:
    writer = Writer(store, SIGNER)
    corrected = draft(
        pb.EntryCorrected(
            target_version=4,
            mode=pb.CORRECTION_MODE_ANNUL,
            kind=pb.CORRECTION_KIND_RECORDER,
        )
    )
    writer.submit(group(*BEGIN, said("s1", "a")))
    writer.submit(group(corrected))
    again = writer.submit(group(said("s2", "a")))
    refused = writer.submit(group(said("s3", "a"), corrected))
    writer.start()

    assert pb.Receipt.FromString(again.result(10)).version == 6
    assert refusal_of(refused).reason == pb.ERROR_REASON_TARGET_ANNULLED
    writer.close()
    state = audit(store, "n")
    assert set(state.statements) == {"s2"}


def test_a_full_line_refuses_at_once(store: FaultyStore) -> None:
    writer = Writer(store, SIGNER, queue=WriteQueue(2, 2))
    waiting = [writer.submit(group(*BEGIN, negotiation=f"n{place}")) for place in range(2)]

    with pytest.raises(RefusalError) as refused:
        writer.submit(group(*BEGIN, negotiation="n3"))

    assert refused.value.reason == pb.ERROR_REASON_OVERLOADED
    writer.start()
    assert [pb.Receipt.FromString(one.result(10)).version for one in waiting] == [3, 3]
    writer.close()
    assert store.last_version("n3") == 0


def test_nothing_is_recorded_for_a_caller_whose_deadline_has_passed(store: FaultyStore) -> None:
    writer = Writer(store, SIGNER)
    late = writer.submit(group(*BEGIN)._replace(deadline=time.monotonic() - 0.001))
    timely = writer.submit(group(*BEGIN, negotiation="m")._replace(deadline=time.monotonic() + 60))
    writer.start()

    assert refusal_of(late).reason == pb.ERROR_REASON_DEADLINE_EXCEEDED
    assert pb.Receipt.FromString(timely.result(10)).version == 3
    writer.close()
    assert store.last_version("n") == 0


def test_nothing_is_recorded_for_a_caller_who_gave_up_waiting(store: FaultyStore) -> None:
    writer = Writer(store, SIGNER)
    given_up = writer.submit(group(*BEGIN))
    assert given_up.cancel()
    writer.start()
    writer.close()

    assert store.position() == 0


def test_a_closed_writer_answers_what_waits_and_takes_no_more(store: FaultyStore) -> None:
    writer = Writer(store, SIGNER)
    waiting = writer.submit(group(*BEGIN))
    writer.start()
    writer.close()

    assert pb.Receipt.FromString(waiting.result(0)).version == 3
    assert not writer.alive
    with pytest.raises(RefusalError) as refused:
        writer.submit(group(said("s1", "a")))
    assert refused.value.reason == pb.ERROR_REASON_SHUTTING_DOWN


def test_a_failed_commit_records_nothing_and_says_so(writer: Writer, store: FaultyStore) -> None:
    record(writer, *BEGIN)
    store.before = fail_with(StoreUnavailableError("database or disk is full"))

    refused = refusal_of(writer.submit(group(said("s1", "a"), request_id="r1")))

    assert refused.reason == pb.ERROR_REASON_STORE_UNAVAILABLE
    assert "disk is full" in refused.text
    assert store.last_version("n") == 3
    assert record(writer, said("s1", "a"), request_id="r1").version == 4
    audit(store, "n")


def test_a_commit_that_failed_after_it_was_made_is_answered_as_made(
    writer: Writer, store: FaultyStore
) -> None:
    record(writer, *BEGIN)
    store.after = fail_with(StoreUnavailableError("the connection was lost"))

    assert record(writer, said("s1", "a"), request_id="r1").version == 4
    assert record(writer, said("s2", "a")).version == 5
    audit(store, "n")


def test_no_reader_sees_what_is_not_committed(writer: Writer, store: FaultyStore) -> None:
    record(writer, *BEGIN)
    negotiations = StateReader(store)
    stalled, go_on = threading.Event(), threading.Event()

    def stall() -> None:
        stalled.set()
        assert go_on.wait(10)

    store.before = stall
    future = writer.submit(group(said("s1", "a")))
    assert stalled.wait(10)

    assert negotiations.read("n", pb.AsOf()).state.version == 3
    assert [one.entry.header.version for one in negotiations.replay("n", pb.AsOf())[0]] == [1, 2, 3]
    assert not future.done()
    go_on.set()
    future.result(10)
    assert negotiations.read("n", pb.AsOf()).state.version == 4


def test_a_clash_with_another_process_is_tried_again(writer: Writer, store: FaultyStore) -> None:
    record(writer, *BEGIN)
    record(writer, *BEGIN, negotiation="m")
    elsewhere = Writer(store, SIGNER)
    elsewhere.start()
    record(elsewhere, said("s1", "b"))
    elsewhere.close()

    assert record(writer, said("s2", "a"), request_id="r1").version == 5
    assert record(writer, said("s1", "a"), negotiation="m").version == 4
    audit(store, "n")
    audit(store, "m")


def test_a_clash_fails_only_those_who_must_fail(store: FaultyStore) -> None:
    writer = Writer(store, SIGNER)
    writer.start()
    record(writer, *BEGIN)
    writer.close()
    writer = Writer(store, SIGNER)
    expecting = writer.submit(group(said("s1", "a"))._replace(expected_version=3))
    other = writer.submit(group(*BEGIN, negotiation="m"))

    def write_elsewhere() -> None:
        elsewhere = Writer(store, SIGNER)
        elsewhere.start()
        record(elsewhere, said("s9", "b"))
        elsewhere.close()

    store.before = write_elsewhere
    writer.start()

    assert refusal_of(expecting).reason == pb.ERROR_REASON_VERSION_MISMATCH
    assert pb.Receipt.FromString(other.result(10)).version == 3
    writer.close()
    assert audit(store, "n").version == 4
    audit(store, "m")


def test_endless_clashes_end_in_a_clear_refusal(writer: Writer, store: FaultyStore) -> None:
    record(writer, *BEGIN)

    def clash() -> None:
        store.before = clash
        raise ConflictError("version 4 is taken")

    store.before = clash
    refused = refusal_of(writer.submit(group(said("s1", "a"))))

    assert refused.reason == pb.ERROR_REASON_STORE_UNAVAILABLE
    store.before = lambda: None
    assert record(writer, said("s1", "a")).version == 4


def test_a_fault_of_our_own_does_not_stop_the_writer(writer: Writer, store: FaultyStore) -> None:
    record(writer, *BEGIN)
    store.before = fail_with(RuntimeError("a fault"))

    with pytest.raises(RuntimeError, match="a fault"):
        writer.submit(group(said("s1", "a"))).result(10)

    assert writer.alive
    assert record(writer, said("s1", "a")).version == 4
    audit(store, "n")


def test_many_threads_record_each_of_their_entries_once(tmp_path: Path) -> None:
    store = open_store(tmp_path, {})
    writer = Writer(store, SIGNER)
    writer.start()
    record(writer, *BEGIN)
    futures: list[Future[bytes]] = []

    def submit(thread: int) -> None:
        for place in range(50):
            one = group(said(f"s-{thread}-{place}", "a"), request_id=f"r-{thread}-{place}")
            futures.extend([writer.submit(one), writer.submit(one)])

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    receipts = {future.result(30) for future in futures}
    writer.close()

    assert len(receipts) == 400
    assert audit(store, "n").version == 403
    store.close()


def test_a_writer_that_holds_little_reads_the_rest_anew(store: FaultyStore) -> None:
    writer = Writer(store, SIGNER, cached_bytes=1)
    writer.start()
    names = [f"n{number}" for number in range(5)]
    for name in names:
        writer.submit(group(*BEGIN, negotiation=name)).result(10)
    for turn in range(3):
        waiting = [
            writer.submit(group(said(f"s{turn}", "a"), negotiation=name, request_id=f"r{turn}"))
            for name in names
        ]
        assert {pb.Receipt.FromString(one.result(10)).version for one in waiting} == {4 + turn}
    again = writer.submit(group(said("s0", "a"), negotiation="n0", request_id="r0"))

    assert pb.Receipt.FromString(again.result(10)).version == 4
    writer.close()
    for name in names:
        assert audit(store, name).version == 6


def test_a_fault_of_our_own_fails_only_its_own_group(store: FaultyStore) -> None:
    writer = Writer(store, SIGNER)
    broken = WriteRequest(
        "n", "", "anonymous@loopback", [pb.Draft()]
    )  # no shape that a servicer would let through
    writer.submit(group(*BEGIN))
    faulty = writer.submit(broken)
    good = writer.submit(group(said("s1", "a")))
    writer.start()

    with pytest.raises(KeyError):
        faulty.result(10)
    assert pb.Receipt.FromString(good.result(10)).version == 4
    writer.close()
    audit(store, "n")
