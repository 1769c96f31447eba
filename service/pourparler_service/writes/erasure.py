"""The erasure of a person's words: its steps, and how one that was cut off is finished.

A record must not claim an erasure that did not happen, nor may one be forgotten: so the intent is
on disk before anything is destroyed, and the entries that say so come after.
"""

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.state.fold import counted
from pourparler_service.aggregate.current import CurrentNegotiations
from pourparler_service.aggregate.negotiation import Negotiation
from pourparler_service.domain.refusal import quoted, refuse
from pourparler_service.storage import paging
from pourparler_service.storage.event_store import Store
from pourparler_service.storage.interface import StoredEntry, StoreUnavailableError
from pourparler_service.storage.master_key import SubjectKeyError
from pourparler_service.storage.record_codec import decode_record, is_erased, record_parts
from pourparler_service.storage.subject_keys import ErasureIntent
from pourparler_service.writes.requests import WriteRequest
from pourparler_service.writes.writer import Writer

GROUP = 1_000
"""How many entries at most say at once that words were destroyed."""

_LIMITS = (
    pb.ERASURE_LIMIT_DISTRIBUTED_COPIES,
    pb.ERASURE_LIMIT_COPIES_AT_OTHER_SERVICES,
    pb.ERASURE_LIMIT_BACKUPS,
)


class ErasureRequest(NamedTuple):
    """Whose words are to be destroyed, by what right, and who asks for it."""

    negotiation: str
    participant_id: str
    legal_basis: str
    authority: str
    caller: str
    request_id: str = ""


class Eraser:
    """Makes erasures, one at a time. For any thread; every method blocks on the store.

    Raises Refusal or StoreUnavailableError. What had begun then is finished with the next erasure,
    or at the next start.
    """

    def __init__(
        self,
        store: Store,
        negotiations: CurrentNegotiations,
        writer: Writer,
        *,
        purges: Sequence[Callable[[str], object]] = (),
        reached: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Destroy in this store, and tell it with this writer.

        `purges` are told of which negotiation nothing may be kept that was made of its words;
        `reached` of each step, once it is on disk.
        """
        self._store = store
        self._persons = store.persons
        self._negotiations = negotiations
        self._writer = writer
        self._purges = (negotiations.forget, *purges)
        self._reached = reached
        self._lock = threading.Lock()  # held for the length of an erasure

    def get(self, name: str) -> pb.Erasure:
        """What became of an erasure. Does not wait for one that is under way."""
        with _as_unavailable():
            found = self._persons.erasure(name)
        if found is None:
            refuse(
                pb.ERROR_REASON_ERASURE_NOT_FOUND, f"There is no erasure {quoted(name)}.", "name"
            )
        return found

    def finish(self) -> None:
        """Finish what had begun: to be called before anything is served."""
        with self._lock, _as_unavailable():
            self._finish()

    def erase(self, asked: ErasureRequest) -> pb.Erasure:
        """Destroy a person's words; what was destroyed, and what could not be reached."""
        with self._lock, _as_unavailable():
            self._finish()
            known = (
                self._persons.requested(asked.caller, asked.request_id)
                if asked.request_id
                else None
            )
            if known is not None:
                return _same(known, asked)
            self._check(asked)
            erasure = pb.Erasure(
                name=f"negotiations/{asked.negotiation}/erasures/{uuid.uuid4()}",
                participant_id=asked.participant_id,
                legal_basis=asked.legal_basis,
                authority=asked.authority,
                requested_by=asked.caller,
                state=pb.ERASURE_STATE_IN_PROGRESS,
            )
            erasure.start_time.GetCurrentTime()
            intent = ErasureIntent(
                asked.negotiation, asked.caller, asked.request_id, destroyed=False, erasure=erasure
            )
            # A crash before this returns leaves all as it was.
            self._persons.begin_erasure(intent)
            self._reached("intended")
            return self._make(intent)

    def _finish(self) -> None:
        for intent in self._persons.unfinished():
            self._make(intent)

    def _check(self, asked: ErasureRequest) -> None:
        id_, who = asked.negotiation, asked.participant_id
        with self._negotiations.current(id_) as negotiation:
            part = negotiation.state.participants.get(who)
            is_person = part is not None and part.facts.kind == pb.PARTICIPANT_KIND_PERSON
        if is_person or self._persons.has_key(id_, who):
            return
        if part is None:
            text = f"There is no participant {quoted(who)} in this negotiation."
            refuse(pb.ERROR_REASON_PART_NOT_FOUND, text, "participant_id", id=who)
        text = f"{quoted(who)} is no PERSON, and no entry names it in `concerns`."
        refuse(pb.ERROR_REASON_NOT_A_PERSON, text, "participant_id")

    def _make(self, intent: ErasureIntent) -> pb.Erasure:
        """Make an erasure that is begun, from where it stopped. Every step can be taken twice."""
        id_, erasure = intent.negotiation, intent.erasure

        # 1. Destroy the keys, and with them whatever is sealed: in the store, and in all backups
        # without the keys themselves. What is sealed from now on is sealed with other keys.
        if not intent.destroyed:
            with self._persons.lock:
                self._look_through(intent)
                self._persons.destroy(intent)
            intent = intent._replace(destroyed=True)
        self._reached("destroyed")

        # 2. Write anew, without its words, what stood in clear: recorded before words were sealed,
        # or before it was known that the participant is a person. Which, is on disk before.
        with self._negotiations.current(id_) as negotiation:
            copied = negotiation.is_import
            clear = list(self._in_clear(negotiation, erasure.participant_id))
        if clear:
            self._rewrite(intent, clear)
        self._reached("rewritten")

        # 3. Leave nothing in memory and on disk that was made of the words: they are gone once this
        # is done, and nothing says so yet.
        for purge in self._purges:
            purge(id_)
        self._store.purge()
        self._reached("purged")

        # 4. Say so on the record. A copy is not ours to add to.
        if not copied:
            self._record(intent)
        self._reached("recorded")

        erasure.state = pb.ERASURE_STATE_SUCCEEDED
        erasure.end_time.GetCurrentTime()
        erasure.limits[:] = _LIMITS
        if copied:
            erasure.limits.append(pb.ERASURE_LIMIT_ORIGINAL_RECORD)
        if erasure.remaining_versions:
            erasure.limits.append(pb.ERASURE_LIMIT_UNENCRYPTED_ENTRIES)
        self._persons.save(intent, done=True)
        self._reached("done")
        return erasure

    def _look_through(self, intent: ErasureIntent) -> None:
        """See which entries the keys of a person are about to take the words from."""
        erasure = intent.erasure
        for one in paging.stored(self._store, intent.negotiation, in_haste=True):
            if erasure.participant_id in one.persons:
                gone = is_erased(decode_record(one.data))
                (erasure.erased_before if gone else erasure.versions).append(one.version)

    def _in_clear(self, negotiation: Negotiation, participant_id: str) -> Iterator[StoredEntry]:
        """The entries that concern a person and are not sealed, as they are without their words."""
        for one in paging.stored(self._store, negotiation.id):
            if one.persons:
                continue
            parts = record_parts(one.data)
            if parts.words and participant_id in negotiation.persons_concerned(
                decode_record(one.data).facts
            ):
                yield one._replace(data=parts.left)

    def _rewrite(self, intent: ErasureIntent, clear: Sequence[StoredEntry]) -> None:
        erasure, versions = intent.erasure, {one.version for one in clear}
        before = pb.Erasure()
        before.CopyFrom(erasure)
        erasure.versions[:] = sorted(versions.union(erasure.versions))
        erasure.rewritten_versions[:] = sorted(versions.union(erasure.rewritten_versions))
        self._persons.save(intent, done=False)
        if not self._store.rewrite(clear):
            erasure.CopyFrom(before)
            erasure.remaining_versions[:] = sorted(versions)
            self._persons.save(intent, done=False)

    def _record(self, intent: ErasureIntent) -> None:
        """Record of each entry that has lost its words that it has, unless that was said before."""
        erasure = intent.erasure
        with self._negotiations.current(intent.negotiation) as negotiation:
            amendments = negotiation.state.amendments
            drafts = [
                _redacted(erasure, version, negotiation)
                for version in erasure.versions
                if not (version in amendments and amendments[version].redacted_by)
            ]
        for begin in range(0, len(drafts), GROUP):
            group = WriteRequest(
                intent.negotiation,
                "",
                intent.caller,
                drafts[begin : begin + GROUP],
                by_service=True,
            )
            self._writer.submit(group).result()


@contextlib.contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except SubjectKeyError as error:
        raise StoreUnavailableError(str(error)) from error


def _same(known: ErasureIntent, asked: ErasureRequest) -> pb.Erasure:
    """The erasure that this request had made before."""
    was = known.erasure
    before = (known.negotiation, was.participant_id, was.legal_basis, was.authority)
    if before != asked[:4]:
        refuse(
            pb.ERROR_REASON_REQUEST_ID_REUSED,
            f"The request id {quoted(asked.request_id)} was used for another erasure."
            " Give this request an id of its own.",
            "request_id",
            request_id=asked.request_id,
        )
    return was


def _redacted(erasure: pb.Erasure, version: int, negotiation: Negotiation) -> pb.Draft:
    """That the words of a version were destroyed, for those who may see the entry."""
    draft = redaction(version, erasure.legal_basis, erasure.authority)
    entries = negotiation.entry_and_amendments(version)
    counts = [one.entry for one in counted(entries) if one.entry.header.version == version]
    entry = counts[0] if counts else entries[0]  # it was annulled
    draft.facts.visibility.CopyFrom(entry.facts.visibility)
    return draft


def redaction(version: int, legal_basis: str, authority: str) -> pb.Draft:
    """A draft that says that the words of a version were destroyed."""
    draft = pb.Draft(words=pb.Words(legal_basis=legal_basis, authority=authority))
    draft.facts.provenance.basis = pb.BASIS_DIRECT
    draft.facts.provenance.form = pb.FORM_SUMMARY
    draft.facts.entry_redacted.target_version = version
    return draft
