"""The options of a verification, and its report: verdict, findings, exit code."""

import contextlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pourparler.cli.output import colors, wording
from pourparler.cli.output.page import Column, Page, Table
from pourparler.cli.terminal_escape import escaped
from pourparler.transparency.checkpoint import ED25519, CheckpointError, VerifierKey
from pourparler.transparency.findings import MAX_FINDINGS, Audit, Verdict

EXIT_CODES: Mapping[Verdict, int] = {
    Verdict.SOUND: 0,
    Verdict.MANIPULATED: 4,
    Verdict.INCOMPLETE: 5,
    Verdict.CANNOT_TELL: 6,
    Verdict.PARTIAL: 7,
}

_STYLES = {
    Verdict.SOUND: f"bold {colors.GOOD}",
    Verdict.MANIPULATED: f"bold {colors.BAD}",
    Verdict.INCOMPLETE: f"bold {colors.DOUBTFUL}",
    Verdict.CANNOT_TELL: f"bold {colors.DOUBTFUL}",
    Verdict.PARTIAL: f"bold {colors.GOOD}",
}
_SAYINGS = {
    Verdict.MANIPULATED: "the record is not the signed one, or it contradicts itself.",
    Verdict.INCOMPLETE: "a part is missing, so the rest is not proven.",
    Verdict.CANNOT_TELL: "the data for a verdict is missing.",
}
_STATELESS = " Its state was not compared with another."
_UNSEEN = (
    "The client cannot verify their content or the resulting state: they may correct or retract "
    "readable entries."
)

_Command = TypeVar("_Command", bound=Callable[..., Any])


class VerifierKeyType(click.ParamType[VerifierKey]):
    """A verifier key of a log."""

    name = "VKEY"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> VerifierKey:
        """Return the key."""
        if isinstance(value, VerifierKey):
            return value
        try:
            key = VerifierKey.parse(str(value).strip())
        except CheckpointError as error:
            self.fail(f"{error}.", param, ctx)
        if key.algorithm != ED25519:
            self.fail("this is the key of a witness, not of a log.", param, ctx)
        return key


def one_service(
    context: click.Context, option: click.Parameter, keys: tuple[VerifierKey, ...]
) -> tuple[VerifierKey, ...]:
    """Return the keys. Raises click.BadParameter if they belong to several services."""
    if len({key.name for key in keys}) > 1:
        raise click.BadParameter("the keys of one service go by one name.", context, option)
    return keys


def _text(context: click.Context, option: click.Parameter, path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{path} cannot be read: {error}.", context, option) from error


def options(command: _Command) -> _Command:
    """Add the options of a verification."""
    key = click.option(
        "--verifier-key",
        "keys",
        type=VerifierKeyType(),
        required=True,
        multiple=True,
        callback=one_service,
        help="Verifier key of the service. Obtain it from the operator, not from the service."
        " Repeatable; one matching key is enough.",
    )
    since = click.option(
        "--base-checkpoint",
        "since",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        callback=_text,
        help="Older checkpoint. The record must contain everything that it signed.",
    )
    save = click.option(
        "--save-checkpoint",
        "save",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Save the checkpoint here if the record is sound, for a later --base-checkpoint.",
    )
    return key(since(save(command)))


@contextlib.contextmanager
def progress(what: str = "checking") -> Iterator[Callable[[int, int], None]]:
    """Tells in a terminal how many entries were done, and of how many."""
    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    shown = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = shown.add_task(what)

    def tell(read: int, of: int) -> None:
        shown.update(task, completed=read, total=of or None)

    with shown:
        yield tell


def save(path: Path, text: str) -> None:
    """Write a file: in place of the older one at once, or not at all."""
    # tempfile would make a file that only its owner can read.
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with fresh.open("xb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise click.ClickException(
            f"{escaped(str(path))} cannot be written: {error.strerror}. Say another place."
        ) from error


def print_verdict(page: Page, audit: Audit, origin: str, *, compared: bool, as_json: bool) -> int:
    """Tell what an audit came to; the exit code.

    `compared` says whether a state was there to be compared.
    """
    if as_json:
        print(json.dumps(_in_json(audit, origin)))
        return EXIT_CODES[audit.verdict]
    entries = wording.count(audit.size, "entry", "entries")
    if audit.verdict is Verdict.SOUND:
        state = " The state is theirs." if compared else _STATELESS
        said = f"{entries} of {escaped(origin)}, just as they were signed for.{state}"
    elif audit.verdict is Verdict.PARTIAL:
        shown = f"{audit.size - len(audit.withheld):,} of {entries} of {escaped(origin)}"
        state = " The state is that of these." if compared else ""
        said = f"{shown} can be read, just as signed for; the rest is withheld.{state}"
    else:
        said = f"{_SAYINGS[audit.verdict]} {entries} of {escaped(origin)} were read."
    page.line(f"{audit.verdict.value.capitalize()}: {said}", _STYLES[audit.verdict])
    if audit.checkpoint is not None:
        page.line(f"checkpoint {audit.checkpoint.size} {audit.checkpoint.root.hex()}")
    rows = [
        (
            finding.verdict.value,
            finding.name,
            f"#{finding.version}" if finding.version else "-",
            escaped(finding.part) or "-",
            escaped(finding.text),
        )
        for finding in audit.findings
        if finding.name != "section withheld" or audit.verdict is not Verdict.PARTIAL
    ]
    if audit.withheld:
        page.line(f"section withheld: {wording.ranges(audit.withheld)}")
        page.line(_UNSEEN)
    if rows:
        columns = [Column(title) for title in ("verdict", "finding", "version", "part")]
        page.table(Table("Findings", [*columns, Column("what", text=True)], list(rows)))
    if len(audit.findings) == MAX_FINDINGS and rows:
        page.line(f"There may be more: these are the first {MAX_FINDINGS}.")
    return EXIT_CODES[audit.verdict]


def _in_json(audit: Audit, origin: str) -> dict[str, Any]:
    return {
        "verdict": audit.verdict.value,
        "origin": origin,
        "size": audit.size,
        "root": audit.root.hex(),
        "withheld": list(audit.withheld),
        "findings": [
            {
                "verdict": finding.verdict.value,
                "name": finding.name,
                "version": finding.version,
                "part": finding.part,
                "text": finding.text,
            }
            for finding in audit.findings
        ],
    }
