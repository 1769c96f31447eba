"""Source and order of the pages of the site. Pure, except that it reads files.

The pages are the Markdown files of the project. The front page, docs/README.md, lists them under
headings, and that list is the contents of the site. A generated page replaces its source: a link
to a .proto leads to the file in the Markdown, and to the generated page on the site.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

FRONT = "docs/README.md"
"""The front page. Its lists of links are the contents of the site."""

MADE: Mapping[str, str] = {
    "proto/pourparler/v1": "contract/index",
    "proto/pourparler/v1/facts.proto": "entries/index",
    "proto/pourparler/v1/errors.proto": "contract/errors",
    "client/pourparler/cli/commands": "commands",
    "client/pourparler/client.py": "python/clients",
    "client/pourparler/drafts/builders.py": "python/entries",
    "client/pourparler/errors.py": "python/errors",
    "docs/explanation/promises.md": "explanation/promises",
}
"""The generated pages, by their source."""

NO_SEARCH = "no-search: true\n"
"""Page metadata that keeps the text of tests out of the search of the site."""

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ITEM = re.compile(r"^- \[([^\]]+)\]\(([^)\s]+)\)", re.MULTILINE)
_FURTHER = "Further"


class Section(NamedTuple):
    """A heading of the front page, with the title and name of each page under it."""

    caption: str
    pages: list[tuple[str, str]]


def written(root: Path) -> dict[str, str]:
    """Return the name on the site of every written page, by its path in the project.

    A page that a generated page replaces is not among them.
    """
    found = sorted(path.name for path in root.glob("*.md"))
    found += sorted(
        path.relative_to(root).as_posix()
        for folder in ("docs", "examples")
        for path in (root / folder).rglob("*.md")
    )
    return {path: _name(path) for path in found if path not in MADE}


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
    """Return the target of a relative link: a path in the project, perhaps with a heading."""
    path, mark, heading = target.partition("#")
    to = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
    return to + mark + heading


def is_elsewhere(target: str) -> bool:
    """True if a link leads out of the project."""
    return re.match(r"[a-z]+:", target) is not None


def links(text: str) -> Iterator[str]:
    """Return the targets of the links of a page."""
    return (found[1] for found in _LINK.finditer(text))


def contents(root: Path) -> list[Section]:
    """Return the sections as the front page lists them; pages it does not list come last."""
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
    """True if a page other than the front page lists this page."""
    return name == "index" or re.fullmatch(r"decisions/\d+-.*", name) is not None
