"""Fuzzing guided by coverage: each target in a process of its own, for its part of the time.

What fails is left in build/fuzz/found, and is tried again by naming it.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

_FOLDER = Path("build/fuzz")
_LONGEST_BYTES = 4_096
_MEMORY_MIB = 1_024
_NICE = 19


def main() -> int:
    """Fuzz; 1 if something was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long in all")
    parser.add_argument("--again", type=Path, help="try a file again that was found")
    parser.add_argument("targets", nargs="*", help="which ones; all, unless some are named")
    asked = parser.parse_args()
    names = asked.targets or _names()
    seconds = max(int(60 * asked.minutes / len(names)), 1)
    found = [name for name in names if not _is_sound(name, seconds, asked.again)]
    print(f"failed: {', '.join(found)}" if found else f"sound: {', '.join(names)}")  # noqa: T201
    return bool(found)


def _names() -> list[str]:
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - each process imports it once

    return list(TARGETS)


def _is_sound(name: str, seconds: int, again: Path | None) -> bool:
    """Fuzz one target; or see what becomes of one file."""
    known, found = _FOLDER / "known" / name, _FOLDER / "found"
    for folder in (known, found):
        folder.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={_LONGEST_BYTES}",
        f"-rss_limit_mb={_MEMORY_MIB}",
        f"-artifact_prefix={found}/{name}-",
        "-print_final_stats=1",
        "-timeout=20",
        "-verbosity=0",
    ]
    inputs = [again] if again else [known]
    command = [sys.executable, "-m", "tests.fuzz", "--one", name, *options, *map(str, inputs)]
    print(f"== {name}, {seconds} seconds", flush=True)  # noqa: T201
    return subprocess.run(command, check=False).returncode == 0


def _fuzz(name: str, arguments: list[str]) -> None:
    import atheris  # noqa: PLC0415 - in an environment of its own

    with atheris.instrument_imports(include=["pourparler", "pourparler_service"]):
        from tests.fuzz.targets import SEEDS, TARGETS  # noqa: PLC0415 - instrumented
    for number, seed in enumerate(SEEDS.get(name, [])):
        (_FOLDER / "known" / name / f"seed-{number}").write_bytes(seed)
    atheris.Setup([name, *arguments], TARGETS[name], enable_python_coverage=True)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        os.nice(_NICE)
        _fuzz(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(main())
