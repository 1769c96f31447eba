"""Replays: 100,000 entries of one negotiation, and of a thousand in the order of recording."""

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from pourparler import v1 as pb
from pourparler_service.reads.entry_filters import ALL, BATCH_ENTRIES
from tests.bench import rival, talks, wire
from tests.bench.appending import BY_ITS_CLIENT, several
from tests.bench.measure import Aim, Means, Taken, Workload
from tests.bench.servers import OURS, UMADB, USUAL, servers, umadb

REPLAYED = 100_000
MANY = 1_000
_REPLAYED_USUALLY = 10_000
_STREAM = "empty stream"
_USUAL = f"{USUAL}, of {_REPLAYED_USUALLY:,}"
_TAG = "replayed"
_SHORT_ONES, _LENGTH, _CALLERS = 1_000, 10, 16


def workloads(means: Means) -> Iterator[Workload]:
    """One long one, one over many negotiations, many short ones: each in a store of its own."""
    for negotiations in (1, MANY):
        histories = talks.of_many(negotiations, REPLAYED // negotiations)
        usual = talks.of_many(negotiations, _REPLAYED_USUALLY // negotiations)
        name = ALL if negotiations > 1 else f"negotiations/{next(iter(histories))}"
        yield from _replays(means, histories, usual, name)
    yield from _short_ones(means)


def _replays(
    means: Means, histories: Mapping[str, int], usual: Mapping[str, int], name: str
) -> Iterator[Workload]:
    """Replays against a stream of as many messages of the same size."""
    negotiations, seconds = len(histories), means.seconds
    asked = request(name)
    with contextlib.ExitStack() as started:
        at = started.enter_context(servers(means.folder, histories, usual, in_turn=True))
        size = _size_of_whole(at.ours, asked, REPLAYED)
        messages = -(-REPLAYED // BATCH_ENTRIES)
        method = f"/empty/Stream-{messages}-{size // messages}"
        contenders: dict[str, Callable[[], Taken]] = {
            _STREAM: functools.partial(_rate, at.empty, method, asked, REPLAYED, seconds),
            OURS: functools.partial(_rate, at.ours, talks.REPLAY, asked, REPLAYED, seconds),
            _USUAL: functools.partial(
                _rate, at.usual, talks.REPLAY, asked, _REPLAYED_USUALLY, seconds
            ),
        }
        if means.tools:
            rivals = started.enter_context(umadb(means.tools, means.folder))
            rival.fill(rivals, bytes(talks.STORED_BYTES), [_TAG], REPLAYED)
            read = rival.read(_TAG)
            contenders |= {
                UMADB: functools.partial(_rate, rivals, rival.READ, read, REPLAYED, seconds),
                BY_ITS_CLIENT: functools.partial(_by_its_client, means.tools, rivals, seconds),
            }
        yield Workload(
            f"replay-{negotiations}",
            f"replay of {REPLAYED:,} entries of {several(negotiations, 'negotiation')}"
            f" ({size:,} bytes)",
            "entries a second",
            contenders,
            _STREAM,
            [Aim(OURS, _STREAM, at_least=0.5), Aim(OURS, _USUAL, at_least=20)],
        )


def _by_its_client(tools: Path, address: str, seconds: float) -> Taken:
    read = rival.by_its_client(tools, address, "read", _TAG, seconds=seconds)
    return Taken(read.value)


def _short_ones(means: Means) -> Iterator[Workload]:
    """Many replays of short negotiations, one after the other, by many callers."""
    histories = talks.of_many(_SHORT_ONES, _LENGTH)
    requests = [request(f"negotiations/{id_}") for id_ in histories]
    with contextlib.ExitStack() as started:
        at = started.enter_context(servers(means.folder, histories, histories))
        size = wire.size_of_answer(at.ours, talks.REPLAY, requests[0])

        def rate(address: str, method: str, bodies: Sequence[bytes]) -> Taken:
            run = wire.run(
                address, method, itertools.cycle(bodies), callers=_CALLERS, seconds=means.seconds
            )
            return run.by_rate(_LENGTH)

        contenders: dict[str, Callable[[], Taken]] = {
            _STREAM: functools.partial(rate, at.empty, f"/empty/Stream-2-{size // 2}", requests),
            OURS: functools.partial(rate, at.ours, talks.REPLAY, requests),
            USUAL: functools.partial(rate, at.usual, talks.REPLAY, requests),
        }
        if means.tools:
            rivals = started.enter_context(umadb(means.tools, means.folder))
            tags = list(histories)
            rival.fill(rivals, bytes(talks.STORED_BYTES), tags, _LENGTH)
            contenders |= {
                UMADB: functools.partial(
                    rate, rivals, rival.READ, [rival.read(tag) for tag in tags]
                ),
                BY_ITS_CLIENT: functools.partial(
                    rival.by_its_client,
                    means.tools,
                    rivals,
                    "read",
                    *tags,
                    callers=_CALLERS,
                    seconds=means.seconds,
                ),
            }
        yield Workload(
            "replay-short",
            f"short replays of {_LENGTH} entries, over {_SHORT_ONES:,} negotiations,"
            f" by {_CALLERS} callers ({size:,} bytes)",
            "entries a second",
            contenders,
            _STREAM,
        )


def request(name: str) -> bytes:
    """The request for all entries of a negotiation, or of all."""
    return pb.ReplayEntriesRequest(name=name).SerializeToString()


def _rate(address: str, method: str, asked: bytes, entries: int, seconds: float) -> Taken:
    """Entries a second, of one replay or as many as there is time for: no latency of a call."""
    run = wire.run(address, method, itertools.repeat(asked), seconds=seconds)
    return Taken(run.rate * entries)


def _size_of_whole(address: str, asked: bytes, entries: int) -> int:
    """How many bytes a replay of so many entries has. See that it is complete."""
    messages = wire.messages(address, talks.REPLAY, asked)
    assert pb.ReplayEntriesResponse.FromString(messages[-1]).complete.entry_count == entries
    return sum(map(len, messages))
