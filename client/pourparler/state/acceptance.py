"""Acceptance rules: how the answers of participants decide a proposal.

Pure: no I/O, no clock.
"""

from collections.abc import Collection

from pourparler import v1 as pb
from pourparler.schema.entry_roles import principals
from pourparler.state import voting

_FINAL_ANSWERS = frozenset(
    {
        pb.ANSWER_ACCEPT,
        pb.ANSWER_REJECT,
        pb.ANSWER_ABSTAIN,
        pb.ANSWER_ABSENT,
        pb.ANSWER_PAIRED,
    }
)

DECIDED = frozenset({pb.PROPOSAL_STATUS_ACCEPTED, pb.PROPOSAL_STATUS_REJECTED})
"""The statuses of a proposal that answers or a vote decided."""


def acceptance_rule(state: pb.Negotiation, proposal: pb.ProposalMade) -> int:
    """Return the AcceptanceRule of a proposal: its own, or else that of the opening."""
    return proposal.acceptance_rule or state.facts.acceptance_rule


def voting_rule(state: pb.Negotiation, proposal: pb.ProposalMade) -> pb.VotingRule:
    """Return the rule of votes of a proposal: its own, or else that of the opening."""
    own = proposal.HasField("voting_rule")
    return proposal.voting_rule if own else state.facts.voting_rule


def addressees(proposal: pb.ProposalMade, rule: int) -> list[str]:
    """Return the participants that a proposal asks for a decision."""
    named = rule == pb.ACCEPTANCE_RULE_NAMED
    return list(proposal.decided_by if named else proposal.to)


def deciders(state: pb.Negotiation, proposal: pb.Proposal) -> list[str]:
    """Return the ids of the participants whose answers decide a proposal.

    A participant that left without a final answer does not decide it.
    """
    return _deciders(state, proposal, final_answers(proposal))


def _deciders(state: pb.Negotiation, proposal: pb.Proposal, answers: Collection[str]) -> list[str]:
    asked = addressees(proposal.facts, acceptance_rule(state, proposal.facts))
    return [one for one in asked if one in answers or not has_left(state, one)]


def has_left(state: pb.Negotiation, participant_id: str) -> bool:
    """Return True if a participant has left the negotiation."""
    part = state.participants.get(participant_id)
    return part is not None and part.status == pb.PARTICIPANT_STATUS_LEFT


def is_open(proposal: pb.Proposal) -> bool:
    """Return True if a proposal is open, or was decided only because a participant left."""
    departed = proposal.status_change.cause == pb.STATUS_CAUSE_DEPARTURE
    return proposal.status == pb.PROPOSAL_STATUS_OPEN or departed


def is_final(answer: int) -> bool:
    """Return True if an answer is final."""
    return answer in _FINAL_ANSWERS


def final_answers(proposal: pb.Proposal) -> dict[str, int]:
    """Return the final answer of each participant that has given one, by participant id.

    An answer counts for the participants in `on_behalf_of`, or else for the one that gave it.
    """
    return _answers(proposal, {pb.REPLY_STANDING_UNSPECIFIED})


def given_answers(proposal: pb.Proposal) -> dict[str, int]:
    """Return the final answers, with those that came after the decision."""
    return _answers(proposal, {pb.REPLY_STANDING_UNSPECIFIED, pb.REPLY_STANDING_AFTER_DECISION})


def _answers(proposal: pb.Proposal, standings: Collection[int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for reply in proposal.replies:
        facts = reply.facts
        if reply.standing in standings and facts.answer in _FINAL_ANSWERS and not facts.casting:
            found.update(dict.fromkeys(principals(facts), facts.answer))
    return found


def proposal_status(state: pb.Negotiation, proposal: pb.Proposal, *, closed: bool = False) -> int:
    """Return the ProposalStatus that the answers give.

    `closed` means that no further answer comes. Only a rule of votes decides by it.
    """
    rule = acceptance_rule(state, proposal.facts)
    answers = final_answers(proposal)
    voters = _deciders(state, proposal, answers)
    if rule == pb.ACCEPTANCE_RULE_VOTE:
        return voting.result(
            voting_rule(state, proposal.facts),
            voters,
            answers,
            casting=_casting_vote(proposal),
            closed=closed,
        )
    return _plain_status(rule, [answers.get(one, 0) for one in voters])


def _casting_vote(proposal: pb.Proposal) -> int:
    for reply in reversed(proposal.replies):
        if reply.facts.casting and reply.standing == pb.REPLY_STANDING_UNSPECIFIED:
            return reply.facts.answer
    return 0


def _plain_status(rule: int, answers: list[int]) -> int:
    """Return the status under a rule without votes; 0 is a missing answer."""
    accepted = answers.count(pb.ANSWER_ACCEPT)
    rejected = answers.count(pb.ANSWER_REJECT)
    pending = answers.count(0)
    if rule == pb.ACCEPTANCE_RULE_ANY:
        yes, no = accepted > 0, accepted + pending == 0
    elif rule == pb.ACCEPTANCE_RULE_MAJORITY:
        yes, no = 2 * accepted > len(answers), 2 * (accepted + pending) <= len(answers)
    elif rule == pb.ACCEPTANCE_RULE_NO_OBJECTION:
        yes, no = 0 < len(answers) == accepted, rejected > 0
    else:
        yes = accepted > 0 and rejected + pending == 0
        no = rejected > 0 or accepted + pending == 0
    if yes:
        return pb.PROPOSAL_STATUS_ACCEPTED
    return pb.PROPOSAL_STATUS_REJECTED if no else pb.PROPOSAL_STATUS_OPEN
