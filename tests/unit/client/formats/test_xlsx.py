"""Workbooks of spreadsheet programs: their values, dates, numbers and sheets."""

import io
import sys
import zipfile
from datetime import date, datetime, time
from typing import Any

import pytest

from pourparler import v1 as pb
from pourparler.cli.input.import_lines import draft
from pourparler.formats import column_mapping, dataframe, xlsx
from pourparler.formats.draft_lines import BadLineError, NoteKind, Read

openpyxl = pytest.importorskip("openpyxl")

MAPPING = """
negotiation = "bids"
zone = "Europe/Berlin"
decimal = ","
thousands = "."
date_formats = "%d.%m.%Y"
[[entries]]
set = { "facts.provenance.basis" = "direct", "facts.provenance.form" = "summary", \
"facts.proposal_made.binding" = "binding" }
[entries.columns]
"facts.proposal_made.proposal_id" = "No"
"facts.proposal_made.by" = "Bidder"
"facts.occurred" = "Made"
[[entries.terms]]
key = "price"
type = "money"
unit = "EUR"
value = { column = "Price" }
"""
HEAD = ["No", "Bidder", "Made", "Price"]


def book(*rows: list[Any], **sheets: list[list[Any]]) -> bytes:
    made = openpyxl.Workbook()
    made.active.title = "Bids"
    for row in rows:
        made.active.append(row)
    for title, content in sheets.items():
        sheet = made.create_sheet(title)
        for row in content:
            sheet.append(row)
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def read(data: bytes, mapping: str = MAPPING) -> list[Read]:
    return list(xlsx.read(io.BytesIO(data), column_mapping.read(io.BytesIO(mapping.encode()))))


def only(data: bytes, mapping: str = MAPPING) -> pb.Draft:
    (one,) = [one for one in read(data, mapping) if one.line]
    assert isinstance(one.line, bytes), one.line
    return draft(one.line)[1]


@pytest.mark.parametrize(
    ("made", "when"),
    [
        (date(2026, 11, 30), "2026-11-30"),
        (datetime(2026, 11, 30), "2026-11-30"),  # noqa: DTZ001 - a cell has no zone
        (datetime(2026, 11, 30, 14, 5), "2026-11-30T13:05:00Z"),  # noqa: DTZ001 - as above
        ("30.11.2026", "2026-11-30"),
    ],
)
def test_a_date_of_a_cell_or_of_its_text_is_read(made: object, when: str) -> None:
    occurred = only(book(HEAD, ["o1", "a", made, 9])).facts.occurred

    found = occurred.instant.ToJsonString() if occurred.HasField("instant") else occurred.edtf
    assert found == when


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (9500, "9500"),
        (9500.0, "9500"),
        (9.5, "9.5"),
        (0.1, "0.1"),
        (-3, "-3"),
        (1e21, f"1{'0' * 21}"),
        ("1.234,5", "1234.5"),
    ],
)
def test_a_number_of_a_cell_has_no_marks_and_its_text_has_those_of_the_mapping(
    cell: object, value: str
) -> None:
    assert only(book(HEAD, ["o1", "a", None, cell])).facts.proposal_made.terms[0].value == value


def test_an_identity_that_is_a_number_is_text() -> None:
    assert only(book(HEAD, [7, "a", None, 1])).facts.proposal_made.proposal_id == "7"


def test_empty_rows_are_passed_over_and_columns_may_end_early() -> None:
    found = read(book([], HEAD, ["o1", "a"], [None, None], ["o2", "a", None, 5]))

    assert [one.number for one in found] == [3, 5]


def test_the_first_sheet_or_the_named_one_is_read_and_the_others_are_told() -> None:
    data = book(HEAD, ["o1", "a"], Later=[HEAD, ["o2", "a"]])

    first = read(data)
    second = read(data, f'sheet = "Later"\n{MAPPING}')
    third = read(data, f'sheet = "None"\n{MAPPING}')

    assert [note.text for one in first for note in one.notes if note.kind is NoteKind.LOST] == [
        "the sheet 'Later'"
    ]
    assert [note.text for one in second for note in one.notes] == ["the sheet 'Bids'"]
    assert b"o2" in second[-1].line if isinstance(second[-1].line, bytes) else False
    assert str(third[0].line) == "The workbook has no sheet 'None', but 'Bids', 'Later'."


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (["o1", "a", None, "=1+1"], "The formula has no stored value."),
        (["o1", "a", time(14, 5), 1], "fits none of the date_formats"),
        (["o1", "a", None, 1, "more"], "The row has a cell to the right of the 4 named columns."),
    ],
)
def test_a_row_that_cannot_be_read_is_refused(row: list[Any], text: str) -> None:
    if row[2] is not None:
        text = "(column Made)"
    (one,) = read(book(HEAD, row))

    assert isinstance(one.line, BadLineError)
    assert text in str(one.line)


def test_the_stored_value_of_a_formula_is_read() -> None:
    data = book(HEAD, ["o1", "a", None, "=4500+5000"])
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for part in old.infolist():
            content = old.read(part)
            if part.filename.endswith("sheet1.xml"):
                # Spreadsheet programs store the last value of a formula. openpyxl does not.
                content = content.replace(b"<v></v>", b"<v>9500</v>").replace(
                    b"<v />", b"<v>9500</v>"
                )
            new.writestr(part, content)

    assert only(file.getvalue()).facts.proposal_made.terms[0].value == "9500"


def test_a_column_without_a_name_is_named_by_its_letter_and_told() -> None:
    (one,) = read(book(["No", None, "Bidder", "Made", "Price"], ["o1", "x", "a", None, 1]))

    assert [note.text for note in one.notes] == [
        "the column 'column B', which the mapping does not use"
    ]


@pytest.mark.parametrize("data", [b"", b"No;Price", b"PK\x03\x04", zipfile.__doc__.encode()])
def test_what_is_no_workbook_is_refused(data: bytes) -> None:
    (one,) = read(data)

    assert str(one.line).startswith("It is no workbook that can be read: ")


def test_a_workbook_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "_LARGEST", 1_000)

    (one,) = read(book(HEAD))

    assert str(one.line).startswith("The workbook has ")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)

    with pytest.raises(dataframe.ExtraMissingError, match=r"openpyxl.*pourparler\[xlsx\]"):
        read(b"")
