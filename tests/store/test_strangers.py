"""Whoever sees nothing of a negotiation is refused before anything of it is looked at.

Answers are compared elsewhere; here it is the steps, by which time would tell.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler_service.api.call_handler import Call
from pourparler_service.api.privacy_service import PrivacyServicer
from pourparler_service.api.record_service import RecordServicer
from pourparler_service.authorization.policy import Policy
from pourparler_service.authorization.viewer_scopes import ScopeResolver
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.domain.refusal import RefusalError, reason_name, refuse
from pourparler_service.reads.page_tokens import PageTokens
from pourparler_service.storage.interface import EventStore
from pourparler_service.transparency.signing_keys import Signer, make_key
from pourparler_service.writes.requests import WriteRequest
from pourparler_service.writes.writer import Writer
from tests.support import sample_entries
from tests.support.sample_entries import granted, joined, opened, restricted, said
from tests.support.service_client import answered_with
from tests.support.stores import open_list, open_store
from tests.support.visibility_harness import Readers, readers, run, stored

NAME = f"negotiations/{sample_entries.NEGOTIATION}"
MISSING = "negotiations/missing"
POLICY = Policy(public=["reader"])
ERASURE = "erasures/00000000-0000-0000-0000-000000000000"
LONG = 300


class Unwritten(Writer):
    """A writer to whom nothing may be handed in."""

    def submit(self, group: WriteRequest) -> Future[bytes]:
        raise AssertionError(f"handed in for {group.negotiation}")


class Steps:
    """What is done of a store and of a catalogue while somebody is answered."""

    def __init__(self, store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: list[tuple[object, ...]] = []
        for name in ("read", "rows", "scan", "last_version", "position"):
            monkeypatch.setattr(store, name, self._noting(name, getattr(store, name)))

    def _noting(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: object, **more: object) -> Any:
            self.taken.append((name, *given, *more.items()))
            return step(*given, **more)

        return noted

    def of(self, name: str) -> list[tuple[object, ...]]:
        """Those that were taken to answer something about this negotiation, its id left out."""
        id_ = name.removeprefix("negotiations/")
        steps: list[tuple[object, ...]] = [
            tuple(str(one).replace(id_, "") for one in step) for step in self.taken
        ]
        self.taken.clear()
        return steps


def hidden(number: int) -> list[pb.Entry]:
    """A negotiation of so many entries and two more, of which nothing is public."""
    more = (said(f"s-{one}", "acme", visibility=restricted("acme")) for one in range(number))
    return sample_entries.history(opened(), joined("acme"), *more)


@pytest.fixture(name="reading")
def _reading() -> Iterator[Readers]:
    with readers(stored(hidden(LONG)), POLICY) as reading:
        yield reading


REQUESTS: dict[str, Callable[[str], Message]] = {
    "state": lambda name: pb.GetNegotiationRequest(name=name),
    "past": lambda name: pb.GetNegotiationRequest(name=name, as_of=pb.AsOf(version=2)),
    "standing": lambda name: pb.GetStatusReportRequest(name=name),
    "diff": lambda name: pb.DiffNegotiationRequest(name=name),
    "replay": lambda name: pb.ReplayEntriesRequest(name=name),
    "backwards": lambda name: pb.ReplayEntriesRequest(name=name, reverse=True),
    "watch": lambda name: pb.ReplayEntriesRequest(name=name, follow=True),
    "checkpoint": lambda name: pb.GetCheckpointRequest(name=name),
    "inclusion": lambda name: pb.GetInclusionProofRequest(name=name, version=1),
    "consistency": lambda name: pb.GetConsistencyProofRequest(name=name, from_version=1),
}


@pytest.mark.parametrize("caller", ["stranger", "reader"])
@pytest.mark.parametrize("what", REQUESTS)
def test_to_read_takes_the_same_steps_as_where_there_is_nothing(
    reading: Readers, monkeypatch: pytest.MonkeyPatch, caller: str, what: str
) -> None:
    def ask(name: str) -> None:
        (violation,) = reading.ask(caller, REQUESTS[what](name))
        assert not isinstance(violation, Message)
        assert reason_name(violation.reason) == "NEGOTIATION_NOT_FOUND"

    ask(MISSING)  # so that what is read once and kept is kept
    steps = Steps(reading.store, monkeypatch)
    ask(NAME)
    denied = steps.of(NAME)
    ask(MISSING)

    assert denied == steps.of(MISSING)


def drafted(name: str) -> pb.RecordEntriesRequest:
    return pb.RecordEntriesRequest(negotiation=name, drafts=[said("s", "acme")])


def erasing(name: str) -> pb.EraseSubjectRequest:
    return pb.EraseSubjectRequest(
        name=name, participant_id="acme", legal_basis="Art. 17", authority="DPO"
    )


Ask = Callable[[str], Awaitable[object]]


@pytest.mark.parametrize("caller", ["stranger", "reader"])
@pytest.mark.parametrize("what", ["record", "try", "batch", "erase", "erasure"])
async def test_to_record_and_to_erase_take_the_same_steps_as_where_there_is_nothing(
    reading: Readers, monkeypatch: pytest.MonkeyPatch, caller: str, what: str
) -> None:
    call, store, scopes = Call(caller, None), reading.store, reading.scopes
    writer = Unwritten(store, Signer([make_key("example.org/record")]))
    erasures: Any = None  # to which a stranger does not come
    with ThreadPoolExecutor(1) as threads:
        recording = RecordServicer(writer, threads, scopes)
        privacy = PrivacyServicer(erasures, threads, threads, scopes)

        async def batch(name: str) -> None:
            requests = [drafted(name)]
            data = await recording.BatchRecordEntries(
                pb.BatchRecordEntriesRequest(requests=requests), call
            )
            (outcome,) = pb.BatchRecordEntriesResponse.FromString(data).outcomes
            told = answered_with(outcome.failure.status)
            refuse(pb.ErrorReason.Value(f"ERROR_REASON_{told.reason}"), told.text)

        asked: dict[str, Ask] = {
            "record": lambda name: recording.RecordEntries(drafted(name), call),
            "try": lambda name: recording.RecordEntries(
                pb.RecordEntriesRequest(
                    negotiation=name,
                    drafts=drafted(name).drafts,
                    validate_only=True,
                    expected_version=2,
                    request_id="r",
                ),
                call,
            ),
            "batch": batch,
            "erase": lambda name: privacy.EraseSubject(erasing(name), call),
            "erasure": lambda name: privacy.GetErasure(
                pb.GetErasureRequest(name=f"{name}/{ERASURE}"), call
            ),
        }

        async def ask(name: str) -> None:
            with pytest.raises(RefusalError) as refused:
                await asked[what](name)
            assert reason_name(refused.value.reason) == "NEGOTIATION_NOT_FOUND"

        await ask(MISSING)
        steps = Steps(store, monkeypatch)
        await ask(NAME)
        denied = steps.of(NAME)
        await ask(MISSING)

        assert denied == steps.of(MISSING)


async def test_strangers_are_not_refused_as_fast_as_they_can_send(reading: Readers) -> None:
    async def endless() -> AsyncIterator[pb.StreamRecordEntriesRequest]:
        while True:
            yield pb.StreamRecordEntriesRequest(request=drafted(NAME))

    writer = Unwritten(reading.store, Signer([make_key("example.org/record")]))
    with ThreadPoolExecutor(1) as threads:
        recording = RecordServicer(writer, threads, reading.scopes)
        began = time.monotonic()
        answers: Any = recording.StreamRecordEntries(endless(), Call("stranger", None))
        for _ in range(3):
            await anext(answers)
        await answers.aclose()

    assert time.monotonic() - began > 3 * 0.09


async def test_who_opens_one_is_no_stranger_in_what_follows_at_once(reading: Readers) -> None:
    scopes = ScopeResolver(reading.store, POLICY, admits=lambda *_, public: False)
    handed_in: list[str] = []

    class Noting(Unwritten):
        def submit(self, group: WriteRequest) -> Future[bytes]:
            handed_in.append(group.negotiation)
            done: Future[bytes] = Future()
            done.set_result(b"")
            return done

    writer = Noting(reading.store, Signer([make_key("example.org/record")]))
    requests = [pb.RecordEntriesRequest(negotiation="negotiations/new", drafts=[opened()])]
    requests += [drafted("negotiations/new"), drafted("negotiations/other")]
    with ThreadPoolExecutor(1) as threads:
        recording = RecordServicer(writer, threads, scopes)
        batch = pb.BatchRecordEntriesRequest(requests=requests)
        await recording.BatchRecordEntries(batch, Call("somebody", None))

    assert handed_in == ["new", "new"]


def listed(ids: list[str], caller: str, *, public: bool = False) -> tuple[list[str], list[str]]:
    """Of which negotiations it is looked at what a caller sees, for a list; and who admits them."""
    store = open_store(None, {})
    for id_, entries in (
        ("hidden", hidden(3)),
        (
            "public",
            [
                *hidden(1),
                sample_entries.recorded(4, said("loud", "acme", visibility=sample_entries.PUBLIC)),
            ],
        ),
        (
            "granted",
            [*hidden(0), sample_entries.recorded(3, granted("ann", pb.ACCESS_ROLE_AUDITOR))],
        ),
        ("disclosed", [*hidden(1), sample_entries.recorded(4, _disclosure(3))]),
    ):
        for one in entries:
            one.header.negotiation = id_
        store.append(stored(entries))
    catalogue = open_list(store)
    looked_at: list[str] = []

    def seen(id_: str) -> pb.Negotiation:
        looked_at.append(id_)
        return pb.Negotiation(name=id_)

    catalogue.page_of(pb.ListNegotiationsRequest(), caller, seen, public=public)
    admitted = [one for one in ids if catalogue.admits(one, caller, public=public)]
    catalogue.close()
    store.close()
    return looked_at, admitted


def _disclosure(version: int) -> pb.Draft:
    return sample_entries.draft(
        pb.EntryDisclosed(target_version=version, disclosed_to=sample_entries.PUBLIC)
    )


IDS = ["hidden", "public", "granted", "disclosed", "missing"]


def test_for_a_list_nothing_is_looked_at_but_what_may_be_seen() -> None:
    assert listed(IDS, "eve") == ([], [])
    assert listed(IDS, "ann") == (["granted"], ["granted"])
    assert listed(IDS, "eve", public=True) == (["public", "disclosed"],) * 2
    assert listed(IDS, "ann", public=True) == (["public", "granted", "disclosed"],) * 2


def test_who_is_not_told_apart_is_no_stranger(reading: Readers) -> None:
    assert reading.scopes.is_admitted("missing", ANONYMOUS)


def test_no_two_tokens_tell_that_the_place_is_the_same() -> None:
    tokens = PageTokens(b"secret", "log")
    first, again, further = (tokens.write(after, bytes(16)) for after in (7, 7, 8))

    assert len({first, again, further}) == 3
    assert [tokens.read(one, bytes(16)) for one in (first, again, further)] == [7, 7, 8]
    assert tokens.read(first, bytes(15) + b"x") is None
    assert PageTokens(b"secret", "another").read(first, bytes(16)) is None


def test_who_follows_all_hears_as_often_whether_or_not_others_record(reading: Readers) -> None:
    request = pb.ReplayEntriesRequest(name="negotiations/-", follow=True)

    async def heard() -> bool:
        """Whether it is said again that there is nothing, while others record without a pause."""
        answers = reading.receive("stranger", request)
        for _ in range(2):
            await anext(answers)
        again = asyncio.ensure_future(anext(answers))
        for version in range(LONG + 3, LONG + 300):
            one = sample_entries.recorded(
                version, said(f"s-{version}", "acme", visibility=restricted("acme"))
            )
            reading.store.append(stored([one]))
            reading.commits.on_commit([sample_entries.NEGOTIATION])
            await asyncio.sleep(0.005)
            if again.done():
                break
        else:
            return False
        message = pb.ReplayEntriesResponse.FromString(again.result())
        await answers.aclose()  # type: ignore[attr-defined]
        return message.HasField("caught_up") and not message.caught_up.position

    assert run(heard())


@pytest.mark.parametrize("caller", ["party", "stranger"])
def test_a_search_takes_a_while_of_its_own_for_who_does_not_see_everything(caller: str) -> None:
    party = sample_entries.recorded(LONG + 3, granted("party", pb.ACCESS_ROLE_PARTY, "acme"))
    records = stored([*hidden(LONG), party])
    with readers(records, search_seconds=0.2) as reading:
        began = time.monotonic()
        reading.ask(caller, pb.SearchEntriesRequest(query="nothing"))

        assert time.monotonic() - began > 0.19
