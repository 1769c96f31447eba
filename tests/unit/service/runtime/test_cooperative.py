"""Long work in small steps: who is told of it, and that nothing of it is lost."""

import time
from collections.abc import Iterator

import pytest

from pourparler_service.runtime import cooperative

LONG = 0.001  # seconds at work: longer than anybody is at it without a look at others


def steps(count: int) -> Iterator[int]:
    for place in range(count):
        time.sleep(LONG)
        yield place


@pytest.fixture(autouse=True)
def _nobody_reads() -> None:
    while cooperative.is_long_read_active():
        time.sleep(0.01)


def test_whether_somebody_records_or_not_the_steps_are_the_same() -> None:
    assert list(cooperative.yielding(steps(20))) == list(range(20))
    cooperative.note_commit()
    assert list(cooperative.yielding(steps(20))) == list(range(20))


def test_what_somebody_waits_for_is_known_while_it_lasts() -> None:
    for place in cooperative.yielding(steps(5)):
        assert place == 0 or cooperative.is_long_read_active()


def test_what_nobody_waits_for_holds_up_nobody() -> None:
    assert list(cooperative.yielding(steps(5), awaited=False)) == list(range(5))

    assert not cooperative.is_long_read_active()
