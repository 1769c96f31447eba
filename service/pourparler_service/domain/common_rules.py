"""The ground rules: what is asked of every entry, whatever its type. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.contract import ENTRY_TYPES, PARTS, EntryType, Reference, references, rule_of
from pourparler_service.domain.lifecycles import Lifecycle
from pourparler_service.domain.refusal import quoted, refuse
from pourparler_service.domain.visibility_levels import is_wider, restricted, shown

History = Callable[[], Sequence[pb.Entry]]
"""Gives the entries of the record so far. Asked for only where an entry speaks of another one."""


class RuleContext(NamedTuple):
    """A look at one entry to be, after a state."""

    state: pb.Negotiation
    type: EntryType
    facts: pb.Facts
    event: Any
    """What the entry says."""
    words: pb.Words
    record_time: Timestamp
    confided: pb.Visibility
    redacted: bool
    history: History

    @property
    def entry(self) -> pb.Entry:
        """The entry that it would be."""
        version = self.state.version + 1
        header = pb.EntryHeader(version=version, record_time=self.record_time)
        return pb.Entry(header=header, facts=self.facts, words=self.words)

    def part(self, kind: int, key: str) -> Any:
        """A part of the state, None if there is none."""
        # To index a map of messages would make one.
        return getattr(self.state, PARTS[kind]).get(key)

    def refuse(self, reason: int, text: str, field: str = "", **metadata: str) -> NoReturn:
        """Refuse for a field of the event."""
        path = f"facts.{self.type.name}"
        refuse(reason, text, f"{path}.{field}" if field else path, **metadata)

    def step(self, life: Lifecycle, was: int, becomes: int, field: str = "status") -> None:
        """Refuse a status that does not follow on the one before."""
        objection = life.objection(was, becomes)
        if objection:
            statuses = {"status": life.name(was), "wanted": life.name(becomes)}
            self.refuse(life.reason, objection, field, **statuses)

    def explain(self, why: str) -> None:
        """Refuse where no reason is given."""
        if not self.redacted and not self.words.reason.strip():
            text = f"reason is missing: {why}."
            refuse(pb.ERROR_REASON_FIELD_REQUIRED, text, "words.reason")


def check_all(look: RuleContext) -> None:
    """Refuse what no entry of any type can be after this state."""
    _check_course(look)
    check_basis(look, act=look.type.rule.act)
    if look.facts.HasField("occurred"):
        check_occurred(look, look.facts.occurred, "facts.occurred")
    brought = _check_new(look)
    named = [_known(look, one) for one in _named(look)]
    _check_visibility(look, [*named, *brought])
    _check_confided(look)


class _Named(NamedTuple):
    """A part that an entry refers to, and by which field."""

    path: str
    id: str
    part: Any


# What stands in a replacement is judged at the place of its target, where it will count.
_REPLACEMENT = "entry_corrected.replacement."


def _named(look: RuleContext) -> list[Reference]:
    named = references(look.facts)
    if look.type.name == "entry_corrected":
        named = [one for one in named if not one.path.startswith(_REPLACEMENT)]
    if look.facts.visibility.audience:
        # What the caller left out was filled in from the event: what is wrong is named there first.
        named.sort(key=lambda one: one.path.startswith("visibility."))
    return named


def _check_course(look: RuleContext) -> None:
    """Refuse what cannot come now: before the opening, or after the end."""
    status, opening = look.state.status, look.type.name == "negotiation_opened"
    if not status and not opening:
        text = "The negotiation is not opened: its first entry is a NegotiationOpened."
        look.refuse(pb.ERROR_REASON_NOT_OPENED, text)
    if status and opening:
        look.refuse(
            pb.ERROR_REASON_NEGOTIATION_ALREADY_OPENED, "The negotiation has been opened before."
        )
    if status == pb.NEGOTIATION_STATUS_CONCLUDED and not look.type.rule.follow_up:
        text = f"The negotiation has ended: no {look.type.title} can follow until it is resumed."
        look.refuse(pb.ERROR_REASON_NEGOTIATION_CONCLUDED, text)


_HEARSAY = frozenset({pb.BASIS_UNATTRIBUTED, pb.BASIS_ANALYSIS})


def check_basis(look: RuleContext, *, act: bool) -> None:
    """Refuse the act of a party that the record has from nobody who is named."""
    basis = look.facts.provenance.basis
    if act and basis in _HEARSAY:
        name = pb.Basis.Name(basis).removeprefix("BASIS_")
        text = f"What is {name} is no act of a party: record it as a statement."
        refuse(pb.ERROR_REASON_BASIS_NOT_ALLOWED, text, "facts.provenance.basis", basis=name)


_FURTHEST_AHEAD = 14 * 3_600  # seconds, at UTC+14


def check_occurred(look: RuleContext, date: pb.FuzzyDate, path: str) -> None:
    """Refuse what would have happened only after it is recorded. A plan may be for later."""
    if look.type.name == "milestone_planned":
        return
    earliest = edtf.earliest_instant(edtf.Bounds(date.earliest, date.latest))
    now = look.record_time
    # A day is nobody's in particular: it begins first where the clocks are furthest ahead.
    ahead = 0 if "T" in date.earliest else _FURTHEST_AHEAD
    if earliest is not None and earliest > (now.seconds + ahead, now.nanos):
        recorded = edtf.instant_bounds(now.seconds, now.nanos).earliest
        text = f"It cannot have happened on {date.earliest}: it is recorded before, on {recorded}."
        refuse(pb.ERROR_REASON_OCCURRED_IN_FUTURE, text, path)


class _Bringing(NamedTuple):
    """The field in which the entries of a type bring a part, the kind of it, and whether anew."""

    field: str
    kind: int
    again: bool


_BRINGING = {
    name: _Bringing(one.introduces.name, rule.introduces, rule.again)
    for name, one in ENTRY_TYPES.items()
    if one.introduces is not None
    for rule in [rule_of(one.introduces)]
}


def _check_new(look: RuleContext) -> list[_Named]:
    """Refuse an id that was used before; if it may come again, give what it stands for so far."""
    brings = _BRINGING.get(look.type.name)
    if brings is None:
        return []
    key = getattr(look.event, brings.field)
    part = look.part(brings.kind, key)
    if part is None:
        amendments, place = look.state.amendments, f"{PARTS[brings.kind]}/{key}"
        if amendments and any(one.annulled_part == place for one in amendments.values()):
            text = f"The id {quoted(key)} named a {_kind(brings.kind)} that was annulled."
            look.refuse(pb.ERROR_REASON_ID_ALREADY_USED, text, brings.field, id=key)
        return []
    if not brings.again:
        text = f"The id {quoted(key)} names a {_kind(brings.kind)} already."
        look.refuse(pb.ERROR_REASON_ID_ALREADY_USED, text, brings.field, id=key)
    return [_Named(f"{look.type.name}.{brings.field}", key, part)]


def _kind(kind: int) -> str:
    return pb.PartKind.Name(pb.PartKind.ValueType(kind)).removeprefix("PART_KIND_").lower()


def _known(look: RuleContext, named: Reference) -> _Named:
    """Refuse an id that is not on the record, and a participant without the standing to act so."""
    part = look.part(named.kind, named.id)
    if part is None:
        text = f"There is no {_kind(named.kind)} {quoted(named.id)} in this negotiation."
        refuse(pb.ERROR_REASON_PART_NOT_FOUND, text, f"facts.{named.path}", id=named.id)
    if named.acting:
        check_acting(part, named.acting, f"facts.{named.path}")
    return _Named(named.path, named.id, part)


_SILENT: Mapping[int, frozenset[int]] = {
    pb.ACTING_SPEAKER: frozenset({pb.PARTICIPANT_ROLE_SUBJECT}),
    pb.ACTING_PARTY: frozenset({pb.PARTICIPANT_ROLE_SUBJECT, pb.PARTICIPANT_ROLE_OBSERVER}),
}


def check_acting(who: pb.Participant, acting: int, path: str) -> None:
    """Refuse a participant without the standing to act so."""
    if who.facts.role in _SILENT[acting]:
        role = pb.ParticipantRole.Name(who.facts.role).removeprefix("PARTICIPANT_ROLE_")
        text = f"{quoted(who.facts.participant_id)} is {role} here, and cannot act in this way."
        refuse(pb.ERROR_REASON_ACTING_NOT_ALLOWED, text, path)
    if acting == pb.ACTING_PARTY:
        check_active(who, path)


def check_active(who: pb.Participant, path: str) -> None:
    """Refuse a participant who has left."""
    if who.status != pb.PARTICIPANT_STATUS_ACTIVE:
        text = f"{quoted(who.facts.participant_id)} has left, and takes no part any more."
        refuse(pb.ERROR_REASON_PARTICIPANT_NOT_ACTIVE, text, path)


def _check_visibility(look: RuleContext, named: Iterable[_Named]) -> None:
    """Refuse an entry that more people would see than what it refers to."""
    visibility = look.facts.visibility
    for path, key, part in named:
        if not is_wider(visibility, part.origin.visibility):
            continue
        if ".audience[" not in path:  # To be let in is not to be spoken of.
            text = f"It would be {shown(visibility)}, while {quoted(key)} is not seen so widely."
            where = f"facts.{path}"
            refuse(pb.ERROR_REASON_VISIBILITY_TOO_WIDE, text, "facts.visibility", refers_to=where)


def session_of(facts: pb.Facts) -> str:
    """The id of the session in which it was said, or that it closes; empty if there is none."""
    if facts.session_id or not facts.HasField("session_closed"):
        return facts.session_id
    return facts.session_closed.closed_session_id


def _check_confided(look: RuleContext) -> None:
    """Refuse what would take out of a caucus what is said there."""
    key = session_of(look.facts)
    session = look.part(pb.PART_KIND_SESSION, key) if key else None
    if session is not None and session.facts.kind == pb.SESSION_KIND_CAUCUS:
        check_caucus(look.confided, session.facts, "facts.visibility")


def check_caucus(visibility: pb.Visibility, caucus: pb.SessionOpened, path: str) -> None:
    """Refuse what more people would see than attend the caucus it comes from."""
    if is_wider(visibility, restricted(caucus.attendees)):
        text = f"It would be {shown(visibility)}: a caucus is RESTRICTED to those who attend it."
        refuse(pb.ERROR_REASON_CAUCUS_TOO_WIDE, text, path)
