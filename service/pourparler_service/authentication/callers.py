"""The caller of each call, from its bearer token or its client certificate."""

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Protocol

from pourparler import v1 as pb
from pourparler_service.authentication.bearer_tokens import TokenVerifier
from pourparler_service.authentication.certificates import CertificateNames, check_in_date, names_in
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.domain.refusal import refuse

_REMEMBERED = 1_000


class Context(Protocol):
    """The context of a gRPC call."""

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Return the security properties of the connection."""

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """Return the metadata of the call."""


class CallerResolver:
    """Returns the caller of each call, as `recorded_by` shows it. Belongs to one thread.

    A token decides, regardless of the certificate of the connection. A service that accepts
    anonymous callers requests no certificates: there a call without a token is anonymous.
    """

    def __init__(self, tokens: TokenVerifier | None, *, anonymous: bool) -> None:
        """Accept the tokens that `tokens` verifies; accept anonymous callers if `anonymous`."""
        self._tokens = tokens
        self._anonymous = anonymous
        self._names: OrderedDict[bytes, CertificateNames] = OrderedDict()

    def caller(self, context: Context) -> str:
        """Return the name of the caller. Raise RefusalError without valid credentials."""
        given = [
            value for key, value in context.invocation_metadata() or () if key == "authorization"
        ]
        if not given and self._anonymous:
            return ANONYMOUS
        connection = context.auth_context()
        if given:
            return self._token_caller(given, connection)
        certificate = next(iter(connection.get("x509_pem_cert", ())), None)
        if certificate is None:
            refuse(
                pb.ERROR_REASON_CREDENTIALS_REQUIRED,
                "The call has no token and no client certificate. Send one of them.",
            )
        return self._certificate_caller(certificate)

    def _token_caller(
        self, given: list[str | bytes], connection: Mapping[str, Iterable[bytes]]
    ) -> str:
        if b"ssl" not in connection.get("transport_security_type", ()):
            refuse(
                pb.ERROR_REASON_TOKEN_EXPOSED,
                "The token came over an unencrypted connection and is compromised. Have it revoked,"
                " and send the new one over TLS.",
            )
        if self._tokens is None:
            refuse(
                pb.ERROR_REASON_TOKEN_ISSUER_NOT_TRUSTED,
                "This service accepts no tokens. Use a client certificate.",
            )
        if len(given) > 1 or isinstance(given[0], bytes):
            refuse(pb.ERROR_REASON_TOKEN_MALFORMED, "The call has more than one token. Send one.")
        return self._tokens.caller(given[0])

    def _certificate_caller(self, pem: bytes) -> str:
        # The key is the certificate: the address of a peer may soon belong to another one.
        name = self._names.get(pem)
        if name is None:
            name = self._names[pem] = names_in(pem)
            if len(self._names) > _REMEMBERED:
                self._names.popitem(last=False)
        check_in_date(name, time.time())
        return name.caller
