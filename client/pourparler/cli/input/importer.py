"""Puts a file of drafts on the record, line by line, and doubles nothing when repeated."""

import hashlib
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, Protocol

from pourparler import v1 as pb
from pourparler.cli.input.draft_files import parsed
from pourparler.drafts.values import negotiation_name
from pourparler.errors import (
    DeadlineExceededError,
    PourparlerError,
    ResourceExhaustedError,
    UnavailableError,
)
from pourparler.formats.draft_lines import (
    LONGEST,
    BadLineError,
    Read,
    draft_of,
    entry_of,
    loaded,
    numbered,
)

_IN_VAIN = "EARLIER_NOT_RECORDED"


class Recorder(Protocol):
    """The part of a client that an import uses."""

    def now(self) -> int:
        """Return the time of the clock of the service, in nanoseconds since 1970."""

    def record(self, negotiation: str, draft: pb.Draft, request_id: str) -> Future[pb.Receipt]:
        """Put one draft on the record, after those before it; wait until there is room for it."""


class Line(NamedTuple):
    """One line that can be tried."""

    number: int
    negotiation: str
    draft: pb.Draft
    request_id: str


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

    @property
    def complete(self) -> bool:
        """Whether every line was tried, and none refused."""
        return not (self.refused or self.interrupted or self.away)


def request_id(negotiation: str, number: int, line: bytes) -> str:
    """Return the request id of a line. It is permanent: a repeated import sends the same ids."""
    said = f"{negotiation}\n{number}\n".encode() + line
    return f"import-{hashlib.sha256(said).hexdigest()[:32]}"


def draft(line: bytes) -> tuple[str, pb.Draft]:
    """Return the negotiation of a line, "" if it names none, and the draft.

    A line with a header is an entry that was exported: what is the service's own is not kept.
    """
    said = loaded(line, "The line")
    if isinstance(said, dict) and "header" in said:
        return draft_of(entry_of(said))
    negotiation = said.pop("negotiation", "") if isinstance(said, dict) else ""
    if not isinstance(negotiation, str):
        raise BadLineError("The member negotiation has to be text, such as negotiations/my-talks.")
    try:
        return negotiation, parsed(said)
    except ValueError as error:
        raise BadLineError(f"The line is not a draft: {error}.") from None


class Import:
    """One run over one file: all lines in their order, while those before are under way."""

    def __init__(
        self,
        recorder: Recorder,
        *,
        negotiation: str = "",
        keep_going: bool = False,
        refused: Callable[[int, PourparlerError | BadLineError], None],
        progress: Callable[[Summary, int], None] = lambda _summary, _reached: None,
    ) -> None:
        """Record with `recorder`; tell of each refused line, and how far the file is read.

        Unless it keeps going, the recorder fails what comes after a failure in its negotiation.
        """
        self._recorder = recorder
        self._negotiation = negotiation_name(negotiation) if negotiation else ""
        self._keep_going = keep_going
        self._refused = refused
        self._progress = progress
        self._lines: Counter[str] = Counter()  # of each negotiation
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
        for number, line, reached in self._lines_of(read(source)):
            if isinstance(line, BadLineError) or line.strip():
                self._take(number, line)
            with self._change:
                self._progress(self.summary, reached)
                if self._end <= number:
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
        with self._change:
            self._change.wait_for(lambda: not self._under_way)

    def _take(self, number: int, line: bytes | BadLineError) -> None:
        """Try a line."""
        try:
            if isinstance(line, BadLineError):
                raise line
            name, said = self._addressed(line)
        except BadLineError as error:
            if not self._keep_going:
                self._wait()  # what stands before it may be refused first
            with self._change:
                if number < self._end:
                    self._refuse(number, error)
            return
        self._lines[name] += 1
        self._record(Line(number, name, said, request_id(name, self._lines[name], line)))

    def _addressed(self, line: bytes) -> tuple[str, pb.Draft]:
        """Return the negotiation of a line, and its draft."""
        if len(line) > LONGEST:
            raise BadLineError(f"The line is longer than {LONGEST:,} bytes.")
        named, said = draft(line)
        name = negotiation_name(named) if named else self._negotiation
        if not name:
            raise BadLineError(
                "The line does not say which negotiation it is for, and neither does --negotiation."
            )
        if self._negotiation and name != self._negotiation:
            raise BadLineError(f"The line is for {name}, not for {self._negotiation}.")
        return name, said

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
            first = answer.result().entries[0].header
        except (UnavailableError, DeadlineExceededError, ResourceExhaustedError) as away:
            self.summary.away = self.summary.away or away
            self._end = 0
        except PourparlerError as error:
            if error.reason != _IN_VAIN:  # else it comes after the one that was refused
                self._refuse(line.number, error)
        else:
            # A repetition gets its first receipt: what that tells of was there before this run.
            if first.record_time.ToNanoseconds() < (self._began or 0):
                self.summary.already_there += 1
            else:
                self.summary.recorded += 1

    def _refuse(self, number: int, error: PourparlerError | BadLineError) -> None:
        """Count and tell a refusal. Called with the lock held, so that no two are told at once."""
        self.summary.refused += 1
        self.summary.last_line = max(self.summary.last_line, number)
        self._refused(number, error)
        if not self._keep_going:
            self._end = min(self._end, number)
