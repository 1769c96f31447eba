"""Bundles of a running service: exported by both clients and the command, verified without it."""

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest

from pourparler import Client, IncompleteReplayError, InternalError, NotFoundError
from pourparler import v1 as pb
from pourparler.cli.commands import run
from pourparler.transparency.bundle import MAGIC, BundleReader, redact, verify
from pourparler.transparency.checkpoint import VerifierKey
from pourparler.transparency.findings import Verdict
from pourparler.transparency.selection import Selection, SelectionError
from pourparler.v1 import audit_service_pb2_grpc
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from pourparler_service.transparency.signing_keys import write_key
from tests.support import bundles, signing_keys
from tests.support.client_variants import awaited
from tests.support.service_client import Service, connected
from tests.support.service_process import UNMEASURED

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "renault-nissan" / "negotiation.jsonl"
NAME = "renault-nissan"


class Kept(NamedTuple):
    """A running service with the first example on its record, and the key that verifies it."""

    address: str
    stubs: Service
    key: VerifierKey


class Answer(NamedTuple):
    """What a command line came to."""

    code: int
    out: str
    err: str


Command = Callable[..., Answer]


@pytest.fixture(name="kept", scope="module")
def _kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    path = tmp_path_factory.mktemp("keys") / "signing.key"
    write_key(signing_keys.KEY, path)
    settings = Settings(address="127.0.0.1:0", signing_keys=(path,))
    with running(settings) as address, connected(address) as stubs:
        assert run(["--server", address, "import", str(EXAMPLE)]) == 0
        yield Kept(address, stubs, signing_keys.KEY.verifier_key)


@pytest.fixture(name="command")
def _command(kept: Kept, capsys: pytest.CaptureFixture[str]) -> Command:
    capsys.readouterr()

    def command(*arguments: str) -> Answer:
        code = run(["--server", kept.address, *arguments])
        return Answer(code, *capsys.readouterr())

    return command


@pytest.fixture(name="client", params=["waits", "awaits"])
def _client(kept: Kept, request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "waits":
        with Client(kept.address) as client:
            yield client
    else:
        with asyncio.Runner() as runner, awaited(runner, kept.address) as client:
            yield client


def stored(kept: Kept, name: str) -> list[bytes]:
    """The records of a negotiation as the service gives them out."""
    data = kept.stubs.raw(
        "/pourparler.v1.AuditService/ReplayEntries",
        pb.ReplayEntriesRequest(name=f"negotiations/{name}").SerializeToString(),
        stream=True,
    )
    records = [one for message in data for one in pb.Records.FromString(message).records]
    return [one.SerializeToString(deterministic=True) for one in records]


def test_what_is_exported_is_what_is_stored(kept: Kept, client: Any) -> None:
    file = io.BytesIO()

    count = client.export_bundle(NAME, file)

    file.seek(0)
    bundle = BundleReader(file)
    assert count == 17
    assert bundle.header.negotiation == NAME
    assert bundle.header.origin == f"test.example/negotiations/{NAME}"
    assert bundle.header.checkpoint == client.get_checkpoint(NAME)
    assert list(bundle.records()) == stored(kept, NAME)


def test_what_is_exported_is_sound_and_folds_to_the_state_of_the_service(
    kept: Kept, client: Any
) -> None:
    file = io.BytesIO()
    client.export_bundle(f"negotiations/{NAME}", file)

    audit = bundles.audited(file.getvalue(), [kept.key])

    assert audit.verdict is Verdict.SOUND
    assert audit.state == client.get_negotiation(NAME).negotiation


def test_both_clients_write_the_same_bytes_each_time(kept: Kept) -> None:
    files = [io.BytesIO() for _ in range(3)]
    with Client(kept.address) as waits, asyncio.Runner() as runner:
        waits.export_bundle(NAME, files[0])
        waits.export_bundle(NAME, files[1])
        with awaited(runner, kept.address) as awaits:
            awaits.export_bundle(NAME, files[2])

    assert len({file.getvalue() for file in files}) == 1


def test_how_far_it_is_is_told(client: Any) -> None:
    told: list[tuple[int, int]] = []

    client.export_bundle(NAME, io.BytesIO(), progress=lambda done, of: told.append((done, of)))

    assert told[-1] == (17, 17)


def test_what_is_not_there_is_not_exported(client: Any) -> None:
    file = io.BytesIO()

    with pytest.raises(NotFoundError):
        client.export_bundle("nothing", file)

    assert file.getvalue() == b""


def test_a_client_that_trusts_a_key_exports_only_what_it_signed(kept: Kept, tmp_path: Path) -> None:
    with Client(kept.address, verifier_keys=[kept.key], trust_store=tmp_path / "trust") as trusting:
        assert trusting.export_bundle(NAME, io.BytesIO()) == 17


class Forgetful(audit_service_pb2_grpc.AuditServiceServicer):
    """A service that gives what the real one gives, cut and broken off as it is told to."""

    def __init__(self, kept: Kept, *, give: int, breaks: int, checkpoint: str = "") -> None:
        self.kept = kept
        self.give = give
        self.breaks = breaks
        self.checkpoint = checkpoint
        self.asked: list[int] = []

    def GetCheckpoint(self, request: Any, context: grpc.ServicerContext) -> Any:
        answer = self.kept.stubs.audits.GetCheckpoint(request, timeout=10)
        if self.checkpoint:
            answer.checkpoint = self.checkpoint
        return answer

    def GetInclusionProof(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self.kept.stubs.audits.GetInclusionProof(request, timeout=10)

    def GetConsistencyProof(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self.kept.stubs.audits.GetConsistencyProof(request, timeout=10)

    def ReplayEntries(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.asked.append(request.after_version)
        for message in self.kept.stubs.audits.ReplayEntries(request, timeout=10):
            for entry in message.entries:
                if entry.header.version - request.after_version > self.give:
                    if self.breaks:
                        self.breaks -= 1
                        context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
                    return
                yield pb.ReplayEntriesResponse(entries=[entry])


def serving(servicer: Forgetful) -> tuple[Any, str]:
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    audit_service_pb2_grpc.add_AuditServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"


@pytest.mark.parametrize("kind", ["waits", "awaits"])
def test_an_export_that_breaks_off_goes_on_where_it_was(kept: Kept, kind: str) -> None:
    whole, file = io.BytesIO(), io.BytesIO()
    servicer = Forgetful(kept, give=7, breaks=2)
    server, address = serving(servicer)
    with Client(kept.address) as client:
        client.export_bundle(NAME, whole)

    if kind == "waits":
        with Client(address) as client:
            client.export_bundle(NAME, file)
    else:
        with asyncio.Runner() as runner, awaited(runner, address) as awaits:
            awaits.export_bundle(NAME, file)

    server.stop(None).wait()
    assert servicer.asked == [0, 7, 14]
    assert file.getvalue() == whole.getvalue()


def test_an_export_that_gets_too_little_fails_and_leaves_no_whole_bundle(kept: Kept) -> None:
    server, address = serving(Forgetful(kept, give=7, breaks=0))
    file = io.BytesIO()

    with Client(address) as client, pytest.raises(IncompleteReplayError) as cut:
        client.export_bundle(NAME, file)

    server.stop(None).wait()
    assert cut.value.last_version == 7
    assert bundles.audited(file.getvalue(), [kept.key]).verdict is Verdict.INCOMPLETE


def test_a_checkpoint_that_is_none_begins_no_bundle(kept: Kept) -> None:
    server, address = serving(Forgetful(kept, give=99, breaks=0, checkpoint="It is all right.\n"))
    file = io.BytesIO()

    with Client(address) as client, pytest.raises(InternalError, match="is malformed"):
        client.export_bundle(NAME, file)

    server.stop(None).wait()
    assert file.getvalue() == b""


# The command.


@pytest.fixture(name="file")
def _file(command: Command, tmp_path: Path) -> Path:
    path = tmp_path / "talks.bundle"
    assert command("export", NAME, "-o", str(path)).code == 0
    return path


def test_a_file_is_exported_and_verified_without_the_service(
    kept: Kept, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["--server", "127.0.0.1:1", "verify", str(file), "--verifier-key", str(kept.key)])

    said = capsys.readouterr().out.splitlines()
    assert code == 0
    assert said[0].startswith(f"Sound: 17 entries of test.example/negotiations/{NAME}, ")
    assert said[1].startswith("checkpoint 17 ")
    assert bundles.briefly(file.read_bytes(), [kept.key]) == 0


def test_what_was_exported_is_told(command: Command, tmp_path: Path) -> None:
    plain, for_machines = tmp_path / "a", tmp_path / "b"

    said = command("export", NAME, "--output", str(plain))
    told = json.loads(command("export", NAME, "-o", str(for_machines), "--json").out)

    size = plain.stat().st_size
    assert said.out == f"Exported 17 entries to {plain}, {size:,} bytes.\n"
    assert told == {"file": str(for_machines), "entries": 17, "bytes": size}


DONE: dict[str, tuple[Callable[[bytes], bytes], Verdict]] = {
    "section changed": (lambda data: data.replace(b"trustful", b"doubtful"), Verdict.MANIPULATED),
    "cut": (lambda data: data[:-50], Verdict.INCOMPLETE),
    "bundle damaged": (lambda data: data + b"\n", Verdict.MANIPULATED),
    "not a bundle": (lambda data: data.replace(b".v1.", b".v9.", 1), Verdict.CANNOT_TELL),
}


@pytest.mark.parametrize("finding", DONE)
def test_what_was_done_to_a_file_is_said_by_name_and_by_exit_code(
    kept: Kept, command: Command, file: Path, finding: str
) -> None:
    change, verdict = DONE[finding]
    file.write_bytes(change(file.read_bytes()))

    said = command("verify", str(file), "--verifier-key", str(kept.key))
    told = json.loads(command("verify", str(file), "--verifier-key", str(kept.key), "--json").out)

    assert said.code == bundles.EXIT_CODES[verdict]
    assert said.out.lower().startswith(f"{verdict.value}: ")
    assert finding in said.out
    assert told["verdict"] == verdict.value
    assert finding in {one["name"] for one in told["findings"]}
    assert bundles.briefly(file.read_bytes(), [kept.key]) == said.code


def test_it_has_to_be_of_the_negotiation_and_the_service_that_is_asked_for(
    kept: Kept, command: Command, file: Path
) -> None:
    key = str(kept.key)
    other = str(signing_keys.signing_key(9, "other.example").verifier_key)

    assert command("verify", str(file), "--verifier-key", key, "--negotiation", NAME).code == 0
    assert (
        command(
            "verify", str(file), "--verifier-key", key, "--negotiation", f"negotiations/{NAME}"
        ).code
        == 0
    )
    assert command("verify", str(file), "--verifier-key", key, "--negotiation", "another").code == 4
    assert command("verify", str(file), "--verifier-key", other).code == 6


def test_a_checkpoint_that_was_kept_is_held_against_a_later_bundle(
    kept: Kept, command: Command, tmp_path: Path
) -> None:
    key, early, late, mark = str(kept.key), tmp_path / "1", tmp_path / "2", tmp_path / "mark"
    assert command("open", "Growing", "--id", "growing").code == 0
    assert command("export", "growing", "-o", str(early)).code == 0
    assert (
        command("verify", str(early), "--verifier-key", key, "--save-checkpoint", str(mark)).code
        == 0
    )
    assert command("record", "growing", "--participant", "Acme", "--id", "acme").code == 0
    assert command("export", "growing", "-o", str(late)).code == 0

    assert mark.read_text().splitlines()[:2] == ["test.example/negotiations/growing", "1"]
    assert (
        command("verify", str(late), "--verifier-key", key, "--base-checkpoint", str(mark)).code
        == 0
    )
    assert (
        command("verify", str(late), "--verifier-key", key, "--save-checkpoint", str(mark)).code
        == 0
    )
    stale = command("verify", str(early), "--verifier-key", key, "--base-checkpoint", str(mark))
    assert stale.code == 5
    assert "stale" in stale.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", NAME),
        ("export", "-o", "x"),
        ("verify", "nowhere.bundle", "--verifier-key", str(signing_keys.KEY.verifier_key)),
        ("verify", str(EXAMPLE)),
        ("verify", str(EXAMPLE), "--verifier-key", "no key"),
        ("verify", str(EXAMPLE), "--verifier-key", str(signing_keys.KEY.verifier_key),
         "--verifier-key", str(signing_keys.signing_key(9, "other.example").verifier_key)),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_said(command: Command, arguments: tuple[str, ...]) -> None:
    answer = command(*arguments)

    assert answer.code == 2
    assert answer.out == ""
    assert "Error: " in answer.err
    assert "Traceback" not in answer.err


def test_no_file_is_written_over_and_none_left_that_is_not_whole(
    command: Command, file: Path, tmp_path: Path
) -> None:
    before = file.read_bytes()

    again = command("export", NAME, "-o", str(file))
    failed = command("export", "nothing", "-o", str(tmp_path / "nothing.bundle"))
    nowhere = command("export", NAME, "-o", str(tmp_path / "no" / "folder"))

    assert (again.code, failed.code, nowhere.code) == (1, 1, 1)
    assert "never written over" in again.err
    assert "reason NEGOTIATION_NOT_FOUND" in failed.err
    assert "cannot be written: No such file or directory." in nowhere.err
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["talks.bundle"]


COMMAND = "from pourparler.cli import main; main()"
CROWDED = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (%d, %d)); "


def python(code: str, *arguments: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """What the command comes to in a process of its own."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(
        command, input=given, capture_output=True, check=False, timeout=60, env=UNMEASURED
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there a process cannot be given less room")
@pytest.mark.parametrize("room", [0, 5000])
def test_a_full_disk_is_told_and_nothing_is_left(kept: Kept, tmp_path: Path, room: int) -> None:
    path = tmp_path / "talks.bundle"

    said = python(
        CROWDED % (room, room) + COMMAND, "--server", kept.address, "export", NAME, "-o", str(path)
    )

    assert said.returncode == 1
    assert (
        said.stderr.decode()
        == f"Error: {path} cannot be written: File too large. Name another file with --output.\n"
    )
    assert not path.exists()


def test_a_bundle_goes_through_a_pipe(kept: Kept) -> None:
    exported = python(COMMAND, "--server", kept.address, "export", NAME, "-o", "-")

    verified = python(
        COMMAND, "verify", "-", "--verifier-key", str(kept.key), given=exported.stdout
    )

    assert exported.stdout.startswith(MAGIC)
    assert exported.stderr == b""
    assert verify(io.BytesIO(exported.stdout), [kept.key]).verdict is Verdict.SOUND
    assert verified.returncode == 0
    assert verified.stdout.startswith(b"Sound: 17 entries")


# Some entries alone.


def test_a_client_exports_some_entries_and_says_what_they_are_shown_without(
    kept: Kept, client: Any
) -> None:
    file, whole, offline = io.BytesIO(), io.BytesIO(), io.BytesIO()
    only = Selection([9])

    count = client.export_bundle(NAME, file, selection=only)

    client.export_bundle(NAME, whole)
    whole.seek(0)
    redact(whole, offline, Selection([9]))
    audit = bundles.audited(file.getvalue(), [kept.key])
    assert count == 17
    assert file.getvalue() == offline.getvalue()
    assert audit.verdict is Verdict.PARTIAL
    assert audit.withheld == tuple(version for version in range(1, 18) if version != 9)
    assert {gap.version for gap in only.gaps} == {9}


def test_what_is_not_there_is_not_exported_alone(client: Any) -> None:
    file = io.BytesIO()

    with pytest.raises(SelectionError, match="no version 18"):
        client.export_bundle(NAME, file, selection=Selection([9, 18]))

    assert file.getvalue() == b""


def test_one_statement_is_exported_and_shown_without_the_service(
    kept: Kept, command: Command, tmp_path: Path
) -> None:
    path = tmp_path / "statement.bundle"

    made = command("export", NAME, "--versions", "9", "-o", str(path))
    said = command("verify", str(path), "--verifier-key", str(kept.key), "--show", "--full")
    missing = command("export", NAME, "--versions", "9-18", "-o", str(tmp_path / "none"))

    assert made.code == 0
    assert "17 entries, 1 of them to be read," in made.out
    assert said.code == 7
    assert "section withheld: #1 to #8, #10 to #17" in said.out
    assert "Joint statement" in said.out
    assert missing.code == 1
    assert [one.name for one in tmp_path.iterdir()] == ["statement.bundle"]


def test_what_is_handed_to_a_participant_is_what_they_see(
    kept: Kept, command: Command, tmp_path: Path
) -> None:
    confided = "Our limit is nine thousand."
    command("open", "Lease", "--id", "lease")
    for who in ("ann", "bob"):
        command("record", "lease", "--participant", who.title(), "--id", who)
    command("record", "lease", "--statement", confided, "--by", "ann", "--seen-by", "ann")
    key = ["--verifier-key", str(kept.key)]

    codes = {
        who: (
            command("audit", "lease", *key, "--as-seen-by", who).code,
            command("export", "lease", "-o", str(tmp_path / who), "--as-seen-by", who).code,
            command("verify", str(tmp_path / who), *key).code,
            command("report", "lease", "-o", str(tmp_path / f"{who}.html"), *key,
                    "--as-seen-by", who).code,
            command("export", "lease", "-o", str(tmp_path / f"{who}.csv"), "--format", "csv",
                    "--as-seen-by", who).code,
        )
        for who in ("ann", "bob")
    }  # fmt: skip

    assert codes == {"ann": (0, 0, 0, 0, 0), "bob": (7, 0, 7, 7, 0)}
    written = {one.name: confided.encode() in one.read_bytes() for one in tmp_path.iterdir()}
    assert written == {
        "ann": True, "ann.html": True, "ann.csv": True,
        "bob": False, "bob.html": False, "bob.csv": False,
    }  # fmt: skip


def test_a_bundle_is_as_it_was_written_whoever_it_is_for(command: Command, tmp_path: Path) -> None:
    there = tmp_path / "all.bundle"
    assert command("export", NAME, "-o", str(there)).code == 0
    page = ["--bundle", str(there), "-o", str(tmp_path / "page.html"), "--as-seen-by", "nissan"]

    for made in (command("report", *page), command("export", NAME, "--format", "csv", *page)):
        assert made.code == 2
        assert "--bundle excludes --as-seen-by" in made.err


def test_a_page_can_be_read_by_whoever_may_read_files_made_here(
    command: Command, tmp_path: Path
) -> None:
    page, plain = tmp_path / "report.html", tmp_path / "plain"
    plain.touch()

    command("report", NAME, "-o", str(page))

    assert page.stat().st_mode == plain.stat().st_mode


def test_a_report_is_made_of_what_was_verified(
    kept: Kept, command: Command, tmp_path: Path
) -> None:
    there = tmp_path / "report.html"

    answer = command("report", NAME, "-o", str(there), "--verifier-key", str(kept.key))

    assert answer.code == 0
    assert answer.out == f"Wrote {there}, a page of 17 entries. Record: sound.\n"
    text = there.read_text(encoding="utf-8")
    assert "Verified: sound" in text
    assert "Future of the Renault-Nissan Alliance" in text
