"""How much one caller may have under way, how much all may, and how often."""

from collections.abc import Callable

import pytest

from pourparler_service.api.quotas import BURST_SECONDS, Quota, RateLimit
from pourparler_service.domain.refusal import RefusalError, reason_name


def is_refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except RefusalError as refusal:
        return reason_name(refusal.reason) == "OVERLOADED"
    return False


def test_who_has_as_much_as_one_may_is_refused_and_others_are_not() -> None:
    limit = Quota("calls", 5, 2)
    limit.take("a")
    limit.take("a")

    assert is_refused(lambda: limit.take("a"))
    assert not limit.has_room("a")
    assert limit.has_room("b")
    limit.take("b")

    limit.give("a")
    limit.take("a")


def test_all_together_have_no_more_than_there_is_room_for() -> None:
    limit = Quota("calls", 3, 2)
    for name in "aab":
        limit.take(name)

    assert is_refused(lambda: limit.take("b"))
    assert is_refused(lambda: limit.take("c"))

    limit.give("a")
    limit.take("c")
    assert not limit.has_room("b")


def test_what_is_too_large_gets_in_alone() -> None:
    limit = Quota("bytes", 100, 10)

    with limit.place("a", 1_000):
        assert is_refused(lambda: limit.take("a", 1))
        assert is_refused(lambda: limit.take("b", 1))

    limit.take("a", 9)
    limit.take("a", 9)
    assert is_refused(lambda: limit.take("a", 1))


def test_what_is_empty_takes_no_room_and_is_given_back_as_well() -> None:
    limit = Quota("bytes", 10, 10)
    for _ in range(2):
        limit.take("a", 0)
    for _ in range(2):
        limit.give("a", 0)

    limit.take("a", 10)
    assert not limit.has_room("a")


def test_a_place_is_given_back_whatever_happens_in_it() -> None:
    limit = Quota("streams", 1)

    def fail() -> None:
        with limit.place("a"):
            raise ValueError

    for _ in range(3):
        with pytest.raises(ValueError):  # noqa: PT011 - it is this one
            fail()
    assert limit.has_room("a")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def done(rate: RateLimit, name: str) -> int:
    """How often in a row it may be done."""
    count = 0
    while not is_refused(lambda: rate.take(name)):
        count += 1
    return count


def test_who_was_quiet_may_call_without_a_pause_for_a_while_and_then_at_the_rate() -> None:
    clock = Clock()
    rate = RateLimit("calls", 10, clock=clock)

    first = done(rate, "a")
    clock.now += 1
    second = done(rate, "a")
    clock.now += 1_000
    third = done(rate, "a")

    assert first == third == 10 * BURST_SECONDS + 1
    assert 9 <= second <= 10
    assert done(rate, "b") == first


def test_who_is_refused_does_not_wait_longer_for_having_asked() -> None:
    clock = Clock()
    rate = RateLimit("calls", 10, clock=clock)
    done(rate, "a")
    for _ in range(1_000):
        assert is_refused(lambda: rate.take("a"))

    clock.now += 0.11

    assert not is_refused(lambda: rate.take("a"))


def test_of_many_callers_the_last_ones_are_remembered() -> None:
    rate = RateLimit("calls", 1, remembered=10, clock=Clock())
    done(rate, "often")
    for number in range(100):
        rate.take(str(number))
        assert is_refused(lambda: rate.take("often"))

    assert len(rate) == 10
