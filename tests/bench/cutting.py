"""What a cut view costs: replays and states of those who see half of it, and of who sees all."""

import functools
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pourparler import v1 as pb
from pourparler_service.storage.data_directory import DataDirectory
from pourparler_service.storage.interface import StoredEntry
from pourparler_service.storage.record_codec import decode_record, record_bytes
from pourparler_service.transparency.signing_keys import write_key
from tests.bench import talks, wire
from tests.bench.measure import Aim, Means, Taken, Workload
from tests.bench.servers import ours
from tests.support.sample_entries import restricted
from tests.support.signing_keys import KEY
from tests.support.stores import open_store

LENGTHS = (1_000, 100_000)
WHOLE, ALL_OF_IT, HALF = "whole", "cut, all of it seen", "cut, every other entry withheld"

_SEEN_BY = {WHOLE: "", ALL_OF_IT: "acme", HALF: "bolt"}
_CALLERS = 4


def workloads(means: Means) -> Iterator[Workload]:
    """Replays of a long record and of a shorter one, and the latest state of that."""
    with tempfile.TemporaryDirectory(dir=means.folder) as under:
        data = Path(under)
        _fill(data)
        with ours(data, means.folder) as server:
            for length in LENGTHS:
                yield Workload(
                    f"cut-replay-{length}",
                    f"replay of {length:,} entries, filtered for one reader",
                    "entries a second",
                    {
                        name: functools.partial(
                            _replayed, server.address, length, who, means.seconds
                        )
                        for name, who in _SEEN_BY.items()
                    },
                    WHOLE,
                    [Aim(name, WHOLE, at_least=0.5) for name in (ALL_OF_IT, HALF)],
                )
            for name, title, as_of in (
                ("cut-state", "state as of the middle of", pb.AsOf(version=LENGTHS[0] // 2)),
                ("cut-latest", "latest state of", None),
            ):
                yield Workload(
                    name,
                    f"{title} {LENGTHS[0]:,} entries, filtered for one reader",
                    "answers a second",
                    {
                        seen: functools.partial(_state, server.address, as_of, who, means.seconds)
                        for seen, who in _SEEN_BY.items()
                    },
                    WHOLE,
                    [Aim(seen, WHOLE, at_least=0.5) for seen in (ALL_OF_IT, HALF)],
                )


def _fill(data: Path) -> None:
    """Make records of which one of two parties sees but half."""
    with DataDirectory(data) as folder:
        write_key(KEY, folder.path / "signing.key")
        store = open_store(folder.path, {})
        try:
            for length in LENGTHS:
                records = map(_confided, talks.records(talks.of_length(length), length))
                while batch := list(itertools.islice(records, 5_000)):
                    store.append(batch)
        finally:
            store.close()


def _confided(stored: StoredEntry) -> StoredEntry:
    """Every other entry of a record, for acme alone."""
    if stored.version <= len(talks.OPENING) or stored.version % 2:
        return stored
    entry = decode_record(stored.data)
    entry.facts.visibility.CopyFrom(restricted("acme"))
    header = entry.header
    data = record_bytes(
        header.negotiation, header.version, header.record_time, entry.facts, entry.words
    )
    return stored._replace(data=data)


def _replayed(address: str, length: int, seen_by: str, seconds: float) -> Taken:
    asked = pb.ReplayEntriesRequest(
        name=f"negotiations/{talks.of_length(length)}", viewer_participant_id=seen_by
    )
    bodies = itertools.repeat(asked.SerializeToString())
    run = wire.run(address, talks.REPLAY, bodies, callers=1, seconds=seconds)
    return run.by_rate(length)


def _state(address: str, as_of: pb.AsOf | None, seen_by: str, seconds: float) -> Taken:
    asked = pb.GetNegotiationRequest(
        name=f"negotiations/{talks.of_length(LENGTHS[0])}",
        as_of=as_of,
        viewer_participant_id=seen_by,
    )
    bodies = itertools.repeat(asked.SerializeToString())
    return wire.run(address, talks.STATE, bodies, callers=_CALLERS, seconds=seconds).by_rate()
