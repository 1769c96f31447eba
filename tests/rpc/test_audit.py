"""Both clients audit a service, and believe of it only what is signed and goes on."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pourparler import Audit, Client, Verdict, correction, errors, participant, statement, topic
from pourparler.cli.commands import run
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from pourparler_service.transparency.signing_keys import write_key
from tests.support.client_variants import awaited
from tests.support.signing_keys import KEY, signing_key

Connect = Callable[..., Any]
VKEY = str(KEY.verifier_key)


@pytest.fixture(name="keys", scope="module")
def _keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    path = tmp_path_factory.mktemp("keys") / "signing.key"
    write_key(KEY, path)
    return (path,)


@pytest.fixture(name="address", scope="module")
def _address(keys: tuple[Path, ...]) -> Iterator[str]:
    with running(replace(Settings.in_memory(), signing_keys=keys)) as address:
        yield address


@pytest.fixture(name="connect", params=["waits", "awaits"])
def _connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    if request.param == "waits":
        yield Client
        return
    with asyncio.Runner() as runner:
        yield lambda target, **settings: awaited(runner, target, **settings)


@pytest.fixture(name="talks")
def _talks(address: str, request: pytest.FixtureRequest) -> str:
    """A negotiation of this test's own."""
    name: str = request.node.name
    return opened(address, f"t-{hashlib.sha256(name.encode()).hexdigest()[:20]}")


def opened(address: str, name: str) -> str:
    with Client(address) as client:
        client.open_negotiation(
            "Talks", participant("acme", "Acme"), topic("Price", id="price"), negotiation_id=name
        )
        client.record(name, statement("It is high.", id="high", by="acme"))
    return name


def corrected(address: str, talks: str) -> None:
    with Client(address) as client:
        again = statement("It is low.", id="high", by="acme", occurred="2026-01-01")
        client.record(talks, correction(4, "Misheard", replacement=again))


def names(audit: Audit) -> list[str]:
    return [finding.name for finding in audit.findings]


def test_a_service_that_tells_the_truth_is_sound(
    connect: Connect, address: str, talks: str
) -> None:
    told: list[tuple[int, int]] = []
    with connect(address) as client:
        audit = client.audit(talks, verifier_keys=[VKEY], progress=lambda *at: told.append(at))
        state = client.get_negotiation(talks).negotiation

    assert isinstance(audit, Audit)
    assert (audit.verdict, audit.findings, audit.size) == (Verdict.SOUND, (), 4)
    assert audit.state == state
    assert told[-1] == (4, 4)


def test_what_was_corrected_is_read_twice_and_sound(
    connect: Connect, address: str, talks: str
) -> None:
    with connect(address, verifier_keys=[VKEY]) as client:
        before = client.get_checkpoint(talks)
        corrected(address, talks)

        audit = client.audit(talks, base_checkpoint=before)

    assert (audit.verdict, audit.findings, audit.size) == (Verdict.SOUND, (), 5)
    assert audit.state is not None
    assert audit.state.statements["high"].words.text == "It is low."


def test_what_is_recorded_meanwhile_is_left_out(connect: Connect, address: str, talks: str) -> None:
    def record(read: int, of: int) -> None:
        del read, of
        with Client(address) as other:
            other.record(talks, topic("More"))

    with connect(address) as client:
        audit = client.audit(talks, verifier_keys=[VKEY], progress=record)

    assert (audit.verdict, audit.size) == (Verdict.SOUND, 4)


def test_another_key_tells_nothing(connect: Connect, address: str, talks: str) -> None:
    with connect(address) as client:
        audit = client.audit(talks, verifier_keys=[signing_key(1).verifier_key])

    assert audit.verdict is Verdict.CANNOT_TELL
    assert names(audit) == ["not signed"]


def test_without_a_key_there_is_no_audit(connect: Connect, address: str, talks: str) -> None:
    with connect(address) as client, pytest.raises(ValueError, match="key"):
        client.audit(talks)


def test_what_is_not_there_cannot_be_audited(connect: Connect, address: str) -> None:
    with connect(address) as client, pytest.raises(errors.NotFoundError):
        client.audit("nowhere", verifier_keys=[VKEY])


def test_a_service_that_goes_on_is_believed(
    connect: Connect, address: str, talks: str, tmp_path: Path
) -> None:
    with connect(address, verifier_keys=[VKEY], trust_store=tmp_path / "trust") as client:
        assert client.get_negotiation(talks).computed_at.version == 4
        receipt = client.record(talks, topic("More"), topic("Even more"))
        client.record(talks, topic("Never"), validate_only=True)
        assert client.status_report(talks).computed_at.version == 6
        assert client.get_negotiation(talks, as_of=2).computed_at.version == 2

        last = client.get_checkpoint(talks)

    assert last == receipt.checkpoint
    known = json.loads((tmp_path / "trust").read_text())["checkpoints"]
    assert known == {f"test.example/negotiations/{talks}": last}


def test_a_retry_is_believed_however_late(
    connect: Connect, address: str, talks: str, tmp_path: Path
) -> None:
    more = topic("More")
    with connect(address, verifier_keys=[VKEY], trust_store=tmp_path / "trust") as client:
        first = client.record(talks, more, request_id="r-1")
        client.record(talks, topic("Even more"))

        again = client.record(talks, more, request_id="r-1")

    assert again == first


def test_a_negotiation_opened_without_an_id_is_believed(connect: Connect, address: str) -> None:
    with connect(address, verifier_keys=[VKEY]) as client:
        receipt = client.open_negotiation("Talks")

        assert client.get_negotiation(receipt.negotiation).computed_at.version == 1


def test_another_history_under_the_same_key_is_a_fork(
    connect: Connect, address: str, talks: str, keys: tuple[Path, ...], tmp_path: Path
) -> None:
    trust_store = tmp_path / "trust"
    with connect(address, verifier_keys=[VKEY], trust_store=trust_store) as client:
        seen = client.get_checkpoint(talks)
    with running(replace(Settings.in_memory(), signing_keys=keys)) as elsewhere:
        opened(elsewhere, talks)
        with connect(elsewhere, verifier_keys=[VKEY], trust_store=trust_store) as client:
            assert names(client.audit(talks, base_checkpoint=seen)) == ["forked"]
            with pytest.raises(errors.ForkDetectedError) as refused:
                client.get_checkpoint(talks)
            assert refused.value.seen == seen
            with pytest.raises(errors.ForkDetectedError) as refused:
                client.record(talks, topic("More"), request_id="r-2")
            assert refused.value.request_id == "r-2"
            with pytest.raises(errors.ForkDetectedError):
                client.get_negotiation(talks)


def test_a_service_that_has_forgotten_is_stale(
    connect: Connect, address: str, talks: str, keys: tuple[Path, ...], tmp_path: Path
) -> None:
    trust_store = tmp_path / "trust"
    with connect(address, verifier_keys=[VKEY], trust_store=trust_store) as client:
        client.record(talks, topic("More"))
    with running(replace(Settings.in_memory(), signing_keys=keys)) as elsewhere:
        opened(elsewhere, talks)
        with connect(elsewhere, verifier_keys=[VKEY], trust_store=trust_store) as client:
            for ask in (client.get_negotiation, client.status_report, client.get_checkpoint):
                with pytest.raises(errors.StaleReadError):
                    ask(talks)


class Answer(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(name="command")
def _command(address: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    def command(*arguments: str, server: str = address) -> Answer:
        return Answer(run(["--server", server, "audit", *arguments]), *capsys.readouterr())

    return command


Command = Callable[..., Answer]


def test_the_command_says_what_is_sound(command: Command, talks: str) -> None:
    answer = command(talks, "--verifier-key", VKEY)

    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"Sound: 4 entries of test.example/negotiations/{talks}, ")


def test_the_command_keeps_a_checkpoint_and_compares_with_it(
    command: Command, talks: str, address: str, tmp_path: Path
) -> None:
    kept = tmp_path / "checkpoint"
    assert command(talks, "--verifier-key", VKEY, "--save-checkpoint", str(kept)).code == 0
    first = kept.read_text(encoding="utf-8")
    corrected(address, talks)

    answer = command(
        f"negotiations/{talks}",
        "--verifier-key",
        VKEY,
        "--base-checkpoint",
        str(kept),
        "--save-checkpoint",
        str(kept),
    )

    assert answer.code == 0
    assert kept.read_text(encoding="utf-8").split("\n")[1] == "5"
    assert [one.name for one in tmp_path.iterdir()] == ["checkpoint"]
    with running() as elsewhere:
        opened(elsewhere, talks)
        kept.write_text(first, encoding="utf-8")
        other = command(
            talks, "--verifier-key", VKEY, "--save-checkpoint", str(kept), server=elsewhere
        )
    assert other.code == 6
    assert kept.read_text(encoding="utf-8") == first


def test_the_command_names_a_fork_and_leaves_with_4(
    command: Command, talks: str, address: str, keys: tuple[Path, ...], tmp_path: Path
) -> None:
    kept = tmp_path / "checkpoint"
    command(talks, "--verifier-key", VKEY, "--save-checkpoint", str(kept))
    with running(replace(Settings.in_memory(), signing_keys=keys)) as elsewhere:
        opened(elsewhere, talks)
        answer = command(
            talks, "--verifier-key", VKEY, "--base-checkpoint", str(kept), server=elsewhere
        )
        as_json = command(
            talks,
            "--verifier-key",
            VKEY,
            "--base-checkpoint",
            str(kept),
            "--json",
            server=elsewhere,
        )

    assert (answer.code, as_json.code) == (4, 4)
    assert answer.out.startswith("Manipulated: ")
    assert "forked" in answer.out
    told = json.loads(as_json.out)
    assert (told["verdict"], told["size"]) == ("manipulated", 4)
    assert [one["name"] for one in told["findings"]] == ["forked"]
    assert told["origin"] == f"test.example/negotiations/{talks}"


def test_the_command_leaves_with_5_where_something_is_missing(
    command: Command, talks: str, address: str, keys: tuple[Path, ...], tmp_path: Path
) -> None:
    with Client(address) as client:
        client.record(talks, topic("More"))
    kept = tmp_path / "checkpoint"
    command(talks, "--verifier-key", VKEY, "--save-checkpoint", str(kept))
    with running(replace(Settings.in_memory(), signing_keys=keys)) as elsewhere:
        opened(elsewhere, talks)

        answer = command(
            talks, "--verifier-key", VKEY, "--base-checkpoint", str(kept), server=elsewhere
        )

    assert answer.code == 5
    assert "stale" in answer.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--verifier-key"),
        (["--verifier-key", "no key"], "name+id+key"),
        (["--verifier-key", str(KEY.verifier_key._replace(algorithm=4))], "witness"),
        (
            ["--verifier-key", VKEY, "--verifier-key", str(signing_key(1, "other").verifier_key)],
            "one name",
        ),
        (["--verifier-key", VKEY, "--base-checkpoint", "/nowhere/at/all"], "--base-checkpoint"),
    ],
)
def test_the_command_refuses_what_it_cannot_start_with(
    command: Command, talks: str, arguments: list[str], said: str
) -> None:
    answer = command(talks, *arguments)

    assert answer.code == 2
    assert said in answer.err


def test_the_command_says_what_is_not_there(command: Command) -> None:
    assert command("nowhere", "--verifier-key", VKEY).code == 1


def test_the_command_says_that_it_cannot_keep_a_checkpoint(command: Command, talks: str) -> None:
    answer = command(talks, "--verifier-key", VKEY, "--save-checkpoint", "/nowhere/at/all")

    assert answer.code == 1
    assert "cannot be written" in answer.err
