"""Every pair of statuses of every lifecycle: allowed, or refused with its reason."""

from collections.abc import Iterable

import pytest

from pourparler import v1 as pb
from tests.support.draft_checks import ACCEPTED, REACHED, TALKS, answer, concluded
from tests.support.sample_entries import answered, draft, joined, left, offered, opened, said, topic

Way = tuple[pb.Draft, ...]

BEGUN = (opened(), joined("acme"), joined("bolt"))
AGAIN = pb.Words(reason="New facts.")


def _topic(status: pb.TopicStatus.ValueType) -> pb.Draft:
    return draft(pb.TopicStatusChanged(topic_id="price", status=status), AGAIN)


TALKED, IN_PRINCIPLE = (
    _topic(pb.TOPIC_STATUS_UNDER_DISCUSSION),
    _topic(pb.TOPIC_STATUS_AGREED_IN_PRINCIPLE),
)
TOPIC_WAYS: dict[str, Way] = {
    "OPEN": (),
    "UNDER_DISCUSSION": (TALKED,),
    "AGREED_IN_PRINCIPLE": (TALKED, IN_PRINCIPLE),
    "SETTLED": (TALKED, IN_PRINCIPLE, _topic(pb.TOPIC_STATUS_SETTLED)),
    "DEFERRED": (_topic(pb.TOPIC_STATUS_DEFERRED),),
    "DROPPED": (_topic(pb.TOPIC_STATUS_DROPPED),),
}
TOPIC_STEPS = {
    "OPEN": {"UNDER_DISCUSSION", "AGREED_IN_PRINCIPLE", "SETTLED", "DEFERRED", "DROPPED"},
    "UNDER_DISCUSSION": {"AGREED_IN_PRINCIPLE", "SETTLED", "DEFERRED", "DROPPED"},
    "AGREED_IN_PRINCIPLE": {"SETTLED", "UNDER_DISCUSSION", "DEFERRED", "DROPPED"},
    "SETTLED": {"UNDER_DISCUSSION"},
    "DEFERRED": {"UNDER_DISCUSSION", "DROPPED"},
    "DROPPED": {"UNDER_DISCUSSION"},
}


def _pairs(ways: Iterable[str], ends: Iterable[str]) -> list[tuple[str, str]]:
    return [(was, becomes) for was in ways for becomes in ends]


def _statuses(names: Iterable[str], prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in names if not name.endswith("UNSPECIFIED")]


TOPIC_STATUSES = _statuses(pb.TopicStatus.keys(), "TOPIC_STATUS_")


@pytest.mark.parametrize(("was", "becomes"), _pairs(TOPIC_WAYS, TOPIC_STATUSES))
def test_a_topic_goes_on_as_listed_and_not_otherwise(was: str, becomes: str) -> None:
    then = _topic(pb.TopicStatus.Value(f"TOPIC_STATUS_{becomes}"))
    refused = ("INVALID_TOPIC_TRANSITION", "facts.topic_status_changed.status")

    given = (*BEGUN, topic("price"), *TOPIC_WAYS[was])
    assert answer(given, then) == (ACCEPTED if becomes in TOPIC_STEPS[was] else refused)


@pytest.mark.parametrize("begins", TOPIC_STATUSES)
def test_a_topic_begins_open_or_under_discussion(begins: str) -> None:
    then = pb.TopicAdded(topic_id="x", status=pb.TopicStatus.Value(f"TOPIC_STATUS_{begins}"))
    refused = ("INVALID_TOPIC_TRANSITION", "facts.topic_added.status")

    allowed = begins in {"OPEN", "UNDER_DISCUSSION"}
    assert answer(BEGUN, then) == (ACCEPTED if allowed else refused)


@pytest.mark.parametrize("was", ["AGREED_IN_PRINCIPLE", "DEFERRED", "DROPPED", "SETTLED"])
def test_a_topic_is_taken_up_again_for_a_reason(was: str) -> None:
    then = pb.TopicStatusChanged(topic_id="price", status=pb.TOPIC_STATUS_UNDER_DISCUSSION)

    given = (*BEGUN, topic("price"), *TOPIC_WAYS[was])
    assert answer(given, then) == ("FIELD_REQUIRED", "words.reason")


def _agreement(status: str, origin: pb.AgreementOrigin.ValueType) -> pb.Draft:
    event = pb.AgreementRecorded()
    event.CopyFrom(REACHED.facts.agreement_recorded)
    event.origin, event.status = origin, pb.AgreementStatus.Value(f"AGREEMENT_STATUS_{status}")
    return draft(event)


ENDS = {"SUPERSEDED", "TERMINATED", "EXPIRED"}
AGREEMENT_STEPS = {
    "PENDING_APPROVAL": {"IN_FORCE", "PROVISIONALLY_APPLIED", "REJECTED", *ENDS},
    "PROVISIONALLY_APPLIED": {"IN_FORCE", "REJECTED", *ENDS},
    "IN_FORCE": {"IN_QUESTION", "UNDER_RENEGOTIATION", "SUSPENDED", *ENDS},
    "IN_QUESTION": {"IN_FORCE", "UNDER_RENEGOTIATION", *ENDS},
    "UNDER_RENEGOTIATION": {"IN_FORCE", "IN_QUESTION", *ENDS},
    "SUSPENDED": {"IN_FORCE", *ENDS},
    "REJECTED": {"PENDING_APPROVAL"},
    "SUPERSEDED": set[str](),
    "TERMINATED": {"IN_FORCE"},
    "EXPIRED": set[str](),
}
AGREEMENT_STATUSES = _statuses(pb.AgreementStatus.keys(), "AGREEMENT_STATUS_")


@pytest.mark.parametrize(("was", "becomes"), _pairs(AGREEMENT_STEPS, AGREEMENT_STATUSES))
def test_an_agreement_goes_on_as_listed_and_not_otherwise(was: str, becomes: str) -> None:
    status = pb.AgreementStatus.Value(f"AGREEMENT_STATUS_{becomes}")
    then = draft(pb.AgreementStatusChanged(agreement_id="deal", status=status), AGAIN)
    refused = ("INVALID_AGREEMENT_TRANSITION", "facts.agreement_status_changed.status")

    given = (*BEGUN, _agreement(was, pb.AGREEMENT_ORIGIN_PRIOR))
    assert answer(given, then) == (ACCEPTED if becomes in AGREEMENT_STEPS[was] else refused)


@pytest.mark.parametrize(
    ("was", "becomes"), [("REJECTED", "PENDING_APPROVAL"), ("TERMINATED", "IN_FORCE")]
)
def test_an_agreement_comes_back_for_a_reason(was: str, becomes: str) -> None:
    status = pb.AgreementStatus.Value(f"AGREEMENT_STATUS_{becomes}")
    then = pb.AgreementStatusChanged(agreement_id="deal", status=status)

    given = (*BEGUN, _agreement(was, pb.AGREEMENT_ORIGIN_PRIOR))
    assert answer(given, then) == ("FIELD_REQUIRED", "words.reason")


@pytest.mark.parametrize("was", AGREEMENT_STEPS)
def test_only_an_agreement_that_has_not_ended_can_be_superseded(was: str) -> None:
    then = pb.AgreementRecorded()
    then.CopyFrom(REACHED.facts.agreement_recorded)
    then.agreement_id = "newer"
    then.supersedes.append("deal")
    refused = ("INVALID_AGREEMENT_TRANSITION", "facts.agreement_recorded.supersedes[0]")

    given = (*BEGUN, _agreement(was, pb.AGREEMENT_ORIGIN_PRIOR))
    allowed = "SUPERSEDED" in AGREEMENT_STEPS[was]
    assert answer(given, then) == (ACCEPTED if allowed else refused)


@pytest.mark.parametrize("begins", AGREEMENT_STATUSES)
def test_an_agreement_reached_begins_pending_or_in_force(begins: str) -> None:
    refused = ("INVALID_AGREEMENT_TRANSITION", "facts.agreement_recorded.status")

    allowed = begins in {"PENDING_APPROVAL", "IN_FORCE"}
    then = _agreement(begins, pb.AGREEMENT_ORIGIN_REACHED)
    assert answer(BEGUN, then) == (ACCEPTED if allowed else refused)


def _commitment(status: str) -> pb.Draft:
    return draft(
        pb.CommitmentStatusChanged(
            commitment_id="debt",
            status=pb.CommitmentStatus.Value(f"COMMITMENT_STATUS_{status}"),
            by=["bolt"],
        ),
        AGAIN,
    )


OWED = draft(pb.CommitmentMade(commitment_id="debt", debtors=["acme"], creditors=["bolt"]))
OWED_IF = draft(
    pb.CommitmentMade(commitment_id="debt", debtors=["acme"], creditors=["bolt"], conditional=True),
    pb.Words(conditions=["If it rains."]),
)
COMMITMENT_WAYS: dict[str, Way] = {
    "CONDITIONAL": (OWED_IF,),
    "ACTIVE": (OWED,),
    "FULFILLED": (OWED, _commitment("FULFILLED")),
    "BREACHED": (OWED, _commitment("BREACHED")),
    "RELEASED": (OWED, _commitment("RELEASED")),
    "LAPSED": (OWED, _commitment("LAPSED")),
    "DISPUTED": (OWED, _commitment("DISPUTED")),
}
COMMITMENT_STEPS = {
    "CONDITIONAL": {"ACTIVE", "RELEASED", "LAPSED"},
    "ACTIVE": {"FULFILLED", "BREACHED", "RELEASED", "LAPSED", "DISPUTED"},
    "FULFILLED": {"DISPUTED"},
    "BREACHED": {"FULFILLED", "ACTIVE", "RELEASED", "DISPUTED"},
    "RELEASED": set[str](),
    "LAPSED": {"ACTIVE"},
    "DISPUTED": {"FULFILLED", "BREACHED", "RELEASED", "LAPSED", "ACTIVE"},
}
COMMITMENT_STATUSES = _statuses(pb.CommitmentStatus.keys(), "COMMITMENT_STATUS_")


@pytest.mark.parametrize(("was", "becomes"), _pairs(COMMITMENT_WAYS, COMMITMENT_STATUSES))
def test_a_commitment_goes_on_as_listed_and_not_otherwise(was: str, becomes: str) -> None:
    refused = ("INVALID_COMMITMENT_TRANSITION", "facts.commitment_status_changed.status")

    allowed = becomes in COMMITMENT_STEPS[was]
    then = _commitment(becomes)
    assert answer((*BEGUN, *COMMITMENT_WAYS[was]), then) == (ACCEPTED if allowed else refused)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("BREACHED", "FULFILLED"),
        ("FULFILLED", "DISPUTED"),
        ("DISPUTED", "BREACHED"),
        ("LAPSED", "ACTIVE"),
    ],
)
def test_a_commitment_comes_back_for_a_reason(was: str, becomes: str) -> None:
    then = _commitment(becomes)
    then.ClearField("words")

    assert answer((*BEGUN, *COMMITMENT_WAYS[was]), then) == ("FIELD_REQUIRED", "words.reason")


def test_a_commitment_stays_active_while_a_part_is_performed() -> None:
    part = pb.Term(key="paid", type=pb.TERM_TYPE_MONEY, value="40", unit="EUR")
    part.qualifier = pb.TERM_QUALIFIER_EXACT
    active = pb.COMMITMENT_STATUS_ACTIVE
    then = pb.CommitmentStatusChanged(commitment_id="debt", status=active, performed=[part])

    assert answer((*BEGUN, OWED), then) == ACCEPTED
    assert answer((*BEGUN, OWED), _commitment("ACTIVE"))[0] == "INVALID_COMMITMENT_TRANSITION"


SUSPENDED, RESUMED = draft(pb.NegotiationSuspended()), draft(pb.NegotiationResumed())
NEGOTIATION_WAYS: dict[str, Way] = {
    "OPEN": (),
    "SUSPENDED": (SUSPENDED,),
    "CONCLUDED": (concluded(),),
    "REOPENED": (concluded(), RESUMED),
}
NEGOTIATION_STEPS = {
    ("OPEN", "SUSPENDED"): "",
    ("OPEN", "OPEN"): "NEGOTIATION_NOT_PAUSED",
    ("OPEN", "CONCLUDED"): "",
    ("SUSPENDED", "SUSPENDED"): "NEGOTIATION_NOT_OPEN",
    ("SUSPENDED", "OPEN"): "",
    ("SUSPENDED", "CONCLUDED"): "",
    ("CONCLUDED", "SUSPENDED"): "NEGOTIATION_CONCLUDED",
    ("CONCLUDED", "OPEN"): "",
    ("CONCLUDED", "CONCLUDED"): "NEGOTIATION_CONCLUDED",
    ("REOPENED", "SUSPENDED"): "",
    ("REOPENED", "OPEN"): "NEGOTIATION_NOT_PAUSED",
    ("REOPENED", "CONCLUDED"): "",
}


@pytest.mark.parametrize(
    ("was", "becomes"), _pairs(NEGOTIATION_WAYS, ["SUSPENDED", "OPEN", "CONCLUDED"])
)
def test_a_negotiation_goes_on_as_listed_and_not_otherwise(was: str, becomes: str) -> None:
    then = {"SUSPENDED": SUSPENDED, "OPEN": RESUMED, "CONCLUDED": concluded()}[becomes]
    reason = NEGOTIATION_STEPS[was, becomes]

    field = f"facts.{then.facts.WhichOneof('event')}"
    assert answer((*BEGUN, *NEGOTIATION_WAYS[was]), then) == (
        (reason, field) if reason else ACCEPTED
    )


OFFER = offered("offer", ["acme"], ["bolt"])
WITHDRAWN = draft(
    pb.ProposalClosed(proposal_id="offer", how=pb.PROPOSAL_CLOSING_WITHDRAWN, by=["acme"])
)
LAPSED = draft(
    pb.ProposalClosed(proposal_id="offer", how=pb.PROPOSAL_CLOSING_LAPSED),
    pb.Words(reason="Nobody answered."),
)
BETTER = draft(
    pb.ProposalMade(
        proposal_id="better",
        by=["acme"],
        to=["bolt"],
        binding=pb.PROPOSAL_BINDING_BINDING,
        supersedes="offer",
    )
)
PROPOSAL_WAYS: dict[str, Way] = {
    "OPEN": (),
    "OPEN in principle": (answered("offer", "bolt", pb.ANSWER_ACCEPT_IN_PRINCIPLE),),
    "ACCEPTED": (answered("offer", "bolt"),),
    "REJECTED": (answered("offer", "bolt", pb.ANSWER_REJECT),),
    "WITHDRAWN": (WITHDRAWN,),
    "LAPSED": (LAPSED,),
    "SUPERSEDED": (BETTER,),
}
PROPOSAL_STEPS = {
    "ACCEPT": (answered("offer", "bolt"), "proposal_answered.proposal_id"),
    "REJECT": (answered("offer", "bolt", pb.ANSWER_REJECT), "proposal_answered.proposal_id"),
    "ABSTAIN": (answered("offer", "bolt", pb.ANSWER_ABSTAIN), "proposal_answered.proposal_id"),
    "WITHDRAW": (WITHDRAWN, "proposal_closed.proposal_id"),
    "LAPSE": (LAPSED, "proposal_closed.proposal_id"),
    "SUPERSEDE": (
        draft(
            pb.ProposalMade(
                proposal_id="best",
                by=["acme"],
                to=["bolt"],
                binding=pb.PROPOSAL_BINDING_BINDING,
                supersedes="offer",
            )
        ),
        "proposal_made.supersedes",
    ),
}


@pytest.mark.parametrize(("was", "step"), _pairs(PROPOSAL_WAYS, PROPOSAL_STEPS))
def test_only_an_open_offer_is_answered_closed_or_replaced(was: str, step: str) -> None:
    then, field = PROPOSAL_STEPS[step]
    refused = ("PROPOSAL_NOT_OPEN", f"facts.{field}")

    if was in {"ACCEPTED", "REJECTED"} and step in {"ACCEPT", "REJECT", "ABSTAIN"}:
        refused = ("FINAL_ANSWER_EXISTS", "facts.proposal_answered.by")
    allowed = was.startswith("OPEN")
    given = (*BEGUN, OFFER, *PROPOSAL_WAYS[was])
    assert answer(given, then) == (ACCEPTED if allowed else refused)


def _resolved(resolution: str) -> pb.Draft:
    return draft(
        pb.QuestionResolved(
            question_id="q",
            resolution=pb.QuestionResolution.Value(f"QUESTION_RESOLUTION_{resolution}"),
        ),
        pb.Words(answer="Yes.") if resolution == "ANSWERED" else None,
    )


RESOLUTIONS = _statuses(pb.QuestionResolution.keys(), "QUESTION_RESOLUTION_")


@pytest.mark.parametrize(("was", "becomes"), _pairs(["OPEN", *RESOLUTIONS], RESOLUTIONS))
def test_only_an_open_question_is_resolved(was: str, becomes: str) -> None:
    way = () if was == "OPEN" else (_resolved(was),)
    refused = ("QUESTION_NOT_OPEN", "facts.question_resolved.question_id")

    given = (*BEGUN, draft(pb.QuestionRaised(question_id="q")), *way)
    assert answer(given, _resolved(becomes)) == (ACCEPTED if was == "OPEN" else refused)


@pytest.mark.parametrize("was", ["OPEN", *RESOLUTIONS])
def test_only_a_closed_question_is_asked_again(was: str) -> None:
    way = () if was == "OPEN" else (_resolved(was),)
    then = pb.QuestionRaised(question_id="again", reopens="q")
    refused = ("QUESTION_OPEN", "facts.question_raised.reopens")

    given = (*BEGUN, draft(pb.QuestionRaised(question_id="q")), *way)
    assert answer(given, then) == (refused if was == "OPEN" else ACCEPTED)


def _position(position_id: str, supersedes: str = "") -> pb.Draft:
    return draft(
        pb.PositionTaken(
            position_id=position_id,
            holders=["acme"],
            topic_id="price",
            stance=pb.STANCE_WANTS,
            supersedes=supersedes,
        )
    )


POSITION_WAYS: dict[str, Way] = {
    "HELD": (),
    "SUPERSEDED": (_position("other", supersedes="p"),),
    "WITHDRAWN": (draft(pb.PositionWithdrawn(position_id="p", by=["acme"])),),
}


@pytest.mark.parametrize("was", POSITION_WAYS)
def test_only_a_held_position_is_given_up_or_replaced(was: str) -> None:
    given = (*BEGUN, topic("price"), _position("p"), *POSITION_WAYS[was])
    withdrawn = answer(given, pb.PositionWithdrawn(position_id="p", by=["acme"]))
    replaced = answer(given, _position("new", supersedes="p"))

    if was == "HELD":
        assert (withdrawn, replaced) == (ACCEPTED, ACCEPTED)
    else:
        assert withdrawn == ("POSITION_NOT_HELD", "facts.position_withdrawn.position_id")
        assert replaced == ("POSITION_NOT_HELD", "facts.position_taken.supersedes")


def _closed(outcome: str) -> pb.Draft:
    actual = pb.FuzzyDate(edtf="2026-01-01") if outcome == "REACHED" else None
    return draft(
        pb.MilestoneClosed(
            milestone_id="m",
            outcome=pb.MilestoneOutcome.Value(f"MILESTONE_OUTCOME_{outcome}"),
            actual=actual,
        )
    )


PLANNED = draft(pb.MilestonePlanned(milestone_id="m", certainty=pb.CERTAINTY_PLANNED), AGAIN)
OUTCOMES = _statuses(pb.MilestoneOutcome.keys(), "MILESTONE_OUTCOME_")


@pytest.mark.parametrize("was", ["PLANNED", "PLANNED twice", *OUTCOMES])
@pytest.mark.parametrize("becomes", ["PLANNED", *OUTCOMES])
def test_only_a_planned_step_is_planned_anew_or_closed(was: str, becomes: str) -> None:
    way = {"PLANNED": (), "PLANNED twice": (PLANNED,)}
    ways = way.get(was) if was in way else (_closed(was),)
    then = PLANNED if becomes == "PLANNED" else _closed(becomes)
    refused = ("MILESTONE_NOT_PLANNED", f"facts.{then.facts.WhichOneof('event')}.milestone_id")

    given = (*BEGUN, PLANNED, *(ways or ()))
    again = becomes == "PLANNED" and was in {"MISSED", "CANCELLED"}
    assert answer(given, then) == (ACCEPTED if was in way or again else refused)


@pytest.mark.parametrize("was", ["MISSED", "CANCELLED"])
def test_a_step_is_planned_again_for_a_reason(was: str) -> None:
    then = draft(pb.MilestonePlanned(milestone_id="m", certainty=pb.CERTAINTY_PLANNED))

    assert answer((*BEGUN, PLANNED, _closed(was)), then) == ("FIELD_REQUIRED", "words.reason")


ZOE, GONE = joined("zoe"), left("zoe")
CHANGED = draft(pb.ParticipantChanged(participant_id="zoe", role=pb.PARTICIPANT_ROLE_OBSERVER))


@pytest.mark.parametrize(
    ("was", "then", "reason"),
    [
        ((), ZOE, ""),
        ((ZOE,), ZOE, "PARTICIPANT_ALREADY_ACTIVE"),
        ((ZOE,), GONE, ""),
        ((ZOE,), CHANGED, ""),
        ((ZOE, GONE), ZOE, ""),
        ((ZOE, GONE), GONE, "PARTICIPANT_NOT_ACTIVE"),
        ((ZOE, GONE), CHANGED, "PARTICIPANT_NOT_ACTIVE"),
        ((ZOE, GONE, ZOE), ZOE, "PARTICIPANT_ALREADY_ACTIVE"),
        ((ZOE, GONE, ZOE), GONE, ""),
    ],
    ids=[
        "a stranger joins",
        "one who is there joins",
        "one who is there leaves",
        "one who is there changes",
        "one who left joins",
        "one who left leaves",
        "one who left changes",
        "one who is back joins",
        "one who is back leaves",
    ],
)
def test_participants_come_and_go(was: Way, then: pb.Draft, reason: str) -> None:
    field = f"facts.{then.facts.WhichOneof('event')}.participant_id"

    assert answer((*BEGUN, *was), then) == ((reason, field) if reason else ACCEPTED)


def test_a_session_is_closed_once() -> None:
    closed = draft(pb.SessionClosed(closed_session_id="round"))

    assert answer(TALKS, closed) == ACCEPTED
    assert answer((*TALKS, closed), closed) == (
        "SESSION_NOT_OPEN",
        "facts.session_closed.closed_session_id",
    )


def test_what_was_said_in_a_session_can_be_entered_when_it_is_over() -> None:
    closed = draft(pb.SessionClosed(closed_session_id="round"))

    assert answer((*TALKS, closed), said("x", "acme", session="round")) == ACCEPTED


def _retracted(*by: str, partial: bool = False) -> pb.Draft:
    return draft(pb.StatementRetracted(statement_id="joint", by=by, partial=partial))


ALL, ONE, OTHER = (
    _retracted("acme", "bolt"),
    _retracted("acme", partial=True),
    _retracted("bolt", partial=True),
)


@pytest.mark.parametrize(
    ("was", "then", "allowed"),
    [
        ((), ALL, True),
        ((), ONE, True),
        ((ONE,), ONE, False),
        ((ONE,), OTHER, True),
        ((ONE,), ALL, False),
        ((ALL,), ALL, False),
        ((ALL,), ONE, False),
        ((ONE, OTHER), OTHER, False),
    ],
    ids=[
        "all",
        "one",
        "one twice",
        "one after the other",
        "all after one",
        "all twice",
        "one after all",
        "one after both",
    ],
)
def test_a_statement_is_taken_back_once(was: Way, then: pb.Draft, *, allowed: bool) -> None:
    refused = ("STATEMENT_RETRACTED", "facts.statement_retracted.statement_id")

    assert answer((*TALKS, *was), then) == (ACCEPTED if allowed else refused)
