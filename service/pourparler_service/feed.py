"""The record read a page at a time, for replays and for those who follow; and who wakes them."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Collection, Iterator
from concurrent.futures import Executor
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.wire import framed
from pourparler_service import replay, shape, tokens
from pourparler_service.log import Log
from pourparler_service.refusal import refuse
from pourparler_service.sealing import unseal
from pourparler_service.store import Store, Stored
from pourparler_service.tokens import Tokens

_STEP = 64  # how many entries are read at once: of the longest ones, as many as memory should hold
_MOST_LOOKED_AT = 4_096
_KEPT_PAGES = 64
_HIGHEST = (1 << 63) - 1  # to a database


class Asked(NamedTuple):
    """What is to be read: of which negotiation, after which place and up to which.

    A place is a version of one negotiation, a position over all of them.
    """

    request: pb.ReplayRequest
    id: str
    """Of which negotiation; empty for all of them."""
    after: int
    upto: int
    query: bytes


class Page(NamedTuple):
    """What was read: a message, if any entry met the filters, and where to go on."""

    message: bytes
    entries: int
    after: int
    last: bool
    """Whether there was nothing more to read."""
    limited: bool = False
    """Whether there was, but not within the limit."""


class Feed:
    """Reads pages of stored entries, as they are.

    It keeps nothing between them: who reads slowly holds a place, and no entries. Every method
    blocks on the store.
    """

    def __init__(self, store: Store, log: Log, tokens: Tokens) -> None:
        """Read from this store, sign by this log, and make cursors with these tokens."""
        self._store = store
        self._log = log
        self._tokens = tokens

    def begin(self, request: pb.ReplayRequest) -> Asked:
        """See that a replay can be made, and where it begins. Raises Refusal."""
        id_ = "" if request.name == replay.ALL else shape.check_name(request.name, "name")
        replay.check(request)
        last = self._store.last_version(id_) if id_ else self._store.position()
        if id_ and not last:
            refuse(
                pb.ERROR_REASON_NEGOTIATION_NOT_FOUND,
                f"There is no negotiation '{id_}'.",
                negotiation=id_,
            )
        query = tokens.query(request, "after_version", "cursor", "follow", "limit")
        after: int | None = min(request.after_version, _HIGHEST - 1)
        if request.cursor:
            after = self._tokens.read(request.cursor, query)
            # After the record was put back to an earlier one, others would come at these places.
            if after is None or after > last:
                refuse(
                    pb.ERROR_REASON_CURSOR_INVALID,
                    "The cursor was not given out for this replay of this record. Begin it again"
                    " without one.",
                    "cursor",
                )
        return Asked(request, id_, after or 0, _HIGHEST if request.follow else last, query)

    def page(self, asked: Asked, after: int, most: int | None) -> Page:
        """The next entries that meet the filters, as many as a page has and at most so many."""
        batch: list[bytes] = []
        size = looked_at = 0
        while True:
            found = self._read(asked, after)
            for place, stored in found:
                if place > asked.upto:
                    return self._page(asked, batch, after, last=True)
                if self._meets(asked.request, stored):
                    if most is not None and len(batch) >= most:
                        return self._page(asked, batch, after, last=True, limited=True)
                    if batch and (
                        len(batch) == replay.BATCH_ENTRIES
                        or size + len(stored.data) > replay.BATCH_BYTES
                    ):
                        return self._page(asked, batch, after, last=False)
                    batch.append(framed(pb.ReplayResponse.ENTRIES_FIELD_NUMBER, stored.data))
                    size += len(stored.data)
                after = place
            looked_at += len(found)
            # Over all, fewer may come than there are.
            if not found or (asked.id and len(found) < _STEP):
                return self._page(asked, batch, after, last=True)
            if looked_at >= _MOST_LOOKED_AT:
                return self._page(asked, batch, after, last=False)

    def started(self, asked: Asked) -> bytes:
        """The first message of a follow: its cursor, before anything has come."""
        return pb.ReplayResponse(cursor=self._cursor(asked, asked.after)).SerializeToString()

    def caught_up(self, asked: Asked, after: int) -> bytes:
        """The message that all there was has been sent."""
        message = pb.ReplayResponse(cursor=self._cursor(asked, after))
        message.caught_up.time.GetCurrentTime()
        if asked.id:
            # A follow may begin beyond the end.
            last = min(after, self._store.last_version(asked.id))
            message.caught_up.version = last
            message.caught_up.checkpoint = self._log.checkpoint(asked.id, last).checkpoint
        else:
            message.caught_up.position = after
        return message.SerializeToString()

    def complete(self, asked: Asked, page: Page, count: int) -> bytes:
        """The last message of a replay, which says that it is complete."""
        complete = pb.ReplayComplete(entry_count=count, limited=page.limited)
        if asked.id:
            (last,) = self._store.read(asked.id, after=asked.upto - 1, upto=asked.upto)
            complete.computed_at.version = asked.upto
            complete.computed_at.record_time.CopyFrom(unseal(last.data).header.record_time)
        message = pb.ReplayResponse(complete=complete, cursor=self._cursor(asked, page.after))
        return message.SerializeToString()

    def _read(self, asked: Asked, after: int) -> list[tuple[int, Stored]]:
        if not asked.id:
            return self._store.scan(after, _STEP)
        found = self._store.read(asked.id, after=after, upto=asked.upto, limit=_STEP)
        return [(stored.version, stored) for stored in found]

    def _meets(self, request: pb.ReplayRequest, stored: Stored) -> bool:
        # Without a filter nothing is parsed.
        if not (request.entry_types or request.bases or request.participant_ids):
            return True

        def target(version: int) -> pb.Entry | None:
            found = self._store.read(stored.negotiation, after=version - 1, upto=version)
            return unseal(found[0].data) if found else None

        return replay.meets(unseal(stored.data), request, target)

    def _page(
        self, asked: Asked, batch: list[bytes], after: int, *, last: bool, limited: bool = False
    ) -> Page:
        rest = pb.ReplayResponse(cursor=self._cursor(asked, after)).SerializeToString()
        return Page(b"".join(batch) + rest if batch else b"", len(batch), after, last, limited)

    def _cursor(self, asked: Asked, after: int) -> str:
        return self._tokens.write(after, asked.query)


class Commits:
    """Tells those who wait that there is more to read. Belongs to the thread of its event loop."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self.closed = False
        self.number = 0
        """How many commits there were: changed only by the thread that commits."""

    def committed(self, ids: Collection[str]) -> None:
        """There are new entries of these negotiations. For the one thread that commits."""
        self.number += 1
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
            self._loop.call_soon_threadsafe(self._wake, ids)

    @contextlib.contextmanager
    def awaited(self, id_: str) -> Iterator[asyncio.Event]:
        """Set whenever there are new entries of a negotiation, or of any where the id is empty."""
        event = asyncio.Event()
        events = self._waiting.setdefault(id_, set())
        events.add(event)
        try:
            yield event
        finally:
            events.discard(event)
            if not events and self._waiting.get(id_) is events:
                del self._waiting[id_]

    def close(self) -> None:
        """Wake everybody, for the last time."""
        self.closed = True
        self._wake(tuple(self._waiting))

    def _wake(self, ids: Collection[str]) -> None:
        for id_ in (*ids, ""):
            for event in self._waiting.get(id_, ()):
                event.set()


class Pages:
    """Reads each page once for all who follow and want it. Belongs to its event loop's thread.

    Whoever waits at the end of the record wants the same next page at the same moment.
    """

    def __init__(self, feed: Feed, commits: Commits, threads: Executor) -> None:
        """Read from this feed on these threads; what was read holds until the next commit."""
        self._feed = feed
        self._commits = commits
        self._threads = threads
        self._read: OrderedDict[tuple[bytes, int], tuple[int, asyncio.Future[Page]]] = OrderedDict()

    async def page(self, asked: Asked, after: int, *, anew: bool) -> Page:
        """The next page of a follow; `anew` from the store, whatever was read before."""
        place = (asked.query, after)
        number = self._commits.number
        known = self._read.get(place)
        if known is not None and known[0] == number and not anew:
            reading = known[1]
        else:
            loop = asyncio.get_running_loop()
            reading = loop.run_in_executor(self._threads, self._feed.page, asked, after, None)
            self._read[place] = (number, reading)
            self._read.move_to_end(place)
            if len(self._read) > _KEPT_PAGES:
                self._read.popitem(last=False)
            reading.add_done_callback(lambda done: self._forget_failed(place, done))
        # One who leaves must not take it from the others.
        return await asyncio.shield(reading)

    def _forget_failed(self, place: tuple[bytes, int], reading: asyncio.Future[Page]) -> None:
        known = self._read.get(place)
        failed = reading.cancelled() or reading.exception() is not None
        if failed and known is not None and known[1] is reading:
            del self._read[place]
