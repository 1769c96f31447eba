"""AuditService: the record itself, as it is stored."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from pourparler import v1 as pb
from pourparler_service import replay, shape
from pourparler_service.guard import Call
from pourparler_service.log import Log
from pourparler_service.negotiations import Negotiations
from pourparler_service.refusal import Refusal
from pourparler_service.witnesses import Witnesses

_Answer = TypeVar("_Answer")


class AuditServicer:
    """Gives out the record itself."""

    def __init__(
        self,
        negotiations: Negotiations,
        log: Log,
        threads: Executor,
        witnesses: Witnesses | None = None,
    ) -> None:
        """Read from these, on these threads; have checkpoints cosigned, if there are witnesses."""
        self._witnesses = witnesses
        self._negotiations = negotiations
        self._log = log
        self._threads = threads

    async def Replay(self, request: pb.ReplayRequest, call: Call) -> AsyncIterator[bytes]:
        """Send the entries that are asked for, then that these were all."""
        selection, computed_at = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._selection, request
        )
        for message in replay.messages(selection, computed_at):
            yield message

    async def GetCheckpoint(
        self, request: pb.GetCheckpointRequest, call: Call
    ) -> pb.GetCheckpointResponse:
        """Sign a size and root of the log, and have them cosigned."""
        version = request.version if request.HasField("version") else None
        answer = await self._proved(self._log.checkpoint, request.name, version)
        if self._witnesses is None or answer.HasField("copy"):
            return answer
        id_ = shape.check_name(request.name, "name")
        exact = version is not None
        return await asyncio.wrap_future(self._witnesses.cosigned(id_, answer, exact=exact))

    async def GetInclusionProof(
        self, request: pb.GetInclusionProofRequest, call: Call
    ) -> pb.GetInclusionProofResponse:
        """Prove that an entry is in the log."""
        at = request.at_version if request.HasField("at_version") else None
        return await self._proved(self._log.inclusion, request.name, request.version, at)

    async def GetConsistencyProof(
        self, request: pb.GetConsistencyProofRequest, call: Call
    ) -> pb.GetConsistencyProofResponse:
        """Prove that the log only grew."""
        to = request.to_version if request.HasField("to_version") else None
        return await self._proved(self._log.consistency, request.name, request.from_version, to)

    async def _proved(self, prove: Callable[..., _Answer], name: str, *asked: Any) -> _Answer:
        id_ = shape.check_name(name, "name")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, prove, id_, *asked)

    def _selection(self, request: pb.ReplayRequest) -> tuple[replay.Selection, pb.ComputedAt]:
        id_ = shape.check_name(request.name, "name")
        replay.check(request)
        try:
            replayed, computed_at = self._negotiations.replay(id_, request.as_of)
        except Refusal as refusal:
            raise refusal.under("as_of") if refusal.field else refusal from None
        return replay.select(replayed, request), computed_at
