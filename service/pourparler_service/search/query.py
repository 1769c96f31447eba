"""What a query looks for, and where it stands in a text. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from pourparler import v1 as pb
from pourparler_service.domain.refusal import refuse
from pourparler_service.search.text_normalization import Word, spelled

LONGEST_QUERY = 1_000
MOST_PHRASES = 32

_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»＂", '"'))
_PARTS = re.compile(
    r'(?P<minus>-?)(?:"(?P<quoted>[^"]*)"?|(?P<plain>[^\s"]+?))(?P<star>\*?)(?=[\s"]|$)'
)


class Phrase(NamedTuple):
    """Words that follow each other, spelled; with `prefix`, the last one may go on."""

    words: tuple[str, ...]
    prefix: bool = False


class Span(NamedTuple):
    """Where something that was looked for stands in a text, and which phrase it is."""

    begin: int
    end: int
    phrase: int


class SearchQuery(NamedTuple):
    """All of these phrases, and none of the excluded."""

    phrases: tuple[Phrase, ...] = ()
    excluded: tuple[Phrase, ...] = ()

    @classmethod
    def read(cls, query: str, field: str = "query") -> Self:
        """What a caller typed; whatever it is, it is answered, or refused with the field."""
        if len(query) > LONGEST_QUERY:
            _too_much(f"{len(query)} characters; {LONGEST_QUERY}", LONGEST_QUERY, field)
        found: dict[bool, dict[Phrase, None]] = {False: {}, True: {}}
        for part in _PARTS.finditer(query.translate(_QUOTES)):
            phrase = _phrase(part["quoted"] or part["plain"] or "", part["star"])
            if phrase.words:
                found[bool(part["minus"])][phrase] = None
        phrases, excluded = tuple(found[False]), tuple(found[True])
        if len(phrases) + len(excluded) > MOST_PHRASES:
            said = f"{len(phrases) + len(excluded)} words and phrases; {MOST_PHRASES}"
            _too_much(said, MOST_PHRASES, field)
        if query.strip() and not phrases and not excluded:
            text = "There is no word in the query: it has neither letters nor digits."
            refuse(pb.ERROR_REASON_FIELD_INVALID, text, field)
        return cls(phrases, excluded)

    def spans(self, text: str) -> list[Span]:
        """Where the phrases stand in a text, in the order of their beginnings."""
        words = spelled(text)
        texts = [word.text for word in words]
        found = [
            Span(words[place].begin, _end(words[place + len(phrase.words) - 1], phrase), number)
            for number, phrase in enumerate(self.phrases)
            for place in _places(phrase, texts)
        ]
        return sorted(found)


def _phrase(text: str, star: str) -> Phrase:
    words = spelled(text)
    prefix = bool(star)
    if words and words[-1].last:
        # The last character by itself is there only if nothing follows it: look for the pair, or if
        # it has no other before it, for all pairs that begin with it.
        before = len(words) > 1 and words[-2].first
        if before:
            words.pop()
        prefix = not before
    return Phrase(tuple(word.text for word in words), prefix)


def _places(phrase: Phrase, texts: Sequence[str]) -> Iterator[int]:
    """The places of the words with which a phrase begins."""
    *firsts, last = phrase.words
    for place, there in enumerate(texts[len(firsts) :]):
        ends = there.startswith(last) if phrase.prefix else there == last
        if ends and texts[place : place + len(firsts)] == firsts:
            yield place


def _end(word: Word, phrase: Phrase) -> int:
    """Where a phrase ends that ends with this word."""
    return word.first if word.first and phrase.prefix else word.end


def _too_much(said: str, limit: int, field: str) -> None:
    refuse(
        pb.ERROR_REASON_LIMIT_EXCEEDED,
        f"The query has {said} are allowed.",
        field,
        limit=str(limit),
    )
