"""The command where modules are absent: on a system like Windows, or without an extra."""

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = "import sys; sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(',')))"
MAIN = "from pourparler.cli import main; main()"


def elsewhere(absent: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command in a Python that lacks the modules named in `absent`."""
    line = [sys.executable, "-c", f"{WITHOUT}; {MAIN}", absent, *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_the_service_says_that_it_does_not_run_there(command: str, tmp_path: Path) -> None:
    ended = elsewhere("fcntl,uvloop", command, "--data", str(tmp_path / "data"))

    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: The service does not run on this system")
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_a_data_folder_that_cannot_be_locked_is_not_touched(tmp_path: Path) -> None:
    ended = elsewhere("fcntl", "serve", "--data", str(tmp_path / "data"))

    assert ended.returncode == 1
    assert "this system has no POSIX file locks" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_the_client_and_the_other_commands_run_there(tmp_path: Path) -> None:
    bundle, page = Path(__file__).parents[1] / "golden" / "talks.bundle", tmp_path / "report.html"

    ended = elsewhere("fcntl,uvloop", "report", "--bundle", str(bundle), "-o", str(page))

    assert ended.returncode == 0, ended.stderr
    assert page.exists()


def test_a_command_loads_no_module_of_another_extra() -> None:
    others = "eventsourcing,grpc_health,jinja2,pandas,pyarrow,textual,uvloop,vl_convert"

    ended = elsewhere(others, "show", "--help")

    assert (ended.returncode, ended.stderr) == (0, "")
