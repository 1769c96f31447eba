"""The catalogue and the index of a data folder made anew, and how far that is."""

import os
from pathlib import Path

import click

from pourparler.cli.local.service_process import service_module
from pourparler.cli.output import verdicts, wording
from pourparler.cli.output.page import Page
from pourparler.cli.terminal_escape import harmless


def rebuild(page: Page, data: Path) -> None:
    """Make them anew, and tell of how many entries."""
    folder, persons, store = (
        service_module("storage.data_directory"),
        service_module("storage.master_key"),
        service_module("storage.interface"),
    )
    if not data.is_dir():
        raise click.ClickException(f"There is no data folder {harmless(str(data))}.")
    try:
        with verdicts.progress("rebuilding") as progress:
            count = service_module("operations.rebuild").rebuild(data, os.environ, progress)
    except (
        folder.DataDirectoryError,
        persons.SubjectKeyError,
        store.StoreSettingsError,
        store.StoreUnavailableError,
    ) as error:
        raise click.ClickException(str(error)) from error
    entries = wording.count(count, "entry", "entries")
    page.line(f"The catalogue and the index are made anew, of {entries}.")
