"""Copies: bundles of records that other services keep, checked as a whole before anything is taken.

The keys come from whoever asks for the copy. Entries and checkpoints stay the bytes that they were.
"""

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple, NoReturn

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.state.fold import is_amending
from pourparler.transparency.bundle import Bundle, verify
from pourparler.transparency.checkpoint import (
    Checkpoint,
    CheckpointError,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    verified,
)
from pourparler.transparency.merkle import Frontier
from pourparler_service.aggregate.current import CurrentNegotiations
from pourparler_service.authorization.viewer_scopes import ScopeResolver
from pourparler_service.domain.refusal import Refusal, quoted, refuse
from pourparler_service.storage.event_store import Store
from pourparler_service.storage.imported_bundles import kept
from pourparler_service.storage.interface import StoredEntry
from pourparler_service.storage.record_codec import concerned, decode_record, leaf, topic
from pourparler_service.validation import drafts

KEYS = 16
"""How many verifier keys may be given."""


class VerifiedBundle(NamedTuple):
    """A bundle that was found sound: whose record it is, and what is new of it."""

    negotiation: str
    before: int
    """The version of the copy that there is; 0 if there is none."""
    new: Sequence[StoredEntry]
    """The entries after that version."""
    checkpoint: str


class BundleImporter:
    """What is known of the copies in a store. Every method blocks on it and raises Refusal."""

    def __init__(
        self, store: Store, negotiations: CurrentNegotiations, sights: ScopeResolver
    ) -> None:
        """Know the copies in this store, held by these, and who sees what of them."""
        self._store = store
        self._negotiations = negotiations
        self._sights = sights

    def check(self, file: BinaryIO, keys: Sequence[str], caller: str) -> VerifiedBundle:
        """Read a bundle to its end; refuse what does not verify, or not as more of what is here.

        Of what is here nothing is told to a caller who does not see all of it.
        """
        origin = _audited(file, _keys(keys)).origin
        file.seek(0)
        bundle = Bundle(file)
        id_, checkpoint = bundle.header.negotiation, bundle.header.checkpoint
        records = list(bundle.records())
        _check_form(id_, records)
        if self._store.last_version(id_) and not self._sees_all(id_, caller):
            _exists(id_)
        before = self._before(id_, origin, checkpoint, records)
        return VerifiedBundle(id_, before, _sealable(id_, records)[before:], checkpoint)

    def _sees_all(self, id_: str, caller: str) -> bool:
        try:
            return self._sights.of(id_, caller).sight.whole
        except Refusal:
            return False

    def _before(self, id_: str, origin: str, checkpoint: str, records: Sequence[bytes]) -> int:
        """The version of the copy that there is, if a sound bundle is of the same log."""
        if not self._store.last_version(id_):
            return 0
        with self._negotiations.current(id_) as negotiation:
            copied, before = negotiation.copied, negotiation.version
            both = min(before, len(records))
            root = negotiation.tree.root(both)
        first = kept(self._store, id_)[0] if copied else None
        if first is None or _origin(first.checkpoint) != origin:
            origin = f"a copy from {quoted(_origin(first.checkpoint))}" if first else "of its own"
            _exists(id_, f", {origin}")
        _check_pinned(checkpoint, first)
        frontier = Frontier()
        for data in records[:both]:
            frontier.append(leaf(data))
        if frontier.root() != root:
            refuse(
                pb.ERROR_REASON_COPY_CONFLICT,
                f"The bundle and the copy of '{id_}' differ within their first {both} versions, and"
                " both are signed: the service that they are from has told two histories. Nothing"
                " was taken. Keep the bundle: it is the proof.",
                negotiation=f"negotiations/{id_}",
                version=str(both),
            )
        return before


def _sealable(id_: str, records: Sequence[bytes]) -> list[StoredEntry]:
    """The entries of a bundle as they are stored, with the persons whom their words concern.

    Who is a person by any of them is one in all of them.
    """
    entries = [decode_record(data) for data in records]
    people = {
        said.participant_joined.participant_id
        for entry in entries
        for said in (entry.facts, entry.facts.entry_corrected.replacement)
        if said.participant_joined.kind == pb.PARTICIPANT_KIND_PERSON
    }
    concerning = [concerned(entry.facts, people.__contains__) for entry in entries]
    stored = []
    for entry, data, own in zip(entries, records, concerning, strict=True):
        facts, found = entry.facts, set(own)
        if is_amending(entry) and not facts.HasField("entry_redacted"):
            target = getattr(facts, facts.WhichOneof("event") or "").target_version
            if 0 < target <= len(entries):
                found |= concerning[target - 1]
        persons = tuple(sorted(found)) if entry.HasField("words") else ()
        stored.append(StoredEntry(id_, entry.header.version, topic(facts), data, persons))
    return stored


def _keys(texts: Sequence[str]) -> list[VerifierKey]:
    field = "verifier_keys"
    if not texts:
        refuse(
            pb.ERROR_REASON_FIELD_REQUIRED,
            "Give the verifier key of the service that the bundle is from, had from elsewhere than"
            " the bundle, in the first message.",
            field,
        )
    if len(texts) > KEYS:
        refuse(
            pb.ERROR_REASON_LIMIT_EXCEEDED,
            f"At most {KEYS} verifier keys can be given; these are {len(texts)}.",
            field,
            limit=str(KEYS),
            count=str(len(texts)),
        )
    keys = []
    for place, text in enumerate(texts):
        try:
            keys.append(VerifierKey.parse(text))
        except CheckpointError as error:
            said = str(error)
            refuse(
                pb.ERROR_REASON_FIELD_INVALID,
                f"This is not a verifier key: {said}.",
                f"{field}[{place}]",
            )
    return keys


def _audited(file: BinaryIO, keys: Sequence[VerifierKey]) -> Checkpoint:
    """The checkpoint of a bundle that is sound."""
    try:
        audit = verify(file, keys)
    except ValueError as error:
        refuse(pb.ERROR_REASON_FIELD_INVALID, f"Not so: {error}.", "verifier_keys")
    if audit.findings:
        first = audit.findings[0]
        _invalid(f"The bundle is not found sound. {first.text}", first.name)
    if audit.checkpoint is None or not audit.size:
        _invalid("The bundle has no entries: there is nothing to copy.")
    return audit.checkpoint


def _check_form(id_: str, records: Sequence[bytes]) -> None:
    """Refuse what no service of this contract records: readers rely on the form of entries.

    Where the words of an entry were destroyed, that much cannot be said of it.
    """
    try:
        drafts.check_id(id_, "")
    except Refusal as refusal:
        _invalid(f"The bundle names no negotiation: {refusal}")
    for data in records:
        entry = decode_record(data)
        if entry.salts[1]:
            _check_shape(entry)


def _check_shape(entry: pb.Entry) -> None:
    draft = pb.Draft(facts=entry.facts, words=entry.words)
    try:
        drafts.settle(draft, edtf.bounds)
        drafts.check_draft(draft)
    except Refusal as refusal:
        version = entry.header.version
        _invalid(f"Version {version} is not as a service records it: {refusal}")
    # What settling takes out of a draft is the service's own.
    draft.facts.request_id = entry.facts.request_id
    draft.facts.recorded_by = entry.facts.recorded_by
    if draft.facts != entry.facts:
        _invalid(f"The dates of version {entry.header.version} have other bounds than they give.")


def _check_pinned(checkpoint: str, first: pb.Copy) -> None:
    """Refuse what the keys of the first taking do not verify.

    Else whoever makes a key of the same name could put entries of their own into a copy.
    """
    try:
        verified(checkpoint, _origin(first.checkpoint), _keys(first.verifier_keys))
    except CheckpointError:
        _invalid(
            "The bundle is not signed by a key with which the copy was taken first.", "not signed"
        )


def _origin(signed: str) -> str:
    return parse_checkpoint(parse_note(signed).text).origin


def _exists(id_: str, origin: str = "") -> NoReturn:
    refuse(
        pb.ERROR_REASON_NEGOTIATION_EXISTS,
        f"The service has a negotiation '{id_}' already{origin}. A copy has the name of its"
        " original: take it where that name is free.",
        negotiation=f"negotiations/{id_}",
    )


def _invalid(text: str, finding: str = "") -> NoReturn:
    refuse(
        pb.ERROR_REASON_BUNDLE_INVALID,
        f"{text} Nothing was taken.",
        **({"finding": finding} if finding else {}),
    )
