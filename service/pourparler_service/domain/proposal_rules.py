"""The rules of proposals: who answers, who closes, and how a vote ends. Pure."""

from collections.abc import Iterable

from pourparler import v1 as pb
from pourparler.schema.entry_roles import principals
from pourparler.state.acceptance import (
    DECIDED,
    acceptance_rule,
    final_answers,
    given_answers,
    has_left,
    is_final,
    is_open,
    voting_rule,
)
from pourparler.state.agreement_life import BINDING
from pourparler.state.proposal_life import voted_status
from pourparler_service.domain.common_rules import RuleContext
from pourparler_service.domain.refusal import id_list, quoted
from pourparler_service.domain.representation import acts_for, answering_for


def check_offer(context: RuleContext, key: str, field: str) -> None:
    """Raise RefusalError if a proposal is not open."""
    part = context.part(pb.PART_KIND_PROPOSAL, key)
    if not is_open(part):
        _refuse_closed(context, part, field)


def _refuse_closed(context: RuleContext, part: pb.Proposal, field: str) -> None:
    name = pb.ProposalStatus.Name(part.status).removeprefix("PROPOSAL_STATUS_")
    text = f"The proposal {quoted(part.facts.proposal_id)} is {name}, not OPEN."
    context.refuse(pb.ERROR_REASON_PROPOSAL_NOT_OPEN, text, field, status=name)


def check_proposers(
    context: RuleContext, key: str, by: Iterable[str], on_behalf_of: Iterable[str], field: str
) -> None:
    """Raise RefusalError unless participants are, or act for, the proposers that are there."""
    part = context.part(pb.PART_KIND_PROPOSAL, key)
    named = set(on_behalf_of) or set(by)
    sides = [set(part.facts.by), set(principals(part.facts))]
    for side in sides:
        present = {one for one in side if not has_left(context.state, one)}
        if named and named <= side and present <= named:
            return
    text = f"The proposers of {quoted(key)} are {id_list(part.facts.by)}. Name exactly these."
    context.refuse(pb.ERROR_REASON_NOT_THE_PROPOSERS, text, field)


def check_made(context: RuleContext, event: pb.ProposalMade) -> None:
    """Raise RefusalError if the rule of a proposal is incomplete, or does not fit it."""
    state = context.state
    rule = acceptance_rule(state, event)
    named = rule == pb.ACCEPTANCE_RULE_NAMED
    if named and not event.decided_by:
        text = (
            "decided_by is missing: with the acceptance rule NAMED, a proposal names its deciders."
        )
        context.refuse(pb.ERROR_REASON_FIELD_REQUIRED, text, "decided_by")
    if event.decided_by and not named:
        text = "decided_by is not allowed here: the acceptance rule is not NAMED."
        context.refuse(pb.ERROR_REASON_FIELD_NOT_ALLOWED, text, "decided_by")
    for place, who in enumerate(event.decided_by):
        if who not in event.to:
            text = f"{quoted(who)} is no addressee of the proposal, so it cannot decide it."
            context.refuse(pb.ERROR_REASON_NOT_AN_ADDRESSEE, text, f"decided_by[{place}]")
    if rule == pb.ACCEPTANCE_RULE_VOTE and voting_rule(state, event) == pb.VotingRule():
        text = "voting_rule is missing: the acceptance rule VOTE needs one."
        context.refuse(pb.ERROR_REASON_FIELD_REQUIRED, text, "voting_rule")
    if event.HasField("voting_rule") and rule != pb.ACCEPTANCE_RULE_VOTE:
        text = "voting_rule is not allowed here: the acceptance rule is not VOTE."
        context.refuse(pb.ERROR_REASON_FIELD_NOT_ALLOWED, text, "voting_rule")
    for place, one in enumerate(event.voting_rule.weights):
        if one.participant_id not in event.to:
            text = f"{quoted(one.participant_id)} has a weight and no vote on this proposal."
            field = f"voting_rule.weights[{place}].participant_id"
            context.refuse(pb.ERROR_REASON_NOT_AN_ADDRESSEE, text, field)


def check_answered(context: RuleContext, event: pb.ProposalAnswered) -> None:
    """Raise RefusalError if a participant cannot give this answer now."""
    part = context.part(pb.PART_KIND_PROPOSAL, event.proposal_id)
    undecided = is_open(part)
    withdraws = event.answer == pb.ANSWER_WITHDRAWN
    if not undecided and (part.status not in DECIDED or withdraws or event.casting):
        _refuse_closed(context, part, "proposal_id")
    if event.casting:
        _check_casting(context, part, event)
        return
    _check_concerned(context, part, event)
    counts = event.on_behalf_of or event.by in part.facts.to
    answers = final_answers(part) if undecided else given_answers(part)
    before = [one for one in principals(event) if one in answers]
    if withdraws:
        if not before or not counts:
            text = f"{quoted(event.by)} has no answer to this proposal to withdraw."
            context.refuse(pb.ERROR_REASON_NO_EFFECT, text, "answer")
        return
    if counts and before and not (event.revises and undecided):
        text = f"{quoted(before[0])} has already given a final answer to this proposal."
        if undecided:
            text += " Set revises to replace it."
        context.refuse(pb.ERROR_REASON_FINAL_ANSWER_EXISTS, text, "by")
    if not undecided and not is_final(event.answer):
        _refuse_closed(context, part, "proposal_id")


def _check_concerned(context: RuleContext, part: pb.Proposal, event: pb.ProposalAnswered) -> None:
    """Raise RefusalError unless a participant, or one that it acts for, is an addressee."""
    key = quoted(event.proposal_id)
    for place, who in enumerate(event.on_behalf_of):
        if who not in part.facts.to:
            text = f"{quoted(who)} is no addressee of the proposal {key}."
            context.refuse(pb.ERROR_REASON_NOT_AN_ADDRESSEE, text, f"on_behalf_of[{place}]")
    if event.on_behalf_of or event.by in part.facts.to:
        return
    represented = answering_for(context.state, event)
    if len(represented) > 1:
        text = (
            f"{quoted(event.by)} represents {id_list(represented)}, which are all asked. Name one"
            " of them in on_behalf_of."
        )
        context.refuse(pb.ERROR_REASON_PRINCIPAL_REQUIRED, text, "on_behalf_of")
    if not set(acts_for(context.state, event.by)).isdisjoint(part.facts.to):
        return  # a member answers for itself
    text = f"{quoted(event.by)} is no addressee of the proposal {key}."
    context.refuse(pb.ERROR_REASON_NOT_AN_ADDRESSEE, text, "by")


def _check_casting(context: RuleContext, part: pb.Proposal, event: pb.ProposalAnswered) -> None:
    rule = voting_rule(context.state, part.facts)
    if rule.casting_vote != event.by:
        text = f"{quoted(event.by)} has no casting vote on {quoted(event.proposal_id)}."
        context.refuse(pb.ERROR_REASON_ACTING_NOT_ALLOWED, text, "casting")
    if event.answer not in {pb.ANSWER_ACCEPT, pb.ANSWER_REJECT}:
        text = "A casting vote is ACCEPT or REJECT."
        context.refuse(pb.ERROR_REASON_FIELD_INVALID, text, "answer")


def check_closed(context: RuleContext, event: pb.ProposalClosed) -> None:
    """Raise RefusalError if a proposal cannot be closed in this way."""
    part = context.part(pb.PART_KIND_PROPOSAL, event.proposal_id)
    how = event.how
    if how == pb.PROPOSAL_CLOSING_SET_ASIDE:
        _check_set_aside(context, part)
        return
    check_offer(context, event.proposal_id, "proposal_id")
    if how == pb.PROPOSAL_CLOSING_WITHDRAWN:
        check_proposers(context, event.proposal_id, event.by, event.on_behalf_of, "by")
    elif how == pb.PROPOSAL_CLOSING_ACCEPTED_BY_SILENCE:
        _check_silence(context, part)
    elif how == pb.PROPOSAL_CLOSING_VOTED:
        if voted_status(context.state, part, event.tally) == pb.PROPOSAL_STATUS_OPEN:
            text = "Nothing decides this vote. Give the declared result, or a rule and the counts."
            context.refuse(pb.ERROR_REASON_VOTE_UNDECIDED, text, "tally")
    elif not part.facts.HasField("expires"):
        context.require_reason("a proposal without an expiry needs one to lapse")


def _check_silence(context: RuleContext, part: pb.Proposal) -> None:
    objecting = [one for one, given in final_answers(part).items() if given == pb.ANSWER_REJECT]
    if objecting:
        text = f"{id_list(objecting)} objected, so silence does not accept the proposal."
        context.refuse(pb.ERROR_REASON_SILENCE_BROKEN, text, "how")
    if acceptance_rule(context.state, part.facts) != pb.ACCEPTANCE_RULE_NO_OBJECTION:
        context.require_reason("acceptance by silence under another rule names the rule")


def _check_set_aside(context: RuleContext, part: pb.Proposal) -> None:
    if part.status != pb.PROPOSAL_STATUS_ACCEPTED:
        _refuse_closed(context, part, "proposal_id")
    agreement = context.part(pb.PART_KIND_AGREEMENT, part.agreement_id)
    if agreement is not None and agreement.status in BINDING:
        text = (
            f"The proposal became the agreement {quoted(part.agreement_id)}, which binds. Change"
            " the status of the agreement instead."
        )
        context.refuse(pb.ERROR_REASON_PROPOSAL_NOT_OPEN, text, "proposal_id")
    context.require_reason("a proposal that is set aside needs one")
