"""Charts of a negotiation: a timeline of dates as vague as they were given, and how terms moved.

Drawn by Vega-Lite when the page is made: once, with all that has ever been so, each mark with the
versions at which it was. Colours are the page's own variables, so that a chart is light or dark as
the page is. Pure: no I/O, no clock.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import vl_convert

from pourparler import v1 as pb
from pourparler.schema import edtf

MOST_ROWS = 200
"""The largest number of rows of a timeline. Smaller rows are not readable."""

PALETTE = tuple(f"var(--party-{number})" for number in range(6))
"""The colours of parties, in their order; with more of them they come again."""

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_CONFIG = {
    "background": "transparent",
    "padding": {"left": 64, "top": 8, "right": 16, "bottom": 8},  # fonts differ in width
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "aria": False,  # the page says what a chart shows, once and as a whole
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
        "aria": False,
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
_DESCRIBED = re.compile(r'(<(?:path|line|text)) aria-label="(\d[\d -]*!?)"')
_ROLES = re.compile(r' role="graphics-\w+" aria-roledescription="[\w ]+"| aria-hidden="true"')
_LABEL = re.compile(r'<text text-anchor="end"(?= transform="translate\(-)')
_WHEN = {"field": "when"}
_PAD = 0.04  # of the width, on either side: there an open end goes on
_DAY = 86_400_000


class Dated(NamedTuple):
    """Something with a date, as a row of the timeline; things of one label share their row."""

    label: str
    state: str
    """The kinds of date: `opened`, `planned`, `due` and their like."""
    form: str
    earliest: str
    latest: str


class Moved(NamedTuple):
    """The value of a numeric term for a party, from one version to the next."""

    party: str
    version: int
    value: float
    until: int
    then: float


_Shown = TypeVar("_Shown")
When = tuple[_Shown, str, bool]
"""Something, when it was so (`3-7 9-`: versions, ends not included), and whether it is now."""


def dated(label: str, state: str, date: pb.FuzzyDate) -> Dated:
    """Return a date as a row of the timeline."""
    return Dated(label, state, form(date), date.earliest, date.latest)


def form(date: pb.FuzzyDate) -> str:
    """Return the sort of a date: `exact`, `about`, `lasting`, or a time `within` a span."""
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


def timeline(rows: Sequence[When[Dated]], on: str, *, narrow: bool = False) -> str:
    """Return an SVG with a row for each label, and a line on the day of the status report.

    A narrow chart, for a phone, has the labels above the rows. A wide chart has them beside the
    rows.

    A day is a point, and an uncertain day is a hollow point. A period is a full bar, and one day
    within a span is a dashed bar. An open end fades out, with an arrow. The scale covers the
    current rows. Return "" if no row has a date.
    """
    known = [row for row in rows if row[0].earliest or row[0].latest]
    latest = sorted(known, key=lambda row: not row[2])  # what is no more, below what is
    order = list(dict.fromkeys(row.label for row, _, _ in latest))[:MOST_ROWS]
    shown = [row for row in known if row[0].label in set(order)]
    now = [row for row, _, now in shown if now] or [row for row, _, _ in shown]
    ends = [bound for row in now for bound in _bounds(row) if bound is not None]
    if not ends:
        return ""
    pad = max(_PAD * (max(ends) - min(ends)), _DAY)
    low, high = min(ends) - pad, max(ends) + pad
    values = [{**_drawn(row, low, high), "when": _when(when, so)} for row, when, so in shown]
    y = {
        "field": "label",
        "type": "nominal",
        "sort": order,
        "title": None,
        "axis": {"ticks": False, "labels": not narrow, "domain": not narrow},
    }
    scale = {"type": "utc", "domain": [low, high], "nice": False}
    axis = {
        "orient": "top",
        "labelOverlap": True,
        "labelSeparation": 16,
        **_ticks(high - low, 3 if narrow else 7),
    }
    x = {"field": "from", "type": "temporal", "scale": scale, "title": None, "axis": axis}
    layers = [
        *(_bars(shape, x, y) for shape in ("lasting", "within", "about")),
        *(_fading(colour, side, x, y) for colour, side in _fades(values)),
        _points(x, y),
    ]
    day = edtf.earliest_instant(edtf.bounds(on)) if on else None
    if day is not None and low <= day[0] * 1000 <= high:
        rule = {"type": "rule", "color": "var(--bad)", "strokeDash": [4, 3]}
        where = {"datum": day[0] * 1000, "type": "temporal", "scale": scale}
        layers.append({"mark": rule, "encoding": {"x": where}})
    spec = {"width": 640, "height": {"step": 24}, "data": {"values": values}, "layer": layers}
    if narrow:
        above = {"type": "text", "align": "left", "baseline": "bottom", "dy": -8, "limit": 300}
        label = {"x": {"value": 0}, "y": y, "text": {"field": "label"}, "description": _WHEN}
        layers.append({"mark": {**above, "color": "var(--ink)", "fontSize": 11}, "encoding": label})
        drawn = _svg({**spec, "width": 300, "height": {"step": 44}, "padding": 8})
        return drawn.replace("gradient-", "narrow-gradient-")  # the page has both
    return _labelled(_svg(spec), [_label_when(shown, label) for label in order])


def _ticks(width: float, most: int) -> dict[str, Any]:
    """Where a scale of so many milliseconds has its labels: on days, months or years, in full."""
    days = width / _DAY
    if days < most * 2:
        step = max(math.ceil(days / most), 1)
        return {"tickCount": {"interval": "day", "step": step}, "format": "%-d %b %Y"}
    if days < most * 31:
        return {"tickCount": most, "format": "%-d %b %Y"}
    return {"tickCount": most, "format": "%b %Y" if days < most * 366 else "%Y"}


def movement(steps: Sequence[When[Moved]]) -> str:
    """Return an SVG of numbers over versions: one line for each party, with steps."""
    parties = list(dict.fromkeys(step.party for step, _, _ in steps))
    dashes = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]]
    scales = {
        "color": [PALETTE[place % len(PALETTE)] for place in range(len(parties))],
        "strokeDash": [dashes[place % len(dashes)] for place in range(len(parties))],
    }
    x = {
        "field": "version",
        "type": "quantitative",
        "title": "version",
        "scale": {"zero": False, "nice": False, "padding": 12},
        "axis": {"tickMinStep": 1, "format": "d"},
    }
    y = {
        "field": "value",
        "type": "quantitative",
        "title": None,
        "scale": {"zero": False, "padding": 12},
    }
    party: dict[str, Any] = {
        channel: {
            "field": "party",
            "type": "nominal",
            "title": None,
            "scale": {"domain": parties, "range": values},
            "legend": {"orient": "bottom", "columns": 1, "symbolType": "stroke"},
        }
        for channel, values in scales.items()
    }
    held = {"x": x, "x2": {"field": "until"}, "y": y, **party, "description": _WHEN}
    turned = {"x": {**x, "field": "until"}, "y": y, "y2": {"field": "then"}, **party}
    points = {"x": x, "y": y, "color": party["color"], "description": _WHEN}
    going_on = [{"filter": "datum.until > datum.version"}]
    spec = {
        "width": 420,
        "height": 150,
        "data": {
            "values": [{**step._asdict(), "when": _when(when, now)} for step, when, now in steps]
        },
        "layer": [
            {"transform": going_on, "mark": {"type": "rule", "size": 2}, "encoding": held},
            {
                "transform": going_on,
                "mark": {"type": "rule", "size": 2},
                "encoding": {**turned, "description": _WHEN},
            },
            {"mark": {"type": "point", "filled": True, "size": 50}, "encoding": points},
        ],
    }
    return _svg(spec)


def _svg(spec: Mapping[str, Any]) -> str:
    drawn: str = vl_convert.vegalite_to_svg(
        {"$schema": _SCHEMA, "config": _CONFIG, **spec}, allowed_base_urls=[]
    )
    # Vega numbers its gradients on from chart to chart: the same page is to come out the same.
    numbers = list(dict.fromkeys(_GRADIENT.findall(drawn)))
    drawn = _GRADIENT.sub(lambda one: f"gradient-{numbers.index(one[0])}", drawn)
    return _ROLES.sub("", _DESCRIBED.sub(lambda one: f"{one[1]} {_stepped(one[2])}", drawn))


def _when(when: str, now: bool) -> str:  # noqa: FBT001
    """When a mark is shown, as its description, which Vega writes where it can be found again."""
    return when if now else f"{when}!"


def _stepped(when: str) -> str:
    """Return the same as attributes of the page."""
    return f'data-when="{when.removesuffix("!")}"' + " hidden" * when.endswith("!")


def _label_when(rows: Iterable[When[Dated]], label: str) -> str:
    """When a row has anything in it."""
    mine = [(when, now) for row, when, now in rows if row.label == label]
    return _when(" ".join(when for when, _ in mine), any(now for _, now in mine))


def _labelled(drawn: str, whens: Sequence[str]) -> str:
    """Return the labels of rows, in row order, with their versions."""
    each = iter(whens)
    return _LABEL.sub(lambda one: f"{one[0]} {_stepped(next(each))}", drawn)


def _bounds(row: Dated) -> tuple[float | None, float | None]:
    """Return the first and the last millisecond that a date can mean; None if open."""
    bounds = edtf.Bounds(row.earliest, row.latest)
    first, last = edtf.earliest_instant(bounds), edtf.latest_instant(bounds)
    return (
        None if first is None else first[0] * 1000 + first[1] / 1_000_000,
        None if last is None else last[0] * 1000 + last[1] / 1_000_000,
    )


def _drawn(row: Dated, low: float, high: float) -> dict[str, Any]:
    first, last = _bounds(row)
    start, end = low if first is None else first, high if last is None else last
    return {
        "label": row.label,
        # A former row can be beyond the scale. It is drawn at the edge, as if it were open there.
        "from": min(max(start, low), high),
        "to": min(max(end, low), high),
        "form": row.form,
        "open": "left"
        if first is None or end < low
        else "right"
        if last is None or start > high
        else "",
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
        "encoding": {
            "x": x,
            "x2": {"field": "to"},
            "y": y,
            "fill": colour,
            "stroke": colour,
            "description": _WHEN,
        },
    }


def _fades(values: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return the colours and sides of the open ends. A whole layer shares one gradient."""
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
                "encoding": {"x": x, "x2": {"field": "to"}, "y": y, "description": _WHEN},
            },
            {
                "mark": {**arrow, "size": 60},
                "encoding": {
                    "x": {**x, "field": "to" if side == "right" else "from"},
                    "y": y,
                    "description": _WHEN,
                },
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
            "description": _WHEN,
        },
    }
