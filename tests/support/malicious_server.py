"""A malicious server: it forwards the responses of a real service, except one false response."""

import hashlib
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import grpc
import pytest
from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.state.fold import fold
from pourparler.transparency.bundle import write
from pourparler.transparency.checkpoint import (
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    log_origin,
    parse_checkpoint,
    parse_note,
)
from pourparler.transparency.findings import Verdict
from pourparler.transparency.merkle import Frontier, MerkleTree, ProofError, leaf_hash
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from pourparler_service.storage.record_codec import record_bytes
from pourparler_service.transparency.signing_keys import Signer, SigningKey, write_key
from tests.support.sample_entries import draft, joined, offered, opened, said, topic
from tests.support.service_client import Service, connected
from tests.support.signing_keys import signing_key

NAME = "records.example"
"""The name of the service in its key and in its origins."""

KEY = signing_key(0, NAME)
TALKS, OTHERS = "talks", "others"
AMENDED = "amended"
"""A negotiation with a correction, so that a client reads it twice."""

SIZE = 12
"""The number of entries of each negotiation at the start."""

EARLIER = 7
"""The version of the trust store of the auditor in most tests."""

_TIMEOUT = 10
_SERVICES = "/pourparler.v1."


class Told(NamedTuple):
    """The responses of a server about a negotiation at a version."""

    records: Sequence[bytes]
    checkpoint: str
    state: pb.Negotiation
    whole: bool = True
    """True if it states that the entries are complete."""

    @property
    def negotiation(self) -> str:
        return header_of(self.records[0]).negotiation


Lie = Callable[[Told], Told]
"""A function that changes the true history."""

LieInReceipt = Callable[
    [pb.RecordEntriesRequest, pb.RecordEntriesResponse], pb.RecordEntriesResponse | bytes
]
"""A function that changes the response to a request to record."""


def header_of(record: bytes) -> pb.EntryHeader:
    return pb.EntryHeader.FromString(pb.Record.FromString(record).header)


def tree_of(records: Sequence[bytes]) -> MerkleTree:
    return MerkleTree(leaf_hash(pb.Record.FromString(one).header) for one in records)


def written(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def signed(
    records: Sequence[bytes], *, key: SigningKey = KEY, negotiation: str = "", size: int = 0
) -> str:
    """Return the checkpoint of the holder of a key for any records."""
    frontier = Frontier()
    for one in records:
        frontier.append(leaf_hash(pb.Record.FromString(one).header))
    name = negotiation or header_of(records[0]).negotiation
    time = header_of(records[-1]).record_time
    return Signer([key]).checkpoint(name, size or len(records), frontier.root(), time)


def believed(records: Sequence[bytes]) -> pb.Negotiation:
    """Return the state of these records."""
    return fold(map(pb.Entry.FromString, records))


def as_own(records: Sequence[bytes]) -> Told:
    """Return a history of these records by the holder of the key: signed and folded."""
    return Told(records, signed(records), believed(records))


def resealed(record: bytes, **more: Any) -> bytes:
    """Return a record with another version, time, facts or words, and new digests."""
    entry = pb.Entry.FromString(record)
    header = entry.header
    return record_bytes(
        more.get("negotiation", header.negotiation),
        more.get("version", header.version),
        more.get("record_time", header.record_time),
        more.get("facts", entry.facts),
        more.get("words", entry.words),
    )


def reworded(record: bytes, **fields: Any) -> bytes:
    """Return a record with other bytes in some fields and no other change."""
    changed = pb.Record.FromString(record)
    for name, value in fields.items():
        if isinstance(value, bytes):
            setattr(changed, name, value)
        else:
            getattr(changed, name)[:] = value
    return written(changed)


def _instead(records: Sequence[bytes], version: int, *others: bytes) -> list[bytes]:
    return [*records[: version - 1], *others, *records[version:]]


def _words_of(record: bytes) -> pb.Words:
    words = pb.Entry.FromString(record).words
    words.text = "Nothing of the kind was ever said."
    return words


# Attacks between the service and its auditors: they need no key.


def a_word_is_changed(told: Told) -> Told:
    record = told.records[4]
    changed = reworded(record, words=written(_words_of(record)))
    return told._replace(records=_instead(told.records, 5, changed))


def a_fact_is_changed(told: Told) -> Told:
    record = told.records[4]
    facts = pb.Entry.FromString(record).facts
    facts.recorded_by = "somebody@else"
    changed = reworded(record, facts=written(facts))
    return told._replace(records=_instead(told.records, 5, changed))


def a_word_is_changed_with_its_digest(told: Told) -> Told:
    record = told.records[4]
    changed = resealed(record, words=_words_of(record))
    return told._replace(records=_instead(told.records, 5, changed))


def a_header_is_changed(told: Told) -> Told:
    """Change the time: no digest covers it, but the leaf does."""
    header = header_of(told.records[4])
    header.record_time.nanos = 0
    changed = reworded(told.records[4], header=written(header))
    return told._replace(records=_instead(told.records, 5, changed))


def an_entry_has_a_second_section(told: Told) -> Told:
    """Repeat a field: some protobuf parsers merge the two, others use the last."""
    record = told.records[4]
    more = written(pb.Record(words=written(_words_of(record))))
    return told._replace(records=_instead(told.records, 5, record + more))


def an_entry_has_an_unknown_field(told: Told) -> Told:
    return told._replace(records=_instead(told.records, 5, told.records[4] + b"\x7a\x02hi"))


def an_entry_is_garbage(told: Told) -> Told:
    return told._replace(records=_instead(told.records, 5, b"\xff\xff\xff"))


def an_entry_is_empty(told: Told) -> Told:
    return told._replace(records=_instead(told.records, 5, b""))


def an_entry_is_dropped(told: Told) -> Told:
    return told._replace(records=_instead(told.records, 5))


def the_first_entry_is_dropped(told: Told) -> Told:
    return told._replace(records=told.records[1:])


def an_entry_is_dropped_and_the_rest_moved_up(told: Told) -> Told:
    rest = [resealed(one, version=version) for version, one in enumerate(told.records[5:], 5)]
    return told._replace(records=[*told.records[:4], *rest])


def the_last_entries_are_dropped(told: Told) -> Told:
    return told._replace(records=told.records[:-2])


def nothing_is_given(told: Told) -> Told:
    return told._replace(records=[])


def entries_change_places(told: Told) -> Told:
    fifth, sixth = told.records[4:6]
    return told._replace(records=[*told.records[:4], sixth, fifth, *told.records[6:]])


def entries_change_places_and_versions(told: Told) -> Told:
    fifth, sixth = told.records[4:6]
    swapped = [resealed(sixth, version=5), resealed(fifth, version=6)]
    return told._replace(records=[*told.records[:4], *swapped, *told.records[6:]])


def an_entry_comes_twice(told: Told) -> Told:
    return told._replace(records=_instead(told.records, 5, told.records[4], told.records[4]))


def an_entry_is_inserted(told: Told) -> Told:
    invented = resealed(told.records[4], words=_words_of(told.records[4]))
    return told._replace(records=_instead(told.records, 5, told.records[4], invented))


def an_entry_is_inserted_and_the_rest_moved_down(told: Told) -> Told:
    rest = [resealed(one, version=version) for version, one in enumerate(told.records[4:], 6)]
    return told._replace(records=[*told.records[:4], resealed(told.records[4]), *rest])


def an_entry_is_added_at_the_end(told: Told) -> Told:
    last = told.records[-1]
    added = resealed(last, version=len(told.records) + 1, words=_words_of(last))
    return told._replace(records=[*told.records, added])


def words_are_withheld(told: Told) -> Told:
    """Withhold words as if they were erased, without a redaction."""
    record = pb.Record.FromString(told.records[4])
    changed = reworded(told.records[4], words=b"", salts=[record.salts[0], b""])
    return told._replace(records=_instead(told.records, 5, changed))


def facts_are_withheld(told: Told) -> Told:
    record = pb.Record.FromString(told.records[4])
    changed = reworded(told.records[4], facts=b"", salts=[b"", record.salts[1]])
    return told._replace(records=_instead(told.records, 5, changed))


def words_are_gone_and_their_salt_is_not(told: Told) -> Told:
    return told._replace(records=_instead(told.records, 5, reworded(told.records[4], words=b"")))


def salts_are_missing(told: Told) -> Told:
    return told._replace(records=_instead(told.records, 5, reworded(told.records[4], salts=[])))


def an_entry_of_another_negotiation_is_put_in(told: Told) -> Told:
    other = resealed(told.records[4], negotiation=OTHERS)
    return told._replace(records=_instead(told.records, 5, other))


def the_stream_is_cut(told: Told) -> Told:
    return told._replace(records=told.records[:-3], whole=False)


def the_state_is_changed(told: Told) -> Told:
    state = pb.Negotiation()
    state.CopyFrom(told.state)
    state.proposals["offer"].status = pb.PROPOSAL_STATUS_ACCEPTED
    return told._replace(state=state)


def a_part_of_the_state_is_left_out(told: Told) -> Told:
    state = pb.Negotiation()
    state.CopyFrom(told.state)
    del state.statements["s-1"]
    return told._replace(state=state)


def the_counts_of_the_state_are_changed(told: Told) -> Told:
    state = pb.Negotiation()
    state.CopyFrom(told.state)
    counts = state.counts
    field = next(iter(counts.DESCRIPTOR.fields))
    setattr(counts, field.name, getattr(counts, field.name) + 1)
    return told._replace(state=state)


def cut(told: Told, *hidden: int) -> Told:
    """Return the true history for a viewer who may not see these versions."""
    records = [
        written(pb.Record(header=pb.Record.FromString(one).header)) if place in hidden else one
        for place, one in enumerate(told.records, 1)
    ]
    return told._replace(records=records, state=believed(records))


def what_is_withheld_is_in_the_state(told: Told) -> Told:
    return cut(told, 6, 11)._replace(state=told.state)


def what_is_shown_is_not_in_the_state(told: Told) -> Told:
    return cut(told, 6, 11)._replace(state=cut(told, 5, 6, 11).state)


def a_cut_state_is_changed(told: Told) -> Told:
    return the_state_is_changed(cut(told, 6, 11))


def the_size_is_changed(told: Told) -> Told:
    return _with_checkpoint(told, lambda one: one._replace(size=one.size - 1))


def the_root_is_changed(told: Told) -> Told:
    return _with_checkpoint(told, lambda one: one._replace(root=bytes(32)))


def the_origin_is_changed(told: Told) -> Told:
    return _with_checkpoint(
        told, lambda one: one._replace(origin=log_origin("evil.example", TALKS))
    )


def _with_checkpoint(told: Told, change: Callable[[Checkpoint], Checkpoint]) -> Told:
    """Change the text of a checkpoint and keep its signature."""
    note = parse_note(told.checkpoint)
    text = change(parse_checkpoint(note.text)).text()
    return told._replace(checkpoint=Note(text, note.signatures).signed())


def the_signature_is_missing(told: Told) -> Told:
    text, _, _ = told.checkpoint.rpartition("\u2014")
    return told._replace(checkpoint=text)


def the_checkpoint_is_missing(told: Told) -> Told:
    return told._replace(checkpoint="")


def another_key_signs_under_the_name(told: Told) -> Told:
    return told._replace(checkpoint=signed(told.records, key=signing_key(9, NAME)))


def another_key_signs_under_the_id(told: Told) -> Told:
    note = parse_note(told.checkpoint)
    other = signing_key(9, NAME).sign(note.text)
    forged = Signature(NAME, KEY.verifier_key.key_id, other.data)
    return told._replace(checkpoint=Note(note.text, (forged,)).signed())


def another_service_signs(told: Told) -> Told:
    return told._replace(checkpoint=signed(told.records, key=signing_key(9, "evil.example")))


def a_second_signature_is_invalid(told: Told) -> Told:
    """Add a second signature of the same key that does not verify."""
    note = parse_note(told.checkpoint)
    bad = note.signatures[0]._replace(data=bytes(64))
    return told._replace(checkpoint=Note(note.text, (*note.signatures, bad)).signed())


# Attacks by the holder of the signing key.


def another_origin_is_signed_for(told: Told) -> Told:
    return told._replace(checkpoint=signed(told.records, negotiation="talks-2"))


def a_word_is_changed_and_signed_for(told: Told) -> Told:
    """Replace the record from version 5 on: a fork."""
    changed = resealed(told.records[4], words=_words_of(told.records[4]))
    return as_own(_instead(told.records, 5, changed))


def a_late_word_is_changed_and_signed_for(told: Told) -> Told:
    """Fork the record after the version in the trust store of the auditor."""
    late = resealed(told.records[9], words=_words_of(told.records[9]))
    return as_own(_instead(told.records, 10, late))


def an_entry_is_dropped_and_signed_for(told: Told) -> Told:
    return as_own(an_entry_is_dropped_and_the_rest_moved_up(told).records)


def the_last_entries_are_dropped_and_signed_for(told: Told) -> Told:
    """Return a stale checkpoint, as if version 5 were the last one."""
    return as_own(told.records[:5])


def a_gap_is_signed_for(told: Told) -> Told:
    records = an_entry_is_dropped(told).records
    return Told(records, signed(records), believed(records))


def a_gap_is_signed_for_with_its_size(told: Told) -> Told:
    """Keep the size, but compute the root over one leaf less."""
    records = an_entry_is_dropped(told).records
    return Told(records, signed(records, size=len(told.records)), believed(records))


def time_runs_back_and_is_signed_for(told: Told) -> Told:
    time = header_of(told.records[4]).record_time
    time.seconds -= 3_600
    return as_own(_instead(told.records, 5, resealed(told.records[4], record_time=time)))


def another_digest_is_signed_for(told: Told) -> Told:
    """Sign a digest that does not match its section."""
    header = header_of(told.records[4])
    header.section_digests[1] = hashlib.sha256(b"other").digest()
    changed = reworded(told.records[4], header=written(header))
    records = _instead(told.records, 5, changed)
    return Told(records, signed(records), told.state)


def a_later_format_is_signed_for(told: Told) -> Told:
    header = header_of(told.records[4])
    header.format = 3
    changed = reworded(told.records[4], header=written(header))
    records = _instead(told.records, 5, changed)
    return Told(records, signed(records), told.state)


def a_section_without_salt_is_signed_for(told: Told) -> Told:
    """Use no salt, so that the words can be guessed from the header."""
    record = pb.Record.FromString(told.records[4])
    header = pb.EntryHeader.FromString(record.header)
    header.section_digests[1] = hashlib.sha256(record.words).digest()
    changed = reworded(told.records[4], header=written(header), salts=[record.salts[0], b""])
    records = _instead(told.records, 5, changed)
    return Told(records, signed(records), told.state)


def an_entry_of_another_negotiation_is_signed_for(told: Told) -> Told:
    records = an_entry_of_another_negotiation_is_put_in(told).records
    return Told(records, signed(records), told.state)


def bundled(about: str, told: Told) -> bytes:
    """Return a bundle of a history, whatever it contains."""
    file = io.BytesIO()
    header = pb.BundleHeader(
        negotiation=about, origin=log_origin(NAME, about), checkpoint=told.checkpoint
    )
    write(file, header, told.records)
    return file.getvalue()


class Expected(NamedTuple):
    """The expected result of an audit."""

    verdict: Verdict
    name: str
    """The name of a finding that the audit has to report."""
    version: int = 0
    part: str = ""


_FORGED = Verdict.MANIPULATED
_SHORT = Verdict.INCOMPLETE
_SHOWN_IN_PART = Verdict.PARTIAL
_UNSURE = Verdict.CANNOT_TELL

ABOUT_RECORDS: Mapping[Lie, Expected] = {
    a_word_is_changed: Expected(_FORGED, "section changed", 5, "words"),
    a_fact_is_changed: Expected(_FORGED, "section changed", 5, "facts"),
    a_word_is_changed_with_its_digest: Expected(_FORGED, "root differs"),
    a_header_is_changed: Expected(_FORGED, "root differs"),
    an_entry_has_a_second_section: Expected(_FORGED, "record changed", 5),
    an_entry_has_an_unknown_field: Expected(_FORGED, "record changed", 5),
    an_entry_is_garbage: Expected(_FORGED, "record unreadable", 5),
    an_entry_is_empty: Expected(_FORGED, "root differs"),
    an_entry_is_dropped: Expected(_SHORT, "entry missing", 5),
    the_first_entry_is_dropped: Expected(_SHORT, "entry missing", 1),
    an_entry_is_dropped_and_the_rest_moved_up: Expected(_SHORT, "cut", 12),
    the_last_entries_are_dropped: Expected(_SHORT, "cut", 11),
    nothing_is_given: Expected(_SHORT, "cut", 1),
    entries_change_places: Expected(_FORGED, "out of order", 5),
    entries_change_places_and_versions: Expected(_FORGED, "root differs"),
    an_entry_comes_twice: Expected(_FORGED, "out of order", 5),
    an_entry_is_inserted: Expected(_FORGED, "out of order", 5),
    an_entry_is_inserted_and_the_rest_moved_down: Expected(_FORGED, "entry beyond", 13),
    an_entry_is_added_at_the_end: Expected(_FORGED, "entry beyond", 13),
    words_are_withheld: Expected(_SHOWN_IN_PART, "section withheld", 5, "words"),
    facts_are_withheld: Expected(_SHOWN_IN_PART, "section withheld", 5, "facts"),
    words_are_gone_and_their_salt_is_not: Expected(_FORGED, "section changed", 5, "words"),
    salts_are_missing: Expected(_FORGED, "section changed", 5, "facts"),
    an_entry_of_another_negotiation_is_put_in: Expected(_FORGED, "another negotiation", 5),
}
"""False entries by an attacker without the key."""

ABOUT_CHECKPOINT: Mapping[Lie, Expected] = {
    the_size_is_changed: Expected(_FORGED, "signature invalid"),
    the_root_is_changed: Expected(_FORGED, "signature invalid"),
    the_origin_is_changed: Expected(_FORGED, "signature invalid"),
    the_signature_is_missing: Expected(_UNSURE, "checkpoint unreadable"),
    the_checkpoint_is_missing: Expected(_UNSURE, "checkpoint unreadable"),
    another_key_signs_under_the_name: Expected(_UNSURE, "not signed"),
    another_key_signs_under_the_id: Expected(_FORGED, "signature invalid"),
    another_service_signs: Expected(_UNSURE, "not signed"),
    a_second_signature_is_invalid: Expected(_FORGED, "signature invalid"),
    another_origin_is_signed_for: Expected(_FORGED, "another origin"),
}
"""False checkpoints."""

SIGNED_FOR: Mapping[Lie, Expected] = {
    a_gap_is_signed_for: Expected(_FORGED, "entry missing", 5),
    a_gap_is_signed_for_with_its_size: Expected(_SHORT, "entry missing", 5),
    time_runs_back_and_is_signed_for: Expected(_FORGED, "time runs back", 5),
    another_digest_is_signed_for: Expected(_FORGED, "section changed", 5, "words"),
    a_later_format_is_signed_for: Expected(_UNSURE, "format unknown", 5),
    a_section_without_salt_is_signed_for: Expected(_FORGED, "section changed", 5, "words"),
    an_entry_of_another_negotiation_is_signed_for: Expected(_FORGED, "another negotiation", 5),
}
"""False histories by the holder of the key that every auditor detects."""

ABOUT_THE_PAST: Mapping[Lie, Expected] = {
    a_word_is_changed_and_signed_for: Expected(_FORGED, "forked"),
    an_entry_is_dropped_and_signed_for: Expected(_FORGED, "forked"),
    the_last_entries_are_dropped_and_signed_for: Expected(_SHORT, "stale"),
}
"""False histories by the holder of the key that an auditor with version EARLIER detects."""

ABOUT_STATE: Mapping[Lie, Expected] = {
    the_state_is_changed: Expected(_FORGED, "state differs", part="proposals/offer"),
    a_part_of_the_state_is_left_out: Expected(_FORGED, "state differs", part="statements/s-1"),
    the_counts_of_the_state_are_changed: Expected(_FORGED, "state differs", part="counts"),
}
"""False states."""

ABOUT_A_CUT: Mapping[Lie, Expected] = {
    what_is_withheld_is_in_the_state: Expected(_FORGED, "state differs", part="statements/s-2"),
    what_is_shown_is_not_in_the_state: Expected(_FORGED, "state differs", part="statements/s-1"),
    a_cut_state_is_changed: Expected(_FORGED, "state differs", part="proposals/offer"),
}
"""False states for a viewer without full access."""

ABOUT_THE_END: Mapping[Lie, Expected] = {
    the_stream_is_cut: Expected(_SHORT, "cut", 10),
}
"""False statements about the completeness of the entries."""


def each_of(lies: Mapping[Lie, Expected]) -> pytest.MarkDecorator:
    """Parametrize a test over these false responses."""
    names = [lie.__name__ for lie in lies]
    return pytest.mark.parametrize(("lie", "expected"), lies.items(), ids=names)


class Malicious:
    """A server in front of a service. Its `lie` can be changed while it runs."""

    def __init__(self, service: Service, verifier_key: VerifierKey) -> None:
        self.service = service
        self.verifier_key = verifier_key
        self.address = ""
        self.lie: Lie = lambda told: told
        self.lie_in_receipt: LieInReceipt = lambda _, response: response
        self.lie_in_proof: Callable[[list[bytes]], list[bytes]] = lambda hashes: hashes
        self.about = TALKS
        """The negotiation with the false response."""
        self.computed_at: int | None = None
        """The version at which it states that a state was computed; None for the true one."""
        self.garbage = b""
        """The response to every call except replays; None for the usual ones."""
        self._told: tuple[Lie, str, Told] | None = None
        self.asked: list[str] = []
        """The called methods in order."""

    def honest(self) -> None:
        """Forward all responses from now on."""
        lies = Malicious(self.service, self.verifier_key)
        self.lie, self.about, self.computed_at = lies.lie, lies.about, lies.computed_at
        self.lie_in_receipt, self.lie_in_proof = lies.lie_in_receipt, lies.lie_in_proof
        self.garbage = lies.garbage

    def truth(self, id_: str, version: int | None = None) -> Told:
        """Return the true history of a negotiation at a version, or at the last one."""
        name = f"negotiations/{id_}"
        checkpoint = self.service.audits.GetCheckpoint(
            pb.GetCheckpointRequest(name=name, version=version), timeout=_TIMEOUT
        )
        as_of = pb.AsOf(version=checkpoint.computed_at.version)
        request = pb.ReplayEntriesRequest(name=name, as_of=as_of).SerializeToString()
        parts = self.service.raw(f"{_SERVICES}AuditService/ReplayEntries", request, stream=True)
        records = [written(one) for part in parts for one in pb.Records.FromString(part).records]
        return Told(records, checkpoint.checkpoint, self.service.state(id_, as_of).negotiation)

    def told(self, name: str, version: int | None = None) -> Told:
        """Return the false history, with as few changes to the previous one as possible."""
        id_ = name.removeprefix("negotiations/")
        latest = self.truth(id_)
        if version is not None and version > latest.state.version:
            version = None
        truth = self.truth(id_, version)
        if id_ != self.about:
            return truth
        now = self._lied(latest)
        if version is None or version >= latest.state.version or len(now.records) <= version:
            return now
        begin = now.records[:version]
        return truth if list(begin) == list(truth.records) else as_own(begin)

    def _lied(self, truth: Told) -> Told:
        """Return the same false history each time."""
        if self._told is None or self._told[:2] != (self.lie, truth.checkpoint):
            self._told = self.lie, truth.checkpoint, self.lie(truth)
        return self._told[2]

    # The calls.

    def replay(self, data: bytes, _: grpc.ServicerContext) -> Iterator[bytes]:
        request = pb.ReplayEntriesRequest.FromString(data)
        version = request.as_of.version if request.as_of.HasField("version") else None
        told = self.told(request.name, version)
        for one in told.records[request.after_version :]:
            yield b"\x0a" + _varint(len(one)) + one
        if told.whole:
            complete = pb.ReplayComplete(
                entry_count=len(told.records) - request.after_version,
                computed_at=pb.ComputedAt(version=len(told.records)),
            )
            yield pb.ReplayEntriesResponse(complete=complete).SerializeToString()

    def checkpoint(self, data: bytes) -> Message:
        request = pb.GetCheckpointRequest.FromString(data)
        version = request.version if request.HasField("version") else None
        told = self.told(request.name, version)
        at = pb.ComputedAt(version=told.state.version)
        return pb.GetCheckpointResponse(checkpoint=told.checkpoint, computed_at=at)

    def state(self, data: bytes) -> Message:
        request = pb.GetNegotiationRequest.FromString(data)
        version = request.as_of.version if request.as_of.HasField("version") else None
        told = self.told(request.name, version)
        at = pb.ComputedAt(version=self.computed_at or told.state.version)
        return pb.GetNegotiationResponse(negotiation=told.state, computed_at=at)

    def inclusion(self, data: bytes) -> Message:
        request = pb.GetInclusionProofRequest.FromString(data)
        version = request.at_version if request.HasField("at_version") else None
        told = self.told(request.name, version)
        tree = tree_of(told.records)
        return pb.GetInclusionProofResponse(
            hashes=self._proof(tree.prove_inclusion, request.version - 1, tree.size),
            checkpoint=told.checkpoint,
            header=pb.Record.FromString(told.records[request.version - 1]).header,
        )

    def consistency(self, data: bytes) -> Message:
        request = pb.GetConsistencyProofRequest.FromString(data)
        version = request.to_version if request.HasField("to_version") else None
        told = self.told(request.name, version)
        tree = tree_of(told.records)
        return pb.GetConsistencyProofResponse(
            hashes=self._proof(tree.prove_consistency, request.from_version, tree.size),
            checkpoint=told.checkpoint,
        )

    def _proof(self, prove: Callable[[int, int], list[bytes]], *asked: int) -> list[bytes]:
        try:
            return self.lie_in_proof(prove(*asked))
        except ProofError:
            return []  # the malicious server has no other proof

    def record(self, data: bytes) -> Message | bytes:
        request = pb.RecordEntriesRequest.FromString(data)
        response = self.service.records.RecordEntries(request, timeout=_TIMEOUT)
        return self.lie_in_receipt(request, response)

    # The wire.

    def handler(self, method: str) -> Any:
        lies: Mapping[str, Callable[[bytes], Message | bytes]] = {
            "AuditService/GetCheckpoint": self.checkpoint,
            "AuditService/GetInclusionProof": self.inclusion,
            "AuditService/GetConsistencyProof": self.consistency,
            "NegotiationService/GetNegotiation": self.state,
            "RecordService/RecordEntries": self.record,
        }
        name = method.removeprefix(_SERVICES)
        self.asked.append(name)
        if name == "AuditService/ReplayEntries":
            return grpc.unary_stream_rpc_method_handler(self.replay)
        answer = partial(self._answer, lies.get(name) or partial(self._pass_on, method))
        return grpc.unary_unary_rpc_method_handler(answer)

    def _answer(
        self, answer: Callable[[bytes], Any], data: bytes, context: grpc.ServicerContext
    ) -> bytes:
        if self.garbage:
            return self.garbage
        try:
            given = answer(data)
        except grpc.RpcError as error:
            _refuse(error, context)
        return given if isinstance(given, bytes) else given.SerializeToString()

    def _pass_on(self, method: str, data: bytes) -> bytes:
        given: bytes = self.service.raw(method, data)
        return given


def _refuse(error: Any, context: grpc.ServicerContext) -> NoReturn:
    """Fail with the status of the service."""
    context.set_trailing_metadata(error.trailing_metadata())
    context.abort(error.code(), error.details())
    raise AssertionError


def _varint(number: int) -> bytes:
    groups = bytearray()
    while number >= 0x80:
        groups.append(number % 0x80 | 0x80)
        number //= 0x80
    groups.append(number)
    return bytes(groups)


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, malicious: Malicious) -> None:
        self._malicious = malicious

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        return self._malicious.handler(details.method)


@contextmanager
def malicious(key: SigningKey = KEY) -> Iterator[Malicious]:
    """Run a service in memory with some negotiations, and a malicious server in front of it."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pourparler-"))
        path = Path(folder) / "signing.key"
        write_key(key, path)
        address = stack.enter_context(running(replace(Settings.in_memory(), signing_keys=(path,))))
        service = stack.enter_context(connected(address))
        liar = Malicious(service, key.verifier_key)
        server = grpc.server(
            ThreadPoolExecutor(4, thread_name_prefix="malice"),
            handlers=[_Handlers(liar)],
            options=[("grpc.so_reuseport", 0)],
        )
        liar.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        stack.callback(lambda: server.stop(None).wait())
        for id_ in (TALKS, AMENDED, OTHERS):
            for one in _history(id_):
                service.record(id_, one)
        yield liar


def _history(id_: str) -> list[pb.Draft]:
    drafts = [
        opened(),
        joined("acme"),
        joined("union"),
        topic("pay"),
        said("s-1", "acme"),
        said("s-2", "union"),
        offered("offer", ["acme"], ["union"], topics=["pay"]),
        *(said(f"s-{number}", "acme") for number in range(3, 8)),
    ]
    if id_ == AMENDED:
        slip = pb.EntryCorrected(
            target_version=9,
            mode=pb.CORRECTION_MODE_ANNUL,
            kind=pb.CORRECTION_KIND_RECORDER,
        )
        drafts[10] = draft(slip)
    return drafts
