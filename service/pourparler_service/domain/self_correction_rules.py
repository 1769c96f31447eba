"""What somebody may correct of what they recorded themselves: their words. Pure.

A record that was wrong is mended by those who keep it. Who takes part may mend the wording, and the
date, of what they said and recorded themselves; no fact on which a later entry could stand.
"""

from collections.abc import Sequence
from typing import NoReturn

from pourparler import v1 as pb
from pourparler.schema.contract import brought, references
from pourparler.state.fold import AMENDING, counted
from pourparler_service.domain.refusal import refuse
from pourparler_service.domain.visibility_levels import is_wider, shown

SAID = frozenset({"statement_recorded", "position_taken", "question_raised", "document_attached"})
"""What binds nobody: who has offered, answered or promised may be held to it."""

_OWN = frozenset({pb.CORRECTION_KIND_RECORDER, pb.CORRECTION_KIND_TRANSLATION})
"""That somebody wants it otherwise, or that it was another one, is for others to judge."""

_EVENT = "facts.entry_corrected"


def check(facts: pb.Facts, history: Sequence[pb.Entry]) -> None:
    """Refuse a completed correction of what its caller did not record, or of more than its words.

    What nobody could correct is left to the rules.
    """
    event = facts.entry_corrected
    if event.kind not in _OWN:
        text = "That you recorded it wrongly yourself is of the kind RECORDER, or TRANSLATION."
        _not_yours(text, f"{_EVENT}.kind")
    said = [one for one in history if event.target_version in {one.header.version, _target(one)}]
    for one in said:
        kind = one.facts.WhichOneof("event")
        if kind not in {"entry_disclosed", "entry_redacted"}:
            if one.facts.recorded_by != facts.recorded_by:
                _not_yours("Another one recorded it, or corrected it.", f"{_EVENT}.target_version")
            if kind not in SAID and kind != "entry_corrected":
                text = "Others may rely on what was not only said."
                _not_yours(text, f"{_EVENT}.target_version")
    for entry, _ in counted(said):
        if entry.header.version == event.target_version:
            if _fixed(entry.facts) != _fixed(event.replacement):
                text = "Of what you recorded you correct the words, and `occurred`; nothing else."
                _not_yours(text, f"{_EVENT}.replacement")
            if is_wider(entry.facts.visibility, facts.visibility):
                seen = shown(entry.facts.visibility)
                text = f"It is {seen}: all who see it have to see the correction."
                _not_yours(text, "facts.visibility")


def check_not_answered(state: pb.Negotiation, facts: pb.Facts, history: Sequence[pb.Entry]) -> None:
    """Refuse a correction of what others have spoken of by now, or after the end.

    As far as its caller sees it: else they could find out by trying what hidden entries speak of.
    """
    event = facts.entry_corrected
    if state.status == pb.NEGOTIATION_STATUS_CONCLUDED:
        _not_yours("The negotiation has ended.", _EVENT)
    part = brought(event.replacement)
    for one in history:
        if (
            one.header.version > event.target_version
            and one.facts.recorded_by != facts.recorded_by
            and part in {(named.kind, named.id) for named in references(one.facts)}
        ):
            text = f"Version {one.header.version}, by another one, speaks of it."
            _not_yours(text, f"{_EVENT}.target_version")


def _target(entry: pb.Entry) -> int:
    """The version of which an entry speaks; 0 if it is not about another one."""
    kind = entry.facts.WhichOneof("event") or ""
    return getattr(entry.facts, kind).target_version if kind in AMENDING else 0


def _fixed(facts: pb.Facts) -> pb.Facts:
    """Facts without what may be corrected."""
    fixed = pb.Facts()
    fixed.CopyFrom(facts)
    fixed.ClearField("occurred")
    fixed.ClearField("visibility")  # which is disclosed
    fixed.ClearField("request_id")
    fixed.ClearField("recorded_by")
    return fixed


def _not_yours(text: str, field: str) -> NoReturn:
    text = f"{text} To correct it is for those who keep the record."
    refuse(pb.ERROR_REASON_ROLE_NOT_SUFFICIENT, text, field)
