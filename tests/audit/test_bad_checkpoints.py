"""A checkpoint that is not as it must be is refused by everybody, and nobody falls over it."""

import base64
import io
from collections.abc import Callable

import pytest

from pourparler import v1 as pb
from pourparler.transparency.auditor import Auditor
from pourparler.transparency.bundle import write
from pourparler.transparency.checkpoint import (
    Checkpoint,
    CheckpointError,
    Note,
    Signature,
    VerifierKey,
    log_origin,
    parse_checkpoint,
    parse_note,
    verify_checkpoint,
)
from pourparler.transparency.findings import Verdict
from tests.support.bundles import audited, checkpoint, root_of, sealed, talks
from tests.support.signing_keys import KEY, signing_key

RECORDS = sealed(talks())
SIZE = len(RECORDS)
ORIGIN = log_origin(KEY.name, "talks")
KEYS = [KEY.verifier_key]
SIGNED = checkpoint(RECORDS)
ROOT = base64.b64encode(root_of(RECORDS)).decode()


def signed(text: str) -> str:
    """A text that the service signs, whatever it is."""
    return Note(text, (KEY.sign(text),)).signed()


def line(name: str, key_id: bytes, data: bytes) -> str:
    return Signature(name, key_id, data).line()


TEXT, _, SIGNATURE = SIGNED.partition("\n\n")
GOOD = KEY.verifier_key.key_id
RIGHT = KEY.sign(f"{TEXT}\n").data
LONG_ROOT = base64.b64encode(bytes(33)).decode()

UNREADABLE = {
    "nothing": "",
    "a newline": "\n",
    "blank lines": "\n\n\n\n",
    "no signature": f"{TEXT}\n",
    "a blank line below the signature": f"{SIGNED}\n",
    "no blank line": SIGNED.replace("\n\n", "\n"),
    "CRLF": SIGNED.replace("\n", "\r\n"),
    "CRLF in the text alone": signed(f"{TEXT}\n".replace("\n", "\r\n")),
    "CR": SIGNED.replace("\n", "\r"),
    "no last newline": SIGNED.removesuffix("\n"),
    "no origin": signed(f"{SIZE}\n{ROOT}\n"),
    "an empty origin": signed(f"\n{SIZE}\n{ROOT}\n"),
    "no size": signed(f"{ORIGIN}\n{ROOT}\n"),
    "no root": signed(f"{ORIGIN}\n{SIZE}\n"),
    "an origin alone": signed(f"{ORIGIN}\n"),
    "a size that is not a number": signed(f"{ORIGIN}\nmany\n{ROOT}\n"),
    "a negative size": signed(f"{ORIGIN}\n-{SIZE}\n{ROOT}\n"),
    "a size with a sign": signed(f"{ORIGIN}\n+{SIZE}\n{ROOT}\n"),
    "a size with a zero before it": signed(f"{ORIGIN}\n0{SIZE}\n{ROOT}\n"),
    "a size with a blank": signed(f"{ORIGIN}\n {SIZE}\n{ROOT}\n"),
    "a size with an underscore": signed(f"{ORIGIN}\n1_0\n{ROOT}\n"),
    "a size in other digits": signed(f"{ORIGIN}\n\u0665\n{ROOT}\n"),
    "a size in hexadecimal": signed(f"{ORIGIN}\n0x5\n{ROOT}\n"),
    "a size with a point": signed(f"{ORIGIN}\n5.0\n{ROOT}\n"),
    "a size of twenty digits": signed(f"{ORIGIN}\n{10**19}\n{ROOT}\n"),
    "a size of ten thousand digits": signed(f"{ORIGIN}\n{'9' * 10_000}\n{ROOT}\n"),
    "a root that is not base64": signed(f"{ORIGIN}\n{SIZE}\n{'!' * 44}\n"),
    "a root without its padding": signed(f"{ORIGIN}\n{SIZE}\n{ROOT[:-1]}\n"),
    "a root that is too short": signed(f"{ORIGIN}\n{SIZE}\n{ROOT[:40]}\n"),
    "a root that is too long": signed(f"{ORIGIN}\n{SIZE}\n{LONG_ROOT}\n"),
    "a root in another alphabet": signed(f"{ORIGIN}\n{SIZE}\n{'-' * 43}=\n"),
    "a root with bits beyond its end": signed(f"{ORIGIN}\n{SIZE}\n{'A' * 42}B=\n"),
    "an empty extension line": signed(f"{TEXT}\n\n"),
    "an empty line between extension lines": signed(f"{TEXT}\nmore\n\nand more\n"),
    "a tab": signed(f"{TEXT}\nmore\tmore\n"),
    "a null character": signed(f"{TEXT}\nmore\0\n"),
    "an escape sequence": signed(f"{TEXT}\n\x1b[2J\n"),
    "a hyphen for the dash": SIGNED.replace("\u2014", "-"),
    "no name": f"{TEXT}\n\n\u2014 {base64.b64encode(GOOD + bytes(64)).decode()}\n",
    "two blanks": SIGNED.replace("\u2014 ", "\u2014  "),
    "a signature that is not base64": f"{TEXT}\n\n\u2014 {KEY.name} ???\n",
    "a signature with bits beyond its end": f"{TEXT}\n\n\u2014 {KEY.name} {'A' * 42}B=\n",
    "a signature of a key id alone": f"{TEXT}\n\n{line(KEY.name, GOOD, b'')}",
    "a thousand signatures": SIGNED + SIGNATURE * 1_000,
    "too long": signed(f"{TEXT}\n{'x' * 70_000}\n"),
}
NOT_SIGNED = {
    "another name": f"{TEXT}\n\n{line('other.example', GOOD, bytes(64))}",
    "another key id": f"{TEXT}\n\n{line(KEY.name, bytes(4), bytes(64))}",
    "another key": Note(f"{TEXT}\n", (signing_key(7).sign(f"{TEXT}\n"),)).signed(),
    "a witness alone": f"{TEXT}\n\n"
    + line(KEY.name, VerifierKey(KEY.name, 4, KEY.verifier_key.public_key).key_id, bytes(72)),
    "an algorithm that nobody knows": f"{TEXT}\n\n"
    + line(KEY.name, VerifierKey(KEY.name, 6, KEY.verifier_key.public_key).key_id, bytes(1312)),
}
INVALID = {
    "zeroes": f"{TEXT}\n\n{line(KEY.name, GOOD, bytes(64))}",
    "too short": f"{TEXT}\n\n{line(KEY.name, GOOD, bytes(63))}",
    "too long": f"{TEXT}\n\n{line(KEY.name, GOOD, RIGHT + bytes(1))}",
    "one byte": f"{TEXT}\n\n{line(KEY.name, GOOD, b'x')}",
    "of the text without its last newline": f"{TEXT}\n\n{KEY.sign(TEXT).line()}",
    "of a cosignature": f"{TEXT}\n\n{line(KEY.name, GOOD, bytes(72))}",
    "an extension line that was not signed": f"{TEXT}\nmore\n\n{SIGNATURE}",
    "another size": SIGNED.replace(f"\n{SIZE}\n", f"\n{SIZE + 1}\n"),
}
ANOTHER_ORIGIN = {
    "another negotiation": signed(f"{KEY.name}/negotiations/walks\n{SIZE}\n{ROOT}\n"),
    "another service": signed(f"other.example/negotiations/talks\n{SIZE}\n{ROOT}\n"),
    "a blank after it": signed(f"{ORIGIN} \n{SIZE}\n{ROOT}\n"),
    "a slash after it": signed(f"{ORIGIN}/\n{SIZE}\n{ROOT}\n"),
    "in capitals": signed(f"{ORIGIN.upper()}\n{SIZE}\n{ROOT}\n"),
    "another letter that looks the same": signed(f"{ORIGIN.replace('a', chr(0x430))}\n5\n{ROOT}\n"),
}
ALL = {
    "checkpoint unreadable": UNREADABLE,
    "not signed": NOT_SIGNED,
    "signature invalid": INVALID,
    "another origin": ANOTHER_ORIGIN,
}
CASES = [
    pytest.param(text, name, id=f"{name}: {case}")
    for name, cases in ALL.items()
    for case, text in cases.items()
]
each = pytest.mark.parametrize(("text", "name"), CASES)


def bundle(text: str) -> bytes:
    file = io.BytesIO()
    write(file, pb.BundleHeader(negotiation="talks", origin=ORIGIN, checkpoint=text), RECORDS)
    return file.getvalue()


def test_the_good_one_is_good() -> None:
    assert verify_checkpoint(SIGNED, ORIGIN, KEYS) == Checkpoint(ORIGIN, SIZE, root_of(RECORDS))
    assert audited(bundle(SIGNED)).verdict is Verdict.SOUND


@each
def test_a_bad_checkpoint_is_refused(text: str, name: str) -> None:
    with pytest.raises(CheckpointError):
        verify_checkpoint(text, ORIGIN, KEYS)


@each
def test_an_auditor_calls_a_bad_checkpoint_by_its_name(text: str, name: str) -> None:
    auditor = Auditor("talks", KEYS)
    auditor.add_all(lambda: RECORDS)

    audit = auditor.finish(text)

    assert [one.name for one in audit.findings] == [name]
    assert audit.verdict is not Verdict.SOUND
    assert audit.checkpoint is None


@each
def test_an_older_checkpoint_that_is_bad_is_no_proof_of_anything(text: str, name: str) -> None:
    auditor = Auditor("talks", KEYS, base_checkpoint=text)
    auditor.add_all(lambda: RECORDS)

    audit = auditor.finish(SIGNED)

    assert name
    assert [one.name for one in audit.findings] == ["older checkpoint unusable"]
    assert audit.verdict is Verdict.CANNOT_TELL


@each
def test_both_verifiers_of_a_bundle_refuse_a_bad_checkpoint(text: str, name: str) -> None:
    audit = audited(bundle(text))

    assert name in [one.name for one in audit.findings]
    assert audit.verdict is not Verdict.SOUND


@pytest.mark.parametrize(
    "size", [0, 1, SIZE - 1, SIZE + 1, 10**6, 2**31, 2**63 - 1, 2**63, 10**19 - 1]
)
def test_a_size_that_is_signed_for_but_not_there_is_never_sound(size: int) -> None:
    text = signed(Checkpoint(ORIGIN, size, root_of(RECORDS)).text())

    audit = audited(bundle(text))

    name = "cut" if size > SIZE else "entry beyond"
    assert name in [one.name for one in audit.findings]
    assert audit.verdict is (Verdict.INCOMPLETE if size > SIZE else Verdict.MANIPULATED)


@pytest.mark.parametrize("size", [0, 1, SIZE - 1, SIZE + 1, 2**63, 10**19 - 1])
def test_an_older_checkpoint_of_any_size_over_another_root_is_never_sound(size: int) -> None:
    older = signed(Checkpoint(ORIGIN, size, bytes(32)).text())
    auditor = Auditor("talks", KEYS, base_checkpoint=older)
    auditor.add_all(lambda: RECORDS)

    audit = auditor.finish(SIGNED)

    assert [one.name for one in audit.findings] == ["stale" if size > SIZE else "forked"]


def test_extension_lines_that_are_signed_for_are_kept_and_change_nothing() -> None:
    """They are opaque (C2SP tlog-checkpoint): what they say is between the log and others."""
    text = signed(f"{TEXT}\nsomething new 1\n\u2014 looks like a signature\n")

    assert verify_checkpoint(text, ORIGIN, KEYS).extensions == (
        "something new 1",
        "\u2014 looks like a signature",
    )
    assert audited(bundle(text)).verdict is Verdict.SOUND


def test_signatures_that_nobody_knows_are_ignored_beside_a_good_one() -> None:
    """As C2SP signed-note has it: so that keys and witnesses can come and go."""
    unknown = [text.rpartition("\n\n")[2] for text in NOT_SIGNED.values()]

    text = f"{TEXT}\n\n{''.join(unknown)}{SIGNATURE}"

    assert verify_checkpoint(text, ORIGIN, KEYS).size == SIZE
    assert audited(bundle(text)).verdict is Verdict.SOUND


KEY_TEXT = str(KEY.verifier_key)
BAD_KEYS: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "a name alone": lambda: KEY.name,
    "no id": lambda: KEY_TEXT.replace(GOOD.hex(), ""),
    "another id": lambda: KEY_TEXT.replace(GOOD.hex(), "00000000"),
    "an id in capitals": lambda: KEY_TEXT.replace(GOOD.hex(), GOOD.hex().upper()),
    "another name": lambda: KEY_TEXT.replace("test", "best"),
    "an algorithm that is not known": lambda: str(
        VerifierKey(KEY.name, 2, KEY.verifier_key.public_key)
    ),
    "a key that is too short": lambda: str(VerifierKey(KEY.name, 1, bytes(31))),
    "a key that is too long": lambda: str(VerifierKey(KEY.name, 1, bytes(33))),
    "no key": lambda: str(VerifierKey(KEY.name, 1, b"")),
    "a newline": lambda: f"{KEY_TEXT}\n",
    "a blank": lambda: f" {KEY_TEXT}",
    "not base64": lambda: f"{KEY.name}+{GOOD.hex()}+???",
    "a name of other bytes than text": lambda: f"\udcff{KEY_TEXT}",
}


@pytest.mark.parametrize("text", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_bad_verifier_key_is_refused(text: Callable[[], str]) -> None:
    with pytest.raises(CheckpointError):
        VerifierKey.parse(text())


@pytest.mark.parametrize("text", [*UNREADABLE.values()], ids=UNREADABLE)
def test_reading_fails_in_one_way_only(text: str) -> None:
    with pytest.raises(CheckpointError):
        parse_checkpoint(parse_note(text).text)


@pytest.mark.parametrize("place", range(len(SIGNED.encode())))
def test_no_flipped_bit_of_a_checkpoint_is_sound(place: int) -> None:
    data = bytearray(SIGNED.encode())
    for bit in range(8):
        data[place] ^= 1 << bit
        text = data.decode(errors="replace")
        data[place] ^= 1 << bit

        auditor = Auditor("talks", KEYS)
        auditor.add_all(lambda: RECORDS)
        assert auditor.finish(text).verdict is not Verdict.SOUND
