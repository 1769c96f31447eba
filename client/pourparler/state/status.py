"""The status report: what is agreed, proposed, unanswered, owed and open on a date.

Pure: no I/O, no clock.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from google.protobuf.duration_pb2 import Duration

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.date_order import strict_bounds, wide_bounds
from pourparler.state.acceptance import deciders, final_answers, has_left
from pourparler.state.agreement_life import BINDING

_Part = TypeVar("_Part", bound=Any)

_AGREED_TOPIC = {pb.TOPIC_STATUS_AGREED_IN_PRINCIPLE, pb.TOPIC_STATUS_SETTLED}
_UNSETTLED_TOPIC = {
    pb.TOPIC_STATUS_OPEN,
    pb.TOPIC_STATUS_UNDER_DISCUSSION,
    pb.TOPIC_STATUS_DEFERRED,
}
_PENDING_AGREEMENT = {
    pb.AGREEMENT_STATUS_PENDING_APPROVAL,
    pb.AGREEMENT_STATUS_PROVISIONALLY_APPLIED,
}
_OWED_COMMITMENT = {
    pb.COMMITMENT_STATUS_CONDITIONAL,
    pb.COMMITMENT_STATUS_ACTIVE,
    pb.COMMITMENT_STATUS_DISPUTED,
    pb.COMMITMENT_STATUS_BREACHED,
}
_AGREES_TOPICS = {
    pb.AGREEMENT_KIND_DEFINITIVE,
    pb.AGREEMENT_KIND_AMENDMENT,
    pb.AGREEMENT_KIND_DECISION,
    pb.AGREEMENT_KIND_SIDE_LETTER,
    pb.AGREEMENT_KIND_CEASEFIRE,
    pb.AGREEMENT_KIND_OTHER,
}
"""The kinds of agreement whose topics are agreed. The others leave something to agree."""
_DUE = {
    edtf.Due.UNDATED: pb.DUE_STATE_UNSPECIFIED,
    edtf.Due.NOT_DUE: pb.DUE_STATE_NOT_DUE,
    edtf.Due.DUE: pb.DUE_STATE_DUE,
    edtf.Due.PERHAPS_OVERDUE: pb.DUE_STATE_PERHAPS_OVERDUE,
    edtf.Due.OVERDUE: pb.DUE_STATE_OVERDUE,
}
_NANOS = 1_000_000_000


def status_report(state: pb.Negotiation, on: edtf.Bounds, on_text: str) -> pb.StatusReport:
    """Return the status report on a date. Every list is in the order of the record.

    `state` is the fold of the entries that had possibly happened by the date. See StatusReport for
    the meaning of each list. A participant that left owes no answer. A commitment is owed while it
    is conditional, active, disputed or breached; its date decides if it is due.
    """
    ended = state.status == pb.NEGOTIATION_STATUS_CONCLUDED
    open_parts, left_open = _open_parts(state, ended=ended)
    accepted = _with_status(state.proposals, {pb.PROPOSAL_STATUS_ACCEPTED})
    commitments = _with_status(state.commitments, _OWED_COMMITMENT)
    milestones = _with_status(state.milestones, {pb.MILESTONE_STATUS_PLANNED})
    open_proposals = [_open_proposal(state, proposal, on) for proposal in open_parts.proposals]
    binding = _with_status(state.agreements, BINDING)
    not_yet = [one for one in binding if _begins_after(one, on)]
    return pb.StatusReport(
        on_date=on_text,
        status=state.status,
        agreed_topics=open_parts.agreed_topics,
        agreements=_in_order([*binding, *_still_binding(state, not_yet)]),
        accepted_proposals=[one for one in accepted if not one.agreement_id],
        unsettled_topics=open_parts.topics,
        pending_agreements=_with_status(state.agreements, _PENDING_AGREEMENT),
        open_proposals=open_proposals,
        answers_due=_answers_due(state, open_proposals, open_parts.questions),
        commitments_due=[
            pb.CommitmentDue(commitment=one, due=_due(one.facts.due, on)) for one in commitments
        ],
        milestones_due=[
            pb.MilestoneDue(milestone=one, due=_due(one.facts.expected, on)) for one in milestones
        ],
        open_questions=open_parts.questions,
        agreed_by=open_parts.agreed_by,
        left_open=left_open,
        anomalies=state.anomalies,
        not_yet_effective=[one.facts.agreement_id for one in not_yet],
        past_their_end=[one.facts.agreement_id for one in binding if _ended_before(one, on)],
        provisional=_provisional(state, accepted),
    )


class _OpenParts(NamedTuple):
    """The agreed topics, and the parts that are open."""

    agreed_topics: list[pb.Topic]
    agreed_by: Mapping[str, str]
    topics: list[pb.Topic]
    proposals: list[pb.Proposal]
    questions: list[pb.Question]


def _open_parts(state: pb.Negotiation, *, ended: bool) -> tuple[_OpenParts, list[str]]:
    """Return the agreed topics and the open parts, and the paths of those that the end left open.

    After the end, a part is open only if the conclusion or a later entry says so.
    """
    agreed_by = _agreed_by(state)
    agreed_topics = _in_order(
        one for key, one in state.topics.items() if one.status in _AGREED_TOPIC or key in agreed_by
    )
    unsettled = [
        one
        for one in _with_status(state.topics, _UNSETTLED_TOPIC)
        if one.facts.topic_id not in agreed_by
    ]
    proposals = _with_status(state.proposals, {pb.PROPOSAL_STATUS_OPEN})
    questions = _with_status(state.questions, {pb.QUESTION_STATUS_OPEN})
    if not ended:
        return _OpenParts(agreed_topics, agreed_by, unsettled, proposals, questions), []
    still = [one for one in proposals if one.facts.proposal_id in state.open_proposal_ids]
    asked = [one for one in questions if one.origin.after_end]
    left_open = [
        *(f"topics/{one.facts.topic_id}" for one in unsettled),
        *(f"proposals/{one.facts.proposal_id}" for one in proposals if one not in still),
        *(f"questions/{one.facts.question_id}" for one in questions if one not in asked),
    ]
    return _OpenParts(agreed_topics, agreed_by, [], still, asked), left_open


def _agreed_by(state: pb.Negotiation) -> dict[str, str]:
    """Return the agreement that agrees each topic, by topic."""
    disputed = {
        topic
        for one in state.proposals.values()
        if one.status == pb.PROPOSAL_STATUS_OPEN
        for topic in one.facts.topic_ids
    }
    found: dict[str, str] = {}
    for agreement in _with_status(state.agreements, BINDING):
        facts = agreement.facts
        reached = facts.origin == pb.AGREEMENT_ORIGIN_REACHED
        if not reached or facts.kind not in _AGREES_TOPICS:
            continue
        for key in facts.topic_ids:
            topic = state.topics.get(key)
            if topic is not None and key not in disputed and not _reopened(topic, agreement):
                found[key] = facts.agreement_id
    return found


def _reopened(topic: pb.Topic, agreement: pb.Agreement) -> bool:
    """Return True if a topic was dropped, or discussed again after an agreement was in force."""
    if topic.status == pb.TOPIC_STATUS_DROPPED:
        return True
    since = agreement.in_force.version or agreement.origin.version
    return topic.status in _UNSETTLED_TOPIC and topic.status_change.version > since


def _begins_after(agreement: pb.Agreement, on: edtf.Bounds) -> bool:
    """Return True if an agreement surely applies only after a date."""
    begins = edtf.earliest_instant(wide_bounds(agreement.effective))
    now = edtf.latest_instant(on)
    return begins is not None and now is not None and begins > now


def _ended_before(agreement: pb.Agreement, on: edtf.Bounds) -> bool:
    """Return True if the end of an agreement surely passed before a date."""
    ends = edtf.latest_instant(wide_bounds(agreement.ends))
    now = edtf.earliest_instant(on)
    return ends is not None and now is not None and ends < now


def _still_binding(
    state: pb.Negotiation, not_yet: Iterable[pb.Agreement]
) -> Iterator[pb.Agreement]:
    """Yield the agreements that still bind because their successors do not apply yet."""
    successors = {one.facts.agreement_id for one in not_yet}
    for one in state.agreements.values():
        if one.status == pb.AGREEMENT_STATUS_SUPERSEDED and one.superseded_by in successors:
            yield one


def _provisional(state: pb.Negotiation, accepted: Iterable[pb.Proposal]) -> list[str]:
    """Return the accepted proposals that bind only if everything is agreed."""
    if not state.facts.all_or_nothing:
        return []
    return [one.facts.proposal_id for one in accepted if not _is_bound(state, one)]


def _is_bound(state: pb.Negotiation, proposal: pb.Proposal) -> bool:
    """Return True if a proposal became an agreement that binds."""
    agreement = state.agreements.get(proposal.agreement_id) if proposal.agreement_id else None
    return agreement is not None and agreement.status in BINDING


def _in_order(parts: Iterable[_Part]) -> list[_Part]:
    """Return parts in the order of their first versions."""
    return sorted(parts, key=lambda part: part.origin.version)


def _with_status(parts: Mapping[str, _Part], statuses: Iterable[int]) -> list[_Part]:
    """Return the parts with one of these statuses, in the order of their first versions."""
    return _in_order(part for part in parts.values() if part.status in statuses)


def _open_proposal(
    state: pb.Negotiation, proposal: pb.Proposal, on: edtf.Bounds
) -> pb.OpenProposal:
    final = final_answers(proposal)
    return pb.OpenProposal(
        proposal=proposal,
        lineage=_lineage(state, proposal),
        age=_age(proposal.origin, on),
        waits_for=[one for one in deciders(state, proposal) if one not in final],
        expiry=_due(proposal.facts.expires, on),
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
    since = edtf.earliest_instant(strict_bounds(origin.occurred))
    if since is None:
        since = origin.record_time.seconds, origin.record_time.nanos
    nanos = (until[0] - since[0]) * _NANOS + until[1] - since[1]
    seconds, rest = divmod(max(nanos, 0), _NANOS)
    return Duration(seconds=seconds, nanos=rest)


def _answers_due(
    state: pb.Negotiation, proposals: Iterable[pb.OpenProposal], questions: Iterable[pb.Question]
) -> list[pb.AnswerDue]:
    due: dict[str, pb.AnswerDue] = {}

    def owing(asked: Iterable[str]) -> Iterator[pb.AnswerDue]:
        for who in asked:
            if not has_left(state, who):
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


def _due(date: pb.FuzzyDate, on: edtf.Bounds) -> pb.DueState.ValueType:
    return _DUE[edtf.due(strict_bounds(date), on, wide_bounds(date))]
