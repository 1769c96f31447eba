"""Debates of Akoma Ntoso: who spoke, when, in which role, and what of the document is lost."""

import io
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given as any_
from hypothesis import settings
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler.cli.input.import_lines import draft
from pourparler.formats.akoma_ntoso_reader import read
from pourparler.formats.draft_lines import BadLineError, NoteKind, Read

DATA = Path(__file__).parents[3] / "data"
CASES = ("akn-csd13.xml", "akn-date-role-time-lost.xml", "akn-id-instead-of-eid.xml")
OASIS = "http://docs.oasis-open.org/legaldocml/ns/akn/3.0"


def found(data: bytes) -> list[Read]:
    return list(read(io.BytesIO(data)))


def drafts(data: bytes) -> list[pb.Draft]:
    entries = found(data)
    assert not [one for one in entries if isinstance(one.line, BadLineError)], entries
    return [draft(one.line)[1] for one in entries if isinstance(one.line, bytes) and one.line]


def statements(data: bytes) -> dict[str, pb.Draft]:
    return {
        one.facts.statement_recorded.statement_id: one
        for one in drafts(data)
        if one.facts.HasField("statement_recorded")
    }


def notes(data: bytes, kind: NoteKind) -> Counter[str]:
    return Counter(note.text for one in found(data) for note in one.notes if note.kind is kind)


def debate(
    body: str,
    *,
    references: str = "",
    namespace: str = OASIS,
    date: str = "",
    kind: str = "debate",
    container: str = "debateBody",
) -> bytes:
    xmlns = f' xmlns="{namespace}"' if namespace else ""
    return (
        f'<akomaNtoso{xmlns}><{kind} name="d"><meta><identification source="#s"><FRBRWork>'
        f'<FRBRthis value="/d"/>{date}<FRBRname value="Talks"/></FRBRWork></identification>'
        f'<references source="#s">{references}</references></meta>'
        f"<{container}>{body}</{container}></{kind}></akomaNtoso>"
    ).encode()


ANN = '<TLCPerson eId="ann" href="/p/ann" showAs="Ann"/>'
BOB = '<TLCPerson eId="bob" href="/p/bob" showAs="Bob"/>'


@pytest.mark.parametrize("case", CASES)
def test_each_case_has_its_speakers_dates_times_and_roles(case: str) -> None:
    said = statements((DATA / case).read_bytes())

    speakers = {key: [*one.facts.statement_recorded.speakers] for key, one in said.items()}
    assert speakers == {
        "spk_1": ["annone"],
        "spk_2": ["bobtwo"],
        "spk_3": [],
        "pq_4": ["bobtwo"],
        "pq_5": ["catthree"],
        "spk_4": ["catthree"],
        "spk_9": ["annone"],
    }
    unnamed = said["spk_3"]
    assert unnamed.words.speaker_described == "Deputies"
    assert unnamed.facts.provenance.basis == pb.BASIS_ON_RECORD
    assert said["spk_1"].facts.occurred.instant.ToJsonString() == "2020-07-30T14:20:00Z"
    assert said["spk_2"].facts.occurred.edtf == "2020-07-30"
    assert {key: one.words.as_role for key, one in said.items() if one.words.as_role} == {
        "spk_1": "Ceann Comhairle",
        "spk_4": "Minister for Housing",
    }
    assert [*said["pq_4"].facts.statement_recorded.addressed_to] == ["minister"]


@pytest.mark.parametrize("case", CASES)
def test_each_case_is_dated_by_its_sitting_and_tells_what_is_lost(case: str) -> None:
    data = (DATA / case).read_bytes()

    others = [one for one in drafts(data) if not one.facts.HasField("statement_recorded")]
    topics = [one for one in others if one.facts.HasField("topic_added")]
    rest = [one for one in others if not one.facts.HasField("topic_added")]
    assert {one.facts.occurred.edtf for one in rest} == {"2020-07-30"}
    assert topics[0].facts.occurred.instant.ToJsonString() == "2020-07-30T14:20:00Z"
    assert topics[0].words.title == "Rent Bill"
    lost = notes(data, NoteKind.LOST)
    assert lost["the result of a vote (<voting>)"] == 1
    assert lost["the text of a <summary>"] == 4
    assert lost["text outside of speeches"] == 4
    assert lost["the text of a further <docTitle>"] == 1
    inferred = notes(data, NoteKind.INFERRED)
    assert inferred["a participant with the role of a party, from a reference"] == 4
    assert inferred["a speaker without a reference, described by <from>"] == 1


@pytest.mark.parametrize(
    "namespace",
    [
        OASIS,
        f"{OASIS}/CSD03",
        f"{OASIS}/CSD13",
        f"{OASIS}/WD17",
        "http://www.akomantoso.org/2.0",
        "http://www.akomantoso.org/1.0",
        "",
    ],
)
@pytest.mark.parametrize(
    ("kind", "container"),
    [("debate", "debateBody"), ("debateReport", "debateBody"), ("debateReport", "mainBody")],
)
def test_a_debate_of_every_version_is_read(namespace: str, kind: str, container: str) -> None:
    data = debate(
        '<debateSection name="s"><heading>Pay</heading><speech id="s1" by="#ann"><p>Yes.</p>'
        "</speech></debateSection>",
        references=ANN.replace("eId", "id"),
        namespace=namespace,
        kind=kind,
        container=container,
    )

    assert [*statements(data)["s1"].facts.statement_recorded.speakers] == ["ann"]


def test_another_standard_is_refused_with_its_namespace() -> None:
    (one,) = found(debate("", namespace="http://www.tei-c.org/ns/1.0"))

    assert str(one.line) == (
        "It is no document of Akoma Ntoso: it begins with akomaNtoso of the namespace"
        " 'http://www.tei-c.org/ns/1.0'."
    )


@pytest.mark.parametrize("by", ["", "#", "#nobody", "nobody", "/p/", "#ann #nobody", "##", "# "])
@pytest.mark.parametrize(
    "references",
    [
        ANN,
        ANN + '<TLCPerson href="/p/x" showAs="No id"/>',
        ANN + '<TLCPerson eId="" href="" showAs="Empty"/>',
        ANN + '<TLCPerson eId="x" href="#" showAs="No href"/>',
        '<TLCPerson href="/p/ann" showAs="Ann"/><TLCPerson href="/p/bob" showAs="Bob"/>',
    ],
)
def test_a_speaker_who_is_not_identified_is_described_and_nobody_else(
    by: str, references: str
) -> None:
    data = debate(
        f'<speech by="{by}" eId="s"><from>A voice</from><p>Hear, hear.</p></speech>',
        references=references,
    )

    said = statements(data)["s"]
    assert not said.facts.statement_recorded.speakers
    assert said.words.speaker_described == "A voice"
    assert not [one for one in drafts(data) if one.facts.HasField("participant_joined")]


def test_a_pointer_that_fits_two_persons_names_neither() -> None:
    twice = ANN + '<TLCPerson id="ann" href="/p/other" showAs="Another Ann"/>'
    data = debate('<speech by="#ann" eId="s"><from>Ann</from><p>x</p></speech>', references=twice)

    assert not statements(data)["s"].facts.statement_recorded.speakers
    assert notes(data, NoteKind.LOST)["a pointer to a speaker that the references do not list"] == 1


@pytest.mark.parametrize("pointer", ["#ann", "#p1", "ann", "/p/ann"])
def test_one_person_with_two_ids_joins_once(pointer: str) -> None:
    both = '<TLCPerson eId="ann" id="p1" href="/p/ann" showAs="Ann"/>'
    data = debate(
        f'<speech by="{pointer}" eId="s"><p>x</p></speech><speech by="#ann" eId="t"><p>y</p>'
        "</speech>",
        references=both,
    )

    assert {tuple(one.facts.statement_recorded.speakers) for one in statements(data).values()} == {
        ("ann",)
    }
    assert len([one for one in drafts(data) if one.facts.HasField("participant_joined")]) == 1


def test_two_speakers_of_one_speech_speak_jointly() -> None:
    data = debate('<speech by="#ann #bob" eId="s"><p>x</p></speech>', references=ANN + BOB)

    said = statements(data)["s"].facts.statement_recorded
    assert ([*said.speakers], said.joint) == (["ann", "bob"], True)


@pytest.mark.parametrize(
    ("speech", "when"),
    [
        ('<speech by="#ann" eId="s" startTime="2020-07-30T09:00:00Z"><p>x</p></speech>',
         "2020-07-30T09:00:00Z"),
        (('<speech by="#ann" eId="s"><from>A<recordedTime time="2020-07-30T09:00:00Z"/></from>'
         "<p>x</p></speech>"), "2020-07-30T09:00:00Z"),
        (('<speech by="#ann" eId="s"><p><recordedTime time="2020-07-30T09:00:00Z">9.00'
         "</recordedTime>x</p></speech>"), "2020-07-30T09:00:00Z"),
        ('<speech by="#ann" eId="s"><p>x<recordedTime time="2020-07-30T09:00:00Z"/></p></speech>',
         "2020-07-01"),
        ('<speech by="#ann" eId="s" startTime="2020-07-30T09:00:00"><p>x</p></speech>',
         "2020-07-30"),
        ('<speech by="#ann" eId="s" startTime="nine"><p>x</p></speech>', "2020-07-01"),
        ('<speech by="#ann" eId="s" startTime="2020-02-31T09:00:00Z"><p>x</p></speech>',
         "2020-07-01"),
        ('<speech by="#ann" eId="s"><p>x</p></speech>', "2020-07-01"),
    ],
)  # fmt: skip
def test_the_time_of_a_speech_is_its_own_or_the_day_of_the_sitting(speech: str, when: str) -> None:
    data = debate(speech, references=ANN, date='<FRBRdate date="2020-07-01" name="sitting"/>')

    occurred = statements(data)["s"].facts.occurred
    exact = occurred.instant.ToJsonString() if occurred.HasField("instant") else occurred.edtf
    assert exact == when


@pytest.mark.parametrize(
    ("date", "day"),
    [
        ('<FRBRdate date="2020-07-01" name="#dated"/>', "2020-07-01"),
        ('<FRBRdate date="2020-07-01Z" name=""/>', "2020-07-01"),
        ('<FRBRdate date="2024-01-01" name="Generation"/><FRBRdate date="2020-07-01" name="s"/>',
         "2020-07-01"),
        ('<FRBRdate date="2020-07-01" name="recorded"/>', ""),
        ('<FRBRdate date="0001-01-01" name=""/>', ""),
        ('<FRBRdate date="July" name=""/>', ""),
    ],
)  # fmt: skip
def test_the_date_of_the_sitting_is_that_of_the_work(date: str, day: str) -> None:
    data = debate('<speech by="#ann" eId="s"><p>x</p></speech>', references=ANN, date=date)

    assert {one.facts.occurred.edtf for one in drafts(data)} == {day}


def test_a_role_that_is_not_listed_is_told_and_not_made_up() -> None:
    data = debate('<speech by="#ann" as="#chair" eId="s"><p>x</p></speech>', references=ANN)

    assert not statements(data)["s"].words.as_role
    assert notes(data, NoteKind.LOST)["a role that the references do not list"] == 1


def test_what_stands_beside_the_speeches_is_told() -> None:
    data = debate(
        '<debateSection name="s"><heading>Pay</heading><heading>Wages</heading>'
        '<scene>(Applause)</scene><speech by="#ann" eId="s"><from>Ann</from><p>x'
        "<authorialNote><p>a note</p></authorialNote></p></speech><narrative><p>They left.</p>"
        "<p>They came back.</p></narrative><p>Ayes: two</p></debateSection>",
        references=ANN,
    )

    assert statements(data)["s"].words.text == "x"
    assert notes(data, NoteKind.LOST) == Counter(
        {
            "a heading that is not the first of a section": 1,
            "the text of a <scene>": 1,
            "the text of a <authorialNote>": 1,
            "the text of a <narrative>": 1,
            "text outside of speeches": 1,
        }
    )


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE akomaNtoso [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE akomaNtoso SYSTEM "file:///etc/passwd">',
    ],
)
def test_a_document_with_entities_is_refused(head: str) -> None:
    (one,) = found(head.encode() + debate("<speech><from>&b;</from></speech>"))

    assert str(one.line) == ("The document has a document type, which is not supported: remove it.")


@any_(
    by=st.sampled_from(["#ann", "#bob", "#", "", "#x", "ann", "#ann #bob", "#A"]),
    keys=st.lists(st.sampled_from(["eId", "id"]), min_size=2, max_size=2),
)
@settings(max_examples=60, database=None)
def test_a_speaker_is_always_one_that_the_pointer_names(by: str, keys: list[str]) -> None:
    references = ANN.replace("eId", keys[0]) + BOB.replace("eId", keys[1])
    data = debate(
        f'<speech by="{by}" eId="s"><from>Someone</from><p>x</p></speech>', references=references
    )

    speakers = [*statements(data)["s"].facts.statement_recorded.speakers]
    assert set(speakers) <= {one.strip("#") for one in by.split()}
