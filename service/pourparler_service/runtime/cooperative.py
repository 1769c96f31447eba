"""Long work in small steps, between which other threads get their turn."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

_Step = TypeVar("_Step")

_WORK_SECONDS = 0.0002
# Only who sleeps gives the interpreter away: who lets go of it has it back before others wake up.
_PAUSE_SECONDS = 0.0005
# An append takes the interpreter several times over, and should mostly find it free.
_GIVING_WAY_SECONDS = 0.005
_RECENTLY_SECONDS = 0.02
_IDLE_SECONDS = 1.0
_READ_SECONDS = 0.1  # a step of a long read may take as long


class _Interpreter:
    """There is one in a process, and those who record come first."""

    recorded = -_RECENTLY_SECONDS
    """When there was the last commit, on the clock of `time.perf_counter`."""

    read = -_READ_SECONDS
    """When there was last a step of a long read, on the same clock."""


def recorded() -> None:
    """Somebody records: what is long gives way for a moment. For any thread."""
    _Interpreter.recorded = time.perf_counter()


def quiet_seconds() -> float:
    """For how long nobody has recorded anything."""
    return time.perf_counter() - _Interpreter.recorded


def reading() -> None:
    """Somebody reads much at once: what nobody waits for gives way. For any thread."""
    _Interpreter.read = time.perf_counter()


def is_reading() -> bool:
    """Whether somebody was reading much a moment ago."""
    return time.perf_counter() - _Interpreter.read < _READ_SECONDS


def paced(steps: Iterable[_Step], *, awaited: bool = True) -> Iterator[_Step]:
    """The same steps, with a pause whenever they have been at work for long. Blocks.

    They are those of somebody who reads, unless nobody waits for them.
    """
    until = time.perf_counter() + _WORK_SECONDS
    for step in steps:
        yield step
        if time.perf_counter() > until:
            quiet = quiet_seconds()
            if quiet < _IDLE_SECONDS or not awaited:
                time.sleep(_PAUSE_SECONDS if quiet > _RECENTLY_SECONDS else _GIVING_WAY_SECONDS)
            until = time.perf_counter() + _WORK_SECONDS
            if awaited:
                reading()
