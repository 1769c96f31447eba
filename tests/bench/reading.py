"""Reads: the latest state and that of a version in the middle, short records and long ones."""

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

from pourparler import v1 as pb
from pourparler_service.replay import BATCH_ENTRIES
from tests.bench import talks, wire
from tests.bench.measure import Aim, Workload
from tests.bench.servers import EMPTY, OURS, USUAL, Servers, servers

LENGTHS = (10, 1_000, 10_000)
REPLAYED = 100_000
_REPLAYED_USUALLY = 10_000
_CALLERS = 16
_AS_OF_CALLERS = 4
_PATIENCE_SECONDS = 120

_VIEWS = {"BASIC": pb.NEGOTIATION_VIEW_BASIC, "FULL": pb.NEGOTIATION_VIEW_FULL}


def workloads(folder: Path, seconds: float) -> Iterator[Workload]:
    """A workload for each length and view, and the replay."""
    histories = {talks.of_length(length): length for length in (*LENGTHS, REPLAYED)}
    with servers(folder, histories, LENGTHS) as at:
        for view, length in itertools.product(_VIEWS, LENGTHS):
            yield _read(
                at,
                f"latest state, {view}, of {length:,} entries",
                _asked(length, view),
                _CALLERS,
                seconds,
                usual=True,
            )
        for length in LENGTHS:
            yield _read(
                at,
                f"state as of the middle of {length:,} entries, FULL",
                _asked(length, "FULL", as_of=length // 2),
                _AS_OF_CALLERS,
                seconds,
                usual=False,
            )
        yield _replay(at)


def _read(
    at: Servers, name: str, asked: bytes, callers: int, seconds: float, *, usual: bool
) -> Workload:
    """Reads against empty calls whose answers have the same size."""
    size = wire.size_of_answer(at.ours, talks.STATE, asked)

    def rate(address: str, method: str) -> float:
        bodies = itertools.repeat(asked)
        return wire.run(address, method, bodies, callers=callers, seconds=seconds).rate

    contenders = {
        EMPTY: functools.partial(rate, at.empty, f"/empty/Unary-{size}"),
        OURS: functools.partial(rate, at.ours, talks.STATE),
    }
    if usual:
        contenders[USUAL] = functools.partial(rate, at.usual, talks.STATE)
    return Workload(
        f"{name} ({size:,} bytes), by {callers} callers",
        "answers a second",
        contenders,
        EMPTY,
        [Aim(OURS, EMPTY, at_least=0.9)] if usual else [],
    )


def _asked(length: int, view: str, as_of: int | None = None) -> bytes:
    return pb.GetNegotiationRequest(
        name=f"negotiations/{talks.of_length(length)}",
        view=_VIEWS[view],
        as_of=None if as_of is None else pb.AsOf(version=as_of),
    ).SerializeToString()


def _replay(at: Servers) -> Workload:
    """Replays against a stream of as many messages of the same size."""

    def rate(address: str, method: str, length: int) -> float:
        request = pb.ReplayRequest(name=f"negotiations/{talks.of_length(length)}")
        asked = iter([request.SerializeToString()])
        return length * wire.run(address, method, asked, seconds=_PATIENCE_SECONDS).rate

    whole = pb.ReplayRequest(name=f"negotiations/{talks.of_length(REPLAYED)}")
    size = wire.size_of_answer(at.ours, talks.REPLAY, whole.SerializeToString())
    messages = -(-REPLAYED // BATCH_ENTRIES)
    stream, usual = "empty stream", f"{USUAL}, of {_REPLAYED_USUALLY:,}"
    method = f"/empty/Stream-{messages}-{size // messages}"
    return Workload(
        f"replay of {REPLAYED:,} entries of one negotiation ({size:,} bytes)",
        "entries a second",
        {
            stream: functools.partial(rate, at.empty, method, REPLAYED),
            OURS: functools.partial(rate, at.ours, talks.REPLAY, REPLAYED),
            usual: functools.partial(rate, at.usual, talks.REPLAY, _REPLAYED_USUALLY),
        },
        stream,
        [Aim(OURS, stream, at_least=0.5), Aim(OURS, usual, at_least=20)],
    )
