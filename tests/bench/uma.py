"""UmaDB by its own Python client, as a program of its own: it runs where `umadb` is installed.

`uma.py append ADDRESS CALLERS SECONDS SIZE` appends events of so many bytes, one a call; `uma.py
read ADDRESS CALLERS SECONDS TAG...` reads all events of a tag, one tag after the other. Each says
that it is ready, waits for a line, and says in a line of JSON how long its calls took. All callers
are threads that share a client: that was its fastest way.
"""

import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Callable

from umadb import Client, Event, Query, QueryItem

_TYPE = "pourparler.v1.StatementRecorded"


def appending(client: Client, size: int) -> Callable[[int], int]:
    """What a caller does to append an event, and how many that is."""
    data = os.urandom(size)

    def append(caller: int) -> int:
        client.append([Event(_TYPE, data, [f"negotiation-{caller}"])])
        return 1

    return append


def reading(client: Client, tags: list[str]) -> Callable[[int], int]:
    """What a caller does to read all events of a tag, and how many they are."""
    turn = itertools.cycle(tags)

    def read(_: int) -> int:
        response = client.read(Query([QueryItem(tags=[next(turn)])]))
        events = 0
        while batch := response.next_batch():
            events += len(batch)
        return events

    return read


def run(call: Callable[[int], int], callers: int, seconds: float) -> dict[str, object]:
    """Call from threads for so long, and at least once each."""
    latencies: list[list[float]] = [[] for _ in range(callers)]
    events = [0] * callers
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    began = time.perf_counter()

    def go_on(caller: int) -> None:
        now = time.perf_counter()
        while not latencies[caller] or now < began + seconds:
            events[caller] += call(caller)
            before, now = now, time.perf_counter()
            latencies[caller].append(now - before)

    threads = [threading.Thread(target=go_on, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "seconds": time.perf_counter() - began,
        "events": sum(events),
        "latencies": [one for took in latencies for one in took],
    }


if __name__ == "__main__":
    what, address, callers, seconds, *rest = sys.argv[1:]
    umadb = Client(f"http://{address}")
    call = appending(umadb, int(rest[0])) if what == "append" else reading(umadb, rest)
    sys.stdout.write(json.dumps(run(call, int(callers), float(seconds))) + "\n")
