"""The audience of each entry of a negotiation, as its entries say. Pure."""

import bisect
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.state.fold import ACCESS, evolve
from pourparler_service.authorization.roles import VisibilityScope


class AudienceMark(NamedTuple):
    """What was known of who may see a negotiation before some entries."""

    version: int
    kinds: int
    disclosing: int
    accesses: int


class Audience:
    """Who may see each entry of a negotiation, and who has access to it: as its entries say.

    It holds no words. Entries come in their order.
    """

    def __init__(self) -> None:
        """Of a negotiation before its first entry."""
        self.version = 0
        self._disclosing: list[int] = []  # the versions that disclose others
        self._kinds: dict[bytes, int] = {}
        self._visibilities: list[pb.Visibility] = []
        self._of: list[int] = []  # the number of each entry's visibility among these
        self._disclosed: dict[int, list[tuple[int, int]]] = {}  # since which version, to whom
        self._corrected: dict[int, list[int]] = {}
        self._joined: dict[str, int] = {}
        self._access = pb.Negotiation()
        self._accesses = 0  # how many entries have changed that

    @property
    def principals(self) -> Mapping[str, pb.Principal]:
        """Who has access now."""
        return self._access.principals

    def take(self, header: pb.EntryHeader, facts: pb.Facts) -> None:
        """Take in the next entry. One without facts is withheld from everybody here."""
        version, kind = header.version, facts.WhichOneof("event")
        self._of.append(self._number(facts.visibility))
        if kind == "entry_corrected":
            self._corrected.setdefault(facts.entry_corrected.target_version, []).append(version)
        elif kind == "entry_disclosed":
            # What is disclosed is the entry as it counts, with the corrections made to it.
            event = facts.entry_disclosed
            self._disclosing.append(version)
            since = version, self._number(event.disclosed_to)
            for one in (event.target_version, *self._corrected.get(event.target_version, ())):
                self._disclosed.setdefault(one, []).append(since)
        elif kind == "participant_joined":
            self._joined.setdefault(facts.participant_joined.participant_id, version)
        elif kind in _TELLING:
            evolve(self._access, pb.Entry(header=header, facts=facts))
            self._accesses += 1
        self.version = version

    def mark(self) -> AudienceMark:
        """Remember what is known."""
        kinds, disclosing = len(self._visibilities), len(self._disclosing)
        return AudienceMark(self.version, kinds, disclosing, self._accesses)

    def back_to(self, mark: AudienceMark) -> bool:
        """Take out the entries since; whether that can be done: not if they changed access."""
        if self._accesses != mark.accesses:
            return False
        version = mark.version
        del self._of[version:], self._disclosing[mark.disclosing :]
        for visibility in self._visibilities[mark.kinds :]:
            del self._kinds[visibility.SerializeToString(deterministic=True)]
        del self._visibilities[mark.kinds :]
        for versions in self._corrected.values():
            versions[:] = [one for one in versions if one <= version]
        for disclosures in self._disclosed.values():
            disclosures[:] = [one for one in disclosures if one[0] <= version]
        self._joined = {who: one for who, one in self._joined.items() if one <= version}
        self.version = version
        return True

    def _number(self, visibility: pb.Visibility) -> int:
        written = visibility.SerializeToString(deterministic=True)
        if written not in self._kinds:
            self._visibilities.append(visibility)
            self._kinds[written] = len(self._kinds)
        return self._kinds[written]

    def seen(self, sight: VisibilityScope, upto: int | None = None) -> Callable[[int], bool]:
        """Whether a version is seen, for each version so far, as the record was up to one of them.

        What was disclosed after that was not disclosed then.
        """
        upto = self.version if upto is None else upto
        kinds, disclosed = list(map(sight.sees, self._visibilities)), self._disclosed
        of = self._of

        def sees(version: int) -> bool:
            if kinds[of[version - 1]] or version not in disclosed:
                return kinds[of[version - 1]]
            return any(kinds[kind] for since, kind in disclosed[version] if since <= upto)

        return sees

    def disclosures(self, upto: int) -> int:
        """How many entries were disclosed by others up to a version.

        Where it is the same at two versions, what was seen at the earlier is seen at the later.
        """
        return bisect.bisect_right(self._disclosing, upto)

    def shows(self, sight: VisibilityScope) -> bool:
        """Whether anything is seen."""
        return any(map(self.seen(sight), range(1, self.version + 1)))

    def knows(self, participant_id: str, sight: VisibilityScope) -> bool:
        """Whether it is seen that this participant joined."""
        version = self._joined.get(participant_id)
        return version is not None and self.seen(sight)(version)


_TELLING = ACCESS | {"negotiation_opened"}
