"""Watches: how long after an append the last of a thousand watchers has it."""

import itertools
import time
from collections.abc import Callable, Iterator

from pourparler import v1 as pb
from tests.bench import talks, wire
from tests.bench.appending import open_all
from tests.bench.empty import WATCHING
from tests.bench.measure import Aim, Means, Taken, Workload, taken
from tests.bench.servers import OURS, servers

WATCHERS = 1_000
_PUSHES = 20
_PAUSE_SECONDS = 0.02  # so that one push is not measured by the rest of another
_PUSH = "empty push"
_MESSAGE_BYTES = 700
"""About as many as the message has by which a statement comes to a watcher."""


def workloads(means: Means) -> Iterator[Workload]:
    """The one workload: from when an append is sent to when the last watcher has it."""
    with servers(means.folder) as at:
        yield Workload(
            "watch",
            f"{WATCHERS:,} watchers of one negotiation: from append to last delivery",
            "ms",
            {_PUSH: _pushing(at.empty), OURS: _appending(at.ours)},
            _PUSH,
            [Aim(OURS, None, at_most=25)],
            less_is_more=True,
        )


def _pushing(address: str) -> Callable[[], Taken]:
    """A server that hands a message of the same size to as many open streams."""
    marks = itertools.count(10**9)

    def push() -> Taken:
        with wire.Watchers(address, "/empty/Watch", b"", WATCHERS) as watchers:
            watchers.until(WATCHING)
            took = []
            for _ in range(_PUSHES):
                mark = str(next(marks)).encode()
                message = mark.ljust(_MESSAGE_BYTES, b".")
                took.append(_took(watchers, address, "/empty/Push", message, mark))
        return _by_time(took)

    return push


def _appending(address: str) -> Callable[[], Taken]:
    """An append of a statement, whose watchers have been told that they have all there was."""
    rounds = itertools.count()

    def append() -> Taken:
        name = f"watched-{next(rounds)}"
        open_all(address, name, 1)
        asked = pb.ReplayEntriesRequest(
            name=f"negotiations/{name}-0000", after_version=len(talks.OPENING), follow=True
        ).SerializeToString()
        with wire.Watchers(address, talks.REPLAY, asked, WATCHERS) as watchers:
            watchers.until(name.encode())  # in the checkpoint with which they have caught up
            bodies = talks.statements(name)
            took = []
            for number in range(_PUSHES):
                mark = f"s-{number:08}".encode()
                took.append(_took(watchers, address, talks.RECORD, next(bodies), mark))
        return _by_time(took)

    return append


def _took(watchers: wire.Watchers, address: str, method: str, body: bytes, mark: bytes) -> float:
    """From when a call is sent to when all watchers had the mark, in seconds."""
    time.sleep(_PAUSE_SECONDS)
    with wire.sent(address, method, body) as began:
        return watchers.until(mark) - began


def _by_time(took: list[float]) -> Taken:
    pushed = taken(0, took)
    return pushed._replace(value=pushed.median_ms or 0)
