"""The imports between the wings of a package. Pure, except that it reads files.

A wing is a module or a folder directly below the package.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Arrow(NamedTuple):
    """An import of one wing by another."""

    importer: str
    imported: str


def wings(package: Path) -> list[str]:
    """Return the wings of a package: its modules and its folders with modules."""
    modules = {path.stem for path in package.glob("*.py")} - {"__init__"}
    return sorted(modules | {path.parent.name for path in package.glob("*/__init__.py")})


def arrows(package: Path) -> set[Arrow]:
    """Return every import between two wings of a package; `__init__.py` of the package is none."""
    known = set(wings(package))
    return {
        Arrow(importer, imported)
        for importer in known
        for path in _modules(package, importer)
        for imported in _imported(path, package.name)
        if imported in known and imported != importer
    }


def _modules(package: Path, wing: str) -> Iterator[Path]:
    module = package / f"{wing}.py"
    if module.exists():
        yield module
    else:
        yield from (package / wing).rglob("*.py")


def _imported(path: Path, package: str) -> Iterator[str]:
    """Yield the wing of each import of a module, also of those inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            first, *rest = name.split(".")
            if first == package and rest:
                yield rest[0]
