"""grpc.health.v1: whether the service can do its work, found out by trying."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from concurrent.futures import Executor
from typing import Any

from grpc_health.v1 import health_pb2

from pourparler import v1 as pb
from pourparler_service.api.call_handler import Call
from pourparler_service.domain.refusal import quoted, refuse
from pourparler_service.storage.interface import StoreUnavailableError

_LOG = logging.getLogger(__name__)

_FRESH_SECONDS = 1.0
_TRY_SECONDS = 5.0
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class HealthServicer:
    """Says whether the service can read and write. Belongs to the event loop's thread.

    What it says is at most a second old for those who ask, `every_seconds` for those who watch.
    """

    def __init__(
        self,
        services: Collection[str],
        probe: Callable[[], None],
        threads: Executor,
        every_seconds: float,
        apart: Mapping[str, Callable[[], bool]] | None = None,
    ) -> None:
        """Try out with `probe`, on these threads: it may block, and raise StoreUnavailableError.

        What stands `apart` has a status of its own, and is asked by name alone: it neither blocks
        nor keeps the service from doing its work.
        """
        self._apart = dict(apart or {})
        self._well: dict[str, bool] = dict.fromkeys(self._apart, False)
        self._services = frozenset(services)
        self._probe = probe
        self._threads = threads
        self._every_seconds = every_seconds
        self._serving = False
        self._closed = False
        self._looked = float("-inf")
        self._looking = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._changed = asyncio.Event()

    async def Check(
        self, request: health_pb2.HealthCheckRequest, call: Call
    ) -> health_pb2.HealthCheckResponse:
        """Whether it can do its work now."""
        if not self._is_known(request.service):
            refuse(
                pb.ERROR_REASON_SERVICE_NOT_FOUND,
                f"There is no service {quoted(request.service)} here.",
                "service",
            )
        await self._look()
        return health_pb2.HealthCheckResponse(status=self._status(request.service))

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, call: Call
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Whether it can do its work, now and whenever that changes."""
        await self._look()
        last: int | None = None
        while True:
            changed = self._changed
            status = self._status(request.service)
            if status != last:
                last = status
                yield health_pb2.HealthCheckResponse(status=status)
                continue
            if self._closed:
                refuse(pb.ERROR_REASON_SHUTTING_DOWN, "The service is shutting down. Try again.")
            await changed.wait()

    def check_now(self) -> None:
        """Something failed: do not wait for the next look."""
        self._looked = float("-inf")
        self._wanted.set()

    def close(self) -> None:
        """The service stops: NOT_SERVING from now on, and the watches end."""
        self._closed = True
        self._turn(serving=False, well={})
        self._changed.set()

    async def keep_looking(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_seconds):
                    await self._wanted.wait()
            self._wanted.clear()

    async def _look(self) -> None:
        async with self._looking:
            if self._closed or time.monotonic() - self._looked < _FRESH_SECONDS:
                return
            loop = asyncio.get_running_loop()
            well = {name: is_well() for name, is_well in self._apart.items()}
            try:
                async with asyncio.timeout(_TRY_SECONDS):
                    await loop.run_in_executor(self._threads, self._probe)
            except (StoreUnavailableError, TimeoutError) as error:
                _LOG.warning("not serving: %s", str(error) or "the store does not answer")
                self._turn(serving=False, well=well)
            else:
                self._turn(serving=True, well=well)
            self._looked = time.monotonic()

    def _turn(self, *, serving: bool, well: dict[str, bool]) -> None:
        if self._closed:
            # Whatever a look that began before has found.
            serving, well = False, dict.fromkeys(self._apart, False)
        if (serving, well) != (self._serving, self._well):
            self._serving, self._well = serving, well
            self._changed.set()
            self._changed = asyncio.Event()

    def _status(self, service: str) -> Any:
        if not self._is_known(service):
            return _UNKNOWN
        return _SERVING if self._well.get(service, self._serving) else _NOT_SERVING

    def _is_known(self, service: str) -> bool:
        return not service or service in self._services or service in self._apart
