"""What was measured, as tables in a terminal of a hundred columns."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tests.bench.measure import figure
from tests.bench.rows import sought

_CONSOLE = Console(width=100, highlight=False)


def say(text: str) -> None:
    """A line for whoever waits."""
    _CONSOLE.print(escape(text))


def head(report: Any) -> None:
    """On what and how it is measured."""
    known = report["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in known["packages"].items())
    synced = known["fsync"]
    say(f"{known['processor']}, {known['cores']} cores, {known['system']}")
    say(f"Python {known['python']}, SQLite {known['sqlite']}, {packages}")
    say(f"fsync: median {synced['median_ms']} ms, p99 {synced['p99_ms']} ms; load {known['load']}")
    say(
        f"medians of {report['rounds']} rounds, {report['seconds']:g} s where it is a rate of calls"
    )


def workload(measured: Any) -> None:
    """One workload: its contenders, and what came of its aims."""
    table = Table(
        box=SIMPLE_HEAD,
        width=100,
        title=Text.assemble((measured["workload"], "bold"), f" [{measured['unit']}]"),
        title_justify="left",
        padding=(0, 1),
    )
    table.add_column("", ratio=1, no_wrap=True)
    for name in ("median", "least to most", "ratio", "ms", "p99 ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, one in measured["contenders"].items():
        rounds = one["rounds"]
        table.add_row(
            escape(name),
            figure(one["median"]),
            f"{figure(min(rounds))} to {figure(max(rounds))}",
            f"{one['ratio']:.3g}",
            *("" if one[key] is None else figure(one[key]) for key in ("median_ms", "p99_ms")),
        )
    _CONSOLE.print(table)
    for aim in measured["aims"]:
        _CONSOLE.print(Text.assemble("  aim: ", *_aim(aim)))
    _CONSOLE.print()


def aims(report: Any) -> None:
    """All aims together."""
    table = Table(
        box=SIMPLE_HEAD, width=100, title=Text("Aims", style="bold"), title_justify="left"
    )
    table.add_column("", no_wrap=True)
    table.add_column("aim", ratio=1)
    table.add_column("reached", justify="right")
    table.add_column("", no_wrap=True)
    for one in report["workloads"]:
        for aim in one["aims"]:
            what, _, reached, met = _aim(aim)
            table.add_row(one["key"], what, reached, Text(*met))
    _CONSOLE.print(table)


def _aim(aim: Any) -> tuple[str, str, str, tuple[str, str]]:
    """An aim in words: what is sought, what was reached, and whether that is it."""
    met = ("met", "green") if aim["met"] else ("missed", "bold red")
    return f"{aim['contender']} {sought(aim)}", ": ", f"{figure(aim['reached'])} ", met
