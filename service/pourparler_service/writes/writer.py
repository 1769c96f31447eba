"""The one writer.

What waits is taken together, checked in order, committed at once, and only then answered.
"""

import functools
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.schema.wire import framed
from pourparler.state.fold import Undo
from pourparler_service.aggregate.negotiation import Negotiation, NegotiationMark
from pourparler_service.authorization.filtering import (
    FilteredState,
    FilteredStateMark,
    header_alone,
)
from pourparler_service.authorization.policy import Policy, check_may_open
from pourparler_service.authorization.roles import (
    EVERYTHING,
    KEEPER,
    Roles,
    VisibilityScope,
    check_may_record,
    check_sees_own,
    conflict,
    roles_of,
    sight_of,
)
from pourparler_service.domain import rules, self_correction_rules
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.domain.refusal import Refusal, Violation, not_found, quoted, refuse
from pourparler_service.runtime.lru_cache import LruCache
from pourparler_service.storage.event_store import Store
from pourparler_service.storage.interface import (
    COPIES,
    ConflictError,
    StoredEntry,
    StoreUnavailableError,
)
from pourparler_service.storage.record_codec import (
    NO_SALT,
    decode_record,
    encode_record,
    is_erased,
    topic,
)
from pourparler_service.transparency.signing_keys import Signer
from pourparler_service.writes.requests import ImportRequest, WriteRequest
from pourparler_service.writes.write_queue import WriteQueue

HELD_BYTES = 1 << 28
"""How many bytes the negotiations held by the writer may take together."""


GROUP_SECONDS = 5.0
"""How long a group may take of the processor: all others wait for it. What is said of earlier
entries has a whole record folded anew: a thousand corrections of a long one would take minutes."""

_ATTEMPTS = 5
_ANYBODY = Policy()
_TICK = 1_000  # nanoseconds: what clients' clocks and languages can tell apart


class _Call(NamedTuple):
    """What waits for the writer, and where its caller waits for the receipt."""

    asked: WriteRequest | ImportRequest
    receipt: Future[bytes]

    def entries(self) -> int:
        """How many entries it is about."""
        asked = self.asked
        return len(asked.drafts if isinstance(asked, WriteRequest) else asked.records)

    def taken_up(self) -> bool:
        """Take it up; it is not to be had if its caller gave up."""
        return self.receipt.set_running_or_notify_cancel()

    def fail(self, error: Exception) -> None:
        """Tell the caller what it has failed with."""
        asked = self.asked
        if isinstance(asked, WriteRequest) and asked.turn is not None:
            asked.turn.fail(asked.negotiation)
        self.receipt.set_exception(error)


class _Unsigned(NamedTuple):
    """A receipt but for its checkpoint: the entries, and the root of the log after them."""

    negotiation: str
    records: Sequence[StoredEntry]
    root: bytes
    recorded: Timestamp


class _Recorder(NamedTuple):
    """Who records: as what, and what they see; cut, where that is not everything."""

    roles: Roles
    sight: VisibilityScope
    cut: FilteredState | None = None


_KEEPER = _Recorder(KEEPER, EVERYTHING)


class _Decision(NamedTuple):
    """A group that is being recorded: by whom, at what time, and how to take it back."""

    group: WriteRequest
    recorder: _Recorder
    record_time: Timestamp
    undo: Undo
    cut: FilteredStateMark | None
    """What the caller saw before."""


class _Accepted(NamedTuple):
    """A call that will be answered with this receipt once the batch is on disk."""

    call: _Call
    receipt: _Unsigned | None  # a copy has none


class Writer:
    """The thread that records.

    Whatever it holds is its own; callers hand in groups and wait for futures.
    """

    def __init__(
        self,
        store: Store,
        signer: Signer,
        *,
        clock: Callable[[], int] = time.time_ns,
        line: "WriteQueue[_Call] | None" = None,
        held_bytes: int = HELD_BYTES,
        policy: Policy = _ANYBODY,
        group_seconds: float = GROUP_SECONDS,
        on_commit: Callable[[Collection[str]], object] = lambda _: None,
    ) -> None:
        """Write to this store and sign; `clock` gives nanoseconds since 1970.

        `on_commit` is told which negotiations have more entries on disk now, or may have, before
        any caller is answered. It must not block or raise.
        """
        self._store = store
        self._signer = signer
        self._clock = clock
        self._policy = policy
        self._group_seconds = group_seconds
        self._on_commit = on_commit
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._line: WriteQueue[_Call] = WriteQueue() if line is None else line
        # Owned by the thread.
        self._held: LruCache[str, Negotiation] = LruCache(held_bytes)
        self._cuts: LruCache[str, dict[VisibilityScope, FilteredState]] = LruCache(held_bytes // 4)
        self._at_hand: dict[str, Negotiation] = {}  # of this batch: none of them is let go
        self._now = 0

    def start(self) -> None:
        """Begin to take up groups."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether groups that are handed in will be taken up."""
        return self._thread.is_alive() and not self._line.closed

    def crowded(self, name: str) -> bool:
        """Whether who hands in many groups in this name should wait: others need room as well."""
        return self._line.crowded(name)

    def submit(self, group: WriteRequest) -> Future[bytes]:
        """Hand in a group. The future gives the bytes of its Receipt, or fails with a Refusal.

        A future that is cancelled before its group is taken up leaves nothing behind.
        """
        return self._wait(_Call(group, Future()))

    def copy(self, copying: ImportRequest) -> Future[bytes]:
        """Hand in what is to be copied. As with `submit`, but the future gives no bytes."""
        return self._wait(_Call(copying, Future()))

    def _wait(self, call: _Call) -> Future[bytes]:
        self._line.put(call.asked.name, call)
        return call.receipt

    def close(self) -> None:
        """Take up no more groups, answer those that wait, and stop."""
        self._line.close()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while batch := self._line.take_batch():
            try:
                self._write(batch)
            except Exception as fault:  # noqa: BLE001 - the thread lives on; callers are told
                self._forget()
                for call in batch:
                    if not call.receipt.done():
                        call.fail(fault)

    def _write(self, batch: Sequence[_Call], attempt: int = 1) -> None:
        """Record a batch. The order of the steps is what makes an acknowledged entry safe."""
        self._now = max(self._now, self._clock())

        # 1. Decide, group after group, each on the state that those before it leave. A crash here
        # leaves nothing.
        records: list[StoredEntry] = []
        accepted: list[_Accepted] = []
        for call in batch:
            try:
                accepted.append(_Accepted(call, self._taken_up(call.asked, records)))
            except Refusal as refusal:
                call.fail(refusal)
            except StoreUnavailableError as error:
                call.fail(_unavailable(error, _NOTHING_RECORDED))
            except Exception as fault:  # noqa: BLE001 - a fault of ours fails its own group alone
                call.fail(fault)

        # 2. Commit, all at once. A crash before this returns leaves all of it or nothing; the retry
        # finds out which.
        try:
            if records:
                self._store.append(records)
        except ConflictError:
            # Another process was first somewhere: reload, and let only those groups fail that must.
            self._forget()
            self._redo([one.call for one in accepted], attempt)
            return
        except StoreUnavailableError as error:
            self._forget()
            if not self._is_stored(records):
                self._on_commit({one.negotiation for one in records})
                for one in accepted:
                    one.call.fail(_unavailable(error, _PERHAPS_RECORDED))
                return

        # 3. Answer. A crash from here on loses only answers, and the retry gets the same receipt.
        self._hold()
        if records:
            self._on_commit({one.negotiation for one in records})
        receipts = [self._receipt(one.receipt) if one.receipt else b"" for one in accepted]
        for one, receipt in zip(accepted, receipts, strict=True):
            one.call.receipt.set_result(receipt)

    def _redo(self, calls: Sequence[_Call], attempt: int) -> None:
        if len(calls) > 1:
            for call in calls:
                self._write([call], attempt)
        elif attempt < _ATTEMPTS:
            self._write(calls, attempt + 1)
        else:
            for call in calls:
                call.fail(_unavailable(ConflictError("others keep writing"), _NOTHING_RECORDED))

    def _is_stored(self, records: Sequence[StoredEntry]) -> bool:
        """Whether these records are in the store, where a failed append left it open."""
        try:
            return all(
                self._store.read(one.negotiation, after=one.version - 1, upto=one.version) == [one]
                for one in (records[0], records[-1])
            )
        except StoreUnavailableError:
            return False

    def _taken_up(
        self, asked: WriteRequest | ImportRequest, records: list[StoredEntry]
    ) -> _Unsigned | None:
        """The receipt of what was handed in, its entries added to the records.

        Or a Refusal, and all is as it was.
        """
        if asked.deadline is not None and time.monotonic() > asked.deadline:
            refuse(
                pb.ERROR_REASON_DEADLINE_EXCEEDED,
                "The deadline had passed before anything was done.",
            )
        if isinstance(asked, WriteRequest):
            if asked.stop_on_failure and asked.turn is not None:
                asked.turn.check(asked.negotiation)
            return self._decide(asked, records)
        self._copy(asked, records)
        return None

    def _copy(self, copying: ImportRequest, records: list[StoredEntry]) -> None:
        """Add the entries of a copy to the records, and beside them that it is one."""
        id_ = copying.negotiation
        if self._last_version(id_, records) != copying.after:
            # To which version is not for everybody to know: who tries again is told what they may.
            refuse(
                pb.ERROR_REASON_VERSION_MISMATCH,
                "In the meantime there is more of the negotiation. Try again.",
                expected_version=str(copying.after),
            )
        kept = pb.Copy(
            checkpoint=copying.checkpoint,
            version=copying.records[-1].version,
            verifier_keys=copying.verifier_keys,
            copied_by=copying.caller,
        )
        kept.copy_time.FromNanoseconds(self._now)
        beside = COPIES + id_
        times = self._last_version(beside, records)
        records.extend(copying.records)
        records.append(
            StoredEntry(
                beside,
                times + 1,
                str(pb.Copy.DESCRIPTOR.full_name),
                kept.SerializeToString(deterministic=True),
            )
        )
        self._held.drop(id_)  # read anew from the store, if ever
        self._at_hand.pop(id_, None)

    def _last_version(self, id_: str, records: Sequence[StoredEntry]) -> int:
        """The last version of an id, in this batch or in the store."""
        waiting = [one.version for one in records if one.negotiation == id_]
        return waiting[-1] if waiting else self._store.last_version(id_)

    def _decide(self, group: WriteRequest, records: list[StoredEntry]) -> _Unsigned:
        """The receipt of a group, its entries added to the records."""
        opens = group.drafts[0].facts.WhichOneof("event") == "negotiation_opened"
        if opens:
            check_may_open(self._policy, group.caller)
        negotiation = self._load(group.negotiation)
        recorder = self._recorder(negotiation, group, opens=opens)
        if recorder is None:
            if opens:
                _check_place(negotiation, group)
            not_found(group.negotiation)
        if negotiation.copied:
            refuse(
                pb.ERROR_REASON_NEGOTIATION_IS_COPY,
                f"The negotiation '{group.negotiation}' is a copy of a record that another service"
                " keeps. Record it there, and take a longer copy.",
                "negotiation",
                negotiation=group.negotiation,
            )
        if (group.caller, group.request_id) in negotiation.requests:
            return self._first_receipt(negotiation, group, recorder, records)
        _check_place(negotiation, group)

        record_time = self._record_time(negotiation)
        mark = negotiation.mark()
        cut = None if recorder.cut is None else recorder.cut.mark()
        under_way = _Decision(group, recorder, record_time, mark.undo, cut)
        stored: list[StoredEntry] = []
        try:
            began = time.thread_time()
            for place, draft in enumerate(group.drafts):
                try:
                    if place and not group.by_service:
                        self._check_time(time.thread_time() - began, place)
                    stored.append(self._record(negotiation, under_way, draft))
                except Refusal as refusal:
                    raise refusal.under(f"drafts[{place}]") from None
            if group.by_service:
                negotiation.refold()
                self._cuts.drop(negotiation.id)
        except BaseException:
            self._back_to(negotiation, mark, under_way)
            raise
        if group.validate_only:
            self._back_to(negotiation, mark, under_way)
            unsealed = [_unsealed(one) for one in stored]
            return _Unsigned(group.negotiation, unsealed, b"", Timestamp())
        records.extend(stored)
        return _unsigned(negotiation, stored)

    def _check_time(self, seconds: float, drafts: int) -> None:
        """Refuse a group that has taken too long for so many drafts."""
        if seconds > self._group_seconds:
            refuse(
                pb.ERROR_REASON_LIMIT_EXCEEDED,
                f"The {drafts} drafts before it have taken {self._group_seconds:g} seconds, while"
                " all others waited. Send fewer corrections and disclosures in a group.",
                limit=str(drafts),
            )

    def _recorder(
        self, negotiation: Negotiation, group: WriteRequest, *, opens: bool
    ) -> _Recorder | None:
        """The caller as one who records; None who is nobody in a negotiation that there is."""
        caller = group.caller
        if caller == ANONYMOUS or group.by_service or (opens and not negotiation.version):
            return _KEEPER
        now = Timestamp()
        now.FromNanoseconds(self._now)
        roles = roles_of(negotiation.state.principals, caller, now)
        if negotiation.version and roles == Roles() and not self._policy.audits(caller):
            return None
        sight = sight_of(roles, caller, self._policy)
        if sight.whole or not negotiation.version or negotiation.copied:
            return _Recorder(roles, EVERYTHING)
        cuts = self._cuts.get(negotiation.id) or {}
        cut = cuts.setdefault(sight, FilteredState(sight))
        if cut.version < negotiation.version:
            cut.take(negotiation.history(cut.version), negotiation.history)
        self._cuts.put(negotiation.id, cuts, len(cuts) * negotiation.size)
        return _Recorder(roles, sight, cut)

    def _back_to(
        self, negotiation: Negotiation, mark: NegotiationMark, under_way: _Decision
    ) -> None:
        """Take out what was recorded since."""
        seen, cut = under_way.recorder.cut, under_way.cut
        if seen is not None and cut is not None and not seen.back_to(cut):
            self._cuts.drop(negotiation.id)
        negotiation.back_to(mark)

    def _record(
        self, negotiation: Negotiation, under_way: _Decision, draft: pb.Draft
    ) -> StoredEntry:
        """Check one draft, seal it, and take it into the state as it will be read back."""
        group, (roles, sight, cut), record_time, undo, before = under_way
        draft = _completed(draft, group, negotiation.state if cut is None else cut.state)
        if not roles.custodian:
            check_may_record(roles, draft.facts)
        whole: Callable[[], Sequence[pb.Entry]] = functools.cache(negotiation.history)
        seen = whole if cut is None else functools.cache(lambda: cut.seen(whole()))
        corrects = draft.facts.HasField("entry_corrected") and not roles.keeps
        if corrects:
            self_correction_rules.check(draft.facts, seen())
            known = negotiation.state if cut is None else cut.state
            self_correction_rules.check_not_taken_up(known, draft.facts, seen())
        if cut is not None:
            # First by what the caller sees, so that what is refused there can be told.
            check_sees_own(sight, draft.facts)
            rules.check(cut.state, draft, record_time=record_time, history=seen)
        history = whole
        if group.by_service:
            # There may be many: to read all the record for each would take too long.
            target = draft.facts.entry_redacted.target_version
            history = functools.partial(negotiation.about, target)
        try:
            if corrects:
                self_correction_rules.check(draft.facts, whole())
            rules.check(
                negotiation.state,
                draft,
                record_time=record_time,
                history=history,
                by_service=group.by_service,
            )
        except Refusal as refusal:
            raise (refusal if cut is None else conflict()) from None
        version = negotiation.version + 1
        made = encode_record(group.negotiation, version, record_time, draft.facts, draft.words)
        persons = negotiation.concerned(draft.facts) if draft.words.ByteSize() else ()
        negotiation.advance(made, undo)
        if cut is not None and before is not None:
            cut.take([decode_record(made.data)], negotiation.history, before.undo)
        return StoredEntry(group.negotiation, version, topic(draft.facts), made.data, persons)

    def _record_time(self, negotiation: Negotiation) -> Timestamp:
        """Now, by a clock that never runs back within a negotiation.

        Every group has a time of its own, so that the record as of a time never has a part of one.
        """
        earliest = negotiation.record_time.ToNanoseconds() + _TICK if negotiation.version else 0
        now = Timestamp()
        now.FromNanoseconds(max(self._now, earliest))
        return now

    def _first_receipt(
        self,
        negotiation: Negotiation,
        group: WriteRequest,
        recorder: _Recorder,
        records: Sequence[StoredEntry],
    ) -> _Unsigned:
        """The receipt that this request had before.

        What it recorded may still be waiting in this very batch.
        """
        first, last = negotiation.requests[group.caller, group.request_id]
        cut = recorder.cut
        state = negotiation.state if cut is None else cut.state
        was = [
            one
            for one in records
            if one.negotiation == negotiation.id and first <= one.version <= last
        ] or self._store.read(negotiation.id, after=first - 1, upto=last)
        entries = [decode_record(one.data) for one in was]
        # Of words that were destroyed nobody can say whether they were the same.
        same = len(entries) == len(group.drafts) and all(
            draft.facts == entry.facts and (draft.words == entry.words or is_erased(entry))
            for entry, draft in zip(
                entries,
                (_completed(draft, group, state) for draft in group.drafts),
                strict=True,
            )
        )
        if not same:
            refuse(
                pb.ERROR_REASON_REQUEST_ID_REUSED,
                f"The request id {quoted(group.request_id)} was used for other entries,"
                f" from version {first} on. Give this request an id of its own.",
                "request_id",
                request_id=group.request_id,
                first_version=str(first),
            )
        if cut is not None:
            # Who has lost access to what they recorded themselves is shown no more than others.
            seen = {one.header.version for one in cut.seen(entries)}
            was = [
                one if one.version in seen else one._replace(data=header_alone(one.data))
                for one in was
            ]
        return _unsigned(negotiation, was)

    def _receipt(self, unsigned: _Unsigned) -> bytes:
        """The bytes of a Receipt, the entries spliced in as they are stored: each time the same."""
        negotiation, records, root, recorded = unsigned
        version = records[-1].version
        rest = pb.Receipt(negotiation=f"negotiations/{negotiation}", version=version)
        if root:
            rest.checkpoint = self._signer.checkpoint(negotiation, version, root, recorded)
        rest.erased_versions.extend(one.version for one in records if _lost_words(one))
        entries = b"".join(framed(1, one.data) for one in records)
        return entries + rest.SerializeToString(deterministic=True)

    def _load(self, id_: str) -> Negotiation:
        negotiation = self._at_hand.get(id_) or self._held.get(id_)
        if negotiation is None:
            negotiation = Negotiation(self._store, id_)
            negotiation.catch_up()
        self._at_hand[id_] = negotiation
        return negotiation

    def _hold(self) -> None:
        """What is at hand is in the store now: hold it for the next batch, if there is room."""
        for id_, negotiation in self._at_hand.items():
            negotiation.committed()
            self._held.put(id_, negotiation, negotiation.size)
        self._at_hand.clear()

    def _forget(self) -> None:
        """It is not known what is in the store: read all anew."""
        self._held.clear()
        self._cuts.clear()
        self._at_hand.clear()


def _check_place(negotiation: Negotiation, group: WriteRequest) -> None:
    """Refuse a group that is for another negotiation, or another version of it, than there is."""
    name = f"negotiations/{group.negotiation}"
    opens = group.drafts[0].facts.WhichOneof("event") == "negotiation_opened"
    if not negotiation.version and not opens:
        refuse(
            pb.ERROR_REASON_NEGOTIATION_NOT_FOUND,
            f"There is no negotiation '{group.negotiation}'.",
            negotiation=group.negotiation,
        )
    if negotiation.version and opens:
        refuse(
            pb.ERROR_REASON_NEGOTIATION_EXISTS,
            f"There is a negotiation '{group.negotiation}' already."
            " Choose another id, or leave it out.",
            "negotiation",
            negotiation=name,
        )
    if group.expected_version not in {None, negotiation.version}:
        refuse(
            pb.ERROR_REASON_VERSION_MISMATCH,
            f"The negotiation is at version {negotiation.version}, not {group.expected_version}."
            " Read it again and decide anew.",
            "expected_version",
            expected_version=str(group.expected_version),
            version=str(negotiation.version),
        )


def _completed(draft: pb.Draft, group: WriteRequest, state: pb.Negotiation) -> pb.Draft:
    """A draft with all that the service adds to it."""
    result = pb.Draft()
    result.CopyFrom(draft)
    rules.complete(state, result)
    result.facts.request_id = group.request_id
    result.facts.recorded_by = group.caller
    return result


def _unsigned(negotiation: Negotiation, records: Sequence[StoredEntry]) -> _Unsigned:
    last, recorded = records[-1], Timestamp()
    if last.version == negotiation.version:
        recorded.CopyFrom(negotiation.record_time)
    else:
        recorded.CopyFrom(decode_record(last.data).header.record_time)
    return _Unsigned(negotiation.id, records, negotiation.tree.root(last.version), recorded)


def _lost_words(stored: StoredEntry) -> bool:
    # Only what was read back can have lost them, and only what may have is parsed.
    return bool(NO_SALT in stored.data) and is_erased(decode_record(stored.data))


def _unsealed(stored: StoredEntry) -> StoredEntry:
    """A record that was not kept: without the salts and digests that only a stored one has."""
    entry = decode_record(stored.data)
    entry.ClearField("salts")
    entry.header.ClearField("section_digests")
    return stored._replace(data=entry.SerializeToString(deterministic=True))


_NOTHING_RECORDED = "Nothing was recorded."
_PERHAPS_RECORDED = (
    "Repeat the request with the same request id: if it was recorded, that gives the receipt."
)


def _unavailable(error: Exception, advice: str) -> Refusal:
    text = f"The store failed: {error}. {advice}"
    return Refusal([Violation(pb.ERROR_REASON_STORE_UNAVAILABLE, "", text, {})])
