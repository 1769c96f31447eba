"""The witnesses of a service: asked off the path of those who record, for what was last recorded.

A cosignature says that the witness saw no longer log, so it is had for the newest version alone,
and is kept while that is the newest.
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
from pourparler_service.domain.refusal import Refusal
from pourparler_service.storage.interface import EventStore, StoreUnavailableError
from pourparler_service.transparency.log import Log
from pourparler_service.transparency.witness_client import (
    Cosignature,
    WitnessAt,
    WitnessAwayError,
    WitnessClient,
    WitnessFailedError,
    WitnessSettingsError,
)

_LOG = logging.getLogger(__name__)

_ANSWER_SECONDS = 2.0
_LOOK_SECONDS = 1.0
_CALLERS = 256
_SCANNED = 1_000
_HELD = 10_000
_LACKING = 1_000
_TOO_LATE = "It cosigns the newest version alone, and did not cosign this one while it was that."
_CLOSING = "The service is shutting down."
_UNREADABLE = "The record could not be read."
_BUSY = "Too many are waiting for cosignatures. Try again later."


class _Cosigned(NamedTuple):
    """A checkpoint as the service signed it, and the cosignatures that it has so far."""

    signed: str
    cosignatures: dict[WitnessAt, Cosignature]
    answer: pb.GetCheckpointResponse


class _Waiting(NamedTuple):
    """Somebody who waits for the cosignatures of an answer, perhaps of just that version."""

    negotiation: str
    answer: pb.GetCheckpointResponse
    exact: bool
    cosigned: Future[pb.GetCheckpointResponse]


class _CheckpointQueue:
    """A witness in the eyes of the one who asks: what came of it last, and when to ask again."""

    def __init__(self, client: WitnessClient) -> None:
        self.client = client
        self.asked: Future[Cosignature] | None = None
        self.rests_until = float("-inf")
        self.failure = ""


class Cosigner:
    """One thread that has the last checkpoint of every negotiation cosigned as it grows.

    Those who ask for a checkpoint come first; then what was recorded since; then what lacks
    cosignatures from before.
    """

    def __init__(
        self,
        witnesses: Sequence[WitnessAt],
        required: int,
        store: EventStore,
        log: Log,
        again_seconds: float = 10.0,
    ) -> None:
        """Want so many cosignatures; whoever fails is asked again after `again_seconds`.

        Raises WitnessSettingsError if there are not so many witnesses.
        """
        if not 0 <= required <= len(witnesses):
            raise WitnessSettingsError(
                f"{required} cosignatures cannot be had of {len(witnesses)} witnesses."
            )
        self._required = required
        self._store = store
        self._log = log
        self._again_seconds = again_seconds
        self._lines = [_CheckpointQueue(WitnessClient(at, self._proof)) for at in witnesses]
        self._askers = ThreadPoolExecutor(max(1, len(witnesses)), thread_name_prefix="asker")
        self._thread = threading.Thread(target=self._run, name="witnesses")
        # Guarded by _changed: those who wait, what is held, what lacks; and the end.
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, list[_Waiting]] = OrderedDict()
        self._held: OrderedDict[str, _Cosigned] = OrderedDict()
        self._lacking: OrderedDict[str, float] = OrderedDict()
        self._closed = False
        # Owned by the thread.
        self._position: int | None = None
        self._recorded: dict[str, None] = {}
        self._next_look = float("-inf")

    def _proof(self, id_: str, old: int, new: int) -> Sequence[bytes]:
        return self._log.consistency(id_, old, new).hashes

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    @property
    def met(self) -> bool:
        """Whether every checkpoint that was tried last bears the cosignatures that are required."""
        with self._changed:
            return not self._lacking

    def cosigned(
        self, id_: str, answer: pb.GetCheckpointResponse, *, exact: bool
    ) -> Future[pb.GetCheckpointResponse]:
        """A checkpoint with the cosignatures that can be had; if not `exact`, or a newer one."""
        future: Future[pb.GetCheckpointResponse] = Future()
        with self._changed:
            held = self._held.get(id_)
            if held and held.signed == answer.checkpoint and self._is_complete(held):
                future.set_result(held.answer)
            elif self._closed:
                future.set_result(self._known(id_, answer, _CLOSING))
            elif sum(map(len, self._waiting.values())) >= _CALLERS:
                future.set_result(self._known(id_, answer, _BUSY))
            else:
                waiting = self._waiting.setdefault(id_, [])
                waiting.append(_Waiting(id_, answer, exact, future))
                self._changed.notify()
        return future

    def close(self) -> None:
        """Ask nobody any more, and answer those who wait with what there is."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        for line in self._lines:
            line.client.cut()
        if self._thread.ident is not None:
            self._thread.join()
        for line in self._lines:
            line.client.cut()
        self._askers.shutdown(cancel_futures=True)
        for line in self._lines:
            line.client.close()
        for waiting in self._waiting.values():
            for one in waiting:
                _resolve(one, self._known(one.negotiation, one.answer, _CLOSING))

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed, self._pause())
                if self._closed:
                    return
                id_, waiting = (
                    self._waiting.popitem(last=False) if self._waiting else (self._due(), [])
                )
            if not id_ and time.monotonic() >= self._next_look:
                self._look()
            if id_:
                self._attend(id_, waiting)

    def _pause(self) -> float:
        """How long there is nothing to do unless somebody asks."""
        now = time.monotonic()
        first = next(iter(self._lacking.values()), float("inf"))
        return 0.0 if self._recorded else max(0.0, min(self._next_look, first) - now)

    def _due(self) -> str:
        """A negotiation that nobody waits for, but that wants cosignatures; else nothing."""
        if self._recorded:
            return self._recorded.popitem()[0]
        for id_, due in self._lacking.items():
            return id_ if due <= time.monotonic() else ""
        return ""

    def _look(self) -> None:
        """See what was recorded since the last look; at the first one, what was recorded last."""
        self._next_look = time.monotonic() + _LOOK_SECONDS
        try:
            if self._position is None:
                self._position = max(0, self._store.position() - 1)
            found = self._store.scan(self._position, _SCANNED)
        except StoreUnavailableError as error:
            _LOG.debug("not looked for what is new: %s", error)
            return
        if found:
            self._position = found[-1][0]
            self._recorded = dict.fromkeys(stored.negotiation for _, stored in found)
        if len(found) == _SCANNED:
            self._next_look = float("-inf")

    def _attend(self, id_: str, waiting: Sequence[_Waiting]) -> None:
        try:
            newest = self._round(id_)
        except Exception as error:  # noqa: BLE001 - the thread lives on; callers are told
            if not isinstance(error, Refusal):
                _LOG.exception("no cosignatures for %s", id_)
            newest = None
            self._note(id_, met=False)
        for one in waiting:
            answer = newest or self._known(id_, one.answer, _UNREADABLE)
            if one.exact and answer.computed_at != one.answer.computed_at:
                answer = self._known(id_, one.answer, _TOO_LATE)
            _resolve(one, answer)

    def _round(self, id_: str) -> pb.GetCheckpointResponse:
        """Have the newest checkpoint of a negotiation cosigned by all who have not yet done so."""
        answer = self._log.checkpoint(id_, None)
        if answer.HasField("copy"):
            # Its log is another service's, and so are its witnesses.
            self._note(id_, met=True)
            return answer
        held = self._held.get(id_)
        has = dict(held.cosignatures) if held and held.signed == answer.checkpoint else {}
        asked = [
            (line, self._ask(line, id_, answer.checkpoint))
            for line in self._lines
            if line.client.at not in has
        ]
        wait([future for _, future in asked if future], timeout=_ANSWER_SECONDS)
        failures: dict[WitnessAt, str] = {}
        for line, future in asked:
            try:
                has[line.client.at] = _answered(line, future, self._again_seconds)
            except WitnessFailedError as failure:
                failures[line.client.at] = str(failure)
        cosigned = self._told(answer, has, failures)
        with self._changed:
            self._held[id_] = _Cosigned(answer.checkpoint, has, cosigned)
            self._held.move_to_end(id_)
            if len(self._held) > _HELD:
                self._held.popitem(last=False)
        self._note(id_, met=cosigned.cosignature_status.threshold_met)
        return cosigned

    def _ask(self, line: _CheckpointQueue, id_: str, signed: str) -> Future[Cosignature] | None:
        """Ask a witness, unless it is still busy with an earlier question or rests."""
        if (line.asked and not line.asked.done()) or time.monotonic() < line.rests_until:
            return None
        line.asked = self._askers.submit(line.client.cosign, id_, signed)
        return line.asked

    def _note(self, id_: str, *, met: bool) -> None:
        """Remember whether a negotiation lacks cosignatures, and when to ask for them again."""
        with self._changed:
            before = bool(self._lacking)
            self._lacking.pop(id_, None)
            if not met:
                self._lacking[id_] = time.monotonic() + self._again_seconds
                if len(self._lacking) > _LACKING:
                    self._lacking.popitem(last=False)
            after = bool(self._lacking)
        if after and not before:
            _LOG.warning("checkpoints bear fewer cosignatures than the %d required", self._required)
        if before and not after:
            _LOG.info("checkpoints bear the %d required cosignatures again", self._required)

    def _is_complete(self, held: _Cosigned) -> bool:
        return len(held.cosignatures) == len(self._lines)

    def _told(
        self,
        answer: pb.GetCheckpointResponse,
        has: Mapping[WitnessAt, Cosignature],
        failures: Mapping[WitnessAt, str],
    ) -> pb.GetCheckpointResponse:
        """A checkpoint with the cosignatures there are, and what came of each witness."""
        note = parse_note(answer.checkpoint)
        told = pb.GetCheckpointResponse()
        told.CopyFrom(answer)
        told.cosignature_status.required = self._required
        told.cosignature_status.threshold_met = len(has) >= self._required
        for at in (line.client.at for line in self._lines):
            witness = told.cosignature_status.witnesses.add(verifier_key=str(at.key))
            if cosignature := has.get(at):
                note = note._replace(signatures=(*note.signatures, cosignature.signature))
                witness.cosign_time.FromSeconds(cosignature.time)
            else:
                witness.failure = failures[at]
        told.checkpoint = note.signed()
        return told

    def _known(
        self, id_: str, answer: pb.GetCheckpointResponse, failure: str
    ) -> pb.GetCheckpointResponse:
        """A checkpoint with what is held of it; if nothing, for this reason."""
        held = self._held.get(id_)
        if held and held.signed == answer.checkpoint:
            return held.answer
        return self._told(answer, {}, {line.client.at: failure for line in self._lines})


def _answered(
    line: _CheckpointQueue, future: Future[Cosignature] | None, again_seconds: float
) -> Cosignature:
    """What came of asking a witness. Raises WitnessFailedError, also where it was not asked."""
    if future is None:
        raise WitnessFailedError(line.failure)
    try:
        if not future.done():
            line.client.cut()
            raise WitnessAwayError(f"It did not answer within {_ANSWER_SECONDS:.0f} seconds.")
        cosignature = future.result()
    except (WitnessFailedError, Refusal) as error:
        if isinstance(error, WitnessAwayError):
            line.rests_until = time.monotonic() + again_seconds
        if str(error) != line.failure:
            _LOG.warning("no cosignature by %s: %s", line.client.at.key.name, error)
        line.failure = str(error)
        raise WitnessFailedError(line.failure) from error
    if line.failure:
        _LOG.info("%s cosigns again", line.client.at.key.name)
    line.failure = ""
    return cosignature


def _resolve(one: _Waiting, answer: pb.GetCheckpointResponse) -> None:
    if one.cosigned.set_running_or_notify_cancel():
        one.cosigned.set_result(answer)
