"""Anomalies of time: entries whose dates contradict those of earlier entries. Pure."""

from pourparler import v1 as pb
from pourparler.schema.contract import ENTRY_TYPES, PARTS, rule_of
from pourparler.schema.date_order import surely_before
from pourparler.schema.entry_roles import actors
from pourparler.state.approvals import approved_part
from pourparler.state.fold_context import FoldContext

_CHANGED = {
    name: field
    for name, one in ENTRY_TYPES.items()
    if one.introduces is None
    for field in one.descriptor.fields[:1]
    if rule_of(field).required and rule_of(field).refers_to
}
"""The field with the id of the part that an entry changes, by entry type."""


def note(context: FoldContext, kind: str) -> None:
    """Note the dates of earlier entries that the date of this entry contradicts."""
    facts = context.facts
    if not facts.HasField("occurred"):
        return
    event = getattr(facts, kind)
    field = _CHANGED.get(kind)
    if field is not None:
        path = f"{PARTS[rule_of(field).refers_to]}/{getattr(event, field.name)}"
        _note_change(context, _CHANGED_BEFORE.get(kind, pb.ANOMALY_KIND_CHANGED_BEFORE_MADE), path)
    elif facts.HasField("approval_recorded"):
        path = "/".join(approved_part(event))
        _note_change(context, pb.ANOMALY_KIND_CHANGED_BEFORE_MADE, path)
    for who in actors(event):
        _note_presence(context, who)
    if facts.HasField("negotiation_concluded"):
        _note_later_talks(context)


_CHANGED_BEFORE = {"proposal_answered": pb.ANOMALY_KIND_ANSWERED_BEFORE_OFFER}


def _note_change(context: FoldContext, kind: pb.AnomalyKind.ValueType, path: str) -> None:
    """Note a change of a part that is dated before the part."""
    collection, _, key = path.partition("/")
    part = getattr(context.state, collection).get(key)
    if part is not None and surely_before(context.facts.occurred, part.origin.occurred):
        context.add_anomaly(kind, (part.origin.version,), path)


def _note_presence(context: FoldContext, participant_id: str) -> None:
    """Note an act that is dated before its actor joined, or after it left."""
    part = context.state.participants.get(participant_id)
    if part is None or part.origin.version == context.versions[0]:
        return
    path, when = f"participants/{participant_id}", context.facts.occurred
    # The state has only the last time that a participant joined.
    rejoined = part.blame[0] != part.origin.version
    if not rejoined and surely_before(when, part.origin.occurred):
        kind = pb.ANOMALY_KIND_ACTED_BEFORE_JOINING
        context.add_anomaly(kind, (part.origin.version,), path)
    left = part.status == pb.PARTICIPANT_STATUS_LEFT
    if left and surely_before(part.status_change.occurred, when):
        kind = pb.ANOMALY_KIND_ACTED_AFTER_LEAVING
        context.add_anomaly(kind, (part.status_change.version,), path)


def _note_later_talks(context: FoldContext) -> None:
    """Note the proposals and answers that are dated after the end of the talks."""
    end = context.facts.occurred
    for key, part in context.state.proposals.items():
        origins = [part.origin, *(reply.origin for reply in part.replies)]
        for origin in origins:
            if surely_before(end, origin.occurred):
                kind = pb.ANOMALY_KIND_DATED_AFTER_END
                context.add_anomaly(kind, (origin.version,), f"proposals/{key}")
