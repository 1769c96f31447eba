"""Bundles on the command line: where one is written to, and what is told of it."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from pourparler import v1 as pb
from pourparler.bundle import MAGIC
from pourparler.cli import wording
from pourparler.cli.page import Page
from pourparler.cli.safe import harmless

STDOUT = Path("-")

_KIND = MAGIC.partition(b".")[0] + b"."


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
    try:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
        except OSError as error:
            raise _unwritable(path, error) from error
        finally:
            with contextlib.suppress(OSError):  # the same once more, where there is no room
                file.close()
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


def is_bundle(file: BinaryIO) -> bool:
    """Whether a file begins as a bundle does, of whatever format; nothing of it is consumed."""
    peek = getattr(file, "peek", None)
    if peek is not None:
        return bool(peek(len(_KIND))[: len(_KIND)] == _KIND)
    start = file.read(len(_KIND))
    file.seek(-len(start), os.SEEK_CUR)
    return start == _KIND


def told_of_copy(page: Page, copied: pb.CopyResponse) -> None:
    """Tell what was copied."""
    name = harmless(copied.name.removeprefix("negotiations/"))
    new = wording.count(copied.entry_count, "entry is", "entries are")
    page.line(f"Copied {name}: {new} new, and it is at version {copied.version:,}.")
    if not page.plain:
        page.line("It is only read here. Check it with the key of the original:", "dim")
        page.line(f"pourparler audit {name} --key VKEY", "dim")
