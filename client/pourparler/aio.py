"""The asyncio twin of the client: the same names, the same behaviour, to be awaited."""
# ruff: noqa: A002 (the id of a negotiation is called id)

import asyncio
import contextlib
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
)
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Self, TypeVar, Unpack

import grpc.aio

from pourparler import errors
from pourparler import v1 as pb
from pourparler.drafts.builders import Common, opening
from pourparler.drafts.values import Choice, Point, Ref, Refs, negotiation_name
from pourparler.formats.dataframe import frame
from pourparler.rpc import write_sessions
from pourparler.rpc.credentials import Credentials, Metadata
from pourparler.rpc.requests import (
    BATCH,
    CHANNEL_OPTIONS,
    PART_BYTES,
    PROVING,
    RECORD,
    REPLAY,
    SESSION,
    STALL,
    TARGET,
    TIMEOUT,
    Budget,
    Computed,
    Pointed,
    Progress,
    Watching,
    copy_requests,
    diff_request,
    erase_request,
    get_request,
    group,
    list_request,
    open_request,
    replay_request,
    search_request,
    standing_request,
    watch_ended,
    watch_request,
    watch_silent,
)
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

if TYPE_CHECKING:
    from pourparler.v1.audit_service_pb2_grpc import AuditServiceAsyncStub
    from pourparler.v1.negotiation_service_pb2_grpc import NegotiationServiceAsyncStub
    from pourparler.v1.privacy_service_pb2_grpc import PrivacyServiceAsyncStub
    from pourparler.v1.record_service_pb2_grpc import RecordServiceAsyncStub

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")

# What grpc.aio says of a stream that the service ends while something is sent, in the place of what
# the service says of it. Whoever waits a little before sending is told.
_NOT_SENT = "Internal error from Core"
_HESITATION = 0.1


class _Stubs(NamedTuple):
    channel: grpc.aio.Channel
    records: "RecordServiceAsyncStub"
    negotiations: "NegotiationServiceAsyncStub"
    audits: "AuditServiceAsyncStub"
    privacy: "PrivacyServiceAsyncStub"
    receipts: Any  # responses as bytes
    replays: Any  # entries as records
    sessions: Any  # responses as bytes
    batches: Any  # responses as bytes


class Client:
    """A client of the service. It connects with its first call, and belongs to one event loop.

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
        target: str = TARGET,
        *,
        timeout: float = TIMEOUT,
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
        self._target = target
        self._closed = False
        self._connected: _Stubs | None = None
        self._streams: set[Any] = set()  # a channel that closes leaves those who read them waiting

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connection, and give up the calls that are under way."""
        self._closed = True
        for stream in tuple(self._streams):
            stream.cancel()
        if self._connected is not None:
            await self._connected.channel.close()

    async def open(
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
        return await self._record(
            open_request(id, [first, *drafts], request_id, validate_only=validate_only)
        )

    async def record(
        self,
        name: str,
        *drafts: pb.Draft,
        request_id: str | None = None,
        expected_version: int | None = None,
        validate_only: bool = False,
    ) -> pb.Receipt:
        """Record a group of entries: all of them or, when any is refused, none."""
        request = group(
            name,
            *drafts,
            request_id=request_id,
            expected_version=expected_version,
            validate_only=validate_only,
        )
        return await self._record(request)

    async def record_batch(
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
            shown = await self._shown()
            call = self._stubs().batches(request, timeout=batch.left(), metadata=shown)
            try:
                await self._take_outcomes(batch, await call)
            except errors.PourparlerError as error:
                batch.failed(error)
            except grpc.aio.AioRpcError as failure:
                batch.failed(errors.of_call(failure))
            except asyncio.CancelledError:
                self._check_given_up()
                raise
            finally:
                call.cancel()  # whoever awaits it may be cancelled
            await asyncio.sleep(batch.pause())
        return batch.outcomes()

    def session(self, *, stop_on_failure: bool = False) -> "Session":
        """Record many groups without waiting for the receipt of each before the next: a context.

        Its `record` gives futures, at once while fewer than 256 groups have no answer. The groups
        are recorded in their order, each on its own. What the service did not answer is sent to it
        again, as with any call, and what it can never answer fails alone. With `stop_on_failure`
        all groups of a negotiation fail that come after one that has failed.
        """
        unanswered: Unanswered[asyncio.Future[pb.Receipt]] = Unanswered(
            self._timeout, stop_on_failure=stop_on_failure, renews=self._credentials.renews
        )
        return Session(self._send, self._backed, unanswered)

    async def get(
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
        request = get_request(name, as_of, occurred, view, viewer_participant_id)
        before = self._seen(request)
        answer = await self._call(self._stubs().negotiations.GetNegotiation, request)
        await self._check_latest(request, answer, before)
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
        request = replay_request(
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
        request = watch_request(
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

    async def standing(
        self,
        name: str,
        *,
        as_of: Point | None = None,
        occurred: date | str | None = None,
        on: date | str | None = None,
        viewer_participant_id: Ref = "",
    ) -> pb.GetStatusReportResponse:
        """Get what is agreed, what is proposed, who must answer, and who owes what `on` a date."""
        request = standing_request(name, as_of, occurred, on, viewer_participant_id)
        before = self._seen(request)
        answer = await self._call(self._stubs().negotiations.GetStatusReport, request)
        await self._check_latest(request, answer, before)
        return answer

    async def diff(
        self,
        name: str,
        *,
        start: Point | None = None,
        end: Point | None = None,
        viewer_participant_id: Ref = "",
    ) -> pb.DiffNegotiationResponse:
        """Get what changed between two points, and what goes back on something earlier."""
        request = diff_request(name, start, end, viewer_participant_id)
        return await self._call(self._stubs().negotiations.DiffNegotiation, request)

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
    ) -> AsyncIterator[pb.NegotiationSummary]:
        """List the negotiations that meet every filter given, in the order of their opening."""
        request = list_request(
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

    async def _pages(
        self, request: pb.ListNegotiationsRequest
    ) -> AsyncIterator[pb.NegotiationSummary]:
        while True:
            page = await self._call(self._stubs().negotiations.ListNegotiations, request)
            for negotiation in page.negotiations:
                yield negotiation
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
        request = search_request(
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

    async def _found(
        self,
        request: pb.SearchEntriesRequest,
        negotiations: dict[str, pb.SearchedNegotiation],
    ) -> AsyncIterator[pb.SearchHit]:
        while True:
            page = await self._call(self._stubs().negotiations.SearchEntries, request)
            negotiations.update((one.name, one) for one in page.negotiations)
            for hit in page.hits:
                yield hit
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def checkpoint(self, name: str) -> str:
        """Get the signed checkpoint of a negotiation's log as it is now, to be kept."""
        request = pb.GetCheckpointRequest(name=negotiation_name(name))
        before = self._trust.seen(request.name) if self._trust is not None else 0
        signed = (await self._call(self._stubs().audits.GetCheckpoint, request)).checkpoint
        if self._trust is not None:
            await self._checked(self._trust.check_checkpoint(request.name, signed, before))
        return signed

    async def audit(
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
        asked = under_way.checkpoint_request()
        try:
            first = await self._call(self._stubs().audits.GetCheckpoint, asked)
        except errors.NotFound:
            if not under_way.denied():
                raise
        else:
            under_way.begin(first.checkpoint)
        get = self._stubs().negotiations.GetNegotiation
        while under_way.reading or under_way.comparing:
            if under_way.reading:
                await self._read(under_way)
            else:
                under_way.compare(await self._call(get, under_way.state_request()))
        later = under_way.later_request()
        if later is not None:
            try:
                answer = await self._call(self._stubs().audits.GetCheckpoint, later)
                under_way.later(answer.checkpoint)
            except errors.NotFound:
                under_way.later("")
        return under_way.finish()

    async def export(
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
            await self.checkpoint(name),
            file,
            progress,
            only=only,
            viewer_participant_id=viewer_participant_id,
        )
        await self._read(exporting)
        return exporting.count

    async def copy(
        self, bundle: BinaryIO, *, keys: Iterable[VerifierKey | str]
    ) -> pb.ImportNegotiationResponse:
        """Have the service take the record in a bundle as a copy, which is only read from then on.

        `keys` are those with which the service that keeps the original signs its logs, had from
        elsewhere than the bundle. A longer bundle of the same log extends the copy. It takes as
        long as it takes, whatever the timeout.
        """
        shown = await self._shown()
        call = self._stubs().records.ImportNegotiation(_copying(bundle, keys), metadata=shown)
        try:
            return await call
        except grpc.aio.AioRpcError as failure:
            error = errors.of_call(failure)
            self._credentials.renews(error)  # for the next time: what was read is gone
            raise error from failure
        except asyncio.CancelledError:
            self._check_given_up()
            raise
        finally:
            call.cancel()

    async def erase_subject(
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
        request = erase_request(name, participant, legal_basis, authority, request_id)
        return (await self._call(self._stubs().privacy.EraseSubject, request)).erasure

    async def get_erasure(self, name: str) -> pb.Erasure:
        """Get what became of an erasure, by its name."""
        request = pb.GetErasureRequest(name=name)
        return (await self._call(self._stubs().privacy.GetErasure, request)).erasure

    async def _read(self, under_way: Auditing | Exporting) -> None:
        budget = self._budget()
        while True:
            shown = await self._shown()
            call = self._stubs().replays(under_way.replay_request(), metadata=shown)
            try:
                async for message in call:
                    under_way.take(_readable(message).records)
            except errors.ServiceFault as fault:
                if not under_way.failed(fault):
                    raise
                return
            except grpc.aio.AioRpcError as failure:
                if under_way.failed(errors.of_call(failure)):
                    return
                await self._pause(budget, failure)
            except asyncio.CancelledError:
                self._check_given_up()
                raise
            else:
                under_way.read()
                return
            finally:
                call.cancel()

    async def _shown(self) -> Metadata:
        """What goes with a call. To ask for a token may take a while, and is done on a thread."""
        held = self._credentials.held
        return await asyncio.to_thread(self._credentials.shown) if held is None else held

    def _budget(self) -> Budget:
        return Budget(self._timeout, renews=self._credentials.renews)

    def _keys(self) -> Iterable[VerifierKey]:
        return self._trust.keys if self._trust is not None else ()

    def _seen(self, request: Pointed) -> int:
        return self._trust.seen(request.name) if self._trust is not None else 0

    async def _check_latest(self, request: Pointed, answer: Computed, before: int) -> None:
        if self._trust is not None and request.as_of == pb.AsOf():
            check = self._trust.check_latest(request.name, version_of(answer), before)
            await self._checked(check)

    async def _checked(self, check: Check[_Answer]) -> _Answer:
        """See a check through: ask what it asks."""
        answer = None
        while True:
            try:
                asked = check.send(answer)
            except StopIteration as done:
                found: _Answer = done.value
                return found
            method: Any = getattr(self._stubs().audits, PROVING[type(asked)])
            answer = await self._call(method, asked)

    async def _record(self, request: pb.RecordEntriesRequest) -> pb.Receipt:
        try:
            if self._trust is None or request.validate_only:
                return (await self._call(self._stubs().records.RecordEntries, request)).receipt
            response = await self._call(self._stubs().receipts, request)
            return await self._checked(self._trust.check_receipt(request, response))
        except errors.PourparlerError as error:
            error.request_id = request.request_id
            raise

    async def _take_outcomes(self, batch: Batch, data: bytes) -> None:
        for sent, response, receipt in batch.answered(data):
            try:
                batch.succeed(await self._backed(sent, response) or receipt)
            except errors.PourparlerError as error:
                batch.fail(error)

    async def _send(self, groups: AsyncIterator[pb.StreamRecordEntriesRequest]) -> Any:
        shown = await self._shown()
        if self._closed:
            raise errors.Cancelled("The client was closed.")
        return self._stubs().sessions(groups, metadata=shown)

    async def _backed(self, request: pb.RecordEntriesRequest, response: bytes) -> pb.Receipt | None:
        """The receipt, checked; None where there is nothing to check it with."""
        if self._trust is None or request.validate_only:
            return None
        return await self._checked(self._trust.check_receipt(request, response))

    async def _call(
        self, method: grpc.aio.UnaryUnaryMultiCallable[_Request, _Answer], request: _Request
    ) -> _Answer:
        budget = self._budget()
        while True:
            shown = await self._shown()
            call = method(request, timeout=budget.left(), metadata=shown)
            try:
                answer = await call
            except grpc.aio.AioRpcError as failure:
                await self._pause(budget, failure)
            except asyncio.CancelledError:
                self._check_given_up()
                raise
            else:
                return _readable(answer)
            finally:
                call.cancel()  # whoever awaits it may be cancelled

    async def _replay(
        self, request: pb.ReplayEntriesRequest, progress: Progress
    ) -> AsyncGenerator[pb.Entry, None]:
        budget = self._budget()
        while progress.complete is None:
            shown = await self._shown()
            call = self._stubs().audits.ReplayEntries(request, metadata=shown)
            self._streams.add(call)
            try:
                async with asyncio.timeout(budget.left()):
                    message = await call.read()
                while isinstance(message, pb.ReplayEntriesResponse):
                    for entry in progress.take(message):
                        yield entry
                    message = await call.read()
                progress.end()
            except TimeoutError as late:
                raise errors.DeadlineExceeded("The replay did not begin in time.") from late
            except grpc.aio.AioRpcError as failure:
                if progress.begun:
                    raise progress.broken(errors.of_call(failure)) from failure
                await self._pause(budget, failure)
            except asyncio.CancelledError:
                self._check_given_up()
                raise
            finally:
                self._streams.discard(call)
                call.cancel()  # the reader may have left

    async def _watch(self, place: Watching) -> AsyncGenerator[pb.Entry, None]:
        budget = self._budget()
        while True:
            shown = await self._shown()
            call = self._stubs().audits.ReplayEntries(place.request(), metadata=shown)
            begun = False
            self._streams.add(call)
            try:
                message = await _heard(call, budget.left())
                while message is not None:
                    begun = True
                    for entry in place.take(message):
                        yield entry
                    message = await _heard(call, STALL)
                error = watch_ended()
            except TimeoutError:
                error = watch_silent()
            except grpc.aio.AioRpcError as failure:
                error = errors.of_call(failure)
            except asyncio.CancelledError:
                self._check_given_up()
                raise
            finally:
                self._streams.discard(call)
                call.cancel()  # the reader may have left
            place.away = error
            if begun:
                budget = self._budget()
            await self._wait(budget, error)

    async def _pause(self, budget: Budget, failure: grpc.aio.AioRpcError) -> None:
        """Wait until the call may be tried again, or raise what it failed with."""
        await self._wait(budget, errors.of_call(failure), failure)

    async def _wait(
        self, budget: Budget, error: errors.PourparlerError, cause: Exception | None = None
    ) -> None:
        pause = budget.pause(error)
        if pause is None:
            raise error from cause
        await asyncio.sleep(pause)
        self._stubs()  # raises if the client was closed meanwhile

    def _check_given_up(self) -> None:
        """Raise if a call was cancelled not with its task, but because the client was closed."""
        task = asyncio.current_task()
        if self._closed and task is not None and not task.cancelling():
            raise errors.Cancelled("The client was closed.") from None

    def _connection(self) -> grpc.aio.Channel:
        if not self._credentials.secure:
            return grpc.aio.insecure_channel(self._target, options=CHANNEL_OPTIONS)
        credentials = grpc.ssl_channel_credentials(*self._credentials.files)
        return grpc.aio.secure_channel(self._target, credentials, options=CHANNEL_OPTIONS)

    def _stubs(self) -> "_Stubs":
        if self._closed:
            raise RuntimeError("This client is closed.")
        if self._connected is None:
            # Not before there is a loop that runs: the channel belongs to it.
            channel = self._connection()
            self._connected = _Stubs(
                channel,
                RecordServiceStub(channel),
                NegotiationServiceStub(channel),
                AuditServiceStub(channel),
                PrivacyServiceStub(channel),
                channel.unary_unary(
                    RECORD, request_serializer=pb.RecordEntriesRequest.SerializeToString
                ),
                channel.unary_stream(
                    REPLAY,
                    request_serializer=pb.ReplayEntriesRequest.SerializeToString,
                    response_deserializer=pb.Records.FromString,
                ),
                channel.stream_stream(
                    SESSION,
                    request_serializer=pb.StreamRecordEntriesRequest.SerializeToString,
                ),
                channel.unary_unary(
                    BATCH, request_serializer=pb.BatchRecordEntriesRequest.SerializeToString
                ),
            )
        return self._connected


async def _copying(
    bundle: BinaryIO, keys: Iterable[VerifierKey | str]
) -> AsyncIterator[pb.ImportNegotiationRequest]:
    parts = iter(lambda: bundle.read(PART_BYTES), b"")
    requests = copy_requests(parts, keys)
    while (request := await asyncio.to_thread(next, requests, None)) is not None:
        yield request


async def _heard(call: Any, seconds: float) -> pb.ReplayEntriesResponse | None:
    """The next message of a watch; None at the end."""
    async with asyncio.timeout(seconds):
        message = _readable(await call.read())
    return message if isinstance(message, pb.ReplayEntriesResponse) else None


def _readable(answer: _Answer | None) -> _Answer:
    """The answer, which grpc.aio leaves out where its bytes are no message of its type."""
    if answer is None:
        raise errors.ServiceFault("The answer of the service cannot be read.")
    return answer


class Session:
    """Groups that are recorded in their order, while nothing waits for the answers but who asks.

    Leaving it waits until all are answered; leaving it by an exception gives up what was not taken
    up yet. It belongs to one event loop.
    """

    def __init__(
        self,
        send: Callable[[AsyncIterator[pb.StreamRecordEntriesRequest]], Awaitable[Any]],
        receipt: Callable[[pb.RecordEntriesRequest, bytes], Awaitable[pb.Receipt | None]],
        unanswered: Unanswered[asyncio.Future[pb.Receipt]],
    ) -> None:
        self._send = send
        self._receipt = receipt
        self._changed = asyncio.Condition()
        self._unanswered = unanswered
        self._closed = self._given_up = self._hesitates = False
        self._stream: object = None
        self._call: Any = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            await self._give_up()
        await self.close()

    async def close(self) -> None:
        """Wait until all groups are answered. No more are taken."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def record(
        self,
        name: str,
        *drafts: pb.Draft,
        request_id: str | None = None,
        expected_version: int | None = None,
        validate_only: bool = False,
    ) -> asyncio.Future[pb.Receipt]:
        """Record a group of entries after those before it.

        It waits for room only: the receipt, or the error, will be in the future that it gives.
        """
        request = group(
            name,
            *drafts,
            request_id=request_id,
            expected_version=expected_version,
            validate_only=validate_only,
        )
        answer: asyncio.Future[pb.Receipt] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="session")
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or not self._unanswered.full)
            if self._closed:
                raise RuntimeError("This session is closed.")
            self._unanswered.add(Asked(request, answer))
            self._changed.notify_all()
        return answer

    async def _give_up(self) -> None:
        async with self._changed:
            self._given_up = self._closed = True
            self._changed.notify_all()
        if self._call is not None:
            self._call.cancel()

    async def _run(self) -> None:
        fault: Exception | None = None
        try:
            while await self._wait_for_groups():
                error = await self._speak()
                if error is not None:
                    await self._failed(error)
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            fault = error
        async with self._changed:
            self._closed = True
            left = self._unanswered.clear()
            self._changed.notify_all()
        for asked in left:
            asked.fail(fault or write_sessions.given_up())

    async def _wait_for_groups(self) -> bool:
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or len(self._unanswered))
            return len(self._unanswered) > 0 and not self._given_up

    async def _speak(self) -> errors.PourparlerError | None:
        """Send and receive on one stream until it ends: what it comes to, if not to its end."""
        stream = object()
        async with self._changed:
            self._stream = stream
            in_vain = self._unanswered.begin()
        for asked in in_vain:
            asked.fail(write_sessions.in_vain())
        self._call = None
        try:
            self._call = await self._send(self._groups(stream))
            async for data in self._call:
                await self._take(data)
        except errors.PourparlerError as error:
            return error
        except grpc.aio.AioRpcError as failure:
            ended = errors.of_call(failure)
            is_late = isinstance(ended, errors.Cancelled) and self._unanswered.late
            self._hesitates = failure.details() == _NOT_SENT
            if self._hesitates:
                self._unanswered.one_by_one()
                return write_sessions.cut()
            return write_sessions.late() if is_late else ended
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Not with its task: the call was, here or with its channel.
            return write_sessions.late() if self._unanswered.late else write_sessions.given_up()
        finally:
            if self._call is not None:
                self._call.cancel()
            async with self._changed:
                self._stream = None
                self._changed.notify_all()
        return write_sessions.cut() if len(self._unanswered) else None

    async def _groups(self, stream: object) -> AsyncIterator[pb.StreamRecordEntriesRequest]:
        """What is sent on a stream, for as long as it is the one."""
        if self._hesitates:
            await asyncio.sleep(_HESITATION)
        while True:
            async with self._changed:
                while (request := self._to_send(stream)) is None:
                    if self._stream is not stream or (self._closed and not len(self._unanswered)):
                        return
                    if self._unanswered.late and self._call is not None:
                        self._call.cancel()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(write_sessions.LOOK_SECONDS):
                            await self._changed.wait()
            yield request

    def _to_send(self, stream: object) -> pb.StreamRecordEntriesRequest | None:
        return self._unanswered.to_send() if self._stream is stream else None

    async def _take(self, data: bytes) -> None:
        """Take the answer to the first group; raise that for which it and all others wait."""
        asked = self._unanswered.first()
        receipt: pb.Receipt | None = None
        error: errors.PourparlerError | None = None
        try:
            response, receipt = write_sessions.receipt(data)
            receipt = await self._receipt(asked.request, response) or receipt
        except errors.PourparlerError as failure:
            if write_sessions.is_passing(failure):
                raise
            error = failure
        async with self._changed:
            self._unanswered.answered(error)
            self._changed.notify_all()
        if error is not None:
            asked.fail(error)
        elif receipt is not None:
            asked.succeed(receipt)

    async def _failed(self, error: errors.PourparlerError) -> None:
        """Wait until all are to be sent again, or tell those whom the error concerns."""
        async with self._changed:
            pause = self._unanswered.pause(error)
            blamed = self._unanswered.blamed(error) if pause is None else ()
            self._changed.notify_all()
        for asked in blamed:
            asked.fail(error)
        if pause is not None:
            await asyncio.sleep(pause)


class _Entries(AsyncIterator[pb.Entry]):
    """Entries as they come; to leave them ends the call."""

    def __init__(self, entries: AsyncGenerator[pb.Entry, None]) -> None:
        self._entries = entries

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> pb.Entry:
        return await anext(self._entries)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the call."""
        await self._entries.aclose()


class History(_Entries):
    """The entries of a replay. Leaving it early, by `break` or `async with`, ends the call.

    It raises ReplayCut when the replay ends before it is complete.
    """

    def __init__(self, entries: AsyncGenerator[pb.Entry, None], progress: Progress) -> None:
        super().__init__(entries)
        self._progress = progress

    async def to_pandas(self) -> Any:
        """The rest of the entries as a DataFrame of pandas.

        The columns are those of docs/reference/export-formats.md.

        Raises ExtraMissingError without the extra `data`.
        """
        return frame([entry async for entry in self])

    @property
    def complete(self) -> pb.ReplayComplete | None:
        """At what point it was computed and whether `limit` cut it short; None before its end."""
        return self._progress.complete

    @property
    def possible_versions(self) -> frozenset[int]:
        """With `occurred`: the versions read so far that are only possibly in."""
        return frozenset(self._progress.possible_versions)


class Search(AsyncIterator[pb.SearchHit]):
    """The hits of a search, in the order that was asked for."""

    def __init__(
        self, hits: AsyncIterator[pb.SearchHit], negotiations: Mapping[str, pb.SearchedNegotiation]
    ) -> None:
        self._hits = hits
        self.negotiations = negotiations
        """Those in which something was found, by name, as far as pages were asked for."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> pb.SearchHit:
        return await anext(self._hits)


class Watch(_Entries):
    """The entries of a watch. Leaving it, by `async with` or `close`, ends the call."""

    def __init__(self, entries: AsyncGenerator[pb.Entry, None], place: Watching) -> None:
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
