"""What any point on the three clocks reads."""

import gc
import tracemalloc
import weakref
from collections.abc import Iterator

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.state.fold import fold
from pourparler_service.aggregate.current import CurrentNegotiations
from pourparler_service.aggregate.negotiation import Negotiation
from pourparler_service.domain.refusal import RefusalError
from pourparler_service.storage.interface import EventStore, StoredEntry
from pourparler_service.storage.record_codec import EncodedRecord, leaf
from pourparler_service.writes.requests import WriteRequest
from pourparler_service.writes.writer import Writer
from tests.bench import talks
from tests.support.sample_entries import draft, joined, opened, recorded_at, said
from tests.support.signing_keys import SIGNER
from tests.support.state_reader import StateReader
from tests.support.stores import open_store

DAY = 86_400


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = recorded_at(0).seconds

    def __call__(self) -> int:
        return self.seconds * 1_000_000_000


@pytest.fixture
def store() -> Iterator[EventStore]:
    store = open_store(None, {})
    yield store
    store.close()


def spoken(statement_id: str, occurred: str | None) -> pb.Draft:
    event = said(statement_id, "a").facts.statement_recorded
    return draft(event, occurred=occurred)


def corrected(target: int, replacement: pb.Draft | None) -> pb.Draft:
    event = pb.EntryCorrected(
        target_version=target,
        mode=pb.CORRECTION_MODE_REPLACE if replacement else pb.CORRECTION_MODE_ANNUL,
        kind=pb.CORRECTION_KIND_RECORDER,
        replacement=replacement.facts if replacement else None,
    )
    words = pb.Words(text=replacement.words.text if replacement else "")
    return draft(event, words)


@pytest.fixture
def negotiations(store: EventStore) -> StateReader:
    """One day a version: 1 to 3 open it, 4 to 8 are statements, 9 and 10 correct two of them."""
    clock = Clock()
    writer = Writer(store, SIGNER, clock=clock)
    writer.start()
    for one in (
        opened(),
        joined("a"),
        joined("b"),
        spoken("long-ago", "2021-05"),
        spoken("in-summer", "2025-07/2025-08"),
        spoken("at-some-time", None),
        spoken("from-june", "[2025-06-10..]"),
        spoken("wrong", "2020"),
        corrected(8, spoken("wrong", "2024")),
        corrected(4, None),
    ):
        clock.seconds += DAY
        writer.submit(WriteRequest("n", "", "me", [one])).result(10)
    writer.close()
    return StateReader(store)


def statements(state: pb.Negotiation | None) -> set[str]:
    assert state is not None
    return set(state.statements)


def day(version: int) -> Timestamp:
    return Timestamp(seconds=recorded_at(0).seconds + DAY * version)


def refusal_of(negotiations: StateReader, as_of: pb.AsOf, name: str = "n") -> RefusalError:
    with pytest.raises(RefusalError) as refused:
        negotiations.read(name, as_of)
    return refused.value


def test_without_a_point_the_latest_state_is_read(negotiations: StateReader) -> None:
    reading = negotiations.read("n", pb.AsOf())

    assert reading.state.version == reading.computed_at.version == 10
    assert statements(reading.state) == {"in-summer", "at-some-time", "from-june", "wrong"}
    assert reading.state.counts.statements == 4
    assert reading.possible_state is None
    assert reading.possible_versions == ()


@pytest.mark.parametrize("version", range(11))
def test_the_state_at_a_version_is_the_fold_of_the_entries_up_to_it(
    negotiations: StateReader, store: EventStore, version: int
) -> None:
    entries = [pb.Entry.FromString(one.data) for one in store.read("n")]

    reading = negotiations.read("n", pb.AsOf(version=version))

    expected = fold(entries[:version])
    expected.name = "negotiations/n"
    assert reading.state == expected
    assert reading.computed_at.version == version


def test_at_an_earlier_version_a_later_correction_is_not_seen(
    negotiations: StateReader,
) -> None:
    before = negotiations.read("n", pb.AsOf(version=8)).state
    after = negotiations.read("n", pb.AsOf(version=9)).state

    assert before.statements["wrong"].origin.occurred.edtf == "2020"
    assert after.statements["wrong"].origin.occurred.edtf == "2024"
    assert list(after.statements["wrong"].blame) == [8, 9]


def test_the_record_time_counts_what_was_recorded_by_then(
    negotiations: StateReader,
) -> None:
    just_before = Timestamp(seconds=day(6).seconds - 1, nanos=999_999_999)

    assert negotiations.read("n", pb.AsOf(record_time=just_before)).computed_at.version == 5
    assert negotiations.read("n", pb.AsOf(record_time=day(6))).computed_at.version == 6
    assert negotiations.read("n", pb.AsOf(record_time=day(99))).computed_at.version == 10
    first = negotiations.read("n", pb.AsOf(record_time=day(0)))
    assert first.state == pb.Negotiation(name="negotiations/n", counts=pb.Counts())
    assert first.computed_at.version == 0


def test_the_occur_date_tells_what_had_happened_from_what_perhaps_had(
    negotiations: StateReader,
) -> None:
    reading = negotiations.read("n", pb.AsOf(occur_date="2025-07-15"))

    assert statements(reading.state) == {"wrong"}
    assert statements(reading.possible_state) == {"wrong", "in-summer", "at-some-time", "from-june"}
    assert reading.possible_versions == (1, 2, 3, 5, 6, 7)
    assert reading.computed_at.version == 10


def test_everything_had_happened_by_the_time_it_was_recorded(
    negotiations: StateReader,
) -> None:
    reading = negotiations.read("n", pb.AsOf(occur_date="2026-01-31"))

    assert reading.possible_versions == ()
    assert reading.state == reading.possible_state
    assert statements(reading.state) == statements(negotiations.read("n", pb.AsOf()).state)


def test_by_what_was_held_then_of_what_had_happened_by_then(
    negotiations: StateReader,
) -> None:
    then = negotiations.read("n", pb.AsOf(version=8, occur_date="2022"))
    now = negotiations.read("n", pb.AsOf(occur_date="2022"))
    recorded = negotiations.read("n", pb.AsOf(record_time=day(9), occur_date="2022"))

    assert statements(then.state) == {"long-ago", "wrong"}
    assert statements(recorded.state) == {"long-ago"}
    assert statements(now.state) == set()


def test_a_partial_state_still_knows_the_names_of_those_it_names(
    negotiations: StateReader,
) -> None:
    state = negotiations.read("n", pb.AsOf(occur_date="2024")).state

    assert set(state.participants) == {"a"}
    assert state.participants["a"].words.name == "A"
    assert state.participants["a"].status == pb.PARTICIPANT_STATUS_UNSPECIFIED
    assert state.status == pb.NEGOTIATION_STATUS_UNSPECIFIED


def test_a_replay_on_a_clock_gives_the_entries_that_its_state_folds(
    negotiations: StateReader, store: EventStore
) -> None:
    replayed, computed_at = negotiations.replay("n", pb.AsOf(occur_date="2025-07-15"))

    assert [(one.entry.header.version, one.possible) for one in replayed] == [
        (1, True),
        (2, True),
        (3, True),
        (5, True),
        (6, True),
        (7, True),
        (8, False),
        (9, False),
    ]
    stored = {one.version: one.data for one in store.read("n")}
    assert all(one.data == stored[one.entry.header.version] for one in replayed)
    assert computed_at.version == 10


@pytest.mark.parametrize(
    ("as_of", "reason", "field"),
    [
        (pb.AsOf(version=11), pb.ERROR_REASON_VERSION_NOT_FOUND, "version"),
        (pb.AsOf(version=2**64 - 1), pb.ERROR_REASON_VERSION_NOT_FOUND, "version"),
        (pb.AsOf(occur_date="soon"), pb.ERROR_REASON_DATE_INVALID, "occur_date"),
        (pb.AsOf(occur_date="9" * 10_000), pb.ERROR_REASON_DATE_INVALID, "occur_date"),
        (
            pb.AsOf(version=1, record_time=Timestamp(seconds=1)),
            pb.ERROR_REASON_AS_OF_INVALID,
            "record_time",
        ),
    ],
    ids=["next version", "huge version", "no date", "enormous date", "two clocks of the record"],
)
def test_a_point_that_cannot_be_read_is_refused(
    negotiations: StateReader, as_of: pb.AsOf, reason: int, field: str
) -> None:
    refused = refusal_of(negotiations, as_of)

    assert (refused.reason, refused.field) == (reason, field)


@pytest.mark.parametrize(
    "as_of",
    [pb.AsOf(), pb.AsOf(version=1), pb.AsOf(occur_date="2025")],
    ids=["now", "version", "occur date"],
)
def test_an_unknown_negotiation_is_refused_on_every_clock(
    negotiations: StateReader, as_of: pb.AsOf
) -> None:
    assert (
        refusal_of(negotiations, as_of, "unknown").reason == pb.ERROR_REASON_NEGOTIATION_NOT_FOUND
    )


def test_every_read_is_as_fresh_as_the_store(negotiations: StateReader, store: EventStore) -> None:
    negotiations.read("n", pb.AsOf())
    tenth = store.read("n", after=9)[0]
    entry = pb.Entry.FromString(tenth.data)
    entry.header.version = 11
    entry.facts.entry_corrected.target_version = 5
    store.append([StoredEntry("n", 11, tenth.topic, entry.SerializeToString())])

    assert statements(negotiations.read("n", pb.AsOf()).state) == {
        "at-some-time",
        "from-june",
        "wrong",
    }


def test_a_state_that_was_read_does_not_change_under_its_reader(
    negotiations: StateReader, store: EventStore
) -> None:
    reading = negotiations.read("n", pb.AsOf())
    before = reading.state.SerializeToString(deterministic=True)
    writer = Writer(store, SIGNER)
    writer.start()
    writer.submit(WriteRequest("n", "", "me", [said("new", "a")])).result(10)
    writer.close()

    assert negotiations.read("n", pb.AsOf()).state.version == 11
    assert reading.state.SerializeToString(deterministic=True) == before


def test_what_is_refused_does_not_make_a_negotiation_grow(store: EventStore) -> None:
    store.append(list(talks.records("n", 50)))
    negotiation = Negotiation(store, "n")
    negotiation.catch_up()
    before, state = negotiation.size, negotiation.state.SerializeToString(deterministic=True)
    data = list(talks.records("n", 51))[-1].data
    refused = EncodedRecord(data, leaf(data))

    for _ in range(500):
        mark = negotiation.mark()
        negotiation.advance(refused, mark.undo)
        negotiation.rollback(mark)

        assert negotiation.size < 2.2 * before
    assert negotiation.version == 50
    assert negotiation.state.SerializeToString(deterministic=True) == state


def test_negotiations_are_held_within_a_bound(store: EventStore) -> None:
    for number in range(20):
        store.append(list(talks.records(f"n{number}", 20)))
    negotiations = CurrentNegotiations(store, cached_bytes=100_000)
    held: list[weakref.ref[Negotiation]] = []
    for number in range(20):
        with negotiations.current(f"n{number}") as negotiation:
            held.append(weakref.ref(negotiation))
    size = negotiation.size
    del negotiation

    gc.collect()

    assert 100_000 / size - 1 < sum(one() is not None for one in held) <= 100_000 / size
    reader = StateReader(store, negotiations)
    for number in range(20):
        assert reader.read(f"n{number}", pb.AsOf()).state.version == 20


def test_a_negotiation_takes_about_as_much_memory_as_it_says() -> None:
    """Of what Python itself allocates: its messages are allocated elsewhere."""
    store = open_store(None, {})
    store.append(list(talks.records("n", 1_000)))
    negotiation = Negotiation(store, "n")
    tracemalloc.start()

    negotiation.catch_up()

    traced, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    store.close()
    serialized = negotiation.state.ByteSize()
    assert traced + serialized < negotiation.size < 4 * (traced + serialized)
