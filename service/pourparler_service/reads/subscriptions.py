"""Subscriptions to new entries: pages that readers share, and who wakes them."""

import asyncio
import contextlib
import functools
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from pourparler_service.reads.replay import (
    _KEPT_PAGES,
    _WOKEN,
    ReplayPage,
    ReplayReader,
    ReplayRequest,
)


class CommitNotifier:
    """Tells those who wait that there is more to read. Belongs to the thread of its event loop."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._loop = asyncio.get_running_loop()
        self._listeners: dict[str, set[Callable[[], None]]] = {}
        self.closed = False
        self.number = 0
        """How often there were new entries."""

    def on_commit(self, ids: Collection[str]) -> None:
        """Wake the readers of these negotiations. Any thread may call it."""
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
            self._loop.call_soon_threadsafe(self._tell, ids)

    def purge(self, id_: str) -> None:
        """Wake the readers of a negotiation: its entries have changed."""
        self.on_commit((id_,))

    def listen(self, id_: str, listener: Callable[[], None]) -> None:
        """Call this for new entries of a negotiation, of any where the id is empty, and at last."""
        self._listeners.setdefault(id_, set()).add(listener)

    def forget(self, id_: str, listener: Callable[[], None]) -> None:
        """Call it no more."""
        listeners = self._listeners[id_]
        listeners.remove(listener)
        if not listeners:
            del self._listeners[id_]

    def close(self) -> None:
        """Tell everybody, for the last time."""
        self.closed = True
        self._tell(tuple(self._listeners))

    def _tell(self, ids: Collection[str]) -> None:
        self.number += 1
        for id_ in {*ids, ""}:
            for listener in tuple(self._listeners.get(id_, ())):
                listener()


_Waiters = asyncio.Future[asyncio.Future[ReplayPage] | None]


class _PageRead(NamedTuple):
    """A page that is being read or was, and how many commits had been told of before."""

    page: asyncio.Future[ReplayPage]
    commits: int


class SharedPages:
    """What is followed, and the pages of it that were read: once for all who want them.

    Belongs to the thread of its event loop.
    """

    def __init__(self, feed: ReplayReader, commits: CommitNotifier, threads: Executor) -> None:
        """Read from this feed on these threads."""
        self._loop = asyncio.get_running_loop()
        self.feed = feed
        self.commits = commits
        self.threads = threads
        self._followed: dict[tuple[bytes, str], Subscription] = {}
        self._kept: OrderedDict[tuple[Subscription, int], _PageRead] = OrderedDict()

    @contextlib.contextmanager
    def followed(self, asked: ReplayRequest) -> "Iterator[Subscription]":
        """What is asked for, as all share it who follow the same."""
        followed = self._followed.get(asked.followed)
        if followed is None:
            followed = self._followed[asked.followed] = Subscription(asked, self)
            self.commits.listen(asked.id, followed.tell)
        followed.followers += 1
        try:
            yield followed
        finally:
            followed.followers -= 1
            if not followed.followers:
                self.commits.forget(asked.id, followed.tell)
                del self._followed[asked.followed]

    def on_commit(self, ids: Collection[str]) -> None:
        """Do nothing: a page holds until the next commit of which its readers are told."""

    def purge(self, id_: str) -> None:  # noqa: ARG002 - a page may have entries of any negotiation
        """Drop all pages. Any thread may call it."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and they with it
            self._loop.call_soon_threadsafe(self._kept.clear)

    def read(self, followed: "Subscription", after: int) -> _PageRead | None:
        """What was read last at a place, if it is still kept."""
        return self._kept.get((followed, after))

    def keep(self, followed: "Subscription", after: int, read: _PageRead) -> None:
        """Keep what is being read at a place, and let go of what was read longest ago."""
        self._kept[followed, after] = read
        self._kept.move_to_end((followed, after))
        if len(self._kept) > _KEPT_PAGES:
            self._kept.popitem(last=False)


class Subscription:
    """What is followed by the same filters, and who of those that follow it wait for more.

    Whoever waits at the end of the record wants the same next page at the same moment: it is read
    once and handed to all of them. Belongs to the thread of its event loop.
    """

    def __init__(self, asked: ReplayRequest, pages: SharedPages) -> None:
        """Begin with nobody following."""
        self._asked = asked
        self._pages = pages
        self._loop = asyncio.get_running_loop()
        self._commits = 0
        self._end: tuple[int, int] | None = None  # where it ended, after how many commits
        self._waiting: dict[int, dict[_Waiters, None]] = {}  # by their places, in their order
        self._looking: set[int] = set()
        self._saying: dict[int, asyncio.Future[bytes]] = {}
        self.followers = 0

    async def page(self, after: int, *, anew: bool = False) -> ReplayPage:
        """The next page, whatever there is.

        What was read holds until the next commit, but not if it is wanted `anew`.
        """
        # One who leaves must not take it from the others.
        return await asyncio.shield(self._read(after, anew=anew))

    async def more(self, after: int, seconds: float) -> ReplayPage | None:
        """The next page as soon as there is more; None if there is not for so many seconds.

        None as well once the last commit was told of.
        """
        if self._pages.commits.closed:
            return None
        waits: _Waiters = self._loop.create_future()
        waiting = self._waiting.setdefault(after, {})
        waiting[waits] = None
        patience = self._loop.call_later(seconds, _hand, None, [waits])
        if self._end != (after, self._commits):
            self._look(after)
        try:
            found = await waits
        finally:
            patience.cancel()
            waiting.pop(waits, None)
            if not waiting and self._waiting.get(after) is waiting:
                del self._waiting[after]
        return None if found is None else found.result()

    async def caught_up(self, after: int) -> bytes:
        """The message that all there was has been sent: one for all who want it meanwhile."""
        saying = self._saying.get(after)
        if saying is None:
            feed, threads = self._pages.feed, self._pages.threads
            saying = self._loop.run_in_executor(threads, feed.caught_up, self._asked, after)
            self._saying[after] = saying
            saying.add_done_callback(lambda _: self._saying.pop(after))
        return await asyncio.shield(saying)

    def tell(self) -> None:
        """There is more to read, or there never will be."""
        self._commits += 1
        for after, waiting in tuple(self._waiting.items()):
            if self._pages.commits.closed:
                _hand(None, tuple(waiting))
            else:
                self._look(after)

    def _read(self, after: int, *, anew: bool = False) -> asyncio.Future[ReplayPage]:
        known = self._pages.read(self, after)
        if known is not None and known.commits == self._commits:
            page = known.page
            if not page.done() or not (anew or page.cancelled() or page.exception()):
                return page
        feed, threads = self._pages.feed, self._pages.threads
        page = self._loop.run_in_executor(threads, feed.page, self._asked, after, None)
        page.add_done_callback(functools.partial(self._note_end, self._commits))
        self._pages.keep(self, after, _PageRead(page, self._commits))
        return page

    def _note_end(self, commits: int, page: asyncio.Future[ReplayPage]) -> None:
        if not page.cancelled() and not page.exception() and page.result().last:
            self._end = (page.result().after, commits)

    def _look(self, after: int) -> None:
        """Read on for those who wait at this place."""
        if after not in self._looking:
            self._looking.add(after)
            found = functools.partial(self._found, after, self._commits)
            self._read(after).add_done_callback(found)

    def _found(self, after: int, commits: int, page: asyncio.Future[ReplayPage]) -> None:
        """Hand on what was read; where it is nothing, they wait on."""
        self._looking.discard(after)
        if after not in self._waiting or page.cancelled():
            return
        if page.exception() or page.result()[2:5] != (after, True, False):
            _hand(page, tuple(self._waiting.pop(after)))
        elif commits != self._commits:
            self._look(after)


def _hand(found: asyncio.Future[ReplayPage] | None, waiting: Sequence[_Waiters]) -> None:
    """Wake those who wait, so many at a time."""
    for waits in waiting[:_WOKEN]:
        if not waits.done():
            waits.set_result(found)
    if len(waiting) > _WOKEN:
        asyncio.get_running_loop().call_soon(_hand, found, waiting[_WOKEN:])
