"""The status report: what is agreed, proposed, unanswered, owed and open on a date.

Pure: no I/O, no clock.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.state.acceptance import deciders, final_answers

_Part = TypeVar("_Part", bound=Any)

_AGREED_TOPIC = {pb.TOPIC_STATUS_AGREED_IN_PRINCIPLE, pb.TOPIC_STATUS_SETTLED}
_UNSETTLED_TOPIC = {
    pb.TOPIC_STATUS_OPEN,
    pb.TOPIC_STATUS_UNDER_DISCUSSION,
    pb.TOPIC_STATUS_DEFERRED,
}
_BINDING_AGREEMENT = {
    pb.AGREEMENT_STATUS_IN_FORCE,
    pb.AGREEMENT_STATUS_IN_QUESTION,
    pb.AGREEMENT_STATUS_UNDER_RENEGOTIATION,
}
_OWED_COMMITMENT = {
    pb.COMMITMENT_STATUS_CONDITIONAL,
    pb.COMMITMENT_STATUS_ACTIVE,
    pb.COMMITMENT_STATUS_DISPUTED,
}
_DUE = {
    edtf.Due.UNDATED: pb.DUE_STATE_UNSPECIFIED,
    edtf.Due.NOT_DUE: pb.DUE_STATE_NOT_DUE,
    edtf.Due.DUE: pb.DUE_STATE_DUE,
    edtf.Due.OVERDUE: pb.DUE_STATE_OVERDUE,
}
_NANOS = 1_000_000_000


def status_report(state: pb.Negotiation, on: edtf.Bounds, on_text: str) -> pb.StatusReport:
    """Return the status report on a date. Every list is in the order of the record.

    A topic agreed in principle is agreed; a deferred topic is unsettled. An open proposal waits for
    the participants whose answers decide it. A participant that left owes no answer. After the end
    of the talks, no participant does. A commitment is owed while it is conditional, active or
    disputed; its date decides if it is due.
    """
    proposals = _with_status(state.proposals, {pb.PROPOSAL_STATUS_OPEN})
    questions = _with_status(state.questions, {pb.QUESTION_STATUS_OPEN})
    accepted = _with_status(state.proposals, {pb.PROPOSAL_STATUS_ACCEPTED})
    commitments = _with_status(state.commitments, _OWED_COMMITMENT)
    milestones = _with_status(state.milestones, {pb.MILESTONE_STATUS_PLANNED})
    open_proposals = [_open_proposal(state, proposal, on) for proposal in proposals]
    return pb.StatusReport(
        on_date=on_text,
        status=state.status,
        agreed_topics=_with_status(state.topics, _AGREED_TOPIC),
        agreements=_with_status(state.agreements, _BINDING_AGREEMENT),
        accepted_proposals=[one for one in accepted if not one.agreement_id],
        unsettled_topics=_with_status(state.topics, _UNSETTLED_TOPIC),
        pending_agreements=_with_status(state.agreements, {pb.AGREEMENT_STATUS_PENDING_APPROVAL}),
        open_proposals=open_proposals,
        answers_due=_answers_due(state, open_proposals, questions),
        commitments_due=[
            pb.CommitmentDue(commitment=one, due=_due(one.facts, "due", on)) for one in commitments
        ],
        milestones_due=[
            pb.MilestoneDue(milestone=one, due=_due(one.facts, "expected", on))
            for one in milestones
        ],
        open_questions=questions,
    )


def _with_status(parts: Mapping[str, _Part], statuses: Iterable[int]) -> list[_Part]:
    """Return the parts with one of these statuses, in the order of their first versions."""
    return sorted(
        (part for part in parts.values() if part.status in statuses),
        key=lambda part: part.origin.version,
    )


def _open_proposal(
    state: pb.Negotiation, proposal: pb.Proposal, on: edtf.Bounds
) -> pb.OpenProposal:
    final = final_answers(proposal)
    return pb.OpenProposal(
        proposal=proposal,
        lineage=_lineage(state, proposal),
        age=_age(proposal.origin, on),
        waits_for=[
            one for one in deciders(proposal, state.facts.acceptance_rule) if one not in final
        ],
        expiry=_due(proposal.facts, "expires", on),
    )


def _lineage(state: pb.Negotiation, proposal: pb.Proposal) -> list[str]:
    """Return a proposal and all proposals that it supersedes or counters, directly or not."""
    line: dict[str, int] = {}
    ahead = [proposal]
    while ahead:
        one = ahead.pop()
        if one.facts.proposal_id in line:
            continue
        line[one.facts.proposal_id] = one.origin.version
        ahead.extend(
            state.proposals[earlier]
            for earlier in (one.facts.supersedes, one.facts.counters)
            if earlier in state.proposals
        )
    return sorted(line, key=lambda each: line[each])


def _age(origin: pb.Origin, on: edtf.Bounds) -> Duration | None:
    """Return the age of a part; None if the date of the report is open on both sides."""
    until = edtf.earliest_instant(on._replace(earliest=on.earliest or on.latest))
    if until is None:
        return None
    since = edtf.earliest_instant(_bounds(origin.occurred))
    if since is None:
        since = origin.record_time.seconds, origin.record_time.nanos
    nanos = (until[0] - since[0]) * _NANOS + until[1] - since[1]
    seconds, rest = divmod(max(nanos, 0), _NANOS)
    return Duration(seconds=seconds, nanos=rest)


def _answers_due(
    state: pb.Negotiation, proposals: Iterable[pb.OpenProposal], questions: Iterable[pb.Question]
) -> list[pb.AnswerDue]:
    due: dict[str, pb.AnswerDue] = {}
    if state.status == pb.NEGOTIATION_STATUS_CONCLUDED:
        return []

    def owing(asked: Iterable[str]) -> Iterator[pb.AnswerDue]:
        for who in asked:
            participant = state.participants.get(who)
            if participant is None or participant.status != pb.PARTICIPANT_STATUS_LEFT:
                yield due.setdefault(who, pb.AnswerDue(participant_id=who))

    for proposal in proposals:
        for one in owing(proposal.waits_for):
            one.proposal_ids.append(proposal.proposal.facts.proposal_id)
    for question in questions:
        for one in owing(question.facts.addressed_to):
            one.question_ids.append(question.facts.question_id)
    return sorted(due.values(), key=lambda one: (_join_version(state, one), one.participant_id))


def _join_version(state: pb.Negotiation, one: pb.AnswerDue) -> int:
    participant = state.participants.get(one.participant_id)
    return participant.origin.version if participant is not None else 0


def _due(facts: Any, field: str, on: edtf.Bounds) -> pb.DueState.ValueType:
    return _DUE[edtf.due(_bounds(getattr(facts, field)), on)]


def _bounds(date: pb.FuzzyDate) -> edtf.Bounds:
    return edtf.Bounds(date.earliest, date.latest)
