"""Programs for Node, in a folder with what they need."""

import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process of the tests is at work in a folder, and keep them out of it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def installed(here: Path, cache: Path, program: str) -> Path:
    """The program of a folder, where its packages are: installed once for every lock.

    Skips the test, with a message, where that cannot be done.
    """
    with alone(cache):
        return _installed(here, cache, program)


def _installed(here: Path, cache: Path, program: str) -> Path:
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool}")
    locked = (here / "package-lock.json").read_bytes()
    stamp = cache / "installed"
    if not stamp.exists() or stamp.read_bytes() != locked:
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(here / name, cache)
        install = ["npm", "ci", "--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=20000"]
        try:
            ended = subprocess.run(
                install, cwd=cache, capture_output=True, text=True, timeout=120, check=False
            )
        except subprocess.TimeoutExpired:
            pytest.skip("npm ci did not reach a registry in two minutes")
        if ended.returncode:
            pytest.skip(f"npm ci failed: {ended.stderr.strip()[-500:]}")
        stamp.write_bytes(locked)
    shutil.copy(here / program, cache)
    return cache / program
