"""The erasure of the words of a person: its steps, and finishing one that was cut off.

A record must not claim an erasure that did not happen, and no erasure may be forgotten. So the
intent is on disk before anything is destroyed, and the redactions are recorded after it.
"""

import contextlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.state.corrections import effective_entries
from pourparler_service.aggregate.current import CurrentNegotiations
from pourparler_service.aggregate.negotiation import Negotiation
from pourparler_service.domain.refusal import quoted, refuse
from pourparler_service.storage import paging
from pourparler_service.storage.derived_data import DerivedData
from pourparler_service.storage.interface import (
    EventStore,
    Leases,
    StoredEntry,
    StoreUnavailableError,
)
from pourparler_service.storage.key_table import ErasureIntent
from pourparler_service.storage.master_key import SubjectKeyError
from pourparler_service.storage.record_codec import decode_record, is_erased, record_parts
from pourparler_service.storage.subject_keys import SubjectKeyStore
from pourparler_service.writes.requests import WriteRequest
from pourparler_service.writes.writer import Writer

GROUP = 1_000
"""The largest number of redactions that are recorded at once."""

_JOB = "erasures"

_LIMITS = (
    pb.ERASURE_LIMIT_DISTRIBUTED_COPIES,
    pb.ERASURE_LIMIT_COPIES_AT_OTHER_SERVICES,
    pb.ERASURE_LIMIT_BACKUPS,
)


class ErasureRequest(NamedTuple):
    """The person whose words an erasure destroys, its legal basis, and its caller."""

    negotiation: str
    participant_id: str
    legal_basis: str
    authority: str
    caller: str
    request_id: str = ""


class Eraser:
    """Makes erasures, one at a time. Any thread may call it; every method blocks on the store.

    Methods raise RefusalError or StoreUnavailableError. The next erasure, or the next start, ends
    an erasure that was interrupted.
    """

    def __init__(
        self,
        store: EventStore,
        keys: SubjectKeyStore,
        negotiations: CurrentNegotiations,
        writer: Writer,
        *,
        derived_data: DerivedData,
        leases: Leases,
        reached: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Destroy words of this store and keys of its persons, and record it with this writer.

        All that was made of the words is purged from `derived_data`. One erasure runs at a time,
        under a lease. `reached` is called with the name of each step once it is on disk.
        """
        self._store = store
        self._keys = keys
        self._negotiations = negotiations
        self._writer = writer
        self._derived_data = derived_data
        self._leases = leases
        self._reached = reached

    def get(self, name: str) -> pb.Erasure:
        """Return an erasure. Do not wait for one that runs."""
        with _as_unavailable():
            found = self._keys.erasure(name)
        if found is None:
            refuse(
                pb.ERROR_REASON_ERASURE_NOT_FOUND, f"There is no erasure {quoted(name)}.", "name"
            )
        return found

    def finish(self) -> None:
        """Finish erasures that have begun. Call it before anything is served."""
        with self._leases.hold(_JOB), _as_unavailable():
            self._finish()

    def erase(self, asked: ErasureRequest) -> pb.Erasure:
        """Destroy the words of a person; return the erasure, with its limits."""
        with self._leases.hold(_JOB), _as_unavailable():
            self._finish()
            known = (
                self._keys.requested(asked.caller, asked.request_id) if asked.request_id else None
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
            # A crash before this returns changes nothing.
            self._keys.begin_erasure(intent)
            self._reached("intended")
            return self._make(intent)

    def _finish(self) -> None:
        for intent in self._keys.unfinished():
            self._make(intent)

    def _check(self, asked: ErasureRequest) -> None:
        id_, who = asked.negotiation, asked.participant_id
        with self._negotiations.current(id_) as negotiation:
            part = negotiation.state.participants.get(who)
            is_person = part is not None and part.facts.kind == pb.PARTICIPANT_KIND_PERSON
        if is_person or self._keys.has_key(id_, who):
            return
        if part is None:
            text = f"There is no participant {quoted(who)} in this negotiation."
            refuse(pb.ERROR_REASON_PART_NOT_FOUND, text, "participant_id", id=who)
        text = f"{quoted(who)} is no PERSON, and no entry names it in `concerns`."
        refuse(pb.ERROR_REASON_NOT_A_PERSON, text, "participant_id")

    def _make(self, intent: ErasureIntent) -> pb.Erasure:
        """Make an erasure that has begun, from where it stopped. Each step may run twice."""
        id_, erasure = intent.negotiation, intent.erasure

        # 1. Destroy the keys, and with them all words that they encrypt: in the store, and in all
        # backups that do not contain the keys. Later words are encrypted with other keys.
        if not intent.destroyed:
            with self._keys.lock:
                self._list_encrypted(intent)
                self._keys.destroy(intent)
            intent = intent._replace(destroyed=True)
        self._reached("destroyed")

        # 2. Replace entries whose words are not encrypted: they were recorded before the service
        # encrypted words, or before the participant was known as a person. Their versions are on
        # disk before.
        with self._negotiations.current(id_) as negotiation:
            copied = negotiation.is_import
            clear = list(self._in_clear(negotiation, erasure.participant_id))
        if clear:
            self._rewrite(intent, clear)
        self._reached("rewritten")

        # 3. Purge all data derived from the words, in memory and files. Then they are gone, and no
        # entry says so yet.
        self._derived_data.purge(id_)
        self._store.purge()
        self._reached("purged")

        # 4. Record the redactions. An imported copy is never added to.
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
        self._keys.save(intent, done=True)
        self._reached("done")
        return erasure

    def _list_encrypted(self, intent: ErasureIntent) -> None:
        """List the entries whose words the keys of a person encrypt."""
        erasure = intent.erasure
        for one in paging.stored(self._store, intent.negotiation, in_haste=True):
            if erasure.participant_id in one.persons:
                gone = is_erased(decode_record(one.data))
                (erasure.erased_before if gone else erasure.versions).append(one.version)

    def _in_clear(self, negotiation: Negotiation, participant_id: str) -> Iterator[StoredEntry]:
        """Yield the entries of a person that are not encrypted, without their words."""
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
        self._keys.save(intent, done=False)
        if not self._store.rewrite(clear):
            erasure.CopyFrom(before)
            erasure.remaining_versions[:] = sorted(versions)
            self._keys.save(intent, done=False)

    def _record(self, intent: ErasureIntent) -> None:
        """Record a redaction of each entry that has lost its words, unless there is one."""
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
    """Return the erasure that this request made before. Raise RefusalError if it is another one."""
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
    """Return a redaction of a version, visible to the audience of that entry."""
    draft = redaction(version, erasure.legal_basis, erasure.authority)
    entries = negotiation.entry_and_amendments(version)
    counts = [
        one.entry for one in effective_entries(entries) if one.entry.header.version == version
    ]
    entry = counts[0] if counts else entries[0]  # it was annulled
    draft.facts.visibility.CopyFrom(entry.facts.visibility)
    return draft


def redaction(version: int, legal_basis: str, authority: str) -> pb.Draft:
    """Return a draft that records that the words of a version were destroyed."""
    draft = pb.Draft(words=pb.Words(legal_basis=legal_basis, authority=authority))
    draft.facts.provenance.basis = pb.BASIS_DIRECT
    draft.facts.provenance.form = pb.FORM_SUMMARY
    draft.facts.entry_redacted.target_version = version
    return draft
