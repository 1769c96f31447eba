"""Subscriptions to new entries: pages shared by their subscribers, and commit notifications."""

import asyncio
import contextlib
import functools
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from pourparler_service.reads.replay import ReplayPage, ReplayReader, ReplayRequest

_CACHED_PAGES = 64
_WAKE_UPS = 64  # in one turn of the event loop: other tasks run in between


class CommitNotifier:
    """Notifies listeners of new entries. Owned by the thread of its event loop."""

    def __init__(self) -> None:
        """Start without listeners, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._listeners: dict[str, set[Callable[[], None]]] = {}
        self.closed = False
        self.number = 0
        """The number of commits so far."""

    def on_commit(self, ids: Collection[str]) -> None:
        """Notify of new entries in negotiations. Only the thread that commits calls this."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and its listeners with it
            self._loop.call_soon_threadsafe(self._notify, ids)

    def purge(self, id_: str) -> None:
        """Wake the readers of a negotiation: its entries have changed."""
        self.on_commit((id_,))

    def listen(self, id_: str, listener: Callable[[], None]) -> None:
        """Call a listener for new entries of a negotiation, and at the close.

        An empty id stands for all negotiations.
        """
        self._listeners.setdefault(id_, set()).add(listener)

    def forget(self, id_: str, listener: Callable[[], None]) -> None:
        """Remove a listener."""
        listeners = self._listeners[id_]
        listeners.remove(listener)
        if not listeners:
            del self._listeners[id_]

    def close(self) -> None:
        """Notify every listener for the last time."""
        self.closed = True
        self._notify(tuple(self._listeners))

    def _notify(self, ids: Collection[str]) -> None:
        self.number += 1
        for id_ in {*ids, ""}:
            for listener in tuple(self._listeners.get(id_, ())):
                listener()


_Waiter = asyncio.Future[asyncio.Future[ReplayPage] | None]


class _PageRead(NamedTuple):
    """A page that is being read or was read, and the number of commits before it."""

    page: asyncio.Future[ReplayPage]
    commits: int


class SharedPages:
    """The open subscriptions, and the pages read for them: each once for all subscribers.

    Owned by the thread of its event loop.
    """

    def __init__(self, reader: ReplayReader, commits: CommitNotifier, threads: Executor) -> None:
        """Read with a reader on these threads."""
        self._loop = asyncio.get_running_loop()
        self.reader = reader
        self.commits = commits
        self.threads = threads
        self._subscriptions: dict[tuple[bytes, str], Subscription] = {}
        self._cached: OrderedDict[tuple[Subscription, int], _PageRead] = OrderedDict()

    @contextlib.contextmanager
    def subscribe(self, replay: ReplayRequest) -> "Iterator[Subscription]":
        """Return the subscription to a replay, which equal replays share."""
        subscription = self._subscriptions.get(replay.shared)
        if subscription is None:
            subscription = self._subscriptions[replay.shared] = Subscription(replay, self)
            self.commits.listen(replay.id, subscription.notify)
        subscription.subscribers += 1
        try:
            yield subscription
        finally:
            subscription.subscribers -= 1
            if not subscription.subscribers:
                self.commits.forget(replay.id, subscription.notify)
                del self._subscriptions[replay.shared]

    def on_commit(self, ids: Collection[str]) -> None:
        """Do nothing: a page holds until the next commit of which its readers are told."""

    def purge(self, id_: str) -> None:  # noqa: ARG002 - a page may have entries of any negotiation
        """Drop every cached page. Thread-safe."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and the pages with it
            self._loop.call_soon_threadsafe(self._cached.clear)

    def get(self, subscription: "Subscription", after: int) -> _PageRead | None:
        """Return the page that was read last at a place, if it is still cached."""
        return self._cached.get((subscription, after))

    def put(self, subscription: "Subscription", after: int, read: _PageRead) -> None:
        """Cache a page that is being read, and drop the one that was read first."""
        self._cached[subscription, after] = read
        self._cached.move_to_end((subscription, after))
        if len(self._cached) > _CACHED_PAGES:
            self._cached.popitem(last=False)


class Subscription:
    """A replay with follow, and the subscribers that wait for more of it.

    All subscribers at the end of the record want the same next page at the same moment. It is read
    once and handed to all of them. Owned by the thread of its event loop.
    """

    def __init__(self, replay: ReplayRequest, pages: SharedPages) -> None:
        """Start without subscribers."""
        self._replay = replay
        self._pages = pages
        self._loop = asyncio.get_running_loop()
        self._commits = 0
        self._end: tuple[int, int] | None = None  # the last place, after how many commits
        self._waiting: dict[int, dict[_Waiter, None]] = {}  # by their places, in their order
        self._reading: set[int] = set()
        self._caught_up: dict[int, asyncio.Future[bytes]] = {}
        self.subscribers = 0

    async def page(self, after: int, *, reread: bool = False) -> ReplayPage:
        """Return the next page, which may be empty.

        A cached page is used until the next commit, but not to `reread`.
        """
        # A subscriber that leaves must not cancel the read of the others.
        return await asyncio.shield(self._read(after, reread=reread))

    async def more(self, after: int, seconds: float) -> ReplayPage | None:
        """Return the next page as soon as there is more; None after so many seconds.

        Return None as well after the close of the notifier.
        """
        if self._pages.commits.closed:
            return None
        waiter: _Waiter = self._loop.create_future()
        waiting = self._waiting.setdefault(after, {})
        waiting[waiter] = None
        timeout = self._loop.call_later(seconds, _hand, None, [waiter])
        if self._end != (after, self._commits):
            self._read_on(after)
        try:
            found = await waiter
        finally:
            timeout.cancel()
            waiting.pop(waiter, None)
            if not waiting and self._waiting.get(after) is waiting:
                del self._waiting[after]
        return None if found is None else found.result()

    async def caught_up(self, after: int) -> bytes:
        """Return the message that all recorded entries were sent, made once for all subscribers."""
        message = self._caught_up.get(after)
        if message is None:
            reader, threads = self._pages.reader, self._pages.threads
            message = self._loop.run_in_executor(threads, reader.caught_up, self._replay, after)
            self._caught_up[after] = message
            message.add_done_callback(lambda _: self._caught_up.pop(after))
        return await asyncio.shield(message)

    def notify(self) -> None:
        """Wake the subscribers: there is more to read, or the service closes."""
        self._commits += 1
        for after, waiting in tuple(self._waiting.items()):
            if self._pages.commits.closed:
                _hand(None, tuple(waiting))
            else:
                self._read_on(after)

    def _read(self, after: int, *, reread: bool = False) -> asyncio.Future[ReplayPage]:
        known = self._pages.get(self, after)
        if known is not None and known.commits == self._commits:
            page = known.page
            if not page.done() or not (reread or page.cancelled() or page.exception()):
                return page
        reader, threads = self._pages.reader, self._pages.threads
        page = self._loop.run_in_executor(threads, reader.page, self._replay, after, None)
        page.add_done_callback(functools.partial(self._note_end, self._commits))
        self._pages.put(self, after, _PageRead(page, self._commits))
        return page

    def _note_end(self, commits: int, page: asyncio.Future[ReplayPage]) -> None:
        if not page.cancelled() and not page.exception() and page.result().last:
            self._end = (page.result().after, commits)

    def _read_on(self, after: int) -> None:
        """Read the next page for the subscribers that wait at a place."""
        if after not in self._reading:
            self._reading.add(after)
            found = functools.partial(self._found, after, self._commits)
            self._read(after).add_done_callback(found)

    def _found(self, after: int, commits: int, page: asyncio.Future[ReplayPage]) -> None:
        """Hand a page to the subscribers; after an empty one they keep waiting."""
        self._reading.discard(after)
        if after not in self._waiting or page.cancelled():
            return
        if page.exception() or not _is_end(page.result(), after):
            _hand(page, tuple(self._waiting.pop(after)))
        elif commits != self._commits:
            self._read_on(after)


def _is_end(page: ReplayPage, after: int) -> bool:
    return page.after == after and page.last and not page.limited


def _hand(found: asyncio.Future[ReplayPage] | None, waiting: Sequence[_Waiter]) -> None:
    """Wake some subscribers now, and the others in the next turn of the event loop."""
    for waiter in waiting[:_WAKE_UPS]:
        if not waiter.done():
            waiter.set_result(found)
    if len(waiting) > _WAKE_UPS:
        asyncio.get_running_loop().call_soon(_hand, found, waiting[_WAKE_UPS:])
