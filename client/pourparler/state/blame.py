"""Blame: the entries that contributed to each part of a state, and the fields they set.

Pure: no I/O, no clock.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, TypeAlias

from pourparler import v1 as pb
from pourparler.schema.contract import PARTS
from pourparler.state.corrections import EffectiveEntry, effective_entries
from pourparler.state.diff import changed_fields, negotiation_fields
from pourparler.state.fold import evolve, fold_effective

NEGOTIATION = "negotiation"
"""The key of the negotiation itself, beside the keys of its parts."""

PartKey: TypeAlias = tuple[str, str]
"""The key of a part: the field of its kind in a state, and its id."""

_NEVER_CORRECTED = frozenset({"origin.version", "origin.record_time", "origin.recorded_by"})
"""The fields that no correction changes."""
_DERIVED = frozenset({"blame", "name", "version", "update_time"})


class Contribution(NamedTuple):
    """The contribution of one entry to a part."""

    entry: pb.Entry
    """The entry as recorded, without later corrections."""
    before: Any
    """The part before this entry; empty if it did not exist."""
    after: Any
    """The part after this entry. It equals `before` for an entry that amends another one."""
    sets: tuple[str, ...]
    """The fields that it set: by path in `facts`, `words` and `origin`, else by name."""
    annulled: bool
    """True if the entry is annulled, so that it no longer contributes."""


class Blame(NamedTuple):
    """A part and the contributions to it."""

    place: PartKey
    part: Any
    """The part in the state; None if every entry that introduced it is annulled."""
    contributions: tuple[Contribution, ...]
    """The contributions, in the order of versions."""
    fields: Mapping[str, int]
    """The version that set the current value of each field."""

    @property
    def path(self) -> str:
        """The path of the part, as in a diff: `proposals/offer`."""
        return "/".join(filter(None, self.place))


def blame(
    entries: Iterable[pb.Entry],
    include: Callable[[PartKey], bool] = lambda _place: True,
    only_versions: AbstractSet[int] | None = None,
) -> list[Blame]:
    """Return the blame of each included part, after entries given in the order of versions.

    A correction is the setter of the fields that it changed. With `only_versions`, only these
    versions are in force, as in a state at an occurrence date.
    """
    entries = list(entries)
    as_counted = _within(effective_entries(entries), only_versions)
    left_out = _annulled_contributors(entries) if only_versions is None else {}
    final = fold_effective(as_counted)
    places: dict[PartKey, list[int]] = {
        place: list(part.blame) for place, part in _parts(final) if include(place)
    }
    for place in left_out:
        if include(place):
            places.setdefault(place, [])
    concerned: dict[int, list[PartKey]] = {}
    for place, versions in places.items():
        for version in versions:
            concerned.setdefault(version, []).append(place)
    steps = _steps(as_counted, concerned)
    as_recorded = {entry.header.version: entry for entry in entries}
    return [
        _blame(
            place,
            _part(final, place),
            sorted({*versions, *left_out.get(place, ())}),
            steps.get(place, {}),
            as_recorded,
        )
        for place, versions in places.items()
    ]


class _Step(NamedTuple):
    """A part before and after one entry, and the version that set each field."""

    before: Any
    after: Any
    set_by: Mapping[str, int]


def _steps(
    entries: Iterable[EffectiveEntry], concerned: Mapping[int, Iterable[PartKey]]
) -> dict[PartKey, dict[int, _Step]]:
    """Return the steps of each part, by version."""
    state = pb.Negotiation()
    corrections = _Corrections()
    found: dict[PartKey, dict[int, _Step]] = {}
    entries = list(entries)
    for entry, _ in entries:
        corrections.note(entry)
    for entry, amended_by in entries:
        version = entry.header.version
        places = concerned.get(version, ())
        before = {place: _copy(state, place) for place in places}
        evolve(state, entry, amended_by=amended_by)
        for place in places:
            after = _copy(state, place)
            set_by = {
                path: corrections.setter(path, version, amended_by)
                for path in changed_fields(before[place], after)
                if path not in _DERIVED
            }
            found.setdefault(place, {})[version] = _Step(before[place], after, set_by)
    return found


def _blame(
    place: PartKey,
    part: Any,
    versions: Iterable[int],
    steps: Mapping[int, _Step],
    as_recorded: Mapping[int, pb.Entry],
) -> Blame:
    fields: dict[str, int] = {}
    sets: dict[int, list[str]] = {}
    for version in sorted(steps):
        for path, setter in steps[version].set_by.items():
            fields[path] = setter
            # A section that is emptied has no path of its own: the part still has the section.
            fields[path.partition(".")[0]] = setter
            sets.setdefault(setter, []).append(path)
    said = set() if part is None else set(changed_fields(type(part)(), part))
    made = []
    for version in versions:
        if version not in as_recorded:
            continue
        step = steps.get(version)
        if step is None or not step.set_by:
            # It amends another entry, and takes effect at the version of that entry.
            step = next((one for one in steps.values() if version in one.set_by.values()), None)
        now = part if part is not None else _new(place)
        before, after = (step.before, step.after) if step is not None else (now, now)
        made.append(
            Contribution(
                as_recorded[version],
                before,
                after,
                tuple(sets.get(version, ())),
                annulled=part is None or version not in part.blame,
            )
        )
    return Blame(place, part, tuple(made), {path: fields[path] for path in fields if path in said})


class _Corrections:
    """The versions that correct or disclose other entries."""

    def __init__(self) -> None:
        self._replacing: set[int] = set()
        self._disclosing: set[int] = set()

    def note(self, entry: pb.Entry) -> None:
        """Note an entry if it corrects or discloses another one."""
        if entry.facts.HasField("entry_corrected"):
            self._replacing.add(entry.header.version)
        elif entry.facts.HasField("entry_disclosed"):
            self._disclosing.add(entry.header.version)

    def setter(self, path: str, version: int, amended_by: tuple[int, ...]) -> int:
        """Return the version that set a field: of the entry, or of its last correction."""
        if path in _NEVER_CORRECTED:
            return version
        by = self._disclosing if path == "origin.visibility" else self._replacing
        return next((one for one in reversed(amended_by) if one in by), version)


def _within(
    entries: Iterable[EffectiveEntry], within: AbstractSet[int] | None
) -> list[EffectiveEntry]:
    return [one for one in entries if within is None or one.entry.header.version in within]


def _annulled_contributors(entries: Sequence[pb.Entry]) -> dict[PartKey, frozenset[int]]:
    """Return the annulled entries that would otherwise contribute, by part."""
    annulled = {entry.facts.entry_corrected.target_version for entry in entries if _annuls(entry)}
    if not annulled:
        return {}
    with_them = fold_effective(effective_entries(entry for entry in entries if not _annuls(entry)))
    return {
        place: frozenset(gone)
        for place, part in _parts(with_them)
        if (gone := annulled.intersection(part.blame))
    }


def _annuls(entry: pb.Entry) -> bool:
    return entry.facts.entry_corrected.mode == pb.CORRECTION_MODE_ANNUL


def _parts(state: pb.Negotiation) -> Iterator[tuple[PartKey, Any]]:
    """Yield the negotiation itself, its parts and its principals."""
    if state.blame:
        yield (NEGOTIATION, ""), state
    for kind in (*PARTS.values(), "principals"):
        found: Mapping[str, Any] = getattr(state, kind)
        for key in sorted(found, key=lambda key: (found[key].blame[:1], key)):
            yield (kind, key), found[key]


def _part(state: pb.Negotiation, place: PartKey) -> Any:
    kind, key = place
    if kind == NEGOTIATION:
        return negotiation_fields(state) if state.blame else None
    return getattr(state, kind).get(key)


def _copy(state: pb.Negotiation, place: PartKey) -> Any:
    part = _part(state, place)
    copy = _new(place)
    if part is not None:
        copy.CopyFrom(part)
    return copy


def _new(place: PartKey) -> Any:
    """Return an empty part of this kind."""
    kind = place[0]
    if kind == NEGOTIATION:
        return pb.Negotiation()
    values: Any = pb.Negotiation.DESCRIPTOR.fields_by_name[kind].message_type
    return getattr(pb, values.fields_by_name["value"].message_type.name)()
