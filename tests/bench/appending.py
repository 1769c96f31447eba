"""Appends: one statement of 256 bytes, by many callers, over one negotiation and over many."""

import contextlib
import functools
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator

from tests.bench import rival, talks, wire
from tests.bench.measure import Aim, Means, Taken, Workload
from tests.bench.servers import EMPTY, OURS, UMADB, USUAL, servers, umadb

CALLERS = (1, 16, 64)
NEGOTIATIONS = (1, 1_000)
OPENERS = 16
BY_ITS_CLIENT = f"{UMADB}, by its Python client"
_AIMED_AT = 64
_H2LOAD = "empty call, by h2load"


def workloads(means: Means) -> Iterator[Workload]:
    """A workload for each number of callers and of negotiations."""
    with contextlib.ExitStack() as started:
        at = started.enter_context(servers(means.folder))
        rivals = started.enter_context(umadb(means.tools, means.folder)) if means.tools else None
        seconds = means.seconds
        if shutil.which("h2load"):
            yield Workload(
                "client",
                f"what the client costs: an empty call by {OPENERS} callers",
                "calls a second",
                {
                    EMPTY: functools.partial(_empty, at.empty, OPENERS, seconds),
                    _H2LOAD: functools.partial(_by_h2load, at.empty, OPENERS, seconds),
                },
                EMPTY,
            )
        for negotiations, callers in itertools.product(NEGOTIATIONS, CALLERS):
            contenders: dict[str, Callable[[], Taken]] = {
                EMPTY: functools.partial(_empty, at.empty, callers, seconds),
                OURS: _appending(at.ours, callers, negotiations, seconds),
                USUAL: _appending(at.usual, callers, negotiations, seconds),
            }
            aims = [Aim(OURS, EMPTY, at_least=0.75), Aim(OURS, USUAL, at_least=15)]
            if rivals and means.tools:
                contenders |= {
                    UMADB: _rival(rivals, callers, negotiations, seconds),
                    BY_ITS_CLIENT: functools.partial(
                        rival.by_its_client,
                        *(means.tools, rivals, "append", str(talks.STORED_BYTES)),
                        callers=callers,
                        seconds=seconds,
                    ),
                }
            aims = aims if callers == _AIMED_AT else []
            if rivals and callers > 1:
                aims += [Aim(OURS, UMADB, at_least=1), Aim(OURS, BY_ITS_CLIENT, at_least=1)]
            yield Workload(
                f"append-{callers}-{negotiations}",
                f"append of a statement, by {several(callers, 'caller')}"
                f" over {several(negotiations, 'negotiation')}",
                "entries a second",
                contenders,
                EMPTY,
                aims,
            )


def several(number: int, what: str) -> str:
    """A number of something, in words."""
    return f"{number:,} {what}" + ("s" if number > 1 else "")


def open_all(address: str, name: str, negotiations: int) -> None:
    """Open negotiations for `talks.statements` of this name."""
    openings = talks.openings(name, negotiations)
    opened = wire.run(address, talks.RECORD, openings, callers=OPENERS, seconds=600)
    assert opened.rate


def _empty(address: str, callers: int, seconds: float) -> Taken:
    bodies = talks.statements("empty")
    method = "/empty/Unary-0"
    return wire.run(address, method, bodies, callers=callers, seconds=seconds).by_rate()


def _appending(
    address: str, callers: int, negotiations: int, seconds: float
) -> Callable[[], Taken]:
    """A run of appends to negotiations opened for it, so that all rounds are alike."""
    rounds = itertools.count()

    def append() -> Taken:
        name = f"by-{callers}-over-{negotiations}-{next(rounds)}"
        open_all(address, name, negotiations)
        bodies = talks.statements(name, negotiations)
        run = wire.run(address, talks.RECORD, bodies, callers=callers, seconds=seconds)
        return run.by_rate()

    return append


def _rival(address: str, callers: int, negotiations: int, seconds: float) -> Callable[[], Taken]:
    """Appends of as many bytes as ours stores of a statement, by the same client."""

    def append() -> Taken:
        bodies = rival.appends(bytes(talks.STORED_BYTES), negotiations)
        run = wire.run(address, rival.APPEND, bodies, callers=callers, seconds=seconds)
        return run.by_rate()

    return append


def _by_h2load(address: str, callers: int, seconds: float) -> Taken:
    """The rate that h2load has, with one body for all calls: it can send no other."""
    body = next(talks.statements("empty"))
    calls = max(1_000, int(_empty(address, callers, 0.2).value * seconds))
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
    return Taken(float(finished.split(",")[1].removesuffix("req/s")))
