"""Measuring: contenders in turn, round after round, and what their medians and ratios are.

The machine's speed drifts: a ratio is taken within a round, and then the median of the rounds'.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Means(NamedTuple):
    """What there is to measure with."""

    folder: Path
    """Where the servers keep their data: on the disk that is to be measured."""
    seconds: float
    """How long a run takes, where it is a rate of calls."""
    quick: bool = False
    """Whether the longest records are to be shorter: to see that all of it works."""
    tools: Path | None = None
    """The Python that has the packages of locks/bench.txt. None: UmaDB is left out."""
    casino: Path | None = None
    """The folder of the corpus CaSiNo. None: its import is left out."""


class Taken(NamedTuple):
    """What one run of a contender came to."""

    value: float
    median_ms: float | None = None
    """Of its calls, in milliseconds, if calls are what it made."""
    p99_ms: float | None = None


def taken(value: float, latencies: Sequence[float]) -> Taken:
    """A figure, and how long the calls took behind it, in seconds."""
    ordered = sorted(latencies)
    if not ordered:
        return Taken(value)
    return Taken(value, statistics.median(ordered) * 1_000, percentile(ordered, 99) * 1_000)


def percentile(ordered: Sequence[float], part: int) -> float:
    """The value below which so many in a hundred of these are."""
    return ordered[min(len(ordered) * part // 100, len(ordered) - 1)]


class Aim(NamedTuple):
    """What a contender should come to: as a ratio to another one, or as a figure by itself."""

    contender: str
    against: str | None
    at_least: float | None = None
    at_most: float | None = None

    def is_met_by(self, value: float) -> bool:
        """Whether a value is what it should be."""
        lowest = -float("inf") if self.at_least is None else self.at_least
        highest = float("inf") if self.at_most is None else self.at_most
        return lowest <= value <= highest


class Workload(NamedTuple):
    """One thing that is measured, done by several contenders."""

    key: str
    """Its name for programs, which stays."""
    name: str
    unit: str
    contenders: Mapping[str, Callable[[], Taken]]
    yardstick: str
    """The contender to whom the others are put in relation."""
    aims: Sequence[Aim] = ()
    less_is_more: bool = False
    """Whether it is a time or a size."""
    most_rounds: int | None = None
    """Where a round takes long: how many are enough. The round that is not counted is left out."""


class Measured(NamedTuple):
    """What the rounds of a workload gave."""

    workload: Workload
    runs: Mapping[str, Sequence[Taken]]

    def values(self, contender: str) -> list[float]:
        """The figures of a contender's rounds."""
        return [run.value for run in self.runs[contender]]

    def median(self, contender: str) -> float:
        """The median of a contender's rounds."""
        return statistics.median(self.values(contender))

    def ratio(self, contender: str, against: str) -> float:
        """How many times the one contender's figure is of another's."""
        pairs = zip(self.values(contender), self.values(against), strict=True)
        return statistics.median(one / other for one, other in pairs)

    def latency(self, contender: str) -> tuple[float, float] | None:
        """The median and the 99th percentile of a contender's calls, in milliseconds."""
        timed = [run for run in self.runs[contender] if run.median_ms is not None]
        if not timed:
            return None
        return (
            statistics.median(run.median_ms or 0 for run in timed),
            statistics.median(run.p99_ms or 0 for run in timed),
        )

    def reached(self, aim: Aim) -> float:
        """What there is to be held against an aim."""
        if aim.against is None:
            return self.median(aim.contender)
        return self.ratio(aim.contender, aim.against)

    def report(self) -> dict[str, object]:
        """All of it, for a JSON file."""
        workload = self.workload
        return {
            "key": workload.key,
            "workload": workload.name,
            "unit": workload.unit,
            "less_is_more": workload.less_is_more,
            "yardstick": workload.yardstick,
            "contenders": {name: self._reported(name) for name in self.runs},
            "aims": [
                {
                    "contender": aim.contender,
                    "against": aim.against,
                    "at_least": aim.at_least,
                    "at_most": aim.at_most,
                    "reached": self.reached(aim),
                    "met": aim.is_met_by(self.reached(aim)),
                }
                for aim in workload.aims
            ],
        }

    def _reported(self, name: str) -> dict[str, object]:
        median_ms, p99_ms = self.latency(name) or (None, None)
        return {
            "median": self.median(name),
            "ratio": self.ratio(name, self.workload.yardstick),
            "rounds": self.values(name),
            "median_ms": median_ms,
            "p99_ms": p99_ms,
        }


def measure(workload: Workload, rounds: int) -> Measured:
    """Let the contenders run in turn; a round before the first one is not counted."""
    runs: dict[str, list[Taken]] = {name: [] for name in workload.contenders}
    most = workload.most_rounds
    for number in range(rounds + 1) if most is None else range(1, min(rounds, most) + 1):
        for name, run in workload.contenders.items():
            one = run()
            if number:
                runs[name].append(one)
    return Measured(workload, runs)


def figure(value: float) -> str:
    """A number with three figures that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
