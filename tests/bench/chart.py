"""`python -m tests.bench.chart REPORT FOLDER`: a report as two drawings, for light and for dark.

It runs where matplotlib is installed, and needs nothing of the project but its report.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter

from tests.bench.measure import figure
from tests.bench.rows import Ratio, Row, rows

_PALETTES = {
    "speed.svg": {"ink": "#1f2328", "faint": "#d1d9e0", "ours": "#0969da", "rival": "#bc4c00"},
    "speed-dark.svg": {"ink": "#f0f6fc", "faint": "#3d444d", "ours": "#58a6ff", "rival": "#f0883e"},
}
_STYLE = {
    "font.size": 9,
    "svg.fonttype": "path",
    "svg.hashsalt": "pourparler",  # the same drawing of the same report
}
_ROOM_FOR_TEXT = 2.8
_ROW_INCHES, _WIDTH_INCHES, _REST_INCHES = 0.29, 9.6, 1.1


def draw(path: Path, folder: Path) -> None:
    """Draw a report, once for each palette."""
    data = path.read_bytes()
    report = json.loads(data)
    mpl.rcParams.update(_STYLE)
    for name, palette in _PALETTES.items():
        drawing = _drawing(list(rows(report)), palette)
        drawing.savefig(
            folder / name,
            transparent=True,
            metadata={
                "Date": None,
                "Title": "Pourparler beside what gRPC carries, beside the usual way and UmaDB",
                "Source": f"sha256:{hashlib.sha256(data).hexdigest()}",
            },
        )
        plt.close(drawing)


def _drawing(found: Sequence[Row], palette: Mapping[str, str]) -> Any:
    """Two panels of dots: times the ceiling on the left, times the usual way on the right."""
    height = _REST_INCHES + _ROW_INCHES * len(found)
    drawing, (left, right) = plt.subplots(
        1,
        2,
        sharey=True,
        figsize=(_WIDTH_INCHES, height),
        layout="constrained",
        gridspec_kw={"width_ratios": (3, 2)},
    )
    _panel(
        left,
        found,
        "times what gRPC in Python carries at all",
        palette,
        ratio_of=lambda row: row.ceiling,
        rival_of=lambda row: row.rival_ceiling,
    )
    _panel(
        right,
        found,
        "times the usual way",
        palette,
        ratio_of=lambda row: row.usual,
        rival_of=lambda _: None,
    )
    left.set_yticks(range(len(found)), [row.label for row in found])
    left.invert_yaxis()
    left.plot([], [], "o", color=palette["ours"], label="Pourparler")
    left.plot([], [], "D", color=palette["rival"], mfc="none", ms=5, label="UmaDB")
    left.plot([], [], "|", color=palette["ink"], ms=9, label="aim")
    drawing.legend(loc="outside lower center", ncols=3, frameon=False, labelcolor=palette["ink"])
    return drawing


def _panel(
    panel: Any,
    found: Sequence[Row],
    title: str,
    palette: Mapping[str, str],
    *,
    ratio_of: Callable[[Row], Ratio | None],
    rival_of: Callable[[Row], float | None],
) -> None:
    panel.set_title(title, fontsize=9.5, color=palette["ink"])
    panel.set_xscale("log")
    panel.axvline(1, color=palette["ink"], lw=0.8)
    for place, row in enumerate(found):
        ratio, rival = ratio_of(row), rival_of(row)
        if rival is not None:
            panel.plot(rival, place, "D", color=palette["rival"], mfc="none", ms=5)
        if ratio is None:
            continue
        panel.plot((1, ratio.reached), (place, place), color=palette["ours"], lw=1.2, alpha=0.5)
        panel.plot(ratio.reached, place, "o", color=palette["ours"], ms=6)
        panel.annotate(
            figure(ratio.reached),
            (ratio.reached, place),
            xytext=(-6 if ratio.reached < 1 else 6, 0),
            textcoords="offset points",
            ha="right" if ratio.reached < 1 else "left",
            va="center",
            fontsize=8,
            color=palette["ink"],
        )
        if ratio.aim is not None:
            panel.plot(ratio.aim, place, "|", color=palette["ink"], ms=9)
    shown = [1.0, *(ratio.reached for row in found if (ratio := ratio_of(row)))]
    shown += [value for row in found if (value := rival_of(row))]
    panel.set_xlim(min(shown) / _ROOM_FOR_TEXT, max(shown) * _ROOM_FOR_TEXT)
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.grid(axis="x", color=palette["faint"], lw=0.6)
    panel.set_axisbelow(True)
    panel.tick_params(which="both", length=0, colors=palette["ink"])
    for spine in panel.spines.values():
        spine.set_visible(False)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
