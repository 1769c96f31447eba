"""AuditService: the record itself, as it is stored."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from typing import NamedTuple, TypeVar

from pourparler import v1 as pb
from pourparler_service.api.call_handler import Call
from pourparler_service.api.quotas import Quota
from pourparler_service.api.request_parsing import negotiation_id, viewer_of
from pourparler_service.authorization.filtered_store import FilteredEventReader
from pourparler_service.authorization.viewer_scopes import ScopeResolver, Viewer
from pourparler_service.domain.refusal import RefusalError, refuse
from pourparler_service.reads import entry_filters
from pourparler_service.reads.filtered_states import FilteredStates
from pourparler_service.reads.replay import ReplayReader
from pourparler_service.reads.subscriptions import CommitNotifier, SharedPages
from pourparler_service.transparency.cosigning import Cosigner
from pourparler_service.transparency.log import Log

_Response = TypeVar("_Response")

WHOLE_REPLAYS = 64
"""The number of concurrent replays that hold the whole record of a negotiation."""

_PAUSE_SECONDS = 0.005
_SCOPE_SECONDS = 1.0  # a grant may end, and another process may revoke it


class Subscriptions(NamedTuple):
    """The parts that replays need: a reader, shared pages, notifications and threads."""

    reader: ReplayReader
    pages: SharedPages
    commits: CommitNotifier
    threads: Executor
    idle_seconds: float


class AuditServicer:
    """Returns stored entries, checkpoints and proofs."""

    def __init__(
        self,
        scopes: ScopeResolver,
        states: FilteredStates,
        log: Log,
        threads: Executor,
        subscriptions: Subscriptions,
        *,
        watches: Quota,
        witnesses: Cosigner | None = None,
    ) -> None:
        """Read on these threads, and have checkpoints cosigned if there are witnesses.

        `watches` limits the replays that wait for more entries.
        """
        self._scopes = scopes
        self._states = states
        self._log = log
        self._threads = threads
        self._subscriptions = subscriptions
        self._witnesses = witnesses
        self._watches = watches
        self._whole = Quota(
            "replays of a point, a topic or in reverse", WHOLE_REPLAYS, WHOLE_REPLAYS // 4
        )

    def ReplayEntries(self, request: pb.ReplayEntriesRequest, call: Call) -> AsyncIterator[bytes]:
        """Send entries; then the message that these were all, or further entries as they come."""
        if entry_filters.needs_whole(request):
            return self._selected(request, call)
        replay = self._followed if request.follow else self._pages
        return replay(request, call)

    async def _pages(self, request: pb.ReplayEntriesRequest, call: Call) -> AsyncIterator[bytes]:
        """Send pages until there are no more. The next page is read while one is sent."""
        reader = self._subscriptions.reader
        id_, viewer = self._parsed(request, call)
        run = functools.partial(
            asyncio.get_running_loop().run_in_executor, self._subscriptions.threads
        )
        replay = await run(reader.begin, request, id_, viewer)
        after, most, count = replay.after, request.limit or None, 0
        number, check = self._subscriptions.commits.number, self._scope_check()
        reading = run(reader.page, replay, after, most)
        try:
            while True:
                page = await reading
                if not viewer.sees_everything and check.is_due():
                    page = await run(reader.renewed, replay, page, after, most)
                if page.last:
                    break
                count, after = count + page.entries, page.after
                most = request.limit - count if request.limit else None
                check = self._scope_check()
                reading = run(reader.page, replay, after, most)
                if page.message:
                    yield page.message
                number = await self._pause(number)
        finally:
            reading.cancel()
        if page.message:
            yield page.message
        yield await run(reader.complete, replay, page, count + page.entries)

    async def _followed(self, request: pb.ReplayEntriesRequest, call: Call) -> AsyncIterator[bytes]:
        """Send pages, and wait for the next entry when there is none."""
        reader, pages, commits, threads, idle_seconds = self._subscriptions
        loop = asyncio.get_running_loop()
        id_, viewer = self._parsed(request, call)
        replay = await loop.run_in_executor(threads, reader.begin, request, id_, viewer)
        behind, number, sent = True, commits.number, loop.time()
        with self._watches.place(call.name), pages.subscribe(replay) as subscription:
            yield reader.started(replay)
            page = await subscription.page(replay.after)
            while True:
                if page.message:
                    yield page.message
                    sent = loop.time()
                if commits.closed:
                    refuse(
                        pb.ERROR_REASON_SHUTTING_DOWN,
                        "The service is shutting down. Continue from the last cursor.",
                    )
                after = page.after
                if not page.last:
                    behind = behind or bool(page.message)
                    number = await self._pause(number)
                    page = await subscription.page(after)
                    continue
                if behind:
                    yield await subscription.caught_up(after)
                    sent = loop.time()
                # Idle since the last message, not since the last commit: the caller must not learn
                # that a hidden entry was recorded.
                more = await subscription.more(after, sent + idle_seconds - loop.time())
                behind = more is None  # repeated when idle: a notification may be lost
                page = more or await subscription.page(after, reread=True)

    def _scope_check(self) -> "_ScopeCheck":
        return _ScopeCheck(self._subscriptions.commits)

    async def _pause(self, number: int) -> int:
        """Wait a little between two pages if there was a commit since this number of them.

        A reader at full speed would take the interpreter and the processor from the writer.
        """
        current = self._subscriptions.commits.number
        if current != number:
            await asyncio.sleep(_PAUSE_SECONDS)
        return current

    async def _selected(self, request: pb.ReplayEntriesRequest, call: Call) -> AsyncIterator[bytes]:
        """Send selected entries of the whole record."""
        run = functools.partial(asyncio.get_running_loop().run_in_executor, self._threads)
        with self._whole.place(call.name):
            id_, viewer = self._parsed(request, call)
            check = self._scope_check()
            events, selection, computed_at = await run(self._selection, request, id_, viewer)
            for message in entry_filters.messages(selection, computed_at):
                if check.is_due():
                    check = self._scope_check()
                    await run(_check_unchanged, viewer, events)
                yield message

    def _selection(
        self, request: pb.ReplayEntriesRequest, id_: str, viewer: Viewer
    ) -> tuple[FilteredEventReader, entry_filters.Selection, pb.ComputedAt]:
        entry_filters.check(request)
        events = viewer.events(id_)
        try:
            replayed, computed_at = self._states.replay(events, request.as_of)
        except RefusalError as refusal:
            raise refusal.with_prefix("as_of") if refusal.field else refusal from None
        _check_unchanged(viewer, events)
        return events, entry_filters.select(replayed, request), computed_at

    async def GetCheckpoint(
        self, request: pb.GetCheckpointRequest, call: Call
    ) -> pb.GetCheckpointResponse:
        """Return the checkpoint of a version, with the cosignatures of the witnesses."""
        id_ = negotiation_id(request.name)
        version = request.version if request.HasField("version") else None
        response = await self._proved(id_, call, lambda: self._log.checkpoint(id_, version))
        if self._witnesses is None or response.HasField("copy"):
            return response
        exact = version is not None
        return await asyncio.wrap_future(self._witnesses.cosign(id_, response, exact=exact))

    async def GetInclusionProof(
        self, request: pb.GetInclusionProofRequest, call: Call
    ) -> pb.GetInclusionProofResponse:
        """Return the proof that an entry is in the log."""
        id_, version = negotiation_id(request.name), request.version
        at = request.at_version if request.HasField("at_version") else None
        return await self._proved(id_, call, lambda: self._log.inclusion(id_, version, at))

    async def GetConsistencyProof(
        self, request: pb.GetConsistencyProofRequest, call: Call
    ) -> pb.GetConsistencyProofResponse:
        """Return the proof that an earlier log is a prefix of a later one."""
        id_, begin = negotiation_id(request.name), request.from_version
        to = request.to_version if request.HasField("to_version") else None
        return await self._proved(id_, call, lambda: self._log.consistency(id_, begin, to))

    async def _proved(self, id_: str, call: Call, prove: Callable[[], _Response]) -> _Response:
        """Return a proof to a caller that sees anything: all such callers may see every header."""
        viewer = self._scopes.viewer(call.caller)

        def proved() -> _Response:
            viewer.events(id_)
            response = prove()
            viewer.events(id_)  # access may have ended before the last entry
            return response

        return await asyncio.get_running_loop().run_in_executor(self._threads, proved)

    def _parsed(self, request: pb.ReplayEntriesRequest, call: Call) -> tuple[str, Viewer]:
        """Return the id of the negotiation, empty for all of them, and the viewer."""
        id_ = "" if request.name == entry_filters.ALL else negotiation_id(request.name)
        return id_, viewer_of(self._scopes, request, call)


def _check_unchanged(viewer: Viewer, events: FilteredEventReader) -> None:
    """Raise RefusalError if the scope of a viewer has changed since a reader was made."""
    if viewer.events(events.id).scope != events.scope:
        refuse(
            pb.ERROR_REASON_ROLE_NOT_SUFFICIENT,
            "Your access has changed since these entries were read. Send the request again.",
        )


class _ScopeCheck:
    """Tells when a scope has to be resolved again. Owned by the thread of the event loop."""

    def __init__(self, commits: CommitNotifier) -> None:
        self._commits = commits
        self._number = commits.number
        self._until = time.monotonic() + _SCOPE_SECONDS

    def is_due(self) -> bool:
        """Return True if there was a commit since, or some time has passed."""
        return self._number != self._commits.number or time.monotonic() > self._until
