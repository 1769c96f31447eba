"""Which words of an entry are searched, and what is shown of them."""

from hypothesis import given
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler_service.search.query import SearchQuery
from pourparler_service.search.snippets import (
    CONTENT,
    CONTEXT,
    HEADING,
    SearchedField,
    fields,
    snippets,
)


def shown(words: pb.Words, query: str) -> list[tuple[str, str]]:
    """Each passage: its field, and its text with what was found in brackets."""
    return [
        (one.field, "".join(f"[{part.text}]" if part.match else part.text for part in one.segments))
        for one in snippets(words, SearchQuery.parse(query))
    ]


def test_all_that_is_language_is_searched_and_no_id() -> None:
    words = pb.Words(
        text="a",
        title="b",
        conditions=["c", "d"],
        reason="e",
        term_texts=[pb.TermText(key="key", text="f")],
        sources=[pb.Source(id="src", title="g", excerpt="h")],
    )

    assert fields(words) == [
        SearchedField("title", HEADING, "b"),
        SearchedField("text", CONTENT, "a"),
        SearchedField("reason", CONTEXT, "e"),
        SearchedField("conditions[0]", CONTENT, "c"),
        SearchedField("conditions[1]", CONTENT, "d"),
        SearchedField("term_texts[0].text", CONTENT, "f"),
        SearchedField("sources[0].title", CONTEXT, "g"),
        SearchedField("sources[0].excerpt", CONTEXT, "h"),
    ]


def test_every_text_of_words_is_searched() -> None:
    words = pb.Words()
    for field in pb.Words.DESCRIPTOR.fields:
        if field.message_type is None and field.name not in {"aliases", "conditions"}:
            setattr(words, field.name, "said")

    assert len(fields(words)) == len(words.ListFields())


def test_a_passage_is_shown_of_each_field_the_one_with_most_first() -> None:
    words = pb.Words(
        title="Rent", text="The crane has a rent.", reason="Our crane", summary="crane"
    )

    assert shown(words, "crane rent") == [
        ("text", "The [crane] has a [rent]."),
        ("title", "[Rent]"),
        ("summary", "[crane]"),
    ]


def test_a_long_text_is_cut_between_words_where_most_is_found() -> None:
    text = (
        "A crane is here. " + "Nothing to see. " * 40 + "The rent of the crane. " + "So on. " * 50
    )

    (snippet,) = snippets(pb.Words(text=text), SearchQuery.parse("crane rent"))
    passage = "".join(one.text for one in snippet.segments)

    assert [one.text for one in snippet.segments if one.match] == ["rent", "crane"]
    assert passage in text
    assert len(passage) < 250
    before, _, after = text.partition(passage)
    assert (before[-1:].isspace(), after[:1].isspace() or passage[-1].isspace()) == (True, True)
    assert (snippet.more_before, snippet.more_after) == (True, True)


def test_without_words_to_find_the_beginning_is_shown() -> None:
    assert shown(pb.Words(text="What was said.", reason="Why"), "") == [("text", "What was said.")]
    assert shown(pb.Words(), "") == []


def test_no_phrase_reaches_over_two_fields() -> None:
    assert shown(pb.Words(text="the crane", summary="rent is due"), '"crane rent"') == []


@given(
    st.text(
        st.sampled_from("ab e\u0301東京👍🏽\u200d\n") | st.characters(exclude_categories=["Cs"])
    ),
    st.integers(1, 30),
    st.sampled_from(["a", "東", "京*", "e", "a b", ""]),
)
def test_passages_are_of_the_text_and_their_pieces_follow_each_other(
    some: str, times: int, query: str
) -> None:
    text = some * times
    for one in snippets(pb.Words(text=text), SearchQuery.parse(query)):
        passage = "".join(part.text for part in one.segments)
        assert passage in text
        assert all(part.text for part in one.segments)
        assert one.more_before or text.startswith(passage)
        assert one.more_after or text.endswith(passage)
        assert len(passage) <= 450
        assert not query or any(part.match for part in one.segments)
