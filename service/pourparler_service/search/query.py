"""Search queries: their parser, and the matches of a query in a text. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from pourparler import v1 as pb
from pourparler_service.domain.refusal import quoted, refuse
from pourparler_service.search.text_normalization import Word, words_of

LONGEST_QUERY = 1_000
MOST_PHRASES = 32

_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»＂", '"'))
_PARTS = re.compile(
    r'(?P<minus>-?)(?:"(?P<quoted>[^"]*)"?|(?P<plain>[^\s"]+?))(?P<star>\*?)(?=[\s"]|$)'
)


class Phrase(NamedTuple):
    """Normalized words in sequence. With `prefix`, the last one matches longer words too."""

    words: tuple[str, ...]
    prefix: bool = False


class Span(NamedTuple):
    """A match in a text: its begin, its end, and the index of its phrase."""

    begin: int
    end: int
    phrase: int


class SearchQuery(NamedTuple):
    """A query: an entry has to contain all phrases, and none of the excluded ones."""

    phrases: tuple[Phrase, ...] = ()
    excluded: tuple[Phrase, ...] = ()

    @classmethod
    def parse(cls, query: str, field: str = "query") -> Self:
        """Parse the text of a caller. Raise RefusalError if it has no word or exceeds a limit."""
        if len(query) > LONGEST_QUERY:
            _refuse_size(f"{len(query)} characters; {LONGEST_QUERY}", LONGEST_QUERY, field)
        found: dict[bool, dict[Phrase, None]] = {False: {}, True: {}}
        for part in _PARTS.finditer(query.translate(_QUOTES)):
            phrase = _phrase(part["quoted"] or part["plain"] or "", part["star"])
            if phrase.words:
                found[bool(part["minus"])][phrase] = None
        phrases, excluded = tuple(found[False]), tuple(found[True])
        if len(phrases) + len(excluded) > MOST_PHRASES:
            size = f"{len(phrases) + len(excluded)} words and phrases; {MOST_PHRASES}"
            _refuse_size(size, MOST_PHRASES, field)
        if query.strip() and not phrases and not excluded:
            text = f"The query {quoted(query)} has no word. Use letters or digits."
            refuse(pb.ERROR_REASON_FIELD_INVALID, text, field)
        return cls(phrases, excluded)

    def spans(self, text: str) -> list[Span]:
        """Return the matches of the phrases in a text, ordered by their begin."""
        words = words_of(text)
        texts = [word.text for word in words]
        found = [
            Span(words[place].begin, _end(words[place + len(phrase.words) - 1], phrase), number)
            for number, phrase in enumerate(self.phrases)
            for place in _places(phrase, texts)
        ]
        return sorted(found)


def _phrase(text: str, star: str) -> Phrase:
    words = words_of(text)
    prefix = bool(star)
    if words and words[-1].is_single:
        # A single last character is in the index only at the end of a run. So match its pair with
        # the character before or, without one, all pairs that begin with it.
        has_pair = len(words) > 1 and words[-2].pair_end
        if has_pair:
            words.pop()
        prefix = not has_pair
    return Phrase(tuple(word.text for word in words), prefix)


def _places(phrase: Phrase, texts: Sequence[str]) -> Iterator[int]:
    """Yield the index of each word where a phrase begins."""
    *firsts, last = phrase.words
    for place, text in enumerate(texts[len(firsts) :]):
        ends = text.startswith(last) if phrase.prefix else text == last
        if ends and texts[place : place + len(firsts)] == firsts:
            yield place


def _end(word: Word, phrase: Phrase) -> int:
    """Return the end of a phrase whose last word is this one."""
    return word.pair_end if word.pair_end and phrase.prefix else word.end


def _refuse_size(size: str, limit: int, field: str) -> None:
    refuse(
        pb.ERROR_REASON_LIMIT_EXCEEDED,
        f"The query has {size} are allowed.",
        field,
        limit=str(limit),
    )
