"""RecordService: drafts to the writer, receipts back."""

import asyncio
import hashlib
import secrets
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Executor, Future

from pourparler import v1 as pb
from pourparler_service import dates, shape
from pourparler_service.guard import Call
from pourparler_service.refusal import Refusal, Violation, refuse
from pourparler_service.sealing import framed
from pourparler_service.writer import Group, Writer

DRAFTS = 1_000
"""How many drafts a group may have: what can be recorded at one go while others wait."""

_VIOLATIONS = 20
_QUICK_DRAFTS = 16
_QUICK_BYTES = 32_768


class RecordServicer:
    """Puts entries on the record."""

    def __init__(self, writer: Writer, threads: Executor) -> None:
        """Hand groups to this writer; check what takes long on these threads."""
        self._writer = writer
        self._threads = threads

    async def Record(self, request: pb.RecordRequest, call: Call) -> bytes:
        """Record a group. A caller who gives up before it is taken up leaves nothing behind."""
        shape.check_request_id(request.request_id, "request_id")
        group = Group(
            negotiation=_negotiation(request, call.caller),
            request_id=request.request_id,
            caller=call.caller,
            drafts=await self._settled(request.drafts, request.ByteSize()),
            expected_version=(
                request.expected_version if request.HasField("expected_version") else None
            ),
            validate_only=request.validate_only,
            deadline=call.deadline,
        )
        receipt = await answered(self._writer.submit(group), group.deadline)
        return framed(pb.RecordResponse.RECEIPT_FIELD_NUMBER, receipt)

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


async def answered(future: "Future[bytes]", deadline: float | None) -> bytes:
    """What the writer answers; given up in time, what was handed in leaves nothing behind."""
    answer = asyncio.wrap_future(future)
    remaining = None if deadline is None else deadline - time.monotonic()
    try:
        await asyncio.wait([answer], timeout=remaining)
    except asyncio.CancelledError:
        answer.cancel()  # takes the group out of the line, if it is still there
        raise
    if not answer.done() and future.cancel():
        refuse(
            pb.ERROR_REASON_DEADLINE,
            "The deadline passed while the request waited. Nothing was recorded.",
        )
    # Taken up: what becomes of it is the truth, even if it comes late.
    return await answer


def _settle(drafts: Sequence[pb.Draft]) -> None:
    """Settle and check all drafts; refuse with what is wrong with any of them, up to a number."""
    violations: list[Violation] = []
    for place, draft in enumerate(drafts):
        try:
            shape.settle(draft, dates.bounds)
            shape.check_draft(draft)
        except Refusal as refusal:
            violations.extend(refusal.under(f"drafts[{place}]").violations)
            if len(violations) >= _VIOLATIONS:
                break
    if violations:
        raise Refusal(violations[:_VIOLATIONS])


def _negotiation(request: pb.RecordRequest, caller: str) -> str:
    """The id of the negotiation: the caller's, or one that is the same for every repetition."""
    if request.negotiation:
        return shape.check_name(request.negotiation, "negotiation")
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
