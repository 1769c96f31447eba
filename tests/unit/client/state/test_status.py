"""Where a negotiation stands on a date."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.state.status import status_report
from tests.support.sample_entries import (
    answered,
    date,
    draft,
    joined,
    left,
    offered,
    opened,
    state_of,
    topic,
)

BEGINNING = (opened(), joined("renault"), joined("nissan"), joined("mitsubishi"))


def standing_of(*given: pb.Draft, on: str = "2026-01-31") -> pb.StatusReport:
    return status_report(state_of(*BEGINNING, *given), edtf.bounds(on), on)


def offer(
    proposal_id: str,
    *,
    by: Sequence[str] = ("renault",),
    to: Sequence[str] = ("nissan",),
    occurred: str | None = None,
    expires: str | None = None,
    counters: str = "",
    supersedes: str = "",
    decided_by: Sequence[str] = (),
) -> pb.Draft:
    event = pb.ProposalMade(
        proposal_id=proposal_id,
        by=by,
        to=to,
        expires=date(expires) if expires else None,
        counters=counters,
        supersedes=supersedes,
        decided_by=decided_by,
        binding=pb.PROPOSAL_BINDING_BINDING,
    )
    return draft(event, occurred=occurred)


def became(topic_id: str, status: pb.TopicStatus.ValueType) -> pb.Draft:
    return draft(pb.TopicStatusChanged(topic_id=topic_id, status=status))


def agreement(
    agreement_id: str, status: pb.AgreementStatus.ValueType, *, proposal_id: str = ""
) -> pb.Draft:
    return draft(
        pb.AgreementRecorded(
            agreement_id=agreement_id,
            origin=pb.AGREEMENT_ORIGIN_REACHED,
            kind=pb.AGREEMENT_KIND_DEFINITIVE,
            between=["renault", "nissan"],
            proposal_id=proposal_id,
            status=status,
        )
    )


def owed(commitment_id: str, *, due: str | None = None, conditional: bool = False) -> pb.Draft:
    event = pb.CommitmentMade(
        commitment_id=commitment_id,
        debtors=["renault"],
        creditors=["nissan"],
        due=date(due) if due else None,
        conditional=conditional,
    )
    return draft(event)


def owed_now(commitment_id: str, status: pb.CommitmentStatus.ValueType) -> pb.Draft:
    return draft(pb.CommitmentStatusChanged(commitment_id=commitment_id, status=status))


def planned(milestone_id: str, expected: str | None = None) -> pb.Draft:
    return draft(
        pb.MilestonePlanned(
            milestone_id=milestone_id,
            expected=date(expected) if expected else None,
            certainty=pb.CERTAINTY_PLANNED,
        )
    )


def asked(question_id: str, *addressed_to: str) -> pb.Draft:
    return draft(pb.QuestionRaised(question_id=question_id, addressed_to=addressed_to))


def waiting(result: pb.StatusReport) -> dict[str, tuple[list[str], list[str]]]:
    return {
        one.participant_id: (list(one.proposal_ids), list(one.question_ids))
        for one in result.answers_due
    }


def test_of_an_empty_record_there_is_nothing_to_say() -> None:
    empty = status_report(pb.Negotiation(), edtf.bounds("2026-01-31"), "2026-01-31")

    assert empty == pb.StatusReport(on_date="2026-01-31")


def test_the_date_is_said_as_it_was_given_and_the_status_as_it_is() -> None:
    suspended = standing_of(draft(pb.NegotiationSuspended()), on="2026-40")

    assert (suspended.on_date, suspended.status) == (
        "2026-40",
        pb.NEGOTIATION_STATUS_SUSPENDED,
    )


@pytest.mark.parametrize(
    ("status", "agreed", "unsettled"),
    [
        (pb.TOPIC_STATUS_OPEN, 0, 1),
        (pb.TOPIC_STATUS_UNDER_DISCUSSION, 0, 1),
        (pb.TOPIC_STATUS_AGREED_IN_PRINCIPLE, 1, 0),
        (pb.TOPIC_STATUS_SETTLED, 1, 0),
        (pb.TOPIC_STATUS_DEFERRED, 0, 1),
        (pb.TOPIC_STATUS_DROPPED, 0, 0),
    ],
    ids=lambda value: pb.TopicStatus.Name(value) if value else "",
)
def test_topics_are_agreed_unsettled_or_off_the_table(
    status: pb.TopicStatus.ValueType, agreed: int, unsettled: int
) -> None:
    result = standing_of(topic("price"), became("price", status))

    assert [len(result.agreed_topics), len(result.unsettled_topics)] == [agreed, unsettled]


@pytest.mark.parametrize("status", pb.AgreementStatus.values()[1:], ids=pb.AgreementStatus.Name)
def test_agreements_bind_wait_or_are_over(status: pb.AgreementStatus.ValueType) -> None:
    result = standing_of(agreement("a", status))

    binds = {
        pb.AGREEMENT_STATUS_IN_FORCE,
        pb.AGREEMENT_STATUS_IN_QUESTION,
        pb.AGREEMENT_STATUS_UNDER_RENEGOTIATION,
        pb.AGREEMENT_STATUS_SUSPENDED,
    }
    waits = {
        pb.AGREEMENT_STATUS_PENDING_APPROVAL,
        pb.AGREEMENT_STATUS_PROVISIONALLY_APPLIED,
    }
    assert [bool(result.agreements), bool(result.pending_agreements)] == [
        status in binds,
        status in waits,
    ]


def test_an_accepted_proposal_stands_until_it_becomes_an_agreement() -> None:
    given = (offer("o"), answered("o", "nissan"))

    accepted = standing_of(*given)
    become = standing_of(
        *given, agreement("a", pb.AGREEMENT_STATUS_PENDING_APPROVAL, proposal_id="o")
    )

    assert [one.facts.proposal_id for one in accepted.accepted_proposals] == ["o"]
    assert not accepted.open_proposals
    assert not become.accepted_proposals
    assert [one.facts.agreement_id for one in become.pending_agreements] == ["a"]


def test_a_proposal_that_is_decided_or_closed_is_not_open() -> None:
    closed = draft(pb.ProposalClosed(proposal_id="b", how=pb.PROPOSAL_CLOSING_LAPSED))

    result = standing_of(
        offer("a"),
        answered("a", "nissan", pb.ANSWER_REJECT),
        offer("b"),
        closed,
        offer("c"),
        offer("d", supersedes="c"),
    )

    assert [one.proposal.facts.proposal_id for one in result.open_proposals] == ["d"]
    assert not result.accepted_proposals


def test_a_proposal_names_those_it_goes_back_to_oldest_first() -> None:
    result = standing_of(
        offer("z-first"),
        offer("their", by=["nissan"], to=["renault"], counters="z-first"),
        offer("second", supersedes="z-first", counters="their"),
        offer("aside"),
        offer("third", supersedes="second"),
    )

    lineage = {one.proposal.facts.proposal_id: list(one.lineage) for one in result.open_proposals}
    assert lineage == {
        "their": ["z-first", "their"],
        "aside": ["aside"],
        "third": ["z-first", "their", "second", "third"],
    }


def test_a_lineage_that_leaves_the_reading_or_runs_in_a_circle_ends() -> None:
    result = standing_of(
        offer("a", counters="b"), offer("b", counters="a"), offer("c", counters="d")
    )

    assert [list(one.lineage) for one in result.open_proposals] == [["a", "b"], ["a", "b"], ["c"]]


@pytest.mark.parametrize(
    ("occurred", "on", "expected"),
    [
        pytest.param("2026-01-01", "2026-01-31", timedelta(days=30), id="a-day"),
        pytest.param("2025-12", "2026-01-01", timedelta(days=31), id="from-its-first-day"),
        pytest.param(
            "2025-12-01", "2026-01", timedelta(days=31), id="to-the-first-day-of-the-date"
        ),
        pytest.param("2026-01-01", "[..2026-01-03]", timedelta(days=2), id="to-its-last-if-open"),
        pytest.param(
            "2026-01-01T12:00:00Z", "2026-01-02T12:00:00.5Z", timedelta(1, 0.5), id="instants"
        ),
        pytest.param("2026-01-02", "2026-01-01", timedelta(0), id="not-made-by-then"),
        pytest.param("[..2026-01-01]", "2026-01-02", timedelta(1, -300), id="not-known-since-when"),
        pytest.param(None, "2026-01-02", timedelta(1, -300), id="not-known-at-all"),
    ],
)
def test_a_proposal_has_an_age(occurred: str | None, on: str, expected: timedelta) -> None:
    (one,) = standing_of(offer("o", occurred=occurred), on=on).open_proposals

    assert one.age.ToTimedelta() == expected


def test_to_an_open_date_no_age_is_reckoned() -> None:
    open_date = status_report(state_of(*BEGINNING, offer("o")), edtf.Bounds("", ""), "")

    assert not open_date.open_proposals[0].HasField("age")


EXPIRES = [
    pytest.param(None, "2026-01-31", pb.DUE_STATE_UNSPECIFIED, id="undated"),
    pytest.param("2026-02", "2026-01-31", pb.DUE_STATE_NOT_DUE, id="to-come"),
    pytest.param("2026-01", "2026-01-31", pb.DUE_STATE_DUE, id="within"),
    pytest.param("[2026-01-01..]", "2026-01-31", pb.DUE_STATE_DUE, id="open-end"),
    pytest.param("2026-01-30", "2026-01-31", pb.DUE_STATE_OVERDUE, id="gone-by"),
]


@pytest.mark.parametrize(("by", "on", "expected"), EXPIRES)
def test_what_has_a_date_is_due_or_not(
    by: str | None, on: str, expected: pb.DueState.ValueType
) -> None:
    result = standing_of(offer("o", expires=by), owed("c", due=by), planned("m", by), on=on)

    assert [one.expiry for one in result.open_proposals] == [expected]
    assert [one.due for one in result.commitments_due] == [expected]
    assert [one.due for one in result.milestones_due] == [expected]


def test_an_offer_waits_for_each_addressee_until_a_final_answer() -> None:
    to = ["nissan", "mitsubishi"]

    nobody = standing_of(offer("o", to=to))
    in_principle = standing_of(
        offer("o", to=to), answered("o", "nissan", pb.ANSWER_ACCEPT_IN_PRINCIPLE)
    )
    one = standing_of(offer("o", to=to), answered("o", "nissan"))

    assert list(nobody.open_proposals[0].waits_for) == to
    assert list(in_principle.open_proposals[0].waits_for) == to
    assert list(one.open_proposals[0].waits_for) == ["mitsubishi"]
    assert waiting(one) == {"mitsubishi": (["o"], [])}


def test_where_those_who_decide_are_named_an_offer_waits_for_them_alone() -> None:
    state = state_of(
        opened(pb.ACCEPTANCE_RULE_NAMED),
        *BEGINNING[1:],
        offer("o", to=["nissan", "mitsubishi"], decided_by=["mitsubishi"]),
    )

    result = status_report(state, edtf.bounds("2026-01-31"), "2026-01-31")

    assert list(result.open_proposals[0].waits_for) == ["mitsubishi"]


def test_who_left_need_not_answer() -> None:
    to_two = offer("o", to=["nissan", "mitsubishi"])

    result = standing_of(to_two, asked("q", "nissan", "renault"), left("nissan"))

    assert list(result.open_proposals[0].waits_for) == ["mitsubishi"]
    assert waiting(result) == {"renault": ([], ["q"]), "mitsubishi": (["o"], [])}


def ended(*open_proposal_ids: str) -> pb.Draft:
    return draft(
        pb.NegotiationConcluded(outcome=pb.OUTCOME_LAPSED, open_proposal_ids=open_proposal_ids)
    )


def test_the_end_leaves_open_parts_open_and_no_one_waits_for_them() -> None:
    result = standing_of(topic("price"), offer("o"), asked("q", "nissan"), ended())

    assert not [*result.open_proposals, *result.open_questions, *result.unsettled_topics]
    assert list(result.left_open) == ["topics/price", "proposals/o", "questions/q"]
    assert waiting(result) == {}


def test_a_conclusion_can_leave_a_proposal_to_be_answered() -> None:
    result = standing_of(offer("o"), offer("other"), ended("o"))

    assert [one.proposal.facts.proposal_id for one in result.open_proposals] == ["o"]
    assert list(result.left_open) == ["proposals/other"]
    assert waiting(result) == {"nissan": (["o"], [])}


def test_a_question_after_the_end_waits_for_its_answer() -> None:
    result = standing_of(asked("before", "nissan"), ended(), asked("after", "nissan"))

    assert [one.facts.question_id for one in result.open_questions] == ["after"]
    assert list(result.left_open) == ["questions/before"]
    assert waiting(result) == {"nissan": ([], ["after"])}


def test_resumed_talks_have_their_open_parts_again() -> None:
    resumed = draft(pb.NegotiationResumed())

    result = standing_of(topic("price"), offer("o"), ended("o"), resumed)

    assert [one.facts.topic_id for one in result.unsettled_topics] == ["price"]
    assert waiting(result) == {"nissan": (["o"], [])}
    assert not result.left_open


def deal(
    agreement_id: str = "a",
    status: pb.AgreementStatus.ValueType = pb.AGREEMENT_STATUS_IN_FORCE,
    *,
    kind: pb.AgreementKind.ValueType = pb.AGREEMENT_KIND_DEFINITIVE,
    origin: pb.AgreementOrigin.ValueType = pb.AGREEMENT_ORIGIN_REACHED,
    effective: str | None = None,
    ends: str | None = None,
    supersedes: Sequence[str] = (),
) -> pb.Draft:
    return draft(
        pb.AgreementRecorded(
            agreement_id=agreement_id,
            origin=origin,
            kind=kind,
            between=["renault", "nissan"],
            status=status,
            topic_ids=["price"],
            effective=date(effective) if effective else None,
            ends=date(ends) if ends else None,
            supersedes=supersedes,
        )
    )


@pytest.mark.parametrize("kind", pb.AgreementKind.values()[1:], ids=pb.AgreementKind.Name)
def test_a_deal_agrees_its_topics_unless_it_leaves_them_to_later(
    kind: pb.AgreementKind.ValueType,
) -> None:
    result = standing_of(topic("price"), deal(kind=kind))

    later = {
        pb.AGREEMENT_KIND_IN_PRINCIPLE,
        pb.AGREEMENT_KIND_INTERIM,
        pb.AGREEMENT_KIND_FRAMEWORK,
        pb.AGREEMENT_KIND_NDA,
    }
    assert dict(result.agreed_by) == ({} if kind in later else {"price": "a"})
    assert [one.facts.topic_id for one in result.agreed_topics] == list(result.agreed_by)
    assert len(result.unsettled_topics) == (kind in later)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param((deal(status=pb.AGREEMENT_STATUS_PENDING_APPROVAL),), id="not-in-force"),
        pytest.param((deal(origin=pb.AGREEMENT_ORIGIN_PRIOR),), id="older-than-the-talks"),
        pytest.param(
            (deal(), became("price", pb.TOPIC_STATUS_UNDER_DISCUSSION)), id="discussed-again"
        ),
    ],
)
def test_a_deal_that_leaves_a_topic_open_does_not_agree_it(given: Sequence[pb.Draft]) -> None:
    result = standing_of(topic("price"), *given)

    assert [one.facts.topic_id for one in result.unsettled_topics] == ["price"]
    assert not result.agreed_by


def test_a_topic_with_an_open_proposal_is_not_agreed_by_a_deal() -> None:
    again = pb.ProposalMade(
        proposal_id="o",
        by=["renault"],
        to=["nissan"],
        topic_ids=["price"],
        binding=pb.PROPOSAL_BINDING_BINDING,
    )

    result = standing_of(topic("price"), deal(), draft(again))

    assert [one.facts.topic_id for one in result.unsettled_topics] == ["price"]


def test_a_deal_in_question_still_agrees_what_it_agreed_when_it_came_into_force() -> None:
    doubted = pb.AgreementStatusChanged(
        agreement_id="a", status=pb.AGREEMENT_STATUS_IN_QUESTION, by=["nissan"]
    )
    discussed = became("price", pb.TOPIC_STATUS_UNDER_DISCUSSION)

    before = standing_of(topic("price"), discussed, deal(), draft(doubted))
    after = standing_of(topic("price"), deal(), discussed, draft(doubted))

    assert dict(before.agreed_by) == {"price": "a"}
    assert not after.agreed_by


@pytest.mark.parametrize(
    ("on", "not_yet", "past"),
    [
        ("2026-01-31", ["a"], []),
        ("2026-03-01", [], []),
        ("2026-02/2026-03", [], []),
        ("2026-12-31", [], []),
        ("2027-01-01", [], ["a"]),
    ],
)
def test_the_dates_of_an_agreement_are_compared_with_that_of_the_report(
    on: str, not_yet: list[str], past: list[str]
) -> None:
    result = standing_of(topic("price"), deal(effective="2026-03-01", ends="2026-12-31"), on=on)

    assert (list(result.not_yet_effective), list(result.past_their_end)) == (not_yet, past)
    assert [one.facts.agreement_id for one in result.agreements] == ["a"]


def test_an_agreement_binds_until_its_successor_applies() -> None:
    given = (topic("price"), deal("old"), deal("new", effective="2026-03-01", supersedes=["old"]))

    before, after = standing_of(*given), standing_of(*given, on="2026-03-01")

    assert [one.facts.agreement_id for one in before.agreements] == ["old", "new"]
    assert [one.facts.agreement_id for one in after.agreements] == ["new"]


def test_nothing_is_agreed_until_everything_is() -> None:
    whole = draft(pb.NegotiationOpened(all_or_nothing=True))
    accepted = (whole, *BEGINNING[1:], offer("o"), answered("o", "nissan"))
    bound = agreement("a", pb.AGREEMENT_STATUS_IN_FORCE, proposal_id="o")
    on = edtf.bounds("2026-01-31")

    before = status_report(state_of(*accepted), on, "2026-01-31")
    after = status_report(state_of(*accepted, bound), on, "2026-01-31")

    assert list(before.provisional) == ["o"]
    assert not after.provisional


def test_who_must_answer_is_listed_once_in_the_order_in_which_they_came() -> None:
    result = standing_of(
        asked("q1", "mitsubishi"),
        asked("q2", "nissan", "mitsubishi"),
        offer("o", to=["nissan"]),
        offer("o2", to=["mitsubishi"]),
    )

    assert list(waiting(result)) == ["nissan", "mitsubishi"]
    assert waiting(result) == {"nissan": (["o"], ["q2"]), "mitsubishi": (["o2"], ["q1", "q2"])}


def test_somebody_whom_the_reading_does_not_have_can_be_waited_for() -> None:
    assert waiting(standing_of(asked("q", "stranger"))) == {"stranger": ([], ["q"])}


def test_a_closed_question_waits_for_nobody() -> None:
    closed = draft(
        pb.QuestionResolved(question_id="q", resolution=pb.QUESTION_RESOLUTION_ANSWERED),
        pb.Words(answer="Yes"),
    )

    result = standing_of(asked("q", "nissan"), closed)

    assert not result.open_questions
    assert not result.answers_due


@pytest.mark.parametrize("status", pb.CommitmentStatus.values()[1:], ids=pb.CommitmentStatus.Name)
def test_commitments_are_owed_until_they_are_kept_broken_or_let_go(
    status: pb.CommitmentStatus.ValueType,
) -> None:
    result = standing_of(owed("c"), owed_now("c", status))

    owing = {
        pb.COMMITMENT_STATUS_CONDITIONAL,
        pb.COMMITMENT_STATUS_ACTIVE,
        pb.COMMITMENT_STATUS_DISPUTED,
        pb.COMMITMENT_STATUS_BREACHED,
    }
    assert bool(result.commitments_due) == (status in owing)


def test_a_closed_milestone_is_not_expected() -> None:
    closed = draft(pb.MilestoneClosed(milestone_id="m", outcome=pb.MILESTONE_OUTCOME_CANCELLED))

    assert standing_of(planned("m")).milestones_due
    assert not standing_of(planned("m"), closed).milestones_due


def test_lists_are_in_the_order_of_the_record() -> None:
    result = standing_of(
        topic("z"),
        topic("a"),
        planned("z"),
        planned("a"),
        owed("z"),
        owed("a"),
        asked("z"),
        asked("a"),
    )

    assert [one.facts.topic_id for one in result.unsettled_topics] == ["z", "a"]
    assert [one.milestone.facts.milestone_id for one in result.milestones_due] == ["z", "a"]
    assert [one.commitment.facts.commitment_id for one in result.commitments_due] == ["z", "a"]
    assert [one.facts.question_id for one in result.open_questions] == ["z", "a"]


def test_the_state_stays_as_it_is() -> None:
    state = state_of(*BEGINNING, offered("o", ["renault"], ["nissan"]), asked("q", "stranger"))
    before = state.SerializeToString(deterministic=True)

    status_report(state, edtf.bounds("2026"), "2026")

    assert state.SerializeToString(deterministic=True) == before
