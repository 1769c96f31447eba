"""Who the caller is, over real connections: certificates, tokens, and those who have neither."""

import logging
import socket
import ssl
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from pourparler import v1 as pb
from pourparler_service.authentication.jwks import Issuer
from pourparler_service.config.settings import Settings, Tls
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.server import ServeError, running
from tests.support.certificates import Authority, Files
from tests.support.sample_entries import opened
from tests.support.service_client import Answered, Service, answered_by, refused
from tests.support.token_issuer import AUDIENCE, ISSUER, Address, Key, key_set

ANYWHERE = "0.0.0.0:0"

ONE, TWO = Key("one"), Key("two")


class Calls:
    """How a service is called: over TLS, with the certificate and the token that a caller has."""

    def __init__(self, address: str, authority: Authority) -> None:
        self.address = address.replace(ANYWHERE.partition(":")[0], "localhost")
        self._authority = authority

    def channel(self, certificate: Files | None = None) -> grpc.Channel:
        pair = [certificate.key, certificate.certificate] if certificate else []
        credentials = grpc.ssl_channel_credentials(
            self._authority.file.read_bytes(), *(path.read_bytes() for path in pair)
        )
        # Else a channel to the same address, for somebody else, would share its connections.
        alone = [("grpc.use_local_subchannel_pool", 1)]
        return grpc.secure_channel(self.address, credentials, options=alone)

    def recorded_by(
        self, *tokens: str, certificate: Files | None = None, word: str = "Bearer"
    ) -> str:
        """By whom something is recorded when this caller records it."""
        with self.channel(certificate) as channel:
            return recorded_by(Service(self.address, channel), *tokens, word=word)

    def refused(self, *tokens: str, **more: Any) -> Answered:
        """How a caller is refused, who is then told nothing of the token."""
        answered = refused(lambda: self.recorded_by(*tokens, **more))
        for token in tokens:
            for secret in token.split("."):
                assert len(secret) < 9 or secret not in str(answered)
        return answered


def recorded_by(service: Service, *tokens: str, word: str = "Bearer") -> str:
    request = pb.RecordEntriesRequest(
        negotiation=f"negotiations/n{time.time_ns()}", drafts=[opened()]
    )
    metadata = [("authorization", f"{word} {token}") for token in tokens]
    entry = service.records.RecordEntries(request, timeout=10, metadata=metadata).receipt.entries[0]
    return str(entry.facts.recorded_by)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> Files:
    return authority.signs("service")


@pytest.fixture(scope="module")
def by_token(authority: Authority, own: Files) -> Iterator[Calls]:
    """A service whose callers show tokens."""
    with Address(ONE).served() as keys:
        settings = Settings(
            address=ANYWHERE,
            tls=Tls(*own),
            oidc=(Issuer(ISSUER, AUDIENCE, keys.url, refresh_seconds=100_000),),
        )
        with running(settings) as address:
            yield Calls(address, authority)


@pytest.fixture(scope="module")
def by_certificate(authority: Authority, own: Files) -> Iterator[Calls]:
    """A service whose callers show certificates."""
    settings = Settings(address=ANYWHERE, tls=Tls(*own, authority.file))
    with running(settings) as address:
        yield Calls(address, authority)


def test_an_entry_names_the_bearer_of_the_token(by_token: Calls) -> None:
    assert by_token.recorded_by(ONE.token(sub="ann")) == f"{ISSUER}#ann"
    assert by_token.recorded_by(ONE.token(sub="bob")) == f"{ISSUER}#bob"


def test_an_entry_names_the_certificate(by_certificate: Calls, authority: Authority) -> None:
    ann = authority.signs("ann")
    clerk = authority.signs("clerk", ["spiffe://harbour.example/clerk"])

    assert by_certificate.recorded_by(certificate=ann) == "x509:CN=ann"
    assert by_certificate.recorded_by(certificate=clerk) == "spiffe://harbour.example/clerk"


FAR = 10_000


def unsigned() -> str:
    _, claims, _ = ONE.token().split(".")
    return f"eyJhbGciOiJub25lIiwia2lkIjoib25lIn0.{claims}."


REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "expired": (lambda: ONE.token(exp=time.time() - FAR), "TOKEN_EXPIRED"),
    "not yet valid": (lambda: ONE.token(nbf=time.time() + FAR), "TOKEN_NOT_YET_VALID"),
    "for another": (lambda: ONE.token(aud="elsewhere"), "TOKEN_AUDIENCE_MISMATCH"),
    "of another": (lambda: ONE.token(iss="https://other.example"), "TOKEN_ISSUER_NOT_TRUSTED"),
    "of another algorithm": (
        lambda: f"eyJhbGciOiJIUzI1NiIsImtpZCI6Im9uZSJ9.{ONE.token().partition('.')[2]}",
        "TOKEN_ALGORITHM_NOT_ALLOWED",
    ),
    "unsigned": (unsigned, "TOKEN_UNSIGNED"),
    "of another key": (Key("one").token, "TOKEN_SIGNATURE_INVALID"),
    "of an unknown key": (Key("unknown").token, "TOKEN_KEY_UNKNOWN"),
    "malformed": (lambda: "no-token", "TOKEN_MALFORMED"),
}


@pytest.mark.parametrize(("token", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_token_that_is_not_good_is_refused_and_others_are_served(
    by_token: Calls, caplog: pytest.LogCaptureFixture, token: Callable[[], str], reason: str
) -> None:
    given = token()
    with caplog.at_level(logging.DEBUG), by_token.channel() as channel:
        service = Service(by_token.address, channel)

        answered = refused(lambda: recorded_by(service, given))

        assert (answered.code, answered.reason) == (grpc.StatusCode.UNAUTHENTICATED, reason)
        assert recorded_by(service, ONE.token()) == f"{ISSUER}#ann"
    assert given not in str(answered)
    assert given not in caplog.text


def test_without_a_token_nobody_is_known(by_token: Calls) -> None:
    answered = by_token.refused()

    assert answered.code is grpc.StatusCode.UNAUTHENTICATED
    assert answered.reason == "CREDENTIALS_REQUIRED"


@pytest.mark.parametrize("word", ["Basic", "Bearer x", ""])
def test_an_authorization_that_is_no_bearers_is_malformed(by_token: Calls, word: str) -> None:
    assert by_token.refused(ONE.token(), word=word).reason == "TOKEN_MALFORMED"


def test_two_tokens_are_none(by_token: Calls) -> None:
    assert by_token.refused(ONE.token(), ONE.token(sub="bob")).reason == "TOKEN_MALFORMED"


@pytest.mark.parametrize(
    "method", ["RecordService/RecordEntries", "NegotiationService/GetNegotiation"]
)
def test_nothing_of_a_request_is_read_before_the_caller_is_known(
    by_token: Calls, method: str
) -> None:
    with by_token.channel() as channel:
        service = Service(by_token.address, channel)

        answered = refused(lambda: service.raw(f"/pourparler.v1.{method}", b"\xff"))

        assert answered.reason == "CREDENTIALS_REQUIRED"


def test_a_token_that_came_in_plain_is_told_to_be_exposed() -> None:
    with running() as address, grpc.insecure_channel(address) as channel:
        service = Service(address, channel)

        answered = refused(lambda: recorded_by(service, ONE.token()))

        assert answered.code is grpc.StatusCode.UNAUTHENTICATED
        assert answered.reason == "TOKEN_EXPOSED"
        assert "revoked" in answered.text
        assert recorded_by(service) == ANONYMOUS


def test_whoever_calls_in_plain_is_not_served(by_token: Calls) -> None:
    with grpc.insecure_channel(by_token.address) as channel:
        service = Service(by_token.address, channel)

        assert refused(lambda: service.state("n")).code is grpc.StatusCode.UNAVAILABLE


def test_without_a_certificate_nobody_gets_in(by_certificate: Calls, authority: Authority) -> None:
    assert by_certificate.refused().code is grpc.StatusCode.UNAVAILABLE
    assert by_certificate.recorded_by(certificate=authority.signs("ann")) == "x509:CN=ann"


def test_a_certificate_of_another_authority_does_not_get_in(
    by_certificate: Calls, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger").signs("ann")

    assert by_certificate.refused(certificate=stranger).code is grpc.StatusCode.UNAVAILABLE


def test_a_certificate_that_names_nobody_in_particular_is_refused(
    by_certificate: Calls, authority: Authority
) -> None:
    two = authority.signs("two", ["spiffe://a.example/x", "spiffe://b.example/x"])

    answered = by_certificate.refused(certificate=two)

    assert answered.reason == "CERTIFICATE_NOT_ACCEPTED"


def test_a_token_is_not_passed_over_where_none_are_taken(
    by_certificate: Calls, authority: Authority
) -> None:
    answered = by_certificate.refused(ONE.token(), certificate=authority.signs("ann"))

    assert answered.reason == "TOKEN_ISSUER_NOT_TRUSTED"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


def test_certificates_may_be_asked_for_at_an_address_of_their_own(
    authority: Authority, own: Files
) -> None:
    apart = f"localhost:{free_port()}"
    with Address(ONE).served() as keys:
        settings = Settings(
            address=ANYWHERE,
            mtls_address=apart,
            tls=Tls(*own, authority.file),
            oidc=(Issuer(ISSUER, AUDIENCE, keys.url),),
        )
        with running(settings) as address:
            ann = authority.signs("ann")

            assert Calls(address, authority).recorded_by(ONE.token()) == f"{ISSUER}#ann"
            assert Calls(address, authority).refused().reason == "CREDENTIALS_REQUIRED"
            assert Calls(apart, authority).recorded_by(certificate=ann) == "x509:CN=ann"
            assert (
                Calls(apart, authority).recorded_by(ONE.token(), certificate=ann) == f"{ISSUER}#ann"
            )
            assert Calls(apart, authority).refused().code is grpc.StatusCode.UNAVAILABLE


def shown(address: str, authority: Authority) -> str:
    """The certificate that a service shows."""
    host, _, port = address.rpartition(":")
    trusting = ssl.create_default_context(cafile=authority.file)
    trusting.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((host, int(port)), timeout=10) as plain,
        trusting.wrap_socket(plain, server_hostname="localhost") as safe,
    ):
        return ssl.DER_cert_to_PEM_cert(safe.getpeercert(binary_form=True) or b"")


def test_a_certificate_is_replaced_while_the_service_runs(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = authority.signs("service")
    with Address(ONE).served() as keys:
        settings = Settings(
            address="127.0.0.1:0",
            tls=Tls(*own),
            oidc=(Issuer(ISSUER, AUDIENCE, keys.url),),
        )
        with running(settings) as address:
            calls = Calls(address, authority)
            with calls.channel() as channel:
                service = Service(address, channel)
                assert recorded_by(service, ONE.token()) == f"{ISSUER}#ann"

                for _ in range(2):
                    authority.signs("service")

                    assert shown(address, authority) == own.certificate.read_text()
                    assert calls.recorded_by(ONE.token()) == f"{ISSUER}#ann"

                good = own.certificate.read_text()
                own.certificate.write_text("half a certificate")

                assert shown(address, authority) == good
                assert recorded_by(service, ONE.token()) == f"{ISSUER}#ann"


def test_the_authorities_of_callers_are_replaced_while_the_service_runs(
    own: Files, authority: Authority, tmp_path: Path
) -> None:
    before, after = (Authority(tmp_path, name) for name in ("before", "after"))
    clients = tmp_path / "clients.pem"
    clients.write_bytes(before.file.read_bytes())
    settings = Settings(address="127.0.0.1:0", tls=Tls(*own, clients))
    with running(settings) as address:
        calls = Calls(address, authority)
        ann, bob = before.signs("ann"), after.signs("bob")
        assert calls.recorded_by(certificate=ann) == "x509:CN=ann"
        assert calls.refused(certificate=bob).code is grpc.StatusCode.UNAVAILABLE

        clients.write_bytes(after.file.read_bytes())

        assert calls.recorded_by(certificate=bob) == "x509:CN=bob"
        assert calls.refused(certificate=ann).code is grpc.StatusCode.UNAVAILABLE


def test_a_certificate_that_has_expired_does_not_get_in(
    by_certificate: Calls, authority: Authority
) -> None:
    late = authority.signs("late", lasts=timedelta(hours=-1))

    assert by_certificate.refused(certificate=late).code is grpc.StatusCode.UNAVAILABLE


def test_a_flood_of_unknown_keys_harms_neither_the_issuer_nor_others(
    authority: Authority, own: Files
) -> None:
    with Address(ONE).served() as keys:
        settings = Settings(
            address="127.0.0.1:0",
            tls=Tls(*own),
            oidc=(Issuer(ISSUER, AUDIENCE, keys.url, refresh_seconds=100_000),),
        )
        with running(settings) as address, Calls(address, authority).channel() as channel:
            service = Service(address, channel)
            request = pb.GetNegotiationRequest(name="negotiations/none")
            flood = [
                service.negotiations.GetNegotiation.future(
                    request, timeout=30, metadata=[("authorization", f"Bearer {token}")]
                )
                for token in [Key(f"made-up-{number}").token() for number in range(50)] * 10
            ]
            assert recorded_by(service, ONE.token()) == f"{ISSUER}#ann"

            reasons = {answered_by(call.exception()).reason for call in flood}
            assert reasons == {"TOKEN_KEY_UNKNOWN"}
            assert keys.asked == 1


def test_keys_are_replaced_while_the_service_runs(
    authority: Authority, own: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with Address(ONE).served(authority.signs("login")) as keys:
        settings = Settings(
            address="127.0.0.1:0",
            tls=Tls(*own),
            # Of itself it would ask in a day; it asks at most once in a few seconds.
            oidc=(Issuer(ISSUER, AUDIENCE, keys.url, refresh_seconds=90),),
        )
        with running(settings) as address:
            calls = Calls(address, authority)
            old, new = ONE.token(), TWO.token()
            assert calls.recorded_by(old) == f"{ISSUER}#ann"
            assert calls.refused(new).code is not grpc.StatusCode.OK

            keys.body = key_set(TWO).encode()
            until(lambda: outcome(calls, new) == "TOKEN_KEYS_UNAVAILABLE")
            until(lambda: outcome(calls, new) == f"{ISSUER}#ann")
            until(lambda: outcome(calls, old) == "TOKEN_KEY_UNKNOWN")

            keys.status = 503
            until(lambda: outcome(calls, old) == "TOKEN_KEYS_UNAVAILABLE")

            answered = calls.refused(old)
            assert answered.code is grpc.StatusCode.UNAVAILABLE
            assert answered.retry_seconds is not None
            assert calls.recorded_by(new) == f"{ISSUER}#ann"


def outcome(calls: Calls, token: str) -> str:
    try:
        return calls.recorded_by(token)
    except grpc.RpcError as error:
        return answered_by(error).reason


def until(what: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if what():
            return
        time.sleep(0.02)
    pytest.fail("it did not come")


def test_health_may_be_asked_for_by_everybody_but_not_watched(by_token: Calls) -> None:
    with by_token.channel() as channel:
        health = Service(by_token.address, channel).health
        request = health_pb2.HealthCheckRequest()

        assert health.Check(request, timeout=10).status == health_pb2.HealthCheckResponse.SERVING
        assert (
            refused(lambda: next(health.Watch(request, timeout=10))).reason
            == "CREDENTIALS_REQUIRED"
        )


def test_what_there_is_to_call_is_told_to_those_who_are_known(by_token: Calls) -> None:
    with by_token.channel() as channel:
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)

        def services(*metadata: tuple[str, str]) -> Any:
            asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
            return next(reflection.ServerReflectionInfo(asked, timeout=10, metadata=metadata))

        assert refused(services).reason == "CREDENTIALS_REQUIRED"
        known = services(("authorization", f"Bearer {ONE.token()}"))
        assert len(known.list_services_response.service) > 3


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_not_spoken(by_token: Calls, version: ssl.TLSVersion) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = version
        old.maximum_version = version
    host, _, port = by_token.address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=10) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        old.wrap_socket(plain)

    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection((host, int(port)), timeout=10) as plain,
        old.wrap_socket(plain) as safe,
    ):
        assert safe.version() == "TLSv1.2"


def why_not(settings: Settings) -> str:
    with pytest.raises(ServeError) as error, running(settings):
        pass
    return str(error.value)


def test_tls_alone_does_not_let_the_service_listen_elsewhere(
    authority: Authority, own: Files
) -> None:
    settings = Settings(address=ANYWHERE, tls=Tls(*own))

    assert "does not authenticate callers" in why_not(settings)


def test_on_this_machine_tls_alone_leaves_callers_anonymous(
    authority: Authority, own: Files
) -> None:
    settings = Settings(address="127.0.0.1:0", tls=Tls(*own))
    with running(settings) as address:
        calls = Calls(address, authority)

        assert calls.recorded_by() == ANONYMOUS
        assert calls.refused(ONE.token()).reason == "TOKEN_ISSUER_NOT_TRUSTED"


def test_what_cannot_be_used_keeps_the_service_from_starting(
    authority: Authority, own: Files, tmp_path: Path
) -> None:
    absent = tmp_path / "absent"
    unreadable = Settings(address="127.0.0.1:0", tls=Tls(own.certificate, absent))
    without_keys = Settings(
        address=ANYWHERE,
        tls=Tls(*own),
        oidc=(Issuer(ISSUER, AUDIENCE, str(absent)),),
    )

    assert str(absent) in why_not(unreadable)
    assert "keys of" in why_not(without_keys)
