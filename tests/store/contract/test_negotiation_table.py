"""Every table of the negotiation list: rows by their opening, filtered, and gone when purged."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pourparler_service.application import Backend
from pourparler_service.backends.memory.negotiation_list import MemoryNegotiationTable
from pourparler_service.backends.sqlite.negotiation_list import SqliteNegotiationTable
from pourparler_service.reads.negotiation_table import (
    Filters,
    Listed,
    NegotiationRow,
    NegotiationTable,
    Progress,
)

BEGUN = Progress(7, "log")


@pytest.fixture
def table(backend: Backend) -> Iterator[NegotiationTable]:
    table = backend.negotiation_table()
    table.reset(BEGUN)
    yield table
    table.close()


def row(opened: int, id_: str = "", **given: object) -> NegotiationRow:
    known: dict[str, object] = {
        "open_time": opened * 10,
        "title": f"title {opened}",
        "status": 1,
        "outcome": 0,
        "public": False,
        "head": b"head %d" % opened,
    }
    return NegotiationRow(opened, id_ or f"n{opened}", **(known | given))  # type: ignore[arg-type]


def opened(rows: object) -> list[int]:
    assert isinstance(rows, list)
    return [one.opened for one in rows]


def test_a_table_is_empty_until_it_is_begun(backend: Backend) -> None:
    with closing(backend.negotiation_table()) as table:
        assert table.progress() is None


def test_rows_come_by_their_opening_and_page_by_page(table: NegotiationTable) -> None:
    table.save([row(9), row(2)], 9, b"d")
    table.save([row(5)], 12, b"e")

    everything = Filters()

    assert table.page(everything, 0, 9) == [
        Listed(2, "n2", 20, b"head 2"),
        Listed(5, "n5", 50, b"head 5"),
        Listed(9, "n9", 90, b"head 9"),
    ]
    assert opened(table.page(everything, 0, 2)) == [2, 5]
    assert opened(table.page(everything, 5, 2)) == [9]
    assert opened(table.page(everything, 9, 2)) == []


def test_a_row_replaces_the_one_before_it(table: NegotiationTable) -> None:
    table.save([row(2, participants=["a", "b"], principals=["p"])], 2, b"")
    table.save([row(2, title="other", participants=["b", "c"], principals=["q"])], 3, b"")

    found = table.find("n2")

    assert found is not None
    assert (found.opened, found.open_time, found.title, found.head) == (2, 20, "other", b"head 2")
    assert [opened(table.joined(who, 0, 9)) for who in "abc"] == [[], [2], [2]]
    # Whoever had access once is no stranger.
    assert [table.admits("n2", who, public=False) for who in "pqr"] == [True, True, False]
    assert table.find("n3") is None


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(statuses=frozenset({1, 2})), [1, 2]),
        (Filters(statuses=frozenset({9})), []),
        (Filters(outcomes=frozenset({4})), [3]),
        (Filters(participant="anna"), [1, 3]),
        (Filters(title="100%"), [2]),
        (Filters(title="_"), []),
        (Filters(title="straße"), [3]),
        (Filters(open_start_time=20), [2, 3]),
        (Filters(open_end_time=20), [1]),
        (Filters(open_start_time=10, open_end_time=30), [1, 2]),
        (Filters(statuses=frozenset({2, 3}), participant="anna", open_start_time=30), [3]),
    ],
)
def test_a_page_meets_all_filters(
    table: NegotiationTable, filters: Filters, expected: list[int]
) -> None:
    table.save(
        [
            row(1, title="wages", status=1, participants=["anna"]),
            row(2, title="wages 100% \0", status=2, participants=["bela"]),
            row(3, title="straße", status=3, outcome=4, participants=["anna", "bela"]),
        ],
        3,
        b"",
    )

    assert opened(table.page(filters, 0, 9)) == expected


def test_only_rows_with_access_are_listed_and_public_ones_where_they_are_asked_for(
    table: NegotiationTable,
) -> None:
    table.save(
        [
            row(1, principals=["p"]),
            row(2, public=True),
            row(3, public=True, principals=["p", "q"]),
            row(4),
        ],
        4,
        b"",
    )

    def listed(principal: str, after: int = 0, most: int | None = None, **how: bool) -> list[int]:
        return opened(table.accessible(principal, after, most, **how))

    assert listed("p", public=False) == [1, 3]
    assert listed("p", public=True) == [1, 2, 3]
    assert listed("stranger", public=False) == []
    assert listed("stranger", public=True) == [2, 3]
    assert listed("p", 1, 1, public=True) == [2]
    assert listed("p", 2, 5, public=False) == [3]
    assert table.accessible("q", 0, None, public=False) == [Listed(3, "n3", 30)]
    for id_, known in (("n1", "p"), ("n3", "pq"), ("n4", ""), ("none", "")):
        assert [who for who in "pq" if table.admits(id_, who, public=False)] == list(known)
    assert [table.admits(f"n{one}", "x", public=True) for one in range(5)] == [
        False,
        False,
        True,
        True,
        False,
    ]


def test_a_row_that_is_no_longer_public_is_not_listed_as_public(table: NegotiationTable) -> None:
    table.save([row(1, public=True)], 1, b"")
    table.save([row(1, public=False)], 2, b"")

    assert table.accessible("x", 0, None, public=True) == []
    assert not table.admits("n1", "x", public=True)


def test_a_purge_replaces_a_row(table: NegotiationTable) -> None:
    table.save([row(1, head=b"Quetzalcoatl"), row(2)], 2, b"d")

    table.purge(row(1, head=b"erased"))
    table.purge(None)

    assert [one.head for one in table.page(Filters(), 0, 9)] == [b"erased", b"head 2"]


def test_a_reset_forgets_all_rows(table: NegotiationTable) -> None:
    table.save([row(1, participants=["a"], principals=["p"], public=True)], 1, b"d")

    table.reset(Progress(8, "other"))

    assert table.find("n1") is None
    assert table.page(Filters(), 0, 9) == []
    assert table.joined("a", 0, 9) == []
    assert table.accessible("p", 0, None, public=True) == []


def test_rows_and_position_are_there_when_the_table_is_opened_again(
    reopened: Callable[[], Backend],
) -> None:
    with closing(reopened().negotiation_table()) as table:
        table.reset(BEGUN)
        table.save([row(1), row(4)], 6, b"digest")

    with closing(reopened().negotiation_table()) as again:
        assert again.progress() == Progress(7, "log", 6, b"digest")
        assert opened(again.page(Filters(), 0, 9)) == [1, 4]


_ROWS = st.lists(
    st.builds(
        row,
        st.integers(1, 9),
        title=st.sampled_from(["wages", "straße", "100%", ""]),
        status=st.integers(0, 2),
        outcome=st.integers(0, 2),
        public=st.booleans(),
        participants=st.sets(st.sampled_from("ab")).map(sorted),
        principals=st.sets(st.sampled_from("pq")).map(sorted),
    ),
    max_size=12,
)
_SOME = st.none() | st.frozensets(st.integers(0, 2), min_size=1)
_FILTERS = st.builds(
    Filters,
    statuses=_SOME,
    outcomes=_SOME,
    participant=st.sampled_from([None, "a", "b"]),
    title=st.sampled_from([None, "a", "%", "ß"]),
    open_start_time=st.none() | st.integers(0, 100),
    open_end_time=st.none() | st.integers(0, 100),
)


@given(rows=_ROWS, filters=_FILTERS, after=st.integers(0, 9), most=st.integers(1, 4))
def test_all_tables_answer_alike(
    rows: list[NegotiationRow], filters: Filters, after: int, most: int
) -> None:
    tables: list[NegotiationTable] = [MemoryNegotiationTable(), SqliteNegotiationTable(None)]
    answers = []
    for table in tables:
        table.reset(BEGUN)
        table.save(rows, 9, b"")
        answers.append(
            [
                table.page(filters, after, most),
                [table.joined(who, after, most) for who in "abc"],
                [table.accessible(who, after, most, public=True) for who in "pqr"],
                [table.accessible(who, after, most, public=False) for who in "pqr"],
                [table.find(f"n{one}") for one in range(10)],
                [table.admits(f"n{one}", "p", public=one > 5) for one in range(10)],
            ]
        )
        table.close()

    assert answers[0] == answers[1]
