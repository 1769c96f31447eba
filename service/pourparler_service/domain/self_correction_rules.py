"""The rules for an erratum: a principal corrects the words of its own entry. Pure.

Custodians and recorders correct any entry. Other principals correct the words and the date of what
they said and recorded themselves. They cannot correct a fact on which a later entry may depend.
"""

from collections.abc import Sequence
from typing import NoReturn

from pourparler import v1 as pb
from pourparler.schema.contract import introduced_part, references
from pourparler.state.corrections import AMENDING_TYPES, effective_entries
from pourparler_service.domain.refusal import refuse
from pourparler_service.domain.visibility_levels import is_wider, visibility_text

CORRECTABLE = frozenset(
    {"statement_recorded", "position_taken", "question_raised", "document_attached"}
)
"""The entry types that an erratum can correct. None of them is an act of a party."""

_ERRATUM_KINDS = frozenset({pb.CORRECTION_KIND_RECORDER, pb.CORRECTION_KIND_TRANSLATION})
"""The correction kinds of an erratum. A custodian or recorder decides the other kinds."""

_EVENT = "facts.entry_corrected"


def check(facts: pb.Facts, history: Sequence[pb.Entry]) -> None:
    """Raise RefusalError if the caller did not record the target, or corrects more than its words.

    The draft is complete. The other rules refuse what no principal may correct.
    """
    event = facts.entry_corrected
    if event.kind not in _ERRATUM_KINDS:
        text = "A correction of your own entry has the kind RECORDER or TRANSLATION."
        _refuse_correction(text, f"{_EVENT}.kind")
    chain = [one for one in history if event.target_version in {one.header.version, _target(one)}]
    for one in chain:
        kind = one.facts.WhichOneof("event")
        if kind not in {"entry_disclosed", "entry_redacted"}:
            if one.facts.recorded_by != facts.recorded_by:
                _refuse_correction(
                    "Another principal recorded or corrected the entry.", f"{_EVENT}.target_version"
                )
            if kind not in CORRECTABLE and kind != "entry_corrected":
                text = (
                    "You can correct only your own statements, positions, questions and documents."
                )
                _refuse_correction(text, f"{_EVENT}.target_version")
    for entry, _ in effective_entries(chain):
        if entry.header.version == event.target_version:
            if _without_correctable(entry.facts) != _without_correctable(event.replacement):
                text = "You can correct only the words and `occurred` of your own entry."
                _refuse_correction(text, f"{_EVENT}.replacement")
            if is_wider(entry.facts.visibility, facts.visibility):
                seen = visibility_text(entry.facts.visibility)
                text = f"The entry is {seen}, and the correction has to be as widely visible."
                _refuse_correction(text, "facts.visibility")


def check_not_referenced(
    state: pb.Negotiation, facts: pb.Facts, history: Sequence[pb.Entry]
) -> None:
    """Raise RefusalError if entries of others refer to the target, or if the negotiation has ended.

    `history` has only the entries that the caller may see. Otherwise an attempt would reveal
    references in hidden entries.
    """
    event = facts.entry_corrected
    if state.status == pb.NEGOTIATION_STATUS_CONCLUDED:
        _refuse_correction("The negotiation has ended.", _EVENT)
    part = introduced_part(event.replacement)
    for one in history:
        if (
            one.header.version > event.target_version
            and one.facts.recorded_by != facts.recorded_by
            and part in {(named.kind, named.id) for named in references(one.facts)}
        ):
            text = f"Version {one.header.version}, recorded by another principal, refers to it."
            _refuse_correction(text, f"{_EVENT}.target_version")


def _target(entry: pb.Entry) -> int:
    """Return the target version of an amendment; 0 for any other entry."""
    kind = entry.facts.WhichOneof("event") or ""
    return getattr(entry.facts, kind).target_version if kind in AMENDING_TYPES else 0


def _without_correctable(facts: pb.Facts) -> pb.Facts:
    """Return the facts without the fields that an erratum may change."""
    fixed = pb.Facts()
    fixed.CopyFrom(facts)
    fixed.ClearField("occurred")
    fixed.ClearField("visibility")  # a disclosure changes it
    fixed.ClearField("request_id")
    fixed.ClearField("recorded_by")
    return fixed


def _refuse_correction(text: str, field: str) -> NoReturn:
    text = f"{text} Ask a custodian or a recorder to correct it."
    refuse(pb.ERROR_REASON_ROLE_NOT_SUFFICIENT, text, field)
