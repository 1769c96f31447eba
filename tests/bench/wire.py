"""A client for measuring: many callers on one connection, HTTP/2 frames written by hand.

It costs a few microseconds a call, so that what is measured is the server. It sends each body once,
which h2load cannot: every statement has an id of its own. Frames are those of RFC 9113.
"""

import gc
import socket
import statistics
import time
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_FRAME_HEAD, _LONGEST_FRAME = 9, 16_384
_WINDOW, _WIDEST_WINDOW = 65_535, 2**31 - 1
_INITIAL_WINDOW_SIZE = 4
_RECEIVED = 1 << 20
_PATIENCE_SECONDS = 120
_LONGEST_TEXT = 127  # for which one byte tells the length

PREFIX_BYTES = 5
"""What gRPC puts before each message."""


class Run(NamedTuple):
    """What a run came to."""

    answered: int
    refused: int
    seconds: float
    size: int
    """How many bytes of messages came back, their prefixes included."""
    latencies: list[float]
    """In seconds, of each call."""
    cpu: float
    """Which part of its time this client was at work."""

    @property
    def rate(self) -> float:
        """Answers a second. Raises RuntimeError if anything was refused."""
        if self.refused or not self.answered:
            message = f"{self.refused} calls were refused, {self.answered} answered"
            raise RuntimeError(message)
        return self.answered / self.seconds

    @property
    def milliseconds(self) -> float:
        """The median time of a call. Raises RuntimeError if anything was refused."""
        assert self.rate
        return statistics.median(self.latencies) * 1_000


def run(
    address: str, method: str, bodies: Iterator[bytes], *, callers: int = 1, seconds: float
) -> Run:
    """Call a method for so many seconds, or until the bodies end; each caller waits for its answer.

    A call counts as answered if a message came: refusals come without one.
    """
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=_PATIENCE_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        gc.collect()
        gc.disable()
        try:
            return _Calls(connection, method, bodies).run(callers, seconds)
        finally:
            gc.enable()


def size_of_answer(address: str, method: str, body: bytes) -> int:
    """How many bytes the message has that answers this call."""
    return run(address, method, iter([body]), seconds=_PATIENCE_SECONDS).size - PREFIX_BYTES


class _Calls:
    """The calls of one connection."""

    def __init__(self, connection: socket.socket, method: str, bodies: Iterator[bytes]) -> None:
        self._connection = connection
        self._bodies = bodies
        self._fields = _fields(method)
        self._stream = -1
        self._window = _WINDOW  # how much the server lets us send
        self._held_back: deque[tuple[int, bytes]] = deque()
        self._unacknowledged = 0
        self._began: dict[int, float] = {}
        self._sizes: dict[int, int] = {}
        self._latencies: list[float] = []
        self._refused = self._size = 0

    def run(self, callers: int, seconds: float) -> Run:
        settings = _INITIAL_WINDOW_SIZE.to_bytes(2, "big") + _WIDEST_WINDOW.to_bytes(4, "big")
        widened = (_WIDEST_WINDOW - _WINDOW).to_bytes(4, "big")
        out = [
            _PREFACE,
            _frame(_SETTINGS, 0, settings),
            _frame(_WINDOW_UPDATE, 0, widened),
        ]
        began, cpu = time.perf_counter(), time.process_time()
        until = began + seconds
        for _ in range(callers):
            self._call(out)
        rest = b""
        while self._began:
            if out:
                self._connection.sendall(b"".join(out))
                out.clear()
            received = self._connection.recv(_RECEIVED)
            if not received:
                message = "the server hung up"
                raise RuntimeError(message)
            rest = self._take(rest + received, out, until)
        took = time.perf_counter() - began
        busy = (time.process_time() - cpu) / took
        answered = len(self._latencies)
        return Run(answered, self._refused, took, self._size, self._latencies, busy)

    def _take(self, received: bytes, out: list[bytes], until: float) -> bytes:
        """Read all whole frames, and add what is to be sent; the bytes that are left."""
        begin, end = 0, len(received)
        while end - begin >= _FRAME_HEAD:
            payload = begin + _FRAME_HEAD
            after = payload + int.from_bytes(received[begin : begin + 3], "big")
            if after > end:
                break
            kind, flags = received[begin + 3], received[begin + 4]
            stream = int.from_bytes(received[begin + 5 : payload], "big")
            if kind == _DATA:
                self._sizes[stream] = self._sizes.get(stream, 0) + after - payload
                self._consumed(after - payload, out)
            elif kind == _RST_STREAM or (kind == _HEADERS and flags & _END_STREAM):
                now = time.perf_counter()
                self._finished(stream, now)
                if now < until:
                    self._call(out)
            elif kind == _SETTINGS and not flags & _ACK:
                out.append(_frame(_SETTINGS, _ACK, b""))
            elif kind == _PING and not flags & _ACK:
                out.append(_frame(_PING, _ACK, received[payload:after]))
            elif kind == _WINDOW_UPDATE and not stream:
                self._widen(int.from_bytes(received[payload:after], "big"), out)
            elif kind == _GOAWAY:
                message = "the server sent us away"
                raise RuntimeError(message)
            begin = after
        return received[begin:]

    def _call(self, out: list[bytes]) -> None:
        """Begin the next call, unless the bodies have ended."""
        body = next(self._bodies, None)
        if body is None:
            return
        self._stream += 2
        stream = self._stream.to_bytes(4, "big")
        size = len(body) + PREFIX_BYTES
        assert size <= _LONGEST_FRAME
        head = len(self._fields).to_bytes(3, "big") + bytes((_HEADERS, _END_HEADERS)) + stream
        data = size.to_bytes(3, "big") + bytes((_DATA, _END_STREAM)) + stream
        prefix = b"\0" + len(body).to_bytes(4, "big")
        self._held_back.append((size, b"".join((head, self._fields, data, prefix, body))))
        self._began[self._stream] = time.perf_counter()
        self._widen(0, out)

    def _widen(self, more: int, out: list[bytes]) -> None:
        """Send what was held back, as far as the server lets us."""
        self._window += more
        while self._held_back and self._held_back[0][0] <= self._window:
            size, frames = self._held_back.popleft()
            self._window -= size
            out.append(frames)

    def _finished(self, stream: int, now: float) -> None:
        began = self._began.pop(stream)
        size = self._sizes.pop(stream, 0)
        self._size += size
        if size:
            self._latencies.append(now - began)
        else:
            self._refused += 1

    def _consumed(self, size: int, out: list[bytes]) -> None:
        """Let the server send on, long before it would have to wait for us."""
        self._unacknowledged += size
        if self._unacknowledged > _WIDEST_WINDOW // 8:
            out.append(_frame(_WINDOW_UPDATE, 0, self._unacknowledged.to_bytes(4, "big")))
            self._unacknowledged = 0


def _frame(kind: int, flags: int, payload: bytes) -> bytes:
    """A frame that is not of a stream."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags, 0, 0, 0, 0)) + payload


def _fields(method: str) -> bytes:
    """The header fields of a call, as RFC 7541 writes them, nothing indexed anew."""
    return b"".join(
        (
            b"\x83\x86",  # :method POST, :scheme http
            b"\x04" + _text(method),  # :path
            b"\x01" + _text("bench"),  # :authority
            b"\x0f\x10" + _text("application/grpc"),  # content-type
            b"\x00" + _text("te") + _text("trailers"),
        )
    )


def _text(text: str) -> bytes:
    data = text.encode()
    assert len(data) < _LONGEST_TEXT
    return bytes([len(data)]) + data
