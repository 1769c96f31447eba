"""With `--no-skips`, a skipped test fails, unless the list names it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.skips import ALLOWED

TESTS = Path(__file__).parents[2]
SKIPPED = f"""
import pytest

@pytest.fixture
def browser():
    pytest.skip("there is no browser")

def test_a_page(browser): ...

@pytest.mark.skipif(True, reason="there is no shell")
def test_a_shell(): ...

@pytest.mark.parametrize("one", [1])
def {next(iter(ALLOWED))}(one):
    pytest.skip("this is root")

@pytest.mark.xfail
def test_a_failure_that_is_expected():
    assert False
"""


def ended(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    line = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.support.skips",
        "-p",
        "no:cacheprovider",
    ]
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent)}
    return subprocess.run(
        [*line, *options], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("spread", [[], ["-n", "1"]])
def test_a_skip_that_is_not_listed_fails_and_is_named(tmp_path: Path, spread: list[str]) -> None:
    (tmp_path / "test_some.py").write_text(SKIPPED)

    assert ended(tmp_path, *spread).returncode == 0
    judged = ended(tmp_path, "--no-skips", *spread)

    assert judged.returncode == 1
    assert "1 skipped, 1 xfailed, 2 errors" in judged.stdout
    assert "test_some.py::test_a_page may not be skipped here. Skipped: there is no browser" in (
        judged.stdout
    )
    assert "test_some.py::test_a_shell may not be skipped here. Skipped: there is no shell" in (
        judged.stdout
    )


def test_a_module_that_is_skipped_fails(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text('import pytest\npytest.importorskip("absent")')

    judged = ended(tmp_path, "--no-skips")

    assert judged.returncode != 0
    assert "test_some.py may not be skipped here" in judged.stdout


def test_each_test_of_the_list_is_there() -> None:
    every = "".join(path.read_text() for path in TESTS.rglob("test_*.py"))

    assert [name for name in ALLOWED if f"\ndef {name}(" not in every] == []
