"""With `--no-skips`, a skipped test fails: only the tests that are listed here may be skipped.

`.ci/run` installs the programs that tests need, and then runs them so. A skip there means a hole.
"""

import platform
from collections.abc import Generator, Mapping

import pytest

ALLOWED: Mapping[str, str] = {
    "test_a_read_only_folder_is_refused": "Nothing is read-only for root.",
    "test_every_loopback_address_will_do": "A machine may have no IPv6.",
    "test_a_file_system_that_is_full_loses_nothing": "A container may forbid root to mount.",
    **(
        {}
        if platform.machine() == "x86_64"
        else {"test_fuzzing_for_a_short_time_finds_nothing": "atheris has no wheel for it."}
    ),
}
"""The tests that may be skipped, by name, with the reason."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips",
        action="store_true",
        help="fail each test that is skipped and is not listed in tests/support/skips.py",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if (
        item.config.getoption("no_skips")
        and getattr(item, "originalname", item.name) not in ALLOWED
    ):
        _judge(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if collector.config.getoption("no_skips"):
        _judge(report)
    return report


def _judge(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a skip a failure. An expected failure counts as skipped too, and stays as it is."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} may not be skipped here. {reason}"
