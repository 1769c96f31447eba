"""What an operator can choose, by a file, the environment and options: one table says it all."""

import re
import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click
import pytest

from pourparler.cli.commands import pourparler as command_line
from pourparler_service.authentication.jwks import Issuer
from pourparler_service.authorization.policy import Policy
from pourparler_service.config.settings import Settings, Tls
from pourparler_service.config.settings_file import SettingsError
from pourparler_service.config.settings_table import SETTINGS, Kind, Setting, reference
from pourparler_service.config.store_url import StoreUrl, read_store_url

WHOLE = """
data = "record"
store = "sqlite:/elsewhere/record.sqlite"
address = "0.0.0.0:50710"
mtls_address = "0.0.0.0:50711"
signing_keys = ["signing.key", "/etc/newer.key"]
witnesses = ["https://witness.example", "witness.example+2fdf1a95+x"]
witnesses_required = 0
witness_retry_seconds = 1
max_request_bytes = 1000
max_bundle_bytes = 2000
max_calls = 3
max_streams = 4
max_calls_per_second_per_caller = 5
max_calls_per_caller = 6
max_streams_per_caller = 7
max_watches = 8
max_watches_per_caller = 9
max_in_flight_bytes = 10
max_in_flight_bytes_per_caller = 11
max_connections = 12
heartbeat_seconds = 1.5
default_deadline_seconds = 2.5
shutdown_grace_seconds = 0
health_check_seconds = 3.5

[tls]
certificate = "server.pem"
key = "server.key"
client_ca = "clients.pem"

[[oidc]]
issuer = "https://login.example.org"
audience = "pourparler"
jwks = "https://login.example.org/keys.json"
jwks_refresh_seconds = 60

[[oidc]]
issuer = "https://other.example"
audience = "record"
jwks = "other.json"

[access]
open = ["x509:CN=Ann Lee", "b"]
list = []
auditors = ["c"]
public = ["d"]
privacy = ["e"]
"""


def settings(folder: Path, text: str, **environment: str) -> Settings:
    file = folder / "settings.toml"
    file.write_text(text)
    return Settings.from_environment(environment, config=file)


def test_a_file_says_all_that_can_be_chosen(tmp_path: Path) -> None:
    assert settings(tmp_path, WHOLE) == Settings(
        data=tmp_path / "record",
        store="sqlite:/elsewhere/record.sqlite",
        address="0.0.0.0:50710",
        mtls_address="0.0.0.0:50711",
        signing_keys=(tmp_path / "signing.key", Path("/etc/newer.key")),
        witnesses=("https://witness.example", "witness.example+2fdf1a95+x"),
        witnesses_required=0,
        witness_retry_seconds=1.0,
        tls=Tls(tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "clients.pem"),
        oidc=(
            Issuer(
                "https://login.example.org",
                "pourparler",
                "https://login.example.org/keys.json",
                60.0,
            ),
            Issuer("https://other.example", "record", str(tmp_path / "other.json")),
        ),
        max_request_bytes=1_000,
        max_bundle_bytes=2_000,
        max_calls=3,
        max_streams=4,
        max_calls_per_second_per_caller=5,
        max_calls_per_caller=6,
        max_streams_per_caller=7,
        max_watches=8,
        max_watches_per_caller=9,
        max_in_flight_bytes=10,
        max_in_flight_bytes_per_caller=11,
        max_connections=12,
        heartbeat_seconds=1.5,
        default_deadline_seconds=2.5,
        shutdown_grace_seconds=0.0,
        health_check_seconds=3.5,
        access=Policy(("x509:CN=Ann Lee", "b"), (), ("c",), ("d",), ("e",)),
    )


def test_one_issuer_is_one_section(tmp_path: Path) -> None:
    text = WHOLE.replace("[[oidc]]", "[oidc]", 1).partition("[[oidc]]")[0]

    assert [issuer.audience for issuer in settings(tmp_path, text).oidc] == ["pourparler"]


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert settings(tmp_path, "") == Settings.from_environment({})


def test_the_environment_says_the_same(tmp_path: Path) -> None:
    said = {
        "POURPARLER_DATA": "record",
        "POURPARLER_STORE": "sqlite:elsewhere.sqlite",
        "POURPARLER_ADDRESS": "0.0.0.0:1",
        "POURPARLER_MTLS_ADDRESS": "0.0.0.0:2",
        "POURPARLER_TLS_CERTIFICATE": "c",
        "POURPARLER_TLS_KEY": "k",
        "POURPARLER_TLS_CLIENT_CA": "a",
        "POURPARLER_OIDC_ISSUER": "i",
        "POURPARLER_OIDC_AUDIENCE": "u",
        "POURPARLER_OIDC_JWKS": "j",
    }

    assert Settings.from_environment(said) == Settings(
        data=Path("record"),
        store="sqlite:elsewhere.sqlite",
        address="0.0.0.0:1",
        mtls_address="0.0.0.0:2",
        tls=Tls(Path("c"), Path("k"), Path("a")),
        oidc=(Issuer("i", "u", "j"),),
        environment=said,
    )


def test_what_is_said_later_wins(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('address = "127.0.0.1:1"\ndata = "one"\n')
    said = {"POURPARLER_CONFIG": str(file), "POURPARLER_ADDRESS": "127.0.0.1:2"}

    assert Settings.from_environment(said).data == tmp_path / "one"
    assert Settings.from_environment(said).address == "127.0.0.1:2"
    assert (
        Settings.from_environment(said, options={"address": ["127.0.0.1:3"]}).address
        == "127.0.0.1:3"
    )


WRONG = {
    "adress": 'adress = "x"',
    "lsten": '[lsten]\naddress = "x"',
    "address is 7": "address = 7",
    "tls is": 'tls = "server.pem"',
    "max_streams is 0": "max_streams = 0",
    "max_calls is True": "max_calls = true",
    "max_bundle_bytes is 1.5": "max_bundle_bytes = 1.5",
    "witnesses_required is -1": "witnesses_required = -1",
    "witnesses is": "witnesses = [1]",
    "signing_keys is": 'signing_keys = "signing.key"',
    "oidc is": "oidc = [1]",
    "isuer": '[[oidc]]\nisuer = "x"',
    "jwks_refresh_seconds is": "[[oidc]]\njwks_refresh_seconds = 0",
    "heartbeat_seconds is inf": "heartbeat_seconds = inf",
    "heartbeat_seconds is nan": "heartbeat_seconds = nan",
    "master_key": 'master_key = "file"',
    "not TOML": "= x",
    "Set tls_key": '[tls]\ncertificate = "c"',
    "Set tls_certificate and tls_key": '[tls]\nclient_ca = "c"',
    "Tokens need TLS": '[oidc]\nissuer = "i"\naudience = "a"\njwks = "k"',
    "in two": (
        '[tls]\ncertificate = "c"\nkey = "k"\n[[oidc]]\nissuer = "i"\n[[oidc]]\nissuer = "i"'
    ),
    "Set tls_client_ca": 'mtls_address = "x"\n[tls]\ncertificate = "c"\nkey = "k"',
    "Set oidc_issuer": ('mtls_address = "x"\n[tls]\ncertificate = "c"\nkey = "k"\nclient_ca = "a"'),
}


@pytest.mark.parametrize(("says", "text"), WRONG.items(), ids=WRONG)
def test_what_cannot_be_followed_is_refused_by_name(tmp_path: Path, says: str, text: str) -> None:
    with pytest.raises(SettingsError, match=says):
        settings(tmp_path, text)


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("", StoreUrl("sqlite")),
        ("sqlite:", StoreUrl("sqlite")),
        ("sqlite:a/b.sqlite", StoreUrl("sqlite", Path("a/b.sqlite"))),
        ("sqlite:/a:b", StoreUrl("sqlite", Path("/a:b"))),
        ("memory:", StoreUrl("memory")),
    ],
)
def test_a_store_is_named_by_its_kind_and_its_file(url: str, known: StoreUrl) -> None:
    assert read_store_url(url) == known


@pytest.mark.parametrize("url", ["memory", "memory:x", "sqlite", "mysql://x", "record.sqlite", ":"])
def test_an_unknown_store_is_refused_by_its_name(url: str) -> None:
    with pytest.raises(SettingsError, match=rf"{url!r} is unknown.*sqlite:PATH"):
        Settings.from_environment({"POURPARLER_STORE": url})


def test_a_store_that_is_not_there_yet_is_refused() -> None:
    with pytest.raises(SettingsError, match="postgresql: is not supported yet"):
        Settings.from_environment({"POURPARLER_STORE": "postgresql://host/db"})


@pytest.mark.parametrize(
    "name",
    ["PERSISTENCE_MODULE", "SQLITE_DBNAME", "ORIGINATOR_ID_TYPE", "POSTGRES_ENABLE_DB_FUNCTIONS"],
)
def test_a_store_is_not_chosen_by_variables_of_the_library(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is.*POURPARLER_STORE"):
        Settings.from_environment({name: "y"})


def test_a_data_folder_that_is_named_wins_over_a_store_in_memory() -> None:
    settings = Settings.from_environment(
        {"POURPARLER_STORE": "memory:"}, options={"data": ["here"]}
    )

    assert (settings.data, settings.store) == (Path("here"), "")
    with pytest.raises(SettingsError, match="--store is 'memory:'"):
        Settings.from_environment({}, options={"data": ["here"], "store": ["memory:"]})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml"):
        Settings.from_environment({}, config=tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("tls", "tokens", "apart"),
    [
        (None, (), False),
        (Tls(Path("c"), Path("k")), (), False),
        (Tls(Path("c"), Path("k"), Path("a")), (), True),
        (Tls(Path("c"), Path("k")), (Issuer("i", "a", "k"),), True),
    ],
)
def test_callers_are_told_apart_by_certificates_or_tokens(
    tls: Tls | None, tokens: tuple[Issuer, ...], *, apart: bool
) -> None:
    assert Settings(tls=tls, oidc=tokens).requires_authentication == apart


def test_callers_who_are_told_apart_have_a_rate() -> None:
    apart = Tls(Path("c"), Path("k"), Path("a"))

    assert Settings().rate is None
    assert Settings(max_calls_per_second_per_caller=7).rate == 7
    assert Settings(tls=apart).rate == 1_000
    assert Settings(tls=apart, max_calls_per_second_per_caller=7).rate == 7


WRONG_TEXTS = {
    "POURPARLER_MAX_CALLS": "many",
    "POURPARLER_MAX_STREAMS": "0",
    "POURPARLER_HEARTBEAT_SECONDS": "nan",
    "POURPARLER_WITNESSES_REQUIRED": "1.5",
    "POURPARLER_ACCESS_OPEN": "'a",
}


@pytest.mark.parametrize(("variable", "text"), WRONG_TEXTS.items(), ids=WRONG_TEXTS)
def test_a_variable_that_cannot_be_read_is_named_with_its_value(variable: str, text: str) -> None:
    with pytest.raises(SettingsError, match=rf"{variable} is .*{text}.*\."):
        Settings.from_environment({variable: text})


def test_an_option_that_cannot_be_read_is_named() -> None:
    with pytest.raises(SettingsError, match=r"--max-calls is 'many'\. Set it to a whole number"):
        Settings.from_environment({}, options={"max_calls": ["many"]})


def settings_for(setting: Setting, given: Settings) -> Any:
    """The value that settings have for one row of the table."""
    if setting.section == "oidc":
        return given.oidc
    return (
        getattr(getattr(given, setting.section), setting.key)
        if setting.section
        else getattr(given, setting.name)
    )


EXAMPLES = {
    Kind.TEXT: "https://a.example",
    Kind.ADDRESS: "127.0.0.1:7",
    Kind.PATH: "/a/file",
    Kind.PATHS: "/a/file:/another",
    Kind.TEXTS: "one 'the second'",
    Kind.COUNT: "7",
    Kind.SECONDS: "7.5",
}
TLS = {"tls_certificate": ["c"], "tls_key": ["k"], "tls_client_ca": ["a"]}
OIDC = {"oidc_issuer": ["i"], "oidc_audience": ["u"], "oidc_jwks": ["/j"]}
EVERYWHERE = [one for one in SETTINGS if not one.environment_only]


def in_toml(setting: Setting, text: str) -> str:
    quoted = f'"{text}"'
    if setting.kind is Kind.PATHS:
        quoted = str(text.split(":"))
    elif setting.kind is Kind.TEXTS:
        quoted = '["one", "the second"]'
    elif setting.kind in {Kind.COUNT, Kind.SECONDS}:
        quoted = text
    return f"{setting.key} = {quoted}\n"


@pytest.mark.parametrize("setting", EVERYWHERE, ids=[one.name for one in EVERYWHERE])
def test_a_setting_has_one_name_in_the_file_the_environment_and_the_options(
    tmp_path: Path, setting: Setting
) -> None:
    text = "sqlite:/a/file" if setting.name == "store" else EXAMPLES[setting.kind]
    others = {name: given for name, given in (TLS | OIDC).items() if name != setting.name}
    head = f"[{setting.section}]\n" if setting.section else ""
    file = tmp_path / "settings.toml"
    file.write_text(head + in_toml(setting, text))
    beside = others
    if setting.section == "oidc":
        # An issuer comes whole from one source: an option would replace the one of the file.
        beside = TLS
        rest = {name: given for name, given in OIDC.items() if name in others}
        lines = [f'{name.removeprefix("oidc_")} = "{given[0]}"\n' for name, given in rest.items()]
        file.write_text(file.read_text() + "".join(lines))

    by_file = Settings.from_environment({}, config=file, options=beside)
    by_variable = Settings.from_environment({setting.variable: text}, options=others)
    by_option = Settings.from_environment({}, options={**others, setting.name: [text]})

    chosen = settings_for(setting, by_option)
    assert chosen != settings_for(setting, Settings.from_environment({}, options=TLS | OIDC))
    assert settings_for(setting, by_file) == settings_for(setting, by_variable) == chosen


def test_the_command_has_an_option_for_each_setting_and_shows_its_variable() -> None:
    serve = command_line.commands["serve"]
    context = click.Context(serve, info_name="serve", terminal_width=200, max_content_width=200)
    options = {one.opts[-1]: one for one in serve.get_params(context)}
    shown = re.sub(r"\s+", " ", serve.get_help(context))

    assert set(options) - {one.option for one in EVERYWHERE} == {"--config", "--help"}
    for one in EVERYWHERE:
        assert options[one.option].name == one.name
        assert f"env var: {one.variable}" in shown.replace("- ", "-")


def test_the_defaults_of_the_table_are_those_of_a_service() -> None:
    mine = Settings()
    for field in fields(Settings):
        rows = [one for one in SETTINGS if field.name in {one.name, one.section}]
        assert rows or field.name == "environment", field.name
    for one in SETTINGS:
        if one.section in {"", "access"} and not one.environment_only:
            assert settings_for(one, mine) == one.default, one.name
    assert Issuer("i", "a", "k").refresh_seconds == 300.0
    assert replace(mine) == mine


def test_no_two_settings_share_a_name() -> None:
    for names in ([one.name for one in SETTINGS], [(one.section, one.key) for one in SETTINGS]):
        assert len(set(names)) == len(names)
    for one in SETTINGS:
        assert one.name == (f"{one.section}_{one.key}" if one.section else one.key)
        assert one.help.endswith(".")
    assert tomllib.loads(WHOLE)


def test_the_reference_is_the_table() -> None:
    docs = Path(__file__).resolve().parents[4] / "docs"
    page = (docs / "reference" / "configuration.md").read_text()

    assert "\n".join(reference()) in page, "write the lines of reference() to the page"
