"""Formats of others on the command line: which one is meant, and where its entries are from."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import click
from google.protobuf.message import DecodeError

from pourparler import v1 as pb
from pourparler.cli.terminal_escape import escaped
from pourparler.client import Client
from pourparler.errors import InternalError
from pourparler.formats import column_mapping, csv, dataframe, xlsx
from pourparler.formats.column_mapping import ColumnMapping
from pourparler.formats.draft_lines import Read
from pourparler.formats.registry import READERS, WRITERS
from pourparler.transparency.bundle import BundleReader, CorruptBundleError
from pourparler.transparency.checkpoint import CheckpointError, parse_checkpoint, parse_note

BUNDLE = "bundle"
"""The format that proves what it is, and the one that is meant if none is said."""

OUT = (BUNDLE, *WRITERS)
IN = tuple(READERS)

_ENDINGS: Mapping[str, str] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
}
_NEEDED: Mapping[str, tuple[str, str]] = {
    "parquet": ("pyarrow", "data"),
    "xlsx": ("openpyxl", "xlsx"),
}
"""The package that a format needs, and the extra that brings it."""
_TABLES: Mapping[str, Callable[[BinaryIO, ColumnMapping], Iterator[Read]]] = {
    "csv": csv.read,
    "xlsx": xlsx.read,
}


def available(form: str) -> None:
    """Refuse a format for which a package is not installed, before anything is read or written."""
    if form in _NEEDED:
        try:
            dataframe.loaded(*_NEEDED[form])
        except dataframe.ExtraMissingError as error:
            raise click.ClickException(str(error)) from error


def entries_of_service(
    client: Client, negotiation: str, viewer_participant_id: str = ""
) -> tuple[Iterator[pb.Entry], str]:
    """Return the entries of a negotiation as they arrive, and the origin of its log."""
    try:
        origin = parse_checkpoint(parse_note(client.get_checkpoint(negotiation)).text).origin
    except CheckpointError as error:
        message = f"The service gave no checkpoint that can be read: {error}."
        raise InternalError(message) from error
    return client.replay(negotiation, viewer_participant_id=viewer_participant_id), origin


def entries_of_bundle(file: BinaryIO, negotiation: str) -> tuple[Iterator[pb.Entry], str]:
    """Return the unverified entries of a bundle, and the origin that it names.

    Raises BundleError, also while they are read.
    """
    bundle = BundleReader(file)
    name = bundle.header.negotiation
    if negotiation.removeprefix("negotiations/") != name:
        raise click.ClickException(f"The bundle is of {escaped(name)}, not of what was asked for.")
    return _entries(bundle), bundle.header.origin


def _entries(bundle: BundleReader) -> Iterator[pb.Entry]:
    for stored in bundle.records():
        try:
            yield pb.Entry.FromString(stored)
        except DecodeError:
            raise CorruptBundleError(
                f"Record {bundle.count:,} of the bundle is no entry."
            ) from None


def reader(
    form: str | None, mapped: BinaryIO | None, file: BinaryIO
) -> Callable[[BinaryIO], Iterator[Read]]:
    """How a file is read: as it was said, else as its name ends, else as lines of JSON."""
    name = getattr(file, "name", "")
    ending = Path(name).suffix.lower() if isinstance(name, str) else ""
    form = form or _ENDINGS.get(ending, "jsonl")
    available(form)
    if mapped is None:
        return READERS[form]
    if form not in _TABLES:
        raise click.UsageError("--mapping is for a table: say --format csv or --format xlsx.")
    try:
        mapping = column_mapping.read(mapped)
    except column_mapping.BadMappingError as error:
        raise click.UsageError(str(error)) from error
    return lambda table: _TABLES[form](table, mapping)
