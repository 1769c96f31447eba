"""The roles of participants in an entry, from the options of the contract. Pure."""

from typing import Any, NamedTuple

from pourparler import v1 as pb
from pourparler.schema.contract import references


class EntryRoles(NamedTuple):
    """The participants that an entry names, by role and in the order of its fields."""

    by: tuple[str, ...]
    """The participants that act: they speak, offer, answer, owe or decide."""
    to: tuple[str, ...]
    """The addressees."""
    on_behalf_of: tuple[str, ...]
    """The principals, for which the entry counts."""
    between: tuple[str, ...]
    """The parties to an agreement."""
    concerned: tuple[str, ...]
    """The other participants that the entry names."""


_ROLES = (
    pb.ENTRY_ROLE_ACTOR,
    pb.ENTRY_ROLE_ADDRESSEE,
    pb.ENTRY_ROLE_PRINCIPAL,
    pb.ENTRY_ROLE_BETWEEN,
    pb.ENTRY_ROLE_CONCERNED,
)


def entry_roles(facts: pb.Facts) -> EntryRoles:
    """Return the participants that an entry names, by role. Each role names a participant once.

    The roles of a correction are those of the corrected entry.
    """
    found: dict[int, dict[str, None]] = {role: {} for role in _ROLES}
    for one in references(facts):
        if one.role in found:
            found[one.role][one.id] = None
    return EntryRoles(*(tuple(found[role]) for role in _ROLES))


def principals(event: Any) -> list[str]:
    """Return the participants for which an act counts: `on_behalf_of`, or else those that act.

    `event` is the message of an entry type with a field for the acting participants.
    """
    if event.on_behalf_of:
        return list(event.on_behalf_of)
    acting = next(getattr(event, one) for one in _ACTING if one in event.DESCRIPTOR.fields_by_name)
    return [acting] if isinstance(acting, str) else list(acting)


_ACTING = ("by", "holders", "debtors", "between", "speakers")
"""The fields of acting participants. An entry type has one of them."""
