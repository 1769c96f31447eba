"""Text as it is looked for: in words, spelled one way, each with where it stands. Pure.

The same for what is recorded and for what is asked, or nothing would be found.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

LONGEST_WORD = 100
"""Of a longer word, so many characters are looked at."""


class Word(NamedTuple):
    """A word as it is spelled here, and where it begins and ends in the text.

    In scripts that have no spaces between words, and in Hangul, every two characters that follow
    each other are a word, and the last one by itself: so whatever is written there is found.
    """

    text: str
    begin: int
    end: int
    first: int = 0
    """Of two characters, where the first one ends; else 0."""
    last: bool = False
    """Whether it is the last character of such a script by itself."""


_GAP, _WORD, _PAIRED, _SIGN = range(4)
_ASCII_WORDS = re.compile(r"[a-z0-9]+")
_CHUNKS = re.compile(r"\S+")

# Ranges of characters, first and last.
_PAIRED_RANGES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1100, 0x11FF),  # Hangul, as in the two below and the last but four
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # Han, as in all that are not named
    (0x3005, 0x3007),
    (0x3041, 0x30FF),  # Hiragana, Katakana
    (0x3100, 0x312F),  # Bopomofo
    (0x3130, 0x318F),
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xA960, 0xA97F),
    (0xAC00, 0xD7FF),
    (0xF900, 0xFAFF),
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
)
_SIGN_RANGES = (
    (0x2190, 0x2BFF),  # arrows, technical signs, older emoji
    (0x1F000, 0x1FAFF),  # emoji
)
_ACCENT_RANGES = (
    (0x0300, 0x036F),  # of Latin, Greek and Cyrillic
    (0x0591, 0x05C7),  # vowel signs of Hebrew
    (0x0610, 0x061A),  # of Arabic: signs, harakat, hamza above and below, alef above
    (0x0640, 0x0640),  # tatweel, which only makes a word longer
    (0x064B, 0x065F),
    (0x0670, 0x0670),
    (0x06D6, 0x06ED),
    (0x0711, 0x0711),  # of Syriac
    (0x0730, 0x074A),
    (0x08D3, 0x08FF),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE20, 0xFE2F),
    # What only says how others are shown: joiners, soft hyphen, variants, tones of skin, tags.
    (0x00AD, 0x00AD),
    (0x200B, 0x200F),
    (0x2060, 0x2064),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0x1F3FB, 0x1F3FF),
    (0xE0000, 0xE01EF),
)
_JOINING_RANGES = (
    (0x1160, 0x11FF),  # vowels and ends of syllables in Hangul that is spelled out
    (0xD7B0, 0xD7FF),
    (0xFF9E, 0xFF9F),  # the sounds of Katakana of half width
)
# Letters that are another one with something to it, but do not come apart by themselves.
_PLAIN = str.maketrans(
    {
        "ı": "i",
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "ħ": "h",
        "ŧ": "t",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "ى": "ي",
        "ی": "ي",
        "ک": "ك",
        "ة": "ه",
    }
)


def spelled(text: str) -> list[Word]:
    """The words of a text, in their order.

    Without case, accents, vowel signs of Arabic and Hebrew, and widths of characters; in every
    script. What is neither letter, digit nor sign stands between words.
    """
    if text.isascii():
        return _spelled_plainly(text, 0)
    words: list[Word] = []
    for chunk in _CHUNKS.finditer(text):
        spell = _spelled_plainly if chunk[0].isascii() else _spelled_out
        words += spell(chunk[0], chunk.start())
    return words


def texts(text: str) -> list[str]:
    """The words of a text as they are spelled here, wherever they stand in it."""
    if text.isascii():
        return [word[:LONGEST_WORD] for word in _ASCII_WORDS.findall(text.lower())]
    return [word.text for word in spelled(text)]


def _spelled_plainly(text: str, place: int) -> list[Word]:
    """The words of a text of ASCII that begins at a place."""
    return [
        Word(one[0][:LONGEST_WORD], place + one.start(), place + one.end())
        for one in _ASCII_WORDS.finditer(text.lower())
    ]


def _spelled_out(text: str, place: int) -> list[Word]:
    """The words of a text that begins at a place."""
    words: list[Word] = []
    run: list[tuple[str, int, int]] = []  # of one kind, without a gap
    kind_of_run = _GAP
    for piece, kind, begin, end in _pieces(text):
        if kind != kind_of_run or kind == _SIGN:
            words += _words(run, kind_of_run)
            run, kind_of_run = [], kind
        run.append((piece, place + begin, place + end))
    return words + _words(run, kind_of_run)


def _words(run: list[tuple[str, int, int]], kind: int) -> list[Word]:
    """The words that a run of characters of one kind makes."""
    if kind == _GAP or not run:
        return []
    if kind != _PAIRED:
        text = "".join(piece for piece, _, _ in run)
        return [Word(text[:LONGEST_WORD], run[0][1], run[-1][2])]
    pairs = [
        Word(piece + after[0], begin, after[2], first=end)
        for (piece, begin, end), after in itertools.pairwise(run)
    ]
    piece, begin, end = run[-1]
    return [*pairs, Word(piece, begin, end, last=True)]


def _pieces(text: str) -> Iterator[tuple[str, int, int, int]]:
    """The characters of a text, each spelled, with its kind, and where it begins and ends."""
    begin = 0
    for end in range(1, len(text) + 1):
        if end < len(text) and _joins(text[end]):
            continue
        for piece, kind in _spelled(text[begin:end]):
            yield piece, kind, begin, end
        begin = end


@lru_cache(1 << 14)
def _spelled(character: str) -> tuple[tuple[str, int], ...]:
    """A character with all that joins it, as it is spelled: in pieces, each of one kind."""
    known = unicodedata.normalize("NFKC", character).casefold().translate(_PLAIN)
    apart = [one for one in unicodedata.normalize("NFD", known) if not _within(one, _ACCENT_RANGES)]
    pieces: list[tuple[str, int]] = []
    for one in unicodedata.normalize("NFC", "".join(apart)).translate(_PLAIN):
        digit = unicodedata.decimal(one, None)
        letter = one if digit is None else str(digit)
        kind = _kind(letter)
        if kind is None:  # it joins the one before
            before, kind = pieces.pop() if pieces else ("", _WORD)
            letter = before + letter
        pieces.append((letter, kind))
    return tuple(pieces)


def _kind(character: str) -> int | None:
    """What a character is; None if it joins the one before."""
    category = unicodedata.category(character)
    if category.startswith("M"):
        return None
    if _within(character, _PAIRED_RANGES) and category[0] in "LNS":
        return _PAIRED
    if character.isalnum():
        return _WORD
    return _SIGN if _within(character, _SIGN_RANGES) else _GAP


@lru_cache(1 << 14)
def _joins(character: str) -> bool:
    """Whether a character belongs to the one before."""
    if character.isascii():
        return False
    return (
        unicodedata.category(character).startswith("M")
        or _within(character, _ACCENT_RANGES)
        or _within(character, _JOINING_RANGES)
    )


def _within(character: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    number = ord(character)
    return any(first <= number <= last for first, last in ranges)
