"""The modules of the extras `data` and `xlsx`, loaded on first use to keep the client light."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from pourparler import v1 as pb
from pourparler.formats.table import WHOLE, row


class ExtraMissingError(ImportError):
    """A package is not installed; the text names the extra that installs it."""


def loaded(name: str, extra: str = "data") -> Any:
    """Return a module of an extra. Raises ExtraMissingError."""
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        text = (
            f"{package} is not installed: the extra `{extra}` brings it, as in pourparler[{extra}]."
        )
        raise ExtraMissingError(text, name=package) from error


def to_dataframe(entries: Iterable[pb.Entry]) -> Any:
    """Return a pandas DataFrame with the columns of a table, and a row for each entry.

    Raises ExtraMissingError if pandas is not installed.
    """
    pandas = loaded("pandas")
    rows = [row(entry) for entry in entries]
    columns = {name: [one[name] for one in rows] for name in row(pb.Entry()) if name != WHOLE}
    found = pandas.DataFrame(columns)
    times = pandas.to_datetime(found["record_time"], utc=True, format="ISO8601")
    return found.assign(record_time=times)
