"""The auditor: what is sound is found sound, and what is not by its name."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler.state.fold import fold
from pourparler.transparency.auditor import Auditor
from pourparler.transparency.checkpoint import Checkpoint, Note, log_origin
from pourparler.transparency.findings import FINDINGS, MAX_FINDINGS, Audit, Verdict
from pourparler.transparency.merkle import EMPTY_ROOT, Frontier, leaf_hash
from pourparler_service.storage.record_codec import record_bytes
from pourparler_service.transparency.signing_keys import Signer
from tests.support import sample_entries as g
from tests.support.signing_keys import KEY, SIGNER, signing_key
from tests.support.strategies import histories

KEYS = [KEY.verifier_key]
PLAIN = g.history(
    g.opened(), g.joined("acme"), g.joined("bolt"), g.topic("price"), g.said("s", "acme")
)
CORRECTION = g.draft(
    pb.EntryCorrected(
        target_version=5,
        mode=pb.CORRECTION_MODE_REPLACE,
        replacement=g.said("s", "bolt").facts,
    ),
    pb.Words(text="What was said", correction_reason="It was the other"),
)
ANNULMENT = g.draft(pb.EntryCorrected(target_version=4, mode=pb.CORRECTION_MODE_ANNUL))
REDACTION = g.draft(pb.EntryRedacted(target_version=5))
AMENDED = g.history(*PLAIN, CORRECTION, ANNULMENT)


def sealed(entry: pb.Entry) -> bytes:
    header = entry.header
    return record_bytes(
        header.negotiation, header.version, header.record_time, entry.facts, entry.words
    )


def stored(entries: Sequence[pb.Entry]) -> list[bytes]:
    return [sealed(entry) for entry in entries]


def leaves(records: Sequence[bytes]) -> Frontier:
    frontier = Frontier()
    for record in records:
        frontier.append(leaf_hash(pb.Record.FromString(record).header))
    return frontier


def signed(records: Sequence[bytes], signer: Signer = SIGNER, negotiation: str = "") -> str:
    return signer.checkpoint(
        negotiation or g.NEGOTIATION,
        len(records),
        leaves(records).root(),
        g.recorded_at(len(records)),
    )


def audited(
    records: Sequence[bytes | pb.Record],
    checkpoint: str,
    *,
    since: str | None = None,
    state: pb.Negotiation | None = None,
) -> Audit:
    auditor = Auditor(g.NEGOTIATION, KEYS, base_checkpoint=since)
    auditor.add_all(lambda: records)
    return auditor.finish(checkpoint, state=state)


def changed(data: bytes, change: Callable[[pb.Record], None]) -> bytes:
    record = pb.Record.FromString(data)
    change(record)
    return record.SerializeToString()


def with_header(data: bytes, change: Callable[[pb.EntryHeader], None]) -> bytes:
    record = pb.Record.FromString(data)
    header = pb.EntryHeader.FromString(record.header)
    change(header)
    record.header = header.SerializeToString(deterministic=True)
    return record.SerializeToString()


def names(audit: Audit) -> list[str]:
    return [finding.name for finding in audit.findings]


def only(audit: Audit) -> tuple[str, int, str]:
    (finding,) = audit.findings
    assert audit.verdict is finding.verdict is FINDINGS[finding.name]
    return finding.name, finding.version, finding.part


@pytest.mark.parametrize("entries", [PLAIN, AMENDED], ids=["plain", "amended"])
@pytest.mark.parametrize("parsed", [False, True], ids=["bytes", "records"])
def test_what_was_signed_for_is_sound(entries: list[pb.Entry], *, parsed: bool) -> None:
    records = stored(entries)
    given_: list[bytes | pb.Record] = (
        [pb.Record.FromString(one) for one in records] if parsed else [*records]
    )

    audit = audited(given_, signed(records), since=signed(records[:3]), state=fold(entries))

    assert (audit.verdict, audit.findings) == (Verdict.SOUND, ())
    assert (audit.size, audit.root) == (len(entries), leaves(records).root())
    assert audit.checkpoint == Checkpoint(
        log_origin("test.example", g.NEGOTIATION), len(entries), leaves(records).root()
    )
    assert audit.state == fold(entries)
    assert audit.signed == signed(records)


@settings(max_examples=40)
@given(histories())
def test_every_history_is_sound_and_folds_to_its_state(entries: list[pb.Entry]) -> None:
    records = stored(entries)
    state = fold(map(pb.Entry.FromString, records))

    audit = audited(records, signed(records), state=state)

    assert (audit.verdict, audit.findings) == (Verdict.SOUND, ())
    assert audit.state == state


def test_only_what_is_amended_is_read_a_second_time() -> None:
    plain, amended = Auditor(g.NEGOTIATION, KEYS), Auditor(g.NEGOTIATION, KEYS)
    for record in stored(PLAIN):
        plain.add_record(record)
    for record in stored(AMENDED):
        amended.add_record(record)

    assert not plain.needs_second_pass
    assert amended.needs_second_pass
    amended.start_second_pass()
    assert (amended.needs_second_pass, amended.size) == (False, 0)


def test_without_the_second_reading_no_state_is_told() -> None:
    records = stored(AMENDED)
    auditor = Auditor(g.NEGOTIATION, KEYS)
    for record in records:
        auditor.add_record(record)

    audit = auditor.finish(signed(records), state=fold(AMENDED))

    assert (audit.verdict, audit.state) == (Verdict.SOUND, None)


@pytest.mark.parametrize(("section", "place"), [("facts", 0), ("words", 1)])
def test_a_section_that_was_changed_is_named(section: str, place: int) -> None:
    records = stored(PLAIN)

    def other_bytes(record: pb.Record) -> None:
        setattr(record, section, getattr(record, section)[:-1] + b"?")

    def other_salt(record: pb.Record) -> None:
        record.salts[place] = bytes(32)

    def short_salt(record: pb.Record) -> None:
        record.salts[place] = record.salts[place][:-1]

    for change in (other_bytes, other_salt, short_salt):
        lied = [*records[:3], changed(records[3], change), *records[4:]]
        found = [one for one in audited(lied, signed(records)).findings if one.version == 4]
        assert ("section changed", section) in {(one.name, one.part) for one in found}


def test_a_section_cannot_hide_behind_a_digest_too_many() -> None:
    def third(header: pb.EntryHeader) -> None:
        header.section_digests.append(bytes(32))

    records = stored(PLAIN)
    records[2] = with_header(records[2], third)

    audit = audited(records, signed(records))

    assert audit.verdict is Verdict.MANIPULATED
    assert set(names(audit)) == {"section changed"}


def test_bytes_that_say_one_thing_to_those_who_read_and_another_to_those_who_verify() -> None:
    # A field that comes twice: the record has the last one, the entry would have both, merged.
    records = stored(PLAIN)
    other = pb.Record(facts=g.said("s", "bolt").facts.SerializeToString()).SerializeToString()
    lied = [*records[:4], other + records[4]]

    audit = audited(lied, signed(records), state=fold(PLAIN))

    assert only(audit) == ("record changed", 5, "")


@pytest.mark.parametrize("more", [b"\x2a\x01x", b"\x10\x01", b"\x0a\x00"])
def test_nothing_may_be_added_to_a_record(more: bytes) -> None:
    records = stored(PLAIN)

    audit = audited([*records[:4], records[4] + more], signed(records))

    assert audit.verdict is Verdict.MANIPULATED
    assert "record changed" in names(audit)


def test_what_is_no_record_is_called_so() -> None:
    records = stored(PLAIN)

    audit = audited([*records[:4], b"\xff"], signed(records))

    assert audit.verdict is Verdict.MANIPULATED
    assert names(audit) == ["record unreadable", "cut"]


def test_what_was_signed_for_but_is_no_entry_cannot_be_told() -> None:
    records = stored(PLAIN)
    salt = bytes(32)
    garbled = pb.Facts(request_id="r").SerializeToString() + b"\xff"

    def garble(header: pb.EntryHeader) -> None:
        header.section_digests[0] = hashlib.sha256(salt + garbled).digest()

    def put(record: pb.Record) -> None:
        record.salts[0], record.facts = salt, garbled

    records[4] = changed(with_header(records[4], garble), put)

    audit = audited(records, signed(records), state=fold(PLAIN))

    assert only(audit) == ("entry unreadable", 5, "")
    assert audit.state is None


def test_a_header_that_is_none_cannot_be_told() -> None:
    def garble(record: pb.Record) -> None:
        record.header = b"\xff"

    records = stored(PLAIN)
    records[4] = changed(records[4], garble)

    assert only(audited(records, signed(records))) == ("entry unreadable", 5, "")


def test_a_later_format_cannot_be_told() -> None:
    def later(header: pb.EntryHeader) -> None:
        header.format = 3

    records = stored(PLAIN)
    records[4] = with_header(records[4], later)

    assert only(audited(records, signed(records))) == ("format unknown", 5, "")


def test_a_type_that_is_not_known_here_cannot_be_told() -> None:
    unknown = pb.Facts.FromString(b"\xca\x3e\x02ok")  # field 1001
    unknown.provenance.basis = pb.BASIS_DIRECT
    entries = g.history(*PLAIN, pb.Draft(facts=unknown))
    records = stored(entries)

    audit = audited(records, signed(records), state=fold(PLAIN))

    assert only(audit) == ("type unknown", 6, "")
    assert audit.state is None


def test_a_value_that_is_not_known_here_cannot_be_told() -> None:
    odd = pb.QuestionResolved(question_id="q", resolution=99)  # type: ignore[arg-type]
    asked = g.draft(pb.QuestionRaised(question_id="q"))
    records = stored(g.history(*PLAIN, asked, g.draft(odd)))

    assert only(audited(records, signed(records))) == ("type unknown", 7, "")


def test_an_entry_of_another_negotiation_is_named() -> None:
    def other(header: pb.EntryHeader) -> None:
        header.negotiation = "other"

    records = stored(PLAIN)
    records[2] = with_header(records[2], other)

    assert only(audited(records, signed(records))) == ("another negotiation", 3, "")


def test_time_does_not_run_back() -> None:
    def back(header: pb.EntryHeader) -> None:
        header.record_time.CopyFrom(g.recorded_at(1))

    records = stored(PLAIN)
    records[3] = with_header(records[3], back)

    assert only(audited(records, signed(records))) == ("time runs back", 4, "")


def test_what_was_left_out_is_missing() -> None:
    records = stored(PLAIN)

    assert only(audited(records[:1] + records[2:], signed(records))) == ("entry missing", 2, "")
    several = audited(records[:1] + records[4:], signed(records))
    assert only(several) == ("entry missing", 2, "")
    assert "2 to 4" in several.findings[0].text


def test_what_was_left_out_at_the_end_is_cut_off() -> None:
    records = stored(PLAIN)

    assert only(audited(records[:3], signed(records))) == ("cut", 4, "")
    assert only(audited([], signed(records))) == ("cut", 1, "")


def test_what_did_not_come_is_told_once() -> None:
    records = stored(PLAIN)
    auditor = Auditor(g.NEGOTIATION, KEYS)
    auditor.add_record(records[0])

    auditor.end_early("The service went away.")

    assert only(auditor.finish(signed(records))) == ("cut", 0, "")


def test_a_second_reading_that_is_cut_is_no_manipulation() -> None:
    records = stored(AMENDED)
    auditor = Auditor(g.NEGOTIATION, KEYS)
    for record in records:
        auditor.add_record(record)
    auditor.start_second_pass()
    auditor.add_record(records[0])

    auditor.end_early("The service went away.")

    audit = auditor.finish(signed(records), state=fold(AMENDED))
    assert only(audit) == ("cut", 0, "")
    assert audit.state is None


def test_a_second_reading_is_to_be_the_first() -> None:
    records, others = stored(AMENDED), stored(AMENDED)  # with other salts
    readings = iter([records, others])
    auditor = Auditor(g.NEGOTIATION, KEYS)
    auditor.add_all(lambda: next(readings))

    assert names(auditor.finish(signed(records))) == ["read differently", "root differs"]


@pytest.mark.parametrize(("one", "other"), [(1, 2), (2, 4)])
def test_what_changed_places_is_out_of_order(one: int, other: int) -> None:
    records = stored(PLAIN)
    lied = list(records)
    lied[one], lied[other] = lied[other], lied[one]

    audit = audited(lied, signed(records))

    assert audit.verdict is Verdict.MANIPULATED
    assert "out of order" in names(audit)


def test_what_comes_twice_is_out_of_order() -> None:
    records = stored(PLAIN)

    audit = audited([*records[:2], records[1], *records[2:]], signed(records))

    assert names(audit)[0] == "out of order"


def test_what_was_added_is_beyond() -> None:
    records = stored(PLAIN)

    assert only(audited(records, signed(records[:3]))) == ("entry beyond", 4, "")


def test_other_entries_have_another_root() -> None:
    records, others = stored(PLAIN), stored(PLAIN)

    assert only(audited(others, signed(records))) == ("root differs", 0, "")


def test_a_log_that_does_not_begin_as_it_did_has_forked() -> None:
    records, others = stored(PLAIN), stored(PLAIN)

    for since in (1, 3, 5):
        audit = audited(records, signed(records), since=signed(others[:since]))
        assert only(audit) == ("forked", 0, "")


def test_a_log_that_is_shorter_than_it_was_is_stale() -> None:
    records = stored(PLAIN)

    audit = audited(records[:3], signed(records[:3]), since=signed(records))

    assert only(audit) == ("stale", 0, "")


def test_another_state_is_named_by_its_first_part() -> None:
    records = stored(PLAIN)
    lied = fold(PLAIN)
    lied.topics["price"].words.title = "Another"
    miscounted = fold(PLAIN)
    miscounted.counts.topics += 1

    assert only(audited(records, signed(records), state=lied)) == (
        "state differs",
        0,
        "topics/price",
    )
    assert only(audited(records, signed(records), state=miscounted)) == (
        "state differs",
        0,
        "counts",
    )
    assert only(audited(records, signed(records), state=pb.Negotiation()))[0] == "state differs"


def withheld(data: bytes, *sections: str) -> bytes:
    def withhold(record: pb.Record) -> None:
        for name in sections:
            record.ClearField(name)  # type: ignore[arg-type]
            record.salts[("facts", "words").index(name)] = b""

    return changed(data, withhold)


def test_what_is_withheld_is_told_and_proven_all_the_same() -> None:
    records = stored(PLAIN)
    lied = [*records[:4], withheld(records[4], "facts", "words")]

    audit = audited(lied, signed(records), state=fold(PLAIN))

    assert audit.verdict is Verdict.PARTIAL
    assert audit.withheld == (5,)
    assert [(one.name, one.part) for one in audit.findings] == [
        ("section withheld", "facts"),
        ("section withheld", "words"),
    ]
    assert audit.root == leaves(records).root()


def test_a_header_alone_is_an_entry_withheld() -> None:
    records = stored(PLAIN)
    alone = pb.Record(header=pb.Record.FromString(records[4]).header).SerializeToString()

    audit = audited([*records[:4], alone], signed(records))

    assert set(names(audit)) == {"section withheld"}


def test_words_that_a_redaction_destroyed_are_not_missed() -> None:
    entries = g.history(*PLAIN, REDACTION)
    records = stored(entries)
    given_ = [*records[:4], withheld(records[4], "words"), records[5]]

    audit = audited(given_, signed(records), state=fold(entries))

    assert (audit.verdict, audit.findings) == (Verdict.SOUND, ())
    assert audit.state == fold(entries)
    facts = [*records[:4], withheld(records[4], "facts", "words"), records[5]]
    assert only(audited(facts, signed(records))) == ("section withheld", 5, "facts")


def test_no_signature_by_a_key_that_was_given_tells_nothing() -> None:
    records = stored(PLAIN)
    other = Signer([signing_key(1)])

    assert only(audited(records, signed(records, other))) == ("not signed", 0, "")


def test_a_signature_of_something_else_is_not_valid() -> None:
    records = stored(PLAIN)
    right, size = signed(records), str(len(records))

    audit = audited(records, right.replace(f"\n{size}\n", "\n4\n", 1))

    assert only(audit) == ("signature invalid", 0, "")


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda text: "",
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text[:-1],
        lambda text: text.replace("\n5\n", "\n05\n"),
        lambda text: text.replace("\n5\n", f"\n{10**30}\n"),
        lambda text: "\n".join(text.split("\n")[1:]),
        lambda text: text + "more\n",
    ],
    ids=["empty", "crlf", "cut", "zero", "huge", "no origin", "more"],
)
def test_what_is_no_checkpoint_is_called_so(spoilt: Callable[[str], str]) -> None:
    records = stored(PLAIN)

    audit = audited(records, spoilt(signed(records)))

    assert only(audit) == ("checkpoint unreadable", 0, "")
    assert audit.checkpoint is None


def test_a_checkpoint_with_extensions_counts() -> None:
    records = stored(PLAIN)
    origin = log_origin("test.example", g.NEGOTIATION)
    text = Checkpoint(origin, 5, leaves(records).root(), ("more to say",)).text()

    audit = audited(records, Note(text, (KEY.sign(text),)).signed())

    assert audit.verdict is Verdict.SOUND


def test_the_log_of_another_negotiation_is_another_origin() -> None:
    records = stored(PLAIN)

    audit = audited(records, signed(records, negotiation="other"))

    assert only(audit) == ("another origin", 0, "")


def test_an_older_checkpoint_has_to_be_signed_too() -> None:
    records = stored(PLAIN)

    audit = audited(records, signed(records), since=signed(records, Signer([signing_key(1)])))

    assert only(audit) == ("older checkpoint unusable", 0, "")
    assert "not signed" in audit.findings[0].text


@pytest.mark.parametrize("older", ["", "\n", "an old one\n"])
def test_an_older_checkpoint_that_is_none_is_not_passed_over(older: str) -> None:
    records = stored(PLAIN)

    audit = audited(records, signed(records), since=older)

    assert only(audit) == ("older checkpoint unusable", 0, "")
    assert audit.verdict is Verdict.CANNOT_TELL


def test_who_brings_the_checkpoint_of_another_log_accuses_nobody() -> None:
    records = stored(PLAIN)

    audit = audited(records, signed(records), since=signed(records, negotiation="other"))

    assert only(audit) == ("older checkpoint unusable", 0, "")
    assert "other" in audit.findings[0].text


def test_every_record_begins_with_nothing() -> None:
    records = stored(PLAIN)
    text = Checkpoint(log_origin(KEY.name, g.NEGOTIATION), 0, EMPTY_ROOT).text()

    audit = audited(records, signed(records), since=Note(text, (KEY.sign(text),)).signed())

    assert audit.findings == ()


def test_of_several_keys_one_is_enough() -> None:
    records = stored(PLAIN)
    auditor = Auditor(g.NEGOTIATION, [signing_key(1).verifier_key, str(KEY.verifier_key)])
    auditor.add_all(lambda: records)

    assert auditor.finish(signed(records)).verdict is Verdict.SOUND


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [KEY.verifier_key, signing_key(1, "other.example").verifier_key],
        [KEY.verifier_key._replace(algorithm=4)],
        ["no key"],
    ],
    ids=["none", "of two services", "of a witness", "unreadable"],
)
def test_keys_that_cannot_be_those_of_a_log_are_refused(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="key"):
        Auditor(g.NEGOTIATION, keys)


def test_findings_are_bounded_and_the_verdict_is_that_of_all() -> None:
    def later(header: pb.EntryHeader) -> None:
        header.format = 3

    said = [g.said(f"s{number}") for number in range(MAX_FINDINGS)]
    records = [with_header(one, later) for one in stored(g.history(*said))]
    auditor = Auditor(g.NEGOTIATION, KEYS)
    for record in records:
        auditor.add_record(record)
    auditor.add_record(records[0])

    audit = auditor.finish("")

    assert names(audit) == ["format unknown"] * MAX_FINDINGS
    assert audit.verdict is Verdict.MANIPULATED


@settings(max_examples=300)
@given(st.integers(0, 4), st.integers(0, 10_000), st.integers(0, 7))
def test_whatever_bit_is_flipped_it_is_not_sound(version: int, place: int, bit: int) -> None:
    records = stored(PLAIN)
    data = bytearray(records[version])
    data[place % len(data)] ^= 1 << bit
    lied = [*records[:version], bytes(data), *records[version + 1 :]]

    assert audited(lied, signed(records)).verdict in {Verdict.MANIPULATED, Verdict.INCOMPLETE}


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=60), max_size=4), st.text(max_size=80))
def test_whatever_it_is_given_it_does_not_fail(records: list[bytes], checkpoint: str) -> None:
    audit = audited(records, checkpoint, since=checkpoint, state=pb.Negotiation())

    assert audit.verdict is not Verdict.SOUND


def test_every_finding_has_a_test_here() -> None:
    told = Path(__file__).read_text(encoding="utf-8")

    assert [name for name in FINDINGS if f'"{name}"' not in told] == []


def test_the_docs_name_every_finding_and_its_verdict() -> None:
    page = Path(__file__).resolve().parents[4] / "docs" / "reference" / "audit-findings.md"

    for name, verdict in FINDINGS.items():
        assert f"\n| {name} | {verdict.value} | " in page.read_text(encoding="utf-8")
