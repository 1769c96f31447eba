"""docs/architecture.md shows the wings and their imports as they are."""

import re
from pathlib import Path

import pytest

from docs.pictures import imports, wings
from docs.pictures.imports import Arrow, arrows

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "architecture.md"
REPAIR = "run make pictures PICTURES=wings"


def table(package: str) -> dict[str, list[str]]:
    """The cells of the rows in the table of a package, by wing."""
    section = PAGE.read_text().partition(f"\n`{package}/`")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([\w.]+)/?` \| (.+) \|$", section, re.MULTILINE)
    return {wing.removesuffix(".py"): cells.split(" | ") for wing, cells in rows if "|" in cells}


@pytest.mark.parametrize("name", wings.PACKAGES)
def test_a_picture_has_the_arrows_that_the_imports_have(name: str) -> None:
    shown = wings.drawn((ROOT / "docs" / "pictures" / f"{name}-wings.svg").read_text())
    found = arrows(ROOT / wings.PACKAGES[name])

    assert len(found) > 30
    missing = sorted(f"{one.importer} -> {one.imported}" for one in found - shown)
    extra = sorted(f"{one.importer} -> {one.imported}" for one in shown - found)
    assert (missing, extra) == ([], []), f"{REPAIR}: {missing=}, {extra=}"


@pytest.mark.parametrize("name", wings.PACKAGES)
def test_a_picture_is_drawn_from_the_imports(name: str) -> None:
    picture = (ROOT / "docs" / "pictures" / f"{name}-wings.svg").read_text()

    assert picture == wings.draw(ROOT, name), REPAIR


@pytest.mark.parametrize("name", wings.PACKAGES)
def test_every_wing_says_what_imports_it(name: str) -> None:
    package = ROOT / wings.PACKAGES[name]
    rows = table(wings.PACKAGES[name])

    said = {
        Arrow(importer, wing)
        for wing, cells in rows.items()
        for importer in re.findall(r"`(\w+)`", cells[-1])
    }
    found = arrows(package)
    assert set(rows) == set(imports.wings(package))
    assert (sorted(found - said), sorted(said - found)) == ([], []), REPAIR


@pytest.mark.parametrize("name", wings.PACKAGES)
def test_the_main_modules_of_a_wing_are_in_it(name: str) -> None:
    for wing, cells in table(wings.PACKAGES[name]).items():
        for module in re.findall(r"`([\w.]+)/?`", cells[1]):
            assert (ROOT / wings.PACKAGES[name] / wing / module).exists(), f"{wing}: {module}"


def test_imports_within_functions_and_of_names_are_found(tmp_path: Path) -> None:
    package = tmp_path / "house"
    for path, text in {
        "__init__.py": "from house.attic import view\n",
        "attic.py": "def view():\n    from house.cellar.wine import red\n",
        "cellar/__init__.py": "",
        "cellar/wine.py": "import os\nfrom house import cellar, door\nimport house.door\n",
        "door.py": "import housekeeping\n",
    }.items():
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).write_text(text)

    assert imports.wings(package) == ["attic", "cellar", "door"]
    assert arrows(package) == {Arrow("attic", "cellar"), Arrow("cellar", "door")}


def test_every_definition_and_test_that_is_named_is_there() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        named = re.findall(r"\[`(\w+)`\]\(([^)\s]+\.py)\)", page.read_text())

        assert page != PAGE or len(named) > 5
        for name, path in named:
            text = (page.parent / path).read_text()
            assert re.search(rf"^(async )?(def|class) {name}\b", text, re.MULTILINE), (page, name)


def test_every_wing_stands_on_a_layer() -> None:
    for name, path in wings.PACKAGES.items():
        floors = wings.layers(ROOT, ROOT / path)

        assert sorted(wing for floor in floors for wing in floor) == imports.wings(ROOT / path), (
            name
        )
