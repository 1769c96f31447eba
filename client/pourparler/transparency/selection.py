"""Which entries of a record somebody is shown, and what they are then shown without.

Of all others nothing is passed on but their headers, by which the whole still verifies. Pure.
"""

from collections.abc import Iterable
from typing import NamedTuple

from google.protobuf.message import DecodeError

from pourparler import v1 as pb
from pourparler.schema.contract import PARTS, entry_type, references, rule_of
from pourparler.schema.wire import framed
from pourparler.state.fold import AMENDING

_REPLACING = frozenset({"supersedes", "amends"})
"""The fields by which an entry that brings a part puts it in the place of another."""


class SelectionError(ValueError):
    """What was chosen cannot be shown. The text says why."""


class Gap(NamedTuple):
    """An entry is shown without another one that bears on it."""

    version: int
    """Of the entry that is shown."""
    other: int
    """Of the one that is not."""
    text: str
    """How that one bears on it, in a sentence for people."""


class Selection:
    """The entries that are shown, of records that are taken one by one in their order.

    Nothing is shown that was not chosen: what a chosen entry is then shown without is told, and
    not added. It goes through one record, once.
    """

    def __init__(self, versions: Iterable[int]) -> None:
        """Show the entries of these versions. Raises SelectionError if they are none."""
        self.versions = frozenset(versions)
        self._count = 0
        self._gaps: dict[Gap, None] = {}
        self._brought: dict[tuple[int, str], int] = {}  # the version that brings each part
        if min(self.versions, default=0) < 1:
            raise SelectionError("Say which versions are to be shown, from 1 on.")

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What the entries that are shown are shown without, as far as the records were taken."""
        return tuple(self._gaps)

    def check(self, size: int) -> None:
        """Raise SelectionError if a version is chosen that a record of this size does not have."""
        if max(self.versions) > size:
            text = f"There is no version {max(self.versions)}: the record ends with version {size}."
            raise SelectionError(text)

    def take(self, stored: bytes) -> bytes:
        """The next record as it is passed on: as it is stored, or its header alone.

        Raises SelectionError if it is chosen and was withheld before, or is not the next record.
        """
        self._count += 1
        try:
            record = pb.Record.FromString(stored)
            version = pb.EntryHeader.FromString(record.header).version
        except DecodeError:
            version = 0
        if version != self._count:
            raise SelectionError(
                f"What stands at place {self._count} is not version {self._count}."
            )
        self._compare(version, record.facts)
        if version not in self.versions:
            return framed(pb.Record.HEADER_FIELD_NUMBER, record.header)
        if not record.facts:
            raise SelectionError(f"Version {version} is withheld here, too: it cannot be shown.")
        return stored

    def _compare(self, version: int, data: bytes) -> None:
        """See what this entry means for those shown, or what it lacks if it is one of them."""
        try:
            facts = pb.Facts.FromString(data)
        except DecodeError:
            return  # it is passed on, or not, all the same
        known = entry_type(facts)
        if known is None:
            return
        event, said = getattr(facts, known.name), known.name.replace("_", " ")
        if version in self.versions:
            for one in references(facts):
                other = self._brought.get((one.kind, one.id), version)
                if other not in self.versions:
                    text = f"#{version} names {PARTS[one.kind]}/{one.id}, which #{other} brings."
                    self._gaps[Gap(version, other, text)] = None
        else:
            for one in references(event):
                target = self._brought.get((one.kind, one.id), version)
                changed = known.introduces is None or one.path.split("[")[0] in _REPLACING
                if changed and not one.acting and target in self.versions:
                    part = f"{PARTS[one.kind]}/{one.id}"
                    text = f"#{version} ({said}) is of {part}, which #{target} brings."
                    self._gaps[Gap(target, version, text)] = None
        if known.name in AMENDING:
            self._amend(version, said, event.target_version)
        if known.introduces is not None:
            part_kind = rule_of(known.introduces).introduces
            self._brought[part_kind, getattr(event, known.introduces.name)] = version

    def _amend(self, version: int, said: str, target: int) -> None:
        if version in self.versions and target not in self.versions:
            text = f"#{version} ({said}) speaks of #{target}."
            self._gaps[Gap(version, target, text)] = None
        elif version not in self.versions and target in self.versions:
            text = f"#{version} ({said}) speaks of #{target}."
            self._gaps[Gap(target, version, text)] = None
