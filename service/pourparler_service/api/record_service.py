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
from pourparler.schema.wire import length_delimited
from pourparler_service.api.call_handler import Call, check_understood
from pourparler_service.api.error_status import as_refusal, failure_message
from pourparler_service.api.quotas import Quota
from pourparler_service.api.receipt_waiter import ReceiptWaiter
from pourparler_service.api.request_parsing import negotiation_id
from pourparler_service.authorization.viewer_scopes import ScopeResolver
from pourparler_service.domain.refusal import RefusalError, Violation, refuse
from pourparler_service.validation.drafts import check_draft, check_request_id, prepare
from pourparler_service.writes.requests import FailedNegotiations, WriteRequest
from pourparler_service.writes.writer import Writer

DRAFTS = 1_000
"""The number of drafts in a request, and in all requests of a batch, while others wait."""

SESSION_REQUESTS = 256
"""The number of requests of a stream that are read and not answered yet."""

SESSION_BYTES = 4 << 20
"""The bytes of unanswered requests at which no more of a stream is read."""

BATCHES = 16
"""The number of concurrent batches: each holds all of its requests in memory."""

BATCHES_EACH = 4
"""The number of concurrent batches of one caller."""

STRANGER_SECONDS = 0.1
"""The delay of a refusal to a stranger, in seconds.

The requests of a stream are not limited as calls, and a refused one never enters the write queue.
"""

_RETRY_SECONDS = 0.01

_VIOLATIONS = 20
_QUICK_DRAFTS = 16
_QUICK_BYTES = 32_768


class RecordServicer:
    """Records entries. Owned by the thread of the event loop."""

    def __init__(
        self,
        writer: Writer,
        threads: Executor,
        scopes: ScopeResolver,
        *,
        in_flight_bytes: Quota | None = None,
        on_store_failure: Callable[[], None] = lambda: None,
    ) -> None:
        """Hand requests to a writer, and check large ones on these threads.

        The scopes tell strangers, whose requests never reach the writer. `in_flight_bytes` limits
        the requests of streams; `on_store_failure` is called if the store fails one of several.
        """
        self._writer = writer
        self._threads = threads
        self._scopes = scopes
        self._on_store_failure = on_store_failure
        self._waiter = ReceiptWaiter()
        self._batches = Quota("batches", BATCHES, BATCHES_EACH)
        self._in_flight = in_flight_bytes or Quota("bytes", SESSION_BYTES)
        self._readers: set[asyncio.Task[None]] = set()
        self._closing = False

    def close(self) -> None:
        """Read no more requests. Each stream ends after its last answer."""
        self._closing = True
        for reader in self._readers:
            reader.cancel()

    async def RecordEntries(self, request: pb.RecordEntriesRequest, call: Call) -> bytes:
        """Record a request. A caller that gives up before it is started leaves nothing behind."""
        write = await self._write_request(request, call)
        receipt = await self._waiter.wait(self._submit(write), write.deadline)
        return length_delimited(pb.RecordEntriesResponse.RECEIPT_FIELD_NUMBER, receipt)

    async def BatchRecordEntries(self, request: pb.BatchRecordEntriesRequest, call: Call) -> bytes:
        """Record several requests, each on its own, and answer after the last one."""
        if not request.requests:
            refuse(pb.ERROR_REASON_FIELD_REQUIRED, "The batch is empty. Add a request.", "requests")
        drafts = sum(max(len(one.drafts), 1) for one in request.requests)
        if drafts > DRAFTS:
            refuse(
                pb.ERROR_REASON_LIMIT_EXCEEDED,
                f"The requests of a batch have at most {DRAFTS} drafts in all; these have {drafts}."
                " A request without drafts counts as one.",
                "requests",
                limit=str(DRAFTS),
                count=str(drafts),
            )
        pending: list[_PendingOutcome] = []
        with self._batches.place(call.name):
            try:
                for one in request.requests:
                    pending.append(await self._hand_in(one, call))  # noqa: PERF401 - one fails
                outcomes = [await self._outcome(one, call.deadline) for one in pending]
            finally:
                _cancel(pending)
        return b"".join(
            length_delimited(pb.BatchRecordEntriesResponse.OUTCOMES_FIELD_NUMBER, one)
            for one in outcomes
        )

    async def StreamRecordEntries(
        self, requests: AsyncIterator[pb.StreamRecordEntriesRequest], call: Call
    ) -> AsyncIterator[bytes]:
        """Record requests as they come, and answer them in their order."""
        session = _Session(self._in_flight, call.name)
        reader = asyncio.create_task(self._read(requests, call._replace(deadline=None), session))
        reader.add_done_callback(lambda _: session.pending.put_nowait(None))
        self._readers.add(reader)
        if self._closing:
            reader.cancel()
        one: _PendingOutcome | None = None
        try:
            while (one := await session.pending.get()) is not None:
                outcome = await self._outcome(one, None)
                yield length_delimited(pb.StreamRecordEntriesResponse.OUTCOME_FIELD_NUMBER, outcome)
                session.sent(one)
            if reader.cancelled():
                refuse(
                    pb.ERROR_REASON_SHUTTING_DOWN,
                    "The service is shutting down. Send the unanswered requests again.",
                )
            reader.result()  # or its exception
        finally:
            self._readers.discard(reader)
            reader.cancel()
            await asyncio.wait([reader])
            if not reader.cancelled():
                reader.exception()  # raised above, unless the caller left before
            _cancel([*([one] if one else []), *session.left()])
            session.close()

    async def _read(
        self,
        requests: AsyncIterator[pb.StreamRecordEntriesRequest],
        call: Call,
        session: "_Session",
    ) -> None:
        """Hand in the requests of a stream as they come, while there is room."""
        while True:
            await session.room()
            request = await anext(requests, None)
            if request is None:
                return
            await session.reserve(request.request.ByteSize())
            session.add(
                await self._hand_in(request.request, call, session, request.stop_on_failure)
            )

    async def _hand_in(
        self,
        request: pb.RecordEntriesRequest,
        call: Call,
        session: "_Session | None" = None,
        stop_on_failure: bool = False,  # noqa: FBT001, FBT002 - for streams only
    ) -> "_PendingOutcome":
        """Hand in one of several requests when the queue has room; an error fails it alone."""
        size = request.ByteSize()
        id_ = request.negotiation.removeprefix("negotiations/")
        try:
            check_understood(request, "")
            if session and stop_on_failure:
                session.invalid.check(id_)
            write = await self._write_request(request, call)
            if session:
                write = write._replace(failures=session.failures, stop_on_failure=stop_on_failure)
            while self._writer.is_crowded(write.queue_key):  # noqa: ASYNC110 - of another thread
                await asyncio.sleep(_RETRY_SECONDS)
            return _PendingOutcome(size, self._submit(write))
        except Exception as error:  # noqa: BLE001 - it fails this request alone
            if session:
                session.invalid.add(id_)
            failed: Future[bytes] = Future()
            failed.set_exception(error)
            return _PendingOutcome(size, failed)

    async def _outcome(self, one: "_PendingOutcome", deadline: float | None) -> bytes:
        """Return the bytes of the RecordOutcome of a request."""
        try:
            receipt = await self._waiter.wait(one.receipt, deadline)
        except Exception as error:  # noqa: BLE001 - it fails this request alone
            refusal = as_refusal(error, "RecordService")
            if refusal.reason == pb.ERROR_REASON_STORE_UNAVAILABLE:
                self._on_store_failure()
            failure = failure_message(refusal).SerializeToString(deterministic=True)
            return length_delimited(pb.RecordOutcome.FAILURE_FIELD_NUMBER, failure)
        return length_delimited(pb.RecordOutcome.RECEIPT_FIELD_NUMBER, receipt)

    async def _write_request(self, request: pb.RecordEntriesRequest, call: Call) -> WriteRequest:
        """Return a request for the writer, settled and of the right shape. Refuse strangers."""
        check_request_id(request.request_id, "request_id")
        id_ = _negotiation(request, call.caller)
        write = WriteRequest(
            negotiation=id_,
            request_id=request.request_id,
            caller=call.caller,
            drafts=await self._settled(request.drafts, request.ByteSize()),
            expected_version=(
                request.expected_version if request.HasField("expected_version") else None
            ),
            validate_only=request.validate_only,
            deadline=call.deadline,
            queue_key=call.name,
        )
        if not write.opens and not self._scopes.is_admitted(id_, call.caller):
            loop, check = asyncio.get_running_loop(), self._scopes.check_admitted
            try:
                # The writer would read the negotiation, and the time would tell that it exists.
                await loop.run_in_executor(self._threads, check, id_, call.caller)
            except RefusalError:
                await asyncio.sleep(STRANGER_SECONDS)
                raise
        return write

    def _submit(self, write: WriteRequest) -> "Future[bytes]":
        receipt = self._writer.submit(write)
        if write.opens:
            # The caller's next requests are handed in before this one has an outcome.
            self._scopes.admit(write.negotiation, write.caller)
        return receipt

    async def _settled(self, drafts: Sequence[pb.Draft], size: int) -> Sequence[pb.Draft]:
        """Return the drafts, settled and of the right shape. Large ones are checked on a thread."""
        if not drafts:
            refuse(pb.ERROR_REASON_FIELD_REQUIRED, "The request has no draft. Add one.", "drafts")
        if len(drafts) > DRAFTS:
            refuse(
                pb.ERROR_REASON_LIMIT_EXCEEDED,
                f"A request has at most {DRAFTS} drafts; this one has {len(drafts)}.",
                "drafts",
                limit=str(DRAFTS),
                count=str(len(drafts)),
            )
        if len(drafts) <= _QUICK_DRAFTS and size <= _QUICK_BYTES:
            _settle(drafts)
        else:
            await asyncio.get_running_loop().run_in_executor(self._threads, _settle, drafts)
        return drafts


class _PendingOutcome(NamedTuple):
    """One of several requests: its size in bytes, and the future of its receipt."""

    size: int
    receipt: "Future[bytes]"


class _Session:
    """The unanswered requests of a stream. Owned by the thread of the event loop."""

    def __init__(self, limit: Quota, name: str) -> None:
        self._limit = limit
        self._name = name
        self._reserved = 0
        self.pending: asyncio.Queue[_PendingOutcome | None] = asyncio.Queue()
        """The requests in their order; None after the last."""
        self.invalid = FailedNegotiations()
        """The failures before a request is handed in.

        They are apart from those of the writer: it still has to start earlier requests."""
        self.failures = FailedNegotiations()
        """The failures in the writer."""
        self._requests = self._bytes = 0
        self._freed = asyncio.Event()

    async def room(self) -> None:
        """Wait until there is room for one more request."""
        while self._requests >= SESSION_REQUESTS or self._bytes >= SESSION_BYTES:
            self._freed.clear()
            await self._freed.wait()

    async def reserve(self, size: int) -> None:
        """Wait until the quotas of the caller and of all callers have room for so many bytes."""
        while not self._limit.has_room(self._name):  # noqa: ASYNC110 - others give it back
            await asyncio.sleep(_RETRY_SECONDS)
        self._limit.take(self._name, size)
        self._reserved += size

    def add(self, one: _PendingOutcome) -> None:
        """Add a request, for which there is room."""
        self._requests += 1
        self._bytes += one.size
        self.pending.put_nowait(one)

    def sent(self, one: _PendingOutcome) -> None:
        """Free the room of a request whose outcome was sent."""
        self._requests -= 1
        self._bytes -= one.size
        self._reserved -= one.size
        self._limit.give(self._name, one.size)
        self._freed.set()

    def close(self) -> None:
        """Free all room at the end of the stream."""
        self._limit.give(self._name, self._reserved)

    def left(self) -> Iterator[_PendingOutcome]:
        """Yield the requests that are unanswered at the end of the stream."""
        while not self.pending.empty():
            if (one := self.pending.get_nowait()) is not None:
                yield one


def _cancel(pending: Iterable[_PendingOutcome]) -> None:
    """Remove waiting requests from the write queue."""
    for one in pending:
        one.receipt.cancel()


def _settle(drafts: Sequence[pb.Draft]) -> None:
    """Settle and check all drafts. Raise RefusalError with their violations, up to a number."""
    violations: list[Violation] = []
    for place, draft in enumerate(drafts):
        try:
            prepare(draft, edtf.bounds)
            check_draft(draft)
        except RefusalError as refusal:
            violations.extend(refusal.with_prefix(f"drafts[{place}]").violations)
            if len(violations) >= _VIOLATIONS:
                break
    if violations:
        raise RefusalError(violations[:_VIOLATIONS])


def _negotiation(request: pb.RecordEntriesRequest, caller: str) -> str:
    """Return the id of the negotiation: the caller's, or one that is equal in every retry."""
    if request.negotiation:
        return negotiation_id(request.negotiation, "negotiation")
    if request.request_id:
        return str(_uuid8(f"{caller}\0{request.request_id}"))
    return str(_uuid7(time.time_ns()))


def _uuid8(text: str) -> uuid.UUID:
    """Return a UUID of RFC 9562, version 8, from the digest of a text."""
    return _uuid(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"), 8)


def _uuid7(nanoseconds: int) -> uuid.UUID:
    """Return a UUID of RFC 9562, version 7: the time in milliseconds, then random bits."""
    milliseconds = nanoseconds // 1_000_000
    return _uuid((milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80), 7)


def _uuid(number: int, version: int) -> uuid.UUID:
    number &= ~(0xF << 76 | 0x3 << 62)
    return uuid.UUID(int=number | version << 76 | 0b10 << 62)
