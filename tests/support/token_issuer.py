"""A token issuer for tests, and a URL with its keys."""

import contextlib
import json
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.support.certificates import Files

ISSUER = "https://login.example.org"
AUDIENCE = "pourparler.example.org"


class Key:
    """A key that signs tokens, with its id and its algorithm."""

    def __init__(self, kid: str | None = "one", algorithm: str = "ES256") -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.private: Any
        if algorithm == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
            shown = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        elif algorithm == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
            shown = OKPAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        else:
            self.private = rsa.generate_private_key(65_537, 2_048)
            shown = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        self.public = {**shown, **({} if kid is None else {"kid": kid})}

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a token of Ann for five minutes with other claims; None removes a claim."""
        now = int(time.time())
        said = {
            "iss": ISSUER,
            "sub": "ann",
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + 300,
            **claims,
        }
        kid = {} if self.kid is None else {"kid": self.kid}
        return jwt.encode(
            {key: value for key, value in said.items() if value is not None},
            self.private,
            algorithm=self.algorithm,
            headers={**kid, **(header or {})},
        )


def key_set(*keys: Key) -> str:
    """Return the public keys as a JWK set."""
    return json.dumps({"keys": [key.public for key in keys]})


class Address:
    """A URL with keys, and the number of its requests."""

    def __init__(self, *keys: Key) -> None:
        self.status = 200
        self.body = key_set(*keys).encode()
        self.asked = 0
        self.url = ""

    @contextlib.contextmanager
    def served(self, files: Files | None = None) -> Iterator["Address"]:
        """Serve for the length of a `with` block: https with these files, otherwise http."""
        address = self

        class Answering(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                address.asked += 1
                self.send_response(address.status)
                self.send_header("Content-Length", str(len(address.body)))
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(address.body)

            def log_message(self, *_: object) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Answering) as server:
            scheme = "http"
            if files is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*files)
                server.socket = context.wrap_socket(server.socket, server_side=True)
                scheme = "https"
            self.url = f"{scheme}://localhost:{server.server_port}/keys.json"
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()
