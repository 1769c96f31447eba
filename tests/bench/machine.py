"""What the figures were taken on: without it they say nothing."""

import importlib.metadata
import os
import platform
import sqlite3
import statistics
import time
from pathlib import Path

_SYNCS = 200
_BLOCK = bytes(4_096)
_PACKAGES = ("grpcio", "protobuf", "eventsourcing", "uvloop", "cryptography")


def described(folder: Path) -> dict[str, object]:
    """The machine, the software, how busy it is, and how long this folder's disk takes to sync."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "sqlite": sqlite3.sqlite_version,
        "load": [round(one, 2) for one in os.getloadavg()],
        "fsync": fsync(folder),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def fsync(folder: Path) -> dict[str, float]:
    """How many milliseconds it takes to append 4 KiB to a file and to wait for the disk."""
    path = folder / "fsync"
    took = []
    with path.open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            began = time.perf_counter()
            file.write(_BLOCK)
            os.fsync(file.fileno())
            took.append((time.perf_counter() - began) * 1_000)
    path.unlink()
    took.sort()
    return {
        "median_ms": round(statistics.median(took), 3),
        "p99_ms": round(took[len(took) * 99 // 100], 3),
    }
