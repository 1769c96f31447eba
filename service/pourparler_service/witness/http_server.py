"""The HTTP door of a witness: requests in, answers out, and nothing decided here."""

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
from pourparler_service.witness.witness import LONGEST_REQUEST, Answer, Witness, WitnessError

DEFAULT_ADDRESS = "127.0.0.1:50711"

_LOG = logging.getLogger(__name__)
_CONNECTIONS = 64
_SILENT_SECONDS = 10.0
_VIEW = re.compile(r"/([0-9a-f]{64})/checkpoint", re.ASCII)
_LENGTH = re.compile(r"[0-9]{1,9}", re.ASCII)


class _Server(ThreadingHTTPServer):
    """A thread for each connection, up to a bound: what comes beyond it is hung up on."""

    daemon_threads = False
    request_queue_size = _CONNECTIONS

    def __init__(self, host: str, port: int, witness: Witness) -> None:
        self.witness = witness
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._changing = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # That of HTTPServer asks the network for the machine's name, which can take long.
        TCPServer.server_bind(self)
        host, port, *_ = self.server_address
        self.server_name, self.server_port = str(host), int(port)

    @property
    def url(self) -> str:
        host = f"[{self.server_name}]" if ":" in self.server_name else self.server_name
        return f"http://{host}:{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changing:
            full = len(self._open) >= _CONNECTIONS
            if not full:
                self._open.add(request)
        if full:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._changing:
            self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Take nothing more from anybody, finish what is under way, and be done."""
        with self._changing:
            for connection in self._open:
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
    timeout = _SILENT_SECONDS
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        if self.path != "/add-checkpoint":
            self._say(
                Answer(HTTPStatus.NOT_FOUND, "There is only /add-checkpoint.\n"), hang_up=True
            )
            return
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not _LENGTH.fullmatch(length):
            text = "The request says how long it is, by Content-Length.\n"
            self._say(Answer(HTTPStatus.LENGTH_REQUIRED, text), hang_up=True)
            return
        if int(length) > LONGEST_REQUEST:
            text = f"A request has at most {LONGEST_REQUEST} bytes.\n"
            self._say(Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text), hang_up=True)
            return
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return
        self._say(self.server.witness.add_checkpoint(body))

    def do_GET(self) -> None:
        match = _VIEW.fullmatch(self.path)
        if match is None:
            self._say(Answer(HTTPStatus.NOT_FOUND, "There is only /<origin hash>/checkpoint.\n"))
            return
        self._say(self.server.witness.checkpoint(match[1]))

    def _say(self, answer: Answer, *, hang_up: bool = False) -> None:
        body = answer.text.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.type)
        self.send_header("Content-Length", str(len(body)))
        if hang_up:
            # What it sent beside is not read, so nothing more can be understood of it.
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is given
        # Through repr: what somebody sent must do nothing to the terminal that shows the log.
        _LOG.debug("%s: %r", self.client_address[0], format % args)


@contextlib.contextmanager
def running(witness: Witness, address: str = "127.0.0.1:0") -> Iterator[str]:
    """Let a witness answer, on threads of its own, while the block lasts: its URL.

    Raises WitnessError if it cannot listen at the address.
    """
    try:
        server = _Server(*host_and_port(address), witness)
    except AddressError as error:
        raise WitnessError(str(error)) from error
    except OSError as error:
        raise WitnessError(f"The address {address} cannot be listened to: {error}.") from error
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="witness")
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def serve(witness: Witness, address: str) -> None:
    """Answer until SIGINT or SIGTERM. Raises WitnessError if it cannot listen at the address."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with _signalled() as stop, running(witness, address) as url:
        sys.stdout.write(
            f"The witness {witness.key.name} answers on {url}.\n"
            f"Its cosignatures are verified with {witness.key.verifier_key}\n"
        )
        sys.stdout.flush()
        stop.wait()


@contextlib.contextmanager
def _signalled() -> Iterator[threading.Event]:
    """What SIGINT and SIGTERM set, while the block lasts."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    usual = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, usual, strict=True):
            signal.signal(number, handler)
