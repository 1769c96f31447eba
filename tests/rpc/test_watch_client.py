"""Both clients and the command watch: over breaks, silences and restarts, each entry once."""

import asyncio
import contextlib
import dataclasses
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from pourparler import Client, aio, errors, participant, statement
from pourparler import v1 as pb
from pourparler.cli.commands import run
from pourparler.rpc import streams
from pourparler.v1.audit_service_pb2_grpc import (
    AuditServiceServicer,
    add_AuditServiceServicer_to_server,
)
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from tests.support.client_variants import awaited
from tests.support.service_process import command

Connect = Callable[..., Any]

COMMAND = [sys.executable, "-c", "from pourparler.cli import main; main()"]
GONE = grpc.StatusCode.UNAVAILABLE
SILENCE = 60.0


class Scripted(AuditServiceServicer):
    """A service that answers calls with what it was given, in turn: messages, statuses, waits."""

    def __init__(self, *answers: list[Any]) -> None:
        self.asked: list[pb.ReplayEntriesRequest] = []
        self.left = threading.Semaphore(0)
        self._answers = list(answers)

    def _none(self, request: Any, context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "")

    GetCheckpoint = GetInclusionProof = GetConsistencyProof = _none

    def ReplayEntries(
        self, request: pb.ReplayEntriesRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReplayEntriesResponse]:
        self.asked.append(request)
        gone = threading.Event()
        context.add_callback(gone.set)
        context.add_callback(self.left.release)
        for one in self._answers.pop(0):
            if isinstance(one, float):
                gone.wait(one)
            elif isinstance(one, grpc.StatusCode):
                context.abort(one, "As the test tells it.")
            else:
                yield one


@contextlib.contextmanager
def serving(scripted: Scripted, *options: tuple[str, int]) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0), *options])
    add_AuditServiceServicer_to_server(scripted, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@pytest.fixture(params=["sync", "asyncio"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes clients of the one kind or of the other, with the same face."""
    if request.param == "sync":
        yield Client
        return
    with asyncio.Runner() as runner:
        yield lambda target, **settings: awaited(runner, target, **settings)


@pytest.fixture(name="address")
def _address() -> Iterator[str]:
    with running(dataclasses.replace(Settings.in_memory(), heartbeat_seconds=0.3)) as address:
        yield address


def message(cursor: str, *versions: int) -> pb.ReplayEntriesResponse:
    entries = [pb.Entry(header=pb.EntryHeader(version=version)) for version in versions]
    return pb.ReplayEntriesResponse(cursor=cursor, entries=entries)


def versions(watch: Any, count: int) -> list[int]:
    return [next(watch).header.version for _ in range(count)]


def test_a_watch_gives_what_there_is_and_goes_on_with_what_comes(
    connect: Connect, address: str
) -> None:
    with connect(address) as client, Client(address) as other:
        client.open_negotiation("Talks", participant("a", "A"), negotiation_id="talks")
        with client.watch("talks") as watch:
            assert not watch.caught_up
            assert versions(watch, 2) == [1, 2]
            for number in range(3):
                other.record("talks", statement("Yes.", by="a"))
                assert versions(watch, 1) == [number + 3]
            assert watch.caught_up.version >= 2
        with client.watch("talks", entry_types="participant_joined", participants="a") as watch:
            assert versions(watch, 1) == [2]


def test_all_negotiations_are_watched_and_replayed_by_a_dash(
    connect: Connect, address: str
) -> None:
    with connect(address) as client:
        client.open_negotiation("One", participant("a", "A"), negotiation_id="one")
        client.open_negotiation("Two", negotiation_id="two")
        with client.watch("-") as watch:
            seen = [next(watch) for _ in range(3)]
        whole = client.replay("-")

        assert list(whole) == seen
        assert [entry.header.negotiation for entry in seen] == ["one", "one", "two"]
        assert whole.complete.entry_count == 3


def test_a_cursor_goes_on_after_the_very_entry_that_was_given_last(
    connect: Connect, address: str
) -> None:
    with connect(address) as client:
        client.open_negotiation(
            "Talks", *(participant(f"p{n}", "P") for n in range(9)), negotiation_id="talks"
        )
        for before in range(10):
            with client.watch("talks") as watch:
                assert versions(watch, before) == list(range(1, before + 1))
            with client.watch("talks", cursor=watch.cursor) as again:
                assert again.cursor == watch.cursor
                assert versions(again, 10 - before) == list(range(before + 1, 11))


def test_a_watch_that_breaks_goes_on_where_it_was(connect: Connect) -> None:
    scripted = Scripted(
        [GONE],
        [message("start"), message("c2", 1, 2), message("c4", 3, 4), GONE],
        [message("c4"), GONE],
        [message("c4"), message("c5", 5)],
        [message("c5"), message("c6", 6), SILENCE],
    )
    with serving(scripted) as target, connect(target, timeout=5.0) as client:
        with client.watch("a", after_version=0, entry_types="topic_added") as watch:
            assert versions(watch, 6) == [1, 2, 3, 4, 5, 6]
            assert watch.cursor == "c6"

        assert [one.cursor for one in scripted.asked] == ["", "", "c4", "c4", "c5"]
        assert all(one.follow and one.entry_types == ["topic_added"] for one in scripted.asked)


def test_what_was_given_of_a_message_does_not_come_again(connect: Connect) -> None:
    scripted = Scripted(
        [message("c0"), message("c3", 1, 2, 3), SILENCE],
        [message("c0"), message("c1", 1), message("c4", 2, 3, 4), SILENCE],
    )
    with serving(scripted) as target, connect(target) as client:
        with client.watch("a", after_version=7) as watch:
            assert versions(watch, 2) == [1, 2]
        assert watch.cursor == "c0~2"

        with client.watch("a", cursor=watch.cursor) as again:
            assert versions(again, 1) == [3]
            assert again.cursor == "c1~2"
            assert versions(again, 1) == [4]
            assert again.cursor == "c4"

    assert [(one.cursor, one.after_version) for one in scripted.asked] == [("", 7), ("c0", 0)]


def test_a_silence_that_is_too_long_is_a_break(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_TIMEOUT", 0.5)
    scripted = Scripted(
        [message("c0"), message("c1", 1), SILENCE], [message("c1"), message("c2", 2), SILENCE]
    )
    with serving(scripted) as target, connect(target, timeout=5.0) as client:
        with client.watch("a") as watch:
            assert versions(watch, 2) == [1, 2]
        assert scripted.asked[1].cursor == "c1"


def test_who_takes_long_over_an_entry_is_not_silent(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_TIMEOUT", 0.5)
    scripted = Scripted([message("c0"), message("c1", 1), message("c2", 2), SILENCE])
    with serving(scripted) as target, connect(target) as client, client.watch("a") as watch:
        assert versions(watch, 1) == [1]
        time.sleep(1.2)
        assert versions(watch, 1) == [2]
    assert len(scripted.asked) == 1


def test_a_service_that_stays_away_ends_a_watch_with_its_cursor(connect: Connect) -> None:
    scripted = Scripted([message("c0"), message("c1", 1), GONE], *([[GONE]] * 50))
    with (
        serving(scripted) as target,
        connect(target, timeout=0.5) as client,
        client.watch("a") as watch,
    ):
        assert versions(watch, 1) == [1]
        with pytest.raises(errors.UnavailableError):
            next(watch)
        assert isinstance(watch.last_error, errors.UnavailableError)
        assert watch.cursor == "c1"


def test_a_service_that_never_begins_is_given_up(connect: Connect) -> None:
    scripted = Scripted([SILENCE])
    with (
        serving(scripted) as target,
        connect(target, timeout=0.5) as client,
        client.watch("a") as watch,
        pytest.raises(errors.UnavailableError, match="in time"),
    ):
        next(watch)


def test_a_refusal_ends_a_watch(connect: Connect, address: str) -> None:
    with connect(address) as client:
        with pytest.raises(errors.NotFoundError), client.watch("nowhere") as watch:
            next(watch)
        client.open_negotiation("Talks", negotiation_id="talks")
        for wrong in ("x", "x~y", "~1~2", "x~" + "9" * 5_000, "é"):
            with (
                pytest.raises(errors.InvalidArgumentError),
                client.watch("talks", cursor=wrong) as watch,
            ):
                next(watch)


def test_whoever_leaves_a_watch_ends_its_call(connect: Connect) -> None:
    scripted = Scripted([message("c0"), message("c1", 1), SILENCE])
    with serving(scripted) as target, connect(target) as client:
        with client.watch("a") as watch:
            assert versions(watch, 1) == [1]
        assert scripted.left.acquire(timeout=10)


async def test_a_task_that_is_cancelled_ends_its_watch() -> None:
    scripted = Scripted([message("c0"), message("c1", 1), SILENCE])
    with serving(scripted) as target:
        async with aio.Client(target) as client:

            async def watch() -> None:
                async for _ in client.watch("a"):
                    pass

            task = asyncio.create_task(watch())
            await asyncio.sleep(0.5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(scripted.left.acquire, timeout=10)


@pytest.mark.parametrize("stream", ["watch", "replay"])
async def test_a_client_that_is_closed_ends_what_it_reads(stream: str) -> None:
    scripted = Scripted([message("c0"), message("c1", 1), SILENCE])
    with serving(scripted) as target:
        client = aio.Client(target)

        async def read() -> None:
            async for _ in getattr(client, stream)("a"):
                pass

        task = asyncio.create_task(read())
        await asyncio.sleep(0.5)
        await client.close()
        with pytest.raises(errors.CallCancelledError, match="closed"):
            await task


def test_a_connection_that_grows_old_breaks_no_watch(connect: Connect) -> None:
    script = [[message("c0"), message(f"c{n}", n), SILENCE] for n in range(1, 5)]
    old = (("grpc.max_connection_age_ms", 300), ("grpc.max_connection_age_grace_ms", 100))
    with (
        serving(Scripted(*script), *old) as target,
        connect(target, timeout=5.0) as client,
        client.watch("a") as watch,
    ):
        assert versions(watch, 4) == [1, 2, 3, 4]


def test_a_watch_outlives_the_service(connect: Connect, tmp_path: Path) -> None:
    address = "127.0.0.1:0"
    with contextlib.ExitStack() as stack:
        watches: list[Any] = []
        for version in (2, 3, 4):
            with living(tmp_path, address) as address, Client(address) as other:
                if not watches:
                    client = stack.enter_context(connect(address, timeout=20.0))
                    other.open_negotiation("Talks", participant("a", "A"), negotiation_id="talks")
                    watches = [stack.enter_context(client.watch(name)) for name in ("talks", "-")]
                    assert [versions(watch, 1) for watch in watches] == [[1], [1]]
                else:
                    other.record("talks", statement("Still here.", by="a"))
                assert [versions(watch, 1) for watch in watches] == [[version], [version]]


@contextlib.contextmanager
def living(data: Path, address: str) -> Iterator[str]:
    """A service in a process of its own that is killed at the end: its address."""
    process = subprocess.Popen(
        command("serve", "--data", str(data), "--address", address),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[3].rstrip(",")
        finally:
            process.kill()


def test_the_command_prints_entries_as_they_come_and_leaves_cleanly(address: str) -> None:
    with Client(address) as client:
        client.open_negotiation("Talks", participant("acme", "Acme"), negotiation_id="talks")
        with watching(address, "watch", "talks") as process:
            lines = [process.stdout.readline() for _ in range(3)]
            client.record("talks", statement("We agree.", by="acme"))
            lines.append(process.stdout.readline())
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)

    assert process.returncode == 0
    assert lines[0].startswith("#")
    assert [line.split()[0] for line in lines[1:]] == ["#1", "#2", "#3"]
    assert "Acme: “We agree.”" in lines[3]
    assert "Go on from here with --cursor " in err
    cursor = err.split()[-1]
    with Client(address) as client:
        client.record("talks", statement("So do we.", by="acme"))
    with watching(address, "watch", "talks", "--cursor", cursor, "--json") as process:
        entry = json.loads(process.stdout.readline())
    assert entry["header"]["version"] == "4"


def test_the_command_watches_all_and_says_whose_each_entry_is(address: str) -> None:
    with Client(address) as client:
        client.open_negotiation("One", negotiation_id="one")
        with watching(address, "watch") as process:
            lines = [process.stdout.readline() for _ in range(2)]
            client.open_negotiation("Two", negotiation_id="two")
            lines.append(process.stdout.readline())

    assert lines[0].startswith("NEGOTIATION")
    assert [line.split()[:2] for line in lines[1:]] == [["one", "#1"], ["two", "#1"]]


def test_the_command_calls_by_name_who_comes_while_it_watches(address: str) -> None:
    with Client(address) as client:
        client.open_negotiation("Talks", negotiation_id="talks")
        with watching(address, "watch", "talks", "--after", "1") as process:
            client.record("talks", participant("acme", "Acme Limited"))
            client.record("talks", statement("We agree.", by="acme"))
            lines = [process.stdout.readline() for _ in range(3)]

    assert "Acme Limited: “We agree.”" in lines[2]


def test_the_command_says_when_nothing_is_heard_and_when_it_is_again(tmp_path: Path) -> None:
    with living(tmp_path, "127.0.0.1:0") as address, Client(address) as client:
        client.open_negotiation("Talks", participant("a", "Anna"), negotiation_id="talks")
        watch = watching(address, "--timeout", "60", "watch", "talks")
        process = watch.__enter__()
        before = [process.stdout.readline() for _ in range(3)]
    try:
        away = process.stderr.readline()
        with living(tmp_path, address), Client(address) as client:
            client.record("talks", statement("Here again.", by="a"))
            after = process.stdout.readline()
            again = process.stderr.readline()
    finally:
        watch.__exit__(None, None, None)

    assert "Anna" in before[2]
    assert away.endswith("; it is asked again by itself.\n")
    assert "Anna: “Here again.”" in after
    assert again == "The service is heard again.\n"


@contextlib.contextmanager
def watching(address: str, *arguments: str) -> Iterator[Any]:
    process = subprocess.Popen(
        [*COMMAND, "--server", address, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_a_cursor_that_is_none_is_told_in_a_sentence(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Client(address) as client:
        client.open_negotiation("Talks", negotiation_id="talks")

    assert run(["--server", address, "watch", "talks", "--cursor", "x~y"]) == 1
    assert "reason CURSOR_INVALID" in capsys.readouterr().err
