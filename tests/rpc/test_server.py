"""The beginning and the end of a service: what keeps it from starting, and how it stops."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pourparler import v1 as pb
from pourparler_service.config.settings import Settings
from pourparler_service.server import ServeError, running
from tests.support.sample_entries import joined, opened
from tests.support.service_client import connected

SERVE = """
import sys
from pourparler_service.server import ServeError, serve
from pourparler_service.config.settings import Settings
try:
    serve(Settings.from_environment(options={"data": sys.argv[1:2], "address": sys.argv[2:3]}))
except ServeError as error:
    sys.exit(str(error))
"""


def on(folder: Path, address: str = "127.0.0.1:0") -> Settings:
    return Settings(data=folder, address=address)


def why_not(settings: Settings) -> str:
    with pytest.raises(ServeError) as error, running(settings):
        pass
    return str(error.value)


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0:50710", "[::]:50710", "192.0.2.1:80", "example.org:80", "127.0.0.1.example.org:80"],
)
def test_it_listens_to_this_machine_only_and_says_why(address: str) -> None:
    reason = why_not(Settings.in_memory(address))

    assert "not a loopback address" in reason
    assert "does not authenticate callers" in reason


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1", ":50710", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x", "[::1]"]
)
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    assert "50710" in why_not(Settings.in_memory(address)) or "65535" in why_not(
        Settings.in_memory(address)
    )


@pytest.mark.parametrize("address", ["localhost:0", "127.0.0.2:0", "[::1]:0"])
def test_every_loopback_address_will_do(address: str) -> None:
    if address.startswith("[") and not has_ipv6():
        pytest.skip("this machine has no IPv6")

    with running(Settings.in_memory(address)) as at, connected(at) as service:
        assert service.record("n", opened()).version == 1


def has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as one:
        try:
            one.bind(("::1", 0))
        except OSError:
            return False
    return True


def test_an_address_that_is_taken_is_said_to_be() -> None:
    with running() as address:
        assert address in why_not(Settings.in_memory(address))


def test_a_folder_belongs_to_one_service_at_a_time(tmp_path: Path) -> None:
    with running(on(tmp_path)):
        assert "in use" in why_not(on(tmp_path))
    with running(on(tmp_path)):
        pass


def newer(path: Path) -> None:
    path.mkdir()
    (path / "pourparler.json").write_text('{"format": 99, "log_id": "x"}')


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (newer, "newer"),
        (lambda path: path.write_text("a file"), "cannot be written"),
        (lambda path: path.symlink_to("/proc/no/such"), "cannot be written"),
    ],
    ids=["newer", "a file", "nowhere"],
)
def test_a_folder_that_cannot_be_used_is_refused_and_not_harmed(
    tmp_path: Path, prepare: Callable[[Path], object], says: str
) -> None:
    folder = tmp_path / "data"
    prepare(folder)
    before = sorted((one.name, one.is_dir()) for one in tmp_path.rglob("*"))

    assert says in why_not(on(folder))

    after = sorted((one.name, one.is_dir()) for one in tmp_path.rglob("*") if one.name != "lock")
    assert after == before


def test_an_unsafe_store_is_refused(tmp_path: Path) -> None:
    settings = Settings(
        data=tmp_path,
        address="127.0.0.1:0",
        environment={"POSTGRES_ENABLE_DB_FUNCTIONS": "y"},
    )

    assert "POSTGRES_ENABLE_DB_FUNCTIONS" in why_not(settings)


def test_what_was_recorded_is_there_after_a_restart(tmp_path: Path) -> None:
    with running(on(tmp_path)) as address, connected(address) as service:
        first = service.record("n", opened(), joined("a"), request_id="r")

    with running(on(tmp_path)) as address, connected(address) as service:
        assert service.record("n", opened(), joined("a"), request_id="r") == first
        assert service.state("n").computed_at.version == 2


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    with running(on(tmp_path)):
        pass

    assert [path.stat().st_mode & 0o077 for path in tmp_path.glob("*.secret")] == [0]


def started(folder: Path, address: str = "127.0.0.1:0") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SERVE, str(folder), address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    process = started(tmp_path)
    assert process.stdout
    line = process.stdout.readline()
    address = line.split()[3].rstrip(",")
    assert str(tmp_path) in line
    assert "does not authenticate callers" in line
    with connected(address) as service:
        service.record("n", opened())
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)

    assert process.returncode == 0
    assert "Traceback" not in errors
    with running(on(tmp_path)) as again, connected(again) as service:
        assert service.state("n").computed_at.version == 1


def test_what_keeps_it_from_starting_is_one_sentence(tmp_path: Path) -> None:
    with running(on(tmp_path)):
        process = started(tmp_path)
        _, errors = process.communicate(timeout=20)

    assert process.returncode == 1
    assert errors.count("\n") == 1
    assert "in use" in errors


@pytest.mark.parametrize(
    ("environment", "data", "folder"),
    [
        ({}, None, Path("pourparler-data")),
        ({"POURPARLER_DATA": "/there"}, None, Path("/there")),
        ({"POURPARLER_DATA": "/there"}, "here", Path("here")),
        ({"POURPARLER_STORE": "memory:"}, None, None),
        ({"POURPARLER_STORE": "memory:", "POURPARLER_DATA": "/there"}, None, None),
    ],
    ids=["default", "environment", "argument", "memory", "memory all the same"],
)
def test_settings_come_from_arguments_then_from_the_environment(
    environment: dict[str, str], data: str | None, folder: Path | None
) -> None:
    assert Settings.from_environment(environment, options={"data": [data or ""]}).data == folder


def test_the_address_has_a_default() -> None:
    assert Settings.from_environment({}).address == "127.0.0.1:50710"
    said = {"POURPARLER_ADDRESS": "127.0.0.1:1"}
    assert Settings.from_environment(said).address == "127.0.0.1:1"
    assert (
        Settings.from_environment(said, options={"address": ["127.0.0.1:2"]}).address
        == "127.0.0.1:2"
    )


def test_a_store_in_memory_forgets() -> None:
    with running() as address, connected(address) as service:
        service.record("n", opened())
    with running() as address, connected(address) as service:
        listed = service.negotiations.ListNegotiations(pb.ListNegotiationsRequest())

    assert not listed.negotiations
