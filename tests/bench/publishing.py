"""The results in docs/: tables and drawings, without any figure by hand."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.measure import figure
from tests.bench.rows import Ratio, Row, rows, sought

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGE = DOCS / "explanation" / "performance.md"
REPORT = DOCS / "benchmarks.json"
DRAWINGS = ("speed.svg", "speed-dark.svg")

SUMMARY, RESULTS = "summary", "measured"
"""The two places of the page, by the name in their marks."""


def draw(report: Path, folder: Path, tools: Path) -> None:
    """Draw a report into a folder, by the Python that has matplotlib."""
    command = [
        str(tools),
        "-m",
        "tests.bench.chart",
        str(report.absolute()),
        str(folder.absolute()),
    ]
    subprocess.run(command, check=True, cwd=ROOT)


def publish(path: Path, tools: Path) -> None:
    """Keep a report in docs/, and write what it comes to into the pages."""
    shutil.copyfile(path, REPORT)
    draw(REPORT, DOCS, tools)
    page = PAGE.read_text(encoding="utf-8")
    for place, text in texts(json_of(REPORT)).items():
        page = with_measured(page, place, text)
    PAGE.write_text(page, encoding="utf-8")


def texts(report: Any) -> dict[str, str]:
    """Return the text of a report for each place of the page."""
    return {SUMMARY: summary(report), RESULTS: whole(report)}


def json_of(path: Path) -> Any:
    """A report as it was written."""
    return json.loads(path.read_text(encoding="utf-8"))


def with_measured(page: str, place: str, text: str) -> str:
    """Return a page with this text between the marks of a place."""
    begin, end = f"<!-- {place}: from docs/benchmarks.json, by make bench -->", f"<!-- /{place} -->"
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    assert found, f"the page has no place for {place}"
    assert ended, f"the page has no end of {place}"
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def summary(report: Any) -> str:
    """Return the summary of a report: a table of the rows, and the rest in a few sentences."""
    lines = ["| | Pourparler | of the ceiling | times the usual way | times UmaDB |"]
    lines += ["|---|--:|--:|--:|--:|", *map(_line, rows(report))]
    return "\n".join([*lines, "", *_sentences(report)])


def _line(row: Row) -> str:
    value = f"{figure(row.value)} {row.unit}"
    if row.limit is not None:
        value += f" (aim {figure(row.limit)}: {_met(row.met)})"
    cells = (row.label, value, *map(_cell, (row.ceiling, row.usual, row.rival)))
    return "| " + " | ".join(cells) + " |"


def _cell(ratio: Ratio | None) -> str:
    if ratio is None:
        return ""
    if ratio.aim is None:
        return figure(ratio.reached)
    met = _met(ratio.reached >= ratio.aim)
    return f"{figure(ratio.reached)} (aim {figure(ratio.aim)}: {met})"


def _met(met: bool | None) -> str:  # noqa: FBT001 - it is what is asked
    return "met" if met else "missed"


def _sentences(report: Any) -> Iterator[str]:
    """Fairness, the cold start, memory, and on what it was measured."""
    found = {one["key"]: one["contenders"] for one in report["workloads"]}
    if "fairness" in found:
        alone, *others = found["fairness"].items()
        yield f"- The 99th percentile of one caller's appends is {_of(alone[1], 'ms')} alone."
        yield "- With other load, it is:"
        for name, one in others:
            yield f"  - {one['ratio']:.2g} times that {name}"
    if "start" in found:
        _, *started = found["start"].items()
        yield f"- From a cold start with {_entries(report)} entries:"
        for name, one in started:
            yield f"  - {name} after {_of(one, 's')}"
    if "memory" in found and "memory-each" in found:
        _, *held = found["memory"].items()
        each = next(iter(found["memory-each"].values()))
        yield "- Resident memory:"
        for name, one in held:
            yield f"  - {name.partition(', ')[2]}: {_of(one, 'MiB')}"
        yield f"  - each of the negotiations read: {_of(each, 'KiB')}"
    known = report["machine"]
    synced = known["fsync"]
    yield (
        f"- The machine has {known['cores']} cores of {known['processor']}. The software is"
        f" Python {known['python']}, grpcio {known['packages']['grpcio']} and SQLite"
        f" {known['sqlite']}. An fsync takes {synced['median_ms']} ms at the median, and"
        f" {synced['p99_ms']} ms at the 99th percentile. The figures are medians of"
        f" {report['rounds']} rounds of {report['seconds']:g} s."
    )


def _of(one: Any, unit: str) -> str:
    return f"{figure(one['median'])} {unit}"


def _entries(report: Any) -> str:
    """How many entries the cold start had, as its name says it."""
    name: str = next(one["workload"] for one in report["workloads"] if one["key"] == "start")
    return name.partition("with ")[2].partition(" ")[0]


def whole(report: Any) -> str:
    """Return the tables of docs/explanation/performance.md: each workload, all contenders."""
    return "\n\n".join(_workload(one) for one in report["workloads"])


def _workload(one: Any) -> str:
    name = one["workload"]
    lines = [
        f"**{name[0].upper()}{name[1:]}**",
        "",
        f"| | {one['unit']} | least to most | x {one['yardstick']} | median ms | p99 ms |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for contender, of in one["contenders"].items():
        least, most = figure(min(of["rounds"])), figure(max(of["rounds"]))
        ms = ("" if of[key] is None else figure(of[key]) for key in ("median_ms", "p99_ms"))
        cells = (figure(of["median"]), f"{least} to {most}", f"{of['ratio']:.3g}", *ms)
        lines.append(f"| {contender} | {' | '.join(cells)} |")
    aims = [
        f"- aim: {aim['contender']} {sought(aim)}: {figure(aim['reached'])}, {_met(aim['met'])}"
        for aim in one["aims"]
    ]
    return "\n".join([*lines, *([""] if aims else []), *aims])
