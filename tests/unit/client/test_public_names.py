"""What `import pourparler` gives, and that the two clients are twins."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import pourparler
from pourparler import aio, errors
from pourparler.drafts import builders

CALLS = sorted(name for name in vars(pourparler.Client) if not name.startswith("_"))


def imported() -> Iterator[str]:
    for node in ast.parse(Path(pourparler.__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            names = (alias.asname or alias.name for alias in node.names)
            yield from (name for name in names if not name.startswith("_"))


def public_of(module: object, name: str) -> set[str]:
    return {
        key
        for key, one in vars(module).items()
        if not key.startswith("_")
        and (inspect.isclass(one) or inspect.isfunction(one))
        and one.__module__ == name
    }


def test_all_that_is_imported_is_public_and_sorted() -> None:
    public = pourparler.__all__

    assert sorted(imported()) == sorted(public)
    assert len(set(public)) == len(public)


def test_every_error_and_every_builder_is_public() -> None:
    there = public_of(errors, errors.__name__) | public_of(builders, builders.__name__)

    assert there - set(pourparler.__all__) == {
        "FailedCall",
        "error_of_call",
        "error_of_failure",
        "Common",
    }


def test_no_public_name_hides_a_module() -> None:
    folder = Path(pourparler.__file__).parent
    modules = {one.stem for one in folder.iterdir()} - {"__init__", "__pycache__"}

    assert modules & set(pourparler.__all__) == {"aio", "v1"}


@pytest.mark.parametrize("call", ["__init__", *CALLS])
def test_the_clients_take_the_same_and_answer_the_same(call: str) -> None:
    waits = inspect.signature(getattr(pourparler.Client, call))
    awaits = inspect.signature(getattr(aio.Client, call))

    assert waits.parameters == awaits.parameters
    answer = re.sub(r"\bAsyncIterator\b", "Iterator", str(awaits.return_annotation))
    answer = answer.replace("pourparler.rpc.async_", "pourparler.rpc.sync_")
    assert answer == str(waits.return_annotation)


def test_the_clients_and_their_histories_have_the_same_names() -> None:
    def names(one: type) -> set[str]:
        return {name for name in vars(one) if not name.startswith("_")}

    assert names(aio.Client) == names(pourparler.Client)
    assert names(aio.Replay) == names(pourparler.Replay)
    assert pourparler.Client.__doc__ != aio.Client.__doc__
