"""Text as it is looked for: the same word however it was written, in every script."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pourparler_service.search.text_normalization import LONGEST_WORD, word_texts, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The crane's rent, 9,500", ["the", "crane", "s", "rent", "9", "500"]),
        ("L’Élan d’été", ["l", "elan", "d", "ete"]),
        ("e\u0301te\u0301 = été", ["ete", "ete"]),
        ("cœur, Œuvre, Ærø, Łódź", ["coeur", "oeuvre", "aero", "lodz"]),
        ("Straße STRASSE straẞe", ["strasse"] * 3),
        ("ISPARTA ısparta Isparta İSPARTA", ["isparta"] * 4),
        ("Ελλάς ΕΛΛΆΣ", ["ελλασ", "ελλασ"]),
        ("ёлка Елка", ["елка", "елка"]),
        ("مُحَمَّد محمد مـحـمـد", ["محمد"] * 3),
        ("أحمد إسلام آخر مدرسة", ["احمد", "اسلام", "اخر", "مدرسه"]),
        ("שָׁלוֹם שלום", ["שלום", "שלום"]),
        ("١٢٣ ۱۲۳ १२३", ["123"] * 3),
        ("हिन्दी किताब", ["हिन्दी", "किताब"]),
        ("ﬁne ㎏ ① Ｗｉｄｅ", ["fine", "kg", "1", "wide"]),
        ("東京都", ["東京", "京都", "都"]),
        ("か\u3099 が ｶﾞｲﾄﾞ", ["が", "が", "ガイ", "イド", "ド"]),
        ("東京office", ["東京", "京", "office"]),
        ("สวัสดี", ["สวั", "วัส", "สดี", "ดี"]),
        ("협상을 협상", ["협상", "상을", "을", "협상", "상"]),
        ("\u1112\u1167\u11b8상", ["협상", "상"]),
        ("ok 👍🏽👍 ✈\ufe0f", ["ok", "👍", "👍", "✈"]),
        ("👩\u200d👧 🇫🇷", ["👩", "👧", "🇫", "🇷"]),
        ("a_b c\u00adc d\u200be", ["a", "b", "cc", "de"]),
        ("...!? — “” \0", []),
        ("", []),
    ],
)
def test_words_are_spelled_one_way(text: str, words: list[str]) -> None:
    assert word_texts(text) == words


def test_a_word_knows_where_it_stands() -> None:
    text = "Die Straße, l’été; 東京都."

    found = [text[word.begin : word.end] for word in words_of(text)]

    assert found == ["Die", "Straße", "l", "été", "東京", "京都", "都"]


def test_all_that_joins_a_character_stands_with_it() -> None:
    text = "e\u0301te\u0301 か\u3099く 👍🏽!"

    found = [text[word.begin : word.end] for word in words_of(text)]

    assert found == ["e\u0301te\u0301", "か\u3099く", "く", "👍🏽"]


def test_of_a_long_word_the_beginning_counts() -> None:
    assert word_texts("x" * 5_000) == word_texts("x" * 6_000) == ["x" * LONGEST_WORD]


ALL_SORTS = st.text(
    st.sampled_from(
        'aé e\u0301ßıİﬁœ東京か\u3099ｶﾞ협\u1112\u1167สวัमُأـ👍🏽\u200d🇫1١½.-’"* \u0345\u2028\0'
    )
    | st.characters(exclude_categories=["Cs"]),
    max_size=40,
)


@given(ALL_SORTS)
def test_words_stand_in_their_order_within_the_text_and_are_spelled_for_good(text: str) -> None:
    words = words_of(text)

    assert [word.text for word in words] == word_texts(text)
    for word in words:
        assert word.text
        assert 0 <= word.begin < word.end <= len(text)
        # One character such as ㋿ may stand for two: then the first one ends where both do.
        assert word.pair_end == 0 or word.begin < word.pair_end <= word.end
        assert not any(one.isspace() or one in "\"'*()-:^\ue000" for one in word.text)
        assert len(word.text) <= 2 * LONGEST_WORD
    places = [(word.begin, word.end) for word in words]
    assert places == sorted(places)


@given(ALL_SORTS, ALL_SORTS)
def test_what_stands_apart_is_spelled_apart(one: str, other: str) -> None:
    assert word_texts(f"{one} {other}") == word_texts(one) + word_texts(other) or _joins(other)


def _joins(text: str) -> bool:
    """Whether a text begins with what belongs to the character before."""
    return (
        bool(text) and word_texts(f"a{text}") != ["a", *word_texts(text)]
    ) or not text.isprintable()


def test_every_character_has_a_spelling() -> None:
    for number in range(0, sys.maxunicode, 31):
        if not 0xD800 <= number <= 0xDFFF:
            words_of(chr(number))
