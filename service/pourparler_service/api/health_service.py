"""grpc.health.v1: the health of the service, found by a probe of the store."""

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
_PROBE_SECONDS = 5.0
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class HealthServicer:
    """Reports if the service can read and write. Owned by the thread of the event loop.

    A status is at most one second old for Check, and `every_seconds` for Watch.
    """

    def __init__(
        self,
        services: Collection[str],
        probe: Callable[[], None],
        threads: Executor,
        every_seconds: float,
        apart: Mapping[str, Callable[[], bool]] | None = None,
    ) -> None:
        """Run `probe` on these threads. It may block, and raise StoreUnavailableError.

        The statuses in `apart` have names of their own. They do not block, and do not affect the
        status of the service.
        """
        self._apart = dict(apart or {})
        self._healthy: dict[str, bool] = dict.fromkeys(self._apart, False)
        self._services = frozenset(services)
        self._probe = probe
        self._threads = threads
        self._every_seconds = every_seconds
        self._serving = False
        self._closed = False
        self._checked = float("-inf")
        self._checking = asyncio.Lock()
        self._requested = asyncio.Event()
        self._changed = asyncio.Event()

    async def Check(
        self, request: health_pb2.HealthCheckRequest, call: Call
    ) -> health_pb2.HealthCheckResponse:
        """Return the current status."""
        if not self._is_known(request.service):
            refuse(
                pb.ERROR_REASON_SERVICE_NOT_FOUND,
                f"There is no service {quoted(request.service)} here.",
                "service",
            )
        await self._check()
        return health_pb2.HealthCheckResponse(status=self._status(request.service))

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, call: Call
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Yield the current status, and each later change of it."""
        await self._check()
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
        """Run the probe at once: something failed."""
        self._checked = float("-inf")
        self._requested.set()

    def close(self) -> None:
        """Report NOT_SERVING from now on, and end every watch."""
        self._closed = True
        self._turn(serving=False, healthy={})
        self._changed.set()

    async def keep_checking(self) -> None:
        """Run the probe again and again, until cancelled."""
        while True:
            await self._check()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_seconds):
                    await self._requested.wait()
            self._requested.clear()

    async def _check(self) -> None:
        async with self._checking:
            if self._closed or time.monotonic() - self._checked < _FRESH_SECONDS:
                return
            loop = asyncio.get_running_loop()
            healthy = {name: is_healthy() for name, is_healthy in self._apart.items()}
            try:
                async with asyncio.timeout(_PROBE_SECONDS):
                    await loop.run_in_executor(self._threads, self._probe)
            except (StoreUnavailableError, TimeoutError) as error:
                _LOG.warning("not serving: %s", str(error) or "the store does not answer")
                self._turn(serving=False, healthy=healthy)
            else:
                self._turn(serving=True, healthy=healthy)
            self._checked = time.monotonic()

    def _turn(self, *, serving: bool, healthy: dict[str, bool]) -> None:
        if self._closed:
            # Whatever an earlier probe finds.
            serving, healthy = False, dict.fromkeys(self._apart, False)
        if (serving, healthy) != (self._serving, self._healthy):
            self._serving, self._healthy = serving, healthy
            self._changed.set()
            self._changed = asyncio.Event()

    def _status(self, service: str) -> Any:
        if not self._is_known(service):
            return _UNKNOWN
        return _SERVING if self._healthy.get(service, self._serving) else _NOT_SERVING

    def _is_known(self, service: str) -> bool:
        return not service or service in self._services or service in self._apart
