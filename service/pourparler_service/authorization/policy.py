"""The policy of a service: who may open, list and audit negotiations. Pure."""

from collections.abc import Collection
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.domain.refusal import refuse

EVERYONE = "*"
"""In a policy: every caller who is known."""


class Policy(NamedTuple):
    """What principals may do with a service, whatever a record says."""

    open: Collection[str] = (EVERYONE,)
    """Who may open negotiations and bring copies."""
    list: Collection[str] = (EVERYONE,)
    """Who may ask for lists: of all that they may see."""
    auditors: Collection[str] = ()
    """Who sees everything."""
    public: Collection[str] = ()
    """Who sees what is PUBLIC, whoever they are in a negotiation."""
    privacy: Collection[str] = ()
    """Who may have words destroyed."""

    def lets(self, principal: str, named: Collection[str]) -> bool:
        """Whether a principal is among those whom one of these lists names."""
        return principal == ANONYMOUS or principal in named or EVERYONE in named

    def audits(self, principal: str) -> bool:
        """Whether a principal sees everything there is, in every negotiation."""
        return self.lets(principal, self.auditors)


def check_may_open(policy: Policy, principal: str) -> None:
    """Refuse who may not open negotiations or bring copies, before anything is looked at."""
    if not policy.lets(principal, policy.open):
        text = "This service does not let you open a negotiation, or bring a copy of one."
        refuse(pb.ERROR_REASON_NOT_ALLOWED_HERE, text)


def check_may_list(policy: Policy, principal: str) -> None:
    """Refuse who may not ask for lists."""
    if not policy.lets(principal, policy.list):
        text = "This service does not let you ask which negotiations there are."
        refuse(pb.ERROR_REASON_NOT_ALLOWED_HERE, text)
