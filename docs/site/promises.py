"""What is promised, and how each promise is tested: the table of the README, with its tests."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from docs.site import tree

_ROW = re.compile(
    r"^\| (?P<text>.+?) \| \[`(?P<test>test_\w+)`\]\((?P<path>[^)]+)\) \|$", re.MULTILINE
)


class Promise(NamedTuple):
    """One row of the table: what is promised, and the test that shows it."""

    text: str
    test: str
    path: str


def promises(root: Path) -> list[Promise]:
    """The promises, in the order of the README."""
    readme = (root / "README.md").read_text()
    return [Promise(**found.groupdict()) for found in _ROW.finditer(readme)]


def page(root: Path) -> str:
    """The page that has each promise beside the whole of its test."""
    return "\n".join(_page(root))


def _page(root: Path) -> Iterator[str]:
    yield f"---\n{tree.NO_SEARCH}---\n"
    yield "# What it promises, and how that is tested\n"
    yield (
        "Each promise stands with the test that shows it, as it is run before every change."
        " `make test` runs them all, and `make kills` kills the service a hundred times.\n"
    )
    for promise in promises(root):
        yield f"({promise.test.replace('_', '-')})=\n## {promise.text.rstrip('.')}\n"
        yield f"`{promise.test}` in `{promise.path}`:\n"
        yield f"```python\n{source(root / promise.path, promise.test)}\n```\n"


def source(path: Path, test: str) -> str:
    """A test as it stands in its file, with what decorates it."""
    text = path.read_text()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == test:
            begins = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            return "\n".join(text.splitlines()[begins - 1 : node.end_lineno])
    raise LookupError(f"There is no {test} in {path}.")
