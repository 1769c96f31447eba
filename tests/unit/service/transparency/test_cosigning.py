"""Those who wait for cosignatures are answered, whatever becomes of the record or the witnesses."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from pourparler import v1 as pb
from pourparler.transparency.checkpoint import parse_note
from pourparler_service.domain.refusal import refuse
from pourparler_service.storage.interface import StoredEntry, StoreUnavailableError
from pourparler_service.transparency.cosigning import Cosigner
from pourparler_service.transparency.witness_client import parse_witnesses
from tests.support.witness_cases import Say, cosign, fake, some_log


class FakeLog:
    """Logs of any name, all alike, that can be read or not, and what was asked of them."""

    def __init__(self) -> None:
        self.reads = True
        self.size = 3

    def checkpoint(self, id_: str, version: int | None) -> pb.GetCheckpointResponse:
        if not self.reads:
            refuse(pb.ERROR_REASON_STORE_UNAVAILABLE, "The store is away.")
        size = self.size if version is None else version
        signed = some_log(negotiation=id_).signed(size)
        return pb.GetCheckpointResponse(checkpoint=signed, computed_at=pb.ComputedAt(version=size))

    def consistency(self, id_: str, old: int, new: int) -> pb.GetConsistencyProofResponse:
        if not self.reads:
            refuse(pb.ERROR_REASON_STORE_UNAVAILABLE, "The store is away.")
        hashes = some_log(negotiation=id_).tree.prove_consistency(old, new)
        return pb.GetConsistencyProofResponse(hashes=hashes)


class FakeStore:
    """A store that has entries of these negotiations, and can be scanned or not."""

    def __init__(self, *negotiations: str) -> None:
        self.scans = True
        self.entries = [StoredEntry(id_, 1, "", b"") for id_ in negotiations]

    def position(self) -> int:
        return 0

    def scan(self, after: int, limit: int) -> list[tuple[int, StoredEntry]]:
        if not self.scans:
            raise StoreUnavailableError("away")
        return list(enumerate(self.entries, start=1))[after : after + limit]


@contextmanager
def asking(
    say: Say, log: FakeLog, store: FakeStore | None = None, again_seconds: float = 0.2
) -> Iterator[Cosigner]:
    """Witnesses, of whom there is one, and it says what a test has it say."""
    with fake(say) as (url, key):
        at = parse_witnesses([url, key])
        chosen: Any = store or FakeStore()
        witnesses = Cosigner(at, 1, chosen, log, again_seconds)  # type: ignore[arg-type]
        witnesses.start()
        try:
            yield witnesses
        finally:
            witnesses.close()


def good(body: bytes) -> tuple[int, bytes]:
    return 200, cosign(body)


def asked(
    witnesses: Cosigner, log: FakeLog, id_: str = "talks", version: int | None = None
) -> Future[pb.GetCheckpointResponse]:
    log_read, log.reads = log.reads, True
    answer = log.checkpoint(id_, version)
    log.reads = log_read
    return witnesses.cosign(id_, answer, exact=version is not None)


def failure(answer: pb.GetCheckpointResponse) -> str:
    return answer.cosignature_status.witnesses[0].failure


def signatures(answer: pb.GetCheckpointResponse) -> int:
    return len(parse_note(answer.checkpoint).signatures)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_while_the_record_cannot_be_read_the_checkpoint_is_given_as_it_is() -> None:
    log = FakeLog()
    with asking(good, log) as witnesses:
        log.reads = False

        answer = asked(witnesses, log).result(5)

        assert (signatures(answer), failure(answer)) == (
            1,
            "The store could not read the record. Try again later.",
        )
        assert not witnesses.is_threshold_met
        log.reads = True
        until(lambda: witnesses.is_threshold_met)
        assert signatures(asked(witnesses, log).result(5)) == 2


def test_a_proof_that_cannot_be_had_is_no_cosignature_and_no_end() -> None:
    log = FakeLog()

    def say(body: bytes) -> tuple[int, bytes]:
        log.reads = False
        return (409, b"1\n") if body.startswith(b"old 0") else good(body)

    with asking(say, log) as witnesses:
        answer = asked(witnesses, log).result(5)

        assert failure(answer) == "The store is away."
        log.reads = True
        until(lambda: signatures(asked(witnesses, log).result(5)) == 2)


def test_what_was_recorded_is_found_once_the_store_is_back() -> None:
    log, store = FakeLog(), FakeStore(*(f"n{number % 7}" for number in range(2_500)))
    store.scans = False
    seen: set[bytes] = set()

    def say(body: bytes) -> tuple[int, bytes]:
        seen.add(body.partition(b"\n\n")[2].partition(b"\n")[0])
        return good(body)

    with asking(say, log, store):
        time.sleep(0.1)
        assert not seen
        store.scans = True

        until(lambda: len(seen) == 7)


def test_a_version_that_is_not_the_newest_when_its_turn_comes_is_left_alone() -> None:
    log = FakeLog()
    with asking(good, log) as witnesses:
        future = asked(witnesses, log, version=2)

        answer = future.result(5)

        assert answer.computed_at.version == 2
        assert (signatures(answer), answer.cosignature_status.threshold_met) == (1, False)
        assert witnesses.is_threshold_met


def test_who_asks_for_the_newest_may_get_a_newer_one() -> None:
    log = FakeLog()
    with asking(good, log) as witnesses:
        older = log.checkpoint("talks", None)
        log.size = 5

        answer = witnesses.cosign("talks", older, exact=False).result(5)

        assert (answer.computed_at.version, signatures(answer)) == (5, 2)


def test_when_too_many_wait_the_next_is_answered_at_once() -> None:
    log, hold = FakeLog(), threading.Event()

    def say(body: bytes) -> tuple[int, bytes]:
        hold.wait(10)
        return good(body)

    with asking(say, log) as witnesses:
        asked(witnesses, log, "first")
        futures = [asked(witnesses, log, f"n{number}") for number in range(300)]
        late = [future for future in futures if future.done()]
        assert 40 <= len(late) <= 50
        assert {failure(one.result()) for one in late} == {
            "Too many calls wait for cosignatures. Try again later."
        }
        hold.set()

        assert all(future.result(20) for future in futures)


def test_those_who_gave_up_are_not_answered_and_the_others_are() -> None:
    log = FakeLog()
    with asking(good, log) as witnesses:
        one, other = asked(witnesses, log), asked(witnesses, log)
        one.cancel()

        assert signatures(other.result(5)) == 2


def test_at_the_end_all_who_wait_are_answered_with_what_there_is() -> None:
    log, began = FakeLog(), threading.Event()

    def say(body: bytes) -> None:
        began.set()

    start = time.monotonic()
    with asking(say, log) as witnesses:
        asked(witnesses, log, "first")
        assert began.wait(5)
        waiting = [asked(witnesses, log, f"n{number}") for number in range(5)]

    assert [failure(one.result(0)) for one in waiting] == ["The service is shutting down."] * 5
    assert time.monotonic() - start < 5
    assert failure(asked(witnesses, log).result(0)) == "The service is shutting down."


def test_it_can_be_closed_without_having_begun() -> None:
    witnesses = Cosigner([], 0, FakeStore(), FakeLog())  # type: ignore[arg-type]

    witnesses.close()

    assert witnesses.is_threshold_met
