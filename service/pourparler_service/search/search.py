"""Searches: entries found by their text, as their viewers see them.

A hidden entry takes part in no response. An entry is found, ranked and marked by its own text, and
by the visible corrections of it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.wire import length_delimited
from pourparler_service.authorization.filtered_store import FilteredLogReader
from pourparler_service.authorization.policy import check_may_list
from pourparler_service.authorization.viewer_scopes import Viewer
from pourparler_service.domain.refusal import not_found, refuse
from pourparler_service.reads import entry_filters, page_tokens
from pourparler_service.reads.negotiation_list import NegotiationList
from pourparler_service.reads.page_tokens import PageTokens
from pourparler_service.search import snippets
from pourparler_service.search.index import BEST_RANK, TYPES, Candidate, Correction, IndexQuery
from pourparler_service.search.indexer import Indexer
from pourparler_service.search.query import SearchQuery
from pourparler_service.storage.record_codec import decode_record
from pourparler_service.validation import requests

PAGE_BYTES = 1 << 22
"""The size in bytes at which a page ends early, after the hit that reaches it."""

_CANDIDATES = 2  # for each hit of a page
_MORE_CANDIDATES = 32  # times as many, if those were too few

_Rank = tuple[int, int]
"""The sort key of a hit: lateness and position. The lowest comes first."""


class _Hit(NamedTuple):
    """A visible candidate, whether it is in force, and the correction that amended it."""

    candidate: Candidate
    status: int = pb.HIT_STATUS_CURRENT
    amended_by: int = 0

    @property
    def lateness(self) -> int:
        """The place by rank: a lower number comes earlier."""
        return BEST_RANK - self.candidate.rank + (BEST_RANK + 1 if self.amended_by else 0)


class _Page(NamedTuple):
    """The page of a request: of the record up to a position, the hits after a place."""

    query: SearchQuery
    size: int
    ranked: bool
    oldest: bool
    only_current: bool
    upto: int = 0
    after: tuple[int, int] | None = None
    """The lateness and the position of the last hit on the page before."""


class Search:
    """Answers searches. Thread-safe; every method blocks on the store and raises RefusalError."""

    def __init__(self, indexer: Indexer, catalogue: NegotiationList, tokens: PageTokens) -> None:
        """Search this index; the catalogue has the negotiations of each principal."""
        self._indexer = indexer
        self._catalogue = catalogue
        self._tokens = tokens

    def page(
        self,
        request: pb.SearchEntriesRequest,
        ids: Sequence[str],
        viewer: Viewer,
        until: float | None = None,
    ) -> bytes:
        """Return a page of hits in these negotiations, or in all: a SearchEntriesResponse.

        `until` is a time of `time.monotonic`: raise RefusalError if it passes before the end.
        """
        try:
            return self._page(request, ids, viewer, until)
        except TimeoutError:
            refuse(
                pb.ERROR_REASON_DEADLINE_EXCEEDED,
                "The deadline passed before the search was done. Narrow the query, or set a later"
                " deadline.",
            )

    def _page(
        self,
        request: pb.SearchEntriesRequest,
        ids: Sequence[str],
        viewer: Viewer,
        until: float | None,
    ) -> bytes:
        scoped = _ScopedSearch(self._indexer, viewer.log())
        query = _index_query(request)._replace(
            negotiations=self._searched(ids, viewer), until=until
        )
        page = self._begin(request, query.wanted)
        if query.negotiations is not None and not query.negotiations:
            return b""  # the viewer sees no negotiation
        with self._indexer.current() as index:
            page = page._replace(upto=page.upto or index.position)
            for id_ in ids:
                if not index.version(id_, page.upto)[0]:
                    not_found(id_)
        # Resolve the scopes after the position is known: an entry recorded after the access of the
        # viewer ended is in no response.
        scoped.upto = page.upto
        for id_ in ids:
            scoped.log.require(id_)
        return self._response(request, ids, page, self._hits(query, page, scoped), scoped)

    def _searched(self, ids: Sequence[str], viewer: Viewer) -> Collection[str] | None:
        """Return the negotiations to search; None for all of them."""
        for id_ in ids:
            viewer.check_admitted(id_)
        if ids:
            return ids
        policy, caller = viewer.policy, viewer.caller
        check_may_list(policy, caller)
        if policy.sees_everything(caller):
            return None
        return self._catalogue.ids(caller, public=policy.allows(caller, policy.public))

    def _begin(self, request: pb.SearchEntriesRequest, query: SearchQuery) -> _Page:
        """Return the page of a request. Raise RefusalError if its token is of another search."""
        requests.check_enum(request, "order")
        order = request.order or pb.SEARCH_ORDER_RANK
        page = _Page(
            query,
            requests.page_size(request),
            ranked=order == pb.SEARCH_ORDER_RANK and bool(query.phrases),
            oldest=order == pb.SEARCH_ORDER_OLDEST,
            only_current=request.only_current,
        )
        if not request.page_token:
            return page
        place = self._tokens.read_three(request.page_token, self._query(request))
        if place is None:
            refuse(
                pb.ERROR_REASON_PAGE_TOKEN_INVALID,
                "The page_token does not belong to this search. Start the search again without a"
                " token.",
                "page_token",
            )
        upto, lateness, position = place
        return page._replace(upto=upto, after=(lateness, position))

    def _hits(self, query: IndexQuery, page: _Page, scoped: "_ScopedSearch") -> list[_Hit]:
        """Return the hits of a page in their order, and one more if there is one."""
        most = _CANDIDATES * (page.size + 1)
        while True:
            candidates = self._candidates(query, page, most)
            hits = list(_visible(candidates, page, scoped))
            there_is_more = len(candidates) == most
            if page.ranked and there_is_more:
                # An amended hit comes after all candidates that were not examined yet.
                hits = [one for one in hits if not one.amended_by]
            elif page.ranked:
                hits.sort(key=_rank)
            if len(hits) > page.size or not there_is_more:
                return hits[: page.size + 1]
            most *= _MORE_CANDIDATES

    def _candidates(self, query: IndexQuery, page: _Page, most: int) -> Sequence[Candidate]:
        """Return the first entries that may be hits of a page."""
        lateness, position = page.after or (0, None)
        with self._indexer.held() as index:
            if not page.ranked:
                return index.listed(
                    query, page.upto, after=position, most=most, newest=not page.oldest
                )
            rank = BEST_RANK - lateness % (BEST_RANK + 1)
            after = None if position is None else (rank, position)
            return index.ranked(query, page.upto, after=after, most=most)

    def _response(
        self,
        request: pb.SearchEntriesRequest,
        ids: Sequence[str],
        page: _Page,
        hits: Sequence[_Hit],
        scoped: "_ScopedSearch",
    ) -> bytes:
        """Return the bytes of a page. The entries are spliced in as they are stored."""
        parts: list[bytes] = []
        size = sent = 0
        shown = [hit.candidate for hit in hits[: page.size]]
        stored = _stored(scoped.log, [(one.negotiation, one.version) for one in shown])
        for hit, one, data in zip(hits, shown, stored, strict=False):
            rest = pb.SearchHit(
                status=pb.HitStatus.ValueType(hit.status),
                effective_version=one.target or one.version,
                amended_by=hit.amended_by,
                snippets=snippets.snippets(decode_record(data).words, page.query),
            )
            parts.append(
                length_delimited(
                    pb.SearchEntriesResponse.HITS_FIELD_NUMBER,
                    length_delimited(pb.SearchHit.ENTRY_FIELD_NUMBER, data)
                    + rest.SerializeToString(),
                )
            )
            size += len(parts[-1])
            sent += 1
            if size >= PAGE_BYTES:
                break
        found = [*(one.negotiation for one in shown[:sent]), *ids]
        response = pb.SearchEntriesResponse(negotiations=_negotiations(found, scoped))
        if sent < len(hits):
            last = hits[sent - 1]
            response.next_page_token = self._tokens.write_three(
                (page.upto, last.lateness, last.candidate.position), self._query(request)
            )
        return b"".join((*parts, response.SerializeToString()))

    def _query(self, request: pb.SearchEntriesRequest) -> bytes:
        return page_tokens.query(request, "page_token", "page_size")


def _negotiations(
    ids: Iterable[str], scoped: "_ScopedSearch"
) -> Collection[pb.SearchedNegotiation]:
    """Return the negotiations of a page as of the position that is searched, each once."""
    titled: list[tuple[str, int]] = []
    found: dict[str, pb.SearchedNegotiation] = {}
    for id_ in dict.fromkeys(ids):
        version, recorded = scoped.version(id_)
        one = found[id_] = pb.SearchedNegotiation(name=f"negotiations/{id_}")
        one.computed_at.version = version
        one.computed_at.record_time.FromNanoseconds(recorded)
        if scoped.shows(id_, 1):
            last = scoped.corrected(id_, 1)
            titled.append((id_, last.version if last is not None else 1))
    for (id_, _), data in zip(titled, _stored(scoped.log, titled), strict=True):
        found[id_].title = decode_record(data).words.title
    return found.values()


def _stored(log: FilteredLogReader, places: Sequence[tuple[str, int]]) -> Iterator[bytes]:
    """Yield entries as they are stored, read in batches of at most one page."""
    while places:
        found = log.several(places, PAGE_BYTES)
        yield from found
        places = places[len(found) :]


class _ScopedSearch:
    """The entries that a viewer sees, as of the position that is searched."""

    def __init__(self, indexer: Indexer, log: FilteredLogReader) -> None:
        self.log = log
        self.upto = 0
        self._indexer = indexer
        self._versions: dict[str, tuple[int, int]] = {}
        self._shows: dict[str, Callable[[int], bool]] = {}
        self._corrections: dict[tuple[str, int], Sequence[Correction]] = {}

    def version(self, id_: str) -> tuple[int, int]:
        """Return the last version of a negotiation that is searched, and its record time."""
        if id_ not in self._versions:
            with self._indexer.held() as index:
                self._versions[id_] = index.version(id_, self.upto)
        return self._versions[id_]

    def shows(self, id_: str, version: int) -> bool:
        """Return True if an entry is visible."""
        if id_ not in self._shows:
            upto, _ = self.version(id_)
            events = self.log.events(id_, at_least=upto)
            self._shows[id_] = _never if events is None else events.shows(upto)
        return self._shows[id_](version)

    def load_corrections(self, candidates: Iterable[Candidate]) -> None:
        """Load the corrections in the negotiations of these candidates."""
        ids = {one.negotiation for one in candidates}
        with self._indexer.held() as index:
            self._corrections.update(index.corrections(ids, self.upto))

    def corrected(self, id_: str, version: int) -> Correction | None:
        """Return the last visible correction of a version, if any."""
        known = self._corrections.get((id_, version), ())
        return next((one for one in reversed(known) if self.shows(id_, one.version)), None)


def _never(_version: int) -> bool:
    return False


def _visible(candidates: Sequence[Candidate], page: _Page, scoped: _ScopedSearch) -> Iterator[_Hit]:
    """Yield the hits that are visible and come after the begin of the page."""
    scoped.load_corrections(candidates)
    for one in candidates:
        id_ = one.negotiation
        if not scoped.shows(id_, one.version):
            continue
        if one.through and not any(scoped.shows(id_, version) for version in one.through):
            continue
        last = scoped.corrected(id_, one.target or one.version)
        hit = _Hit(one)
        if last is not None and last.version != one.version:
            status = pb.HIT_STATUS_ANNULLED if last.annuls else pb.HIT_STATUS_REPLACED
            hit = _Hit(one, status, last.version)
            if page.only_current:
                continue
        if not page.ranked or page.after is None or _rank(hit) > (page.after[0], -page.after[1]):
            yield hit


def _rank(hit: _Hit) -> _Rank:
    return hit.lateness, -hit.candidate.position


def _index_query(request: pb.SearchEntriesRequest) -> IndexQuery:
    """Return the query of a request for the index. Raise RefusalError if it is invalid."""
    requests.check_length(request.names, "names")
    requests.check_ids(request.speaker_ids, "speaker_ids")
    entry_filters.check_filters(request)
    requests.check_enum(request, "occurred_match")
    first, last = _bounds(request, "occur_start_date"), _bounds(request, "occur_end_date")
    begin, end = edtf.earliest_instant(first), edtf.latest_instant(last)
    return IndexQuery(
        SearchQuery.parse(request.query),
        speakers=request.speaker_ids[:],
        participants=request.participant_ids[:],
        topics=request.topic_ids[:],
        types=[TYPES[one] for one in request.entry_types],
        bases=request.bases[:],
        begin=None if begin is None else begin[0],
        end=None if end is None else end[0],
        surely=request.occurred_match == pb.OCCURRED_MATCH_DEFINITE,
        record_start_time=requests.time(request, "record_start_time"),
        record_end_time=requests.time(request, "record_end_time"),
    )


def _bounds(request: pb.SearchEntriesRequest, name: str) -> edtf.Bounds:
    given: str = getattr(request, name)
    if not given:
        return edtf.Bounds("", "")
    try:
        return edtf.bounds(given)
    except edtf.InvalidDateError as error:
        refuse(pb.ERROR_REASON_DATE_INVALID, str(error), name)
