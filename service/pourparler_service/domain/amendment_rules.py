"""The rules for entries about other entries: corrections, disclosures and redactions. Pure."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.schema.contract import ENTRY_TYPES, references
from pourparler.state.corrections import AMENDING_TYPES, effective_entries
from pourparler.state.fold import ACCESS_TYPES, evolve, fold_effective
from pourparler_service.domain.refusal import RefusalError, id_list, refuse
from pourparler_service.domain.visibility_levels import is_strictly_wider, is_wider, visibility_text


class RecheckedEntry(NamedTuple):
    """An entry of the record that the rules check again, as if it were recorded now."""

    entry: pb.Entry
    """The content that is in force."""
    original_visibility: pb.Visibility
    """The visibility at the time of recording, before any disclosure."""
    redacted: bool
    """True if its words were destroyed, so that they cannot be checked."""


EntryCheck = Callable[[pb.Negotiation, RecheckedEntry], None]
"""Raises RefusalError if an entry cannot follow a state."""


def check_correction(
    state: pb.Negotiation,
    candidate: pb.Entry,
    history: Sequence[pb.Entry],
    check_entry: EntryCheck,
) -> None:
    """Raise RefusalError if a correction is not allowed, or breaks a later entry."""
    event, path = candidate.facts.entry_corrected, "facts.entry_corrected"
    target = _target(state, history, event.target_version, path)
    if target.facts.WhichOneof("event") in ACCESS_TYPES:
        text = "An entry about access cannot be corrected. Grant or revoke access from now on."
        refuse(pb.ERROR_REASON_TARGET_NOT_ALLOWED, text, f"{path}.target_version")
    amendment = state.amendments.get(event.target_version)
    if amendment is not None and amendment.annulled:
        text = f"Version {event.target_version} was annulled, so it cannot be corrected."
        refuse(pb.ERROR_REASON_TARGET_ANNULLED, text, f"{path}.target_version")
    if amendment is not None and amendment.redacted_by:
        text = f"Version {event.target_version} cannot be corrected: its words were destroyed."
        refuse(pb.ERROR_REASON_TARGET_REDACTED, text, f"{path}.target_version")
    if event.mode == pb.CORRECTION_MODE_REPLACE:
        _check_same(target.facts, event.replacement, f"{path}.replacement")
    elif target.facts.HasField("negotiation_opened"):
        text = "The opening of a negotiation cannot be annulled. Use the mode REPLACE."
        refuse(pb.ERROR_REASON_TARGET_NOT_ALLOWED, text, f"{path}.mode")
    _check_not_wider(candidate, _in_force(history, event.target_version).facts.visibility)
    _check_later_entries(state, candidate, history, check_entry)


def check_disclosure(
    state: pb.Negotiation,
    candidate: pb.Entry,
    history: Sequence[pb.Entry],
    check_entry: EntryCheck,
) -> None:
    """Raise RefusalError if a disclosure is not wider, lacks consent, or goes too far."""
    event, path = candidate.facts.entry_disclosed, "facts.entry_disclosed"
    target = _target(state, history, event.target_version, path)
    amendment = state.amendments.get(event.target_version)
    if amendment is not None and amendment.annulled:
        text = f"Version {event.target_version} was annulled, so it cannot be disclosed."
        refuse(pb.ERROR_REASON_TARGET_ANNULLED, text, f"{path}.target_version")
    facts = _in_force(history, event.target_version).facts
    if not is_strictly_wider(event.disclosed_to, facts.visibility):
        text = (
            f"The entry is {visibility_text(facts.visibility)} already. A disclosure has to be"
            " wider: add readers to disclosed_to."
        )
        refuse(pb.ERROR_REASON_DISCLOSURE_NOT_WIDER, text, f"{path}.disclosed_to")
    if not candidate.words.legal_basis.strip():
        _check_consent(state, facts, event.consented_by)
    _check_not_wider(candidate, event.disclosed_to)
    redacted = _is_redacted(state, event.target_version)
    counts = effective_entries([*history, candidate])
    before = fold_effective(
        one for one in counts if one.entry.header.version < event.target_version
    )
    in_force = next(one for one in counts if one.entry.header.version == event.target_version)
    try:
        check_entry(before, RecheckedEntry(in_force.entry, target.facts.visibility, redacted))
    except RefusalError as refusal:
        refuse(refusal.reason, refusal.text, f"{path}.disclosed_to", **refusal.metadata)


def check_redaction(
    state: pb.Negotiation, candidate: pb.Entry, history: Sequence[pb.Entry]
) -> None:
    """Raise RefusalError if the target is a redaction, or if its words were already destroyed.

    Corrections and disclosures can be redacted: their own words may concern a person too.
    """
    event, path = candidate.facts.entry_redacted, "facts.entry_redacted"
    _target(state, history, event.target_version, path, _REDACTIONS)
    amendment = state.amendments.get(event.target_version)
    if amendment is not None and amendment.redacted_by:
        text = f"The words of version {event.target_version} were already destroyed."
        refuse(pb.ERROR_REASON_TARGET_REDACTED, text, f"{path}.target_version")
    if amendment is None or not amendment.annulled:
        _check_not_wider(candidate, _in_force(history, event.target_version).facts.visibility)


_REDACTIONS = frozenset({"entry_redacted"})


def _target(
    state: pb.Negotiation,
    history: Sequence[pb.Entry],
    version: int,
    path: str,
    refused: Collection[str] = AMENDING_TYPES,
) -> pb.Entry:
    """Return the target of an amendment as it was recorded; refuse the types in `refused`."""
    here = f"{path}.target_version"
    found = next((one for one in history if one.header.version == version), None)
    if found is None or version > state.version:
        text = f"The negotiation has no version {version}."
        refuse(pb.ERROR_REASON_VERSION_NOT_FOUND, text, here, version=str(version))
    if found.facts.WhichOneof("event") in refused:
        text = f"Version {version} is itself about another entry. Name that other entry instead."
        refuse(pb.ERROR_REASON_TARGET_NOT_ALLOWED, text, here)
    return found


def _in_force(history: Sequence[pb.Entry], version: int) -> pb.Entry:
    return next(
        one.entry for one in effective_entries(history) if one.entry.header.version == version
    )


def _check_same(before: pb.Facts, after: pb.Facts, path: str) -> None:
    """Raise RefusalError if a replacement has another type, or introduces another id."""
    kind = before.WhichOneof("event") or ""
    entry_type = ENTRY_TYPES[kind]
    if after.WhichOneof("event") != kind:
        text = (
            f"The entry is a {entry_type.title}, and a correction cannot change its type. Annul it,"
            " and record a new entry."
        )
        refuse(pb.ERROR_REASON_CORRECTION_CHANGES_TYPE, text, path)
    if entry_type.introduces is None:
        return
    name = entry_type.introduces.name
    known = getattr(getattr(before, kind), name)
    if getattr(getattr(after, kind), name) != known:
        text = (
            f"The entry introduced the id '{known}', and a correction cannot change it. Annul the"
            " entry, and record a new one."
        )
        refuse(pb.ERROR_REASON_CORRECTION_CHANGES_ID, text, f"{path}.{kind}.{name}")


def _check_not_wider(candidate: pb.Entry, target: pb.Visibility) -> None:
    """Raise RefusalError if an amendment has a wider visibility than its target."""
    if is_wider(candidate.facts.visibility, target):
        text = (
            f"The target entry is {visibility_text(target)}, and this entry cannot be wider."
            " Narrow its visibility."
        )
        refuse(pb.ERROR_REASON_VISIBILITY_TOO_WIDE, text, "facts.visibility")


def _check_consent(state: pb.Negotiation, facts: pb.Facts, given: Sequence[str]) -> None:
    """Raise RefusalError if both the consent of a confiding participant and a legal basis lack."""
    path = "facts.entry_disclosed.consented_by"
    acting = {one.id for one in references(facts) if one.acting}
    confiding = acting or set(facts.visibility.audience)
    if not confiding and facts.visibility.level == pb.VISIBILITY_LEVEL_RECORDER_ONLY:
        text = (
            "The entry is RECORDER_ONLY, so no participant can consent. Give a legal basis in"
            " words.legal_basis."
        )
        refuse(pb.ERROR_REASON_CONSENT_REQUIRED, text, path)
    if not confiding:
        confiding = {
            who
            for who, one in state.participants.items()
            if one.facts.role == pb.PARTICIPANT_ROLE_PARTY
            and one.status == pb.PARTICIPANT_STATUS_ACTIVE
        }
    missing = id_list(sorted(confiding - set(given)))
    if missing:
        text = (
            f"The consent of {missing} is missing. Add it to consented_by, or give a legal basis in"
            " words.legal_basis."
        )
        refuse(pb.ERROR_REASON_CONSENT_REQUIRED, text, path, missing=missing)


def _check_later_entries(
    state: pb.Negotiation, candidate: pb.Entry, history: Sequence[pb.Entry], check_entry: EntryCheck
) -> None:
    """Check the record again from the target on, as if the correction were in force."""
    path, target = "facts.entry_corrected", candidate.facts.entry_corrected.target_version
    recorded = {entry.header.version: entry for entry in history}
    before = pb.Negotiation()
    for entry, amended_by in effective_entries([*history, candidate]):
        version = entry.header.version
        if version >= target and version in recorded:
            redacted = _is_redacted(state, version)
            original = recorded[version].facts.visibility
            try:
                check_entry(before, RecheckedEntry(entry, original, redacted))
            except RefusalError as refusal:
                if version == target:
                    raise _in_replacement(refusal) from None
                reason = pb.ErrorReason.Name(pb.ErrorReason.ValueType(refusal.reason))
                refuse(
                    pb.ERROR_REASON_CORRECTION_BREAKS_LATER,
                    f"With this correction, version {version} would be refused: {refusal.text}",
                    f"{path}.target_version",
                    later_version=str(version),
                    later_reason=reason.removeprefix("ERROR_REASON_"),
                )
        evolve(before, entry, amended_by=amended_by)


def _is_redacted(state: pb.Negotiation, version: int) -> bool:
    """Return True if the words in force were destroyed: its own, or those of a correction."""
    amendment = state.amendments.get(version)
    if amendment is None:
        return False
    corrections = (state.amendments.get(one) for one in amendment.corrected_by)
    return bool(amendment.redacted_by) or any(one and one.redacted_by for one in corrections)


def _in_replacement(refusal: RefusalError) -> RefusalError:
    """Return the refusal with `facts` paths below the replacement; `words` paths stay."""
    return RefusalError(
        one._replace(field=f"facts.entry_corrected.replacement.{one.field[6:]}")
        if one.field.startswith("facts.")
        else one
        for one in refusal.violations
    )
