"""Which entries made each part of a state what it is, and what each of them set.

Pure: no I/O, no clock.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, TypeAlias

from pourparler import v1 as pb
from pourparler.schema.contract import PARTS
from pourparler.state.diff import bare_head, differing
from pourparler.state.fold import Counted, counted, evolve, gather

HEAD = "negotiation"
"""The place of the negotiation itself, beside those of its parts."""

Place: TypeAlias = tuple[str, str]
"""Where a part stands in a state: the field that holds its kind, and its id."""

_KEPT = frozenset({"origin.version", "origin.record_time", "origin.recorded_by"})
"""What stays with an entry, whatever corrects it."""
_FOLLOWS = frozenset({"blame", "name", "version", "update_time"})


class Made(NamedTuple):
    """One of the entries that made a part what it is."""

    entry: pb.Entry
    """As it stands on the record, whatever was said of it later."""
    before: Any
    """The part as it was when this entry came to it: empty if it was not there."""
    after: Any
    """The part as it was then. The same as before for one that only speaks of another of these."""
    sets: tuple[str, ...]
    """What it set: the fields of `facts`, `words` and `origin` by their path, others by name."""
    annulled: bool
    """It counts no more: without that, it would have been one of these."""


class Blame(NamedTuple):
    """A part, and what made it what it is."""

    place: Place
    part: Any
    """As it stands; None where all that brought it was annulled."""
    made: tuple[Made, ...]
    """In the order of their versions."""
    fields: Mapping[str, int]
    """Of each field that says something: the version that set it as it stands."""

    @property
    def path(self) -> str:
        """The part as it is named in a diff: `proposals/offer`."""
        return "/".join(filter(None, self.place))


def blame(
    entries: Iterable[pb.Entry],
    wanted: Callable[[Place], bool] = lambda _place: True,
    within: AbstractSet[int] | None = None,
) -> list[Blame]:
    """What made each of the wanted parts what it is, after entries given in their order.

    Blamed is the entry as it counts: of one that was corrected, the correction has set what the
    part says now. With `within`, only these versions count, as in a state by a date.
    """
    entries = list(entries)
    as_counted = _within(counted(entries), within)
    left_out = _left_out(entries) if within is None else {}
    final = gather(as_counted)
    places: dict[Place, list[int]] = {
        place: list(part.blame) for place, part in _parts(final) if wanted(place)
    }
    for place in left_out:
        if wanted(place):
            places.setdefault(place, [])
    concerned: dict[int, list[Place]] = {}
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
    """What became of a part at one entry's turn, and which entry it is to be put down to."""

    before: Any
    after: Any
    set_by: Mapping[str, int]


def _steps(
    entries: Iterable[Counted], concerned: Mapping[int, Iterable[Place]]
) -> dict[Place, dict[int, _Step]]:
    """What became of each part, by the version at whose turn it did."""
    state = pb.Negotiation()
    corrections = _Corrections()
    found: dict[Place, dict[int, _Step]] = {}
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
                for path in differing(before[place], after)
                if path not in _FOLLOWS
            }
            found.setdefault(place, {})[version] = _Step(before[place], after, set_by)
    return found


def _blame(
    place: Place,
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
            sets.setdefault(setter, []).append(path)
    said = set() if part is None else set(differing(type(part)(), part))
    made = []
    for version in versions:
        if version not in as_recorded:
            continue
        step = steps.get(version)
        if step is None or not step.set_by:
            # It speaks of another entry, at whose turn it counts.
            step = next((one for one in steps.values() if version in one.set_by.values()), None)
        now = part if part is not None else _new(place)
        before, after = (step.before, step.after) if step is not None else (now, now)
        made.append(
            Made(
                as_recorded[version],
                before,
                after,
                tuple(sets.get(version, ())),
                annulled=part is None or version not in part.blame,
            )
        )
    return Blame(place, part, tuple(made), {path: fields[path] for path in fields if path in said})


class _Corrections:
    """Which of the entries that speak of others put other facts and words in their place."""

    def __init__(self) -> None:
        self._replacing: set[int] = set()
        self._disclosing: set[int] = set()

    def note(self, entry: pb.Entry) -> None:
        """Remember an entry, if it is one of these."""
        if entry.facts.HasField("entry_corrected"):
            self._replacing.add(entry.header.version)
        elif entry.facts.HasField("entry_disclosed"):
            self._disclosing.add(entry.header.version)

    def setter(self, path: str, version: int, amended_by: tuple[int, ...]) -> int:
        """Which entry a field is to be put down to: its own, or what was put in its place."""
        if path in _KEPT:
            return version
        by = self._disclosing if path == "origin.visibility" else self._replacing
        return next((one for one in reversed(amended_by) if one in by), version)


def _within(entries: Iterable[Counted], within: AbstractSet[int] | None) -> list[Counted]:
    return [one for one in entries if within is None or one.entry.header.version in within]


def _left_out(entries: Sequence[pb.Entry]) -> dict[Place, frozenset[int]]:
    """Of each part: the annulled entries that would otherwise have made it what it is."""
    annulled = {entry.facts.entry_corrected.target_version for entry in entries if _annuls(entry)}
    if not annulled:
        return {}
    with_them = gather(counted(entry for entry in entries if not _annuls(entry)))
    return {
        place: frozenset(gone)
        for place, part in _parts(with_them)
        if (gone := annulled.intersection(part.blame))
    }


def _annuls(entry: pb.Entry) -> bool:
    return entry.facts.entry_corrected.mode == pb.CORRECTION_MODE_ANNUL


def _parts(state: pb.Negotiation) -> Iterator[tuple[Place, Any]]:
    """The negotiation itself, its parts and who has access, each with the versions to blame."""
    if state.blame:
        yield (HEAD, ""), state
    for kind in (*PARTS.values(), "principals"):
        found: Mapping[str, Any] = getattr(state, kind)
        for key in sorted(found, key=lambda key: (found[key].blame[:1], key)):
            yield (kind, key), found[key]


def _part(state: pb.Negotiation, place: Place) -> Any:
    kind, key = place
    if kind == HEAD:
        return bare_head(state) if state.blame else None
    return getattr(state, kind).get(key)


def _copy(state: pb.Negotiation, place: Place) -> Any:
    part = _part(state, place)
    copy = _new(place)
    if part is not None:
        copy.CopyFrom(part)
    return copy


def _new(place: Place) -> Any:
    """A part of this kind of which nothing is said."""
    kind = place[0]
    if kind == HEAD:
        return pb.Negotiation()
    values: Any = pb.Negotiation.DESCRIPTOR.fields_by_name[kind].message_type
    return getattr(pb, values.fields_by_name["value"].message_type.name)()
