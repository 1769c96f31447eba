"""Cooperative yielding: long work runs in steps, and other threads run between them."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

_Step = TypeVar("_Step")

_WORK_SECONDS = 0.0002
# Only a sleep hands over the interpreter: a thread that releases it gets it back at once.
_PAUSE_SECONDS = 0.0005
# An append needs the interpreter several times, and should find it free each time.
_APPEND_PAUSE_SECONDS = 0.005
_RECENTLY_SECONDS = 0.02
_IDLE_SECONDS = 1.0
_READ_SECONDS = 0.1  # the maximum duration of a step of a long read


class _Activity:
    """The recent activity of the process: the interpreter is shared, and appends come first."""

    commit_time = -_RECENTLY_SECONDS
    """The time of the last commit in seconds of `time.perf_counter`."""

    read_time = -_READ_SECONDS
    """The time of the last step of a long read, on the same clock."""


def note_commit() -> None:
    """Note a commit: long work pauses longer for a moment. Thread-safe."""
    _Activity.commit_time = time.perf_counter()


def seconds_since_commit() -> float:
    """Return the seconds since the last commit."""
    return time.perf_counter() - _Activity.commit_time


def note_long_read() -> None:
    """Note a step of a long read: background work pauses for it. Thread-safe."""
    _Activity.read_time = time.perf_counter()


def is_long_read_active() -> bool:
    """Return True if a long read made a step a moment ago."""
    return time.perf_counter() - _Activity.read_time < _READ_SECONDS


def yielding(steps: Iterable[_Step], *, awaited: bool = True) -> Iterator[_Step]:
    """Yield the same steps, and sleep between them after each interval of work. Blocks.

    With `awaited` a caller waits for the steps, so they also count as a long read.
    """
    until = time.perf_counter() + _WORK_SECONDS
    for step in steps:
        yield step
        if time.perf_counter() > until:
            idle = seconds_since_commit()
            if idle < _IDLE_SECONDS or not awaited:
                time.sleep(_PAUSE_SECONDS if idle > _RECENTLY_SECONDS else _APPEND_PAUSE_SECONDS)
            until = time.perf_counter() + _WORK_SECONDS
            if awaited:
                note_long_read()
