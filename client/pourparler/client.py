"""The client of threads: it has the methods and parameters of `pourparler.aio.Client`.

Generated from aio.py by client/generate_client.py; do not edit.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, Unpack

from pourparler import errors
from pourparler import v1 as pb
from pourparler.drafts.builders import Common, opening
from pourparler.drafts.values import Choice, Point, Ref, Refs, negotiation_name
from pourparler.rpc import requests as rpc_requests
from pourparler.rpc.channel import DEFAULT_TARGET, DEFAULT_TIMEOUT
from pourparler.rpc.credentials import Credentials
from pourparler.rpc.streams import ReplayProgress, WatchProgress
from pourparler.rpc.sync_record_stream import RecordStream
from pourparler.rpc.sync_streams import Replay, SearchResults, Watch
from pourparler.rpc.sync_transport import SyncTransport
from pourparler.rpc.sync_verified_calls import SyncVerifiedCalls
from pourparler.transparency.audit_exchange import AuditExchange
from pourparler.transparency.checkpoint import VerifierKey
from pourparler.transparency.export_exchange import ExportExchange
from pourparler.transparency.findings import Audit
from pourparler.transparency.selection import Selection
from pourparler.transparency.trust import create_trust

__all__ = ["Client", "RecordStream", "Replay", "SearchResults", "Watch"]


class Client:
    """A client of the service. It connects with its first call and threads may share it.

    `timeout` is the time of one call in seconds, including its retries. A retry has the same
    request id, so the service records each request only once. For a replay or a watch, the timeout
    limits the time to the first message.

    Every method takes the name of a negotiation with or without `negotiations/`. `as_of` is a
    version, a datetime of the record, or `as_of(...)`. `occur_date` is a date in EDTF (ISO 8601-2),
    or a `date`: the answer has the entries that occurred by its end. A failed call raises a
    PourparlerError.

    With `verifier_keys`, the client verifies receipts and latest states against the signed log of
    the service. The keys are C2SP verifier keys of the service. The client raises a TrustError if
    the log does not back an answer. It stores the last checkpoint of each log in the file
    `trust_store`, which processes may share, or else in memory.

    `root_certificates`, `certificate_chain` and `private_key` are PEM files, the last two of the
    client itself. `token` is a bearer token, or a callable that returns one. The client calls
    it for the first call, and again when the service reports an expired token. With any of these,
    the connection uses TLS, so that a token is never sent in plain text.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        verifier_keys: Iterable[VerifierKey | str] = (),
        trust_store: Path | str | None = None,
        root_certificates: Path | str | None = None,
        certificate_chain: Path | str | None = None,
        private_key: Path | str | None = None,
        token: str | Callable[[], str] | None = None,
    ) -> None:
        trust = create_trust(verifier_keys, trust_store)
        credentials = Credentials(root_certificates, certificate_chain, private_key, token)
        self._transport = SyncTransport(target, timeout, credentials)
        self._calls = SyncVerifiedCalls(self._transport, trust)

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
        """Close the connection and cancel the calls in progress."""
        self._transport.close()

    def open_negotiation(
        self,
        title: str,
        *drafts: pb.Draft,
        negotiation_id: str | None = None,
        purpose: str = "",
        acceptance_rule: Choice = "all_addressees",
        predecessor: str = "",
        request_id: str | None = None,
        validate_only: bool = False,
        **common: Unpack[Common],
    ) -> pb.Receipt:
        """Open a negotiation and record its first entries together. The receipt has its name.

        To repeat the call with the same `request_id`, pass the same arguments, also `occurred`:
        its default is the current time.
        """
        first = opening(
            title,
            purpose=purpose,
            acceptance_rule=acceptance_rule,
            predecessor=predecessor,
            **common,
        )
        request = rpc_requests.open_negotiation_request(
            negotiation_id, [first, *drafts], request_id, validate_only=validate_only
        )
        return self._calls.record(request)

    def record(
        self,
        name: str,
        *drafts: pb.Draft,
        request_id: str | None = None,
        expected_version: int | None = None,
        validate_only: bool = False,
    ) -> pb.Receipt:
        """Record entries together: all of them, or none if the service refuses any."""
        request = rpc_requests.record_request(
            name,
            *drafts,
            request_id=request_id,
            expected_version=expected_version,
            validate_only=validate_only,
        )
        return self._calls.record(request)

    def record_batch(
        self, requests: Iterable[pb.RecordEntriesRequest]
    ) -> list[pb.Receipt | errors.PourparlerError]:
        """Record many requests, each on its own: `record_batch([record_request(name, ...)])`.

        Return the receipt or the error of each request, in their order. A failed request does not
        affect the others. The client sends them in calls of at most 1,000 drafts or 1 MiB, each
        with the whole timeout. If the service stays unavailable, all remaining requests fail.
        """
        return self._calls.record_batch(requests)

    def record_stream(self, *, stop_on_failure: bool = False) -> RecordStream:
        """Record many requests without waiting for each receipt: a context manager.

        Its `record` returns futures, and waits only while 256 requests have no response. The
        service records the requests in their order, each on its own. A request without a response
        is sent again after an interruption. With `stop_on_failure`, all later requests of a
        negotiation fail after the first one that fails.
        """
        return RecordStream(
            self._transport, self._calls.check_receipt, stop_on_failure=stop_on_failure
        )

    def get_negotiation(
        self,
        name: str,
        *,
        as_of: Point | None = None,
        occur_date: date | str | None = None,
        view: Choice = "full",
        viewer_participant_id: Ref = "",
    ) -> pb.GetNegotiationResponse:
        """Get the state of a negotiation, now or in the past: `get_negotiation(name, as_of=11)`.

        In all reads, `viewer_participant_id` limits the answer to what that participant may see.
        """
        request = rpc_requests.get_negotiation_request(
            name, as_of, occur_date, view, viewer_participant_id
        )
        return self._calls.get_negotiation(request)

    def replay(
        self,
        name: str,
        *,
        after_version: int = 0,
        as_of: Point | None = None,
        occur_date: date | str | None = None,
        entry_types: str | Iterable[str] = (),
        participants: Refs = (),
        topics: Refs = (),
        bases: Choice | Iterable[Choice] = (),
        reverse: bool = False,
        limit: int | None = None,
        viewer_participant_id: Ref = "",
    ) -> Replay:
        """Replay the entries of a negotiation, or of all (`"-"`), that match every filter."""
        progress = ReplayProgress()
        request = rpc_requests.replay_request(
            name,
            after_version=after_version,
            as_of=as_of,
            occur_date=occur_date,
            entry_types=entry_types,
            participants=participants,
            topics=topics,
            bases=bases,
            reverse=reverse,
            limit=limit,
            viewer_participant_id=viewer_participant_id,
        )
        return Replay(self._transport.replay(request, progress), progress)

    def watch(
        self,
        name: str,
        *,
        after_version: int = 0,
        cursor: str = "",
        entry_types: str | Iterable[str] = (),
        participants: Refs = (),
        bases: Choice | Iterable[Choice] = (),
        viewer_participant_id: Ref = "",
    ) -> Watch:
        """Watch a negotiation, or all (`"-"`): replay its entries, then wait for new ones.

        After an interruption the watch reconnects and continues. It raises UnavailableError if that
        takes longer than the timeout. `cursor` continues an earlier watch, in place of
        `after_version`: no entry is missed or repeated.
        """
        request = rpc_requests.watch_request(
            name,
            after_version=after_version,
            cursor=cursor,
            entry_types=entry_types,
            participants=participants,
            bases=bases,
            viewer_participant_id=viewer_participant_id,
        )
        progress = WatchProgress(request)
        return Watch(self._transport.watch(progress), progress)

    def status_report(
        self,
        name: str,
        *,
        as_of: Point | None = None,
        occur_date: date | str | None = None,
        on_date: date | str | None = None,
        viewer_participant_id: Ref = "",
    ) -> pb.GetStatusReportResponse:
        """Get what is agreed, proposed, unanswered and owed on a date. The default is today."""
        request = rpc_requests.status_report_request(
            name, as_of, occur_date, on_date, viewer_participant_id
        )
        return self._calls.status_report(request)

    def diff(
        self,
        name: str,
        *,
        start: Point | None = None,
        end: Point | None = None,
        viewer_participant_id: Ref = "",
    ) -> pb.DiffNegotiationResponse:
        """Get the changes between two points, and the entries that reverse an earlier one."""
        request = rpc_requests.diff_request(name, start, end, viewer_participant_id)
        method = self._transport.stubs.negotiations.DiffNegotiation
        return self._transport.call(method, request)

    def list_negotiations(
        self,
        *,
        statuses: Choice | Iterable[Choice] = (),
        outcomes: Choice | Iterable[Choice] = (),
        participant_id: str = "",
        title_contains: str = "",
        open_start_time: datetime | None = None,
        open_end_time: datetime | None = None,
        page_size: int = 0,
        viewer_participant_id: Ref = "",
    ) -> Iterator[pb.NegotiationSummary]:
        """List the negotiations that match every filter, in the order of their opening."""
        request = rpc_requests.list_negotiations_request(
            statuses=statuses,
            outcomes=outcomes,
            participant_id=participant_id,
            title_contains=title_contains,
            open_start_time=open_start_time,
            open_end_time=open_end_time,
            page_size=page_size,
            viewer_participant_id=viewer_participant_id,
        )
        return self._calls.list_negotiations(request)

    def search(
        self,
        query: str = "",
        *,
        names: str | Iterable[str] = (),
        speakers: Refs = (),
        participants: Refs = (),
        topics: Refs = (),
        entry_types: str | Iterable[str] = (),
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
    ) -> SearchResults:
        """Search the words of entries, in all visible negotiations or in `names`.

        Example: `search('"fixed rent" crane* -lease', entry_types="statement_recorded")`.
        SearchEntriesRequest in the contract defines the query language. Iteration reads the pages.
        """
        request = rpc_requests.search_request(
            query,
            names=names,
            speakers=speakers,
            participants=participants,
            topics=topics,
            entry_types=entry_types,
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
        return SearchResults(self._calls.search(request, negotiations), negotiations)

    def get_checkpoint(self, name: str) -> str:
        """Get the current signed checkpoint of a negotiation's log (C2SP tlog-checkpoint)."""
        return self._calls.get_checkpoint(negotiation_name(name))

    def audit(
        self,
        name: str,
        *,
        verifier_keys: Iterable[VerifierKey | str] = (),
        base_checkpoint: str | None = None,
        viewer_participant_id: Ref = "",
        progress: Callable[[int, int], None] | None = None,
    ) -> Audit:
        """Verify the whole record of a negotiation and the state that the service computes.

        `verifier_keys` default to those of the client. `base_checkpoint` is an earlier signed
        checkpoint that the record must extend. `progress` receives the number of entries read and
        their total. A record that fails verification raises no error: the verdict reports it.
        """
        exchange = AuditExchange(
            name,
            tuple(verifier_keys) or self._calls.verifier_keys,
            base_checkpoint=base_checkpoint,
            viewer_participant_id=viewer_participant_id,
            progress=progress,
        )
        return self._calls.audit(exchange)

    def export_bundle(
        self,
        name: str,
        file: BinaryIO,
        *,
        selection: Selection | None = None,
        viewer_participant_id: Ref = "",
        progress: Callable[[int, int], object] | None = None,
    ) -> int:
        """Write the record of a negotiation to a file as a bundle. Return its number of entries.

        `pourparler.transparency.bundle.verify` verifies a bundle without a service. With
        `selection`, the bundle has only the headers of all other entries, and `selection.gaps`
        lists what the selected ones lack. Raises SelectionError, a ValueError, if an entry cannot
        be selected. `progress` receives the number of entries written and their total. A failed
        export leaves a truncated bundle in the file.
        """
        exchange = ExportExchange(
            name,
            self.get_checkpoint(name),
            file,
            progress,
            selection=selection,
            viewer_participant_id=viewer_participant_id,
        )
        self._transport.read_records(exchange)
        return exchange.count

    def import_bundle(
        self, bundle: BinaryIO, *, verifier_keys: Iterable[VerifierKey | str]
    ) -> pb.ImportNegotiationResponse:
        """Import the record in a bundle into the service as a read-only copy.

        `verifier_keys` are those of the original service: obtain them from its operator, not from
        the bundle. A longer bundle of the same log extends the copy. The call has no timeout.
        """
        return self._transport.import_bundle(bundle, verifier_keys)

    def erase_subject(
        self,
        name: str,
        participant_id: str,
        *,
        legal_basis: str,
        authority: str,
        request_id: str | None = None,
    ) -> pb.Erasure:
        """Destroy the words of all entries of a negotiation that concern a natural person.

        This is permanent: see docs/guides/erasing-personal-data.md. `legal_basis` and `authority`
        stay on the record, so they must not name the person. The erasure continues after a timeout.
        To wait for it, repeat the call with the same `request_id`.
        """
        request = rpc_requests.erase_subject_request(
            name, participant_id, legal_basis, authority, request_id
        )
        method = self._transport.stubs.privacy.EraseSubject
        response = self._transport.call(method, request)
        return response.erasure

    def get_erasure(self, name: str) -> pb.Erasure:
        """Get the state of an erasure by its name."""
        request = pb.GetErasureRequest(name=name)
        method = self._transport.stubs.privacy.GetErasure
        response = self._transport.call(method, request)
        return response.erasure
