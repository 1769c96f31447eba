"""The policy of a service: who may open, list and audit negotiations. Pure."""

from collections.abc import Collection
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.domain.refusal import refuse

EVERYONE = "*"
"""In a policy: every authenticated caller."""


class Policy(NamedTuple):
    """The permissions of principals in a service, independent of any negotiation."""

    open: Collection[str] = (EVERYONE,)
    """Principals that may open and import negotiations."""
    list: Collection[str] = (EVERYONE,)
    """Principals that may list negotiations. A list has only those that the caller may see."""
    auditors: Collection[str] = ()
    """Principals that see everything."""
    public: Collection[str] = ()
    """Principals that see PUBLIC entries of every negotiation."""
    privacy: Collection[str] = ()
    """Principals that may request an erasure."""

    def allows(self, principal: str, named: Collection[str]) -> bool:
        """Return True if a list of this policy names a principal."""
        return principal == ANONYMOUS or principal in named or EVERYONE in named

    def sees_everything(self, principal: str) -> bool:
        """Return True if a principal sees everything, in every negotiation."""
        return self.allows(principal, self.auditors)


def check_may_open(policy: Policy, principal: str) -> None:
    """Raise RefusalError if a principal may not open or import negotiations."""
    if not policy.allows(principal, policy.open):
        text = "This service does not let you open or import a negotiation. Ask its operator."
        refuse(pb.ERROR_REASON_NOT_ALLOWED_HERE, text)


def check_may_list(policy: Policy, principal: str) -> None:
    """Raise RefusalError if a principal may not list negotiations."""
    if not policy.allows(principal, policy.list):
        text = "This service does not let you list or search all negotiations. Ask its operator."
        refuse(pb.ERROR_REASON_NOT_ALLOWED_HERE, text)
