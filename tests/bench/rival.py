"""UmaDB, a durable event store in Rust: what it is asked, by the client of all and by its own.

Its messages are written by hand, as its gRPC interface has them: an event has type, tags and data.
It keeps bytes and checks nothing of them: no rules, no state, no digests, no proof, no request ids.
"""

import itertools
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from pourparler.schema.wire import length_delimited
from tests.bench import wire
from tests.bench.measure import Taken, taken

APPEND = "/umadb.v1.DCB/Append"
READ = "/umadb.v1.DCB/Read"

_EVENT_TYPE, _EVENT_TAGS, _EVENT_DATA = 1, 2, 3
_QUERY, _ITEMS, _ITEM_TAGS = 1, 1, 2
_TYPE = b"pourparler.v1.StatementRecorded"
_PROGRAM = Path(__file__).with_name("uma.py")
_BATCH, _FILLERS = 1_000, 4
# So many callers share a process: with fewer one was faster, with more two.
_TO_A_PROCESS = 32


def appends(data: bytes, negotiations: int) -> Iterator[bytes]:
    """Requests without end: an event each, of one negotiation after the other."""
    bodies = [_event(data, f"negotiation-{place}") for place in range(negotiations)]
    return itertools.cycle(bodies)


def fill(address: str, data: bytes, tags: Sequence[str], length: int) -> None:
    """Append so many events with each of these tags."""
    batch = min(length, _BATCH)
    bodies = (_event(data, tag) * batch for tag in tags for _ in range(length // batch))
    assert wire.run(address, APPEND, bodies, callers=_FILLERS, seconds=600).rate


def read(tag: str) -> bytes:
    """The request for all events of a tag."""
    return length_delimited(
        _QUERY, length_delimited(_ITEMS, length_delimited(_ITEM_TAGS, tag.encode()))
    )


def _event(data: bytes, tag: str) -> bytes:
    event = length_delimited(_EVENT_TYPE, _TYPE) + length_delimited(_EVENT_TAGS, tag.encode())
    return length_delimited(1, event + length_delimited(_EVENT_DATA, data))


def by_its_client(
    tools: Path, address: str, what: str, *given: str, callers: int = 1, seconds: float = 0
) -> Taken:
    """What tests/bench/uma.py does, from as many processes as serve it best, in events a second."""
    processes = -(-callers // _TO_A_PROCESS)
    each = [what, address, str(callers // processes), str(seconds), *given]
    clients = [
        subprocess.Popen(
            [tools, _PROGRAM, *each], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(processes)
    ]
    for client in clients:
        assert client.stdout is not None
        client.stdout.readline()
    for client in clients:
        assert client.stdin is not None
        client.stdin.write("begin\n")
        client.stdin.flush()
    said = [json.loads(client.communicate()[0]) for client in clients]
    events = sum(client["events"] for client in said)
    latencies = [one for client in said for one in client["latencies"]]
    return taken(events / max(client["seconds"] for client in said), latencies)
