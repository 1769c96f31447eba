"""Acceptance rules: how the answers of participants decide a proposal.

Pure: no I/O, no clock.
"""

from pourparler import v1 as pb

_FINAL_ANSWERS = frozenset({pb.ANSWER_ACCEPT, pb.ANSWER_REJECT, pb.ANSWER_ABSTAIN})


def deciders(proposal: pb.Proposal, rule: int) -> list[str]:
    """Return the ids of the participants whose answers decide a proposal."""
    named = rule == pb.ACCEPTANCE_RULE_NAMED
    return list(proposal.facts.decided_by if named else proposal.facts.to)


def final_answers(proposal: pb.Proposal) -> dict[str, int]:
    """Return the final answer of each participant that has given one, by participant id."""
    return {
        reply.facts.by: reply.facts.answer
        for reply in proposal.replies
        if reply.facts.answer in _FINAL_ANSWERS
    }


def proposal_status(proposal: pb.Proposal, rule: int) -> int:
    """Return the ProposalStatus that the answers give under an AcceptanceRule."""
    voters = deciders(proposal, rule)
    answers = final_answers(proposal)
    accepted = sum(answers.get(one) == pb.ANSWER_ACCEPT for one in voters)
    rejected = sum(answers.get(one) == pb.ANSWER_REJECT for one in voters)
    pending = sum(one not in answers for one in voters)
    if rule == pb.ACCEPTANCE_RULE_ANY:
        yes, no = accepted > 0, accepted + pending == 0
    elif rule == pb.ACCEPTANCE_RULE_MAJORITY:
        yes, no = 2 * accepted > len(voters), 2 * (accepted + pending) <= len(voters)
    else:
        yes = accepted > 0 and rejected + pending == 0
        no = rejected > 0 or accepted + pending == 0
    if yes:
        return pb.PROPOSAL_STATUS_ACCEPTED
    return pb.PROPOSAL_STATUS_REJECTED if no else pb.PROPOSAL_STATUS_OPEN
