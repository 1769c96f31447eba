"""A witness over HTTP: what C2SP tlog-witness has it answer, and what becomes of bad requests."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from pourparler.cli.commands import run
from pourparler.transparency.checkpoint import VerifierKey, parse_checkpoint, parse_note
from pourparler_service.transparency.signing_keys import write_key
from pourparler_service.witness.witness import LONGEST_REQUEST
from tests.support.signing_keys import KEY, signing_key, witness_key
from tests.support.witness_cases import SomeLog, some_log, witness_at

LOG = some_log()


class Reply(NamedTuple):
    status: int
    body: str
    type: str | None


class Caller:
    """A connection to a witness, kept as long as the witness keeps it."""

    def __init__(self, url: str) -> None:
        split = urlsplit(url)
        self.connection = HTTPConnection(split.hostname or "", split.port, timeout=10)

    def ask(self, method: str, path: str, body: bytes | None = None) -> Reply:
        self.connection.request(method, path, body)
        response = self.connection.getresponse()
        return Reply(response.status, response.read().decode(), response.getheader("Content-Type"))

    def add(self, body: bytes) -> Reply:
        return self.ask("POST", "/add-checkpoint", body)


@pytest.fixture(name="witness", scope="module")
def _witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with witness_at(tmp_path_factory.mktemp("witness")) as (url, _):
        yield url


@pytest.fixture(name="caller")
def _caller(witness: str) -> Iterator[Caller]:
    caller = Caller(witness)
    yield caller
    caller.connection.close()


@pytest.fixture(name="log")
def _log(request: pytest.FixtureRequest) -> SomeLog:
    """A log of this test's own."""
    return some_log(negotiation=request.node.name[:64].replace("_", "-"))


def test_a_cosignature_and_later_the_cosigned_checkpoint_are_given(
    caller: Caller, log: SomeLog
) -> None:
    path = f"/{log.origin_hash}/checkpoint"
    assert caller.ask("GET", path).status == 404

    added = caller.add(log.growth(0, 5))

    assert (added.status, added.body[0]) == (200, "\u2014")
    shown = caller.ask("GET", path)
    assert shown == Reply(200, log.signed(5) + added.body, "text/plain; charset=utf-8")


def test_a_conflict_is_the_size_alone_in_its_own_type(caller: Caller, log: SomeLog) -> None:
    caller.add(log.growth(0, 5))

    assert caller.add(log.growth(0, 9)) == Reply(409, "5\n", "text/x.tlog.size")


def test_each_refusal_has_the_status_that_c2sp_gives_it(caller: Caller, log: SomeLog) -> None:
    caller.add(log.growth(0, 5))
    fork, stranger = some_log(20, "fork", log.negotiation), some_log(20, "x", "x", signing_key(9))

    assert caller.add(b"old").status == 400
    assert caller.add(log.growth(9, 5)).status == 400
    assert caller.add(stranger.growth(0, 5)).status == 403
    assert caller.add(some_log(20, "x", "x", signing_key(9, "else")).growth(0, 5)).status == 404
    assert caller.add(log.growth(4, 9)).status == 409
    assert caller.add(fork.growth(5, 9)).status == 422


def test_one_connection_serves_many_requests(caller: Caller, log: SomeLog) -> None:
    caller.add(log.growth(0, 1))
    sock = caller.connection.sock

    for size in range(1, 9):
        assert caller.add(log.growth(size, size + 1)).status == 200
        assert caller.connection.sock is sock


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/add-checkpoint", 404),
        ("GET", "/../verifier-key", 404),
        ("GET", "/views/../../etc/passwd/checkpoint", 404),
        ("GET", f"/{'A' * 64}/checkpoint", 404),
        ("GET", f"/{'a' * 64}/checkpoint", 404),
        ("POST", "/", 404),
        ("POST", "/add-checkpoint?x", 404),
        ("PUT", "/add-checkpoint", 501),
        ("DELETE", f"/{'a' * 64}/checkpoint", 501),
    ],
)
def test_there_is_nothing_else(caller: Caller, method: str, path: str, status: int) -> None:
    assert caller.ask(method, path, b"").status == status


def raw(url: str, *parts: bytes) -> bytes:
    """What is answered to bytes, until the witness hangs up."""
    split = urlsplit(url)
    with socket.create_connection((split.hostname, split.port or 0), timeout=10) as sock:
        for part in parts:
            sock.sendall(part)
        sock.shutdown(socket.SHUT_WR)
        said = b""
        while more := sock.recv(65_536):
            said += more
    return said


POST = b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (POST + b"\r\n", b"411"),
        (POST + b"Content-Length: -1\r\n\r\n", b"411"),
        (POST + b"Content-Length: 1e3\r\n\r\n", b"411"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nold", b"411"),
        (POST + b"Content-Length: %d\r\n\r\n" % (LONGEST_REQUEST + 1), b"413"),
        (POST + b"Content-Length: 999999999\r\n\r\n", b"413"),
        (POST + b"X: %s\r\n\r\n" % (b"x" * 70_000), b"431"),
        (POST + b"X: x\r\n" * 200 + b"\r\n", b"431"),
        (b"GET /%s HTTP/1.1\r\n\r\n" % (b"x" * 70_000), b"414"),
        (b"\xff\xfe\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505"),
    ],
)
def test_a_request_that_is_none_is_told_so_and_hung_up_on(
    witness: str, request_: bytes, status: bytes
) -> None:
    # To what says of no version that it is HTTP/1, the page of the error comes alone.
    assert status in raw(witness, request_)[:500]


def test_half_a_request_is_no_request(witness: str, caller: Caller, log: SomeLog) -> None:
    body = log.growth(0, 5)

    assert raw(witness, POST + b"Content-Length: %d\r\n\r\n" % len(body), body[:-1]) == b""
    assert caller.ask("GET", f"/{log.origin_hash}/checkpoint").status == 404


def test_too_many_connections_are_hung_up_on_and_the_rest_served(tmp_path: Path) -> None:
    with witness_at(tmp_path) as (url, _), ExitStack() as stack:
        split = urlsplit(url)
        idle = [
            stack.enter_context(socket.create_connection((split.hostname, split.port or 0)))
            for _ in range(64)
        ]
        until(lambda: raw(url, b"") == b"" and refused(url))
        idle[0].close()
        caller = Caller(url)

        until(lambda: served(caller))
        caller.connection.close()


def refused(url: str) -> bool:
    try:
        return raw(url, b"GET / HTTP/1.0\r\n\r\n") == b""
    except OSError:
        return True


def served(caller: Caller) -> bool:
    try:
        return caller.add(LOG.growth(0, 5)).status == 200
    except OSError:
        caller.connection.close()
        return False


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_when_it_stops_nobody_is_served_any_more(tmp_path: Path) -> None:
    began = time.monotonic()
    with witness_at(tmp_path) as (url, _):
        caller = Caller(url)
        assert caller.add(LOG.growth(0, 5)).status == 200

    with pytest.raises(OSError, match=r"Remote end closed|reset|refused|Broken"):
        caller.add(LOG.growth(5, 6))
    caller.connection.close()
    assert time.monotonic() - began < 5


def started(folder: Path, *more: str) -> subprocess.Popen[str]:
    command = ["witness", "--signing-key", str(folder / "w.key"), "--data", str(folder / "data")]
    command += ["--log", str(KEY.verifier_key), "--address", "127.0.0.1:0", *more]
    return subprocess.Popen(
        [sys.executable, "-c", "from pourparler.cli import main; main()", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_however_it_is_stopped_it_goes_on_from_what_it_cosigned(
    tmp_path: Path, number: signal.Signals
) -> None:
    write_key(witness_key(), tmp_path / "w.key")
    for old, size in ((0, 5), (5, 9)):
        process = started(tmp_path)
        assert process.stdout
        url = process.stdout.readline().split()[-1].rstrip(".")
        key = VerifierKey.parse(process.stdout.readline().split()[-1])
        caller = Caller(url)
        line = caller.add(LOG.growth(old, size))
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
        caller.connection.close()

        assert line.status == 200
        cosigned = parse_note(LOG.signed(size) + line.body)
        assert key.verify(cosigned)
        assert parse_checkpoint(cosigned.text).size == size
        assert "Traceback" not in errors
        assert process.returncode == (0 if number != signal.SIGKILL else -9)


def test_what_keeps_it_from_starting_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_key(witness_key(), tmp_path / "w.key")
    write_key(signing_key(), tmp_path / "s.key")
    log, data = ["--log", str(KEY.verifier_key)], ["--data", str(tmp_path / "data")]

    def why_not(*arguments: str) -> str:
        assert run(["witness", *data, *arguments]) in {1, 2}
        return capsys.readouterr().err

    mine = ["--signing-key", str(tmp_path / "w.key"), *log]
    assert "cannot be read" in why_not("--signing-key", str(tmp_path / "none"), *log)
    assert "the key of a service" in why_not("--signing-key", str(tmp_path / "s.key"), *log)
    assert "key of a witness" in why_not(*mine, "--log", str(witness_key().verifier_key))
    assert "has no host and port" in why_not(*mine, "--address", "here")
    assert "cannot listen at" in why_not(*mine, "--address", "192.0.2.1:1")
