"""HTTP/2 written by hand, for callers who do not keep to it: frames of RFC 9113."""

import contextlib
import socket
import struct
from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
_CANCEL = struct.pack(">I", 8)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame of this kind."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


BEGIN = PREFACE + frame(SETTINGS, 0, 0, b"")
"""How every connection begins."""


def message(data: bytes) -> bytes:
    """A message as gRPC frames it."""
    return b"\0" + struct.pack(">I", len(data)) + data


def fields(path: str, **headers: str) -> bytes:
    """The header fields of a call, with some of one's own; `_` in a name is a hyphen."""
    usual = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    sent = usual | {name.replace("_", "-"): value for name, value in headers.items()}
    # Literal fields that are not indexed, RFC 7541 section 6.2.2.
    return b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in sent.items()
        if value
    )


def begun(path: str, stream: int, **headers: str) -> bytes:
    """A call that has begun, and sent nothing yet."""
    return frame(HEADERS, END_HEADERS, stream, fields(path, **headers))


def called(path: str, stream: int, data: bytes, *, last: bool = True) -> bytes:
    """A call with one message."""
    end = END_STREAM if last else 0
    return begun(path, stream) + frame(DATA, end, stream, message(data))


def reset(stream: int) -> bytes:
    """A call that is given up."""
    return frame(RST_STREAM, 0, stream, _CANCEL)


@contextlib.contextmanager
def dialled(address: str) -> Iterator[socket.socket]:
    """A connection on which nothing was said yet."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        yield connection


def heard(connection: socket.socket, seconds: float) -> bytes:
    """What comes on a connection until it ends, or nothing comes for so long."""
    connection.settimeout(seconds)
    parts = []
    with contextlib.suppress(OSError):
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def is_closed(connection: socket.socket, seconds: float) -> bool:
    """Whether the other side closes a connection within so long of silence."""
    connection.settimeout(seconds)
    try:
        while connection.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True
