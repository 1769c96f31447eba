"""Corrections, disclosures and redactions, applied to the entries they target.

Pure: no I/O, no clock.
"""

from collections.abc import Iterable
from typing import NamedTuple

from pourparler import v1 as pb

AMENDING_TYPES = frozenset({"entry_corrected", "entry_disclosed", "entry_redacted"})
"""The types of amending entries: their effect applies at the version of their target."""


class EffectiveEntry(NamedTuple):
    """An entry as it is in force, with its amendments applied and their versions."""

    entry: pb.Entry
    amended_by: tuple[int, ...] = ()


def is_amending(entry: pb.Entry) -> bool:
    """Return True if an entry amends another one, so that the state must be folded again."""
    return entry.facts.WhichOneof("event") in AMENDING_TYPES


def effective_entries(entries: Iterable[pb.Entry]) -> list[EffectiveEntry]:
    """Return the entries that are in force, in their order, with all amendments applied.

    Annulled entries are left out.
    """
    entries = list(entries)
    amendments = Amendments()
    for entry in entries:
        if is_amending(entry):
            amendments.add(entry)
    effective = map(amendments.apply, entries)
    return [one for one in effective if one is not None]


class Amendments:
    """The amendments of a record, by the version of their target."""

    __slots__ = ("_annulled", "_by_target")

    def __init__(self) -> None:
        """Start with no amendments."""
        self._by_target: dict[int, list[pb.Entry]] = {}
        self._annulled: dict[int, pb.Facts] = {}

    def __bool__(self) -> bool:
        """Return True if there is any amendment."""
        return bool(self._by_target)

    def add(self, entry: pb.Entry) -> None:
        """Add an amending entry. The caller adds them in the order of their versions."""
        event = getattr(entry.facts, entry.facts.WhichOneof("event") or "")
        self._by_target.setdefault(event.target_version, []).append(entry)

    def is_redacted(self, version: int) -> bool:
        """Return True if an amendment redacts the entry at this version."""
        amendments = self._by_target.get(version, ())
        return any(one.facts.HasField("entry_redacted") for one in amendments)

    def apply(self, entry: pb.Entry) -> EffectiveEntry | None:
        """Return an entry as it is in force, or None if it is annulled.

        The caller gives the entries in the order of their versions. An annulment comes back with
        the annulled facts as its replacement. The state needs them: it keeps the id of the annulled
        part, so that no later entry introduces it again.
        """
        version = entry.header.version
        amendments = self._by_target and self._by_target.get(version)
        # Amendments never reveal an entry whose facts are withheld.
        if amendments and entry.HasField("facts"):
            result = self._amended(entry, amendments)
            if result is None:
                self._annulled[version] = entry.facts
            return result
        annulled = self._annulled and self._annulled.get(entry.facts.entry_corrected.target_version)
        if annulled:
            annulment = pb.Entry()
            annulment.CopyFrom(entry)
            annulment.facts.entry_corrected.replacement.CopyFrom(annulled)
            return EffectiveEntry(annulment)
        return EffectiveEntry(entry)

    def _amended(self, entry: pb.Entry, amendments: Iterable[pb.Entry]) -> EffectiveEntry | None:
        """Return an entry with its amendments applied in their order; None if annulled."""
        result = pb.Entry()
        result.CopyFrom(entry)
        for amendment in amendments:
            kind = amendment.facts.WhichOneof("event")
            if kind == "entry_disclosed":
                result.facts.visibility.CopyFrom(amendment.facts.entry_disclosed.disclosed_to)
            elif kind == "entry_redacted":
                result.ClearField("words")
            elif amendment.facts.entry_corrected.mode == pb.CORRECTION_MODE_ANNUL:
                return None
            else:
                _replace(result, amendment)
                if self.is_redacted(amendment.header.version):
                    result.ClearField("words")
        return EffectiveEntry(result, tuple(amendment.header.version for amendment in amendments))


def _replace(entry: pb.Entry, correction: pb.Entry) -> None:
    """Replace the facts and words of an entry by those of its correction.

    The entry keeps its request id, its recording principal and its visibility.
    """
    facts, original = pb.Facts(), entry.facts
    facts.CopyFrom(correction.facts.entry_corrected.replacement)
    facts.request_id = original.request_id
    facts.recorded_by = original.recorded_by
    if original.HasField("visibility"):
        facts.visibility.CopyFrom(original.visibility)
    entry.facts.CopyFrom(facts)
    entry.words.CopyFrom(correction.words)
    entry.words.ClearField("correction_reason")
