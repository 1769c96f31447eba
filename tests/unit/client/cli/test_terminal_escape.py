"""Words made harmless to a terminal."""

import unicodedata

import pytest
from hypothesis import given as any_
from hypothesis import strategies as st

from pourparler.cli.terminal_escape import escaped


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("red \x1b[31m", r"red \x1b[31m", id="an escape sequence"),
        pytest.param("a\x00b", r"a\x00b", id="NUL"),
        pytest.param("a\x9bb", r"a\x9bb", id="a control character of the second set"),
        pytest.param("a\x7fb", r"a\x7fb", id="delete"),
        pytest.param("ab\u202edc", "ab<U+202E>dc", id="a right-to-left override"),
        pytest.param("a\u2066b\u2069", "a<U+2066>b<U+2069>", id="isolates"),
        pytest.param("a\u200bb", "a<U+200B>b", id="an unseen space"),
        pytest.param("a\u2028b", "a<U+2028>b", id="a line separator"),
        pytest.param("a\U000e0041b", "a<U+E0041>b", id="a tag"),
        pytest.param("a\ue000b", "a<U+E000>b", id="for private use"),
        pytest.param("a\nb\tc\rd", r"a\nb\tc\rd", id="line ends and tabs"),
        pytest.param("Ampère, 日本語, عربي, é", "Ampère, 日本語, عربي, é", id="languages"),
        pytest.param("نمی\u200cخواهم 👩\u200d⚕️", "نمی\u200cخواهم 👩\u200d⚕️", id="joiners"),
    ],
)
def test_what_moves_hides_or_turns_text_is_shown_and_letters_stay(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_line_ends_stay_where_they_may() -> None:
    assert escaped("a\r\nb\nc\rd\x1b", lines=True) == "a\nb\nc\\rd\\x1b"


@any_(st.text())
def test_no_control_or_turning_character_is_left_of_any_text(text: str) -> None:
    shown = escaped(text)

    assert all(one in "\u200c\u200d" or unicodedata.category(one)[0] != "C" for one in shown)
    assert escaped(shown) == shown
