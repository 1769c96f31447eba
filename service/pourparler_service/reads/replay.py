"""Replays: stored entries, read a page at a time through a filtered reader."""

import functools
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.schema.wire import length_delimited
from pourparler_service.authorization.filtered_store import FilteredReader
from pourparler_service.authorization.roles import VisibilityScope
from pourparler_service.authorization.viewer_scopes import Viewer
from pourparler_service.domain.refusal import not_found, refuse
from pourparler_service.reads import entry_filters, page_tokens
from pourparler_service.reads.page_tokens import PageTokens
from pourparler_service.runtime import cooperative
from pourparler_service.storage.record_codec import decode_record
from pourparler_service.transparency.log import Log

_MOST_EXAMINED = 4_096  # entries for one page
_HIGHEST = (1 << 63) - 1  # to a database


class ReplayRequest(NamedTuple):
    """A replay: the negotiation, the place to start after, and the last place.

    A place is a version of one negotiation, or a position over all of them.
    """

    request: pb.ReplayEntriesRequest
    id: str
    """The id of the negotiation; empty for all of them."""
    after: int
    upto: int
    query: bytes
    viewer: Viewer
    opened: FilteredReader
    """The reader with the scope at the begin of the replay. Each page has one of its own."""

    @property
    def shared(self) -> tuple[bytes, str]:
        """The key of a subscription: replays with an equal key share their pages."""
        return self.query, self.viewer.key


class ReplayPage(NamedTuple):
    """A message, empty if no entry met the filters, and the place to continue after."""

    message: bytes
    entries: int
    after: int
    last: bool
    """True if there was nothing more to read."""
    limited: bool = False
    """True if there was more, beyond the limit of the request."""
    scope: VisibilityScope | None = None
    """The scope of the viewer when the page was read; None over all negotiations."""


class ReplayReader:
    """Reads pages of stored entries, unparsed unless a filter needs them.

    It keeps nothing between two pages, so a slow caller costs a place and no entries. Every method
    blocks on the store.
    """

    def __init__(self, log: Log, tokens: PageTokens) -> None:
        """Sign checkpoints with this log, and make cursors with these tokens."""
        self._log = log
        self._tokens = tokens

    def begin(self, request: pb.ReplayEntriesRequest, id_: str, viewer: Viewer) -> ReplayRequest:
        """Return the replay of a negotiation, or of all if the id is empty. Raise RefusalError."""
        entry_filters.check(request)
        opened = viewer.reader(id_)
        last = opened.last()
        if id_ and not last:
            not_found(id_)
        query = page_tokens.query(request, "after_version", "cursor", "follow", "limit")
        after: int | None = min(request.after_version, _HIGHEST - 1)
        if request.cursor:
            after = self._tokens.read(request.cursor, query)
            # After a restore from a backup, other entries would come at these places.
            if after is None or after > last:
                refuse(
                    pb.ERROR_REASON_CURSOR_INVALID,
                    "The cursor does not belong to this replay of this record. Start the replay"
                    " again without a cursor.",
                    "cursor",
                )
        upto = _HIGHEST if request.follow else last
        return ReplayRequest(request, id_, after or 0, upto, query, viewer, opened)

    def page(self, replay: ReplayRequest, after: int, most: int | None) -> ReplayPage:
        """Return the next entries that meet the filters: a page of them, and at most so many.

        The scope is resolved first, and nothing recorded after that is read: the access of the
        viewer may end before such an entry.
        """
        cooperative.note_long_read()
        reader, request = replay.viewer.reader(replay.id), replay.request
        make = functools.partial(self._page, replay, reader.scope)
        batch: list[bytes] = []
        entries = size = examined = 0
        plain = not _is_filtered(request)
        while True:
            rows, last = reader.rows(
                after=after,
                upto=replay.upto,
                limit=entry_filters.BATCH_ENTRIES,
                size=entry_filters.BATCH_BYTES,
            )
            for place, id_, data in rows:
                # A full page ends here, not where the rows end: their number depends on the length
                # of hidden entries.
                if entries == entry_filters.BATCH_ENTRIES != most or examined == _MOST_EXAMINED:
                    return make(batch, after, last=False)
                examined += 1
                if data is not None and (
                    plain
                    or entry_filters.meets(
                        decode_record(data), request, functools.partial(reader.entry, id_)
                    )
                ):
                    if entries == most:
                        return make(batch, after, last=True, limited=True)
                    if entries and (
                        entries == entry_filters.BATCH_ENTRIES
                        or size + len(data) > entry_filters.BATCH_BYTES
                    ):
                        return make(batch, after, last=False)
                    batch.append(_head(len(data)))
                    batch.append(data)
                    entries += 1
                    size += len(data)
                after = place
            if last:
                return make(batch, after, last=True)
            if entries == entry_filters.BATCH_ENTRIES != most or examined == _MOST_EXAMINED:
                return make(batch, after, last=False)

    def renewed(
        self, replay: ReplayRequest, page: ReplayPage, after: int, most: int | None
    ) -> ReplayPage:
        """Return a page that was read a while ago, read again if the scope has changed since."""
        if replay.id and replay.viewer.events(replay.id).scope == page.scope:
            return page
        return self.page(replay, after, most)

    def started(self, replay: ReplayRequest) -> bytes:
        """Return the first message of a replay with follow: its cursor, before any entry."""
        return pb.ReplayEntriesResponse(
            cursor=self._cursor(replay, replay.after)
        ).SerializeToString()

    def caught_up(self, replay: ReplayRequest, after: int) -> bytes:
        """Return the message that all recorded entries were sent."""
        message = pb.ReplayEntriesResponse(cursor=self._cursor(replay, after))
        message.caught_up.time.GetCurrentTime()
        if replay.id:
            # A replay with follow may begin beyond the last entry.
            last = min(after, replay.viewer.events(replay.id).last())
            message.caught_up.version = last
            message.caught_up.checkpoint = self._log.checkpoint(replay.id, last).checkpoint
        elif replay.viewer.sees_everything:  # it grows with every entry, hidden or not
            message.caught_up.position = after
        return message.SerializeToString()

    def complete(self, replay: ReplayRequest, page: ReplayPage, count: int) -> bytes:
        """Return the last message of a replay, which says that it is complete."""
        complete = pb.ReplayComplete(entry_count=count, limited=page.limited)
        last = replay.opened.entry(replay.id, replay.upto) if replay.id else None
        if last is not None:
            complete.computed_at.version = replay.upto
            complete.computed_at.record_time.CopyFrom(last.header.record_time)
        message = pb.ReplayEntriesResponse(
            complete=complete, cursor=self._cursor(replay, page.after)
        )
        return message.SerializeToString()

    def _page(
        self,
        replay: ReplayRequest,
        scope: VisibilityScope | None,
        batch: list[bytes],
        after: int,
        *,
        last: bool,
        limited: bool = False,
    ) -> ReplayPage:
        rest = pb.ReplayEntriesResponse(cursor=self._cursor(replay, after)).SerializeToString()
        message = b"".join((*batch, rest)) if batch else b""
        return ReplayPage(message, len(batch) // 2, after, last, limited, scope)

    def _cursor(self, replay: ReplayRequest, after: int) -> str:
        return self._tokens.write(after, replay.query)


def _is_filtered(request: pb.ReplayEntriesRequest) -> bool:
    """Return True if a filter needs parsed entries."""
    return bool(request.entry_types or request.bases or request.participant_ids)


@functools.lru_cache(4_096)
def _head(size: int) -> bytes:
    """Return the bytes of a message before an entry of so many bytes."""
    return length_delimited(
        pb.ReplayEntriesResponse.ENTRIES_FIELD_NUMBER, bytes(size)
    ).removesuffix(bytes(size))
