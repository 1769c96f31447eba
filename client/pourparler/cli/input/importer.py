"""Puts a file of drafts on the record, line by line, and doubles nothing when repeated."""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from pourparler import v1 as pb
from pourparler.cli.input.import_lines import (
    Address,
    Line,
    delivery_id,
    parsed_line,
    request_id,
)
from pourparler.errors import (
    DeadlineExceededError,
    PourparlerError,
    ResourceExhaustedError,
    UnavailableError,
)
from pourparler.formats.draft_lines import LONGEST, BadLineError, NoteKind, Read, numbered

_IN_VAIN = "EARLIER_NOT_RECORDED"


class Recorder(Protocol):
    """The part of a client that an import uses."""

    def now(self) -> int:
        """Return the time of the clock of the service, in nanoseconds since 1970."""

    def record(self, negotiation: str, draft: pb.Draft, request_id: str) -> Future[pb.Receipt]:
        """Put one draft on the record, after those before it; wait until there is room for it."""

    def flush(self) -> None:
        """Answer all drafts soon, also if more of them would come."""


@dataclass(slots=True)
class Summary:
    """The result of an import."""

    recorded: int = 0
    already_there: int = 0
    refused: int = 0
    last_line: int = 0
    interrupted: bool = False
    away: PourparlerError | None = None
    """The error by which the service could not be reached, if that ended the import."""
    seconds: float = 0.0
    notes: dict[tuple[NoteKind, str], list[int]] = field(default_factory=dict)
    """The first line and the number of the content that was lost or inferred, by its kind and text.
    """

    @property
    def complete(self) -> bool:
        """Whether every line was tried, and none refused."""
        return not (self.refused or self.interrupted or self.away)


class Import:
    """One run over one file: all lines in their order, while those before are under way."""

    def __init__(
        self,
        recorder: Recorder,
        *,
        negotiation: str = "",
        keep_going: bool = False,
        renamed: str = "",
        refused: Callable[[int, PourparlerError | BadLineError], None],
        recorded: Callable[[Line, pb.Entry], None] = lambda _line, _entry: None,
        progress: Callable[[Summary, int], None] = lambda _summary, _reached: None,
    ) -> None:
        """Record with `recorder`; tell of each line, and how far the file is read.

        Lines without a negotiation are for `negotiation`. With `renamed`, all are recorded there.
        Unless it keeps going, the recorder fails what comes after a failure in its negotiation.
        """
        self._recorder = recorder
        self._address = Address(negotiation, renamed)
        self._keep_going = keep_going
        self._refused = refused
        self._recorded = recorded
        self._progress = progress
        self._lines: Counter[str] = Counter()  # of each negotiation
        self._versions: Counter[str] = Counter()  # the last one of each that is acknowledged
        self._began: int | None = None  # by the clock of the service
        self._interrupted = self._reading = False  # of run()'s own thread
        self._change = threading.Condition()  # guards all below it
        self._under_way = 0
        self._end: float = math.inf
        """No line from this number on is tried: all before the first refusal are."""
        self._fault: BaseException | None = None
        self.summary = Summary()

    def run(
        self, source: BinaryIO, read: Callable[[BinaryIO], Iterator[Read]] = numbered
    ) -> Summary:
        """Record what is read of a file; interrupted, finish what is under way and say so."""
        began = time.monotonic()
        for one in self._lines_of(read(source)):
            for note in one.notes:
                self.summary.notes.setdefault((note.kind, note.text), [note.number, 0])[1] += 1
            if isinstance(one.line, BadLineError) or one.line.strip():
                self._take(one)
            with self._change:
                self._progress(self.summary, one.reached)
                if self._end <= one.number:
                    break
        self._wait()
        if self._fault is not None:
            raise self._fault
        self.summary.seconds = time.monotonic() - began
        return self.summary

    def interrupt(self) -> None:
        """Try no more lines. For a handler of a signal in the thread of run(), at any step of it.

        Raises KeyboardInterrupt, only for run(), while it waits for input.
        """
        self._interrupted = True
        if self._reading:
            raise KeyboardInterrupt

    def _lines_of(self, lines: Iterator[Read]) -> Iterator[Read]:
        """Yield the lines until the end or an interruption."""
        while not self._interrupted:
            self._reading = True
            try:
                read = next(lines, None)
            except KeyboardInterrupt:
                break
            finally:
                self._reading = False
            if read is None:
                return
            yield read
        self.summary.interrupted = True

    def _wait(self) -> None:
        """Wait until nothing is under way."""
        self._recorder.flush()
        with self._change:
            self._change.wait_for(lambda: not self._under_way)

    def _take(self, one: Read) -> None:
        """Try a line."""
        try:
            line = _content(one)
            name, said, delivery = parsed_line(line)
            name = self._address.of(name)
        except BadLineError as error:
            if not self._keep_going:
                self._wait()  # what stands before it may be refused first
            with self._change:
                if one.number < self._end:
                    self._refuse(one.number, error)
            return
        self._lines[name] += 1
        id_ = (
            delivery_id(name, one.delivery or delivery)
            if one.delivery or delivery
            else request_id(name, self._lines[name], line)
        )
        self._record(Line(one.number, name, said, id_))

    def _record(self, line: Line) -> None:
        with self._change:
            self._under_way += 1
        answer: Future[pb.Receipt]
        try:
            if self._began is None:
                self._began = self._recorder.now()
            answer = self._recorder.record(line.negotiation, line.draft, line.request_id)
        except PourparlerError as error:
            answer = Future()
            answer.set_exception(error)
        except BaseException:
            with self._change:
                self._under_way -= 1
            raise
        answer.add_done_callback(lambda answer: self._answered(line, answer))

    def _answered(self, line: Line, answer: Future[pb.Receipt]) -> None:
        with self._change:
            try:
                self._count(line, answer)
            except BaseException as error:  # noqa: BLE001 - run() raises it: a future would lose it
                self._fault, self._end = error, 0
            finally:
                self._under_way -= 1
                self._change.notify_all()

    def _count(self, line: Line, answer: Future[pb.Receipt]) -> None:
        """Count what became of a line."""
        self.summary.last_line = max(self.summary.last_line, line.number)
        try:
            entry = answer.result().entries[0]
        except (UnavailableError, DeadlineExceededError, ResourceExhaustedError) as away:
            self.summary.away = self.summary.away or away
            self._end = 0
        except PourparlerError as error:
            if error.reason != _IN_VAIN:  # else it comes after the one that was refused
                self._refuse(line.number, error)
        else:
            # A repetition gets its first receipt: what that tells of was there before this run,
            # or before this line.
            version, last = entry.header.version, self._versions[line.negotiation]
            if entry.header.record_time.ToNanoseconds() < (self._began or 0) or 0 < version <= last:
                self.summary.already_there += 1
                return
            self._versions[line.negotiation] = version
            self.summary.recorded += 1
            self._recorded(line, entry)

    def _refuse(self, number: int, error: PourparlerError | BadLineError) -> None:
        """Count and tell a refusal. Called with the lock held, so that no two are told at once."""
        self.summary.refused += 1
        self.summary.last_line = max(self.summary.last_line, number)
        self._refused(number, error)
        if not self._keep_going:
            self._end = min(self._end, number)


def _content(one: Read) -> bytes:
    if isinstance(one.line, BadLineError):
        raise one.line
    if len(one.line) > LONGEST:
        raise BadLineError(f"The line is longer than {LONGEST:,} bytes.")
    return one.line
