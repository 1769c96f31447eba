"""What holds of every history that the rules accept."""

from collections import Counter
from collections.abc import Sequence
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.contract import ENTRY_TYPES, PARTS
from pourparler.state.agreement_life import ENDED
from pourparler.state.corrections import EffectiveEntry, effective_entries, is_amending
from pourparler.state.diff import apply_changes, diff, reversals
from pourparler.state.fold import evolve, fold, fold_effective
from pourparler.state.happened import happened_by
from pourparler.state.status import status_report
from pourparler.state.summary import count_parts
from pourparler.state.undo import UndoLog
from pourparler_service.validation import drafts
from tests.support.strategies import histories, history, propose, refusal, steps

ON = edtf.bounds("2026-01-31")
OPEN, DROPPED = pb.PROPOSAL_STATUS_OPEN, pb.TOPIC_STATUS_DROPPED

few = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)


def dice(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - dice, not secrets


def bytes_of(*messages: pb.Negotiation | pb.Entry) -> list[bytes]:
    return [one.SerializeToString(deterministic=True) for one in messages]


def parts_of(state: pb.Negotiation) -> list[tuple[str, str, object]]:
    return [
        (parts, key, part)
        for parts in PARTS.values()
        for key, part in getattr(state, parts).items()
    ]


def test_histories_have_entries_of_every_type_and_amend_many_of_them() -> None:
    seen: Counter[str] = Counter()
    amended: set[str] = set()
    for number in range(60):
        random = dice(number)
        entries = history([random.getrandbits(32) for _ in range(32)])
        seen.update(one.facts.WhichOneof("event") or "" for one in entries)
        amended |= {
            one.entry.facts.WhichOneof("event") or ""
            for one in effective_entries(entries)
            if one.amended_by
        }

    assert set(seen) == set(ENTRY_TYPES)
    assert min(seen.values()) >= 5
    assert len(amended) >= 20


@few
@given(histories())
def test_a_history_refolds_to_the_same_state_at_every_version(entries: list[pb.Entry]) -> None:
    state = pb.Negotiation()
    for version, entry in enumerate(entries, start=1):
        if is_amending(entry):
            state = fold(entries[:version])
        else:
            evolve(state, entry)
            count_parts(state)

        assert bytes_of(state) == bytes_of(fold(entries[:version]))
        assert state.version == version


@few
@given(histories(), st.lists(st.integers(0, 2**32 - 1), min_size=5, max_size=15))
def test_a_draft_changes_nothing_by_being_checked_refused_or_not(
    entries: list[pb.Entry], seeds: list[int]
) -> None:
    state = fold(entries)
    before = bytes_of(state, *entries)
    for seed in seeds:
        draft = propose(dice(seed), state, entries)
        drafts.prepare(draft, edtf.bounds)
        refused = refusal(state, draft, entries)

        assert bytes_of(state, *entries) == before
        if refused is not None:
            assert refused.text
            assert refused.reason in pb.ErrorReason.values()


@few
@given(histories(), st.data())
def test_the_difference_of_any_two_versions_leads_from_the_one_to_the_other(
    entries: list[pb.Entry], data: st.DataObject
) -> None:
    versions = st.integers(0, len(entries))
    one, other = (fold(entries[: data.draw(versions)]) for _ in range(2))
    before = bytes_of(one, other)

    changes = diff(one, other)

    assert bytes_of(apply_changes(one, changes)) == bytes_of(other)
    assert bytes_of(apply_changes(other, diff(other, one))) == bytes_of(one)
    assert bytes_of(one, other) == before
    for change in changes:
        assert change.kind != pb.CHANGE_KIND_CHANGED or change.fields
        assert list(change.versions) == sorted(set(change.versions))
        assert all(version <= other.version for version in change.versions)


@few
@given(histories(), st.data())
def test_any_group_of_entries_can_be_taken_back(
    entries: list[pb.Entry], data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(entries)))
    last = data.draw(st.integers(first, len(entries)))
    state = fold(entries[:first])
    before = bytes_of(state)
    undo = UndoLog(state)

    for entry in entries[first:last]:
        evolve(state, entry, undo=undo)
    count_parts(state)
    undo.rollback()

    assert bytes_of(state) == before


@few
@given(histories())
def test_a_history_reads_the_same_when_it_was_written_and_read(entries: list[pb.Entry]) -> None:
    read = [pb.Entry.FromString(one.SerializeToString()) for one in entries]
    state = fold(entries)

    assert read == entries
    assert bytes_of(fold(read)) == bytes_of(state)
    assert pb.Negotiation.FromString(state.SerializeToString()) == state


@few
@given(histories(), st.data())
def test_whatever_is_left_out_the_rest_can_be_folded_and_asked(
    entries: list[pb.Entry], data: st.DataObject
) -> None:
    keep = data.draw(st.lists(st.booleans(), min_size=len(entries), max_size=len(entries)))
    some = [entry for entry, kept in zip(entries, keep, strict=True) if kept]
    withheld = [
        entry if kept else pb.Entry(header=entry.header)
        for entry, kept in zip(entries, keep, strict=True)
    ]
    whole = fold(entries)
    left: list[EffectiveEntry] = [
        one for one in effective_entries(entries) if keep[one.entry.header.version - 1]
    ]

    for state in (fold(some), fold(withheld), fold_effective(left)):
        status_report(state, ON, "2026-01-31")
        reversals(state, whole)
        assert bytes_of(apply_changes(whole, diff(whole, state))) == bytes_of(state)


@few
@given(histories())
def test_every_part_names_the_versions_that_made_it(entries: list[pb.Entry]) -> None:
    state = fold(entries)
    as_counted = {one.entry.header.version: one.entry.facts for one in effective_entries(entries)}

    for _, key, part in parts_of(state):
        origin, blame = part.origin, list(part.blame)  # type: ignore[attr-defined]
        event = as_counted[origin.version].WhichOneof("event") or ""
        introduces = ENTRY_TYPES[event].introduces
        assert introduces is not None
        assert getattr(getattr(as_counted[origin.version], event), introduces.name) == key
        assert origin.version in blame
        assert len(set(blame)) == len(blame)
        assert set(blame) <= set(range(1, state.version + 1))


@few
@given(histories())
def test_a_part_that_no_correction_annulled_never_goes(entries: list[pb.Entry]) -> None:
    before: set[tuple[str, str]] = set()
    for version in range(1, len(entries) + 1):
        now = {(parts, key) for parts, key, _ in parts_of(fold(entries[:version]))}
        assert before <= now or is_amending(entries[version - 1])
        before = now


@few
@given(histories())
def test_reversals_are_found_once_in_their_order_and_not_again_since(
    entries: list[pb.Entry],
) -> None:
    state = fold(entries)
    found = reversals(state)

    assert [one.back.version for one in found] == sorted(one.back.version for one in found)
    assert all(one.first.version < one.moved.version < one.back.version for one in found)
    assert reversals(state, state) == []
    for version in range(len(entries)):
        since = fold(entries[:version])
        assert all(one in found for one in reversals(state, since))


@few
@given(histories())
def test_the_standing_has_each_open_part_once_in_the_order_of_the_record(
    entries: list[pb.Entry],
) -> None:
    state = fold(entries)

    result = status_report(state, ON, "2026-01-31")

    proposals = [one.proposal for one in result.open_proposals]
    topics = [*result.agreed_topics, *result.unsettled_topics]
    assert in_order(proposals)
    assert in_order(result.open_questions)
    assert in_order([one.commitment for one in result.commitments_due])
    assert in_order([one.milestone for one in result.milestones_due])
    left_open = {*result.left_open}
    assert {key for key, one in state.proposals.items() if one.status == OPEN} == {
        *(one.facts.proposal_id for one in proposals),
        *(path.removeprefix("proposals/") for path in left_open if path.startswith("proposals/")),
    }
    assert {key for key, one in state.topics.items() if one.status != DROPPED} == {
        *(one.facts.topic_id for one in topics),
        *(path.removeprefix("topics/") for path in left_open if path.startswith("topics/")),
    }
    for one in result.open_proposals:
        assert one.lineage[-1] == one.proposal.facts.proposal_id


@few
@given(histories())
def test_what_is_agreed_open_waiting_and_owed_is_consistent(entries: list[pb.Entry]) -> None:
    state = fold(entries)

    result = status_report(state, ON, "2026-01-31")

    agreed = {one.facts.topic_id for one in result.agreed_topics}
    assert agreed.isdisjoint(one.facts.topic_id for one in result.unsettled_topics)
    assert agreed.isdisjoint(key for key, one in state.topics.items() if one.status == DROPPED)
    assert set(result.agreed_by) <= agreed
    binding = {one.facts.agreement_id for one in result.agreements}
    assert binding.isdisjoint(one.facts.agreement_id for one in result.pending_agreements)
    for agreement in state.agreements.values():
        if agreement.status == pb.AGREEMENT_STATUS_SUPERSEDED and agreement.superseded_by:
            successor = state.agreements[agreement.superseded_by]
            # An older agreement can be recorded when it has ended, without its entry into force.
            assert successor.HasField("in_force") or successor.facts.status in ENDED
        for key in agreement.to_be_superseded_by:
            assert state.agreements[key].status in {
                pb.AGREEMENT_STATUS_PENDING_APPROVAL,
                pb.AGREEMENT_STATUS_PROVISIONALLY_APPLIED,
            }
    for one in result.open_proposals:
        assert not one.proposal.agreement_id
        for who in one.waits_for:
            assert state.participants[who].status == pb.PARTICIPANT_STATUS_ACTIVE
            assert who in one.proposal.facts.to
    if state.status == pb.NEGOTIATION_STATUS_CONCLUDED:
        asked = {key for due in result.answers_due for key in due.question_ids}
        assert {key for due in result.answers_due for key in due.proposal_ids} <= {
            *state.open_proposal_ids
        }
        assert all(state.questions[key].origin.after_end for key in asked)
    owed = {one.commitment.status for one in result.commitments_due}
    assert owed.isdisjoint(
        {
            pb.COMMITMENT_STATUS_FULFILLED,
            pb.COMMITMENT_STATUS_RELEASED,
            pb.COMMITMENT_STATUS_LAPSED,
        }
    )


@few
@given(histories(), st.sampled_from(["2025-06", "2026-01-02", "2026", "2030"]))
def test_a_report_on_a_date_tells_of_nothing_later(entries: list[pb.Entry], on: str) -> None:
    day = edtf.bounds(on)
    happened = [one for one, _ in happened_by(effective_entries(entries), day)]
    later = {one.header.version for one in entries} - {one.entry.header.version for one in happened}

    result = status_report(fold_effective(happened), day, on)

    for field in ("agreements", "agreed_topics", "accepted_proposals", "open_questions"):
        for part in getattr(result, field):
            assert later.isdisjoint(part.blame)
    assert all(one.age.seconds >= 0 for one in result.open_proposals)


@few
@given(histories())
def test_an_anomaly_names_versions_of_the_record_and_a_part(entries: list[pb.Entry]) -> None:
    state = fold(entries)

    for one in state.anomalies:
        collection, _, key = one.part.partition("/")
        assert key in getattr(state, collection)
        assert set(one.versions) <= set(range(1, state.version + 1))


def in_order(parts: Sequence[pb.Proposal | pb.Question | pb.Commitment | pb.Milestone]) -> bool:
    versions = [part.origin.version for part in parts]
    return versions == sorted(versions)


@few
@given(steps())
def test_the_same_seeds_give_the_same_history(seeds: list[int]) -> None:
    assert bytes_of(*history(seeds)) == bytes_of(*history(seeds))
