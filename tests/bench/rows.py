"""What a report comes to in a few rows, the same for the chart and for the pages. Pure."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.bench.measure import figure

_OURS, _USUAL, _RIVAL = "Pourparler", "usual way", "UmaDB"
_LABELS = {
    "append-1-1": "append, 1 caller",
    "append-16-1": "append, 16 callers",
    "append-64-1": "append, 64 callers",
    "append-64-1000": "append, 64 callers over 1,000 negotiations",
    "session-1": "append by one session",
    "batch-groups-1000": "append by batches of 100 groups",
    "batch-drafts-1": "append by groups of 100",
    "latest-full-10": "latest state of 10 entries",
    "latest-full-1000": "latest state of 1,000 entries",
    "latest-full-10000": "latest state of 10,000 entries",
    "as-of-10000": "as of the middle of 10,000 entries",
    "replay-1": "replay of 100,000 entries",
    "replay-1000": "replay of 100,000 of 1,000 negotiations",
    "replay-short": "replays of 10 entries, 16 callers",
    "watch": "last of 1,000 watchers told",
    "import": "import of CaSiNo",
    "search": "search of CaSiNo for two words",
}
_UNITS = {
    "entries a second": "entries/s",
    "answers a second": "answers/s",
}


class Ratio(NamedTuple):
    """How many times as fast as another, and how many times that should be."""

    reached: float
    aim: float | None = None


class Row(NamedTuple):
    """One workload, where there is something of each to be said."""

    key: str
    label: str
    value: float
    unit: str
    limit: float | None
    """What the figure by itself should come to, if that is an aim."""
    met: bool | None
    """Whether it does."""
    ceiling: Ratio
    usual: Ratio | None
    rival: Ratio | None
    rival_ceiling: float | None
    """How many times as fast as the ceiling UmaDB is."""


def rows(report: Any) -> Iterator[Row]:
    """The rows of a report that has them, in their order."""
    found = {one["key"]: one for one in report["workloads"]}
    for key, label in _LABELS.items():
        if key in found:
            yield _row(found[key], label)


def _row(one: Any, label: str) -> Row:
    contenders = one["contenders"]
    usual = next((name for name in contenders if name.startswith(_USUAL)), None)
    rival = _RIVAL if _RIVAL in contenders else None
    by_itself = next((aim for aim in one["aims"] if aim["against"] is None), None)
    return Row(
        key=one["key"],
        label=label,
        value=contenders[_OURS]["median"],
        unit=_UNITS.get(one["unit"], one["unit"]),
        limit=by_itself and (by_itself["at_least"] or by_itself["at_most"]),
        met=by_itself and by_itself["met"],
        ceiling=_ratio(one, one["yardstick"]),
        usual=_ratio(one, usual) if usual else None,
        rival=_ratio(one, rival) if rival else None,
        rival_ceiling=contenders[rival]["ratio"] if rival else None,
    )


def _ratio(one: Any, against: str) -> Ratio:
    """How many times as fast ours is as another, in the same rounds where that is an aim."""
    aim = next((aim for aim in one["aims"] if aim["against"] == against), None)
    if aim:
        return Ratio(aim["reached"], aim["at_least"])
    ours, other = (one["contenders"][name] for name in (_OURS, against))
    ratio = ours["ratio"] / other["ratio"]
    return Ratio(1 / ratio if one["less_is_more"] else ratio)


def sought(aim: Any) -> str:
    """What an aim asks for, in words."""
    bounds = [
        f"{word} {figure(aim[key])}"
        for word, key in (("at least", "at_least"), ("at most", "at_most"))
        if aim[key] is not None
    ]
    return " and ".join(bounds) + (f" x {aim['against']}" if aim["against"] else "")
