"""Bundles on the command line: where one is written to, and what is told of it."""

import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import click

from pourparler import v1 as pb
from pourparler.cli.output import wording
from pourparler.cli.output.page import Page
from pourparler.cli.terminal_escape import escaped
from pourparler.schema.contract import PARTS, entry_type, references, rule_of
from pourparler.transparency.bundle import MAGIC, BundleError, BundleReader
from pourparler.transparency.selection import Selection, SelectionError

STDOUT = Path("-")

_KIND = MAGIC.partition(b".")[0] + b"."
_MOST_CHOSEN = 1 << 20
_IN_MEMORY = 1 << 24  # bytes of a bundle that is held
_RANGE = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?", re.ASCII)

_Command = TypeVar("_Command", bound=Callable[..., Any])


class VersionsType(click.ParamType[Selection]):
    """The entries that are to be read: `3,7-9`."""

    name = "VERSIONS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Selection:
        """Return the selection of these versions."""
        chosen: set[int] = set()
        for one in str(value).split(","):
            found = _RANGE.fullmatch(one.strip())
            if found is None:
                self.fail(f"{one!r} is no version such as 7, and no range such as 7-9.", param, ctx)
            first, last = int(found[1]), int(found[2] or found[1])
            if last < first or last - first >= _MOST_CHOSEN:
                self.fail(f"{one!r} is no range that can be chosen.", param, ctx)
            chosen.update(range(first, last + 1))
        try:
            return Selection(chosen)
        except SelectionError as error:
            self.fail(str(error), param, ctx)


def output_option(command: _Command) -> _Command:
    """Add the option --output for a bundle."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
        metavar="FILE",
        required=True,
        help="New file to write. - is standard output.",
    )(command)


@contextlib.contextmanager
def bundle_errors() -> Iterator[None]:
    """Says why a bundle cannot be written, where it was no bundle or cannot be shown so."""
    try:
        yield
    except (BundleError, SelectionError) as error:
        raise click.ClickException(escaped(str(error))) from error


def private_copy(file: BinaryIO) -> BinaryIO:
    """Return a private copy of a bundle, so that the shown bytes are the verified ones."""
    copy = cast("BinaryIO", tempfile.SpooledTemporaryFile(_IN_MEMORY, mode="w+b"))  # noqa: SIM115
    click.get_current_context().call_on_close(copy.close)
    shutil.copyfileobj(file, copy)
    copy.seek(0)
    return copy


def entries(file: BinaryIO) -> Iterator[pb.Entry]:
    """Yield the readable entries of a verified copy."""
    file.seek(0)
    for stored in BundleReader(file).records():
        entry = pb.Entry.FromString(stored)
        if entry.HasField("facts"):
            yield entry


@contextlib.contextmanager
def new_file(path: Path, what: str = "bundle") -> Iterator[BinaryIO]:
    """Open a new file. It disappears if the block fails.

    No file is written over: an older bundle may be all that shows what the record once was.
    Nothing is written to a terminal: what was recorded could do something to it.
    """
    if path == STDOUT:
        if sys.stdout.isatty():
            raise click.UsageError(
                f"A {what} is binary and cannot go to a terminal. Name a file with --output FILE."
            )
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        file = path.open("xb")
    except FileExistsError:
        raise click.ClickException(
            f"There is a file {escaped(str(path))} already: a {what} is never written over. "
            "Name another file with --output."
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
    return click.ClickException(
        f"{escaped(str(path))} cannot be written: {error.strerror}."
        " Name another file with --output."
    )


def unknown(shown: Iterator[pb.Entry]) -> list[str]:
    """Return the parts that entries refer to and do not introduce: `participants/acme`."""
    brought: set[str] = set()
    named: dict[str, None] = {}
    for entry in shown:
        facts = entry.facts
        kind = entry_type(facts)
        for one in references(facts):
            named[f"{PARTS[one.kind]}/{escaped(one.id)}"] = None
        if kind is not None and kind.introduces is not None:
            key = getattr(getattr(facts, kind.name), kind.introduces.name)
            brought.add(f"{PARTS[rule_of(kind.introduces).introduces]}/{escaped(key)}")
    return [part for part in named if part not in brought]


def print_export(
    page: Page,
    path: Path,
    count: int,
    only: Selection | None = None,
    *,
    as_json: bool,
    proves: bool = True,
) -> None:
    """Print a summary of the export, unless the file itself went to standard output.

    Gaps in a selection go to stderr in any case.
    """
    if only is not None and not as_json:
        for gap in only.gaps:
            lacks = f"#{gap.version} is shown without #{gap.missing_version}"
            text = f"Note: {lacks}. {escaped(gap.text)}"
            print(text, file=sys.stderr)
    if path == STDOUT:
        return
    size = path.stat().st_size
    if as_json:
        said: dict[str, Any] = {"file": str(path), "entries": count, "bytes": size}
        if only is not None:
            said["shown"] = sorted(only.versions)
            said["gaps"] = [gap._asdict() for gap in only.gaps]
        print(json.dumps(said))
        return
    told_count = wording.count(count, "entry", "entries")
    shown = f", {len(only.versions):,} of them to be read," if only is not None else ""
    page.line(f"Exported {told_count}{shown} to {escaped(str(path))}, {size:,} bytes.")
    if proves and not page.plain:
        page.line("Check it with `pourparler verify FILE --verifier-key VKEY`.", "dim")


def is_bundle(file: BinaryIO) -> bool:
    """Whether a file begins as a bundle does, of whatever format; nothing of it is consumed."""
    peek = getattr(file, "peek", None)
    if peek is not None:
        return bool(peek(len(_KIND))[: len(_KIND)] == _KIND)
    start = file.read(len(_KIND))
    file.seek(-len(start), os.SEEK_CUR)
    return start == _KIND


def print_import(page: Page, copied: pb.ImportNegotiationResponse) -> None:
    """Tell what was copied."""
    name = escaped(copied.name.removeprefix("negotiations/"))
    new = wording.count(copied.entry_count, "entry is", "entries are")
    page.line(f"Copied {name}: {new} new, and it is at version {copied.version:,}.")
    if not page.plain:
        page.line("It is only read here. Check it with the key of the original:", "dim")
        page.line(f"pourparler audit {name} --verifier-key VKEY", "dim")
