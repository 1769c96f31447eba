"""A replay that follows: what is live is what is replayed, and a cursor leads on from anywhere."""

import base64
import contextlib
import dataclasses
import itertools
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

from pourparler import v1 as pb
from pourparler.transparency.checkpoint import parse_checkpoint, parse_note
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from tests.support.sample_entries import draft, joined, opened, said
from tests.support.service_client import Service, answered_by, connected, refused
from tests.support.service_process import apart

REPLAY = "/pourparler.v1.AuditService/ReplayEntries"
SECONDS = 30
ALL = "negotiations/-"


class Follower:
    """One who follows, and what came of it."""

    def __init__(self, service: Service, **asked: Any) -> None:
        call: Any = service.channel
        asked.setdefault("follow", True)
        request = pb.ReplayEntriesRequest(**asked).SerializeToString()
        self.call = call.unary_stream(REPLAY)(request, timeout=SECONDS)
        self.raw: list[bytes] = []
        self.cursor = ""

    def next(self) -> pb.ReplayEntriesResponse:
        data = next(self.call)
        self.raw.append(data)
        message = pb.ReplayEntriesResponse.FromString(data)
        self.cursor = message.cursor
        return message

    def until(self, entries: int) -> list[pb.Entry]:
        """So many entries, or more, if the last message has them."""
        found: list[pb.Entry] = []
        while len(found) < entries:
            found.extend(self.next().entries)
        return found

    def to_the_end(self) -> None:
        while True:
            self.next()

    def caught_up(self) -> pb.ReplayCaughtUp:
        """The next word that all was sent; no entries come before it."""
        message = self.next()
        while not message.HasField("caught_up"):
            assert not message.entries
            message = self.next()
        return message.caught_up

    def records(self) -> list[bytes]:
        """The stored bytes of all that came."""
        return [
            one.SerializeToString()
            for data in self.raw
            for one in pb.Records.FromString(data).records
        ]


@contextlib.contextmanager
def following(service: Service, id_: str = "", **asked: Any) -> Iterator[Follower]:
    follower = Follower(service, name=f"negotiations/{id_ or '-'}", **asked)
    try:
        yield follower
    finally:
        follower.call.cancel()


@pytest.fixture(name="alone")
def _alone() -> Iterator[Service]:
    """A service of the test's own, which says every half second that nothing is new."""
    settings = dataclasses.replace(Settings.in_memory(), heartbeat_seconds=0.5)
    with running(settings) as address, connected(address) as service:
        yield service


def place(entries: Sequence[pb.Entry]) -> list[tuple[str, int]]:
    return [(entry.header.negotiation, entry.header.version) for entry in entries]


def versions(entries: Sequence[pb.Entry]) -> list[int]:
    return [entry.header.version for entry in entries]


def replayed(service: Service, name: str, **asked: Any) -> list[bytes]:
    """The stored bytes of a replay that ends."""
    request = pb.ReplayEntriesRequest(name=name, **asked).SerializeToString()
    parts = service.raw(REPLAY, request, stream=True)
    return [
        one.SerializeToString() for part in parts for one in pb.Records.FromString(part).records
    ]


def test_what_is_live_is_what_is_replayed(service: Service) -> None:
    service.record("live", opened(), joined("a"))
    with following(service, "live") as early:
        early.until(2)
        for number in range(20):
            service.record("live", said(f"s{number}", "a"))
        early.until(20)

    with following(service, "live") as late:
        late.until(22)

    assert early.records() == late.records() == replayed(service, "negotiations/live")


def test_first_comes_a_cursor_then_what_there_is_then_that_it_was_all(service: Service) -> None:
    service.record("first", opened(), joined("a"))

    with following(service, "first") as follower:
        start, entries, end = follower.next(), follower.next(), follower.next()

    assert start == pb.ReplayEntriesResponse(cursor=start.cursor)
    assert versions(entries.entries) == [1, 2]
    assert end.caught_up.version == 2
    assert end.caught_up.time.seconds >= entries.entries[1].header.record_time.seconds
    assert len({start.cursor, entries.cursor, end.cursor}) == 3


def test_who_has_caught_up_is_given_the_signed_checkpoint_of_that_version(service: Service) -> None:
    checkpoint = service.record("signed", opened(), joined("a")).checkpoint

    with following(service, "signed", after_version=2) as follower:
        said_so = follower.caught_up()

    assert parse_checkpoint(parse_note(said_so.checkpoint).text).size == 2
    assert said_so.checkpoint == checkpoint


def test_while_nothing_is_recorded_it_is_said_again_and_again(alone: Service) -> None:
    alone.record("idle", opened())
    with following(alone, "idle", after_version=1) as follower:
        times = [follower.caught_up().time.ToNanoseconds() for _ in range(3)]

    assert all(later - earlier >= 400_000_000 for earlier, later in itertools.pairwise(times))


def test_a_cursor_leads_on_from_every_message_with_nothing_lost_or_doubled(
    service: Service,
) -> None:
    service.record("onward", opened(), joined("a"), *(said(f"s{n}", "a") for n in range(598)))
    whole = replayed(service, "negotiations/onward")
    with following(service, "onward") as follower:
        cursors = [(follower.next().cursor, len(follower.records())) for _ in range(5)]

    assert [before for _, before in cursors] == [0, 256, 512, 600, 600]
    for cursor, before in cursors:
        assert whole[before:] == replayed(service, "negotiations/onward", cursor=cursor)
        with following(service, "onward", cursor=cursor) as again:
            again.until(600 - before)
            assert again.records() == whole[before:]


def test_the_cursor_of_a_replay_that_has_ended_can_be_followed(service: Service) -> None:
    service.record("ended", opened(), joined("a"))
    cursor = service.replay("ended")[-1].cursor
    cut = service.replay("ended", limit=1)[-1]

    service.record("ended", said("s", "a"))

    assert cut.complete.limited
    with following(service, "ended", cursor=cursor) as follower:
        assert versions(follower.until(1)) == [3]
    with following(service, "ended", cursor=cut.cursor) as follower:
        assert versions(follower.until(2)) == [2, 3]


def test_all_negotiations_come_in_the_order_in_which_they_were_recorded(alone: Service) -> None:
    alone.record("x", opened(), joined("a"))
    with following(alone) as follower:
        follower.until(2)
        alone.record("y", opened(), joined("b"))
        alone.record("x", said("s", "a"))
        alone.record("y", said("s", "b"))
        follower.until(4)

    entries = [pb.Entry.FromString(one) for one in follower.records()]
    order = [("x", 1), ("x", 2), ("y", 1), ("y", 2), ("x", 3), ("y", 3)]
    assert place(entries) == order
    parts = list(alone.audits.ReplayEntries(pb.ReplayEntriesRequest(name=ALL), timeout=SECONDS))
    assert place([entry for part in parts for entry in part.entries]) == order
    assert parts[-1].complete == pb.ReplayComplete(entry_count=6)
    for part in parts:
        rest = replayed(alone, ALL, cursor=part.cursor)
        assert rest == follower.records()[6 - len(rest) :]


def test_a_replay_over_all_can_be_cut_and_goes_on(alone: Service) -> None:
    assert alone.replay("-")[0].complete == pb.ReplayComplete()
    for id_ in ("x", "y", "z"):
        alone.record(id_, opened(), joined("a"))

    found: list[tuple[str, int]] = []
    cursor = ""
    for _ in range(3):
        parts = alone.replay("-", limit=2, cursor=cursor)
        found += place([entry for part in parts for entry in part.entries])
        cursor = parts[-1].cursor
        assert parts[-1].complete.limited == (len(found) < 6)

    assert found == [(id_, version) for id_ in ("x", "y", "z") for version in (1, 2)]


def test_who_has_caught_up_with_all_is_told_the_position(alone: Service) -> None:
    with following(alone) as follower:
        assert follower.caught_up().position == 0
        alone.record("x", opened(), joined("a"))
        follower.until(2)
        end = follower.caught_up()

    assert end.position >= 2
    assert (end.version, end.checkpoint) == (0, "")


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"entry_types": ["participant_joined"]}, [2, 3, 6]),
        ({"participant_ids": ["b"]}, [3, 5, 7]),
        ({"bases": [pb.BASIS_ANALYSIS]}, []),
        (
            {"entry_types": ["statement_recorded", "entry_corrected"], "participant_ids": ["b"]},
            [5, 7],
        ),
    ],
    ids=str,
)
def test_filters_are_kept_to_whether_replayed_or_live(
    service: Service, asked: dict[str, Any], sent: list[int], request: pytest.FixtureRequest
) -> None:
    id_ = f"filtered-{request.node.callspec.indices['asked']}"
    annulled = draft(
        pb.EntryCorrected(
            target_version=5, mode=pb.CORRECTION_MODE_ANNUL, kind=pb.CORRECTION_KIND_RECORDER
        )
    )
    service.record(id_, opened())
    with following(service, id_, **asked) as follower:
        follower.caught_up()
        service.record(id_, joined("a"), joined("b"), said("s-a", "a"))
        service.record(id_, said("s-b", "b"), joined("c"))
        service.record(id_, annulled)
        live = versions(follower.until(len(sent)))

    assert live == sent
    parts = service.replay(id_, **asked)
    assert versions([entry for part in parts for entry in part.entries]) == sent


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"follow": True, "as_of": pb.AsOf(version=1)}, "as_of"),
        ({"follow": True, "reverse": True}, "reverse"),
        ({"follow": True, "limit": 1}, "limit"),
        ({"follow": True, "topic_ids": ["t"]}, "topic_ids"),
        ({"name": ALL, "as_of": pb.AsOf(version=1)}, "as_of"),
        ({"name": ALL, "reverse": True}, "reverse"),
        ({"name": ALL, "after_version": 1}, "after_version"),
        ({"name": ALL, "topic_ids": ["t"]}, "topic_ids"),
        ({"cursor": "x", "after_version": 1}, "after_version"),
        ({"cursor": "x", "reverse": True}, "reverse"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_for_together_is_refused(
    service: Service, asked: dict[str, Any], field: str
) -> None:
    service.record("together", opened(), request_id="once")
    request = pb.ReplayEntriesRequest(**{"name": "negotiations/together", **asked})

    refusal = refused(lambda: list(service.audits.ReplayEntries(request, timeout=SECONDS)))

    assert (refusal.reason, refusal.field) == ("FIELD_NOT_ALLOWED", field)


def test_what_is_not_there_cannot_be_followed(service: Service) -> None:
    refusal = refused(lambda: service.replay("nowhere", follow=True))

    assert refusal.reason == "NEGOTIATION_NOT_FOUND"


def test_a_cursor_that_was_not_given_out_for_this_is_refused(service: Service) -> None:
    service.record("mine", opened(), joined("a"))
    service.record("other", opened(), joined("a"))
    cursor = service.replay("mine")[-1].cursor
    page_token = service.negotiations.ListNegotiations(
        pb.ListNegotiationsRequest(page_size=1), timeout=SECONDS
    ).next_page_token
    forged = bytearray(base64.urlsafe_b64decode(cursor))
    forged[8] -= 1
    wrong: list[dict[str, Any]] = [
        {"id_": "other", "cursor": cursor},
        {"id_": "-", "cursor": cursor},
        {"id_": "mine", "cursor": cursor, "entry_types": ["topic_added"]},
        {"id_": "mine", "cursor": base64.urlsafe_b64encode(forged).decode()},
        {"id_": "mine", "cursor": cursor[:-4]},
        {"id_": "mine", "cursor": cursor + "=="},
        {"id_": "mine", "cursor": page_token},
        {"id_": "mine", "cursor": "ä"},
    ]
    with running() as address, connected(address) as foreign:
        foreign.record("mine", opened(), joined("a"))
        wrong.append({"id_": "mine", "cursor": foreign.replay("mine")[-1].cursor})

    for asked in wrong:
        for follow in (False, True):
            refusal = refused(lambda: service.replay(**asked, follow=follow))  # noqa: B023 - called at once

            assert (refusal.code.name, refusal.reason, refusal.field) == (
                "INVALID_ARGUMENT",
                "CURSOR_INVALID",
                "cursor",
            )
    assert service.replay("mine", cursor=cursor)[-1].complete.entry_count == 0


def test_a_cursor_is_good_after_a_kill_and_a_restart(tmp_path: Path) -> None:
    with apart(tmp_path) as process, connected(process.address) as service:
        service.record("kept", opened(), joined("a"))
        service.record("other", opened())
        with following(service, "kept") as one, following(service) as everything:
            one.until(2)
            everything.until(3)
            service.record("kept", said("s1", "a"))
            one.until(1)
            process.kill()
            with pytest.raises(grpc.RpcError) as cut:
                one.next()
            assert answered_by(cut.value).code is grpc.StatusCode.UNAVAILABLE

    with apart(tmp_path) as process, connected(process.address) as service:
        service.record("kept", said("s2", "a"))
        with following(service, "kept", cursor=one.cursor) as again:
            assert versions(again.until(1)) == [4]
        with following(service, cursor=everything.cursor) as again:
            again.until(2)
            assert everything.records()[:3] + again.records() == replayed(service, ALL)
        assert one.records() == replayed(service, "negotiations/kept")[:3]


def test_a_cursor_beyond_a_record_that_was_put_back_is_refused(tmp_path: Path) -> None:
    with apart(tmp_path) as process, connected(process.address) as service:
        service.record("back", opened(), joined("a"))
        assert process.stop() == 0
    backup = shutil.copytree(tmp_path, tmp_path.with_name("backup"))
    with apart(tmp_path) as process, connected(process.address) as service:
        service.record("back", said("s", "a"))
        cursors = {id_: service.replay(id_)[-1].cursor for id_ in ("back", "-")}
        assert process.stop() == 0

    with apart(backup) as process, connected(process.address) as service:
        for id_, cursor in cursors.items():
            refusal = refused(lambda: service.replay(id_, cursor=cursor))  # noqa: B023 - called at once

            assert refusal.reason == "CURSOR_INVALID"


def test_fifty_who_follow_are_all_told(alone: Service) -> None:
    alone.record("many", opened(), joined("a"))
    with contextlib.ExitStack() as stack:
        stubs = stack.enter_context(connected(alone.address))
        followers = [stack.enter_context(following(stubs, "many")) for _ in range(25)]
        followers += [stack.enter_context(following(stubs)) for _ in range(25)]
        for follower in followers:
            follower.until(2)
        for number in range(10):
            alone.record("many", said(f"s{number}", "a"))
        for follower in followers:
            follower.until(10)

    whole = replayed(alone, "negotiations/many")
    assert all(follower.records() == whole for follower in followers)


def test_who_reads_slowly_holds_up_nobody_and_misses_nothing(alone: Service) -> None:
    alone.record("slow", opened(), joined("a"))
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(connected(alone.address))
        slow = stack.enter_context(following(other, "slow"))
        slow.until(2)
        fast = stack.enter_context(following(alone, "slow"))
        fast.until(2)
        # More than lies in the buffers between the two, and nobody takes it.
        took: list[float] = []
        for number in range(60):
            long = [said(f"s{number}-{part}", "a") for part in range(10)]
            for one in long:
                one.words.text = "x" * 50_000
            began = time.monotonic()
            alone.record("slow", *long)
            fast.until(10)
            took.append(time.monotonic() - began)
        assert sorted(took)[30] < 2
        slow.until(600)

    assert slow.records() == fast.records() == replayed(alone, "negotiations/slow")


def test_only_what_is_committed_is_seen_by_who_follows_while_many_record(alone: Service) -> None:
    alone.record("busy", opened(), joined("a"))

    def record(who: int) -> None:
        with connected(alone.address) as service:
            for number in range(20):
                service.record("busy", said(f"s{who}-{number}", "a"))

    with following(alone, "busy") as one, following(alone) as everything:
        callers = [threading.Thread(target=record, args=(who,)) for who in range(4)]
        for caller in callers:
            caller.start()
        seen = versions(one.until(82))
        everything.until(82)
        for caller in callers:
            caller.join(timeout=SECONDS)

    assert seen == list(range(1, 83))
    assert one.records() == everything.records() == replayed(alone, "negotiations/busy")


def test_a_service_that_stops_tells_who_follows_and_the_last_cursor_holds(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, address="127.0.0.1:0")
    with contextlib.ExitStack() as stack:
        with running(settings) as address:
            service = stack.enter_context(connected(address))
            service.record("stops", opened(), joined("a"))
            followers = [stack.enter_context(following(service, id_)) for id_ in ("stops", "")]
            for follower in followers:
                follower.until(2)
            began = time.monotonic()
        took = time.monotonic() - began
        ends = [refused(follower.to_the_end) for follower in followers]

    assert took < 5
    assert [end.reason for end in ends] == ["SHUTTING_DOWN"] * 2
    assert all(end.retry_seconds for end in ends)
    with running(settings) as address, connected(address) as service:
        service.record("stops", said("s", "a"))
        for follower, id_ in zip(followers, ("stops", ""), strict=True):
            with following(service, id_, cursor=follower.cursor) as again:
                assert versions(again.until(1)) == [3]


def test_the_place_of_who_left_is_free_again() -> None:
    settings = dataclasses.replace(Settings.in_memory(), max_streams=2, heartbeat_seconds=0.2)
    with running(settings) as address, connected(address) as service:
        service.record("left", opened())
        for _ in range(6):
            with following(service, "left") as one, following(service) as two:
                one.until(1)
                two.until(1)
                assert refused(lambda: service.replay("left")).reason == "OVERLOADED"
            time.sleep(0.3)
        assert service.replay("left")[-1].complete.entry_count == 1


def test_who_leaves_without_reading_is_no_fault(
    alone: Service, caplog: pytest.LogCaptureFixture
) -> None:
    long = [said(f"s{number}", "a") for number in range(10)]
    for one in long:
        one.words.text = "x" * 60_000
    alone.record("unread", opened(), joined("a"))
    for turn in range(20):
        for place, one in enumerate(long):
            one.facts.statement_recorded.statement_id = f"s{turn}-{place}"
        alone.record("unread", *long)

    for _ in range(5):
        with following(alone, "unread") as follower:
            follower.next()
            time.sleep(0.3)  # until it waits for who does not read

    time.sleep(0.3)
    assert [one for one in caplog.records if one.levelname == "ERROR"] == []
    assert alone.replay("unread", limit=1)[-1].complete.limited
