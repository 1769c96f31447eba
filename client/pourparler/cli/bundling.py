"""Bundles on the command line: where one is written to, and what is told of it."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from pourparler.cli import wording
from pourparler.cli.page import Page
from pourparler.cli.safe import harmless

STDOUT = Path("-")


@contextlib.contextmanager
def fresh(path: Path) -> Iterator[BinaryIO]:
    """A new file to be written, that is gone again if it does not come to its end.

    No file is written over: an older bundle may be all that shows what the record once was.
    """
    if path == STDOUT:
        if sys.stdout.isatty():
            raise click.UsageError("A bundle is not text for a terminal: say -o FILE, or a pipe.")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        file = path.open("xb")
    except FileExistsError:
        raise click.ClickException(
            f"There is a file {harmless(str(path))} already: a bundle is never written over."
        ) from None
    except OSError as error:
        raise _unwritable(path, error) from error
    with _removed_on_failure(path), file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
        except OSError as error:
            raise _unwritable(path, error) from error


@contextlib.contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _unwritable(path: Path, error: OSError) -> click.ClickException:
    return click.ClickException(f"{harmless(str(path))} cannot be written: {error.strerror}.")


def told(page: Page, path: Path, count: int, *, as_json: bool) -> None:
    """Tell what was exported, unless the bundle itself went where that would go."""
    if path == STDOUT:
        return
    size = path.stat().st_size
    if as_json:
        print(json.dumps({"file": str(path), "entries": count, "bytes": size}))
        return
    entries = wording.count(count, "entry", "entries")
    page.line(f"Exported {entries} to {harmless(str(path))}, {size:,} bytes.")
    if not page.plain:
        page.line("Anybody who has the key can check it: pourparler verify FILE --key VKEY", "dim")
