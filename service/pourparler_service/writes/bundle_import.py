"""Imports: bundles of other services, verified as a whole before anything is stored.

The caller gives the verifier keys. Entries and checkpoints are stored byte for byte.
"""

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple, NoReturn

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.state.corrections import is_amending
from pourparler.transparency.bundle import BundleReader, verify
from pourparler.transparency.checkpoint import (
    Checkpoint,
    CheckpointError,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    verify_checkpoint,
)
from pourparler.transparency.merkle import Frontier
from pourparler_service.aggregate.current import CurrentNegotiations
from pourparler_service.authorization.viewer_scopes import ScopeResolver
from pourparler_service.domain.refusal import RefusalError, quoted, refuse
from pourparler_service.storage.imported_bundles import imports_of
from pourparler_service.storage.interface import EventStore, StoredEntry
from pourparler_service.storage.record_codec import concerned, decode_record, leaf, topic
from pourparler_service.validation import drafts

MOST_KEYS = 16
"""The maximum number of verifier keys."""


class VerifiedBundle(NamedTuple):
    """A verified bundle: its negotiation, and its entries that are new here."""

    negotiation: str
    before: int
    """The last version that is here already; 0 if there is none."""
    new: Sequence[StoredEntry]
    """The entries after that version."""
    checkpoint: str


class BundleImporter:
    """Verifies bundles against a store. Every method blocks on it and raises RefusalError."""

    def __init__(
        self, store: EventStore, negotiations: CurrentNegotiations, scopes: ScopeResolver
    ) -> None:
        """Compare bundles with a store, and its negotiations as its callers may see them."""
        self._store = store
        self._negotiations = negotiations
        self._scopes = scopes

    def check(self, file: BinaryIO, keys: Sequence[str], caller: str) -> VerifiedBundle:
        """Verify a bundle. Raise RefusalError if it is invalid or does not continue the import.

        A caller without full access learns nothing about a negotiation that is here already.
        """
        origin = _audited(file, _keys(keys)).origin
        file.seek(0)
        bundle = BundleReader(file)
        id_, checkpoint = bundle.header.negotiation, bundle.header.checkpoint
        records = list(bundle.records())
        _check_form(id_, records)
        if self._store.last_version(id_) and not self._scopes.sees_all(id_, caller):
            _exists(id_)
        before = self._before(id_, origin, checkpoint, records)
        return VerifiedBundle(id_, before, _stored_entries(id_, records)[before:], checkpoint)

    def _before(self, id_: str, origin: str, checkpoint: str, records: Sequence[bytes]) -> int:
        """Return the last version of an earlier import. Raise RefusalError for another log."""
        if not self._store.last_version(id_):
            return 0
        with self._negotiations.current(id_) as negotiation:
            is_import, before = negotiation.is_import, negotiation.version
            both = min(before, len(records))
            root = negotiation.tree.root(both)
        first = imports_of(self._store, id_)[0] if is_import else None
        if first is None or _origin(first.checkpoint) != origin:
            origin = (
                f"imported from {quoted(_origin(first.checkpoint))}" if first else "not imported"
            )
            _exists(id_, f", {origin}")
        _check_pinned(checkpoint, first)
        frontier = Frontier()
        for data in records[:both]:
            frontier.append(leaf(data))
        if frontier.root() != root:
            refuse(
                pb.ERROR_REASON_COPY_CONFLICT,
                f"The bundle and the import of '{id_}' differ within their first {both} versions."
                " Both are signed. Their service has signed two histories. Nothing was imported."
                " Keep the bundle: it is the proof.",
                negotiation=f"negotiations/{id_}",
                version=str(both),
            )
        return before


def _stored_entries(id_: str, records: Sequence[bytes]) -> list[StoredEntry]:
    """Return the entries of a bundle for the store, with the persons that they concern.

    A participant that is a person in one entry is a person in all of them.
    """
    entries = [decode_record(data) for data in records]
    people = {
        facts.participant_joined.participant_id
        for entry in entries
        for facts in (entry.facts, entry.facts.entry_corrected.replacement)
        if facts.participant_joined.kind == pb.PARTICIPANT_KIND_PERSON
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
            "verifier_keys is empty. Give a verifier key of the service that made the bundle, in"
            " the first message. Obtain it from the operator of that service, not from the bundle.",
            field,
        )
    if len(texts) > MOST_KEYS:
        refuse(
            pb.ERROR_REASON_LIMIT_EXCEEDED,
            f"A request has at most {MOST_KEYS} verifier keys; this one has {len(texts)}.",
            field,
            limit=str(MOST_KEYS),
            count=str(len(texts)),
        )
    keys = []
    for place, text in enumerate(texts):
        try:
            keys.append(VerifierKey.parse(text))
        except CheckpointError as error:
            problem = str(error)
            refuse(
                pb.ERROR_REASON_FIELD_INVALID,
                f"This is not a verifier key: {problem}.",
                f"{field}[{place}]",
            )
    return keys


def _audited(file: BinaryIO, keys: Sequence[VerifierKey]) -> Checkpoint:
    """Return the checkpoint of a bundle. Raise RefusalError if the bundle is invalid."""
    try:
        audit = verify(file, keys)
    except ValueError as error:
        refuse(
            pb.ERROR_REASON_FIELD_INVALID,
            f"The verifier keys do not fit: {error}.",
            "verifier_keys",
        )
    if audit.findings:
        first = audit.findings[0]
        _invalid(f"The bundle does not verify. {first.text}", first.name)
    if audit.checkpoint is None or not audit.size:
        _invalid("The bundle has no entries.")
    return audit.checkpoint


def _check_form(id_: str, records: Sequence[bytes]) -> None:
    """Raise RefusalError if no service of this contract records such entries.

    An entry with erased words cannot be checked.
    """
    try:
        drafts.check_id(id_, "")
    except RefusalError as refusal:
        _invalid(f"The bundle has no valid negotiation id: {refusal}")
    for data in records:
        entry = decode_record(data)
        if entry.salts[1]:
            _check_shape(entry)


def _check_shape(entry: pb.Entry) -> None:
    draft = pb.Draft(facts=entry.facts, words=entry.words)
    try:
        drafts.prepare(draft, edtf.bounds)
        drafts.check_draft(draft)
    except RefusalError as refusal:
        version = entry.header.version
        _invalid(f"No service records an entry like version {version}: {refusal}")
    # `settle` clears the fields that belong to the service.
    draft.facts.request_id = entry.facts.request_id
    draft.facts.recorded_by = entry.facts.recorded_by
    if draft.facts != entry.facts:
        _invalid(f"The dates of version {entry.header.version} do not have their own bounds.")


def _check_pinned(checkpoint: str, first: pb.Copy) -> None:
    """Raise RefusalError if the keys of the first import do not verify a checkpoint.

    Otherwise a forged key of the same name could add entries to an import.
    """
    try:
        verify_checkpoint(checkpoint, _origin(first.checkpoint), _keys(first.verifier_keys))
    except CheckpointError:
        _invalid("The bundle is not signed by a key of the first import.", "not signed")


def _origin(signed: str) -> str:
    return parse_checkpoint(parse_note(signed).text).origin


def _exists(id_: str, origin: str = "") -> NoReturn:
    refuse(
        pb.ERROR_REASON_NEGOTIATION_EXISTS,
        f"The service has a negotiation '{id_}' already{origin}. An import keeps the id of its"
        " original: import it into a service where that id is free.",
        negotiation=f"negotiations/{id_}",
    )


def _invalid(text: str, finding: str = "") -> NoReturn:
    refuse(
        pb.ERROR_REASON_BUNDLE_INVALID,
        f"{text} Nothing was imported.",
        **({"finding": finding} if finding else {}),
    )
