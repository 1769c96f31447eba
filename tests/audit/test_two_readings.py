"""What can be read in two ways is never sound, though the service has signed for it."""

import hashlib
from collections.abc import Callable, Iterable

import pytest
from google.protobuf.descriptor import Descriptor
from hypothesis import given as having
from hypothesis import settings
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler.schema.contract import is_repeated
from pourparler.transparency.findings import Audit, Verdict
from tests.support import sample_entries
from tests.support.bundles import SHORT, audited, bundle, changed, root_of, sealed, talks
from tests.support.signing_keys import SIGNER

RECORDS = sealed(talks())
REDACTED = sealed(
    sample_entries.history(
        *talks(),
        sample_entries.draft(pb.EntryRedacted(target_version=5), visibility=sample_entries.PARTIES),
    )
)
REDACTION = pb.Record.FromString(REDACTED[5]).facts
LAST = b"\x8a\x03\x02\x08\x05"  # the field of the redaction, of version 5


def varint(number: int) -> bytes:
    return bytes(SHORT.written(number % (1 << 64)))


def signed_for(records: list[bytes]) -> Audit:
    """What both verifiers find where the service has signed for just these records."""
    recorded = pb.Entry.FromString(RECORDS[-1]).header.record_time
    signed = SIGNER.checkpoint("talks", len(records), root_of(records), recorded)
    return audited(bundle(records, signed=signed))


def with_header(record: bytes, change: Callable[[bytes], bytes]) -> bytes:
    return changed(record, lambda one: setattr(one, "header", change(one.header)))


def with_section(record: bytes, section: str, data: bytes) -> bytes:
    """The record with another section, and its digest in the header."""

    def change(one: pb.Record) -> None:
        setattr(one, section, data)
        place = ("facts", "words").index(section)
        header = pb.EntryHeader.FromString(one.header)
        header.section_digests[place] = hashlib.sha256(one.salts[place] + data).digest()
        one.header = header.SerializeToString()

    return changed(record, change)


def without_words(record: pb.Record) -> None:
    record.salts[1] = b""
    record.words = b""


HEADERS = {
    "a field that is not known": b"\x32\x01x",
    "a number that is not known": b"\x38\x07",
    "eight bytes that are not known": b"\x39" + b"x" * 8,
    "four bytes that are not known": b"\x3d" + b"x" * 4,
    "a group": b"\x3b\x3c",
    "the end of a group": b"\x3c",
    "no kind of field": b"\x3e\x01",
    "a field of the number nought": b"\x02\x00",
    "a field of too large a number": varint(1 << 32 | 1 << 3 | 2) + b"\x05talks",
    "the negotiation again": b"\x0a\x05talks",
    "another negotiation first": b"\x0a\x02\xff\xff",
    "the version again": b"\x10\x05",
    "the version with needless bytes": b"\x10\x85\x80\x00",
    "the version and two to the power of 64": b"\x10\x85" + b"\x80" * 8 + b"\x02",
    "the format again": b"\x28\x01",
    "the format and two to the power of 32": b"\x28" + varint(1 << 32 | 1),
    "a time to be merged": b"\x1a\x02\x10\x05",
    "an empty time to be merged": b"\x1a\x00",
    "nanoseconds beyond all bounds": b"\x1a\x06\x10" + varint(1 << 32 | 3),
    "nanoseconds below nothing": b"\x1a\x0b\x10" + varint(-5),
    "a time of other fields": b"\x1a\x09\x39" + b"x" * 8,
    "a time that is none": b"\x1a\x01\xff",
}


@pytest.mark.parametrize("kind", HEADERS)
@pytest.mark.parametrize("where", ["before", "after"])
def test_a_header_that_can_be_read_in_two_ways_is_not_read(kind: str, where: str) -> None:
    more = HEADERS[kind]
    headers = {"before": lambda header: more + header, "after": lambda header: header + more}

    audit = signed_for([*RECORDS[:4], with_header(RECORDS[4], headers[where])])

    assert audit.verdict is Verdict.CANNOT_TELL
    assert [one.name for one in audit.findings] == ["entry unreadable"]
    assert audit.state is None


@pytest.mark.parametrize("kind", HEADERS)
def test_what_comes_after_a_header_that_is_not_read_is_read(kind: str) -> None:
    records = [*RECORDS[:2], with_header(RECORDS[2], lambda one: one + HEADERS[kind])]

    assert signed_for([*records, *RECORDS[3:]]).verdict is Verdict.CANNOT_TELL
    assert signed_for([*records, RECORDS[1]]).verdict is Verdict.MANIPULATED


@having(st.integers(0, 4), st.integers(0, 90), st.integers(0, 12), st.binary(max_size=12))
@settings(max_examples=300)
def test_whatever_is_signed_for_as_a_header_two_verifiers_read_alike(
    place: int, begin: int, length: int, noise: bytes
) -> None:
    def spoilt(header: bytes) -> bytes:
        return header[:begin] + noise + header[begin + length :]

    record = with_header(RECORDS[place], spoilt)

    # That they agree is seen to wherever both are asked.
    audit = signed_for([*RECORDS[:place], record, *RECORDS[place + 1 :]])

    unread = "entry unreadable" in {one.name for one in audit.findings}
    header = pb.Record.FromString(record).header
    assert unread or pb.EntryHeader.FromString(header).SerializeToString() == header


@pytest.mark.parametrize("time", [(-5, 0), (0, -5), (-(1 << 63), 0)])
@pytest.mark.parametrize("place", [0, 4])
def test_a_time_before_1970_is_before_all_others(time: tuple[int, int], place: int) -> None:
    def dated(header: bytes) -> bytes:
        read = pb.EntryHeader.FromString(header)
        read.record_time.seconds, read.record_time.nanos = time
        return read.SerializeToString()

    early = with_header(RECORDS[place], dated)
    audit = signed_for([*RECORDS[:place], early, *RECORDS[place + 1 :]])

    assert [one.name for one in audit.findings] == ["time runs back"]


SECTIONS = {
    "a field that is not known": b"\xa2\x06\x01x",
    "a number that is not known": b"\xa8\x06\x01",
    "eight bytes that are not known": b"\xa1\x06" + b"x" * 8,
    "four bytes that are not known": b"\xa5\x06" + b"x" * 4,
    "a group": b"\xa3\x06\xa4\x06",
    "a field of the number nought": b"\x02\x00",
    "the first field again": b"\x0a\x01z",
    "a first field that is no text": b"\x0a\x01\xff",
    "a length beyond the end": b"\x0a\x7f",
    "a length beyond all bounds": b"\xa2\x06" + varint(1 << 25),
    "noise": b"\xff",
    "an event of a later version": b"\xe2\x03\x00",
    "a second event": b"\xaa\x01\x00\xaa\x01\x00\xa2\x01\x00",
}


@pytest.mark.parametrize("kind", SECTIONS)
@pytest.mark.parametrize("section", ["facts", "words"])
def test_facts_and_words_that_can_be_read_in_two_ways_are_not_read(kind: str, section: str) -> None:
    data = getattr(pb.Record.FromString(RECORDS[4]), section) + SECTIONS[kind]

    audit = signed_for([*RECORDS[:4], with_section(RECORDS[4], section, data)])

    assert audit.verdict is Verdict.CANNOT_TELL
    assert {one.name for one in audit.findings} <= {"entry unreadable", "type unknown"}
    assert audit.state is None


REDACTIONS = {
    "another event after it": REDACTION + b"\xa2\x01\x00",
    "another event before it": b"\xa2\x01\x00" + REDACTION,
    "it comes twice": REDACTION + b"\x8a\x03\x00",
    "it comes twice, of two versions": REDACTION + b"\x8a\x03\x02\x08\x01",
    "two versions": REDACTION.replace(LAST, b"\x8a\x03\x04\x08\x05\x08\x01"),
    "a version with needless bytes": REDACTION.replace(LAST, b"\x8a\x03\x03\x08\x85\x00"),
    "a version and two to the power of 64": REDACTION.replace(
        LAST, b"\x8a\x03\x0b\x08\x85" + b"\x80" * 8 + b"\x02"
    ),
    "an event of a later version after it": REDACTION + b"\xe2\x03\x00",
    "more than is known": REDACTION.replace(LAST, b"\x8a\x03\x05\x08\x05\x12\x01x"),
    "eight bytes that are not known": REDACTION + b"\xa1\x06" + b"x" * 8,
}


def test_words_destroyed_by_a_redaction_are_not_missing() -> None:
    assert REDACTION.endswith(LAST)
    assert (
        signed_for([*REDACTED[:4], changed(REDACTED[4], without_words), REDACTED[5]]).findings == ()
    )


@pytest.mark.parametrize("kind", REDACTIONS)
def test_a_redaction_that_can_be_read_in_two_ways_excuses_nothing(kind: str) -> None:
    redaction = with_section(REDACTED[5], "facts", REDACTIONS[kind])

    audit = signed_for([*REDACTED[:4], changed(REDACTED[4], without_words), redaction])

    assert audit.verdict in {Verdict.CANNOT_TELL, Verdict.PARTIAL}
    assert "section withheld" in {one.name for one in audit.findings}


def test_a_redaction_of_a_later_format_excuses_nothing() -> None:
    def of_format_3(header: bytes) -> bytes:
        read = pb.EntryHeader.FromString(header)
        read.format = 3
        return read.SerializeToString()

    later = with_header(REDACTED[5], of_format_3)

    audit = signed_for([*REDACTED[:4], changed(REDACTED[4], without_words), later])

    assert {one.name for one in audit.findings} == {"format unknown", "section withheld"}


def test_an_entry_that_cannot_be_read_does_not_hide_a_redaction() -> None:
    strange = with_section(REDACTED[2], "facts", b"\xe2\x03\x00")
    records = [*REDACTED[:2], strange, REDACTED[3], changed(REDACTED[4], without_words)]

    audit = signed_for([*records, REDACTED[5]])

    assert [one.name for one in audit.findings] == ["type unknown"]


def shape(of: Descriptor) -> str:
    """The fields of a message, by a letter each, as docs/verifier.py has them."""

    def letters() -> Iterable[str]:
        for number in range(1, max(of.fields_by_number) + 1):
            field = of.fields_by_number.get(number)
            if field is None:
                yield "-"
            elif is_repeated(field):
                yield "B"
            elif field.message_type is not None:
                yield "m"
            else:
                yield "b" if field.type in {field.TYPE_STRING, field.TYPE_BYTES} else "v"

    return "".join(letters())


def test_the_short_verifier_has_the_fields_of_the_contract() -> None:
    assert shape(pb.EntryHeader.DESCRIPTOR) == SHORT.HEADER
    assert shape(pb.Facts.DESCRIPTOR) == SHORT.FACTS
    assert shape(pb.Words.DESCRIPTOR) == SHORT.WORDS
    events = pb.Facts.DESCRIPTOR.oneofs_by_name["event"].fields
    assert [field.number for field in events] == [
        place + 1 for place in range(len(SHORT.FACTS))[SHORT.EVENTS]
    ]
    assert pb.Facts.ENTRY_REDACTED_FIELD_NUMBER == SHORT.REDACTED + 1
