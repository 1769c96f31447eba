"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# Speed lives in benchmarks: a test that fails on a busy machine tells nothing.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
