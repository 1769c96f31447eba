"""Who sends slowly or without end is refused or cut; others are served, and memory is kept."""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pourparler import v1 as pb
from tests.support import http2_frames
from tests.support.http2_frames import BEGIN, begun, called, frame, is_closed, message, reset
from tests.support.load_generator import RECORD
from tests.support.sample_entries import joined, opened, said
from tests.support.service_client import Service
from tests.support.service_process import Apart, serving

GET = "/pourparler.v1.NegotiationService/GetNegotiation"
SESSION = "/pourparler.v1.RecordService/StreamRecordEntries"
REPLAY = "/pourparler.v1.AuditService/ReplayEntries"
WATCH = pb.ReplayEntriesRequest(name="negotiations/n", follow=True).SerializeToString()
ASKED = pb.GetNegotiationRequest(name="negotiations/n").SerializeToString()

MEBIBYTE = 1 << 20
FLOOD_SECONDS = 0.5
SETTLED_SECONDS = 0.5
CONNECTIONS, MANY_CONNECTIONS = 3, 10


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Apart, Service]]:
    """A service in a process of its own, whose memory is nobody else's, with a negotiation `n`."""
    with serving(tmp_path_factory.mktemp("served")) as (process, service):
        service.record("n", opened(), joined("a"))
        yield process, service


def memory(process: Apart) -> int:
    """How many bytes a process has in memory."""
    status = Path(f"/proc/{process.process.pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def serves(service: Service, number: int) -> None:
    """See that another caller can record and read."""
    service.record("n", said(f"s{number}", "a"))
    assert f"s{number}" in service.state("n").negotiation.statements


ACKNOWLEDGED = frame(http2_frames.SETTINGS, http2_frames.ACK, 0, b"")

numbers = itertools.count()


# Slowly.

SLOW: dict[str, bytes] = {
    "nothing": b"",
    "half a preface": http2_frames.PREFACE[:12],
    "a preface": http2_frames.PREFACE,
    "settings that it does not answer": BEGIN,
    "half of the header fields": BEGIN + begun(RECORD, 1)[:30],
    "header fields without an end": BEGIN
    + frame(http2_frames.HEADERS, 0, 1, http2_frames.fields(RECORD))
    + frame(http2_frames.CONTINUATION, 0, 1, b""),
}


@pytest.mark.slow
def test_who_connects_and_does_not_go_on_is_cut_and_others_are_served(
    served: tuple[Apart, Service],
) -> None:
    _, service = served
    with contextlib.ExitStack() as opened_:
        slow = {}
        for what, data in SLOW.items():
            slow[what] = opened_.enter_context(http2_frames.dialled(service.address))
            slow[what].sendall(data)
        serves(service, next(numbers))

        still_open = [what for what, one in slow.items() if not is_closed(one, 15)]

        assert still_open == []
        serves(service, next(numbers))


SLOW_CALLS: dict[str, bytes] = {
    "a call without a body": begun(RECORD, 1),
    "half a message": begun(RECORD, 1) + frame(http2_frames.DATA, 0, 1, message(b"x" * 100)[:50]),
    "a session that sends nothing": begun(SESSION, 1),
    "a session that sends half a group": begun(SESSION, 1)
    + frame(http2_frames.DATA, 0, 1, message(b"x" * 100)[:50]),
}


@pytest.mark.parametrize("slow", SLOW_CALLS)
def test_calls_that_do_not_go_on_keep_nobody_out(served: tuple[Apart, Service], slow: str) -> None:
    _, service = served
    with contextlib.ExitStack() as opened_:
        for _ in range(50):
            one = opened_.enter_context(http2_frames.dialled(service.address))
            one.sendall(BEGIN + ACKNOWLEDGED + SLOW_CALLS[slow])

        for _ in range(5):
            serves(service, next(numbers))


def test_a_body_byte_by_byte_is_read_and_others_do_not_wait(
    served: tuple[Apart, Service],
) -> None:
    _, service = served
    body = message(pb.RecordEntriesRequest(negotiation="negotiations/n").SerializeToString())
    with http2_frames.dialled(service.address) as slow:
        slow.sendall(BEGIN + ACKNOWLEDGED + begun(RECORD, 1))
        for place, byte in enumerate(body):
            last = http2_frames.END_STREAM if place == len(body) - 1 else 0
            slow.sendall(frame(http2_frames.DATA, last, 1, bytes([byte])))
            if place % 10 == 0:
                serves(service, next(numbers))

        assert b"has no draft" in http2_frames.heard(slow, 1)


# Without end.


def streams(path: str, data: bytes, *, last: bool = True) -> Iterator[bytes]:
    """Calls that are begun, one after the other, and never waited for."""
    for stream in itertools.count(1, 2):
        yield called(path, stream, data, last=last)


def resets(path: str, data: bytes) -> Iterator[bytes]:
    """Calls that are given up at once (CVE-2023-44487)."""
    for stream in itertools.count(1, 2):
        yield called(path, stream, data) + reset(stream)


def fields_without_end() -> Iterator[bytes]:
    """Header fields that go on and on (CVE-2024-27316)."""
    yield frame(http2_frames.HEADERS, 0, 1, http2_frames.fields(RECORD))
    filler = b"\0\x01x\x7f" + b"y" * 127
    while True:
        yield frame(http2_frames.CONTINUATION, 0, 1, filler * 100)


def long_fields() -> Iterator[bytes]:
    """Calls with more header fields than are taken."""
    for stream in itertools.count(1, 2):
        filler = b"".join(
            b"\0\x04" + f"x{number:03}".encode() + b"\x7f" + b"y" * 127 for number in range(100)
        )
        block = http2_frames.fields(RECORD) + filler
        yield frame(
            http2_frames.HEADERS, http2_frames.END_HEADERS | http2_frames.END_STREAM, stream, block
        )


FLOODS: dict[str, Callable[[], Iterator[bytes]]] = {
    "streams": lambda: streams(GET, ASKED),
    "sessions": lambda: streams(SESSION, b"", last=False),
    "watches": lambda: streams(REPLAY, WATCH),
    "resets of reads": lambda: resets(GET, ASKED),
    "resets of watches": lambda: resets(REPLAY, WATCH),
    "resets of records": lambda: resets(RECORD, b""),
    "pings": lambda: itertools.repeat(frame(http2_frames.PING, 0, 0, b"pingpong")),
    "settings": lambda: itertools.repeat(frame(http2_frames.SETTINGS, 0, 0, b"\0\3\0\0\0\1")),
    "windows": lambda: itertools.repeat(frame(http2_frames.WINDOW_UPDATE, 0, 0, b"\0\0\0\1")),
    "empty frames": lambda: itertools.chain(
        [begun(RECORD, 1)], itertools.repeat(frame(http2_frames.DATA, 0, 1, b""))
    ),
    "header fields": fields_without_end,
    "large header fields": long_fields,
    "unknown frames": lambda: itertools.repeat(frame(0xBA, 0, 0, b"x" * 1_000)),
}


def flood(address: str, pieces: Iterator[bytes], enough: threading.Event, *, reading: bool) -> int:
    """Send all there is, again on a new connection where one is cut, until it is enough.

    How many bytes were sent. Who is not `reading` does not take the answers.
    """
    sent = 0
    with http2_frames.dialled(address) as connection:
        connection.settimeout(0.2)
        with contextlib.suppress(OSError):
            connection.sendall(BEGIN + ACKNOWLEDGED)
            while not enough.is_set():
                part = b"".join(itertools.islice(pieces, 50))
                connection.sendall(part)
                sent += len(part)
                if reading:
                    connection.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        if not connection.recv(1 << 20):
                            break
                    connection.settimeout(0.2)
    return sent


def flooded(service: Service, what: str, *, reading: bool) -> None:
    """Floods for a while, each on one connection after the other; meanwhile others are served."""
    enough = threading.Event()

    def go_on() -> None:
        while not enough.is_set():
            with contextlib.suppress(OSError):
                flood(service.address, FLOODS[what](), enough, reading=reading)

    # Of calls that were given up, those of all connections lie in one heap.
    connections = MANY_CONNECTIONS if what.startswith("resets") else CONNECTIONS
    floods = [threading.Thread(target=go_on) for _ in range(connections)]
    for one in floods:
        one.start()
    try:
        until = time.monotonic() + FLOOD_SECONDS
        while time.monotonic() < until:
            serves(service, next(numbers))
            time.sleep(0.1)
    finally:
        enough.set()
        for one in floods:
            one.join()


ANSWERED = ("streams", "watches", "resets of reads", "pings", "settings")


@pytest.mark.parametrize(
    ("what", "reading"), [*((what, True) for what in FLOODS), *((what, False) for what in ANSWERED)]
)
def test_a_flood_keeps_nobody_out_and_does_not_fill_the_memory(
    served: tuple[Apart, Service], what: str, *, reading: bool
) -> None:
    process, service = served
    flooded(service, what, reading=reading)
    time.sleep(SETTLED_SECONDS)
    before = memory(process)

    flooded(service, what, reading=reading)

    time.sleep(SETTLED_SECONDS)
    assert memory(process) - before < 64 * MEBIBYTE
    serves(service, next(numbers))
