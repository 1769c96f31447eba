"""Anomalies of time: entries that are dated before what they follow."""

from collections.abc import Sequence

import pytest

from pourparler import v1 as pb
from tests.support.sample_entries import (
    answered,
    date,
    draft,
    joined,
    left,
    offered,
    said,
    state_of,
)
from tests.support.sample_entries import opened as opening

EARLY, LATE = "2024-01-10", "2024-06-10"


def dated(one: pb.Draft, when: str) -> pb.Draft:
    one.facts.occurred.CopyFrom(date(when))
    return one


def kinds(*drafts: pb.Draft) -> list[tuple[str, list[int]]]:
    return [
        (pb.AnomalyKind.Name(one.kind).removeprefix("ANOMALY_KIND_"), list(one.versions))
        for one in state_of(opening(), *drafts).anomalies
    ]


A, B = joined("a"), joined("b")
OFFER = offered("p", ["a"], ["b"])
OWED = draft(pb.CommitmentMade(commitment_id="c", debtors=["a"], creditors=["b"]))
KEPT = draft(pb.CommitmentStatusChanged(commitment_id="c", status=pb.COMMITMENT_STATUS_FULFILLED))
DEAL = draft(
    pb.AgreementRecorded(
        agreement_id="d",
        origin=pb.AGREEMENT_ORIGIN_REACHED,
        kind=pb.AGREEMENT_KIND_DEFINITIVE,
        between=["a", "b"],
        status=pb.AGREEMENT_STATUS_IN_FORCE,
    )
)
ENDED = draft(pb.AgreementStatusChanged(agreement_id="d", status=pb.AGREEMENT_STATUS_TERMINATED))
SIGNED = draft(pb.ApprovalRecorded(agreement_id="d", by=["a"], act=pb.APPROVAL_ACT_SIGNED))
CONCLUDED = draft(pb.NegotiationConcluded(outcome=pb.OUTCOME_LAPSED))


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        pytest.param(OFFER, answered("p", "b"), "ANSWERED_BEFORE_OFFER", id="answer"),
        pytest.param(OWED, KEPT, "CHANGED_BEFORE_MADE", id="fulfilment"),
        pytest.param(DEAL, ENDED, "CHANGED_BEFORE_MADE", id="end"),
        pytest.param(DEAL, SIGNED, "CHANGED_BEFORE_MADE", id="signature"),
    ],
)
def test_a_change_dated_before_what_it_changes_is_flagged(
    first: pb.Draft, second: pb.Draft, kind: str
) -> None:
    assert kinds(A, B, dated(first, LATE), dated(second, EARLY)) == [(kind, [4, 5])]
    assert kinds(A, B, dated(first, EARLY), dated(second, LATE)) == []


def test_a_statement_before_its_speaker_joined_is_flagged() -> None:
    assert kinds(dated(joined("a"), LATE), dated(said("s", "a"), EARLY)) == [
        ("ACTED_BEFORE_JOINING", [2, 3])
    ]


def test_an_act_after_leaving_is_flagged() -> None:
    given: Sequence[pb.Draft] = (dated(joined("a"), EARLY), dated(left("a"), "2024-02-01"))

    assert kinds(*given, dated(said("s", "a"), LATE)) == [("ACTED_AFTER_LEAVING", [3, 4])]


def test_a_participant_that_rejoined_may_have_acted_at_its_first_stay() -> None:
    stay = (dated(joined("a"), "2020-01-01"), dated(left("a"), "2021-01-01"))
    again = dated(joined("a"), "2023-01-01")

    assert kinds(*stay, again, dated(said("s", "a"), "2020-06-01")) == []


def test_an_offer_dated_after_the_end_is_flagged() -> None:
    assert kinds(A, B, dated(offered("p", ["a"], ["b"]), LATE), dated(CONCLUDED, EARLY)) == [
        ("DATED_AFTER_END", [4, 5])
    ]


@pytest.mark.parametrize("when", ["2024-01-05~", "2024-01-05?", "2024", "2023-12/2024-02"])
def test_a_date_that_may_be_later_is_no_anomaly(when: str) -> None:
    offer, answer = dated(offered("p", ["a"], ["b"]), EARLY), dated(answered("p", "b"), when)

    assert kinds(A, B, offer, answer) == []
