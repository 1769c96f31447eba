"""The fold: compute the state of a negotiation from its entries.

Pure: no I/O, no clock. The fold applies entries; it does not check the rules of the record.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.schema.contract import PARTS, entry_type, rule_of
from pourparler.schema.entry_format import FIRST_FORMAT, LATEST_FORMAT
from pourparler.state import agreement_life, proposal_life, time_anomalies
from pourparler.state.corrections import EffectiveEntry, effective_entries
from pourparler.state.fold_context import FoldContext
from pourparler.state.summary import count_parts
from pourparler.state.undo import UndoLog

ACCESS_TYPES = frozenset({"access_granted", "access_revoked"})
"""The entry types that grant and revoke access."""

_CORROBORATING_ACTS = frozenset({pb.STATEMENT_ACT_CONFIRM, pb.STATEMENT_ACT_DENY})


class UnknownEntryError(ValueError):
    """An entry has a type or format that this version does not support: no correct state exists."""


def fold(entries: Iterable[pb.Entry]) -> pb.Negotiation:
    """Return the state after the entries of one negotiation, given in the order of versions.

    Raises UnknownEntryError if this version does not support the type or format of an entry.
    """
    return fold_effective(effective_entries(entries))


def fold_effective(entries: Iterable[EffectiveEntry]) -> pb.Negotiation:
    """Return the state after effective entries; a caller may leave some of them out."""
    builder = StateBuilder()
    for entry, amended_by in entries:
        builder.apply(entry, amended_by)
    return builder.state()


class StateBuilder:
    """A fold that takes entries one by one and gives the state at the end.

    The state equals that of `evolve`. Its head is set only when the state is read.
    """

    __slots__ = ("_last", "_state")

    def __init__(self) -> None:
        """Start with no entries."""
        self._state = pb.Negotiation()
        self._last: pb.Entry | None = None

    def apply(self, entry: pb.Entry, amended_by: tuple[int, ...] = ()) -> str | None:
        """Apply one entry. Return the name of its type, or None if its facts are withheld."""
        kind = _apply(self._state, entry, None, amended_by)
        self._last = entry
        return kind

    def state(self) -> pb.Negotiation:
        """Return the state after the entries so far. The caller must not change it."""
        if self._last is not None:
            _set_version(self._state, self._last)
        count_parts(self._state)
        return self._state


def evolve(
    state: pb.Negotiation,
    entry: pb.Entry,
    *,
    undo: UndoLog | None = None,
    amended_by: tuple[int, ...] = (),
) -> None:
    """Apply one entry to a state, in place.

    An amending entry is only noted under `amendments`. To apply it to its target, fold the
    `effective_entries` again. An entry whose facts are withheld only advances the version. A
    change to a part that the state does not have is ignored: its entry may have been left out.

    Raises UnknownEntryError if this version does not support the type or format of the entry.
    """
    _apply(state, entry, undo, amended_by)
    _set_version(state, entry)


def _set_version(state: pb.Negotiation, entry: pb.Entry) -> None:
    """Set the name, version and update time of a state from an entry."""
    header = entry.header
    state.name = f"negotiations/{header.negotiation}"
    state.version = header.version
    state.update_time.CopyFrom(header.record_time)


def _apply(
    state: pb.Negotiation, entry: pb.Entry, undo: UndoLog | None, amended_by: tuple[int, ...]
) -> str | None:
    facts = entry.facts
    if entry.header.format > FIRST_FORMAT:
        _set_format(state, entry.header, undo)
    kind = facts.WhichOneof("event")
    if kind is not None:
        context = FoldContext(state, entry, facts, amended_by, undo)
        _HANDLERS_BY_TYPE[kind](context, getattr(facts, kind))
        time_anomalies.note(context, kind)
    elif entry.HasField("facts"):
        raise UnknownEntryError(
            f"version {entry.header.version} has an entry type that this version of pourparler"
            " does not support: upgrade pourparler"
        )
    return kind


def _set_format(state: pb.Negotiation, header: pb.EntryHeader, undo: UndoLog | None) -> None:
    """Raise the format of a state to that of an entry, if this version supports it."""
    if header.format > LATEST_FORMAT:
        raise UnknownEntryError(
            f"version {header.version} has format {header.format}, and this version of pourparler"
            f" supports formats up to {LATEST_FORMAT}: upgrade pourparler"
        )
    if header.format > state.format:
        if undo is not None:
            undo.save_head()
        state.format = header.format


def _negotiation_opened(context: FoldContext, event: pb.NegotiationOpened) -> None:
    state = context.state
    if context.undo is not None:
        context.undo.save_head()
    state.facts.CopyFrom(event)
    context.set_words(state)
    context.set_origin(state.origin)
    _set_negotiation_status(context, pb.NEGOTIATION_STATUS_OPEN)
    if context.facts.recorded_by:
        opener = pb.AccessGranted(
            principal=context.facts.recorded_by, role=pb.ACCESS_ROLE_CUSTODIAN
        )
        _grant(context, opener)


def _set_negotiation_status(context: FoldContext, status: int) -> None:
    """Set the status of the negotiation itself."""
    state = context.state
    if context.undo is not None:
        context.undo.save_head()
    context.set_status(state, status)
    context.add_to_blame(state.blame)
    state.ClearField("outcome")
    state.ClearField("agreement_ids")
    state.ClearField("open_proposal_ids")
    state.ClearField("expected_resume")


def _negotiation_suspended(context: FoldContext, event: pb.NegotiationSuspended) -> None:
    _set_negotiation_status(context, pb.NEGOTIATION_STATUS_SUSPENDED)
    if event.HasField("expected_resume"):
        context.state.expected_resume.CopyFrom(event.expected_resume)


def _negotiation_resumed(context: FoldContext, event: pb.NegotiationResumed) -> None:
    del event  # All that it says is in its words.
    _set_negotiation_status(context, pb.NEGOTIATION_STATUS_OPEN)


def _negotiation_concluded(context: FoldContext, event: pb.NegotiationConcluded) -> None:
    _set_negotiation_status(context, pb.NEGOTIATION_STATUS_CONCLUDED)
    context.state.outcome = event.outcome
    context.state.agreement_ids.extend(event.agreement_ids)
    context.state.open_proposal_ids.extend(event.open_proposal_ids)


def _participant_joined(context: FoldContext, event: pb.ParticipantJoined) -> None:
    part = context.add_part(context.state.participants, event.participant_id, event)
    context.set_status(part, pb.PARTICIPANT_STATUS_ACTIVE)
    part.ClearField("leaving_reason")


def _participant_changed(context: FoldContext, event: pb.ParticipantChanged) -> None:
    part = context.change_part(context.state.participants, event.participant_id)
    if part is None:
        return
    if event.role:
        part.facts.role = event.role
    given: Message = event
    for name in ("members_complete", "count"):
        if given.HasField(name):
            setattr(part.facts, name, getattr(event, name))
    for name in ("represents", "members", "owned_by"):
        if given.HasField(name):
            part.facts.ClearField(name)
            getattr(part.facts, name).extend(getattr(event, name).participant_ids)
    words = context.words
    for name in ("name", "mandate"):
        if getattr(words, name):
            setattr(part.words, name, getattr(words, name))
    if words.aliases:
        part.words.ClearField("aliases")
        part.words.aliases.extend(words.aliases)


def _participant_left(context: FoldContext, event: pb.ParticipantLeft) -> None:
    part = context.change_part(context.state.participants, event.participant_id)
    if part is not None:
        context.set_status(part, pb.PARTICIPANT_STATUS_LEFT, event.by)
        part.leaving_reason = event.leaving_reason
        proposal_life.depart(context, event.participant_id)


def _session_opened(context: FoldContext, event: pb.SessionOpened) -> None:
    part = context.add_part(context.state.sessions, event.session_id, event)
    context.set_status(part, pb.SESSION_STATUS_OPEN)


def _session_closed(context: FoldContext, event: pb.SessionClosed) -> None:
    part = context.change_part(context.state.sessions, event.closed_session_id)
    if part is not None:
        context.set_status(part, pb.SESSION_STATUS_CLOSED)
        part.summary = context.words.summary


def _topic_added(context: FoldContext, event: pb.TopicAdded) -> None:
    part = context.add_part(context.state.topics, event.topic_id, event)
    context.set_status(part, event.status or pb.TOPIC_STATUS_OPEN)


def _topic_status_changed(context: FoldContext, event: pb.TopicStatusChanged) -> None:
    part = context.change_part(context.state.topics, event.topic_id)
    if part is not None:
        context.set_status(part, event.status)
        part.by_agreement_id = event.by_agreement_id


def _statement_recorded(context: FoldContext, event: pb.StatementRecorded) -> None:
    part = context.add_part(context.state.statements, event.statement_id, event)
    part.status = pb.STATEMENT_STATUS_STANDS
    if event.act in _CORROBORATING_ACTS:
        _corroborate(context, event)


def _corroborate(context: FoldContext, event: pb.StatementRecorded) -> None:
    """Apply a confirmation or denial to its statement.

    It applies if its speaker is one that the statement is attributed to, or a party where the
    statement is attributed to none.
    """
    if not context.confirmed:
        return
    state = context.state
    if event.in_reply_to not in state.statements:
        return
    known = state.statements[event.in_reply_to].facts
    who = set(known.attributed_to) or {
        key
        for key, participant in state.participants.items()
        if participant.facts.role == pb.PARTICIPANT_ROLE_PARTY
    }
    if who.isdisjoint((*event.speakers, *event.on_behalf_of)):
        return
    part = context.change_part(state.statements, event.in_reply_to)
    part.corroborated_by.append(event.statement_id)
    part.corroboration = _corroboration(state, part)


def _corroboration(state: pb.Negotiation, part: pb.Statement) -> pb.Corroboration.ValueType:
    """Return the corroboration that follows from the confirming and denying statements."""
    acts = {state.statements[other].facts.act for other in part.corroborated_by}
    if len(acts) > 1:
        return pb.CORROBORATION_DISPUTED
    if acts:
        confirmed = pb.STATEMENT_ACT_CONFIRM in acts
        return pb.CORROBORATION_CONFIRMED if confirmed else pb.CORROBORATION_DENIED
    return pb.CORROBORATION_UNSPECIFIED


def _statement_retracted(context: FoldContext, event: pb.StatementRetracted) -> None:
    part = context.change_part(context.state.statements, event.statement_id)
    if part is None:
        return
    part.retracted_by.extend(who for who in event.by if who not in part.retracted_by)
    made_by = set(part.facts.speakers or part.facts.attributed_to)
    gone = made_by <= set(part.retracted_by)
    context.set_status(
        part, pb.STATEMENT_STATUS_RETRACTED if gone else pb.STATEMENT_STATUS_STANDS, event.by
    )
    about = context.state.statements.get(part.facts.in_reply_to)
    if gone and about is not None and event.statement_id in about.corroborated_by:
        about = context.change_part(context.state.statements, part.facts.in_reply_to)
        about.corroborated_by.remove(event.statement_id)
        about.corroboration = _corroboration(context.state, about)


def _position_taken(context: FoldContext, event: pb.PositionTaken) -> None:
    part = context.add_part(context.state.positions, event.position_id, event)
    context.set_status(part, pb.POSITION_STATUS_HELD)
    if event.supersedes:
        before = context.change_part(context.state.positions, event.supersedes)
        if before is not None:
            context.set_status(before, pb.POSITION_STATUS_SUPERSEDED, event.holders)
            before.superseded_by = event.position_id


def _position_withdrawn(context: FoldContext, event: pb.PositionWithdrawn) -> None:
    part = context.change_part(context.state.positions, event.position_id)
    if part is not None:
        context.set_status(part, pb.POSITION_STATUS_WITHDRAWN, event.by)


def _question_raised(context: FoldContext, event: pb.QuestionRaised) -> None:
    part = context.add_part(context.state.questions, event.question_id, event)
    context.set_status(part, pb.QUESTION_STATUS_OPEN, event.raised_by)
    if event.reopens:
        before = context.change_part(context.state.questions, event.reopens)
        if before is not None:
            before.reopened_by = event.question_id


_STATUS_OF_RESOLUTION = {
    pb.QUESTION_RESOLUTION_ANSWERED: pb.QUESTION_STATUS_ANSWERED,
    pb.QUESTION_RESOLUTION_MOOT: pb.QUESTION_STATUS_MOOT,
    pb.QUESTION_RESOLUTION_WITHDRAWN: pb.QUESTION_STATUS_WITHDRAWN,
}


def _question_resolved(context: FoldContext, event: pb.QuestionResolved) -> None:
    part = context.change_part(context.state.questions, event.question_id)
    if part is not None:
        context.set_status(part, _STATUS_OF_RESOLUTION[event.resolution])
        part.answer = context.words.answer
        part.statement_ids.extend(event.statement_ids)
        part.agreement_id = event.agreement_id


def _proposal_made(context: FoldContext, event: pb.ProposalMade) -> None:
    proposals = context.state.proposals
    part = context.add_part(proposals, event.proposal_id, event)
    context.set_status(part, pb.PROPOSAL_STATUS_OPEN, event.by)
    if event.supersedes:
        before = context.change_part(proposals, event.supersedes)
        if before is not None:
            superseded = pb.PROPOSAL_STATUS_SUPERSEDED
            proposal_life.set_status(context, before, superseded, event.by)
            before.superseded_by = event.proposal_id
    if event.counters:
        other = context.change_part(proposals, event.counters)
        if other is not None:
            other.countered_by.append(event.proposal_id)


def _proposal_answered(context: FoldContext, event: pb.ProposalAnswered) -> None:
    proposal_life.answer(context, event)


def _proposal_closed(context: FoldContext, event: pb.ProposalClosed) -> None:
    proposal_life.close(context, event)


def _agreement_recorded(context: FoldContext, event: pb.AgreementRecorded) -> None:
    agreement_life.record(context, event)


def _agreement_status_changed(context: FoldContext, event: pb.AgreementStatusChanged) -> None:
    agreement_life.change_status(context, event)


def _commitment_made(context: FoldContext, event: pb.CommitmentMade) -> None:
    part = context.add_part(context.state.commitments, event.commitment_id, event)
    conditional, active = pb.COMMITMENT_STATUS_CONDITIONAL, pb.COMMITMENT_STATUS_ACTIVE
    context.set_status(part, conditional if event.conditional else active, event.debtors)


def _commitment_status_changed(context: FoldContext, event: pb.CommitmentStatusChanged) -> None:
    part = context.change_part(context.state.commitments, event.commitment_id)
    if part is not None:
        context.set_status(part, event.status, event.by)
        part.performed.extend(event.performed)
        part.statement_ids.extend(event.statement_ids)
        part.document_ids.extend(event.document_ids)


def _milestone_planned(context: FoldContext, event: pb.MilestonePlanned) -> None:
    milestones = context.state.milestones
    planned = None
    if event.milestone_id in milestones:
        planned = pb.FuzzyDate()
        planned.CopyFrom(milestones[event.milestone_id].facts.expected)
    part = context.add_part(milestones, event.milestone_id, event)
    context.set_status(part, pb.MILESTONE_STATUS_PLANNED, event.by)
    if planned is not None:
        part.planned_before.append(planned)


_STATUS_OF_OUTCOME = {
    pb.MILESTONE_OUTCOME_REACHED: pb.MILESTONE_STATUS_REACHED,
    pb.MILESTONE_OUTCOME_MISSED: pb.MILESTONE_STATUS_MISSED,
    pb.MILESTONE_OUTCOME_CANCELLED: pb.MILESTONE_STATUS_CANCELLED,
    pb.MILESTONE_OUTCOME_WAIVED: pb.MILESTONE_STATUS_WAIVED,
}


def _milestone_closed(context: FoldContext, event: pb.MilestoneClosed) -> None:
    part = context.change_part(context.state.milestones, event.milestone_id)
    if part is None:
        return
    context.set_status(part, _STATUS_OF_OUTCOME[event.outcome])
    part.statement_ids.extend(event.statement_ids)
    part.document_ids.extend(event.document_ids)
    if event.HasField("actual"):
        part.actual.CopyFrom(event.actual)
        # The bounds begin with their day, in a form whose order is that of the calendar.
        reached, planned = event.actual.earliest[:10], part.facts.expected.latest[:10]
        part.late = bool(reached and planned) and reached > planned


def _document_attached(context: FoldContext, event: pb.DocumentAttached) -> None:
    context.add_part(context.state.documents, event.document_id, event)
    if event.version_of:
        before = context.change_part(context.state.documents, event.version_of)
        if before is not None:
            before.later_versions.append(event.document_id)


def _approval_recorded(context: FoldContext, event: pb.ApprovalRecorded) -> None:
    agreement_life.approve(context, event)


def _amendment(context: FoldContext, target_version: int) -> pb.Amendment:
    amendments = context.state.amendments
    if context.undo is not None:
        context.undo.save(amendments, target_version)
    return amendments[target_version]


def _entry_corrected(context: FoldContext, event: pb.EntryCorrected) -> None:
    amendment = _amendment(context, event.target_version)
    amendment.corrected_by.append(context.versions[0])
    amendment.annulled = event.mode == pb.CORRECTION_MODE_ANNUL
    if amendment.annulled and event.HasField("replacement"):
        amendment.annulled_part = _introduced_part(event.replacement)
    amendment.correction_reason = context.words.correction_reason


def _introduced_part(facts: pb.Facts) -> str:
    """Return the path of the part that an entry introduces, or "" if it introduces none."""
    known = entry_type(facts)
    field = known.introduces if known else None
    if known is None or field is None or rule_of(field).again:
        return ""
    key = getattr(getattr(facts, known.name), field.name)
    return f"{PARTS[rule_of(field).introduces]}/{key}"


def _entry_disclosed(context: FoldContext, event: pb.EntryDisclosed) -> None:
    _amendment(context, event.target_version).disclosed_by.append(context.versions[0])


def _entry_redacted(context: FoldContext, event: pb.EntryRedacted) -> None:
    _amendment(context, event.target_version).redacted_by = context.versions[0]


def _access_granted(context: FoldContext, event: pb.AccessGranted) -> None:
    context.set_words(_grant(context, event))


def _grant(context: FoldContext, event: pb.AccessGranted) -> pb.Grant:
    """Return the grant of this entry. It replaces a grant of the same role and participant."""
    principals = context.state.principals
    if context.undo is not None:
        context.undo.save(principals, event.principal)
    part = principals[event.principal]
    kind = (event.role, event.participant_id)
    same = (one for one in part.grants if (one.facts.role, one.facts.participant_id) == kind)
    grant = next(same, None) or part.grants.add()
    grant.facts.CopyFrom(event)
    context.set_origin(grant.origin)
    context.add_to_blame(part.blame)
    return grant


def _access_revoked(context: FoldContext, event: pb.AccessRevoked) -> None:
    part = context.change_part(context.state.principals, event.principal)
    if part is not None:
        left = [one for one in part.grants if not revokes(event, one)]
        part.ClearField("grants")
        part.grants.extend(left)


def revokes(event: pb.AccessRevoked, grant: pb.Grant) -> bool:
    """Return True if a revocation covers this grant to the same principal."""
    known = grant.facts
    return event.role in {0, known.role} and event.participant_id in {"", known.participant_id}


_HANDLERS_BY_TYPE: Mapping[str, Callable[[FoldContext, Any], None]] = {
    "negotiation_opened": _negotiation_opened,
    "negotiation_suspended": _negotiation_suspended,
    "negotiation_resumed": _negotiation_resumed,
    "negotiation_concluded": _negotiation_concluded,
    "participant_joined": _participant_joined,
    "participant_changed": _participant_changed,
    "participant_left": _participant_left,
    "session_opened": _session_opened,
    "session_closed": _session_closed,
    "topic_added": _topic_added,
    "topic_status_changed": _topic_status_changed,
    "statement_recorded": _statement_recorded,
    "statement_retracted": _statement_retracted,
    "position_taken": _position_taken,
    "position_withdrawn": _position_withdrawn,
    "question_raised": _question_raised,
    "question_resolved": _question_resolved,
    "proposal_made": _proposal_made,
    "proposal_answered": _proposal_answered,
    "proposal_closed": _proposal_closed,
    "agreement_recorded": _agreement_recorded,
    "agreement_status_changed": _agreement_status_changed,
    "commitment_made": _commitment_made,
    "commitment_status_changed": _commitment_status_changed,
    "milestone_planned": _milestone_planned,
    "milestone_closed": _milestone_closed,
    "document_attached": _document_attached,
    "entry_corrected": _entry_corrected,
    "entry_disclosed": _entry_disclosed,
    "entry_redacted": _entry_redacted,
    "access_granted": _access_granted,
    "access_revoked": _access_revoked,
    "approval_recorded": _approval_recorded,
}
