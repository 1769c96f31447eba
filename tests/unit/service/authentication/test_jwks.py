"""The keys of issuers: which are taken, and how they are read anew."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pourparler_service.authentication.jwks import (
    Issuer,
    IssuerKeys,
    IssuerSettingsError,
    KeysUnusableError,
    check_issuer,
    parse_jwks,
)
from tests.support.certificates import Authority
from tests.support.token_issuer import AUDIENCE, ISSUER, Address, Key, key_set

ONE, TWO = Key("one"), Key("two")
SOON = 0.3
"""How often keys are read anew, in seconds."""


def issuer(keys: str, seconds: float = SOON) -> Issuer:
    return Issuer(ISSUER, AUDIENCE, keys, seconds)


@contextmanager
def fresh(keys: str, seconds: float = SOON) -> Iterator[IssuerKeys]:
    keyring = IssuerKeys(issuer(keys, seconds))
    keyring.start()
    try:
        yield keyring
    finally:
        keyring.close()


def waited_for(what: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if what():
            return
        time.sleep(0.01)
    pytest.fail("it did not come")


def ids(keyring: IssuerKeys) -> set[str | None]:
    return {kid for kid, _ in keyring.keys}


def test_keys_are_told_by_their_id_and_their_algorithm() -> None:
    keys = [Key("a", "ES256"), Key("b", "EdDSA"), Key(None, "RS256")]

    assert set(parse_jwks(key_set(*keys).encode())) == {
        ("a", "ES256"),
        ("b", "EdDSA"),
        (None, "RS256"),
    }


OTHERS: dict[str, dict[str, Any]] = {
    "a shared secret": {"kty": "oct", "k": "c2VjcmV0", "kid": "x", "alg": "HS256"},
    "for secrets": {**ONE.public, "use": "enc"},
    "for another algorithm": {**ONE.public, "alg": "ES384"},
    "of another curve": {**ONE.public, "crv": "P-384"},
    "off the curve": {**ONE.public, "y": ONE.public["x"]},
    "of no curve": {key: value for key, value in ONE.public.items() if key != "crv"},
    "private": {**ONE.public, "d": "AAAA"},
    "short": {"kty": "RSA", "n": "u1W5", "e": "AQAB", "kid": "x"},
    "without a number": {"kty": "RSA", "e": "AQAB", "kid": "x"},
    "numbered": {**ONE.public, "kid": 7},
    "listed": {**ONE.public, "use": ["sig"]},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_key_that_signs_no_tokens_of_ours_is_left_out(other: dict[str, Any]) -> None:
    data = json.dumps({"keys": [other, "no key", None, TWO.public]}).encode()

    assert set(parse_jwks(data)) == {("two", "ES256")}


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"keys": {}}', b"\xff", b"[" * 100_000, b" " * (1 << 18) + b" "],
    ids=["empty", "list", "object", "no list", "no text", "deep", "long"],
)
def test_what_is_no_set_of_keys_is_not_read(data: bytes) -> None:
    with pytest.raises(KeysUnusableError):
        parse_jwks(data)


WRONG = {
    "no name": ("", AUDIENCE, "k"),
    "a blank": ("a b", AUDIENCE, "k"),
    "a hash": ("https://a#b", AUDIENCE, "k"),
    "a line": ("a\nb", AUDIENCE, "k"),
    "as a certificate": ("x509:CN=a", AUDIENCE, "k"),
    "as a workload": ("spiffe://a/b", AUDIENCE, "k"),
    "no audience": (ISSUER, "", "k"),
    "no keys": (ISSUER, AUDIENCE, ""),
    "by http": (ISSUER, AUDIENCE, "http://login.example.org/keys"),
    "by ftp": (ISSUER, AUDIENCE, "ftp://login.example.org/keys"),
    "no port": (ISSUER, AUDIENCE, "https://login.example.org:port/keys"),
    "no host": (ISSUER, AUDIENCE, "https:///keys"),
    "with a password": (ISSUER, AUDIENCE, "https://a:b@login.example.org/keys"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_an_issuer_that_cannot_be_trusted_is_refused(wrong: tuple[str, str, str]) -> None:
    with pytest.raises(IssuerSettingsError):
        check_issuer(Issuer(*wrong))


def test_keys_may_be_read_by_http_on_this_machine() -> None:
    for host in ("localhost", "127.0.0.1", "[::1]"):
        given = issuer(f"http://{host}:1/keys")

        assert check_issuer(given) == given


def test_a_file_that_has_no_keys_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{}")

    for name in ("keys.json", "absent.json", "."):
        with pytest.raises(IssuerSettingsError):
            IssuerKeys(issuer(str(tmp_path / name)))


def test_a_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(key_set(ONE))
    with fresh(str(path)) as keyring:
        assert ids(keyring) == {"one"}

        path.write_text(key_set(TWO))

        waited_for(lambda: ids(keyring) == {"two"})


def test_an_address_is_asked_anew() -> None:
    with Address(ONE).served() as address, fresh(address.url) as keyring:
        assert ids(keyring) == {"one"}

        address.body = key_set(ONE, TWO).encode()

        waited_for(lambda: ids(keyring) == {"one", "two"})


values = st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.lists(st.text())
members = st.sampled_from(["kty", "crv", "kid", "use", "alg", "x", "y", "n", "e", "d", "oth"])
kinds = st.sampled_from(["EC", "OKP", "RSA", "P-256", "Ed25519", "AQAB", *ONE.public.values()])


@given(st.lists(st.dictionaries(members, kinds | values) | values))
def test_whatever_stands_among_the_keys_it_is_read_or_left_out(keys: list[Any]) -> None:
    data = json.dumps({"keys": [*keys, TWO.public]}).encode()

    assert ("two", "ES256") in parse_jwks(data)


def test_keys_that_are_withdrawn_are_gone() -> None:
    with Address(ONE).served() as address, fresh(address.url) as keyring:
        address.body = b'{"keys": []}'

        waited_for(lambda: not keyring.keys)


@pytest.mark.parametrize(
    ("status", "body"), [(503, b""), (302, b""), (200, b"no keys"), (200, b"x" * (1 << 20))]
)
def test_the_last_keys_are_used_while_the_address_is_away(status: int, body: bytes) -> None:
    with Address(ONE).served() as address, fresh(address.url) as keyring:
        before = address.asked
        address.status, address.body = status, body
        waited_for(lambda: address.asked > before + 2)

        assert ids(keyring) == {"one"}

        address.status, address.body = 200, key_set(TWO).encode()

        waited_for(lambda: ids(keyring) == {"two"})


def test_an_address_may_be_away_at_the_start() -> None:
    address = Address(ONE)
    address.status = 503
    with address.served(), fresh(address.url) as keyring:
        assert not keyring.keys
        assert keyring.request_refresh()

        address.status = 200

        waited_for(lambda: ids(keyring) == {"one"})


def test_an_unknown_key_has_the_address_asked_but_not_again_and_again() -> None:
    with Address(ONE).served() as address, fresh(address.url, seconds=60) as keyring:
        assert not keyring.request_refresh()
        time.sleep(2.1)  # a thirtieth of the time after which it would be asked anyway
        address.body = key_set(ONE, TWO).encode()

        assert keyring.request_refresh()

        waited_for(lambda: ids(keyring) == {"one", "two"})

        assert not any(keyring.request_refresh() for _ in range(100))
        assert address.asked == 2


def test_an_address_is_who_it_says_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    with Address(ONE).served(authority.signs("login")) as address:
        assert not IssuerKeys(issuer(address.url)).keys

        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))

        assert ids(IssuerKeys(issuer(address.url))) == {"one"}
