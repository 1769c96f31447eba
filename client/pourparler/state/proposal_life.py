"""The life of proposals in the fold: answers, closings, and the departure of participants.

Pure: no I/O, no clock.
"""

from collections.abc import Sequence

from pourparler import v1 as pb
from pourparler.schema.date_order import surely_before
from pourparler.schema.entry_roles import principals
from pourparler.state import voting
from pourparler.state.acceptance import (
    DECIDED,
    acceptance_rule,
    addressees,
    final_answers,
    has_left,
    is_open,
    proposal_status,
    voting_rule,
)
from pourparler.state.fold_context import FoldContext

_DECIDED_BY_RESULT = {
    pb.VOTE_RESULT_CARRIED: pb.PROPOSAL_STATUS_ACCEPTED,
    pb.VOTE_RESULT_DEFEATED: pb.PROPOSAL_STATUS_REJECTED,
}
_STATUS_OF_CLOSING = {
    pb.PROPOSAL_CLOSING_WITHDRAWN: pb.PROPOSAL_STATUS_WITHDRAWN,
    pb.PROPOSAL_CLOSING_LAPSED: pb.PROPOSAL_STATUS_LAPSED,
    pb.PROPOSAL_CLOSING_ACCEPTED_BY_SILENCE: pb.PROPOSAL_STATUS_ACCEPTED,
    pb.PROPOSAL_CLOSING_SET_ASIDE: pb.PROPOSAL_STATUS_SET_ASIDE,
}
_CAUSE_OF_CLOSING = {
    pb.PROPOSAL_CLOSING_ACCEPTED_BY_SILENCE: pb.STATUS_CAUSE_SILENCE,
    pb.PROPOSAL_CLOSING_VOTED: pb.STATUS_CAUSE_VOTE,
}


def set_status(
    context: FoldContext,
    part: pb.Proposal,
    status: int,
    by: Sequence[str] = (),
    cause: pb.StatusCause.ValueType = pb.STATUS_CAUSE_UNSPECIFIED,
) -> None:
    """Set the status of a proposal. A proposal that is decided is no offer of a departed one."""
    context.set_status(part, status, by, cause)
    if status != pb.PROPOSAL_STATUS_OPEN:
        context.remove_anomalies(pb.ANOMALY_KIND_OFFER_OF_DEPARTED, _path(part))


def answer(context: FoldContext, event: pb.ProposalAnswered) -> None:
    """Apply a ProposalAnswered."""
    part = context.change_part(context.state.proposals, event.proposal_id)
    if part is None:
        return
    undecided = is_open(part)
    standing = reply_standing(part, event)
    if standing == pb.REPLY_STANDING_UNSPECIFIED and (
        event.revises or event.answer == pb.ANSWER_WITHDRAWN
    ):
        _replace(part, principals(event))
    reply = part.replies.add()
    reply.facts.CopyFrom(event)
    context.set_words(reply)
    context.set_origin(reply.origin)
    reply.standing = standing
    if event.answer == pb.ANSWER_ACCEPT and surely_before(
        part.facts.expires, context.facts.occurred
    ):
        versions = (part.origin.version,)
        context.add_anomaly(pb.ANOMALY_KIND_ACCEPTED_AFTER_EXPIRY, versions, _path(part))
    if undecided:
        status = proposal_status(context.state, part)
        if status != part.status:
            set_status(context, part, status, [event.by])


def reply_standing(part: pb.Proposal, event: pb.ProposalAnswered) -> pb.ReplyStanding.ValueType:
    """Return the standing of an answer before it is given."""
    if not event.on_behalf_of and event.by not in part.facts.to and not event.casting:
        return pb.REPLY_STANDING_OF_MEMBER
    if part.status in DECIDED and not is_open(part):
        return pb.REPLY_STANDING_AFTER_DECISION
    return pb.REPLY_STANDING_UNSPECIFIED


def _replace(part: pb.Proposal, answering: Sequence[str]) -> None:
    """Mark the earlier answers of participants as replaced."""
    for reply in part.replies:
        counts = reply.standing == pb.REPLY_STANDING_UNSPECIFIED and not reply.facts.casting
        if counts and not set(principals(reply.facts)).isdisjoint(answering):
            reply.standing = pb.REPLY_STANDING_REPLACED


def close(context: FoldContext, event: pb.ProposalClosed) -> None:
    """Apply a ProposalClosed."""
    part = context.change_part(context.state.proposals, event.proposal_id)
    if part is None:
        return
    if event.how == pb.PROPOSAL_CLOSING_VOTED:
        _note_difference(context, part, event.tally)
        status = voted_status(context.state, part, event.tally)
        part.tally.CopyFrom(event.tally)
    else:
        status = _STATUS_OF_CLOSING[event.how]
    if event.how == pb.PROPOSAL_CLOSING_ACCEPTED_BY_SILENCE and surely_before(
        context.facts.occurred, part.facts.expires
    ):
        versions = (part.origin.version,)
        context.add_anomaly(pb.ANOMALY_KIND_SILENCE_BEFORE_DATE, versions, _path(part))
    cause = _CAUSE_OF_CLOSING.get(event.how, pb.STATUS_CAUSE_UNSPECIFIED)
    set_status(context, part, status, event.by, cause)


def voted_status(state: pb.Negotiation, part: pb.Proposal, tally: pb.Tally) -> int:
    """Return the status that the end of a vote gives; OPEN if nothing decides it.

    The declared result comes first, then the tally under its rule, then the answers.
    """
    declared = _DECIDED_BY_RESULT.get(tally.declared)
    if declared is not None:
        return declared
    return _counted_status(state, part, tally) or _answered_status(state, part)


def _counted_status(state: pb.Negotiation, part: pb.Proposal, tally: pb.Tally) -> int:
    """Return the status that a tally gives under its rule, or 0 if it gives none."""
    rule = tally.rule if tally.HasField("rule") else voting_rule(state, part.facts)
    if not (tally.yes or tally.no) or rule == pb.VotingRule():
        return 0
    return voting.tally_result(tally, rule)


def _answered_status(state: pb.Negotiation, part: pb.Proposal) -> int:
    """Return the status that the answers give at the end of a vote; OPEN if they give none."""
    if acceptance_rule(state, part.facts) != pb.ACCEPTANCE_RULE_VOTE:
        return pb.PROPOSAL_STATUS_OPEN
    return proposal_status(state, part, closed=True)


def _note_difference(context: FoldContext, part: pb.Proposal, tally: pb.Tally) -> None:
    """Note a declared result that the tally or the answers do not give."""
    state = context.state
    found = [_DECIDED_BY_RESULT.get(tally.declared, 0), _counted_status(state, part, tally)]
    if final_answers(part):
        found.append(_answered_status(state, part))
    results = {one for one in found if one in DECIDED}
    if len(results) > 1:
        versions = (part.origin.version,)
        context.add_anomaly(pb.ANOMALY_KIND_RESULT_DIFFERS, versions, _path(part))


def depart(context: FoldContext, participant_id: str) -> None:
    """Apply the departure of a participant to the open proposals.

    A proposal to the participant is decided among the others, or lapses without others. A proposal
    of the participant stays open and is noted.
    """
    proposals = context.state.proposals
    for key in [key for key, one in proposals.items() if one.status == pb.PROPOSAL_STATUS_OPEN]:
        part = proposals[key]
        if participant_id in principals(part.facts):
            kind = pb.ANOMALY_KIND_OFFER_OF_DEPARTED
            context.add_anomaly(kind, (part.origin.version,), _path(part))
        rule = acceptance_rule(context.state, part.facts)
        asked = addressees(part.facts, rule)
        answers = final_answers(part)
        if participant_id not in asked or participant_id in answers:
            continue
        status = proposal_status(context.state, part)
        if all(one not in answers and has_left(context.state, one) for one in asked):
            status = pb.PROPOSAL_STATUS_LAPSED
        if status != pb.PROPOSAL_STATUS_OPEN:
            part = context.change_part(proposals, key)
            cause = pb.STATUS_CAUSE_DEPARTURE
            set_status(context, part, status, [participant_id], cause)


def _path(part: pb.Proposal) -> str:
    return f"proposals/{part.facts.proposal_id}"
