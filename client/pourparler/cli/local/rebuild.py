"""The rebuild of the negotiation list and the search index, with its progress."""

import os
from pathlib import Path

import click

from pourparler.cli.local.service_process import service_module
from pourparler.cli.output import verdicts, wording
from pourparler.cli.output.page import Page
from pourparler.cli.terminal_escape import escaped


def rebuild(page: Page, data: Path) -> None:
    """Rebuild both, and print the number of entries."""
    directory, master_key, store = (
        service_module("storage.data_directory"),
        service_module("storage.master_key"),
        service_module("storage.interface"),
    )
    if not data.is_dir():
        raise click.ClickException(f"There is no data folder {escaped(str(data))}.")
    try:
        with verdicts.progress("rebuilding") as progress:
            count = service_module("operations.rebuild").rebuild(data, os.environ, progress)
    except (
        directory.DataDirectoryError,
        master_key.SubjectKeyError,
        store.StoreSettingsError,
        store.StoreUnavailableError,
    ) as error:
        raise click.ClickException(str(error)) from error
    entries = wording.count(count, "entry", "entries")
    page.line(f"Rebuilt the negotiation list and the search index from {entries}.")
