"""What docs/reference/record-format.md says by example is so, byte for byte."""

import base64
import hashlib
import json
import re
from pathlib import Path

from pourparler import v1 as pb
from pourparler.transparency.bundle import MAGIC, MAX_RECORD_BYTES
from tests.support import bundles

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reference" / "record-format.md").read_text()
EXAMPLE = PAGE.partition("## Worked example")[2]
BLOCKS = re.findall(r"^```text\n(.*?)^```$", EXAMPLE, re.MULTILINE | re.DOTALL)
KEY, STORED, HEADER, DIGEST, HASHES, CHECKPOINT, END, GOLDEN = BLOCKS
BUNDLE = (ROOT / "tests" / "golden" / "talks.bundle").read_bytes()
READ = pb.Bundle.FromString(BUNDLE.removeprefix(MAGIC))


def digits(block: str) -> str:
    return "".join(block.split())


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def test_the_first_line_is_as_long_as_is_said() -> None:
    assert f"    {MAGIC.decode()}" in PAGE
    assert f"{len(MAGIC)} bytes" in PAGE
    assert MAX_RECORD_BYTES == 2**24


def test_the_bytes_are_where_the_table_says() -> None:
    rows = re.findall(
        r"^\| (\d+) to (\d+) \| (\w+), length (\w+), .*: (\d+) bytes \|$", EXAMPLE, re.MULTILINE
    )

    assert len(BUNDLE) == 925
    assert int(rows[0][0]) == len(MAGIC)
    assert int(rows[-1][1]) == len(BUNDLE) - 1
    assert [int(one[0]) for one in rows[1:]] == [int(one[1]) + 1 for one in rows[:-1]]
    for first, last, tag, length, size in rows:
        begin = bytes.fromhex(tag + length)
        assert BUNDLE[int(first) : int(last) + 1].startswith(begin)
        assert int(last) + 1 - int(first) == len(begin) + int(size)


def test_the_stored_entry_is_that_of_the_bundle() -> None:
    stored = bytes.fromhex(digits(STORED))

    assert stored == BUNDLE[260:461] == READ.records[0].SerializeToString(deterministic=True)
    assert bytes.fromhex(digits(HEADER)) == READ.records[0].header
    fields = [len(bytes.fromhex(digits(line))) for line in STORED.splitlines()]
    assert sum(fields) == 201


def test_the_digest_is_that_of_salt_and_words() -> None:
    hashed, found = re.findall(r"[0-9a-f]{64,}", DIGEST)
    first = READ.records[0]

    assert bytes.fromhex(hashed) == first.salts[1] + first.words
    assert sha256(bytes.fromhex(hashed)).hex() == found
    assert found in HEADER


def test_the_leaves_lead_to_the_root_of_the_checkpoint() -> None:
    one, two, three, node, root = map(bytes.fromhex, HASHES.split())

    assert [one, two, three] == [sha256(b"\x00", record.header) for record in READ.records]
    assert node == sha256(b"\x01", one, two)
    assert root == sha256(b"\x01", node, three)
    assert base64.b64encode(root).decode() == CHECKPOINT.splitlines()[2]


def test_the_checkpoint_and_the_key_are_those_of_the_bundle() -> None:
    assert READ.header.checkpoint == CHECKPOINT
    assert KEY.strip() == str(bundles.KEYS[0])
    assert KEY.strip() in EXAMPLE.split("This command prints")[1]
    name, key_id, key = KEY.strip().split("+", 2)
    data = base64.b64decode(key)
    assert sha256(f"{name}\n".encode(), data)[:4].hex() == key_id


def test_the_end_is_that_of_the_bundle() -> None:
    assert bytes.fromhex(digits(END)) == BUNDLE[889:]
    assert READ.end.digest == sha256(BUNDLE[:887])


def test_the_golden_leaf_is_that_of_its_header() -> None:
    first = json.loads((ROOT / "tests" / "golden" / "records.jsonl").read_text().splitlines()[0])
    header, leaf = re.findall(r"[0-9a-f]{64,}", GOLDEN)

    assert first["type"] == "negotiation_opened"
    assert pb.Record.FromString(bytes.fromhex(first["record"])).header.hex() == header
    assert first["leaf"] == leaf == sha256(b"\x00", bytes.fromhex(header)).hex()


def test_a_redaction_stands_where_the_page_says() -> None:
    field = pb.Facts.DESCRIPTOR.fields_by_name["entry_redacted"]

    assert field.number == 49
    assert f"which is field\n{field.number} of `Facts`" in PAGE
    assert pb.EntryRedacted.DESCRIPTOR.fields_by_name["target_version"].number == 1
