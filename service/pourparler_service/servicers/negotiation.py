"""NegotiationService: what a negotiation is and was, as messages."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import TypeVar

from pourparler import v1 as pb
from pourparler.diff import diff, reversals
from pourparler.fold import basic
from pourparler_service import dates, query, shape
from pourparler_service.catalogue import Catalogue
from pourparler_service.guard import Call
from pourparler_service.negotiations import Negotiations, Reading
from pourparler_service.refusal import Refusal, refuse
from pourparler_service.standing import standing

_Answer = TypeVar("_Answer")


class NegotiationServicer:
    """Answers what a negotiation is and was."""

    def __init__(self, negotiations: Negotiations, catalogue: Catalogue, threads: Executor) -> None:
        """Read from these, on these threads: every read may wait for the store."""
        self._negotiations = negotiations
        self._catalogue = catalogue
        self._threads = threads

    async def GetNegotiation(self, request: pb.GetNegotiationRequest, call: Call) -> bytes:
        """The state of a negotiation at a point."""
        return await self._apart(lambda: self._state(request))

    async def ListNegotiations(self, request: pb.ListNegotiationsRequest, call: Call) -> bytes:
        """A page of the negotiations on the record."""
        return await self._apart(lambda: self._catalogue.page(request).SerializeToString())

    async def GetStanding(self, request: pb.GetStandingRequest, call: Call) -> bytes:
        """Where a negotiation stands at a point."""
        return await self._apart(lambda: self._standing(request))

    async def DiffNegotiation(self, request: pb.DiffNegotiationRequest, call: Call) -> bytes:
        """What changed between two points."""
        return await self._apart(lambda: self._diff(request))

    async def _apart(self, read: Callable[[], _Answer]) -> _Answer:
        """Do what may block on a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, read)

    def _state(self, request: pb.GetNegotiationRequest) -> bytes:
        query.check_enum(request, "view")
        reading = self._read(request.name, request.as_of, "as_of")
        cut = basic if request.view == pb.NEGOTIATION_VIEW_BASIC else _whole
        response = pb.GetNegotiationResponse(
            negotiation=cut(reading.state),
            computed_at=reading.computed_at,
            possible_versions=reading.possible_versions,
        )
        if reading.possibly is not None:
            response.possibly.CopyFrom(cut(reading.possibly))
        return response.SerializeToString()

    def _standing(self, request: pb.GetStandingRequest) -> bytes:
        query.check_as_of(request.as_of, "as_of")
        on_date = request.on_date or _day(request.as_of)
        try:
            on = dates.bounds(on_date)
        except dates.DateRefused as error:
            field = "on_date" if request.on_date else "as_of.occur_date"
            refuse(pb.ERROR_REASON_DATE_INVALID, str(error), field)
        reading = self._read(request.name, request.as_of, "as_of")
        response = pb.GetStandingResponse(
            standing=standing(reading.state, on, on_date), computed_at=reading.computed_at
        )
        return response.SerializeToString()

    def _diff(self, request: pb.DiffNegotiationRequest) -> bytes:
        begin = getattr(request, "from") if request.HasField("from") else pb.AsOf(version=0)
        before = self._read(request.name, begin, "from")
        after = self._read(request.name, request.to, "to")
        response = pb.DiffNegotiationResponse(
            changes=diff(before.state, after.state),
            reversals=reversals(after.state, before.state),
            from_computed_at=before.computed_at,
            to_computed_at=after.computed_at,
        )
        if after.possibly is not None:
            response.possible_changes.extend(diff(after.state, after.possibly))
        return response.SerializeToString()

    def _read(self, name: str, as_of: pb.AsOf, field: str) -> Reading:
        id_ = shape.check_name(name, "name")
        query.check_as_of(as_of, field)
        try:
            return self._negotiations.read(id_, as_of)
        except Refusal as refusal:
            raise refusal.under(field) if refusal.field else refusal from None


def _whole(state: pb.Negotiation) -> pb.Negotiation:
    return state


def _day(as_of: pb.AsOf) -> str:
    """The day against which dues are reckoned when the caller names none."""
    if as_of.occur_date:
        return as_of.occur_date
    if as_of.HasField("record_time"):
        return as_of.record_time.ToJsonString()[:10]
    return datetime.now(UTC).date().isoformat()
