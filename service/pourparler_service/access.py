"""Who the caller is. Callers are not told apart yet, so only this machine's are let in. Pure."""

import ipaddress

ANONYMOUS = "anonymous@loopback"
"""How the record names a caller of whom nothing is known but that it is on this machine."""

_LAST_PORT = 65_535


class AddressError(ValueError):
    """The service cannot listen at this address. The text says why."""


def caller(peer: str) -> str:
    """The identity of a caller, by the address of its peer, as entries name it in `recorded_by`."""
    del peer  # Nothing in it could be believed: everybody on this machine has the same.
    return ANONYMOUS


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


def listening(address: str) -> tuple[str, int]:
    """The host and port of an address that the service may listen at.

    Raises AddressError unless it is a loopback address.
    """
    host, port = host_and_port(address)
    if not _is_loopback(host):
        message = (
            f"The address {address!r} is not a loopback address, such as 127.0.0.1:50710. Callers"
            " are not told apart yet, so everybody who reached the service could read and record"
            " everything: it listens to this machine only."
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
