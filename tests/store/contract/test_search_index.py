"""Every search index: the documents up to a position, found by their words and filters."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pourparler import v1 as pb
from pourparler_service.application import Backend
from pourparler_service.domain.references import Part
from pourparler_service.search.index import (
    BEST_RANK,
    Correction,
    Document,
    IndexQuery,
    SearchIndex,
)
from pourparler_service.search.query import SearchQuery
from tests.support.disk_search import traces

PARTICIPANT, TOPIC = int(pb.PART_KIND_PARTICIPANT), int(pb.PART_KIND_TOPIC)
SAID = 9  # a type, by the number of its field


@pytest.fixture
def index(backend: Backend) -> Iterator[SearchIndex]:
    index = backend.search_index("log", lambda _: b"digest")
    yield index
    index.close()


def of(position: int, said: str = "", **given: Any) -> Document:
    known: dict[str, Any] = {
        "negotiation": "a",
        "version": position,
        "recorded": position * 10,
        "begin": None,
        "end": None,
        "types": (SAID,),
        "basis": 1,
        "speakers": frozenset(),
        "parts": frozenset(),
        "brought": None,
        "target": 0,
        "annuls": False,
        "words": ("", said, ""),
        "concealed": False,
    }
    return Document(position, **(known | given))


def listed(index: SearchIndex, query: str = "", **asked: Any) -> list[int]:
    question = IndexQuery(SearchQuery.parse(query), **asked)
    found = index.listed(question, 99, after=None, most=99, newest=False)
    return [one.position for one in found]


def test_it_is_at_the_position_that_it_took(index: SearchIndex) -> None:
    assert index.position == 0
    index.take([of(1), of(2)], 2, b"digest")
    index.take([], 7, b"digest")

    assert index.position == 7
    assert listed(index) == [1, 2]
    assert index.positions("a") == {1: 1, 2: 2}
    assert index.positions("none") == {}


def test_hits_come_by_position_either_way_and_page_by_page(index: SearchIndex) -> None:
    index.take([of(one, "quokka") for one in range(1, 7)], 6, b"digest")
    asked = IndexQuery(SearchQuery.parse("quokka"))

    def page(upto: int, after: int | None, *, newest: bool) -> list[int]:
        found = index.listed(asked, upto, after=after, most=2, newest=newest)
        return [one.position for one in found]

    assert page(6, None, newest=False) == [1, 2]
    assert page(6, 2, newest=False) == [3, 4]
    assert page(3, 2, newest=False) == [3]
    assert page(6, None, newest=True) == [6, 5]
    assert page(5, 5, newest=True) == [4, 3]


def test_words_are_found_alone_as_phrases_and_by_their_beginnings(index: SearchIndex) -> None:
    index.take(
        [
            of(1, "a quick brown fox"),
            of(2, "a brown quick fox"),
            of(3, "quickly"),
            of(4, words=("quick", "", "")),
        ],
        4,
        b"digest",
    )

    assert listed(index, "quick") == [1, 2, 4]
    assert listed(index, '"quick brown"') == [1]
    assert listed(index, "quick*") == [1, 2, 3, 4]
    assert listed(index, "quick -fox") == [4]
    assert listed(index, "-fox") == [3, 4]
    assert listed(index, "zebra") == []


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"negotiations": ["a"]}, [1, 2]),
        ({"negotiations": []}, []),
        ({"speakers": ["anna"]}, [1]),
        ({"participants": ["anna"]}, [1, 3]),
        ({"types": [SAID + 1]}, [2, 3]),
        ({"bases": [2]}, [3]),
        ({"topics": ["wages"]}, [1, 2]),
        ({"begin": 150}, [1, 2, 3]),
        ({"begin": 150, "surely": True}, [2]),
        ({"end": 150}, [1, 3]),
        ({"end": 150, "surely": True}, []),
        ({"record_start_time": 20}, [2, 3]),
        ({"record_end_time": 20}, [1]),
        ({"types": [SAID + 1], "record_end_time": 30}, [2]),
    ],
    ids=str,
)
def test_an_entry_meets_all_filters(
    index: SearchIndex, asked: dict[str, Any], expected: list[int]
) -> None:
    topic = (TOPIC, "wages")
    index.take(
        [
            of(
                1,
                speakers=frozenset({"anna"}),
                parts=frozenset({Part(PARTICIPANT, "anna"), Part(*topic), Part(3, "offer")}),
                brought=Part(3, "offer"),
                begin=100,
                end=200,
            ),
            of(2, types=(SAID, SAID + 1), parts=frozenset({Part(3, "offer")}), begin=160, end=190),
            of(
                3,
                negotiation="b",
                version=1,
                types=(SAID + 1,),
                basis=2,
                parts=frozenset({Part(PARTICIPANT, "anna"), Part(3, "offer")}),
            ),
        ],
        3,
        b"digest",
    )

    assert listed(index, **asked) == expected


def test_the_best_come_first_and_of_equal_ones_the_newest(index: SearchIndex) -> None:
    index.take(
        [
            of(1, "quokka among a great many other words that are not looked for at all"),
            of(2, "quokka"),
            of(3, words=("quokka", "", "")),
            of(4, "quokka"),
            of(5, words=("", "", "quokka")),
        ],
        5,
        b"digest",
    )
    asked = IndexQuery(SearchQuery.parse("quokka"))

    found = index.ranked(asked, 5, after=None, most=9)

    assert [one.position for one in found] == [3, 4, 2, 1, 5] or [
        one.position for one in found
    ] == [3, 4, 2, 5, 1]
    ranks = [one.rank for one in found]
    assert ranks == sorted(ranks, reverse=True)
    assert all(0 < rank <= BEST_RANK for rank in ranks)
    rest = index.ranked(asked, 5, after=(found[1].rank, found[1].position), most=2)
    assert [one.position for one in rest] == [one.position for one in found[2:4]]
    assert index.ranked(asked, 2, after=None, most=1)[0].position == 2


def test_the_rank_of_an_entry_does_not_depend_on_others(index: SearchIndex) -> None:
    asked = IndexQuery(SearchQuery.parse("quokka"))
    index.take([of(1, "a quokka")], 1, b"digest")
    alone = index.ranked(asked, 1, after=None, most=1)

    index.take([of(one, "quokka quokka") for one in range(2, 40)], 39, b"digest")

    among = [one for one in index.ranked(asked, 39, after=None, most=99) if one.position == 1]
    assert among == alone


def test_corrections_are_told_of_each_version_in_their_order(index: SearchIndex) -> None:
    index.take(
        [of(1), of(2, target=1), of(3, target=1, annuls=True), of(4, target=3), of(5)], 5, b"digest"
    )

    assert index.corrections(["a"], 5) == {
        ("a", 1): [Correction(2, annuls=False), Correction(3, annuls=True)],
        ("a", 3): [Correction(4, annuls=False)],
    }
    assert index.corrections(["a"], 2) == {("a", 1): [Correction(2, annuls=False)]}
    assert index.corrections(["b"], 5) == {}
    targets = index.listed(IndexQuery(SearchQuery.parse("")), 5, after=None, most=9, newest=False)
    assert [one.target for one in targets] == [0, 1, 0, 3, 0]


def test_the_last_version_up_to_a_position(index: SearchIndex) -> None:
    index.take([of(1), of(2, negotiation="b", version=1), of(3, version=2)], 3, b"digest")

    assert [index.version("a", upto) for upto in (0, 1, 2, 3)] == [
        (0, 0),
        (1, 10),
        (1, 10),
        (2, 30),
    ]
    assert index.version("none", 9) == (0, 0)


@pytest.mark.parametrize("concealed", [False, True])
def test_what_is_purged_is_not_found_any_more(index: SearchIndex, *, concealed: bool) -> None:
    index.take([of(1, "quokka", concealed=concealed), of(2, "quokka")], 2, b"digest")

    index.purge([of(1, "", concealed=concealed), of(2, "quokka")])

    assert listed(index, "quokka") == [2]
    assert listed(index) == [1, 2]
    ranked = index.ranked(IndexQuery(SearchQuery.parse("quokka")), 2, after=None, most=9)
    assert [one.position for one in ranked] == [2]


def test_a_question_that_is_late_is_given_up(index: SearchIndex) -> None:
    index.take([of(one, "quokka") for one in range(1, 3_000)], 2_999, b"digest")
    late = IndexQuery(SearchQuery.parse("quokka"), until=time.monotonic() - 1)

    with pytest.raises(TimeoutError):
        index.ranked(late, 2_999, after=None, most=1)
    assert len(listed(index, "quokka")) == 99


def test_documents_are_there_when_it_is_opened_again_but_for_concealed_words(
    reopened: Callable[[], Backend], tmp_path: Path
) -> None:
    secret = of(2, "zanzibarina", concealed=True)
    with closing(reopened().search_index("log", lambda _: b"d")) as index:
        index.take([of(1, "quokka"), secret, of(3, concealed=True)], 3, b"d")
        assert listed(index, "zanzibarina") == [2]
        assert index.lost(9) == ()

    assert traces(tmp_path, "zanzibarina") == []
    with closing(reopened().search_index("log", lambda _: b"d")) as again:
        assert again.position == 3
        assert listed(again, "quokka") == [1]
        assert listed(again, "zanzibarina") == []
        assert list(again.lost(1)) == [2]
        assert list(again.lost(9)) == [2, 3]
        again.restore([secret])
        assert list(again.lost(9)) == [3]
        assert listed(again, "zanzibarina") == [2]


@pytest.mark.parametrize(("log", "digest"), [("other", b"d"), ("log", b"e"), ("log", None)])
def test_the_index_of_another_record_is_not_used(
    reopened: Callable[[], Backend], log: str, digest: bytes | None
) -> None:
    with closing(reopened().search_index("log", lambda _: b"d")) as index:
        index.take([of(1, "quokka")], 1, b"d")

    with closing(reopened().search_index(log, lambda _: digest)) as again:
        assert again.position == 0
        assert listed(again) == []
