"""AuditService: the record itself, as it is stored."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from typing import Any, NamedTuple, TypeVar

from pourparler import v1 as pb
from pourparler_service.api.call_handler import Call
from pourparler_service.api.quotas import Quota
from pourparler_service.authorization.viewer_scopes import ViewerScope
from pourparler_service.domain.refusal import Refusal, refuse
from pourparler_service.reads import entry_filters
from pourparler_service.reads.filtered_states import FilteredStates
from pourparler_service.reads.replay import ReplayReader
from pourparler_service.reads.subscriptions import CommitNotifier, SharedPages
from pourparler_service.transparency.cosigning import Cosigner
from pourparler_service.transparency.log import Log
from pourparler_service.validation import drafts

_Answer = TypeVar("_Answer")

WHOLE_REPLAYS = 64
"""How many replays may be under way that hold the whole record of a negotiation."""

_GIVING_WAY_SECONDS = 0.005
_LOOK_SECONDS = 1.0  # Access may have an end, and other processes revoke it.


class Subscriptions(NamedTuple):
    """What replays are made of: pages, threads to read them on, and who tells of more."""

    feed: ReplayReader
    pages: SharedPages
    commits: CommitNotifier
    threads: Executor
    idle_seconds: float


class AuditServicer:
    """Gives out the record itself."""

    def __init__(
        self,
        cuts: FilteredStates,
        log: Log,
        threads: Executor,
        following: Subscriptions,
        witnesses: Cosigner | None = None,
        *,
        watches: Quota,
    ) -> None:
        """Read from these, on these threads; have checkpoints cosigned, if there are witnesses.

        `watches` says how many replays may go on that wait for more.
        """
        self._watches = watches
        self._witnesses = witnesses
        self._following = following
        self._cuts = cuts
        self._log = log
        self._threads = threads
        self._whole = Quota(
            "replays of a point, a topic or in reverse", WHOLE_REPLAYS, WHOLE_REPLAYS // 4
        )

    def ReplayEntries(self, request: pb.ReplayEntriesRequest, call: Call) -> AsyncIterator[bytes]:
        """Send the entries that are asked for; then that these were all, or those that come."""
        if entry_filters.needs_whole(request):
            return self._selected(request, call)
        begun = self._followed if request.follow else self._pages
        return begun(request, call)

    async def _pages(self, request: pb.ReplayEntriesRequest, call: Call) -> AsyncIterator[bytes]:
        """Read a page and send it, until there is none; the next is read while one is sent."""
        feed = self._following.feed
        apart = functools.partial(
            asyncio.get_running_loop().run_in_executor, self._following.threads
        )
        asked = await apart(feed.begin, request, call.caller)
        after, most, count = asked.after, request.limit or None, 0
        number, looked = self._following.commits.number, self._look()
        reading = apart(feed.page, asked, after, most)
        try:
            while True:
                page = await reading
                if asked.caller and looked.is_past():
                    page = await apart(feed.renewed, asked, page, after, most)
                if page.last:
                    break
                count, after = count + page.entries, page.after
                most = request.limit - count if request.limit else None
                looked = self._look()
                reading = apart(feed.page, asked, after, most)
                if page.message:
                    yield page.message
                number = await self._give_way(number)
        finally:
            reading.cancel()
        if page.message:
            yield page.message
        yield await apart(feed.complete, asked, page, count + page.entries)

    async def _followed(self, request: pb.ReplayEntriesRequest, call: Call) -> AsyncIterator[bytes]:
        """Read a page and send it; where there is none, wait until there is."""
        feed, pages, commits, threads, idle_seconds = self._following
        loop = asyncio.get_running_loop()
        asked = await loop.run_in_executor(threads, feed.begin, request, call.caller)
        behind, number, heard = True, commits.number, loop.time()
        with self._watches.place(call.name), pages.followed(asked) as followed:
            yield feed.started(asked)
            page = await followed.page(asked.after)
            while True:
                if page.message:
                    yield page.message
                    heard = loop.time()
                if commits.closed:
                    refuse(
                        pb.ERROR_REASON_SHUTTING_DOWN,
                        "The service is shutting down. Go on from the last cursor.",
                    )
                after = page.after
                if not page.last:
                    behind = behind or bool(page.message)
                    number = await self._give_way(number)
                    page = await followed.page(after)
                    continue
                if behind:
                    yield await followed.caught_up(after)
                    heard = loop.time()
                # Since when nothing was said, and not since when nothing was recorded: of what is
                # not seen, not even that it comes is to be told.
                more = await followed.more(after, heard + idle_seconds - loop.time())
                behind = more is None  # that all was sent is said again, in case nobody rang
                page = more or await followed.page(after, anew=True)

    def _look(self) -> "_ReplayCheck":
        return _ReplayCheck(self._following.commits)

    async def _give_way(self, number: int) -> int:
        """Wait a little between two pages, if there was a commit since this number of them.

        Reading at full speed would take the interpreter and the processor from those who record.
        """
        current = self._following.commits.number
        if current != number:
            await asyncio.sleep(_GIVING_WAY_SECONDS)
        return current

    async def _selected(self, request: pb.ReplayEntriesRequest, call: Call) -> AsyncIterator[bytes]:
        """Send those entries of the whole record that are asked for."""
        apart = functools.partial(asyncio.get_running_loop().run_in_executor, self._threads)
        with self._whole.place(call.name):
            looked = self._look()
            view, selection, computed_at = await apart(self._selection, request, call.caller)
            for message in entry_filters.messages(selection, computed_at):
                if looked.is_past():
                    looked = self._look()
                    await apart(self._check_sees, request, call.caller, view)
                yield message

    def _check_sees(self, request: pb.ReplayEntriesRequest, caller: str, view: ViewerScope) -> None:
        """Refuse a caller who does not see any more what was read as they saw it."""
        id_ = drafts.check_name(request.name, "name")
        if self._cuts.sights.of(id_, caller, request.viewer_participant_id).sight != view.sight:
            refuse(
                pb.ERROR_REASON_ROLE_NOT_SUFFICIENT,
                "What you may see has changed since this was read. Ask for it again.",
            )

    async def GetCheckpoint(
        self, request: pb.GetCheckpointRequest, call: Call
    ) -> pb.GetCheckpointResponse:
        """Sign a size and root of the log, and have them cosigned."""
        version = request.version if request.HasField("version") else None
        answer = await self._proved(call, self._log.checkpoint, request.name, version)
        if self._witnesses is None or answer.HasField("copy"):
            return answer
        id_ = drafts.check_name(request.name, "name")
        exact = version is not None
        return await asyncio.wrap_future(self._witnesses.cosign(id_, answer, exact=exact))

    async def GetInclusionProof(
        self, request: pb.GetInclusionProofRequest, call: Call
    ) -> pb.GetInclusionProofResponse:
        """Prove that an entry is in the log."""
        at = request.at_version if request.HasField("at_version") else None
        return await self._proved(call, self._log.inclusion, request.name, request.version, at)

    async def GetConsistencyProof(
        self, request: pb.GetConsistencyProofRequest, call: Call
    ) -> pb.GetConsistencyProofResponse:
        """Prove that the log only grew."""
        to = request.to_version if request.HasField("to_version") else None
        begin = request.from_version
        return await self._proved(call, self._log.consistency, request.name, begin, to)

    async def _proved(
        self, call: Call, prove: Callable[..., _Answer], name: str, *asked: Any
    ) -> _Answer:
        """A proof for who sees anything: a header is no secret to those who know of the record."""
        id_ = drafts.check_name(name, "name")

        def proved() -> _Answer:
            self._cuts.sights.of(id_, call.caller)
            answer = prove(id_, *asked)
            self._cuts.sights.of(id_, call.caller)  # Access may have ended before the last entry.
            return answer

        return await asyncio.get_running_loop().run_in_executor(self._threads, proved)

    def _selection(
        self, request: pb.ReplayEntriesRequest, caller: str
    ) -> tuple[ViewerScope, entry_filters.Selection, pb.ComputedAt]:
        id_ = drafts.check_name(request.name, "name")
        entry_filters.check(request)
        view = self._cuts.sights.of(id_, caller, request.viewer_participant_id)
        try:
            replayed, computed_at = self._cuts.replay(id_, request.as_of, view)
        except Refusal as refusal:
            raise refusal.under("as_of") if refusal.field else refusal from None
        self._check_sees(request, caller, view)
        return view, entry_filters.select(replayed, request), computed_at


class _ReplayCheck:
    """When it was looked at what a caller sees. Belongs to the event loop's thread."""

    def __init__(self, commits: CommitNotifier) -> None:
        self._commits = commits
        self._number = commits.number
        self._until = time.monotonic() + _LOOK_SECONDS

    def is_past(self) -> bool:
        """Whether they may see less by now: something was recorded, or it was a while ago."""
        return self._number != self._commits.number or time.monotonic() > self._until
