"""The servers that are measured, each in a process of its own."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from tests.bench import talks

_STOP_SECONDS = 30

OURS, USUAL, EMPTY = "Pourparler", "usual way", "empty call"


class Servers(NamedTuple):
    """Their addresses."""

    ours: str
    usual: str
    empty: str


@contextlib.contextmanager
def servers(
    folder: Path, histories: Mapping[str, int] | None = None, usual_lengths: Sequence[int] = ()
) -> Iterator[Servers]:
    """All three: ours with negotiations of these ids and lengths, the usual of these lengths."""
    with contextlib.ExitStack() as started:
        under = Path(started.enter_context(tempfile.TemporaryDirectory(dir=folder)))
        talks.fill(under / "ours", histories or {})
        command = str(Path(sys.executable).with_name("pourparler"))
        ours = [command, "serve", "--data", str(under / "ours"), "--address", "127.0.0.1:0"]
        log = started.enter_context((folder / "servers.log").open("w", encoding="utf-8"))
        said = started.enter_context(_process(ours, log))
        module = [sys.executable, "-m"]
        usual = [*module, "tests.bench.usual", str(under / "usual"), *map(str, usual_lengths)]
        yield Servers(
            ours=said.split()[3].rstrip(","),
            usual=started.enter_context(_process(usual, log)),
            empty=started.enter_context(_process([*module, "tests.bench.empty"], log)),
        )


@contextlib.contextmanager
def _process(command: Sequence[str], log: IO[str]) -> Iterator[str]:
    """A process that serves; the first line that it says."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    with process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline().strip()
            if not said:
                message = f"{' '.join(command)} did not start: see {log.name}"
                raise RuntimeError(message)
            yield said
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
