"""Appends: one statement of 256 bytes, by many callers, over one negotiation and over many."""

import functools
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import talks, wire
from tests.bench.measure import Aim, Workload
from tests.bench.servers import EMPTY, OURS, USUAL, servers

CALLERS = (1, 16, 64)
NEGOTIATIONS = (1, 1_000)
_OPENERS = 16
_AIMED_AT = 64
_H2LOAD = "empty call, by h2load"


def workloads(folder: Path, seconds: float) -> Iterator[Workload]:
    """A workload for each number of callers and of negotiations."""
    with servers(folder) as at:
        if shutil.which("h2load"):
            yield Workload(
                f"what the client costs: an empty call by {_OPENERS} callers",
                "calls a second",
                {
                    EMPTY: functools.partial(_empty, at.empty, _OPENERS, seconds),
                    _H2LOAD: functools.partial(_by_h2load, at.empty, _OPENERS, seconds),
                },
                EMPTY,
            )
        for negotiations, callers in itertools.product(NEGOTIATIONS, CALLERS):
            yield Workload(
                f"append of a statement, by {_several(callers, 'caller')}"
                f" over {_several(negotiations, 'negotiation')}",
                "entries a second",
                {
                    EMPTY: functools.partial(_empty, at.empty, callers, seconds),
                    OURS: _appending(at.ours, callers, negotiations, seconds),
                    USUAL: _appending(at.usual, callers, negotiations, seconds),
                },
                EMPTY,
                [Aim(OURS, EMPTY, at_least=0.75), Aim(OURS, USUAL, at_least=15)]
                if callers == _AIMED_AT
                else [],
            )


def _several(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("s" if number > 1 else "")


def _empty(address: str, callers: int, seconds: float) -> float:
    bodies = talks.statements("empty")
    return wire.run(address, "/empty/Unary-0", bodies, callers=callers, seconds=seconds).rate


def _appending(
    address: str, callers: int, negotiations: int, seconds: float
) -> Callable[[], float]:
    """A run of appends to negotiations opened for it, so that all rounds are alike."""
    rounds = itertools.count()

    def append() -> float:
        name = f"by-{callers}-over-{negotiations}-{next(rounds)}"
        openings = talks.openings(name, negotiations)
        opened = wire.run(address, talks.RECORD, openings, callers=_OPENERS, seconds=600)
        assert opened.rate
        bodies = talks.statements(name, negotiations)
        run = wire.run(address, talks.RECORD, bodies, callers=callers, seconds=seconds)
        return run.rate

    return append


def _by_h2load(address: str, callers: int, seconds: float) -> float:
    """The rate that h2load has, with one body for all calls: it can send no other."""
    body = next(talks.statements("empty"))
    calls = max(1_000, int(_empty(address, callers, 0.2) * seconds))
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"\0" + len(body).to_bytes(4, "big") + body)
        file.flush()
        said = subprocess.run(
            [
                *("h2load", "--clients=1", f"--max-concurrent-streams={callers}"),
                *(f"--requests={calls}", f"--data={file.name}"),
                *("--header=content-type: application/grpc", "--header=te: trailers"),
                f"http://{address}/empty/Unary-0",
            ],
            capture_output=True,
            check=True,
            text=True,
        ).stdout
    finished = next(line for line in said.splitlines() if line.startswith("finished in"))
    return float(finished.split(",")[1].removesuffix("req/s"))
