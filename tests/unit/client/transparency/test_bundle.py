"""Bundles: what is whole is sound, and whatever was done to it is found, by two verifiers."""

import hashlib
import io
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given as having
from hypothesis import settings
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler.state.fold import fold
from pourparler.transparency.bundle import (
    MAGIC,
    MAX_RECORD_BYTES,
    BundleError,
    BundleReader,
    TruncatedBundleError,
    verify,
    write,
)
from pourparler.transparency.checkpoint import COSIGNATURE, Checkpoint, Note, Signature
from pourparler.transparency.findings import FINDINGS, Verdict
from pourparler_service.transparency.signing_keys import Signer
from tests.support import bundles, signing_keys, strategies
from tests.support import sample_entries as samples
from tests.support.bundles import audited, bundle, changed, checkpoint, root_of, sealed, talks

GOLDEN = Path(__file__).parents[3] / "golden" / "talks.bundle"
FORMAT = Path(__file__).parents[4] / "docs" / "reference" / "record-format.md"
LATER = signing_keys.signing_key(1, since=datetime(2021, 1, 1, tzinfo=UTC))
RECORDS = sealed(talks())
SIGNED = checkpoint(RECORDS)
ROOT = root_of(RECORDS)
OTHERS = sealed(talks(), "others")


def names(data: bytes) -> list[str]:
    return [finding.name for finding in audited(data).findings]


def test_a_bundle_is_written_as_it_always_was() -> None:
    assert bundle(sealed(talks()[:3])) == GOLDEN.read_bytes()


def test_a_whole_bundle_is_sound_and_folds() -> None:
    audit = audited(bundle(RECORDS))

    assert audit.verdict is Verdict.SOUND
    assert audit.findings == ()
    assert audit.size == 5
    assert audit.root == root_of(RECORDS)
    assert audit.state == fold(map(pb.Entry.FromString, RECORDS))


def test_what_is_read_is_what_was_written() -> None:
    file = io.BytesIO(bundle(RECORDS))

    read = BundleReader(file)

    assert read.header.negotiation == "talks"
    assert read.header.origin == "test.example/negotiations/talks"
    assert read.header.checkpoint == SIGNED
    assert list(read.records()) == RECORDS
    assert read.count == 5
    assert read.size == sum(map(len, RECORDS))


def test_the_file_without_its_first_line_is_a_message() -> None:
    read = pb.Bundle.FromString(bundle(RECORDS).removeprefix(MAGIC))

    assert [one.SerializeToString(deterministic=True) for one in read.records] == RECORDS
    assert read.end.count == 5


@having(strategies.steps(12))
@settings(max_examples=20)
def test_any_history_is_sound_in_a_bundle(seeds: list[int]) -> None:
    entries = strategies.history(seeds)
    if not entries:
        return
    records = sealed(entries, samples.NEGOTIATION)

    audit = audited(bundle(records, negotiation=samples.NEGOTIATION))

    assert audit.verdict is Verdict.SOUND
    assert audit.state == fold(map(pb.Entry.FromString, records))


# What a forger may do to the records, with the file written anew around them.


def another_word(record: pb.Record) -> None:
    record.words = pb.Words(title="Others").SerializeToString()


def another_word_sealed_anew(record: pb.Record) -> None:
    another_word(record)
    header = pb.EntryHeader.FromString(record.header)
    header.section_digests[1] = hashlib.sha256(record.salts[1] + record.words).digest()
    record.header = header.SerializeToString(deterministic=True)


def dated(version: int, seconds: int) -> list[bytes]:
    entries = talks()
    entries[version - 1].header.record_time.seconds = seconds
    return sealed(entries)


def of_format(number: int) -> list[bytes]:
    def change(record: pb.Record) -> None:
        header = pb.EntryHeader.FromString(record.header)
        header.format = number
        record.header = header.SerializeToString(deterministic=True)

    return [*RECORDS[:-1], changed(RECORDS[-1], change)]


def with_(place: int, change: Callable[[pb.Record], object]) -> list[bytes]:
    return [*RECORDS[:place], changed(RECORDS[place], change), *RECORDS[place + 1 :]]


def withheld(record: pb.Record) -> None:
    record.CopyFrom(pb.Record(header=record.header))


def without_words(record: pb.Record) -> None:
    record.salts[1] = b""
    record.words = b""


def without_salts(record: pb.Record) -> None:
    del record.salts[:]


def with_a_third_salt(record: pb.Record) -> None:
    record.salts.append(b"x" * 32)


def with_a_salt_moved_into_the_section(record: pb.Record) -> None:
    record.words = record.salts[1][16:] + record.words
    record.salts[1] = record.salts[1][:16]


FORGERIES = {
    "a word is changed": (with_(0, another_word), "section changed"),
    "a word is changed and sealed": (with_(0, another_word_sealed_anew), "root differs"),
    "an entry is left out": ([*RECORDS[:2], *RECORDS[3:]], "entry missing"),
    "the first is left out": (RECORDS[1:], "entry missing"),
    "the last is left out": (RECORDS[:-1], "cut"),
    "all are left out": ([], "cut"),
    "two change places": ([RECORDS[1], RECORDS[0], *RECORDS[2:]], "out of order"),
    "one comes twice": ([*RECORDS[:2], *RECORDS[1:]], "out of order"),
    "one comes again at the end": ([*RECORDS, RECORDS[4]], "entry beyond"),
    "one is another's": ([*RECORDS[:2], OTHERS[2], *RECORDS[3:]], "another negotiation"),
    "all are another's": (OTHERS, "another negotiation"),
    "one is added": (sealed([*talks(), *samples.history(*talks(), samples.topic("x"))[5:]]),
                     "entry beyond"),
    "one is of another history": (
        sealed(samples.history(*talks()[:4], samples.said("s-2", "bolt"))), "root differs"),
    "time runs back": (dated(3, samples.BEGAN), "time runs back"),
    "time is moved": (dated(5, samples.BEGAN + 3000), "root differs"),
    "a later format": (of_format(3), "format unknown"),
    "no format": (of_format(0), "format unknown"),
    "only the salts are withheld": (with_(2, without_salts), "section changed"),
    "a salt too many": (with_(2, with_a_third_salt), "section changed"),
    "a salt is cut": (with_(2, with_a_salt_moved_into_the_section), "section changed"),
    "an empty record": ([*RECORDS[:4], b""], "out of order"),
    "no record": ([*RECORDS[:4], b"\xff\xff"], "record unreadable"),
    "a field that is not known": ([*RECORDS[:4], RECORDS[4] + b"\x2a\x01x"], "record changed"),
    "a field that comes twice": ([*RECORDS[:4], RECORDS[4] + b"\x22\x01x"], "record changed"),
    "fields out of order": (
        [*RECORDS[:4], RECORDS[4][-9:] + RECORDS[4][:-9]], "record"),
    "an empty field": ([*RECORDS[:4], changed(RECORDS[4], without_words) + b"\x22\x00"],
                       "record changed"),
    "a header that is none": (
        [*RECORDS[:4], changed(RECORDS[4], lambda one: setattr(one, "header", b"\xff"))],
        "entry unreadable"),
    "a header that is cut": (
        [*RECORDS[:4], changed(RECORDS[4], lambda one: setattr(one, "header", one.header[:-40]))],
        "entry unreadable"),
    "facts that are none": (
        [*RECORDS[:4], changed(RECORDS[4], lambda one: setattr(one, "facts", b"\xff"))],
        "section changed"),
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_was_done_to_the_records_is_found_by_name(forgery: str) -> None:
    records, name = FORGERIES[forgery]

    audit = audited(bundle(records, signed=SIGNED))

    assert audit.verdict is not Verdict.SOUND
    assert any(finding.name.startswith(name) for finding in audit.findings), audit.findings
    assert audit.state is None


@pytest.mark.parametrize(
    ("records", "verdict"),
    [
        (dated(3, samples.BEGAN), Verdict.MANIPULATED),
        (of_format(3), Verdict.CANNOT_TELL),
        (OTHERS, Verdict.MANIPULATED),
        (RECORDS[1:], Verdict.MANIPULATED),
        ([RECORDS[1], RECORDS[0]], Verdict.MANIPULATED),
        (with_(0, another_word), Verdict.MANIPULATED),
    ],
)
def test_a_service_that_signs_for_it_makes_nothing_better(
    records: list[bytes], verdict: Verdict
) -> None:
    assert audited(bundle(records, signed=checkpoint(records))).verdict is verdict


@pytest.mark.parametrize("missing", range(5))
def test_headers_alone_show_that_nothing_is_missing_but_not_what_was_said(missing: int) -> None:
    audit = audited(bundle(with_(missing, withheld), signed=SIGNED))

    assert audit.verdict is Verdict.PARTIAL
    assert audit.withheld == (missing + 1,)
    assert {(one.name, one.version, one.part) for one in audit.findings} == {
        ("section withheld", missing + 1, "facts"),
        ("section withheld", missing + 1, "words"),
    }
    assert audit.root == root_of(RECORDS)


def test_words_that_were_destroyed_by_a_redaction_are_not_missing() -> None:
    entries = samples.history(
        *talks(),
        samples.draft(pb.EntryRedacted(target_version=5), visibility=samples.PARTIES),
    )
    records = sealed(entries)
    gone = [*records[:4], changed(records[4], without_words), records[5]]

    audit = audited(bundle(gone, signed=checkpoint(records)))

    assert audit.verdict is Verdict.SOUND
    facts_too = [*records[:4], changed(records[4], withheld), records[5]]
    assert names(bundle(facts_too, signed=checkpoint(records))) == ["section withheld"]
    another = [changed(records[0], without_words), *records[1:]]
    assert names(bundle(another, signed=checkpoint(records))) == ["section withheld"]


# What a forger may do to the checkpoint.


def note(text: str, *signatures: Signature) -> str:
    return Note(text, signatures or (signing_keys.KEY.sign(text),)).signed()


def said(
    size: int = 5,
    *,
    origin: str = "test.example/negotiations/talks",
    root: bytes = ROOT,
    extensions: tuple[str, ...] = (),
) -> str:
    return Checkpoint(origin, size, root, extensions).text()


def with_another_last_digit(text: str) -> str:
    """Base64 that says the same, since the lowest bits of its last digit say nothing."""
    return re.sub(r"(.)=\n", lambda found: f"{chr(ord(found[1]) + 1)}=\n", text, count=1)


MINE = signing_keys.KEY.sign(said())
BY_ANOTHER = signing_keys.signing_key(7, "other.example")
BY_A_NAMESAKE = signing_keys.signing_key(7).sign(said())
WITNESS = Signature("witness.example", b"wtns", bytes([COSIGNATURE] * 72))
CHECKPOINTS = {
    "of another key of the name": (note(said(), BY_A_NAMESAKE), "not signed"),
    "of another name": (note(said(), BY_ANOTHER.sign(said())), "not signed"),
    "of a witness alone": (note(said(), WITNESS), "not signed"),
    "of another text": (note(said(), signing_keys.KEY.sign(said(4))), "signature invalid"),
    "of two texts": (note(said(), MINE, signing_keys.KEY.sign(said(4))), "signature invalid"),
    "a signature that is cut": (note(said(), MINE._replace(data=MINE.data[:-1])),
                                "signature invalid"),
    "no signature at all": (note(said(), MINE._replace(data=b"")), "checkpoint unreadable"),
    "of another negotiation": (checkpoint(OTHERS, "others"), "another origin"),
    "of another service": (note(said(origin="other.example/negotiations/talks")), "another origin"),
    "an old one": (checkpoint(RECORDS[:3]), "entry beyond"),
    "one that is yet to come": (note(said(6)), "cut"),
    "of nothing": (note(said(0)), "entry beyond"),
    "another root": (note(said(root=bytes(32))), "root differs"),
    "a short root": (note(said(root=bytes(31))), "checkpoint unreadable"),
    "a huge size": (note(said(10**30)), "checkpoint unreadable"),
    "a large size": (note(said(10**18)), "cut"),
    "a size below nothing": (note(said(-1)), "checkpoint unreadable"),
    "a size with a sign": (note(said().replace("\n5\n", "\n+5\n")), "checkpoint unreadable"),
    "a size with a nought": (note(said().replace("\n5\n", "\n05\n")), "checkpoint unreadable"),
    "a size in other digits": (note(said().replace("\n5\n", "\n٥\n")), "checkpoint unreadable"),
    "CRLF": (SIGNED.replace("\n", "\r\n"), "checkpoint unreadable"),
    "signed with CRLF": (note(said().replace("\n", "\r\n")), "checkpoint unreadable"),
    "without a root": (note("test.example/negotiations/talks\n5\n"), "checkpoint unreadable"),
    "an empty line": (note(said() + "\n"), "checkpoint unreadable"),
    "without signatures": (said() + "\n", "checkpoint unreadable"),
    "without an end": (SIGNED[:-1], "checkpoint unreadable"),
    "a line after it": (SIGNED + "more\n", "checkpoint unreadable"),
    "a blank line after it": (SIGNED + "\n", "checkpoint unreadable"),
    "too many signatures": (note(said(), *[MINE] * 65), "checkpoint unreadable"),
    "too long": (note(said(extensions=("x" * 70_000,))), "checkpoint unreadable"),
    "base64 that is not canonical": (with_another_last_digit(SIGNED), "checkpoint unreadable"),
    "base64 of a length that none has": (SIGNED + "\u2014 x AAAAA\n", "checkpoint unreadable"),
    "one digit of base64": (SIGNED + "\u2014 x A\n", "checkpoint unreadable"),
    "padding alone": (SIGNED + "\u2014 x ==\n", "checkpoint unreadable"),
    "a root of a length that none has": (note("\n".join([*said().split("\n")[:2], "AAAAA", ""])),
                                         "checkpoint unreadable"),
    "a root in other digits": (note("\n".join([*said().split("\n")[:2], "\u0660" * 44, ""])),
                               "checkpoint unreadable"),
    "a tab": (note(said(extensions=("\t",))), "checkpoint unreadable"),
    "nothing": ("\n", "checkpoint unreadable"),
    "only blank lines": ("\n\n\n\n\n", "checkpoint unreadable"),
    "an em dash short of a signature": (said() + "\n\u2014 x\n", "checkpoint unreadable"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_a_checkpoint_that_is_not_this_one_is_refused_by_name(kind: str) -> None:
    signed, name = CHECKPOINTS[kind]

    audit = audited(bundle(RECORDS, signed=signed))

    assert audit.verdict is FINDINGS[name]
    assert [finding.name for finding in audit.findings] == [name]


def test_a_checkpoint_may_bear_what_is_not_known() -> None:
    extended = note(said(extensions=("an extension", "\u2028 and more")))
    assert names(bundle(RECORDS, signed=extended)) == []
    assert names(bundle(RECORDS, signed=note(said(), WITNESS, MINE, BY_ANOTHER.sign(said())))) == []


@pytest.mark.parametrize("keys", [[0], [1], [0, 1], [1, 0], [0, 7], [7, 0]])
def test_a_key_that_was_in_use_then_is_enough(keys: Sequence[int]) -> None:
    signed = checkpoint(RECORDS, signer=Signer([signing_keys.KEY, LATER]))
    known = [signing_keys.signing_key(number).verifier_key for number in keys]

    audit = audited(bundle(RECORDS, signed=signed), known)

    assert audit.verdict is Verdict.SOUND


def test_with_another_key_alone_nothing_can_be_told() -> None:
    for key in (LATER, BY_ANOTHER):
        audit = audited(bundle(RECORDS), [key.verifier_key])

        assert audit.verdict is Verdict.CANNOT_TELL
        assert [finding.name for finding in audit.findings] == ["not signed"]


# What a bundle says of itself.


def test_a_bundle_is_of_whom_its_checkpoint_is_whatever_it_says() -> None:
    other = "test.example/negotiations/others"
    assert names(bundle(RECORDS, signed=SIGNED, origin=other)) == ["another origin"]
    renamed = audited(bundle(RECORDS, negotiation="others", signed=SIGNED))
    assert renamed.verdict is Verdict.MANIPULATED
    assert {one.name for one in renamed.findings} == {"another origin", "another negotiation"}


def test_who_asks_for_one_negotiation_is_not_given_another() -> None:
    audit = verify(io.BytesIO(bundle(RECORDS)), bundles.KEYS, negotiation="others")

    assert audit.verdict is Verdict.MANIPULATED
    assert {one.name for one in audit.findings} == {"another origin", "another negotiation"}
    asked = verify(io.BytesIO(bundle(RECORDS)), bundles.KEYS, negotiation="talks")
    assert asked.verdict is Verdict.SOUND


def test_a_record_that_does_not_begin_as_it_was_has_forked() -> None:
    grown = sealed(samples.history(*talks(), samples.topic("x")))
    other = sealed(samples.history(*talks()[:4], samples.said("s-2", "bolt"), samples.topic("x")))

    def found(records: list[bytes]) -> list[str]:
        file = io.BytesIO(bundle(records))
        return [one.name for one in verify(file, bundles.KEYS, base_checkpoint=SIGNED).findings]

    assert found(grown) == []
    assert found(other) == ["forked"]
    assert found(RECORDS) == []
    assert found(RECORDS[:4]) == ["stale"]


# The file itself.


def framed(*frames: tuple[int, bytes], end: pb.BundleEnd | None = None) -> bytes:
    data = MAGIC
    for tag, content in frames:
        data += bytes([tag]) + varint(len(content)) + content
    count = sum(tag == 0x0A for tag, _ in frames)
    end = end or pb.BundleEnd(count=count, digest=hashlib.sha256(data).digest())
    content = end.SerializeToString()
    return data + b"\x1a" + varint(len(content)) + content


def varint(number: int, *, longer: int = 0) -> bytes:
    groups = []
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, *([number | 128, *[128] * (longer - 1), 0] if longer else [number])])


HEADER = pb.BundleHeader(
    negotiation="talks", origin="test.example/negotiations/talks", checkpoint=SIGNED
).SerializeToString()
FRAMES = [(0x12, HEADER), *((0x0A, record) for record in RECORDS)]
WHOLE = bundle(RECORDS)
END = WHOLE.rindex(b"\x1a\x24\x08\x05\x12\x20")


class Bad(NamedTuple):
    data: bytes
    verdict: Verdict
    name: str


def damaged(data: bytes) -> Bad:
    return Bad(data, Verdict.MANIPULATED, "bundle damaged")


def no_bundle(data: bytes) -> Bad:
    return Bad(data, Verdict.CANNOT_TELL, "not a bundle")


def cut(data: bytes) -> Bad:
    return Bad(data, Verdict.INCOMPLETE, "cut")


FILES = {
    "an empty file": no_bundle(b""),
    "some text": no_bundle(b"It is agreed that\n" * 10),
    "another version": no_bundle(WHOLE.replace(b".v1.", b".v2.", 1)),
    "another first line": no_bundle(WHOLE.replace(b"\n", b"\r\n", 1)),
    "a message without the first line": no_bundle(WHOLE.removeprefix(MAGIC)),
    "nothing but the first line": cut(MAGIC),
    "no end": cut(WHOLE[:END]),
    "trailing bytes": damaged(WHOLE + b"\n"),
    "a nought behind it": damaged(WHOLE + b"\0"),
    "a second bundle behind it": damaged(WHOLE + WHOLE),
    "a second end": damaged(WHOLE + WHOLE[END:]),
    "a record behind the end": damaged(WHOLE + b"\x0a\x00"),
    "no header": damaged(framed(*FRAMES[1:])),
    "two headers": damaged(framed(FRAMES[0], *FRAMES)),
    "a header at the end": damaged(framed(*FRAMES[1:], FRAMES[0])),
    "only an end": damaged(framed()),
    "a field that is not known": damaged(framed(*FRAMES, (0x22, b"x"))),
    "a header with more in it": damaged(framed((0x12, HEADER + b"\x22\x01x"), *FRAMES[1:])),
    "a header with something twice": damaged(
        framed((0x12, b"\x0a\x01x" + HEADER), *FRAMES[1:])),
    "a header that is none": damaged(framed((0x12, b"\xff\xff"), *FRAMES[1:])),
    "a header of other bytes than text": damaged(
        framed((0x12, HEADER.replace(b"talks", b"tal\xffs")), *FRAMES[1:])),
    "an end with another count": damaged(framed(*FRAMES, end=pb.BundleEnd(
        count=4, digest=hashlib.sha256(WHOLE[:END]).digest()))),
    "an end with another digest": damaged(
        framed(*FRAMES, end=pb.BundleEnd(count=5, digest=bytes(32)))),
    "an end without digest": damaged(framed(*FRAMES, end=pb.BundleEnd(count=5))),
    "an empty end": damaged(WHOLE[:END] + b"\x1a\x00"),
    "a length longer than it need be": damaged(
        MAGIC + b"\x12" + varint(len(HEADER), longer=1) + HEADER),
    "a length far longer than it need be": damaged(
        MAGIC + b"\x12" + varint(5, longer=4) + b"12345"),
    "a length without an end": damaged(MAGIC + b"\x12" + b"\xff" * 20),
    "a length that is cut": cut(MAGIC + b"\x12" + b"\xff" * 5),
    "a length beyond all bounds": damaged(MAGIC + b"\x12" + varint(MAX_RECORD_BYTES + 1)),
    "a length of 2 to the power of 63": damaged(MAGIC + b"\x12" + varint(1 << 63)),
    "a length beyond the file": cut(MAGIC + b"\x12" + varint(MAX_RECORD_BYTES)),
}  # fmt: skip


def test_frames_are_what_a_bundle_is_made_of() -> None:
    assert framed(*FRAMES) == WHOLE


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_no_whole_bundle_is_refused_by_name(kind: str) -> None:
    bad = FILES[kind]

    audit = audited(bad.data)

    assert audit.verdict is bad.verdict
    assert audit.findings[0].name == bad.name
    assert audit.findings[0].text.endswith(".")
    assert audit.state is None


def test_a_header_without_anything_in_it_is_of_no_negotiation() -> None:
    assert names(framed((0x12, b""), *FRAMES[1:]))[-1] == "checkpoint unreadable"


def test_a_bundle_cut_anywhere_is_incomplete() -> None:
    data = GOLDEN.read_bytes()
    for length in range(1, len(data)):
        assert audited(data[:length]).verdict is Verdict.INCOMPLETE, length


def test_no_bit_of_a_bundle_can_be_another_one() -> None:
    data = GOLDEN.read_bytes()
    assert audited(data).verdict is Verdict.SOUND
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit >> 3] ^= 1 << (bit & 7)

        assert audited(bytes(flipped)).verdict is not Verdict.SOUND, bit


def test_no_bit_can_be_another_one_where_the_file_is_written_anew_around_it() -> None:
    records = sealed(talks()[:3])
    signed = checkpoint(records)
    for place, record in enumerate(records):
        for bit in range(8 * len(record)):
            flipped = bytearray(record)
            flipped[bit >> 3] ^= 1 << (bit & 7)
            forged = [*records[:place], bytes(flipped), *records[place + 1 :]]

            audit = audited(bundle(forged, signed=signed))

            assert audit.verdict is not Verdict.SOUND, (place, bit)


def test_no_bit_of_a_checkpoint_can_be_another_one() -> None:
    signed = SIGNED.encode()
    for bit in range(8 * len(signed)):
        flipped = bytearray(signed)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        try:
            text = flipped.decode()
        except UnicodeDecodeError:
            continue

        assert audited(bundle(RECORDS, signed=text)).verdict is not Verdict.SOUND, bit


@having(st.binary(max_size=300))
@settings(max_examples=200)
def test_noise_is_never_sound_and_never_a_crash(noise: bytes) -> None:
    for data in (noise, MAGIC + noise, WHOLE[:300] + noise, framed(FRAMES[0], (0x0A, noise))):
        assert audited(data).verdict is not Verdict.SOUND


@having(st.data())
@settings(max_examples=200)
def test_what_is_cut_out_moved_or_doubled_is_never_sound(data: st.DataObject) -> None:
    begin, end, to = (data.draw(st.integers(0, len(WHOLE))) for _ in range(3))
    piece = WHOLE[begin:end]
    without = WHOLE[:begin] + WHOLE[max(begin, end) :]
    for forged in (without, without[:to] + piece + without[to:], WHOLE[:to] + piece + WHOLE[to:]):
        if forged != WHOLE:
            assert audited(forged).verdict is not Verdict.SOUND


class Stream(io.BytesIO):
    """What can be read once only, as a pipe."""

    def seekable(self) -> bool:
        return False


def test_a_stream_is_verified_as_well() -> None:
    amending = samples.draft(
        pb.EntryDisclosed(target_version=5),
        pb.Words(legal_basis="Law"),
        visibility=samples.PUBLIC,
    )
    for entries in (talks(), samples.history(*talks(), amending)):
        audit = verify(Stream(bundle(sealed(entries))), bundles.KEYS)

        assert audit.verdict is Verdict.SOUND
        assert audit.size == len(entries)


def test_what_amends_is_folded_by_reading_twice() -> None:
    amending = samples.draft(
        pb.EntryDisclosed(target_version=5),
        pb.Words(legal_basis="Law"),
        visibility=samples.PUBLIC,
    )
    records = sealed(samples.history(*talks(), amending))

    assert audited(bundle(records)).state == fold(map(pb.Entry.FromString, records))


def test_what_is_read_before_the_end_is_not_the_end() -> None:
    read = BundleReader(io.BytesIO(WHOLE[:-1]))
    records = read.records()

    assert [next(records) for _ in RECORDS] == RECORDS
    with pytest.raises(TruncatedBundleError):
        next(records)


def test_every_error_of_a_bundle_is_one() -> None:
    for bad in FILES.values():
        with pytest.raises(BundleError):
            list(BundleReader(io.BytesIO(bad.data)).records())


def test_how_far_it_is_is_told_now_and_then() -> None:
    told: list[int] = []

    verify(io.BytesIO(bundle(RECORDS * 120)), bundles.KEYS, progress=told.append)

    assert told == [256, 512]


def test_keys_of_two_services_verify_nothing() -> None:
    with pytest.raises(ValueError, match="several names"):
        verify(io.BytesIO(WHOLE), [signing_keys.KEY.verifier_key, BY_ANOTHER.verifier_key])


def test_a_bundle_is_written_in_constant_memory() -> None:
    class Counted(io.RawIOBase):
        written = 0

        def write(self, data: object) -> int:
            assert isinstance(data, bytes)
            assert len(data) < 10_000
            self.written += len(data)
            return len(data)

    file = Counted()

    count = write(file, pb.BundleHeader(), (RECORDS[0] for _ in range(1000)))  # type: ignore[arg-type]

    assert count == 1000
    assert file.written > 1000 * len(RECORDS[0])


# The short verifier, as it is given to a stranger.


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-I", str(bundles.VERIFIER), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_short_verifier_runs_alone(tmp_path: Path) -> None:
    key = str(bundles.KEYS[0])
    forged = tmp_path / "forged.bundle"
    forged.write_bytes(GOLDEN.read_bytes().replace(b"Talks", b"Walks"))

    assert run(str(GOLDEN), key).stdout == "sound\n"
    told = run(str(forged), key)
    assert told.returncode == 4
    assert told.stdout.startswith("manipulated\n- ")
    assert run(str(GOLDEN), str(BY_ANOTHER.verifier_key)).returncode == 6
    spoilt = (key[:-8] + "AAAAAAA=", key[:-1], key + "AA", "a+12345678+A", "a+b", "")
    for keys in ([], [key, str(BY_ANOTHER.verifier_key)], *([one] for one in spoilt)):
        refused = run(str(GOLDEN), *keys)
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr


def test_the_short_verifier_says_what_it_needs(tmp_path: Path) -> None:
    for arguments in ([], [str(tmp_path / "none"), str(bundles.KEYS[0])], [str(tmp_path), ""]):
        told = run(*arguments)
        assert told.returncode == 1
        assert told.stderr
        assert "Traceback" not in told.stderr


def test_the_short_verifier_knows_nothing_of_pourparler() -> None:
    imports = re.findall(r"^(?:from|import) (\w+)", bundles.VERIFIER.read_text(), re.MULTILINE)

    assert set(imports) - set(sys.stdlib_module_names) == {"cryptography"}
