"""The HTTP server of a witness (C2SP tlog-witness). The module `witness` decides."""

import contextlib
import logging
import re
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from pourparler_service.config.addresses import AddressError, host_and_port
from pourparler_service.witness.witness import LONGEST_REQUEST, Response, Witness, WitnessError

DEFAULT_ADDRESS = "127.0.0.1:50711"

_LOG = logging.getLogger(__name__)
_MOST_CONNECTIONS = 64
_TIMEOUT_SECONDS = 10.0
_CHECKPOINT_PATH = re.compile(r"/([0-9a-f]{64})/checkpoint", re.ASCII)
_LENGTH = re.compile(r"[0-9]{1,9}", re.ASCII)


class _Server(ThreadingHTTPServer):
    """A server with one thread per connection. It closes connections beyond a limit."""

    daemon_threads = False
    request_queue_size = _MOST_CONNECTIONS

    def __init__(self, host: str, port: int, witness: Witness) -> None:
        self.witness = witness
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # HTTPServer.server_bind looks up the host name, which can take long.
        TCPServer.server_bind(self)
        host, port, *_ = self.server_address
        self.server_name, self.server_port = str(host), int(port)

    @property
    def url(self) -> str:
        host = f"[{self.server_name}]" if ":" in self.server_name else self.server_name
        return f"http://{host}:{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            is_full = len(self._connections) >= _MOST_CONNECTIONS
            if not is_full:
                self._connections.add(request)
        if is_full:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Accept no more requests, finish those in progress, and close."""
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            _LOG.debug("%s hung up: %s", client_address, error)
        else:
            _LOG.exception("a request failed")


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "pourparler-witness"
    sys_version = ""
    timeout = _TIMEOUT_SECONDS
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        if self.path != "/add-checkpoint":
            self._send(
                Response(HTTPStatus.NOT_FOUND, "Not found. POST to /add-checkpoint.\n"), close=True
            )
            return
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not _LENGTH.fullmatch(length):
            text = "The request has no valid Content-Length. Send one.\n"
            self._send(Response(HTTPStatus.LENGTH_REQUIRED, text), close=True)
            return
        if int(length) > LONGEST_REQUEST:
            text = f"The request has {length} bytes; {LONGEST_REQUEST} are allowed.\n"
            self._send(Response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text), close=True)
            return
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return
        self._send(self.server.witness.add_checkpoint(body))

    def do_GET(self) -> None:
        match = _CHECKPOINT_PATH.fullmatch(self.path)
        if match is None:
            self._send(
                Response(HTTPStatus.NOT_FOUND, "Not found. GET /<origin hash>/checkpoint.\n")
            )
            return
        self._send(self.server.witness.checkpoint(match[1]))

    def _send(self, response: Response, *, close: bool = False) -> None:
        body = response.text.encode()
        self.send_response(response.status)
        self.send_header("Content-Type", response.type)
        self.send_header("Content-Length", str(len(body)))
        if close:
            # The rest of the request is not read, so the connection cannot be used again.
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is given
        # repr escapes control characters of a request for terminals that show the log.
        _LOG.debug("%s: %r", self.client_address[0], format % args)


@contextlib.contextmanager
def running(witness: Witness, address: str = "127.0.0.1:0") -> Iterator[str]:
    """Run a witness on background threads for the length of a `with` block; yield its URL.

    Raise WitnessError if it cannot listen at the address.
    """
    try:
        server = _Server(*host_and_port(address), witness)
    except AddressError as error:
        raise WitnessError(str(error)) from error
    except OSError as error:
        raise WitnessError(f"The witness cannot listen at {address}: {error}.") from error
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="witness")
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def serve(witness: Witness, address: str) -> None:
    """Serve until SIGINT or SIGTERM. Raise WitnessError if it cannot listen at the address."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with _stop_event() as stop, running(witness, address) as url:
        sys.stdout.write(
            f"The witness {witness.key.name} listens at {url}.\n"
            f"Verifier key of its cosignatures: {witness.key.verifier_key}\n"
        )
        sys.stdout.flush()
        stop.wait()


@contextlib.contextmanager
def _stop_event() -> Iterator[threading.Event]:
    """Yield an event that SIGINT and SIGTERM set, for the length of a `with` block."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)
