"""What is refused of the ids in an entry: used before, unknown, or of one who cannot act so."""

from typing import Any

import pytest
from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.schema.contract import ENTRY_TYPES
from tests.support.draft_checks import ACCEPTED, REACHED, TALKS, WHISPER, answer, refusal
from tests.support.sample_entries import (
    PARTIES,
    REPORTED,
    draft,
    joined,
    left,
    offered,
    restricted,
    said,
)

NEW_IDS: dict[str, Message] = {
    "topic_added.topic_id": pb.TopicAdded(topic_id="price"),
    "statement_recorded.statement_id": pb.StatementRecorded(
        statement_id="demand", speakers=["acme"], act=pb.STATEMENT_ACT_ASSERT
    ),
    "position_taken.position_id": pb.PositionTaken(
        position_id="dear", holders=["acme"], topic_id="price", stance=pb.STANCE_WANTS
    ),
    "question_raised.question_id": pb.QuestionRaised(question_id="when"),
    "proposal_made.proposal_id": pb.ProposalMade(
        proposal_id="offer", by=["acme"], to=["bolt"], binding=pb.PROPOSAL_BINDING_BINDING
    ),
    "agreement_recorded.agreement_id": pb.AgreementRecorded(
        agreement_id="old",
        origin=pb.AGREEMENT_ORIGIN_PRIOR,
        kind=pb.AGREEMENT_KIND_NDA,
        between=["acme", "bolt"],
        status=pb.AGREEMENT_STATUS_IN_FORCE,
    ),
    "commitment_made.commitment_id": pb.CommitmentMade(commitment_id="debt", debtors=["acme"]),
    "document_attached.document_id": pb.DocumentAttached(document_id="paper"),
}


@pytest.mark.parametrize("field", NEW_IDS)
def test_an_id_is_used_once(field: str) -> None:
    assert answer(TALKS, NEW_IDS[field]) == ("ID_ALREADY_USED", f"facts.{field}")


def test_every_type_that_brings_an_id_used_once_is_tried() -> None:
    once = {
        f"{name}.{one.introduces.name}"
        for name, one in ENTRY_TYPES.items()
        if one.introduces and not one.introduces.GetOptions().Extensions[pb.rule].again
    }

    assert once == set(NEW_IDS)


def _term(**who: str) -> pb.Term:
    term = pb.Term(key="stake", type=pb.TERM_TYPE_PERCENT, value="1")
    term.qualifier = pb.TERM_QUALIFIER_EXACT
    for name, one in who.items():
        setattr(term, name, one)
    return term


def _said(more: pb.StatementRecorded, *, by: str = "acme") -> pb.StatementRecorded:
    statement = pb.StatementRecorded(
        statement_id="new", speakers=[by] if by else [], act=pb.STATEMENT_ACT_ASSERT
    )
    statement.MergeFrom(more)
    return statement


def _recorded(**given: Any) -> pb.AgreementRecorded:
    return pb.AgreementRecorded(
        agreement_id="x",
        origin=pb.AGREEMENT_ORIGIN_PRIOR,
        kind=pb.AGREEMENT_KIND_OTHER,
        between=["acme", "bolt"],
        status=pb.AGREEMENT_STATUS_IN_FORCE,
        **given,
    )


def _approved(**given: Any) -> pb.ApprovalRecorded:
    return pb.ApprovalRecorded(**{"by": ["acme"], "act": pb.APPROVAL_ACT_SIGNED, **given})


UNKNOWN: dict[str, Message | pb.Draft] = {
    "negotiation_concluded.open_proposal_ids[0]": pb.NegotiationConcluded(
        outcome=pb.OUTCOME_LAPSED, open_proposal_ids=["nil"]
    ),
    "position_taken.on_behalf_of[0]": pb.PositionTaken(
        position_id="x",
        holders=["acme"],
        on_behalf_of=["nil"],
        topic_id="price",
        stance=pb.STANCE_WANTS,
    ),
    "position_withdrawn.on_behalf_of[0]": pb.PositionWithdrawn(
        position_id="dear", by=["acme"], on_behalf_of=["nil"]
    ),
    "proposal_made.on_behalf_of[0]": pb.ProposalMade(
        proposal_id="x",
        by=["acme"],
        to=["bolt"],
        on_behalf_of=["nil"],
        binding=pb.PROPOSAL_BINDING_BINDING,
    ),
    "proposal_answered.on_behalf_of[0]": pb.ProposalAnswered(
        proposal_id="offer", by="bolt", answer=pb.ANSWER_ACCEPT, on_behalf_of=["nil"]
    ),
    "proposal_closed.on_behalf_of[0]": pb.ProposalClosed(
        proposal_id="offer",
        how=pb.PROPOSAL_CLOSING_WITHDRAWN,
        by=["acme"],
        on_behalf_of=["nil"],
    ),
    "agreement_recorded.document_id": _recorded(document_id="nil"),
    "agreement_recorded.annex_ids[0]": _recorded(annex_ids=["nil"]),
    "agreement_recorded.on_behalf_of[0]": _recorded(on_behalf_of=["nil"]),
    "agreement_status_changed.on_behalf_of[0]": pb.AgreementStatusChanged(
        agreement_id="old", status=pb.AGREEMENT_STATUS_IN_QUESTION, on_behalf_of=["nil"]
    ),
    "commitment_made.on_behalf_of[0]": pb.CommitmentMade(
        commitment_id="x", debtors=["acme"], on_behalf_of=["nil"]
    ),
    "commitment_status_changed.on_behalf_of[0]": pb.CommitmentStatusChanged(
        commitment_id="debt", status=pb.COMMITMENT_STATUS_FULFILLED, on_behalf_of=["nil"]
    ),
    "approval_recorded.agreement_id": _approved(agreement_id="nil"),
    "approval_recorded.document_id": _approved(document_id="nil"),
    "approval_recorded.minutes_of": _approved(minutes_of="nil"),
    "approval_recorded.by[0]": _approved(agreement_id="old", by=["nil"]),
    "approval_recorded.on_behalf_of[0]": _approved(agreement_id="old", on_behalf_of=["nil"]),
    "approval_recorded.document_ids[0]": _approved(agreement_id="old", document_ids=["nil"]),
    "access_granted.participant_id": pb.AccessGranted(
        principal="one", role=pb.ACCESS_ROLE_PARTY, participant_id="nil"
    ),
    "access_revoked.participant_id": pb.AccessRevoked(principal="one", participant_id="nil"),
    "negotiation_concluded.agreement_ids[0]": pb.NegotiationConcluded(
        outcome=pb.OUTCOME_AGREEMENT, agreement_ids=["nil"]
    ),
    "participant_joined.represents[1]": pb.ParticipantJoined(
        participant_id="rep",
        kind=pb.PARTICIPANT_KIND_PERSON,
        role=pb.PARTICIPANT_ROLE_REPRESENTATIVE,
        represents=["acme", "nil"],
    ),
    "participant_joined.members[0]": joined("all", members=["nil"]),
    "participant_joined.owned_by[0]": pb.ParticipantJoined(
        participant_id="unit",
        kind=pb.PARTICIPANT_KIND_BUSINESS_UNIT,
        role=pb.PARTICIPANT_ROLE_SUBJECT,
        owned_by=["nil"],
    ),
    "participant_joined.attributes[0].of": pb.ParticipantJoined(
        participant_id="unit",
        kind=pb.PARTICIPANT_KIND_BUSINESS_UNIT,
        role=pb.PARTICIPANT_ROLE_SUBJECT,
        attributes=[_term(of="nil")],
    ),
    "participant_changed.participant_id": pb.ParticipantChanged(
        participant_id="nil", role=pb.PARTICIPANT_ROLE_PARTY
    ),
    "participant_changed.represents.participant_ids[0]": pb.ParticipantChanged(
        participant_id="mia", represents=pb.ParticipantList(participant_ids=["nil"])
    ),
    "participant_changed.members.participant_ids[0]": pb.ParticipantChanged(
        participant_id="mia", members=pb.ParticipantList(participant_ids=["nil"])
    ),
    "participant_changed.owned_by.participant_ids[0]": pb.ParticipantChanged(
        participant_id="mia", owned_by=pb.ParticipantList(participant_ids=["nil"])
    ),
    "participant_left.participant_id": left("nil"),
    "participant_left.by[0]": pb.ParticipantLeft(
        participant_id="acme", leaving_reason=pb.LEAVING_REASON_EXCLUDED, by=["nil"]
    ),
    "session_opened.attendees[0]": pb.SessionOpened(
        session_id="x", kind=pb.SESSION_KIND_CALL, attendees=["nil"]
    ),
    "session_opened.default_visibility.audience[0]": pb.SessionOpened(
        session_id="x", kind=pb.SESSION_KIND_CALL, default_visibility=restricted("nil")
    ),
    "session_closed.closed_session_id": pb.SessionClosed(closed_session_id="nil"),
    "topic_added.parent_id": pb.TopicAdded(topic_id="x", parent_id="nil"),
    "topic_added.proposed_by[0]": pb.TopicAdded(topic_id="x", proposed_by=["nil"]),
    "topic_status_changed.topic_id": pb.TopicStatusChanged(
        topic_id="nil", status=pb.TOPIC_STATUS_DROPPED
    ),
    "topic_status_changed.by_agreement_id": pb.TopicStatusChanged(
        topic_id="price", status=pb.TOPIC_STATUS_DROPPED, by_agreement_id="nil"
    ),
    "statement_recorded.speakers[0]": said("new", "nil"),
    "statement_recorded.attributed_to[0]": draft(
        _said(pb.StatementRecorded(attributed_to=["nil"]), by=""), basis=REPORTED
    ),
    "statement_recorded.on_behalf_of[0]": _said(pb.StatementRecorded(on_behalf_of=["nil"])),
    "statement_recorded.addressed_to[0]": _said(pb.StatementRecorded(addressed_to=["nil"])),
    "statement_recorded.topic_ids[0]": _said(pb.StatementRecorded(topic_ids=["nil"])),
    "statement_recorded.in_reply_to": _said(pb.StatementRecorded(in_reply_to="nil")),
    "statement_recorded.document_id": _said(pb.StatementRecorded(document_id="nil")),
    "statement_retracted.statement_id": pb.StatementRetracted(statement_id="nil", by=["acme"]),
    "statement_retracted.by[0]": pb.StatementRetracted(statement_id="demand", by=["nil"]),
    "position_taken.holders[0]": pb.PositionTaken(
        position_id="x", holders=["nil"], topic_id="price", stance=pb.STANCE_WANTS
    ),
    "position_taken.topic_id": pb.PositionTaken(
        position_id="x", holders=["acme"], topic_id="nil", stance=pb.STANCE_WANTS
    ),
    "position_taken.terms[0].held_by": pb.PositionTaken(
        position_id="x",
        holders=["acme"],
        topic_id="price",
        stance=pb.STANCE_WANTS,
        terms=[_term(held_by="nil")],
    ),
    "position_taken.statement_ids[0]": pb.PositionTaken(
        position_id="x",
        holders=["acme"],
        topic_id="price",
        stance=pb.STANCE_WANTS,
        statement_ids=["nil"],
    ),
    "position_taken.supersedes": pb.PositionTaken(
        position_id="x",
        holders=["acme"],
        topic_id="price",
        stance=pb.STANCE_WANTS,
        supersedes="nil",
    ),
    "position_withdrawn.position_id": pb.PositionWithdrawn(position_id="nil", by=["acme"]),
    "position_withdrawn.by[0]": pb.PositionWithdrawn(position_id="dear", by=["nil"]),
    "question_raised.topic_ids[0]": pb.QuestionRaised(question_id="x", topic_ids=["nil"]),
    "question_raised.about[0].into": pb.QuestionRaised(question_id="x", about=[_term(into="nil")]),
    "question_raised.raised_by[0]": pb.QuestionRaised(question_id="x", raised_by=["nil"]),
    "question_raised.addressed_to[0]": pb.QuestionRaised(question_id="x", addressed_to=["nil"]),
    "question_raised.reopens": pb.QuestionRaised(question_id="x", reopens="nil"),
    "question_resolved.question_id": pb.QuestionResolved(
        question_id="nil", resolution=pb.QUESTION_RESOLUTION_MOOT
    ),
    "question_resolved.statement_ids[0]": pb.QuestionResolved(
        question_id="when", resolution=pb.QUESTION_RESOLUTION_MOOT, statement_ids=["nil"]
    ),
    "question_resolved.agreement_id": pb.QuestionResolved(
        question_id="when", resolution=pb.QUESTION_RESOLUTION_MOOT, agreement_id="nil"
    ),
    "proposal_made.by[0]": offered("x", ["nil"], ["bolt"]),
    "proposal_made.to[0]": offered("x", ["acme"], ["nil"]),
    "proposal_made.topic_ids[0]": offered("x", ["acme"], ["bolt"], topics=["nil"]),
    "proposal_made.terms[0].by": pb.ProposalMade(
        proposal_id="x",
        by=["acme"],
        to=["bolt"],
        terms=[_term(by="nil")],
        binding=pb.PROPOSAL_BINDING_BINDING,
    ),
    "proposal_made.counters": pb.ProposalMade(
        proposal_id="x",
        by=["acme"],
        to=["bolt"],
        counters="nil",
        binding=pb.PROPOSAL_BINDING_BINDING,
    ),
    "proposal_made.supersedes": pb.ProposalMade(
        proposal_id="x",
        by=["acme"],
        to=["bolt"],
        supersedes="nil",
        binding=pb.PROPOSAL_BINDING_BINDING,
    ),
    "proposal_made.document_id": pb.ProposalMade(
        proposal_id="x",
        by=["acme"],
        to=["bolt"],
        document_id="nil",
        binding=pb.PROPOSAL_BINDING_BINDING,
    ),
    "proposal_made.decided_by[0]": pb.ProposalMade(
        proposal_id="x",
        by=["acme"],
        to=["bolt"],
        decided_by=["nil"],
        binding=pb.PROPOSAL_BINDING_BINDING,
    ),
    "proposal_answered.proposal_id": pb.ProposalAnswered(
        proposal_id="nil", by="bolt", answer=pb.ANSWER_ACCEPT
    ),
    "proposal_answered.by": pb.ProposalAnswered(
        proposal_id="offer", by="nil", answer=pb.ANSWER_ACCEPT
    ),
    "proposal_closed.proposal_id": pb.ProposalClosed(
        proposal_id="nil", how=pb.PROPOSAL_CLOSING_WITHDRAWN, by=["acme"]
    ),
    "proposal_closed.by[0]": pb.ProposalClosed(
        proposal_id="offer", how=pb.PROPOSAL_CLOSING_WITHDRAWN, by=["nil"]
    ),
    "agreement_recorded.between[1]": pb.AgreementRecorded(
        agreement_id="x",
        origin=pb.AGREEMENT_ORIGIN_PRIOR,
        kind=pb.AGREEMENT_KIND_OTHER,
        between=["acme", "nil"],
        status=pb.AGREEMENT_STATUS_EXPIRED,
    ),
    "agreement_status_changed.agreement_id": pb.AgreementStatusChanged(
        agreement_id="nil", status=pb.AGREEMENT_STATUS_EXPIRED
    ),
    "agreement_status_changed.by[0]": pb.AgreementStatusChanged(
        agreement_id="old", status=pb.AGREEMENT_STATUS_EXPIRED, by=["nil"]
    ),
    "commitment_made.debtors[0]": pb.CommitmentMade(commitment_id="x", debtors=["nil"]),
    "commitment_made.creditors[0]": pb.CommitmentMade(
        commitment_id="x", debtors=["acme"], creditors=["nil"]
    ),
    "commitment_made.terms[0].of": pb.CommitmentMade(
        commitment_id="x", debtors=["acme"], terms=[_term(of="nil")]
    ),
    "commitment_made.agreement_id": pb.CommitmentMade(
        commitment_id="x", debtors=["acme"], agreement_id="nil"
    ),
    "commitment_made.proposal_id": pb.CommitmentMade(
        commitment_id="x", debtors=["acme"], proposal_id="nil"
    ),
    "commitment_made.statement_id": pb.CommitmentMade(
        commitment_id="x", debtors=["acme"], statement_id="nil"
    ),
    "commitment_status_changed.commitment_id": pb.CommitmentStatusChanged(
        commitment_id="nil", status=pb.COMMITMENT_STATUS_FULFILLED
    ),
    "commitment_status_changed.by[0]": pb.CommitmentStatusChanged(
        commitment_id="debt", status=pb.COMMITMENT_STATUS_FULFILLED, by=["nil"]
    ),
    "commitment_status_changed.statement_ids[0]": pb.CommitmentStatusChanged(
        commitment_id="debt", status=pb.COMMITMENT_STATUS_FULFILLED, statement_ids=["nil"]
    ),
    "commitment_status_changed.document_ids[0]": pb.CommitmentStatusChanged(
        commitment_id="debt", status=pb.COMMITMENT_STATUS_FULFILLED, document_ids=["nil"]
    ),
    "milestone_planned.by[0]": pb.MilestonePlanned(
        milestone_id="x", certainty=pb.CERTAINTY_PLANNED, by=["nil"]
    ),
    "milestone_planned.topic_ids[0]": pb.MilestonePlanned(
        milestone_id="x", certainty=pb.CERTAINTY_PLANNED, topic_ids=["nil"]
    ),
    "milestone_planned.statement_ids[0]": pb.MilestonePlanned(
        milestone_id="x", certainty=pb.CERTAINTY_PLANNED, statement_ids=["nil"]
    ),
    "milestone_closed.milestone_id": pb.MilestoneClosed(
        milestone_id="nil", outcome=pb.MILESTONE_OUTCOME_MISSED
    ),
    "milestone_closed.statement_ids[0]": pb.MilestoneClosed(
        milestone_id="signing", outcome=pb.MILESTONE_OUTCOME_MISSED, statement_ids=["nil"]
    ),
    "milestone_closed.document_ids[0]": pb.MilestoneClosed(
        milestone_id="signing", outcome=pb.MILESTONE_OUTCOME_MISSED, document_ids=["nil"]
    ),
    "document_attached.version_of": pb.DocumentAttached(document_id="x", version_of="nil"),
    "document_attached.authors[0]": pb.DocumentAttached(document_id="x", authors=["nil"]),
    "entry_disclosed.disclosed_to.audience[0]": pb.EntryDisclosed(
        target_version=WHISPER, disclosed_to=restricted("nil")
    ),
    "entry_disclosed.consented_by[0]": pb.EntryDisclosed(
        target_version=WHISPER, disclosed_to=PARTIES, consented_by=["nil"]
    ),
}
for _field in ("proposal_id", "supersedes[0]", "amends[0]", "topic_ids[0]", "terms[0].of"):
    _event = pb.AgreementRecorded()
    _event.CopyFrom(REACHED.facts.agreement_recorded)
    _name = _field.partition("[")[0]
    if _name == "proposal_id":
        _event.proposal_id = "nil"
    elif _name == "terms":
        _event.terms.append(_term(of="nil"))
    else:
        getattr(_event, _name).append("nil")
    UNKNOWN[f"agreement_recorded.{_field}"] = _event


@pytest.mark.parametrize("field", UNKNOWN)
def test_only_what_is_on_the_record_can_be_named(field: str) -> None:
    refused = refusal(TALKS, UNKNOWN[field])

    assert refused is not None
    assert (refused.reason, refused.field) == (
        pb.ERROR_REASON_PART_NOT_FOUND,
        f"facts.{field}",
    )
    assert refused.metadata == {"id": "nil"}
    assert "'nil'" in refused.text


def test_every_field_that_names_a_part_is_tried() -> None:
    tried = {field.partition("[")[0] for field in UNKNOWN}
    fields = {
        f"{name}.{field.name}"
        for name, one in ENTRY_TYPES.items()
        for field in one.descriptor.fields
        if field.GetOptions().Extensions[pb.rule].refers_to
    }

    assert fields <= tried


@pytest.mark.parametrize("field", ["session_id", "concerns[0]", "visibility.audience[0]"])
def test_only_what_is_on_the_record_can_be_named_in_any_entry(field: str) -> None:
    then = said("new", "acme")
    if field == "session_id":
        then.facts.session_id = "nil"
    elif field == "concerns[0]":
        then.facts.concerns.append("nil")
    else:
        then.facts.visibility.CopyFrom(restricted("nil"))

    assert answer(TALKS, then) == ("PART_NOT_FOUND", f"facts.{field}")


def test_a_part_of_one_kind_is_none_of_another() -> None:
    assert answer(TALKS, _said(pb.StatementRecorded(topic_ids=["demand"]))) == (
        "PART_NOT_FOUND",
        "facts.statement_recorded.topic_ids[0]",
    )


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (
            pb.PositionTaken(
                position_id="x", holders=["WHO"], topic_id="price", stance=pb.STANCE_WANTS
            ),
            "position_taken.holders[0]",
        ),
        (pb.PositionWithdrawn(position_id="dear", by=["WHO"]), "position_withdrawn.by[0]"),
        (offered("x", ["WHO"], ["bolt"]), "proposal_made.by[0]"),
        (offered("x", ["acme"], ["WHO"]), "proposal_made.to[0]"),
        (
            pb.ProposalAnswered(proposal_id="offer", by="WHO", answer=pb.ANSWER_ACCEPT),
            "proposal_answered.by",
        ),
        (pb.CommitmentMade(commitment_id="x", debtors=["WHO"]), "commitment_made.debtors[0]"),
        (REACHED, "agreement_recorded.between[1]"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_to_act_as_a_party_takes_an_active_one(event: Message, field: str) -> None:
    def named(who: str) -> pb.Draft:
        one = pb.Draft()
        one.CopyFrom(event if isinstance(event, pb.Draft) else draft(event))
        if field.startswith("agreement_recorded"):
            one.facts.agreement_recorded.between[1] = who
        return pb.Draft.FromString(_renamed(one, who))

    assert answer(TALKS, named("press")) == ("ACTING_NOT_ALLOWED", f"facts.{field}")
    assert answer(TALKS, named("plant")) == ("ACTING_NOT_ALLOWED", f"facts.{field}")
    gone = (*TALKS, joined("zoe"), left("zoe"))
    assert answer(gone, named("zoe")) == ("PARTICIPANT_NOT_ACTIVE", f"facts.{field}")


def _renamed(one: pb.Draft, who: str) -> bytes:
    kind = one.facts.WhichOneof("event") or ""
    event = getattr(one.facts, kind)
    for field, value in event.ListFields():
        if value == "WHO":
            setattr(event, field.name, who)
        elif not isinstance(value, str | int | bool | Message) and list(value) == ["WHO"]:
            value[0] = who
    return one.SerializeToString()


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (said("x", "plant"), "statement_recorded.speakers[0]"),
        (
            draft(_said(pb.StatementRecorded(attributed_to=["plant"]), by=""), basis=REPORTED),
            "statement_recorded.attributed_to[0]",
        ),
        (
            pb.StatementRetracted(statement_id="demand", by=["plant"]),
            "statement_retracted.by[0]",
        ),
        (pb.TopicAdded(topic_id="x", proposed_by=["plant"]), "topic_added.proposed_by[0]"),
        (
            pb.QuestionRaised(question_id="x", raised_by=["plant"]),
            "question_raised.raised_by[0]",
        ),
        (
            pb.ParticipantLeft(
                participant_id="acme",
                leaving_reason=pb.LEAVING_REASON_EXCLUDED,
                by=["plant"],
            ),
            "participant_left.by[0]",
        ),
        (
            pb.AgreementRecorded(
                agreement_id="x",
                origin=pb.AGREEMENT_ORIGIN_PRIOR,
                kind=pb.AGREEMENT_KIND_OTHER,
                between=["acme", "plant"],
                status=pb.AGREEMENT_STATUS_EXPIRED,
            ),
            "agreement_recorded.between[1]",
        ),
        (
            pb.AgreementStatusChanged(
                agreement_id="old", status=pb.AGREEMENT_STATUS_EXPIRED, by=["plant"]
            ),
            "agreement_status_changed.by[0]",
        ),
        (
            pb.CommitmentStatusChanged(
                commitment_id="debt", status=pb.COMMITMENT_STATUS_FULFILLED, by=["plant"]
            ),
            "commitment_status_changed.by[0]",
        ),
        (
            pb.CommitmentMade(commitment_id="x", debtors=["acme"], creditors=["plant"]),
            "commitment_made.creditors[0]",
        ),
        (
            pb.DocumentAttached(document_id="x", authors=["plant"]),
            "document_attached.authors[0]",
        ),
        (
            pb.EntryDisclosed(target_version=WHISPER, disclosed_to=PARTIES, consented_by=["plant"]),
            "entry_disclosed.consented_by[0]",
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_is_talked_about_does_not_speak(event: Message, field: str) -> None:
    assert answer(TALKS, event) == ("ACTING_NOT_ALLOWED", f"facts.{field}")


def test_an_observer_speaks_and_was_party_to_an_older_agreement() -> None:
    prior = pb.AgreementRecorded(
        agreement_id="x",
        origin=pb.AGREEMENT_ORIGIN_PRIOR,
        kind=pb.AGREEMENT_KIND_OTHER,
        between=["acme", "press"],
        status=pb.AGREEMENT_STATUS_EXPIRED,
    )

    assert answer(TALKS, said("x", "press")) == ACCEPTED
    assert answer(TALKS, prior) == ACCEPTED
