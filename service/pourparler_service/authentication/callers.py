"""Who the caller is, by certificate or token, and where the service may listen."""

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Protocol

from pourparler import v1 as pb
from pourparler_service.authentication.bearer_tokens import TokenVerifier
from pourparler_service.authentication.certificates import CertificateNames, check_in_date, named
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.domain.refusal import refuse

_REMEMBERED = 1_000


class Context(Protocol):
    """What gRPC knows of a call."""

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """What is known of the connection."""

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """What came with the call."""


class CallerResolver:
    """Tells who calls, as entries name them in `recorded_by`. Belongs to one thread.

    Whoever gives a token is who it names, whatever certificate the connection has. A service that
    lets in anonymous callers asks for no certificates: who gives no token there is one of them.
    """

    def __init__(self, bearers: TokenVerifier | None, *, anonymous: bool) -> None:
        """Tell them apart by these tokens, and by the certificates of their connections."""
        self._bearers = bearers
        self._anonymous = anonymous
        self._named: OrderedDict[bytes, CertificateNames] = OrderedDict()

    def caller(self, context: Context) -> str:
        """The name of the caller. Refuses one who is not known."""
        given = [
            value for key, value in context.invocation_metadata() or () if key == "authorization"
        ]
        if not given and self._anonymous:
            return ANONYMOUS
        connection = context.auth_context()
        if given:
            return self._bearer(given, connection)
        certificate = next(iter(connection.get("x509_pem_cert", ())), None)
        if certificate is None:
            refuse(
                pb.ERROR_REASON_CREDENTIALS_REQUIRED,
                "It is not known who is calling: there is neither a token nor a certificate.",
            )
        return self._owner(certificate)

    def _bearer(self, given: list[str | bytes], connection: Mapping[str, Iterable[bytes]]) -> str:
        if b"ssl" not in connection.get("transport_security_type", ()):
            refuse(
                pb.ERROR_REASON_TOKEN_EXPOSED,
                "The token came over a connection that others can read. It is not taken, and not"
                " safe any more anywhere: have it revoked. Tokens are sent over TLS alone.",
            )
        if self._bearers is None:
            refuse(
                pb.ERROR_REASON_TOKEN_ISSUER_NOT_TRUSTED,
                "This service takes no tokens, whoever has issued them.",
            )
        if len(given) > 1 or isinstance(given[0], bytes):
            refuse(pb.ERROR_REASON_TOKEN_MALFORMED, "The call comes with more than one token.")
        return self._bearers.caller(given[0])

    def _owner(self, pem: bytes) -> str:
        # By the certificate and not by the peer, whose address may be another's a moment later.
        name = self._named.get(pem)
        if name is None:
            name = self._named[pem] = named(pem)
            if len(self._named) > _REMEMBERED:
                self._named.popitem(last=False)
        check_in_date(name, time.time())
        return name.caller
