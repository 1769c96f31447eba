"""Negotiations as they really go: each case is a short record, and the state that is right."""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.entry_format import entry_format
from pourparler.state import voting
from pourparler.state.diff import reversals
from pourparler.state.fold import fold
from pourparler.state.status import status_report
from tests.support import draft_checks
from tests.support.draft_checks import ACCEPTED, answer
from tests.support.sample_entries import (
    ON_RECORD,
    SOURCE,
    answered,
    date,
    draft,
    joined,
    left,
    offered,
    opened,
    said,
    state_of,
    topic,
)

PARTIES = (opened(), joined("a"), joined("b"), topic("t"))
VOTERS = ("v0", "v1", "v2", "v3", "v4")
YES, NO, ABSTAIN = pb.ANSWER_ACCEPT, pb.ANSWER_REJECT, pb.ANSWER_ABSTAIN


def deal(key: str, status: str = "IN_FORCE", *, kind: str = "DEFINITIVE", **given: Any) -> pb.Draft:
    event = pb.AgreementRecorded(
        agreement_id=key,
        origin=pb.AGREEMENT_ORIGIN_REACHED,
        kind=pb.AgreementKind.Value(f"AGREEMENT_KIND_{kind}"),
        **{"between": ["a", "b"], **given},
    )
    event.status = pb.AgreementStatus.Value(f"AGREEMENT_STATUS_{status}")
    return draft(event)


def deal_becomes(key: str, status: str, **given: Any) -> pb.Draft:
    event = pb.AgreementStatusChanged(agreement_id=key, **given)
    event.status = pb.AgreementStatus.Value(f"AGREEMENT_STATUS_{status}")
    return draft(event, pb.Words(reason="It was decided."))


def recorded(*drafts: pb.Draft) -> pb.Negotiation:
    """Return the state after drafts that the rules all allow."""
    return fold(draft_checks.record(*drafts))


def record(drafts: Sequence[pb.Draft]) -> pb.Negotiation:
    """Return the state after drafts that the rules all allow."""
    return recorded(*drafts)


def refusal_text(given: Sequence[pb.Draft], then: pb.Draft) -> str:
    """Return the text of the refusal of a draft."""
    refused = draft_checks.refusal(given, then)
    assert refused is not None
    return str(refused)


def status(state: pb.Negotiation, key: str) -> str:
    name = pb.AgreementStatus.Name(state.agreements[key].status)
    return name.removeprefix("AGREEMENT_STATUS_")


def kinds(state: pb.Negotiation) -> list[str]:
    return [pb.AnomalyKind.Name(one.kind).removeprefix("ANOMALY_KIND_") for one in state.anomalies]


def proposal_status(state: pb.Negotiation, key: str = "p") -> str:
    name = pb.ProposalStatus.Name(state.proposals[key].status)
    return name.removeprefix("PROPOSAL_STATUS_")


def test_a_binding_deal_supersedes_one_that_waits_for_approval() -> None:
    pending = deal("aip", "PENDING_APPROVAL", kind="IN_PRINCIPLE")

    state = recorded(*PARTIES, pending, deal("def", supersedes=["aip"]))

    assert (status(state, "aip"), state.agreements["aip"].superseded_by) == ("SUPERSEDED", "def")


def test_a_successor_that_is_rejected_changes_nothing() -> None:
    given = (*PARTIES, deal("old"), deal("new", "PENDING_APPROVAL", supersedes=["old"]))

    waiting, rejected = recorded(*given), recorded(*given, deal_becomes("new", "REJECTED"))

    assert status(waiting, "old") == status(rejected, "old") == "IN_FORCE"
    assert list(waiting.agreements["old"].to_be_superseded_by) == ["new"]
    assert not rejected.agreements["old"].to_be_superseded_by


def test_a_successor_supersedes_when_it_comes_into_force() -> None:
    given = (*PARTIES, deal("old"), deal("new", "PENDING_APPROVAL", supersedes=["old"]))

    state = recorded(*given, deal_becomes("new", "IN_FORCE"))

    old = state.agreements["old"]
    assert (status(state, "old"), old.superseded_by) == ("SUPERSEDED", "new")
    assert old.status_change.cause == pb.STATUS_CAUSE_SUCCESSOR_IN_FORCE
    assert old.status_change.version in old.blame
    assert not old.to_be_superseded_by


@pytest.mark.parametrize("end", ["TERMINATED", "EXPIRED", "SUPERSEDED", "REJECTED"])
def test_a_pending_deal_is_called_off_lapses_or_is_replaced(end: str) -> None:
    state = recorded(*PARTIES, deal("d", "PENDING_APPROVAL"), deal_becomes("d", end))

    assert status(state, "d") == end


def signed(key: str, by: str, act: str = "SIGNED", **given: Any) -> pb.Draft:
    event = pb.ApprovalRecorded(agreement_id=key, by=[by], **given)
    event.act = pb.ApprovalAct.Value(f"APPROVAL_ACT_{act}")
    return draft(event)


NEEDS = [pb.NeededApproval(participant_id=who, act=pb.APPROVAL_ACT_RATIFIED) for who in ("a", "b")]


def test_each_side_ratifies_and_the_deal_comes_into_force_by_its_own_entry() -> None:
    pending = (*PARTIES, deal("d", "PENDING_APPROVAL", needs=NEEDS))
    one = (*pending, signed("d", "a", "RATIFIED"))
    both = (*one, signed("d", "b", "RATIFIED"))

    assert [need.participant_id for need in recorded(*one).agreements["d"].awaits] == ["b"]
    assert status(recorded(*both), "d") == "PENDING_APPROVAL"
    assert kinds(recorded(*both, deal_becomes("d", "IN_FORCE"))) == []
    assert kinds(recorded(*one, deal_becomes("d", "IN_FORCE"))) == ["APPROVAL_MISSING"]


def test_a_refused_or_withdrawn_approval_is_not_given_and_the_text_lives_on() -> None:
    pending = (*PARTIES, deal("d", "PENDING_APPROVAL", needs=NEEDS))
    refused = signed("d", "a", "REFUSED", tally=pb.Tally(yes="202", no="432"))
    ratified = signed("d", "a", "RATIFIED")

    after = recorded(*pending, refused, refused, ratified, signed("d", "a", "WITHDRAWN"))

    assert len(after.agreements["d"].awaits) == len(NEEDS)
    assert len(recorded(*pending, refused, ratified).agreements["d"].awaits) == 1
    assert status(after, "d") == "PENDING_APPROVAL"


def test_nothing_is_taken_back_that_was_not_given() -> None:
    pending = (*PARTIES, deal("d", "PENDING_APPROVAL"))

    assert answer(pending, signed("d", "a", "WITHDRAWN"))[0] == "APPROVAL_NOT_GIVEN"


def test_an_ended_deal_takes_no_approvals() -> None:
    ended = (*PARTIES, deal("d", "PENDING_APPROVAL"), deal_becomes("d", "REJECTED"))

    assert answer(ended, signed("d", "a"))[0] == "INVALID_AGREEMENT_TRANSITION"


def test_minutes_are_approved_by_both() -> None:
    minutes = draft(pb.DocumentAttached(document_id="min1"))
    approved = draft(
        pb.ApprovalRecorded(
            document_id="min1", by=["a", "b"], act=pb.APPROVAL_ACT_APPROVED_AS_CORRECTED
        )
    )
    confirming = pb.StatementRecorded(
        statement_id="s",
        speakers=["a", "b"],
        joint=True,
        act=pb.STATEMENT_ACT_CONFIRM,
        document_id="min1",
    )

    state = recorded(*PARTIES, minutes, approved)

    assert list(state.documents["min1"].approvals[0].facts.by) == ["a", "b"]
    assert "ApprovalRecorded" in refusal_text((*PARTIES, minutes), draft(confirming))


def test_a_deal_names_its_text() -> None:
    text = draft(pb.DocumentAttached(document_id="d1"))

    state = recorded(*PARTIES, text, deal("x", document_id="d1"))

    assert state.agreements["x"].facts.document_id == "d1"


def price(value: str, **given: Any) -> pb.Term:
    term = pb.Term(key="price", type=pb.TERM_TYPE_MONEY, value=value, **{"unit": "EUR", **given})
    term.qualifier = pb.TERM_QUALIFIER_EXACT
    return term


def offer(*terms: pb.Term, to: Sequence[str] = ("b",), **given: Any) -> pb.Draft:
    return draft(
        pb.ProposalMade(
            proposal_id="p",
            by=["a"],
            to=to,
            terms=terms,
            binding=pb.PROPOSAL_BINDING_BINDING,
            **given,
        )
    )


def test_a_deal_unlike_the_accepted_offer_is_flagged() -> None:
    accepted = (*PARTIES, offer(price("5")), answered("p", "b"))

    same = recorded(*accepted, deal("d", proposal_id="p", terms=[price("5")]))
    other = recorded(*accepted, deal("d", proposal_id="p", terms=[price("9")]))

    assert kinds(same) == []
    (anomaly,) = other.anomalies
    assert kinds(other) == ["AGREEMENT_DIFFERS"]
    assert (list(anomaly.versions), list(anomaly.keys)) == ([5, 7], ["price"])


def test_amendments_in_force_change_the_consolidated_terms() -> None:
    first = deal("one", kind="AMENDMENT", amends=["d"], terms=[price("7")])
    second = deal("two", "PENDING_APPROVAL", kind="AMENDMENT", amends=["d"], dropped_keys=["price"])
    given = (*PARTIES, deal("d", terms=[price("5")]), first, second)

    before, after = recorded(*given), recorded(*given, deal_becomes("two", "IN_FORCE"))

    assert list(before.agreements["d"].consolidated_terms) == [price("7")]
    assert list(after.agreements["d"].consolidated_terms) == []


def test_an_amendment_of_what_is_not_in_force_is_flagged() -> None:
    pending = deal("d", "PENDING_APPROVAL")

    state = recorded(*PARTIES, pending, deal("x", kind="AMENDMENT", amends=["d"]))

    assert kinds(state) == ["AMENDS_NOT_IN_FORCE"]


def test_a_group_agrees_by_itself_and_a_company_does_not() -> None:
    board = draft(
        pb.ParticipantJoined(
            participant_id="board",
            kind=pb.PARTICIPANT_KIND_GROUP,
            role=pb.PARTICIPANT_ROLE_GROUP,
            members=["a", "b"],
        )
    )

    assert answer((*PARTIES, board), deal("d", kind="DECISION", between=["board"])) == ACCEPTED
    assert answer(PARTIES, deal("d", between=["a"]))[0] == "FIELD_INVALID"


def member(key: str, role: pb.ParticipantRole.ValueType, **given: Any) -> pb.Draft:
    kind = pb.PARTICIPANT_KIND_PERSON
    return draft(pb.ParticipantJoined(participant_id=key, kind=kind, role=role, **given))


AGENT = member("ra", pb.PARTICIPANT_ROLE_REPRESENTATIVE, represents=["b"])


def test_a_representative_accepts_for_its_principal() -> None:
    completed = record((*PARTIES, AGENT, offer(), answered("p", "ra")))

    (reply,) = completed.proposals["p"].replies
    assert (proposal_status(completed), reply.facts.by) == ("ACCEPTED", "ra")
    assert list(reply.facts.on_behalf_of) == ["b"]


def test_a_representative_of_two_addressees_names_one() -> None:
    both = member("ra", pb.PARTICIPANT_ROLE_REPRESENTATIVE, represents=["b", "c"])
    given = (*PARTIES, joined("c"), both, offer(to=["b", "c"]))
    for_b = draft(pb.ProposalAnswered(proposal_id="p", by="ra", answer=YES, on_behalf_of=["b"]))

    assert answer(given, answered("p", "ra"))[0] == "PRINCIPAL_REQUIRED"
    assert answer(given, for_b) == ACCEPTED


def test_no_one_answers_for_a_stranger() -> None:
    given = (*PARTIES, joined("c"), offer())
    claimed = draft(pb.ProposalAnswered(proposal_id="p", by="c", answer=YES, on_behalf_of=["b"]))

    assert answer(given, answered("p", "c"))[0] == "NOT_AN_ADDRESSEE"
    assert answer(given, claimed)[0] == "NOT_A_REPRESENTATIVE"


def test_a_member_of_an_addressee_dissents_and_does_not_decide() -> None:
    union = draft(
        pb.ParticipantJoined(
            participant_id="union",
            kind=pb.PARTICIPANT_KIND_GROUP,
            role=pb.PARTICIPANT_ROLE_GROUP,
            members=["m"],
        )
    )
    given = (*PARTIES, joined("m"), union, offer(to=["union"]))

    state = record((*given, answered("p", "m", NO), answered("p", "union")))

    standings = [one.standing for one in state.proposals["p"].replies]
    assert proposal_status(state) == "ACCEPTED"
    assert standings == [pb.REPLY_STANDING_OF_MEMBER, pb.REPLY_STANDING_UNSPECIFIED]


def test_a_representative_takes_the_position_of_its_principal() -> None:
    taken = pb.PositionTaken(position_id="x", holders=["ra"], topic_id="t", stance=pb.STANCE_WANTS)

    state = record((*PARTIES, AGENT, draft(taken)))

    assert list(state.positions["x"].facts.on_behalf_of) == ["b"]


def council(*drafts: pb.Draft, **rule: Any) -> pb.Negotiation:
    voters = [joined(one) for one in VOTERS]
    return record((*PARTIES, *voters, offer(to=VOTERS, **rule), *drafts))


MAJORITY = {"acceptance_rule": pb.ACCEPTANCE_RULE_MAJORITY}


@pytest.mark.parametrize("order", list(itertools.permutations(range(5)))[::7])
def test_a_roll_call_has_one_outcome_in_any_order(order: Sequence[int]) -> None:
    votes = [YES, YES, YES, NO, NO]
    state = council(*(answered("p", VOTERS[one], votes[one]) for one in order), **MAJORITY)

    assert proposal_status(state) == "ACCEPTED"
    assert len(state.proposals["p"].replies) == len(VOTERS)


def votes_cast(share: str = "1/2", **given: Any) -> dict[str, Any]:
    threshold = pb.Threshold(base=pb.VOTE_BASE_CAST, share=share)
    rule = pb.VotingRule(thresholds=[threshold], **given)
    return {"acceptance_rule": pb.ACCEPTANCE_RULE_VOTE, "voting_rule": rule}


MOSTLY_ABSENT = [YES, YES, NO, ABSTAIN, ABSTAIN]


def ballots(votes: Sequence[int]) -> list[pb.Draft]:
    return [
        answered("p", who, pb.Answer.ValueType(vote))
        for who, vote in zip(VOTERS, votes, strict=True)
    ]


def test_abstentions_do_not_count_among_votes_cast() -> None:
    assert proposal_status(council(*ballots(MOSTLY_ABSENT), **votes_cast())) == "ACCEPTED"
    assert proposal_status(council(*ballots(MOSTLY_ABSENT), **MAJORITY)) == "REJECTED"


def test_two_thirds_are_not_reached_by_half() -> None:
    assert proposal_status(council(*ballots([YES, YES, NO, NO, NO]), **votes_cast("2/3"))) == (
        "REJECTED"
    )


def test_without_a_quorum_nothing_carries() -> None:
    absent = [YES, *(pb.ANSWER_ABSENT,) * 4]

    assert proposal_status(council(*ballots(absent), **votes_cast(quorum="1/2"))) == "REJECTED"


def test_weights_decide_where_the_rule_says_so() -> None:
    threshold = pb.Threshold(base=pb.VOTE_BASE_ELIGIBLE, share="1/2", weighted=True)
    weights = [pb.VoteWeight(participant_id="v0", weight="10")]
    rule = pb.VotingRule(thresholds=[threshold], weights=weights)
    weighted = {"acceptance_rule": pb.ACCEPTANCE_RULE_VOTE, "voting_rule": rule}

    assert proposal_status(council(*ballots([YES, NO, NO, NO, NO]), **weighted)) == "ACCEPTED"


def test_a_casting_vote_decides_a_tie() -> None:
    tie = ballots([YES, YES, NO, NO, ABSTAIN])
    cast = draft(pb.ProposalAnswered(proposal_id="p", by="v0", answer=YES, casting=True))
    rule = votes_cast(casting_vote="v0")

    assert proposal_status(council(*tie, **votes_cast())) == "REJECTED"
    assert proposal_status(council(*tie, **rule)) == "OPEN"
    assert proposal_status(council(*tie, cast, **rule)) == "ACCEPTED"


def test_a_vote_changes_before_the_decision_and_not_after_it() -> None:
    changed = draft(pb.ProposalAnswered(proposal_id="p", by="v0", answer=YES, revises=True))
    voters = [joined(one) for one in VOTERS]
    given = (*PARTIES, *voters, offer(to=VOTERS, **MAJORITY), answered("p", "v0", NO))
    decided = (*given, *(answered("p", one) for one in VOTERS[1:4]))

    assert answer(given, answered("p", "v0"))[0] == "FINAL_ANSWER_EXISTS"
    state = record((*given, changed))
    assert [one.standing for one in state.proposals["p"].replies] == [
        pb.REPLY_STANDING_REPLACED,
        pb.REPLY_STANDING_UNSPECIFIED,
    ]
    assert answer(decided, changed)[0] == "FINAL_ANSWER_EXISTS"


def test_an_acceptance_is_withdrawn_before_all_have_answered() -> None:
    withdrawn = draft(pb.ProposalAnswered(proposal_id="p", by="b", answer=pb.ANSWER_WITHDRAWN))
    given = (*PARTIES, joined("c"), offer(to=["b", "c"]), answered("p", "b"))

    state = record((*given, withdrawn, answered("p", "c")))

    assert proposal_status(state) == "OPEN"
    assert answer((*given, answered("p", "c")), withdrawn)[0] == "PROPOSAL_NOT_OPEN"
    assert answer(given[:-1], withdrawn)[0] == "NO_EFFECT"


def voted(**tally: Any) -> pb.Draft:
    counts = pb.Tally(**tally)
    return draft(pb.ProposalClosed(proposal_id="p", how=pb.PROPOSAL_CLOSING_VOTED, tally=counts))


def test_counts_alone_decide_a_vote() -> None:
    carried = council(voted(yes="7", no="3"), **votes_cast())
    declared = council(voted(yes="202", no="432", declared=pb.VOTE_RESULT_DEFEATED))

    assert (proposal_status(carried), proposal_status(declared)) == ("ACCEPTED", "REJECTED")
    change = carried.proposals["p"].status_change
    assert (change.cause, kinds(carried)) == (pb.STATUS_CAUSE_VOTE, [])


def test_a_declared_result_unlike_the_counts_is_flagged() -> None:
    carried = pb.VOTE_RESULT_CARRIED

    state = council(voted(yes="3", no="7", declared=carried), **votes_cast())

    assert (proposal_status(state), kinds(state)) == ("ACCEPTED", ["RESULT_DIFFERS"])


def test_a_vote_that_nothing_decides_is_not_closed_as_voted() -> None:
    assert answer((*PARTIES, offer()), voted())[0] == "VOTE_UNDECIDED"


def silent(occurred: str | None = None, reason: str = "") -> pb.Draft:
    how = pb.PROPOSAL_CLOSING_ACCEPTED_BY_SILENCE
    return draft(
        pb.ProposalClosed(proposal_id="p", how=how), pb.Words(reason=reason), occurred=occurred
    )


SILENCE: dict[str, Any] = {
    "acceptance_rule": pb.ACCEPTANCE_RULE_NO_OBJECTION,
    "expires": pb.FuzzyDate(edtf="2025-06-30"),
}


def test_a_proposal_is_accepted_by_silence_on_its_date() -> None:
    given = (*PARTIES, offer(**SILENCE))

    state = record((*given, silent("2025-07-01")))
    early = record((*given, silent("2025-06-01")))

    change = state.proposals["p"].status_change
    assert (proposal_status(state), change.cause) == ("ACCEPTED", pb.STATUS_CAUSE_SILENCE)
    assert (kinds(state), kinds(early)) == ([], ["SILENCE_BEFORE_DATE"])


def test_an_objection_breaks_the_silence() -> None:
    given = (*PARTIES, joined("c"), offer(to=["b", "c"], **SILENCE))

    assert proposal_status(record((*given, answered("p", "b", NO)))) == "REJECTED"


def test_silence_under_another_rule_names_the_rule() -> None:
    given = (*PARTIES, offer())

    assert answer(given, silent()) == ("FIELD_REQUIRED", "words.reason")
    assert answer(given, silent(reason="Rule 6 of the procedure.")) == ACCEPTED


def test_an_offer_to_one_who_left_is_decided_by_the_others() -> None:
    given = (*PARTIES, joined("z"), offer(to=["b", "z"]))

    alone = record((*given, left("b"), answered("p", "z")))
    decided = record((*given, answered("p", "z"), left("b")))
    lapsed = record((*given, left("b"), left("z")))

    assert [proposal_status(one) for one in (alone, decided, lapsed)] == [
        "ACCEPTED",
        "ACCEPTED",
        "LAPSED",
    ]
    assert decided.proposals["p"].status_change.cause == pb.STATUS_CAUSE_DEPARTURE
    assert not status_report(alone, edtf.bounds("2026"), "2026").answers_due


def test_an_offer_of_one_who_left_stays_is_flagged_and_can_be_withdrawn() -> None:
    given = (*PARTIES, offer(), left("a"))
    withdrawn = draft(
        pb.ProposalClosed(proposal_id="p", how=pb.PROPOSAL_CLOSING_WITHDRAWN, by=["a"])
    )

    before, after = record(given), record((*given, withdrawn))

    assert (proposal_status(before), kinds(before)) == ("OPEN", ["OFFER_OF_DEPARTED"])
    assert (proposal_status(after), kinds(after)) == ("WITHDRAWN", [])


def test_an_acceptance_after_expiry_counts_and_is_flagged() -> None:
    given = (*PARTIES, offer(expires=pb.FuzzyDate(edtf="2025-06-30")))
    late = answered("p", "b")
    late.facts.occurred.CopyFrom(date("2025-07-02"))

    state = record((*given, late))

    assert (proposal_status(state), kinds(state)) == ("ACCEPTED", ["ACCEPTED_AFTER_EXPIRY"])


def test_an_accepted_offer_is_set_aside_until_its_deal_binds() -> None:
    accepted = (*PARTIES, offer(), answered("p", "b"))
    aside = draft(
        pb.ProposalClosed(proposal_id="p", how=pb.PROPOSAL_CLOSING_SET_ASIDE),
        pb.Words(reason="The package failed."),
    )

    assert proposal_status(record((*accepted, aside))) == "SET_ASIDE"
    assert answer((*accepted, deal("d", proposal_id="p")), aside)[0] == "PROPOSAL_NOT_OPEN"


def test_an_offer_that_the_end_leaves_open_is_still_answered() -> None:
    ended = draft(pb.NegotiationConcluded(outcome=pb.OUTCOME_LAPSED, open_proposal_ids=["p"]))

    assert answer((*PARTIES, offer(), ended), answered("p", "b")) == ACCEPTED


def test_an_unnamed_speaker_is_on_the_record() -> None:
    heard = draft(
        pb.StatementRecorded(statement_id="s", act=pb.STATEMENT_ACT_ASSERT),
        pb.Words(text="Hear, hear.", speaker_described="Several members", sources=[SOURCE]),
        basis=ON_RECORD,
    )

    assert answer(PARTIES, heard) == ACCEPTED
    heard.facts.provenance.basis = pb.BASIS_DIRECT
    assert answer(PARTIES, heard)[0] == "SPEAKER_REQUIRED"


def test_a_statement_may_consist_of_its_document() -> None:
    attached = draft(pb.DocumentAttached(document_id="d1"))
    sent = pb.StatementRecorded(
        statement_id="s", speakers=["a"], act=pb.STATEMENT_ACT_ASSERT, document_id="d1"
    )

    assert answer((*PARTIES, attached), draft(sent)) == ACCEPTED
    bare = said("s", "a")
    bare.words.ClearField("text")
    assert answer(PARTIES, bare) == ("FIELD_REQUIRED", "words.text")


@pytest.mark.parametrize(
    "event",
    [
        pb.MilestonePlanned(milestone_id="m", certainty=pb.CERTAINTY_CONDITIONAL),
        pb.CommitmentMade(commitment_id="c", debtors=["a"], conditional=True),
        pb.ProposalMade(
            proposal_id="p", by=["a"], to=["b"], binding=pb.PROPOSAL_BINDING_CONDITIONAL
        ),
    ],
    ids=["milestone", "commitment", "proposal"],
)
def test_a_condition_may_be_unknown(event: Any) -> None:
    assert answer(PARTIES, draft(event)) == ACCEPTED


def test_one_price_has_alternatives_and_years() -> None:
    dollars = offer(price("100"), price("110", unit="USD"))
    years = offer(price("100", variant="2026"), price("105", variant="2027", per="hour"))

    assert answer(PARTIES, dollars) == answer(PARTIES, years) == ACCEPTED
    assert answer(PARTIES, offer(price("1"), price("1")))[0] == "DUPLICATE"


def test_a_term_is_of_a_thing_that_is_no_participant() -> None:
    def stake(**of: str) -> pb.Term:
        return pb.Term(
            key="stake",
            type=pb.TERM_TYPE_PERCENT,
            qualifier=pb.TERM_QUALIFIER_EXACT,
            value="10",
            **of,
        )

    assert answer(PARTIES, offer(stake(of_thing="class-b-shares"))) == ACCEPTED
    assert "of_thing" in refusal_text(PARTIES, offer(stake(of="class-b-shares")))


@pytest.mark.parametrize(
    ("due", "on", "expected"),
    [
        ("2026-06-30~", "2026-06-20", "NOT_DUE"),
        ("2026-06-30~", "2026-06-24", "DUE"),
        ("2026-06-30~", "2026-07-01", "PERHAPS_OVERDUE"),
        ("2026-06-30~", "2026-07-07", "PERHAPS_OVERDUE"),
        ("2026-06-30~", "2026-07-08", "OVERDUE"),
        ("2026-06~", "2026-07-15", "PERHAPS_OVERDUE"),
        ("2026-06~", "2026-08-15", "OVERDUE"),
        ("2026-34~", "2026-09-15", "PERHAPS_OVERDUE"),
        ("2026~", "2027-06-01", "PERHAPS_OVERDUE"),
        ("2026-06-30?", "2030-01-01", "PERHAPS_OVERDUE"),
        ("2026-06-30%", "2030-01-01", "PERHAPS_OVERDUE"),
        ("2026-06-30", "2026-07-01", "OVERDUE"),
    ],
)
def test_an_approximate_date_is_perhaps_overdue(due: str, on: str, expected: str) -> None:
    owed = draft(pb.CommitmentMade(commitment_id="c", debtors=["a"], due=date(due)))

    report = status_report(state_of(*PARTIES, owed), edtf.bounds(on), on)

    assert pb.DueState.Name(report.commitments_due[0].due) == f"DUE_STATE_{expected}"


ORDER = ["NOT_DUE", "DUE", "PERHAPS_OVERDUE", "OVERDUE"]
DATES = (
    "2026-03",
    "2026-03-10~",
    "2026-03~",
    "2026-33~",
    "2026~",
    "2026-03?",
    "[2026-01, 2026-03~]",
)


@pytest.mark.parametrize("due", DATES)
def test_a_date_never_becomes_less_due(due: str) -> None:
    bounds = edtf.bounds(due)
    days = [
        f"{year}-{month:02}-{day:02}"
        for year in (2024, 2025, 2026, 2027, 2028)
        for month in range(1, 13)
        for day in (1, 8, 15, 22)
    ]

    states = [edtf.due(bounds, edtf.bounds(day), edtf.widened(due, bounds)).name for day in days]

    assert states == sorted(states, key=ORDER.index)


@settings(max_examples=300, deadline=None, database=None)
@given(st.data())
def test_a_vote_is_decided_as_early_as_it_can_be_and_never_wrongly(data: st.DataObject) -> None:
    bases = st.sampled_from([pb.VOTE_BASE_CAST, pb.VOTE_BASE_PRESENT, pb.VOTE_BASE_ELIGIBLE])
    rule = pb.VotingRule(
        thresholds=[
            pb.Threshold(
                base=data.draw(bases),
                share=data.draw(st.sampled_from(["1/2", "2/3", "4/5", "1/1"])),
                reached=data.draw(st.booleans()),
            )
        ],
        quorum=data.draw(st.sampled_from(["", "1/2", "3/4"])),
    )
    voters = VOTERS[: data.draw(st.integers(1, 4))]
    choices = [YES, NO, ABSTAIN, pb.ANSWER_ABSENT]
    given_by = data.draw(st.sets(st.sampled_from(voters)))
    answers = {one: data.draw(st.sampled_from(choices)) for one in sorted(given_by)}

    now = voting.result(rule, voters, answers)

    rest = [one for one in voters if one not in answers]
    ends = {
        voting.result(rule, voters, {**answers, **dict(zip(rest, more, strict=True))})
        for more in itertools.product(choices, repeat=len(rest))
    }
    assert now == (ends.pop() if len(ends) == 1 else pb.PROPOSAL_STATUS_OPEN)


def test_an_entry_has_the_format_of_what_it_uses() -> None:
    plain, later = offer(), offer(**votes_cast())

    assert entry_format(plain.facts, plain.words) == 1
    assert entry_format(later.facts, later.words) == 2
    assert entry_format(left("a").facts, pb.Words()) == 2
    assert entry_format(offered("p", ["a"], ["b"]).facts, pb.Words()) == 1


def test_an_agreement_in_principle_goes_back_to_discussion_when_the_package_fails() -> None:
    agreed = draft(pb.TopicStatusChanged(topic_id="t", status=pb.TOPIC_STATUS_AGREED_IN_PRINCIPLE))
    back = draft(
        pb.TopicStatusChanged(topic_id="t", status=pb.TOPIC_STATUS_UNDER_DISCUSSION),
        pb.Words(reason="The package failed."),
    )

    assert record((*PARTIES, agreed, back)).topics["t"].status == pb.TOPIC_STATUS_UNDER_DISCUSSION


def test_a_side_letter_follows_the_end() -> None:
    ended = draft(pb.NegotiationConcluded(outcome=pb.OUTCOME_AGREEMENT, agreement_ids=["d"]))

    state = record((*PARTIES, deal("d"), ended, deal("side", kind="SIDE_LETTER")))

    assert state.agreements["side"].origin.after_end


def test_a_session_resumes_under_its_id() -> None:
    session = draft(pb.SessionOpened(session_id="s", kind=pb.SESSION_KIND_PLENARY))
    closed = draft(pb.SessionClosed(closed_session_id="s"), pb.Words(summary="Adjourned."))

    adjourned, resumed = (
        record((*PARTIES, session, closed)),
        record((*PARTIES, session, closed, session)),
    )

    assert adjourned.sessions["s"].status == pb.SESSION_STATUS_CLOSED
    assert resumed.sessions["s"].status == pb.SESSION_STATUS_OPEN
    assert answer((*PARTIES, session), session)[0] == "ID_ALREADY_USED"


def offered_at(key: str, *terms: pb.Term, by: str = "a") -> pb.Draft:
    return draft(
        pb.ProposalMade(
            proposal_id=key,
            by=[by],
            to=["b"],
            terms=terms,
            binding=pb.PROPOSAL_BINDING_BINDING,
        )
    )


def test_alternatives_and_variants_are_no_change_of_mind() -> None:
    alternatives = record((*PARTIES, offered_at("p1", price("100"), price("120"), price("90"))))
    years = [price("100", variant="2026"), price("120", variant="2027")]
    variants = record((*PARTIES, offered_at("p1", *years), offered_at("p2", *years)))

    assert reversals(alternatives) == reversals(variants) == []


def test_a_change_of_mind_is_that_of_the_principal() -> None:
    agent = member("ra", pb.PARTICIPANT_ROLE_REPRESENTATIVE, represents=["a"])
    taken = [
        draft(
            pb.PositionTaken(
                position_id=f"x{place}",
                holders=[who],
                topic_id="t",
                stance=stance,
                supersedes=f"x{place - 1}" if place else "",
            )
        )
        for place, (who, stance) in enumerate(
            [("a", pb.STANCE_WANTS), ("ra", pb.STANCE_OPPOSES), ("a", pb.STANCE_WANTS)]
        )
    ]

    (back,) = reversals(record((*PARTIES, agent, *taken)))

    assert back.participant_id == "a"


def test_an_older_deal_that_has_ended_had_superseded_its_predecessor() -> None:
    newer = deal("newer", "TERMINATED", supersedes=["older"])
    newer.facts.agreement_recorded.origin = pb.AGREEMENT_ORIGIN_PRIOR

    state = recorded(*PARTIES, deal("older"), newer)

    assert (status(state, "older"), status(state, "newer")) == ("SUPERSEDED", "TERMINATED")
