"""What holds for all tests."""

import os

from hypothesis import HealthCheck, settings

# Speed lives in benchmarks: a test that fails on a busy machine tells nothing. Where a change is
# judged, the examples are the same each time; everywhere else they are new ones.
settings.register_profile(
    "untimed",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
    database=None if "CI" in os.environ else settings().database,
)
settings.load_profile("untimed")
