"""The parsed source code of the service, for tests of its structure."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pourparler_service

SERVICE = Path(pourparler_service.__file__).parent


@cache
def modules() -> dict[str, ast.Module]:
    """Return each module of the service by its relative path, such as `reads/as_of.py`."""
    return {
        str(path.relative_to(SERVICE)): ast.parse(path.read_text())
        for path in sorted(SERVICE.rglob("*.py"))
    }


def calls(name: str) -> Iterator[str]:
    """Return the module of each call of a function or class of this name."""
    for module, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and name == _last_name(node.func):
                yield module


def attributes(name: str) -> Iterator[str]:
    """Return the module of each attribute of this name."""
    for module, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == name:
                yield module


def imports(module: str) -> set[str]:
    """Return the names that a module imports."""
    return {
        one.name
        for node in ast.walk(modules()[module])
        if isinstance(node, ast.ImportFrom | ast.Import)
        for one in node.names
    }


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
