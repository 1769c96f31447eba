"""The table of all settings: from it follow the file, the environment, the options and the docs.

The name of a setting is the same everywhere. `tls_client_ca` is `client_ca` in the section `[tls]`
of the settings file, the variable POURPARLER_TLS_CLIENT_CA and the option `--tls-client-ca`.
"""

import math
from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

VARIABLE_PREFIX = "POURPARLER_"
DEFAULT_DATA = "pourparler-data"


class Kind(Enum):
    """The type of the value of a setting."""

    TEXT = "TEXT"
    ADDRESS = "HOST:PORT"
    PATH = "FILE"
    PATHS = "FILES"
    TEXTS = "NAMES"
    COUNT = "NUMBER"
    SECONDS = "SECONDS"


_EXPECTED = {
    Kind.TEXT: "a text",
    Kind.ADDRESS: "an address such as 127.0.0.1:50710",
    Kind.PATH: "the path of a file",
    Kind.PATHS: "a list of paths",
    Kind.TEXTS: "a list of texts",
    Kind.COUNT: "a whole number of {least} or more",
    Kind.SECONDS: "a number of seconds, {least} or more",
}


class Setting(NamedTuple):
    """One setting of the service."""

    name: str
    kind: Kind
    default: Any
    help: str
    """The meaning of the value, for the help of the command and the reference."""
    section: str = ""
    """The section of the settings file. The name begins with it. Empty: the top of the file."""
    least: float = 1
    """The least value of a number."""
    default_text: str = ""
    """The default as a reader sees it, where the value itself does not say it."""
    environment_only: bool = False
    """True for a secret: files are copied to backups, and other users can see options."""

    @property
    def key(self) -> str:
        """The key in its section of the settings file."""
        return self.name.removeprefix(f"{self.section}_") if self.section else self.name

    @property
    def variable(self) -> str:
        """The environment variable."""
        return VARIABLE_PREFIX + self.name.upper()

    @property
    def option(self) -> str:
        """The option of `pourparler serve`."""
        return "--" + self.name.replace("_", "-")

    @property
    def expected(self) -> str:
        """A phrase for a value that the setting accepts, for error messages."""
        return _EXPECTED[self.kind].format(least=self.least)

    def allows(self, number: float) -> bool:
        """Return True if the setting accepts this number."""
        return number >= self.least and (isinstance(number, int) or math.isfinite(number))

    @property
    def shown_default(self) -> str:
        """The default as a reader sees it; empty if there is none."""
        if self.default_text or self.default in (None, "", ()):
            return self.default_text
        if isinstance(self.default, tuple):
            return " ".join(self.default)
        if isinstance(self.default, int):
            return f"{self.default:,}"
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)


_MIB = 1 << 20

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "data",
        Kind.PATH,
        None,
        "Data folder: the record, its indexes, and keys that the service makes itself.",
        default_text=DEFAULT_DATA,
    ),
    Setting(
        "store",
        Kind.TEXT,
        "",
        "Store of the record: sqlite:PATH, or memory: for a record that ends with the process.",
        default_text="SQLite in the data folder",
    ),
    Setting(
        "address",
        Kind.ADDRESS,
        "127.0.0.1:50710",
        "Address to listen on. Port 0 takes any free port. Without authentication of callers it"
        " must be a loopback address.",
    ),
    Setting(
        "mtls_address",
        Kind.ADDRESS,
        "",
        "Second address, for callers with a client certificate. Callers at the first address then"
        " need a token.",
    ),
    Setting(
        "signing_keys",
        Kind.PATHS,
        (),
        "Files of the keys that sign checkpoints.",
        default_text="signing.key in the data folder",
    ),
    Setting(
        "master_key",
        Kind.TEXT,
        "",
        "Key that encrypts the keys of persons: the path of its file, or the key itself.",
        default_text="master.key in the data folder",
        environment_only=True,
    ),
    Setting(
        "witnesses",
        Kind.TEXTS,
        (),
        "URL and verifier key of each witness that cosigns checkpoints, in turn.",
    ),
    Setting(
        "witnesses_required",
        Kind.COUNT,
        None,
        "Number of cosignatures that a checkpoint needs.",
        least=0,
        default_text="all witnesses",
    ),
    Setting(
        "witness_retry_seconds",
        Kind.SECONDS,
        10.0,
        "Pause before the service asks a witness again that failed.",
        least=0,
    ),
    Setting(
        "tls_certificate", Kind.PATH, None, "Certificate of the service, in PEM.", section="tls"
    ),
    Setting("tls_key", Kind.PATH, None, "Private key of that certificate, in PEM.", section="tls"),
    Setting(
        "tls_client_ca",
        Kind.PATH,
        None,
        "Certificate authorities of client certificates, in PEM. With it, callers need one.",
        section="tls",
    ),
    Setting(
        "oidc_issuer",
        Kind.TEXT,
        "",
        "Issuer of accepted tokens: their `iss`.",
        section="oidc",
    ),
    Setting(
        "oidc_audience",
        Kind.TEXT,
        "",
        "Audience that a token must name: its `aud`.",
        section="oidc",
    ),
    Setting(
        "oidc_jwks",
        Kind.TEXT,
        "",
        "Keys of the issuer, a JWK set: a file, or an https address.",
        section="oidc",
    ),
    Setting(
        "oidc_jwks_refresh_seconds",
        Kind.SECONDS,
        300.0,
        "Interval between reads of an https JWK set.",
        section="oidc",
    ),
    Setting(
        "access_open",
        Kind.TEXTS,
        ("*",),
        "Callers who may open and import negotiations. `*` is every authenticated caller.",
        section="access",
    ),
    Setting(
        "access_list",
        Kind.TEXTS,
        ("*",),
        "Callers who may list the negotiations that they can see.",
        section="access",
    ),
    Setting(
        "access_auditors",
        Kind.TEXTS,
        (),
        "Callers who see every entry of every negotiation.",
        section="access",
    ),
    Setting(
        "access_public",
        Kind.TEXTS,
        (),
        "Callers who see the PUBLIC entries of every negotiation.",
        section="access",
    ),
    Setting(
        "access_privacy",
        Kind.TEXTS,
        (),
        "Callers who may erase the personal data of a participant.",
        section="access",
    ),
    Setting("max_request_bytes", Kind.COUNT, 1 * _MIB, "Size of the largest request."),
    Setting(
        "max_bundle_bytes",
        Kind.COUNT,
        256 * _MIB,
        "Size of the largest bundle to import. The service holds it in memory.",
    ),
    Setting(
        "max_calls_per_second_per_caller",
        Kind.COUNT,
        None,
        "Calls that one caller may begin in a second, for long. Twice as many may begin at once.",
        default_text="1,000; no limit without authentication of callers",
    ),
    Setting("max_calls", Kind.COUNT, 1_000, "Unary calls in flight."),
    Setting("max_calls_per_caller", Kind.COUNT, 256, "Unary calls in flight for one caller."),
    Setting("max_streams", Kind.COUNT, 2_048, "Streaming calls in flight, including watches."),
    Setting("max_streams_per_caller", Kind.COUNT, 256, "Streaming calls of one caller."),
    Setting("max_watches", Kind.COUNT, 1_024, "Replays that wait for new entries."),
    Setting("max_watches_per_caller", Kind.COUNT, 256, "Watches of one caller."),
    Setting(
        "max_in_flight_bytes",
        Kind.COUNT,
        256 * _MIB,
        "Bytes of requests in flight and of long responses that no caller has read yet.",
    ),
    Setting(
        "max_in_flight_bytes_per_caller",
        Kind.COUNT,
        128 * _MIB,
        "The same bytes, for one caller. One request or response may exceed both limits.",
    ),
    Setting("max_connections", Kind.COUNT, 1_000, "Open connections, at each address."),
    Setting(
        "heartbeat_seconds",
        Kind.SECONDS,
        15.0,
        "Interval of the messages that a watch sends while nothing is recorded.",
    ),
    Setting(
        "default_deadline_seconds",
        Kind.SECONDS,
        30.0,
        "Deadline of a unary call whose caller sets none.",
    ),
    Setting(
        "shutdown_grace_seconds",
        Kind.SECONDS,
        10.0,
        "Time that calls in flight have to finish when the service stops.",
        least=0,
    ),
    Setting(
        "health_check_seconds",
        Kind.SECONDS,
        10.0,
        "Interval between the checks of the store.",
    ),
)
"""All settings, in the order of the reference."""

BY_NAME = {setting.name: setting for setting in SETTINGS}


def default(name: str) -> Any:
    """Return the default of the setting of this name."""
    return BY_NAME[name].default


def reference() -> Iterator[str]:
    """Yield the lines of the table of settings in the documentation."""
    yield "| in the file | type | default | variable | option | meaning |"
    yield "|---|---|---|---|---|---|"
    for one in SETTINGS:
        place = f"`{one.section}.{one.key}`" if one.section else f"`{one.key}`"
        option = f"`{one.option}`"
        if one.environment_only:
            place = option = ""
        yield (
            f"| {place} | {one.kind.value.lower()} | {one.shown_default.replace('*', '`*`')} |"
            f" `{one.variable}` | {option} | {one.help} |"
        )
