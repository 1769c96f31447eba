"""The changes between two states, and the reversals of earlier terms and stances.

Pure: no I/O, no clock.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import Context, Decimal, DecimalException
from typing import Any, NamedTuple, TypeAlias

from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.schema.contract import PARTS, is_repeated
from pourparler.schema.entry_roles import principals
from pourparler.state.summary import copy_without_lists, count_parts

_AMENDMENTS = "amendments"
_COLLECTIONS = (*(PARTS[kind] for kind in sorted(PARTS)), _AMENDMENTS, "principals")
_NESTED = frozenset({"facts", "words", "origin"})


def diff(before: pb.Negotiation, after: pb.Negotiation) -> list[pb.Change]:
    """Return the changes of the negotiation itself, its parts, amendments and principals.

    `fields` has the paths of fields in `facts`, `words` and `origin`, and the names of others. It
    is empty for a part that is new or removed. `versions` has the versions that only the later
    blame has, and the corrections of versions that only the earlier blame has.
    """
    changes = []
    was_head, now_head = negotiation_fields(before), negotiation_fields(after)
    if was_head != now_head:
        nothing = pb.Negotiation()
        was = None if was_head == nothing else was_head
        now = None if now_head == nothing else now_head
        changes.append(_change("negotiation", was, now, before, after))
    for name in _COLLECTIONS:
        were: Mapping[Any, Any] = getattr(before, name)
        are: Mapping[Any, Any] = getattr(after, name)
        changes.extend(
            _change(f"{name}/{key}", were.get(key), are.get(key), before, after)
            for key in sorted({*were, *are})
            if were.get(key) != are.get(key)
        )
    return changes


def apply_changes(state: pb.Negotiation, changes: Iterable[pb.Change]) -> pb.Negotiation:
    """Return the state after these changes. The given state stays unchanged."""
    result = pb.Negotiation()
    result.CopyFrom(state)
    for change in changes:
        name, _, key = change.part.partition("/")
        if not key:
            whole = pb.Negotiation()
            whole.CopyFrom(change.after.negotiation)
            for collection in _COLLECTIONS:
                getattr(whole, collection).MergeFrom(getattr(result, collection))
            result = whole
            continue
        parts = getattr(result, name)
        place = int(key) if name == _AMENDMENTS else key
        if change.HasField("after"):
            parts[place].CopyFrom(getattr(change.after, change.after.WhichOneof("part") or ""))
        else:
            parts.pop(place, None)
    count_parts(result)
    return result


def negotiation_fields(state: pb.Negotiation) -> pb.Negotiation:
    """Return the fields of the negotiation itself, without parts, maps and counts."""
    result = copy_without_lists(state)
    result.anomalies.MergeFrom(state.anomalies)
    result.ClearField("counts")
    return result


def _change(
    part: str, was: Any, now: Any, before: pb.Negotiation, after: pb.Negotiation
) -> pb.Change:
    field = part.partition("/")[0].removesuffix("s")
    change = pb.Change(part=part, kind=pb.CHANGE_KIND_CHANGED)
    if was is None:
        change.kind = pb.CHANGE_KIND_ADDED
    else:
        getattr(change.before, field).CopyFrom(was)
    if now is None:
        change.kind = pb.CHANGE_KIND_REMOVED
    else:
        getattr(change.after, field).CopyFrom(now)
    if was is not None and now is not None:
        change.fields.extend(changed_fields(was, now))
    earlier, later = _cause_versions(was), _cause_versions(now)
    corrections = {
        version
        for target in earlier - later
        for version in _corrections(after, target) - _corrections(before, target)
    }
    change.versions.extend(sorted(later - earlier | corrections))
    return change


def _cause_versions(part: Any) -> set[int]:
    if part is None:
        return set()
    if isinstance(part, pb.Amendment):
        return {*part.corrected_by, *part.disclosed_by, part.redacted_by} - {0}
    return set(part.blame)


def _corrections(state: pb.Negotiation, target: int) -> set[int]:
    return set(state.amendments[target].corrected_by) if target in state.amendments else set()


def changed_fields(was: Message, now: Message) -> Iterator[str]:
    """Yield the fields in which two parts differ: by path in their sections, else by name."""
    for field in was.DESCRIPTOR.fields:
        one, other = getattr(was, field.name), getattr(now, field.name)
        if one == other and _is_set(was, field) == _is_set(now, field):
            continue
        paths = [field.name]
        if field.name in _NESTED and field.message_type is not None:
            paths = [f"{field.name}.{inner}" for inner in changed_fields(one, other)] or paths
        yield from paths


def _is_set(message: Message, field: Any) -> bool:
    return not is_repeated(field) and field.has_presence and message.HasField(field.name)


class _Subject(NamedTuple):
    """The subject of comparable terms, for one participant and topic."""

    participant: str
    topic: str
    key: str = ""
    type: int = 0
    unit: str = ""
    of: str = ""
    held_by: str = ""
    by: str = ""
    into: str = ""
    variant: str = ""
    of_thing: str = ""
    per: str = ""


class _Step(NamedTuple):
    """A position or proposal, and the value by which it is compared."""

    value: Any
    movement: pb.Movement


_Reversal: TypeAlias = tuple[pb.Movement, pb.Movement, pb.Movement]


def reversals(state: pb.Negotiation, since: pb.Negotiation | None = None) -> list[pb.Reversal]:
    """Return the reversals of terms and stances, in the order of their versions.

    The terms of a participant's positions and proposals form a series for each topic, key, type,
    unit and `of`, `held_by`, `by` and `into`. The status of the position or proposal does not
    matter. A number or day is reversed if it moved from a to b and then moves towards a again, or
    past it. Another value is reversed if it returns to an earlier value. The comparison ignores
    qualifiers, and takes the middle of BETWEEN. Values that are UNKNOWN or destroyed are skipped. A
    reversal on several topics at once is returned once, on the first.

    A stance is reversed if it returns to an earlier stance. A party may hold several positions on
    a topic. A position therefore continues only the one that it supersedes, or else the last one
    withdrawn before it. The first step away from RED_LINE is a concession, and no reversal.

    With `since`, return only the reversals that this earlier state does not have.
    """
    known = set(_reversals(since)) if since is not None else set()
    found = [reversal for key, reversal in _reversals(state).items() if key not in known]
    return sorted(
        found, key=lambda one: (one.back.version, one.participant_id, one.topic_id, one.term_key)
    )


def _reversals(state: pb.Negotiation) -> dict[tuple[Any, ...], pb.Reversal]:
    """Return all reversals, by a key that does not depend on the topic."""
    result: dict[tuple[Any, ...], pb.Reversal] = {}
    for matter, (first, moved, back) in (*_term_reversals(state), *_stance_reversals(state)):
        key = (*matter._replace(topic=""), first.version, moved.version, back.version)
        reversal = pb.Reversal(
            participant_id=matter.participant,
            topic_id=matter.topic,
            term_key=matter.key,
            first=first,
            moved=moved,
            back=back,
        )
        result.setdefault(key, reversal)
    return result


def _term_reversals(state: pb.Negotiation) -> Iterator[tuple[_Subject, _Reversal]]:
    rows: dict[_Subject, list[_Step]] = {}
    for part in _by_version(state.positions, state.proposals):
        if isinstance(part, pb.Position):
            topics = [part.facts.topic_id]
        else:
            topics = part.facts.topic_ids or [""]
        who, several = principals(part.facts), Counter(map(_subject, part.facts.terms))
        for term in part.facts.terms:
            value = _value(term, part.words)
            if value is None or several[_subject(term)] > 1:
                continue  # not known, or one of several alternatives
            step = _Step(value, _movement(part, term))
            for participant in who:
                for topic in topics:
                    matter = _subject(term)._replace(participant=participant, topic=topic)
                    rows.setdefault(matter, []).append(step)
    for matter, steps in rows.items():
        turned = _direction_changes if matter.type in _ORDERED else _repeated_values
        for turn in turned(steps):
            yield matter, turn


def _stance_reversals(state: pb.Negotiation) -> Iterator[tuple[_Subject, _Reversal]]:
    given_up: dict[_Subject, list[pb.Position]] = {}
    for position in state.positions.values():
        if position.status == pb.POSITION_STATUS_WITHDRAWN:
            for holder in principals(position.facts):
                given_up.setdefault(_Subject(holder, position.facts.topic_id), []).append(position)
    for positions in given_up.values():
        positions.sort(key=_left_at)

    def followed(position: pb.Position, matter: _Subject) -> pb.Position | None:
        earlier = state.positions.get(position.facts.supersedes)
        if earlier is None:
            gone = given_up.get(matter, [])
            place = bisect_left(gone, position.origin.version, key=_left_at)
            earlier = gone[place - 1] if place else None
        known = earlier is not None and earlier.origin.version < position.origin.version
        return earlier if known else None

    for position in _by_version(state.positions):
        for holder in principals(position.facts):
            matter = _Subject(holder, position.facts.topic_id)
            first = moved = followed(position, matter)
            if moved is None or moved.facts.stance == position.facts.stance:
                continue
            while first is not None and first.facts.stance != position.facts.stance:
                first = followed(first, matter)
            if first is not None:
                yield matter, (_movement(first), _movement(moved), _movement(position))


def _left_at(position: pb.Position) -> int:
    return position.status_change.version


def _direction_changes(steps: Iterable[_Step]) -> Iterator[_Reversal]:
    """Yield each change of direction: the start of a run, its end, and the step after it."""
    start = last = None
    for step in steps:
        if start is None or last is None:
            start = last = step
        elif step.value != last.value:
            if last is not start and (step.value > last.value) != (last.value > start.value):
                yield start.movement, last.movement, step.movement
                start = last
            last = step


def _repeated_values(steps: Iterable[_Step]) -> Iterator[_Reversal]:
    """Yield each return to an earlier value."""
    last = None
    seen: dict[Any, _Step] = {}
    for step in steps:
        if last is not None and step.value == last.value:
            continue
        if last is not None and step.value in seen:
            yield seen[step.value].movement, last.movement, step.movement
        seen[step.value] = last = step


def _by_version(*collections: Mapping[str, Any]) -> list[Any]:
    parts = [part for collection in collections for part in collection.values()]
    return sorted(parts, key=lambda part: part.origin.version)


def _movement(part: pb.Position | pb.Proposal, term: pb.Term | None = None) -> pb.Movement:
    if isinstance(part, pb.Proposal):
        kind, name = pb.PART_KIND_PROPOSAL, part.facts.proposal_id
        return pb.Movement(version=part.origin.version, kind=kind, id=name, term=term)
    return pb.Movement(
        version=part.origin.version,
        kind=pb.PART_KIND_POSITION,
        id=part.facts.position_id,
        term=term,
        stance=part.facts.stance,
    )


def _subject(term: pb.Term) -> _Subject:
    return _Subject(
        "",
        "",
        term.key,
        term.type,
        term.unit,
        term.of,
        term.held_by,
        term.by,
        term.into,
        term.variant,
        term.of_thing,
        term.per,
    )


def _value(term: pb.Term, words: pb.Words) -> Decimal | str | None:
    """Return the value by which a term is compared, or None; a Decimal if its type is ordered."""
    if term.type == pb.TERM_TYPE_TEXT:
        same = (said for said in words.term_texts if said.key == term.key)
        return next((said.text for said in same if said.variant == term.variant), None)
    if not term.value or term.qualifier == pb.TERM_QUALIFIER_UNKNOWN:
        return None
    if term.type not in _ORDERED:
        return term.value
    try:
        value = _ORDERED[term.type](term.value)
        if term.qualifier == pb.TERM_QUALIFIER_BETWEEN:
            value = _EXACT.add(value, _ORDERED[term.type](term.value_max))
            value = _EXACT.divide(value, Decimal(2))
    except (DecimalException, ValueError):
        return None  # The fold checks no values: one that is not comparable is skipped.
    return value if value.is_finite() else None


def _day(value: str) -> Decimal:
    return Decimal(date.fromisoformat(value).toordinal())


_EXACT = Context(prec=100)
_ORDERED: Mapping[int, Callable[[str], Decimal]] = {
    pb.TERM_TYPE_MONEY: Decimal,
    pb.TERM_TYPE_PERCENT: Decimal,
    pb.TERM_TYPE_QUANTITY: Decimal,
    pb.TERM_TYPE_DATE: _day,
}
