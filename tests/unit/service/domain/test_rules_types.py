"""What is refused of an entry of one type, beyond its lifecycle."""

import pytest
from google.protobuf.message import Message

from pourparler import v1 as pb
from tests.support.draft_checks import ACCEPTED, REACHED, TALKS, answer, refusal
from tests.support.sample_entries import (
    PARTIES,
    PUBLIC,
    answered,
    date,
    draft,
    joined,
    left,
    offered,
    opened,
    restricted,
    said,
    topic,
)

PARTY = pb.PARTICIPANT_ROLE_PARTY
NAMED = (
    opened(pb.ACCEPTANCE_RULE_NAMED),
    joined("acme"),
    joined("bolt"),
    joined("carl"),
)
JOINT_OFFER = (*TALKS, joined("carl"), offered("both", ["acme", "carl"], ["bolt"]))
REP = joined("rita", pb.PARTICIPANT_ROLE_REPRESENTATIVE, represents=["acme"])
HELD_BY_TWO = (
    *TALKS,
    draft(
        pb.PositionTaken(
            position_id="ours",
            holders=["acme", "bolt"],
            topic_id="price",
            stance=pb.STANCE_OPPOSES,
        )
    ),
)


def _offer(**of: object) -> pb.ProposalMade:
    offer = pb.ProposalMade(
        proposal_id="new", by=["acme"], to=["bolt"], binding=pb.PROPOSAL_BINDING_BINDING
    )
    for name, value in of.items():
        if isinstance(value, str):
            setattr(offer, name, value)
        else:
            offer.ClearField(name)  # type: ignore[arg-type]
            getattr(offer, name).extend(value)
    return offer


def _closed(how: pb.ProposalClosing.ValueType, *by: str) -> pb.ProposalClosed:
    return pb.ProposalClosed(proposal_id="both", how=how, by=by)


def _settled(topics: list[str]) -> tuple[pb.Draft, ...]:
    """One topic agreed in principle, and an open offer on these topics."""
    steps = (pb.TOPIC_STATUS_UNDER_DISCUSSION, pb.TOPIC_STATUS_AGREED_IN_PRINCIPLE)
    return (
        *TALKS,
        topic("place"),
        topic("time"),
        *(draft(pb.TopicStatusChanged(topic_id="place", status=one)) for one in steps),
        offered("there", ["acme"], ["bolt"], topics=topics),
    )


def _caucus(default: pb.Visibility | None = None) -> pb.SessionOpened:
    return pb.SessionOpened(
        session_id="x",
        kind=pb.SESSION_KIND_CAUCUS,
        attendees=["mia", "acme"],
        default_visibility=default,
    )


def _reached_after(proposal_id: str) -> pb.AgreementRecorded:
    event = pb.AgreementRecorded()
    event.CopyFrom(REACHED.facts.agreement_recorded)
    event.proposal_id = proposal_id
    return event


def _not_ratified() -> tuple[pb.Draft, ...]:
    """An agreement that was reached, and rejected by those who had to approve it."""
    deal = pb.Draft()
    deal.CopyFrom(REACHED)
    deal.facts.agreement_recorded.status = pb.AGREEMENT_STATUS_PENDING_APPROVAL
    voted = pb.AgreementStatusChanged(agreement_id="deal", status=pb.AGREEMENT_STATUS_REJECTED)
    return (*TALKS, deal, draft(voted))


def _released(*by: str, debt: str = "debt") -> pb.CommitmentStatusChanged:
    return pb.CommitmentStatusChanged(
        commitment_id=debt, status=pb.COMMITMENT_STATUS_RELEASED, by=by
    )


TO_ALL = (*TALKS, draft(pb.CommitmentMade(commitment_id="vow", debtors=["acme"])))
SETTLE = pb.TopicStatusChanged(topic_id="place", status=pb.TOPIC_STATUS_SETTLED)

REFUSED: dict[str, tuple[tuple[pb.Draft, ...], pb.Draft | Message, str, str]] = {
    "an agreement concluded with none": (
        TALKS,
        pb.NegotiationConcluded(outcome=pb.OUTCOME_AGREEMENT),
        "OUTCOME_NEEDS_AGREEMENT",
        "negotiation_concluded.agreement_ids",
    ),
    "a partial one with a prior agreement": (
        TALKS,
        pb.NegotiationConcluded(outcome=pb.OUTCOME_PARTIAL_AGREEMENT, agreement_ids=["old"]),
        "OUTCOME_NEEDS_AGREEMENT",
        "negotiation_concluded.agreement_ids",
    ),
    "an agreement concluded with one that was voted down": (
        _not_ratified(),
        pb.NegotiationConcluded(outcome=pb.OUTCOME_AGREEMENT, agreement_ids=["deal"]),
        "OUTCOME_NEEDS_AGREEMENT",
        "negotiation_concluded.agreement_ids",
    ),
    "no agreement with one": (
        (*TALKS, REACHED),
        pb.NegotiationConcluded(outcome=pb.OUTCOME_NO_AGREEMENT, agreement_ids=["deal"]),
        "OUTCOME_HAS_NO_AGREEMENT",
        "negotiation_concluded.agreement_ids",
    ),
    "a party with an offer ceasing to be one": (
        TALKS,
        pb.ParticipantChanged(participant_id="acme", role=pb.PARTICIPANT_ROLE_OBSERVER),
        "PARTY_HAS_OBLIGATIONS",
        "participant_changed.role",
    ),
    "a party with a debt ceasing to be one": (
        (*TALKS, draft(pb.CommitmentMade(commitment_id="vow", debtors=["bolt"]))),
        pb.ParticipantChanged(participant_id="bolt", role=pb.PARTICIPANT_ROLE_GUARANTOR),
        "PARTY_HAS_OBLIGATIONS",
        "participant_changed.role",
    ),
    "a representative of nobody": (
        TALKS,
        pb.ParticipantChanged(participant_id="mia", role=pb.PARTICIPANT_ROLE_REPRESENTATIVE),
        "FIELD_REQUIRED",
        "participant_changed.represents",
    ),
    "a representative bereft": (
        (*TALKS, REP),
        pb.ParticipantChanged(participant_id="rita", represents=pb.ParticipantList()),
        "FIELD_REQUIRED",
        "participant_changed.represents",
    ),
    "the same role": (
        TALKS,
        pb.ParticipantChanged(participant_id="acme", role=PARTY),
        "NO_EFFECT",
        "participant_changed",
    ),
    "the same principals": (
        (*TALKS, REP),
        pb.ParticipantChanged(
            participant_id="rita", represents=pb.ParticipantList(participant_ids=["acme"])
        ),
        "NO_EFFECT",
        "participant_changed",
    ),
    "the same name": (
        TALKS,
        draft(pb.ParticipantChanged(participant_id="acme"), pb.Words(name="Acme")),
        "NO_EFFECT",
        "participant_changed",
    ),
    "a caucus for all": (
        TALKS,
        _caucus(PARTIES),
        "CAUCUS_TOO_WIDE",
        "session_opened.default_visibility",
    ),
    "a caucus for one more": (
        TALKS,
        _caucus(restricted("mia", "acme", "bolt")),
        "CAUCUS_TOO_WIDE",
        "session_opened.default_visibility",
    ),
    "a session wider within than without": (
        TALKS,
        draft(
            pb.SessionOpened(session_id="x", kind=pb.SESSION_KIND_CALL, default_visibility=PUBLIC),
            visibility=PARTIES,
        ),
        "VISIBILITY_TOO_WIDE",
        "session_opened.default_visibility",
    ),
    "a topic settled over an open offer": (
        _settled(["place"]),
        SETTLE,
        "TOPIC_HAS_PROPOSAL",
        "topic_status_changed.status",
    ),
    "a statement taken back by another": (
        TALKS,
        pb.StatementRetracted(statement_id="demand", by=["bolt"]),
        "NOT_THE_SPEAKERS",
        "statement_retracted.by",
    ),
    "a joint statement taken back by one": (
        TALKS,
        pb.StatementRetracted(statement_id="joint", by=["bolt"]),
        "NOT_THE_SPEAKERS",
        "statement_retracted.by",
    ),
    "a joint statement taken back in part by another": (
        TALKS,
        pb.StatementRetracted(statement_id="joint", by=["mia"], partial=True),
        "NOT_THE_SPEAKERS",
        "statement_retracted.by",
    ),
    "a position on a dropped topic": (
        (*TALKS, draft(pb.TopicStatusChanged(topic_id="price", status=pb.TOPIC_STATUS_DROPPED))),
        pb.PositionTaken(
            position_id="x", holders=["acme"], topic_id="price", stance=pb.STANCE_WANTS
        ),
        "TOPIC_DROPPED",
        "position_taken.topic_id",
    ),
    "a position of the mediator": (
        TALKS,
        pb.PositionTaken(
            position_id="new",
            holders=["acme", "mia"],
            topic_id="price",
            stance=pb.STANCE_WANTS,
        ),
        "ACTING_NOT_ALLOWED",
        "position_taken.holders[1]",
    ),
    "the position of another replaced": (
        TALKS,
        pb.PositionTaken(
            position_id="x",
            holders=["bolt"],
            topic_id="price",
            stance=pb.STANCE_WANTS,
            supersedes="dear",
        ),
        "NOT_THE_HOLDERS",
        "position_taken.supersedes",
    ),
    "the position of another given up": (
        TALKS,
        pb.PositionWithdrawn(position_id="dear", by=["bolt"]),
        "NOT_THE_HOLDERS",
        "position_withdrawn.by",
    ),
    "a position of two given up by one": (
        HELD_BY_TWO,
        pb.PositionWithdrawn(position_id="ours", by=["bolt"]),
        "NOT_THE_HOLDERS",
        "position_withdrawn.by",
    ),
    "an offer in a pause": (
        (*TALKS, draft(pb.NegotiationSuspended())),
        _offer(),
        "NEGOTIATION_NOT_OPEN",
        "proposal_made",
    ),
    "an offer to oneself": (
        TALKS,
        _offer(to=["bolt", "acme"]),
        "PROPOSAL_TO_SELF",
        "proposal_made.to[1]",
    ),
    "the offer of another replaced": (
        TALKS,
        _offer(by=["bolt"], to=["acme"], supersedes="offer"),
        "NOT_THE_PROPOSERS",
        "proposal_made.supersedes",
    ),
    "a joint offer replaced by one": (
        JOINT_OFFER,
        _offer(supersedes="both"),
        "NOT_THE_PROPOSERS",
        "proposal_made.supersedes",
    ),
    "deciders where the rule names none": (
        TALKS,
        _offer(decided_by=["bolt"]),
        "FIELD_NOT_ALLOWED",
        "proposal_made.decided_by",
    ),
    "no deciders where the rule names them": (
        NAMED,
        _offer(),
        "FIELD_REQUIRED",
        "proposal_made.decided_by",
    ),
    "a decider who is not asked": (
        NAMED,
        _offer(decided_by=["bolt", "carl"]),
        "NOT_AN_ADDRESSEE",
        "proposal_made.decided_by[1]",
    ),
    "an answer of one who is not asked": (
        TALKS,
        pb.ProposalAnswered(proposal_id="offer", by="mia", answer=pb.ANSWER_ACCEPT),
        "NOT_AN_ADDRESSEE",
        "proposal_answered.by",
    ),
    "an answer to one's own offer": (
        TALKS,
        pb.ProposalAnswered(proposal_id="offer", by="acme", answer=pb.ANSWER_ACCEPT),
        "NOT_AN_ADDRESSEE",
        "proposal_answered.by",
    ),
    "a second final answer": (
        (
            *TALKS,
            joined("carl"),
            offered("wide", ["acme"], ["bolt", "carl"]),
            answered("wide", "bolt", pb.ANSWER_ABSTAIN),
        ),
        pb.ProposalAnswered(proposal_id="wide", by="bolt", answer=pb.ANSWER_ACCEPT),
        "FINAL_ANSWER_EXISTS",
        "proposal_answered.by",
    ),
    "an offer taken back by its addressee": (
        JOINT_OFFER,
        _closed(pb.PROPOSAL_CLOSING_WITHDRAWN, "bolt"),
        "NOT_THE_PROPOSERS",
        "proposal_closed.by",
    ),
    "a joint offer taken back by one": (
        JOINT_OFFER,
        _closed(pb.PROPOSAL_CLOSING_WITHDRAWN, "acme"),
        "NOT_THE_PROPOSERS",
        "proposal_closed.by",
    ),
    "an agreement on an open offer": (
        TALKS,
        _reached_after("offer"),
        "PROPOSAL_NOT_ACCEPTED",
        "agreement_recorded.proposal_id",
    ),
    "an agreement on a rejected offer": (
        (*TALKS, answered("offer", "bolt", pb.ANSWER_REJECT)),
        _reached_after("offer"),
        "PROPOSAL_NOT_ACCEPTED",
        "agreement_recorded.proposal_id",
    ),
    "a debt to oneself": (
        TALKS,
        pb.CommitmentMade(commitment_id="x", debtors=["acme"], creditors=["bolt", "acme"]),
        "DEBTOR_IS_CREDITOR",
        "commitment_made.creditors[1]",
    ),
    "a debtor who releases itself": (
        TALKS,
        _released("acme"),
        "CREDITOR_REQUIRED",
        "commitment_status_changed.by",
    ),
    "a debt released by nobody": (
        TALKS,
        _released(),
        "CREDITOR_REQUIRED",
        "commitment_status_changed.by",
    ),
    "a debt to all released by the debtor": (
        TO_ALL,
        _released("acme", debt="vow"),
        "CREDITOR_REQUIRED",
        "commitment_status_changed.by",
    ),
    "a step expected before it was planned": (
        TALKS,
        draft(
            pb.MilestonePlanned(
                milestone_id="x", certainty=pb.CERTAINTY_PLANNED, expected=date("2025-12")
            ),
            occurred="2026-01-01",
        ),
        "EXPECTED_BEFORE_PLAN",
        "milestone_planned.expected",
    ),
    "a step reached in the future": (
        TALKS,
        pb.MilestoneClosed(
            milestone_id="signing",
            outcome=pb.MILESTONE_OUTCOME_REACHED,
            actual=date("2027"),
        ),
        "OCCURRED_IN_FUTURE",
        "milestone_closed.actual",
    ),
}

ALLOWED: dict[str, tuple[tuple[pb.Draft, ...], pb.Draft | Message]] = {
    "an end with a prior agreement among others": (
        (*TALKS, REACHED),
        pb.NegotiationConcluded(
            outcome=pb.OUTCOME_PARTIAL_AGREEMENT, agreement_ids=["old", "deal"]
        ),
    ),
    "a party without obligations ceasing to be one": (
        (*TALKS, joined("zoe")),
        pb.ParticipantChanged(participant_id="zoe", role=pb.PARTICIPANT_ROLE_OBSERVER),
    ),
    "a party whose offer is closed ceasing to be one": (
        (*TALKS, answered("offer", "bolt", pb.ANSWER_REJECT), draft(_released("bolt"))),
        pb.ParticipantChanged(participant_id="acme", role=pb.PARTICIPANT_ROLE_OBSERVER),
    ),
    "the complete list of members": (
        TALKS,
        pb.ParticipantChanged(participant_id="acme", members_complete=True),
    ),
    "a number": (TALKS, pb.ParticipantChanged(participant_id="acme", count=3)),
    "a caucus for fewer": (TALKS, _caucus(restricted("mia"))),
    "a topic settled with an offer on it and another": (_settled(["place", "time"]), SETTLE),
    "a topic settled with an offer on another": (_settled(["time"]), SETTLE),
    "a position of a group": (
        (*TALKS, joined("bloc", pb.PARTICIPANT_ROLE_GROUP, members=["acme", "bolt"])),
        pb.PositionTaken(
            position_id="new", holders=["bloc"], topic_id="price", stance=pb.STANCE_WANTS
        ),
    ),
    "a position replaced by both its holders": (
        HELD_BY_TWO,
        pb.PositionTaken(
            position_id="x",
            holders=["bolt", "acme"],
            topic_id="price",
            stance=pb.STANCE_WANTS,
            supersedes="ours",
        ),
    ),
    "a decider among those asked": (NAMED, _offer(to=["bolt", "carl"], decided_by=["carl"])),
    "a final answer after one in principle": (
        (*TALKS, answered("offer", "bolt", pb.ANSWER_ACCEPT_IN_PRINCIPLE)),
        answered("offer", "bolt"),
    ),
    "a joint offer taken back by both": (
        JOINT_OFFER,
        _closed(pb.PROPOSAL_CLOSING_WITHDRAWN, "carl", "acme"),
    ),
    "an offer with an end that lapsed": (
        (
            *TALKS,
            draft(
                pb.ProposalMade(
                    proposal_id="both",
                    by=["acme"],
                    to=["bolt"],
                    binding=pb.PROPOSAL_BINDING_BINDING,
                    expires=date("2026"),
                )
            ),
        ),
        _closed(pb.PROPOSAL_CLOSING_LAPSED),
    ),
    "an agreement on an accepted offer": (
        (*TALKS, answered("offer", "bolt")),
        _reached_after("offer"),
    ),
    "a debt to all released by another": (TO_ALL, _released("bolt", debt="vow")),
    "a step expected within the day it was planned": (
        TALKS,
        draft(
            pb.MilestonePlanned(
                milestone_id="x", certainty=pb.CERTAINTY_PLANNED, expected=date("2026-01")
            ),
            occurred="2026-01-01",
        ),
    ),
    "a step expected with no end": (
        TALKS,
        draft(
            pb.MilestonePlanned(
                milestone_id="x",
                certainty=pb.CERTAINTY_PLANNED,
                expected=date("[2020-01-01..]"),
            ),
            occurred="2026-01-01",
        ),
    ),
    "an answer in a pause": (
        (*TALKS, draft(pb.NegotiationSuspended())),
        answered("offer", "bolt"),
    ),
    "something said by one who left": ((*TALKS, left("bolt")), said("x", "bolt")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    given, then, reason, field = REFUSED[case]

    assert answer(given, then) == (reason, f"facts.{field}")


@pytest.mark.parametrize("case", ALLOWED)
def test_allowed(case: str) -> None:
    given, then = ALLOWED[case]

    assert answer(given, then) == ACCEPTED


def test_an_offer_without_an_end_lapses_for_a_reason() -> None:
    lapsed = pb.ProposalClosed(proposal_id="offer", how=pb.PROPOSAL_CLOSING_LAPSED)
    reason = pb.Words(reason="Nobody answered.")

    assert answer(TALKS, lapsed) == ("FIELD_REQUIRED", "words.reason")
    assert answer(TALKS, draft(lapsed, reason)) == ACCEPTED


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_is_a_sentence(case: str) -> None:
    given, then, _, _ = REFUSED[case]
    refused = refusal(given, then)

    assert refused is not None
    assert refused.text.endswith(".")
    assert len(refused.text) < 200
    assert len(refused.violations) == 1
