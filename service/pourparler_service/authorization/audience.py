"""The audience of each entry of a negotiation, from the facts of its entries. Pure."""

import bisect
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.state.fold import ACCESS_TYPES, evolve
from pourparler_service.authorization.roles import VisibilityScope


class AudienceMark(NamedTuple):
    """A point of an audience that it can be rolled back to."""

    version: int
    visibilities: int
    disclosures: int
    access_changes: int


class Audience:
    """The visibility of each entry of a negotiation, and the access of each principal.

    It holds facts only, and takes the entries in their order.
    """

    def __init__(self) -> None:
        """Start before the first entry of a negotiation."""
        self.version = 0
        self._visibilities: list[pb.Visibility] = []  # the distinct ones
        self._numbers: dict[bytes, int] = {}  # of each distinct visibility, by its bytes
        self._entries: list[int] = []  # the number of the visibility of each entry
        self._disclosing: list[int] = []  # the versions that disclose other entries
        self._disclosed: dict[int, list[tuple[int, int]]] = {}  # since which version, to whom
        self._corrections: dict[int, list[int]] = {}
        self._joined: dict[str, int] = {}
        self._access = pb.Negotiation()
        self._access_changes = 0

    @property
    def principals(self) -> Mapping[str, pb.Principal]:
        """The principals with current or former access."""
        return self._access.principals

    def add(self, header: pb.EntryHeader, facts: pb.Facts) -> None:
        """Add the next entry. An entry without facts is visible only to full access."""
        version, kind = header.version, facts.WhichOneof("event")
        self._entries.append(self._number(facts.visibility))
        if kind == "entry_corrected":
            self._corrections.setdefault(facts.entry_corrected.target_version, []).append(version)
        elif kind == "entry_disclosed":
            # A disclosure covers the entry in force, together with its corrections so far.
            event = facts.entry_disclosed
            self._disclosing.append(version)
            since = version, self._number(event.disclosed_to)
            for one in (event.target_version, *self._corrections.get(event.target_version, ())):
                self._disclosed.setdefault(one, []).append(since)
        elif kind == "participant_joined":
            self._joined.setdefault(facts.participant_joined.participant_id, version)
        elif kind in _ACCESS_TYPES:
            evolve(self._access, pb.Entry(header=header, facts=facts))
            self._access_changes += 1
        self.version = version

    def mark(self) -> AudienceMark:
        """Return the current point, for `rollback`."""
        visibilities, disclosures = len(self._visibilities), len(self._disclosing)
        return AudienceMark(self.version, visibilities, disclosures, self._access_changes)

    def rollback(self, mark: AudienceMark) -> bool:
        """Remove the entries since a mark. Return False if they changed access: then it cannot."""
        if self._access_changes != mark.access_changes:
            return False
        version = mark.version
        del self._entries[version:], self._disclosing[mark.disclosures :]
        for visibility in self._visibilities[mark.visibilities :]:
            del self._numbers[visibility.SerializeToString(deterministic=True)]
        del self._visibilities[mark.visibilities :]
        for versions in self._corrections.values():
            versions[:] = [one for one in versions if one <= version]
        for disclosures in self._disclosed.values():
            disclosures[:] = [one for one in disclosures if one[0] <= version]
        self._joined = {id_: one for id_, one in self._joined.items() if one <= version}
        self.version = version
        return True

    def _number(self, visibility: pb.Visibility) -> int:
        data = visibility.SerializeToString(deterministic=True)
        if data not in self._numbers:
            self._visibilities.append(visibility)
            self._numbers[data] = len(self._numbers)
        return self._numbers[data]

    def visible(self, scope: VisibilityScope, upto: int | None = None) -> Callable[[int], bool]:
        """Return a function that tells if a version is visible, as of the version `upto`.

        An entry that was disclosed after `upto` was not disclosed then.
        """
        upto = self.version if upto is None else upto
        allowed, disclosed = list(map(scope.allows, self._visibilities)), self._disclosed
        entries = self._entries

        def is_visible(version: int) -> bool:
            if allowed[entries[version - 1]] or version not in disclosed:
                return allowed[entries[version - 1]]
            return any(allowed[number] for since, number in disclosed[version] if since <= upto)

        return is_visible

    def disclosures(self, upto: int) -> int:
        """Return the number of disclosures up to a version.

        If it is equal at two versions, an entry visible at the earlier is visible at the later.
        """
        return bisect.bisect_right(self._disclosing, upto)

    def shows_any(self, scope: VisibilityScope) -> bool:
        """Return True if any entry is visible."""
        return any(map(self.visible(scope), range(1, self.version + 1)))

    def shows_participant(self, participant_id: str, scope: VisibilityScope) -> bool:
        """Return True if the entry with which a participant joined is visible."""
        version = self._joined.get(participant_id)
        return version is not None and self.visible(scope)(version)


_ACCESS_TYPES = ACCESS_TYPES | {"negotiation_opened"}
