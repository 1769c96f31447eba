"""HTTP/2 frames (RFC 9113) built by hand, for clients that violate the protocol."""

import contextlib
import socket
import struct
from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
_CANCEL = struct.pack(">I", 8)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return a frame of this type."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


BEGIN = PREFACE + frame(SETTINGS, 0, 0, b"")
"""The client preface and the settings of a connection."""


def message(data: bytes) -> bytes:
    """Return a message with its gRPC prefix."""
    return b"\0" + struct.pack(">I", len(data)) + data


def fields(path: str, **headers: str) -> bytes:
    """Return the header fields of a call and `more`; `_` in a name stands for a hyphen."""
    usual = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    sent = usual | {name.replace("_", "-"): value for name, value in headers.items()}
    # Literal fields without indexing, RFC 7541 section 6.2.2.
    return b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in sent.items()
        if value
    )


def begun(path: str, stream: int, **headers: str) -> bytes:
    """Return the start of a call without a message."""
    return frame(HEADERS, END_HEADERS, stream, fields(path, **headers))


def called(path: str, stream: int, data: bytes, *, last: bool = True) -> bytes:
    """Return a call with one message."""
    end = END_STREAM if last else 0
    return begun(path, stream) + frame(DATA, end, stream, message(data))


def reset(stream: int) -> bytes:
    """Return the cancellation of a call."""
    return frame(RST_STREAM, 0, stream, _CANCEL)


@contextlib.contextmanager
def dialled(address: str) -> Iterator[socket.socket]:
    """Open a connection without sending anything."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        yield connection


def heard(connection: socket.socket, seconds: float) -> bytes:
    """Return the bytes of a connection until it ends, or until a timeout in seconds."""
    connection.settimeout(seconds)
    parts = []
    with contextlib.suppress(OSError):
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def is_closed(connection: socket.socket, seconds: float) -> bool:
    """Return True if the peer closes a silent connection within a timeout in seconds."""
    connection.settimeout(seconds)
    try:
        while connection.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True
