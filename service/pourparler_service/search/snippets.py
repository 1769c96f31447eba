"""The fields of an entry's words that are searched, and the passages shown of them. Pure."""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.schema.contract import is_repeated, rule_of
from pourparler_service.search.query import SearchQuery, Span

HEADING, SAID, BESIDE = range(3)
"""What stands in a field: what something is called; what was said; what stands beside it."""

MOST_SNIPPETS = 3
_LONGEST = 200  # characters of a passage, about
_BEFORE = 60  # of these, before the first match
_REACH = 24  # how far a passage is cut from where it would be, so that words stay whole
_LOOKED_AT = 100_000  # characters of a field in which matches are looked for to be shown
_PLACES = {
    **dict.fromkeys(("title", "name", "aliases"), HEADING),
    **dict.fromkeys(("text", "answer", "summary", "purpose", "conditions", "term_texts"), SAID),
}


class SearchedField(NamedTuple):
    """A field of an entry's words: its path below `words`, what stands in it, and its text."""

    path: str
    place: int
    text: str


def fields(words: pb.Words) -> list[SearchedField]:
    """The fields that have something in them, as they are searched."""
    return list(_fields(words, "", None))


def _fields(message: Message, before: str, place: int | None) -> Iterator[SearchedField]:
    for field, value in message.ListFields():
        here = _PLACES.get(field.name, BESIDE) if place is None else place
        if rule_of(field).id:
            continue  # an id is no word
        several: Sequence[Any] = value if is_repeated(field) else [value]
        for number, one in enumerate(several):
            path = f"{before}{field.name}" + (f"[{number}]" if is_repeated(field) else "")
            if isinstance(one, str):
                yield SearchedField(path, here, one)
            elif isinstance(one, pb.TermText | pb.Source):
                yield from _fields(one, f"{path}.", here)


def snippets(words: pb.Words, wanted: SearchQuery) -> list[pb.Snippet]:
    """The passages in which most of what is looked for stands; without that, the beginning."""
    all_fields = sorted(fields(words), key=lambda one: one.place)  # stable: else in their order
    if not wanted.phrases:
        return [_snippet(one, [], 0, _LONGEST) for one in all_fields[:1]]
    found = [(one, spans) for one in all_fields if (spans := wanted.spans(one.text[:_LOOKED_AT]))]
    found.sort(key=lambda one: -len({span.phrase for span in one[1]}))
    return [_best(one, spans) for one, spans in found[:MOST_SNIPPETS]]


def _best(field: SearchedField, spans: Sequence[Span]) -> pb.Snippet:
    """The passage of a field that has most of what is looked for, the first of several."""

    def worth(begin: int) -> tuple[int, int]:
        there = [
            one for one in spans if begin <= one.begin and one.end <= begin + _LONGEST - _BEFORE
        ]
        return len({one.phrase for one in there}), len(there)

    begin = max((one.begin for one in spans), key=worth)
    return _snippet(field, spans, begin - _BEFORE, begin - _BEFORE + _LONGEST)


def _snippet(field: SearchedField, spans: Sequence[Span], begin: int, end: int) -> pb.Snippet:
    text = field.text
    if end > len(text):
        begin, end = begin - (end - len(text)), len(text)
    begin, end = max(begin, 0), min(end, len(text))
    within = [one for one in spans if one.begin < end and begin < one.end]
    if begin:
        begin = _cut(text, begin, min((one.begin for one in within), default=end))
    if end < len(text):
        last = max((one.end for one in within), default=begin)
        end = last if last > end else _cut(text, end, max(last, end - _REACH), back=True)
    snippet = pb.Snippet(field=field.path, more_before=begin > 0, more_after=end < len(text))
    place = begin
    for one in _merged(within):
        if one.begin > place:
            snippet.segments.add(text=text[place : one.begin])
        snippet.segments.add(text=text[max(one.begin, place) : one.end], match=True)
        place = one.end
    if place < end:
        snippet.segments.add(text=text[place:end])
    return snippet


def _cut(text: str, place: int, furthest: int, *, back: bool = False) -> int:
    """A place near this one, not beyond the furthest, at which no word is cut if that can be."""
    step = -1 if back else 1
    reach = min(abs(furthest - place), _REACH)
    for way in range(reach + 1):
        here = place + step * way
        if text[here - 1].isspace() != text[here : here + 1].isspace():
            return here
    # A script without spaces: between two characters, whatever joins them.
    while 0 < place < len(text) and place != furthest and _joins(text[place]):
        place += step
    return place


def _joins(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or character in "\u200d\ufe0f"


def _merged(spans: Sequence[Span]) -> list[Span]:
    """The same without overlaps, and as one where they touch."""
    merged: list[Span] = []
    for one in spans:
        if merged and one.begin <= merged[-1].end:
            merged[-1] = merged[-1]._replace(end=max(merged[-1].end, one.end))
        else:
            merged.append(one)
    return merged
