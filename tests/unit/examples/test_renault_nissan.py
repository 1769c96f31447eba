"""What domain knowledge says of the first example, of its drafts alone: no service."""

import json
from pathlib import Path

import pytest

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.edtf import Bounds, Occurrence
from pourparler.state.corrections import effective_entries
from pourparler.state.fold import fold, fold_effective
from pourparler_service.domain import rules
from pourparler_service.domain.refusal import RefusalError
from tests.support import sample_entries
from tests.support.draft_replay import Replayed, drafts, replayed
from tests.support.state_digest import particulars

EXAMPLE = Path(__file__).parents[3] / "examples" / "renault-nissan"


@pytest.fixture(name="record", scope="module")
def _record() -> Replayed:
    lines = (EXAMPLE / "negotiation.jsonl").read_text(encoding="utf-8").splitlines()
    ((name, said),) = drafts(lines).items()
    return replayed(name, said)


def test_the_replayed_state_is_the_expected_one_in_every_particular(record: Replayed) -> None:
    expected = json.loads((EXAMPLE / "expected_state.json").read_text(encoding="utf-8"))

    assert particulars(record.state) == expected


def test_at_version_11_there_is_no_position_and_no_question(record: Replayed) -> None:
    state = fold(record.entries[:11])

    assert state.version == 11
    assert set(state.statements) == {"s-joint"}
    assert not state.positions
    assert not state.questions


def test_on_the_record_alone_the_prior_agreement_the_position_and_the_question_vanish(
    record: Replayed,
) -> None:
    state = fold_effective(
        one
        for one in effective_entries(record.entries)
        if one.entry.facts.provenance.basis == pb.BASIS_ON_RECORD
    )

    assert not state.agreements
    assert not state.positions
    assert not state.questions
    assert set(state.topics) == {"t-initiatives", "t-ev", "t-governance"}
    assert set(state.statements) == {"s-joint"}
    assert set(state.participants) == {"renault", "nissan"}


def test_by_2021_only_the_prior_agreement_is_definite_and_only_the_opening_possible(
    record: Replayed,
) -> None:
    by = edtf.bounds("2021-01-01")

    happened = {
        entry.header.version: edtf.occurrence(
            Bounds(entry.facts.occurred.earliest, entry.facts.occurred.latest),
            by,
            (entry.header.record_time.seconds, entry.header.record_time.nanos),
        )
        for entry in record.entries
    }

    assert [v for v, what in happened.items() if what is Occurrence.DEFINITE] == [7]
    assert [v for v, what in happened.items() if what is Occurrence.POSSIBLE] == [1]


def test_what_is_only_reported_or_inferred_is_not_confirmed(record: Replayed) -> None:
    state = record.state

    assert state.statements["s-joint"].origin.confirmed
    assert not state.statements["s-majority"].origin.confirmed
    assert not state.positions["p-majority"].origin.confirmed
    assert not state.agreements["agr-leader-follower"].status_change.confirmed


def test_the_agreement_in_question_names_both_entries_that_made_it_so(record: Replayed) -> None:
    agreement = record.state.agreements["agr-leader-follower"]

    assert list(agreement.blame) == [7, 17]
    assert agreement.origin.provenance.basis == pb.BASIS_REPORTED
    assert agreement.status_change.version == 17
    assert agreement.words.occurred_verbatim == "in May 2020"


def test_no_open_term_looks_as_if_it_had_a_value(record: Replayed) -> None:
    about = record.state.questions["q-shares"].facts.about

    assert [(term.key, term.by or term.held_by) for term in about] == [
        ("stake", "nissan"),
        ("investment", "nissan"),
    ]
    assert {term.qualifier for term in about} == {pb.TERM_QUALIFIER_UNKNOWN}


@pytest.mark.parametrize("basis", [sample_entries.UNATTRIBUTED, sample_entries.ANALYSIS])
def test_a_rumour_of_an_agreement_is_refused(record: Replayed, basis: pb.Basis.ValueType) -> None:
    stake = pb.Term(
        key="stake",
        type=pb.TERM_TYPE_PERCENT,
        qualifier=pb.TERM_QUALIFIER_EXACT,
        value="15",
        of="ampere",
        held_by="nissan",
    )
    rumour = sample_entries.draft(
        pb.AgreementRecorded(
            agreement_id="agr-stake",
            origin=pb.AGREEMENT_ORIGIN_REACHED,
            kind=pb.AGREEMENT_KIND_OTHER,
            between=["renault", "nissan"],
            status=pb.AGREEMENT_STATUS_IN_FORCE,
            terms=[stake],
        ),
        pb.Words(title="Nissan gets 15 %"),
        basis=basis,
        visibility=sample_entries.PUBLIC,
    )
    before = record.state.SerializeToString(deterministic=True)

    with pytest.raises(RefusalError) as refused:
        rules.check(
            record.state,
            rumour,
            record_time=sample_entries.recorded_at(18),
            history=lambda: record.entries,
        )

    assert refused.value.reason == pb.ERROR_REASON_BASIS_NOT_ALLOWED
    assert record.state.SerializeToString(deterministic=True) == before
