"""Every implementation of leases gives a named job to one holder at a time."""

import threading

import pytest

from pourparler_service.application import Backend


class FaultError(Exception):
    """What a holder fails with."""


def test_a_job_has_one_holder_at_a_time(backend: Backend) -> None:
    leases = backend.leases()
    inside = 0
    most: list[int] = []
    fences: list[int] = []

    def work() -> None:
        nonlocal inside
        for _ in range(30):
            with leases.hold("job") as lease:
                inside += 1
                most.append(inside)
                fences.append(lease.fence)
                assert lease.held
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert max(most) == 1
    assert fences == sorted(set(fences))
    assert len(fences) == 120


def test_jobs_of_other_names_do_not_wait(backend: Backend) -> None:
    leases = backend.leases()

    with leases.hold("one"), leases.hold("other"):
        pass


def test_a_holder_that_fails_lets_the_next_one_in(backend: Backend) -> None:
    leases = backend.leases()
    with pytest.raises(FaultError), leases.hold("job") as first:
        raise FaultError

    with leases.hold("job") as second:
        assert second.held
    assert not first.held
    assert second.fence > first.fence


def test_who_asks_waits_until_the_holder_is_done(backend: Backend) -> None:
    leases = backend.leases()
    order: list[str] = []
    asked = threading.Event()

    def ask() -> None:
        asked.set()
        with leases.hold("job"):
            order.append("second")

    with leases.hold("job"):
        thread = threading.Thread(target=ask)
        thread.start()
        assert asked.wait(10)
        thread.join(0.05)
        order.append("first")
    thread.join(10)

    assert order == ["first", "second"]
