"""The settings of the service, from a settings file, the environment and the command line.

A later source wins, setting by setting.
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

from pourparler_service.authentication.jwks import Issuer
from pourparler_service.authorization.policy import Policy
from pourparler_service.config.settings_file import SettingsError, read
from pourparler_service.config.settings_table import (
    BY_NAME,
    DEFAULT_DATA,
    SETTINGS,
    Kind,
    Setting,
    default,
)
from pourparler_service.config.store_url import (
    MEMORY,
    read_store_url,
    refuse_library_settings,
)

DEFAULT_ADDRESS: str = default("address")
CONFIG_VARIABLE = "POURPARLER_CONFIG"

_MAX_CALLS_PER_SECOND_PER_CALLER = 1_000


class Tls(NamedTuple):
    """The certificate of the service, and the authorities of client certificates."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    """None: callers need no client certificate."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one service. `settings_table` says what each of them means."""

    data: Path | None = None
    """None: the record is in memory and ends with the process."""
    store: str = default("store")
    address: str = DEFAULT_ADDRESS
    mtls_address: str = default("mtls_address")
    tls: Tls | None = None
    """None: connections are plain."""
    oidc: tuple[Issuer, ...] = ()
    access: Policy = field(default_factory=Policy)
    environment: Mapping[str, str] = field(default_factory=dict)
    """The environment: it has the master key, and how the store encodes entries."""
    signing_keys: tuple[Path, ...] = default("signing_keys")
    witnesses: tuple[str, ...] = default("witnesses")
    witnesses_required: int | None = default("witnesses_required")
    witness_retry_seconds: float = default("witness_retry_seconds")
    max_request_bytes: int = default("max_request_bytes")
    """Clients receive messages of 4 MiB: the receipt, which is longer than its request, fits."""
    max_bundle_bytes: int = default("max_bundle_bytes")
    max_calls_per_second_per_caller: int | None = default("max_calls_per_second_per_caller")
    max_calls: int = default("max_calls")
    max_calls_per_caller: int = default("max_calls_per_caller")
    max_streams: int = default("max_streams")
    max_streams_per_caller: int = default("max_streams_per_caller")
    max_watches: int = default("max_watches")
    max_watches_per_caller: int = default("max_watches_per_caller")
    max_in_flight_bytes: int = default("max_in_flight_bytes")
    max_in_flight_bytes_per_caller: int = default("max_in_flight_bytes_per_caller")
    max_connections: int = default("max_connections")
    heartbeat_seconds: float = default("heartbeat_seconds")
    default_deadline_seconds: float = default("default_deadline_seconds")
    shutdown_grace_seconds: float = default("shutdown_grace_seconds")
    health_check_seconds: float = default("health_check_seconds")

    @property
    def requires_authentication(self) -> bool:
        """True if every caller must show a client certificate or a token."""
        return self.tls is not None and (self.tls.client_ca is not None or bool(self.oidc))

    @property
    def rate(self) -> int | None:
        """Calls that one caller may begin in a second. None: no limit."""
        if self.max_calls_per_second_per_caller is None and self.requires_authentication:
            return _MAX_CALLS_PER_SECOND_PER_CALLER
        return self.max_calls_per_second_per_caller

    @classmethod
    def from_environment(
        cls,
        environment: Mapping[str, str] | None = None,
        *,
        config: Path | str | None = None,
        options: Mapping[str, Sequence[str]] | None = None,
    ) -> Self:
        """Return the settings of the options, the environment and the settings file.

        `options` are the values that the command line gives, by the name of the setting.
        POURPARLER_CONFIG names the settings file if `config` does not. Raises SettingsError.
        """
        variables = dict(os.environ if environment is None else environment)
        config = config or variables.get(CONFIG_VARIABLE)
        chosen, issuers = _from_file(Path(config)) if config else ({}, ())
        given = _from_texts(variables, options or {})
        chosen |= given
        if any(BY_NAME[name].section == "oidc" for name in given):
            issuers = (_issuer({name: given.get(name) for name in BY_NAME}),)
        refuse_library_settings(variables)
        if read_store_url(chosen.get("store", "")).kind == MEMORY:
            _keep_in_memory(chosen, options or {})
        settings = cls(environment=variables, oidc=issuers, **_grouped(chosen))
        _check(settings)
        return settings

    @classmethod
    def in_memory(cls, address: str = "127.0.0.1:0") -> Self:
        """Return the settings of a service that keeps its record in memory, on any free port."""
        return cls(address=address, store=f"{MEMORY}:")


def _keep_in_memory(chosen: dict[str, Any], options: Mapping[str, Sequence[str]]) -> None:
    """Leave out the data folder, unless an option names it. Raises SettingsError."""
    if not any(options.get("data", ())):
        chosen["data"] = None
    elif any(options.get("store", ())):
        raise SettingsError(
            f"--data is {str(chosen['data'])!r} and --store is {chosen['store']!r}. A store in"
            " memory has no data folder: give one of them."
        )
    else:
        chosen["store"] = ""


def _check(settings: Settings) -> None:
    """Raise SettingsError if two settings contradict each other."""
    if settings.oidc and settings.tls is None:
        raise SettingsError(
            "Tokens need TLS: without it, others could read them on the network. Set"
            " tls_certificate and tls_key."
        )
    names = [issuer.name for issuer in settings.oidc]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(
                f"The issuer {name} is in two [[oidc]] sections. Keep one section for it."
            )
    if settings.mtls_address and not (settings.tls and settings.tls.client_ca):
        raise SettingsError(
            f"mtls_address is {settings.mtls_address!r}, but no certificate authorities are set"
            " for client certificates. Set tls_client_ca."
        )
    if settings.mtls_address and not settings.oidc:
        raise SettingsError(
            f"mtls_address is {settings.mtls_address!r}, but no issuer is set for the tokens of"
            " the callers at address. Set oidc_issuer, oidc_audience and oidc_jwks."
        )


def _from_file(path: Path) -> tuple[dict[str, Any], tuple[Issuer, ...]]:
    """Return the settings of a file by name, and its issuers."""
    file = read(path)
    sections = {"": file}
    for one in SETTINGS:
        if one.section not in sections and one.section != "oidc":
            sections[one.section] = file.section(one.section)
    issuers = []
    for section in file.sections("oidc"):
        found = {one.name: section.value(one) for one in SETTINGS if one.section == "oidc"}
        section.end()
        jwks = found["oidc_jwks"]
        if jwks and "://" not in jwks:
            found["oidc_jwks"] = str(path.parent / jwks)
        issuers.append(_issuer(found))
    chosen = {
        one.name: value
        for one in SETTINGS
        if one.section in sections
        and not one.environment_only
        and (value := sections[one.section].value(one)) is not None
    }
    for section in sections.values():
        section.end()
    return chosen, tuple(issuers)


def _from_texts(
    variables: Mapping[str, str], options: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Return the settings that variables or options give, by name. An option wins."""
    chosen = {}
    for one in SETTINGS:
        if one.environment_only:
            continue
        texts = [text for text in options.get(one.name, ()) if text]
        if texts:
            chosen[one.name] = _parsed(one, one.option, texts)
        elif text := variables.get(one.variable, ""):
            chosen[one.name] = _parsed(one, one.variable, [text])
    return chosen


def _parsed(setting: Setting, source: str, texts: Sequence[str]) -> Any:
    """Return the value of a setting whose source is an option or a variable."""
    text = texts[-1]
    match setting.kind:
        case Kind.PATHS:
            return tuple(Path(part) for one in texts for part in one.split(":") if part)
        case Kind.TEXTS:
            try:
                return tuple(part for one in texts for part in shlex.split(one))
            except ValueError as error:
                raise SettingsError(
                    f"{source} is {text!r}: {error}. Separate values by blanks, and quote a value"
                    " that has a blank in it."
                ) from error
        case Kind.PATH:
            return Path(text)
        case Kind.COUNT | Kind.SECONDS:
            number = _number(setting.kind, text)
            if number is None or not setting.allows(number):
                raise SettingsError(f"{source} is {text!r}. Set it to {setting.expected}.")
            return number
        case _:
            return text


def _number(kind: Kind, text: str) -> float | None:
    """Return the number in a text; None if it is none."""
    try:
        return int(text) if kind is Kind.COUNT else float(text)
    except ValueError:
        return None


def _grouped(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of Settings for settings by name."""
    fields = _section(chosen, "")
    fields.setdefault("data", Path(DEFAULT_DATA))
    access = _section(chosen, "access")
    return {**fields, "access": Policy(**access), "tls": _tls(**_section(chosen, "tls"))}


def _section(chosen: Mapping[str, Any], section: str) -> dict[str, Any]:
    """Return the settings of one section, by key."""
    return {
        BY_NAME[name].key: value
        for name, value in chosen.items()
        if BY_NAME[name].section == section
    }


def _tls(
    certificate: Path | None = None, key: Path | None = None, client_ca: Path | None = None
) -> Tls | None:
    """Return the TLS settings. Raises SettingsError if one that they need is absent."""
    if certificate is not None and key is not None:
        return Tls(certificate, key, client_ca)
    if certificate is not None or key is not None or client_ca is not None:
        given = {"tls_certificate": certificate, "tls_key": key}
        absent = " and ".join(name for name, path in given.items() if path is None)
        raise SettingsError(f"TLS needs a certificate and its key. Set {absent}.")
    return None


def _issuer(found: Mapping[str, Any]) -> Issuer:
    """Return an issuer of tokens from the settings of its section, by name."""
    refresh = found["oidc_jwks_refresh_seconds"]
    return Issuer(
        found["oidc_issuer"] or "",
        found["oidc_audience"] or "",
        found["oidc_jwks"] or "",
        default("oidc_jwks_refresh_seconds") if refresh is None else refresh,
    )
