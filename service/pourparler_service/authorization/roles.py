"""Who sees what of a negotiation, and who may record what: the one place. Pure: no I/O, no clock.

What somebody may see follows from the access that they have now, whatever point of the record they
read: access that was granted opens what came before, and access that was revoked closes it.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, NoReturn

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.schema.contract import references
from pourparler.state.fold import ACCESS
from pourparler_service.authorization.policy import Policy
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.domain.refusal import Refusal, Violation, quoted, refuse


class VisibilityScope(NamedTuple):
    """How much of a negotiation somebody sees. Equal sights see the same."""

    whole: bool = False
    level: int = 0
    """The narrowest level seen by all in it: PARTIES, PUBLIC, or none."""
    named: frozenset[frozenset[str]] = frozenset()
    """Of each of these groups one participant at least is in the audience of what is RESTRICTED."""

    def sees(self, visibility: pb.Visibility) -> bool:
        """Whether what has this visibility is seen."""
        if self.whole:
            return True
        level = visibility.level
        if level == pb.VISIBILITY_LEVEL_RESTRICTED and self.named:
            audience = visibility.audience
            return all(not group.isdisjoint(audience) for group in self.named)
        return 0 < level <= self.level

    def within(self, other: "VisibilityScope") -> "VisibilityScope":
        """What is seen by both."""
        if self.whole or other.whole:
            return other if self.whole else self
        level = min(self.level, other.level)
        return VisibilityScope(
            level=level, named=self.named | other.named if level == _TOGETHER else _NONE
        )


_NONE: frozenset[frozenset[str]] = frozenset()
_TOGETHER = pb.VISIBILITY_LEVEL_PARTIES

EVERYTHING = VisibilityScope(whole=True)
NOTHING = VisibilityScope()
PUBLIC = VisibilityScope(level=pb.VISIBILITY_LEVEL_PUBLIC)


def of_participants(participants: Iterable[str]) -> VisibilityScope:
    """What those see who take part, as these participants."""
    return VisibilityScope(level=_TOGETHER, named=frozenset({frozenset(participants)}))


class Roles(NamedTuple):
    """What a principal is in a negotiation, by the grants that hold."""

    custodian: bool = False
    recorder: bool = False
    auditor: bool = False
    mediator: bool = False
    participants: frozenset[str] = frozenset()
    """As whom they act, as a party or as a mediator."""

    @property
    def keeps(self) -> bool:
        """Whether they keep the record."""
        return self.custodian or self.recorder

    @property
    def sight(self) -> VisibilityScope:
        """What they see."""
        if self.keeps or self.auditor:
            return EVERYTHING
        if self.mediator or self.participants:
            return of_participants(self.participants)
        return NOTHING


KEEPER = Roles(custodian=True)
_OF_PARTICIPANTS = frozenset({pb.ACCESS_ROLE_PARTY, pb.ACCESS_ROLE_MEDIATOR})


def roles_of(principals: Mapping[str, pb.Principal], principal: str, now: Timestamp) -> Roles:
    """What a principal is, as a state has it, at a time."""
    if principal == ANONYMOUS:
        return KEEPER  # Only on the machine of the operator, who has the files besides.
    if principal not in principals:
        return Roles()
    granted = [one.facts for one in principals[principal].grants if _holds(one.facts, now)]
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


def _holds(granted: pb.AccessGranted, now: Timestamp) -> bool:
    end = granted.end_time
    return not granted.HasField("end_time") or (now.seconds, now.nanos) < (end.seconds, end.nanos)


def sight_of(roles: Roles, principal: str, policy: Policy) -> VisibilityScope:
    """What a principal of these roles sees. NOTHING: not even that there is a negotiation."""
    if policy.audits(principal):
        return EVERYTHING
    sight = roles.sight
    if sight == NOTHING and policy.lets(principal, policy.public):
        return PUBLIC
    return sight


def seen_by(participant_id: str, roles: Roles, sight: VisibilityScope) -> VisibilityScope:
    """What somebody of these roles and this sight sees as a participant would. Raises Refusal."""
    if not (sight.whole or roles.mediator):
        refuse(
            pb.ERROR_REASON_ROLE_NOT_SUFFICIENT,
            "Only who sees everything, or mediates, may ask for what another one sees.",
            "viewer_participant_id",
        )
    return sight.within(of_participants([participant_id]))


_BASES = frozenset({pb.BASIS_DIRECT, pb.BASIS_ON_RECORD})
_MEDIATING = frozenset(
    {"session_opened", "session_closed", "topic_added", "topic_status_changed", "entry_disclosed"}
)
_ADDRESSED = frozenset({"proposal_made.to"})
"""Fields of those who need the standing to act, but do not act here."""


def check_may_record(roles: Roles, facts: pb.Facts) -> None:
    """Refuse a completed draft that is not for a caller of these roles. Paths begin at the draft.

    Who keeps the record records everything, a custodian access besides; who takes part, what they
    do themselves, and what `errata` lets them correct of it.
    """
    kind = facts.WhichOneof("event") or ""
    if roles.custodian or (roles.recorder and kind not in ACCESS):
        return
    if roles.recorder or kind in ACCESS:
        _not_for("Who has access is for a custodian to say.", f"facts.{kind}")
    if not roles.mediator and not roles.participants:
        _not_for("Who only reads a record cannot add to it.", "")
    if facts.provenance.basis not in _BASES:
        text = (
            "What others say or do is for those who keep the record: yours is DIRECT or ON_RECORD."
        )
        _not_for(text, "facts.provenance.basis")
    if roles.mediator and kind in _MEDIATING:
        return
    acting = [
        one
        for one in references(facts)
        if one.acting and one.path.partition("[")[0] not in _ADDRESSED
    ]
    if not acting:
        text = "In such an entry nobody acts: it is for those who keep the record."
        _not_for(text, f"facts.{kind}")
    for one in acting:
        if one.id not in roles.participants:
            text = f"You do not act for {quoted(one.id)} here."
            _not_for(text, f"facts.{one.path}")


def check_sees_own(sight: VisibilityScope, facts: pb.Facts) -> None:
    """Refuse a draft that its caller could not see once it is recorded."""
    if not sight.sees(facts.visibility):
        text = "You could not see the entry yourself: let its visibility name who you act for."
        _not_for(text, "facts.visibility")


def conflict() -> Refusal:
    """The refusal of what only those would know to be impossible who see everything.

    In all cases the same, so that it tells no more than that there is something.
    """
    text = "It cannot be recorded, for what you may not see. Ask those who keep the record."
    return Refusal([Violation(pb.ERROR_REASON_HIDDEN_CONFLICT, "", text, {})])


def _not_for(text: str, field: str) -> NoReturn:
    refuse(pb.ERROR_REASON_ROLE_NOT_SUFFICIENT, text, field)
