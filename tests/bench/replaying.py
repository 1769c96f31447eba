"""Replays: 100,000 entries of one negotiation, and of a thousand in the order of recording."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping

from pourparler import v1 as pb
from pourparler_service.replay import ALL, BATCH_ENTRIES
from tests.bench import rival, talks, wire
from tests.bench.appending import BY_ITS_CLIENT, several
from tests.bench.measure import Aim, Means, Taken, Workload
from tests.bench.servers import OURS, UMADB, USUAL, servers, umadb

REPLAYED = 100_000
MANY = 1_000
_REPLAYED_USUALLY = 10_000
_STREAM = "empty stream"
_USUAL = f"{USUAL}, of {_REPLAYED_USUALLY:,}"
_PATIENCE_SECONDS = 120


def workloads(means: Means) -> Iterator[Workload]:
    """A workload for one negotiation, and one for many: each in a store of their own."""
    for negotiations in (1, MANY):
        histories = talks.of_many(negotiations, REPLAYED // negotiations)
        usual = talks.of_many(negotiations, _REPLAYED_USUALLY // negotiations)
        name = ALL if negotiations > 1 else f"negotiations/{next(iter(histories))}"
        yield from _replays(means, histories, usual, name)


def _replays(
    means: Means, histories: Mapping[str, int], usual: Mapping[str, int], name: str
) -> Iterator[Workload]:
    """Replays against a stream of as many messages of the same size."""
    negotiations = len(histories)
    asked = request(name)
    with contextlib.ExitStack() as started:
        at = started.enter_context(servers(means.folder, histories, usual, in_turn=True))
        size = wire.size_of_answer(at.ours, talks.REPLAY, asked)
        messages = -(-REPLAYED // BATCH_ENTRIES)
        method = f"/empty/Stream-{messages}-{size // messages}"
        contenders: dict[str, Callable[[], Taken]] = {
            _STREAM: functools.partial(_rate, at.empty, method, asked, REPLAYED),
            OURS: functools.partial(_rate, at.ours, talks.REPLAY, asked, REPLAYED),
            _USUAL: functools.partial(_rate, at.usual, talks.REPLAY, asked, _REPLAYED_USUALLY),
        }
        if means.tools:
            rivals = started.enter_context(umadb(means.tools, means.folder))
            tag = "replayed"
            rival.fill(rivals, bytes(talks.STORED_BYTES), tag, REPLAYED)
            contenders[UMADB] = functools.partial(
                _rate, rivals, rival.READ, rival.read(tag), REPLAYED
            )
            contenders[BY_ITS_CLIENT] = functools.partial(
                rival.read_by_its_client, means.tools, rivals, tag, REPLAYED
            )
        yield Workload(
            f"replay-{negotiations}",
            f"replay of {REPLAYED:,} entries of {several(negotiations, 'negotiation')}"
            f" ({size:,} bytes)",
            "entries a second",
            contenders,
            _STREAM,
            [Aim(OURS, _STREAM, at_least=0.5), Aim(OURS, _USUAL, at_least=20)],
        )


def request(name: str) -> bytes:
    """The request for all entries of a negotiation, or of all."""
    return pb.ReplayRequest(name=name).SerializeToString()


def _rate(address: str, method: str, asked: bytes, entries: int) -> Taken:
    """Entries a second: how long they take is no latency of a call."""
    run = wire.run(address, method, iter([asked]), seconds=_PATIENCE_SECONDS)
    return Taken(run.rate * entries)
