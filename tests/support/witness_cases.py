"""Logs for witnesses, and requests to witnesses about them."""

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from pourparler.transparency.checkpoint import Checkpoint, Note, log_origin, parse_note
from pourparler.transparency.merkle import MerkleTree, leaf_hash
from pourparler_service.transparency.signing_keys import SigningKey
from pourparler_service.witness.http_server import running
from pourparler_service.witness.witness import Witness
from tests.support.signing_keys import KEY, witness_key


class SomeLog(NamedTuple):
    """A log with its own leaves and its own keys."""

    tree: MerkleTree
    keys: Sequence[SigningKey] = (KEY,)
    negotiation: str = "talks"

    @property
    def origin(self) -> str:
        """The origin of the log."""
        return log_origin(self.keys[0].name, self.negotiation)

    @property
    def origin_hash(self) -> str:
        """The hexadecimal SHA-256 of the origin."""
        return hashlib.sha256(self.origin.encode()).hexdigest()

    def signed(self, size: int, *extensions: str, root: bytes | None = None) -> str:
        """Return the checkpoint of a size."""
        root = self.tree.root(size) if root is None else root
        text = Checkpoint(self.origin, size, root, extensions).text()
        return Note(text, tuple(key.sign(text) for key in self.keys)).signed()

    def growth(self, old: int, size: int) -> bytes:
        """Return the request to cosign a size for a witness that has seen another."""
        hashes = self.tree.prove_consistency(old, size) if 0 < old <= size else []
        return asking(old, hashes, self.signed(size))


def some_log(
    size: int = 20, seed: str = "entry", negotiation: str = "talks", *keys: SigningKey
) -> SomeLog:
    """Return a log of a number of leaves; each seed gives other leaves."""
    leaves = [leaf_hash(f"{seed} {number}".encode()) for number in range(size)]
    return SomeLog(MerkleTree(leaves), keys or (KEY,), negotiation)


def asking(old: int | str, hashes: Sequence[bytes], signed: str) -> bytes:
    """Return the body of an add-checkpoint request."""
    proof = "".join(f"{base64.b64encode(one).decode()}\n" for one in hashes)
    return f"old {old}\n{proof}\n{signed}".encode()


@contextmanager
def witness_at(
    folder: Path,
    number: int = 100,
    address: str = "127.0.0.1:0",
    logs: Sequence[SigningKey] = (KEY,),
) -> Iterator[tuple[str, str]]:
    """Run a witness for the length of a `with` block; yield its URL and its verifier key."""
    key = witness_key(number, f"witness{number}.example")
    witness = Witness(key, [log.verifier_key for log in logs], folder)
    try:
        with running(witness, address) as url:
            yield url, str(key.verifier_key)
    finally:
        witness.close()


Say = Callable[[bytes], tuple[int, bytes] | None]


@contextmanager
def fake(say: Say, **headers: str) -> Iterator[tuple[str, str]]:
    """A fake witness with any responses, or with no response."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = say(body)
            if answer is None:
                while not ended.wait(0.2):
                    try:
                        self.wfile.write(b"H")
                    except OSError:
                        break
                self.close_connection = True
                return
            status, text = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            try:
                self.wfile.write(text)
            except OSError:
                self.close_connection = True

        def log_message(self, *arguments: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        key = witness_key(100, "fake.example").verifier_key
        yield f"http://127.0.0.1:{server.server_port}", str(key)
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def cosign(body: bytes, number: int = 100, stated: int | None = None, text: str = "") -> bytes:
    """Return a cosignature by a witness without checks."""
    note = parse_note(body.decode().partition("\n\n")[2])
    stated = int(time.time()) if stated is None else stated
    return witness_key(number, "fake.example").cosign(text or note.text, stated).line().encode()
