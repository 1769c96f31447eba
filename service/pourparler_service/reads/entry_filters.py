"""Filters of replays, and the messages of a replay of the whole record. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.schema.contract import ENTRY_TYPES
from pourparler.schema.wire import length_delimited
from pourparler.state.corrections import is_amending
from pourparler_service.aggregate.reading import ReplayedEntry
from pourparler_service.domain.references import Part, introduced_part, referenced_parts
from pourparler_service.domain.refusal import quoted, refuse
from pourparler_service.validation import requests

BATCH_ENTRIES = 256
"""The maximum number of entries in a message."""

BATCH_BYTES = 262_144
"""The maximum size of the entries in a message, in bytes, unless a single entry is larger."""

ALL = "negotiations/-"
"""The name for all negotiations."""

ON_TOPICS = frozenset(
    {
        pb.PART_KIND_STATEMENT,
        pb.PART_KIND_POSITION,
        pb.PART_KIND_QUESTION,
        pb.PART_KIND_PROPOSAL,
        pb.PART_KIND_AGREEMENT,
        pb.PART_KIND_MILESTONE,
    }
)
"""The kinds of part that are about topics."""


class Selection(NamedTuple):
    """The selected entries in their order, and True if the limit left out some."""

    replayed: Sequence[ReplayedEntry]
    limited: bool


def needs_whole(request: pb.ReplayEntriesRequest) -> bool:
    """Return True if a request needs the whole record of a negotiation, not page by page.

    Raise RefusalError if some of its fields cannot be combined.
    """
    whole = ("as_of", "topic_ids", "reverse")
    if request.name == ALL:
        _check_absent(request, ("after_version", *whole), "over all negotiations")
    if request.follow:
        _check_absent(request, (*whole, "limit"), "with follow")
    if request.cursor:
        _check_absent(request, ("after_version", *whole), "with a cursor")
    return bool(request.as_of != pb.AsOf() or request.topic_ids or request.reverse)


def check(request: pb.ReplayEntriesRequest) -> None:
    """Raise RefusalError if a filter of a replay is invalid."""
    requests.check_as_of(request.as_of, "as_of")
    check_filters(request)


def check_filters(request: pb.ReplayEntriesRequest | pb.SearchEntriesRequest) -> None:
    """Raise RefusalError if a filter on types, participants, topics or bases is invalid."""
    requests.check_length(request.entry_types, "entry_types")
    for place, name in enumerate(request.entry_types):
        if name not in ENTRY_TYPES:
            refuse(
                pb.ERROR_REASON_FIELD_INVALID,
                f"There is no entry type {quoted(name)}. Entry types are named like"
                " 'statement_recorded'.",
                f"entry_types[{place}]",
            )
    requests.check_ids(request.participant_ids, "participant_ids")
    requests.check_ids(request.topic_ids, "topic_ids")
    requests.check_enum(request, "bases")


def _check_absent(request: pb.ReplayEntriesRequest, names: Iterable[str], why: str) -> None:
    for field, _ in request.ListFields():
        if field.name in names:
            refuse(
                pb.ERROR_REASON_FIELD_NOT_ALLOWED,
                f"{field.name} is not allowed {why}. Leave it out.",
                field.name,
            )


def meets(
    entry: pb.Entry, request: pb.ReplayEntriesRequest, target: Callable[[int], pb.Entry | None]
) -> bool:
    """Return True if an entry meets all filters, except the one on topics.

    `target` returns the entry of a version: an entry about another one names its parts too.
    """
    facts = entry.facts
    if request.entry_types and facts.WhichOneof("event") not in request.entry_types:
        return False
    if request.bases and facts.provenance.basis not in request.bases:
        return False
    if not request.participant_ids:
        return True
    parts = referenced_parts(facts)
    if is_amending(entry):
        event = getattr(facts, facts.WhichOneof("event") or "")
        about = target(event.target_version)
        parts |= referenced_parts(about.facts) if about is not None else set()
    who = {Part(pb.PART_KIND_PARTICIPANT, id_) for id_ in request.participant_ids}
    return not parts.isdisjoint(who)


def select(replayed: Sequence[ReplayedEntry], request: pb.ReplayEntriesRequest) -> Selection:
    """Return the entries that meet all filters of a request."""
    found: Iterable[ReplayedEntry] = replayed
    if request.after_version:
        found = (one for one in found if one.entry.header.version > request.after_version)
    if request.entry_types:
        types = set(request.entry_types)
        found = (one for one in found if one.entry.facts.WhichOneof("event") in types)
    if request.bases:
        bases = set(request.bases)
        found = (one for one in found if one.entry.facts.provenance.basis in bases)
    if request.participant_ids or request.topic_ids:
        named = _named_by_version(replayed)
        if request.participant_ids:
            who = {Part(pb.PART_KIND_PARTICIPANT, id_) for id_ in request.participant_ids}
            found = _naming(found, named, who)
        if request.topic_ids:
            found = _naming(found, named, _on_topics(replayed, request.topic_ids))
    chosen = list(found)
    if request.reverse:
        chosen.reverse()
    if request.limit and len(chosen) > request.limit:
        return Selection(chosen[: request.limit], limited=True)
    return Selection(chosen, limited=False)


def _naming(
    found: Iterable[ReplayedEntry], named: Mapping[int, set[Part]], parts: set[Part]
) -> Iterator[ReplayedEntry]:
    return (one for one in found if not parts.isdisjoint(named[one.entry.header.version]))


def _named_by_version(replayed: Iterable[ReplayedEntry]) -> dict[int, set[Part]]:
    """Return the parts that each entry names, those of its target included."""
    named: dict[int, set[Part]] = {}
    for one in replayed:
        facts = one.entry.facts
        parts = referenced_parts(facts)
        if is_amending(one.entry):
            event = getattr(facts, facts.WhichOneof("event") or "")
            parts |= named.get(event.target_version, set())
        named[one.entry.header.version] = parts
    return named


def _on_topics(replayed: Iterable[ReplayedEntry], topic_ids: Iterable[str]) -> set[Part]:
    """Return topics, and the parts on them, as these entries introduce or correct them."""
    topics = {Part(pb.PART_KIND_TOPIC, id_) for id_ in topic_ids}
    found = set(topics)
    for one in replayed:
        for facts in (one.entry.facts, one.entry.facts.entry_corrected.replacement):
            part = introduced_part(facts)
            if part and part.kind in ON_TOPICS and not topics.isdisjoint(referenced_parts(facts)):
                found.add(part)
    return found


def messages(selection: Selection, computed_at: pb.ComputedAt) -> Iterator[bytes]:
    """Yield the bytes of the messages of a replay: stored entries, then that it is complete."""
    batch: list[bytes] = []
    possible: list[int] = []
    size = 0
    for one in selection.replayed:
        if batch and (len(batch) == BATCH_ENTRIES or size + len(one.data) > BATCH_BYTES):
            yield _message(batch, possible)
            batch, possible, size = [], [], 0
        batch.append(length_delimited(pb.ReplayEntriesResponse.ENTRIES_FIELD_NUMBER, one.data))
        size += len(one.data)
        if one.possible:
            possible.append(one.entry.header.version)
    if batch:
        yield _message(batch, possible)
    complete = pb.ReplayComplete(
        entry_count=len(selection.replayed), computed_at=computed_at, limited=selection.limited
    )
    yield pb.ReplayEntriesResponse(complete=complete).SerializeToString()


def _message(batch: Iterable[bytes], possible: Iterable[int]) -> bytes:
    rest = pb.ReplayEntriesResponse(possible_versions=possible).SerializeToString()
    return b"".join(batch) + rest
