"""What an audit is asked on the command line, and how it is told: verdict, findings, exit code."""

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
from pourparler.cli.terminal_escape import harmless
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
    Verdict.MANIPULATED: "this is not what was signed for, or it contradicts itself.",
    Verdict.INCOMPLETE: "something is missing; that the rest is as it was, is not shown.",
    Verdict.CANNOT_TELL: "what is needed to tell is not here.",
}
_STATELESS = " Its state was not compared with any."
_UNSEEN = (
    "What these say cannot be checked, nor what state all come to: they may correct or take back "
    "what can be read."
)

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Key(click.ParamType[VerifierKey]):
    """A verifier key of a log."""

    name = "VKEY"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> VerifierKey:
        """The key."""
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
    """The keys, seen to be those of one service."""
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
    """The options of every audit: --key, --since and --save."""
    key = click.option(
        "--key",
        "keys",
        type=Key(),
        required=True,
        multiple=True,
        callback=one_service,
        help="A verifier key of the service, had by another way than from it; one of several does.",
    )
    since = click.option(
        "--since",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        callback=_text,
        help="An older checkpoint: the record has to begin with what it signed for.",
    )
    save = click.option(
        "--save",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Keep the checkpoint here, for the next --since, if all is sound.",
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
    # By its name, for tempfile makes what only its owner can read.
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
            f"{harmless(str(path))} cannot be written: {error.strerror}. Say another place."
        ) from error


def tell(page: Page, audit: Audit, origin: str, *, compared: bool, as_json: bool) -> int:
    """Tell what an audit came to; the exit code.

    `compared` says whether a state was there to be compared.
    """
    if as_json:
        print(json.dumps(_in_json(audit, origin)))
        return EXIT_CODES[audit.verdict]
    entries = wording.count(audit.size, "entry", "entries")
    if audit.verdict is Verdict.SOUND:
        state = " The state is theirs." if compared else _STATELESS
        said = f"{entries} of {harmless(origin)}, just as they were signed for.{state}"
    elif audit.verdict is Verdict.PARTIAL:
        shown = f"{audit.size - len(audit.withheld):,} of {entries} of {harmless(origin)}"
        state = " The state is that of these." if compared else ""
        said = f"{shown} can be read, just as signed for; the rest is withheld.{state}"
    else:
        said = f"{_SAYINGS[audit.verdict]} {entries} of {harmless(origin)} were read."
    page.line(f"{audit.verdict.value.capitalize()}: {said}", _STYLES[audit.verdict])
    if audit.checkpoint is not None:
        page.line(f"checkpoint {audit.checkpoint.size} {audit.checkpoint.root.hex()}")
    rows = [
        (
            finding.verdict.value,
            finding.name,
            f"#{finding.version}" if finding.version else "-",
            harmless(finding.part) or "-",
            harmless(finding.text),
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
