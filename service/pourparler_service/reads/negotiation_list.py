"""The negotiation list: derived from the record, filtered, and read page by page."""

import hashlib
import threading
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.state.corrections import effective_entries, is_amending
from pourparler.state.fold import ACCESS_TYPES, evolve
from pourparler_service.domain.refusal import refuse
from pourparler_service.reads import page_tokens
from pourparler_service.reads.negotiation_table import (
    Filters,
    Listed,
    NegotiationRow,
    NegotiationTable,
    Progress,
)
from pourparler_service.reads.page_tokens import PageTokens
from pourparler_service.runtime import cooperative
from pourparler_service.storage.interface import EventStore, StoredEntry
from pourparler_service.storage.record_codec import decode_record
from pourparler_service.validation import drafts, requests

FORMAT = 4
"""Raise it whenever a row has other content, or a backend has other tables: rows are derived again.
"""

_BATCH = 2_000
_LOOKED_AT = 200
_TELLING = frozenset(
    {
        "negotiation_opened",
        "negotiation_suspended",
        "negotiation_resumed",
        "negotiation_concluded",
        "participant_joined",
        "participant_changed",
    }
    | ACCESS_TYPES
)
_PARTIES = frozenset({pb.PARTICIPANT_ROLE_PARTY, pb.PARTICIPANT_ROLE_REPRESENTATIVE})


class _ListedNegotiation(NamedTuple):
    """A negotiation while its entries are taken into a row."""

    opened: int
    open_time: int
    state: pb.Negotiation
    public: bool = False


class NegotiationList:
    """The negotiations on the record, in the order of their opening: derived data.

    Every page is as fresh as the store. Any thread may call it; every method but `on_commit` blocks
    on the store and raises StoreUnavailableError.
    """

    def __init__(
        self, store: EventStore, table: NegotiationTable, *, tokens: PageTokens, log_id: str
    ) -> None:
        """Follow the record with this id in a table, which nothing else uses.

        Rows of another record or format are derived again.
        """
        self._store = store
        self._table = table
        self._tokens = tokens
        self._lock = threading.Lock()  # guards the table and the position
        self._position = 0
        progress = table.progress()
        if progress is not None and self._is_current(progress, log_id):
            self._position = progress.position
        else:
            table.reset(Progress(FORMAT, log_id))

    def _is_current(self, progress: Progress, log_id: str) -> bool:
        """Return True if the rows are derived from this very record, as far as they go."""
        written, log, position, digest = progress
        if (written, log) != (FORMAT, log_id):
            return False
        if not position:
            return True
        last = self._store.scan(position - 1, 1)
        return bool(last) and last[0][0] == position and _digest(last[0][1]) == digest

    def page(self, request: pb.ListNegotiationsRequest) -> pb.ListNegotiationsResponse:
        """Return a page of all negotiations. Raise RefusalError."""
        size = requests.page_size(request)
        filters = _filters(request)
        after = self._after(request)
        with self._lock:
            self._catch_up()
            rows = self._table.page(filters, after, size + 1)
        response = pb.ListNegotiationsResponse(
            negotiations=[
                _summary(row.open_time, pb.Negotiation.FromString(row.head)) for row in rows[:size]
            ]
        )
        if len(rows) > size:
            response.next_page_token = self._tokens.write(rows[size - 1].opened, _query(request))
        return response

    def admits(self, id_: str, principal: str, *, public: bool = False) -> bool:
        """Return True if a negotiation exists and a principal has, or had, access to it.

        With `public`, it is enough that any entry in it is public.
        """
        with self._lock:
            self._catch_up()
            return self._table.admits(id_, principal, public=public)

    def catch_up(self) -> None:
        """Take in all that is on the record."""
        with self._lock:
            self._catch_up()

    def ids(self, principal: str, *, public: bool) -> list[str]:
        """Return the ids of the negotiations for which `admits` is true."""
        with self._lock:
            self._catch_up()
            found = self._table.accessible(principal, 0, None, public=public)
        return [row.id for row in found]

    def page_of(
        self,
        request: pb.ListNegotiationsRequest,
        principal: str | None,
        seen: Callable[[str], pb.Negotiation | None],
        *,
        public: bool = False,
    ) -> pb.ListNegotiationsResponse:
        """Return a page of the negotiations for which `admits` is true, as they are seen.

        Without a principal, return those that have the participant of the request as a participant.
        `seen` returns the state of a negotiation as the caller sees it, None if it is hidden. The
        filters apply to that state. Raise RefusalError.
        """
        size = requests.page_size(request)
        filters = _filters(request)
        after = self._after(request)
        found: list[tuple[int, int, pb.Negotiation]] = []
        rows: Sequence[Listed] | None = None
        while len(found) <= size and (rows is None or len(rows) == _LOOKED_AT):
            with self._lock:
                self._catch_up()
                if principal is None:
                    rows = self._table.joined(request.viewer_participant_id, after, _LOOKED_AT)
                else:
                    rows = self._table.accessible(principal, after, _LOOKED_AT, public=public)
            for row in rows:
                after = row.opened
                state = seen(row.id)
                if state is not None and _meets(state, row.open_time, filters):
                    found.append((row.opened, row.open_time, state))
                    if len(found) > size:
                        break
        response = pb.ListNegotiationsResponse(
            negotiations=[_summary(open_time, state) for _, open_time, state in found[:size]]
        )
        if len(found) > size:
            response.next_page_token = self._tokens.write(found[size - 1][0], _query(request))
        return response

    def _after(self, request: pb.ListNegotiationsRequest) -> int:
        """Return the position after which a page begins. Raise RefusalError."""
        if not request.page_token:
            return 0
        after = self._tokens.read(request.page_token, _query(request))
        if after is None:
            refuse(
                pb.ERROR_REASON_PAGE_TOKEN_INVALID,
                "The page_token was not given out for this list. Begin the list again without one.",
                "page_token",
            )
        return after

    def on_commit(self, ids: Collection[str]) -> None:
        """Do nothing: every read takes in the new entries first."""

    def purge(self, id_: str) -> None:
        """Derive the row of a negotiation again, as DerivedData says."""
        with self._lock:
            self._catch_up()
            former = self._table.find(id_)
            row = None
            if former is not None:
                state = self._refolded(id_, self._store.last_version(id_))
                row = _row(
                    id_,
                    _ListedNegotiation(former.opened, former.open_time, state, former.public),
                )
            self._table.purge(row)

    def close(self) -> None:
        """Close the table."""
        with self._lock:
            self._table.close()

    def _catch_up(self) -> None:
        """Take in the entries after the position: their rows and the position together."""
        while batch := self._store.scan(self._position, _BATCH):
            cooperative.note_long_read()
            heads: dict[str, _ListedNegotiation] = {}
            amended: dict[str, int] = {}
            for position, stored in batch:
                head = heads.get(stored.negotiation) or self._head(stored, position)
                entry = _listable(stored)
                public = head.public or _is_public(entry.facts)
                heads[stored.negotiation] = head._replace(public=public)
                if _take(head.state, entry) or stored.negotiation in amended:
                    amended[stored.negotiation] = stored.version  # the last one of the batch
            for id_, version in amended.items():
                heads[id_] = heads[id_]._replace(state=self._refolded(id_, version))
            position, last = batch[-1]
            rows = [_row(id_, head) for id_, head in heads.items()]
            self._table.save(rows, position, _digest(last))
            self._position = position

    def _head(self, stored: StoredEntry, position: int) -> _ListedNegotiation:
        row = self._table.find(stored.negotiation)
        if row is not None:
            state = pb.Negotiation.FromString(row.head)
            return _ListedNegotiation(row.opened, row.open_time, state, row.public)
        record_time = decode_record(stored.data).header.record_time
        return _ListedNegotiation(position, record_time.ToNanoseconds(), pb.Negotiation())

    def _refolded(self, id_: str, version: int) -> pb.Negotiation:
        """Return the state after an entry that amends earlier ones."""
        state = pb.Negotiation()
        entries = [_listable(stored) for stored in self._store.read(id_, upto=version)]
        for entry, _ in effective_entries(entries):
            _take(state, entry)
        _move_on(state, entries[-1])
        return state


def _row(id_: str, head: _ListedNegotiation) -> NegotiationRow:
    state = head.state
    return NegotiationRow(
        opened=head.opened,
        id=id_,
        open_time=head.open_time,
        title=state.words.title.casefold(),
        status=state.status,
        outcome=state.outcome,
        public=head.public,
        head=state.SerializeToString(),
        participants=tuple(state.participants),
        principals=tuple(state.principals),
    )


def _listable(stored: StoredEntry) -> pb.Entry:
    """Return an entry without words that concern a person: a list has none of them in clear."""
    entry = decode_record(stored.data)
    if stored.persons:
        entry.ClearField("words")
    return entry


def _is_public(facts: pb.Facts) -> bool:
    """Return True if an entry is public, or makes another one public."""
    public = pb.VISIBILITY_LEVEL_PUBLIC
    return public in {facts.visibility.level, facts.entry_disclosed.disclosed_to.level}


def _take(state: pb.Negotiation, entry: pb.Entry) -> bool:
    """Take an entry into a state; return True if the state has to be folded again after it."""
    if entry.facts.WhichOneof("event") in _TELLING:
        # The title is the only text that a list shows: no names are copied here.
        listed = pb.Entry(header=entry.header, facts=entry.facts)
        if entry.facts.HasField("negotiation_opened"):
            listed.words.title = entry.words.title
        evolve(state, listed)
    else:
        _move_on(state, entry)
    return is_amending(entry)


def _move_on(state: pb.Negotiation, entry: pb.Entry) -> None:
    state.name = f"negotiations/{entry.header.negotiation}"
    state.version = entry.header.version
    state.update_time.CopyFrom(entry.header.record_time)


def _meets(state: pb.Negotiation, open_time: int, filters: Filters) -> bool:
    """Return True if a negotiation meets the filters, as NegotiationTable.page applies them."""
    if filters.statuses is not None and state.status not in filters.statuses:
        return False
    if filters.outcomes is not None and state.outcome not in filters.outcomes:
        return False
    if filters.participant is not None and filters.participant not in state.participants:
        return False
    if filters.title is not None and filters.title not in state.words.title.casefold():
        return False
    begin, end = filters.open_start_time, filters.open_end_time
    return (begin is None or open_time >= begin) and (end is None or open_time < end)


def _summary(open_time: int, state: pb.Negotiation) -> pb.NegotiationSummary:
    opened = Timestamp()
    opened.FromNanoseconds(open_time)
    return pb.NegotiationSummary(
        name=state.name,
        title=state.words.title,
        status=state.status,
        outcome=state.outcome,
        version=state.version,
        open_time=opened,
        update_time=state.update_time,
        parties=sorted(
            id_ for id_, part in state.participants.items() if part.facts.role in _PARTIES
        ),
    )


def _filters(request: pb.ListNegotiationsRequest) -> Filters:
    """Return the filters of a request. Raise RefusalError."""
    requests.check_enum(request, "statuses")
    requests.check_enum(request, "outcomes")
    if request.participant_id:
        drafts.check_id(request.participant_id, "participant_id")
    return Filters(
        statuses=frozenset(request.statuses) or None,
        outcomes=frozenset(request.outcomes) or None,
        participant=request.participant_id or None,
        title=request.title_contains.casefold() or None,
        open_start_time=requests.time(request, "open_start_time"),
        open_end_time=requests.time(request, "open_end_time"),
    )


def _query(request: pb.ListNegotiationsRequest) -> bytes:
    return page_tokens.query(request, "page_token", "page_size")


def _digest(stored: StoredEntry) -> bytes:
    return hashlib.sha256(stored.data).digest()
