"""Pages for a browser on the command line: where one is written to, and what is told of it."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from pourparler.cli.output import verdicts, wording
from pourparler.cli.output.bundles import STDOUT
from pourparler.cli.output.page import Page
from pourparler.cli.terminal_escape import escaped
from pourparler.schema import edtf
from pourparler.state.fold import UnknownEntryError
from pourparler.transparency.bundle import BundleError
from pourparler.transparency.checkpoint import VerifierKey

_NEEDED = frozenset({"jinja2", "markupsafe", "vl_convert"})


def write(
    page: Page,
    path: Path,
    data: bytes,
    keys: Sequence[VerifierKey],
    *,
    on: str | None,
    as_of: int | None,
    as_json: bool,
) -> int:
    """Write the page of the record in a bundle; the exit code."""
    try:
        # Imported here: only this command needs it, and it takes a while.
        from pourparler.cli.report.render import make  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        raise click.ClickException(
            f"A report needs {error.name}: install it with `pip install 'pourparler[report]'`."
        ) from None
    day = on or datetime.now(UTC).date().isoformat()
    try:
        edtf.bounds(day)
        made = make(data, keys, on=day, as_of=as_of)
    except edtf.InvalidDateError as error:
        raise click.BadParameter(f"{error}.", param_hint="--on") from error
    except (BundleError, UnknownEntryError) as error:
        raise click.ClickException(escaped(str(error))) from error
    code = verdicts.EXIT_CODES[made.audit.verdict] if made.audit is not None else 0
    if path == STDOUT:
        sys.stdout.buffer.write(made.text.encode())
        sys.stdout.buffer.flush()
        return code
    verdicts.save(path, made.text)
    verdict = made.audit.verdict.value if made.audit is not None else "not verified"
    if as_json:
        print(json.dumps({"file": str(path), "entries": made.entries, "verification": verdict}))
        return code
    entries = wording.count(made.entries, "entry", "entries")
    page.line(f"Wrote {escaped(str(path))}, a page of {entries}. Record: {verdict}.")
    return code
