"""A service in a process of its own, for tests that end it, starve it or lock it out."""

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
"""The environment of a process that cannot write down what of it was covered."""
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

needs_prlimit = pytest.mark.skipif(
    shutil.which("prlimit") is None, reason="there is no prlimit to make a disk full with"
)


class Apart:
    """A running service: its address, and what can be done to its process."""

    def __init__(self, process: "subprocess.Popen[str]", address: str, user: int | None) -> None:
        self.process = process
        self.address = address
        self.user = user

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait(timeout=20)

    def stop(self) -> int:
        """Ask it to end, and wait; its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)

    def limit_files(self, size: int | None) -> None:
        """Let no file of it grow beyond so many bytes, as a disk would that is full; None: any."""
        soft = "unlimited" if size is None else size
        line = ["prlimit", f"--pid={self.process.pid}", f"--fsize={soft}:unlimited"]
        if self.user:
            # The limits of a process are its own user's to set. Python would have to fork in order
            # to change the user, which crashes now and then where gRPC is running.
            as_user = [f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
            line = ["setpriv", *as_user, *line]
        subprocess.run(line, check=True)


def command(*arguments: str, user: int | None = None) -> list[str]:
    """The command line that runs `pourparler` with these arguments, as this user."""
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
    """`pourparler serve` on a data folder; killed at the end if it still runs then.

    `before` is a command that runs it: `unshare` and the like. What is not `measured`, for its
    coverage, starts faster. `more` is said on the command line besides.
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
    """A folder that other users can reach, as pytest's own are not, and that belongs to NOBODY."""
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
    """A user whom permissions bind: this one, unless it is root."""
    return NOBODY if os.geteuid() == 0 else None


def wait_for_health(service: Service, wanted: int, seconds: float = 15) -> None:
    """Wait until the health of a service is this one."""
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
    """`apart`, with stubs connected to it."""
    with apart(data, user=user) as process, connected(process.address) as service:
        grpc.channel_ready_future(service.channel).result(timeout=20)
        yield process, service
