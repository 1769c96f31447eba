"""A service in its own process, for tests that kill it or limit its resources."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import grpc
import pytest
from grpc_health.v1 import health_pb2

from tests.support.service_client import Service, connected

NOBODY = 65_534
UNMEASURED = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
"""The environment of a process without coverage measurement."""
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

needs_prlimit = pytest.mark.skipif(
    shutil.which("prlimit") is None, reason="there is no prlimit to make a disk full with"
)


class Apart:
    """A running service in its own process, with its address."""

    def __init__(self, process: "subprocess.Popen[str]", address: str, user: int | None) -> None:
        self.process = process
        self.address = address
        self.user = user

    def kill(self) -> None:
        """Kill the process like a crash."""
        self.process.kill()
        self.process.wait(timeout=20)

    def stop(self) -> int:
        """Send SIGTERM, wait, and return the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)

    def limit_files(self, size: int | None) -> None:
        """Limit its files to a size in bytes, like a full disk; None removes the limit."""
        soft = "unlimited" if size is None else size
        line = ["prlimit", f"--pid={self.process.pid}", f"--fsize={soft}:unlimited"]
        if self.user:
            # Only the user of a process can set its limits. Python would have to fork in order
            # to change the user, which crashes now and then where gRPC is running.
            as_user = [f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
            line = ["setpriv", *as_user, *line]
        subprocess.run(line, check=True)


def command(*arguments: str, user: int | None = None) -> list[str]:
    """Return the command line that runs `pourparler` with arguments as a user."""
    return [sys.executable, "-m", "tests.support.command_as_user", str(user or ""), *arguments]


@contextmanager
def apart(
    data: Path,
    *,
    user: int | None = None,
    before: Sequence[str] = (),
    log: IO[str] | None = None,
    measured: bool = True,
    more: Sequence[str] = (),
) -> Iterator[Apart]:
    """Run `pourparler serve` on a data folder, and kill it at the end of the block.

    `before` is a command that runs it, such as `unshare`. `measured` turns on the coverage, which
    slows the start. `more` has further arguments.
    """
    serve = command("serve", "--data", str(data), "--address", "127.0.0.1:0", *more, user=user)
    process = subprocess.Popen(
        [*before, *serve],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=None if measured and user is None else UNMEASURED,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("Pourparler serves on "), said
        yield Apart(process, said.split()[3].rstrip(","), user)
    finally:
        with process:
            process.kill()


@contextmanager
def folder_for_anybody() -> Iterator[Path]:
    """Yield a folder of the user `NOBODY` that other users can reach, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="pourparler-"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        yield folder
    finally:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o700)
        shutil.rmtree(folder)


def bound_user() -> int | None:
    """Return a user without root permissions: this one, unless it is root."""
    return NOBODY if os.geteuid() == 0 else None


def wait_for_health(service: Service, wanted: int, seconds: float = 15) -> None:
    """Wait until the health of a service has this status."""
    end = time.monotonic() + seconds
    status = -1
    while time.monotonic() < end:
        status = service.health.Check(health_pb2.HealthCheckRequest(), timeout=10).status
        if status == wanted:
            return
        time.sleep(0.1)
    raise AssertionError(f"health is {status}, not {wanted}")


@contextmanager
def serving(data: Path, *, user: int | None = None) -> Iterator[tuple[Apart, Service]]:
    """Yield `apart` and stubs that are connected to it."""
    with apart(data, user=user) as process, connected(process.address) as service:
        grpc.channel_ready_future(service.channel).result(timeout=20)
        yield process, service
