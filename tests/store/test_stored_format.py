"""The stored format is permanent: what the first version wrote is written and read so for good."""

import hashlib
import json
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.schema.contract import ENTRY_TYPES
from pourparler.schema.wire import length_delimited
from pourparler_service.storage.record_codec import (
    EncodedRecord,
    decode_record,
    encode_record,
    leaf,
    record_bytes,
)
from tests.support.filled_messages import fill

# One line for each entry type, with every field set that its first format had. A new type adds a
# line. No line changes. A line without a format has format 1.
GOLDEN = {
    (line["type"], line.get("format", 1)): line
    for line in map(
        json.loads,
        (Path(__file__).parent.parent / "golden" / "records.jsonl").read_text().splitlines(),
    )
}
RECORD_TIME = Timestamp(seconds=1_665_388_800, nanos=123_456_789)

each_line = pytest.mark.parametrize(("entry_type", "entry_format"), GOLDEN)


def sections(entry_type: str, entry_format: int = 1) -> tuple[pb.Facts, pb.Words]:
    # Later fields of facts and words that all types share do not change the line of a type.
    facts, words = pb.Facts(), pb.Words()
    fill(facts, 4, 1)
    facts.ClearField("negotiation_opened")
    event = getattr(facts, entry_type)
    event.SetInParent()
    fill(event, 3, entry_format)
    fill(words, 4, 1)
    return facts, words


def golden(entry_type: str, entry_format: int = 1) -> EncodedRecord:
    facts, words = sections(entry_type, entry_format)
    salts = iter([bytes(range(32)), bytes(range(32, 64))])
    return encode_record(
        "renault-nissan",
        17,
        RECORD_TIME,
        facts,
        words,
        entry_format=entry_format,
        salt=lambda _length: next(salts),
    )


def test_every_entry_type_has_its_golden_bytes() -> None:
    assert set(GOLDEN) == {(name, one.rule.since or 1) for name, one in ENTRY_TYPES.items()}


@each_line
def test_an_entry_is_stored_as_it_always_was(entry_type: str, entry_format: int) -> None:
    known = GOLDEN[entry_type, entry_format]

    assert golden(entry_type, entry_format).data.hex() == known["record"]


@each_line
def test_the_leaf_of_an_entry_is_that_of_its_stored_bytes(
    entry_type: str, entry_format: int
) -> None:
    entry = golden(entry_type, entry_format)

    assert entry.leaf.hex() == GOLDEN[entry_type, entry_format]["leaf"]
    assert entry.leaf == leaf(entry.data)


@each_line
def test_what_was_stored_reads_as_it_always_did(entry_type: str, entry_format: int) -> None:
    entry = decode_record(bytes.fromhex(GOLDEN[entry_type, entry_format]["record"]))

    facts, words = sections(entry_type, entry_format)
    assert entry.facts == facts
    assert entry.words == words
    assert entry.header.negotiation == "renault-nissan"
    assert entry.header.version == 17
    assert entry.header.record_time == RECORD_TIME
    assert entry.header.format == entry_format


@each_line
def test_the_digests_are_those_of_the_salted_sections(entry_type: str, entry_format: int) -> None:
    known = GOLDEN[entry_type, entry_format]
    record = pb.Record.FromString(bytes.fromhex(known["record"]))
    header = pb.EntryHeader.FromString(record.header)

    digests = [
        hashlib.sha256(salt + section).digest()
        for salt, section in zip(record.salts, (record.facts, record.words), strict=True)
    ]

    assert list(header.section_digests) == digests
    assert hashlib.sha256(b"\x00" + record.header).hexdigest() == known["leaf"]


def test_salts_are_never_the_same_twice() -> None:
    facts, words = sections("statement_recorded")
    records = [
        pb.Record.FromString(record_bytes("n", 1, RECORD_TIME, facts, words)) for _ in range(100)
    ]

    salts = {salt for record in records for salt in record.salts}
    assert len(salts) == 200
    assert {len(salt) for salt in salts} == {32}


def test_entries_spliced_into_an_answer_read_as_entries_and_as_records() -> None:
    stored = [golden("statement_recorded").data, golden("proposal_made").data]

    spliced = b"".join(length_delimited(1, one) for one in stored)

    assert [one.facts for one in pb.Receipt.FromString(spliced).entries] == [
        sections("statement_recorded")[0],
        sections("proposal_made")[0],
    ]
    records = pb.Records.FromString(spliced).records
    assert [record.SerializeToString(deterministic=True) for record in records] == stored


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16_383, 16_384, 300_000])
def test_a_frame_is_a_field_of_any_length(length: int) -> None:
    assert pb.Record.FromString(length_delimited(3, b"x" * length)).facts == b"x" * length
