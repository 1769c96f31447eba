"""The life of agreements in the fold: entry into force, supersession, amendment, approval.

Pure: no I/O, no clock.
"""

from collections.abc import MutableSequence, Sequence

from pourparler import v1 as pb
from pourparler.schema.date_order import surely_before
from pourparler.state import approvals
from pourparler.state.fold_context import FoldContext
from pourparler.state.term_identity import differing_keys, overlay

BINDING = frozenset(
    {
        pb.AGREEMENT_STATUS_IN_FORCE,
        pb.AGREEMENT_STATUS_IN_QUESTION,
        pb.AGREEMENT_STATUS_UNDER_RENEGOTIATION,
        pb.AGREEMENT_STATUS_SUSPENDED,
    }
)
"""The statuses of an agreement that binds."""

ENDED = frozenset(
    {
        pb.AGREEMENT_STATUS_REJECTED,
        pb.AGREEMENT_STATUS_SUPERSEDED,
        pb.AGREEMENT_STATUS_TERMINATED,
        pb.AGREEMENT_STATUS_EXPIRED,
    }
)
"""The statuses of an agreement that has ended, or never came into force."""


def record(context: FoldContext, event: pb.AgreementRecorded) -> None:
    """Apply an AgreementRecorded."""
    state = context.state
    part = context.add_part(state.agreements, event.agreement_id, event)
    for field in ("effective", "ends"):
        if event.HasField(field):
            getattr(part, field).CopyFrom(getattr(event, field))
    for key in event.amends:
        amended = context.change_part(state.agreements, key)
        if amended is not None:
            amended.amended_by.append(event.agreement_id)
    part.awaits.extend(approvals.missing(part))
    set_status(context, part, event.status, event.between)
    if event.status in ENDED and event.status != pb.AGREEMENT_STATUS_REJECTED:
        _supersede(context, part)  # an older agreement that was in force before it ended
    if event.proposal_id:
        proposal = context.change_part(state.proposals, event.proposal_id)
        if proposal is not None:
            proposal.agreement_id = event.agreement_id
            _compare(context, part, proposal)


def change_status(context: FoldContext, event: pb.AgreementStatusChanged) -> None:
    """Apply an AgreementStatusChanged."""
    part = context.change_part(context.state.agreements, event.agreement_id)
    if part is None:
        return
    _move_dates(part, event)
    set_status(context, part, event.status, event.by)


def _move_dates(part: pb.Agreement, event: pb.AgreementStatusChanged) -> None:
    """Set the dates of an agreement to those of a change of its status."""
    ends = event.status in ENDED
    if event.HasField("effective"):
        # A termination by notice ends the agreement on its date.
        (part.ends if ends else part.effective).CopyFrom(event.effective)
    if event.HasField("ends"):
        part.ends.CopyFrom(event.ends)


def set_status(
    context: FoldContext,
    part: pb.Agreement,
    status: int,
    by: Sequence[str] = (),
    cause: pb.StatusCause.ValueType = pb.STATUS_CAUSE_UNSPECIFIED,
) -> None:
    """Set the status of an agreement, and change the agreements that depend on it."""
    bound = part.status in BINDING
    context.set_status(part, status, by, cause)
    if status in BINDING and not bound:
        _come_into_force(context, part)
    elif status in ENDED and part.facts.supersedes:
        _unlink(context, part)
    elif status not in BINDING | ENDED:
        _link(context, part)
    for key in part.facts.amends:
        _consolidate(context, key)


def _come_into_force(context: FoldContext, part: pb.Agreement) -> None:
    path = _path(part)
    versions = (part.origin.version,)
    if not part.HasField("in_force"):
        part.in_force.CopyFrom(part.status_change)
    if part.awaits:
        context.add_anomaly(pb.ANOMALY_KIND_APPROVAL_MISSING, versions, path)
    if surely_before(context.facts.occurred, part.effective):
        context.add_anomaly(pb.ANOMALY_KIND_IN_FORCE_BEFORE_EFFECTIVE, versions, path)
    for other in part.facts.amends:
        amended = context.state.agreements.get(other)
        if amended is not None and amended.status not in BINDING:
            kind = pb.ANOMALY_KIND_AMENDS_NOT_IN_FORCE
            context.add_anomaly(kind, (amended.origin.version,), path)
    _supersede(context, part)


def _supersede(context: FoldContext, part: pb.Agreement) -> None:
    """End the agreements that an agreement supersedes, unless they have ended before."""
    key = part.facts.agreement_id
    for other in part.facts.supersedes:
        before = context.change_part(context.state.agreements, other)
        if before is None or (before.status in ENDED and before.superseded_by != key):
            continue
        _remove(before.to_be_superseded_by, key)
        before.superseded_by = key
        cause = pb.STATUS_CAUSE_UNSPECIFIED
        if context.facts.WhichOneof("event") != "agreement_recorded":
            cause = pb.STATUS_CAUSE_SUCCESSOR_IN_FORCE
        set_status(context, before, pb.AGREEMENT_STATUS_SUPERSEDED, part.facts.between, cause)


def _link(context: FoldContext, part: pb.Agreement) -> None:
    """Note a successor that does not bind yet in the agreements that it will supersede."""
    key = part.facts.agreement_id
    for other in part.facts.supersedes:
        before = context.state.agreements.get(other)
        if before is None or before.status in ENDED or key in before.to_be_superseded_by:
            continue
        before = context.change_part(context.state.agreements, other)
        before.to_be_superseded_by.append(key)


def _unlink(context: FoldContext, part: pb.Agreement) -> None:
    """Remove a successor that ended before it was in force."""
    key = part.facts.agreement_id
    for other in part.facts.supersedes:
        before = context.state.agreements.get(other)
        if before is not None and key in before.to_be_superseded_by:
            before = context.change_part(context.state.agreements, other)
            _remove(before.to_be_superseded_by, key)


def _consolidate(context: FoldContext, key: str) -> None:
    """Set the consolidated terms of an agreement from its amendments in force."""
    agreements = context.state.agreements
    part = agreements.get(key)
    if part is None:
        return
    amendments = sorted(
        (agreements[one] for one in part.amended_by if agreements[one].status in BINDING),
        key=lambda one: one.in_force.version,
    )
    if not amendments and not part.consolidated_terms:
        return
    part = context.change_part(agreements, key)
    terms: list[pb.Term] = list(part.facts.terms)
    for one in amendments:
        terms = overlay(terms, one.facts.terms, one.facts.dropped_keys)
    part.ClearField("consolidated_terms")
    if amendments:
        part.consolidated_terms.extend(terms)


def _compare(context: FoldContext, part: pb.Agreement, proposal: pb.Proposal) -> None:
    """Note the terms in which an agreement differs from the accepted proposal."""
    offered = proposal.facts.terms
    if not part.facts.terms or not offered:
        return
    keys = differing_keys(offered, part.facts.terms)
    if keys:
        kind, versions = pb.ANOMALY_KIND_AGREEMENT_DIFFERS, (proposal.origin.version,)
        context.add_anomaly(kind, versions, _path(part), keys)


def approve(context: FoldContext, event: pb.ApprovalRecorded) -> None:
    """Apply an ApprovalRecorded."""
    collection, key = approvals.approved_part(event)
    part = context.change_part(getattr(context.state, collection), key) if collection else None
    if part is None:
        return
    approval = part.approvals.add()
    approval.facts.CopyFrom(event)
    context.set_words(approval)
    context.set_origin(approval.origin)
    if isinstance(part, pb.Agreement):
        part.ClearField("awaits")
        part.awaits.extend(approvals.missing(part))


def _path(part: pb.Agreement) -> str:
    return f"agreements/{part.facts.agreement_id}"


def _remove(ids: MutableSequence[str], key: str) -> None:
    if key in ids:
        ids.remove(key)
