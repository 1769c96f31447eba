"""What holds for all tests."""

import os

import pytest
from hypothesis import HealthCheck, settings

# Speed lives in benchmarks: a test that fails on a busy machine tells nothing. Where CI is set, the
# examples are the same each time, as Hypothesis has it; everywhere else they are new ones.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

pytest_plugins = ["tests.support.skips"]


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are processors: a test that watches a service mostly waits."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that nobody waits for it alone at the end."""
    items.sort(key=lambda item: -_seconds(item))


def _seconds(item: pytest.Item) -> float:
    """For how long a test may run, where it says so; slow ones before others that do not."""
    allowed = item.get_closest_marker("timeout")
    return allowed.args[0] if allowed else float(item.get_closest_marker("slow") is not None)
