"""The searched fields of the words of an entry, and snippets of them. Pure."""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.schema.contract import is_repeated, rule_of
from pourparler_service.search.query import SearchQuery, Span

HEADING, CONTENT, CONTEXT = range(3)
"""The categories of fields: names and titles; what was said; the rest, such as sources."""

MOST_SNIPPETS = 3
_LONGEST = 200  # characters of a snippet, about
_BEFORE = 60  # characters of a snippet before its first match
_REACH = 24  # characters that an edge of a snippet moves to keep a word whole
_SEARCHED = 100_000  # characters of a field that are searched for a snippet
_CATEGORIES = {
    **dict.fromkeys(("title", "name", "aliases"), HEADING),
    **dict.fromkeys(("text", "answer", "summary", "purpose", "conditions", "term_texts"), CONTENT),
}


class SearchedField(NamedTuple):
    """A field of the words of an entry: its path below `words`, its category, and its text."""

    path: str
    category: int
    text: str


def fields(words: pb.Words) -> list[SearchedField]:
    """Return the searched fields with content."""
    return list(_fields(words, "", None))


def _fields(message: Message, before: str, category: int | None) -> Iterator[SearchedField]:
    for field, value in message.ListFields():
        own = _CATEGORIES.get(field.name, CONTEXT) if category is None else category
        if rule_of(field).id:
            continue  # ids are not searched
        several: Sequence[Any] = value if is_repeated(field) else [value]
        for number, one in enumerate(several):
            path = f"{before}{field.name}" + (f"[{number}]" if is_repeated(field) else "")
            if isinstance(one, str):
                yield SearchedField(path, own, one)
            elif isinstance(one, pb.TermText | pb.Source):
                yield from _fields(one, f"{path}.", own)


def snippets(words: pb.Words, query: SearchQuery) -> list[pb.Snippet]:
    """Return the passages with the most matches; without phrases, the beginning."""
    all_fields = sorted(fields(words), key=lambda one: one.category)  # stable within a category
    if not query.phrases:
        return [_snippet(one, [], 0, _LONGEST) for one in all_fields[:1]]
    found = [(one, spans) for one in all_fields if (spans := query.spans(one.text[:_SEARCHED]))]
    found.sort(key=lambda one: -len({span.phrase for span in one[1]}))
    return [_best(one, spans) for one, spans in found[:MOST_SNIPPETS]]


def _best(field: SearchedField, spans: Sequence[Span]) -> pb.Snippet:
    """Return the first of the passages of a field that have the most matches."""

    def score(begin: int) -> tuple[int, int]:
        there = [
            one for one in spans if begin <= one.begin and one.end <= begin + _LONGEST - _BEFORE
        ]
        return len({one.phrase for one in there}), len(there)

    begin = max((one.begin for one in spans), key=score)
    return _snippet(field, spans, begin - _BEFORE, begin - _BEFORE + _LONGEST)


def _snippet(field: SearchedField, spans: Sequence[Span], begin: int, end: int) -> pb.Snippet:
    text = field.text
    if end > len(text):
        begin, end = begin - (end - len(text)), len(text)
    begin, end = max(begin, 0), min(end, len(text))
    visible = [one for one in spans if one.begin < end and begin < one.end]
    if begin:
        begin = _word_edge(text, begin, min((one.begin for one in visible), default=end))
    if end < len(text):
        last = max((one.end for one in visible), default=begin)
        end = last if last > end else _word_edge(text, end, max(last, end - _REACH), back=True)
    snippet = pb.Snippet(field=field.path, more_before=begin > 0, more_after=end < len(text))
    place = begin
    for one in _merged(visible):
        if one.begin > place:
            snippet.segments.add(text=text[place : one.begin])
        snippet.segments.add(text=text[max(one.begin, place) : one.end], match=True)
        place = one.end
    if place < end:
        snippet.segments.add(text=text[place:end])
    return snippet


def _word_edge(text: str, place: int, furthest: int, *, back: bool = False) -> int:
    """Return a place near this one, not beyond `furthest`, that cuts no word if possible."""
    step = -1 if back else 1
    reach = min(abs(furthest - place), _REACH)
    for distance in range(reach + 1):
        here = place + step * distance
        if text[here - 1].isspace() != text[here : here + 1].isspace():
            return here
    # In a script without spaces: do not separate a character from its combining marks.
    while 0 < place < len(text) and place != furthest and _joins(text[place]):
        place += step
    return place


def _joins(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or character in "\u200d\ufe0f"


def _merged(spans: Sequence[Span]) -> list[Span]:
    """Return the spans with overlapping and adjacent ones merged."""
    merged: list[Span] = []
    for one in spans:
        if merged and one.begin <= merged[-1].end:
            merged[-1] = merged[-1]._replace(end=max(merged[-1].end, one.end))
        else:
            merged.append(one)
    return merged
