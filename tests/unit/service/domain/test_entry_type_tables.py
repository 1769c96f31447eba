"""What is done for each entry type is found in a literal table that a reader can look up."""

import ast
from pathlib import Path

import pytest

import pourparler
from pourparler.schema.contract import ENTRY_TYPES
from tests.support.source_code import SERVICE

CLIENT = Path(pourparler.__file__).parent
TABLES = {
    CLIENT / "state/fold.py": True,
    CLIENT / "cli/output/entry_descriptions.py": True,
    SERVICE / "domain/rules.py": True,
    SERVICE / "validation/drafts.py": False,  # where nothing depends on the type, it has none
}


@pytest.mark.parametrize(("path", "is_complete"), TABLES.items(), ids=lambda one: str(one)[-20:])
def test_a_table_has_the_function_of_each_entry_type(path: Path, is_complete: bool) -> None:  # noqa: FBT001 - what is expected
    (table,) = (
        node.value
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and (node.target.id.endswith("_BY_TYPE") or node.target.id == "DESCRIPTIONS")
    )
    assert isinstance(table, ast.Dict)
    names = [str(key.value) for key in table.keys if isinstance(key, ast.Constant)]

    # The site reads the functions by these names, for the reasons that each may refuse for.
    assert [f"_{name}" for name in names] == [ast.unparse(value) for value in table.values]
    assert set(names) <= set(ENTRY_TYPES)
    assert not is_complete or names == list(ENTRY_TYPES)


def test_no_function_is_found_in_the_globals_of_a_module() -> None:
    for root in (SERVICE, CLIENT):
        for path in root.rglob("*.py"):
            if path.parent.name != "v1":
                assert "globals()" not in path.read_text(), path
