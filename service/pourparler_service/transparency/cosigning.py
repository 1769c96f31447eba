"""Cosignatures of witnesses on checkpoints (C2SP tlog-witness), fetched in the background.

A cosignature states that the witness saw no longer log. So only the newest checkpoint can be
cosigned, and its cosignatures are kept while it is the newest.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.transparency.checkpoint import parse_note
from pourparler_service.domain.refusal import RefusalError
from pourparler_service.storage.interface import EventStore, StoreUnavailableError
from pourparler_service.transparency.log import Log
from pourparler_service.transparency.witness_client import (
    Cosignature,
    WitnessAddress,
    WitnessClient,
    WitnessFailedError,
    WitnessSettingsError,
    WitnessUnavailableError,
)

_LOG = logging.getLogger(__name__)

_RESPONSE_SECONDS = 2.0
_SCAN_SECONDS = 1.0
_MOST_CALLS = 256
_SCAN_ENTRIES = 1_000
_MOST_COSIGNED = 10_000
_MOST_BELOW_THRESHOLD = 1_000
_TOO_LATE = "It cosigns only the newest version, and did not cosign this version in time."
_CLOSING = "The service is shutting down."
_UNREADABLE = "The store could not read the record. Try again later."
_BUSY = "Too many calls wait for cosignatures. Try again later."


class _CosignedCheckpoint(NamedTuple):
    """A checkpoint as the service signed it, its cosignatures so far, and a response with both."""

    signed: str
    cosignatures: dict[WitnessAddress, Cosignature]
    answer: pb.GetCheckpointResponse


class _PendingCall(NamedTuple):
    """A call that waits for cosignatures; with `exact`, of the given version only."""

    negotiation: str
    answer: pb.GetCheckpointResponse
    exact: bool
    future: Future[pb.GetCheckpointResponse]


class _WitnessState:
    """A witness, its last request and failure, and the time of the next attempt."""

    def __init__(self, client: WitnessClient) -> None:
        self.client = client
        self.request: Future[Cosignature] | None = None
        self.retry_time = float("-inf")
        self.failure = ""


class Cosigner:
    """A thread that requests cosignatures for the newest checkpoint of every negotiation.

    Waiting calls come first, then negotiations with new entries. Negotiations below the threshold
    come last.
    """

    def __init__(
        self,
        witnesses: Sequence[WitnessAddress],
        required: int,
        store: EventStore,
        log: Log,
        retry_seconds: float = 10.0,
    ) -> None:
        """Require `required` cosignatures; retry a failed witness after `retry_seconds`.

        Raise WitnessSettingsError if there are fewer witnesses than required cosignatures.
        """
        if not 0 <= required <= len(witnesses):
            raise WitnessSettingsError(
                f"{required} cosignatures are required, but there are {len(witnesses)} witnesses."
                " Add witnesses, or require fewer cosignatures."
            )
        self._required = required
        self._store = store
        self._log = log
        self._retry_seconds = retry_seconds
        self._witnesses = [_WitnessState(WitnessClient(at, self._proof)) for at in witnesses]
        self._requests = ThreadPoolExecutor(max(1, len(witnesses)), thread_name_prefix="witness")
        self._thread = threading.Thread(target=self._run, name="witnesses")
        # Guarded by _changed, from here to _closed.
        self._changed = threading.Condition()
        self._pending: OrderedDict[str, list[_PendingCall]] = OrderedDict()
        self._cosigned: OrderedDict[str, _CosignedCheckpoint] = OrderedDict()
        self._below_threshold: OrderedDict[str, float] = OrderedDict()
        self._closed = False
        # Owned by the thread.
        self._position: int | None = None
        self._grown: dict[str, None] = {}
        self._next_scan = float("-inf")

    def _proof(self, id_: str, old: int, new: int) -> Sequence[bytes]:
        return self._log.consistency(id_, old, new).hashes

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def is_threshold_met(self) -> bool:
        """True if each checkpoint had the required cosignatures at the last attempt."""
        with self._changed:
            return not self._below_threshold

    def cosign(
        self, id_: str, answer: pb.GetCheckpointResponse, *, exact: bool
    ) -> Future[pb.GetCheckpointResponse]:
        """Return the future of a response with cosignatures, also of a newer one unless `exact`."""
        future: Future[pb.GetCheckpointResponse] = Future()
        with self._changed:
            known = self._cosigned.get(id_)
            if known and known.signed == answer.checkpoint and self._is_complete(known):
                future.set_result(known.answer)
            elif self._closed:
                future.set_result(self._known_response(id_, answer, _CLOSING))
            elif sum(map(len, self._pending.values())) >= _MOST_CALLS:
                future.set_result(self._known_response(id_, answer, _BUSY))
            else:
                pending = self._pending.setdefault(id_, [])
                pending.append(_PendingCall(id_, answer, exact, future))
                self._changed.notify()
        return future

    def close(self) -> None:
        """Stop the requests, and answer pending calls with the cosignatures so far."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        for witness in self._witnesses:
            witness.client.interrupt()
        if self._thread.ident is not None:
            self._thread.join()
        for witness in self._witnesses:
            witness.client.interrupt()
        self._requests.shutdown(cancel_futures=True)
        for witness in self._witnesses:
            witness.client.close()
        for pending in self._pending.values():
            for one in pending:
                _resolve(one, self._known_response(one.negotiation, one.answer, _CLOSING))

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._closed, self._idle_seconds())
                if self._closed:
                    return
                id_, pending = (
                    self._pending.popitem(last=False) if self._pending else (self._next_due(), [])
                )
            if not id_ and time.monotonic() >= self._next_scan:
                self._scan()
            if id_:
                self._answer(id_, pending)

    def _idle_seconds(self) -> float:
        """Return the seconds without work unless a call arrives."""
        now = time.monotonic()
        first = next(iter(self._below_threshold.values()), float("inf"))
        return 0.0 if self._grown else max(0.0, min(self._next_scan, first) - now)

    def _next_due(self) -> str:
        """Return a negotiation that needs cosignatures without a pending call; else empty."""
        if self._grown:
            return self._grown.popitem()[0]
        for id_, due in self._below_threshold.items():
            return id_ if due <= time.monotonic() else ""
        return ""

    def _scan(self) -> None:
        """Scan for negotiations with new entries; the first scan reads only the last entry."""
        self._next_scan = time.monotonic() + _SCAN_SECONDS
        try:
            if self._position is None:
                self._position = max(0, self._store.position() - 1)
            found = self._store.scan(self._position, _SCAN_ENTRIES)
        except StoreUnavailableError as error:
            _LOG.debug("no scan for new entries: %s", error)
            return
        if found:
            self._position = found[-1][0]
            self._grown = dict.fromkeys(stored.negotiation for _, stored in found)
        if len(found) == _SCAN_ENTRIES:
            self._next_scan = float("-inf")

    def _answer(self, id_: str, pending: Sequence[_PendingCall]) -> None:
        try:
            newest = self._cosign_newest(id_)
        except Exception as error:  # noqa: BLE001 - the thread goes on, calls get the failure
            if not isinstance(error, RefusalError):
                _LOG.exception("no cosignatures for %s", id_)
            newest = None
            self._set_threshold(id_, is_met=False)
        for one in pending:
            answer = newest or self._known_response(id_, one.answer, _UNREADABLE)
            if one.exact and answer.computed_at != one.answer.computed_at:
                answer = self._known_response(id_, one.answer, _TOO_LATE)
            _resolve(one, answer)

    def _cosign_newest(self, id_: str) -> pb.GetCheckpointResponse:
        """Request the missing cosignatures of the newest checkpoint of a negotiation."""
        answer = self._log.checkpoint(id_, None)
        if answer.HasField("copy"):
            # The log of a copy belongs to another service, and so do its witnesses.
            self._set_threshold(id_, is_met=True)
            return answer
        known = self._cosigned.get(id_)
        has = dict(known.cosignatures) if known and known.signed == answer.checkpoint else {}
        requests = [
            (witness, self._request(witness, id_, answer.checkpoint))
            for witness in self._witnesses
            if witness.client.address not in has
        ]
        wait([future for _, future in requests if future], timeout=_RESPONSE_SECONDS)
        failures: dict[WitnessAddress, str] = {}
        for witness, future in requests:
            try:
                has[witness.client.address] = _result(witness, future, self._retry_seconds)
            except WitnessFailedError as failure:
                failures[witness.client.address] = str(failure)
        cosigned = self._response(answer, has, failures)
        with self._changed:
            self._cosigned[id_] = _CosignedCheckpoint(answer.checkpoint, has, cosigned)
            self._cosigned.move_to_end(id_)
            if len(self._cosigned) > _MOST_COSIGNED:
                self._cosigned.popitem(last=False)
        self._set_threshold(id_, is_met=cosigned.cosignature_status.threshold_met)
        return cosigned

    def _request(self, witness: _WitnessState, id_: str, signed: str) -> Future[Cosignature] | None:
        """Send a request to a witness, unless one is in progress or its retry is not due."""
        if (
            witness.request and not witness.request.done()
        ) or time.monotonic() < witness.retry_time:
            return None
        witness.request = self._requests.submit(witness.client.cosign, id_, signed)
        return witness.request

    def _set_threshold(self, id_: str, *, is_met: bool) -> None:
        """Update the list of negotiations below the threshold, with their retry times."""
        with self._changed:
            before = bool(self._below_threshold)
            self._below_threshold.pop(id_, None)
            if not is_met:
                self._below_threshold[id_] = time.monotonic() + self._retry_seconds
                if len(self._below_threshold) > _MOST_BELOW_THRESHOLD:
                    self._below_threshold.popitem(last=False)
            after = bool(self._below_threshold)
        if after and not before:
            _LOG.warning("checkpoints have fewer than the %d required cosignatures", self._required)
        if before and not after:
            _LOG.info("checkpoints have the %d required cosignatures again", self._required)

    def _is_complete(self, known: _CosignedCheckpoint) -> bool:
        return len(known.cosignatures) == len(self._witnesses)

    def _response(
        self,
        answer: pb.GetCheckpointResponse,
        has: Mapping[WitnessAddress, Cosignature],
        failures: Mapping[WitnessAddress, str],
    ) -> pb.GetCheckpointResponse:
        """Return a checkpoint with its cosignatures, and the failure of each other witness."""
        note = parse_note(answer.checkpoint)
        response = pb.GetCheckpointResponse()
        response.CopyFrom(answer)
        response.cosignature_status.required = self._required
        response.cosignature_status.threshold_met = len(has) >= self._required
        for at in (witness.client.address for witness in self._witnesses):
            witness = response.cosignature_status.witnesses.add(verifier_key=str(at.key))
            if cosignature := has.get(at):
                note = note._replace(signatures=(*note.signatures, cosignature.signature))
                witness.cosign_time.FromSeconds(cosignature.time)
            else:
                witness.failure = failures[at]
        response.checkpoint = note.signed()
        return response

    def _known_response(
        self, id_: str, answer: pb.GetCheckpointResponse, failure: str
    ) -> pb.GetCheckpointResponse:
        """Return a checkpoint with its known cosignatures, or with `failure` if there are none."""
        known = self._cosigned.get(id_)
        if known and known.signed == answer.checkpoint:
            return known.answer
        return self._response(
            answer, {}, {witness.client.address: failure for witness in self._witnesses}
        )


def _result(
    witness: _WitnessState, future: Future[Cosignature] | None, retry_seconds: float
) -> Cosignature:
    """Return the cosignature of a request. Raise WitnessFailedError, also without a request."""
    if future is None:
        raise WitnessFailedError(witness.failure)
    try:
        if not future.done():
            witness.client.interrupt()
            raise WitnessUnavailableError(
                f"It did not answer within {_RESPONSE_SECONDS:.0f} seconds."
            )
        cosignature = future.result()
    except (WitnessFailedError, RefusalError) as error:
        if isinstance(error, WitnessUnavailableError):
            witness.retry_time = time.monotonic() + retry_seconds
        if str(error) != witness.failure:
            _LOG.warning("no cosignature by %s: %s", witness.client.address.key.name, error)
        witness.failure = str(error)
        raise WitnessFailedError(witness.failure) from error
    if witness.failure:
        _LOG.info("%s cosigns again", witness.client.address.key.name)
    witness.failure = ""
    return cosignature


def _resolve(one: _PendingCall, answer: pb.GetCheckpointResponse) -> None:
    if one.future.set_running_or_notify_cancel():
        one.future.set_result(answer)
