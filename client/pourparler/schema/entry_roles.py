"""The roles of participants in an entry, from the options of the contract. Pure."""

from functools import cache
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.schema.contract import is_repeated, references, rule_of


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


ACTING_ROLES = frozenset({pb.ENTRY_ROLE_ACTOR, pb.ENTRY_ROLE_BETWEEN})
"""The roles of the participants that act in an entry, or that it is between."""


def actors(event: Message) -> list[str]:
    """Return the participants that act in the message of an entry type, each once."""
    found: dict[str, None] = {}
    for name, repeated in _actor_fields(event.DESCRIPTOR):
        value = getattr(event, name)
        found.update(dict.fromkeys(value if repeated else [value]))
    return list(found)


@cache
def _actor_fields(descriptor: Descriptor) -> list[tuple[str, bool]]:
    """Return the fields of the participants that act, and whether each is repeated."""
    return [
        (field.name, is_repeated(field))
        for field in descriptor.fields
        if rule_of(field).role == pb.ENTRY_ROLE_ACTOR
    ]


def principals(event: Any) -> list[str]:
    """Return the participants for which an act counts: `on_behalf_of`, or else those that act.

    `event` is the message of an entry type with `on_behalf_of`.
    """
    return list(event.on_behalf_of) or actors(event)
