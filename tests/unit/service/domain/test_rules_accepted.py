"""For each type of entry one that is recorded."""

import pytest
from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.schema.contract import ENTRY_TYPES
from tests.support.draft_checks import ACCEPTED, DEMAND, REACHED, TALKS, WHISPER, answer, concluded
from tests.support.sample_entries import PARTIES, draft, granted, joined, left, opened

SUSPENDED = draft(pb.NegotiationSuspended())
REPLACEMENT = pb.Facts(
    provenance=pb.Provenance(basis=pb.BASIS_DIRECT, form=pb.FORM_VERBATIM),
    statement_recorded=pb.StatementRecorded(
        statement_id="demand", speakers=["acme"], act=pb.STATEMENT_ACT_WARN
    ),
)

CASES: dict[str, tuple[tuple[pb.Draft, ...], pb.Draft | Message]] = {
    "an opening": ((), opened()),
    "a pause": (TALKS, pb.NegotiationSuspended()),
    "a resumption after a pause": ((*TALKS, SUSPENDED), pb.NegotiationResumed()),
    "a resumption after the end": ((*TALKS, concluded()), pb.NegotiationResumed()),
    "an end with an agreement": (
        (*TALKS, REACHED),
        pb.NegotiationConcluded(outcome=pb.OUTCOME_AGREEMENT, agreement_ids=["deal"]),
    ),
    "an end without": (TALKS, pb.NegotiationConcluded(outcome=pb.OUTCOME_NO_AGREEMENT)),
    "an end in a pause": ((*TALKS, SUSPENDED), concluded()),
    "a newcomer": (TALKS, joined("carl")),
    "one who comes back": ((*TALKS, left("bolt")), joined("bolt")),
    "a change of name": (
        TALKS,
        draft(pb.ParticipantChanged(participant_id="bolt"), pb.Words(name="Bolts")),
    ),
    "a change of role": (
        TALKS,
        pb.ParticipantChanged(participant_id="mia", role=pb.PARTICIPANT_ROLE_OBSERVER),
    ),
    "a departure": (
        TALKS,
        pb.ParticipantLeft(participant_id="bolt", leaving_reason=pb.LEAVING_REASON_WITHDREW),
    ),
    "an exclusion": (
        TALKS,
        pb.ParticipantLeft(
            participant_id="press", leaving_reason=pb.LEAVING_REASON_EXCLUDED, by=["acme"]
        ),
    ),
    "a caucus": (
        TALKS,
        pb.SessionOpened(session_id="x", kind=pb.SESSION_KIND_CAUCUS, attendees=["mia", "acme"]),
    ),
    "the end of a session": (TALKS, pb.SessionClosed(closed_session_id="round")),
    "a topic": (TALKS, pb.TopicAdded(topic_id="place", parent_id="price", proposed_by=["mia"])),
    "the progress of a topic": (
        TALKS,
        pb.TopicStatusChanged(topic_id="price", status=pb.TOPIC_STATUS_UNDER_DISCUSSION),
    ),
    "a denial": (
        TALKS,
        pb.StatementRecorded(
            statement_id="no",
            speakers=["bolt"],
            act=pb.STATEMENT_ACT_DENY,
            in_reply_to="demand",
        ),
    ),
    "a statement of one who left": (
        (*TALKS, left("bolt")),
        pb.StatementRecorded(statement_id="no", speakers=["bolt"], act=pb.STATEMENT_ACT_ASSERT),
    ),
    "a retraction": (TALKS, pb.StatementRetracted(statement_id="demand", by=["acme"])),
    "a retraction in part": (
        TALKS,
        pb.StatementRetracted(statement_id="joint", by=["bolt"], partial=True),
    ),
    "a position in the place of another": (
        TALKS,
        pb.PositionTaken(
            position_id="cheap",
            holders=["acme"],
            topic_id="price",
            stance=pb.STANCE_OPPOSES,
            supersedes="dear",
        ),
    ),
    "a position given up": (TALKS, pb.PositionWithdrawn(position_id="dear", by=["acme"])),
    "a question": (TALKS, pb.QuestionRaised(question_id="who", raised_by=["press"])),
    "an answer to a question": (
        TALKS,
        draft(
            pb.QuestionResolved(question_id="when", resolution=pb.QUESTION_RESOLUTION_ANSWERED),
            pb.Words(answer="Soon."),
        ),
    ),
    "a counter-offer": (
        TALKS,
        pb.ProposalMade(
            proposal_id="other",
            by=["bolt"],
            to=["acme"],
            binding=pb.PROPOSAL_BINDING_INDICATIVE,
            counters="offer",
        ),
    ),
    "an offer in the place of another": (
        TALKS,
        pb.ProposalMade(
            proposal_id="better",
            by=["acme"],
            to=["bolt"],
            binding=pb.PROPOSAL_BINDING_BINDING,
            supersedes="offer",
        ),
    ),
    "an answer to an offer": (
        TALKS,
        pb.ProposalAnswered(proposal_id="offer", by="bolt", answer=pb.ANSWER_ACCEPT),
    ),
    "an offer taken back": (
        TALKS,
        pb.ProposalClosed(proposal_id="offer", how=pb.PROPOSAL_CLOSING_WITHDRAWN, by=["acme"]),
    ),
    "an agreement": (TALKS, REACHED),
    "an agreement in doubt": (
        TALKS,
        pb.AgreementStatusChanged(agreement_id="old", status=pb.AGREEMENT_STATUS_IN_QUESTION),
    ),
    "a signature": (
        TALKS,
        pb.ApprovalRecorded(agreement_id="old", by=["acme"], act=pb.APPROVAL_ACT_SIGNED),
    ),
    "a commitment to all": (TALKS, pb.CommitmentMade(commitment_id="vow", debtors=["bolt"])),
    "a commitment released": (
        TALKS,
        pb.CommitmentStatusChanged(
            commitment_id="debt", status=pb.COMMITMENT_STATUS_RELEASED, by=["bolt"]
        ),
    ),
    "a step planned anew": (
        TALKS,
        pb.MilestonePlanned(milestone_id="signing", certainty=pb.CERTAINTY_POSSIBLE),
    ),
    "a step missed": (
        TALKS,
        pb.MilestoneClosed(milestone_id="signing", outcome=pb.MILESTONE_OUTCOME_MISSED),
    ),
    "a later version of a document": (
        TALKS,
        pb.DocumentAttached(document_id="paper-2", version_of="paper", authors=["press"]),
    ),
    "a correction": (
        TALKS,
        draft(
            pb.EntryCorrected(
                target_version=DEMAND,
                mode=pb.CORRECTION_MODE_REPLACE,
                kind=pb.CORRECTION_KIND_RECORDER,
                replacement=REPLACEMENT,
            ),
            pb.Words(text="Corrected."),
        ),
    ),
    "a disclosure": (
        TALKS,
        pb.EntryDisclosed(target_version=WHISPER, disclosed_to=PARTIES, consented_by=["acme"]),
    ),
    "access": (TALKS, granted("bolts desk", pb.ACCESS_ROLE_PARTY, "bolt")),
    "the end of access": (
        (*TALKS, granted("bolts desk", pb.ACCESS_ROLE_PARTY, "bolt")),
        pb.AccessRevoked(principal="bolts desk"),
    ),
    "a redaction": (TALKS, pb.EntryRedacted(target_version=DEMAND)),
}


@pytest.mark.parametrize("case", CASES)
def test_what_the_rules_allow_is_recorded(case: str) -> None:
    given, then = CASES[case]

    assert answer(given, then, by_service=True) == ACCEPTED


def test_every_type_of_entry_is_among_what_is_allowed() -> None:
    drafts = [one if isinstance(one, pb.Draft) else draft(one) for _, one in CASES.values()]

    assert {one.facts.WhichOneof("event") for one in drafts} == set(ENTRY_TYPES)
