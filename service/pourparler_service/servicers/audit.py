"""AuditService: the record itself, as it is stored."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor

from pourparler import v1 as pb
from pourparler_service import replay, shape
from pourparler_service.guard import Call
from pourparler_service.negotiations import Negotiations
from pourparler_service.refusal import Refusal


class AuditServicer:
    """Gives out the record itself."""

    def __init__(self, negotiations: Negotiations, threads: Executor) -> None:
        """Read from these, on these threads."""
        self._negotiations = negotiations
        self._threads = threads

    async def Replay(self, request: pb.ReplayRequest, call: Call) -> AsyncIterator[bytes]:
        """Send the entries that are asked for, then that these were all."""
        selection, computed_at = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._selection, request
        )
        for message in replay.messages(selection, computed_at):
            yield message

    def _selection(self, request: pb.ReplayRequest) -> tuple[replay.Selection, pb.ComputedAt]:
        id_ = shape.check_name(request.name, "name")
        replay.check(request)
        try:
            replayed, computed_at = self._negotiations.replay(id_, request.as_of)
        except Refusal as refusal:
            raise refusal.under("as_of") if refusal.field else refusal from None
        return replay.select(replayed, request), computed_at
