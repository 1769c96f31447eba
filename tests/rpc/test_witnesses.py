"""A service and its witnesses: what a checkpoint bears, and what is said when one is lacking."""

import base64
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2

from pourparler import v1 as pb
from pourparler.transparency.checkpoint import (
    CheckpointError,
    VerifierKey,
    log_origin,
    parse_checkpoint,
    parse_note,
    verify_checkpoint,
)
from pourparler_service.config.settings import Settings
from pourparler_service.config.settings_file import SettingsError
from pourparler_service.server import ServeError, running
from pourparler_service.transparency.signing_keys import write_key
from tests.support.bundles import bundle, sealed
from tests.support.bundles import checkpoint as checkpoint_of
from tests.support.sample_entries import history, joined, opened
from tests.support.service_client import Service, connected, refused
from tests.support.signing_keys import KEY, SIGNER, signing_key, witness_key
from tests.support.witness_cases import Say, cosign, fake, witness_at

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
NAME = "pourparler.witnesses"
CLOSED = "http://127.0.0.1:1"


@pytest.fixture(name="settings")
def _settings(tmp_path: Path) -> Settings:
    """Those of a service in memory with a key that witnesses know."""
    write_key(KEY, tmp_path / "service.key")
    return replace(
        Settings.in_memory(), signing_keys=(tmp_path / "service.key",), witness_retry_seconds=0.3
    )


@contextmanager
def service_with(
    settings: Settings, *witnesses: tuple[str, str], required: int | None = None
) -> Iterator[Service]:
    words = tuple(word for witness in witnesses for word in witness)
    chosen = replace(settings, witnesses=words, witnesses_required=required)
    with running(chosen) as address, connected(address) as service:
        yield service


def checkpoint(service: Service, version: int | None = None) -> pb.GetCheckpointResponse:
    request = pb.GetCheckpointRequest(name="negotiations/talks", version=version)
    answer: pb.GetCheckpointResponse = service.audits.GetCheckpoint(request, timeout=10)
    assert verify_checkpoint(answer.checkpoint, log_origin(KEY.name, "talks"), [KEY.verifier_key])
    return answer


def cosigned_by(answer: pb.GetCheckpointResponse, key: str) -> bool:
    try:
        stated = VerifierKey.parse(key).verify(parse_note(answer.checkpoint))
    except CheckpointError:
        return False
    return stated is not None and abs(stated - time.time()) < 60


def failures(answer: pb.GetCheckpointResponse) -> list[str]:
    return [witness.failure for witness in answer.cosignature_status.witnesses]


def health(service: Service, name: str = NAME) -> int:
    request = health_pb2.HealthCheckRequest(service=name)
    return int(service.health.Check(request, timeout=10).status)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def seen(folder: Path) -> int:
    """The size of the one log that a witness has seen, by its own files."""
    views = list((folder / "views").glob("?" * 64))
    return parse_checkpoint(parse_note(views[0].read_text()).text).size if views else 0


def test_a_checkpoint_bears_the_cosignatures_of_the_witnesses(
    settings: Settings, tmp_path: Path
) -> None:
    with (
        witness_at(tmp_path / "w1", 101) as one,
        witness_at(tmp_path / "w2", 102) as other,
        service_with(settings, one, other) as service,
    ):
        receipt = service.record("talks", opened(), joined("a"))

        answer = checkpoint(service)

        assert answer.checkpoint.startswith(receipt.checkpoint)
        assert [cosigned_by(answer, key) for _, key in (one, other)] == [True, True]
        said = answer.cosignature_status
        assert (said.required, said.threshold_met) == (2, True)
        assert [witness.verifier_key for witness in said.witnesses] == [one[1], other[1]]
        assert all(witness.HasField("cosign_time") for witness in said.witnesses)
        assert failures(answer) == ["", ""]
        assert health(service) == SERVING


def test_a_service_without_witnesses_says_nothing_of_them(settings: Settings) -> None:
    with service_with(settings) as service:
        service.record("talks", opened())

        assert not checkpoint(service).HasField("cosignature_status")
        assert refused(lambda: health(service)).reason == "SERVICE_NOT_FOUND"


def test_what_is_recorded_is_witnessed_even_if_nobody_asks(
    settings: Settings, tmp_path: Path
) -> None:
    with witness_at(tmp_path / "w") as witness, service_with(settings, witness) as service:
        service.record("talks", opened())
        until(lambda: seen(tmp_path / "w") == 1)
        service.record("talks", joined("a"), joined("b"))

        until(lambda: seen(tmp_path / "w") == 3)


def test_each_growth_is_cosigned_anew(settings: Settings, tmp_path: Path) -> None:
    with witness_at(tmp_path / "w") as witness, service_with(settings, witness) as service:
        service.record("talks", opened())
        for version in range(2, 8):
            service.record("talks", joined(f"p{version}"))

            answer = checkpoint(service)

            assert answer.computed_at.version == version
            assert cosigned_by(answer, witness[1])


def test_only_the_newest_version_bears_cosignatures(settings: Settings, tmp_path: Path) -> None:
    with witness_at(tmp_path / "w") as witness, service_with(settings, witness) as service:
        service.record("talks", opened(), joined("a"), joined("b"))

        newest, older = checkpoint(service, 3), checkpoint(service, 2)

        assert cosigned_by(newest, witness[1])
        assert newest == checkpoint(service)
        assert older.computed_at.version == 2
        assert not cosigned_by(older, witness[1])
        assert not older.cosignature_status.threshold_met
        assert "only the newest version" in failures(older)[0]
        assert health(service) == SERVING


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_a_witness_that_is_away_is_told_of_and_asked_again_by_itself(
    settings: Settings, tmp_path: Path
) -> None:
    address = f"127.0.0.1:{free_port()}"
    away = (f"http://{address}", str(witness_key(100, "witness100.example").verifier_key))
    with service_with(settings, away) as service:
        service.record("talks", opened())
        answer = checkpoint(service)
        assert (answer.cosignature_status.required, answer.cosignature_status.threshold_met) == (
            1,
            False,
        )
        assert "cannot be reached" in failures(answer)[0]
        assert len(parse_note(answer.checkpoint).signatures) == 1
        until(lambda: health(service) == NOT_SERVING)
        assert health(service, "") == SERVING
        assert service.record("talks", joined("a")).version == 2

        with witness_at(tmp_path / "w", address=address):
            until(lambda: seen(tmp_path / "w") == 2)
            until(lambda: health(service) == SERVING)
            assert checkpoint(service).cosignature_status.threshold_met


def test_health_tells_those_who_watch(settings: Settings, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    away = (f"http://{address}", str(witness_key(100, "witness100.example").verifier_key))
    with service_with(replace(settings, health_check_seconds=0.2), away) as service:
        watch = service.health.Watch(health_pb2.HealthCheckRequest(service=NAME), timeout=20)
        assert next(watch).status == SERVING

        service.record("talks", opened())

        assert next(watch).status == NOT_SERVING
        with witness_at(tmp_path / "w", address=address):
            assert next(watch).status == SERVING
        watch.cancel()


def test_enough_cosignatures_are_enough(settings: Settings, tmp_path: Path) -> None:
    away = (CLOSED, str(witness_key(101).verifier_key))
    with (
        witness_at(tmp_path / "w") as witness,
        service_with(settings, away, witness, required=1) as service,
    ):
        service.record("talks", opened())

        answer = checkpoint(service)

        assert (answer.cosignature_status.required, answer.cosignature_status.threshold_met) == (
            1,
            True,
        )
        assert "cannot be reached" in failures(answer)[0]
        assert cosigned_by(answer, witness[1])
        assert health(service) == SERVING


def test_a_service_that_starts_anew_goes_on_with_its_witness(
    settings: Settings, tmp_path: Path
) -> None:
    kept = replace(settings, data=tmp_path / "data", store="")
    with witness_at(tmp_path / "w") as witness:
        for version in (1, 2):
            with service_with(kept, witness) as service:
                service.record("talks", joined("a") if version == 2 else opened())

                assert cosigned_by(checkpoint(service), witness[1])
        with service_with(kept, witness) as service:
            assert cosigned_by(checkpoint(service), witness[1])


def test_at_its_start_a_service_tries_its_witnesses(settings: Settings, tmp_path: Path) -> None:
    kept = replace(settings, data=tmp_path / "data", store="")
    with service_with(kept) as service:
        service.record("talks", opened())

    with service_with(kept, (CLOSED, str(witness_key().verifier_key))) as service:
        until(lambda: health(service) == NOT_SERVING)


def test_a_second_history_is_not_cosigned(settings: Settings, tmp_path: Path) -> None:
    kept = replace(settings, data=tmp_path / "one", store="")
    with witness_at(tmp_path / "w") as witness:
        with service_with(kept, witness) as service:
            service.record("talks", opened(), joined("a"))
        shutil.copytree(tmp_path / "one", tmp_path / "two")
        with service_with(kept, witness) as service:
            service.record("talks", joined("b"), joined("c"))
            assert cosigned_by(checkpoint(service), witness[1])

        forked = replace(kept, data=tmp_path / "two")
        with service_with(forked, witness) as service:
            service.record("talks", joined("x"))
            shorter = checkpoint(service)
            service.record("talks", joined("y"))
            same = checkpoint(service)
            service.record("talks", joined("z"))
            longer = checkpoint(service)
            until(lambda: health(service) == NOT_SERVING)

    assert "has cosigned version 4, but the record here ends with 3" in failures(shorter)[0]
    assert ["422" in failures(one)[0] for one in (same, longer)] == [True, True]
    assert not any(cosigned_by(one, witness[1]) for one in (shorter, same, longer))
    assert len(list((tmp_path / "w" / "forks").iterdir())) == 1
    assert seen(tmp_path / "w") == 4


def spoiled(line: bytes) -> bytes:
    data = bytearray(base64.b64decode(line.split()[-1]))
    data[-1] ^= 1
    return line.rpartition(b" ")[0] + b" " + base64.b64encode(data) + b"\n"


LIES: dict[str, tuple[Say, str]] = {
    "another key": (lambda body: (200, cosign(body, 101)), "no signature by fake.example"),
    "a spoiled one": (lambda body: (200, spoiled(cosign(body))), "not valid"),
    "another text": (lambda body: (200, cosign(body, text="x\n1\nx\n")), "not valid"),
    "a text of its own": (lambda body: (200, b"x\n\n" + cosign(body, text="x\n")), "not a cosign"),
    "no time": (lambda body: (200, cosign(body, stated=0)), "states no time"),
    "the end of time": (lambda body: (200, cosign(body, stated=2**63)), "states no time"),
    "nothing": (lambda body: (200, b""), "not a cosignature"),
    "no line's end": (lambda body: (200, cosign(body)[:-1]), "not a cosignature"),
    "garbage": (lambda body: (200, b"\xff\x00" * 99), "not a cosignature"),
    "far too much": (lambda body: (200, b"x" * 10_000_000), "not a cosignature"),
    "elsewhere": (lambda body: (302, b""), "responds with 302"),
    "what is unknown": (lambda body: (404, b"\x1b[31mno"), "responds with 404: '\\x1b[31mno'"),
    "a fault": (lambda body: (500, b"oh"), "responds with 500: 'oh'"),
    "no size": (lambda body: (409, b"x"), "409 without a size"),
    "a size like no other": (lambda body: (409, b"9" * 5_000 + b"\n"), "409 without a size"),
    "a size too great": (lambda body: (409, b"99\n"), "has cosigned version 99"),
    "another size each time": (
        lambda body: (409, b"2\n" if body.startswith(b"old 1") else b"1\n"),
        "contradicts its own statements",
    ),
}


@pytest.mark.parametrize(("say", "failure"), LIES.values(), ids=LIES)
def test_what_is_no_cosignature_is_not_passed_on(
    settings: Settings, say: Say, failure: str
) -> None:
    with fake(say, Location=CLOSED) as witness, service_with(settings, witness) as service:
        service.record("talks", opened(), joined("a"))

        answer = checkpoint(service)

        assert failure in failures(answer)[0]
        assert not answer.cosignature_status.threshold_met
        assert len(parse_note(answer.checkpoint).signatures) == 1
        assert health(service, "") == SERVING


def test_of_what_a_witness_answers_only_its_own_cosignature_is_taken(settings: Settings) -> None:
    def say(body: bytes) -> tuple[int, bytes]:
        return 200, cosign(body, 101) + cosign(body) + cosign(body, 102)

    with fake(say) as witness, service_with(settings, witness) as service:
        service.record("talks", opened())

        answer = checkpoint(service)

        assert cosigned_by(answer, witness[1])
        assert len(parse_note(answer.checkpoint).signatures) == 2


def test_a_witness_that_never_finishes_holds_nobody_up_for_long(settings: Settings) -> None:
    with ExitStack() as stack:
        slow = stack.enter_context(fake(lambda body: None))
        service = stack.enter_context(service_with(settings, slow))
        service.record("talks", opened())
        began = time.monotonic()

        answer = checkpoint(service)

        assert time.monotonic() - began < 5
        assert "did not answer within 2 seconds" in failures(answer)[0]
        began = time.monotonic()
        for number in range(20):
            service.record("talks", joined(f"p{number}"))
        assert time.monotonic() - began < 2


def test_many_who_ask_at_once_are_answered_by_few_questions(settings: Settings) -> None:
    asked: list[bytes] = []

    def say(body: bytes) -> tuple[int, bytes]:
        asked.append(body)
        time.sleep(0.1)
        return 200, cosign(body)

    with (
        fake(say) as witness,
        service_with(settings, witness) as service,
        ThreadPoolExecutor(20) as callers,
    ):
        service.record("talks", opened())

        answers = list(callers.map(lambda _: checkpoint(service), range(100)))

    assert {cosigned_by(answer, witness[1]) for answer in answers} == {True}
    assert len(asked) <= 2


def test_a_checkpoint_that_is_asked_for_while_it_grows_is_cosigned_all_the_same(
    settings: Settings, tmp_path: Path
) -> None:
    with (
        witness_at(tmp_path / "w") as witness,
        service_with(settings, witness) as service,
        ThreadPoolExecutor(1) as writer,
    ):
        service.record("talks", opened())
        growing = writer.submit(
            lambda: [service.record("talks", joined(f"p{number}")) for number in range(100)]
        )
        answers = []
        while not growing.done():
            answers.append(checkpoint(service))

        versions = [answer.computed_at.version for answer in answers]
        assert [cosigned_by(answer, witness[1]) for answer in answers] == [True] * len(answers)
        assert versions == sorted(versions)


def test_a_copy_is_left_to_the_witnesses_of_the_original(settings: Settings) -> None:
    asked: list[bytes] = []

    def say(body: bytes) -> tuple[int, bytes]:
        asked.append(body)
        return 200, cosign(body)

    records = sealed(history(opened(), joined("a")), "copied")
    signed = checkpoint_of(records, "copied", SIGNER)
    origin = log_origin(KEY.name, "copied")
    data = bundle(records, negotiation="copied", origin=origin, signed=signed)
    part = pb.ImportNegotiationRequest(chunk=data, verifier_keys=[str(KEY.verifier_key)])
    with fake(say) as witness, service_with(settings, witness) as service:
        service.records.ImportNegotiation(iter([part]), timeout=10)
        request = pb.GetCheckpointRequest(name="negotiations/copied")
        answer = service.audits.GetCheckpoint(request, timeout=10)
        service.record("talks", opened())
        assert checkpoint(service).cosignature_status.threshold_met

    assert not answer.HasField("cosignature_status")
    assert answer.checkpoint == signed
    assert [b"/copied" in body for body in asked] == [False]


WITNESS = ("http://127.0.0.1:1", str(witness_key().verifier_key))


@pytest.mark.parametrize(
    ("words", "required", "says"),
    [
        (WITNESS[:1], None, "a URL, a space and a verifier key"),
        ((WITNESS[0], "x"), None, "name+id+key"),
        ((WITNESS[0], str(KEY.verifier_key)), None, "the key of a log"),
        ((WITNESS[0], str(signing_key(9).verifier_key)), None, "the key of a log"),
        (("ftp://127.0.0.1", WITNESS[1]), None, "not a URL"),
        (("127.0.0.1:1", WITNESS[1]), None, "not a URL"),
        (("http://", WITNESS[1]), None, "not a URL"),
        (("http://a:x", WITNESS[1]), None, "is not valid"),
        (("http://me:secret@a", WITNESS[1]), None, "not a URL"),
        (("http://a/?x=1", WITNESS[1]), None, "has a query or a fragment"),
        (WITNESS * 2, None, "the same key"),
        (WITNESS, 2, "2 cosignatures are required, but there are 1"),
        (WITNESS, -1, "-1 cosignatures"),
        ((), 1, "1 cosignatures are required, but there are 0"),
    ],
)
def test_witnesses_that_cannot_be_asked_keep_the_service_from_starting(
    words: tuple[str, ...], required: int | None, says: str
) -> None:
    settings = replace(Settings.in_memory(), witnesses=words, witnesses_required=required)

    with pytest.raises(ServeError) as error, running(settings):
        pass

    assert says in str(error.value)


def test_witnesses_are_named_in_the_environment() -> None:
    said = {"POURPARLER_WITNESSES": " ".join(WITNESS * 2), "POURPARLER_WITNESSES_REQUIRED": "1"}

    settings = Settings.from_environment(said)

    assert (settings.witnesses, settings.witnesses_required) == (WITNESS * 2, 1)
    assert Settings.from_environment({}).witnesses == ()
    with pytest.raises(SettingsError, match="POURPARLER_WITNESSES_REQUIRED is 'both'"):
        Settings.from_environment(said | {"POURPARLER_WITNESSES_REQUIRED": "both"})
