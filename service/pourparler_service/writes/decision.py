"""Decisions: authorize, check and evolve one request. The one place that needs state for that.

A request is decided on the state that the requests before it leave, whether committed or not.
"""

import functools
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler_service.aggregate.negotiation import Negotiation, NegotiationMark
from pourparler_service.authorization.policy import Policy
from pourparler_service.authorization.roles import (
    CUSTODIAN,
    Roles,
    check_may_record,
    check_sees_own,
    roles_of,
    scope_of,
    withheld_conflict,
)
from pourparler_service.domain import rules, self_correction_rules
from pourparler_service.domain.common_rules import History
from pourparler_service.domain.needed_format import needed_format
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.domain.refusal import RefusalError, not_found, quoted, refuse
from pourparler_service.runtime.lru_cache import LruCache
from pourparler_service.storage.interface import COPIES, EventStore, StoredEntry
from pourparler_service.storage.record_codec import decode_record, encode_record, is_erased, topic
from pourparler_service.writes.receipts import UnsignedReceipt, receipt_of, validation_receipt
from pourparler_service.writes.requests import ImportRequest, WriteRequest
from pourparler_service.writes.viewer_states import ViewerState, ViewerStateMark, ViewerStates

_TICK = 1_000  # nanoseconds: the resolution of clients' clocks and languages


class _Recorder(NamedTuple):
    """The caller of a request: its roles, and what it sees unless that is everything."""

    roles: Roles
    view: ViewerState | None = None


class _Started(NamedTuple):
    """A request that is being decided, and the points that a refusal rolls back to."""

    request: WriteRequest
    recorder: _Recorder
    record_time: Timestamp
    mark: NegotiationMark
    view_mark: ViewerStateMark | None


class Decider:
    """Decides requests on cached negotiations. Owned by the writer's thread."""

    def __init__(
        self, store: EventStore, policy: Policy, *, cached_bytes: int, request_seconds: float
    ) -> None:
        """Read negotiations from a store, and cache so many bytes of them.

        `request_seconds` limits the processor time of a request: all others wait for it.
        """
        self._store = store
        self._policy = policy
        self._request_seconds = request_seconds
        self._cached: LruCache[str, Negotiation] = LruCache(cached_bytes)
        self._views = ViewerStates(cached_bytes // 4)
        self._batch: dict[str, Negotiation] = {}  # of this batch: none of them is evicted
        self._now = 0

    def begin(self, now: int) -> None:
        """Start a batch at a time, in nanoseconds since 1970."""
        self._now = max(self._now, now)

    def committed(self) -> None:
        """Note that the batch is in the store now, and keep its negotiations for the next one."""
        for id_, negotiation in self._batch.items():
            negotiation.mark_committed()
            self._cached.put(id_, negotiation, negotiation.size)
        self._batch.clear()

    def forget(self) -> None:
        """Drop every state: it is not known what is in the store."""
        self._cached.clear()
        self._views.clear()
        self._batch.clear()

    def decide(
        self, request: WriteRequest | ImportRequest, records: list[StoredEntry]
    ) -> UnsignedReceipt | None:
        """Add the entries of a request to the records of the batch, and return its receipt.

        An import has no receipt. If RefusalError is raised, everything is as it was before.
        """
        if request.deadline is not None and time.monotonic() > request.deadline:
            refuse(
                pb.ERROR_REASON_DEADLINE_EXCEEDED,
                "The deadline passed before the request was started. Nothing was recorded.",
            )
        if isinstance(request, ImportRequest):
            self._import(request, records)
            return None
        if request.stop_on_failure and request.failures is not None:
            request.failures.check(request.negotiation)
        return self._record(request, records)

    def _record(self, request: WriteRequest, records: list[StoredEntry]) -> UnsignedReceipt:
        negotiation = self._load(request.negotiation)
        recorder = self._authorize(negotiation, request)
        if (request.caller, request.request_id) in negotiation.requests:
            return self._first_receipt(negotiation, request, recorder, records)
        _check_version(negotiation, request)

        view = recorder.view
        started = _Started(
            request,
            recorder,
            self._record_time(negotiation),
            negotiation.mark(),
            None if view is None else view.mark(),
        )
        stored: list[StoredEntry] = []
        try:
            began = time.thread_time()
            for place, draft in enumerate(request.drafts):
                try:
                    if place and not request.by_service:
                        self._check_time(time.thread_time() - began, place)
                    stored.append(self._evolve(negotiation, started, draft))
                except RefusalError as refusal:
                    raise refusal.with_prefix(f"drafts[{place}]") from None
            if request.by_service:
                negotiation.refold()
                self._views.drop(negotiation.id)
        except BaseException:
            self._rollback(negotiation, started)
            raise
        if request.validate_only:
            self._rollback(negotiation, started)
            return validation_receipt(request.negotiation, stored)
        records.extend(stored)
        return receipt_of(negotiation, stored)

    def _authorize(self, negotiation: Negotiation, request: WriteRequest) -> _Recorder:
        """Return the caller as recorder. Raise RefusalError if it is a stranger, or for an import.

        A stranger that opens a negotiation learns only if the id is in use.
        """
        recorder = self._recorder(negotiation, request)
        exists, opens = negotiation.version > 0, request.opens
        if exists and opens and recorder is None:
            _check_version(negotiation, request)
        if recorder is None or not (exists or opens):
            not_found(request.negotiation)
        if negotiation.is_import:
            refuse(
                pb.ERROR_REASON_NEGOTIATION_IS_COPY,
                f"The negotiation '{request.negotiation}' was imported from another service."
                " Record the entry there, and import a newer bundle.",
                "negotiation",
                negotiation=request.negotiation,
            )
        return recorder

    def _recorder(self, negotiation: Negotiation, request: WriteRequest) -> _Recorder | None:
        """Return the roles and the view of the caller; None for a stranger."""
        caller, exists = request.caller, negotiation.version > 0
        if caller == ANONYMOUS or request.by_service or not exists:
            return _Recorder(CUSTODIAN)
        now = Timestamp()
        now.FromNanoseconds(self._now)
        roles = roles_of(negotiation.state.principals, caller, now)
        if roles == Roles() and not self._policy.sees_everything(caller):
            return None
        scope = scope_of(roles, caller, self._policy)
        if scope.whole or negotiation.is_import:
            return _Recorder(roles)
        return _Recorder(roles, self._views.of(negotiation, scope))

    def _evolve(self, negotiation: Negotiation, started: _Started, draft: pb.Draft) -> StoredEntry:
        """Check one draft, encode it, and add it to the state exactly as it will be read back."""
        request, recorder = started.request, started.recorder
        view, state = recorder.view, _visible_state(negotiation, recorder)
        draft = _completed(draft, request, state)
        self._check(negotiation, started, draft, state)
        version = negotiation.version + 1
        encoded = encode_record(
            request.negotiation,
            version,
            started.record_time,
            draft.facts,
            draft.words,
            entry_format=needed_format(negotiation.state, draft),
        )
        persons = negotiation.persons_concerned(draft.facts) if draft.words.ByteSize() else ()
        negotiation.advance(encoded, started.mark.undo)
        if view is not None:
            view.advance(started.view_mark)
        return StoredEntry(request.negotiation, version, topic(draft.facts), encoded.data, persons)

    def _check(
        self, negotiation: Negotiation, started: _Started, draft: pb.Draft, visible: pb.Negotiation
    ) -> None:
        """Raise RefusalError if the caller may not record a draft, or a rule forbids it.

        A caller without full access is checked twice. On its view, it may know the reason. On the
        whole state, it may know only that a hidden entry conflicts.
        """
        request, recorder = started.request, started.recorder
        roles, view, facts = recorder.roles, recorder.view, draft.facts
        if not roles.custodian:
            check_may_record(roles, facts)
        whole: History = functools.cache(negotiation.history)
        seen: History = whole if view is None else functools.cache(lambda: view.visible(whole()))
        corrects_own = facts.HasField("entry_corrected") and not roles.records_everything
        if corrects_own:
            self_correction_rules.check(facts, seen())
            self_correction_rules.check_not_referenced(visible, facts, seen())
        check: Callable[..., None] = functools.partial(
            rules.check, draft=draft, record_time=started.record_time
        )
        if view is not None:
            check_sees_own(view.scope, facts)
            check(visible, history=seen)
        history = whole
        if request.by_service:
            # The group may be large: do not read the whole record for each of its redactions.
            target = facts.entry_redacted.target_version
            history = functools.partial(negotiation.entry_and_amendments, target)
        try:
            if corrects_own:
                self_correction_rules.check(facts, whole())
            check(negotiation.state, history=history, by_service=request.by_service)
        except RefusalError as refusal:
            raise (refusal if view is None else withheld_conflict()) from None

    def _check_time(self, seconds: float, drafts: int) -> None:
        if seconds > self._request_seconds:
            refuse(
                pb.ERROR_REASON_LIMIT_EXCEEDED,
                f"The first {drafts} drafts took {self._request_seconds:g} seconds, while all other"
                " requests waited. Send fewer corrections and disclosures in one request.",
                limit=str(drafts),
            )

    def _rollback(self, negotiation: Negotiation, started: _Started) -> None:
        view, mark = started.recorder.view, started.view_mark
        if view is not None and mark is not None and not view.rollback(mark):
            self._views.drop(negotiation.id)
        negotiation.rollback(started.mark)

    def _record_time(self, negotiation: Negotiation) -> Timestamp:
        """Return the current time, by a clock that never runs back within a negotiation.

        No two requests have an equal time, so a state as of a time never has a part of a request.
        """
        earliest = negotiation.record_time.ToNanoseconds() + _TICK if negotiation.version else 0
        now = Timestamp()
        now.FromNanoseconds(max(self._now, earliest))
        return now

    def _first_receipt(
        self,
        negotiation: Negotiation,
        request: WriteRequest,
        recorder: _Recorder,
        records: Sequence[StoredEntry],
    ) -> UnsignedReceipt:
        """Return the first receipt of a repeated request, whatever the version is by now.

        Its entries may be in this very batch. Raise RefusalError if the drafts are not the same.
        """
        first, last = negotiation.requests[request.caller, request.request_id]
        state = _visible_state(negotiation, recorder)
        stored: Sequence[StoredEntry] = [
            one
            for one in records
            if one.negotiation == negotiation.id and first <= one.version <= last
        ] or self._store.read(negotiation.id, after=first - 1, upto=last)
        entries = [decode_record(one.data) for one in stored]
        # Erased words cannot be compared.
        same = len(entries) == len(request.drafts) and all(
            draft.facts == entry.facts and (draft.words == entry.words or is_erased(entry))
            for entry, draft in zip(
                entries,
                (_completed(draft, request, state) for draft in request.drafts),
                strict=True,
            )
        )
        if not same:
            refuse(
                pb.ERROR_REASON_REQUEST_ID_REUSED,
                f"The request id {quoted(request.request_id)} was used for other entries,"
                f" from version {first} on. Give this request an id of its own.",
                "request_id",
                request_id=request.request_id,
                first_version=str(first),
            )
        if recorder.view is not None:
            # A caller that lost access to its own entries sees no more of them than others.
            stored = recorder.view.filtered(stored)
        return receipt_of(negotiation, stored)

    def _import(self, request: ImportRequest, records: list[StoredEntry]) -> None:
        """Add the entries of an import, and beside them its checkpoint and its keys."""
        id_ = request.negotiation
        if self._last_version(id_, records) != request.after:
            # The text names no version: the caller may not be allowed to know it.
            refuse(
                pb.ERROR_REASON_VERSION_MISMATCH,
                "The negotiation has changed since the bundle was checked. Import it again.",
                expected_version=str(request.after),
            )
        imported = pb.Copy(
            checkpoint=request.checkpoint,
            version=request.records[-1].version,
            verifier_keys=request.verifier_keys,
            copied_by=request.caller,
        )
        imported.copy_time.FromNanoseconds(self._now)
        beside = COPIES + id_
        imports = self._last_version(beside, records)
        records.extend(request.records)
        records.append(
            StoredEntry(
                beside,
                imports + 1,
                str(pb.Copy.DESCRIPTOR.full_name),
                imported.SerializeToString(deterministic=True),
            )
        )
        self._cached.drop(id_)  # its state was folded without these entries
        self._batch.pop(id_, None)

    def _last_version(self, id_: str, records: Sequence[StoredEntry]) -> int:
        """Return the last version of an id, in this batch or in the store."""
        in_batch = [one.version for one in records if one.negotiation == id_]
        return in_batch[-1] if in_batch else self._store.last_version(id_)

    def _load(self, id_: str) -> Negotiation:
        negotiation = self._batch.get(id_) or self._cached.get(id_)
        if negotiation is None:
            negotiation = Negotiation(self._store, id_)
            negotiation.catch_up()
        self._batch[id_] = negotiation
        return negotiation


def _check_version(negotiation: Negotiation, request: WriteRequest) -> None:
    """Raise RefusalError if the negotiation exists, or is not at the expected version."""
    if negotiation.version and request.opens:
        refuse(
            pb.ERROR_REASON_NEGOTIATION_EXISTS,
            f"There is a negotiation '{request.negotiation}' already."
            " Choose another id, or leave it out.",
            "negotiation",
            negotiation=f"negotiations/{request.negotiation}",
        )
    if request.expected_version not in {None, negotiation.version}:
        refuse(
            pb.ERROR_REASON_VERSION_MISMATCH,
            f"The negotiation is at version {negotiation.version}, not {request.expected_version}."
            " Read it again before you decide.",
            "expected_version",
            expected_version=str(request.expected_version),
            version=str(negotiation.version),
        )


def _visible_state(negotiation: Negotiation, recorder: _Recorder) -> pb.Negotiation:
    return negotiation.state if recorder.view is None else recorder.view.state


def _completed(draft: pb.Draft, request: WriteRequest, state: pb.Negotiation) -> pb.Draft:
    """Return a draft with the fields that the service fills in."""
    result = pb.Draft()
    result.CopyFrom(draft)
    rules.complete(state, result)
    result.facts.request_id = request.request_id
    result.facts.recorded_by = request.caller
    return result
