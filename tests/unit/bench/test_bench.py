import hashlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pourparler import Client
from pourparler import v1 as pb
from pourparler.schema.wire import length_delimited
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from tests.bench import publishing, talks, wire
from tests.bench.measure import Aim, Measured, Taken, Workload, measure, taken

NUMBER = 20


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running() as address:
        opened = wire.run(address, talks.RECORD, talks.openings("met", 2), seconds=60)
        assert opened.answered == 2
        yield address


def version(address: str, place: int) -> int:
    asked = pb.GetNegotiationRequest(name=f"negotiations/met-{place:04}")
    answer = wire.call(address, talks.STATE, asked.SerializeToString())
    return pb.GetNegotiationResponse.FromString(answer).negotiation.version


def test_what_is_measured_is_recorded(address: str) -> None:
    before = version(address, 0)
    some = itertools.islice(talks.statements("met"), NUMBER)

    run = wire.run(address, talks.RECORD, some, callers=3, seconds=60)

    assert (run.answered, run.refused, len(run.latencies)) == (NUMBER, 0, NUMBER)
    assert version(address, 0) == before + NUMBER


def test_a_request_longer_than_a_frame_and_a_window_comes_whole(address: str) -> None:
    before = version(address, 0)
    some = talks.statements("met", drafts=NUMBER * 20, first=1_000)

    wire.run(address, talks.RECORD, itertools.islice(some, 2), callers=2, seconds=60)

    assert version(address, 0) == before + 2 * NUMBER * 20


def test_a_session_is_pumped_until_all_is_answered(address: str) -> None:
    before = version(address, 1)
    some = itertools.islice(talks.appends("met-0001"), NUMBER)
    messages = (length_delimited(1, one) for one in some)

    run = wire.pump(address, talks.SESSION, messages, under_way=4, seconds=60)

    assert (run.answered, run.refused) == (NUMBER, 0)
    assert version(address, 1) == before + NUMBER


def test_a_refused_call_is_no_figure(address: str) -> None:
    run = wire.run(address, talks.STATE, iter([b"\xff"]), seconds=60)

    assert run.refused == 1
    with pytest.raises(RuntimeError, match="1 calls were refused"):
        run.by_rate()


def test_watchers_are_heard_out_to_the_last(address: str) -> None:
    asked = pb.ReplayEntriesRequest(name="negotiations/met-0000", follow=True).SerializeToString()
    with wire.Watchers(address, talks.REPLAY, asked, 120) as watchers:
        watchers.until(b"met-0000")
        body = next(talks.statements("met", first=5_000))
        with wire.sent(address, talks.RECORD, body) as began:
            assert watchers.until(b"s-00005000") > began


def test_a_filled_folder_is_served(tmp_path: Path) -> None:
    histories = {"one": 9, "another": 4}
    talks.fill(tmp_path, histories, in_turn=True)
    with running(Settings(data=tmp_path, address="127.0.0.1:0")) as filled, Client(filled) as c:
        entries = [(entry.header.negotiation, entry.header.version) for entry in c.replay("-")]

    assert entries[:4] == [("one", 1), ("another", 1), ("one", 2), ("another", 2)]
    assert {name: entries.count((name, length)) for name, length in histories.items()} == {
        "one": 1,
        "another": 1,
    }


def test_a_ratio_is_taken_within_a_round() -> None:
    rounds = {"one": iter([9.0, 2.0, 30.0, 8.0]), "other": iter([9.0, 1.0, 10.0, 2.0])}
    contenders = {name: lambda name=name: Taken(next(rounds[name])) for name in rounds}
    aims = [Aim("one", "other", at_least=3), Aim("one", None, at_most=7)]

    measured = measure(Workload("key", "name", "unit", contenders, "other", aims), 3)

    assert measured.values("one") == [2, 30, 8]  # the first round is not counted
    assert measured.ratio("one", "other") == 3  # of 2, 3 and 4
    assert [measured.reached(aim) for aim in aims] == [3, 8]
    assert [aim.is_met_by(measured.reached(aim)) for aim in aims] == [True, False]


def test_latencies_are_the_medians_of_the_rounds() -> None:
    run = taken(10, [number / 1_000 for number in range(1, 101)])
    workload = Workload("key", "name", "unit", {}, "one")

    assert run.median_ms == pytest.approx(50.5)
    assert run.p99_ms == pytest.approx(100)
    assert Measured(workload, {"one": [run, run._replace(median_ms=60.5)]}).latency(
        "one"
    ) == pytest.approx((55.5, 100))


def test_the_pages_say_what_the_report_says() -> None:
    written = publishing.PAGE.read_text(encoding="utf-8")
    found = publishing.texts(publishing.json_of(publishing.REPORT))

    assert set(found) == {publishing.SUMMARY, publishing.RESULTS}
    for place, text in found.items():
        published = publishing.with_measured(written, place, text)
        assert published == written, "run make bench BENCH=--publish"


def test_the_chart_is_drawn_from_the_report() -> None:
    digest = hashlib.sha256(publishing.REPORT.read_bytes()).hexdigest()
    for name in publishing.DRAWINGS:
        drawing = (publishing.DOCS / name).read_text(encoding="utf-8")

        assert re.findall(r"sha256:(\w+)", drawing) == [digest], "run make bench BENCH=--publish"
        assert f"../{name}" in publishing.PAGE.read_text(encoding="utf-8")
