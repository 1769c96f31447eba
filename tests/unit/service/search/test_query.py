"""What is typed into a search, and where it stands in a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pourparler_service.domain.refusal import RefusalError, reason_name
from pourparler_service.search.query import LONGEST_QUERY, MOST_PHRASES, Phrase, SearchQuery


def phrase(*words: str, prefix: bool = False) -> Phrase:
    return Phrase(words, prefix)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", SearchQuery()),
        ("  ", SearchQuery()),
        ("crane Rent crane", SearchQuery((phrase("crane"), phrase("rent")))),
        ('"crane rent"', SearchQuery((phrase("crane", "rent"),))),
        ("„crane rent” «x y»", SearchQuery((phrase("crane", "rent"), phrase("x", "y")))),
        ('"crane rent', SearchQuery((phrase("crane", "rent"),))),
        ("rent*", SearchQuery((phrase("rent", prefix=True),))),
        ('"crane re"*', SearchQuery((phrase("crane", "re", prefix=True),))),
        ("rent -lease", SearchQuery((phrase("rent"),), (phrase("lease"),))),
        ('-"to let"', SearchQuery((), (phrase("to", "let"),))),
        ("l'accord 9,500", SearchQuery((phrase("l", "accord"), phrase("9", "500")))),
        ("a-b - c", SearchQuery((phrase("a", "b"), phrase("c")))),
        ("東京都", SearchQuery((phrase("東京", "京都"),))),
        ("東", SearchQuery((phrase("東", prefix=True),))),
        ('"東京 office"', SearchQuery((phrase("東京", "京", "office"),))),
        ("협상", SearchQuery((phrase("협상"),))),
        ("👍", SearchQuery((phrase("👍"),))),
        (
            "AND OR NOT NEAR(a)",
            SearchQuery((phrase("and"), phrase("or"), phrase("not"), phrase("near", "a"))),
        ),
        ("text:x ^y", SearchQuery((phrase("text", "x"), phrase("y")))),
    ],
)
def test_a_query_is_words_phrases_beginnings_and_what_is_left_out(
    query: str, wanted: SearchQuery
) -> None:
    assert SearchQuery.parse(query) == wanted


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("!?", "FIELD_INVALID"),
        ('"" * -', "FIELD_INVALID"),
        ("x" * (LONGEST_QUERY + 1), "LIMIT_EXCEEDED"),
        (" ".join(map(str, range(MOST_PHRASES + 1))), "LIMIT_EXCEEDED"),
        (" ".join(f"-{one}" for one in range(MOST_PHRASES + 1)), "LIMIT_EXCEEDED"),
    ],
)
def test_what_cannot_be_looked_for_is_refused_with_the_field(query: str, reason: str) -> None:
    with pytest.raises(RefusalError) as refused:
        SearchQuery.parse(query)

    assert (reason_name(refused.value.reason), refused.value.field) == (reason, "query")


@given(
    st.text(st.sampled_from('ab京*"- \0') | st.characters(exclude_categories=["Cs"]), max_size=40)
)
def test_anything_typed_is_taken_or_refused_with_the_field(query: str) -> None:
    def read() -> tuple[SearchQuery, str]:
        try:
            return SearchQuery.parse(query), ""
        except RefusalError as refusal:
            return SearchQuery(), refusal.field

    wanted, field = read()
    assert field in {"", "query"}
    for one in (*wanted.phrases, *wanted.excluded):
        assert one.words
        assert not set('"*\0') & set("".join(one.words))


@pytest.mark.parametrize(
    ("query", "text", "marked"),
    [
        ("rent", "Rent, RENT and renting", ["Rent", "RENT"]),
        ("rent*", "Renting", ["Renting"]),
        ('"our limit"', "That is our limit. Our  limit!", ["our limit", "Our  limit"]),
        ("ete", "l’été passé, e\u0301te\u0301", ["été", "e\u0301te\u0301"]),
        ("strasse", "in der Straße", ["Straße"]),
        ("都", "東京都に都", ["都", "都"]),
        ("京都", "東京都", ["京都"]),
        ("محمد", "قال مُحَمَّد", ["مُحَمَّد"]),
        ("협상", "협상을 계속", ["협상"]),
        ("👍", "ok 👍🏽", ["👍🏽"]),
        ("a b", "b a", ["b", "a"]),
        ("none", "here", []),
    ],
)
def test_what_is_looked_for_is_found_in_the_text_as_it_was_written(
    query: str, text: str, marked: list[str]
) -> None:
    spans = SearchQuery.parse(query).spans(text)

    assert [text[one.begin : one.end] for one in spans] == marked
