"""RecordService, its copies: bundles to the writer, once they were checked."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from typing import BinaryIO, cast

from pourparler import v1 as pb
from pourparler_service.api.call_handler import Call
from pourparler_service.api.quotas import Quota
from pourparler_service.api.receipt_waiter import ReceiptWaiter
from pourparler_service.authorization import policy
from pourparler_service.authorization.policy import Policy
from pourparler_service.domain.refusal import refuse
from pourparler_service.writes.bundle_import import BundleImporter
from pourparler_service.writes.requests import ImportRequest
from pourparler_service.writes.writer import Writer

COPIES = 2
"""How many copies may be under way at once, one of each caller: each holds its bundle in memory
while it is checked."""

PART_SECONDS = 30.0
"""How long the next part of a bundle may be waited for."""


class CopyServicer:
    """Takes copies. Belongs to the event loop's thread."""

    def __init__(
        self,
        writer: Writer,
        copies: BundleImporter,
        threads: Executor,
        *,
        policy: Policy,
        copy_bytes: int,
        part_seconds: float = PART_SECONDS,
    ) -> None:
        """Check bundles of at most so many bytes on these threads, and hand them to this writer.

        The policy says from whom they are taken.
        """
        self._policy = policy
        self._writer = writer
        self._copies = copies
        self._threads = threads
        self._copy_bytes = copy_bytes
        self._part_seconds = part_seconds
        self._answers = ReceiptWaiter()
        self._copying = Quota("copies", COPIES, 1)

    async def ImportNegotiation(
        self, requests: AsyncIterator[pb.ImportNegotiationRequest], call: Call
    ) -> pb.ImportNegotiationResponse:
        """Take a copy, once all of it is here and was checked."""
        policy.check_may_open(self._policy, call.caller)
        loop = asyncio.get_running_loop()
        with self._copying.place(call.name), tempfile.TemporaryFile() as opened:
            file = cast("BinaryIO", opened)
            keys = await self._received(requests, file, call)
            file.seek(0)
            sound = await loop.run_in_executor(
                self._threads, self._copies.check, file, keys, call.caller
            )
            if sound.new:
                copying = ImportRequest(
                    negotiation=sound.negotiation,
                    caller=call.caller,
                    after=sound.before,
                    records=sound.new,
                    checkpoint=sound.checkpoint,
                    verifier_keys=keys,
                    deadline=call.deadline,
                    name=call.name,
                )
                await self._answers.of(self._writer.copy(copying), call.deadline)
        return pb.ImportNegotiationResponse(
            name=f"negotiations/{sound.negotiation}",
            version=sound.before + len(sound.new),
            entry_count=len(sound.new),
        )

    async def _received(
        self, requests: AsyncIterator[pb.ImportNegotiationRequest], file: BinaryIO, call: Call
    ) -> list[str]:
        """Write the parts of a bundle to a file; the keys that came with the first one."""
        loop = asyncio.get_running_loop()
        keys: list[str] | None = None
        size = 0
        while (request := await self._next(requests, call.deadline)) is not None:
            if keys is None:
                keys = list(request.verifier_keys)
            elif request.verifier_keys:
                refuse(
                    pb.ERROR_REASON_FIELD_NOT_ALLOWED,
                    "The verifier keys come with the first part of a bundle, and only with it.",
                    "verifier_keys",
                )
            size += len(request.chunk)
            if size > self._copy_bytes:
                refuse(
                    pb.ERROR_REASON_MESSAGE_TOO_LARGE,
                    f"The bundle has more than {self._copy_bytes} bytes, which is the largest of"
                    " which this service takes a copy.",
                    limit=str(self._copy_bytes),
                )
            await loop.run_in_executor(self._threads, file.write, request.chunk)
        return keys or []

    async def _next(
        self, requests: AsyncIterator[pb.ImportNegotiationRequest], deadline: float | None
    ) -> pb.ImportNegotiationRequest | None:
        """The next part of a bundle; None after the last."""
        wait = self._part_seconds
        if deadline is not None:
            wait = min(wait, deadline - time.monotonic())
        try:
            async with asyncio.timeout(wait):
                return await anext(requests, None)
        except TimeoutError:
            refuse(
                pb.ERROR_REASON_DEADLINE_EXCEEDED,
                "The next part of the bundle did not come in time. Nothing was taken.",
            )
