"""RecordService, imports: verified bundles are handed to the writer."""

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
from pourparler_service.domain.refusal import refuse
from pourparler_service.writes.bundle_import import BundleImporter
from pourparler_service.writes.requests import ImportRequest
from pourparler_service.writes.writer import Writer

MOST_IMPORTS = 2
"""The number of concurrent imports, one for each caller: each holds its bundle in memory."""

PART_SECONDS = 30.0
"""The time limit for the next part of a bundle, in seconds."""


class ImportServicer:
    """Imports negotiations. Owned by the thread of the event loop."""

    def __init__(
        self,
        writer: Writer,
        importer: BundleImporter,
        threads: Executor,
        *,
        copy_bytes: int,
        part_seconds: float = PART_SECONDS,
    ) -> None:
        """Verify bundles of at most so many bytes on these threads."""
        self._writer = writer
        self._importer = importer
        self._threads = threads
        self._copy_bytes = copy_bytes
        self._part_seconds = part_seconds
        self._waiter = ReceiptWaiter()
        self._imports = Quota("copies", MOST_IMPORTS, 1)

    async def ImportNegotiation(
        self, requests: AsyncIterator[pb.ImportNegotiationRequest], call: Call
    ) -> pb.ImportNegotiationResponse:
        """Import a negotiation after its whole bundle is received and verified."""
        self._writer.check_may_open(call.caller)
        loop = asyncio.get_running_loop()
        with self._imports.place(call.name), tempfile.TemporaryFile() as opened:
            file = cast("BinaryIO", opened)
            keys = await self._received(requests, file, call)
            file.seek(0)
            verified = await loop.run_in_executor(
                self._threads, self._importer.check, file, keys, call.caller
            )
            if verified.new:
                request = ImportRequest(
                    negotiation=verified.negotiation,
                    caller=call.caller,
                    after=verified.before,
                    records=verified.new,
                    checkpoint=verified.checkpoint,
                    verifier_keys=keys,
                    deadline=call.deadline,
                    queue_key=call.name,
                )
                await self._waiter.wait(self._writer.import_bundle(request), call.deadline)
        return pb.ImportNegotiationResponse(
            name=f"negotiations/{verified.negotiation}",
            version=verified.before + len(verified.new),
            entry_count=len(verified.new),
        )

    async def _received(
        self, requests: AsyncIterator[pb.ImportNegotiationRequest], file: BinaryIO, call: Call
    ) -> list[str]:
        """Write the parts of a bundle to a file, and return the keys of the first part."""
        loop = asyncio.get_running_loop()
        keys: list[str] | None = None
        size = 0
        while (request := await self._next(requests, call.deadline)) is not None:
            if keys is None:
                keys = list(request.verifier_keys)
            elif request.verifier_keys:
                refuse(
                    pb.ERROR_REASON_FIELD_NOT_ALLOWED,
                    "Only the first part of a bundle can have verifier keys. Leave them out of the"
                    " others.",
                    "verifier_keys",
                )
            size += len(request.chunk)
            if size > self._copy_bytes:
                refuse(
                    pb.ERROR_REASON_MESSAGE_TOO_LARGE,
                    f"The bundle has more than {self._copy_bytes} bytes, the largest size that this"
                    " service imports.",
                    limit=str(self._copy_bytes),
                )
            await loop.run_in_executor(self._threads, file.write, request.chunk)
        return keys or []

    async def _next(
        self, requests: AsyncIterator[pb.ImportNegotiationRequest], deadline: float | None
    ) -> pb.ImportNegotiationRequest | None:
        """Return the next part of a bundle; None after the last."""
        wait = self._part_seconds
        if deadline is not None:
            wait = min(wait, deadline - time.monotonic())
        try:
            async with asyncio.timeout(wait):
                return await anext(requests, None)
        except TimeoutError:
            refuse(
                pb.ERROR_REASON_DEADLINE_EXCEEDED,
                "The next part of the bundle did not arrive in time. Nothing was imported.",
            )
