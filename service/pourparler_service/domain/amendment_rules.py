"""What is refused of entries about other entries: corrections, disclosures, redactions. Pure."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.schema.contract import ENTRY_TYPES, references
from pourparler.state.corrections import AMENDING_TYPES, effective_entries
from pourparler.state.fold import ACCESS_TYPES, evolve, fold_effective
from pourparler_service.domain.refusal import RefusalError, listed, refuse
from pourparler_service.domain.visibility_levels import is_wider, shown, widens


class JudgedEntry(NamedTuple):
    """An entry to be judged as if it were recorded now."""

    entry: pb.Entry
    """As it counts."""
    confided: pb.Visibility
    """Who was to see it when it was recorded, before anything was disclosed."""
    redacted: bool
    """Whether its words are gone, so that nothing can be said of them."""


Judge = Callable[[pb.Negotiation, JudgedEntry], None]
"""Refuses an entry that could not stand after a state."""


def check_correction(
    state: pb.Negotiation,
    candidate: pb.Entry,
    history: Sequence[pb.Entry],
    judge: Judge,
) -> None:
    """Refuse a correction that cannot be made, or after which a later entry could not stand."""
    event, path = candidate.facts.entry_corrected, "facts.entry_corrected"
    target = _target(state, history, event.target_version, path)
    if target.facts.WhichOneof("event") in ACCESS_TYPES:
        text = "Who had access when is not corrected: grant it, or revoke it, from now on."
        refuse(pb.ERROR_REASON_TARGET_NOT_ALLOWED, text, f"{path}.target_version")
    amendment = state.amendments.get(event.target_version)
    if amendment is not None and amendment.annulled:
        text = f"Version {event.target_version} was annulled and cannot be corrected."
        refuse(pb.ERROR_REASON_TARGET_ANNULLED, text, f"{path}.target_version")
    if amendment is not None and amendment.redacted_by:
        text = f"The words of version {event.target_version} were destroyed: it stays as it is."
        refuse(pb.ERROR_REASON_TARGET_REDACTED, text, f"{path}.target_version")
    if event.mode == pb.CORRECTION_MODE_REPLACE:
        _check_same(target.facts, event.replacement, f"{path}.replacement")
    elif target.facts.HasField("negotiation_opened"):
        text = "The opening of a negotiation can be replaced, but not annulled."
        refuse(pb.ERROR_REASON_TARGET_NOT_ALLOWED, text, f"{path}.mode")
    _check_not_wider(candidate, _as_counts(history, event.target_version).facts.visibility)
    _check_rest(state, candidate, history, judge)


def check_disclosure(
    state: pb.Negotiation,
    candidate: pb.Entry,
    history: Sequence[pb.Entry],
    judge: Judge,
) -> None:
    """Refuse a disclosure that is not wider, not consented to, or wider than what it refers to."""
    event, path = candidate.facts.entry_disclosed, "facts.entry_disclosed"
    target = _target(state, history, event.target_version, path)
    amendment = state.amendments.get(event.target_version)
    if amendment is not None and amendment.annulled:
        text = f"Version {event.target_version} was annulled: there is nothing to disclose."
        refuse(pb.ERROR_REASON_TARGET_ANNULLED, text, f"{path}.target_version")
    facts = _as_counts(history, event.target_version).facts
    if not widens(event.disclosed_to, facts.visibility):
        text = f"It is {shown(facts.visibility)}: a disclosure is to these and to others besides."
        refuse(pb.ERROR_REASON_DISCLOSURE_NOT_WIDER, text, f"{path}.disclosed_to")
    if not candidate.words.legal_basis.strip():
        _check_consent(state, facts, event.consented_by)
    _check_not_wider(candidate, event.disclosed_to)
    redacted = _is_redacted(state, event.target_version)
    counts = effective_entries([*history, candidate])
    before = fold_effective(
        one for one in counts if one.entry.header.version < event.target_version
    )
    as_counts = next(one for one in counts if one.entry.header.version == event.target_version)
    try:
        judge(before, JudgedEntry(as_counts.entry, target.facts.visibility, redacted))
    except RefusalError as refusal:
        first = refusal.reason == pb.ERROR_REASON_VISIBILITY_TOO_WIDE
        text = f"{refusal.text} Disclose that first." if first else refusal.text
        refuse(refusal.reason, text, f"{path}.disclosed_to", **refusal.metadata)


def check_redaction(
    state: pb.Negotiation, candidate: pb.Entry, history: Sequence[pb.Entry]
) -> None:
    """Refuse a redaction of words that are destroyed already, or of a redaction.

    Other entries about entries have words of their own, which may concern a person too.
    """
    event, path = candidate.facts.entry_redacted, "facts.entry_redacted"
    _target(state, history, event.target_version, path, _REDACTIONS)
    amendment = state.amendments.get(event.target_version)
    if amendment is not None and amendment.redacted_by:
        text = f"The words of version {event.target_version} were destroyed before."
        refuse(pb.ERROR_REASON_TARGET_REDACTED, text, f"{path}.target_version")
    if amendment is None or not amendment.annulled:
        _check_not_wider(candidate, _as_counts(history, event.target_version).facts.visibility)


_REDACTIONS = frozenset({"entry_redacted"})


def _target(
    state: pb.Negotiation,
    history: Sequence[pb.Entry],
    version: int,
    path: str,
    refused: Collection[str] = AMENDING_TYPES,
) -> pb.Entry:
    """The entry of which another one speaks, as it was recorded; of some types it cannot be."""
    here = f"{path}.target_version"
    found = next((one for one in history if one.header.version == version), None)
    if found is None or version > state.version:
        text = f"The negotiation has no version {version}."
        refuse(pb.ERROR_REASON_VERSION_NOT_FOUND, text, here, version=str(version))
    if found.facts.WhichOneof("event") in refused:
        text = f"Version {version} is itself about another entry: name that one."
        refuse(pb.ERROR_REASON_TARGET_NOT_ALLOWED, text, here)
    return found


def _as_counts(history: Sequence[pb.Entry], version: int) -> pb.Entry:
    return next(
        one.entry for one in effective_entries(history) if one.entry.header.version == version
    )


def _check_same(was: pb.Facts, becomes: pb.Facts, path: str) -> None:
    """Refuse a replacement of another type, or of a part of another id."""
    kind = was.WhichOneof("event") or ""
    entry_type = ENTRY_TYPES[kind]
    if becomes.WhichOneof("event") != kind:
        text = f"The entry is a {entry_type.title}, and a correction leaves it one: annul it."
        refuse(pb.ERROR_REASON_CORRECTION_CHANGES_TYPE, text, path)
    if entry_type.introduces is None:
        return
    name = entry_type.introduces.name
    known = getattr(getattr(was, kind), name)
    if getattr(getattr(becomes, kind), name) != known:
        text = f"The entry brought '{known}', and a correction leaves it that id."
        refuse(pb.ERROR_REASON_CORRECTION_CHANGES_ID, text, f"{path}.{kind}.{name}")


def _check_not_wider(candidate: pb.Entry, target: pb.Visibility) -> None:
    """Refuse an entry that more people would see than what it speaks of."""
    if is_wider(candidate.facts.visibility, target):
        text = f"The entry it speaks of is {shown(target)}: no more people may see this one."
        refuse(pb.ERROR_REASON_VISIBILITY_TOO_WIDE, text, "facts.visibility")


def _check_consent(state: pb.Negotiation, facts: pb.Facts, given: Sequence[str]) -> None:
    """Refuse what has not the consent of those who confided it, nor a basis in law."""
    path = "facts.entry_disclosed.consented_by"
    acting = {one.id for one in references(facts) if one.acting}
    confided = acting or set(facts.visibility.audience)
    if not confided and facts.visibility.level == pb.VISIBILITY_LEVEL_RECORDER_ONLY:
        text = "Nobody can consent to it: the disclosure needs a basis in law, words.legal_basis."
        refuse(pb.ERROR_REASON_CONSENT_REQUIRED, text, path)
    if not confided:
        confided = {
            who
            for who, one in state.participants.items()
            if one.facts.role == pb.PARTICIPANT_ROLE_PARTY
            and one.status == pb.PARTICIPANT_STATUS_ACTIVE
        }
    missing = listed(sorted(confided - set(given)))
    if missing:
        text = f"It lacks the consent of {missing}, or a basis in law in words.legal_basis."
        refuse(pb.ERROR_REASON_CONSENT_REQUIRED, text, path, missing=missing)


def _check_rest(
    state: pb.Negotiation, candidate: pb.Entry, history: Sequence[pb.Entry], judge: Judge
) -> None:
    """Judge the record anew from the target on, as it would be with the correction."""
    path, target = "facts.entry_corrected", candidate.facts.entry_corrected.target_version
    recorded = {entry.header.version: entry for entry in history}
    before = pb.Negotiation()
    for entry, amended_by in effective_entries([*history, candidate]):
        version = entry.header.version
        if version >= target and version in recorded:
            redacted = _is_redacted(state, version)
            confided = recorded[version].facts.visibility
            try:
                judge(before, JudgedEntry(entry, confided, redacted))
            except RefusalError as refusal:
                if version == target:
                    raise _in_replacement(refusal) from None
                reason = pb.ErrorReason.Name(pb.ErrorReason.ValueType(refusal.reason))
                refuse(
                    pb.ERROR_REASON_CORRECTION_BREAKS_LATER,
                    f"Version {version} could then not stand: {refusal.text}",
                    f"{path}.target_version",
                    later_version=str(version),
                    later_reason=reason.removeprefix("ERROR_REASON_"),
                )
        evolve(before, entry, amended_by=amended_by)


def _is_redacted(state: pb.Negotiation, version: int) -> bool:
    """Whether the words that an entry counts with were destroyed: its own, or of a correction."""
    amendment = state.amendments.get(version)
    if amendment is None:
        return False
    corrections = (state.amendments.get(one) for one in amendment.corrected_by)
    return bool(amendment.redacted_by) or any(one and one.redacted_by for one in corrections)


def _in_replacement(refusal: RefusalError) -> RefusalError:
    """A refusal of the corrected entry, with its paths below the replacement; words stay words."""
    return RefusalError(
        one._replace(field=f"facts.entry_corrected.replacement.{one.field[6:]}")
        if one.field.startswith("facts.")
        else one
        for one in refusal.violations
    )
