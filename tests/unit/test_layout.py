"""The size of the modules, and the names of the wings that they stand in."""

import statistics
from pathlib import Path

import pytest

import pourparler
import pourparler_service

PACKAGES = [Path(package.__file__ or "").parent for package in (pourparler, pourparler_service)]
MODULES = {
    path.relative_to(package.parent).as_posix(): len(path.read_text().splitlines())
    for package in PACKAGES
    for path in package.rglob("*.py")
    if "_pb2" not in path.name
}
LONGEST = 500
MEDIAN = 150
FLAT_TABLES = {
    "pourparler/drafts/builders.py",
    "pourparler/state/fold.py",
    "pourparler_service/domain/rules.py",
}
"""Modules with one small function for each entry type, which stay whole."""


def test_only_flat_tables_are_longer_than_500_lines() -> None:
    longer = {name for name, lines in MODULES.items() if lines > LONGEST}

    assert longer <= FLAT_TABLES


def test_half_of_the_modules_have_at_most_150_lines() -> None:
    assert statistics.median(MODULES.values()) <= MEDIAN


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_no_module_has_a_name_that_says_nothing(package: Path) -> None:
    vague = {"utils", "util", "common", "helpers", "core", "misc", "base", "manager"}
    names = {path.stem for path in package.rglob("*")}

    assert names & vague == set()
