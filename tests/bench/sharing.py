"""Fairness: how long one caller's appends take beside what others do to the same service.

As a program, `python -m tests.bench.sharing WHAT ADDRESS NAME`, it is the other.
"""

import contextlib
import functools
import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping

from pourparler.schema.wire import length_delimited
from tests.bench import talks, wire
from tests.bench.appending import open_all
from tests.bench.measure import Aim, Means, Taken, Workload
from tests.bench.reading import asked
from tests.bench.replaying import request
from tests.bench.servers import servers

_READ, _REPLAYED = 10_000, 100_000
_FLOODING = 64
_UNDER_WAY = 256
_FOREVER = 3_600
_SETTLED_SECONDS = 0.2
_LEAST_SECONDS = 2.0
"""A 99th percentile wants many calls."""
_ALONE = "alone"
_AS_OF = f"beside reads as of the middle of {_READ:,}"
_REPLAY = f"beside replays of {_REPLAYED:,}"
_FLOOD = f"beside {_FLOODING} callers' appends"
_SESSION = f"beside a session, {_UNDER_WAY} under way"
_BY_NAME = {"as-of": _AS_OF, "replay": _REPLAY, "flood": _FLOOD, "session": _SESSION}


def workloads(means: Means) -> Iterator[Workload]:
    """The one workload."""
    histories = {talks.of_length(length): length for length in (_READ, _REPLAYED)}
    seconds = means.seconds if means.quick else max(means.seconds, _LEAST_SECONDS)
    with servers(means.folder, histories) as at:
        appending = functools.partial(_appending, at.ours, itertools.count(), seconds)
        yield Workload(
            "fairness",
            "one caller's appends: the 99th percentile of how long they take",
            "ms",
            {
                _ALONE: functools.partial(appending, None),
                **{shown: functools.partial(appending, name) for name, shown in _BY_NAME.items()},
            },
            _ALONE,
            [Aim(name, _ALONE, at_most=1.5) for name in (_AS_OF, _REPLAY)],
            less_is_more=True,
        )


def _appending(
    address: str, rounds: "itertools.count[int]", seconds: float, beside: str | None
) -> Taken:
    name = f"beside-{next(rounds)}"
    open_all(address, name, 1)
    with _other(beside, address, name) if beside else contextlib.nullcontext():
        run = wire.run(address, talks.RECORD, talks.statements(name), seconds=seconds)
    by_rate = run.by_rate()
    return by_rate._replace(value=by_rate.p99_ms or 0)


@contextlib.contextmanager
def _other(what: str, address: str, name: str) -> Iterator[None]:
    """Run another caller of the same service, in its own process, for the time of the block."""
    command = [sys.executable, "-m", "tests.bench.sharing", what, address, f"{name}-other"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        try:
            assert other.stdout.readline() == b"at it\n"
            time.sleep(_SETTLED_SECONDS)
            yield
            assert other.poll() is None, f"nobody was there any more to {what}"
        finally:
            other.terminate()


def _go_on(what: str, address: str, name: str) -> None:
    """Do one of these things without pause until the process is ended."""
    open_all(address, name, 1)
    sys.stdout.write("at it\n")
    sys.stdout.flush()
    _OTHERS[what](address, name)


def _read_over_and_over(address: str, _: str) -> None:
    bodies = itertools.repeat(asked(_READ, "FULL", as_of=_READ // 2))
    wire.run(address, talks.STATE, bodies, seconds=_FOREVER)


def _replay_over_and_over(address: str, _: str) -> None:
    bodies = itertools.repeat(request(f"negotiations/{talks.of_length(_REPLAYED)}"))
    wire.run(address, talks.REPLAY, bodies, seconds=_FOREVER)


def _flood(address: str, name: str) -> None:
    bodies = talks.statements(name)
    wire.run(address, talks.RECORD, bodies, callers=_FLOODING, seconds=_FOREVER)


def _pump(address: str, name: str) -> None:
    messages = (length_delimited(1, one) for one in talks.statements(name))
    wire.pump(address, talks.SESSION, messages, under_way=_UNDER_WAY, seconds=_FOREVER)


_OTHERS: Mapping[str, Callable[[str, str], None]] = {
    "as-of": _read_over_and_over,
    "replay": _replay_over_and_over,
    "flood": _flood,
    "session": _pump,
}

if __name__ == "__main__":
    _go_on(*sys.argv[1:])
