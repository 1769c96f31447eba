"""The recorders of an import: one that records, and one for a dry run."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.client import Client
from pourparler.errors import PourparlerError
from pourparler.rpc.batch import MAX_BATCH_BYTES, MAX_BATCH_DRAFTS
from pourparler.rpc.pending_requests import earlier_failure_error
from pourparler.rpc.sync_record_stream import RecordStream

_ROOM = 1 << 16  # for the rest of a request, in bytes
_PREFIX = "drafts["


class _Pending(NamedTuple):
    draft: pb.Draft
    request_id: str
    answer: Future[pb.Receipt]


@dataclass(slots=True)
class _Negotiation:
    """The drafts of one negotiation."""

    pending: list[_Pending] = field(default_factory=list)
    size: int = 0
    answers: dict[str, Future[pb.Receipt]] = field(default_factory=dict)
    last: int = 0  # the last version that its entries would have
    is_long: bool = False
    failed: bool = False


class LiveRun:
    """Records drafts through a stream."""

    unchecked = 0

    def __init__(self, client: Client, stream: RecordStream) -> None:
        self._client = client
        self._stream = stream

    def now(self) -> int:
        """Return the time of the clock of the service, in nanoseconds since 1970."""
        return _now(self._client)

    def record(self, negotiation: str, draft: pb.Draft, request_id: str) -> Future[pb.Receipt]:
        """Record a draft after those before it. Wait until there is room for it."""
        return self._stream.record(negotiation, draft, request_id=request_id)

    def flush(self) -> None:
        """Do nothing: the stream sends each draft at once."""


class DryRun:
    """Validates drafts and records nothing. Its receipts are not signed.

    A draft may need the ones before it, so the service validates those of a negotiation together.
    """

    def __init__(self, client: Client, *, keep_going: bool) -> None:
        """Validate with a client. Unless it keeps going, what follows a refusal fails too."""
        self._client = client
        self._keep_going = keep_going
        self._began = 0
        self._negotiations: dict[str, _Negotiation] = {}
        self.unchecked = 0
        """The number of drafts that no request had room for, so that no rule was applied."""

    def now(self) -> int:
        """Return the time of the clock of the service, in nanoseconds since 1970."""
        self._began = _now(self._client)
        return self._began

    def record(self, negotiation: str, draft: pb.Draft, request_id: str) -> Future[pb.Receipt]:
        """Return the future of the receipt that the draft would get."""
        of = self._negotiations.setdefault(negotiation, _Negotiation())
        if request_id in of.answers:
            return of.answers[request_id]
        answer: Future[pb.Receipt] = Future()
        of.answers[request_id] = answer
        size = draft.ByteSize()
        is_full = of.size + size > MAX_BATCH_BYTES - _ROOM or len(of.pending) == MAX_BATCH_DRAFTS
        if of.pending and is_full:
            self._answer(negotiation, of)
        of.pending.append(_Pending(draft, request_id, answer))
        of.size += size
        return answer

    def flush(self) -> None:
        """Answer all drafts."""
        for negotiation, of in self._negotiations.items():
            self._answer(negotiation, of)

    def _answer(self, negotiation: str, of: _Negotiation) -> None:
        pending, of.pending, of.size = of.pending, [], 0
        if of.failed:
            _fail(pending)
            return
        fresh = self._not_known(negotiation, of, pending)
        if of.is_long:
            self._answer_unchecked(of, fresh)
            return
        # A later flush could not validate more drafts without these.
        of.is_long = bool(fresh)
        while fresh:
            try:
                receipt = self._client.record(
                    negotiation, *(one.draft for one in fresh), validate_only=True
                )
            except PourparlerError as error:
                place = _place(error)
                if place is None or place >= len(fresh):
                    place = 0  # it concerns the whole request, and so the first one
                else:
                    field_ = error.field.replace(f"{_PREFIX}{place}]", f"{_PREFIX}0]", 1)
                    error.metadata["field"] = field_
                refused = fresh.pop(place)
                if not self._keep_going:
                    of.failed = True
                    _fail(fresh[place:])
                    del fresh[place:]
                refused.answer.set_exception(error)
            else:
                for one, entry in zip(fresh, receipt.entries, strict=True):
                    of.last = max(of.last, entry.header.version)
                    one.answer.set_result(pb.Receipt(entries=[entry]))
                return

    def _not_known(
        self, negotiation: str, of: _Negotiation, pending: Sequence[_Pending]
    ) -> list[_Pending]:
        """Answer those that are on the record with their first receipts. Return the others."""
        fresh = []
        with self._client.record_stream() as stream:
            asked = [
                stream.record(negotiation, one.draft, request_id=one.request_id, validate_only=True)
                for one in pending
            ]
        for one, answer in zip(pending, asked, strict=True):
            receipt = answer.result() if answer.exception() is None else None
            first = receipt.entries[0].header if receipt is not None else None
            if first is not None and first.record_time.ToNanoseconds() < self._began:
                of.last = max(of.last, first.version)
                one.answer.set_result(pb.Receipt(entries=receipt.entries if receipt else ()))
            else:
                fresh.append(one)
        return fresh

    def _answer_unchecked(self, of: _Negotiation, fresh: Sequence[_Pending]) -> None:
        for one in fresh:
            self.unchecked += 1
            of.last += 1
            entry = pb.Entry(facts=one.draft.facts, words=one.draft.words)
            entry.header.version = of.last
            entry.header.record_time.FromNanoseconds(self._began)
            one.answer.set_result(pb.Receipt(entries=[entry]))


def _now(client: Client) -> int:
    """Return the time of the clock of the service, in nanoseconds since 1970."""
    # A request that is only validated returns the clock.
    would_be = client.open_negotiation("What time is it?", validate_only=True).entries[0]
    return would_be.header.record_time.ToNanoseconds()


def _fail(pending: Sequence[_Pending]) -> None:
    for one in pending:
        one.answer.set_exception(earlier_failure_error())


def _place(error: PourparlerError) -> int | None:
    """Return the place of the draft that a request was refused for."""
    place = error.field.removeprefix(_PREFIX).partition("]")[0]
    return int(place) if error.field.startswith(_PREFIX) and place.isdecimal() else None
