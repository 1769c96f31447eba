"""What an operator can choose: where the record is kept, where the service listens, to whom.

By a settings file, by the environment, and by arguments: what is said later wins.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

from pourparler_service.authentication.jwks import REFRESH_SECONDS, Issuer
from pourparler_service.authorization.policy import Policy
from pourparler_service.config.settings_file import Section, SettingsError, read
from pourparler_service.config.store_url import (
    MEMORY,
    read_store_url,
    refuse_library_settings,
)

DEFAULT_ADDRESS = "127.0.0.1:50710"
DEFAULT_DATA = "pourparler-data"

_LIMITS = (
    "request_bytes",
    "copy_bytes",
    "requests_per_second",
    "unary_calls",
    "unary_calls_each",
    "streams",
    "streams_each",
    "watches",
    "watches_each",
    "under_way_bytes",
    "under_way_bytes_each",
    "connections",
)
_REQUESTS_PER_SECOND = 1_000


class Tls(NamedTuple):
    """By which certificate the service is known, and whether its callers need one."""

    certificate: Path
    key: Path
    clients: Path | None = None
    """The authorities of the certificates that callers show. None: they need not show any."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one service."""

    data: Path | None = None
    """The data folder. None: the record is kept in memory, and gone with the process."""
    store: str = ""
    """The store of the record: `sqlite:PATH` or `memory:`. Empty: SQLite in the data folder."""
    address: str = DEFAULT_ADDRESS
    """Where to listen, `HOST:PORT`; port 0 for any that is free. Loopback, unless callers are told
    apart."""
    certificates_address: str = ""
    """Where to listen besides, to callers with a certificate; at `address` they then need none."""
    tls: Tls | None = None
    """How connections are made safe. None: they are not."""
    tokens: tuple[Issuer, ...] = ()
    """Whose tokens are taken."""
    access: Policy = field(default_factory=Policy)
    """What principals may do with the service, whatever a record says."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The environment: it has the master key, and how the store encodes entries."""
    keys: tuple[Path, ...] = ()
    """The files of the signing keys. None: one of the service's own, made in the data folder."""
    witnesses: tuple[str, ...] = ()
    """The witnesses, each by its URL and its verifier key, in turn."""
    witnesses_required: str = ""
    """How many cosignatures a checkpoint should bear. Not given: those of all witnesses."""
    witness_seconds: float = 10.0
    """How long a witness that failed is left in peace."""
    request_bytes: int = 1 << 20
    """The largest request. Its receipt, which is longer, then fits into what clients receive."""
    copy_bytes: int = 256 << 20
    """The largest bundle of which a copy is taken: what is held in memory while it is checked."""
    requests_per_second: int | None = None
    """How many calls a second one caller may begin, for long. None: 1,000 where callers are told
    apart, else as many as there is room for."""
    unary_calls: int = 1_000
    """How many calls that are answered with one message may be under way at once ..."""
    unary_calls_each: int = 256
    """... and how many of one caller."""
    streams: int = 2_048
    """How many calls with streams may be under way at once, watches too ..."""
    streams_each: int = 256
    """... and how many of one caller."""
    watches: int = 1_024
    """How many replays may wait for more at once ..."""
    watches_each: int = 256
    """... and how many of one caller."""
    under_way_bytes: int = 256 << 20
    """How many bytes may be under way at once: requests that are being answered, and long answers
    that their callers have not taken yet ..."""
    under_way_bytes_each: int = 128 << 20
    """... and how many of one caller. One request or answer may go beyond both."""
    connections: int = 1_000
    """How many connections may be open at once, at each address; more are closed at once."""
    idle_seconds: float = 15.0
    """How often a replay that follows says that nothing is new."""
    unary_seconds: float = 30.0
    """How long a call without a deadline of its own may take."""
    grace_seconds: float = 10.0
    """How long calls may go on when the service stops."""
    probe_seconds: float = 10.0
    """How often the store is tried out when nobody asks for its health."""

    @property
    def requires_authentication(self) -> bool:
        """Whether every caller has to show who it is, by a certificate or a token."""
        return self.tls is not None and (self.tls.clients is not None or bool(self.tokens))

    @property
    def rate(self) -> int | None:
        """How many calls a second one caller may begin. None: this is not limited."""
        if self.requests_per_second is None and self.requires_authentication:
            return _REQUESTS_PER_SECOND
        return self.requests_per_second

    @classmethod
    def from_environment(
        cls,
        environment: Mapping[str, str] | None = None,
        *,
        file: Path | str | None = None,
        data: Path | str | None = None,
        address: str | None = None,
        keys: Sequence[Path | str] = (),
    ) -> Self:
        """The settings of POURPARLER_DATA, POURPARLER_STORE and their like.

        What is given as an argument wins, then the environment, then the settings file, which may
        be named by POURPARLER_SETTINGS. Raises SettingsError.
        """
        said = dict(os.environ if environment is None else environment)
        file = file or said.get("POURPARLER_SETTINGS")
        chosen = _of_file(Path(file)) if file else {}
        chosen |= _of_environment(said)
        if data:
            chosen["data"] = Path(data)
        if address:
            chosen["address"] = address
        if keys:
            chosen["keys"] = tuple(map(Path, keys))
        refuse_library_settings(said)
        if read_store_url(chosen.get("store", "")).kind == MEMORY:
            # What is said later wins: a data folder is an argument, or there is none.
            chosen["data"] = Path(data) if data else None
            chosen["store"] = "" if data else chosen["store"]
        chosen.setdefault("data", Path(DEFAULT_DATA))
        settings = cls(environment=said, **chosen)
        _check(settings)
        return settings

    @classmethod
    def in_memory(cls, address: str = "127.0.0.1:0") -> Self:
        """The settings of a service that keeps its record in memory, on any free port."""
        return cls(address=address)


def _check(settings: Settings) -> None:
    if settings.tokens and settings.tls is None:
        raise SettingsError(
            "Tokens are taken over TLS alone: without it they could be read on the way. Name a"
            " certificate and its key."
        )
    names = [issuer.name for issuer in settings.tokens]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"The issuer {name} is there twice: it has one audience, and keys.")
    if settings.certificates_address and not (settings.tls and settings.tls.clients):
        raise SettingsError(
            "An address for callers with a certificate needs the authorities that they come from."
        )
    if settings.certificates_address and not settings.tokens:
        raise SettingsError(
            "An address for callers with a certificate leaves the other to those with a token, but"
            " it is not said whose tokens are taken."
        )


def _of_file(path: Path) -> dict[str, Any]:
    """What a settings file chooses."""
    file = read(path)
    store, listen, signing = file.section("store"), file.section("listen"), file.section("signing")
    witnesses, tls, limits = file.section("witnesses"), file.section("tls"), file.section("limits")
    access = file.section("access")
    required = witnesses.number("required", least=0)
    chosen = {
        "data": store.path("data"),
        "store": store.text("url"),
        "address": listen.text("address"),
        "certificates_address": listen.text("certificates_address"),
        "keys": signing.paths("keys"),
        "witnesses": witnesses.texts("known"),
        "witnesses_required": "" if required is None else str(required),
        "access": _policy(access),
        "tls": _tls(*(tls.path(key) for key in ("certificate", "key", "clients"))),
        "tokens": tuple(_issuer_of(one, path) for one in file.sections("tokens")),
        **{name: limits.number(name) for name in _LIMITS},
    }
    for section in (file, store, listen, signing, witnesses, tls, limits, access):
        section.end()
    return {name: value for name, value in chosen.items() if value}


def _policy(access: Section) -> Policy:
    given = {name: access.texts(name) for name in Policy._fields if access.has(name)}
    return Policy(**given)


def _issuer_of(section: Section, path: Path) -> Issuer:
    keys = section.text("keys")
    if keys and "://" not in keys:
        keys = str(path.parent / keys)
    seconds = section.number("refresh_seconds")
    issuer = Issuer(
        section.text("issuer"), section.text("audience"), keys, float(seconds or REFRESH_SECONDS)
    )
    section.end()
    return issuer


def _of_environment(said: Mapping[str, str]) -> dict[str, Any]:
    """What the environment chooses."""

    def text(name: str) -> str:
        return said.get(f"POURPARLER_{name}", "")

    def path(name: str) -> Path | None:
        return Path(text(name)) if text(name) else None

    issuer, audience, keys = (text(f"TOKENS_{name}") for name in ("ISSUER", "AUDIENCE", "KEYS"))
    chosen = {
        "data": path("DATA"),
        "store": text("STORE"),
        "address": text("ADDRESS"),
        "certificates_address": text("CERTIFICATES_ADDRESS"),
        "keys": tuple(map(Path, filter(None, text("KEYS").split(":")))),
        "witnesses": tuple(text("WITNESSES").split()),
        "witnesses_required": text("WITNESSES_REQUIRED"),
        "tls": _tls(path("TLS_CERTIFICATE"), path("TLS_KEY"), path("TLS_CLIENTS")),
        "tokens": (Issuer(issuer, audience, keys),) if issuer or audience or keys else (),
    }
    return {name: value for name, value in chosen.items() if value}


def _tls(certificate: Path | None, key: Path | None, clients: Path | None) -> Tls | None:
    if certificate is not None and key is not None:
        return Tls(certificate, key, clients)
    if certificate is not None or key is not None or clients is not None:
        raise SettingsError("TLS needs a certificate and its key: one of them is not named.")
    return None
