"""The addresses at which the service may listen."""

import ipaddress

_LAST_PORT = 65_535


class AddressError(ValueError):
    """The service cannot listen at this address. The text says why and what to change."""


def host_and_port(address: str) -> tuple[str, int]:
    """Return the host and port of an address such as `127.0.0.1:50710` or `[::1]:0`.

    Raises AddressError.
    """
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdecimal()):
        message = f"The address {address!r} has no host and port. Use one such as 127.0.0.1:50710."
        raise AddressError(message)
    if len(port) > len(str(_LAST_PORT)) or int(port) > _LAST_PORT:
        message = f"The port of {address!r} is too high. Use one up to {_LAST_PORT}."
        raise AddressError(message)
    return host, int(port)


def listening(address: str, *, requires_authentication: bool) -> tuple[str, int]:
    """Return the host and port of an address that the service may listen on.

    Raises AddressError if others can reach the address and the service does not authenticate them.
    """
    host, port = host_and_port(address)
    if not requires_authentication and not _is_loopback(host):
        message = (
            f"The address {address!r} is not a loopback address such as 127.0.0.1:50710, and the"
            " service does not authenticate callers: everyone could read and record everything."
            " Set TLS and client certificates or tokens: see docs/guides/security.md."
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
