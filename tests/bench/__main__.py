"""`python -m tests.bench`: measure, show tables, write all of it to a JSON file and draw it."""

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.bench import (
    appending,
    batching,
    cutting,
    holding,
    importing,
    machine,
    proving,
    publishing,
    reading,
    replaying,
    searching,
    sharing,
    showing,
    starting,
    watching,
)
from tests.bench.measure import Means, Workload, measure

_PARTS: Mapping[str, Callable[[Means], Iterator[Workload]]] = {
    "appends": appending.workloads,
    "batches": batching.workloads,
    "reads": reading.workloads,
    "replays": replaying.workloads,
    "cut": cutting.workloads,
    "watches": watching.workloads,
    "fairness": sharing.workloads,
    "import": importing.workloads,
    "searches": searching.workloads,
    "start": starting.workloads,
    "memory": holding.workloads,
    "audit": proving.audit_workloads,
    "proofs": proving.workloads,
}
_QUICK_SECONDS = 0.3


def main() -> None:
    """Measure the parts that are asked for, in their order; publish what was measured if told."""
    asked = _asked()
    folder: Path = asked.folder
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bench.json"
    failed = [] if asked.drawn else _measured(asked, path)
    tools = _known(asked.tools)
    if tools is not None:
        publishing.draw(path, folder, tools)
        if asked.publish and not failed:
            publishing.publish(path, tools)
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}. Measure those again with --keep.")


def _measured(asked: argparse.Namespace, path: Path) -> list[str]:
    """Measure, and write what is known after each workload; the parts that failed."""
    rounds = 1 if asked.quick else asked.rounds
    means = Means(
        folder=asked.folder,
        seconds=_QUICK_SECONDS if asked.quick else asked.seconds,
        quick=asked.quick,
        tools=_known(asked.tools),
        casino=_known(asked.casino),
    )
    parts = asked.part or list(_PARTS)
    workloads: list[dict[str, Any]] = []
    if asked.keep and path.exists():
        known = publishing.json_of(path)["workloads"]
        workloads += [one for one in known if one["part"] not in parts]
    report = {
        "machine": machine.described(means.folder),
        "rounds": rounds,
        "seconds": means.seconds,
        "quick": means.quick,
        "workloads": workloads,
    }
    showing.head(report)
    for missing, why in (
        (means.tools, "UmaDB is left out: `make bench` brings it, and it is given as --tools."),
        (means.casino, "CaSiNo is left out: its folder is given as --casino."),
    ):
        if missing is None:
            showing.say(why)
    failed = []
    began = time.monotonic()
    for part in parts:
        try:
            for workload in _PARTS[part](means):
                measured = measure(workload, rounds).report()
                workloads.append({"part": part, **measured, "load": os.getloadavg()[0]})
                workloads.sort(key=lambda one: list(_PARTS).index(one["part"]))
                showing.workload(measured)
                path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        except Exception:  # noqa: BLE001 - the others are still worth measuring
            failed.append(part)
            showing.say(traceback.format_exc())
    showing.aims(report)
    showing.say(
        f"{time.monotonic() - began:.0f} s; {len(workloads)} workloads are written to {path}"
    )
    return failed


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench BENCH=...", description=__doc__)
    parser.add_argument("part", nargs="*", choices=[[], *_PARTS], help="what to measure: all")
    parser.add_argument("--rounds", type=int, default=5, help="whose median counts: 5")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each run: 1")
    parser.add_argument(
        "--quick", action="store_true", help="one short round, to see that it works"
    )
    parser.add_argument("--folder", type=Path, default=Path("build", "bench"), help="for all data")
    parser.add_argument("--casino", type=Path, help="the folder of the corpus CaSiNo")
    parser.add_argument(
        "--tools", type=Path, help="the Python with the packages of locks/bench.txt"
    )
    parser.add_argument("--keep", action="store_true", help="of other parts, what there was before")
    parser.add_argument("--publish", action="store_true", help="publish it in docs/")
    parser.add_argument("--drawn", action="store_true", help="measure nothing, draw it once more")
    return parser.parse_args()


def _known(path: Path | None) -> Path | None:
    """A path that is there."""
    return path.absolute() if path is not None and path.exists() else None


if __name__ == "__main__":
    main()
