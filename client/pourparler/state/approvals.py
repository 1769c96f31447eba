"""Approvals of texts: the acts in force, and the needed acts that are missing. Pure."""

from collections.abc import Iterable

from pourparler import v1 as pb
from pourparler.schema.contract import PARTS, rule_of
from pourparler.schema.entry_roles import principals

_UNDONE = frozenset({pb.APPROVAL_ACT_REFUSED, pb.APPROVAL_ACT_WITHDRAWN})


def approved_part(event: pb.ApprovalRecorded) -> tuple[str, str]:
    """Return the field of the state and the id of the part that an approval is about."""
    name = event.WhichOneof("of")
    if name is None:
        return "", ""
    rule = rule_of(event.DESCRIPTOR.fields_by_name[name])
    return PARTS[rule.refers_to], getattr(event, name)


def acts_of(approvals: Iterable[pb.Approval], participant_id: str) -> list[int]:
    """Return the acts of a participant in their order, without those that it took back."""
    acts: list[int] = []
    for one in approvals:
        if participant_id not in principals(one.facts):
            continue
        if one.facts.act == pb.APPROVAL_ACT_WITHDRAWN:
            del acts[-1:]
        else:
            acts.append(one.facts.act)
    return acts


def is_given(approvals: Iterable[pb.Approval], needed: pb.NeededApproval) -> bool:
    """Return True if a participant gave a needed act, and did not refuse after it."""
    for act in reversed(acts_of(approvals, needed.participant_id)):
        if act == needed.act:
            return True
        if act in _UNDONE:
            return False
    return False


def missing(agreement: pb.Agreement) -> list[pb.NeededApproval]:
    """Return the approvals that an agreement needs and that are not given."""
    return [one for one in agreement.facts.needs if not is_given(agreement.approvals, one)]
