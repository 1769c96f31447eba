"""The record read a page at a time, for replays and for those who follow; and who wakes them."""

import functools
from collections.abc import Callable
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.schema.wire import framed
from pourparler_service.authorization import filtering
from pourparler_service.authorization.filtered_store import FilteredEventReader
from pourparler_service.authorization.roles import VisibilityScope
from pourparler_service.authorization.viewer_scopes import ScopeResolver, ViewerScope
from pourparler_service.domain.refusal import Refusal, refuse
from pourparler_service.reads import entry_filters, page_tokens
from pourparler_service.reads.page_tokens import PageTokens
from pourparler_service.runtime import cooperative
from pourparler_service.storage.event_store import Store
from pourparler_service.storage.interface import EventReader
from pourparler_service.storage.record_codec import decode_record
from pourparler_service.transparency.log import Log
from pourparler_service.validation import drafts

_MOST_LOOKED_AT = 4_096
_KEPT_PAGES = 64
_WOKEN = 64  # how many who wait are woken in one turn of the loop: others have theirs in between
_HIGHEST = (1 << 63) - 1  # to a database


class ReplayRequest(NamedTuple):
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


class ReplayPage(NamedTuple):
    """What was read: a message, if any entry met the filters, and where to go on."""

    message: bytes
    entries: int
    after: int
    last: bool
    """Whether there was nothing more to read."""
    limited: bool = False
    """Whether there was, but not within the limit."""
    sight: VisibilityScope | None = None
    """As whose it was cut, if it is of one negotiation and of a caller whose access counts."""


class ReplayReader:
    """Reads pages of stored entries, as they are.

    It keeps nothing between them: who reads slowly holds a place, and no entries. Every method
    blocks on the store.
    """

    def __init__(self, store: Store, log: Log, tokens: PageTokens, sights: ScopeResolver) -> None:
        """Read from this store as these sights say, sign by this log, make cursors with tokens."""
        self._store = store
        self._sights = sights
        self._log = log
        self._tokens = tokens

    def begin(self, request: pb.ReplayEntriesRequest, caller: str) -> ReplayRequest:
        """See that a replay can be made, and where it begins. Raises Refusal."""
        id_ = "" if request.name == entry_filters.ALL else drafts.check_name(request.name, "name")
        entry_filters.check(request)
        if request.viewer_participant_id:
            drafts.check_id(request.viewer_participant_id, "viewer_participant_id")
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
        query = page_tokens.query(request, "after_version", "cursor", "follow", "limit")
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
        return ReplayRequest(
            request, id_, after or 0, _HIGHEST if request.follow else last, query, caller
        )

    def page(self, asked: ReplayRequest, after: int, most: int | None) -> ReplayPage:
        """The next entries that meet the filters, as many as a page has and at most so many."""
        cooperative.reading()
        if not asked.caller:
            return self._whole(asked, after, most)
        view = self._view(asked, asked.id) if asked.id else None
        if view is None:
            return self._cut(asked, None, after, most)
        # What was recorded since that look is for the next one: access may have ended before it.
        known = asked._replace(upto=min(asked.upto, view.version))
        read = self._whole(known, after, most) if view.sight.whole else None
        return (read or self._cut(known, view, after, most))._replace(sight=view.sight)

    def renewed(
        self, asked: ReplayRequest, page: ReplayPage, after: int, most: int | None
    ) -> ReplayPage:
        """A page that was read a while ago as it is now: its caller may see less than then."""
        if asked.id and self._view(asked, asked.id).sight == page.sight:
            return page
        return self.page(asked, after, most)

    def _whole(self, asked: ReplayRequest, after: int, most: int | None) -> ReplayPage:
        """As `page`, for who sees everything."""
        batch: list[bytes] = []
        entries = size = looked_at = 0
        plain = not _is_filtered(asked.request)
        while True:
            rows, last = self._store.rows(
                asked.id,
                after=after,
                upto=asked.upto,
                limit=entry_filters.BATCH_ENTRIES,
                size=entry_filters.BATCH_BYTES,
            )
            for place, id_, data in rows:
                if plain or self._meets(asked.request, id_, data):
                    if entries == most:
                        return self._page(asked, batch, after, last=True, limited=True)
                    if entries and (
                        entries == entry_filters.BATCH_ENTRIES
                        or size + len(data) > entry_filters.BATCH_BYTES
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
            if looked_at >= _MOST_LOOKED_AT or entries == entry_filters.BATCH_ENTRIES != most:
                return self._page(asked, batch, after, last=False)

    def _view(self, asked: ReplayRequest, id_: str) -> ViewerScope:
        return self._sights.of(id_, asked.caller, asked.request.viewer_participant_id)

    def _cut(
        self, asked: ReplayRequest, view: ViewerScope | None, after: int, most: int | None
    ) -> ReplayPage:
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
                limit=entry_filters.BATCH_ENTRIES,
                size=entry_filters.BATCH_BYTES,
            )
            # Over all, it is looked at who sees what when they are read, so that no access has
            # ended before any of them was recorded.
            seeing = _ScopedReader(self._store, self._sights, asked, view)
            for place, id_, data in rows:
                shown = seeing.shown(place, id_, data)
                if shown is not None and (
                    plain
                    or entry_filters.meets(decode_record(shown), asked.request, seeing.targets(id_))
                ):
                    if entries == most:
                        return self._page(asked, batch, after, last=True, limited=True)
                    if entries and (
                        entries == entry_filters.BATCH_ENTRIES
                        or size + len(shown) > entry_filters.BATCH_BYTES
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
                if looked_at == _MOST_LOOKED_AT or entries == entry_filters.BATCH_ENTRIES != most:
                    return self._page(asked, batch, after, last=False)
            if last:
                return self._page(asked, batch, after, last=True)

    def started(self, asked: ReplayRequest) -> bytes:
        """The first message of a follow: its cursor, before anything has come."""
        return pb.ReplayEntriesResponse(cursor=self._cursor(asked, asked.after)).SerializeToString()

    def caught_up(self, asked: ReplayRequest, after: int) -> bytes:
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

    def complete(self, asked: ReplayRequest, page: ReplayPage, count: int) -> bytes:
        """The last message of a replay, which says that it is complete."""
        complete = pb.ReplayComplete(entry_count=count, limited=page.limited)
        if asked.id:
            (last,) = self._store.read(asked.id, after=asked.upto - 1, upto=asked.upto)
            complete.computed_at.version = asked.upto
            complete.computed_at.record_time.CopyFrom(decode_record(last.data).header.record_time)
        message = pb.ReplayEntriesResponse(
            complete=complete, cursor=self._cursor(asked, page.after)
        )
        return message.SerializeToString()

    def _meets(self, request: pb.ReplayEntriesRequest, id_: str, data: bytes) -> bool:
        def target(version: int) -> pb.Entry | None:
            found = self._store.read(id_, after=version - 1, upto=version)
            return decode_record(found[0].data) if found else None

        return entry_filters.meets(decode_record(data), request, target)

    def _page(
        self,
        asked: ReplayRequest,
        batch: list[bytes],
        after: int,
        *,
        last: bool,
        limited: bool = False,
    ) -> ReplayPage:
        rest = pb.ReplayEntriesResponse(cursor=self._cursor(asked, after)).SerializeToString()
        message = b"".join((*batch, rest)) if batch else b""
        return ReplayPage(message, len(batch) // 2, after, last, limited)

    def _cursor(self, asked: ReplayRequest, after: int) -> str:
        return self._tokens.write(after, asked.query)


class _ScopedReader:
    """What one caller sees of the entries on a page."""

    def __init__(
        self, store: Store, sights: ScopeResolver, asked: ReplayRequest, view: ViewerScope | None
    ) -> None:
        """Of one negotiation by this view; of all, by what is seen of each."""
        self._store = store
        self._sights = sights
        self._asked = asked
        self._views: dict[str, ViewerScope | None] = {asked.id: view} if view is not None else {}
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
        return data if seen(version) else filtering.header_alone(data)

    def targets(self, id_: str) -> Callable[[int], pb.Entry | None]:
        """Gives the entries of which others speak, as far as they are seen."""
        view = self._view(id_)
        store: EventReader = self._store
        if view is not None and not view.sight.whole:
            store = FilteredEventReader(store, view)

        def target(version: int) -> pb.Entry | None:
            found = store.read(id_, after=version - 1, upto=version)
            return decode_record(found[0].data) if found else None

        return target

    def _view(self, id_: str) -> ViewerScope | None:
        if id_ not in self._views:
            try:
                seen_by = self._asked.request.viewer_participant_id
                self._views[id_] = self._sights.of(id_, self._asked.caller, seen_by)
            except Refusal:
                self._views[id_] = None
        return self._views[id_]


def _version(data: bytes) -> int:
    """The version of a stored entry."""
    return decode_record(filtering.header_alone(data)).header.version


def _is_filtered(request: pb.ReplayEntriesRequest) -> bool:
    """Whether entries have to be parsed to know which are asked for."""
    return bool(request.entry_types or request.bases or request.participant_ids)


@functools.lru_cache(4_096)
def _head(size: int) -> bytes:
    """What stands in a message before an entry of so many bytes."""
    return framed(pb.ReplayEntriesResponse.ENTRIES_FIELD_NUMBER, bytes(size)).removesuffix(
        bytes(size)
    )
