"""The import of a whole corpus: 1,030 dialogues of CaSiNo, by the command that everybody uses."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from examples.casino import convert
from pourparler import v1 as pb
from pourparler.cli.input.import_lines import draft, request_id
from pourparler.schema.wire import length_delimited
from tests.bench import talks, wire
from tests.bench.batching import SESSION, UNDER_WAY
from tests.bench.measure import Means, Taken, Workload
from tests.bench.servers import OURS, servers

_BY_WIRE = f"{OURS}, a session by itself"
_FOREVER = 3_600
_FIRST = 1_000  # to see how long receipts are


def workloads(means: Means) -> Iterator[Workload]:
    """The one workload, if the corpus is there."""
    if means.casino is None:
        return
    lines = list(convert.lines(means.casino))
    with servers(means.folder) as at:
        first = wire.pump(
            at.ours,
            talks.SESSION,
            _messages(_renamed(lines[:_FIRST], "first")),
            under_way=UNDER_WAY,
            seconds=_FOREVER,
        )
        size = first.size // first.answered - wire.PREFIX_BYTES
        yield Workload(
            "import",
            f"import of all of CaSiNo ({len(lines):,} entries)",
            "entries a second",
            {
                SESSION: _pumping(at.empty, f"/empty/Session-{size}", lines, "empty"),
                _BY_WIRE: _pumping(at.ours, talks.SESSION, lines, "by-wire"),
                OURS: _importing(at.ours, lines, means.folder),
            },
            SESSION,
            most_rounds=3,
        )


def _renamed(lines: Sequence[str], name: str) -> Iterator[str]:
    """The lines for negotiations of other names, so that every round is a first one."""
    for line in lines:
        said = json.loads(line)
        said["negotiation"] = said["negotiation"].replace("casino-", f"{name}-")
        yield json.dumps(said)


def _importing(address: str, lines: Sequence[str], folder: Path) -> Callable[[], Taken]:
    names = _names("imported")

    def imported() -> Taken:
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".jsonl") as file:
            file.writelines(line + "\n" for line in _renamed(lines, next(names)))
            file.flush()
            command = str(Path(sys.executable).with_name("pourparler"))
            began = time.perf_counter()
            subprocess.run(
                [command, "--server", address, "import", file.name], check=True, capture_output=True
            )
            return Taken(len(lines) / (time.perf_counter() - began))

    return imported


def _pumping(address: str, method: str, lines: Sequence[str], name: str) -> Callable[[], Taken]:
    """The same groups in the same order, by a client that has them ready."""
    names = _names(name)

    def pumped() -> Taken:
        messages = list(_messages(_renamed(lines, next(names))))
        run = wire.pump(address, method, iter(messages), under_way=UNDER_WAY, seconds=_FOREVER)
        assert run.answered == len(lines)
        return run.by_rate()

    return pumped


def _messages(lines: Iterator[str]) -> Iterator[bytes]:
    for number, line in enumerate(lines):
        negotiation, said = draft(line.encode())
        request = pb.RecordEntriesRequest(
            negotiation=negotiation,
            request_id=request_id(negotiation, number, line.encode()),
            drafts=[said],
        )
        yield length_delimited(1, request.SerializeToString())


def _names(name: str) -> Iterator[str]:
    number = 0
    while True:
        yield f"{name}-{number}"
        number += 1
