"""The service is killed while it records: what was acknowledged is there, proved by its log."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

from pourparler import v1 as pb
from pourparler.rpc.channel import PROOF_METHODS
from pourparler.transparency.trust import Trust
from pourparler_service.transparency.signing_keys import read_key
from tests.support.load_generator import (
    GROUP,
    RECORD,
    audit_folder,
    every_receipt_is_given_again,
    opening,
    under_load,
)
from tests.support.sample_entries import said
from tests.support.service_client import Service, answered_by, connected
from tests.support.service_process import apart, serving

KILLS = int(os.environ.get("KILLS", "10"))
"""How many deaths the record goes through; `make kills` makes it a hundred."""
SEED = int(os.environ.get("SEED", "5"))
MOST_SECONDS = 0.15
TALKS = 6
KILLS_OF_TALKS = 10  # then others are opened, so that the last deaths take no longer than the first
BATCH = 8
UNDER_WAY = 32

Request = tuple[str, str]
"""A group that was asked for: its negotiation, and its request id."""


def request(negotiation: str, request_id: str) -> pb.RecordEntriesRequest:
    """Three statements, the same whenever it is made."""
    drafts = [said(f"{request_id}-{place}", "a") for place in range(GROUP)]
    return pb.RecordEntriesRequest(
        negotiation=f"negotiations/{negotiation}", request_id=request_id, drafts=drafts
    )


class Callers:
    """Three who record group by group, one in a session, one in batches, and one who follows.

    All until the service dies. Each list belongs to one of them until they have ended.
    """

    def __init__(self, address: str, talks: Sequence[str], turn: int, cursor: str) -> None:
        self._address = address
        self._talks = talks
        self._turn = turn
        self.asked: list[list[pb.RecordEntriesRequest]] = []
        self.answered: list[list[pb.Receipt]] = []
        self.followed: list[pb.Entry] = []
        self.cursor = cursor
        self.ends: list[tuple[str, str]] = []
        calling: list[Callable[..., None]] = [
            *[self._singly] * 3,
            self._in_session,
            self._in_batches,
        ]
        self._threads = [threading.Thread(target=self._call, args=(self._follow,))]
        for caller, call in enumerate(calling):
            asked: list[pb.RecordEntriesRequest] = []
            answered: list[pb.Receipt] = []
            self.asked.append(asked)
            self.answered.append(answered)
            more = self._more(caller, asked)
            self._threads.append(threading.Thread(target=self._call, args=(call, more, answered)))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(timeout=30)
        assert not any(thread.is_alive() for thread in self._threads)

    def _more(
        self, caller: int, asked: list[pb.RecordEntriesRequest]
    ) -> Iterator[pb.RecordEntriesRequest]:
        """Groups without end, in all the talks in turn; every caller begins with another."""
        number = 0
        while True:
            negotiation = self._talks[(caller + number) % len(self._talks)]
            asked.append(request(negotiation, f"r{self._turn}-{caller}-{number}"))
            yield asked[-1]
            number += 1

    def _call(self, call: Callable[..., None], *given: object) -> None:
        try:
            with connected(self._address) as service:
                call(service, *given)
        except grpc.RpcError as error:
            self.ends.append((answered_by(error).code.name, call.__name__))

    def _singly(
        self, service: Service, more: Iterator[pb.RecordEntriesRequest], answered: list[pb.Receipt]
    ) -> None:
        # What came before the error is taken, too.
        answered.extend(service.records.RecordEntries(one, timeout=20).receipt for one in more)

    def _in_session(
        self, service: Service, more: Iterator[pb.RecordEntriesRequest], answered: list[pb.Receipt]
    ) -> None:
        room = threading.Semaphore(UNDER_WAY)
        left = threading.Event()

        def groups() -> Iterator[pb.StreamRecordEntriesRequest]:
            while not left.is_set():
                if room.acquire(timeout=0.1):
                    yield pb.StreamRecordEntriesRequest(request=next(more))

        try:
            for response in service.records.StreamRecordEntries(groups(), timeout=20):
                assert response.outcome.HasField("receipt"), response
                answered.append(response.outcome.receipt)
                room.release()
        finally:
            left.set()

    def _in_batches(
        self, service: Service, more: Iterator[pb.RecordEntriesRequest], answered: list[pb.Receipt]
    ) -> None:
        while True:
            batch = pb.BatchRecordEntriesRequest(requests=[next(more) for _ in range(BATCH)])
            outcomes = service.records.BatchRecordEntries(batch, timeout=20).outcomes
            answered.extend(one.receipt for one in outcomes)

    def _follow(self, service: Service) -> None:
        follow = pb.ReplayEntriesRequest(name="negotiations/-", follow=True, cursor=self.cursor)
        for message in service.audits.ReplayEntries(follow, timeout=20):
            self.followed += message.entries
            self.cursor = message.cursor


class Book:
    """What those who called know of the record, and what follows from it for the record."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self.talks: list[str] = []
        self.versions: dict[str, int] = {}
        self.acknowledged = self.unanswered = self.already_there = 0
        self.cursor = ""
        self._followed: dict[str, int] = {}

    def open(self, service: Service, turn: int) -> None:
        self.talks = [f"talks-{turn}-{one}" for one in range(TALKS)]
        for id_ in self.talks:
            service.raw(RECORD, opening(id_))
            self.versions[id_] = GROUP

    def check(self, service: Service, callers: Callers) -> None:
        """Every acknowledged group is proved, every other one settled, and none is there twice."""
        assert {code for code, _ in callers.ends} == {"UNAVAILABLE"}, callers.ends
        asked: dict[str, pb.RecordEntriesRequest] = {}
        for requests, receipts in zip(callers.asked, callers.answered, strict=True):
            asked |= {one.request_id: one for one in requests}
            for one, receipt in zip(requests, receipts, strict=False):
                again = self._proved(service, one)
                assert again == receipt
            self.acknowledged += len(receipts)
        answered = sum(map(len, callers.answered))
        before = sum(service.state(id_).computed_at.version for id_ in self.talks)
        for requests, receipts in zip(callers.asked, callers.answered, strict=True):
            for one in requests[len(receipts) :]:
                assert self._proved(service, one) == self._proved(service, one)
        after = sum(service.state(id_).computed_at.version for id_ in self.talks)
        self.unanswered += len(asked) - answered
        self.already_there += len(asked) - answered - (after - before) // GROUP
        self._check_record(service, asked)
        self._check_followed(service, callers)

    def _proved(self, service: Service, asked: pb.RecordEntriesRequest) -> pb.Receipt:
        """The receipt of a group, which is in the log that grew from all that was seen of it."""
        response = service.raw(RECORD, asked.SerializeToString())
        check = self._trust.check_receipt(asked, response)
        answer: Any = None
        while True:
            try:
                wanted = check.send(answer)
            except StopIteration as done:
                receipt: pb.Receipt = done.value
                return receipt
            answer = getattr(service.audits, PROOF_METHODS[type(wanted)])(wanted, timeout=10)

    def _check_record(self, service: Service, asked: dict[str, pb.RecordEntriesRequest]) -> None:
        """What came since the last check is what was asked for: whole groups, each once."""
        there: list[str] = []
        for id_ in self.talks:
            known = self.versions[id_]
            parts = service.replay(id_, after_version=known)
            entries = [entry for part in parts for entry in part.entries]
            last = known + len(entries)
            assert [one.header.version for one in entries] == list(range(known + 1, last + 1))
            ids = [one.facts.request_id for one in entries]
            assert ids == [one for one in ids[::GROUP] for _ in range(GROUP)]
            assert {asked[one].negotiation for one in ids} <= {f"negotiations/{id_}"}
            there += ids[::GROUP]
            self.versions[id_] = last
        assert sorted(there) == sorted(asked)

    def _check_followed(self, service: Service, callers: Callers) -> None:
        """Who follows and goes on from the cursor has had each entry once, in its order."""
        self._take(callers.followed)
        self.cursor = callers.cursor
        follow = pb.ReplayEntriesRequest(name="negotiations/-", follow=True, cursor=self.cursor)
        messages = service.audits.ReplayEntries(follow, timeout=20)
        while self._followed != self.versions:
            message = next(messages)
            self._take(message.entries)
            self.cursor = message.cursor
        messages.cancel()

    def _take(self, entries: Sequence[pb.Entry]) -> None:
        for entry in entries:
            id_ = entry.header.negotiation
            assert entry.header.version == self._followed.get(id_, 0) + 1
            self._followed[id_] = entry.header.version


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_what_was_acknowledged_survives_every_kill(tmp_path: Path) -> None:
    print(f"seed {SEED}")  # noqa: T201 - which pytest shows when the test fails
    chance = random.Random(SEED)  # noqa: S311 - the moments of a test
    with serving(tmp_path) as (process, _):
        assert process.stop() == 0
    book = Book(Trust([read_key(tmp_path / "signing.key").verifier_key]))
    callers: Callers | None = None
    for turn in range(KILLS + 1):
        with apart(tmp_path, measured=False) as process, connected(process.address) as service:
            if callers:
                book.check(service, callers)
            if turn % KILLS_OF_TALKS == 0:
                book.open(service, turn)
            if turn < KILLS:
                callers = Callers(process.address, book.talks, turn, book.cursor)
                callers.start()
                time.sleep(chance.uniform(0, MOST_SECONDS))
                process.kill()
                callers.join()

    assert audit_folder(tmp_path, list(book.versions)) == sum(book.versions.values())
    print(  # noqa: T201 - as above
        f"{KILLS} kills: {book.acknowledged} groups acknowledged, {book.unanswered} not answered,"
        f" of which {book.already_there} were on the record"
    )
    assert book.acknowledged > KILLS
    assert book.already_there > 0


def test_a_service_that_is_told_to_stop_answers_every_call(tmp_path: Path) -> None:
    ids = [f"caller-{caller}" for caller in range(8)]
    with apart(tmp_path) as process, under_load(process.address, ids) as load:
        time.sleep(1)
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(timeout=30) == 0

    assert load.receipts
    # After the end nobody is there to give details; until then everybody is told.
    assert {code for code, _ in load.refusals} <= {"UNAVAILABLE"}
    assert {reason for _, reason in load.refusals} <= {"SHUTTING_DOWN", ""}
    assert audit_folder(tmp_path, ids) == 3 * len(load.receipts)
    with serving(tmp_path) as (_, service):
        every_receipt_is_given_again(service, load)
