"""Tables of other programs: separators, encodings, dates, numbers, names and terms in cells."""

import codecs
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as any_
from hypothesis import settings
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler.cli.input.import_lines import draft
from pourparler.formats import column_mapping
from pourparler.formats import csv as csv_format
from pourparler.formats.draft_lines import BadLineError, NoteKind, Read

DATA = Path(__file__).parents[3] / "data"
CASE = (DATA / "csv-mapping.toml").read_text()
KIND = """
[[entries]]
set = { "facts.provenance.basis" = "direct", "facts.provenance.form" = "verbatim", \
"facts.statement_recorded.act" = "assert" }
[entries.columns]
"facts.statement_recorded.statement_id" = "No"
"facts.statement_recorded.speakers" = "Who"
"facts.occurred" = "Day"
"words.text" = "Text"
"""


def rows(data: bytes | str, mapping: str) -> list[Read]:
    given = data.encode() if isinstance(data, str) else data
    return list(
        csv_format.read(io.BytesIO(given), column_mapping.read(io.BytesIO(mapping.encode())))
    )


def only(data: bytes | str, mapping: str) -> pb.Draft:
    (one,) = [one for one in rows(data, mapping) if one.line]
    assert isinstance(one.line, bytes), one.line
    return draft(one.line)[1]


def error(data: bytes | str, mapping: str) -> str:
    (one,) = rows(data, mapping)
    assert isinstance(one.line, BadLineError), one.line
    return str(one.line)


def when(cell: str, options: str) -> str:
    table = io.StringIO()
    csv.writer(table).writerows([["No", "Who", "Day", "Text"], ["m1", "a", cell, "x"]])
    occurred = only(table.getvalue(), options + KIND).facts.occurred
    return occurred.instant.ToJsonString() if occurred.HasField("instant") else occurred.edtf


# The cases.


def test_a_table_with_semicolons_is_read() -> None:
    said = only((DATA / "csv-semicolon.csv").read_bytes(), CASE)

    assert said.facts.statement_recorded.statement_id == "m3"
    assert [*said.facts.statement_recorded.speakers] == ["a"]
    assert (said.facts.occurred.edtf, said.words.text) == ("2026-11-30", "hello")


def test_two_names_in_a_cell_speak_jointly() -> None:
    said = only((DATA / "csv-two-speakers.csv").read_bytes(), CASE)

    assert [*said.facts.statement_recorded.speakers] == ["a", "b"]
    assert said.facts.statement_recorded.joint


def test_a_time_without_zone_is_an_error_that_names_the_cell_and_the_cure() -> None:
    assert error((DATA / "csv-time-without-zone.csv").read_bytes(), CASE) == (
        "The time '2026-11-30 14:05' has no zone. Name the zone in the mapping, as in"
        ' zone = "Europe/Berlin", or in the cell, as in 2026-11-30T14:05+01:00. (column Day)'
    )


def test_a_time_without_zone_is_read_in_the_zone_of_the_mapping() -> None:
    data = (DATA / "csv-time-without-zone.csv").read_bytes()

    said = only(data, f'zone = "Europe/Berlin"\n{CASE}')

    assert said.facts.occurred.instant.ToJsonString() == "2026-11-30T13:05:00Z"


# Separators and encodings.


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", ":", "^", "~", "#", "§"])
def test_the_separator_is_found_in_the_header(separator: str) -> None:
    text = '"x, y; z"' if separator in ",;" else "x, y; z"
    data = "".join(
        f"{separator.join(row)}\n" for row in (["No", "Who", "Day", "Text"], ["m1", "a", "", text])
    )

    said = only(data, KIND)

    assert said.words.text == "x, y; z"
    assert said.facts.statement_recorded.statement_id == "m1"


@pytest.mark.parametrize("named", ['delimiter = " "', 'delimiter = "tab"', 'delimiter = "\\t"'])
def test_the_separator_is_named_in_the_mapping(named: str) -> None:
    separator = " " if '" "' in named else "\t"

    assert (
        only("No Who Day Text\nm1 a  x\n".replace(" ", separator), named + KIND).words.text == "x"
    )


def test_the_line_of_a_spreadsheet_that_names_its_separator_is_read() -> None:
    data = "sep=;\r\nNo;Who;Day;Text\r\nm1;a;;x\r\nm2\r\n"

    first, second = rows(data, KIND)

    assert (first.number, second.number) == (3, 4)
    assert str(second.line) == "The row has 1 cells for 4 columns."


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_every_system(end: str) -> None:
    data = end.join(["No,Who,Day,Text", 'm1,a,,"two', 'lines"', "m2,a,,x", ""])

    assert [one.number for one in rows(data, KIND)] == [2, 4]


@pytest.mark.parametrize(
    ("encoding", "mark", "named"),
    [
        ("utf-8", b"", ""),
        ("utf-8", codecs.BOM_UTF8, ""),
        ("utf-8", codecs.BOM_UTF8, "cp1252"),
        ("utf-16-le", codecs.BOM_UTF16_LE, ""),
        ("utf-16-be", codecs.BOM_UTF16_BE, ""),
        ("utf-16-le", b"", ""),
        ("utf-16-be", b"", ""),
        ("utf-16-le", b"", "utf-16-le"),
        ("utf-32-le", codecs.BOM_UTF32_LE, ""),
        ("cp1252", b"", "cp1252"),
        ("latin-1", b"", "iso-8859-1"),
        ("mac-roman", b"", "mac_roman"),
    ],
)
def test_a_table_is_read_in_its_encoding(encoding: str, mark: bytes, named: str) -> None:
    data = mark + "No,Who,Day,Text\r\nm1,a,,Übergänge für é\r\n".encode(encoding)
    option = f'encoding = "{named}"' if named else ""

    assert only(data, option + KIND).words.text == "Übergänge für é"


def test_another_encoding_is_an_error_that_names_the_row_and_the_cure() -> None:
    data = "No,Who,Day,Text\nm1,a,,x\nm2,a,,Übergänge\nm3,a,,y\n".encode("cp1252")

    first, second = rows(data, KIND)

    assert isinstance(first.line, bytes)
    assert (second.number, str(second.line)) == (
        3,
        (
            "The row cannot be read: It is not UTF-8. Name its encoding in a mapping, as in"
            ' encoding = "cp1252".'
        ),
    )


def test_a_byte_that_the_named_encoding_lacks_is_an_error() -> None:
    said = error(b"No,Who,Day,Text\nm1,a,,\x81\n", 'encoding = "cp1252"' + KIND)

    assert "It is not CP1252. Name another encoding" in said


# Dates.


@pytest.mark.parametrize(
    ("cell", "options", "date"),
    [
        ("2026-11-30", "", "2026-11-30"),
        ("2026-11", "", "2026-11"),
        ("[2026-11..]", "", "[2026-11..]"),
        ("2026-11-30T14:05Z", "", "2026-11-30T14:05:00Z"),
        ("2026-11-30 14:05:06.5 +01:00", "", "2026-11-30T13:05:06.500Z"),
        ("2026-11-30T14:05+0100", "", "2026-11-30T13:05:00Z"),
        ("2026-11-30 14:05", 'zone = "-05:00"', "2026-11-30T19:05:00Z"),
        ("2026-07-30 14:05", 'zone = "Europe/London"', "2026-07-30T13:05:00Z"),
        ("2026-07-30 14:05+02:00", 'zone = "Europe/London"', "2026-07-30T12:05:00Z"),
        ("30.11.2026", 'date_formats = "%d.%m.%Y"', "2026-11-30"),
        ("11/30/26", 'date_formats = ["%d.%m.%Y", "%m/%d/%y"]', "2026-11-30"),
        ("11/2026", 'date_formats = "%m/%Y"', "2026-11"),
        ("FY2026", 'date_formats = "FY%Y"', "2026"),
        ("30 November 2026", 'date_formats = "%d %B %Y"', "2026-11-30"),
        (
            "30.11.2026 14:05",
            'date_formats = "%d.%m.%Y %H:%M"\nzone = "Europe/Berlin"',
            "2026-11-30T13:05:00Z",
        ),
        ("30.11.2026", '[date_formats]\nDay = "%d.%m.%Y"', "2026-11-30"),
    ],
)
def test_a_date_is_read_as_the_mapping_says(cell: str, options: str, date: str) -> None:
    assert when(cell, options) == date


@pytest.mark.parametrize(
    ("cell", "options", "text"),
    [
        ("30.11.2026", "", 'date_formats = ["%d.%m.%Y"]. (column Day)'),
        ("2026-11-30", 'date_formats = "%d.%m.%Y"', "fits none of the date_formats of the mapping"),
        ("2026-11-31 10:00Z", "", "(column Day)"),
        ("2026-10-25 02:30", 'zone = "Europe/Berlin"', "occurs twice in the zone Europe/Berlin"),
        ("2026-03-29 02:30", 'zone = "Europe/Berlin"', "does not exist in the zone Europe/Berlin"),
        ("30.11.2026 14:05", 'date_formats = "%d.%m.%Y %H:%M"', "has no zone. Name the zone"),
    ],
)
def test_a_date_that_cannot_be_read_names_its_cell_and_the_cure(
    cell: str, options: str, text: str
) -> None:
    assert text in error(f"No,Who,Day,Text\nm1,a,{cell},x\n", options + KIND)


# Terms, numbers and truth values.

OFFER = """
[[entries]]
set = { "facts.provenance.basis" = "direct", "facts.provenance.form" = "summary", \
"facts.proposal_made.by" = ["a"], "facts.proposal_made.to" = ["b", "c"], \
"facts.proposal_made.binding" = "binding" }
columns = { "facts.proposal_made.proposal_id" = "No" }
[[entries.terms]]
key = "price"
type = "money"
value = { column = "Price" }
unit = { column = "Currency" }
[[entries.terms]]
key = "discount"
type = "percent"
qualifier = "up_to"
value = { column = "Discount" }
[[entries.terms]]
key = "delivery"
type = "date"
value = { column = "Delivery" }
[[entries.terms]]
key = "place"
type = "text"
value = { column = "Place" }
[[entries.terms]]
key = "insured"
type = "bool"
value = { column = "Insured" }
[values.Insured]
"ja" = true
"nein" = false
"""
HEAD = "No;Price;Currency;Discount;Delivery;Place;Insured\n"
GERMAN = 'decimal = ","\nthousands = "."\ndate_formats = "%d.%m.%Y"\n'


def test_terms_are_read_from_columns() -> None:
    row = "o1;1.234.567,50;EUR;7,5 %;01.02.2027;Hamburg, free;ja\n"

    said = only(HEAD + row, GERMAN + OFFER)

    exact = pb.TERM_QUALIFIER_EXACT
    assert [*said.facts.proposal_made.terms] == [
        pb.Term(
            key="price", type=pb.TERM_TYPE_MONEY, qualifier=exact, value="1234567.50", unit="EUR"
        ),
        pb.Term(
            key="discount",
            type=pb.TERM_TYPE_PERCENT,
            qualifier=pb.TERM_QUALIFIER_UP_TO,
            value="7.5",
        ),
        pb.Term(key="delivery", type=pb.TERM_TYPE_DATE, qualifier=exact, value="2027-02-01"),
        pb.Term(key="place", type=pb.TERM_TYPE_TEXT, qualifier=exact),
        pb.Term(key="insured", type=pb.TERM_TYPE_BOOL, qualifier=exact, value="true"),
    ]
    assert [*said.words.term_texts] == [pb.TermText(key="place", text="Hamburg, free")]
    assert [*said.facts.proposal_made.to] == ["b", "c"]


def test_an_empty_cell_makes_no_term() -> None:
    said = only(f"{HEAD}o1;9;EUR;;;;\n", GERMAN + OFFER)

    assert [one.key for one in said.facts.proposal_made.terms] == ["price"]


@pytest.mark.parametrize(
    ("row", "options", "text"),
    [
        ("o1;9,5;EUR;;;;", "", "'9,5' is not a number such as 1234.5."),
        ("o1;1.234;EUR;;;;", 'decimal = ","\n', "'1.234' is not a number such as 1234,5."),
        ("o1;1.23;EUR;;;;", GERMAN, "'1.23' is not a number such as 1234,5."),
        ("o1;9 EUR;EUR;;;;", GERMAN, "'9 EUR' is not a number"),
        ("o1;9;EUR;;2027;;", "", "'2027' is not one day such as 2026-11-30. (column Delivery)"),
        (
            "o1;9;EUR;;;;perhaps",
            "",
            "'perhaps' is not true or false. Say what it means in [values]",
        ),
    ],
)
def test_a_value_that_cannot_be_read_names_its_cell_and_the_cure(
    row: str, options: str, text: str
) -> None:
    said = error(f"{HEAD}{row}\n", options + OFFER)

    assert text in said
    assert "(column " in said


@pytest.mark.parametrize(
    ("cell", "options", "number"),
    [
        ("1234.5", "", "1234.5"),
        ("+5", "", "5"),
        ("\u22125", "", "-5"),
        ("007", "", "7"),
        ("1 234,5", 'decimal = ","\nthousands = " "\n', "1234.5"),
        ("1\u00a0234,5", 'decimal = ","\nthousands = " "\n', "1234.5"),
        ("1'234.5", 'thousands = "\'"\n', "1234.5"),
        ("1,234", 'thousands = ","\n', "1234"),
    ],
)
def test_a_number_has_the_form_of_the_contract(cell: str, options: str, number: str) -> None:
    said = only(f"{HEAD}o1;{cell};EUR;;;;\n", options + OFFER)

    assert said.facts.proposal_made.terms[0].value == number


@any_(number=st.decimals(min_value=0, max_value=10**9, places=2))
@settings(max_examples=50, database=None)
def test_a_number_is_the_same_in_every_way_of_writing(number: Any) -> None:
    english = f"{number:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))

    values = [
        only(f"{HEAD}o1;{cell};EUR;;;;\n", options + OFFER).facts.proposal_made.terms[0].value
        for cell, options in ((english, 'thousands = ","\n'), (german, GERMAN))
    ]
    assert values == [f"{number:.2f}"] * 2


def test_truth_values_and_numbers_may_stand_in_the_mapping() -> None:
    mapping = """
[[entries]]
when = { Kind = 1, Done = true }
set = { "facts.provenance.basis" = "direct", "facts.provenance.form" = "summary", \
"facts.statement_retracted.partial" = true, "facts.statement_retracted.by" = ["a"] }
columns = { "facts.statement_retracted.statement_id" = "No" }
[[entries]]
set = { "facts.document_attached.size_bytes" = 120 }
columns = { "facts.document_attached.document_id" = "No" }
"""
    first, second = rows("No,Kind,Done\ns1,1,true\nd1,2,true\n", mapping)

    assert isinstance(first.line, bytes)
    assert isinstance(second.line, bytes)
    assert draft(first.line)[1].facts.statement_retracted.partial
    assert draft(second.line)[1].facts.document_attached.size_bytes == 120


def test_a_column_without_use_is_told_once() -> None:
    found = rows("No,Who,Day,Text,Remark\nm1,a,,x,y\nm2,a,,x,y\n", KIND)

    notes = [note for one in found for note in one.notes]
    assert [(note.kind, note.text) for note in notes] == [
        (NoteKind.LOST, "the column 'Remark', which the mapping does not use")
    ]


def test_a_row_with_an_identity_has_it_wherever_it_stands() -> None:
    mapping = f'row_id = "No"\n{KIND}'

    first = rows("No,Who,Day,Text\nm1,a,,x\nm2,a,,y\n", mapping)
    second = rows("No,Who,Day,Text\nm2,a,,y\n", mapping)

    assert [one.delivery for one in first] == ["row\nm1", "row\nm2"]
    assert [one.delivery for one in second] == ["row\nm2"]
    assert error("No,Who,Day,Text\n,a,,x\n", mapping) == "The row has no identity (column No)."


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ('zone = "Mars/Base"', "'Mars/Base' is no zone such as Europe/Berlin"),
        ('encoding = "klingon"', "'klingon' is no encoding such as utf-8"),
        ('encoding = "rot13"', "'rot13' is no encoding such as utf-8"),
        ('delimiter = ";;"', "The delimiter ';;' is not one character"),
        ('decimal = ";"', "The member decimal has to be a point or a comma."),
        ('thousands = "."', "The member thousands has to be a point"),
        ('date_formats = "%q"', "'%q' is no date format such as %d.%m.%Y."),
        ('date_formats = "%d.%m."', "The date format '%d.%m.' has no year (%Y)."),
        ("date_formats = 1", "The member date_formats has to be a format"),
        ("sheet = 1", "The member sheet has to be text."),
        ("row_id = 1", "The member row_id has to be the name of a column."),
    ],
)
def test_an_option_that_is_none_is_refused(options: str, text: str) -> None:
    with pytest.raises(column_mapping.BadMappingError) as refused:
        column_mapping.read(io.BytesIO((options + KIND).encode()))

    assert str(refused.value).startswith(text)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ('terms = 1\nset = { "facts.topic_added.topic_id" = "a" }', "The member terms of an entry"),
        (
            (
                'terms = [{ key = "a", type = "text", value = "b" }]\n'
                'set = { "facts.topic_added.topic_id" = "a" }'
            ),
            "An entry of the type topic_added has no terms.",
        ),
        (
            'terms = [{ key = "a" }]\nset = { "facts.proposal_made.proposal_id" = "a" }',
            "A term of the mapping has no type.",
        ),
        (
            (
                'terms = [{ key = "a", type = "text", value = { row = "b" } }]\n'
                'set = { "facts.proposal_made.proposal_id" = "a" }'
            ),
            "The value of a term has to be text or { column = ... }.",
        ),
        (
            'set = { "facts.proposal_made.proposal_id" = ["a"] }',
            "The field facts.proposal_made.proposal_id has one value, and no list of them.",
        ),
    ],
)
def test_terms_that_are_none_are_refused(entry: str, text: str) -> None:
    with pytest.raises(column_mapping.BadMappingError) as refused:
        column_mapping.read(io.BytesIO(f"[[entries]]\n{entry}".encode()))

    assert str(refused.value).startswith(text)


@any_(
    separator=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8-sig", "utf-16", "utf-8"]),
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, max_size=5
    ),
)
@settings(max_examples=80, database=None)
def test_any_text_comes_out_of_a_table_of_any_program(
    separator: str, encoding: str, texts: list[str]
) -> None:
    table = io.StringIO()
    writer = csv.writer(table, delimiter=separator)
    writer.writerow(["No", "Who", "Day", "Text"])
    for number, text in enumerate(texts):
        writer.writerow([f"m{number}", "a", "", text])

    found = rows(table.getvalue().encode(encoding), KIND)

    lines = [json.loads(one.line) for one in found if isinstance(one.line, bytes)]
    assert [one["words"]["text"] for one in lines] == texts
