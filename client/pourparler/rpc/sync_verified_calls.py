"""Calls whose responses are checked against the signed logs that the client trusts.

Generated from async_verified_calls.py by client/generate_client.py; do not edit.
"""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pourparler import errors
from pourparler import v1 as pb
from pourparler.rpc.batch import Batch
from pourparler.rpc.channel import PROOF_METHODS
from pourparler.rpc.sync_transport import SyncTransport
from pourparler.transparency.audit_exchange import AuditExchange
from pourparler.transparency.checkpoint import VerifierKey
from pourparler.transparency.findings import Audit
from pourparler.transparency.trust import Check, Trust, response_version

_Result = TypeVar("_Result")


class SyncVerifiedCalls:
    """The calls of a client with its trust. Without trust, responses are not checked."""

    def __init__(self, transport: SyncTransport, trust: Trust | None) -> None:
        self._transport = transport
        self._trust = trust

    @property
    def verifier_keys(self) -> Iterable[VerifierKey]:
        """The keys that the client trusts."""
        return self._trust.keys if self._trust is not None else ()

    def record(self, request: pb.RecordEntriesRequest) -> pb.Receipt:
        """Record entries. An error has the id of the request."""
        stubs = self._transport.stubs
        try:
            if self._trust is None or request.validate_only:
                plain = self._transport.call(stubs.records.RecordEntries, request)
                return plain.receipt
            response = self._transport.call(stubs.record_bytes, request)
            return self._verify(self._trust.check_receipt(request, response))
        except errors.PourparlerError as error:
            error.request_id = request.request_id
            raise

    def record_batch(
        self, requests: Iterable[pb.RecordEntriesRequest]
    ) -> list[pb.Receipt | errors.PourparlerError]:
        """Record the requests of a batch. Return their outcomes in the same order."""
        transport = self._transport
        batch = Batch(requests, transport.timeout, renew_token=transport.credentials.renew_token)
        while (request := batch.request()) is not None:
            try:
                data = transport.call_batch(request, batch.remaining_seconds())
                for sent, response, receipt in batch.receipts(data):
                    try:
                        batch.accept_receipt(self.check_receipt(sent, response) or receipt)
                    except errors.PourparlerError as error:
                        batch.reject_receipt(error)
            except errors.PourparlerError as error:
                batch.fail_call(error)
            transport.sleep(batch.pause())
        return batch.outcomes()

    def check_receipt(self, request: pb.RecordEntriesRequest, response: bytes) -> pb.Receipt | None:
        """Return the receipt in a response, verified; None if there is nothing to verify it with.

        Raises TrustError if the signed log does not back it.
        """
        if self._trust is None or request.validate_only:
            return None
        return self._verify(self._trust.check_receipt(request, response))

    def get_negotiation(self, request: pb.GetNegotiationRequest) -> pb.GetNegotiationResponse:
        """Get a state. Without `as_of`, it is checked to be the latest."""
        size = self._last_size(request.name)
        method = self._transport.stubs.negotiations.GetNegotiation
        response = self._transport.call(method, request)
        if request.as_of == pb.AsOf():
            self._check_latest(request.name, response_version(response), size)
        return response

    def status_report(self, request: pb.GetStatusReportRequest) -> pb.GetStatusReportResponse:
        """Get a status report. Without `as_of`, it is checked to be the latest."""
        size = self._last_size(request.name)
        method = self._transport.stubs.negotiations.GetStatusReport
        response = self._transport.call(method, request)
        if request.as_of == pb.AsOf():
            self._check_latest(request.name, response_version(response), size)
        return response

    def list_negotiations(
        self, request: pb.ListNegotiationsRequest
    ) -> Iterator[pb.NegotiationSummary]:
        """Yield the negotiations of all pages."""
        while True:
            method = self._transport.stubs.negotiations.ListNegotiations
            page = self._transport.call(method, request)
            yield from page.negotiations
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def search(
        self,
        request: pb.SearchEntriesRequest,
        negotiations: dict[str, pb.SearchedNegotiation],
    ) -> Iterator[pb.SearchHit]:
        """Yield the hits of all pages, and add their negotiations by name."""
        while True:
            method = self._transport.stubs.negotiations.SearchEntries
            page = self._transport.call(method, request)
            negotiations.update((one.name, one) for one in page.negotiations)
            yield from page.hits
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def get_checkpoint(self, name: str) -> str:
        """Get the signed checkpoint of a log, checked against the last trusted one."""
        size = self._last_size(name)
        request = pb.GetCheckpointRequest(name=name)
        method = self._transport.stubs.audits.GetCheckpoint
        response = self._transport.call(method, request)
        if self._trust is not None:
            self._verify(self._trust.check_checkpoint(name, response.checkpoint, size))
        return response.checkpoint

    def audit(self, exchange: AuditExchange) -> Audit:
        """Run the requests of an audit. Return its result."""
        get_checkpoint = self._transport.stubs.audits.GetCheckpoint
        get_negotiation = self._transport.stubs.negotiations.GetNegotiation
        try:
            first = self._transport.call(get_checkpoint, exchange.checkpoint_request())
        except errors.NotFoundError:
            if not exchange.not_found():
                raise
        else:
            exchange.begin(first.checkpoint)
        while exchange.reading or exchange.comparing:
            if exchange.reading:
                self._transport.read_records(exchange)
            else:
                request = exchange.state_request()
                exchange.compare(self._transport.call(get_negotiation, request))
        later = exchange.later_checkpoint_request()
        if later is not None:
            try:
                second = self._transport.call(get_checkpoint, later)
                exchange.add_later_checkpoint(second.checkpoint)
            except errors.NotFoundError:
                exchange.add_later_checkpoint("")
        return exchange.finish()

    def _last_size(self, name: str) -> int:
        return self._trust.last_size(name) if self._trust is not None else 0

    def _check_latest(self, name: str, version: int, size: int) -> None:
        if self._trust is not None:
            self._verify(self._trust.check_latest(name, version, size))

    def _verify(self, check: Check[_Result]) -> _Result:
        """Send the requests of a check until it has its result. Raises TrustError."""
        response = None
        while True:
            try:
                request = check.send(response)
            except StopIteration as done:
                result: _Result = done.value
                return result
            method: Any = getattr(self._transport.stubs.audits, PROOF_METHODS[type(request)])
            response = self._transport.call(method, request)
