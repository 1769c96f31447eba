"""The page of promises, each with the source of its test."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from docs.site import tree

PAGE = "docs/explanation/promises.md"
"""The page with the table of promises."""

_ROW = re.compile(
    r"^\| (?P<text>.+?) \| \[`(?P<test>test_\w+)`\]\((?P<path>[^)]+)\) \|$", re.MULTILINE
)


class Promise(NamedTuple):
    """One row of the table: a promise and the test that shows it."""

    text: str
    test: str
    path: str


def promises(root: Path) -> list[Promise]:
    """Return the promises in the order of the page."""
    return [
        Promise(found["text"], found["test"], tree.resolved(PAGE, found["path"]))
        for found in _ROW.finditer((root / PAGE).read_text())
    ]


def page(root: Path) -> str:
    """Return the page with each promise and the source of its test."""
    return "\n".join(_page(root))


def _page(root: Path) -> Iterator[str]:
    """Yield the page, with a section for each row of its table."""
    before, _, rest = (root / PAGE).read_text().partition("| promise | test |\n|---|---|\n")
    yield f"---\n{tree.NO_SEARCH}---\n"
    yield before
    for promise in promises(root):
        yield f"({promise.test.replace('_', '-')})=\n## {promise.text.rstrip('.')}\n"
        yield f"`{promise.test}` in `{promise.path}`:\n"
        yield f"```python\n{source(root / promise.path, promise.test)}\n```\n"
    yield "\n".join(line for line in rest.splitlines() if not _ROW.match(line))


def source(path: Path, test: str) -> str:
    """Return the source of a test with its decorators."""
    text = path.read_text()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == test:
            begins = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            return "\n".join(text.splitlines()[begins - 1 : node.end_lineno])
    raise LookupError(f"There is no {test} in {path}.")
