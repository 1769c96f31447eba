"""Signing keys: their files, and who signs what when one key joins another."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from pourparler.cli.commands import run
from pourparler.transparency.checkpoint import (
    COSIGNATURE,
    CheckpointError,
    Note,
    VerifierKey,
    parse_note,
    verify_checkpoint,
)
from pourparler_service.transparency.signing_keys import (
    KeyFileError,
    Signer,
    SigningKey,
    make_key,
    read_key,
    write_key,
)
from tests.support.signing_keys import SINCE, signing_key

ROOT_HASH = bytes(range(32))
ORIGIN = "test.example/negotiations/talks"


def checkpoint(signer: Signer, recorded: datetime) -> str:
    at = Timestamp()
    at.FromDatetime(recorded)
    return signer.checkpoint("talks", 7, ROOT_HASH, at)


def verifies(signed: str, key: SigningKey) -> bool:
    try:
        verify_checkpoint(signed, ORIGIN, [key.verifier_key])
    except CheckpointError:
        return False
    return True


def why_not(path: Path) -> str:
    with pytest.raises(KeyFileError) as error:
        read_key(path)
    return str(error.value)


def test_a_key_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    key = make_key("example.org/record")

    write_key(key, tmp_path / "a.key")

    back = read_key(tmp_path / "a.key")
    assert (back.name, back.since) == (key.name, key.since)
    assert back.verifier_key == key.verifier_key
    assert back.sign("x\n") == key.sign("x\n")
    assert [one.name for one in tmp_path.iterdir()] == ["a.key"]


def test_a_key_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_key(make_key("n"), tmp_path / "a.key")
    finally:
        os.umask(before)

    assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o600


def test_what_a_crash_left_beside_a_key_file_is_not_written_into(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("not a key")
    (tmp_path / "a.key.new").symlink_to(elsewhere)
    (tmp_path / "b.key.new").write_text("half a k")
    (tmp_path / "b.key.new").chmod(0o644)

    write_key(make_key("n"), tmp_path / "a.key")
    write_key(make_key("n"), tmp_path / "b.key")

    assert elsewhere.read_text() == "not a key"
    assert {read_key(tmp_path / one).name for one in ("a.key", "b.key")} == {"n"}
    assert {one.name for one in tmp_path.iterdir()} == {"a.key", "b.key", "elsewhere"}


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    write_key(make_key("n"), path)
    before = path.read_bytes()

    with pytest.raises(KeyFileError, match="never overwritten"):
        write_key(make_key("n"), path)

    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o666, 0o601])
def test_a_key_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    write_key(make_key("n"), tmp_path / "a.key")
    (tmp_path / "a.key").chmod(mode)

    assert "Other users can read" in why_not(tmp_path / "a.key")
    assert "chmod 600" in why_not(tmp_path / "a.key")


def test_a_key_file_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    assert "cannot be read" in why_not(tmp_path / "no.key")
    assert "cannot be read" in why_not(tmp_path)


SPOILED: dict[str, Callable[[str], str]] = {
    "empty": lambda text: "",
    "cut": lambda text: text[:-1],
    "with more": lambda text: text + "\n",
    "without its first letter": lambda text: text[1:],
    "a public key": lambda text: text.replace("PRIVATE", "PUBLIC"),
    "under another name": lambda text: text.replace("+test.example+", "+best.example+"),
    "with another word": lambda text: text.replace("since ", "until "),
    "in no time zone": lambda text: text.replace("Z\n", "\n"),
    "beyond the calendar": lambda text: text.replace("since 2", "since 99992"),
    "of another algorithm": lambda text: text.replace("+AQAA", "+BAAA"),
    "with another private key": lambda text: text.replace("+AQAA", "+AQAB"),
    "with a short private key": lambda text: text.replace("AAAA", "", 1),
    "not in ASCII": lambda text: "\u2014" + text,
    "many times over": lambda text: text * 1_000,
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_a_file_that_is_not_exactly_a_key_is_refused(
    tmp_path: Path, spoil: Callable[[str], str]
) -> None:
    path = tmp_path / "a.key"
    write_key(signing_key(), path)
    text = path.read_text()
    assert spoil(text) != text

    path.write_text(spoil(text))

    assert str(path) in why_not(path)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "caf\u00e9", "a\u00a0b", "x" * 201])
def test_a_name_that_no_note_can_bear_is_refused(name: str) -> None:
    with pytest.raises(KeyFileError, match="is not valid"):
        make_key(name)


def test_a_service_has_one_name_and_one_key_at_least() -> None:
    with pytest.raises(KeyFileError, match="at least one signing key"):
        Signer([])
    with pytest.raises(KeyFileError, match=r"a\.example, b\.example"):
        Signer([signing_key(0, "b.example"), signing_key(1, "a.example")])


def test_a_checkpoint_is_signed_by_the_keys_in_use_when_its_last_entry_was_recorded() -> None:
    older, newer = signing_key(0), signing_key(1, since=SINCE + timedelta(days=30))
    signer = Signer([newer, older])

    before = checkpoint(signer, SINCE + timedelta(days=29))
    after = checkpoint(signer, SINCE + timedelta(days=30))

    assert (verifies(before, older), verifies(before, newer)) == (True, False)
    assert (verifies(after, older), verifies(after, newer)) == (True, True)


def test_a_key_is_in_use_from_the_very_moment_that_it_says() -> None:
    joined = SINCE + timedelta(days=30, microseconds=600_001)
    older, newer = signing_key(0), signing_key(1, since=joined)
    signer = Signer([older, newer])

    assert verifies(checkpoint(signer, joined), newer)
    assert not verifies(checkpoint(signer, joined - timedelta(microseconds=1)), newer)


def test_a_new_key_leaves_every_earlier_checkpoint_as_it_was() -> None:
    older, newer = signing_key(0), signing_key(1, since=SINCE + timedelta(days=30))
    recorded = SINCE + timedelta(days=10)

    assert checkpoint(Signer([older]), recorded) == checkpoint(Signer([older, newer]), recorded)


def test_the_first_key_signs_what_is_older_than_any_key() -> None:
    long_ago = SINCE - timedelta(days=1_000)

    assert verifies(checkpoint(Signer([signing_key()]), long_ago), signing_key())


def test_when_the_older_key_is_put_away_the_newer_one_signs_all() -> None:
    newer = signing_key(1, since=SINCE + timedelta(days=30))

    assert verifies(checkpoint(Signer([newer]), SINCE), newer)


def test_who_knows_only_one_of_two_keys_can_verify_what_both_signed() -> None:
    older, newer = signing_key(0), signing_key(1)
    both = checkpoint(Signer([older, newer]), SINCE)

    assert len(parse_note(both).signatures) == 2
    for known in (older, newer):
        assert verifies(both, known)
    assert not verifies(both, signing_key(2))


def test_a_key_of_another_name_or_with_a_forged_signature_does_not_verify() -> None:
    signed = checkpoint(Signer([signing_key(0)]), SINCE)

    assert not verifies(signed, signing_key(0, "other.example"))
    assert not verifies(signed.replace("\n7\n", "\n8\n"), signing_key(0))


def test_keygen_makes_a_key_and_prints_what_verifies_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began = datetime.now(UTC)

    assert run(["keygen", "example.org/record", "-o", str(tmp_path / "a.key")]) == 0

    said = capsys.readouterr().out
    key = read_key(tmp_path / "a.key")
    assert said == f"{key.verifier_key}\n"
    assert VerifierKey.parse(said.strip()).name == "example.org/record"
    assert began <= key.since <= datetime.now(UTC)


def test_a_key_says_whether_it_signs_or_cosigns_and_does_only_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "w.key"

    assert run(["keygen", "w.example", "-o", str(path), "--witness"]) == 0

    key = read_key(path)
    assert VerifierKey.parse(capsys.readouterr().out.strip()) == key.verifier_key
    assert key.verifier_key.algorithm == COSIGNATURE
    with pytest.raises(KeyFileError, match="the key of a witness"):
        Signer([key])
    cosigned = Note("x\n", (key.cosign("x\n", 1_700_000_000),))
    assert key.verifier_key.verify(parse_note(cosigned.signed())) == 1_700_000_000
    with pytest.raises(CheckpointError, match="not valid"):
        key.verifier_key.verify(cosigned._replace(text="y\n"))


def test_keygen_says_why_it_makes_no_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "there"
    there.write_text("mine")

    assert run(["keygen", "n", "-o", str(there)]) == 1
    assert "never overwritten" in capsys.readouterr().err
    assert run(["keygen", "a b", "-o", str(tmp_path / "b")]) == 1
    assert "is not valid" in capsys.readouterr().err
    assert run(["keygen", "n", "-o", str(tmp_path / "no" / "folder")]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert run(["keygen", "n"]) == 2
    assert there.read_text() == "mine"
    assert [one.name for one in tmp_path.iterdir()] == ["there"]


def test_keygen_without_the_service_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['pourparler_service'] = None\n"
        "from pourparler.cli.commands import run\n"
        "sys.exit(run(['keygen', 'n', '-o', 'nowhere']))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert "pourparler[service]" in done.stderr
