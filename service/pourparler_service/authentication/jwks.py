"""Token issuers and their keys, as JWK sets (RFC 7517) that are refreshed periodically.

The last keys stay in use while the key set is unreachable.
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
"""The accepted signature algorithms (RFC 7518, RFC 8037). Each has its own key type."""

REFRESH_SECONDS = 300.0
"""The default interval between refreshes of the keys in seconds."""

PublicKey: TypeAlias = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey
Keys: TypeAlias = Mapping[tuple[str | None, str], PublicKey]
"""Keys by `kid`, or None without one, and by algorithm."""

_LOG = logging.getLogger(__name__)

_FILE_SECONDS = 5.0
_REFRESHES_PER_INTERVAL = 30
_FETCH_SECONDS = 5.0
_LONGEST = 1 << 18
_CHUNK = 1 << 14
_MOST_KEYS = 100
_RSA_BITS = range(2_048, 8_193)
_KINDS = {("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA", ("RSA", None): "RS256"}
_RESERVED_PREFIXES = ("spiffe:", "x509:")


class IssuerSettingsError(Exception):
    """The settings of an issuer are not valid. The text gives the cause."""


class KeysUnusableError(Exception):
    """The keys of an issuer cannot be fetched or parsed. The text gives the cause."""


class Issuer(NamedTuple):
    """An accepted issuer, the audience of its tokens, and the file or URL of its keys."""

    name: str
    audience: str
    keys: str
    refresh_seconds: float = REFRESH_SECONDS
    """The interval between refreshes in seconds. A file is read every five seconds or faster."""


def check_issuer(issuer: Issuer) -> Issuer:
    """Return the issuer if its settings are valid. Raise IssuerSettingsError otherwise.

    The name of a caller is the issuer, `#` and the subject. The rules for the name of an issuer
    keep the names of callers unambiguous.
    """
    name = issuer.name
    if not name.isprintable() or not name or "#" in name or " " in name:
        raise IssuerSettingsError(f"The issuer {name!r} is empty, or contains a space or a #.")
    if name.startswith(_RESERVED_PREFIXES):
        prefixes = " or ".join(_RESERVED_PREFIXES)
        raise IssuerSettingsError(
            f"The issuer {name!r} begins like a caller with a certificate ({prefixes})."
        )
    if not issuer.audience:
        raise IssuerSettingsError(
            f"The issuer {name} has no audience. Set the name of this service in its tokens, or"
            " tokens for other services would be accepted."
        )
    if not issuer.keys:
        raise IssuerSettingsError(f"The issuer {name} has no keys. Set a file or an https URL.")
    if not issuer.refresh_seconds > 0:
        raise IssuerSettingsError(
            f"The refresh interval of {name} is {issuer.refresh_seconds}. Set more than 0."
        )
    _address(issuer.keys)
    return issuer


def _address(keys: str) -> SplitResult | None:
    """Return the URL of keys; None for a file. Raise IssuerSettingsError if it is not valid."""
    if "://" not in keys:
        return None
    try:
        split = urlsplit(keys)
        split.port  # noqa: B018 - reading it is the check
    except ValueError as error:
        raise IssuerSettingsError(f"{keys!r} is not a URL of keys: {error}.") from error
    if split.scheme not in {"http", "https"} or not split.hostname or "@" in split.netloc:
        raise IssuerSettingsError(
            f"{keys!r} is not a URL of keys such as https://login.example.org/keys.json."
        )
    if split.scheme == "http" and not _is_loopback(split.hostname):
        raise IssuerSettingsError(
            f"The URL of keys {keys!r} is not secure: with http, keys can be replaced on the way."
            " Use https."
        )
    return split


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class IssuerKeys:
    """The keys of one issuer. A background thread refreshes them. Thread-safe."""

    def __init__(self, issuer: Issuer) -> None:
        """Read the keys for the first time.

        Raise IssuerSettingsError if a file of keys cannot be used. A URL may be unreachable: until
        it responds there are no keys, and no token is accepted.
        """
        self.issuer = check_issuer(issuer)
        self._url = _address(issuer.keys)
        self._keys: Keys = {}
        self._is_loaded = self._has_failed = False
        self._error = ""
        self._read_at = float("-inf")
        seconds = issuer.refresh_seconds
        self._interval = seconds if self._url is not None else min(seconds, _FILE_SECONDS)
        # The minimum time between two refreshes, regardless of requests.
        self._min_interval = self._interval / _REFRESHES_PER_INTERVAL
        self._requested, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="keys", daemon=True)
        self._read()
        if self._has_failed and self._url is None:
            raise IssuerSettingsError(f"The keys of {issuer.name} cannot be read: {self._error}.")

    def start(self) -> None:
        """Start to refresh the keys."""
        self._thread.start()

    def close(self) -> None:
        """Stop refreshing the keys."""
        self._closed.set()
        self._requested.set()
        self._thread.join()

    @property
    def keys(self) -> Keys:
        """The keys: a new mapping after each change."""
        return self._keys

    def request_refresh(self) -> bool:
        """Request a refresh; return True if a missing key may be there soon.

        A minimum interval limits the refreshes, so that unknown keys cannot flood the issuer.
        """
        if not self._has_failed and self._seconds_to_wait() > 0:
            return False
        self._requested.set()
        return True

    def _seconds_to_wait(self) -> float:
        """Return the seconds until the next refresh is allowed."""
        return self._read_at + self._min_interval - time.monotonic()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._requested.wait(self._min_interval if self._has_failed else self._interval)
            self._closed.wait(max(self._seconds_to_wait(), 0.0))
            self._requested.clear()
            if not self._closed.is_set():
                self._read()

    def _read(self) -> None:
        try:
            found = parse_jwks(self._fetched())
        except (KeysUnusableError, OSError, HTTPException, UnicodeError) as error:
            self._error = f"{error}".removesuffix(".")
            if not self._has_failed:
                _LOG.warning("the keys of %s cannot be read: %s", self.issuer.name, self._error)
            self._has_failed = True
        else:
            if found != self._keys or not self._is_loaded:
                _LOG.info("the issuer %s has %d keys", self.issuer.name, len(found))
                self._keys = found
            self._is_loaded = True
            self._has_failed = False
        self._read_at = time.monotonic()

    def _fetched(self) -> bytes:
        if self._url is None:
            with Path(self.issuer.keys).open("rb") as file:
                return file.read(_LONGEST + 1)
        return _fetched(self._url)


def _fetched(url: SplitResult) -> bytes:
    connection = _connection(url)
    end = time.monotonic() + _FETCH_SECONDS
    with contextlib.closing(connection):
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request("GET", path, headers={"Accept": "application/json"})
        response = connection.getresponse()
        if response.status != HTTPStatus.OK:
            # A redirect is not followed: only this URL is trusted.
            raise KeysUnusableError(f"{url.geturl()} responds with {response.status}")
        data = b""
        while (part := response.read1(_CHUNK)) and len(data) <= _LONGEST:
            data += part
            if time.monotonic() > end:
                raise KeysUnusableError(
                    f"{url.geturl()} did not respond within {_FETCH_SECONDS:.0f} seconds"
                )
        return data


def _connection(url: SplitResult) -> HTTPConnection:
    host = url.hostname or ""
    if url.scheme == "http":
        return HTTPConnection(host, url.port, timeout=_FETCH_SECONDS)
    trusted = ssl.create_default_context()
    return HTTPSConnection(host, url.port, timeout=_FETCH_SECONDS, context=trusted)


def parse_jwks(data: bytes) -> Keys:
    """Return the keys of a JWK set (RFC 7517) that sign with one of ALGORITHMS.

    Ignore other keys, as RFC 7517 section 5 says. Raise KeysUnusableError if it is no JWK set.
    """
    if len(data) > _LONGEST:
        raise KeysUnusableError(f"the JWK set has more than {_LONGEST} bytes")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    several = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(several, list):
        raise KeysUnusableError("the content is not a JWK set (RFC 7517)")
    keys: dict[tuple[str | None, str], PublicKey] = {}
    for one in several[:_MOST_KEYS]:
        algorithm = _algorithm(one)
        key = _key(one, algorithm) if algorithm else None
        if key is not None and algorithm:
            keys.setdefault((one.get("kid"), algorithm), key)
    return keys


def _algorithm(one: Any) -> str | None:
    """Return the algorithm of a JWK; None if it is not one of ALGORITHMS."""
    if not isinstance(one, dict) or not isinstance(one.get("kid"), str | None):
        return None
    kind = (str(one.get("kty")), None if one.get("kty") == "RSA" else str(one.get("crv")))
    algorithm = _KINDS.get(kind)
    signs = one.get("use") in {None, "sig"} if isinstance(one.get("use"), str | None) else False
    return algorithm if signs and one.get("alg", algorithm) == algorithm else None


def _key(one: dict[str, Any], algorithm: str) -> PublicKey | None:
    if "d" in one:
        _LOG.warning("a JWK set contains a private key, which is ignored")
        return None
    try:
        key = jwt.PyJWK(one, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if isinstance(key, RSAPublicKey):
        return key if key.key_size in _RSA_BITS else None
    return key if isinstance(key, EllipticCurvePublicKey | Ed25519PublicKey) else None
