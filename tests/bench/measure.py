"""Measuring: contenders in turn, round after round, and what their medians and ratios are.

The machine's speed drifts: a ratio is taken within a round, and then the median of the rounds'.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


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

    name: str
    unit: str
    contenders: Mapping[str, Callable[[], float]]
    yardstick: str
    """The contender to whom the others are put in relation."""
    aims: Sequence[Aim] = ()


class Measured(NamedTuple):
    """What the rounds of a workload gave."""

    workload: Workload
    values: Mapping[str, Sequence[float]]

    def median(self, contender: str) -> float:
        """The median of a contender's rounds."""
        return statistics.median(self.values[contender])

    def ratio(self, contender: str, against: str) -> float:
        """How many times the one contender's figure is of another's."""
        pairs = zip(self.values[contender], self.values[against], strict=True)
        return statistics.median(one / other for one, other in pairs)

    def reached(self, aim: Aim) -> float:
        """What there is to be held against an aim."""
        if aim.against is None:
            return self.median(aim.contender)
        return self.ratio(aim.contender, aim.against)

    def report(self) -> dict[str, object]:
        """All of it, for a JSON file."""
        workload = self.workload
        return {
            "workload": workload.name,
            "unit": workload.unit,
            "yardstick": workload.yardstick,
            "contenders": {
                name: {
                    "median": self.median(name),
                    "ratio": self.ratio(name, workload.yardstick),
                    "rounds": list(values),
                }
                for name, values in self.values.items()
            },
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


def measure(workload: Workload, rounds: int) -> Measured:
    """Let the contenders run in turn; a round before the first one is not counted."""
    values: dict[str, list[float]] = {name: [] for name in workload.contenders}
    for number in range(rounds + 1):
        for name, run in workload.contenders.items():
            value = run()
            if number:
                values[name].append(value)
    return Measured(workload, values)


_WIDTHS = (26, 12, 26, 14)


def table(measured: Measured) -> str:
    """A few lines for the terminal."""
    workload = measured.workload
    lines = [f"{workload.name} [{workload.unit}]"]
    for name, values in measured.values.items():
        shown = (
            name,
            figure(measured.median(name)),
            f"{figure(min(values))} to {figure(max(values))}",
            f"x {measured.ratio(name, workload.yardstick):.3g}",
        )
        first, *others = (one.rjust(width) for one, width in zip(shown, _WIDTHS, strict=True))
        lines.append("  " + first.strip().ljust(_WIDTHS[0]) + "".join(others))
    for aim in workload.aims:
        reached = measured.reached(aim)
        of = "" if aim.against is None else f" x {aim.against}"
        sought = [
            f"{word} {figure(value)}"
            for word, value in (("at least", aim.at_least), ("at most", aim.at_most))
            if value is not None
        ]
        met = "met" if aim.is_met_by(reached) else "MISSED"
        lines.append(f"  aim: {aim.contender} {' and '.join(sought)}{of}: {figure(reached)}, {met}")
    return "\n".join(lines)


def figure(value: float) -> str:
    """A number with three figures that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
