"""Acting for others: the principals of an act, and the authority to act for them. Pure."""

from collections.abc import Iterable

from pourparler import v1 as pb
from pourparler.schema.contract import Reference
from pourparler.schema.entry_roles import ACTING_ROLES
from pourparler_service.domain.refusal import id_list, quoted, refuse

_OF_STATEMENTS = "statement_recorded."


def acts_for(state: pb.Negotiation, participant_id: str) -> list[str]:
    """Return the participants that a participant can act for.

    These are the participants that it represents, directly or through others, and its groups.
    """
    return _reached(state, participant_id, through_groups=True)


def _reached(state: pb.Negotiation, participant_id: str, *, through_groups: bool) -> list[str]:
    """Return the participants that a participant reaches by representation, or by membership."""
    found: dict[str, None] = {}
    ahead = [participant_id]
    while ahead:
        one = ahead.pop()
        part = state.participants.get(one)
        nearer = list(part.facts.represents) if part is not None else []
        if through_groups:
            nearer += [
                key for key, group in state.participants.items() if one in group.facts.members
            ]
        for principal in nearer:
            if principal not in found and principal != participant_id:
                found[principal] = None
                ahead.append(principal)
    return list(found)


def represented_by(state: pb.Negotiation, participant_id: str) -> list[str]:
    """Return the participants that a REPRESENTATIVE acts for; empty for another role."""
    part = state.participants.get(participant_id)
    if part is None or part.facts.role != pb.PARTICIPANT_ROLE_REPRESENTATIVE:
        return []
    return list(part.facts.represents)


def complete(state: pb.Negotiation, facts: pb.Facts) -> None:
    """Set `on_behalf_of` of an act if the acting participants represent exactly one that fits."""
    kind = facts.WhichOneof("event")
    if kind == "proposal_answered":
        answer = facts.proposal_answered
        if not answer.on_behalf_of:
            fitting = answering_for(state, answer)
            if len(fitting) == 1:
                answer.on_behalf_of.append(fitting[0])
    elif kind in _ACTING_FIELDS:
        event = getattr(facts, kind)
        if not event.on_behalf_of:
            named = [represented_by(state, who) for who in getattr(event, _ACTING_FIELDS[kind])]
            if named and all(len(one) == 1 for one in named):
                event.on_behalf_of.extend(dict.fromkeys(one[0] for one in named))


_ACTING_FIELDS = {"position_taken": "holders", "position_withdrawn": "by"}
"""The entry types in which a representative acts for its principal without saying so."""


def answering_for(state: pb.Negotiation, event: pb.ProposalAnswered) -> list[str]:
    """Return the addressees that a participant, itself no addressee, represents in an answer."""
    proposal = state.proposals.get(event.proposal_id)
    if proposal is None or event.by in proposal.facts.to:
        return []
    represented = _reached(state, event.by, through_groups=False)
    return [one for one in proposal.facts.to if one in represented]


def check_authority(state: pb.Negotiation, references: Iterable[Reference]) -> None:
    """Raise RefusalError if an acting participant has no authority for a principal.

    `references` are those of the entry, with paths that start at its facts. The field roles of the
    contract say which participants act and which are principals. Statements are exempt: a speaker
    may claim to speak for anyone.
    """
    named = [one for one in references if not one.path.startswith(_OF_STATEMENTS)]
    principals = [one for one in named if one.role == pb.ENTRY_ROLE_PRINCIPAL]
    if not principals:
        return
    acting = [one.id for one in named if one.role in ACTING_ROLES]
    for one in principals:
        unable = [who for who in acting if who != one.id and one.id not in acts_for(state, who)]
        if unable and one.id not in acting:
            _refuse(one.path, one.id, unable)


def _refuse(path: str, principal: str, unable: Iterable[str]) -> None:
    text = (
        f"{id_list(unable)} does not represent {quoted(principal)} and is no member of it. Record"
        " the representation first."
    )
    refuse(pb.ERROR_REASON_NOT_A_REPRESENTATIVE, text, f"facts.{path}")
