"""Notifications and leases where one process holds the store: calls and locks of this process."""

import contextlib
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pourparler_service.storage.interface import Lease, Listener


class InProcessNotifications:
    """Notifications of this process, which makes all commits: listeners are called directly."""

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()

    def listen(self, listener: Listener) -> None:
        """As Notifications says."""
        self._listeners = (*self._listeners, listener)

    def publish(self, ids: Collection[str]) -> None:
        """As Notifications says."""
        for listener in self._listeners:
            listener(ids)


@dataclass(slots=True)
class _Job:
    """A named job: the lock that its holder has, and how often it was held."""

    lock: threading.Lock
    fence: int = 0


@dataclass(slots=True)
class _HeldLease:
    fence: int
    held: bool = True


class InProcessLeases:
    """Leases of this process, which holds the store alone: a lock for each job."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _jobs
        self._jobs: dict[str, _Job] = {}

    @contextlib.contextmanager
    def hold(self, name: str) -> Iterator[Lease]:
        """As Leases says."""
        with self._lock:
            job = self._jobs.setdefault(name, _Job(threading.Lock()))
        with job.lock:
            job.fence += 1
            lease = _HeldLease(job.fence)
            try:
                yield lease
            finally:
                lease.held = False
