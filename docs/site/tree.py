"""Where each page of the site comes from, and in which order they stand. Pure but for reading.

The pages are the Markdown files of the project. The front page, docs/README.md, lists them under
headings: that list is the contents of the site. A page that is made, not written, stands in the
place of what it is made from: whoever reads the Markdown as it is gets to the .proto, and whoever
reads the site to the page that says the same.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

FRONT = "docs/README.md"
"""The front page, whose lists of links are the contents."""

MADE: Mapping[str, str] = {
    "proto/pourparler/v1": "contract/index",
    "proto/pourparler/v1/facts.proto": "entries/index",
    "proto/pourparler/v1/errors.proto": "contract/errors",
    "client/pourparler/cli/commands": "commands",
    "client/pourparler/client.py": "python/clients",
    "client/pourparler/build.py": "python/entries",
    "client/pourparler/errors.py": "python/errors",
    "README.md#what-it-promises": "promises",
}
"""The pages that are made, by what they are made from."""

NO_SEARCH = "no-search: true\n"
"""Metadata that keeps a page out of the search of the site: a page that is the text of tests."""

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ITEM = re.compile(r"^- \[([^\]]+)\]\(([^)\s]+)\)", re.MULTILINE)
_FURTHER = "Further"


class Section(NamedTuple):
    """A heading of the front page, and the pages that are listed under it: title and name."""

    caption: str
    pages: list[tuple[str, str]]


def written(root: Path) -> dict[str, str]:
    """The name on the site of every page that is written, by its path in the project."""
    found = ["README.md", "CHANGELOG.md"]
    found += sorted(
        path.relative_to(root).as_posix()
        for folder in ("docs", "examples")
        for path in (root / folder).rglob("*.md")
    )
    return {path: _name(path) for path in found}


def _name(path: str) -> str:
    if path == FRONT:
        return "index"
    if path.startswith("examples/"):
        return path.removesuffix("/README.md")
    inner = path.removeprefix("docs/").removesuffix(".md")
    if inner.endswith("/README"):
        return inner.removesuffix("README") + "index"
    return inner.lower() if inner.isupper() else inner


def resolved(page: str, target: str) -> str:
    """What a relative link of a page leads to: a path in the project, perhaps with a heading."""
    path, mark, heading = target.partition("#")
    to = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
    return to + mark + heading


def is_elsewhere(target: str) -> bool:
    """Whether a link leads out of the project."""
    return re.match(r"[a-z]+:", target) is not None


def links(text: str) -> Iterator[str]:
    """The targets of the links of a page."""
    return (found[1] for found in _LINK.finditer(text))


def contents(root: Path) -> list[Section]:
    """The sections of the site, as the front page lists them; what it does not list comes last."""
    pages = written(root)
    text = (root / FRONT).read_text()
    sections = []
    for heading, body in re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", text, re.MULTILINE):
        listed = [
            (title, name)
            for title, target in _ITEM.findall(body)
            if (name := _page(resolved(FRONT, target), pages))
        ]
        if listed:
            sections.append(Section(heading, listed))
    known = {name for section in sections for _, name in section.pages}
    further = [name for name in pages.values() if name not in known and not _is_below(name)]
    if further:
        sections.append(Section(_FURTHER, [("", name) for name in further]))
    return sections


def _page(path: str, pages: Mapping[str, str]) -> str:
    return MADE.get(path) or pages.get(path, "")


def _is_below(name: str) -> bool:
    """Whether a page is listed by another one than the front page."""
    return name == "index" or re.fullmatch(r"decisions/\d+-.*", name) is not None
