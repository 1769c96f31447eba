"""RecordService: drafts to the writer, receipts back."""

import asyncio
import hashlib
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.schema.wire import framed
from pourparler_service.api.call_handler import Call, check_understood
from pourparler_service.api.error_status import as_refusal, failure_message
from pourparler_service.api.quotas import Quota
from pourparler_service.api.receipt_waiter import ReceiptWaiter
from pourparler_service.authorization import policy
from pourparler_service.authorization.viewer_scopes import ScopeResolver
from pourparler_service.domain.refusal import Refusal, Violation, refuse
from pourparler_service.validation.drafts import check_draft, check_name, check_request_id, settle
from pourparler_service.writes.requests import FailedNegotiations, WriteRequest
from pourparler_service.writes.writer import Writer

DRAFTS = 1_000
"""How many drafts a group may have, and the groups of a batch together: what can be recorded at one
go while others wait."""

UNDER_WAY = 256
"""How many groups of a session may be under way: read, and their outcome not yet sent."""

UNDER_WAY_BYTES = 4 << 20
"""With how many bytes of requests under way no more is read of a session."""

BATCHES = 16
"""How many batches may be under way at once: each holds all of its groups in memory ..."""

BATCHES_EACH = 4
"""... and how many of one caller."""

STRANGER_SECONDS = 0.1
"""How long a stranger waits for a refusal: groups of a session are not counted as calls, and what
is not handed in never finds the line too long."""

_LOOK_SECONDS = 0.01

_VIOLATIONS = 20
_QUICK_DRAFTS = 16
_QUICK_BYTES = 32_768


class RecordServicer:
    """Puts entries on the record. Belongs to the event loop's thread."""

    def __init__(
        self,
        writer: Writer,
        threads: Executor,
        sights: ScopeResolver,
        *,
        under_way: Quota | None = None,
        on_store_failure: Callable[[], None] = lambda: None,
    ) -> None:
        """Hand groups to this writer; check what takes long on these threads.

        No group of a stranger is handed in: these sights say who is one.
        `under_way` says how many bytes the groups of sessions may have: who has as many waits.
        `on_store_failure` is told when one group of several fails because the store did.
        """
        self._writer = writer
        self._threads = threads
        self._sights = sights
        self._on_store_failure = on_store_failure
        self._answers = ReceiptWaiter()
        self._batches = Quota("batches", BATCHES, BATCHES_EACH)
        self._under_way = under_way or Quota("bytes", UNDER_WAY_BYTES)
        self._readers: set[asyncio.Task[None]] = set()
        self._closing = False

    def close(self) -> None:
        """Read no more groups: the sessions end when those under way are answered."""
        self._closing = True
        for reader in self._readers:
            reader.cancel()

    async def RecordEntries(self, request: pb.RecordEntriesRequest, call: Call) -> bytes:
        """Record a group. A caller who gives up before it is taken up leaves nothing behind."""
        group = await self._group(request, call)
        receipt = await self._answers.of(self._writer.submit(group), group.deadline)
        return framed(pb.RecordEntriesResponse.RECEIPT_FIELD_NUMBER, receipt)

    async def BatchRecordEntries(self, request: pb.BatchRecordEntriesRequest, call: Call) -> bytes:
        """Record groups, each on its own, and answer when all are done."""
        if not request.requests:
            refuse(pb.ERROR_REASON_FIELD_REQUIRED, "A batch has one group at least.", "requests")
        drafts = sum(max(len(one.drafts), 1) for one in request.requests)
        if drafts > DRAFTS:
            refuse(
                pb.ERROR_REASON_LIMIT_EXCEEDED,
                f"The groups of a batch have at most {DRAFTS} drafts in all; these have {drafts}."
                " A group without drafts counts as one.",
                "requests",
                limit=str(DRAFTS),
                count=str(drafts),
            )
        under_way: list[_PendingRecord] = []
        with self._batches.place(call.name):
            try:
                for one in request.requests:
                    under_way.append(await self._handed_in(one, call))  # noqa: PERF401 - one fails
                outcomes = [await self._outcome(one, call.deadline) for one in under_way]
            finally:
                _give_up(under_way)
        return b"".join(
            framed(pb.BatchRecordEntriesResponse.OUTCOMES_FIELD_NUMBER, one) for one in outcomes
        )

    async def StreamRecordEntries(
        self, requests: AsyncIterator[pb.StreamRecordEntriesRequest], call: Call
    ) -> AsyncIterator[bytes]:
        """Record groups as they come, and answer them in their order."""
        session = _Session(self._under_way, call.name)
        reader = asyncio.create_task(self._read(requests, call._replace(deadline=None), session))
        reader.add_done_callback(lambda _: session.under_way.put_nowait(None))
        self._readers.add(reader)
        if self._closing:
            reader.cancel()
        one: _PendingRecord | None = None
        try:
            while (one := await session.under_way.get()) is not None:
                outcome = await self._outcome(one, None)
                yield framed(pb.StreamRecordEntriesResponse.OUTCOME_FIELD_NUMBER, outcome)
                session.sent(one)
            if reader.cancelled():
                refuse(
                    pb.ERROR_REASON_SHUTTING_DOWN,
                    "The service is shutting down. Send again what was not answered.",
                )
            reader.result()  # or what it failed with
        finally:
            self._readers.discard(reader)
            reader.cancel()
            await asyncio.wait([reader])
            if not reader.cancelled():
                reader.exception()  # which was raised above, unless the caller was gone before
            _give_up([*([one] if one else []), *session.left()])
            session.close()

    async def _read(
        self,
        requests: AsyncIterator[pb.StreamRecordEntriesRequest],
        call: Call,
        session: "_Session",
    ) -> None:
        """Hand in the groups of a session as they come, while there is room."""
        while True:
            await session.room()
            request = await anext(requests, None)
            if request is None:
                return
            await session.reserve(request.request.ByteSize())
            session.take(
                await self._handed_in(request.request, call, session, request.stop_on_failure)
            )

    async def _handed_in(
        self,
        request: pb.RecordEntriesRequest,
        call: Call,
        session: "_Session | None" = None,
        stop_on_failure: bool = False,  # noqa: FBT001, FBT002 - of a session alone
    ) -> "_PendingRecord":
        """One group of several, handed in when there is room in the line; or what is wrong."""
        size = request.ByteSize()
        id_ = request.negotiation.removeprefix("negotiations/")
        try:
            check_understood(request, "")
            if session and stop_on_failure:
                session.unfit.check(id_)
            group = await self._group(request, call)
            if session:
                group = group._replace(turn=session.turn, stop_on_failure=stop_on_failure)
            while self._writer.crowded(group.name):  # noqa: ASYNC110 - the line is another thread's
                await asyncio.sleep(_LOOK_SECONDS)
            return _PendingRecord(size, self._writer.submit(group))
        except Exception as error:  # noqa: BLE001 - it fails this group alone
            if session:
                session.unfit.fail(id_)
            failed: Future[bytes] = Future()
            failed.set_exception(error)
            return _PendingRecord(size, failed)

    async def _outcome(self, one: "_PendingRecord", deadline: float | None) -> bytes:
        """The bytes of the RecordOutcome of a group."""
        try:
            receipt = await self._answers.of(one.receipt, deadline)
        except Exception as error:  # noqa: BLE001 - it fails this group alone
            refusal = as_refusal(error, "RecordService")
            if refusal.reason == pb.ERROR_REASON_STORE_UNAVAILABLE:
                self._on_store_failure()
            failure = failure_message(refusal).SerializeToString(deterministic=True)
            return framed(pb.RecordOutcome.FAILURE_FIELD_NUMBER, failure)
        return framed(pb.RecordOutcome.RECEIPT_FIELD_NUMBER, receipt)

    async def _group(self, request: pb.RecordEntriesRequest, call: Call) -> WriteRequest:
        """A request as a group, settled and of the right shape."""
        check_request_id(request.request_id, "request_id")
        negotiation = _negotiation(request, call.caller)
        drafts = await self._settled(request.drafts, request.ByteSize())
        await self._admit(negotiation, drafts[0], call.caller)
        return WriteRequest(
            negotiation=negotiation,
            request_id=request.request_id,
            caller=call.caller,
            drafts=drafts,
            expected_version=(
                request.expected_version if request.HasField("expected_version") else None
            ),
            validate_only=request.validate_only,
            deadline=call.deadline,
            name=call.name,
        )

    async def _admit(self, id_: str, first: pb.Draft, caller: str) -> None:
        """Refuse a stranger: the writer would look at the negotiation, and time would tell of it.

        Who opens one is none: what follows is handed in before it is known what became of that.
        """
        if first.facts.HasField("negotiation_opened"):
            policy.check_may_open(self._sights.policy, caller)
            self._sights.admit(id_, caller)
        elif not self._sights.surely_admits(id_, caller):
            loop = asyncio.get_running_loop()
            try:
                await loop.run_in_executor(self._threads, self._sights.check_admitted, id_, caller)
            except Refusal:
                await asyncio.sleep(STRANGER_SECONDS)
                raise

    async def _settled(self, drafts: Sequence[pb.Draft], size: int) -> Sequence[pb.Draft]:
        """The drafts, settled and of the right shape. What takes long is done on a thread."""
        if not drafts:
            refuse(pb.ERROR_REASON_FIELD_REQUIRED, "A group has one draft at least.", "drafts")
        if len(drafts) > DRAFTS:
            refuse(
                pb.ERROR_REASON_LIMIT_EXCEEDED,
                f"A group has at most {DRAFTS} drafts; this one has {len(drafts)}.",
                "drafts",
                limit=str(DRAFTS),
                count=str(len(drafts)),
            )
        if len(drafts) <= _QUICK_DRAFTS and size <= _QUICK_BYTES:
            _settle(drafts)
        else:
            await asyncio.get_running_loop().run_in_executor(self._threads, _settle, drafts)
        return drafts


class _PendingRecord(NamedTuple):
    """A group of several: how many bytes it has, and what its receipt will come to."""

    size: int
    receipt: "Future[bytes]"


class _Session:
    """The groups of a session that are under way. Belongs to the event loop's thread."""

    def __init__(self, limit: Quota, name: str) -> None:
        self._limit = limit
        self._name = name
        self._reserved = 0
        self.under_way: asyncio.Queue[_PendingRecord | None] = asyncio.Queue()
        """In their order; None after the last."""
        self.unfit = FailedNegotiations()
        """Of the groups that fail before they are handed in. The writer notes those that fail later
        elsewhere: what it still has to take up came before these."""
        self.turn = FailedNegotiations()
        """Of the groups that the writer fails."""
        self._groups = self._bytes = 0
        self._freed = asyncio.Event()

    async def room(self) -> None:
        """Wait until one more may be under way."""
        while self._groups >= UNDER_WAY or self._bytes >= UNDER_WAY_BYTES:
            self._freed.clear()
            await self._freed.wait()

    async def reserve(self, size: int) -> None:
        """Wait until the caller, and all callers together, may have so many bytes more."""
        while not self._limit.has_room(self._name):  # noqa: ASYNC110 - others give it back
            await asyncio.sleep(_LOOK_SECONDS)
        self._limit.take(self._name, size)
        self._reserved += size

    def take(self, one: _PendingRecord) -> None:
        """One more is under way, for which there is room."""
        self._groups += 1
        self._bytes += one.size
        self.under_way.put_nowait(one)

    def sent(self, one: _PendingRecord) -> None:
        """Its outcome is sent. Of a caller who does not take the outcomes no more is read."""
        self._groups -= 1
        self._bytes -= one.size
        self._reserved -= one.size
        self._limit.give(self._name, one.size)
        self._freed.set()

    def close(self) -> None:
        """It has ended: there is room for others."""
        self._limit.give(self._name, self._reserved)

    def left(self) -> Iterator[_PendingRecord]:
        """What is still under way when the session ends."""
        while not self.under_way.empty():
            if (one := self.under_way.get_nowait()) is not None:
                yield one


def _give_up(under_way: Iterable[_PendingRecord]) -> None:
    """Take what still waits out of the line."""
    for one in under_way:
        one.receipt.cancel()


def _settle(drafts: Sequence[pb.Draft]) -> None:
    """Settle and check all drafts; refuse with what is wrong with any of them, up to a number."""
    violations: list[Violation] = []
    for place, draft in enumerate(drafts):
        try:
            settle(draft, edtf.bounds)
            check_draft(draft)
        except Refusal as refusal:
            violations.extend(refusal.under(f"drafts[{place}]").violations)
            if len(violations) >= _VIOLATIONS:
                break
    if violations:
        raise Refusal(violations[:_VIOLATIONS])


def _negotiation(request: pb.RecordEntriesRequest, caller: str) -> str:
    """The id of the negotiation: the caller's, or one that is the same for every repetition."""
    if request.negotiation:
        return check_name(request.negotiation, "negotiation")
    if request.request_id:
        return str(_uuid8(f"{caller}\0{request.request_id}"))
    return str(_uuid7(time.time_ns()))


def _uuid8(text: str) -> uuid.UUID:
    """A UUID of RFC 9562, version 8, made of the digest of a text."""
    return _uuid(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"), 8)


def _uuid7(nanoseconds: int) -> uuid.UUID:
    """A UUID of RFC 9562, version 7: the time in milliseconds, then chance."""
    milliseconds = nanoseconds // 1_000_000
    return _uuid((milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80), 7)


def _uuid(number: int, version: int) -> uuid.UUID:
    number &= ~(0xF << 76 | 0x3 << 62)
    return uuid.UUID(int=number | version << 76 | 0b10 << 62)
