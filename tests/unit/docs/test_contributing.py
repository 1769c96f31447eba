"""CONTRIBUTING.md names the files that a change needs, and all of them."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pourparler.schema.contract import ENTRY_TYPES
from tests.support.plain_language import of_markdown, problems
from tests.unit import test_entry_type_walk

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "CONTRIBUTING.md"

PACKAGES = ("client/pourparler", "service/pourparler_service")


def _function(text: str, name: str) -> bool:
    return re.search(rf"^def _{name}\(", text, re.MULTILINE) is not None


def _member(text: str, name: str) -> bool:
    oneof = text.partition("oneof event {")[2].partition("}")[0]
    return re.search(rf"^ +{camel(name)} {name} = \d+;", oneof, re.MULTILINE) is not None


def _spelled(text: str, name: str) -> bool:
    return re.search(rf"\b_?({name}|{camel(name)})\b", text) is not None


def _line(text: str, name: str) -> bool:
    return f'{{"type": "{name}", ' in text


def _guarded(text: str, name: str) -> bool:
    """True if a test compares the cases of the file with all entry types."""
    return re.search(r"== set\(ENTRY_TYPES\)|== len\(ENTRY_TYPES\)", text) is not None


EACH: dict[str, Callable[[str, str], bool]] = {
    "proto/pourparler/v1/facts.proto": _member,
    "client/pourparler/state/fold.py": _function,
    "service/pourparler_service/domain/rules.py": _function,
    "client/pourparler/drafts/builders.py": _spelled,
    "client/pourparler/cli/output/entry_descriptions.py": _spelled,
    "tests/unit/client/state/test_fold.py": _guarded,
    "tests/unit/service/domain/test_rules_accepted.py": _guarded,
    "tests/unit/client/drafts/test_builders.py": _guarded,
    "tests/golden/records.jsonl": _line,
}
"""The files of the walk that have something for each entry type."""

SOME = {
    "service/pourparler_service/validation/drafts.py",
    "client/pourparler/__init__.py",
    "client/pourparler/cli/input/draft_types.py",
    "client/pourparler/cli/output/part_descriptions.py",
    "tests/store/test_stored_format.py",
    "docs/site/story.py",
}
"""Those that name builders, or only some types."""


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def section(title: str) -> str:
    page = PAGE.read_text()
    assert f"\n## {title}\n" in page
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def steps() -> Iterator[str]:
    for step in re.findall(r"^\d\. .*\n(?:   .*\n)*", section("Add an entry type"), re.MULTILINE):
        yield from re.findall(r"\]\(([^)]+)\)", step)


def test_the_walk_of_an_entry_type_names_these_files_and_no_others() -> None:
    assert set(steps()) == EACH.keys() | SOME


@pytest.mark.parametrize("path", EACH)
def test_a_file_of_the_walk_has_something_for_each_entry_type(path: str) -> None:
    text = (ROOT / path).read_text()

    assert [name for name in ENTRY_TYPES if not EACH[path](text, name)] == []
    assert EACH[path] is _guarded or not EACH[path](text, "harbour_leased")


def test_no_other_module_lists_the_entry_types() -> None:
    listing = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "_pb2" not in path.name and lists_types(path.read_text())
    }

    assert listing
    assert listing - EACH.keys() - SOME == set(), (
        "derive it from the contract, or add it to the walk"
    )


def test_the_walk_agrees_with_the_files_that_may_list_entry_types() -> None:
    assert set(test_entry_type_walk.WALK) <= set(steps())


def lists_types(text: str) -> bool:
    """True if a module names more than half of the entry types."""
    return sum(_spelled(text, name) for name in ENTRY_TYPES) > len(ENTRY_TYPES) / 2


def test_a_module_that_lists_the_entry_types_is_noticed() -> None:
    assert lists_types(repr(dict.fromkeys(ENTRY_TYPES, "")))
    assert lists_types("\n".join(f"def _{name}(): ..." for name in ENTRY_TYPES))
    assert lists_types(", ".join(map(camel, ENTRY_TYPES)))
    assert not lists_types("statement_recorded, proposal_made")


def test_the_types_that_few_rules_name_stand_where_the_page_says() -> None:
    walk = section("Add an entry type").partition("Everything else follows")[2]
    named = re.findall(r"^- \[[\w./]+\]\(([^)]+)\)", walk, re.MULTILINE)

    assert len(named) > 2
    for path in named:
        assert (ROOT / path).exists(), path


def test_every_folder_of_tests_is_explained() -> None:
    explained = set(re.findall(r"`tests/(\w+)`", section("Run one test")))
    folders = {path.parent.relative_to(ROOT / "tests").parts[0] for path in code()}

    assert folders - {"data"} <= explained
    assert all((ROOT / "tests" / name).is_dir() for name in explained)


def code() -> Iterator[Path]:
    return (ROOT / "tests").glob("*/**/*.py")


def test_every_check_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text()

    explained = set(re.findall(r"`make (check-\w+)`", section("Checks")))
    assert explained == set(re.findall(r"^(check-[a-z]+):", makefile, re.MULTILINE))


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md", "docs/architecture.md"])
def test_a_page_for_newcomers_follows_the_language_rules(page: str) -> None:
    text = (ROOT / page).read_text()

    assert [str(one) for piece in of_markdown(text) for one in problems(piece)] == []
