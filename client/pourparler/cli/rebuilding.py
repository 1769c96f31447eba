"""The catalogue and the index of a data folder made anew, and how far that is."""

import os
from pathlib import Path

import click

from pourparler.cli import auditing, wording
from pourparler.cli.demonstrating import room
from pourparler.cli.page import Page
from pourparler.cli.safe import harmless


def rebuild(page: Page, data: Path) -> None:
    """Make them anew, and tell of how many entries."""
    folder, persons, store = room("folder"), room("persons"), room("store")
    if not data.is_dir():
        raise click.ClickException(f"There is no data folder {harmless(str(data))}.")
    try:
        with auditing.progress("rebuilding") as progress:
            count = room("rebuilding").rebuild(data, os.environ, progress)
    except (
        folder.FolderError,
        persons.PersonsError,
        store.StoreSettingsError,
        store.StoreUnavailableError,
    ) as error:
        raise click.ClickException(str(error)) from error
    entries = wording.count(count, "entry", "entries")
    page.line(f"The catalogue and the index are made anew, of {entries}.")
