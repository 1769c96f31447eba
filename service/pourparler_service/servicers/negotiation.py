"""NegotiationService: what a negotiation is and was, as messages."""

import asyncio
import threading
from collections import OrderedDict
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

KEPT_BYTES = 1 << 26
"""How many bytes of answers about the latest state are kept, to be given again."""


class NegotiationServicer:
    """Answers what a negotiation is and was."""

    def __init__(self, negotiations: Negotiations, catalogue: Catalogue, threads: Executor) -> None:
        """Read from these, on these threads: every read may wait for the store."""
        self._negotiations = negotiations
        self._catalogue = catalogue
        self._threads = threads
        self._kept = _Kept()

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
        is_basic = request.view == pb.NEGOTIATION_VIEW_BASIC
        if request.as_of != pb.AsOf():
            return _state_bytes(reading, is_basic=is_basic)
        return self._kept.answer(
            (request.name, is_basic), reading, lambda: _state_bytes(reading, is_basic=is_basic)
        )

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


class _Kept:
    """Answers about the latest state, given again as they are while it is the latest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards all below
        self._answers: OrderedDict[tuple[str, bool], tuple[Reading, bytes]] = OrderedDict()
        self._bytes = 0

    def answer(self, asked: tuple[str, bool], reading: Reading, make: Callable[[], bytes]) -> bytes:
        """The answer that is kept, if it was made of this very reading; else a new one."""
        with self._lock:
            known = self._answers.get(asked)
            if known and known[0] is reading:
                self._answers.move_to_end(asked)
                return known[1]
        made = make()
        with self._lock:
            _, before = self._answers.pop(asked, (reading, b""))
            self._answers[asked] = (reading, made)
            self._bytes += len(made) - len(before)
            while self._bytes > KEPT_BYTES:
                _, (_, dropped) = self._answers.popitem(last=False)
                self._bytes -= len(dropped)
        return made


def _state_bytes(reading: Reading, *, is_basic: bool) -> bytes:
    response = pb.GetNegotiationResponse(
        negotiation=_cut(reading.state, is_basic=is_basic),
        computed_at=reading.computed_at,
        possible_versions=reading.possible_versions,
    )
    if reading.possibly is not None:
        response.possibly.CopyFrom(_cut(reading.possibly, is_basic=is_basic))
    return response.SerializeToString()


def _cut(state: pb.Negotiation, *, is_basic: bool) -> pb.Negotiation:
    return basic(state) if is_basic else state


def _day(as_of: pb.AsOf) -> str:
    """The day against which dues are reckoned when the caller names none."""
    if as_of.occur_date:
        return as_of.occur_date
    if as_of.HasField("record_time"):
        return as_of.record_time.ToJsonString()[:10]
    return datetime.now(UTC).date().isoformat()
