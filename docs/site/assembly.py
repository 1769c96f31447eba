"""Assemble the pages of the site: the written ones and the generated ones.

The Markdown of the project stays unchanged, except that its links point to the pages of the site.
"""

import html
import posixpath
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from docs.site import tree

_SOURCES = "sources"
_LANGUAGES = {".py": "python", ".proto": "proto", ".json": "json", ".toml": "toml", "": "text"}
_FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_PICTURE = re.compile(
    r'<picture>\s*<source media="\(prefers-color-scheme: dark\)" srcset="([^"]+)">'
    r'\s*<img src="([^"]+)" alt="([^"]+)">\s*</picture>'
)
_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


def assemble(root: Path, folder: Path, made: Mapping[str, str]) -> None:
    """Write all pages to a folder; `made` has the generated ones, by name with suffix."""
    pages = dict(made)
    shown: set[str] = set()
    names = tree.written(root)
    for path, name in names.items():
        text = _led(root, path, names, shown)
        pages[f"{name}.md"] = text + _contents(root, name)
    for path in sorted(shown):
        pages[f"{_SOURCES}/{path}.md"] = _source(root, path)
    _write(folder, pages)


def _led(root: Path, page: str, names: Mapping[str, str], shown: set[str]) -> str:
    """Return the text of a page, with links to the pages of the site."""
    here = posixpath.dirname(names[page])

    def led(found: re.Match[str]) -> str:
        target = found[1]
        if tree.is_elsewhere(target):
            return found[0]
        to = tree.resolved(page, target)
        path, _, heading = to.partition("#")
        if (root / path / "README.md").is_file() and path not in names:
            path = f"{path}/README.md"
        if to in tree.MADE:
            name, heading = tree.MADE[to], ""
        elif path in names:
            name = names[path]
        elif path in tree.MADE:
            name = tree.MADE[path]
        elif (root / path).is_file():
            shown.add(path)
            name = f"{_SOURCES}/{path}"
        elif (root / path).is_dir():
            name = "index"
        else:
            return found[0]  # the build refuses it
        if path == page:
            return f"](#{heading})"
        suffix = "rst" if name.startswith("python/") else "md"
        return f"]({_over(here, name)}.{suffix}{'#' + heading if heading else ''})"

    parts = _FENCED.split((root / page).read_text())
    static = _over(here, "_static")
    parts[::2] = [
        re.sub(
            r"\]\(([^)\s]+)\)",
            led,
            _IMAGE.sub(_image(static), _PICTURE.sub(_pictures(static), part)),
        )
        for part in parts[::2]
    ]
    return "".join(parts)


def _over(here: str, name: str) -> str:
    return posixpath.relpath(name, here or ".")


def _image(static: str) -> Callable[[re.Match[str]], str]:
    """Return what replaces an image: Sphinx copies the pictures to its folder of static files."""

    def replaced(found: re.Match[str]) -> str:
        if tree.is_elsewhere(found[2]):
            return found[0]
        return f'<img src="{static}/{posixpath.basename(found[2])}" alt="{html.escape(found[1])}">'

    return replaced


def _pictures(static: str) -> str:
    """Return one picture for the light theme and one for the dark; <picture> ignores the theme."""
    return "\n".join(
        f'<img class="only-{shade}" src="{static}/{name}.svg" alt="\\3">'
        for shade, name in (("light", "speed"), ("dark", "speed-dark"))
    )


def _contents(root: Path, name: str) -> str:
    """Return the toctree that Sphinx requires on a page that lists others."""
    if name == "index":
        return "".join(
            _toctree([f"{title} <{page}>" if title else page for title, page in pages], caption)
            for caption, pages in tree.contents(root)
        )
    if name == "decisions/index":
        return _toctree(
            sorted(path.stem for path in (root / "docs" / "decisions").glob("[0-9]*.md"))
        )
    return ""


def _toctree(entries: list[str], caption: str = "") -> str:
    said = f":caption: {caption}\n" if caption else ""
    listed = "\n".join(entries)
    return f"\n```{{toctree}}\n:hidden:\n{said}\n{listed}\n```\n"


def _source(root: Path, path: str) -> str:
    """Return a page that shows a file of the project unchanged."""
    language = _LANGUAGES.get(Path(path).suffix, "text")
    text = (root / path).read_text()
    marks = "orphan: true\n" + tree.NO_SEARCH * path.startswith("tests/")
    return f"---\n{marks}---\n\n# {path}\n\n````{language}\n{text}````\n"


def _write(folder: Path, pages: Mapping[str, str]) -> None:
    """Write changed pages, and remove files that are no longer pages."""
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.relative_to(folder).as_posix() not in pages:
            path.unlink()
