"""Receipts from the thread of the writer to the event loop: many of them with one wake-up."""

import asyncio
import contextlib
import functools
import time
from collections import deque
from concurrent.futures import Future

from pourparler import v1 as pb
from pourparler_service.domain.refusal import refuse


class ReceiptWaiter:
    """Waits for receipts of the writer. Owned by the thread of the event loop.

    A wake-up of the event loop from another thread costs as much as an entry, so all receipts of a
    batch share one.
    """

    def __init__(self) -> None:
        """Wait on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._answered: deque[asyncio.Future[None]] = deque()
        self._waking = False

    async def wait(self, receipt: "Future[bytes]", deadline: float | None) -> bytes:
        """Return a receipt, or raise its error. `deadline` is a time of `time.monotonic`.

        A request that is given up before the writer starts it leaves nothing behind.
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
        # A cancelled receipt removes its request from the write queue if it still waits there. A
        # started request is waited for: its outcome is the truth, even if it comes late.
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
        """Wake one waiting call. Thread-safe."""
        self._answered.append(waiting)
        if not self._waking:
            self._waking = True
            with contextlib.suppress(RuntimeError):  # the loop has ended, and its calls with it
                self._loop.call_soon_threadsafe(self._woken)

    def _woken(self) -> None:
        self._waking = False  # before the first is taken, so none is left
        while self._answered:
            waiting = self._answered.popleft()
            if not waiting.done():
                waiting.set_result(None)
