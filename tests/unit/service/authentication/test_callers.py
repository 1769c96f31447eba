"""Who the caller is, by what gRPC knows of a call."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from pourparler_service.authentication.bearer_tokens import TokenVerifier
from pourparler_service.authentication.callers import CallerResolver, Context
from pourparler_service.authentication.jwks import Issuer, IssuerKeys
from pourparler_service.config.addresses import AddressError, listening
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.domain.refusal import RefusalError, reason_name
from tests.support.certificates import Authority
from tests.support.token_issuer import AUDIENCE, ISSUER, Key, key_set

PLAIN = {"transport_security_type": [b"insecure"]}
SECURE = {"transport_security_type": [b"ssl"]}


class Made(NamedTuple):
    connection: Mapping[str, list[bytes]]
    metadata: tuple[tuple[str, str | bytes], ...] | None = ()

    def auth_context(self) -> Mapping[str, list[bytes]]:
        return self.connection

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...] | None:
        return self.metadata


def bearing(value: str | bytes, connection: Mapping[str, list[bytes]] = SECURE) -> Context:
    return Made(connection, (("user-agent", "x"), ("authorization", value)))


@pytest.fixture
def key() -> Key:
    return Key()


@pytest.fixture
def callers(tmp_path: Path, key: Key) -> CallerResolver:
    path = tmp_path / "keys.json"
    path.write_text(key_set(key))
    return CallerResolver(
        TokenVerifier([IssuerKeys(Issuer(ISSUER, AUDIENCE, str(path)))]), anonymous=False
    )


def refused(callers: CallerResolver, context: Context) -> str:
    with pytest.raises(RefusalError) as refusal:
        callers.caller(context)
    return reason_name(refusal.value.reason)


def test_on_this_machine_callers_may_be_anonymous() -> None:
    for connection in ({}, PLAIN, SECURE):
        for metadata in ((), None):
            assert (
                CallerResolver(None, anonymous=True).caller(Made(connection, metadata)) == ANONYMOUS
            )


def test_elsewhere_nobody_is(callers: CallerResolver) -> None:
    assert refused(callers, Made(SECURE)) == "CREDENTIALS_REQUIRED"


@pytest.mark.parametrize("word", ["Bearer ", "bearer ", "BEARER   "])
def test_a_token_names_its_bearer(callers: CallerResolver, key: Key, word: str) -> None:
    assert callers.caller(bearing(word + key.token())) == f"{ISSUER}#ann"


@pytest.mark.parametrize("connection", [{}, PLAIN], ids=["unknown", "plain"])
def test_what_came_in_plain_is_not_taken(
    callers: CallerResolver, key: Key, connection: Mapping[str, list[bytes]]
) -> None:
    token = f"Bearer {key.token()}"

    for some in (callers, CallerResolver(None, anonymous=True)):
        assert refused(some, bearing(token, connection)) == "TOKEN_EXPOSED"


def test_a_token_is_not_passed_over_in_silence(key: Key) -> None:
    callers = CallerResolver(None, anonymous=True)

    assert refused(callers, bearing(f"Bearer {key.token()}")) == "TOKEN_ISSUER_NOT_TRUSTED"


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "Bearer a,b", "a.b.c", b"bytes"]
)
def test_an_authorization_is_one_token(callers: CallerResolver, value: str | bytes) -> None:
    assert refused(callers, bearing(value)) == "TOKEN_MALFORMED"


def test_two_tokens_are_none(callers: CallerResolver, key: Key) -> None:
    token = ("authorization", f"Bearer {key.token()}")

    assert refused(callers, Made(SECURE, (token, token))) == "TOKEN_MALFORMED"


def test_a_certificate_names_its_owner_but_a_token_says_more(
    callers: CallerResolver, key: Key, tmp_path: Path
) -> None:
    pem = Authority(tmp_path).signs("proxy").certificate.read_bytes()
    connection = {**SECURE, "x509_pem_cert": [pem]}

    assert callers.caller(Made(connection)) == callers.caller(Made(connection)) == "x509:CN=proxy"
    assert callers.caller(bearing(f"Bearer {key.token()}", connection)) == f"{ISSUER}#ann"
    assert refused(callers, bearing("Bearer x", connection)) == "TOKEN_MALFORMED"


def test_where_callers_are_told_apart_any_address_will_do() -> None:
    assert listening("192.0.2.1:1", requires_authentication=True) == ("192.0.2.1", 1)
    with pytest.raises(AddressError):
        listening("192.0.2.1:1", requires_authentication=False)
