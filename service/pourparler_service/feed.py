"""The record read a page at a time, for replays and for those who follow; and who wakes them."""

import asyncio
import contextlib
import functools
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.wire import framed
from pourparler_service import paced, replay, shape, tokens, views
from pourparler_service.log import Log
from pourparler_service.refusal import Refusal, refuse
from pourparler_service.sealing import unseal
from pourparler_service.sights import CutStore, Sights, View
from pourparler_service.store import Entries, Store
from pourparler_service.tokens import Tokens
from pourparler_service.views import Sight

_MOST_LOOKED_AT = 4_096
_KEPT_PAGES = 64
_WOKEN = 64  # how many who wait are woken in one turn of the loop: others have theirs in between
_HIGHEST = (1 << 63) - 1  # to a database


class Asked(NamedTuple):
    """What is to be read: of which negotiation, after which place and up to which.

    A place is a version of one negotiation, a position over all of them.
    """

    request: pb.ReplayEntriesRequest
    id: str
    """Of which negotiation; empty for all of them."""
    after: int
    upto: int
    query: bytes
    caller: str
    """By whose access it is cut; empty for who sees everything, whatever is asked for."""

    @property
    def followed(self) -> tuple[bytes, str]:
        """Those for whom it is the same may follow it together."""
        return self.query, self.caller


class Page(NamedTuple):
    """What was read: a message, if any entry met the filters, and where to go on."""

    message: bytes
    entries: int
    after: int
    last: bool
    """Whether there was nothing more to read."""
    limited: bool = False
    """Whether there was, but not within the limit."""
    sight: Sight | None = None
    """As whose it was cut, if it is of one negotiation and of a caller whose access counts."""


class Feed:
    """Reads pages of stored entries, as they are.

    It keeps nothing between them: who reads slowly holds a place, and no entries. Every method
    blocks on the store.
    """

    def __init__(self, store: Store, log: Log, tokens: Tokens, sights: Sights) -> None:
        """Read from this store as these sights say, sign by this log, make cursors with tokens."""
        self._store = store
        self._sights = sights
        self._log = log
        self._tokens = tokens

    def begin(self, request: pb.ReplayEntriesRequest, caller: str) -> Asked:
        """See that a replay can be made, and where it begins. Raises Refusal."""
        id_ = "" if request.name == replay.ALL else shape.check_name(request.name, "name")
        replay.check(request)
        if request.viewer_participant_id:
            shape.check_id(request.viewer_participant_id, "viewer_participant_id")
        if not request.viewer_participant_id and self._sights.policy.audits(caller):
            caller = ""
        if caller and id_:
            self._sights.of(id_, caller, request.viewer_participant_id)
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
        return Asked(request, id_, after or 0, _HIGHEST if request.follow else last, query, caller)

    def page(self, asked: Asked, after: int, most: int | None) -> Page:
        """The next entries that meet the filters, as many as a page has and at most so many."""
        paced.reading()
        if not asked.caller:
            return self._whole(asked, after, most)
        view = self._view(asked, asked.id) if asked.id else None
        if view is None:
            return self._cut(asked, None, after, most)
        # What was recorded since that look is for the next one: access may have ended before it.
        known = asked._replace(upto=min(asked.upto, view.version))
        read = self._whole(known, after, most) if view.sight.whole else None
        return (read or self._cut(known, view, after, most))._replace(sight=view.sight)

    def renewed(self, asked: Asked, page: Page, after: int, most: int | None) -> Page:
        """A page that was read a while ago as it is now: its caller may see less than then."""
        if asked.id and self._view(asked, asked.id).sight == page.sight:
            return page
        return self.page(asked, after, most)

    def _whole(self, asked: Asked, after: int, most: int | None) -> Page:
        """As `page`, for who sees everything."""
        batch: list[bytes] = []
        entries = size = looked_at = 0
        plain = not _is_filtered(asked.request)
        while True:
            rows, last = self._store.rows(
                asked.id,
                after=after,
                upto=asked.upto,
                limit=replay.BATCH_ENTRIES,
                size=replay.BATCH_BYTES,
            )
            for place, id_, data in rows:
                if plain or self._meets(asked.request, id_, data):
                    if entries == most:
                        return self._page(asked, batch, after, last=True, limited=True)
                    if entries and (
                        entries == replay.BATCH_ENTRIES or size + len(data) > replay.BATCH_BYTES
                    ):
                        return self._page(asked, batch, after, last=False)
                    batch.append(_head(len(data)))
                    batch.append(data)
                    entries += 1
                    size += len(data)
                after = place
            looked_at += len(rows)
            if last:
                return self._page(asked, batch, after, last=True)
            if looked_at >= _MOST_LOOKED_AT or entries == replay.BATCH_ENTRIES != most:
                return self._page(asked, batch, after, last=False)

    def _view(self, asked: Asked, id_: str) -> View:
        return self._sights.of(id_, asked.caller, asked.request.viewer_participant_id)

    def _cut(self, asked: Asked, view: View | None, after: int, most: int | None) -> Page:
        """As `page`, for who does not see everything: of what is not seen, the header alone.

        Where it ends is told by what is sent, and by how many were looked at: what is not seen
        counts by its header.
        """
        batch: list[bytes] = []
        entries = size = looked_at = 0
        plain = not _is_filtered(asked.request)
        while True:
            rows, last = self._store.rows(
                asked.id,
                after=after,
                upto=asked.upto,
                limit=replay.BATCH_ENTRIES,
                size=replay.BATCH_BYTES,
            )
            # Over all, it is looked at who sees what when they are read, so that no access has
            # ended before any of them was recorded.
            seeing = _Seeing(self._store, self._sights, asked, view)
            for place, id_, data in rows:
                shown = seeing.shown(place, id_, data)
                if shown is not None and (
                    plain or replay.meets(unseal(shown), asked.request, seeing.targets(id_))
                ):
                    if entries == most:
                        return self._page(asked, batch, after, last=True, limited=True)
                    if entries and (
                        entries == replay.BATCH_ENTRIES or size + len(shown) > replay.BATCH_BYTES
                    ):
                        return self._page(asked, batch, after, last=False)
                    batch.append(_head(len(shown)))
                    batch.append(shown)
                    entries += 1
                    size += len(shown)
                after = place
                looked_at += 1
                # A page that is full ends here, and not where the rows that were read do: how many
                # these are depends on the length of what is hidden.
                if looked_at == _MOST_LOOKED_AT or entries == replay.BATCH_ENTRIES != most:
                    return self._page(asked, batch, after, last=False)
            if last:
                return self._page(asked, batch, after, last=True)

    def started(self, asked: Asked) -> bytes:
        """The first message of a follow: its cursor, before anything has come."""
        return pb.ReplayEntriesResponse(cursor=self._cursor(asked, asked.after)).SerializeToString()

    def caught_up(self, asked: Asked, after: int) -> bytes:
        """The message that all there was has been sent."""
        message = pb.ReplayEntriesResponse(cursor=self._cursor(asked, after))
        message.caught_up.time.GetCurrentTime()
        if asked.id:
            # A follow may begin beyond the end.
            last = min(after, self._store.last_version(asked.id))
            message.caught_up.version = last
            message.caught_up.checkpoint = self._log.checkpoint(asked.id, last).checkpoint
        elif not asked.caller:  # It grows with what others record.
            message.caught_up.position = after
        return message.SerializeToString()

    def complete(self, asked: Asked, page: Page, count: int) -> bytes:
        """The last message of a replay, which says that it is complete."""
        complete = pb.ReplayComplete(entry_count=count, limited=page.limited)
        if asked.id:
            (last,) = self._store.read(asked.id, after=asked.upto - 1, upto=asked.upto)
            complete.computed_at.version = asked.upto
            complete.computed_at.record_time.CopyFrom(unseal(last.data).header.record_time)
        message = pb.ReplayEntriesResponse(
            complete=complete, cursor=self._cursor(asked, page.after)
        )
        return message.SerializeToString()

    def _meets(self, request: pb.ReplayEntriesRequest, id_: str, data: bytes) -> bool:
        def target(version: int) -> pb.Entry | None:
            found = self._store.read(id_, after=version - 1, upto=version)
            return unseal(found[0].data) if found else None

        return replay.meets(unseal(data), request, target)

    def _page(
        self, asked: Asked, batch: list[bytes], after: int, *, last: bool, limited: bool = False
    ) -> Page:
        rest = pb.ReplayEntriesResponse(cursor=self._cursor(asked, after)).SerializeToString()
        message = b"".join((*batch, rest)) if batch else b""
        return Page(message, len(batch) // 2, after, last, limited)

    def _cursor(self, asked: Asked, after: int) -> str:
        return self._tokens.write(after, asked.query)


class _Seeing:
    """What one caller sees of the entries on a page."""

    def __init__(self, store: Store, sights: Sights, asked: Asked, view: View | None) -> None:
        """Of one negotiation by this view; of all, by what is seen of each."""
        self._store = store
        self._sights = sights
        self._asked = asked
        self._views: dict[str, View | None] = {asked.id: view} if view is not None else {}
        self._seen: dict[str, Callable[[int], bool]] = {}

    def shown(self, place: int, id_: str, data: bytes) -> bytes | None:
        """What is shown of an entry: all of it, or its header; None where not even that."""
        view = self._views[id_] if id_ in self._views else self._view(id_)
        if view is None or view.sight.whole:
            return None if view is None else data
        version = place if self._asked.id else _version(data)
        seen = self._seen.get(id_)
        if seen is None:
            seen = self._seen[id_] = view.audience.seen(view.sight, view.version)
        return data if seen(version) else views.header_alone(data)

    def targets(self, id_: str) -> Callable[[int], pb.Entry | None]:
        """Gives the entries of which others speak, as far as they are seen."""
        view = self._view(id_)
        store: Entries = self._store
        if view is not None and not view.sight.whole:
            store = CutStore(store, view)

        def target(version: int) -> pb.Entry | None:
            found = store.read(id_, after=version - 1, upto=version)
            return unseal(found[0].data) if found else None

        return target

    def _view(self, id_: str) -> View | None:
        if id_ not in self._views:
            try:
                seen_by = self._asked.request.viewer_participant_id
                self._views[id_] = self._sights.of(id_, self._asked.caller, seen_by)
            except Refusal:
                self._views[id_] = None
        return self._views[id_]


def _version(data: bytes) -> int:
    """The version of a stored entry."""
    return unseal(views.header_alone(data)).header.version


def _is_filtered(request: pb.ReplayEntriesRequest) -> bool:
    """Whether entries have to be parsed to know which are asked for."""
    return bool(request.entry_types or request.bases or request.participant_ids)


@functools.lru_cache(4_096)
def _head(size: int) -> bytes:
    """What stands in a message before an entry of so many bytes."""
    return framed(pb.ReplayEntriesResponse.ENTRIES_FIELD_NUMBER, bytes(size)).removesuffix(
        bytes(size)
    )


class Commits:
    """Tells those who wait that there is more to read. Belongs to the thread of its event loop."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._loop = asyncio.get_running_loop()
        self._listeners: dict[str, set[Callable[[], None]]] = {}
        self.closed = False
        self.number = 0
        """How often there were new entries."""

    def committed(self, ids: Collection[str]) -> None:
        """There are new entries of these negotiations. For the one thread that commits."""
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
            self._loop.call_soon_threadsafe(self._tell, ids)

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


_Waits = asyncio.Future[asyncio.Future[Page] | None]


class _Read(NamedTuple):
    """A page that is being read or was, and how many commits had been told of before."""

    page: asyncio.Future[Page]
    commits: int


class Pages:
    """What is followed, and the pages of it that were read: once for all who want them.

    Belongs to the thread of its event loop.
    """

    def __init__(self, feed: Feed, commits: Commits, threads: Executor) -> None:
        """Read from this feed on these threads."""
        self._loop = asyncio.get_running_loop()
        self.feed = feed
        self.commits = commits
        self.threads = threads
        self._followed: dict[tuple[bytes, str], Followed] = {}
        self._kept: OrderedDict[tuple[Followed, int], _Read] = OrderedDict()

    @contextlib.contextmanager
    def followed(self, asked: Asked) -> "Iterator[Followed]":
        """What is asked for, as all share it who follow the same."""
        followed = self._followed.get(asked.followed)
        if followed is None:
            followed = self._followed[asked.followed] = Followed(asked, self)
            self.commits.listen(asked.id, followed.tell)
        followed.followers += 1
        try:
            yield followed
        finally:
            followed.followers -= 1
            if not followed.followers:
                self.commits.forget(asked.id, followed.tell)
                del self._followed[asked.followed]

    def forget(self) -> None:
        """Keep no page that was read before. For any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and they with it
            self._loop.call_soon_threadsafe(self._kept.clear)

    def read(self, followed: "Followed", after: int) -> _Read | None:
        """What was read last at a place, if it is still kept."""
        return self._kept.get((followed, after))

    def keep(self, followed: "Followed", after: int, read: _Read) -> None:
        """Keep what is being read at a place, and let go of what was read longest ago."""
        self._kept[followed, after] = read
        self._kept.move_to_end((followed, after))
        if len(self._kept) > _KEPT_PAGES:
            self._kept.popitem(last=False)


class Followed:
    """What is followed by the same filters, and who of those that follow it wait for more.

    Whoever waits at the end of the record wants the same next page at the same moment: it is read
    once and handed to all of them. Belongs to the thread of its event loop.
    """

    def __init__(self, asked: Asked, pages: Pages) -> None:
        """Begin with nobody following."""
        self._asked = asked
        self._pages = pages
        self._loop = asyncio.get_running_loop()
        self._commits = 0
        self._end: tuple[int, int] | None = None  # where it ended, after how many commits
        self._waiting: dict[int, dict[_Waits, None]] = {}  # by their places, in their order
        self._looking: set[int] = set()
        self._saying: dict[int, asyncio.Future[bytes]] = {}
        self.followers = 0

    async def page(self, after: int, *, anew: bool = False) -> Page:
        """The next page, whatever there is.

        What was read holds until the next commit, but not if it is wanted `anew`.
        """
        # One who leaves must not take it from the others.
        return await asyncio.shield(self._read(after, anew=anew))

    async def more(self, after: int, seconds: float) -> Page | None:
        """The next page as soon as there is more; None if there is not for so many seconds.

        None as well once the last commit was told of.
        """
        if self._pages.commits.closed:
            return None
        waits: _Waits = self._loop.create_future()
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

    def _read(self, after: int, *, anew: bool = False) -> asyncio.Future[Page]:
        known = self._pages.read(self, after)
        if known is not None and known.commits == self._commits:
            page = known.page
            if not page.done() or not (anew or page.cancelled() or page.exception()):
                return page
        feed, threads = self._pages.feed, self._pages.threads
        page = self._loop.run_in_executor(threads, feed.page, self._asked, after, None)
        page.add_done_callback(functools.partial(self._note_end, self._commits))
        self._pages.keep(self, after, _Read(page, self._commits))
        return page

    def _note_end(self, commits: int, page: asyncio.Future[Page]) -> None:
        if not page.cancelled() and not page.exception() and page.result().last:
            self._end = (page.result().after, commits)

    def _look(self, after: int) -> None:
        """Read on for those who wait at this place."""
        if after not in self._looking:
            self._looking.add(after)
            found = functools.partial(self._found, after, self._commits)
            self._read(after).add_done_callback(found)

    def _found(self, after: int, commits: int, page: asyncio.Future[Page]) -> None:
        """Hand on what was read; where it is nothing, they wait on."""
        self._looking.discard(after)
        if after not in self._waiting or page.cancelled():
            return
        if page.exception() or page.result()[2:5] != (after, True, False):
            _hand(page, tuple(self._waiting.pop(after)))
        elif commits != self._commits:
            self._look(after)


def _hand(found: asyncio.Future[Page] | None, waiting: Sequence[_Waits]) -> None:
    """Wake those who wait, so many at a time."""
    for waits in waiting[:_WOKEN]:
        if not waits.done():
            waits.set_result(found)
    if len(waiting) > _WOKEN:
        asyncio.get_running_loop().call_soon(_hand, found, waiting[_WOKEN:])
