"""More callers than can be served: who finds no room is told so at once, and nobody starves."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pourparler import v1 as pb
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from pourparler_service.writes.write_queue import BATCH_ENTRIES, SHARE, WAITING
from tests.support.commit_control import Commits
from tests.support.sample_entries import joined, opened, said
from tests.support.service_client import Service, answered_by, connected, refused
from tests.support.service_process import serving

SECONDS = 60
ALONE = [("grpc.use_local_subchannel_pool", 1)]
"""A connection of its own, as each caller has who is told apart."""
CALLS = 128
"""How many calls are under way on one connection."""
DRAFTS = 4


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Commits:
    return Commits(monkeypatch)


def spoken(name: str, drafts: int = 1) -> pb.RecordEntriesRequest:
    return pb.RecordEntriesRequest(
        negotiation="negotiations/talks",
        request_id=name,
        drafts=[said(f"{name}-{one}", "a") for one in range(drafts)],
    )


def stalled(stack: ExitStack, commits: Commits, folder: Path) -> tuple[Service, Any]:
    """A service whose commit hangs, and the call that waits for it."""
    settings = Settings(data=folder, address="127.0.0.1:0", max_calls=2 * WAITING)
    service = stack.enter_context(connected(stack.enter_context(running(settings)), ALONE))
    stack.callback(commits.go_on)
    service.record("talks", opened(), joined("a"))
    commits.hold()
    held = service.records.RecordEntries.future(spoken("held"), timeout=SECONDS)
    commits.wait()
    return service, held


def resident(process: object = "self") -> int:
    """The memory that a process holds, in bytes."""
    statm = Path(f"/proc/{process}/statm")
    if not statm.exists():
        pytest.skip("there is no /proc to ask")
    return int(statm.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def settled(number: Callable[[], int]) -> int:
    """A number, once it does not grow any more."""
    last = -1
    while last < (now := number()):
        last = now
        time.sleep(0.5)
    return now


@pytest.mark.slow
def test_beyond_the_line_everybody_is_told_at_once_and_the_line_is_served(
    commits: Commits, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        service, held = stalled(stack, commits, tmp_path)
        callers = [
            stack.enter_context(connected(service.address, ALONE))
            for _ in range(WAITING // CALLS + 1)
        ]
        calls = []
        for number, caller in enumerate(callers):
            calls += [
                caller.records.RecordEntries.future(spoken(f"c{number}-{one}"), timeout=SECONDS)
                for one in range(CALLS)
            ]
            # Not in one burst, of which gRPC itself would cut off a part. Reads are answered still.
            assert service.state("talks").computed_at.version == 2
        told = [one for one in calls if not one.done()]
        while len(told) > WAITING:
            time.sleep(0.05)
            told = [one for one in calls if not one.done()]
        beyond = [one for one in calls if one.done()]
        refusals = [answered_by(one.exception()) for one in beyond]
        before = resident()
        more = spoken("more")
        refusals += [
            refused(lambda: service.records.RecordEntries(more, timeout=5)) for _ in range(1_000)
        ]
        grown = resident() - before
        read = service.state("talks").computed_at.version
        waiting = sum(not one.done() for one in calls)

        commits.go_on()
        receipts = [one.result(timeout=SECONDS).receipt for one in [held, *told]]
        last = service.state("talks").computed_at.version

    assert waiting == WAITING
    assert len(beyond) == CALLS
    assert {(one.code.name, one.reason) for one in refusals} == {
        ("RESOURCE_EXHAUSTED", "OVERLOADED")
    }
    assert all(one.retry_seconds for one in refusals)
    assert grown < 32 << 20
    assert read == 2
    assert sorted(one.version for one in receipts) == list(range(3, WAITING + 4))
    assert last == WAITING + 3


def test_who_fills_the_line_does_not_keep_a_single_append_from_the_next_batch(
    commits: Commits, tmp_path: Path
) -> None:
    greedy, sessions, groups = 6, 8, 64
    asked: list[int] = []

    def pour(caller: int, session: int) -> Iterator[pb.StreamRecordEntriesRequest]:
        for number in range(groups):
            asked.append(number)
            request = spoken(f"g{caller}-{session}-{number}", DRAFTS)
            yield pb.StreamRecordEntriesRequest(request=request)

    with ExitStack() as stack:
        service, held = stalled(stack, commits, tmp_path)
        callers = [stack.enter_context(connected(service.address, ALONE)) for _ in range(greedy)]
        streams = [
            caller.records.StreamRecordEntries(pour(number, session), timeout=SECONDS)
            for number, caller in enumerate(callers)
            for session in range(sessions)
        ]
        waiting = settled(lambda: len(asked))
        other = stack.enter_context(connected(service.address, ALONE))
        single = other.records.RecordEntries.future(spoken("single"), timeout=SECONDS)
        # It is in the line: what comes after it on the same connection was answered.
        assert other.state("talks").computed_at.version == 2

        commits.go_on()
        first = held.result(timeout=SECONDS).receipt.version
        version = single.result(timeout=SECONDS).receipt.version
        outcomes = [one.outcome for stream in streams for one in stream]
        last = service.state("talks").computed_at.version

    assert waiting >= SHARE
    assert first == 3
    # One group of each of the others comes before it, though hundreds waited.
    assert version <= first + greedy * DRAFTS + 1 < BATCH_ENTRIES < waiting * DRAFTS
    assert all(one.HasField("receipt") for one in outcomes)
    assert last == 4 + greedy * sessions * groups * DRAFTS


@pytest.mark.slow
def test_those_who_read_slowly_cost_little_and_hold_up_nobody(tmp_path: Path) -> None:
    slow, parts, long = 40, 60, "x" * 50_000
    with serving(tmp_path) as (process, service), ExitStack() as stack:
        follow = pb.ReplayEntriesRequest(name="negotiations/slow", follow=True)
        service.record("slow", opened(), joined("a"))
        for part in range(parts):
            drafts = [said(f"s{part}-{one}", "a") for one in range(10)]
            for one in drafts:
                one.words.text = long
            service.record("slow", *drafts)
        everything = 10 * parts * len(long)
        whole = sum(len(message.entries) for message in service.replay("slow"))
        before = settled(lambda: resident(process.process.pid))

        calls = []
        for _ in range(slow):
            reader = stack.enter_context(connected(service.address, ALONE))
            calls.append(reader.audits.ReplayEntries(follow, timeout=SECONDS))
        for call in calls:
            next(call)
        after = settled(lambda: resident(process.process.pid))
        last = service.record("slow", said("last", "a")).version
        read = [entry for message in iterate(calls[0], whole + 1) for entry in message.entries]
        for call in calls:
            call.cancel()

    assert whole == 2 + 10 * parts
    assert last == whole + 1
    assert [one.header.version for one in read] == list(range(1, last + 1))
    assert after - before < slow * everything // 10


def iterate(call: Any, entries: int) -> Iterator[pb.ReplayEntriesResponse]:
    """The messages of a follow until so many entries have come."""
    while entries > 0:
        message = next(call)
        entries -= len(message.entries)
        yield message
