"""The client of threads is generated from the asyncio client, and the repository has its output."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "client" / "generate_client.py"


def run(*arguments: str, script: Path = SCRIPT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def copied(folder: Path) -> Path:
    """A copy of the script and of the modules that it reads and writes."""
    for name in ("aio.py", "client.py"):
        source = SCRIPT.parent / "pourparler" / name
        target = folder / "pourparler" / name
        target.parent.mkdir(exist_ok=True)
        target.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    for name in ("async_verified_calls.py", "sync_verified_calls.py"):
        source = SCRIPT.parent / "pourparler" / "rpc" / name
        target = folder / "pourparler" / "rpc" / name
        target.parent.mkdir(exist_ok=True)
        target.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    script = folder / SCRIPT.name
    script.write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "ruff.toml").write_text("line-length = 100\n", encoding="utf-8")
    return script


def test_the_generated_modules_are_the_output_of_the_generator() -> None:
    checked = run("--check")

    assert (checked.returncode, checked.stdout) == (0, "")


def test_a_generated_module_has_no_asyncio() -> None:
    for name in ("client.py", "rpc/sync_verified_calls.py"):
        text = (SCRIPT.parent / "pourparler" / name).read_text(encoding="utf-8")
        code = text.partition('"""\n\n')[2]

        assert not re.search(r"\b(async|await|asyncio|Async\w+|grpc\.aio|async_\w+)\b", code)
        assert "do not edit" in text


def test_a_change_of_one_client_alone_is_found_and_generated(tmp_path: Path) -> None:
    script = copied(tmp_path)
    source = tmp_path / "pourparler" / "aio.py"
    changed = source.read_text(encoding="utf-8").replace("Get the state of an erasure", "Get it")
    source.write_text(changed, encoding="utf-8")

    found = run("--check", script=script)
    run(script=script)
    again = run("--check", script=script)

    assert found.returncode == 1
    assert "client.py" in found.stdout
    assert "verified_calls" not in found.stdout
    assert again.returncode == 0
    assert "Get it" in (tmp_path / "pourparler" / "client.py").read_text(encoding="utf-8")
