"""How a client shows who it is, and knows whom it asks: certificates and tokens."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from pourparler.errors import PourparlerError

Metadata: TypeAlias = tuple[tuple[str, str], ...]

_EXPIRED = "TOKEN_EXPIRED"


class Credentials:
    """What a client shows of itself. Threads may share it.

    With any of them it speaks TLS and nothing else, so that no token is sent where others could
    read it.
    """

    def __init__(
        self,
        root_certificates: Path | str | None = None,
        certificate: Path | str | None = None,
        key: Path | str | None = None,
        token: str | Callable[[], str] | None = None,
    ) -> None:
        """Read the files. Raises OSError, or ValueError where one thing lacks another."""
        if (certificate is None) != (key is None):
            raise ValueError("A certificate is shown with its key: one of them is not given.")
        self.secure = any(one is not None for one in (root_certificates, certificate, token))
        self.files = tuple(
            None if path is None else Path(path).read_bytes()
            for path in (root_certificates, key, certificate)
        )
        """In PEM: the certificates of authorities, its key, and its certificate."""
        self._source = token if callable(token) else None
        self._held: Metadata | None = () if token is None else None
        if isinstance(token, str):
            self._held = _bearing(token)

    @property
    def held(self) -> Metadata | None:
        """What goes with a call; None if a token has to be asked for first."""
        return self._held

    def shown(self) -> Metadata:
        """What goes with a call. Where a token has to be asked for, it takes as long as that."""
        held = self._held
        if held is None and self._source is not None:
            held = self._held = _bearing(self._source())
        return held or ()

    def renews(self, error: PourparlerError) -> bool:
        """Whether a call that failed in this way can be made with a new token."""
        if self._source is None or error.reason != _EXPIRED:
            return False
        self._held = None
        return True


def _bearing(token: str) -> Metadata:
    """What goes with the call of who bears a token. Raises ValueError if it is none."""
    word = token.strip()
    if not word or not word.isascii() or not word.isprintable() or " " in word:
        raise ValueError("What is given as a token is empty, or is none.")
    return (("authorization", f"Bearer {word}"),)
