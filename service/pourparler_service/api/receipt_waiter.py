"""From the writer's thread to those who wait on the event loop: many answers, one wake-up."""

import asyncio
import contextlib
import functools
import time
from collections import deque
from concurrent.futures import Future

from pourparler import v1 as pb
from pourparler_service.domain.refusal import refuse


class ReceiptWaiter:
    """Waits for what the writer answers. Belongs to the event loop's thread.

    To wake an event loop from another thread costs as much as to record an entry: those who are
    answered together are woken together.
    """

    def __init__(self) -> None:
        """Wait on the event loop that is running."""
        self._loop = asyncio.get_running_loop()
        self._answered: deque[asyncio.Future[None]] = deque()
        self._waking = False

    async def of(self, receipt: "Future[bytes]", deadline: float | None) -> bytes:
        """What the writer answers; given up in time, what was handed in leaves nothing behind.

        The deadline is on the clock of `time.monotonic`.
        """
        if not receipt.done():
            await self._wait(receipt, deadline)
        if receipt.cancelled():
            refuse(
                pb.ERROR_REASON_DEADLINE_EXCEEDED,
                "The deadline passed while the request waited. Nothing was recorded.",
            )
        return receipt.result()

    async def _wait(self, receipt: "Future[bytes]", deadline: float | None) -> None:
        waiting: asyncio.Future[None] = self._loop.create_future()
        receipt.add_done_callback(functools.partial(self._wake, waiting))
        # To cancel a receipt takes its group out of the line, if it is still there. What is taken
        # up is waited for: what becomes of it is the truth, even if it comes late.
        remaining = None if deadline is None else deadline - time.monotonic()
        limit = None if remaining is None else self._loop.call_later(remaining, receipt.cancel)
        try:
            await waiting
        except asyncio.CancelledError:
            receipt.cancel()
            raise
        finally:
            if limit is not None:
                limit.cancel()

    def _wake(self, waiting: "asyncio.Future[None]", _: "Future[bytes]") -> None:
        """For any thread."""
        self._answered.append(waiting)
        if not self._waking:
            self._waking = True
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
                self._loop.call_soon_threadsafe(self._woken)

    def _woken(self) -> None:
        self._waking = False  # before the first is taken, so that none is left
        while self._answered:
            waiting = self._answered.popleft()
            if not waiting.done():
                waiting.set_result(None)
