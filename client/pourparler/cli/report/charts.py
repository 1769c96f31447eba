"""Charts of a negotiation: a timeline of dates as vague as they were given, and how terms moved.

Drawn by Vega-Lite when the page is made. Colours are the page's own variables, so that a chart is
light or dark as the page is. Pure: no I/O, no clock.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import vl_convert

from pourparler import dates
from pourparler import v1 as pb

MOST_ROWS = 200
"""How many rows a timeline has at most: what is drawn smaller, nobody can read."""

PALETTE = tuple(f"var(--party-{number})" for number in range(6))
"""The colours of parties, in their order; with more of them they come again."""

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_CONFIG = {
    "aria": False,  # the page says what a chart shows, once and as a whole
    "background": "transparent",
    "padding": {"left": 64, "top": 8, "right": 16, "bottom": 8},  # fonts differ in width
    "font": "system-ui, sans-serif",
    "mark": {"aria": False},
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--ink)",
        "titleColor": "var(--ink)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelLimit": 420,
    },
    "legend": {
        "labelColor": "var(--ink)",
        "titleColor": "var(--ink)",
        "labelFontSize": 12,
        "labelLimit": 320,
    },
}
_COLOURS: Mapping[str, str] = {
    "planned before": "var(--muted)",
    "planned": "var(--accent)",
    "expected": "var(--accent)",
    "due": "var(--warn)",
    "expires": "var(--warn)",
    "reached": "var(--good)",
    "made": "var(--good)",
    "missed": "var(--bad)",
    "cancelled": "var(--muted)",
}
_SHAPES: Mapping[str, str] = {
    "planned before": "square",
    "reached": "diamond",
    "missed": "cross",
    "cancelled": "cross",
    "due": "triangle-down",
    "expires": "triangle-down",
}
_EXACT = re.compile(r"\d{4}-\d\d-\d\d")
_GRADIENT = re.compile(r"gradient_\d+")
_PAD = 0.04  # of the width, on either side: there an open end goes on
_DAY = 86_400_000


class Dated(NamedTuple):
    """Something with a date, as a row of the timeline."""

    label: str
    state: str
    """What is dated: `planned`, `reached`, `due`, `happened`."""
    date: pb.FuzzyDate


class Moved(NamedTuple):
    """What a party held or offered from a version on, as a number."""

    party: str
    version: int
    value: float


def form(date: pb.FuzzyDate) -> str:
    """What a date is: `exact`, `about`, `lasting`, or one time `within` a span."""
    text = date.edtf
    if date.WhichOneof("date") == "instant":
        return "exact"
    if "/" in text:
        return "lasting"
    if _EXACT.fullmatch(text):
        return "exact"
    if text.endswith(("~", "?", "%")):
        return "about"
    return "within"


def timeline(rows: Sequence[Dated], on: str) -> str:
    """An SVG with a row for each date, and a line on the day of the standing.

    A day is a point, a time that lasts a full bar, one day within a span a dashed one, an uncertain
    day a hollow point. An open end fades out, with an arrow. Empty where nothing has a date.
    """
    shown = [row for row in rows if row.date.earliest or row.date.latest][:MOST_ROWS]
    known = [bound for row in shown for bound in _bounds(row.date) if bound is not None]
    if not known:
        return ""
    pad = max(_PAD * (max(known) - min(known)), _DAY)
    low, high = min(known) - pad, max(known) + pad
    values = [_drawn(row, low, high) for row in shown]
    order = list(dict.fromkeys(row.label for row in shown))
    y = {"field": "label", "type": "nominal", "sort": order, "title": None}
    scale = {"type": "utc", "domain": [low, high], "nice": False}
    axis = {"orient": "top", "labelOverlap": True, "labelSeparation": 16, "tickCount": 8}
    x = {"field": "from", "type": "temporal", "scale": scale, "title": None, "axis": axis}
    layers = [
        *(_bars(shape, x, y) for shape in ("lasting", "within", "about")),
        *(_fading(colour, side, x, y) for colour, side in _fades(values)),
        _points(x, y),
    ]
    day = dates.earliest_instant(dates.bounds(on)) if on else None
    if day is not None and low <= day[0] * 1000 <= high:
        rule = {"type": "rule", "color": "var(--bad)", "strokeDash": [4, 3]}
        where = {"datum": day[0] * 1000, "type": "temporal", "scale": scale}
        layers.append({"mark": rule, "encoding": {"x": where}})
    return _svg(
        {
            "width": 640,
            "height": {"step": 24},
            "data": {"values": values},
            "layer": layers,
        }
    )


def movement(steps: Sequence[Moved]) -> str:
    """An SVG of numbers over versions, each held until the next; a colour and dashes a party."""
    parties = list(dict.fromkeys(step.party for step in steps))
    dashes = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]]
    scales = {
        "color": [PALETTE[place % len(PALETTE)] for place in range(len(parties))],
        "strokeDash": [dashes[place % len(dashes)] for place in range(len(parties))],
    }
    encoding: dict[str, Any] = {
        "x": {
            "field": "version",
            "type": "quantitative",
            "title": "version",
            "scale": {"zero": False, "nice": False, "padding": 12},
            "axis": {"tickMinStep": 1, "format": "d"},
        },
        "y": {
            "field": "value",
            "type": "quantitative",
            "title": None,
            "scale": {"zero": False, "padding": 12},
        },
    }
    for channel, values in scales.items():
        encoding[channel] = {
            "field": "party",
            "type": "nominal",
            "title": None,
            "scale": {"domain": parties, "range": values},
            "legend": {"orient": "bottom", "columns": 1, "symbolType": "stroke"},
        }
    return _svg(
        {
            "width": 420,
            "height": 150,
            "data": {"values": [step._asdict() for step in steps]},
            "layer": [
                {"mark": {"type": "line", "interpolate": "step-after"}},
                {"mark": {"type": "point", "filled": True, "size": 50}},
            ],
            "encoding": encoding,
        }
    )


def _svg(spec: Mapping[str, Any]) -> str:
    drawn: str = vl_convert.vegalite_to_svg(
        {"$schema": _SCHEMA, "config": _CONFIG, **spec}, allowed_base_urls=[]
    )
    # Vega numbers its gradients on from chart to chart: the same page is to come out the same.
    numbers = list(dict.fromkeys(_GRADIENT.findall(drawn)))
    return _GRADIENT.sub(lambda one: f"gradient-{numbers.index(one[0])}", drawn)


def _bounds(date: pb.FuzzyDate) -> tuple[float | None, float | None]:
    """The first and the last millisecond a date can mean; None where it is open."""
    bounds = dates.Bounds(date.earliest, date.latest)
    first, last = dates.earliest_instant(bounds), dates.latest_instant(bounds)
    return (
        None if first is None else first[0] * 1000 + first[1] / 1_000_000,
        None if last is None else last[0] * 1000 + last[1] / 1_000_000,
    )


def _drawn(row: Dated, low: float, high: float) -> dict[str, Any]:
    first, last = _bounds(row.date)
    return {
        "label": row.label,
        "from": low if first is None else first,
        "to": high if last is None else last,
        "form": form(row.date),
        "open": "left" if first is None else "right" if last is None else "",
        "colour": _COLOURS.get(row.state, "var(--ink)"),
        "shape": _SHAPES.get(row.state, "circle"),
    }


def _bars(shape: str, x: Mapping[str, Any], y: Mapping[str, Any]) -> dict[str, Any]:
    looks: Mapping[str, dict[str, Any]] = {
        "lasting": {"height": 11},
        "within": {"height": 11, "fillOpacity": 0.18, "strokeDash": [3, 2], "strokeWidth": 1.2},
        "about": {"height": 5, "fillOpacity": 0.25},
    }
    colour = {"field": "colour", "type": "nominal", "scale": None}
    return {
        "transform": [{"filter": f"datum.form === '{shape}' && datum.open === ''"}],
        "mark": {"type": "bar", "cornerRadius": 2, "minBandSize": 1, **looks[shape]},
        "encoding": {"x": x, "x2": {"field": "to"}, "y": y, "fill": colour, "stroke": colour},
    }


def _fades(values: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The colours and sides of the open ends there are: a gradient belongs to a whole layer."""
    return sorted({(one["colour"], one["open"]) for one in values if one["open"]})


def _fading(colour: str, side: str, x: Mapping[str, Any], y: Mapping[str, Any]) -> dict[str, Any]:
    thinned = f"color-mix(in srgb, {colour} 5%, transparent)"
    ends = (colour, thinned) if side == "right" else (thinned, colour)
    stops = [{"offset": place, "color": end} for place, end in enumerate(ends)]
    fill = {"gradient": "linear", "x1": 0, "y1": 0, "x2": 1, "y2": 0, "stops": stops}
    arrow = {"type": "point", "shape": f"triangle-{side}", "filled": True, "color": colour}
    return {
        "transform": [{"filter": f"datum.colour === '{colour}' && datum.open === '{side}'"}],
        "layer": [
            {
                "mark": {"type": "bar", "height": 11, "color": fill},
                "encoding": {"x": x, "x2": {"field": "to"}, "y": y},
            },
            {
                "mark": {**arrow, "size": 60},
                "encoding": {"x": {**x, "field": "to" if side == "right" else "from"}, "y": y},
            },
        ],
    }


def _points(x: Mapping[str, Any], y: Mapping[str, Any]) -> dict[str, Any]:
    """Days, and those that are uncertain as hollow points."""
    colour = {"field": "colour", "type": "nominal", "scale": None}
    hollow = {"condition": {"test": "datum.form === 'about'", "value": "var(--paper)"}, **colour}
    return {
        "transform": [
            {"filter": "(datum.form === 'exact' || datum.form === 'about') && datum.open === ''"},
            {"calculate": "(datum.from + datum.to) / 2", "as": "middle"},
        ],
        "mark": {"type": "point", "size": 90, "strokeWidth": 2},
        "encoding": {
            "x": {**x, "field": "middle"},
            "y": y,
            "stroke": colour,
            "fill": hollow,
            "shape": {"field": "shape", "type": "nominal", "scale": None},
        },
    }
