"""A commit that hangs or fails: until it is made, nobody is shown anything of it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from pourparler import v1 as pb
from pourparler.transparency.checkpoint import parse_checkpoint, parse_note
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from tests.support.commit_control import Commits
from tests.support.sample_entries import joined, opened, said
from tests.support.service_client import Service, answered_with, connected, refused
from tests.support.store_audit import audit
from tests.support.stores import open_store

SECONDS = 20
LOOKS = 10
KNOWN, OTHER, NEW = "known", "other", "new"


class Follower:
    """Who follows a negotiation, or all, and what has come of it."""

    def __init__(self, service: Service, id_: str) -> None:
        self.entries: list[tuple[str, int]] = []
        self._changed = threading.Condition()
        self._call = service.audits.ReplayEntries(
            pb.ReplayEntriesRequest(name=f"negotiations/{id_}", follow=True), timeout=3 * SECONDS
        )
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            for message in self._call:
                with self._changed:
                    for one in message.entries:
                        self.entries.append((one.header.negotiation, one.header.version))
                    self._changed.notify_all()
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.CANCELLED  # noqa: PT017 - on its own thread

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.entries) >= count, SECONDS)

    def leave(self) -> None:
        self._call.cancel()
        self._thread.join(SECONDS)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Commits:
    return Commits(monkeypatch)


@pytest.fixture
def service(commits: Commits, tmp_path: Path) -> Iterator[Service]:
    settings = Settings(
        data=tmp_path, address="127.0.0.1:0", health_check_seconds=0.2, heartbeat_seconds=0.2
    )
    with running(settings) as address, connected(address) as stubs:
        for id_ in (KNOWN, OTHER):
            stubs.record(id_, opened(), joined("a"), joined("b"))
        yield stubs
        commits.go_on()
    store = open_store(tmp_path, {})
    for id_ in (KNOWN, OTHER, NEW):
        audit(store, id_)
    store.close()


def versions_shown(service: Service, id_: str) -> set[int]:
    """The last version of a negotiation, as each way to ask for it gives it."""
    name = f"negotiations/{id_}"
    whole, reverse, everything = (
        [
            entry.header.version
            for part in parts
            for entry in part.entries
            if entry.header.negotiation == id_
        ]
        for parts in (service.replay(id_), service.replay(id_, reverse=True), service.replay("-"))
    )
    assert whole == everything == reverse[::-1] == list(range(1, len(whole) + 1))
    page = service.negotiations.ListNegotiations(pb.ListNegotiationsRequest(), timeout=10)
    standing = service.negotiations.GetStatusReport(
        pb.GetStatusReportRequest(name=name), timeout=10
    )
    diff = service.negotiations.DiffNegotiation(pb.DiffNegotiationRequest(name=name), timeout=10)
    signed = service.audits.GetCheckpoint(pb.GetCheckpointRequest(name=name), timeout=10)
    inclusion = pb.GetInclusionProofRequest(name=name, version=1)
    consistency = pb.GetConsistencyProofRequest(name=name, from_version=1)
    checkpoints = [
        signed.checkpoint,
        service.audits.GetInclusionProof(inclusion, timeout=10).checkpoint,
        service.audits.GetConsistencyProof(consistency, timeout=10).checkpoint,
    ]
    return {
        len(whole),
        service.state(id_).computed_at.version,
        standing.computed_at.version,
        diff.end_computed_at.version,
        *(one.version for one in page.negotiations if one.name == name),
        *(parse_checkpoint(parse_note(one).text).size for one in checkpoints),
    }


def reasons_beyond(service: Service, id_: str, version: int) -> set[str]:
    """Why a version is not shown, as each way to ask for it says."""
    name = f"negotiations/{id_}"
    as_of = pb.AsOf(version=version)
    asking: list[Callable[[], object]] = [
        lambda: service.state(id_, as_of),
        lambda: service.replay(id_, as_of=as_of),
        lambda: service.audits.GetCheckpoint(
            pb.GetCheckpointRequest(name=name, version=version), timeout=10
        ),
        lambda: service.audits.GetInclusionProof(
            pb.GetInclusionProofRequest(name=name, version=version), timeout=10
        ),
        lambda: service.audits.GetConsistencyProof(
            pb.GetConsistencyProofRequest(name=name, from_version=1, to_version=version), timeout=10
        ),
    ]
    return {refused(ask).reason for ask in asking}


def listed(service: Service) -> set[str]:
    page = service.negotiations.ListNegotiations(pb.ListNegotiationsRequest(), timeout=10)
    return {one.name.removeprefix("negotiations/") for one in page.negotiations}


def nothing_more_is_shown(service: Service) -> None:
    for id_ in (KNOWN, OTHER):
        assert versions_shown(service, id_) == {3}
        assert reasons_beyond(service, id_, 4) == {"VERSION_NOT_FOUND"}
    assert reasons_beyond(service, NEW, 1) == {"NEGOTIATION_NOT_FOUND"}
    assert listed(service) == {KNOWN, OTHER}


def recording() -> list[pb.RecordEntriesRequest]:
    """A batch of groups that are committed together."""
    groups = [(KNOWN, said("s-1", "a")), (NEW, opened()), (KNOWN, said("s-2", "a"))]
    return [
        pb.RecordEntriesRequest(
            negotiation=f"negotiations/{id_}",
            request_id=f"r-{number}",
            drafts=[draft, *([joined("a"), joined("b")] if id_ == NEW else [])],
        )
        for number, (id_, draft) in enumerate(groups)
    ]


ENDS = {
    "it is made": {},
    "it fails": {"before": "disk I/O error"},
    "it is made and fails": {"after": "disk I/O error"},
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_while_a_commit_hangs_all_is_answered_as_it_was_before(
    service: Service, commits: Commits, end: dict[str, str]
) -> None:
    followers = [Follower(service, KNOWN), Follower(service, "-")]
    followers[0].wait_for(3)
    followers[1].wait_for(6)
    batch = pb.BatchRecordEntriesRequest(requests=recording())
    first = pb.RecordEntriesRequest(
        negotiation=f"negotiations/{OTHER}", request_id="first", drafts=[said("s", "a")]
    )

    # The first is held alone; what comes meanwhile waits for the next commit.
    commits.hold()
    held = service.records.RecordEntries.future(first, timeout=3 * SECONDS)
    commits.wait()
    waiting = service.records.BatchRecordEntries.future(batch, timeout=3 * SECONDS)
    for _ in range(LOOKS):
        nothing_more_is_shown(service)
    with ThreadPoolExecutor(8) as several:
        list(several.map(nothing_more_is_shown, [service] * 8))
    assert not held.done()
    assert not waiting.done()
    assert [len(one.entries) for one in followers] == [3, 6]

    commits.go_on(**end)
    outcome = outcome_of(held)
    outcomes = waiting.result(timeout=SECONDS).outcomes

    recorded = "before" not in end
    assert outcome == (4 if recorded else "UNAVAILABLE")
    assert [one.receipt.version for one in outcomes] == [4, 3, 5]
    assert versions_shown(service, OTHER) == {4 if recorded else 3}
    assert service.records.RecordEntries(first, timeout=10).receipt.version == 4
    assert {id_: versions_shown(service, id_) for id_ in (KNOWN, OTHER, NEW)} == {
        KNOWN: {5},
        OTHER: {4},
        NEW: {3},
    }
    followers[0].wait_for(5)
    followers[1].wait_for(12)
    for follower in followers:
        follower.leave()
    assert followers[0].entries == [(KNOWN, version) for version in range(1, 6)]
    assert sorted(followers[1].entries) == sorted(
        (id_, version)
        for id_, last in ((KNOWN, 5), (OTHER, 4), (NEW, 3))
        for version in range(1, last + 1)
    )


def outcome_of(call: Any) -> object:
    """The version of the receipt, or the name of the status."""
    failed = call.exception(timeout=SECONDS)
    return failed.code().name if failed else call.result().receipt.version


def test_a_commit_of_many_that_fails_shows_none_of_them(service: Service, commits: Commits) -> None:
    follower = Follower(service, "-")
    follower.wait_for(6)
    batch = pb.BatchRecordEntriesRequest(requests=recording())

    commits.hold()
    failing = service.records.BatchRecordEntries.future(batch, timeout=3 * SECONDS)
    commits.wait()
    nothing_more_is_shown(service)
    commits.go_on(before="disk I/O error")
    # What was taken up with the first of them; the others may have come after.
    told = failing.result(timeout=SECONDS).outcomes[0].failure.status

    assert answered_with(told).reason == "STORE_UNAVAILABLE"
    again = service.records.BatchRecordEntries(batch, timeout=SECONDS).outcomes
    assert sorted(one.receipt.version for one in again) == [3, 4, 5]
    assert {id_: versions_shown(service, id_) for id_ in (KNOWN, OTHER, NEW)} == {
        KNOWN: {5},
        OTHER: {3},
        NEW: {3},
    }
    follower.wait_for(11)
    follower.leave()
    assert len(set(follower.entries)) == len(follower.entries) == 11
