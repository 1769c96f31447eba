"""Memory: what a service holds at rest, with many negotiations read, and while it replays."""

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from pourparler import v1 as pb
from tests.bench import servers, talks, wire
from tests.bench.measure import Means, Taken, Workload
from tests.bench.replaying import request
from tests.bench.servers import OURS

_HELD, _LENGTH = 10_000, 10
_REPLAYED = 100_000
_LOOK_SECONDS = 0.005
_PATIENCE_SECONDS = 600
_EMPTY = "empty server, at rest"
_REST = f"{OURS}, at rest"
_HOLDING = f"{OURS}, {_HELD:,} negotiations read"
_EACH = "each negotiation read"
_REPLAYING = f"{OURS}, at most in a replay"


def workloads(means: Means) -> Iterator[Workload]:
    """Memory of the process, and what a negotiation that was read adds to it."""
    histories = talks.of_many(_HELD, _LENGTH) | {talks.of_length(_REPLAYED): _REPLAYED}
    with tempfile.TemporaryDirectory(dir=means.folder) as under:
        data = Path(under, "ours")
        talks.fill(data, histories)
        found: dict[str, float] = {}

        def empty() -> Taken:
            with servers.empty(means.folder) as server:
                wire.call(server.address, "/empty/Unary-1", b"")
                found[_EMPTY] = _resident(server.pid)
            found.update(_looked_at(data, means.folder))
            return Taken(found[_EMPTY])

        yield Workload(
            "memory",
            f"resident memory; negotiations of {_LENGTH} entries, a replay of {_REPLAYED:,}",
            "MiB",
            {
                _EMPTY: empty,
                **{
                    name: lambda name=name: Taken(found[name])  # type: ignore[misc]
                    for name in (_REST, _HOLDING, _REPLAYING)
                },
            },
            _EMPTY,
            less_is_more=True,
            most_rounds=3,
        )
        yield Workload(
            "memory-each",
            f"memory for each of {_HELD:,} negotiations of {_LENGTH} entries that were read",
            "KiB",
            {_EACH: lambda: Taken((found[_HOLDING] - found[_REST]) * 1_024 / _HELD)},
            _EACH,
            less_is_more=True,
            most_rounds=1,
        )


def _looked_at(data: Path, folder: Path) -> dict[str, float]:
    """What a service of this folder holds in each condition, in MiB; each in a process anew."""
    found = {}
    with servers.ours(data, folder) as server:
        health = wire.call(server.address, "/grpc.health.v1.Health/Check", b"")
        assert health
        found[_REST] = _resident(server.pid)
        asked = (
            pb.GetNegotiationRequest(name=f"negotiations/{id_}").SerializeToString()
            for id_ in talks.of_many(_HELD, _LENGTH)
        )
        read = wire.run(server.address, talks.STATE, asked, callers=4, seconds=_PATIENCE_SECONDS)
        assert read.rate
        found[_HOLDING] = _resident(server.pid)
    with servers.ours(data, folder) as server, _watched(server.pid) as most:
        whole = iter([request(f"negotiations/{talks.of_length(_REPLAYED)}")])
        assert wire.run(server.address, talks.REPLAY, whole, seconds=_PATIENCE_SECONDS).rate
        most.append(_resident(server.pid))
        found[_REPLAYING] = max(most)
    return found


@contextlib.contextmanager
def _watched(pid: int) -> Iterator[list[float]]:
    """What a process holds, looked at over and over while the block lasts."""
    seen: list[float] = []
    enough = threading.Event()

    def look() -> None:
        while not enough.wait(_LOOK_SECONDS):
            seen.append(_resident(pid))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        enough.set()
        looking.join()


def _resident(pid: int) -> float:
    """The resident memory of a process in MiB, as Linux tells it."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "VmRSS":
            return int(value.split()[0]) / 1_024
    message = f"the system does not tell of process {pid}"
    raise RuntimeError(message)
