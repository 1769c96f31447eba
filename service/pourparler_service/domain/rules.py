"""The rules of each entry type, and the defaults of a draft. Pure: no I/O, no clock."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.contract import ENTRY_TYPES
from pourparler.schema.entry_roles import principals
from pourparler.state.agreement_life import ENDED
from pourparler.state.approvals import acts_of, approved_part
from pourparler.state.corrections import AMENDING_TYPES
from pourparler.state.fold import ACCESS_TYPES, revokes
from pourparler_service.domain import lifecycles, representation
from pourparler_service.domain.amendment_rules import (
    RecheckedEntry,
    check_correction,
    check_disclosure,
    check_redaction,
)
from pourparler_service.domain.common_rules import (
    History,
    RuleContext,
    check_acting,
    check_active,
    check_all,
    check_basis,
    check_caucus,
    check_occurred,
    session_of,
)
from pourparler_service.domain.proposal_rules import (
    check_answered,
    check_closed,
    check_made,
    check_offer,
    check_proposers,
)
from pourparler_service.domain.refusal import id_list, quoted, refuse
from pourparler_service.domain.visibility_levels import (
    PARTIES,
    RECORDER_ONLY,
    is_wider,
    restricted,
    visibility_text,
)


def complete(state: pb.Negotiation, draft: pb.Draft) -> None:
    """Set the defaults of a draft: its visibility, its first status, its acceptance rule."""
    facts = draft.facts
    kind = facts.WhichOneof("event")
    _complete_event(facts, kind)
    representation.complete(state, facts)
    if kind == "entry_corrected" and facts.entry_corrected.HasField("replacement"):
        replacement = facts.entry_corrected.replacement
        _complete_event(replacement, replacement.WhichOneof("event"))
        representation.complete(state, replacement)
    if not facts.visibility.level:
        facts.visibility.CopyFrom(_default_visibility(state, facts))


def _complete_event(facts: pb.Facts, kind: str | None) -> None:
    if kind == "negotiation_opened" and not facts.negotiation_opened.acceptance_rule:
        facts.negotiation_opened.acceptance_rule = pb.ACCEPTANCE_RULE_ALL_ADDRESSEES
    elif kind == "topic_added" and not facts.topic_added.status:
        facts.topic_added.status = pb.TOPIC_STATUS_OPEN
    elif kind == "session_opened" and not facts.session_opened.default_visibility.level:
        event = facts.session_opened
        caucus = event.kind == pb.SESSION_KIND_CAUCUS
        default = restricted(event.attendees) if caucus else PARTIES
        event.default_visibility.CopyFrom(default)


def _default_visibility(state: pb.Negotiation, facts: pb.Facts) -> pb.Visibility:
    """Return the default visibility: that of the session, or else PARTIES.

    Entries about access are RECORDER_ONLY, regardless of the session.
    """
    if facts.WhichOneof("event") in ACCESS_TYPES:
        return RECORDER_ONLY
    if facts.HasField("session_opened"):
        return facts.session_opened.default_visibility
    key = session_of(facts)
    session = state.sessions.get(key) if key else None
    return PARTIES if session is None else session.facts.default_visibility


def check(
    state: pb.Negotiation,
    draft: pb.Draft,
    *,
    record_time: Timestamp,
    history: History,
    by_service: bool = False,
) -> None:
    """Raise RefusalError for the first rule that does not allow a complete draft after a state.

    `by_service` allows the entry types that are reserved to the service. Paths begin at the draft.
    """
    facts = draft.facts
    kind = facts.WhichOneof("event") or ""
    if kind == "entry_redacted" and not by_service:
        text = "Only the service records a redaction. Request an erasure instead."
        refuse(pb.ERROR_REASON_RESERVED_TO_SERVICE, text, f"facts.{kind}")
    context = RuleContext(
        state=state,
        type=ENTRY_TYPES[kind],
        facts=facts,
        event=getattr(facts, kind),
        words=draft.words,
        record_time=record_time,
        original_visibility=facts.visibility,
        redacted=False,
        history=history,
    )
    check_all(context)
    _RULES_BY_TYPE[kind](context, context.event)


def _recheck(state: pb.Negotiation, rechecked: RecheckedEntry) -> None:
    """Check an entry of the record again, but not the rules for amendments."""
    entry = rechecked.entry
    kind = entry.facts.WhichOneof("event") or ""
    context = RuleContext(
        state=state,
        type=ENTRY_TYPES[kind],
        facts=entry.facts,
        event=getattr(entry.facts, kind),
        words=entry.words,
        record_time=entry.header.record_time,
        original_visibility=rechecked.original_visibility,
        redacted=rechecked.redacted,
        history=tuple,
    )
    check_all(context)
    if kind not in AMENDING_TYPES:
        _RULES_BY_TYPE[kind](context, context.event)


def _negotiation_opened(context: RuleContext, event: pb.NegotiationOpened) -> None:
    """Do nothing: only the common rules apply to an opening."""


def _negotiation_suspended(context: RuleContext, event: pb.NegotiationSuspended) -> None:
    del event
    _check_open(context)


def _check_open(context: RuleContext) -> None:
    if context.state.status != pb.NEGOTIATION_STATUS_OPEN:
        text = "The negotiation is not open. Resume it first."
        context.refuse(pb.ERROR_REASON_NEGOTIATION_NOT_OPEN, text)


def _negotiation_resumed(context: RuleContext, event: pb.NegotiationResumed) -> None:
    del event
    if context.state.status == pb.NEGOTIATION_STATUS_OPEN:
        text = "The negotiation is already open, so it cannot be resumed."
        context.refuse(pb.ERROR_REASON_NEGOTIATION_NOT_PAUSED, text)


_AGREED = frozenset({pb.OUTCOME_AGREEMENT, pb.OUTCOME_PARTIAL_AGREEMENT})


def _negotiation_concluded(context: RuleContext, event: pb.NegotiationConcluded) -> None:
    agreements = [context.part(pb.PART_KIND_AGREEMENT, one) for one in event.agreement_ids]
    reached = any(
        one.facts.origin == pb.AGREEMENT_ORIGIN_REACHED
        and one.status != pb.AGREEMENT_STATUS_REJECTED
        for one in agreements
    )
    if event.outcome in _AGREED and not reached:
        text = (
            "This outcome requires an agreement that was REACHED and not REJECTED. Name it in"
            " agreement_ids."
        )
        context.refuse(pb.ERROR_REASON_OUTCOME_NEEDS_AGREEMENT, text, "agreement_ids")
    for place, key in enumerate(event.open_proposal_ids):
        check_offer(context, key, f"open_proposal_ids[{place}]")
    if event.outcome == pb.OUTCOME_NO_AGREEMENT and agreements:
        text = "The outcome NO_AGREEMENT cannot name an agreement. Leave agreement_ids empty."
        context.refuse(pb.ERROR_REASON_OUTCOME_HAS_NO_AGREEMENT, text, "agreement_ids")


def _participant_joined(context: RuleContext, event: pb.ParticipantJoined) -> None:
    part = context.part(pb.PART_KIND_PARTICIPANT, event.participant_id)
    if part is not None and part.status == pb.PARTICIPANT_STATUS_ACTIVE:
        text = f"{quoted(event.participant_id)} is already an active participant."
        context.refuse(pb.ERROR_REASON_PARTICIPANT_ALREADY_ACTIVE, text, "participant_id")


def _participant_changed(context: RuleContext, event: pb.ParticipantChanged) -> None:
    part = context.part(pb.PART_KIND_PARTICIPANT, event.participant_id)
    check_active(part, "facts.participant_changed.participant_id")
    facts, role = part.facts, event.role or part.facts.role
    replaces = event.HasField("represents")
    represents = event.represents.participant_ids if replaces else facts.represents
    if role == pb.PARTICIPANT_ROLE_REPRESENTATIVE and not represents:
        text = "represents is missing: a REPRESENTATIVE acts for another participant."
        context.refuse(pb.ERROR_REASON_FIELD_REQUIRED, text, "represents")
    party = pb.PARTICIPANT_ROLE_PARTY
    if (
        facts.role == party
        and role != party
        and _has_obligations(context.state, event.participant_id)
    ):
        text = (
            f"{quoted(event.participant_id)} has open proposals or commitments, so it stays PARTY."
            " Close them first."
        )
        context.refuse(pb.ERROR_REASON_PARTY_HAS_OBLIGATIONS, text, "role")
    if not context.redacted and not _changes(part, event, context.words):
        text = f"The entry would change nothing about {quoted(event.participant_id)}."
        context.refuse(pb.ERROR_REASON_NO_EFFECT, text)


_OPEN_COMMITMENTS = frozenset(
    {
        pb.COMMITMENT_STATUS_CONDITIONAL,
        pb.COMMITMENT_STATUS_ACTIVE,
        pb.COMMITMENT_STATUS_DISPUTED,
    }
)


def _has_obligations(state: pb.Negotiation, who: str) -> bool:
    """Return True if a participant has an open proposal or an open commitment."""
    return any(
        one.status == pb.PROPOSAL_STATUS_OPEN and who in one.facts.by
        for one in state.proposals.values()
    ) or any(
        one.status in _OPEN_COMMITMENTS and who in one.facts.debtors
        for one in state.commitments.values()
    )


def _changes(part: pb.Participant, event: pb.ParticipantChanged, words: pb.Words) -> bool:
    """Return True if an event or its words change a participant."""
    facts = part.facts
    if event.role and event.role != facts.role:
        return True
    if event.HasField("members_complete") and event.members_complete != facts.members_complete:
        return True
    if event.HasField("count") and (event.count != facts.count or not facts.HasField("count")):
        return True
    return any(
        event.HasField(name)
        and list(getattr(event, name).participant_ids) != list(getattr(facts, name))
        for name in ("represents", "members", "owned_by")
    ) or any(
        getattr(words, name) and getattr(words, name) != getattr(part.words, name)
        for name in ("name", "mandate", "aliases")
    )


def _participant_left(context: RuleContext, event: pb.ParticipantLeft) -> None:
    part = context.part(pb.PART_KIND_PARTICIPANT, event.participant_id)
    check_active(part, "facts.participant_left.participant_id")


def _session_opened(context: RuleContext, event: pb.SessionOpened) -> None:
    part = context.part(pb.PART_KIND_SESSION, event.session_id)
    if part is not None and part.status == pb.SESSION_STATUS_OPEN:
        text = f"The session {quoted(event.session_id)} is already open."
        context.refuse(pb.ERROR_REASON_ID_ALREADY_USED, text, "session_id", id=event.session_id)
    default = event.default_visibility
    if event.kind == pb.SESSION_KIND_CAUCUS:
        check_caucus(default, event, "facts.session_opened.default_visibility")
    if is_wider(default, context.facts.visibility):
        text = (
            f"Entries of the session would be {visibility_text(default)}, but the session is not as"
            " widely visible. Narrow default_visibility."
        )
        context.refuse(pb.ERROR_REASON_VISIBILITY_TOO_WIDE, text, "default_visibility")


def _session_closed(context: RuleContext, event: pb.SessionClosed) -> None:
    part = context.part(pb.PART_KIND_SESSION, event.closed_session_id)
    if part.status != pb.SESSION_STATUS_OPEN:
        text = f"The session {quoted(event.closed_session_id)} is already closed."
        context.refuse(pb.ERROR_REASON_SESSION_NOT_OPEN, text, "closed_session_id")


def _topic_added(context: RuleContext, event: pb.TopicAdded) -> None:
    context.check_transition(lifecycles.TOPIC, 0, event.status)


def _topic_status_changed(context: RuleContext, event: pb.TopicStatusChanged) -> None:
    was = context.part(pb.PART_KIND_TOPIC, event.topic_id).status
    context.check_transition(lifecycles.TOPIC, was, event.status)
    if event.status == pb.TOPIC_STATUS_SETTLED:
        for key, one in context.state.proposals.items():
            alone = list(one.facts.topic_ids) == [event.topic_id]
            if alone and one.status == pb.PROPOSAL_STATUS_OPEN:
                text = (
                    f"The proposal {quoted(key)} on this topic alone is still open. Close it first."
                )
                context.refuse(pb.ERROR_REASON_TOPIC_HAS_PROPOSAL, text, "status", id=key)


def _statement_recorded(context: RuleContext, event: pb.StatementRecorded) -> None:
    """Do nothing: the common rules and the validation cover a statement."""


def _statement_retracted(context: RuleContext, event: pb.StatementRetracted) -> None:
    part = context.part(pb.PART_KIND_STATEMENT, event.statement_id)
    if part.status != pb.STATEMENT_STATUS_STANDS or not set(part.retracted_by).isdisjoint(event.by):
        text = f"The statement {quoted(event.statement_id)} was already retracted."
        context.refuse(pb.ERROR_REASON_STATEMENT_RETRACTED, text, "statement_id")
    made_by, by = set(part.facts.speakers or part.facts.attributed_to), set(event.by)
    if not (by <= made_by if event.partial else by == made_by):
        text = (
            "All speakers retract a statement together. Name all of them in `by`, or set"
            " `partial` to retract it for some."
        )
        context.refuse(pb.ERROR_REASON_NOT_THE_SPEAKERS, text, "by")


_HOLDERS = frozenset({pb.PARTICIPANT_ROLE_PARTY, pb.PARTICIPANT_ROLE_GROUP})


def _position_taken(context: RuleContext, event: pb.PositionTaken) -> None:
    field = "on_behalf_of" if event.on_behalf_of else "holders"
    for place, who in enumerate(principals(event)):
        role = context.part(pb.PART_KIND_PARTICIPANT, who).facts.role
        if role not in _HOLDERS:
            name = pb.ParticipantRole.Name(role).removeprefix("PARTICIPANT_ROLE_")
            text = f"{quoted(who)} has the role {name}. Only a PARTY or a GROUP holds a position."
            if role == pb.PARTICIPANT_ROLE_REPRESENTATIVE:
                text += " Name the principal in on_behalf_of."
            context.refuse(pb.ERROR_REASON_ACTING_NOT_ALLOWED, text, f"{field}[{place}]")
    topic = context.part(pb.PART_KIND_TOPIC, event.topic_id)
    if topic.status == pb.TOPIC_STATUS_DROPPED:
        text = f"The topic {quoted(event.topic_id)} was dropped."
        context.refuse(pb.ERROR_REASON_TOPIC_DROPPED, text, "topic_id")
    if event.supersedes:
        _check_held(context, event.supersedes, principals(event), "supersedes", "supersedes")


def _position_withdrawn(context: RuleContext, event: pb.PositionWithdrawn) -> None:
    _check_held(context, event.position_id, principals(event), "position_id", "by")


def _check_held(
    context: RuleContext, key: str, by: Iterable[str], field: str, holders: str
) -> None:
    part = context.part(pb.PART_KIND_POSITION, key)
    if part.status != pb.POSITION_STATUS_HELD:
        text = f"The position {quoted(key)} is not held any more."
        context.refuse(pb.ERROR_REASON_POSITION_NOT_HELD, text, field)
    holding = principals(part.facts)
    if set(by) != set(holding):
        text = f"The holders of the position {quoted(key)} are {id_list(holding)}."
        context.refuse(pb.ERROR_REASON_NOT_THE_HOLDERS, text, holders)


def _question_raised(context: RuleContext, event: pb.QuestionRaised) -> None:
    if event.reopens:
        part = context.part(pb.PART_KIND_QUESTION, event.reopens)
        if part.status == pb.QUESTION_STATUS_OPEN:
            text = f"The question {quoted(event.reopens)} is still open, so it cannot be reopened."
            context.refuse(pb.ERROR_REASON_QUESTION_OPEN, text, "reopens")


def _question_resolved(context: RuleContext, event: pb.QuestionResolved) -> None:
    part = context.part(pb.PART_KIND_QUESTION, event.question_id)
    if part.status != pb.QUESTION_STATUS_OPEN:
        text = f"The question {quoted(event.question_id)} is closed. Raise a new one to ask again."
        context.refuse(pb.ERROR_REASON_QUESTION_NOT_OPEN, text, "question_id")


def _proposal_made(context: RuleContext, event: pb.ProposalMade) -> None:
    _check_open(context)
    for place, who in enumerate(event.to):
        if who in event.by or who in event.on_behalf_of:
            text = f"{quoted(who)} cannot make a proposal to itself."
            context.refuse(pb.ERROR_REASON_PROPOSAL_TO_SELF, text, f"to[{place}]")
    if event.supersedes:
        check_offer(context, event.supersedes, "supersedes")
        proposers = (event.by, event.on_behalf_of)
        check_proposers(context, event.supersedes, *proposers, "supersedes")
    check_made(context, event)


def _proposal_answered(context: RuleContext, event: pb.ProposalAnswered) -> None:
    check_answered(context, event)


def _proposal_closed(context: RuleContext, event: pb.ProposalClosed) -> None:
    check_closed(context, event)


_BODIES = frozenset({pb.PARTICIPANT_KIND_GROUP, pb.PARTICIPANT_KIND_COHORT})


def _agreement_recorded(context: RuleContext, event: pb.AgreementRecorded) -> None:
    if event.origin == pb.AGREEMENT_ORIGIN_REACHED:
        check_basis(context, act=True)
        for place, who in enumerate(event.between):
            part = context.part(pb.PART_KIND_PARTICIPANT, who)
            path = f"facts.agreement_recorded.between[{place}]"
            check_acting(part, pb.ACTING_PARTY, path)
        context.check_transition(lifecycles.AGREEMENT, 0, event.status)
    if len(event.between) == 1:
        kind = context.part(pb.PART_KIND_PARTICIPANT, event.between[0]).facts.kind
        if kind not in _BODIES:
            text = (
                "An agreement requires two participants or more in between. Only a GROUP or a"
                " COHORT agrees by itself."
            )
            context.refuse(pb.ERROR_REASON_FIELD_INVALID, text, "between")
    if event.proposal_id:
        status = context.part(pb.PART_KIND_PROPOSAL, event.proposal_id).status
        if status != pb.PROPOSAL_STATUS_ACCEPTED:
            text = (
                f"The proposal {quoted(event.proposal_id)} was not accepted. Name an accepted one."
                " If silence accepted it, close it first as ACCEPTED_BY_SILENCE."
            )
            context.refuse(pb.ERROR_REASON_PROPOSAL_NOT_ACCEPTED, text, "proposal_id")
    superseded = pb.AGREEMENT_STATUS_SUPERSEDED
    for place, key in enumerate(event.supersedes):
        was = context.part(pb.PART_KIND_AGREEMENT, key).status
        field = f"supersedes[{place}]"
        context.check_transition(lifecycles.AGREEMENT, was, superseded, field)


def _agreement_status_changed(context: RuleContext, event: pb.AgreementStatusChanged) -> None:
    was = context.part(pb.PART_KIND_AGREEMENT, event.agreement_id).status
    context.check_transition(lifecycles.AGREEMENT, was, event.status)


def _commitment_made(context: RuleContext, event: pb.CommitmentMade) -> None:
    for place, who in enumerate(event.creditors):
        if who in event.debtors:
            text = f"{quoted(who)} cannot be debtor and creditor of one commitment."
            context.refuse(pb.ERROR_REASON_DEBTOR_IS_CREDITOR, text, f"creditors[{place}]")
        part = context.part(pb.PART_KIND_PARTICIPANT, who)
        path = f"facts.commitment_made.creditors[{place}]"
        check_acting(part, pb.ACTING_SPEAKER, path)


def _commitment_status_changed(context: RuleContext, event: pb.CommitmentStatusChanged) -> None:
    part = context.part(pb.PART_KIND_COMMITMENT, event.commitment_id)
    active = pb.COMMITMENT_STATUS_ACTIVE
    if not (event.performed and event.status == part.status == active):
        context.check_transition(lifecycles.COMMITMENT, part.status, event.status)
    if event.status == pb.COMMITMENT_STATUS_RELEASED:
        creditors, debtors = set(part.facts.creditors), set(part.facts.debtors)
        # Without creditors, any participant other than a debtor can release it.
        if not (creditors & set(event.by) if creditors else set(event.by) - debtors):
            text = "Only a creditor can release a debtor. Name a creditor in `by`."
            context.refuse(pb.ERROR_REASON_CREDITOR_REQUIRED, text, "by")


_PLANNED_AGAIN = frozenset({pb.MILESTONE_STATUS_MISSED, pb.MILESTONE_STATUS_CANCELLED})


def _milestone_planned(context: RuleContext, event: pb.MilestonePlanned) -> None:
    part = context.part(pb.PART_KIND_MILESTONE, event.milestone_id)
    if part is not None and part.status in _PLANNED_AGAIN:
        context.require_reason("a milestone that is planned again needs one")
    elif part is not None:
        _check_planned(context, part)
    expected, occurred = event.expected, context.facts.occurred
    latest = edtf.latest_instant(edtf.Bounds(expected.earliest, expected.latest))
    planned = edtf.earliest_instant(edtf.Bounds(occurred.earliest, occurred.latest))
    if latest is not None and planned is not None and latest < planned:
        text = (
            f"The milestone was planned on {occurred.earliest}, so it cannot be expected by"
            f" {expected.latest}."
        )
        context.refuse(pb.ERROR_REASON_EXPECTED_BEFORE_PLAN, text, "expected")


def _milestone_closed(context: RuleContext, event: pb.MilestoneClosed) -> None:
    _check_planned(context, context.part(pb.PART_KIND_MILESTONE, event.milestone_id))
    check_occurred(context, event.actual, "facts.milestone_closed.actual")


def _check_planned(context: RuleContext, part: pb.Milestone) -> None:
    if part.status != pb.MILESTONE_STATUS_PLANNED:
        name = pb.MilestoneStatus.Name(part.status).removeprefix("MILESTONE_STATUS_")
        text = f"The milestone {quoted(part.facts.milestone_id)} is {name}, not PLANNED."
        context.refuse(pb.ERROR_REASON_MILESTONE_NOT_PLANNED, text, "milestone_id", status=name)


def _document_attached(context: RuleContext, event: pb.DocumentAttached) -> None:
    """Do nothing: the common rules and the validation cover a document."""


def _entry_corrected(context: RuleContext, event: pb.EntryCorrected) -> None:
    del event
    check_correction(context.state, context.entry, context.history(), _recheck)


def _entry_disclosed(context: RuleContext, event: pb.EntryDisclosed) -> None:
    del event
    check_disclosure(context.state, context.entry, context.history(), _recheck)


def _entry_redacted(context: RuleContext, event: pb.EntryRedacted) -> None:
    del event
    check_redaction(context.state, context.entry, context.history())


def _access_granted(context: RuleContext, event: pb.AccessGranted) -> None:
    known = context.state.principals.get(event.principal)
    if known is not None and any(one.facts == event for one in known.grants):
        text = f"{quoted(event.principal)} already has this access."
        context.refuse(pb.ERROR_REASON_NO_EFFECT, text)


def _access_revoked(context: RuleContext, event: pb.AccessRevoked) -> None:
    principals = context.state.principals
    known = principals.get(event.principal)
    if known is None or not any(revokes(event, one) for one in known.grants):
        text = f"{quoted(event.principal)} does not have this access."
        context.refuse(pb.ERROR_REASON_ACCESS_NOT_GRANTED, text)
    left = (
        one
        for who, part in principals.items()
        for one in part.grants
        if who != event.principal or not revokes(event, one)
    )
    if all(one.facts.role != pb.ACCESS_ROLE_CUSTODIAN for one in left):
        text = (
            f"{quoted(event.principal)} is the only custodian. Grant the role to another principal"
            " first."
        )
        context.refuse(pb.ERROR_REASON_ACCESS_LAST_CUSTODIAN, text)


def _approval_recorded(context: RuleContext, event: pb.ApprovalRecorded) -> None:
    collection, key = approved_part(event)
    part = getattr(context.state, collection)[key]
    if isinstance(part, pb.Agreement) and part.status in ENDED:
        name = lifecycles.AGREEMENT.name(part.status)
        text = f"The agreement {quoted(key)} is {name}, so it takes no more approvals."
        context.refuse(
            pb.ERROR_REASON_INVALID_AGREEMENT_TRANSITION, text, "agreement_id", status=name
        )
    if event.act == pb.APPROVAL_ACT_WITHDRAWN:
        for who in principals(event):
            if not acts_of(part.approvals, who):
                text = f"{quoted(who)} has no act to take back here."
                context.refuse(pb.ERROR_REASON_APPROVAL_NOT_GIVEN, text, "act")


_RULES_BY_TYPE: Mapping[str, Callable[[RuleContext, Any], None]] = {
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
