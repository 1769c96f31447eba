"""AuditService: the record itself, as it is stored."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import Executor
from typing import Any, NamedTuple, TypeVar

from pourparler import v1 as pb
from pourparler_service import replay, shape
from pourparler_service.feed import Commits, Feed, Pages
from pourparler_service.guard import Call, Limit
from pourparler_service.log import Log
from pourparler_service.negotiations import Negotiations
from pourparler_service.refusal import Refusal, refuse
from pourparler_service.witnesses import Witnesses

_Answer = TypeVar("_Answer")

WHOLE_REPLAYS = 64
"""How many replays may be under way that hold the whole record of a negotiation."""


class Following(NamedTuple):
    """What replays are made of: pages, threads to read them on, and who tells of more."""

    feed: Feed
    pages: Pages
    commits: Commits
    threads: Executor
    idle_seconds: float


class AuditServicer:
    """Gives out the record itself."""

    def __init__(
        self,
        negotiations: Negotiations,
        log: Log,
        threads: Executor,
        following: Following,
        witnesses: Witnesses | None = None,
    ) -> None:
        """Read from these, on these threads; have checkpoints cosigned, if there are witnesses."""
        self._witnesses = witnesses
        self._following = following
        self._negotiations = negotiations
        self._log = log
        self._threads = threads
        self._whole = Limit("replays of a point, a topic or in reverse", WHOLE_REPLAYS)

    async def Replay(self, request: pb.ReplayRequest, call: Call) -> AsyncIterator[bytes]:
        """Send the entries that are asked for; then that these were all, or those that come."""
        if not replay.needs_whole(request):
            async with contextlib.aclosing(self._pages(request)) as pages:
                async for message in pages:
                    yield message
            return
        with self._whole.place():
            async with contextlib.aclosing(self._selected(request)) as messages:
                async for message in messages:
                    yield message

    async def _pages(self, request: pb.ReplayRequest) -> AsyncGenerator[bytes, None]:
        """Read a page and send it, until there is none; to follow is to wait then, and read on."""
        feed, shared, commits, threads, idle_seconds = self._following
        apart = functools.partial(asyncio.get_running_loop().run_in_executor, threads)
        asked = await apart(feed.begin, request)
        if request.follow:
            yield feed.started(asked)
        after, count, behind, looking = asked.after, 0, True, False
        with commits.awaited(asked.id) as news:
            while True:
                if request.follow and commits.closed:
                    refuse(
                        pb.ERROR_REASON_SHUTTING_DOWN,
                        "The service is shutting down. Go on from the last cursor.",
                    )
                # Before the page is read, so that what is committed meanwhile is not missed.
                news.clear()
                if request.follow:
                    page = await shared.page(asked, after, anew=looking)
                else:
                    most = request.limit - count if request.limit else None
                    page = await apart(feed.page, asked, after, most)
                after, count = page.after, count + page.entries
                if page.message:
                    yield page.message
                looking = False
                if not page.last:
                    behind = True
                    continue
                if not request.follow:
                    yield await apart(feed.complete, asked, page, count)
                    return
                if behind:
                    yield await apart(feed.caught_up, asked, after)
                    behind = False
                try:
                    async with asyncio.timeout(idle_seconds):
                        await news.wait()
                except TimeoutError:
                    behind = looking = True  # in case that nobody rang, and to say so

    async def _selected(self, request: pb.ReplayRequest) -> AsyncGenerator[bytes, None]:
        """Send those entries of the whole record that are asked for."""
        selection, computed_at = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._selection, request
        )
        for message in replay.messages(selection, computed_at):
            yield message

    async def GetCheckpoint(
        self, request: pb.GetCheckpointRequest, call: Call
    ) -> pb.GetCheckpointResponse:
        """Sign a size and root of the log, and have them cosigned."""
        version = request.version if request.HasField("version") else None
        answer = await self._proved(self._log.checkpoint, request.name, version)
        if self._witnesses is None or answer.HasField("copy"):
            return answer
        id_ = shape.check_name(request.name, "name")
        exact = version is not None
        return await asyncio.wrap_future(self._witnesses.cosigned(id_, answer, exact=exact))

    async def GetInclusionProof(
        self, request: pb.GetInclusionProofRequest, call: Call
    ) -> pb.GetInclusionProofResponse:
        """Prove that an entry is in the log."""
        at = request.at_version if request.HasField("at_version") else None
        return await self._proved(self._log.inclusion, request.name, request.version, at)

    async def GetConsistencyProof(
        self, request: pb.GetConsistencyProofRequest, call: Call
    ) -> pb.GetConsistencyProofResponse:
        """Prove that the log only grew."""
        to = request.to_version if request.HasField("to_version") else None
        return await self._proved(self._log.consistency, request.name, request.from_version, to)

    async def _proved(self, prove: Callable[..., _Answer], name: str, *asked: Any) -> _Answer:
        id_ = shape.check_name(name, "name")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, prove, id_, *asked)

    def _selection(self, request: pb.ReplayRequest) -> tuple[replay.Selection, pb.ComputedAt]:
        id_ = shape.check_name(request.name, "name")
        replay.check(request)
        try:
            replayed, computed_at = self._negotiations.replay(id_, request.as_of)
        except Refusal as refusal:
            raise refusal.under("as_of") if refusal.field else refusal from None
        return replay.select(replayed, request), computed_at
