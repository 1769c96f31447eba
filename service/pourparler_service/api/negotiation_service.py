"""NegotiationService: the state, status, changes and entries of negotiations."""

import asyncio
import functools
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import TypeVar

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.wire import field_prefix
from pourparler.state.diff import diff, reversals
from pourparler.state.status import status_report
from pourparler.state.summary import basic_view
from pourparler_service.aggregate import chunking
from pourparler_service.aggregate.reading import StateAt
from pourparler_service.api.call_handler import Call
from pourparler_service.api.quotas import Quota
from pourparler_service.api.request_parsing import negotiation_id, viewer_of
from pourparler_service.authorization.filtered_store import FilteredEventReader
from pourparler_service.authorization.policy import check_may_list
from pourparler_service.authorization.viewer_scopes import ScopeResolver, Viewer
from pourparler_service.domain.refusal import RefusalError, refuse
from pourparler_service.reads.filtered_states import FilteredStates
from pourparler_service.reads.negotiation_list import NegotiationList
from pourparler_service.search.search import Search
from pourparler_service.validation import requests

_Result = TypeVar("_Result")

SEARCHES = 64
"""The number of concurrent searches; each caller may have a quarter of them."""

SEARCH_SECONDS = 0.1
"""The duration of a search without full access, or a multiple of it, in seconds."""

_NOW = pb.AsOf()
_IS_BASIC: Mapping[int, bool] = {
    pb.NEGOTIATION_VIEW_UNSPECIFIED: False,
    pb.NEGOTIATION_VIEW_FULL: False,
    pb.NEGOTIATION_VIEW_BASIC: True,
}


class NegotiationServicer:
    """Answers questions about negotiations as of any point in time."""

    def __init__(
        self,
        scopes: ScopeResolver,
        states: FilteredStates,
        catalogue: NegotiationList,
        threads: Executor,
        search: Search,
        *,
        searching: Executor,
        search_seconds: float = SEARCH_SECONDS,
    ) -> None:
        """Read the store on `threads`, and search on `searching`."""
        self._scopes = scopes
        self._states = states
        self._catalogue = catalogue
        self._threads = threads
        self._search = search
        self._searching = searching
        self._search_seconds = search_seconds
        self._searches = Quota("searches", SEARCHES, SEARCHES // 4)

    async def GetNegotiation(self, request: pb.GetNegotiationRequest, call: Call) -> bytes:
        """Return the state of a negotiation as of a point in time."""
        cached = self._cached(request, call, _IS_BASIC.get(request.view))
        if cached is not None:
            return cached
        viewer, id_ = viewer_of(self._scopes, request, call), negotiation_id(request.name)
        return await self._run(lambda: self._state(request, id_, viewer))

    async def ListNegotiations(self, request: pb.ListNegotiationsRequest, call: Call) -> bytes:
        """Return a page of the negotiations on the record."""
        check_may_list(self._scopes.policy, call.caller)
        viewer = viewer_of(self._scopes, request, call)
        return await self._run(lambda: self._list(request, viewer).SerializeToString())

    async def GetStatusReport(self, request: pb.GetStatusReportRequest, call: Call) -> bytes:
        """Return the status report of a negotiation as of a point in time."""
        cached = self._cached(request, call, request.on_date or _today())
        if cached is not None:
            return cached
        viewer, id_ = viewer_of(self._scopes, request, call), negotiation_id(request.name)
        return await self._run(lambda: self._status_report(request, id_, viewer))

    async def DiffNegotiation(self, request: pb.DiffNegotiationRequest, call: Call) -> bytes:
        """Return the changes between two points in time."""
        viewer = viewer_of(self._scopes, request, call)
        id_ = negotiation_id(request.name)
        return await self._run(lambda: self._diff(request, id_, viewer))

    async def SearchEntries(self, request: pb.SearchEntriesRequest, call: Call) -> bytes:
        """Return a page of the entries whose text matches a query."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            ids = [
                negotiation_id(name, f"names[{place}]") for place, name in enumerate(request.names)
            ]
            viewer = viewer_of(self._scopes, request, call)
            with self._searches.place(call.name):
                return await loop.run_in_executor(
                    self._searching, self._search.page, request, ids, viewer, call.deadline
                )
        finally:
            if self._search_seconds and not self._scopes.policy.sees_everything(call.caller):
                # The raw duration would tell how often the query occurs in hidden entries.
                step = self._search_seconds
                await asyncio.sleep(step - (loop.time() - began) % step)

    def _cached(
        self,
        request: pb.GetNegotiationRequest | pb.GetStatusReportRequest,
        call: Call,
        key: Hashable,
    ) -> bytes | None:
        """Return the cached response for the latest state, if it is certainly current."""
        if request.HasField("as_of"):
            return None
        name = request.name
        scope = self._scopes.cached_scope(name, call.caller, request.viewer_participant_id)
        return None if scope is None else self._states.cached(name, scope, key)

    async def _run(self, read: Callable[[], _Result]) -> _Result:
        """Call a function that may block, on a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, read)

    def _state(self, request: pb.GetNegotiationRequest, id_: str, viewer: Viewer) -> bytes:
        requests.check_enum(request, "view")
        is_basic = _IS_BASIC[request.view]
        make = functools.partial(_state_bytes, is_basic=is_basic)

        def read(events: FilteredEventReader) -> bytes:
            return self._respond(events, request.as_of, is_basic, make)

        return _unchanged(viewer, id_, read)

    def _list(
        self, request: pb.ListNegotiationsRequest, viewer: Viewer
    ) -> pb.ListNegotiationsResponse:
        if viewer.sees_everything:
            return self._catalogue.page(request)
        policy, caller = self._scopes.policy, viewer.caller

        def read(events: FilteredEventReader) -> pb.Negotiation:
            return self._states.read(events, _NOW).state

        def state_of(id_: str) -> pb.Negotiation | None:
            try:
                return _unchanged(viewer, id_, read)
            except RefusalError:
                return None

        principal = None if policy.sees_everything(caller) else caller
        public = policy.allows(caller, policy.public)
        return self._catalogue.page_of(request, principal, state_of, public=public)

    def _status_report(self, request: pb.GetStatusReportRequest, id_: str, viewer: Viewer) -> bytes:
        requests.check_as_of(request.as_of, "as_of")
        on_date = request.on_date or _day(request.as_of)
        try:
            on = edtf.bounds(on_date)
        except edtf.InvalidDateError as error:
            field = "on_date" if request.on_date else "as_of.occur_date"
            refuse(pb.ERROR_REASON_DATE_INVALID, str(error), field)

        def read(events: FilteredEventReader) -> bytes:
            def make(at: StateAt) -> bytes:
                state = at.state
                if request.on_date:
                    state = self._states.possible_by(events, request.as_of, on).state
                report = status_report(state, on, on_date)
                return pb.GetStatusReportResponse(
                    status_report=report, computed_at=at.computed_at
                ).SerializeToString()

            return self._respond(events, request.as_of, on_date, make)

        return _unchanged(viewer, id_, read)

    def _diff(self, request: pb.DiffNegotiationRequest, id_: str, viewer: Viewer) -> bytes:
        start = request.start if request.HasField("start") else pb.AsOf(version=0)

        def read(events: FilteredEventReader) -> tuple[StateAt, StateAt]:
            return self._read(events, start, "start"), self._read(events, request.end, "end")

        before, after = _unchanged(viewer, id_, read)
        response = pb.DiffNegotiationResponse(
            changes=diff(before.state, after.state),
            reversals=reversals(after.state, before.state),
            start_computed_at=before.computed_at,
            end_computed_at=after.computed_at,
        )
        if after.possible_state is not None:
            response.possible_changes.extend(diff(after.state, after.possible_state))
        return response.SerializeToString()

    def _respond(
        self,
        events: FilteredEventReader,
        as_of: pb.AsOf,
        key: Hashable,
        make: Callable[[StateAt], bytes],
    ) -> bytes:
        """Return the response for a point in time. That of the latest state is cached by a key."""
        if as_of != _NOW:
            return make(self._read(events, as_of, "as_of"))
        return self._states.respond(events, key, make)

    def _read(self, events: FilteredEventReader, as_of: pb.AsOf, field: str) -> StateAt:
        requests.check_as_of(as_of, field)
        try:
            return self._states.read(events, as_of)
        except RefusalError as refusal:
            raise refusal.with_prefix(field) if refusal.field else refusal from None


def _unchanged(viewer: Viewer, id_: str, read: Callable[[FilteredEventReader], _Result]) -> _Result:
    """Return the result of a read, repeated while the scope changes under it.

    An entry recorded after a change of access must not be in the result.
    """
    events = viewer.events(id_)
    while True:
        result, before = read(events), events
        events = viewer.events(id_)
        if events.scope == before.scope:
            return result


def _state_bytes(at: StateAt, *, is_basic: bool) -> bytes:
    """Return the bytes of a GetNegotiationResponse."""
    rest = pb.GetNegotiationResponse(
        computed_at=at.computed_at, possible_versions=at.possible_versions
    )
    response = _framed_state("negotiation", at.state, is_basic=is_basic)
    if at.possible_state is not None:
        response += _framed_state("possible_state", at.possible_state, is_basic=is_basic)
    return b"".join((*response, rest.SerializeToString()))


def _framed_state(field: str, state: pb.Negotiation, *, is_basic: bool) -> list[bytes]:
    """Return the bytes of a field with a state, in chunks: a long state is not copied again."""
    number = pb.GetNegotiationResponse.DESCRIPTOR.fields_by_name[field].number
    chunks = chunking.encode(basic_view(state) if is_basic else state)
    return [field_prefix(number, sum(map(len, chunks))), *chunks]


def _day(as_of: pb.AsOf) -> str:
    """Return the day that due dates are compared with if the caller names none."""
    if as_of.occur_date:
        return as_of.occur_date
    if as_of.HasField("record_time"):
        return as_of.record_time.ToJsonString()[:10]
    return _today()


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
