"""The client in examples/typescript, against a service that is cut off, killed, started again."""

import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from pourparler import v1 as pb
from tests.support.node_programs import alone, installed
from tests.support.sample_entries import joined, opened, said
from tests.support.service_client import Service, answered_by, connected
from tests.support.service_process import Apart, apart
from tests.support.tcp_relay import relayed

HERE = Path(__file__).parents[2] / "examples" / "typescript"
BUILD = (
    Path(__file__).parents[2] / "build" / "typescript"
)  # as deep: what it finds from there, stands
SECONDS = 60

pytestmark = pytest.mark.tools


@pytest.fixture(name="package", scope="module")
def _package(testrun_uid: str) -> Path:
    """A copy of the package with what it needs, its stubs made anew and all of it compiled.

    Once in a run, whichever of its processes comes first.
    """
    installed(HERE, BUILD, "package.json")
    with alone(BUILD):
        stamp = BUILD / "compiled"
        if not stamp.exists() or stamp.read_text() != testrun_uid:
            _compile()
            stamp.write_text(testrun_uid)
    return BUILD


def _compile() -> None:
    for made in ("src", "test", "stubs", "build"):
        shutil.rmtree(BUILD / made, ignore_errors=True)
    by_others = shutil.ignore_patterns("node_modules", "stubs", "build")
    shutil.copytree(HERE, BUILD, dirs_exist_ok=True, ignore=by_others)
    built = npm("run", "build")
    assert built.returncode == 0, built.stdout + built.stderr


def npm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["npm", *arguments], cwd=BUILD, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    with apart(tmp_path_factory.mktemp("typescript"), measured=False) as process:
        yield process


@pytest.fixture(name="key", scope="module")
def _key(service: Apart) -> str:
    """The key that the service prints when it starts."""
    assert service.process.stdout is not None
    return service.process.stdout.readline().split()[-1]


def command(server: str, *arguments: str | Path) -> list[str]:
    return ["node", "build/src/main.js", "--server", server, *map(str, arguments)]


def client(server: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """The client, run to its end."""
    line = command(server, *arguments)
    return subprocess.run(
        line, cwd=BUILD, capture_output=True, text=True, timeout=SECONDS, check=False
    )


@contextmanager
def clients(server: str, *arguments: str | Path) -> "Iterator[subprocess.Popen[str]]":
    """The client, while it runs."""
    line = command(server, *arguments)
    with subprocess.Popen(
        line, cwd=BUILD, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def versions(service: Service, name: str) -> int:
    """How many versions a negotiation has; none, if it is not there yet."""
    try:
        return service.state(name).negotiation.version
    except grpc.RpcError as error:
        if answered_by(error).reason != "NEGOTIATION_NOT_FOUND":
            raise
        return 0


def until(holds: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_it_is_of_the_types_that_the_contract_has(package: Path) -> None:
    checked = subprocess.run(
        ["node_modules/.bin/tsc", "--noEmit"],
        cwd=package,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stdout) == (0, "")


def test_its_proofs_are_those_of_rfc_6962_and_of_the_format(package: Path) -> None:
    ran = npm("test", "--silent")

    assert ran.returncode == 0, ran.stdout
    assert "# fail 0" in ran.stdout
    assert "# tests 0" not in ran.stdout


def test_the_tour_that_its_readme_takes_shows_all_of_it(
    package: Path, service: Apart, key: str
) -> None:
    """npm passes on what stands after the two hyphens."""
    where = ["--server", service.address, "--key", key]
    ran = npm("start", "--silent", "--", *where)

    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[2] == "sent again: the same receipt, byte for byte"
    assert lines[4].startswith(
        "refused: PART_NOT_FOUND drafts[0].facts.statement_recorded.speakers[0]: "
    )
    assert "5 statementRecorded Nine thousand a month is our limit." in lines
    assert "verified that nothing up to version 4 was changed since" in lines
    assert lines[-1] == "not verified: the words of version 5 were changed"


def test_a_group_whose_answer_was_lost_is_recorded_once_and_has_one_receipt(
    package: Path, service: Apart, tmp_path: Path
) -> None:
    kept, again = tmp_path / "kept", tmp_path / "again"
    once = ["open", "cut", "--request-id", "once", "--receipt"]
    with (
        connected(service.address) as direct,
        relayed(service.address) as relay,
    ):
        relay.hold_answers()
        with clients(relay.address, *once, kept) as cut:
            until(lambda: versions(direct, "cut") == 4)
            relay.cut()
            assert cut.wait(SECONDS) == 0

    later = client(service.address, *once, again)

    assert later.stdout == "recorded 4, negotiations/cut is at version 4\n"
    assert again.read_bytes() == kept.read_bytes()


def test_what_is_refused_says_why_and_of_which_field(package: Path, service: Apart) -> None:
    client(service.address, "open", "refused", "--request-id", "a")

    other = client(service.address, "say", "refused", "Yes", "--request-id", "a")
    shape = client(service.address, "say", "refused", "Yes", "--when", "soon")
    guess = client(service.address, "say", "refused", "Yes", "--when", "2026-01-01T09:30")
    watched = client(service.address, "watch", "nobody-opened-it")

    for ran, begins in (
        (other, "refused: REQUEST_ID_REUSED request_id: "),
        (shape, "refused: DATE_INVALID drafts[0].facts.occurred: "),
        (guess, "RangeError: 2026-01-01T09:30 is no instant"),
        (watched, "refused: NEGOTIATION_NOT_FOUND "),
    ):
        assert (ran.returncode, ran.stderr[: len(begins)]) == (1, begins)


def test_a_watch_goes_on_through_a_death_of_the_service(package: Path, tmp_path: Path) -> None:
    lines: queue.Queue[str] = queue.Queue()

    def read(process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)

    with apart(tmp_path, measured=False) as first, relayed(first.address) as relay:
        with connected(first.address) as direct:
            direct.record("long", opened(), joined("a"), said("s3", "a"))
        watching = clients(relay.address, "watch", "long", "--count", "7")
        with watching as process:
            reader = threading.Thread(target=read, args=[process])
            reader.start()
            seen = [lines.get(timeout=SECONDS) for _ in range(4)]
            first.kill()
            relay.cut()
            with apart(tmp_path, measured=False) as second:
                with connected(second.address) as direct:
                    direct.record("long", said("s4", "a"), said("s5", "a"))
                    relay.target = second.address
                    direct.record("long", said("s6", "a"))
                    seen += [lines.get(timeout=SECONDS)]
                    direct.record("long", said("s7", "a"))
                    assert process.wait(SECONDS) == 0
                until(lambda: not relay.open)
            reader.join(SECONDS)
        while not lines.empty():
            seen.append(lines.get())

    numbers = [int(line.split()[0]) for line in seen if not line.startswith("cursor")]
    assert numbers == [1, 2, 3, 4, 5, 6, 7]


def test_a_watch_ends_at_its_deadline_and_goes_on_from_its_cursor(
    package: Path, service: Apart
) -> None:
    client(service.address, "open", "crane")
    with relayed(service.address) as relay:
        ended = client(relay.address, "watch", "crane", "--seconds", "1")
        until(lambda: not relay.open)
    cursor = ended.stdout.split()[-1]
    client(service.address, "say", "crane", "Nine", "--when", "2026-01-01T09:30+02:00")

    later = client(service.address, "watch", "crane", "--cursor", cursor, "--count", "1")

    assert ended.returncode == later.returncode == 0
    assert later.stdout.splitlines()[0] == "5 statementRecorded Nine"
    with connected(service.address) as direct:
        occurred = direct.replay("crane", after_version=4)[0].entries[0].facts.occurred
    assert occurred.earliest == "2026-01-01T07:30:00Z"


def test_a_receipt_is_verified_and_a_forged_one_refused(
    package: Path, service: Apart, key: str, tmp_path: Path
) -> None:
    first, later, others, forged = (tmp_path / name for name in ("1", "2", "others", "forged"))
    client(service.address, "open", "true", "--receipt", first)
    client(service.address, "say", "true", "Nine", "--receipt", later)
    client(service.address, "open", "others", "--receipt", others)
    swapped = pb.Receipt.FromString(later.read_bytes())
    swapped.checkpoint = pb.Receipt.FromString(others.read_bytes()).checkpoint
    forged.write_bytes(swapped.SerializeToString())
    other_key = "test.example+1a3a626a+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"

    def verify(file: Path, key: str, *more: str | Path) -> "subprocess.CompletedProcess[str]":
        return client(service.address, "verify", file, "--key", key, *more)

    sound = verify(later, key, "--since", first)
    assert sound.returncode == 0, sound.stderr
    assert sound.stdout.endswith("verified that nothing up to version 4 was changed since\n")
    backwards = verify(first, key, "--since", later)
    assert (backwards.returncode, backwards.stderr) == (
        4,
        "not verified: a tree of 4 does not begin with one of 5\n",
    )
    strange = verify(later, other_key)
    assert (strange.returncode, strange.stderr) == (
        4,
        "not verified: the checkpoint is not signed by the key\n",
    )
    elsewhere = verify(forged, key)
    assert elsewhere.returncode == 4
    assert "negotiations/others" in elsewhere.stderr
