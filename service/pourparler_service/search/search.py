"""Entries found by their words, as callers see them.

What a caller does not see takes no part in any answer: an entry is found, ranked and marked by what
it says itself and by what the caller sees of what others say of it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.wire import framed
from pourparler_service.authorization.policy import check_may_list
from pourparler_service.authorization.viewer_scopes import ScopeResolver, ViewerScope
from pourparler_service.domain.refusal import Refusal, not_found, refuse
from pourparler_service.reads import entry_filters, page_tokens
from pourparler_service.reads.negotiation_list import NegotiationList
from pourparler_service.reads.page_tokens import PageTokens
from pourparler_service.search import snippets
from pourparler_service.search.index import BEST_RANK, TYPES, Candidate, Correction, IndexQuery
from pourparler_service.search.indexer import Indexer
from pourparler_service.search.query import SearchQuery
from pourparler_service.storage.event_store import Store
from pourparler_service.storage.record_codec import decode_record
from pourparler_service.validation import drafts, requests

PAGE_BYTES = 1 << 22
"""A page ends early with the hit that makes it so long."""

_LOOKED_AT = 2  # candidates for each hit that is wanted
_FURTHER = 32  # times as many, where that was too few

_Rank = tuple[int, int]
"""How late a hit comes: by what sorts it first, and by its position."""


class _Hit(NamedTuple):
    """A candidate that is seen, whether it counts, and by which correction it does not."""

    candidate: Candidate
    status: int = pb.HIT_STATUS_CURRENT
    amended_by: int = 0

    @property
    def late(self) -> int:
        """The lower, the earlier it comes by rank."""
        return BEST_RANK - self.candidate.rank + (BEST_RANK + 1 if self.amended_by else 0)


class _Page(NamedTuple):
    """Which page is asked for: of the record up to a position, what comes after a place in it."""

    wanted: SearchQuery
    size: int
    ranked: bool
    oldest: bool
    only_current: bool
    upto: int = 0
    after: tuple[int, int] | None = None
    """How late the last hit of the page before came, and its position."""


class Search:
    """Answers searches. For any thread; every method blocks on the store and raises Refusal."""

    def __init__(
        self,
        store: Store,
        indexing: Indexer,
        sights: ScopeResolver,
        catalogue: NegotiationList,
        tokens: PageTokens,
    ) -> None:
        """Find in this index, show of this store what these sights say."""
        self._store = store
        self._indexing = indexing
        self._sights = sights
        self._catalogue = catalogue
        self._tokens = tokens

    def page(
        self, request: pb.SearchEntriesRequest, caller: str, until: float | None = None
    ) -> bytes:
        """A page of hits: the bytes of a SearchEntriesResponse.

        It is of use until a time on the clock of `time.monotonic`, and refused after that.
        """
        try:
            return self._page(request, caller, until)
        except TimeoutError:
            refuse(
                pb.ERROR_REASON_DEADLINE_EXCEEDED,
                "The deadline passed before all was found. Narrow the search, or give it longer.",
            )

    def _page(self, request: pb.SearchEntriesRequest, caller: str, until: float | None) -> bytes:
        named = [
            drafts.check_name(name, f"names[{place}]") for place, name in enumerate(request.names)
        ]
        if request.viewer_participant_id:
            drafts.check_id(request.viewer_participant_id, "viewer_participant_id")
        seeing = _ScopedSearch(self._indexing, self._sights, caller, request.viewer_participant_id)
        asked = _asked(request)._replace(negotiations=self._among(named, caller), until=until)
        page = self._begun(request, asked.wanted)
        if asked.negotiations is not None and not asked.negotiations:
            return b""  # Nothing is searched for who sees none.
        with self._indexing.current() as index:
            page = page._replace(upto=page.upto or index.position)
            for id_ in named:
                if not index.version(id_, page.upto)[0]:
                    not_found(id_)
        # Who sees what is looked at when it is known up to where it is searched: what was recorded
        # after somebody's access had ended is in no answer to them.
        seeing.upto = page.upto
        for id_ in named:
            seeing.view(id_)
        return self._answer(request, page, self._found(asked, page, seeing), seeing)

    def _among(self, named: Sequence[str], caller: str) -> Collection[str] | None:
        """In which negotiations it is searched; None: in all."""
        for id_ in named:
            self._sights.check_admitted(id_, caller)
        if named:
            return named
        policy = self._sights.policy
        check_may_list(policy, caller)
        if policy.audits(caller):
            return None
        return self._catalogue.ids(caller, public=policy.lets(caller, policy.public))

    def _begun(self, request: pb.SearchEntriesRequest, wanted: SearchQuery) -> _Page:
        """Which page is asked for."""
        requests.check_enum(request, "order")
        order = request.order or pb.SEARCH_ORDER_RANK
        page = _Page(
            wanted,
            requests.page_size(request),
            ranked=order == pb.SEARCH_ORDER_RANK and bool(wanted.phrases),
            oldest=order == pb.SEARCH_ORDER_OLDEST,
            only_current=request.only_current,
        )
        if not request.page_token:
            return page
        place = self._tokens.read_three(request.page_token, self._query(request))
        if place is None:
            refuse(
                pb.ERROR_REASON_PAGE_TOKEN_INVALID,
                "The page_token was not given out for this search. Begin the search again without"
                " one.",
                "page_token",
            )
        upto, late, position = place
        return page._replace(upto=upto, after=(late, position))

    def _found(self, asked: IndexQuery, page: _Page, seeing: "_ScopedSearch") -> list[_Hit]:
        """The hits of a page in their order, and one more if there is one."""
        most = _LOOKED_AT * (page.size + 1)
        while True:
            candidates = self._candidates(asked, page, most)
            hits = list(_hits(candidates, page, seeing))
            there_is_more = len(candidates) == most
            if page.ranked and there_is_more:
                # What was amended comes after all that has not been looked at.
                hits = [one for one in hits if not one.amended_by]
            elif page.ranked:
                hits.sort(key=_rank)
            if len(hits) > page.size or not there_is_more:
                return hits[: page.size + 1]
            most *= _FURTHER

    def _candidates(self, asked: IndexQuery, page: _Page, most: int) -> Sequence[Candidate]:
        """The first that may be hits of a page."""
        late, position = page.after or (0, None)
        with self._indexing.held() as index:
            if not page.ranked:
                return index.listed(
                    asked, page.upto, after=position, most=most, newest=not page.oldest
                )
            rank = BEST_RANK - late % (BEST_RANK + 1)
            after = None if position is None else (rank, position)
            return index.ranked(asked, page.upto, after=after, most=most)

    def _answer(
        self,
        request: pb.SearchEntriesRequest,
        page: _Page,
        hits: Sequence[_Hit],
        seeing: "_ScopedSearch",
    ) -> bytes:
        """The bytes of a page: entries as they are stored, and the rest beside them."""
        parts: list[bytes] = []
        size = given = 0
        shown = [hit.candidate for hit in hits[: page.size]]
        stored = self._stored([(one.negotiation, one.version) for one in shown])
        for hit, one, data in zip(hits, shown, stored, strict=False):
            rest = pb.SearchHit(
                status=pb.HitStatus.ValueType(hit.status),
                effective_version=one.target or one.version,
                amended_by=hit.amended_by,
                snippets=snippets.snippets(decode_record(data).words, page.wanted),
            )
            parts.append(
                framed(
                    pb.SearchEntriesResponse.HITS_FIELD_NUMBER,
                    framed(pb.SearchHit.ENTRY_FIELD_NUMBER, data) + rest.SerializeToString(),
                )
            )
            size += len(parts[-1])
            given += 1
            if size >= PAGE_BYTES:
                break
        found = [one.negotiation for one in shown[:given]]
        found += [name.removeprefix("negotiations/") for name in request.names]
        answer = pb.SearchEntriesResponse(negotiations=self._about(found, seeing))
        if given < len(hits):
            last = hits[given - 1]
            answer.next_page_token = self._tokens.write_three(
                (page.upto, last.late, last.candidate.position), self._query(request)
            )
        return b"".join((*parts, answer.SerializeToString()))

    def _about(
        self, ids: Iterable[str], seeing: "_ScopedSearch"
    ) -> Collection[pb.SearchedNegotiation]:
        """Negotiations as they are seen, at the point at which they are searched, each once."""
        titled: list[tuple[str, int]] = []
        about: dict[str, pb.SearchedNegotiation] = {}
        for id_ in dict.fromkeys(ids):
            version, recorded = seeing.version(id_)
            one = about[id_] = pb.SearchedNegotiation(name=f"negotiations/{id_}")
            one.computed_at.version = version
            one.computed_at.record_time.FromNanoseconds(recorded)
            if seeing.sees(id_, 1):
                last = seeing.corrected(id_, 1)
                titled.append((id_, last.version if last is not None else 1))
        for (id_, _), data in zip(titled, self._stored(titled), strict=True):
            about[id_].title = decode_record(data).words.title
        return about.values()

    def _stored(self, places: Sequence[tuple[str, int]]) -> Iterator[bytes]:
        """Entries as they are stored, read many at once, but never more than a page can have."""
        while places:
            found = self._store.several(places, PAGE_BYTES)
            yield from found
            places = places[len(found) :]

    def _query(self, request: pb.SearchEntriesRequest) -> bytes:
        return page_tokens.query(request, "page_token", "page_size")


class _ScopedSearch:
    """What one caller sees of what is searched, at the position up to which it is searched."""

    def __init__(
        self, indexing: Indexer, sights: ScopeResolver, caller: str, viewer_participant_id: str
    ) -> None:
        self.caller = caller
        self.upto = 0
        self._indexing = indexing
        self._sights = sights
        self._viewer_participant_id = viewer_participant_id
        self._views: dict[str, ViewerScope | None] = {}
        self._versions: dict[str, tuple[int, int]] = {}
        self._seen: dict[str, Callable[[int], bool]] = {}
        self._corrections: dict[tuple[str, int], Sequence[Correction]] = {}

    def view(self, id_: str) -> ViewerScope:
        """What is seen of a negotiation. Refuses one of which nothing is."""
        view = self._views[id_] = self._sights.of(id_, self.caller, self._viewer_participant_id)
        return view

    def version(self, id_: str) -> tuple[int, int]:
        """The last version that is searched, and when it was recorded."""
        if id_ not in self._versions:
            with self._indexing.held() as index:
                self._versions[id_] = index.version(id_, self.upto)
        return self._versions[id_]

    def sees(self, id_: str, version: int) -> bool:
        """Whether an entry is seen."""
        if id_ not in self._seen:
            self._seen[id_] = self._sight(id_)
        return self._seen[id_](version)

    def _sight(self, id_: str) -> Callable[[int], bool]:
        if id_ not in self._views:
            try:
                self.view(id_)
            except Refusal:
                self._views[id_] = None
        view = self._views[id_]
        if view is None:
            return lambda _: False
        if view.sight.whole:
            return lambda _: True
        upto, _ = self.version(id_)
        if view.version < upto:
            view = self.view(id_)  # there is more by now than when it was looked at
        return view.audience.seen(view.sight, upto)

    def look_at(self, candidates: Iterable[Candidate]) -> None:
        """Read what corrections there are where these stand."""
        ids = {one.negotiation for one in candidates}
        with self._indexing.held() as index:
            self._corrections.update(index.corrections(ids, self.upto))

    def corrected(self, id_: str, version: int) -> Correction | None:
        """What is said last of a version by a correction that is seen."""
        said = self._corrections.get((id_, version), ())
        return next((one for one in reversed(said) if self.sees(id_, one.version)), None)


def _hits(candidates: Sequence[Candidate], page: _Page, seeing: _ScopedSearch) -> Iterator[_Hit]:
    """Those that are seen and come after the place where the page begins."""
    seeing.look_at(candidates)
    for one in candidates:
        id_ = one.negotiation
        if not seeing.sees(id_, one.version):
            continue
        if one.through and not any(seeing.sees(id_, version) for version in one.through):
            continue
        last = seeing.corrected(id_, one.target or one.version)
        hit = _Hit(one)
        if last is not None and last.version != one.version:
            status = pb.HIT_STATUS_ANNULLED if last.annuls else pb.HIT_STATUS_REPLACED
            hit = _Hit(one, status, last.version)
            if page.only_current:
                continue
        if not page.ranked or page.after is None or _rank(hit) > (page.after[0], -page.after[1]):
            yield hit


def _rank(hit: _Hit) -> _Rank:
    return hit.late, -hit.candidate.position


def _asked(request: pb.SearchEntriesRequest) -> IndexQuery:
    """What a request looks for. Raises Refusal."""
    requests.check_length(request.names, "names")
    requests.check_ids(request.speaker_ids, "speaker_ids")
    entry_filters.check_filters(request)
    requests.check_enum(request, "occurred_match")
    first, last = _bounds(request, "occur_start_date"), _bounds(request, "occur_end_date")
    begin, end = edtf.earliest_instant(first), edtf.latest_instant(last)
    return IndexQuery(
        SearchQuery.read(request.query),
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
    except edtf.DateRefused as error:
        refuse(pb.ERROR_REASON_DATE_INVALID, str(error), name)
