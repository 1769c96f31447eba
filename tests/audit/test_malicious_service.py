"""Both clients find out a service that lies, and go on believing one that does not."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pourparler import Client, errors, statement, topic_status
from pourparler import v1 as pb
from pourparler.cli.commands import run
from pourparler.transparency.checkpoint import Checkpoint, Note, log_origin
from pourparler.transparency.findings import Audit, Verdict
from tests.support.bundles import EXIT_CODES, SHORT
from tests.support.client_variants import awaited
from tests.support.malicious_server import (
    ABOUT_A_CUT,
    ABOUT_CHECKPOINT,
    ABOUT_RECORDS,
    ABOUT_STATE,
    ABOUT_THE_END,
    ABOUT_THE_PAST,
    AMENDED,
    EARLIER,
    KEY,
    OTHERS,
    SIGNED_FOR,
    SIZE,
    TALKS,
    Expected,
    Lie,
    LieInReceipt,
    Malicious,
    Told,
    a_late_word_is_changed_and_signed_for,
    a_word_is_changed_and_signed_for,
    an_entry_has_a_second_section,
    an_entry_is_dropped_and_signed_for,
    an_entry_is_garbage,
    another_key_signs_under_the_id,
    another_key_signs_under_the_name,
    another_origin_is_signed_for,
    another_service_signs,
    as_own,
    bundled,
    cut,
    facts_are_withheld,
    malicious,
    resealed,
    signed,
    the_last_entries_are_dropped_and_signed_for,
    the_root_is_changed,
    the_signature_is_missing,
    words_are_withheld,
)
from tests.support.malicious_server import each_of as each

ALL = {
    **ABOUT_RECORDS,
    **ABOUT_CHECKPOINT,
    **SIGNED_FOR,
    **ABOUT_STATE,
    **ABOUT_THE_END,
}
# What gRPC has parsed is not seen as it came: of a section that came twice the last one counts, and
# what cannot be parsed ends the stream.
ALL[an_entry_has_a_second_section] = Expected(Verdict.MANIPULATED, "section changed", 5, "words")
ALL[an_entry_is_garbage] = Expected(Verdict.INCOMPLETE, "cut")
# Whoever tells these tells a state with what they withhold in it.
ALL[facts_are_withheld] = Expected(Verdict.MANIPULATED, "state differs", part="statements/s-1")
ALL[words_are_withheld] = Expected(Verdict.MANIPULATED, "state differs", part="statements/s-1")
KEYS = [KEY.verifier_key]

Connect = Callable[..., Any]


@pytest.fixture(name="serving", scope="module")
def _serving() -> Iterator[Malicious]:
    with malicious() as liar:
        yield liar


@pytest.fixture(name="liar")
def _liar(serving: Malicious) -> Iterator[Malicious]:
    yield serving
    serving.honest()


@pytest.fixture(name="fresh")
def _fresh() -> Iterator[Malicious]:
    """A liar of one's own, for tests that record."""
    with malicious() as liar:
        yield liar


@pytest.fixture(name="connect", params=["waiting", "asyncio"])
def _connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Either client."""
    if request.param == "waiting":
        yield Client
        return
    with asyncio.Runner() as runner:
        yield lambda target, **settings: awaited(runner, target, **settings)


def expect(audit: Audit, expected: Expected) -> None:
    assert audit.verdict is expected.verdict, audit.findings
    found = {(one.name, one.version, one.part) for one in audit.findings}
    assert (expected.name, expected.version, expected.part) in found


def test_a_record_that_was_signed_for_cannot_be_denied(liar: Malicious, connect: Connect) -> None:
    def text(size: int) -> str:
        root = hashlib.sha256(bytes(size)).digest()
        return Checkpoint(log_origin(KEY.name, "denied"), size, root).text()

    earlier = Note(text(3), (KEY.sign(text(3)),)).signed()
    empty = Note(text(0), (KEY.sign(text(0)),)).signed()

    with connect(liar.address) as client:
        audit = client.audit("denied", verifier_keys=KEYS, base_checkpoint=earlier)
        for nothing in (None, "", empty):
            with pytest.raises(errors.NotFoundError):
                client.audit("denied", verifier_keys=KEYS, base_checkpoint=nothing)

    assert audit.verdict is Verdict.INCOMPLETE
    assert audit.state is None
    assert audit.findings[0].name == "cut"
    assert "no such negotiation" in audit.findings[0].text


@pytest.mark.parametrize("about", [TALKS, AMENDED])
def test_a_service_that_does_not_lie_is_sound(
    liar: Malicious, connect: Connect, about: str
) -> None:
    earlier = liar.truth(about, EARLIER).checkpoint

    with connect(liar.address) as client:
        audit = client.audit(about, verifier_keys=KEYS, base_checkpoint=earlier)

    assert (audit.verdict, audit.findings) == (Verdict.SOUND, ())
    assert audit.size == SIZE


@each(ALL)
@pytest.mark.parametrize("about", [TALKS, AMENDED])
def test_an_audit_finds(
    liar: Malicious, connect: Connect, about: str, lie: Lie, expected: Expected
) -> None:
    liar.about, liar.lie = about, lie

    with connect(liar.address, timeout=3) as client:
        expect(client.audit(about, verifier_keys=KEYS), expected)


@pytest.mark.parametrize("about", [TALKS, AMENDED])
def test_an_audit_of_what_is_cut_believes_a_state_that_is_cut_alike(
    liar: Malicious, connect: Connect, about: str
) -> None:
    liar.about, liar.lie = about, lambda told: cut(told, 6, 11)

    with connect(liar.address) as client:
        audit = client.audit(about, verifier_keys=KEYS)

    assert (audit.verdict, audit.withheld) == (Verdict.PARTIAL, (6, 11))
    assert {one.name for one in audit.findings} == {"section withheld"}


@each(ABOUT_A_CUT)
@pytest.mark.parametrize("about", [TALKS, AMENDED])
def test_an_audit_of_what_is_cut_finds(
    liar: Malicious, connect: Connect, about: str, lie: Lie, expected: Expected
) -> None:
    liar.about, liar.lie = about, lie

    with connect(liar.address) as client:
        expect(client.audit(about, verifier_keys=KEYS), expected)


@pytest.mark.parametrize("about", [TALKS, AMENDED])
@pytest.mark.parametrize(("before", "after"), [((6, 11), (6, 8, 11)), ((6, 8, 11), (11,))])
def test_who_sees_more_or_less_after_they_have_read_is_not_misled(
    liar: Malicious,
    connect: Connect,
    about: str,
    before: Sequence[int],
    after: Sequence[int],
) -> None:
    def changed(read: int, of: int) -> None:
        if read == of:
            liar.lie = lambda told: cut(told, *after)

    liar.about, liar.lie = about, lambda told: cut(told, *before)

    with connect(liar.address) as client:
        audit = client.audit(about, verifier_keys=KEYS, progress=changed)

    assert (audit.verdict, audit.withheld) == (Verdict.PARTIAL, tuple(after))
    assert {one.name for one in audit.findings} == {"section withheld"}


@each(ABOUT_THE_PAST)
@pytest.mark.parametrize("about", [TALKS, AMENDED])
def test_an_audit_by_whoever_was_here_before_finds(
    liar: Malicious, connect: Connect, about: str, lie: Lie, expected: Expected
) -> None:
    earlier = liar.truth(about, EARLIER).checkpoint
    liar.about, liar.lie = about, lie

    with connect(liar.address) as client:
        expect(client.audit(about, verifier_keys=KEYS, base_checkpoint=earlier), expected)


def test_another_negotiation_is_not_taken_for_the_one_that_was_asked_for(
    liar: Malicious, connect: Connect
) -> None:
    liar.lie = lambda _: liar.truth(OTHERS)

    with connect(liar.address) as client:
        audit = client.audit(TALKS, verifier_keys=KEYS)

    expect(audit, Expected(Verdict.MANIPULATED, "another origin"))
    expect(audit, Expected(Verdict.MANIPULATED, "another negotiation", 1))


# What a client remembers.


FORKED = [
    a_word_is_changed_and_signed_for,
    an_entry_is_dropped_and_signed_for,
]
UNSIGNED = {
    the_root_is_changed: "signature invalid",
    another_key_signs_under_the_id: "signature invalid",
    another_key_signs_under_the_name: "not signed",
    another_service_signs: "not signed",
    another_origin_is_signed_for: "another origin",
    the_signature_is_missing: "checkpoint unreadable",
}
ASKED: dict[str, Callable[[Any], object]] = {
    "get": lambda client: client.get_negotiation(TALKS),
    "checkpoint": lambda client: client.get_checkpoint(TALKS),
}
each_call = pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)


def remember(liar: Malicious, connect: Connect, store: Path, version: int = EARLIER) -> None:
    """Have a client see the negotiation as it was at a version."""
    liar.lie = lambda told: as_own(told.records[:version])
    with connect(liar.address, verifier_keys=KEYS, trust_store=store) as client:
        client.get_checkpoint(TALKS)
    liar.honest()


@each_call
def test_what_grew_is_believed(
    liar: Malicious, connect: Connect, tmp_path: Path, ask: Callable[[Any], object]
) -> None:
    remember(liar, connect, tmp_path / "trust")

    with connect(liar.address, verifier_keys=KEYS, trust_store=tmp_path / "trust") as client:
        ask(client)
        ask(client)

    assert "AuditService/GetConsistencyProof" in liar.asked


@each_call
@pytest.mark.parametrize("lie", FORKED)
def test_a_fork_is_refused(
    liar: Malicious, connect: Connect, tmp_path: Path, lie: Lie, ask: Callable[[Any], object]
) -> None:
    store = tmp_path / "trust"
    remember(liar, connect, store)
    before = store.read_text()
    liar.lie = lie

    with connect(liar.address, verifier_keys=KEYS, trust_store=store) as client:
        with pytest.raises(errors.ForkDetectedError) as raised:
            ask(client)

        assert raised.value.finding == "forked"
        assert raised.value.seen == liar.truth(TALKS, EARLIER).checkpoint
        assert raised.value.shown == liar.told(TALKS).checkpoint
        assert store.read_text() == before
        liar.honest()
        ask(client)  # the truth is believed as before


def test_two_histories_for_two_callers_are_refused_where_they_share_what_they_saw(
    liar: Malicious, connect: Connect, tmp_path: Path
) -> None:
    store = tmp_path / "trust"
    remember(liar, connect, store)
    with connect(liar.address, verifier_keys=KEYS, trust_store=store) as client:
        client.get_negotiation(TALKS)
    liar.lie = a_late_word_is_changed_and_signed_for

    with (
        connect(liar.address, verifier_keys=KEYS, trust_store=store) as client,
        pytest.raises(errors.ForkDetectedError),
    ):
        client.get_checkpoint(TALKS)


@each_call
def test_a_stale_head_is_refused(
    liar: Malicious, connect: Connect, tmp_path: Path, ask: Callable[[Any], object]
) -> None:
    remember(liar, connect, tmp_path / "trust")
    liar.lie = the_last_entries_are_dropped_and_signed_for

    with (
        connect(liar.address, verifier_keys=KEYS, trust_store=tmp_path / "trust") as client,
        pytest.raises(errors.StaleReadError) as raised,
    ):
        ask(client)

    assert raised.value.finding == "stale"


@pytest.mark.parametrize("lie", ABOUT_STATE, ids=lambda lie: str(lie.__name__))
def test_a_state_of_a_version_that_nobody_signs_for_is_no_way_round_an_audit(
    liar: Malicious, connect: Connect, lie: Lie
) -> None:
    liar.lie = lie
    liar.computed_at = SIZE + 1

    with connect(liar.address) as client:
        audit = client.audit(TALKS, verifier_keys=KEYS)

    assert audit.verdict is Verdict.MANIPULATED
    assert ("state differs", "version") in {(one.name, one.part) for one in audit.findings}


def test_an_old_state_under_a_new_version_is_refused(
    liar: Malicious, connect: Connect, tmp_path: Path
) -> None:
    remember(liar, connect, tmp_path / "trust")
    old = liar.truth(TALKS, 3).state
    liar.lie = lambda told: told._replace(state=old)
    liar.computed_at = SIZE

    with (
        connect(liar.address, verifier_keys=KEYS, trust_store=tmp_path / "trust") as client,
        pytest.raises(errors.StaleReadError),
    ):
        client.get_negotiation(TALKS)


@each_call
@pytest.mark.parametrize(("lie", "finding"), UNSIGNED.items())
def test_what_is_not_signed_by_the_key_is_refused(
    liar: Malicious, connect: Connect, ask: Callable[[Any], object], lie: Lie, finding: str
) -> None:
    liar.lie = lie

    with (
        connect(liar.address, verifier_keys=KEYS) as client,
        pytest.raises(errors.CheckpointVerificationError) as raised,
    ):
        ask(client)

    assert raised.value.finding == finding


def test_an_earlier_checkpoint_is_not_taken_for_that_of_a_later_state(
    liar: Malicious, connect: Connect
) -> None:
    earlier = liar.truth(TALKS, EARLIER).checkpoint
    liar.lie = lambda told: told._replace(checkpoint=earlier)

    with (
        connect(liar.address, verifier_keys=KEYS) as client,
        pytest.raises(
            errors.CheckpointVerificationError, match="of version 7, not of version 12"
        ) as raised,
    ):
        client.get_negotiation(TALKS)

    assert raised.value.finding == "another version"


PROOFS: dict[str, Callable[[list[bytes]], Sequence[bytes]]] = {
    "none": lambda hashes: [],
    "one too few": lambda hashes: hashes[:-1],
    "one too many": lambda hashes: [*hashes, bytes(32)],
    "a great many": lambda hashes: [*hashes, *[bytes(32)] * 10_000],
    "in another order": lambda hashes: hashes[::-1],
    "one of them another": lambda hashes: [bytes(32), *hashes[1:]],
    "short hashes": lambda hashes: [one[:31] for one in hashes],
    "long hashes": lambda hashes: [one + b"\0" for one in hashes],
    "empty hashes": lambda hashes: [b"" for _ in hashes],
}


@pytest.mark.parametrize("lie", PROOFS.values(), ids=PROOFS)
def test_a_proof_that_proves_nothing_is_refused(
    liar: Malicious,
    connect: Connect,
    tmp_path: Path,
    lie: Callable[[list[bytes]], list[bytes]],
) -> None:
    remember(liar, connect, tmp_path / "trust")
    liar.lie_in_proof = lie

    with (
        connect(liar.address, verifier_keys=KEYS, trust_store=tmp_path / "trust") as client,
        pytest.raises(errors.ForkDetectedError),
    ):
        client.get_negotiation(TALKS)


def test_an_answer_that_another_client_has_overtaken_is_not_stale(
    fresh: Malicious, connect: Connect, tmp_path: Path
) -> None:
    """While an answer is under way, others who share the trust store see a later one."""
    store = tmp_path / "trust"

    def overtaken(told: Told) -> Told:
        fresh.honest()
        with Client(fresh.address, verifier_keys=KEYS, trust_store=store) as other:
            other.record(TALKS, statement("Later.", id=f"s-{told.state.version}", by="acme"))
        return told

    with connect(fresh.address, verifier_keys=KEYS, trust_store=store) as client:
        client.get_negotiation(TALKS)
        for ask in ASKED.values():
            fresh.lie = overtaken
            ask(client)

    assert fresh.truth(TALKS).state.version == SIZE + len(ASKED)


GARBAGE = {"noise": b"\xff" * 40, "a wrong type": b"\x0a\x02\xc3\x28\x08\x01", "half": b"\x0a\x64"}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize(
    "name", ["get_negotiation", "status_report", "get_checkpoint", "audit", "diff"]
)
def test_an_answer_that_is_garbage_is_an_error_like_any_other(
    liar: Malicious, connect: Connect, name: str, garbage: bytes
) -> None:
    liar.garbage = garbage

    with connect(liar.address, verifier_keys=KEYS) as client, pytest.raises(errors.PourparlerError):
        getattr(client, name)(TALKS)


def test_a_history_that_is_garbage_is_an_error_like_any_other(
    liar: Malicious, connect: Connect
) -> None:
    liar.lie = an_entry_is_garbage

    with connect(liar.address) as client, pytest.raises(errors.PourparlerError):
        for _ in client.replay(TALKS):
            pass


# Receipts.


YES = statement("So be it.", id="s-90", by="acme", visibility="parties")
NO = statement("Not so.", id="s-91", by="acme")


def say(client: Any, request_id: str = "r-1", draft: pb.Draft = YES) -> pb.Receipt:
    receipt: pb.Receipt = client.record(TALKS, draft, request_id=request_id)
    return receipt


def changed(change: Callable[[pb.Receipt], object]) -> LieInReceipt:
    """A receipt of which something is changed."""

    def lie(
        _: pb.RecordEntriesRequest, response: pb.RecordEntriesResponse
    ) -> pb.RecordEntriesResponse:
        change(response.receipt)
        return response

    return lie


def rerecorded(change: Callable[[pb.Entry], object]) -> LieInReceipt:
    """A receipt for an entry that was changed before it was sealed, hashed and signed for."""

    def lie(
        _: pb.RecordEntriesRequest, response: pb.RecordEntriesResponse
    ) -> pb.RecordEntriesResponse:
        receipt, liar = response.receipt, RECORDED[-1]
        entry = receipt.entries[-1]
        change(entry)
        record = resealed(entry.SerializeToString())
        entry.ParseFromString(record)
        liar.lie = lambda told: as_own([*told.records[:-1], record])
        receipt.checkpoint = liar.told(TALKS).checkpoint
        return response

    return lie


RECORDED: list[Malicious] = []
"""The liars that are recorded with; the last one is that of the test."""


def _reword(entry: pb.Entry) -> None:
    entry.words.text = "So be it not."


def _refact(entry: pb.Entry) -> None:
    entry.facts.statement_recorded.speakers[0] = "union"


def _rebase(entry: pb.Entry) -> None:
    entry.facts.provenance.basis = pb.BASIS_ON_RECORD


def _widen(entry: pb.Entry) -> None:
    entry.facts.visibility.level = pb.VISIBILITY_LEVEL_PUBLIC


def _add_a_fact(entry: pb.Entry) -> None:
    entry.facts.statement_recorded.on_behalf_of.append("union")


IN_RECEIPTS: dict[str, LieInReceipt] = {
    "other words": changed(lambda receipt: _reword(receipt.entries[0])),
    "other facts": changed(lambda receipt: _refact(receipt.entries[0])),
    "other words, signed for": rerecorded(_reword),
    "other facts, signed for": rerecorded(_refact),
    "another basis, signed for": rerecorded(_rebase),
    "a wider visibility, signed for": rerecorded(_widen),
    "one more fact, signed for": rerecorded(_add_a_fact),
    "another version": changed(
        lambda receipt: setattr(receipt.entries[0].header, "version", receipt.version + 1)
    ),
    "another negotiation": changed(
        lambda receipt: setattr(receipt, "negotiation", f"negotiations/{OTHERS}")
    ),
    "another time": changed(
        lambda receipt: setattr(receipt.entries[0].header.record_time, "nanos", 1)
    ),
    "no entries": changed(lambda receipt: receipt.ClearField("entries")),
    "an entry twice": changed(lambda receipt: receipt.entries.extend(list(receipt.entries))),
    "no salts": changed(lambda receipt: receipt.entries[0].ClearField("salts")),
    "no words": changed(lambda receipt: receipt.entries[0].ClearField("words")),
    "no header": changed(lambda receipt: receipt.entries[0].ClearField("header")),
    "nothing at all": lambda _, response: b"",
    "garbage": lambda _, response: b"\xff" * 40,
    "garbage inside": lambda _, response: b"\x0a\x04\x0a\x02\xff\xff",
}


@pytest.fixture(name="recording")
def _recording(fresh: Malicious) -> Malicious:
    RECORDED.append(fresh)
    return fresh


def test_a_receipt_is_believed_and_so_is_its_repetition(
    fresh: Malicious, connect: Connect, tmp_path: Path
) -> None:
    with connect(fresh.address, verifier_keys=KEYS, trust_store=tmp_path / "trust") as client:
        first = say(client)
        say(client, "r-2", NO)

        assert say(client) == first


@pytest.mark.parametrize("lie", IN_RECEIPTS.values(), ids=IN_RECEIPTS)
def test_a_receipt_for_something_else_is_refused(
    recording: Malicious, connect: Connect, lie: LieInReceipt
) -> None:
    with connect(recording.address, verifier_keys=KEYS) as client:
        client.get_negotiation(TALKS)
        recording.lie_in_receipt = lie

        with pytest.raises(errors.ReceiptMismatchError) as raised:
            say(client)

        assert raised.value.request_id == "r-1"
        recording.honest()
        say(client)  # it was recorded all the same, and what was seen before stands


def test_an_old_receipt_is_not_taken_for_a_new_one(fresh: Malicious, connect: Connect) -> None:
    old: list[pb.RecordEntriesResponse] = []

    def keep(
        _: pb.RecordEntriesRequest, response: pb.RecordEntriesResponse
    ) -> pb.RecordEntriesResponse:
        old.append(response)
        return response

    with connect(fresh.address, verifier_keys=KEYS) as client:
        fresh.lie_in_receipt = keep
        say(client)
        fresh.lie_in_receipt = lambda *_: old[0]

        with pytest.raises(errors.ReceiptMismatchError):
            say(client, "r-2", NO)


def test_an_old_receipt_that_says_the_same_is_not_taken_for_a_new_one(
    fresh: Malicious, connect: Connect
) -> None:
    """Without a request id of the caller's own, the client makes one: no two requests share it."""
    old: list[pb.RecordEntriesResponse] = []

    def replay(
        _: pb.RecordEntriesRequest, response: pb.RecordEntriesResponse
    ) -> pb.RecordEntriesResponse:
        old.append(response)
        return old[0]

    fresh.lie_in_receipt = replay
    with connect(fresh.address, verifier_keys=KEYS) as client:
        client.record(TALKS, topic_status("pay", "under_discussion", reason="Go on."))

        with pytest.raises(errors.ReceiptMismatchError):
            client.record(TALKS, topic_status("pay", "agreed_in_principle", reason="Go on."))


SIGNATURES: dict[str, Callable[[pb.Receipt], object]] = {
    "not signed": lambda receipt: setattr(receipt, "checkpoint", ""),
    "by another key": lambda receipt: setattr(
        receipt,
        "checkpoint",
        another_key_signs_under_the_name(RECORDED[-1].truth(TALKS)).checkpoint,
    ),
    "for another origin": lambda receipt: setattr(
        receipt, "checkpoint", another_origin_is_signed_for(RECORDED[-1].truth(TALKS)).checkpoint
    ),
    "for another version": lambda receipt: setattr(
        receipt, "checkpoint", RECORDED[-1].truth(TALKS, SIZE).checkpoint
    ),
}


@pytest.mark.parametrize("change", SIGNATURES.values(), ids=SIGNATURES)
def test_a_receipt_that_is_not_signed_is_refused(
    recording: Malicious, connect: Connect, change: Callable[[pb.Receipt], object]
) -> None:
    recording.lie_in_receipt = changed(change)

    with (
        connect(recording.address, verifier_keys=KEYS) as client,
        pytest.raises(errors.CheckpointVerificationError),
    ):
        say(client)


def test_a_receipt_from_a_fork_is_refused(recording: Malicious, connect: Connect) -> None:
    """The caller's own entry is there, but on top of another past."""

    def lie(
        _: pb.RecordEntriesRequest, response: pb.RecordEntriesResponse
    ) -> pb.RecordEntriesResponse:
        response.receipt.checkpoint = recording.told(TALKS).checkpoint
        return response

    with connect(recording.address, verifier_keys=KEYS) as client:
        client.get_negotiation(TALKS)
        recording.lie, recording.lie_in_receipt = a_word_is_changed_and_signed_for, lie

        with pytest.raises(errors.ForkDetectedError):
            say(client)


@pytest.mark.parametrize("lie", PROOFS.values(), ids=PROOFS)
def test_a_receipt_without_a_proof_is_refused(
    fresh: Malicious, connect: Connect, lie: Callable[[list[bytes]], list[bytes]]
) -> None:
    with connect(fresh.address, verifier_keys=KEYS) as client:
        fresh.lie_in_proof = lie

        with pytest.raises(errors.TrustError):
            say(client)


# The commands.


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """What a command leaves with, and what it prints."""
    code = run(arguments)
    return code, capsys.readouterr().out


@each(ALL)
def test_the_audit_command_says_what_it_finds(
    liar: Malicious, capsys: pytest.CaptureFixture[str], lie: Lie, expected: Expected
) -> None:
    liar.lie = lie

    code, out = ran(
        capsys, "--server", liar.address, "audit", TALKS, "--verifier-key", str(KEYS[0]), "--json"
    )

    told = json.loads(out)
    assert code == EXIT_CODES[expected.verdict]
    assert told["verdict"] == expected.verdict.value
    assert expected.name in [one["name"] for one in told["findings"]]


@each(ABOUT_THE_PAST)
def test_the_audit_command_saves_nothing_that_it_does_not_believe(
    liar: Malicious,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    lie: Lie,
    expected: Expected,
) -> None:
    kept = tmp_path / "checkpoint"
    arguments = [
        "--server",
        liar.address,
        "audit",
        TALKS,
        "--verifier-key",
        str(KEYS[0]),
        "--save-checkpoint",
    ]
    liar.lie = lambda told: as_own(told.records[:EARLIER])
    assert ran(capsys, *arguments, str(kept))[0] == 0
    before = kept.read_text()
    liar.lie = lie

    code, out = ran(capsys, *arguments, str(kept), "--base-checkpoint", str(kept))

    assert code == EXIT_CODES[expected.verdict]
    assert expected.name in out
    assert kept.read_text() == before


def test_what_a_liar_says_does_nothing_to_a_terminal(
    liar: Malicious, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "talks\x9b31m\u202e\x7f"
    liar.lie = lambda told: Told(
        [resealed(one, negotiation=evil) for one in told.records],
        signed(told.records, negotiation=evil),
        told.state,
    )

    code, out = ran(
        capsys, "--server", liar.address, "audit", TALKS, "--verifier-key", str(KEYS[0])
    )

    assert code == EXIT_CODES[Verdict.MANIPULATED]
    assert "another origin" in out
    assert not set("\x1b\x9b\u202e\x7f") & set(out)


IN_A_FILE = {**ABOUT_RECORDS, **ABOUT_CHECKPOINT, **SIGNED_FOR}


@each(IN_A_FILE)
def test_the_verify_command_and_the_short_verifier_leave_with_the_same_code(
    liar: Malicious,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    lie: Lie,
    expected: Expected,
) -> None:
    told = lie(liar.truth(TALKS))
    path = tmp_path / "talks.bundle"
    path.write_bytes(bundled(TALKS, told))

    code, out = ran(capsys, "verify", str(path), "--verifier-key", str(KEYS[0]))
    short = SHORT.main(str(path), str(KEYS[0]))

    assert code == short == EXIT_CODES[expected.verdict]
    assert expected.name in " ".join(out.split())
