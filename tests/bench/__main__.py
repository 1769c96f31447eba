"""`python -m tests.bench`: measure, show a table, and write all of it to a JSON file."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.bench import appending, machine, proving, reading
from tests.bench.measure import Workload, measure, table

_PARTS: Mapping[str, Callable[[Path, float], Iterator[Workload]]] = {
    "audit": lambda folder, seconds: proving.audit_workloads(),
    "proofs": proving.workloads,
    "appends": appending.workloads,
    "reads": reading.workloads,
}


def main() -> None:
    """Measure the parts that are asked for, in their order."""
    asked = _asked()
    folder: Path = asked.folder
    folder.mkdir(parents=True, exist_ok=True)
    known = machine.described(folder)
    _say(f"{known['processor']}, {known['cores']} cores, {known['system']}")
    _say(f"Python {known['python']}, {known['packages']}")
    _say(f"fsync in {folder}: {known['fsync']}; load {known['load']}")
    _say(f"medians of {asked.rounds} rounds, of {asked.seconds:g} s where it is a rate of calls\n")
    path = folder / "bench.json"
    workloads: list[object] = []
    report = {
        "machine": known,
        "rounds": asked.rounds,
        "seconds": asked.seconds,
        "workloads": workloads,
    }
    began = time.monotonic()
    for part in asked.part or _PARTS:
        for workload in _PARTS[part](folder, asked.seconds):
            measured = measure(workload, asked.rounds)
            _say(table(measured) + "\n")
            workloads.append({"part": part, **measured.report(), "load": os.getloadavg()[0]})
            path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    _say(f"{len(workloads)} workloads in {time.monotonic() - began:.0f} s, written to {path}")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("part", nargs="*", choices=[[], *_PARTS], help="what to measure: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each run")
    parser.add_argument("--folder", type=Path, default=Path("build", "bench"))
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
