"""Text normalization for search: the words of a text, and the place of each. Pure.

The index and the queries use the same normalization.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

LONGEST_WORD = 100
"""The number of characters of a word that are compared; the rest is ignored."""


class Word(NamedTuple):
    """A normalized word, with its begin and end in the text.

    In Hangul and in scripts without spaces, each pair of adjacent characters is a word. The last
    character is also a word by itself. So a search finds any part of such a text.
    """

    text: str
    begin: int
    end: int
    pair_end: int = 0
    """The end of the first character of a pair; 0 for other words."""
    is_single: bool = False
    """True for the single last character of such a script."""


_GAP, _WORD, _PAIRED, _SIGN = range(4)
_ASCII_WORDS = re.compile(r"[a-z0-9]+")
_CHUNKS = re.compile(r"\S+")

# Ranges of characters, first and last.
_PAIRED_RANGES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1100, 0x11FF),  # Hangul
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # Han: radicals
    (0x3005, 0x3007),  # Han: iteration mark, closing mark, zero
    (0x3041, 0x30FF),  # Hiragana, Katakana
    (0x3100, 0x312F),  # Bopomofo
    (0x3130, 0x318F),  # Hangul
    (0x31A0, 0x31BF),  # Bopomofo
    (0x31F0, 0x31FF),  # Katakana
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),  # Han
    (0xA960, 0xA97F),  # Hangul
    (0xAC00, 0xD7FF),  # Hangul
    (0xF900, 0xFAFF),  # Han
    (0x1B000, 0x1B16F),  # Hiragana, Katakana
    (0x20000, 0x3FFFF),  # Han
)
_SIGN_RANGES = (
    (0x2190, 0x2BFF),  # arrows, technical signs, older emoji
    (0x1F000, 0x1FAFF),  # emoji
)
_ACCENT_RANGES = (
    (0x0300, 0x036F),  # for Latin, Greek and Cyrillic
    (0x0591, 0x05C7),  # Hebrew vowel signs
    (0x0610, 0x061A),  # Arabic signs, harakat, hamza above and below, alef above
    (0x0640, 0x0640),  # tatweel, which only stretches a word
    (0x064B, 0x065F),
    (0x0670, 0x0670),
    (0x06D6, 0x06ED),
    (0x0711, 0x0711),  # Syriac
    (0x0730, 0x074A),
    (0x08D3, 0x08FF),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE20, 0xFE2F),
    # Characters that only change the display: joiners, soft hyphen, variants, skin tones, tags.
    (0x00AD, 0x00AD),
    (0x200B, 0x200F),
    (0x2060, 0x2064),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0x1F3FB, 0x1F3FF),
    (0xE0000, 0xE01EF),
)
_JOINING_RANGES = (
    (0x1160, 0x11FF),  # vowels and final consonants of decomposed Hangul
    (0xD7B0, 0xD7FF),
    (0xFF9E, 0xFF9F),  # sound marks of half-width Katakana
)
# Letters with a modifier that Unicode normalization does not decompose.
_BASE_LETTERS = str.maketrans(
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


def words_of(text: str) -> list[Word]:
    """Return the words of a text of any script, in order.

    Case, accents, character widths and the vowel signs of Arabic and Hebrew are ignored. Letters,
    digits and signs form words. All other characters separate them.
    """
    if text.isascii():
        return _ascii_words(text, 0)
    words: list[Word] = []
    for chunk in _CHUNKS.finditer(text):
        split = _ascii_words if chunk[0].isascii() else _unicode_words
        words += split(chunk[0], chunk.start())
    return words


def word_texts(text: str) -> list[str]:
    """Return the normalized words of a text without their places."""
    if text.isascii():
        return [word[:LONGEST_WORD] for word in _ASCII_WORDS.findall(text.lower())]
    return [word.text for word in words_of(text)]


def _ascii_words(text: str, place: int) -> list[Word]:
    """Return the words of an ASCII text that begins at `place`."""
    return [
        Word(one[0][:LONGEST_WORD], place + one.start(), place + one.end())
        for one in _ASCII_WORDS.finditer(text.lower())
    ]


def _unicode_words(text: str, place: int) -> list[Word]:
    """Return the words of a text that begins at `place`."""
    words: list[Word] = []
    run: list[tuple[str, int, int]] = []  # adjacent characters of one kind
    kind_of_run = _GAP
    for character_text, kind, begin, end in _characters(text):
        if kind != kind_of_run or kind == _SIGN:
            words += _words_of_run(run, kind_of_run)
            run, kind_of_run = [], kind
        run.append((character_text, place + begin, place + end))
    return words + _words_of_run(run, kind_of_run)


def _words_of_run(run: list[tuple[str, int, int]], kind: int) -> list[Word]:
    """Return the words of a run of characters of one kind."""
    if kind == _GAP or not run:
        return []
    if kind != _PAIRED:
        text = "".join(character_text for character_text, _, _ in run)
        return [Word(text[:LONGEST_WORD], run[0][1], run[-1][2])]
    pairs = [
        Word(character_text + after[0], begin, after[2], pair_end=end)
        for (character_text, begin, end), after in itertools.pairwise(run)
    ]
    character_text, begin, end = run[-1]
    return [*pairs, Word(character_text, begin, end, is_single=True)]


def _characters(text: str) -> Iterator[tuple[str, int, int, int]]:
    """Yield the normalized characters of a text, each with its kind, begin and end."""
    begin = 0
    for end in range(1, len(text) + 1):
        if end < len(text) and _is_combining(text[end]):
            continue
        for character_text, kind in _normalized(text[begin:end]):
            yield character_text, kind, begin, end
        begin = end


@lru_cache(1 << 14)
def _normalized(character: str) -> tuple[tuple[str, int], ...]:
    """Return the normalized characters, with their kinds, of one character and its marks."""
    folded = unicodedata.normalize("NFKC", character).casefold().translate(_BASE_LETTERS)
    decomposed = [
        one for one in unicodedata.normalize("NFD", folded) if not _is_in(one, _ACCENT_RANGES)
    ]
    parts: list[tuple[str, int]] = []
    for one in unicodedata.normalize("NFC", "".join(decomposed)).translate(_BASE_LETTERS):
        digit = unicodedata.decimal(one, None)
        letter = one if digit is None else str(digit)
        kind = _kind(letter)
        if kind is None:  # a mark of the character before
            before, kind = parts.pop() if parts else ("", _WORD)
            letter = before + letter
        parts.append((letter, kind))
    return tuple(parts)


def _kind(character: str) -> int | None:
    """Return the kind of a character; None for a combining mark."""
    category = unicodedata.category(character)
    if category.startswith("M"):
        return None
    if _is_in(character, _PAIRED_RANGES) and category[0] in "LNS":
        return _PAIRED
    if character.isalnum():
        return _WORD
    return _SIGN if _is_in(character, _SIGN_RANGES) else _GAP


@lru_cache(1 << 14)
def _is_combining(character: str) -> bool:
    """Return True if a character combines with the one before."""
    if character.isascii():
        return False
    return (
        unicodedata.category(character).startswith("M")
        or _is_in(character, _ACCENT_RANGES)
        or _is_in(character, _JOINING_RANGES)
    )


def _is_in(character: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    number = ord(character)
    return any(first <= number <= last for first, last in ranges)
