"""What an operator can choose, by a file and by the environment."""

from pathlib import Path

import pytest

from pourparler_service.authentication.jwks import Issuer
from pourparler_service.config.settings import Settings, Tls
from pourparler_service.config.settings_file import SettingsError
from pourparler_service.config.store_url import StoreUrl, read_store_url

WHOLE = """
[store]
data = "record"
url = "sqlite:/elsewhere/record.sqlite"

[listen]
address = "0.0.0.0:50710"
certificates_address = "0.0.0.0:50711"

[signing]
keys = ["signing.key", "/etc/newer.key"]

[witnesses]
known = ["https://witness.example", "witness.example+2fdf1a95+x"]
required = 0

[tls]
certificate = "server.pem"
key = "server.key"
clients = "clients.pem"

[[tokens]]
issuer = "https://login.example.org"
audience = "pourparler"
keys = "https://login.example.org/keys.json"
refresh_seconds = 60

[[tokens]]
issuer = "https://other.example"
audience = "record"
keys = "other.json"

[limits]
request_bytes = 1000
copy_bytes = 2000
unary_calls = 3
streams = 4
requests_per_second = 5
unary_calls_each = 6
streams_each = 7
watches = 8
watches_each = 9
under_way_bytes = 10
under_way_bytes_each = 11
connections = 12
"""


def settings(folder: Path, text: str, **environment: str) -> Settings:
    file = folder / "settings.toml"
    file.write_text(text)
    return Settings.from_environment(environment, file=file)


def test_a_file_says_all_that_can_be_chosen(tmp_path: Path) -> None:
    assert settings(tmp_path, WHOLE) == Settings(
        data=tmp_path / "record",
        store="sqlite:/elsewhere/record.sqlite",
        address="0.0.0.0:50710",
        certificates_address="0.0.0.0:50711",
        keys=(tmp_path / "signing.key", Path("/etc/newer.key")),
        witnesses=("https://witness.example", "witness.example+2fdf1a95+x"),
        witnesses_required="0",
        tls=Tls(tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "clients.pem"),
        tokens=(
            Issuer(
                "https://login.example.org",
                "pourparler",
                "https://login.example.org/keys.json",
                60.0,
            ),
            Issuer("https://other.example", "record", str(tmp_path / "other.json")),
        ),
        request_bytes=1_000,
        copy_bytes=2_000,
        unary_calls=3,
        streams=4,
        requests_per_second=5,
        unary_calls_each=6,
        streams_each=7,
        watches=8,
        watches_each=9,
        under_way_bytes=10,
        under_way_bytes_each=11,
        connections=12,
    )


def test_one_issuer_is_one_section(tmp_path: Path) -> None:
    text = WHOLE.replace("[[tokens]]", "[tokens]", 1).partition("[[tokens]]")[0]

    assert [issuer.audience for issuer in settings(tmp_path, text).tokens] == ["pourparler"]


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert settings(tmp_path, "") == Settings.from_environment({})


def test_the_environment_says_the_same(tmp_path: Path) -> None:
    said = {
        "POURPARLER_DATA": "record",
        "POURPARLER_STORE": "sqlite:elsewhere.sqlite",
        "POURPARLER_ADDRESS": "0.0.0.0:1",
        "POURPARLER_CERTIFICATES_ADDRESS": "0.0.0.0:2",
        "POURPARLER_TLS_CERTIFICATE": "c",
        "POURPARLER_TLS_KEY": "k",
        "POURPARLER_TLS_CLIENTS": "a",
        "POURPARLER_TOKENS_ISSUER": "i",
        "POURPARLER_TOKENS_AUDIENCE": "u",
        "POURPARLER_TOKENS_KEYS": "j",
    }

    assert Settings.from_environment(said) == Settings(
        data=Path("record"),
        store="sqlite:elsewhere.sqlite",
        address="0.0.0.0:1",
        certificates_address="0.0.0.0:2",
        tls=Tls(Path("c"), Path("k"), Path("a")),
        tokens=(Issuer("i", "u", "j"),),
        environment=said,
    )


def test_what_is_said_later_wins(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[listen]\naddress = "127.0.0.1:1"\n[store]\ndata = "one"\n')
    said = {"POURPARLER_SETTINGS": str(file), "POURPARLER_ADDRESS": "127.0.0.1:2"}

    assert Settings.from_environment(said).data == tmp_path / "one"
    assert Settings.from_environment(said).address == "127.0.0.1:2"
    assert Settings.from_environment(said, address="127.0.0.1:3").address == "127.0.0.1:3"


WRONG = {
    "adress": '[listen]\nadress = "x"',
    "lsten": '[lsten]\naddress = "x"',
    "address": "[listen]\naddress = 7",
    "tls is": 'tls = "server.pem"',
    "streams": "[limits]\nstreams = 0",
    "unary_calls": "[limits]\nunary_calls = true",
    "copy_bytes": "[limits]\ncopy_bytes = 1.5",
    "required": "[witnesses]\nrequired = -1",
    "known": "[witnesses]\nknown = [1]",
    "keys": '[signing]\nkeys = "signing.key"',
    "tokens": "tokens = [1]",
    "isuer": '[[tokens]]\nisuer = "x"',
    "not TOML": "= x",
    "certificate and its key": '[tls]\ncertificate = "c"',
    "one of them": '[tls]\nclients = "c"',
    "over TLS alone": '[tokens]\nissuer = "i"\naudience = "a"\nkeys = "k"',
    "there twice": (
        '[tls]\ncertificate = "c"\nkey = "k"\n[[tokens]]\nissuer = "i"\n[[tokens]]\nissuer = "i"'
    ),
    "authorities": '[listen]\ncertificates_address = "x"\n[tls]\ncertificate = "c"\nkey = "k"',
    "leaves the other": (
        '[listen]\ncertificates_address = "x"\n[tls]\ncertificate = "c"\nkey = "k"\nclients = "a"'
    ),
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
    settings = Settings.from_environment({"POURPARLER_STORE": "memory:"}, data="here")

    assert (settings.data, settings.store) == (Path("here"), "")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml"):
        Settings.from_environment({}, file=tmp_path / "absent.toml")


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
    assert Settings(tls=tls, tokens=tokens).requires_authentication == apart


def test_callers_who_are_told_apart_have_a_rate() -> None:
    apart = Tls(Path("c"), Path("k"), Path("a"))

    assert Settings().rate is None
    assert Settings(requests_per_second=7).rate == 7
    assert Settings(tls=apart).rate == 1_000
    assert Settings(tls=apart, requests_per_second=7).rate == 7
