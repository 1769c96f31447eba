"""The refusal reasons of each entry type, read from the source of the rules.

The rules are functions named after the type. A reason that such a function or its callees name is
a reason of that type. Reasons that apply to every entry are listed separately.
"""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.schema.contract import ENTRY_TYPES
from pourparler_service.domain import lifecycles
from pourparler_service.domain.lifecycles import Lifecycle

_ROOMS = {
    "rules": "domain",
    "drafts": "validation",
    "common_rules": "domain",
    "amendment_rules": "domain",
    "proposal_rules": "domain",
    "representation": "domain",
    "fields": "validation",
    "terms": "validation",
    "votes": "validation",
}
_CASES = ("rules", "drafts")
_METHODS = "common_rules"  # it defines the methods of a rule context
_OF_ALL = (("common_rules", "check_all"), ("drafts", "check_draft"), ("drafts", "prepare"))
_REASON = "ERROR_REASON_"


class _Function(NamedTuple):
    """The reasons that one function names, and the functions that it calls."""

    reasons: frozenset[str]
    calls: frozenset[tuple[str, str]]


@cache
def of_all() -> frozenset[str]:
    """Return the refusal reasons that apply to every entry type."""
    starts = [*_OF_ALL, *(place for place in _functions() if place[0] == "fields")]
    return frozenset().union(*(_reasons(start, frozenset()) for start in starts))


@cache
def of_type(name: str) -> frozenset[str]:
    """Return the further refusal reasons of one entry type."""
    ground = frozenset(_OF_ALL)
    return frozenset().union(*(_reasons((room, f"_{name}"), ground) for room in _CASES))


def _reasons(start: tuple[str, str], but: frozenset[tuple[str, str]]) -> frozenset[str]:
    known = _functions()
    found: set[str] = set()
    ahead, seen = [start], set(but)
    while ahead:
        place = ahead.pop()
        if place not in known:
            place = _METHODS, place[1]
        if place in seen or place not in known:
            continue
        seen.add(place)
        found |= known[place].reasons
        ahead += known[place].calls
    return frozenset(found)


@cache
def _functions() -> Mapping[tuple[str, str], _Function]:
    found = {}
    for room, wing in _ROOMS.items():
        spec = find_spec(f"pourparler_service.{wing}.{room}")
        if spec is None or spec.origin is None:
            raise ImportError(f"There is no module {room}: the rules have moved.")
        tree = ast.parse(Path(spec.origin).read_text())
        imported = dict(_imported(tree))
        cases = {f"_{name}" for name in ENTRY_TYPES}
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                calls = {(imported.get(name, room), name) for name in _called(node)}
                # Each case is found by the name of its type, and is analysed separately.
                calls = {one for one in calls if one[1] not in cases}
                found[room, node.name] = _Function(frozenset(_named(node)), frozenset(calls))
    return found


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            for one in node.names:
                yield one.asname or one.name, node.module.rsplit(".", maxsplit=1)[-1]


def _called(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr


def _named(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute):
            if node.attr.startswith(_REASON):
                yield node.attr.removeprefix(_REASON)
            life = getattr(lifecycles, node.attr, None)
            if isinstance(life, Lifecycle):
                yield _of(life)


def _of(life: Lifecycle) -> str:
    return pb.ErrorReason.Name(pb.ErrorReason.ValueType(life.reason)).removeprefix(_REASON)
