"""What a client believes: signed, of the same log as before, and not older."""

import json
import multiprocessing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pourparler import errors
from pourparler import v1 as pb
from pourparler.transparency.checkpoint import parse_checkpoint, parse_note
from pourparler.transparency.merkle import MerkleTree, leaf_hash
from pourparler.transparency.trust import Check, ProofRequest, Trust, create_trust
from pourparler.transparency.trust_store import SignedCheckpoint, TrustStore
from pourparler_service.storage.record_codec import record_bytes
from pourparler_service.transparency.signing_keys import Signer
from tests.support import sample_entries as g
from tests.support.signing_keys import KEY, SIGNER, signing_key

NAME = f"negotiations/{g.NEGOTIATION}"
ORIGIN = f"test.example/{NAME}"
SAID = [g.opened(), *(g.said(f"s{number}", "acme") for number in range(11))]


class Log:
    """A log of records, as a service that keeps the key answers for it."""

    def __init__(self, drafts: Sequence[pb.Draft] = SAID, signer: Signer = SIGNER) -> None:
        self.records: list[bytes] = []
        for entry in g.history(*drafts):
            version = entry.header.version
            entry.facts.request_id = f"r{(version + 2) // 3}"  # three to a group
            time = entry.header.record_time
            self.records.append(
                record_bytes(g.NEGOTIATION, version, time, entry.facts, entry.words)
            )
        self.tree = MerkleTree(leaf_hash(pb.Record.FromString(one).header) for one in self.records)
        self.signer = signer
        self.asked: list[ProofRequest] = []

    def signed(self, size: int) -> str:
        return self.signer.checkpoint(
            g.NEGOTIATION, size, self.tree.root(size), g.recorded_at(size)
        )

    def answer(self, asked: ProofRequest) -> Any:
        self.asked.append(asked)
        assert asked.name == NAME
        if isinstance(asked, pb.GetCheckpointRequest):
            return pb.GetCheckpointResponse(checkpoint=self.signed(asked.version))
        if isinstance(asked, pb.GetInclusionProofRequest):
            hashes = self.tree.prove_inclusion(asked.version - 1, asked.at_version)
            return pb.GetInclusionProofResponse(hashes=hashes)
        hashes = self.tree.prove_consistency(asked.from_version, asked.to_version)
        return pb.GetConsistencyProofResponse(hashes=hashes)

    def request(self, group: int) -> pb.RecordEntriesRequest:
        drafts = SAID[3 * group - 3 : 3 * group]
        return pb.RecordEntriesRequest(negotiation=NAME, request_id=f"r{group}", drafts=drafts)

    def receipt(self, group: int) -> pb.Receipt:
        stored = self.records[3 * group - 3 : 3 * group]
        entries = map(pb.Entry.FromString, stored)
        size = 3 * group
        return pb.Receipt(
            entries=entries, negotiation=NAME, version=size, checkpoint=self.signed(size)
        )

    def believed(self, check: Check[Any]) -> Any:
        answer = None
        while True:
            try:
                asked = check.send(answer)
            except StopIteration as done:
                return done.value
            answer = self.answer(asked)


def sent(receipt: pb.Receipt) -> bytes:
    return pb.RecordEntriesResponse(receipt=receipt).SerializeToString()


@pytest.fixture(name="trust")
def _trust(tmp_path: Path) -> Trust:
    return Trust([KEY.verifier_key], tmp_path / "trust")


def last(trust_file: Path) -> str:
    told: str = json.loads(trust_file.read_text())["checkpoints"][ORIGIN]
    return told


def test_what_is_signed_for_is_remembered(trust: Trust, tmp_path: Path) -> None:
    log = Log()

    log.believed(trust.check_latest(NAME, 7))

    assert last(tmp_path / "trust") == log.signed(7)
    assert [type(one) for one in log.asked] == [pb.GetCheckpointRequest]


def test_what_was_seen_already_is_not_asked_again(trust: Trust) -> None:
    log = Log()
    log.believed(trust.check_latest(NAME, 7))
    log.asked.clear()

    log.believed(trust.check_latest(NAME, 7))

    assert not log.asked


def test_what_grew_has_to_have_grown_out_of_what_was_seen(trust: Trust, tmp_path: Path) -> None:
    log = Log()
    log.believed(trust.check_latest(NAME, 7))

    log.believed(trust.check_latest(NAME, 9))

    assert last(tmp_path / "trust") == log.signed(9)
    with pytest.raises(errors.ForkDetectedError) as forked:
        Log().believed(trust.check_latest(NAME, 11))
    assert forked.value.finding == "forked"
    assert (forked.value.seen, bool(forked.value.shown)) == (log.signed(9), True)
    assert last(tmp_path / "trust") == log.signed(9)


def test_another_log_of_the_same_size_is_a_fork(trust: Trust) -> None:
    Log().believed(trust.check_checkpoint(NAME, Log().signed(7)))
    other = Log()

    with pytest.raises(errors.ForkDetectedError):
        other.believed(trust.check_checkpoint(NAME, other.signed(7)))


def test_what_is_older_than_what_was_seen_is_stale(trust: Trust, tmp_path: Path) -> None:
    log = Log()
    log.believed(trust.check_latest(NAME, 7))

    with pytest.raises(errors.StaleReadError, match="version 7 before") as stale:
        log.believed(trust.check_latest(NAME, 6))
    with pytest.raises(errors.StaleReadError):
        log.believed(trust.check_checkpoint(NAME, log.signed(6)))
    assert stale.value.finding == "stale"
    assert last(tmp_path / "trust") == log.signed(7)


def test_nothing_is_believed_that_another_key_has_signed(trust: Trust, tmp_path: Path) -> None:
    other = Log(signer=Signer([signing_key(1)]))

    with pytest.raises(errors.CheckpointVerificationError) as unsigned:
        other.believed(trust.check_latest(NAME, 7))
    assert unsigned.value.finding == "not signed"
    assert not (tmp_path / "trust").exists()


def test_a_checkpoint_of_another_version_does_not_answer(trust: Trust) -> None:
    class Elsewhere(Log):
        def signed(self, size: int) -> str:
            return super().signed(size - 1)

    with pytest.raises(errors.CheckpointVerificationError, match="version 6"):
        Elsewhere().believed(trust.check_latest(NAME, 7))


@pytest.mark.parametrize("group", [1, 2, 4])
def test_a_receipt_is_believed_whose_entries_end_the_log(trust: Trust, group: int) -> None:
    log = Log()
    receipt = log.receipt(group)

    assert log.believed(trust.check_receipt(log.request(group), sent(receipt))) == receipt
    assert len(log.asked) == (group > 1)


def test_a_first_receipt_that_comes_again_is_believed(trust: Trust, tmp_path: Path) -> None:
    log = Log()
    log.believed(trust.check_latest(NAME, 11))

    again = log.believed(trust.check_receipt(log.request(2), sent(log.receipt(2))))

    assert again == log.receipt(2)
    assert last(tmp_path / "trust") == log.signed(11)


def test_an_old_receipt_of_another_log_is_a_fork(trust: Trust) -> None:
    Log().believed(trust.check_checkpoint(NAME, Log().signed(11)))
    log = Log()

    with pytest.raises(errors.ForkDetectedError):
        log.believed(trust.check_receipt(log.request(2), sent(log.receipt(2))))


def _of_another_negotiation(receipt: pb.Receipt) -> None:
    receipt.negotiation = "negotiations/other"


def _with_an_entry_less(receipt: pb.Receipt) -> None:
    del receipt.entries[-1]


def _with_other_words(receipt: pb.Receipt) -> None:
    receipt.entries[1].words.text = "Something else"


def _without_words(receipt: pb.Receipt) -> None:
    receipt.entries[1].ClearField("words")


def _with_other_facts(receipt: pb.Receipt) -> None:
    receipt.entries[1].facts.statement_recorded.speakers[0] = "bolt"


def _of_another_type(receipt: pb.Receipt) -> None:
    receipt.entries[1].facts.topic_added.topic_id = "t"


def _of_another_request(receipt: pb.Receipt) -> None:
    receipt.entries[1].facts.request_id = "other"


def _in_another_order(receipt: pb.Receipt) -> None:
    receipt.entries[1].header.version = 4


def _of_another_header(receipt: pb.Receipt) -> None:
    receipt.entries[1].header.negotiation = "other"


def _of_a_later_time(receipt: pb.Receipt) -> None:
    receipt.entries[1].header.record_time.seconds += 1


def _without_salts(receipt: pb.Receipt) -> None:
    receipt.entries[1].ClearField("salts")


@pytest.mark.parametrize(
    "lie",
    [
        _of_another_negotiation,
        _with_an_entry_less,
        _with_other_words,
        _without_words,
        _with_other_facts,
        _of_another_type,
        _of_another_request,
        _in_another_order,
        _of_another_header,
        _of_a_later_time,
        _without_salts,
    ],
)
def test_a_receipt_for_something_else_is_refused(
    trust: Trust, tmp_path: Path, lie: Callable[[pb.Receipt], None]
) -> None:
    log = Log()
    receipt = log.receipt(2)
    lie(receipt)

    with pytest.raises(errors.ReceiptMismatchError):
        log.believed(trust.check_receipt(log.request(2), sent(receipt)))
    assert not (tmp_path / "trust").exists()


def test_an_old_receipt_does_not_answer_a_new_request(trust: Trust) -> None:
    log = Log()
    request = log.request(2)
    request.request_id = "new"

    with pytest.raises(errors.ReceiptMismatchError, match="another request"):
        log.believed(trust.check_receipt(request, sent(log.receipt(2))))


def test_a_receipt_whose_entries_are_in_no_log_is_refused(trust: Trust) -> None:
    log, other = Log(), Log()
    receipt = log.receipt(2)
    receipt.checkpoint = other.signed(6)

    with pytest.raises(errors.ReceiptMismatchError) as refused:
        other.believed(trust.check_receipt(log.request(2), sent(receipt)))
    assert refused.value.finding == "root differs"


def test_a_receipt_that_is_read_in_two_ways_is_refused(trust: Trust) -> None:
    # The response twice: merged in the one reading, the last alone in the other.
    log = Log()
    twice = sent(pb.Receipt(entries=log.receipt(1).entries)) + sent(log.receipt(2))
    request = pb.RecordEntriesRequest(negotiation=NAME, request_id="r2", drafts=SAID[:6])

    with pytest.raises(errors.ReceiptMismatchError):
        log.believed(trust.check_receipt(request, twice))


def test_a_receipt_without_words_shows_nobody_what_was_recorded(trust: Trust) -> None:
    log = Log()
    receipt = log.receipt(2)
    receipt.entries[1].ClearField("words")
    receipt.entries[1].salts[1] = b""

    with pytest.raises(errors.ReceiptMismatchError, match="words"):
        log.believed(trust.check_receipt(log.request(2), sent(receipt)))


def test_who_remembers_nothing_on_disk_remembers_for_a_while() -> None:
    trust = Trust([KEY.verifier_key])
    log = Log()
    log.believed(trust.check_latest(NAME, 7))

    with pytest.raises(errors.StaleReadError):
        log.believed(trust.check_latest(NAME, 6))


def test_there_is_nothing_to_remember_without_a_key(tmp_path: Path) -> None:
    assert create_trust([], None) is None
    with pytest.raises(ValueError, match="key"):
        create_trust([], tmp_path / "trust")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"format": 2, "checkpoints": {}}', '{"format": 1, "checkpoints": 3}'],
)
def test_a_trust_store_that_cannot_be_read_is_not_passed_over(
    trust: Trust, tmp_path: Path, content: str
) -> None:
    (tmp_path / "trust").write_text(content)

    with pytest.raises(errors.TrustStoreError):
        Log().believed(trust.check_latest(NAME, 7))
    assert (tmp_path / "trust").read_text() == content


@pytest.mark.parametrize("content", ["no checkpoint", 7, None, {}])
def test_what_a_trust_store_has_must_be_a_checkpoint(
    trust: Trust, tmp_path: Path, content: object
) -> None:
    told = {"format": 1, "checkpoints": {ORIGIN: content}}
    (tmp_path / "trust").write_text(json.dumps(told))

    with pytest.raises(errors.TrustStoreError):
        Log().believed(trust.check_latest(NAME, 7))


def test_a_trust_store_in_no_folder_is_not_passed_over(tmp_path: Path) -> None:
    trust = Trust([KEY.verifier_key], tmp_path / "nowhere" / "trust")

    with pytest.raises(errors.TrustStoreError, match="No such file"):
        Log().believed(trust.check_latest(NAME, 7))


def test_a_trust_store_keeps_each_log_apart(tmp_path: Path) -> None:
    store = TrustStore(tmp_path / "trust")
    log = Log()
    seen = SignedCheckpoint(log.signed(3), _parsed(log.signed(3)))

    assert store.advance("a", None, seen)
    assert store.advance("b", None, seen)

    assert (store.last("a"), store.last("b"), store.last("c")) == (seen, seen, None)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["trust", "trust.lock"]


def test_a_checkpoint_takes_the_place_only_of_what_it_was_compared_with(tmp_path: Path) -> None:
    one, other = TrustStore(tmp_path / "trust"), TrustStore(tmp_path / "trust")
    log = Log()
    older, newer = (
        SignedCheckpoint(log.signed(size), _parsed(log.signed(size))) for size in (3, 7)
    )
    assert one.advance(ORIGIN, None, newer)

    assert not other.advance(ORIGIN, None, older)

    assert other.last(ORIGIN) == newer


def _parsed(signed: str) -> Any:
    return parse_checkpoint(parse_note(signed).text)


def _remember(path: Path, number: int) -> None:
    store = TrustStore(path)
    log = Log(SAID[: number + 2])
    seen = SignedCheckpoint(log.signed(number + 1), _parsed(log.signed(number + 1)))
    for turn in range(20):
        assert store.advance(f"{number}-{turn}", None, seen)


def test_several_processes_lose_nothing_of_each_other(tmp_path: Path) -> None:
    path = tmp_path / "trust"
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_remember, args=(path, number)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(json.loads(path.read_text())["checkpoints"]) == 60
    assert sorted(one.name for one in tmp_path.iterdir()) == ["trust", "trust.lock"]
