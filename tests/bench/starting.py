"""A cold start: how long it takes a service of a million entries until it answers."""

import functools
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pourparler import v1 as pb
from tests.bench import servers, talks, wire
from tests.bench.measure import Aim, Means, Taken, Workload

_HEALTH = "/grpc.health.v1.Health/Check"
_LIST = "/pourparler.v1.NegotiationService/ListNegotiations"
_SERVING = b"\x08\x01"

_LONG, _SHORT = 100_000, 1_000
_EMPTY = "empty server, its first answer"
_HEALTHY = "health says SERVING"
_READ = f"a state of {_SHORT:,} entries"
_LISTED = "a page of a list"
_LONG_READ = f"a state of {_LONG:,} entries"
_LOST = "a page of a list, its catalogue lost"


def workloads(means: Means) -> Iterator[Workload]:
    """The one workload: each contender starts a service of its own and asks it one thing."""
    entries = 200_000 if means.quick else 1_000_000
    data = _filled(means.folder / f"of-{entries}", entries)
    state = pb.GetNegotiationRequest(name=f"negotiations/{_id(1)}").SerializeToString()
    long_state = pb.GetNegotiationRequest(name=f"negotiations/{_id(0)}").SerializeToString()
    page = pb.ListNegotiationsRequest(page_size=10).SerializeToString()

    def started(method: str, body: bytes, *, lost: bool = False) -> Taken:
        _forget(data, catalogue=lost)
        began = time.perf_counter()
        with servers.ours(data, means.folder) as server:
            answer = wire.call(server.address, method, body)
            took = time.perf_counter() - began
        assert method != _HEALTH or answer == _SERVING
        return Taken(took)

    contenders: dict[str, Callable[[], Taken]] = {
        _EMPTY: functools.partial(_empty, means.folder),
        _HEALTHY: functools.partial(started, _HEALTH, b""),
        _READ: functools.partial(started, talks.STATE, state),
        _LISTED: functools.partial(started, _LIST, page),
        _LONG_READ: functools.partial(started, talks.STATE, long_state),
        _LOST: functools.partial(started, _LIST, page, lost=True),
    }
    yield Workload(
        "start",
        f"cold start with {entries:,} entries: from the command to the first answer",
        "s",
        contenders,
        _EMPTY,
        [Aim(name, None, at_most=2) for name in (_HEALTHY, _READ, _LISTED)],
        less_is_more=True,
        most_rounds=3,
    )


def _empty(folder: Path) -> Taken:
    began = time.perf_counter()
    with servers.empty(folder) as server:
        wire.call(server.address, "/empty/Unary-1", b"")
        return Taken(time.perf_counter() - began)


def _id(place: int) -> str:
    return f"kept-{place:04}"


def _histories(entries: int) -> Mapping[str, int]:
    """One long negotiation, and many of a thousand entries."""
    places = range(1, (entries - _LONG) // _SHORT + 1)
    return {_id(0): _LONG, **{_id(place): _SHORT for place in places}}


def _filled(data: Path, entries: int) -> Path:
    """The data folder of so many entries: made at the first run, with the catalogue of it."""
    whole = data / "whole.json"
    made_of = json.dumps({"entries": entries, "bytes": talks.STORED_BYTES})
    if not whole.exists() or whole.read_text(encoding="utf-8") != made_of:
        shutil.rmtree(data, ignore_errors=True)
        talks.fill(data, _histories(entries))
        whole.write_text(made_of, encoding="utf-8")
    with servers.ours(data, data.parent) as server:
        wire.call(server.address, _LIST, b"")
    return data


def _forget(data: Path, *, catalogue: bool) -> None:
    """Let the system forget what it read of these files, so that the disk is read again."""
    if catalogue:
        for path in data.glob("catalogue.sqlite*"):
            path.unlink()
    os.sync()
    for path in data.glob("*.sqlite*"):
        file = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)
