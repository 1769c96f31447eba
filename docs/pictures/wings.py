"""Draw the wings of a package and their imports as SVG. Pure, except that it reads files.

Each wing is a box, and the floors are the layers of pyproject.toml. A line leaves the importing
wing and runs down. A dot on it marks each wing that it imports. Each dot names both wings.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from docs.pictures.imports import Arrow, arrows, wings

PACKAGES = {"service": "service/pourparler_service", "client": "client/pourparler"}
"""The packages that have a picture, by the name of the picture."""

_ROW, _LANE, _LEFT, _BOX, _TOP = 36, 30, 50, 160, 40
_ROW_OF_WING = re.compile(r"^(\| `(\w+)(?:\.py|/)` \|.*\|.*)\|[^|\n]*\|$", re.MULTILINE)
_COLORS = ("#0a5cad", "#b3541e", "#1f7a4d", "#8a3a8c", "#6b6b00", "#a12a3a")
_LEGEND = "each line leaves a wing; its dots mark the wings it imports"
_STYLE = (
    "text{font:14px system-ui,sans-serif;fill:#1b1b1b}"
    ".floor{font-size:12px;fill:#666}"
    ".box{fill:#fff;stroke:#555}"
    ".in{stroke:#bbb}"
)


def draw(root: Path, name: str) -> str:
    """Return the picture of a package."""
    package = root / PACKAGES[name]
    floors = layers(root, package)
    return "\n".join([*_picture(floors, sorted(arrows(package))), ""])


def layers(root: Path, package: Path) -> list[list[str]]:
    """Return the wings of each layer in pyproject.toml, from the top."""
    settings = tomllib.loads((root / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    found = next(one for one in contracts if one.get("containers") == [package.name])
    there = set(wings(package))
    floors = [re.findall(r"\w+", layer) for layer in found["layers"]]
    return [floor for one in floors if (floor := [wing for wing in one if wing in there])]


def listed(root: Path, page: str) -> str:
    """Return the page with the last column of each table of wings: the wings that import it."""
    for path in PACKAGES.values():
        floors = layers(root, root / path)
        found = arrows(root / path)
        before, mark, after = page.partition(f"\n`{path}/`")
        section, heading, rest = after.partition("\n## ")

        def row(
            line: re.Match[str],
            floors: list[list[str]] = floors,
            found: set[Arrow] = found,
        ) -> str:
            by = {one.importer for one in found if one.imported == line[2]}
            names = [f"`{wing}`" for floor in floors for wing in floor if wing in by]
            return f"{line[1]}| {', '.join(names)} |"

        section = _ROW_OF_WING.sub(row, section)
        page = before + mark + section + heading + rest
    return page


def drawn(picture: str) -> set[Arrow]:
    """Return the arrows of a picture."""
    return {Arrow(*found) for found in re.findall(r'data-from="(\w+)" data-to="(\w+)"', picture)}


def _picture(floors: list[list[str]], found: list[Arrow]) -> Iterator[str]:
    rows = [wing for floor in floors for wing in floor]
    place = {wing: _TOP + _ROW * number for number, wing in enumerate(rows)}
    lanes = [wing for wing in reversed(rows) if any(one.importer == wing for one in found)]
    lane = {wing: _LEFT + _BOX + _LANE * (number + 1) for number, wing in enumerate(lanes)}
    width, height = _LEFT + _BOX + _LANE * (len(lanes) + 1), _TOP + _ROW * len(rows)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        f' width="{width}" height="{height}" role="img">'
    )
    yield f"<title>{escape(_said(floors, found))}</title>"
    yield f'<style>{_STYLE}</style><rect width="{width}" height="{height}" fill="#fff"/>'
    yield '<text class="floor" x="8" y="22">layer</text>'
    yield f'<text class="floor" x="{_LEFT + _BOX}" y="22">{_LEGEND}</text>'
    yield from _floors(floors, place, width)
    for wing in rows:
        yield from _incoming(
            place[wing], [lane[one.importer] for one in found if one.imported == wing]
        )
    for wing in lanes:
        to = [one.imported for one in found if one.importer == wing]
        yield from _lane(wing, to, lane[wing], place, _COLORS[lanes.index(wing) % len(_COLORS)])
    for wing in rows:
        box = f'x="{_LEFT}" y="{place[wing] + 3}" width="{_BOX}" height="{_ROW - 6}" rx="4"'
        yield f'<rect class="box" {box}/>'
        yield f'<text x="{_LEFT + 10}" y="{place[wing] + 23}">{wing}</text>'
    yield "</svg>"


def _said(floors: list[list[str]], found: list[Arrow]) -> str:
    count = sum(map(len, floors))
    return f"{count} wings on {len(floors)} layers, with {len(found)} imports between them"


def _floors(floors: list[list[str]], place: dict[str, int], width: int) -> Iterator[str]:
    for number, floor in enumerate(floors):
        fill = "#f4f4f1" if number % 2 else "#fff"
        top, height = place[floor[0]], _ROW * len(floor)
        yield f'<rect y="{top}" width="{width}" height="{height}" fill="{fill}"/>'
        yield f'<text class="floor" x="18" y="{top + 23}">{len(floors) - number}</text>'


def _incoming(top: int, lanes: list[int]) -> Iterator[str]:
    """Draw the line that leads to an imported wing, with its head."""
    if lanes:
        edge, y = _LEFT + _BOX, top + 24
        yield f'<path class="in" d="M{max(lanes)} {y}H{edge + 6}"/>'
        yield f'<path d="M{edge} {y}l8 -4v8z" fill="#777"/>'


def _lane(wing: str, to: list[str], x: int, place: dict[str, int], color: str) -> Iterator[str]:
    """Draw the line that leaves an importing wing, with a dot for each wing that it imports."""
    start = place[wing] + 12
    ends = [place[one] + 24 for one in to]
    yield f'<path d="M{_LEFT + _BOX} {start}H{x}" stroke="{color}" fill="none"/>'
    yield f'<path d="M{x} {min(start, *ends)}V{max(start, *ends)}" stroke="{color}"/>'
    for imported, y in zip(to, ends, strict=True):
        up = ' stroke="#d00000" stroke-width="3"' if y < start else ""
        yield (
            f'<circle cx="{x}" cy="{y}" r="5" fill="{color}"{up} data-from={quoteattr(wing)}'
            f" data-to={quoteattr(imported)}><title>{wing} imports {imported}</title></circle>"
        )
