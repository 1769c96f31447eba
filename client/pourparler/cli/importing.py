"""Puts a file of drafts on the record, line by line, and doubles nothing when repeated."""

import hashlib
import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple, Protocol

from pourparler import v1 as pb
from pourparler.cli.drafting import parsed
from pourparler.errors import (
    DeadlineExceeded,
    NotFound,
    Overloaded,
    PourparlerError,
    Unavailable,
)
from pourparler.values import negotiation_name

LONGEST = 4 << 20
"""The longest line, in bytes: several times the largest request of a service."""

AHEAD = 1_000
"""How many lines are read ahead of those that are recorded, whatever the length of the file ..."""

AHEAD_BYTES = 16 << 20
"""... and how many bytes."""


class Recorder(Protocol):
    """What an import needs of a client."""

    def version(self, negotiation: str) -> int:
        """The version of a negotiation; 0 if there is none."""

    def record(self, negotiation: str, draft: pb.Draft, request_id: str) -> pb.Receipt:
        """Put one draft on the record."""


class BadLineError(ValueError):
    """A line is not a draft."""


class Line(NamedTuple):
    """One line that can be tried."""

    number: int
    size: int
    negotiation: str
    draft: pb.Draft
    request_id: str


@dataclass(slots=True)
class Summary:
    """What an import came to."""

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
    """The request id of a line, permanent: the same for every repetition of the import."""
    said = f"{negotiation}\n{number}\n".encode() + line
    return f"import-{hashlib.sha256(said).hexdigest()[:32]}"


def draft(line: bytes) -> tuple[str, pb.Draft]:
    """What a line says: the negotiation, empty if it names none, and the draft."""
    try:
        said = json.loads(line)
    except RecursionError:
        raise BadLineError("The line is nested too deeply to be a draft.") from None
    except ValueError as error:
        raise BadLineError(f"The line is not JSON: {error}.") from None
    negotiation = said.pop("negotiation", "") if isinstance(said, dict) else ""
    if not isinstance(negotiation, str):
        raise BadLineError("The member negotiation has to be text, such as negotiations/my-talks.")
    try:
        return negotiation, parsed(said)
    except ValueError as error:
        raise BadLineError(f"The line is not a draft: {error}.") from None


def numbered(source: BinaryIO) -> Iterator[tuple[int, bytes, int]]:
    """The lines of a file without their ends, with their numbers and where in the file they end.

    Of a line that is too long only its beginning is kept, which tells that it is.
    """
    number = reached = 0
    while line := source.readline(LONGEST + 1):
        number += 1
        reached += len(line)
        kept = line.rstrip(b"\r\n")
        while not line.endswith(b"\n") and (line := source.readline(LONGEST + 1)):
            reached += len(line)
        yield number, kept, reached


@dataclass(slots=True)
class _Negotiation:
    """One negotiation of the file. Its lines are recorded one after the other."""

    name: str
    lines: int = 0
    version_before: int | None = None
    waiting: deque[Line] = field(default_factory=deque)
    under_way: bool = False


class Import:
    """One run over one file: several negotiations at once, the lines of each in their order."""

    def __init__(
        self,
        recorder: Recorder,
        *,
        negotiation: str = "",
        jobs: int = 4,
        keep_going: bool = False,
        refused: Callable[[int, PourparlerError | BadLineError], None],
        progress: Callable[[Summary, int], None] = lambda _summary, _reached: None,
    ) -> None:
        """Record with `recorder`; tell of each refused line, and how far the file is read."""
        self._recorder = recorder
        self._negotiation = negotiation_name(negotiation) if negotiation else ""
        self._jobs = jobs
        self._keep_going = keep_going
        self._refused = refused
        self._progress = progress
        self._negotiations: dict[str, _Negotiation] = {}
        # Guards all below it, and what waits of the negotiations.
        self._change = threading.Condition()
        self._ahead = self._ahead_bytes = 0
        self._end: float = math.inf
        """No line from this number on is tried: all before the first refusal are, nothing after."""
        self._fault: BaseException | None = None
        self.summary = Summary()

    def run(self, source: BinaryIO) -> Summary:
        """Record the lines of a file; interrupted, finish what is under way and say so."""
        began = time.monotonic()
        with ThreadPoolExecutor(self._jobs, "import") as pool:
            try:
                for number, line, reached in numbered(source):
                    if line.strip():
                        self._take(number, line, pool)
                    with self._change:
                        self._progress(self.summary, reached)
                        if self._end <= number:
                            break
                with self._change:
                    self._change.wait_for(lambda: not self._ahead)
            except KeyboardInterrupt:
                # Leaving the pool waits for the calls under way: at most one a job.
                self.summary.interrupted = True
                with self._change:
                    self._end = 0
        if self._fault is not None:
            raise self._fault
        self.summary.seconds = time.monotonic() - began
        return self.summary

    def _take(self, number: int, line: bytes, pool: ThreadPoolExecutor) -> None:
        """Let a line wait for its turn, when fewer than the limit do."""
        try:
            name, said = self._addressed(line)
        except BadLineError as error:
            with self._change:
                if not self._keep_going:
                    # What stands before it is tried first, and may be refused first.
                    self._change.wait_for(lambda: not self._ahead)
                if number < self._end:
                    self._refuse(number, error)
            return
        one = self._negotiations.setdefault(name, _Negotiation(name))
        one.lines += 1
        ready = Line(number, len(line), name, said, request_id(name, one.lines, line))
        with self._change:
            self._change.wait_for(lambda: self._ahead < AHEAD and self._ahead_bytes < AHEAD_BYTES)
            if self._end <= number:
                return
            self._ahead += 1
            self._ahead_bytes += ready.size
            one.waiting.append(ready)
            if not one.under_way:
                one.under_way = True
                pool.submit(self._record_waiting, one)

    def _addressed(self, line: bytes) -> tuple[str, pb.Draft]:
        """The negotiation that a line is for, and its draft."""
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

    def _record_waiting(self, one: _Negotiation) -> None:
        """Record the waiting lines of one negotiation until none waits."""
        while True:
            with self._change:
                if not one.waiting:
                    one.under_way = False
                    return
                line = one.waiting.popleft()
                tried = line.number < self._end
            try:
                if tried:
                    self._record(one, line)
            except BaseException as error:  # noqa: BLE001 - run() raises it: a thread would lose it
                with self._change:
                    self._fault, self._end = error, 0
            finally:
                with self._change:
                    self._ahead -= 1
                    self._ahead_bytes -= line.size
                    self._change.notify_all()

    def _record(self, one: _Negotiation, line: Line) -> None:
        receipt: pb.Receipt | None = None
        failure: PourparlerError | None = None
        try:
            if one.version_before is None:
                one.version_before = self._recorder.version(one.name)
            receipt = self._recorder.record(one.name, line.draft, line.request_id)
        except PourparlerError as error:
            failure = error
        with self._change:
            self.summary.last_line = max(self.summary.last_line, line.number)
            if receipt is not None:
                first = receipt.version - len(receipt.entries) + 1
                # A repetition gets its first receipt: what that tells of was there before this run.
                if first <= (one.version_before or 0):
                    self.summary.already_there += 1
                else:
                    self.summary.recorded += 1
            elif isinstance(failure, Unavailable | DeadlineExceeded | Overloaded):
                self.summary.away = self.summary.away or failure
                self._end = 0
            elif failure is not None:
                self._refuse(line.number, failure)

    def _refuse(self, number: int, error: PourparlerError | BadLineError) -> None:
        """Count and tell a refusal. Called with the lock held, so that no two are told at once."""
        self.summary.refused += 1
        self.summary.last_line = max(self.summary.last_line, number)
        self._refused(number, error)
        if not self._keep_going:
            self._end = min(self._end, number)


def version_of(read: Callable[[str], pb.GetNegotiationResponse], negotiation: str) -> int:
    """The version of a negotiation; 0 if there is none."""
    try:
        return int(read(negotiation).computed_at.version)
    except NotFound:
        return 0
