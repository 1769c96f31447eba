"""NegotiationService: what a negotiation is and was, as messages."""

import asyncio
import functools
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import TypeVar

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.wire import before
from pourparler.state.diff import diff, reversals
from pourparler.state.fold import basic
from pourparler.state.status import standing
from pourparler_service.aggregate import chunking
from pourparler_service.aggregate.negotiation import Negotiation
from pourparler_service.aggregate.reading import StateAt, computed_at
from pourparler_service.api.call_handler import Call
from pourparler_service.api.quotas import Quota
from pourparler_service.authorization.policy import check_may_list
from pourparler_service.authorization.viewer_scopes import ViewerScope
from pourparler_service.domain.refusal import Refusal, refuse
from pourparler_service.reads.filtered_states import FilteredStates
from pourparler_service.reads.negotiation_list import NegotiationList
from pourparler_service.reads.response_cache import ResponseCache
from pourparler_service.search.search import Search
from pourparler_service.validation import drafts, requests

_Answer = TypeVar("_Answer")
_Read = pb.GetNegotiationRequest | pb.GetStatusReportRequest | pb.DiffNegotiationRequest

SEARCHES = 64
"""How many searches may be under way: a quarter of them one caller's."""

SEARCH_SECONDS = 0.1
"""What a search takes for who does not see everything, or a multiple of it."""

_NOW = pb.AsOf()
_IS_BASIC: Mapping[int, bool] = {
    pb.NEGOTIATION_VIEW_UNSPECIFIED: False,
    pb.NEGOTIATION_VIEW_FULL: False,
    pb.NEGOTIATION_VIEW_BASIC: True,
}


class NegotiationServicer:
    """Answers what a negotiation is and was."""

    def __init__(
        self,
        cuts: FilteredStates,
        latest: ResponseCache,
        catalogue: NegotiationList,
        threads: Executor,
        search: Search,
        *,
        searching: Executor,
        search_seconds: float = SEARCH_SECONDS,
    ) -> None:
        """Read from these: on these threads what may wait for the store, and what is searched."""
        self._search_seconds = search_seconds
        self._cuts = cuts
        self._latest = latest
        self._catalogue = catalogue
        self._threads = threads
        self._search = search
        self._searching = searching
        self._searches = Quota("searches", SEARCHES, SEARCHES // 4)

    async def GetNegotiation(self, request: pb.GetNegotiationRequest, call: Call) -> bytes:
        """The state of a negotiation at a point."""
        known = self._known(request, call, _IS_BASIC.get(request.view))
        if known is not None:
            return known
        return await self._apart(lambda: self._state(request, call.caller))

    async def ListNegotiations(self, request: pb.ListNegotiationsRequest, call: Call) -> bytes:
        """A page of the negotiations on the record."""
        return await self._apart(lambda: self._list(request, call.caller).SerializeToString())

    async def GetStatusReport(self, request: pb.GetStatusReportRequest, call: Call) -> bytes:
        """Where a negotiation stands at a point."""
        known = self._known(request, call, request.on_date or _today())
        if known is not None:
            return known
        return await self._apart(lambda: self._standing(request, call.caller))

    async def DiffNegotiation(self, request: pb.DiffNegotiationRequest, call: Call) -> bytes:
        """What changed between two points."""
        return await self._apart(lambda: self._diff(request, call.caller))

    async def SearchEntries(self, request: pb.SearchEntriesRequest, call: Call) -> bytes:
        """A page of the entries in whose words something stands."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            with self._searches.place(call.name):
                return await loop.run_in_executor(
                    self._searching, self._search.page, request, call.caller, call.deadline
                )
        finally:
            if self._search_seconds and not self._cuts.sights.policy.audits(call.caller):
                # It takes the longer, the more often the words stand in what is not seen.
                step = self._search_seconds
                await asyncio.sleep(step - (loop.time() - began) % step)

    def _known(
        self,
        request: pb.GetNegotiationRequest | pb.GetStatusReportRequest,
        call: Call,
        asked: Hashable,
    ) -> bytes | None:
        """The answer about the latest state, if it is kept, and surely what its caller sees."""
        if request.HasField("as_of"):
            return None
        noted = self._cuts.sights.surely(request.name, call.caller, request.viewer_participant_id)
        if noted is None:
            return None
        if noted.cut.sight.whole:
            return self._latest.known(request.name, asked)
        return self._cuts.known(request.name, asked, noted)

    async def _apart(self, read: Callable[[], _Answer]) -> _Answer:
        """Do what may block on a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, read)

    def _state(self, request: pb.GetNegotiationRequest, caller: str) -> bytes:
        requests.check_enum(request, "view")
        is_basic = _IS_BASIC[request.view]
        answer = functools.partial(_state_bytes, is_basic=is_basic)

        def read(id_: str, view: ViewerScope) -> bytes:
            if request.as_of != _NOW:
                return answer(self._read(id_, request.as_of, "as_of", view))
            return self._answered(id_, is_basic, view, answer)

        return self._seen(request, caller, read)

    def _list(
        self, request: pb.ListNegotiationsRequest, caller: str
    ) -> pb.ListNegotiationsResponse:
        policy = self._cuts.sights.policy
        check_may_list(policy, caller)
        seen_by, everything = request.viewer_participant_id, policy.audits(caller)
        if seen_by:
            drafts.check_id(seen_by, "viewer_participant_id")
        elif everything:
            return self._catalogue.page(request)

        def read(id_: str, view: ViewerScope) -> pb.Negotiation:
            return self._cuts.read(id_, _NOW, view).state

        def seen(id_: str) -> pb.Negotiation | None:
            named = pb.GetNegotiationRequest(
                name=f"negotiations/{id_}", viewer_participant_id=seen_by
            )
            try:
                return self._seen(named, caller, read)
            except Refusal:
                return None

        who = None if everything else caller
        public = policy.lets(caller, policy.public)
        return self._catalogue.page_of(request, who, seen, public=public)

    def _standing(self, request: pb.GetStatusReportRequest, caller: str) -> bytes:
        requests.check_as_of(request.as_of, "as_of")
        on_date = request.on_date or _day(request.as_of)
        try:
            on = edtf.bounds(on_date)
        except edtf.DateRefused as error:
            field = "on_date" if request.on_date else "as_of.occur_date"
            refuse(pb.ERROR_REASON_DATE_INVALID, str(error), field)

        def answer(reading: StateAt) -> bytes:
            response = pb.GetStatusReportResponse(
                status_report=standing(reading.state, on, on_date),
                computed_at=reading.computed_at,
            )
            return response.SerializeToString()

        def read(id_: str, view: ViewerScope) -> bytes:
            if request.as_of != _NOW:
                return answer(self._read(id_, request.as_of, "as_of", view))
            return self._answered(id_, on_date, view, answer)

        return self._seen(request, caller, read)

    def _diff(self, request: pb.DiffNegotiationRequest, caller: str) -> bytes:
        start = request.start if request.HasField("start") else pb.AsOf(version=0)

        def read(id_: str, view: ViewerScope) -> tuple[StateAt, StateAt]:
            before = self._read(id_, start, "start", view)
            return before, self._read(id_, request.end, "end", view)

        before, after = self._seen(request, caller, read)
        response = pb.DiffNegotiationResponse(
            changes=diff(before.state, after.state),
            reversals=reversals(after.state, before.state),
            start_computed_at=before.computed_at,
            end_computed_at=after.computed_at,
        )
        if after.possible_state is not None:
            response.possible_changes.extend(diff(after.state, after.possible_state))
        return response.SerializeToString()

    def _answered(
        self, id_: str, asked: Hashable, view: ViewerScope, make: Callable[[StateAt], bytes]
    ) -> bytes:
        """What is made of the latest state as it is seen."""
        if view.sight.whole:
            return self._latest.answer(id_, asked, lambda held: make(_reading(held)))
        return self._cuts.answer(id_, asked, view, make)

    def _seen(
        self, request: _Read, caller: str, read: Callable[[str, ViewerScope], _Answer]
    ) -> _Answer:
        """What is read of a negotiation, by its id, as the caller sees it.

        Read anew if they see more or less by then: what was recorded in between is not theirs.
        """
        id_ = drafts.check_name(request.name, "name")
        look = functools.partial(self._cuts.sights.of, id_, caller, request.viewer_participant_id)
        view = look()
        while True:
            answer, before = read(id_, view), view
            view = look()
            if view.sight == before.sight:
                return answer

    def _read(self, id_: str, as_of: pb.AsOf, field: str, view: ViewerScope) -> StateAt:
        requests.check_as_of(as_of, field)
        try:
            return self._cuts.read(id_, as_of, view)
        except Refusal as refusal:
            raise refusal.under(field) if refusal.field else refusal from None


def _reading(negotiation: Negotiation) -> StateAt:
    """The latest state, for as long as the negotiation stays as it is."""
    return StateAt(negotiation.state, computed_at(negotiation.state))


def _state_bytes(reading: StateAt, *, is_basic: bool) -> bytes:
    """The bytes of a GetNegotiationResponse."""
    rest = pb.GetNegotiationResponse(
        computed_at=reading.computed_at, possible_versions=reading.possible_versions
    )
    answer = _framed_state("negotiation", reading.state, is_basic=is_basic)
    if reading.possible_state is not None:
        answer += _framed_state("possible_state", reading.possible_state, is_basic=is_basic)
    return b"".join((*answer, rest.SerializeToString()))


def _framed_state(field: str, state: pb.Negotiation, *, is_basic: bool) -> list[bytes]:
    """The bytes of a field that has a state, in pieces: a long one is not copied again."""
    number = pb.GetNegotiationResponse.DESCRIPTOR.fields_by_name[field].number
    written = chunking.written(basic(state) if is_basic else state)
    return [before(number, sum(map(len, written))), *written]


def _day(as_of: pb.AsOf) -> str:
    """The day against which dues are reckoned when the caller names none."""
    if as_of.occur_date:
        return as_of.occur_date
    if as_of.HasField("record_time"):
        return as_of.record_time.ToJsonString()[:10]
    return _today()


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
