"""Who sees what of a negotiation, and who may record what: the one place. Pure: no I/O, no clock.

What somebody may see follows from the access that they have now, whatever point of the record they
read: access that was granted opens what came before, and access that was revoked closes it.
"""

import bisect
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple, NoReturn

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.contract import references
from pourparler.fold import ACCESS, Undo, evolve, fold, is_amending
from pourparler.wire import first
from pourparler_service.access import ANONYMOUS
from pourparler_service.refusal import Refusal, Violation, quoted, refuse

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


class Sight(NamedTuple):
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

    def within(self, other: "Sight") -> "Sight":
        """What is seen by both."""
        if self.whole or other.whole:
            return other if self.whole else self
        level = min(self.level, other.level)
        return Sight(level=level, named=self.named | other.named if level == _TOGETHER else _NONE)


_NONE: frozenset[frozenset[str]] = frozenset()
_TOGETHER = pb.VISIBILITY_LEVEL_PARTIES

EVERYTHING = Sight(whole=True)
NOTHING = Sight()
PUBLIC = Sight(level=pb.VISIBILITY_LEVEL_PUBLIC)


def of_participants(participants: Iterable[str]) -> Sight:
    """What those see who take part, as these participants."""
    return Sight(level=_TOGETHER, named=frozenset({frozenset(participants)}))


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
    def sight(self) -> Sight:
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


def sight_of(roles: Roles, principal: str, policy: Policy) -> Sight:
    """What a principal of these roles sees. NOTHING: not even that there is a negotiation."""
    if policy.audits(principal):
        return EVERYTHING
    sight = roles.sight
    if sight == NOTHING and policy.lets(principal, policy.public):
        return PUBLIC
    return sight


def seen_by(participant_id: str, roles: Roles, sight: Sight) -> Sight:
    """What somebody of these roles and this sight sees as a participant would. Raises Refusal."""
    if not (sight.whole or roles.mediator):
        refuse(
            pb.ERROR_REASON_ROLE_NOT_SUFFICIENT,
            "Only who sees everything, or mediates, may ask for what another one sees.",
            "viewer_participant_id",
        )
    return sight.within(of_participants([participant_id]))


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

    def seen(self, sight: Sight, upto: int | None = None) -> Callable[[int], bool]:
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

    def shows(self, sight: Sight) -> bool:
        """Whether anything is seen."""
        return any(map(self.seen(sight), range(1, self.version + 1)))

    def knows(self, participant_id: str, sight: Sight) -> bool:
        """Whether it is seen that this participant joined."""
        version = self._joined.get(participant_id)
        return version is not None and self.seen(sight)(version)


_TELLING = ACCESS | {"negotiation_opened"}


class CutMark(NamedTuple):
    """What a state as one sight has it was before some entries, so that it can go back."""

    state: pb.Negotiation
    undo: Undo
    audience: AudienceMark
    taken: int


class CutState:
    """The state as one sight has it, brought up to date with entries as they come.

    Belongs to one thread.
    """

    def __init__(self, sight: Sight) -> None:
        """Of a negotiation before its first entry."""
        self.state = pb.Negotiation()
        self._sight = sight
        self._audience = Audience()
        self._taken = 0  # how many bytes of entries
        self._wasted = 0  # by entries that were taken out again

    @property
    def version(self) -> int:
        """The version that it is at."""
        return self._audience.version

    def mark(self) -> CutMark:
        """Remember the state: `take` has to be given its undo from now on."""
        return CutMark(self.state, Undo(self.state), self._audience.mark(), self._taken)

    def back_to(self, mark: CutMark) -> bool:
        """Take out the entries since; whether that can be done. If not, it is of no use any more.

        What is refused costs those who wait behind it no more than what is accepted.
        """
        mark.undo.undo()
        self.state = mark.state
        # A message gives no memory back before it goes as a whole.
        self._wasted += self._taken - mark.taken
        self._taken = mark.taken
        if self._wasted > self._taken:
            self.state = pb.Negotiation()
            self.state.CopyFrom(mark.state)
            self._wasted = 0
        return self._audience.back_to(mark.audience)

    def take(
        self,
        entries: Iterable[pb.Entry],
        history: Callable[[], Iterable[pb.Entry]],
        undo: Undo | None = None,
    ) -> None:
        """Take in the next entries, whole; `history` gives all, those among them."""
        entries = list(entries)
        for entry in entries:
            self._audience.take(entry.header, entry.facts)
        seen = self._audience.seen(self._sight)
        # What speaks of earlier entries changes how they count, or that they are seen at all.
        anew = any(map(is_amending, entries))
        cut = [
            one if seen(one.header.version) else withheld(one)
            for one in (history() if anew else entries)
        ]
        self._taken += sum(one.ByteSize() for one in cut[-len(entries) :])
        if anew:
            self.state = fold(cut)
            return
        for entry in cut:
            evolve(self.state, entry, undo=undo)

    def seen(self, entries: Iterable[pb.Entry]) -> list[pb.Entry]:
        """Those of these entries that are seen."""
        seen = self._audience.seen(self._sight)
        return [one for one in entries if seen(one.header.version)]


def withheld(entry: pb.Entry) -> pb.Entry:
    """An entry of which nothing is shown but its header."""
    return pb.Entry(header=entry.header)


def header_alone(data: bytes) -> bytes:
    """The bytes of a Record of which nothing is shown but its header, which still verifies."""
    return first(data, pb.Record.HEADER_FIELD_NUMBER)


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


def check_sees_own(sight: Sight, facts: pb.Facts) -> None:
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
