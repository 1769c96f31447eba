"""Tokens: whom they name, and which are refused, for which reason."""

import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from pourparler_service.authentication.bearer_tokens import LEEWAY_SECONDS, TokenVerifier
from pourparler_service.authentication.jwks import Issuer, IssuerKeys
from pourparler_service.domain.refusal import RefusalError, reason_name
from tests.support.token_issuer import AUDIENCE, ISSUER, Address, Key

GOOD = Key()
OTHER = Key("other")
KEYS = {algorithm: Key(algorithm, algorithm) for algorithm in ("ES256", "EdDSA", "RS256")}


def keyring(*keys: Key, name: str = ISSUER) -> IssuerKeys:
    """Keys that were just read, and will not be read anew for a while."""
    with Address(*keys).served() as address:
        return IssuerKeys(Issuer(name, AUDIENCE, address.url, refresh_seconds=100_000))


@pytest.fixture(scope="module")
def bearers() -> TokenVerifier:
    return TokenVerifier([keyring(GOOD, OTHER, *KEYS.values())])


def refused(bearers: TokenVerifier, token: str) -> str:
    with pytest.raises(RefusalError) as refusal:
        bearers.caller(BEARER + token)
    for secret in token.split("."):
        assert len(secret) < 9 or secret not in str(refusal.value)
    return reason_name(refusal.value.reason)


def part(of: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(of).encode()).rstrip(b"=").decode()


def by_hand(header: dict[str, Any], claims: object, signature: str = "c2ln") -> str:
    return f"{part(header)}.{part(claims)}.{signature}"


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_who_bears_a_token_is_named_by_its_issuer_and_its_subject(
    bearers: TokenVerifier, key: Key
) -> None:
    token = key.token()

    assert bearers.caller(BEARER + token) == bearers.caller(BEARER + token) == f"{ISSUER}#ann"


def test_a_token_for_others_too_is_taken(bearers: TokenVerifier) -> None:
    assert bearers.caller(BEARER + GOOD.token(aud=["elsewhere", AUDIENCE])) == f"{ISSUER}#ann"


@pytest.mark.parametrize("kind", ["JWT", "at+jwt", "application/at+jwt"])
def test_an_access_token_is_taken(bearers: TokenVerifier, kind: str) -> None:
    assert bearers.caller(BEARER + GOOD.token({"typ": kind})) == f"{ISSUER}#ann"


def test_clocks_may_differ_a_little(bearers: TokenVerifier) -> None:
    now = int(time.time())
    late, early = now - LEEWAY_SECONDS // 2, now + LEEWAY_SECONDS // 2

    assert bearers.caller(BEARER + GOOD.token(exp=late)) == f"{ISSUER}#ann"
    assert bearers.caller(BEARER + GOOD.token(nbf=early, iat=early)) == f"{ISSUER}#ann"


FAR = 10_000
BEARER = "Bearer "
FORM = PublicFormat.SubjectPublicKeyInfo

REFUSED = {
    "expired": ({"exp": lambda now: now - FAR}, "TOKEN_EXPIRED"),
    "not yet": ({"nbf": lambda now: now + FAR}, "TOKEN_NOT_YET_VALID"),
    "issued later": ({"iat": lambda now: now + FAR}, "TOKEN_NOT_YET_VALID"),
    "for another": ({"aud": "elsewhere"}, "TOKEN_AUDIENCE_MISMATCH"),
    "for many others": ({"aud": ["elsewhere", AUDIENCE + "/"]}, "TOKEN_AUDIENCE_MISMATCH"),
    "of another": ({"iss": ISSUER + "/"}, "TOKEN_ISSUER_NOT_TRUSTED"),
    "of nobody": ({"iss": None}, "TOKEN_ISSUER_NOT_TRUSTED"),
    "no subject": ({"sub": None}, "TOKEN_MALFORMED"),
    "empty subject": ({"sub": ""}, "TOKEN_MALFORMED"),
    "two lines": ({"sub": "ann\nbob"}, "TOKEN_MALFORMED"),
    "turned round": ({"sub": "ann\u202ebob"}, "TOKEN_MALFORMED"),
    "long": ({"sub": "a" * 256}, "TOKEN_MALFORMED"),
    "for nobody": ({"aud": None}, "TOKEN_MALFORMED"),
    "for ever": ({"exp": None}, "TOKEN_MALFORMED"),
    "until a word": ({"exp": "noon"}, "TOKEN_MALFORMED"),
    "until infinity": ({"exp": float("inf")}, "TOKEN_MALFORMED"),
    "bound to a key": ({"cnf": {"jkt": "x"}}, "TOKEN_MALFORMED"),
}


@pytest.mark.parametrize(("claims", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_a_token_claims_has_to_hold(
    bearers: TokenVerifier, claims: dict[str, Any], reason: str
) -> None:
    now = int(time.time())
    said = {key: value(now) if callable(value) else value for key, value in claims.items()}

    assert refused(bearers, GOOD.token(**said)) == reason


def test_a_token_that_expires_is_refused_though_it_was_good(bearers: TokenVerifier) -> None:
    token = GOOD.token(exp=time.time() + 2 - LEEWAY_SECONDS)
    bearers.caller(BEARER + token)
    time.sleep(2)

    assert refused(bearers, token) == "TOKEN_EXPIRED"


def test_a_token_is_signed(bearers: TokenVerifier) -> None:
    claims = jwt.decode(GOOD.token(), options={"verify_signature": False})

    for algorithm in ("none", "None", "nOnE"):
        for signature in ("", "c2ln"):
            unsigned = by_hand({"alg": algorithm, "kid": "one"}, claims, signature)

            assert refused(bearers, unsigned) == "TOKEN_UNSIGNED"


def test_a_public_key_is_no_shared_secret(bearers: TokenVerifier) -> None:
    claims = jwt.decode(GOOD.token(), options={"verify_signature": False})
    public = GOOD.private.public_key().public_bytes(Encoding.PEM, FORM)
    signed = f"{part({'alg': 'HS256', 'kid': 'one'})}.{part(claims)}"
    signature = base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), "sha256"))
    token = f"{signed}.{signature.rstrip(b'=').decode()}"

    assert refused(bearers, token) == "TOKEN_ALGORITHM_NOT_ALLOWED"


@pytest.mark.parametrize("algorithm", ["HS512", "PS256", "RS512", "ES256K", "", "X" * 200])
def test_only_three_algorithms_are_taken(bearers: TokenVerifier, algorithm: str) -> None:
    token = by_hand({"alg": algorithm, "kid": "one"}, {"iss": ISSUER})

    assert refused(bearers, token) == "TOKEN_ALGORITHM_NOT_ALLOWED"


def test_a_key_is_for_one_algorithm(bearers: TokenVerifier) -> None:
    token = by_hand({"alg": "RS256", "kid": "one"}, {"iss": ISSUER})

    assert refused(bearers, token) == "TOKEN_KEY_UNKNOWN"


def test_a_token_signed_with_another_key_is_refused(bearers: TokenVerifier) -> None:
    assert refused(bearers, Key("one").token()) == "TOKEN_SIGNATURE_INVALID"


def test_a_token_is_refused_that_was_changed(bearers: TokenVerifier) -> None:
    header, _, signature = GOOD.token().split(".")
    claims = jwt.decode(GOOD.token(), options={"verify_signature": False})

    changed = f"{header}.{part({**claims, 'sub': 'bob'})}.{signature}"

    assert refused(bearers, changed) == "TOKEN_SIGNATURE_INVALID"


def test_a_key_that_the_issuer_does_not_have_is_refused(bearers: TokenVerifier) -> None:
    assert refused(bearers, Key("unheard of").token()) == "TOKEN_KEY_UNKNOWN"


def test_a_token_without_a_key_id_needs_an_issuer_with_one_key(
    bearers: TokenVerifier,
) -> None:
    alone = Key(None)

    assert TokenVerifier([keyring(alone)]).caller(BEARER + alone.token()) == f"{ISSUER}#ann"
    assert refused(bearers, alone.token()) == "TOKEN_KEY_UNKNOWN"


def test_an_issuer_does_not_speak_for_another() -> None:
    here, there = Key(), Key()
    bearers = TokenVerifier([keyring(here), keyring(there, name="https://other.example")])

    assert (
        bearers.caller(BEARER + there.token(iss="https://other.example"))
        == "https://other.example#ann"
    )
    assert refused(bearers, there.token()) == "TOKEN_SIGNATURE_INVALID"


MALFORMED = {
    "nothing": "",
    "a word": "token",
    "two parts": "a.b",
    "five parts": "a.b.c.d.e",
    "no JSON": "YQ.YQ.YQ",
    "a list": f"{part([])}.{part([])}.YQ",
    "no claims": f"{part({'alg': 'ES256', 'kid': 'one'})}.{part([])}.YQ",
    "no algorithm": by_hand({"kid": "one"}, {"iss": ISSUER}),
    "an algorithm that is a number": by_hand({"alg": 256}, {"iss": ISSUER}),
    "an extension": by_hand({"alg": "ES256", "crit": ["exp"], "kid": "one"}, {"iss": ISSUER}),
    "another type": by_hand({"alg": "ES256", "typ": "dpop+jwt", "kid": "one"}, {"iss": ISSUER}),
    "a key id that is a number": by_hand({"alg": "ES256", "kid": 1}, {"iss": ISSUER}),
    "deep": f"{base64.urlsafe_b64encode(b'[' * 3_000).decode()}.YQ.YQ",
    "long": "a" * 8_193,
}


@pytest.mark.parametrize("token", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_token_is_refused(bearers: TokenVerifier, token: str) -> None:
    assert refused(bearers, token) == "TOKEN_MALFORMED"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
names = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c"])


@given(
    st.dictionaries(names, json_values | st.sampled_from(["ES256", "one", "JWT", "none"])),
    st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "cnf"]), json_values),
    st.text("abcXYZ-_=.", max_size=90),
)
def test_whatever_is_made_up_is_refused(
    bearers: TokenVerifier, header: dict[str, Any], claims: dict[str, Any], signature: str
) -> None:
    with pytest.raises(RefusalError):
        bearers.caller(BEARER + by_hand(header, {"iss": ISSUER, **claims}, signature))


@given(st.dictionaries(st.sampled_from(["sub", "aud", "exp", "nbf", "iat", "cnf"]), json_values))
def test_whatever_is_signed_is_taken_or_refused(
    bearers: TokenVerifier, claims: dict[str, Any]
) -> None:
    said = {"iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + FAR, **claims}
    token = jwt.PyJWS().encode(
        json.dumps(said).encode(), GOOD.private, "ES256", headers={"kid": "one"}
    )
    try:
        caller = bearers.caller(BEARER + token)
    except RefusalError as refusal:
        caller = reason_name(refusal.reason)

    assert caller.startswith("TOKEN_") or caller == f"{ISSUER}#{said['sub']}"
