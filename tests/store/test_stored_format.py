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

# A line an entry type, every field filled in. A new type adds a line; none may ever change.
GOLDEN = {
    line["type"]: line
    for line in map(
        json.loads,
        (Path(__file__).parent.parent / "golden" / "records.jsonl").read_text().splitlines(),
    )
}
RECORD_TIME = Timestamp(seconds=1_665_388_800, nanos=123_456_789)


def sections(entry_type: str) -> tuple[pb.Facts, pb.Words]:
    facts, words = pb.Facts(), pb.Words()
    fill(facts)
    facts.ClearField("negotiation_opened")
    event = getattr(facts, entry_type)
    event.SetInParent()
    fill(event, depth=3)
    fill(words)
    return facts, words


def golden(entry_type: str) -> EncodedRecord:
    facts, words = sections(entry_type)
    salts = iter([bytes(range(32)), bytes(range(32, 64))])
    return encode_record(
        "renault-nissan", 17, RECORD_TIME, facts, words, salt=lambda _length: next(salts)
    )


def test_every_entry_type_has_its_golden_bytes() -> None:
    assert set(GOLDEN) == set(ENTRY_TYPES)


@pytest.mark.parametrize("entry_type", ENTRY_TYPES)
def test_an_entry_is_stored_as_it_always_was(entry_type: str) -> None:
    assert golden(entry_type).data.hex() == GOLDEN[entry_type]["record"]


@pytest.mark.parametrize("entry_type", ENTRY_TYPES)
def test_the_leaf_of_an_entry_is_that_of_its_stored_bytes(entry_type: str) -> None:
    entry = golden(entry_type)

    assert entry.leaf.hex() == GOLDEN[entry_type]["leaf"]
    assert entry.leaf == leaf(entry.data)


@pytest.mark.parametrize("entry_type", ENTRY_TYPES)
def test_what_was_stored_reads_as_it_always_did(entry_type: str) -> None:
    entry = decode_record(bytes.fromhex(GOLDEN[entry_type]["record"]))

    facts, words = sections(entry_type)
    assert entry.facts == facts
    assert entry.words == words
    assert entry.header.negotiation == "renault-nissan"
    assert entry.header.version == 17
    assert entry.header.record_time == RECORD_TIME
    assert entry.header.format == 1


@pytest.mark.parametrize("entry_type", ENTRY_TYPES)
def test_the_digests_are_those_of_the_salted_sections(entry_type: str) -> None:
    record = pb.Record.FromString(bytes.fromhex(GOLDEN[entry_type]["record"]))
    header = pb.EntryHeader.FromString(record.header)

    digests = [
        hashlib.sha256(salt + section).digest()
        for salt, section in zip(record.salts, (record.facts, record.words), strict=True)
    ]

    assert list(header.section_digests) == digests
    assert hashlib.sha256(b"\x00" + record.header).hexdigest() == GOLDEN[entry_type]["leaf"]


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
