"""The client: what a program asks of the service, as calls that wait for their answer."""
# ruff: noqa: A002 (the id of a negotiation is called id)

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar, Unpack

import grpc

from pourparler import errors
from pourparler import v1 as pb
from pourparler.drafts.builders import Common, opening
from pourparler.drafts.values import Choice, Point, Ref, Refs, negotiation_name
from pourparler.formats import notebook
from pourparler.formats.dataframe import frame
from pourparler.rpc import requests, write_sessions
from pourparler.rpc.credentials import Credentials
from pourparler.rpc.requests import Budget, Progress, Watching
from pourparler.rpc.write_sessions import Asked, Batch, Unanswered
from pourparler.transparency.audit_exchange import Auditing
from pourparler.transparency.auditor import Audit
from pourparler.transparency.checkpoint import VerifierKey
from pourparler.transparency.export_exchange import Exporting
from pourparler.transparency.selection import Selection
from pourparler.transparency.trust import Check, trusting, version_of
from pourparler.v1.audit_service_pb2_grpc import AuditServiceStub
from pourparler.v1.negotiation_service_pb2_grpc import NegotiationServiceStub
from pourparler.v1.privacy_service_pb2_grpc import PrivacyServiceStub
from pourparler.v1.record_service_pb2_grpc import RecordServiceStub

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")

_LOOK_SECONDS = 0.5


class Client:
    """A client of the service. It connects with its first call, and may be shared by threads.

    `timeout` is what a call may take in all, in seconds: a call that cannot reach the service, or
    is asked to come back later, is tried again within it, always with the same request id. For a
    history it is what its first entries may take.

    A negotiation is named with or without `negotiations/`. `as_of` is a version, an instant at
    which the record was as it is asked for, or `as_of(...)`; `occurred` is the date, in EDTF or as
    a day, by the end of which it had happened. What fails raises a PourparlerError.

    With `keys`, those with which the service signs its logs, its answers are not simply believed:
    receipts and the latest states have to be backed by a signed log that goes on from what was seen
    of it before, or they raise a TrustError. What was seen is remembered in the file `trust_store`,
    which processes may share, or else for as long as this client lasts.

    `root_certificates` are those of the authorities to trust with the service's; `certificate` and
    `key` are the client's own, and all three are files in PEM. `token` is one, or a callable that
    gives one: it is asked when there is none, and again when the service says that it has expired.
    With any of these the connection is TLS: a token is never sent otherwise.
    """

    def __init__(
        self,
        target: str = requests.TARGET,
        *,
        timeout: float = requests.TIMEOUT,
        keys: Iterable[VerifierKey | str] = (),
        trust_store: Path | str | None = None,
        root_certificates: Path | str | None = None,
        certificate: Path | str | None = None,
        key: Path | str | None = None,
        token: str | Callable[[], str] | None = None,
    ) -> None:
        self._timeout = timeout
        self._trust = trusting(keys, trust_store)
        self._credentials = Credentials(root_certificates, certificate, key, token)
        self._closed = False
        self._channel = self._connection(target)
        self._records = RecordServiceStub(self._channel)
        self._negotiations = NegotiationServiceStub(self._channel)
        self._audits = AuditServiceStub(self._channel)
        self._privacy = PrivacyServiceStub(self._channel)
        self._receipts: grpc.UnaryUnaryMultiCallable[pb.RecordEntriesRequest, bytes] = (
            self._channel.unary_unary(
                requests.RECORD, request_serializer=pb.RecordEntriesRequest.SerializeToString
            )
        )
        self._sessions: Any = self._channel.stream_stream(
            requests.SESSION, request_serializer=pb.StreamRecordEntriesRequest.SerializeToString
        )
        self._batches: grpc.UnaryUnaryMultiCallable[pb.BatchRecordEntriesRequest, bytes] = (
            self._channel.unary_unary(
                requests.BATCH, request_serializer=pb.BatchRecordEntriesRequest.SerializeToString
            )
        )
        self._replays = self._channel.unary_stream(
            requests.REPLAY,
            request_serializer=pb.ReplayEntriesRequest.SerializeToString,
            response_deserializer=pb.Records.FromString,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection, and give up the calls that are under way."""
        self._closed = True
        self._channel.close()

    def open(
        self,
        title: str,
        *drafts: pb.Draft,
        id: str | None = None,
        purpose: str = "",
        acceptance_rule: Choice = "all_addressees",
        predecessor: str = "",
        request_id: str | None = None,
        validate_only: bool = False,
        **common: Unpack[Common],
    ) -> pb.Receipt:
        """Open a negotiation, in one group with its first entries; its name is in the receipt.

        Whoever repeats it by its request id says the same again, `occurred` too: now has moved on.
        """
        first = opening(
            title,
            purpose=purpose,
            acceptance_rule=acceptance_rule,
            predecessor=predecessor,
            **common,
        )
        return self._record(
            requests.open_request(id, [first, *drafts], request_id, validate_only=validate_only)
        )

    def record(
        self,
        name: str,
        *drafts: pb.Draft,
        request_id: str | None = None,
        expected_version: int | None = None,
        validate_only: bool = False,
    ) -> pb.Receipt:
        """Record a group of entries: all of them or, when any is refused, none."""
        request = requests.group(
            name,
            *drafts,
            request_id=request_id,
            expected_version=expected_version,
            validate_only=validate_only,
        )
        return self._record(request)

    def record_batch(
        self, groups: Iterable[pb.RecordEntriesRequest]
    ) -> list[pb.Receipt | errors.PourparlerError]:
        """Record groups of any negotiations, each on its own: `record_batch([group(name, ...)])`.

        It gives, in the order of the groups, the receipt of each or the error with which it has
        failed; whatever becomes of one, the others are recorded. They are sent in calls of at most
        1,000 drafts or 1 MiB, each of which has the timeout to itself. When the service stays away,
        all that is left fails.
        """
        batch = Batch(groups, self._timeout, renews=self._credentials.renews)
        while (request := batch.request()) is not None:
            self._check_open()
            try:
                shown = self._credentials.shown()
                response = self._batches(request, timeout=batch.left(), metadata=shown)
                self._take_outcomes(batch, response)
            except errors.PourparlerError as error:
                batch.failed(error)
            except grpc.RpcError as failure:
                batch.failed(errors.of_call(failure))
            time.sleep(batch.pause())
        return batch.outcomes()

    def session(self, *, stop_on_failure: bool = False) -> "Session":
        """Record many groups without waiting for the receipt of each before the next: a context.

        Its `record` gives futures, at once while fewer than 256 groups have no answer. The groups
        are recorded in their order, each on its own. What the service did not answer is sent to it
        again, as with any call, and what it can never answer fails alone. With `stop_on_failure`
        all groups of a negotiation fail that come after one that has failed.
        """
        unanswered: Unanswered[Future[pb.Receipt]] = Unanswered(
            self._timeout, stop_on_failure=stop_on_failure, renews=self._credentials.renews
        )
        return Session(self._send, self._backed, unanswered)

    def get(
        self,
        name: str,
        *,
        as_of: Point | None = None,
        occurred: date | str | None = None,
        view: Choice = "full",
        viewer_participant_id: Ref = "",
    ) -> pb.GetNegotiationResponse:
        """Get the state of a negotiation, now or as it was: `get(name, as_of=11).negotiation`.

        In all reads, `viewer_participant_id` limits the answer to what that participant may see.
        """
        request = requests.get_request(name, as_of, occurred, view, viewer_participant_id)
        before = self._seen(request)
        answer = self._call(self._negotiations.GetNegotiation, request)
        self._check_latest(request, answer, before)
        return answer

    def history(
        self,
        name: str,
        *,
        after: int = 0,
        as_of: Point | None = None,
        occurred: date | str | None = None,
        types: str | Iterable[str] = (),
        participants: Refs = (),
        topics: Refs = (),
        bases: Choice | Iterable[Choice] = (),
        reverse: bool = False,
        limit: int | None = None,
        viewer_participant_id: Ref = "",
    ) -> "History":
        """Replay the entries of a negotiation, or of all (`"-"`), that meet every filter given."""
        progress = Progress()
        request = requests.replay_request(
            name,
            after=after,
            as_of=as_of,
            occurred=occurred,
            types=types,
            participants=participants,
            topics=topics,
            bases=bases,
            reverse=reverse,
            limit=limit,
            viewer_participant_id=viewer_participant_id,
        )
        return History(self._replay(request, progress), progress)

    def watch(
        self,
        name: str,
        *,
        after: int = 0,
        cursor: str = "",
        types: str | Iterable[str] = (),
        participants: Refs = (),
        bases: Choice | Iterable[Choice] = (),
        viewer_participant_id: Ref = "",
    ) -> "Watch":
        """Watch the entries of a negotiation: those on the record, then those that come.

        `watch("-")` watches all negotiations, in the order in which they are recorded. A connection
        that breaks, or from which nothing is heard, is made anew, and the watch goes on where it
        was; it raises Unavailable when that takes longer than the timeout. `cursor` is that of an
        earlier watch of the same, which this one continues, in the place of `after`: nothing is
        left out, and nothing comes twice.
        """
        request = requests.watch_request(
            name,
            after=after,
            cursor=cursor,
            types=types,
            participants=participants,
            bases=bases,
            viewer_participant_id=viewer_participant_id,
        )
        place = Watching(request)
        return Watch(self._watch(place), place)

    def standing(
        self,
        name: str,
        *,
        as_of: Point | None = None,
        occurred: date | str | None = None,
        on: date | str | None = None,
        viewer_participant_id: Ref = "",
    ) -> pb.GetStatusReportResponse:
        """Get what is agreed, what is proposed, who must answer, and who owes what `on` a date."""
        request = requests.standing_request(name, as_of, occurred, on, viewer_participant_id)
        before = self._seen(request)
        answer = self._call(self._negotiations.GetStatusReport, request)
        self._check_latest(request, answer, before)
        return answer

    def diff(
        self,
        name: str,
        *,
        start: Point | None = None,
        end: Point | None = None,
        viewer_participant_id: Ref = "",
    ) -> pb.DiffNegotiationResponse:
        """Get what changed between two points, and what goes back on something earlier."""
        request = requests.diff_request(name, start, end, viewer_participant_id)
        return self._call(self._negotiations.DiffNegotiation, request)

    def list(
        self,
        *,
        statuses: Choice | Iterable[Choice] = (),
        outcomes: Choice | Iterable[Choice] = (),
        participant: str = "",
        title_contains: str = "",
        open_start_time: datetime | None = None,
        open_end_time: datetime | None = None,
        page_size: int = 0,
        viewer_participant_id: Ref = "",
    ) -> Iterator[pb.NegotiationSummary]:
        """List the negotiations that meet every filter given, in the order of their opening."""
        request = requests.list_request(
            statuses=statuses,
            outcomes=outcomes,
            participant=participant,
            title_contains=title_contains,
            open_start_time=open_start_time,
            open_end_time=open_end_time,
            page_size=page_size,
            viewer_participant_id=viewer_participant_id,
        )
        return self._pages(request)

    def _pages(self, request: pb.ListNegotiationsRequest) -> Iterator[pb.NegotiationSummary]:
        while True:
            page = self._call(self._negotiations.ListNegotiations, request)
            yield from page.negotiations
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def search(
        self,
        query: str = "",
        *,
        names: str | Iterable[str] = (),
        speakers: Refs = (),
        participants: Refs = (),
        topics: Refs = (),
        types: str | Iterable[str] = (),
        bases: Choice | Iterable[Choice] = (),
        occur_start_date: date | str | None = None,
        occur_end_date: date | str | None = None,
        occurred_match: Choice = "possible",
        record_start_time: datetime | None = None,
        record_end_time: datetime | None = None,
        only_current: bool = False,
        order: Choice | None = None,
        page_size: int = 0,
        viewer_participant_id: Ref = "",
    ) -> "Search":
        """Search the words of entries, over all negotiations that the caller sees or over `names`.

        `search('"fixed rent" crane* -lease', types="statement_recorded")`: SearchEntriesRequest in
        the contract says what can be looked for. Pages are asked for as their hits are wanted.
        """
        request = requests.search_request(
            query,
            names=names,
            speakers=speakers,
            participants=participants,
            topics=topics,
            types=types,
            bases=bases,
            occur_start_date=occur_start_date,
            occur_end_date=occur_end_date,
            occurred_match=occurred_match,
            record_start_time=record_start_time,
            record_end_time=record_end_time,
            only_current=only_current,
            order=order,
            page_size=page_size,
            viewer_participant_id=viewer_participant_id,
        )
        negotiations: dict[str, pb.SearchedNegotiation] = {}
        return Search(self._found(request, negotiations), negotiations)

    def _found(
        self,
        request: pb.SearchEntriesRequest,
        negotiations: dict[str, pb.SearchedNegotiation],
    ) -> Iterator[pb.SearchHit]:
        while True:
            page = self._call(self._negotiations.SearchEntries, request)
            negotiations.update((one.name, one) for one in page.negotiations)
            yield from page.hits
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def checkpoint(self, name: str) -> str:
        """Get the signed checkpoint of a negotiation's log as it is now, to be kept."""
        request = pb.GetCheckpointRequest(name=negotiation_name(name))
        before = self._trust.seen(request.name) if self._trust is not None else 0
        signed = self._call(self._audits.GetCheckpoint, request).checkpoint
        if self._trust is not None:
            self._checked(self._trust.check_checkpoint(request.name, signed, before))
        return signed

    def audit(
        self,
        name: str,
        *,
        keys: Iterable[VerifierKey | str] = (),
        since: str | None = None,
        viewer_participant_id: Ref = "",
        progress: Callable[[int, int], None] | None = None,
    ) -> Audit:
        """Check the whole record of a negotiation and the state that the service gives of it.

        `keys` are those with which the service signs its logs; without them, those of the client.
        `since` is an older signed checkpoint that the record has to begin with. `progress` is told
        now and then how many entries were read, and of how many. A record that is found wanting
        raises nothing: the verdict says so.
        """
        under_way = Auditing(
            name,
            tuple(keys) or self._keys(),
            since=since,
            viewer_participant_id=viewer_participant_id,
            progress=progress,
        )
        try:
            first = self._call(self._audits.GetCheckpoint, under_way.checkpoint_request())
        except errors.NotFound:
            if not under_way.denied():
                raise
        else:
            under_way.begin(first.checkpoint)
        while under_way.reading or under_way.comparing:
            if under_way.reading:
                self._read(under_way)
            else:
                wanted = under_way.state_request()
                under_way.compare(self._call(self._negotiations.GetNegotiation, wanted))
        later = under_way.later_request()
        if later is not None:
            try:
                under_way.later(self._call(self._audits.GetCheckpoint, later).checkpoint)
            except errors.NotFound:
                under_way.later("")
        return under_way.finish()

    def export(
        self,
        name: str,
        file: BinaryIO,
        *,
        only: Selection | None = None,
        viewer_participant_id: Ref = "",
        progress: Callable[[int, int], object] | None = None,
    ) -> int:
        """Write the record of a negotiation to a file as a bundle; how many entries it has.

        The bundle proves by itself what it is: `pourparler.bundle.verify` needs no service.
        With `only`, of all other entries nothing is in it but their headers; `only.gaps` says then
        what those that are shown are shown without. Raises SelectionError, which is a ValueError,
        if one cannot be shown. `progress` is told now and then how many entries were written, and
        of how many. When it fails, what was written is a bundle that is cut.
        """
        exporting = Exporting(
            name,
            self.checkpoint(name),
            file,
            progress,
            only=only,
            viewer_participant_id=viewer_participant_id,
        )
        self._read(exporting)
        return exporting.count

    def copy(
        self, bundle: BinaryIO, *, keys: Iterable[VerifierKey | str]
    ) -> pb.ImportNegotiationResponse:
        """Have the service take the record in a bundle as a copy, which is only read from then on.

        `keys` are those with which the service that keeps the original signs its logs, had from
        elsewhere than the bundle. A longer bundle of the same log extends the copy. It takes as
        long as it takes, whatever the timeout.
        """
        self._check_open()
        parts = iter(lambda: bundle.read(requests.PART_BYTES), b"")
        try:
            shown = self._credentials.shown()
            return self._records.ImportNegotiation(
                requests.copy_requests(parts, keys), metadata=shown
            )
        except grpc.RpcError as failure:
            error = errors.of_call(failure)
            self._credentials.renews(error)  # for the next time: what was read is gone
            raise error from failure

    def erase_subject(
        self,
        name: str,
        participant: str,
        *,
        legal_basis: str,
        authority: str,
        request_id: str | None = None,
    ) -> pb.Erasure:
        """Have the words destroyed of all entries of a negotiation that concern a natural person.

        For good: see docs/guides/erasing-personal-data.md. `legal_basis` and `authority` stay on
        the record, and should name nobody. It goes on if it takes longer than the timeout: to
        repeat it with the same `request_id` is to wait for it again.
        """
        request = requests.erase_request(name, participant, legal_basis, authority, request_id)
        return self._call(self._privacy.EraseSubject, request).erasure

    def get_erasure(self, name: str) -> pb.Erasure:
        """Get what became of an erasure, by its name."""
        return self._call(self._privacy.GetErasure, pb.GetErasureRequest(name=name)).erasure

    def _read(self, under_way: Auditing | Exporting) -> None:
        budget = self._budget()
        while True:
            self._check_open()
            shown = self._credentials.shown()
            call = self._replays(under_way.replay_request(), metadata=shown)
            try:
                for message in call:
                    under_way.take(message.records)
            except grpc.RpcError as failure:
                if under_way.failed(errors.of_call(failure)):
                    return
                self._pause(budget, failure)
            else:
                under_way.read()
                return
            finally:
                call.cancel()

    def _budget(self) -> Budget:
        return Budget(self._timeout, renews=self._credentials.renews)

    def _keys(self) -> Iterable[VerifierKey]:
        return self._trust.keys if self._trust is not None else ()

    def _seen(self, request: requests.Pointed) -> int:
        return self._trust.seen(request.name) if self._trust is not None else 0

    def _check_latest(
        self, request: requests.Pointed, answer: requests.Computed, before: int
    ) -> None:
        if self._trust is not None and request.as_of == pb.AsOf():
            check = self._trust.check_latest(request.name, version_of(answer), before)
            self._checked(check)

    def _checked(self, check: Check[_Answer]) -> _Answer:
        """See a check through: ask what it asks."""
        answer = None
        while True:
            try:
                asked = check.send(answer)
            except StopIteration as done:
                found: _Answer = done.value
                return found
            method: Any = getattr(self._audits, requests.PROVING[type(asked)])
            answer = self._call(method, asked)

    def _record(self, request: pb.RecordEntriesRequest) -> pb.Receipt:
        try:
            if self._trust is None or request.validate_only:
                return self._call(self._records.RecordEntries, request).receipt
            response = self._call(self._receipts, request)
            return self._checked(self._trust.check_receipt(request, response))
        except errors.PourparlerError as error:
            error.request_id = request.request_id
            raise

    def _take_outcomes(self, batch: Batch, data: bytes) -> None:
        for group, response, receipt in batch.answered(data):
            try:
                batch.succeed(self._backed(group, response) or receipt)
            except errors.PourparlerError as error:
                batch.fail(error)

    def _send(self, groups: Iterator[pb.StreamRecordEntriesRequest]) -> Any:
        if self._closed:
            raise errors.Cancelled("The client was closed.")
        return self._sessions(groups, metadata=self._credentials.shown())

    def _backed(self, request: pb.RecordEntriesRequest, response: bytes) -> pb.Receipt | None:
        """The receipt, checked; None where there is nothing to check it with."""
        if self._trust is None or request.validate_only:
            return None
        return self._checked(self._trust.check_receipt(request, response))

    def _call(
        self, method: "grpc.UnaryUnaryMultiCallable[_Request, _Answer]", request: _Request
    ) -> _Answer:
        budget = self._budget()
        while True:
            self._check_open()
            shown = self._credentials.shown()
            try:
                return method(request, timeout=budget.left(), metadata=shown)
            except grpc.RpcError as failure:
                self._pause(budget, failure)

    def _replay(
        self, request: pb.ReplayEntriesRequest, progress: Progress
    ) -> Generator[pb.Entry, None, None]:
        budget = self._budget()
        while progress.complete is None:
            self._check_open()
            call = self._audits.ReplayEntries(request, metadata=self._credentials.shown())
            alarm = _Alarm(budget.left(), call.cancel)
            try:
                for message in call:
                    alarm.stop()
                    yield from progress.take(message)
                progress.end()
            except grpc.RpcError as failure:
                if alarm.rang:
                    raise errors.DeadlineExceeded("The replay did not begin in time.") from failure
                if progress.begun:
                    raise progress.broken(errors.of_call(failure)) from failure
                self._pause(budget, failure)
            finally:
                alarm.stop()
                call.cancel()  # the reader may have left

    def _watch(self, place: Watching) -> Generator[pb.Entry, None, None]:
        budget = self._budget()
        while True:
            self._check_open()
            call = self._audits.ReplayEntries(place.request(), metadata=self._credentials.shown())
            stall = _Stall(call.cancel)
            begun = False
            try:
                while (message := stall.heard(call, budget, begun=begun)) is not None:
                    begun = True
                    yield from place.take(message)
                error = requests.watch_ended()
            except grpc.RpcError as failure:
                error = requests.watch_silent() if stall.rang else errors.of_call(failure)
            finally:
                stall.stop()
                call.cancel()  # the reader may have left
            place.away = error
            if begun:
                budget = self._budget()
            self._wait(budget, error)

    def _pause(self, budget: Budget, failure: grpc.RpcError) -> None:
        """Wait until the call may be tried again, or raise what it failed with."""
        self._wait(budget, errors.of_call(failure), failure)

    def _wait(
        self, budget: Budget, error: errors.PourparlerError, cause: Exception | None = None
    ) -> None:
        pause = budget.pause(error)
        if pause is None:
            raise error from cause
        time.sleep(pause)

    def _connection(self, target: str) -> grpc.Channel:
        if not self._credentials.secure:
            return grpc.insecure_channel(target, options=requests.CHANNEL_OPTIONS)
        credentials = grpc.ssl_channel_credentials(*self._credentials.files)
        return grpc.secure_channel(target, credentials, options=requests.CHANNEL_OPTIONS)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("This client is closed.")


class _Entries(Iterator[pb.Entry]):
    """Entries as they come; to leave them ends the call."""

    def __init__(self, entries: Generator[pb.Entry, None, None]) -> None:
        self._entries = entries

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> pb.Entry:
        return next(self._entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the call."""
        self._entries.close()


class History(_Entries):
    """The entries of a replay. Leaving it early, by `break` or `with`, ends the call.

    It raises ReplayCut when the replay ends before it is complete.
    """

    def __init__(self, entries: Generator[pb.Entry, None, None], progress: Progress) -> None:
        super().__init__(entries)
        self._progress = progress
        self._ahead: deque[pb.Entry] = deque()  # what was shown and not given out yet

    def __next__(self) -> pb.Entry:
        return self._ahead.popleft() if self._ahead else super().__next__()

    def to_pandas(self) -> Any:
        """The rest of the entries as a DataFrame of pandas.

        The columns are those of docs/reference/export-formats.md.

        Raises ExtraMissingError without the extra `data`.
        """
        return frame(self)

    def _repr_html_(self) -> str:
        """A table of the next entries for a notebook; they are still to come."""
        room = notebook.SHOWN + 1 - len(self._ahead)
        self._ahead.extend(islice(self._entries, max(room, 0)))
        shown = list(islice(self._ahead, notebook.SHOWN))
        return notebook.history(shown, more=len(self._ahead) > len(shown))

    @property
    def complete(self) -> pb.ReplayComplete | None:
        """At what point it was computed and whether `limit` cut it short; None before its end."""
        return self._progress.complete

    @property
    def possible_versions(self) -> frozenset[int]:
        """With `occurred`: the versions read so far that are only possibly in."""
        return frozenset(self._progress.possible_versions)


class Search(Iterator[pb.SearchHit]):
    """The hits of a search, in the order that was asked for."""

    def __init__(
        self, hits: Iterator[pb.SearchHit], negotiations: Mapping[str, pb.SearchedNegotiation]
    ) -> None:
        self._hits = hits
        self.negotiations = negotiations
        """Those in which something was found, by name, as far as pages were asked for."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> pb.SearchHit:
        return next(self._hits)


class Watch(_Entries):
    """The entries of a watch. Leaving it, by `break` or `with`, ends the call."""

    def __init__(self, entries: Generator[pb.Entry, None, None], place: Watching) -> None:
        super().__init__(entries)
        self._place = place

    @property
    def cursor(self) -> str:
        """Where another watch of the same goes on: after the last entry that was given."""
        return self._place.cursor

    @property
    def caught_up(self) -> pb.ReplayCaughtUp | None:
        """When and where all that there was had been given, as last heard; None before that."""
        return self._place.caught_up

    @property
    def away(self) -> errors.PourparlerError | None:
        """Why nothing is heard while the connection is made anew; None while there is one."""
        return self._place.away


class _Stall:
    """Ends a call of which nothing is heard for too long, while it is waited for.

    One thread for as long as the call lasts: an alarm for every message would be a thread for each.
    """

    def __init__(self, end: Callable[[], object]) -> None:
        self.rang = False
        self._end = end
        self._due: float | None = None
        self._stopped = threading.Event()
        threading.Thread(target=self._look, name="watch", daemon=True).start()

    def heard(
        self, call: Iterator[pb.ReplayEntriesResponse], budget: Budget, *, begun: bool
    ) -> pb.ReplayEntriesResponse | None:
        """The next message; None at the end."""
        self._due = time.monotonic() + (requests.STALL if begun else budget.left())
        message = next(call, None)
        self._due = None
        return message

    def stop(self) -> None:
        self._stopped.set()

    def _look(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            due = self._due
            if due is not None and time.monotonic() > due:
                self.rang = True
                self._end()
                return


class Session:
    """Groups that are recorded in their order, while nothing waits for the answers but who asks.

    Leaving it waits until all are answered; leaving it by an exception gives up what was not taken
    up yet. Threads may share it.
    """

    def __init__(
        self,
        send: Callable[[Iterator[pb.StreamRecordEntriesRequest]], Any],
        receipt: Callable[[pb.RecordEntriesRequest, bytes], pb.Receipt | None],
        unanswered: Unanswered[Future[pb.Receipt]],
    ) -> None:
        self._send = send
        self._receipt = receipt
        self._changed = threading.Condition()  # guards all below
        self._unanswered = unanswered
        self._closed = self._given_up = False
        self._stream: object = None
        self._call: Any = None
        self._thread = threading.Thread(target=self._run, name="session", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._give_up()
        self.close()

    def close(self) -> None:
        """Wait until all groups are answered. No more are taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def record(
        self,
        name: str,
        *drafts: pb.Draft,
        request_id: str | None = None,
        expected_version: int | None = None,
        validate_only: bool = False,
    ) -> Future[pb.Receipt]:
        """Record a group of entries after those before it.

        It waits for room only: the receipt, or the error, will be in the future that it gives.
        """
        request = requests.group(
            name,
            *drafts,
            request_id=request_id,
            expected_version=expected_version,
            validate_only=validate_only,
        )
        answer: Future[pb.Receipt] = Future()
        answer.set_running_or_notify_cancel()
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._unanswered.full)
            if self._closed:
                raise RuntimeError("This session is closed.")
            self._unanswered.add(Asked(request, answer))
            self._changed.notify_all()
        return answer

    def _give_up(self) -> None:
        with self._changed:
            self._given_up = self._closed = True
            self._changed.notify_all()
        if self._call is not None:
            self._call.cancel()

    def _run(self) -> None:
        fault: Exception | None = None
        try:
            while self._wait_for_groups():
                error = self._speak()
                if error is not None:
                    self._failed(error)
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            fault = error
        with self._changed:
            self._closed = True
            left = self._unanswered.clear()
            self._changed.notify_all()
        for asked in left:
            asked.fail(fault or write_sessions.given_up())

    def _wait_for_groups(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._unanswered))
            return len(self._unanswered) > 0 and not self._given_up

    def _speak(self) -> errors.PourparlerError | None:
        """Send and receive on one stream until it ends: what it comes to, if not to its end."""
        stream = object()
        with self._changed:
            self._stream = stream
            in_vain = self._unanswered.begin()
        for asked in in_vain:
            asked.fail(write_sessions.in_vain())
        self._call = None
        try:
            self._call = self._send(self._groups(stream))
            for data in self._call:
                self._take(data)
        except errors.PourparlerError as error:
            return error
        except grpc.RpcError as failure:
            ended = errors.of_call(failure)
            is_late = isinstance(ended, errors.Cancelled) and self._unanswered.late
            return write_sessions.late() if is_late else ended
        finally:
            if self._call is not None:
                self._call.cancel()
            with self._changed:
                self._stream = None
                self._changed.notify_all()
        return write_sessions.cut() if len(self._unanswered) else None

    def _groups(self, stream: object) -> Iterator[pb.StreamRecordEntriesRequest]:
        """What is sent on a stream, for as long as it is the one."""
        while True:
            with self._changed:
                while (request := self._to_send(stream)) is None:
                    if self._stream is not stream or (self._closed and not len(self._unanswered)):
                        return
                    if self._unanswered.late and self._call is not None:
                        self._call.cancel()
                    self._changed.wait(write_sessions.LOOK_SECONDS)
            yield request

    def _to_send(self, stream: object) -> pb.StreamRecordEntriesRequest | None:
        return self._unanswered.to_send() if self._stream is stream else None

    def _take(self, data: bytes) -> None:
        """Take the answer to the first group; raise that for which it and all others wait."""
        asked = self._unanswered.first()
        receipt: pb.Receipt | None = None
        error: errors.PourparlerError | None = None
        try:
            response, receipt = write_sessions.receipt(data)
            receipt = self._receipt(asked.request, response) or receipt
        except errors.PourparlerError as failure:
            if write_sessions.is_passing(failure):
                raise
            error = failure
        with self._changed:
            self._unanswered.answered(error)
            self._changed.notify_all()
        if error is not None:
            asked.fail(error)
        elif receipt is not None:
            asked.succeed(receipt)

    def _failed(self, error: errors.PourparlerError) -> None:
        """Wait until all are to be sent again, or tell those whom the error concerns."""
        with self._changed:
            pause = self._unanswered.pause(error)
            blamed = self._unanswered.blamed(error) if pause is None else ()
            self._changed.notify_all()
        for asked in blamed:
            asked.fail(error)
        if pause is not None:
            time.sleep(pause)


class _Alarm:
    """Ends what has not begun in time; a deadline would end what goes well, too."""

    def __init__(self, seconds: float, end: Callable[[], object]) -> None:
        self.rang = False
        self._end = end
        self._timer = threading.Timer(seconds, self._ring)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        self._timer.cancel()

    def _ring(self) -> None:
        self.rang = True
        self._end()


# What the contract makes has no methods of ours, but for notebooks, which ask for this one.
setattr(pb.Negotiation, "_repr_html_", notebook.state)  # noqa: B010 - no field of the message
