"""What is refused of an entry of any type: its place, its basis, its time, who may see it."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.schema.contract import ENTRY_TYPES
from pourparler.state.fold import fold
from pourparler_service.domain import rules
from pourparler_service.domain.refusal import RefusalError
from tests.support.draft_checks import ACCEPTED, REACHED, TALKS, answer, concluded, record, refusal
from tests.support.sample_entries import (
    ANALYSIS,
    BEGAN,
    ON_RECORD,
    PARTIES,
    PUBLIC,
    RECORDER_ONLY,
    REPORTED,
    UNATTRIBUTED,
    answered,
    draft,
    joined,
    left,
    offered,
    opened,
    restricted,
    said,
    state_of,
    topic,
)

FOLLOW_UPS = {
    "negotiation_resumed",
    "statement_recorded",
    "statement_retracted",
    "participant_joined",
    "participant_changed",
    "participant_left",
    "session_closed",
    "topic_status_changed",
    "question_raised",
    "question_resolved",
    "proposal_closed",
    "agreement_recorded",
    "agreement_status_changed",
    "approval_recorded",
    "commitment_made",
    "commitment_status_changed",
    "milestone_planned",
    "milestone_closed",
    "document_attached",
    "entry_corrected",
    "entry_disclosed",
    "entry_redacted",
    "access_granted",
    "access_revoked",
}
ACTS = {
    "statement_retracted": pb.StatementRetracted(statement_id="demand", by=["acme"]),
    "position_withdrawn": pb.PositionWithdrawn(position_id="dear", by=["acme"]),
    "proposal_made": pb.ProposalMade(
        proposal_id="new", by=["acme"], to=["bolt"], binding=pb.PROPOSAL_BINDING_BINDING
    ),
    "proposal_answered": pb.ProposalAnswered(
        proposal_id="offer", by="bolt", answer=pb.ANSWER_REJECT
    ),
    "proposal_closed": pb.ProposalClosed(
        proposal_id="offer", how=pb.PROPOSAL_CLOSING_WITHDRAWN, by=["acme"]
    ),
    "commitment_made": pb.CommitmentMade(commitment_id="new", debtors=["acme"]),
    "approval_recorded": pb.ApprovalRecorded(
        agreement_id="old", by=["acme"], act=pb.APPROVAL_ACT_SIGNED
    ),
}


def test_nothing_comes_before_the_opening() -> None:
    assert answer((), joined("acme")) == ("NOT_OPENED", "facts.participant_joined")


def test_a_negotiation_is_opened_once() -> None:
    assert answer(TALKS, opened()) == ("NEGOTIATION_ALREADY_OPENED", "facts.negotiation_opened")
    assert answer((*TALKS, concluded()), opened())[0] == "NEGOTIATION_ALREADY_OPENED"


def test_what_can_follow_on_the_end_is_what_the_contract_says() -> None:
    assert {name for name, one in ENTRY_TYPES.items() if one.rule.follow_up} == FOLLOW_UPS


@pytest.mark.parametrize(
    "then",
    [topic("x"), offered("x", ["acme"], ["bolt"]), answered("offer", "bolt"), concluded()],
    ids=["a topic", "an offer", "an answer", "an end"],
)
def test_after_the_end_the_talks_do_not_go_on(then: pb.Draft) -> None:
    kind = then.facts.WhichOneof("event")

    assert answer((*TALKS, concluded()), then) == ("NEGOTIATION_CONCLUDED", f"facts.{kind}")


@pytest.mark.parametrize(
    "then",
    [
        joined("carl"),
        left("bolt"),
        draft(pb.QuestionRaised(question_id="why")),
        draft(pb.CommitmentMade(commitment_id="later", debtors=["acme"])),
        REACHED,
    ],
    ids=["a newcomer", "a departure", "a question", "a commitment", "a side letter"],
)
def test_what_follows_the_end_is_recorded(then: pb.Draft) -> None:
    assert answer((*TALKS, concluded()), then) == ACCEPTED


def test_after_the_end_something_can_still_be_said() -> None:
    assert answer((*TALKS, concluded()), said("late", "acme")) == ACCEPTED


@pytest.mark.parametrize("basis", [UNATTRIBUTED, ANALYSIS], ids=["unattributed", "analysis"])
@pytest.mark.parametrize("kind", ACTS)
def test_an_act_needs_somebody_who_is_named(kind: str, basis: pb.Basis.ValueType) -> None:
    assert answer(TALKS, draft(ACTS[kind], basis=basis)) == (
        "BASIS_NOT_ALLOWED",
        "facts.provenance.basis",
    )


@pytest.mark.parametrize("basis", [ON_RECORD, REPORTED], ids=["on record", "reported"])
@pytest.mark.parametrize("kind", ACTS)
def test_an_act_can_be_reported(kind: str, basis: pb.Basis.ValueType) -> None:
    assert answer(TALKS, draft(ACTS[kind], basis=basis)) == ACCEPTED


def test_the_acts_are_those_of_the_contract() -> None:
    assert {name for name, one in ENTRY_TYPES.items() if one.rule.act} == set(ACTS)


@pytest.mark.parametrize("basis", [UNATTRIBUTED, ANALYSIS], ids=["unattributed", "analysis"])
def test_an_agreement_reached_is_an_act_and_a_prior_one_is_not(
    basis: pb.Basis.ValueType,
) -> None:
    reached = REACHED.facts.agreement_recorded
    prior = pb.AgreementRecorded()
    prior.CopyFrom(reached)
    prior.origin = pb.AGREEMENT_ORIGIN_PRIOR

    assert answer(TALKS, draft(reached, basis=basis))[0] == "BASIS_NOT_ALLOWED"
    assert answer(TALKS, draft(prior, basis=basis)) == ACCEPTED


@pytest.mark.parametrize("occurred", ["2026-01-02", "2026-02", "2026-01-01T00:30:00Z"])
def test_nothing_has_happened_before_its_time(occurred: str) -> None:
    then = draft(topic().facts.topic_added, occurred=occurred)
    then.facts.topic_added.topic_id = "new"

    assert answer(TALKS, then) == ("OCCURRED_IN_FUTURE", "facts.occurred")


def test_a_day_has_begun_once_it_has_begun_anywhere() -> None:
    tomorrow = draft(topic("new").facts.topic_added, occurred="2026-01-02")
    state = state_of(*TALKS)
    rules.complete(state, tomorrow)
    ten_in_the_morning = Timestamp(seconds=BEGAN + 10 * 3_600)

    rules.check(state, tomorrow, record_time=ten_in_the_morning, history=list)
    with pytest.raises(RefusalError, match="is in the future"):
        rules.check(
            state,
            tomorrow,
            record_time=Timestamp(seconds=ten_in_the_morning.seconds - 1),
            history=list,
        )


@pytest.mark.parametrize(
    "occurred", ["2026-01-01", "2026", "[2025-12-31..]", "[..2030]", "2026-01-01T00:19:00Z"]
)
def test_what_may_have_happened_by_now_can_be_recorded(occurred: str) -> None:
    assert answer(TALKS, draft(pb.TopicAdded(topic_id="new"), occurred=occurred)) == ACCEPTED


def test_an_instant_is_weighed_to_the_nanosecond() -> None:
    state = fold(record(opened()))
    now = Timestamp(seconds=BEGAN + 60, nanos=500)
    then = draft(pb.TopicAdded(topic_id="new", status=pb.TOPIC_STATUS_OPEN))
    then.facts.visibility.CopyFrom(PARTIES)
    then.facts.occurred.earliest = "2026-01-01T00:01:00.0000005Z"

    rules.check(state, then, record_time=now, history=list)
    then.facts.occurred.earliest = "2026-01-01T00:01:00.000000501Z"
    with pytest.raises(Exception, match="is in the future"):
        rules.check(state, then, record_time=now, history=list)


def test_a_plan_can_be_for_later_and_even_made_later() -> None:
    plan = pb.MilestonePlanned(milestone_id="new", certainty=pb.CERTAINTY_PLANNED)

    assert answer(TALKS, draft(plan, occurred="2027")) == ACCEPTED


def _said(more: pb.StatementRecorded, *, by: str = "acme") -> pb.StatementRecorded:
    statement = pb.StatementRecorded(
        statement_id="new", speakers=[by] if by else [], act=pb.STATEMENT_ACT_ASSERT
    )
    statement.MergeFrom(more)
    return statement


SECRET = (
    *TALKS,
    said("secret", "acme", visibility=restricted("acme", "mia")),
    said("note", "acme", visibility=RECORDER_ONLY),
)


@pytest.mark.parametrize(
    ("visibility", "reply_to", "expected"),
    [
        (PUBLIC, "demand", False),
        (PARTIES, "demand", True),
        (PARTIES, "secret", False),
        (restricted("acme", "mia", "bolt"), "secret", False),
        (restricted("bolt"), "secret", False),
        (restricted("mia", "acme"), "secret", True),
        (restricted("acme"), "secret", True),
        (RECORDER_ONLY, "secret", True),
        (restricted("acme"), "note", False),
        (RECORDER_ONLY, "note", True),
    ],
    ids=[
        "public of parties",
        "parties of parties",
        "parties of restricted",
        "more of restricted",
        "others of restricted",
        "the same of restricted",
        "fewer of restricted",
        "recorder of restricted",
        "restricted of recorder",
        "recorder of recorder",
    ],
)
def test_an_entry_is_not_seen_more_widely_than_what_it_refers_to(
    visibility: pb.Visibility, reply_to: str, *, expected: bool
) -> None:
    then = draft(_said(pb.StatementRecorded(in_reply_to=reply_to)), visibility=visibility)

    too_wide = ("VISIBILITY_TOO_WIDE", "facts.visibility")
    assert answer(SECRET, then) == (ACCEPTED if expected else too_wide)


def test_the_refusal_names_the_field_that_refers_to_it() -> None:
    refused = refusal(
        SECRET, draft(_said(pb.StatementRecorded(in_reply_to="secret")), visibility=PARTIES)
    )

    assert refused is not None
    assert refused.metadata["refers_to"] == "facts.statement_recorded.in_reply_to"


def test_to_be_in_the_audience_is_not_to_be_spoken_of() -> None:
    hidden = joined("hank")
    hidden.facts.visibility.CopyFrom(restricted("acme"))
    then = said("x", "acme", visibility=restricted("acme", "hank"))

    assert answer((*TALKS, hidden), then) == ACCEPTED


def test_a_plan_made_anew_is_not_seen_more_widely_than_the_plan() -> None:
    plan = pb.MilestonePlanned(milestone_id="x", certainty=pb.CERTAINTY_PLANNED)
    given = (*TALKS, draft(plan, visibility=restricted("acme")))

    assert answer(given, draft(plan, visibility=PARTIES)) == (
        "VISIBILITY_TOO_WIDE",
        "facts.visibility",
    )


CAUCUS = (
    *TALKS,
    draft(
        pb.SessionOpened(
            session_id="caucus", kind=pb.SESSION_KIND_CAUCUS, attendees=["mia", "acme"]
        ),
        visibility=PARTIES,
    ),
)


def test_what_is_said_in_a_caucus_stays_there() -> None:
    wide = said("x", "acme", session="caucus", visibility=PARTIES)
    others = said("x", "acme", session="caucus", visibility=restricted("acme", "bolt"))
    among = said("x", "acme", session="caucus", visibility=restricted("acme"))

    assert answer(CAUCUS, wide) == ("CAUCUS_TOO_WIDE", "facts.visibility")
    assert answer(CAUCUS, others) == ("CAUCUS_TOO_WIDE", "facts.visibility")
    assert answer(CAUCUS, among) == ACCEPTED


def _visibility(entries: list[pb.Entry]) -> pb.Visibility:
    return entries[-1].facts.visibility


def test_an_entry_that_does_not_say_is_for_the_parties() -> None:
    assert _visibility(record(*TALKS, said("x", "acme"))) == PARTIES


def test_an_entry_that_does_not_say_is_for_those_in_the_caucus() -> None:
    assert _visibility(record(*CAUCUS, said("x", "acme", session="caucus"))) == restricted(
        "mia", "acme"
    )
    closed = draft(pb.SessionClosed(closed_session_id="caucus"))
    assert _visibility(record(*CAUCUS, closed)) == restricted("mia", "acme")


def test_an_entry_that_does_not_say_is_as_its_session_has_it() -> None:
    session = pb.SessionOpened(
        session_id="s", kind=pb.SESSION_KIND_CALL, default_visibility=restricted("bolt")
    )
    entries = record(*TALKS, draft(session), said("x", "bolt", session="s"))

    assert _visibility(entries) == restricted("bolt")
    assert _visibility(entries[:-1]) == restricted("bolt")


def test_a_caucus_that_does_not_say_is_known_to_those_who_attend_it() -> None:
    caucus = pb.SessionOpened(session_id="c", kind=pb.SESSION_KIND_CAUCUS, attendees=["mia"])
    entry = record(*TALKS, draft(caucus))[-1]

    assert entry.facts.visibility == restricted("mia")
    assert entry.facts.session_opened.default_visibility == restricted("mia")


def test_what_an_opening_leaves_out_is_filled_in() -> None:
    first = record(opened(pb.ACCEPTANCE_RULE_UNSPECIFIED))[0]

    assert first.facts.negotiation_opened.acceptance_rule == pb.ACCEPTANCE_RULE_ALL_ADDRESSEES


def test_a_topic_without_a_status_is_open() -> None:
    entry = record(opened(), draft(pb.TopicAdded(topic_id="x")))[-1]

    assert entry.facts.topic_added.status == pb.TOPIC_STATUS_OPEN


def test_what_is_reserved_to_the_service_is_not_for_callers() -> None:
    then = pb.EntryRedacted(target_version=9)

    assert answer(TALKS, then) == ("RESERVED_TO_SERVICE", "facts.entry_redacted")
