"""A client for measuring: many callers on one connection, HTTP/2 frames written by hand.

It costs a few microseconds a call, so that what is measured is the server. It sends each body once,
which h2load cannot: every statement has an id of its own. Frames are those of RFC 9113.
"""

import gc
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple, Self

from tests.bench.measure import Taken, taken

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_HEADERS_OF_CALL, _LAST_DATA = bytes((_HEADERS, _END_HEADERS)), bytes((_DATA, _END_STREAM))
_FRAME_HEAD, _LONGEST_FRAME = 9, 16_384
_WINDOW, _WIDEST_WINDOW = 65_535, 2**31 - 1
_INITIAL_WINDOW_SIZE, _SETTING = 4, 6
_RECEIVED = 1 << 20
_PATIENCE_SECONDS = 120
_LONGEST_TEXT = 127  # for which one byte tells the length
_STREAMS = 100  # of one connection: fewer than any server here lets be open at once

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

    def by_rate(self, each: int = 1) -> Taken:
        """The rate as a figure, of calls that do so much each. Raises RuntimeError like `rate`."""
        return taken(self.rate * each, self.latencies)

    def by_time(self) -> Taken:
        """The median time of a call as a figure, in milliseconds. Raises like `rate`."""
        assert self.rate
        once = taken(0, self.latencies)
        return once._replace(value=once.median_ms or 0)


def run(
    address: str, method: str, bodies: Iterator[bytes], *, callers: int = 1, seconds: float
) -> Run:
    """Call a method for so many seconds, or until the bodies end; each caller waits for its answer.

    A call counts as answered if a message came: refusals come without one.
    """
    with _undisturbed(), _Calls(address, method, bodies) as calls:
        return calls.run(callers, seconds)


def pump(
    address: str, method: str, messages: Iterator[bytes], *, under_way: int, seconds: float
) -> Run:
    """Send messages on one stream for so many seconds, so many of them unanswered at any time.

    Each is answered by one message; how long that takes is the latency.
    """
    with _undisturbed(), _Session(address, method, messages) as session:
        return session.run(under_way, seconds)


def call(address: str, method: str, body: bytes) -> bytes:
    """The message that answers a call. Raises RuntimeError if none does."""
    return messages(address, method, body)[-1]


def messages(address: str, method: str, body: bytes) -> list[bytes]:
    """All messages that answer a call. Raises RuntimeError if none does."""
    with _Calls(address, method, iter([body]), keep=True) as calls:
        assert calls.run(1, _PATIENCE_SECONDS).rate
    return list(_parted(calls.kept))


def _parted(kept: bytearray) -> Iterator[bytes]:
    at = 0
    while at < len(kept):
        begin = at + PREFIX_BYTES
        at = begin + int.from_bytes(kept[at + 1 : begin], "big")
        yield bytes(kept[begin:at])


@contextmanager
def sent(address: str, method: str, body: bytes) -> Iterator[float]:
    """When a call was sent, on a connection of its own; at the end of the block it was answered."""
    with _Calls(address, method, iter([body])) as calls:
        calls.flush()
        calls.take()  # the server's settings: it is ready
        began = calls.start()
        yield began
        assert calls.run(0, _PATIENCE_SECONDS).rate


def size_of_answer(address: str, method: str, body: bytes) -> int:
    """How many bytes the messages have that answer this call, but for the first one's prefix."""
    return run(address, method, iter([body]), seconds=_PATIENCE_SECONDS).size - PREFIX_BYTES


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No collection of garbage while the block lasts."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Connection:
    """One connection: frames in and out, and how much the server lets us send."""

    def __init__(self, address: str, method: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=_PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.out: list[bytes] = []
        self._fields = _fields(method)
        self._stream = -1
        self._window = self._initial_window = _WINDOW
        self._windows: dict[int, int] = {}  # of the streams on which we are sending
        self._held_back: deque[tuple[int, bytes, int]] = deque()
        self._unacknowledged = 0
        self._rest = b""
        self._room = memoryview(bytearray(_RECEIVED))  # to ask the system for memory but once
        settings = _INITIAL_WINDOW_SIZE.to_bytes(2, "big") + _WIDEST_WINDOW.to_bytes(4, "big")
        widened = (_WIDEST_WINDOW - _WINDOW).to_bytes(4, "big")
        self.out.append(_PREFACE + _frame(_SETTINGS, 0, settings))
        self.out.append(_frame(_WINDOW_UPDATE, 0, widened))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def came(self, stream: int, data: bytes) -> None:
        """A part of the messages of a stream came."""
        raise NotImplementedError

    def ended(self, stream: int) -> None:
        """The server ended a stream."""
        raise NotImplementedError

    def begin(self) -> int:
        """Begin a call: its stream."""
        self._stream += 2
        stream = self._stream
        head = len(self._fields).to_bytes(3, "big") + _HEADERS_OF_CALL
        self._held_back.append((stream, head + stream.to_bytes(4, "big") + self._fields, 0))
        self._windows[stream] = self._initial_window
        return stream

    def ask(self, message: bytes) -> int:
        """Begin a call of one message: its stream."""
        size = len(message) + PREFIX_BYTES
        if self._held_back or size > min(_LONGEST_FRAME, self._window, self._initial_window):
            stream = self.begin()
            self.send(stream, message, last=True)
            return stream
        # What nearly all calls are goes out in one piece: it is this client's time that is saved.
        self._stream += 2
        self._window -= size
        number = self._stream.to_bytes(4, "big")
        head = len(self._fields).to_bytes(3, "big") + _HEADERS_OF_CALL + number
        data = size.to_bytes(3, "big") + _LAST_DATA + number
        prefix = b"\0" + len(message).to_bytes(4, "big")
        self.out.append(b"".join((head, self._fields, data, prefix, message)))
        return self._stream

    def send(self, stream: int, message: bytes, *, last: bool) -> None:
        """Send a message, as soon as the server lets us."""
        data = b"\0" + len(message).to_bytes(4, "big") + message
        number = stream.to_bytes(4, "big")
        for at in range(0, len(data), _LONGEST_FRAME):
            part = data[at : at + _LONGEST_FRAME]
            ends = _END_STREAM if last and at + _LONGEST_FRAME >= len(data) else 0
            head = len(part).to_bytes(3, "big") + bytes((_DATA, ends)) + number
            self._held_back.append((stream, head + part, len(part)))
        self._release()

    def finish(self, stream: int) -> None:
        """Say that nothing more will be sent on a stream."""
        head = bytes(3) + _LAST_DATA + stream.to_bytes(4, "big")
        self._held_back.append((stream, head, 0))
        self._release()

    def flush(self) -> None:
        """Hand the kernel what is to be sent."""
        if self.out:
            self.socket.sendall(b"".join(self.out))
            self.out.clear()

    def take(self) -> None:
        """Receive once, and deal with all whole frames."""
        size = self.socket.recv_into(self._room)
        if not size:
            message = "the server hung up"
            raise RuntimeError(message)
        received = self._rest + self._room[:size]
        begin, end = 0, len(received)
        while end - begin >= _FRAME_HEAD:
            payload = begin + _FRAME_HEAD
            after = payload + int.from_bytes(received[begin : begin + 3], "big")
            if after > end:
                break
            kind, flags = received[begin + 3], received[begin + 4]
            stream = int.from_bytes(received[begin + 5 : payload], "big")
            if kind == _DATA:
                self._consumed(after - payload)
                self.came(stream, received[payload:after])
            elif kind == _RST_STREAM or (kind == _HEADERS and flags & _END_STREAM):
                self._windows.pop(stream, None)
                self.ended(stream)
            elif kind == _WINDOW_UPDATE:
                self._widen(stream, int.from_bytes(received[payload:after], "big"))
            elif kind == _SETTINGS and not flags & _ACK:
                self._set(received[payload:after])
            elif kind == _PING and not flags & _ACK:
                self.out.append(_frame(_PING, _ACK, received[payload:after]))
            elif kind == _GOAWAY:
                message = "the server sent us away"
                raise RuntimeError(message)
            begin = after
        self._rest = received[begin:]

    def _set(self, settings: bytes) -> None:
        for at in range(0, len(settings), _SETTING):
            if int.from_bytes(settings[at : at + 2], "big") == _INITIAL_WINDOW_SIZE:
                window = int.from_bytes(settings[at + 2 : at + _SETTING], "big")
                for stream in self._windows:
                    self._windows[stream] += window - self._initial_window
                self._initial_window = window
        self.out.append(_frame(_SETTINGS, _ACK, b""))
        self._release()

    def _widen(self, stream: int, more: int) -> None:
        if not stream:
            self._window += more
        elif stream in self._windows:
            self._windows[stream] += more
        self._release()

    def _release(self) -> None:
        """Send what was held back, in its order, as far as the server lets us."""
        while self._held_back:
            stream, frame, size = self._held_back[0]
            if size:
                if size > self._window or size > self._windows.get(stream, size):
                    return
                self._window -= size
                if stream in self._windows:
                    self._windows[stream] -= size
            self._held_back.popleft()
            self.out.append(frame)

    def _consumed(self, size: int) -> None:
        """Let the server send on, long before it would have to wait for us."""
        self._unacknowledged += size
        if self._unacknowledged > _WIDEST_WINDOW // 8:
            self.out.append(_frame(_WINDOW_UPDATE, 0, self._unacknowledged.to_bytes(4, "big")))
            self._unacknowledged = 0


class _Calls(_Connection):
    """Calls with one message each, many at once."""

    def __init__(
        self, address: str, method: str, bodies: Iterator[bytes], *, keep: bool = False
    ) -> None:
        super().__init__(address, method)
        self.kept = bytearray()
        self._keep = keep
        self._bodies = bodies
        self._began: dict[int, float] = {}
        self._sizes: dict[int, int] = {}
        self._latencies: list[float] = []
        self._until = self._refused = self._size = 0.0

    def start(self) -> float:
        """Begin one call: when."""
        began = time.perf_counter()
        self._call()
        self.flush()
        return began

    def run(self, callers: int, seconds: float) -> Run:
        """Go on for so many seconds with what has begun, and so many callers more."""
        began, cpu = time.perf_counter(), time.process_time()
        self._until = began + seconds
        for _ in range(callers):
            self._call()
        while self._began:
            self.flush()
            self.take()
        took = time.perf_counter() - began
        busy = (time.process_time() - cpu) / took
        answered, refused = len(self._latencies), int(self._refused)
        return Run(answered, refused, took, int(self._size), self._latencies, busy)

    def _call(self) -> None:
        """Begin the next call, unless the bodies have ended."""
        body = next(self._bodies, None)
        if body is not None:
            began = time.perf_counter()
            self._began[self.ask(body)] = began

    def came(self, stream: int, data: bytes) -> None:
        self._sizes[stream] = self._sizes.get(stream, 0) + len(data)
        if self._keep:
            self.kept += data

    def ended(self, stream: int) -> None:
        now = time.perf_counter()
        began = self._began.pop(stream)
        size = self._sizes.pop(stream, 0)
        self._size += size
        if size:
            self._latencies.append(now - began)
        else:
            self._refused += 1
        if now < self._until:
            self._call()


class _Session(_Connection):
    """One call with many messages both ways."""

    def __init__(self, address: str, method: str, messages: Iterator[bytes]) -> None:
        super().__init__(address, method)
        self._messages = messages
        self._sent: deque[float] = deque()  # when, of each that has no answer yet
        self._part = bytearray()
        self._open = True
        self._latencies: list[float] = []
        self._size = 0

    def run(self, under_way: int, seconds: float) -> Run:
        began, cpu = time.perf_counter(), time.process_time()
        until = began + seconds
        stream = self.begin()
        sending = True
        while self._open:
            while sending and len(self._sent) < under_way:
                message = next(self._messages, None) if time.perf_counter() < until else None
                if message is None:
                    sending = False
                    self.finish(stream)
                else:
                    self._sent.append(time.perf_counter())
                    self.send(stream, message, last=False)
            self.flush()
            self.take()
        took = time.perf_counter() - began
        busy = (time.process_time() - cpu) / took
        answered, refused = len(self._latencies), len(self._sent)
        return Run(answered, refused, took, self._size, self._latencies, busy)

    def came(self, stream: int, data: bytes) -> None:
        part = self._part
        part += data
        self._size += len(data)
        now = time.perf_counter()
        at = 0
        while len(part) - at >= PREFIX_BYTES:
            after = at + PREFIX_BYTES + int.from_bytes(part[at + 1 : at + PREFIX_BYTES], "big")
            if after > len(part):
                break
            self._latencies.append(now - self._sent.popleft())
            at = after
        del part[:at]

    def ended(self, stream: int) -> None:
        self._open = False


class Watchers:
    """Many streams that are only listened to, on as many connections as it takes."""

    def __init__(self, address: str, method: str, body: bytes, number: int) -> None:
        """Open so many streams with this body."""
        self.number = number
        self._opened = ExitStack()
        self._selector = selectors.DefaultSelector()
        self._connections: list[_Listening] = []
        for first in range(0, number, _STREAMS):
            connection = self._opened.enter_context(_Listening(address, method))
            for _ in range(min(_STREAMS, number - first)):
                connection.send(connection.begin(), body, last=True)
            connection.flush()
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            self._connections.append(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        self._opened.close()

    def until(self, mark: bytes) -> float:
        """When the last of the streams had these bytes. Raises RuntimeError if one never does."""
        until = time.perf_counter() + _PATIENCE_SECONDS
        while sum(connection.had(mark) for connection in self._connections) < self.number:
            ready = self._selector.select(_PATIENCE_SECONDS)
            if not ready or time.perf_counter() > until:
                message = "not every stream had what was waited for"
                raise RuntimeError(message)
            for key, _ in ready:
                connection: _Listening = key.data
                connection.take()
                connection.flush()
        now = time.perf_counter()
        for connection in self._connections:
            connection.forget()
        return now


class _Listening(_Connection):
    """The streams of one connection, and what came on each."""

    def __init__(self, address: str, method: str) -> None:
        super().__init__(address, method)
        self._came: dict[int, bytes] = {}
        self._mark = b""
        self._had: set[int] = set()

    def had(self, mark: bytes) -> int:
        """On how many streams these bytes came."""
        if mark != self._mark:
            self._mark = mark
            self._had = {stream for stream, data in self._came.items() if mark in data}
        return len(self._had)

    def forget(self) -> None:
        """Begin anew with what comes from now on."""
        self._came.clear()
        self._mark = b""

    def came(self, stream: int, data: bytes) -> None:
        self._came[stream] = came = self._came.get(stream, b"") + data
        if self._mark and self._mark in came:
            self._had.add(stream)

    def ended(self, stream: int) -> None:
        message = "the server ended a stream that was to stay"
        raise RuntimeError(message)


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
