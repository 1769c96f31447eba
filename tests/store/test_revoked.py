"""Access that ends while something is read: what is recorded after that is not in the answer."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler_service.domain.refusal import RefusalError, reason_name
from tests.support import sample_entries
from tests.support.sample_entries import granted, joined, opened, restricted, revoked, said
from tests.support.visibility_harness import Answer, Readers, readers, run, stored

NAME = f"negotiations/{sample_entries.NEGOTIATION}"
MARK = "xyzzy"
TALKS = (
    opened(),
    joined("acme"),
    granted("keeper", pb.ACCESS_ROLE_RECORDER),
    granted("party", pb.ACCESS_ROLE_PARTY, "acme"),
    said("before", "acme", visibility=sample_entries.PUBLIC),
)
AFTER = said(MARK, "acme", visibility=restricted("acme"))

READS: dict[str, Message] = {
    "state": pb.GetNegotiationRequest(name=NAME),
    "past": pb.GetNegotiationRequest(name=NAME, as_of=pb.AsOf(occur_date="2026")),
    "standing": pb.GetStatusReportRequest(name=NAME),
    "diff": pb.DiffNegotiationRequest(name=NAME),
    "list": pb.ListNegotiationsRequest(),
    "replay": pb.ReplayEntriesRequest(name=NAME),
    "backwards": pb.ReplayEntriesRequest(name=NAME, reverse=True),
    "of a kind": pb.ReplayEntriesRequest(name=NAME, entry_types=["statement_recorded"]),
    "watch": pb.ReplayEntriesRequest(name=NAME, follow=True),
    "all": pb.ReplayEntriesRequest(name="negotiations/-"),
    "watch of all": pb.ReplayEntriesRequest(name="negotiations/-", follow=True),
    "checkpoint": pb.GetCheckpointRequest(name=NAME),
    "inclusion": pb.GetInclusionProofRequest(name=NAME, version=1),
}


class Interrupted:
    """A store in which access ends, and something more is recorded, before one of its reads."""

    def __init__(self, reading: Readers, caller: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = -1
        self._entries = stored(sample_entries.history(*TALKS, revoked(caller), AFTER)[len(TALKS) :])
        self._store = reading.store
        for name in ("read", "rows", "scan", "last_version", "position"):
            monkeypatch.setattr(reading.store, name, self._counted(getattr(reading.store, name)))

    def _counted(self, step: Any) -> Any:
        def counted(*given: object, **more: object) -> Any:
            if self.left == 0:
                self._store.append(self._entries)
            self.left -= 1
            return step(*given, **more)

        return counted


def versions(answer: Answer) -> int:
    """The last version of which an answer says anything."""
    last = 0
    for one in answer:
        if isinstance(one, pb.ReplayEntriesResponse):
            last = max([last, *(entry.header.version for entry in one.entries)])
            last = max(last, one.complete.computed_at.version, one.caught_up.version)
        elif isinstance(one, pb.ListNegotiationsResponse):
            last = max([last, *(row.version for row in one.negotiations)])
        elif isinstance(one, pb.DiffNegotiationResponse):
            last = max(last, one.end_computed_at.version)
        elif isinstance(one, pb.GetInclusionProofResponse):
            last = max(last, int(one.checkpoint.splitlines()[1]))
        elif isinstance(one, Message):
            last = max(last, one.computed_at.version)  # type: ignore[attr-defined]
    return last


@pytest.mark.parametrize("caller", ["keeper", "party"])
@pytest.mark.parametrize("what", READS)
def test_whenever_access_ends_what_comes_after_is_not_in_the_answer(
    what: str, caller: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted_at = 0
    while True:
        with (
            readers(stored(sample_entries.history(*TALKS))) as reading,
            monkeypatch.context() as patched,
        ):
            interrupted = Interrupted(reading, caller, patched)
            interrupted.left = interrupted_at
            answer = reading.ask(caller, READS[what])
            done = interrupted.left >= 0
        assert versions(answer) <= len(TALKS), (interrupted_at, answer)
        assert MARK not in str(answer)
        interrupted_at += 1
        if done:
            break
    assert interrupted_at > 1


LONG = [said(f"s-{number}", "acme") for number in range(600)]


@pytest.fixture(name="reading")
def _reading() -> Iterator[Readers]:
    with readers(stored(sample_entries.history(*TALKS, *LONG))) as reading:
        yield reading


SLOWLY: dict[str, pb.ReplayEntriesRequest] = {
    "replay": pb.ReplayEntriesRequest(name=NAME),
    "of a kind": pb.ReplayEntriesRequest(name=NAME, entry_types=["statement_recorded"]),
    "backwards": pb.ReplayEntriesRequest(name=NAME, reverse=True),
    "watch": pb.ReplayEntriesRequest(name=NAME, follow=True),
    "all": pb.ReplayEntriesRequest(name="negotiations/-"),
    "watch of all": pb.ReplayEntriesRequest(name="negotiations/-", follow=True),
}


@pytest.mark.parametrize("caller", ["keeper", "party"])
@pytest.mark.parametrize("what", SLOWLY)
def test_who_takes_an_answer_slowly_gets_no_more_of_it_once_access_has_ended(
    reading: Readers, what: str, caller: str
) -> None:
    revocation = stored(sample_entries.history(*TALKS, *LONG, revoked(caller)))[-1:]

    came: list[int] = []

    async def take() -> None:
        answers: Any = reading.receive(caller, SLOWLY[what])
        async for data in answers:
            message = pb.ReplayEntriesResponse.FromString(data)
            if message.HasField("complete") or message.HasField("caught_up"):
                break
            if not message.entries:
                continue
            came.append(len(message.entries))
            if len(came) == 1:
                await asyncio.sleep(0.05)  # the next page is read while this one is sent
                reading.store.append(revocation)
                reading.commits.on_commit([sample_entries.NEGOTIATION])
                await asyncio.sleep(0)
        await answers.aclose()

    if SLOWLY[what].name == NAME:
        with pytest.raises(RefusalError) as refused:
            run(take())
        assert reason_name(refused.value.reason) == "NEGOTIATION_NOT_FOUND"
    else:
        run(take())
    assert came == [256]


def test_who_sees_less_than_when_it_was_read_is_told_to_ask_again(reading: Readers) -> None:
    more = [
        granted("keeper", pb.ACCESS_ROLE_PARTY, "acme"),
        revoked("keeper"),
        granted("keeper", pb.ACCESS_ROLE_PARTY, "acme"),
    ]
    narrowed = stored(sample_entries.history(*TALKS, *LONG, *more))[-3:]

    async def taken() -> None:
        answers: Any = reading.receive("keeper", SLOWLY["backwards"])
        await anext(answers)
        reading.store.append(narrowed)
        reading.commits.on_commit([sample_entries.NEGOTIATION])
        await asyncio.sleep(0)
        await anext(answers)

    with pytest.raises(RefusalError) as refused:
        run(taken())
    assert reason_name(refused.value.reason) == "ROLE_NOT_SUFFICIENT"
