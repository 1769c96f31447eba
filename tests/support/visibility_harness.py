"""A record in memory, and all its reads for any caller."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.schema.contract import is_repeated
from pourparler_service.aggregate.current import CurrentNegotiations
from pourparler_service.api.audit_service import AuditServicer, Subscriptions
from pourparler_service.api.call_handler import Call
from pourparler_service.api.negotiation_service import NegotiationServicer
from pourparler_service.api.quotas import Quota
from pourparler_service.authorization.policy import EVERYONE, Policy
from pourparler_service.authorization.viewer_scopes import ScopeResolver
from pourparler_service.backends.memory.negotiation_list import MemoryNegotiationTable
from pourparler_service.domain.refusal import RefusalError, Violation
from pourparler_service.reads.filtered_states import FilteredSnapshots, FilteredStates
from pourparler_service.reads.negotiation_list import NegotiationList
from pourparler_service.reads.page_tokens import PageTokens
from pourparler_service.reads.replay import ReplayReader
from pourparler_service.reads.response_cache import ResponseCache
from pourparler_service.reads.subscriptions import CommitNotifier, SharedPages
from pourparler_service.search.indexer import Indexer
from pourparler_service.search.search import Search
from pourparler_service.storage.interface import EventStore, StoredEntry
from pourparler_service.storage.record_codec import record_bytes, topic
from pourparler_service.transparency.log import Log
from pourparler_service.transparency.signing_keys import Signer, make_key
from tests.support.stores import open_index, open_store

SIGNER = Signer([make_key("example.org/record")])

_Made = TypeVar("_Made")

Answer = Sequence[Message] | tuple[Violation, ...]
"""The messages of a response, or its error."""


def everything() -> ScopeResolver:
    """Return the scopes of a service in which every caller sees everything."""
    return ScopeResolver(open_store(None, {}), Policy(auditors=[EVERYONE]))


def withheld(entry: pb.Entry) -> pb.Entry:
    """Return an entry with only its header visible."""
    return pb.Entry(header=entry.header)


def stored(entries: Iterable[pb.Entry]) -> list[StoredEntry]:
    """Return stored entries with the same salts each time."""
    return [
        StoredEntry(
            one.header.negotiation,
            one.header.version,
            topic(one.facts),
            record_bytes(
                one.header.negotiation,
                one.header.version,
                one.header.record_time,
                one.facts,
                one.words,
                salt=bytes,
            ),
        )
        for one in entries
    ]


class Readers:
    """The servicers that read a record."""

    def __init__(
        self,
        store: EventStore,
        policy: Policy,
        threads: ThreadPoolExecutor,
        search_seconds: float,
    ) -> None:
        tokens = PageTokens(b"secret", "log", random_bytes=bytes)
        negotiations = CurrentNegotiations(store)
        catalogue = NegotiationList(store, MemoryNegotiationTable(), tokens=tokens, log_id="log")
        scopes = ScopeResolver(store, policy, admits=catalogue.admits)
        responses = ResponseCache(exclusive=store.exclusive)
        states = FilteredStates(negotiations, responses, FilteredSnapshots(fewest=3))
        log = Log(store, negotiations, SIGNER)
        commits = CommitNotifier()
        reader = ReplayReader(log, tokens)
        pages = SharedPages(reader, commits, threads)
        subscriptions = Subscriptions(reader, pages, commits, threads, 0.01)
        indexing = Indexer(store, open_index(store))
        search = Search(indexing, catalogue, tokens)
        self.negotiations = NegotiationServicer(
            scopes,
            states,
            catalogue,
            threads,
            search,
            searching=threads,
            search_seconds=search_seconds,
        )
        watches = Quota("watches", 1)
        self.audits = AuditServicer(scopes, states, log, threads, subscriptions, watches=watches)
        self.states = states
        self.responses = responses
        self.scopes = scopes
        self.store = store
        self.commits = commits

    def record(self, records: Sequence[StoredEntry]) -> None:
        """Store entries and notify the derived data."""
        self.store.append(records)
        ids = {one.negotiation for one in records}
        self.responses.on_commit(ids)
        self.scopes.on_commit(ids)

    def receive(self, caller: str, request: pb.ReplayEntriesRequest) -> AsyncIterator[bytes]:
        """Return the messages of a replay, for a reader of any speed; see `run`."""
        return self.audits.ReplayEntries(request, Call(caller, None))

    def ask(self, caller: str, request: Message) -> Answer:
        """Return the messages of a response; for a watch, until it has caught up."""
        return run(self._answer(caller, request))

    async def _answer(self, caller: str, request: Message) -> Answer:
        call = Call(caller, None)
        try:
            if isinstance(request, pb.ReplayEntriesRequest):
                return await _received(
                    self.audits.ReplayEntries(request, call), follow=request.follow
                )
            answer = await self._method(request)(request, call)
        except RefusalError as refusal:
            return refusal.violations
        if isinstance(answer, bytes):
            return [_ANSWERS[type(request)].FromString(answer)]
        return [answer]

    def _method(self, request: Message) -> Callable[[Any, Call], Awaitable[Any]]:
        name = str(request.DESCRIPTOR.name).removesuffix("Request")
        method: Callable[[Any, Call], Awaitable[Any]] = getattr(
            self.audits if hasattr(self.audits, name) else self.negotiations, name
        )
        return method


_ANSWERS: dict[type[Message], type[Message]] = {
    pb.GetNegotiationRequest: pb.GetNegotiationResponse,
    pb.GetStatusReportRequest: pb.GetStatusReportResponse,
    pb.DiffNegotiationRequest: pb.DiffNegotiationResponse,
    pb.ListNegotiationsRequest: pb.ListNegotiationsResponse,
    pb.SearchEntriesRequest: pb.SearchEntriesResponse,
}


async def _received(answers: Any, *, follow: bool) -> list[Message]:
    messages: list[Message] = []
    async for data in answers:
        message = pb.ReplayEntriesResponse.FromString(data)
        messages.append(message)
        if follow and message.HasField("caught_up"):
            break
    await answers.aclose()
    return messages


_LOOP = asyncio.new_event_loop()


def run(made: Awaitable[_Made]) -> _Made:
    """Return the result of a coroutine on the event loop of the readers."""
    return _LOOP.run_until_complete(made)


@contextmanager
def readers(
    records: Sequence[StoredEntry], policy: Policy | None = None, *, search_seconds: float = 0
) -> Iterator[Readers]:
    """Yield the readers of these records for the length of a `with` block."""

    async def made(store: EventStore, threads: ThreadPoolExecutor) -> Readers:
        return Readers(store, policy or Policy(), threads, search_seconds)

    store = open_store(None, {})
    store.append(records)
    with ThreadPoolExecutor(1) as threads:
        yield run(made(store, threads))
    store.close()


def told(answer: Answer) -> Answer:
    """Return a response without salted digests, roots, proofs, signatures and the present time.

    The origin and the size of a checkpoint stay.
    """
    for one in answer:
        if isinstance(one, Message):
            _strip(one)
    return answer


_DIGESTED = {"section_digests", "tlog_proof", "hashes", "time"}


def _strip(message: Message) -> None:
    for field, value in message.ListFields():
        if field.name in _DIGESTED:
            message.ClearField(field.name)
        elif field.name == "checkpoint":
            setattr(message, field.name, "\n".join(value.splitlines()[:2]))
        elif field.name == "header" and isinstance(value, bytes):
            header = pb.EntryHeader.FromString(value)
            _strip(header)
            setattr(message, field.name, header.SerializeToString(deterministic=True))
        elif isinstance(value, Message):
            _strip(value)
        elif is_repeated(field) and field.message_type is not None:
            of_map = field.message_type.GetOptions().map_entry
            for one in value.values() if of_map else value:
                if isinstance(one, Message):
                    _strip(one)
