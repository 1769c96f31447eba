"""Roles: the visibility scope that follows from them, and the drafts that they may record.

The current access of a viewer decides the scope, for every point in time that the viewer reads. A
grant opens earlier entries as well, and a revocation closes them. Pure: no I/O, no clock.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, NoReturn

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.schema.contract import references
from pourparler.schema.entry_roles import ACTING_ROLES
from pourparler.state.fold import ACCESS_TYPES
from pourparler_service.authorization.policy import Policy
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.domain.refusal import RefusalError, Violation, quoted, refuse


class VisibilityScope(NamedTuple):
    """The part of a negotiation that a viewer may see. Equal scopes allow equal entries."""

    whole: bool = False
    level: int = 0
    """The narrowest level that the scope allows: PARTIES, PUBLIC, or none."""
    groups: frozenset[frozenset[str]] = frozenset()
    """The audience of an allowed RESTRICTED entry contains a participant of each group."""

    def allows(self, visibility: pb.Visibility) -> bool:
        """Return True if the scope allows an entry of this visibility."""
        if self.whole:
            return True
        level = visibility.level
        if level == pb.VISIBILITY_LEVEL_RESTRICTED and self.groups:
            audience = visibility.audience
            return all(not group.isdisjoint(audience) for group in self.groups)
        return 0 < level <= self.level

    def intersection(self, other: "VisibilityScope") -> "VisibilityScope":
        """Return the scope that allows what both scopes allow."""
        if self.whole or other.whole:
            return other if self.whole else self
        level = min(self.level, other.level)
        return VisibilityScope(
            level=level, groups=self.groups | other.groups if level == _TOGETHER else _NONE
        )


_NONE: frozenset[frozenset[str]] = frozenset()
_TOGETHER = pb.VISIBILITY_LEVEL_PARTIES

EVERYTHING = VisibilityScope(whole=True)
NOTHING = VisibilityScope()
PUBLIC = VisibilityScope(level=pb.VISIBILITY_LEVEL_PUBLIC)


def participants_scope(participants: Iterable[str]) -> VisibilityScope:
    """Return the scope of a viewer who acts for these participants."""
    return VisibilityScope(level=_TOGETHER, groups=frozenset({frozenset(participants)}))


class Roles(NamedTuple):
    """The roles of a principal in a negotiation, from the grants in force."""

    custodian: bool = False
    recorder: bool = False
    auditor: bool = False
    mediator: bool = False
    participants: frozenset[str] = frozenset()
    """The participants that the principal acts for, as a party or as a mediator."""

    @property
    def records_everything(self) -> bool:
        """True if the principal may record every entry: a custodian or a recorder."""
        return self.custodian or self.recorder

    @property
    def scope(self) -> VisibilityScope:
        """The visibility scope of these roles."""
        if self.records_everything or self.auditor:
            return EVERYTHING
        if self.mediator or self.participants:
            return participants_scope(self.participants)
        return NOTHING


CUSTODIAN = Roles(custodian=True)
_OF_PARTICIPANTS = frozenset({pb.ACCESS_ROLE_PARTY, pb.ACCESS_ROLE_MEDIATOR})


def roles_of(principals: Mapping[str, pb.Principal], principal: str, now: Timestamp) -> Roles:
    """Return the roles of a principal at a time, from the principals of a state."""
    if principal == ANONYMOUS:
        return (
            CUSTODIAN  # Only on the operator's machine, where the caller can read the files anyway.
        )
    if principal not in principals:
        return Roles()
    granted = [one.facts for one in principals[principal].grants if _is_in_force(one.facts, now)]
    roles = {one.role for one in granted}
    return Roles(
        custodian=pb.ACCESS_ROLE_CUSTODIAN in roles,
        recorder=pb.ACCESS_ROLE_RECORDER in roles,
        auditor=pb.ACCESS_ROLE_AUDITOR in roles,
        mediator=pb.ACCESS_ROLE_MEDIATOR in roles,
        participants=frozenset(
            one.participant_id
            for one in granted
            if one.role in _OF_PARTICIPANTS and one.participant_id
        ),
    )


def _is_in_force(granted: pb.AccessGranted, now: Timestamp) -> bool:
    end = granted.end_time
    return not granted.HasField("end_time") or (now.seconds, now.nanos) < (end.seconds, end.nanos)


def scope_of(roles: Roles, principal: str, policy: Policy) -> VisibilityScope:
    """Return the scope of a principal with these roles.

    NOTHING hides even the existence of the negotiation.
    """
    if policy.sees_everything(principal):
        return EVERYTHING
    scope = roles.scope
    if scope == NOTHING and policy.allows(principal, policy.public):
        return PUBLIC
    return scope


def scope_as_participant(
    participant_id: str, roles: Roles, scope: VisibilityScope
) -> VisibilityScope:
    """Return the part of a scope that a participant sees too.

    Raise RefusalError if these roles may not ask for the view of another participant.
    """
    if not (scope.whole or roles.mediator):
        refuse(
            pb.ERROR_REASON_ROLE_NOT_SUFFICIENT,
            "Only a mediator, or a caller with full access, may ask for the view of a participant.",
            "viewer_participant_id",
        )
    return scope.intersection(participants_scope([participant_id]))


_BASES = frozenset({pb.BASIS_DIRECT, pb.BASIS_ON_RECORD})
_MEDIATING = frozenset(
    {"session_opened", "session_closed", "topic_added", "topic_status_changed", "entry_disclosed"}
)


def check_may_record(roles: Roles, facts: pb.Facts) -> None:
    """Raise RefusalError if a caller of these roles may not record a completed draft.

    A custodian records everything, and a recorder everything except access. A party or a mediator
    records the acts of its own participants, and the corrections that `self_correction_rules`
    permits. Field paths start at the draft.
    """
    kind = facts.WhichOneof("event") or ""
    if roles.custodian or (roles.recorder and kind not in ACCESS_TYPES):
        return
    if roles.recorder or kind in ACCESS_TYPES:
        _refuse_role(
            "Only a custodian can grant or revoke access. Ask a custodian of the negotiation.",
            f"facts.{kind}",
        )
    if not roles.mediator and not roles.participants:
        _refuse_role(
            "You have read access only, and cannot record entries. Ask a custodian for a role.", ""
        )
    if facts.provenance.basis not in _BASES:
        text = (
            "Only a custodian or a recorder can record the words or acts of others. Use the basis"
            " DIRECT or ON_RECORD, for your own."
        )
        _refuse_role(text, "facts.provenance.basis")
    if roles.mediator and kind in _MEDIATING:
        return
    acting = [one for one in references(facts) if one.acting and one.role in ACTING_ROLES]
    if not acting:
        text = "No participant acts in this entry. Only a custodian or a recorder can record it."
        _refuse_role(text, f"facts.{kind}")
    for one in acting:
        if one.id not in roles.participants:
            text = f"You do not act for {quoted(one.id)}. Name a participant that you act for."
            _refuse_role(text, f"facts.{one.path}")


def check_sees_own(scope: VisibilityScope, facts: pb.Facts) -> None:
    """Raise RefusalError if the caller could not see the entry after it is recorded."""
    if not scope.allows(facts.visibility):
        text = "You could not see this entry. Add a participant that you act for to its visibility."
        _refuse_role(text, "facts.visibility")


def withheld_conflict() -> RefusalError:
    """Return the refusal of an entry that conflicts only with entries hidden from the caller.

    The text is constant, so it reveals only that a hidden entry conflicts.
    """
    text = (
        "The entry conflicts with an entry you are not allowed to see. Contact a custodian of the"
        " negotiation."
    )
    return RefusalError([Violation(pb.ERROR_REASON_HIDDEN_CONFLICT, "", text, {})])


def _refuse_role(text: str, field: str) -> NoReturn:
    refuse(pb.ERROR_REASON_ROLE_NOT_SUFFICIENT, text, field)
