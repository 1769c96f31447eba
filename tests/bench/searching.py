"""Searches of a whole corpus: common words and rare ones, phrases, beginnings, filters."""

import functools
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from examples.casino import convert
from pourparler import Client
from pourparler import v1 as pb
from tests.bench import wire
from tests.bench.measure import Means, Taken, Workload
from tests.bench.servers import EMPTY, OURS, servers

SEARCH = "/pourparler.v1.NegotiationService/SearchEntries"
_INDEXED_SECONDS = 120
_SEARCHES: Mapping[str, pb.SearchEntriesRequest] = {
    OURS: pb.SearchEntriesRequest(query="food water"),
    "a rare word": pb.SearchEntriesRequest(query="mosquitoes"),
    "a phrase": pb.SearchEntriesRequest(query='"extra firewood"'),
    "the beginning of a word": pb.SearchEntriesRequest(query="camp*"),
    "the commonest word": pb.SearchEntriesRequest(query="i"),
    "a word, by who said it": pb.SearchEntriesRequest(
        query="deal", speaker_ids=["mturk_agent_1"], entry_types=["statement_recorded"]
    ),
    "all there is, the latest first": pb.SearchEntriesRequest(),
}


def workloads(means: Means) -> Iterator[Workload]:
    """The one workload, if the corpus is there: first pages of 50, by one caller.

    Ours is the search for two common words; the others are named by what they look for.
    """
    if means.casino is None:
        return
    lines = list(convert.lines(means.casino))
    with servers(means.folder) as at:
        with tempfile.NamedTemporaryFile("w", dir=means.folder, suffix=".jsonl") as file:
            file.writelines(f"{line}\n" for line in lines)
            file.flush()
            command = str(Path(sys.executable).with_name("pourparler"))
            subprocess.run(
                [command, "--server", at.ours, "import", file.name], check=True, capture_output=True
            )
        with Client(at.ours, timeout=_INDEXED_SECONDS) as client:
            assert next(client.search("food")).snippets  # all is indexed by now
        size = wire.size_of_answer(at.ours, SEARCH, _SEARCHES[OURS].SerializeToString())
        contenders = {
            EMPTY: functools.partial(
                _rate, at.empty, f"/empty/Unary-{size}", b"asked", means.seconds
            )
        }
        for name, asked in _SEARCHES.items():
            body = asked.SerializeToString()
            contenders[name] = functools.partial(_rate, at.ours, SEARCH, body, means.seconds)
            assert wire.size_of_answer(at.ours, SEARCH, body), name
        yield Workload(
            "search",
            f"search of all of CaSiNo ({len(lines):,} entries) for two words, by 1 caller",
            "answers a second",
            contenders,
            EMPTY,
        )


def _rate(address: str, method: str, body: bytes, seconds: float) -> Taken:
    bodies = itertools.repeat(body)
    return wire.run(address, method, bodies, callers=1, seconds=seconds).by_rate()
