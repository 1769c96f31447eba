"""Long work in small steps, between which other threads get their turn."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

_Step = TypeVar("_Step")

_WORK_SECONDS = 0.0002
# Only who sleeps gives the interpreter away: who lets go of it has it back before others wake up.
_PAUSE_SECONDS = 0.0005


def paced(steps: Iterable[_Step]) -> Iterator[_Step]:
    """The same steps, with a pause whenever they have been at work for long. Blocks."""
    until = time.perf_counter() + _WORK_SECONDS
    for step in steps:
        yield step
        if time.perf_counter() > until:
            time.sleep(_PAUSE_SECONDS)
            until = time.perf_counter() + _WORK_SECONDS
