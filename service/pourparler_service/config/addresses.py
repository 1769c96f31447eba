"""The addresses at which the service may listen."""

import ipaddress

_LAST_PORT = 65_535


class AddressError(ValueError):
    """The service cannot listen at this address. The text says why."""


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
