"""What a witness cosigns, and what it does not."""

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from pourparler.transparency.checkpoint import (
    VerifierKey,
    parse_checkpoint,
    parse_note,
    verify_checkpoint,
)
from pourparler.transparency.merkle import EMPTY_ROOT
from pourparler_service.witness.witness import SIZE_TYPE, Response, Witness, WitnessError
from tests.support.signing_keys import KEY, signing_key, witness_key
from tests.support.witness_cases import asking, some_log

LOG = some_log()
FORK = some_log(seed="another")
NOW = 1_790_000_000
SEVEN = Response(HTTPStatus.CONFLICT, "7\n", SIZE_TYPE)


@pytest.fixture(name="witness")
def _witness(tmp_path: Path) -> Iterator[Witness]:
    witness = opened(tmp_path)
    yield witness
    witness.close()


def opened(folder: Path, *keys: VerifierKey) -> Witness:
    return Witness(witness_key(), keys or [KEY.verifier_key], folder, clock=lambda: NOW + 0.9)


def seen(witness: Witness, size: int) -> None:
    """Let the witness have cosigned a size, and nothing before."""
    assert witness.add_checkpoint(LOG.growth(0, size)).status == 200


def kept(witness: Witness) -> int:
    """The size that the witness has cosigned last; 0 if none."""
    answer = witness.checkpoint(LOG.origin_hash)
    return parse_checkpoint(parse_note(answer.text).text).size if answer.status == 200 else 0


def test_a_log_seen_for_the_first_time_is_cosigned(witness: Witness) -> None:
    answer = witness.add_checkpoint(LOG.growth(0, 7))

    assert (answer.status, answer.text.count("\n")) == (200, 1)
    cosigned = parse_note(LOG.signed(7) + answer.text)
    assert witness_key().verifier_key.verify(cosigned) == NOW


def test_a_cosignature_is_exactly_what_c2sp_says(witness: Witness) -> None:
    line = witness.add_checkpoint(LOG.growth(0, 7)).text

    dash, name, encoded = line.removesuffix("\n").split(" ")
    data = base64.b64decode(encoded)
    public = witness_key().private_key.public_key().public_bytes_raw()
    root = base64.b64encode(LOG.tree.root(7)).decode()
    said = f"cosignature/v1\ntime {NOW}\ntest.example/negotiations/talks\n7\n{root}\n"
    assert (dash, name) == ("\u2014", "witness.example")
    assert data[:4] == hashlib.sha256(b"witness.example\n\x04" + public).digest()[:4]
    assert int.from_bytes(data[4:12], "big") == NOW
    Ed25519PublicKey.from_public_bytes(public).verify(data[12:], said.encode())


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6))
@settings(max_examples=30)
def test_it_follows_a_log_that_only_grows(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    witness = opened(tmp_path_factory.mktemp("witness"))
    try:
        before = 0
        for size in sorted(sizes):
            assert witness.add_checkpoint(LOG.growth(before, size)).status == 200
            assert kept(witness) == size
            before = size
    finally:
        witness.close()


def test_the_same_size_and_root_are_cosigned_again(witness: Witness) -> None:
    seen(witness, 7)

    assert witness.add_checkpoint(LOG.growth(7, 7)).status == 200


def test_two_logs_are_two_views(witness: Witness) -> None:
    other = some_log(negotiation="other")
    seen(witness, 7)

    assert witness.add_checkpoint(other.growth(0, 3)).status == 200
    assert witness.add_checkpoint(LOG.growth(7, 9)).status == 200


def test_who_does_not_know_what_it_has_seen_is_told_the_size(witness: Witness) -> None:
    seen(witness, 7)

    for old in (0, 6, 8):
        assert witness.add_checkpoint(LOG.growth(old, 9)) == SEVEN
    assert kept(witness) == 7


def test_a_log_with_another_history_is_not_cosigned(witness: Witness) -> None:
    seen(witness, 7)

    for forged in (
        FORK.growth(7, 9),
        FORK.growth(7, 7),
        asking(7, LOG.tree.prove_consistency(7, 9), FORK.signed(9)),
        asking(7, LOG.tree.prove_consistency(6, 9), LOG.signed(9)),
        asking(7, LOG.tree.prove_consistency(7, 9)[:-1], LOG.signed(9)),
        asking(7, [], LOG.signed(9)),
    ):
        answer = witness.add_checkpoint(forged)

        assert answer.status == 422, forged
        assert "\u2014" not in answer.text
    assert kept(witness) == 7


def test_a_log_that_shrank_is_not_cosigned(witness: Witness) -> None:
    seen(witness, 7)

    assert witness.add_checkpoint(LOG.growth(7, 5)).status == 400
    assert witness.add_checkpoint(LOG.growth(5, 5)).status == 409
    assert kept(witness) == 7


def test_two_roots_of_one_size_are_kept_as_proof_of_the_fork(
    witness: Witness, tmp_path: Path
) -> None:
    seen(witness, 7)
    witness.add_checkpoint(FORK.growth(0, 7))
    witness.add_checkpoint(some_log(seed="a third").growth(7, 7))

    (proof,) = (tmp_path / "forks").iterdir()
    cosigned, _, forked = proof.read_text().partition("\n\ntest.example")
    assert proof.name == LOG.origin_hash
    one = verify_checkpoint(cosigned + "\n", LOG.origin, [KEY.verifier_key])
    other = verify_checkpoint("test.example" + forked, LOG.origin, [KEY.verifier_key])
    assert (one.size, one.root) == (7, LOG.tree.root(7))
    assert (other.size, other.root) == (7, FORK.tree.root(7))


def test_nothing_needs_to_be_proved_of_an_empty_log(witness: Witness) -> None:
    wrong = LOG.signed(0, root=bytes(32))
    assert witness.add_checkpoint(asking(0, [], wrong)).status == 422
    assert witness.add_checkpoint(asking(0, [bytes(32)], LOG.signed(3))).status == 422

    assert witness.add_checkpoint(asking(0, [], LOG.signed(0, root=EMPTY_ROOT))).status == 200
    assert witness.add_checkpoint(asking(0, [bytes(32)], LOG.signed(3))).status == 422
    assert witness.add_checkpoint(LOG.growth(0, 3)).status == 200
    assert witness.add_checkpoint(asking(0, [], LOG.signed(0, root=EMPTY_ROOT))).status == 409


@pytest.mark.parametrize(
    "origin",
    ["test.example", "other.example/negotiations/talks", "test.example/negotiations/", "x"],
)
def test_a_log_that_it_does_not_follow_is_unknown(witness: Witness, origin: str) -> None:
    text = LOG.signed(3).partition("\n\n")[0].replace(LOG.origin, origin) + "\n"
    signed = f"{text}\n{KEY.sign(text).line()}"

    assert witness.add_checkpoint(asking(0, [], signed)).status == 404


def test_a_checkpoint_that_its_log_has_not_signed_is_refused(witness: Witness) -> None:
    stranger = some_log(20, "entry", "talks", signing_key(9))
    by_nobody_known = stranger.signed(3)
    spoiled = LOG.signed(3).replace("\n3\n", "\n4\n")
    both = LOG.signed(3) + "".join(LOG.signed(4).splitlines(keepends=True)[-1:])

    for signed in (by_nobody_known, spoiled, both):
        assert witness.add_checkpoint(asking(0, [], signed)).status == 403
    assert kept(witness) == 0


def test_signatures_by_others_are_not_looked_at_and_not_kept(witness: Witness) -> None:
    signed = LOG.signed(3) + signing_key(9).sign("anything\n").line() * 3
    signed += LOG.signed(3).splitlines(keepends=True)[-1]

    assert witness.add_checkpoint(asking(0, [], signed)).status == 200
    answer = witness.checkpoint(LOG.origin_hash)
    names = [one.name for one in parse_note(answer.text).signatures]
    assert names == ["test.example", "witness.example"]


def test_a_service_that_changes_its_key_is_followed_by_both(tmp_path: Path) -> None:
    older, newer = signing_key(0), signing_key(1)
    witness = opened(tmp_path, older.verifier_key, newer.verifier_key)
    for old, size, keys in ((0, 3, (older,)), (3, 5, (older, newer)), (5, 8, (newer,))):
        log = some_log(20, "entry", "talks", *keys)

        assert witness.add_checkpoint(log.growth(old, size)).status == 200
        signatures = parse_note(witness.checkpoint(log.origin_hash).text).signatures
        assert len(signatures) == len(keys) + 1
    witness.close()


def test_lines_that_a_log_adds_to_its_checkpoint_are_cosigned_with_it(witness: Witness) -> None:
    signed = LOG.signed(3, "note: a line more")

    line = witness.add_checkpoint(asking(0, [], signed)).text

    assert witness_key().verifier_key.verify(parse_note(signed + line)) == NOW


GOOD = LOG.growth(7, 9)
MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "no size": GOOD.partition(b"\n")[2],
    "a sign": GOOD.replace(b"old 7", b"old +7"),
    "a leading zero": GOOD.replace(b"old 7", b"old 07"),
    "two blanks": GOOD.replace(b"old 7", b"old  7"),
    "a huge size": GOOD.replace(b"old 7", b"old " + b"9" * 20),
    "other digits": GOOD.replace(b"old 7", "old \u0667".encode()),
    "CRLF": GOOD.replace(b"\n", b"\r\n"),
    "a short hash": GOOD.replace(b"\n\n", b"\nAAAA\n\n", 1),
    "no base64": GOOD.replace(b"\n\n", b"\n!\n\n", 1),
    "loose base64": GOOD.replace(b"\n\n", b"\n" + b"A" * 42 + b"B=\n\n", 1),
    "64 hashes": asking(7, [bytes(32)] * 64, LOG.signed(9)),
    "no checkpoint": GOOD.partition(b"\n\n")[0] + b"\n\n",
    "no signature": GOOD.rpartition(b"\n\n")[0] + b"\n",
    "cut off": GOOD[:-1],
    "not UTF-8": GOOD + b"\xff",
    "a checkpoint without a root": asking(7, [], f"{LOG.origin}\n9\n\n\u2014 a AAAAAAAA\n"),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_what_is_malformed_is_refused_as_such(witness: Witness, body: bytes) -> None:
    seen(witness, 7)

    assert witness.add_checkpoint(body).status == 400
    assert kept(witness) == 7


def test_no_flipped_bit_makes_it_cosign_anything(witness: Witness) -> None:
    seen(witness, 7)

    for place in range(len(GOOD)):
        for bit in range(8):
            body = bytearray(GOOD)
            body[place] ^= 1 << bit

            assert witness.add_checkpoint(bytes(body)).status in {400, 403, 404, 409, 422}
    assert kept(witness) == 7
    assert witness.add_checkpoint(GOOD).status == 200


def test_its_view_outlives_it(tmp_path: Path) -> None:
    first = opened(tmp_path)
    seen(first, 7)
    first.close()

    second = opened(tmp_path)
    assert second.add_checkpoint(FORK.growth(0, 8)) == SEVEN
    assert second.add_checkpoint(LOG.growth(7, 8)).status == 200
    second.close()


def test_what_it_cosigned_is_on_disk_before_anybody_has_it(tmp_path: Path) -> None:
    witness = opened(tmp_path)
    line = witness.add_checkpoint(LOG.growth(0, 7)).text

    assert (tmp_path / "views" / LOG.origin_hash).read_text() == LOG.signed(7) + line
    witness.close()


def test_a_view_that_cannot_be_kept_is_not_cosigned(tmp_path: Path) -> None:
    witness = opened(tmp_path)
    seen(witness, 7)
    (tmp_path / "views" / f"{LOG.origin_hash}.new").mkdir()

    answer = witness.add_checkpoint(LOG.growth(7, 9))

    assert answer.status == 500
    assert "\u2014" not in answer.text
    assert kept(witness) == 7
    witness.close()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: b"",
        lambda text: text[:-10],
        lambda text: text.replace(b"\n7\n", b"\n6\n"),
        lambda text: b"\xff" + text,
        lambda text: text.rpartition(b"\xe2\x80\x94 witness")[0],
    ],
    ids=["empty", "cut", "another size", "not text", "not cosigned"],
)
def test_a_damaged_view_is_not_taken_for_none(
    tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    witness = opened(tmp_path)
    seen(witness, 7)
    view = tmp_path / "views" / LOG.origin_hash
    view.write_bytes(spoil(view.read_bytes()))

    for body in (LOG.growth(0, 9), LOG.growth(7, 9), FORK.growth(0, 3)):
        assert witness.add_checkpoint(body).status == 500
    witness.close()


def test_of_many_at_once_none_shrinks_its_view(tmp_path: Path) -> None:
    witness = opened(tmp_path)
    seen(witness, 7)
    statuses: list[int] = []

    def ask(size: int) -> None:
        statuses.append(witness.add_checkpoint(LOG.growth(7, size)).status)

    threads = [threading.Thread(target=ask, args=(size,)) for size in range(8, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [200, *[409] * 11]
    assert kept(witness) > 7
    witness.close()


def why_not(folder: Path, **changed: object) -> str:
    given: dict[str, object] = {"key": witness_key(), "logs": [KEY.verifier_key], **changed}
    with pytest.raises(WitnessError) as error:
        Witness(data=folder, **given)  # type: ignore[arg-type]
    return str(error.value)


def test_what_keeps_it_from_starting_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    assert "is the key of a service" in why_not(folder, key=KEY)
    assert "is the key of a witness" in why_not(folder, logs=[witness_key().verifier_key])
    assert "requires at least one verifier key" in why_not(folder, logs=[])
    assert not folder.exists()

    witness = opened(folder)
    assert "in use" in why_not(folder)
    witness.close()
    assert "belongs to the witness 'witness.example+" in why_not(folder, key=witness_key(101))
    (tmp_path / "other").write_text("mine")
    assert "not the folder of a witness" in why_not(tmp_path)
    assert "cannot be written" in why_not(tmp_path / "other")


def test_a_start_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "verifier-key.new").write_text("wit")

    witness = opened(tmp_path)

    seen(witness, 7)
    witness.close()
