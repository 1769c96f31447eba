"""What the extra `data` brings, loaded only when it is used: the client is light without it."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from pourparler import v1 as pb
from pourparler.formats.table import WHOLE, row


class ExtraMissingError(ImportError):
    """A package is not installed. The text says which extra brings it."""


def loaded(name: str) -> Any:
    """A module of the extra. Raises ExtraMissingError."""
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        text = f"{package} is not installed: the extra `data` brings it, as in pourparler[data]."
        raise ExtraMissingError(text, name=package) from error


def frame(entries: Iterable[pb.Entry]) -> Any:
    """A DataFrame of pandas: the columns of a table, an entry a row, its time as a time.

    Raises ExtraMissingError.
    """
    pandas = loaded("pandas")
    rows = [row(entry) for entry in entries]
    columns = {name: [one[name] for one in rows] for name in row(pb.Entry()) if name != WHOLE}
    found = pandas.DataFrame(columns)
    times = pandas.to_datetime(found["record_time"], utc=True, format="ISO8601")
    return found.assign(record_time=times)
