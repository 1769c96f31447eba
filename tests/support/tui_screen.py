"""The screen of the interactive reader in a terminal."""

import html
import io
import re
import time
from collections.abc import Sequence

from textual.app import App
from textual.pilot import Pilot

from pourparler import v1 as pb
from pourparler.cli.browse.app import Browser
from pourparler.cli.browse.detail_pane import Detail
from pourparler.cli.browse.row_list import Key, Rows
from pourparler.cli.browse.source import BundleSource
from tests.support import bundles

_CELL = 12.2  # the width of a cell in a screenshot
_LINE = re.compile(r'<text[^>]* x="([\d.]+)"[^>]*-line-(\d+)\)">(.*?)</text>')


def lines(app: App[None]) -> list[str]:
    """Return the lines of the screen without colours."""
    found: dict[int, str] = {}
    for place, line, text in _LINE.findall(app.export_screenshot()):
        before = found.get(int(line), "").ljust(round(float(place) / _CELL))
        found[int(line)] = before + html.unescape(text).replace("\xa0", " ")
    return [found[line].rstrip() for line in sorted(found)]


def seen(app: App[None]) -> str:
    """Return all text on the screen."""
    return "\n".join(lines(app))


def reader(entries: Sequence[pb.Entry], version: int | None = None) -> Browser:
    """Return a reader of these entries in a bundle."""
    bundle = BundleSource(io.BytesIO(bundles.bundle(bundles.sealed(entries))))
    return Browser(bundle, bundle.name, version)


def rows(app: App[None]) -> Rows:
    """Return the list with the focus."""
    return next(one for one in app.screen.query(Rows) if one.display)


def under_cursor(app: App[None]) -> Key | None:
    """Return the subject of the row under the cursor."""
    return rows(app).key


def in_full(app: App[None]) -> str:
    """Return the details of the row."""
    return app.screen.query_one(Detail).plain


async def until(pilot: Pilot[None], text: str, *, gone: bool = False) -> None:
    """Wait until a text is on the screen, or is not."""
    end = time.monotonic() + 60
    while (text in seen(pilot.app)) is gone:
        assert time.monotonic() < end, f"{text!r}, {gone=}, in vain:\n{seen(pilot.app)}"
        await pilot.pause(0.05)
