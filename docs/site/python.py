"""The reference of the Python client, which Sphinx reads from its docstrings."""

import inspect
from collections.abc import Iterator, Mapping

import pourparler
from pourparler import client, errors
from pourparler.drafts import builders, values


def pages() -> Mapping[str, str]:
    """Return the pages of the reference by name, in reStructuredText."""
    return {
        "python/clients": "\n".join(_clients()),
        "python/entries": "\n".join(_entries()),
        "python/errors": "\n".join(_errors()),
    }


def _title(text: str) -> str:
    return f"{text}\n{'=' * len(text)}\n"


def _clients() -> Iterator[str]:
    yield _title("Python clients")
    yield "Both clients have the same methods: one blocks, and one is for asyncio.\n"
    for name in client.__all__:
        yield f".. autoclass:: pourparler.{name}\n   :members:\n   :inherited-members:\n"
    yield ".. autofunction:: pourparler.record_request\n"
    yield "For asyncio\n-----------\n"
    for name in client.__all__:
        yield f".. autoclass:: pourparler.aio.{name}\n   :members:\n   :inherited-members:\n"


def _entries() -> Iterator[str]:
    yield _title("Python builders of entries and values")
    yield (inspect.getdoc(builders) or "").partition("\n\n")[2] + "\n"
    yield ".. autoclass:: pourparler.drafts.builders.Common\n   :members:\n   :undoc-members:\n"
    public = [name for name in pourparler.__all__ if inspect.isfunction(vars(pourparler)[name])]
    yield "Entry types\n-----------\n"
    for name in sorted(public):
        if getattr(pourparler, name).__module__ == builders.__name__:
            yield f".. autofunction:: pourparler.{name}\n"
    yield "Terms, sources and points in time\n---------------------------------\n"
    for name in sorted(public):
        if getattr(pourparler, name).__module__ == values.__name__:
            yield f".. autofunction:: pourparler.{name}\n"


def _errors() -> Iterator[str]:
    yield _title("Python errors")
    head, _, rest = (inspect.getdoc(errors) or "").partition("\n\n")
    tree, _, said = rest.partition("\n\n")
    yield f"{head}\n\n.. code-block:: text\n\n{tree}\n\n{said}\n"
    for name in sorted(pourparler.__all__):
        one = getattr(pourparler, name)
        if inspect.isclass(one) and one.__module__ == errors.__name__:
            yield f".. autoclass:: pourparler.{name}\n   :show-inheritance:\n   :members:\n"
