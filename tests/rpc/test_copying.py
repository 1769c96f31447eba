"""Copies from the clients and the command line: exported here, taken there, and checked there."""

import asyncio
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pourparler import Client, errors
from pourparler import v1 as pb
from pourparler.cli.commands import run
from pourparler.transparency.findings import Verdict
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from pourparler_service.transparency.signing_keys import write_key
from tests.support.bundles import bundle, sealed
from tests.support.client_variants import awaited
from tests.support.sample_entries import history, joined, opened, said, topic
from tests.support.signing_keys import signing_key

KEY = str(signing_key().verifier_key)
TALKS = (opened(), joined("acme"), joined("bolt"), topic(), said("s-1", "acme"))


class Services(NamedTuple):
    """A service that keeps originals, and one that takes copies: their addresses."""

    original: str
    other: str


@pytest.fixture(name="services", scope="module")
def _services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("original")
    write_key(signing_key(), folder / "key")
    settings = Settings(data=folder / "data", address="127.0.0.1:0", signing_keys=(folder / "key",))
    with running(settings) as original, running() as other:
        yield Services(original, other)


@pytest.fixture(name="connect", params=["sync", "aio"])
def _connect(request: pytest.FixtureRequest) -> Iterator[Any]:
    """How to connect a client, of either kind."""
    if request.param == "sync":
        yield Client
        return
    with asyncio.Runner() as runner:
        yield lambda target, **settings: awaited(runner, target, **settings)


def exported(services: Services, id_: str, *drafts: pb.Draft) -> bytes:
    """A bundle of what is recorded with the original service."""
    file = io.BytesIO()
    with Client(services.original) as client:
        if drafts:
            client.record(id_, *drafts)
        client.export_bundle(id_, file)
    return file.getvalue()


def test_a_client_takes_a_copy_that_audits_as_the_original_does(
    services: Services, connect: Any
) -> None:
    id_ = f"audited-{connect is Client}".lower()
    data = exported(services, id_, *TALKS)
    with connect(services.original) as client:
        state = client.get_negotiation(id_)

    with connect(services.other) as client:
        answer = client.import_bundle(io.BytesIO(data), verifier_keys=[KEY])
        again = client.import_bundle(io.BytesIO(data), verifier_keys=[signing_key().verifier_key])
        audit = client.audit(id_, verifier_keys=[KEY])
        with_own_key = client.audit(id_, verifier_keys=[str(signing_key(3).verifier_key)])

        assert answer == pb.ImportNegotiationResponse(
            name=f"negotiations/{id_}", version=5, entry_count=5
        )
        assert again.entry_count == 0
        assert (audit.verdict, audit.findings) == (Verdict.SOUND, ())
        assert with_own_key.verdict is Verdict.CANNOT_TELL
        assert client.get_negotiation(id_) == state


def test_a_copy_of_a_copy_is_the_same_bundle(services: Services, connect: Any) -> None:
    id_ = f"twice-{connect is Client}".lower()
    data = exported(services, id_, *TALKS)
    file = io.BytesIO()

    with connect(services.other) as client:
        client.import_bundle(io.BytesIO(data), verifier_keys=[KEY])
        client.export_bundle(id_, file)

    assert file.getvalue() == data


def test_a_client_that_trusts_the_key_of_the_original_trusts_the_copy(
    services: Services, connect: Any, tmp_path: Path
) -> None:
    id_ = f"trusted-{connect is Client}".lower()
    data = exported(services, id_, *TALKS)
    settings = {"verifier_keys": [KEY], "trust_store": tmp_path / "seen"}

    with connect(services.original, **settings) as client:
        client.get_negotiation(id_)
    with connect(services.other, **settings) as client:
        client.import_bundle(io.BytesIO(data), verifier_keys=[KEY])
        assert client.get_negotiation(id_).computed_at.version == 5
    exported(services, id_, said("s-2", "bolt"))
    with connect(services.original, **settings) as client:
        assert client.get_negotiation(id_).computed_at.version == 6
    with connect(services.other, **settings) as client, pytest.raises(errors.StaleReadError):
        client.get_negotiation(id_)  # the original has gone on since


def test_what_goes_wrong_with_a_copy_is_an_error_of_its_kind(
    services: Services, connect: Any
) -> None:
    data = bundle(sealed(history(*TALKS), "wrong"), negotiation="wrong")
    with connect(services.other) as client:
        with pytest.raises(errors.InvalidArgumentError) as cut:
            client.import_bundle(io.BytesIO(data[:-3]), verifier_keys=[KEY])
        with pytest.raises(errors.InvalidArgumentError) as keyless:
            client.import_bundle(io.BytesIO(data), verifier_keys=[])
        client.import_bundle(io.BytesIO(data), verifier_keys=[KEY])
        with pytest.raises(errors.FailedPreconditionError) as closed:
            client.record("wrong", said("s-2", "bolt"))

    assert (cut.value.reason, cut.value.metadata["finding"]) == ("BUNDLE_INVALID", "cut")
    assert keyless.value.reason == "FIELD_REQUIRED"
    assert closed.value.reason == "NEGOTIATION_IS_COPY"
    with connect("127.0.0.1:1") as nobody, pytest.raises(errors.UnavailableError):
        nobody.import_bundle(io.BytesIO(data), verifier_keys=[KEY])


def test_the_command_exports_imports_and_audits(
    services: Services, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(tmp_path / "talks.bundle")
    exported(services, "by-command", *TALKS)
    here, there = ["--server", services.original], ["--server", services.other]
    assert run([*here, "export", "by-command", "-o", file]) == 0
    capsys.readouterr()

    assert run([*there, "import", file, "--verifier-key", KEY]) == 0
    first = capsys.readouterr().out
    assert run([*there, "import", file, "--verifier-key", KEY, "--json"]) == 0
    second = capsys.readouterr().out

    assert first == "Copied by-command: 5 entries are new, and it is at version 5.\n"
    assert '"entry_count"' not in second
    assert run([*there, "audit", "by-command", "--verifier-key", KEY]) == 0
    assert run([*there, "show", "by-command"]) == 0
    capsys.readouterr()
    code = run([*there, "record", "by-command", "--question", "Who?"])
    assert (code, "NEGOTIATION_IS_COPY" in capsys.readouterr().err) == (1, True)


def test_the_command_reads_a_bundle_from_a_pipe(services: Services) -> None:
    data = exported(services, "piped", *TALKS)
    script = "from pourparler.cli import main; main()"
    command = [sys.executable, "-c", script, "--server", services.other, "import", "-"]

    done = subprocess.run(
        [*command, "--verifier-key", KEY], input=data, capture_output=True, check=True
    )

    assert done.stdout == b"Copied piped: 5 entries are new, and it is at version 5.\n"


def test_the_command_says_what_a_bundle_needs(
    services: Services, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, drafts, later = (tmp_path / name for name in ("whole", "drafts", "later"))
    data = bundle(sealed(history(*TALKS), "needy"), negotiation="needy")
    whole.write_bytes(data)
    later.write_bytes(data.replace(b".v1.", b".v2.", 1))
    drafts.write_text("{}\n")
    there = ["--server", services.other, "import"]

    assert run([*there, str(whole)]) == 2
    assert "--verifier-key" in capsys.readouterr().err
    assert run([*there, str(drafts), "--verifier-key", KEY]) == 2
    assert "is not a bundle" in capsys.readouterr().err
    assert run([*there, str(whole), "--verifier-key", "x"]) == 2
    assert run([*there, str(whole), "--verifier-key", KEY, "--negotiation", "n"]) == 2
    capsys.readouterr()
    assert run([*there, str(later), "--verifier-key", KEY]) == 1
    assert "BUNDLE_INVALID" in capsys.readouterr().err
    other = str(signing_key(4).verifier_key)
    assert run([*there, str(whole), "--verifier-key", other]) == 1
    assert "not signed by any of the keys" in capsys.readouterr().err
    assert run(["--server", "127.0.0.1:1", "import", str(whole), "--verifier-key", KEY]) == 3
