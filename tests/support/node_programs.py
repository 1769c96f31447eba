"""Node programs in a folder with their packages."""

import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock a folder against other processes of the tests."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def installed(here: Path, cache: Path, program: str) -> Path:
    """Return the folder of a program with its packages, installed once per lock file.

    Skip the test with a reason if the packages cannot be installed.
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
