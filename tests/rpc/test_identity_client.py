"""Both clients, and the command, where callers are told apart: what they show, and renew."""

import asyncio
import io
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pourparler import (
    Client,
    UnauthenticatedError,
    UnavailableError,
    participant,
    record_request,
    v1,
)
from pourparler.cli.commands import run
from pourparler_service.authentication.jwks import Issuer
from pourparler_service.config.settings import Settings, Tls
from pourparler_service.server import running
from tests.support.certificates import Authority, Files
from tests.support.client_variants import awaited
from tests.support.token_issuer import AUDIENCE, ISSUER, Address, Key, key_set

KEY = Key()

Make = Callable[..., Any]


class Served(NamedTuple):
    address: str
    authority: Authority


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service whose callers show tokens."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with Address(KEY).served() as keys:
        settings = Settings(
            address="127.0.0.1:0",
            tls=Tls(*authority.signs("service")),
            oidc=(Issuer(ISSUER, AUDIENCE, keys.url, refresh_seconds=100_000),),
        )
        with running(settings) as address:
            yield Served(address, authority)


@pytest.fixture(params=["waits", "awaits"])
def client(request: pytest.FixtureRequest, served: Served) -> Iterator[Make]:
    """Either client, of this service."""
    with asyncio.Runner() as runner:

        def make(token: Any, **settings: Any) -> Any:
            known = {"root_certificates": served.authority.file, "token": token, **settings}
            if request.param == "waits":
                return Client(served.address, **known)
            return awaited(runner, served.address, **known)

        yield make


def expired() -> str:
    return KEY.token(exp=time.time() - 1_000)


class Source:
    """Gives an expired token first, then good ones."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        return expired() if self.asked == 1 else KEY.token(jti=str(self.asked))


def test_a_client_shows_its_token(client: Make) -> None:
    with client(KEY.token()) as c:
        receipt = c.open_negotiation("Talks")

        assert receipt.entries[0].facts.recorded_by == f"{ISSUER}#ann"


def test_a_client_without_a_token_is_not_known(client: Make) -> None:
    with client(None) as c, pytest.raises(UnauthenticatedError) as error:
        c.open_negotiation("Talks")

    assert error.value.reason == "CREDENTIALS_REQUIRED"
    assert error.value.request_id


def test_a_token_that_has_expired_stays_so(client: Make) -> None:
    with client(expired()) as c, pytest.raises(UnauthenticatedError) as error:
        c.get_negotiation("talks")

    assert error.value.reason == "TOKEN_EXPIRED"


def test_a_token_is_asked_for_once_and_kept(client: Make) -> None:
    source = Source()
    source()
    with client(source) as c:
        for _ in range(3):
            c.open_negotiation("Talks")

    assert source.asked == 2


def session(c: Any, name: str) -> object:
    with c.record_stream() as session:
        return [session.record(name, participant(f"s{number}", "S")) for number in range(3)]


def batch(c: Any, name: str) -> object:
    (outcome,) = c.record_batch([record_request(name, participant("b", "B"))])
    assert isinstance(outcome, v1.Receipt)
    return outcome


def watched(c: Any, name: str) -> object:
    with c.watch(name) as watch:
        return next(watch)


CALLS: dict[str, Callable[[Any, str], object]] = {
    "record": lambda c, name: c.record(name, participant("a", "A")),
    "record_batch": batch,
    "session": session,
    "get": lambda c, name: c.get_negotiation(name),
    "list": lambda c, _: list(c.list_negotiations()),
    "history": lambda c, name: list(c.replay(name)),
    "watch": watched,
    "export": lambda c, name: c.export_bundle(name, io.BytesIO()),
    "checkpoint": lambda c, name: c.get_checkpoint(name),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_token_is_asked_for_again_when_it_has_expired(
    client: Make, call: Callable[[Any, str], object]
) -> None:
    with client(KEY.token()) as c:
        name = c.open_negotiation("Talks").negotiation
    source = Source()
    with client(source) as c:
        assert call(c, name)

    assert source.asked == 2


def test_a_token_is_asked_for_again_once_for_each_call(client: Make) -> None:
    asked = []

    def source() -> str:
        asked.append(1)
        return expired()

    with client(source) as c:
        for calls in (1, 2):
            with pytest.raises(UnauthenticatedError):
                c.get_negotiation("talks")

            assert len(asked) == 2 * calls


def test_of_a_session_that_is_not_known_every_group_fails(client: Make) -> None:
    with client(expired()) as c, c.record_stream() as session:
        receipts = [session.record("talks", participant("a", "A")) for _ in range(3)]
    for receipt in receipts:
        found = receipt.exception()

        assert isinstance(found, UnauthenticatedError)
        assert found.request_id


def test_what_a_source_of_tokens_raises_is_raised(client: Make) -> None:
    def source() -> str:
        raise LookupError("There is no token today.")

    with client(source) as c, pytest.raises(LookupError, match="today"):
        c.get_negotiation("talks")


def test_a_service_that_is_not_trusted_is_told_nothing(client: Make, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    with (
        client(KEY.token(), root_certificates=other.file, timeout=0.5) as c,
        pytest.raises(UnavailableError),
    ):
        c.get_negotiation("talks")


def test_a_token_is_not_sent_to_a_service_that_speaks_in_plain(client: Make) -> None:
    with (
        running() as address,
        Client(address, token=KEY.token(), timeout=0.5) as c,
        pytest.raises(UnavailableError),
    ):
        c.get_negotiation("talks")


def test_a_client_shows_its_certificate(served: Served, tmp_path: Path) -> None:
    own, ann = (served.authority.signs(name) for name in ("another", "ann"))
    settings = Settings(
        address="127.0.0.1:0",
        tls=Tls(*own, served.authority.file),
    )
    with (
        running(settings) as address,
        Client(
            address,
            root_certificates=served.authority.file,
            certificate_chain=ann.certificate,
            private_key=ann.key,
        ) as c,
    ):
        assert c.open_negotiation("Talks").entries[0].facts.recorded_by == "x509:CN=ann"


def test_the_command_shows_who_asks(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = tmp_path / "token"
    server = ["--server", served.address, "--root-certificates", str(served.authority.file)]
    token.write_text(f"{KEY.token()}\n")

    assert run([*server, "--token-file", str(token), "open", "Talks"]) == 0
    assert capsys.readouterr().out.startswith("negotiations/")

    assert run([*server, "list"]) == 1
    assert "--token-file" in capsys.readouterr().err

    for text in ("", "two words", "\u00e4"):
        token.write_text(text)
        assert run([*server, "--token-file", str(token), "list"]) == 1
        assert "token" in capsys.readouterr().err
    assert run([*server, "--certificate", str(token), "list"]) == 1
    assert "key" in capsys.readouterr().err


def test_the_command_takes_a_token_from_the_environment(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POURPARLER_SERVER", served.address)
    monkeypatch.setenv("POURPARLER_ROOT_CERTIFICATES", str(served.authority.file))
    monkeypatch.setenv("POURPARLER_TOKEN", KEY.token())

    assert run(["list"]) == 0


def settings_file(folder: Path, own: Files) -> Path:
    (folder / "keys.json").write_text(key_set(KEY))
    file = folder / "settings.toml"
    file.write_text(f"""
        data = "data"
        address = "127.0.0.1:0"

        [tls]
        certificate = "{own.certificate.name}"
        key = "{own.key.name}"

        [oidc]
        issuer = "{ISSUER}"
        audience = "{AUDIENCE}"
        jwks = "keys.json"
    """)
    return file


def test_a_service_is_set_up_by_a_file_and_says_who_calls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    file = settings_file(tmp_path, authority.signs("service"))
    serve = [sys.executable, "-c", "from pourparler.cli import main; main()", "serve"]
    process = subprocess.Popen([*serve, "--config", str(file)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        address = said.split()[3].rstrip(",")

        assert f"authenticate with a token of {ISSUER}" in said
        with Client(address, root_certificates=authority.file, token=KEY.token) as c:
            assert c.open_negotiation("Talks").version == 1
        assert (tmp_path / "data" / "record.sqlite").exists()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)

    assert process.returncode == 0


def test_settings_that_cannot_be_followed_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("adress = 'x'")

    assert run(["serve", "--config", str(file)]) == 1
    assert "adress" in capsys.readouterr().err
