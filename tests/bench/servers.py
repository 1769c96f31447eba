"""The servers that are measured, each in a process of its own."""

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bench import talks

_START_SECONDS = 120
_STOP_SECONDS = 30

OURS, USUAL, EMPTY, UMADB = "Pourparler", "usual way", "empty call", "UmaDB"


class Server(NamedTuple):
    """A server that runs."""

    address: str
    pid: int


class Servers(NamedTuple):
    """The addresses of those that are compared."""

    ours: str
    usual: str
    empty: str


@contextlib.contextmanager
def servers(
    folder: Path,
    histories: Mapping[str, int] | None = None,
    usual_histories: Mapping[str, int] | None = None,
    *,
    in_turn: bool = False,
) -> Iterator[Servers]:
    """All three: ours and the usual with negotiations of these ids and lengths.

    `in_turn`: ours has not one negotiation after the other, but an entry of each in turn.
    """
    with contextlib.ExitStack() as started:
        under = Path(started.enter_context(tempfile.TemporaryDirectory(dir=folder)))
        talks.fill(under / "ours", histories or {}, in_turn=in_turn)
        yield Servers(
            ours=started.enter_context(ours(under / "ours", folder)).address,
            usual=started.enter_context(_usual(under / "usual", usual_histories or {}, folder)),
            empty=started.enter_context(empty(folder)).address,
        )


@contextlib.contextmanager
def ours(data: Path, folder: Path) -> Iterator[Server]:
    """Pourparler on this data folder, as `pourparler serve` starts it; its log goes to `folder`."""
    command = str(Path(sys.executable).with_name("pourparler"))
    serve = [command, "serve", "--data", str(data), "--address", "127.0.0.1:0"]
    with _process(serve, folder) as process:
        yield Server(_said(process).split()[3].rstrip(","), process.pid)


@contextlib.contextmanager
def empty(folder: Path) -> Iterator[Server]:
    """The server that does nothing."""
    with _process([sys.executable, "-m", "tests.bench.empty"], folder) as process:
        yield Server(_said(process), process.pid)


@contextlib.contextmanager
def _usual(data: Path, histories: Mapping[str, int], folder: Path) -> Iterator[str]:
    lengths = [f"{id_}={length}" for id_, length in histories.items()]
    usual = [sys.executable, "-m", "tests.bench.usual", str(data)]
    with _process(usual, folder) as process:
        assert process.stdin is not None
        process.stdin.write(" ".join(lengths) + "\n")
        process.stdin.flush()
        yield _said(process)


@contextlib.contextmanager
def umadb(tools: Path, folder: Path) -> Iterator[str]:
    """UmaDB as its package starts it, with its own defaults: its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with tempfile.TemporaryDirectory(dir=folder) as under:
        serve = [tools.with_name("umadb"), "--listen", address, "--db-path", Path(under, "uma.db")]
        with _process(list(map(str, serve)), folder):
            await_listening(address)
            yield address


def await_listening(address: str) -> None:
    """Return as soon as somebody listens. Raises TimeoutError if nobody does."""
    host, _, port = address.rpartition(":")
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection((host, int(port))):
            return
        time.sleep(0.01)
    message = f"nobody listens on {address}"
    raise TimeoutError(message)


@contextlib.contextmanager
def _process(command: Sequence[str], folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that serves until the block ends."""
    with (
        (folder / "servers.log").open("a", encoding="utf-8") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _said(process: "subprocess.Popen[str]") -> str:
    """The first line that a process says. Raises RuntimeError if it ends instead."""
    assert process.stdout is not None
    said = process.stdout.readline().strip()
    if not said:
        message = "a server did not start: see servers.log"
        raise RuntimeError(message)
    return said
