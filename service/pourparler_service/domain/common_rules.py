"""The common rules: they apply to every entry of every type. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.contract import ENTRY_TYPES, PARTS, EntryType, Reference, references, rule_of
from pourparler.state.corrections import AMENDING_TYPES
from pourparler_service.domain.lifecycles import Lifecycle
from pourparler_service.domain.refusal import quoted, refuse
from pourparler_service.domain.representation import check_authority
from pourparler_service.domain.visibility_levels import is_wider, restricted, visibility_text

History = Callable[[], Sequence[pb.Entry]]
"""Returns the entries of the record so far. Only the rules for amendments call it."""


class RuleContext(NamedTuple):
    """One candidate entry and the state that it follows."""

    state: pb.Negotiation
    type: EntryType
    facts: pb.Facts
    event: Any
    """The message of its entry type."""
    words: pb.Words
    record_time: Timestamp
    original_visibility: pb.Visibility
    redacted: bool
    history: History

    @property
    def entry(self) -> pb.Entry:
        """The candidate as an entry, with the next version."""
        version = self.state.version + 1
        header = pb.EntryHeader(version=version, record_time=self.record_time)
        return pb.Entry(header=header, facts=self.facts, words=self.words)

    def part(self, kind: int, key: str) -> Any:
        """Return a part of the state; None if it does not exist."""
        # Indexing a map of messages would create the missing one.
        return getattr(self.state, PARTS[kind]).get(key)

    def refuse(self, reason: int, text: str, field: str = "", **metadata: str) -> NoReturn:
        """Raise RefusalError for a field of the event."""
        path = f"facts.{self.type.name}"
        refuse(reason, text, f"{path}.{field}" if field else path, **metadata)

    def check_transition(
        self, life: Lifecycle, was: int, becomes: int, field: str = "status"
    ) -> None:
        """Raise RefusalError if the lifecycle does not allow a transition."""
        error = life.transition_error(was, becomes)
        if error:
            statuses = {"status": life.name(was), "wanted": life.name(becomes)}
            self.refuse(life.reason, error, field, **statuses)
        if life.goes_back(was, becomes):
            then = f"that is {life.name(was)} and becomes {life.name(becomes)}"
            self.require_reason(f"{life.title[:1].lower()}{life.title[1:]} {then} needs one")

    def require_reason(self, why: str) -> None:
        """Raise RefusalError if `words.reason` is missing; `why` says why it is required."""
        if not self.redacted and not self.words.reason.strip():
            text = f"reason is missing: {why}."
            refuse(pb.ERROR_REASON_FIELD_REQUIRED, text, "words.reason")


def check_all(context: RuleContext) -> None:
    """Raise RefusalError if a rule for all entry types refuses the entry."""
    _check_phase(context)
    check_basis(context, act=context.type.rule.act)
    if context.facts.HasField("occurred"):
        check_occurred(context, context.facts.occurred, "facts.occurred")
    reused = _check_introduced(context)
    references_ = _references(context)
    named = [_check_reference(context, one) for one in references_]
    if context.type.name not in AMENDING_TYPES:
        check_authority(context.state, references_)
    _check_visibility(context, [*named, *reused])
    _check_caucus_entry(context)


class _ReferencedPart(NamedTuple):
    """A part that an entry refers to, and the path of the reference."""

    path: str
    id: str
    part: Any


# A replacement is checked at the place of its target, where it will be in force.
_REPLACEMENT = "entry_corrected.replacement."


def _references(context: RuleContext) -> list[Reference]:
    named = references(context.facts)
    if context.type.name == "entry_corrected":
        named = [one for one in named if not one.path.startswith(_REPLACEMENT)]
    if context.facts.visibility.audience:
        # A default audience was copied from the event, so errors of the event come first.
        named.sort(key=lambda one: one.path.startswith("visibility."))
    return named


def _check_phase(context: RuleContext) -> None:
    """Raise RefusalError if an entry comes before the opening or after the conclusion."""
    status, opening = context.state.status, context.type.name == "negotiation_opened"
    if not status and not opening:
        text = "The negotiation is not opened. Its first entry has to be a NegotiationOpened."
        context.refuse(pb.ERROR_REASON_NOT_OPENED, text)
    if status and opening:
        text = "The negotiation is already opened. It cannot be opened twice."
        context.refuse(pb.ERROR_REASON_NEGOTIATION_ALREADY_OPENED, text)
    if status == pb.NEGOTIATION_STATUS_CONCLUDED and not _may_follow(context):
        text = f"The negotiation has ended. Resume it before you record a {context.type.title}."
        context.refuse(pb.ERROR_REASON_NEGOTIATION_CONCLUDED, text)


def _may_follow(context: RuleContext) -> bool:
    """Return True if an entry may follow the end of the talks."""
    if context.type.rule.follow_up:
        return True
    answers = context.type.name == "proposal_answered"
    return answers and context.event.proposal_id in context.state.open_proposal_ids


_HEARSAY = frozenset({pb.BASIS_UNATTRIBUTED, pb.BASIS_ANALYSIS})


def check_basis(context: RuleContext, *, act: bool) -> None:
    """Raise RefusalError if an act of a party has a basis that names no one."""
    basis = context.facts.provenance.basis
    if act and basis in _HEARSAY:
        name = pb.Basis.Name(basis).removeprefix("BASIS_")
        text = f"An act of a party cannot have the basis {name}. Only a statement can."
        refuse(pb.ERROR_REASON_BASIS_NOT_ALLOWED, text, "facts.provenance.basis", basis=name)


_FURTHEST_AHEAD = 14 * 3_600  # seconds, at UTC+14


def check_occurred(context: RuleContext, date: pb.FuzzyDate, path: str) -> None:
    """Raise RefusalError if an entry happened after its time of recording. A milestone may."""
    if context.type.name == "milestone_planned":
        return
    earliest = edtf.earliest_instant(edtf.Bounds(date.earliest, date.latest))
    now = context.record_time
    # A day has no time zone: it begins first where the clocks are furthest ahead.
    ahead = 0 if "T" in date.earliest else _FURTHEST_AHEAD
    if earliest is not None and earliest > (now.seconds + ahead, now.nanos):
        recorded = edtf.instant_bounds(now.seconds, now.nanos).earliest
        text = f"The date {date.earliest} is in the future. The time of recording is {recorded}."
        refuse(pb.ERROR_REASON_OCCURRED_IN_FUTURE, text, path)


class _Introduction(NamedTuple):
    """The field with the id of a new part, its kind, and whether an id may be used again."""

    field: str
    kind: int
    again: bool


_INTRODUCTIONS = {
    name: _Introduction(one.introduces.name, rule.introduces, rule.again)
    for name, one in ENTRY_TYPES.items()
    if one.introduces is not None
    for rule in [rule_of(one.introduces)]
}


def _check_introduced(context: RuleContext) -> list[_ReferencedPart]:
    """Raise RefusalError if a new id is in use; return its part if the type may reuse it."""
    introduction = _INTRODUCTIONS.get(context.type.name)
    if introduction is None:
        return []
    key = getattr(context.event, introduction.field)
    part = context.part(introduction.kind, key)
    if part is None:
        amendments, place = context.state.amendments, f"{PARTS[introduction.kind]}/{key}"
        if amendments and any(one.annulled_part == place for one in amendments.values()):
            text = f"The id {quoted(key)} is used by an annulled {_kind(introduction.kind)}."
            context.refuse(pb.ERROR_REASON_ID_ALREADY_USED, text, introduction.field, id=key)
        return []
    if not introduction.again:
        text = f"The id {quoted(key)} already names a {_kind(introduction.kind)}."
        context.refuse(pb.ERROR_REASON_ID_ALREADY_USED, text, introduction.field, id=key)
    return [_ReferencedPart(f"{context.type.name}.{introduction.field}", key, part)]


def _kind(kind: int) -> str:
    return pb.PartKind.Name(pb.PartKind.ValueType(kind)).removeprefix("PART_KIND_").lower()


def _check_reference(context: RuleContext, named: Reference) -> _ReferencedPart:
    """Raise RefusalError if a part does not exist, or if its role does not allow the act."""
    part = context.part(named.kind, named.id)
    if part is None:
        text = f"There is no {_kind(named.kind)} {quoted(named.id)} in this negotiation."
        if named.path.endswith("].of"):
            text += " Name a thing that is no participant in of_thing."
        refuse(pb.ERROR_REASON_PART_NOT_FOUND, text, f"facts.{named.path}", id=named.id)
    if named.acting:
        check_acting(part, named.acting, f"facts.{named.path}")
    return _ReferencedPart(named.path, named.id, part)


_CANNOT_ACT: Mapping[int, frozenset[int]] = {
    pb.ACTING_SPEAKER: frozenset({pb.PARTICIPANT_ROLE_SUBJECT}),
    pb.ACTING_PARTY: frozenset({pb.PARTICIPANT_ROLE_SUBJECT, pb.PARTICIPANT_ROLE_OBSERVER}),
}


def check_acting(who: pb.Participant, acting: int, path: str) -> None:
    """Raise RefusalError if the role or status of a participant does not allow the act."""
    if who.facts.role in _CANNOT_ACT[acting]:
        role = pb.ParticipantRole.Name(who.facts.role).removeprefix("PARTICIPANT_ROLE_")
        text = (
            f"{quoted(who.facts.participant_id)} has the role {role}, which cannot act in this way."
            " Name another participant."
        )
        refuse(pb.ERROR_REASON_ACTING_NOT_ALLOWED, text, path)
    if acting == pb.ACTING_PARTY:
        check_active(who, path)


def check_active(who: pb.Participant, path: str) -> None:
    """Raise RefusalError if a participant has left."""
    if who.status != pb.PARTICIPANT_STATUS_ACTIVE:
        text = (
            f"{quoted(who.facts.participant_id)} has left the negotiation. Record first that it"
            " joined again."
        )
        refuse(pb.ERROR_REASON_PARTICIPANT_NOT_ACTIVE, text, path)


def _check_visibility(context: RuleContext, named: Iterable[_ReferencedPart]) -> None:
    """Raise RefusalError if an entry is more widely visible than a part that it refers to."""
    visibility = context.facts.visibility
    for path, key, part in named:
        if not is_wider(visibility, part.origin.visibility):
            continue
        if ".audience[" not in path:  # an audience is no reference
            text = (
                f"The entry would be {visibility_text(visibility)}, but {quoted(key)} is not as"
                f" widely visible. Narrow the visibility, or disclose {quoted(key)} first."
            )
            where = f"facts.{path}"
            refuse(pb.ERROR_REASON_VISIBILITY_TOO_WIDE, text, "facts.visibility", refers_to=where)


def session_of(facts: pb.Facts) -> str:
    """Return the id of the session of an entry, or of the session that it closes; or empty."""
    if facts.session_id or not facts.HasField("session_closed"):
        return facts.session_id
    return facts.session_closed.closed_session_id


def _check_caucus_entry(context: RuleContext) -> None:
    """Raise RefusalError if an entry of a caucus is visible outside the caucus."""
    key = session_of(context.facts)
    session = context.part(pb.PART_KIND_SESSION, key) if key else None
    if session is not None and session.facts.kind == pb.SESSION_KIND_CAUCUS:
        check_caucus(context.original_visibility, session.facts, "facts.visibility")


def check_caucus(visibility: pb.Visibility, caucus: pb.SessionOpened, path: str) -> None:
    """Raise RefusalError if a visibility is wider than the attendees of a caucus."""
    if is_wider(visibility, restricted(caucus.attendees)):
        text = (
            f"The entry would be {visibility_text(visibility)}, but a caucus is RESTRICTED to its"
            " attendees. Narrow the visibility."
        )
        refuse(pb.ERROR_REASON_CAUCUS_TOO_WIDE, text, path)
