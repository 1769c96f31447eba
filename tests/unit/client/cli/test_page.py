"""The page: tables in a terminal, plain lines in a pipe."""

import pytest
from rich.cells import cell_len
from rich.text import Text

from pourparler.cli.output.page import LONG, Column, Page, Table
from tests.support.terminal_capture import in_pipe, in_terminal

COLUMNS = [
    Column("id"),
    Column("versions", under=True),
    Column("what", text=True),
    Column("status"),
]


def table(*rows: tuple[str | Text, ...]) -> Table:
    return Table("Things", COLUMNS, list(rows))


def test_a_terminal_shows_a_table_with_what_belongs_together_in_one_place() -> None:
    shown = in_terminal(
        lambda page: page.table(
            table(("t-ev", "#9 #12", "A venture in cars", Text("open", "bold")))
        ),
        width=40,
    )

    assert shown == (
        "\n"
        "Things\n"
        "id        what               status\n"
        "versions\n"
        "───────────────────────────────────\n"
        "t-ev      A venture in cars  open\n"
        "#9 #12\n"
    )


def test_where_a_terminal_is_broad_tables_of_the_same_columns_are_in_line() -> None:
    tables = [table(("t", "", "short", "open")), table(("a-longer-id", "", "A text", "open"))]

    def starts(width: int) -> set[int]:
        lines = in_terminal(lambda page: page.tables(tables), width=width).splitlines()
        return {line.index("open") for line in lines if "open" in line}

    assert len(starts(80)) == 2
    assert len(starts(120)) == 1


def test_a_word_longer_than_its_column_ends_a_line_at_a_joint() -> None:
    rows = table(("the-id-of-a-very-long-name-indeed", "", "x", "open"), ("b", "", "y", "open"))

    lines = in_terminal(lambda page: page.table(rows), width=40).splitlines()

    assert [line.split()[0] for line in lines[5:8]] == ["the-id-of-a-", "very-long-", "name-indeed"]


def test_a_pipe_gets_one_line_for_each_thing_and_its_running_text_last() -> None:
    shown = in_pipe(
        lambda page: page.table(
            table(("t-ev", "#9", "A venture\nin cars", "open"), ("x", "", "", ""))
        )
    )

    assert shown == (
        "\nThings\n"
        "ID    VERSIONS  STATUS  WHAT\n"
        "t-ev  #9        open    A venture\\nin cars\n"
        "x     -         -       -\n"
    )


@pytest.mark.parametrize("name", ["日本語の交渉", "Ampe\u0300re", "Ampère", "plain"])
def test_wide_letters_and_combining_accents_align(name: str) -> None:
    rows = table((name, "", "text", "open"), ("other", "", "text", "open"))

    _, _, _, first, second = in_pipe(lambda page: page.table(rows)).splitlines()

    assert cell_len(first.partition("open")[0]) == cell_len(second.partition("open")[0])
    shown = in_terminal(lambda page: page.table(rows)).splitlines()
    starts = {cell_len(line.partition("text")[0]) for line in shown if "text" in line}
    assert len(starts) == 1


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    long = table(
        ("a" * 64, "#1 " * 20, "words " * 100, "b" * 50), ("日本語" * 10, "", "語" * 99, "")
    )

    shown = in_terminal(lambda page: page.table(long), width=width)

    assert max(cell_len(line) for line in shown.splitlines()) <= width


def test_whatever_comes_to_a_page_unsafe_goes_no_further() -> None:
    def put(page: Page) -> None:
        page.line("title \x1b[2J")
        page.table(table(("i\x1bd", "\u202e", Text("w\x07", "bold"), "\x9b")))

    for shown in (in_pipe(put), in_terminal(put)):
        assert not {"\x1b", "\u202e", "\x07", "\x9b"} & set(shown)
        assert r"title \x1b[2J" in shown


def test_what_looks_like_markup_is_shown_as_it_is() -> None:
    shown = in_terminal(lambda page: page.table(table(("a", "", "[red]x[/red] :smile:", "b"))))

    assert "[red]x[/red] :smile:" in shown


def test_a_long_text_is_cut_in_a_terminal_unless_it_is_asked_for_in_full() -> None:
    rows = table(("a", "", "x" * (LONG + 1234), "b"))

    assert "… (1,234 more characters: see --full)" in " ".join(
        in_terminal(lambda page: page.table(rows), width=200).split()
    )
    assert in_terminal(lambda page: page.table(rows), full=True).count("x") == LONG + 1234
    assert in_pipe(lambda page: page.table(rows)).count("x") == LONG + 1234


def test_one_long_cell_in_a_pipe_does_not_widen_the_lines_of_others() -> None:
    columns = [Column("id"), Column("what", text=True), Column("details", text=True)]
    rows = Table("", columns, [("a", "x" * 5000, "y"), ("b", "x", "y")])

    assert len(in_pipe(lambda page: page.table(rows)).splitlines()[-1]) < 80


def test_a_table_goes_on_in_pieces_with_the_same_columns() -> None:
    columns = [Column("id", width=6), Column("what", text=True)]

    def put(page: Page) -> None:
        page.table(Table("", columns, [("a", "first")]))
        page.table(Table("", columns, [("bbbb", "second")]), head=False)

    assert in_pipe(put) == "ID      WHAT\na       first\nbbbb    second\n"
