"""What is cut and kept: whoever asks, after whomever, is given what they see and nothing older."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given as having
from hypothesis import settings
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler.state.fold import fold
from pourparler_service.aggregate.snapshots import FEWEST, Snapshot
from pourparler_service.authorization.filtered_store import FilteredEventReader
from pourparler_service.authorization.roles import participants_scope
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.reads.filtered_states import FilteredSnapshots
from pourparler_service.storage.interface import StoredEntry
from pourparler_service.storage.record_codec import decode_record, leaf, record_parts
from tests.store.test_cut_reads import NAME, POLICY, VIEWERS, audience_of, peopled, sight
from tests.support import sample_entries, strategies
from tests.support.sample_entries import RECORDER_ONLY, granted
from tests.support.stores import open_store
from tests.support.visibility_harness import Readers, readers, stored, withheld

ACME = participants_scope(["acme"])
VIEWED = [*((one, "") for one in VIEWERS), (ANONYMOUS, "pa-1"), (ANONYMOUS, "pa-2")]


def shown(entries: Sequence[pb.Entry], viewer: str, seen_by: str, version: int) -> pb.Negotiation:
    """The state at a version of what is seen of a record, folded from its first entry on."""
    sees = audience_of(entries).visible(sight(entries, viewer, seen_by), version)
    upto = [decode_record(one.data) for one in stored(entries[:version])]
    state = fold([one if sees(one.header.version) else withheld(one) for one in upto])
    state.name = NAME
    return state


def asked(reading: Readers, viewer: str, seen_by: str, version: int) -> pb.Negotiation | None:
    """The state that is answered; None where the viewer is answered as a stranger."""
    as_of = pb.AsOf(version=version) if version else None
    request = pb.GetNegotiationRequest(name=NAME, as_of=as_of, viewer_participant_id=seen_by)
    (answer,) = reading.ask(viewer, request)
    return answer.negotiation if isinstance(answer, pb.GetNegotiationResponse) else None


@having(strategies.steps(40), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_a_cut_state_is_folded_of_what_is_seen_whatever_was_asked_before(
    seeds: list[int], seed: int
) -> None:
    random = Random(seed)  # noqa: S311 - dice, not secrets
    entries = peopled(seeds, random)
    if not entries:
        return
    length = random.randint(len(entries) // 2, len(entries))
    records = stored(entries)

    with readers(records[:length], POLICY) as reading:
        for _ in range(25):
            more = random.randint(0, 4)
            reading.record(records[length : length + more])
            length = min(length + more, len(records))
            (viewer, seen_by), version = random.choice(VIEWED), random.randint(0, length)
            answer = asked(reading, viewer, seen_by, version)
            if answer is not None:
                answer.name = NAME  # which nobody has said who may not see it opened
                assert answer == shown(entries[:length], viewer, seen_by, version or length)


def talks(length: int) -> list[pb.Entry]:
    """Talks of which the party of acme sees every other statement."""
    drafts = [
        sample_entries.opened(),
        sample_entries.joined("acme"),
        sample_entries.joined("bolt"),
        granted("ann", pb.ACCESS_ROLE_PARTY, "acme"),
    ]
    for number in range(5, length + 1):
        audience = sample_entries.restricted("bolt") if number % 2 else sample_entries.PARTIES
        drafts.append(sample_entries.said(f"s-{number}", "bolt", visibility=audience))
    return sample_entries.history(*drafts)


@pytest.fixture(name="reads")
def _reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Readers, list[int]]]:
    """Readers of long talks, and how many entries each read of the store has given."""
    given_out: list[int] = []
    with readers(stored(talks(FEWEST)), POLICY) as reading:
        read = reading.store.read

        def noted(id_: str, **more: Any) -> list[StoredEntry]:
            found = read(id_, **more)
            given_out.append(len(found))
            return found

        monkeypatch.setattr(reading.store, "read", noted)
        yield reading, given_out


def test_a_state_begins_where_another_of_the_same_sight_was(
    reads: tuple[Readers, list[int]],
) -> None:
    reading, given_out = reads
    asked(reading, "ann", "", 100)
    given_out.clear()

    state = asked(reading, ANONYMOUS, "acme", 110)

    assert sum(given_out) < 20
    assert state == shown(talks(FEWEST), "ann", "", 110)


def test_a_state_of_another_sight_begins_anew(reads: tuple[Readers, list[int]]) -> None:
    reading, given_out = reads
    asked(reading, "ann", "", 100)
    given_out.clear()

    asked(reading, ANONYMOUS, "bolt", 100)

    assert sum(given_out) >= 100


def test_the_latest_state_is_made_once_for_all_who_see_the_same(
    reads: tuple[Readers, list[int]],
) -> None:
    reading, given_out = reads
    first = asked(reading, "ann", "", 0)
    given_out.clear()

    assert asked(reading, ANONYMOUS, "acme", 0) == first

    assert sum(given_out) == 0
    given_out.clear()
    assert asked(reading, ANONYMOUS, "acme", 0) == first
    assert given_out == []  # it is not even looked at whether there is more


def test_who_loses_access_is_given_nothing_that_is_kept() -> None:
    revoked = sample_entries.recorded(21, sample_entries.revoked("ann"))
    with readers(stored(talks(20)), POLICY) as reading:
        assert asked(reading, "ann", "", 0) == asked(reading, "ann", "", 0) is not None

        reading.record(stored([revoked]))

        assert asked(reading, "ann", "", 0) is None
        assert asked(reading, ANONYMOUS, "acme", 0) is not None


def test_what_is_disclosed_unseen_is_not_left_out() -> None:
    entries = talks(20)
    disclosure = sample_entries.draft(
        pb.EntryDisclosed(target_version=5, disclosed_to=sample_entries.PARTIES),
        visibility=RECORDER_ONLY,
    )
    entries.append(sample_entries.recorded(21, disclosure))
    records = stored(entries)
    with readers(records[:20], POLICY) as reading:
        for version in (0, 10, 20):
            state = asked(reading, "ann", "", version)
            assert state is not None
            assert "s-5" not in state.statements

        reading.record(records[20:])

        for version, is_there in ((0, True), (20, False), (10, False), (21, True)):
            state = asked(reading, "ann", "", version)
            assert state is not None
            assert ("s-5" in state.statements) is is_there


def test_what_was_erased_is_in_no_state_that_was_kept() -> None:
    entries = talks(20)
    with readers(stored(entries), POLICY) as reading:
        for version in (0, 6, 20):
            state = asked(reading, "ann", "", version)
            assert state is not None
            assert state.statements["s-6"].words.text

        erased = [one._replace(data=record_parts(one.data).left) for one in stored(entries)]
        kept = reading.store.read
        reading.store.read = lambda id_, **more: [  # type: ignore[method-assign]
            erased[one.version - 1] for one in kept(id_, **more)
        ]
        for derived in (reading.states, reading.responses):
            derived.purge(sample_entries.NEGOTIATION)

        for version in (0, 6, 20):
            state = asked(reading, "ann", "", version)
            assert state is not None
            assert not state.statements["s-6"].words.text


def seen_by_acme() -> FilteredEventReader:
    store, audience = open_store(None, {}), audience_of(talks(20))
    return FilteredEventReader(store, "n", ACME, version=20, audience=audience)


def snapshot(version: int) -> Snapshot:
    record = stored(talks(20))[version - 1]
    return Snapshot(version, leaf(record.data), fold(talks(20)[:version]))


def test_what_was_read_before_a_purge_is_not_kept_after_it() -> None:
    kept = FilteredSnapshots(fewest=3)
    beginnings = kept.of(seen_by_acme())
    before = beginnings.purged
    beginnings.keep("n", snapshot(10), purged=before)
    assert beginnings.nearest("n", 15) is not None

    kept.purge("n")

    assert beginnings.nearest("n", 15) is None
    beginnings.keep("n", snapshot(10), purged=before)
    assert beginnings.nearest("n", 15) is None
    beginnings.keep("n", snapshot(10), purged=beginnings.purged)
    assert beginnings.nearest("n", 15) is not None


def test_of_several_the_nearest_is_given_and_others_go_for_want_of_room() -> None:
    kept = FilteredSnapshots(fewest=3, cached_bytes=9_000)
    beginnings = kept.of(seen_by_acme())
    found = []
    for version in (20, 10, 15):
        beginnings.keep("n", snapshot(version), purged=0)
        nearest = beginnings.nearest("n", 19)
        found.append(nearest and nearest.version)

    assert found == [None, 10, 15]
    assert beginnings.nearest("n", 20) == beginnings.nearest("n", 15)  # that of 20 is gone
