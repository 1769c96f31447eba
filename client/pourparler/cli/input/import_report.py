"""The output of an import: refusals and progress while it runs, notes and a summary at its end."""

import json
import os
import stat
import sys
import time
from types import TracebackType
from typing import Any, BinaryIO, Self

from google.protobuf import json_format
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pourparler import v1 as pb
from pourparler.cli import errors
from pourparler.cli.input.import_lines import Line
from pourparler.cli.input.importer import Summary
from pourparler.cli.output import wording
from pourparler.cli.output.entry_descriptions import describe
from pourparler.cli.output.wording import Names
from pourparler.cli.terminal_escape import escaped
from pourparler.formats.draft_lines import NoteKind
from pourparler.rpc.batch import MAX_BATCH_DRAFTS

_EVERY = 0.1
"""How often progress is told at most, in seconds."""


class Reporter:
    """Tells of one import, on the error stream; what it came to, on the output."""

    def __init__(self, file: BinaryIO, *, dry: bool = False, as_json: bool = False) -> None:
        """Tell of the import of a file; of how far it is only in a terminal.

        A dry run also tells each entry that would be recorded.
        """
        self._dry = dry
        self._as_json = as_json
        self._name = escaped(str(getattr(file, "name", "-")))
        if self._name == "<stdin>":
            self._name = "-"
        console = Console(stderr=True, markup=False, highlight=False, emoji=False)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("importing", total=_size(file))
        self._told = 0.0

    def __enter__(self) -> Self:
        """Begin to tell how far it is."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Tell no more of how far it is."""
        self._progress.stop()

    def refused(self, number: int, error: Exception) -> None:
        """Tell of a refused line, as FILE:LINE: REASON: text (field)."""
        line = f"{self._name}:{number}: {errors.in_one_line(error)}"
        self._progress.console.print(line, soft_wrap=True)

    def recorded(self, line: Line, entry: pb.Entry) -> None:
        """Print the entry that would be recorded, in a dry run."""
        if not self._dry:
            return
        if self._as_json:
            said = json_format.MessageToDict(entry)
            told = {"line": line.number, "negotiation": line.negotiation, "entry": said}
            print(json.dumps(told, ensure_ascii=False))
            return
        known = wording.basis(entry.facts.provenance)
        where = f"{self._name}:{line.number}: {escaped(line.negotiation)} #{entry.header.version}"
        print(f"{where} ({known}): {escaped(str(describe(entry, Names())))}")

    def progress(self, summary: Summary, reached: int) -> None:
        """Tell how far it is."""
        now = time.monotonic()
        if now - self._told < _EVERY:
            return
        self._told = now
        done = summary.recorded + summary.already_there
        told = f"{done:,} recorded or there already, {summary.refused:,} refused"
        self._progress.update(self._task, completed=reached, description=told)

    def conclude(self, summary: Summary, *, unchecked: int = 0) -> int:
        """Tell what it came to, and what to do next; the exit code.

        A dry run could not apply the rules to the `unchecked` entries.
        """
        if self._as_json:
            print(json.dumps(self._totals(summary, unchecked)))
        elif self._dry:
            print(
                f"{summary.recorded:,} would be recorded, {summary.already_there:,} already there, "
                f"{summary.refused:,} refused. This was a dry run: nothing is recorded."
            )
        else:
            done = summary.recorded + summary.already_there
            rate = done / summary.seconds if summary.seconds else 0.0
            print(
                f"{summary.recorded:,} recorded, {summary.already_there:,} already there, "
                f"{summary.refused:,} refused; {summary.seconds:.1f} s, {rate:,.0f} a second."
            )
        for (kind, text), (number, count) in summary.notes.items():
            times = f" ({count:,} times)" if count > 1 else ""
            self._say(f"{self._name}:{number}: {kind.name}: {escaped(text)}{times}")
        if unchecked:
            self._say(
                f"No rule was applied to {wording.count(unchecked, 'entry', 'entries')}: the"
                f" service validates at most {MAX_BATCH_DRAFTS:,} entries of a negotiation."
            )
        return self._next(summary)

    def _totals(self, summary: Summary, unchecked: int) -> dict[str, Any]:
        told: dict[str, Any] = {
            "recorded": summary.recorded,
            "already_there": summary.already_there,
            "refused": summary.refused,
            "complete": summary.complete,
            "seconds": round(summary.seconds, 3),
        }
        if self._dry:
            told |= {"dry_run": True, "unchecked": unchecked}
        for kind in NoteKind:
            told[kind.value] = [
                {"text": text, "line": number, "count": count}
                for (of, text), (number, count) in summary.notes.items()
                if of is kind
            ]
        return told

    def _next(self, summary: Summary) -> int:
        again = "Repeat the same command to go on: nothing is lost, and nothing will be doubled."
        if summary.interrupted:
            self._say(f"Interrupted near line {summary.last_line:,}. {again}")
            return errors.INTERRUPTED
        if summary.away is not None:
            code = errors.report(summary.away)
            self._say(f"Stopped near line {summary.last_line:,}. {again}")
            return code
        if summary.refused:
            lines = wording.count(summary.refused, "line")
            self._say(
                f"{lines} refused. Mend the file in place, deleting no line, and repeat the same "
                "command: what is recorded is not doubled. --keep-going tells all refusals."
            )
            return errors.REFUSED
        return 0

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr)


def _size(file: BinaryIO) -> int | None:
    """How long a file is, where that is known."""
    try:
        status = os.fstat(file.fileno())
    except (OSError, AttributeError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
