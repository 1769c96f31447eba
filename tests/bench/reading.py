"""Reads: the latest state and that of a version in the middle, short records and long ones."""

import functools
import itertools
from collections.abc import Iterator

from pourparler import v1 as pb
from tests.bench import talks, wire
from tests.bench.measure import Aim, Means, Taken, Workload
from tests.bench.servers import EMPTY, OURS, USUAL, Servers, servers

LENGTHS = (10, 1_000, 10_000)
_CALLERS = 16
_AS_OF_CALLERS = 4

_VIEWS = {"BASIC": pb.NEGOTIATION_VIEW_BASIC, "FULL": pb.NEGOTIATION_VIEW_FULL}


def workloads(means: Means) -> Iterator[Workload]:
    """A workload for each length and view."""
    histories = {talks.of_length(length): length for length in LENGTHS}
    with servers(means.folder, histories, histories) as at:
        for view, length in itertools.product(_VIEWS, LENGTHS):
            yield _read(
                f"latest-{view.lower()}-{length}",
                f"latest state, {view}, of {length:,} entries",
                at,
                asked(length, view),
                callers=_CALLERS,
                seconds=means.seconds,
                usual=True,
            )
        yield _flat(at, means.seconds)
        for length in LENGTHS:
            yield _read(
                f"as-of-{length}",
                f"state as of the middle of {length:,} entries, FULL",
                at,
                asked(length, "FULL", as_of=length // 2),
                callers=_AS_OF_CALLERS,
                seconds=means.seconds,
                usual=False,
            )


def _read(
    key: str, name: str, at: Servers, body: bytes, *, callers: int, seconds: float, usual: bool
) -> Workload:
    """Reads against empty calls whose answers have the same size."""
    size = wire.size_of_answer(at.ours, talks.STATE, body)

    def rate(address: str, method: str) -> Taken:
        return _rate(address, method, body, callers, seconds)

    contenders = {
        EMPTY: functools.partial(rate, at.empty, f"/empty/Unary-{size}"),
        OURS: functools.partial(rate, at.ours, talks.STATE),
    }
    if usual:
        contenders[USUAL] = functools.partial(rate, at.usual, talks.STATE)
    return Workload(
        key,
        f"{name} ({size:,} bytes), by {callers} callers",
        "answers a second",
        contenders,
        EMPTY,
        [Aim(OURS, EMPTY, at_least=0.9)] if usual else [],
    )


def _flat(at: Servers, seconds: float) -> Workload:
    """The same small answer from records of each length, in the same rounds."""
    contenders = {
        f"of {length:,} entries": functools.partial(
            _rate, at.ours, talks.STATE, asked(length, "BASIC"), _CALLERS, seconds
        )
        for length in LENGTHS
    }
    shortest, *_, longest = contenders
    return Workload(
        "latest-flat",
        f"latest state, BASIC, as the record grows, by {_CALLERS} callers",
        "answers a second",
        contenders,
        shortest,
        [Aim(longest, shortest, at_least=0.9)],
    )


def _rate(address: str, method: str, body: bytes, callers: int, seconds: float) -> Taken:
    bodies = itertools.repeat(body)
    return wire.run(address, method, bodies, callers=callers, seconds=seconds).by_rate()


def asked(length: int, view: str, as_of: int | None = None) -> bytes:
    """The request for the state of a negotiation of this length."""
    return pb.GetNegotiationRequest(
        name=f"negotiations/{talks.of_length(length)}",
        view=_VIEWS[view],
        as_of=None if as_of is None else pb.AsOf(version=as_of),
    ).SerializeToString()
