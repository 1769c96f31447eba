"""A selection of entries of a record, and the gaps that it leaves.

All other entries are reduced to their headers, so the Merkle proofs still verify. Pure.
"""

from collections.abc import Iterable
from typing import NamedTuple

from google.protobuf.message import DecodeError

from pourparler import v1 as pb
from pourparler.schema.contract import PARTS, entry_type, references, rule_of
from pourparler.schema.wire import length_delimited
from pourparler.state.corrections import AMENDING_TYPES

_REPLACING_FIELDS = frozenset({"supersedes", "amends"})
"""The fields by which a new part replaces another one."""


class SelectionError(ValueError):
    """The selection is not possible; the text gives the reason."""


class Gap(NamedTuple):
    """A selected entry without another entry that it depends on, or that changes it."""

    version: int
    """The version of the selected entry."""
    missing_version: int
    """The version of the other entry, which is not selected."""
    text: str
    """How the two are related, in a sentence."""


class Selection:
    """A selection of entries. It filters the records of one negotiation once, in their order.

    It never adds entries to the selection: it reports the missing ones as gaps.
    """

    def __init__(self, versions: Iterable[int]) -> None:
        """Select the entries at these versions. Raises SelectionError if there is none."""
        self.versions = frozenset(versions)
        self._count = 0
        self._gaps: dict[Gap, None] = {}
        self._introduced_by: dict[
            tuple[int, str], int
        ] = {}  # the version that introduces each part
        if min(self.versions, default=0) < 1:
            raise SelectionError("No versions are selected: give versions of 1 or more.")

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The gaps of the records filtered so far."""
        return tuple(self._gaps)

    def check(self, size: int) -> None:
        """Raise SelectionError if a selected version is beyond a record of this size."""
        if max(self.versions) > size:
            text = f"There is no version {max(self.versions)}: the record ends with version {size}."
            raise SelectionError(text)

    def filter_record(self, stored: bytes) -> bytes:
        """Return the next record, whole if it is selected, or else its header alone.

        Raises SelectionError if a selected record is withheld already, or if the record is not the
        next one.
        """
        self._count += 1
        try:
            record = pb.Record.FromString(stored)
            version = pb.EntryHeader.FromString(record.header).version
        except DecodeError:
            version = 0
        if version != self._count:
            raise SelectionError(
                f"The record at position {self._count} is not version {self._count}."
            )
        self._add_gaps(version, record.facts)
        if version not in self.versions:
            return length_delimited(pb.Record.HEADER_FIELD_NUMBER, record.header)
        if not record.facts:
            raise SelectionError(
                f"Version {version} is withheld in this record: leave it out of the selection."
            )
        return stored

    def _add_gaps(self, version: int, data: bytes) -> None:
        """Add the gaps between this entry and the selected entries."""
        try:
            facts = pb.Facts.FromString(data)
        except DecodeError:
            return  # a malformed entry is passed on as it is
        known = entry_type(facts)
        if known is None:
            return
        event, said = getattr(facts, known.name), known.name.replace("_", " ")
        if version in self.versions:
            for one in references(facts):
                other = self._introduced_by.get((one.kind, one.id), version)
                if other not in self.versions:
                    text = f"#{version} names {PARTS[one.kind]}/{one.id}, which #{other} brings."
                    self._gaps[Gap(version, other, text)] = None
        else:
            for one in references(event):
                target = self._introduced_by.get((one.kind, one.id), version)
                changed = known.introduces is None or one.path.split("[")[0] in _REPLACING_FIELDS
                if changed and not one.acting and target in self.versions:
                    part = f"{PARTS[one.kind]}/{one.id}"
                    text = f"#{version} ({said}) is of {part}, which #{target} brings."
                    self._gaps[Gap(target, version, text)] = None
        if known.name in AMENDING_TYPES:
            self._add_amendment_gap(version, said, event.target_version)
        if known.introduces is not None:
            part_kind = rule_of(known.introduces).introduces
            self._introduced_by[part_kind, getattr(event, known.introduces.name)] = version

    def _add_amendment_gap(self, version: int, said: str, target: int) -> None:
        if version in self.versions and target not in self.versions:
            text = f"#{version} ({said}) speaks of #{target}."
            self._gaps[Gap(version, target, text)] = None
        elif version not in self.versions and target in self.versions:
            text = f"#{version} ({said}) speaks of #{target}."
            self._gaps[Gap(target, version, text)] = None
