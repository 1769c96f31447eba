"""Whose tokens are taken, and the keys with which they sign: read anew, again and again.

Where the keys are cannot be reached, the last ones that were had are used until it can.
"""

import contextlib
import json
import logging
import ssl
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import SplitResult, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

ALGORITHMS = ("ES256", "EdDSA", "RS256")
"""The algorithms of the tokens that are taken. Each needs a key of a kind of its own."""

REFRESH_SECONDS = 300.0
"""How often keys are read anew, unless it is said otherwise."""

PublicKey: TypeAlias = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey
Keys: TypeAlias = Mapping[tuple[str | None, str], PublicKey]
"""Keys by their `kid`, if they have one, and by the algorithm that they are for."""

_LOG = logging.getLogger(__name__)

_FILE_SECONDS = 5.0
_SHARE = 30
_FETCH_SECONDS = 5.0
_LONGEST = 1 << 18
_PART = 1 << 14
_MOST_KEYS = 100
_RSA_BITS = range(2_048, 8_193)
_KINDS = {("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA", ("RSA", None): "RS256"}
_TAKEN_NAMES = ("spiffe:", "x509:")


class IssuerSettingsError(Exception):
    """What is said of an issuer cannot be followed. The text says why."""


class KeysUnusableError(Exception):
    """The keys of an issuer cannot be had, or are no keys. The text says why."""


class Issuer(NamedTuple):
    """Whose tokens are taken, for which audience, and the file or the address of its keys."""

    name: str
    audience: str
    keys: str
    refresh_seconds: float = REFRESH_SECONDS
    """How often keys are read anew; those in a file every five seconds at least."""


def checked(issuer: Issuer) -> Issuer:
    """The issuer, if its tokens can be taken. Raises IssuerSettingsError.

    A caller is named by its issuer, `#` and its subject: that has to be read in one way only, and
    as nothing else.
    """
    name = issuer.name
    if not name.isprintable() or not name or "#" in name or " " in name:
        raise IssuerSettingsError(f"The issuer {name!r} is empty, or has a blank or a # in it.")
    if name.startswith(_TAKEN_NAMES):
        raise IssuerSettingsError(
            f"The issuer {name!r} begins as the names of callers with certificates do."
        )
    if not issuer.audience:
        raise IssuerSettingsError(
            f"The tokens of {name} need an audience: the name that they have for this service."
            " Else tokens for others would be taken."
        )
    if not issuer.keys:
        raise IssuerSettingsError(f"It is not said where the keys of {name} are: a file, or https.")
    if not issuer.refresh_seconds > 0:
        raise IssuerSettingsError(f"The keys of {name} are read anew after more than no time.")
    _address(issuer.keys)
    return issuer


def _address(keys: str) -> SplitResult | None:
    """The address of keys; None if they are in a file. Raises IssuerSettingsError."""
    if "://" not in keys:
        return None
    try:
        split = urlsplit(keys)
        split.port  # noqa: B018 - reading it is the check
    except ValueError as error:
        raise IssuerSettingsError(f"{keys!r} is no address of keys: {error}.") from error
    if split.scheme not in {"http", "https"} or not split.hostname or "@" in split.netloc:
        raise IssuerSettingsError(
            f"{keys!r} is no address of keys, such as https://login.example.org/keys.json."
        )
    if split.scheme == "http" and not _is_loopback(split.hostname):
        raise IssuerSettingsError(
            f"Keys are not read from {keys!r}: by http anybody on the way could put in their own."
        )
    return split


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class IssuerKeys:
    """The keys of one issuer. A thread of its own reads them anew; any thread may look at them."""

    def __init__(self, issuer: Issuer) -> None:
        """Read them for the first time.

        Raises IssuerSettingsError if they are in a file that cannot be used. An address may be away
        for now: until it answers there are no keys, and no token can be judged.
        """
        self.issuer = checked(issuer)
        self._at = _address(issuer.keys)
        self._keys: Keys = {}
        self._is_known = self._failed = False
        self._why = ""
        self._read_at = float("-inf")
        seconds = issuer.refresh_seconds
        self._every = seconds if self._at is not None else min(seconds, _FILE_SECONDS)
        # How long they are left in peace, whatever is asked for.
        self._least = self._every / _SHARE
        self._wanted, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="keys", daemon=True)
        self._read()
        if self._failed and self._at is None:
            raise IssuerSettingsError(f"The keys of {issuer.name} cannot be read: {self._why}.")

    def start(self) -> None:
        """Begin to read them anew."""
        self._thread.start()

    def close(self) -> None:
        """Stop reading them anew."""
        self._closed.set()
        self._wanted.set()
        self._thread.join()

    @property
    def keys(self) -> Keys:
        """The keys, another mapping each time that they have changed."""
        return self._keys

    def may_come(self) -> bool:
        """Whether a key that is not there may be there soon: have them read anew, if so.

        Who asks for keys that there are not, again and again, does not make us ask as often.
        """
        if not self._failed and self._rest() > 0:
            return False
        self._wanted.set()
        return True

    def _rest(self) -> float:
        """For how many seconds they are left in peace yet."""
        return self._read_at + self._least - time.monotonic()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wanted.wait(self._least if self._failed else self._every)
            self._closed.wait(max(self._rest(), 0.0))
            self._wanted.clear()
            if not self._closed.is_set():
                self._read()

    def _read(self) -> None:
        try:
            found = keys_of(self._fetched())
        except (KeysUnusableError, OSError, HTTPException, UnicodeError) as error:
            self._why = f"{error}".removesuffix(".")
            if not self._failed:
                _LOG.warning("the keys of %s cannot be read: %s", self.issuer.name, self._why)
            self._failed = True
        else:
            if found != self._keys or not self._is_known:
                _LOG.info("the keys of %s are %d", self.issuer.name, len(found))
                self._keys = found
            self._is_known = True
            self._failed = False
        self._read_at = time.monotonic()

    def _fetched(self) -> bytes:
        if self._at is None:
            with Path(self.issuer.keys).open("rb") as file:
                return file.read(_LONGEST + 1)
        return _fetched(self._at)


def _fetched(at: SplitResult) -> bytes:
    connection = _connection(at)
    end = time.monotonic() + _FETCH_SECONDS
    with contextlib.closing(connection):
        path = (at.path or "/") + (f"?{at.query}" if at.query else "")
        connection.request("GET", path, headers={"Accept": "application/json"})
        response = connection.getresponse()
        if response.status != HTTPStatus.OK:
            # To be led elsewhere is not to be followed: only this address was said to be trusted.
            raise KeysUnusableError(f"{at.geturl()} answers with {response.status}")
        data = b""
        while (part := response.read1(_PART)) and len(data) <= _LONGEST:
            data += part
            if time.monotonic() > end:
                raise KeysUnusableError(f"{at.geturl()} takes too long")
        return data


def _connection(at: SplitResult) -> HTTPConnection:
    host = at.hostname or ""
    if at.scheme == "http":
        return HTTPConnection(host, at.port, timeout=_FETCH_SECONDS)
    trusted = ssl.create_default_context()
    return HTTPSConnection(host, at.port, timeout=_FETCH_SECONDS, context=trusted)


def keys_of(data: bytes) -> Keys:
    """The keys in a JWK set (RFC 7517) that sign tokens with one of the algorithms.

    Others are left out, as the RFC has it. Raises KeysUnusableError.
    """
    if len(data) > _LONGEST:
        raise KeysUnusableError(f"it has more than {_LONGEST} bytes")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    several = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(several, list):
        raise KeysUnusableError("it is no set of keys (RFC 7517)")
    keys: dict[tuple[str | None, str], PublicKey] = {}
    for one in several[:_MOST_KEYS]:
        algorithm = _algorithm(one)
        key = _key(one, algorithm) if algorithm else None
        if key is not None and algorithm:
            keys.setdefault((one.get("kid"), algorithm), key)
    return keys


def _algorithm(one: Any) -> str | None:
    """The algorithm that a key is for; None if it is for none of ours."""
    if not isinstance(one, dict) or not isinstance(one.get("kid"), str | None):
        return None
    kind = (str(one.get("kty")), None if one.get("kty") == "RSA" else str(one.get("crv")))
    algorithm = _KINDS.get(kind)
    signs = one.get("use") in {None, "sig"} if isinstance(one.get("use"), str | None) else False
    return algorithm if signs and one.get("alg", algorithm) == algorithm else None


def _key(one: dict[str, Any], algorithm: str) -> PublicKey | None:
    if "d" in one:
        _LOG.warning("a private key stands among the public ones, and is not used")
        return None
    try:
        key = jwt.PyJWK(one, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if isinstance(key, RSAPublicKey):
        return key if key.key_size in _RSA_BITS else None
    return key if isinstance(key, EllipticCurvePublicKey | Ed25519PublicKey) else None
