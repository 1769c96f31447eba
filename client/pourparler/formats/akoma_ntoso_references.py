"""The references of an Akoma Ntoso document to persons, organizations and roles. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

_KINDS = {
    "TLCPerson": "PARTICIPANT_KIND_PERSON",
    "TLCOrganization": "PARTICIPANT_KIND_ORGANIZATION",
    "TLCRole": "PARTICIPANT_KIND_PERSON",  # such as the chair, whoever it is
}
_IDS = ("eId", "id", "http://www.w3.org/XML/1998/namespace id")
"""The attributes with the id of an element: of version 3.0, of the drafts before it, and of XML."""


class Agent(NamedTuple):
    """A person, an organization or a role, as the references list it."""

    key: str
    """The id in the document."""
    kind: str
    """The kind of participant."""
    name: str


class References:
    """The agents of a document. A pointer that fits none or several names no agent."""

    def __init__(self) -> None:
        self._agents: dict[str, Agent | None] = {}

    def add(self, element: str, attributes: Mapping[str, str]) -> None:
        """Add the agent of an element of the references. Other elements are no agents."""
        keys = [attributes[name] for name in _IDS if attributes.get(name)]
        if element not in _KINDS or not keys:
            return
        agent = Agent(keys[0], _KINDS[element], attributes.get("showAs", ""))
        href = attributes.get("href", "")
        pointers = {*(f"#{key}" for key in keys), *keys, *([href] if href.strip("#") else [])}
        for pointer in pointers:
            known = self._agents.get(pointer, agent)
            self._agents[pointer] = agent if known == agent else None

    def agent(self, pointer: str) -> Agent | None:
        """Return the agent that a pointer names, such as `#ann`."""
        return self._agents.get(pointer)

    def agents(self, pointers: str) -> list[Agent] | None:
        """Return the agents that an attribute names; None if one of them is unknown."""
        found = [self.agent(one) for one in pointers.split()]
        return [one for one in found if one] if found and all(found) else None


def id_of(attributes: Mapping[str, str]) -> str:
    """Return the id of an element, or ""."""
    return next((attributes[name] for name in _IDS if attributes.get(name)), "")
