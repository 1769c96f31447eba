"""Who the caller is, by certificate or token, and where the service may listen."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Protocol

from pourparler import v1 as pb
from pourparler_service.bearer import Bearers
from pourparler_service.certificates import Named, check_in_date, named
from pourparler_service.refusal import refuse

ANONYMOUS = "anonymous@loopback"
"""How the record names a caller of whom nothing is known but that it is on this machine."""

_LAST_PORT = 65_535
_REMEMBERED = 1_000


class AddressError(ValueError):
    """The service cannot listen at this address. The text says why."""


class Context(Protocol):
    """What gRPC knows of a call."""

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """What is known of the connection."""

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """What came with the call."""


class Callers:
    """Tells who calls, as entries name them in `recorded_by`. Belongs to one thread.

    Whoever gives a token is who it names, whatever certificate the connection has. A service that
    lets in anonymous callers asks for no certificates: who gives no token there is one of them.
    """

    def __init__(self, bearers: Bearers | None, *, anonymous: bool) -> None:
        """Tell them apart by these tokens, and by the certificates of their connections."""
        self._bearers = bearers
        self._anonymous = anonymous
        self._named: OrderedDict[bytes, Named] = OrderedDict()

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


def host_and_port(address: str) -> tuple[str, int]:
    """The host and port of an address such as `127.0.0.1:50710` or `[::1]:0`.

    Raises AddressError.
    """
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdecimal()):
        message = f"The address {address!r} is not a host and a port, such as 127.0.0.1:50710."
        raise AddressError(message)
    if len(port) > len(str(_LAST_PORT)) or int(port) > _LAST_PORT:
        message = f"The port of {address!r} is beyond {_LAST_PORT}."
        raise AddressError(message)
    return host, int(port)


def listening(address: str, *, told_apart: bool) -> tuple[str, int]:
    """The host and port of an address that the service may listen at.

    Raises AddressError unless it is a loopback address, or callers are told apart.
    """
    host, port = host_and_port(address)
    if not told_apart and not _is_loopback(host):
        message = (
            f"The address {address!r} is not a loopback address, such as 127.0.0.1:50710, and"
            " callers are not told apart: everybody who reached the service could read and record"
            " everything. It listens elsewhere only with TLS, and with certificates or tokens of"
            " its callers: see docs/guides/security.md."
        )
        raise AddressError(message)
    return host, port


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
