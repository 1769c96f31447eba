"""The files that tools and hosts of the repository read: they name what exists."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("SECURITY.md", "CODE_OF_CONDUCT.md", ".github/PULL_REQUEST_TEMPLATE.md")


def test_each_check_of_the_makefile_is_a_hook() -> None:
    makefile = (ROOT / "Makefile").read_text()
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()

    checks = re.findall(r"^(check-[a-z]+):", makefile, re.MULTILINE)
    assert len(checks) > 3
    assert re.findall(r"^ +entry: make (\S+)$", hooks, re.MULTILINE) == checks


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_to_files(page: str) -> None:
    found = re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text())

    assert [link for link in found if not (ROOT / link).exists()] == []


def test_the_forms_lead_to_the_repository_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    form = (ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml").read_text()

    assert re.findall(r"^ +url: (.*)/security/advisories/new$", form, re.MULTILINE) == [
        project["urls"]["Source"]
    ]
