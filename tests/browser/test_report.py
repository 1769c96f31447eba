"""The page of a negotiation in headless Chromium: light, dark, narrow, printed, by keyboard."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from pourparler import v1 as pb
from pourparler.cli.report.page import Checked, page
from tests.support import report_samples
from tests.support.node_programs import installed
from tests.unit.client.cli.test_report import casino, diplomacy, seed

HERE = Path(__file__).parent / "page"
CACHE = Path(__file__).parents[2] / "build" / "browser"
SHOTS = CACHE / "shots"
NOBODY = Checked("", "Nobody has looked.")
Walk: TypeAlias = Callable[..., dict[str, Any]]
RECORDS: dict[str, Callable[[], list[pb.Entry]]] = {
    "seed": seed,
    "casino": casino,
    "diplomacy": diplomacy,
    "hostile": lambda: report_samples.talks(3, report_samples.HOSTILE),
}

pytestmark = pytest.mark.tools


@pytest.fixture(name="walk", scope="module")
def _walk() -> Walk:
    """Walks a page; what drives the browser is installed once for every lock."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no chromium")
    script = installed(HERE, CACHE, "walk.mjs")

    def walk(path: Path, name: str, rules: str = "axe") -> dict[str, Any]:
        shots = SHOTS / name
        shots.mkdir(parents=True, exist_ok=True)
        command = ["node", str(script), browser, str(path), str(shots), rules]
        environment = {**os.environ, "HOME": str(path.parent)}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=200, check=False, env=environment
        )
        assert done.returncode == 0, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    return walk


@pytest.mark.parametrize("name", RECORDS)
def test_a_page_is_for_every_reader(walk: Walk, tmp_path: Path, name: str) -> None:
    """It asks for nothing, breaks no rule of axe, and can be walked, stepped and printed."""
    record = RECORDS[name]()
    path = tmp_path / "report.html"
    path.write_text(page(record, "2026-02-01", NOBODY), encoding="utf-8")

    found = walk(path, name)

    assert (found["asked"], found["errors"], found["dialogs"]) == ([], [], 0)
    assert found["violations"] == {"light": [], "dark": []}
    assert found["headings"][0] == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(found["headings"]))
    assert found["reached"][0]["what"] == "To the status"
    assert found["reached"][-1]["what"] == "version"
    assert all(one["ring"] for one in found["reached"])
    assert found["last"]["rows"] == found["without"]["rows"] == len(record)
    assert found["last"]["said"].startswith(f"Latest, version {len(record)}: ")
    assert found["first"]["rows"] == 1
    assert found["first"]["labels"] <= 1
    assert found["first"]["marks"] < found["last"]["marks"]
    assert found["again"]["marks"] == found["last"]["marks"]
    assert found["third"]["rows"] == 3
    assert not found["without"]["stepper"]
    assert found["without"]["labels"] == found["last"]["labels"]
    assert found["narrow"] == 360
    assert not found["print"]["stepper"]
    assert found["print"]["paper"] == "rgb(255, 255, 255)"
    assert found["print"]["then"].startswith("As of version 1: ")


@pytest.mark.slow
def test_a_page_of_2000_entries_opens_and_steps(walk: Walk, tmp_path: Path) -> None:
    """How long it takes stands in the decision; axe would take minutes over it."""
    path = tmp_path / "report.html"
    path.write_text(page(report_samples.sized(2_000), "2026-02-01", NOBODY), encoding="utf-8")

    found = walk(path, "long", "none")

    assert (found["asked"], found["errors"], found["dialogs"]) == ([], [], 0)
    assert found["last"]["rows"] == found["without"]["rows"] == 2_000
    assert found["first"]["rows"] == 1
    assert found["third"]["rows"] == 3
    assert found["narrow"] == 360
