"""UmaDB by its own Python client, as a program of its own: it runs where `umadb` is installed.

`uma.py append ADDRESS CALLERS SECONDS SIZE` says that it is ready, waits for a line, and appends
events of so many bytes from so many threads; `uma.py read ADDRESS TAG` reads all events of a tag.
Each says in a line of JSON what it came to. All callers share a client: that was its fastest way.
"""

import json
import os
import sys
import threading
import time

from umadb import Client, Event, Query, QueryItem

_TYPE = "pourparler.v1.StatementRecorded"


def append(client: Client, callers: int, seconds: float, size: int) -> dict[str, object]:
    """Append from threads, each event by itself; how long each call took, in seconds."""
    data = os.urandom(size)
    latencies: list[list[float]] = [[] for _ in range(callers)]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    began = time.perf_counter()
    until = began + seconds

    def call(place: int) -> None:
        took = latencies[place]
        now = time.perf_counter()
        while now < until:
            client.append([Event(_TYPE, data, [f"negotiation-{place}"])])
            before, now = now, time.perf_counter()
            took.append(now - before)

    threads = [threading.Thread(target=call, args=(place,)) for place in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "seconds": time.perf_counter() - began,
        "latencies": [one for took in latencies for one in took],
    }


def read(client: Client, tag: str) -> dict[str, object]:
    """Read all events of a tag, in batches."""
    began = time.perf_counter()
    response = client.read(Query([QueryItem(tags=[tag])]))
    events = size = 0
    while batch := response.next_batch():
        events += len(batch)
        size += len(batch[-1].event.data) * len(batch)
    return {"seconds": time.perf_counter() - began, "events": events, "size": size}


if __name__ == "__main__":
    what, address, *rest = sys.argv[1:]
    umadb = Client(f"http://{address}")
    if what == "append":
        said = append(umadb, int(rest[0]), float(rest[1]), int(rest[2]))
    else:
        said = read(umadb, rest[0])
    sys.stdout.write(json.dumps(said) + "\n")
