"""The credentials of a client: certificates for TLS and bearer tokens."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from pourparler.errors import PourparlerError

Metadata: TypeAlias = tuple[tuple[str, str], ...]

_EXPIRED = "TOKEN_EXPIRED"


class Credentials:
    """The credentials of a client. Threads may share them.

    With any credential, the connection uses TLS, so that a token is never sent in plain text.
    """

    def __init__(
        self,
        root_certificates: Path | str | None = None,
        certificate: Path | str | None = None,
        key: Path | str | None = None,
        token: str | Callable[[], str] | None = None,
    ) -> None:
        """Read the files. Raises OSError, or ValueError if a certificate or its key is missing."""
        if (certificate is None) != (key is None):
            raise ValueError("A certificate chain needs its private key: give both, or neither.")
        self.uses_tls = any(one is not None for one in (root_certificates, certificate, token))
        self.pem_files = tuple(
            None if path is None else Path(path).read_bytes()
            for path in (root_certificates, key, certificate)
        )
        """In PEM: the root certificates, the private key and the certificate chain."""
        self._source = token if callable(token) else None
        self._held: Metadata | None = () if token is None else None
        if isinstance(token, str):
            self._held = _bearer_metadata(token)

    @property
    def cached_metadata(self) -> Metadata | None:
        """The metadata of a call; None if the callable must provide a token first."""
        return self._held

    def metadata(self) -> Metadata:
        """Return the metadata of a call. It may block while the callable provides a token."""
        held = self._held
        if held is None and self._source is not None:
            held = self._held = _bearer_metadata(self._source())
        return held or ()

    def renew_token(self, error: PourparlerError) -> bool:
        """Return True if a new token may fix this error, and discard the expired one."""
        if self._source is None or error.reason != _EXPIRED:
            return False
        self._held = None
        return True


def _bearer_metadata(token: str) -> Metadata:
    """Return the metadata with a bearer token. Raises ValueError if the token is not valid."""
    word = token.strip()
    if not word or not word.isascii() or not word.isprintable() or " " in word:
        raise ValueError("The token is empty, or has characters that no token may have.")
    return (("authorization", f"Bearer {word}"),)
