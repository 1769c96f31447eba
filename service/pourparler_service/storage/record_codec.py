"""An entry's stored bytes: its sections, their salts and digests, its header; whom it concerns.

Everything here is storage format: permanent.
"""

import secrets
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.schema.contract import ENTRY_TYPES, references
from pourparler.schema.wire import framed, written
from pourparler.transparency.merkle import leaf_hash

FORMAT = 1
"""The version of the stored format that this module writes."""

SALT_BYTES = 32


class EncodedRecord(NamedTuple):
    """An entry as it is stored, and the hash of its leaf in the log of its negotiation."""

    data: bytes
    leaf: bytes


def encode_record(
    negotiation: str,
    version: int,
    record_time: Timestamp,
    facts: pb.Facts,
    words: pb.Words,
    *,
    salt: Callable[[int], bytes] = secrets.token_bytes,
) -> EncodedRecord:
    """An entry as a Record, whose bytes are to be stored, hashed and delivered just so.

    Each section has a salt of its own, so that nobody who holds the header can find out a section
    by guessing.
    """
    facts_salt, facts_written = salt(SALT_BYTES), written(facts)
    words_salt, words_written = salt(SALT_BYTES), written(words)
    # To set field by field takes half as long as to construct a message with all of them.
    header = pb.EntryHeader()
    header.negotiation = negotiation
    header.version = version
    header.record_time.CopyFrom(record_time)
    header.section_digests.extend(
        (
            sha256(facts_salt + facts_written).digest(),
            sha256(words_salt + words_written).digest(),
        )
    )
    header.format = FORMAT
    header_written = written(header)
    record = pb.Record()
    record.header = header_written
    record.salts.extend((facts_salt, words_salt))
    record.facts = facts_written
    record.words = words_written
    return EncodedRecord(written(record), leaf_hash(header_written))


def seal(
    negotiation: str,
    version: int,
    record_time: Timestamp,
    facts: pb.Facts,
    words: pb.Words,
    *,
    salt: Callable[[int], bytes] = secrets.token_bytes,
) -> bytes:
    """The stored bytes of an entry alone."""
    return encode_record(negotiation, version, record_time, facts, words, salt=salt).data


def decode_record(stored: bytes) -> pb.Entry:
    """The entry that stored bytes are."""
    return pb.Entry.FromString(stored)


def leaf(stored: bytes) -> bytes:
    """The hash of an entry's leaf in the log of its negotiation."""
    return leaf_hash(pb.Record.FromString(stored).header)


_TOPICS = {name: str(kind.descriptor.full_name) for name, kind in ENTRY_TYPES.items()}


def topic(facts: pb.Facts) -> str:
    """The full name of the type of an entry, under which it is stored."""
    kind = facts.WhichOneof("event")
    return _TOPICS[kind] if kind else ""


class RecordParts(NamedTuple):
    """An entry in parts: those that stay when its words are destroyed, and what is destroyed."""

    before_salt: bytes
    """The fields of the Record before the salt of the words."""
    after_salt: bytes
    """Those between that salt and the words."""
    salt: bytes
    words: bytes
    """The fields of both. Empty if the entry has no words."""

    @property
    def left(self) -> bytes:
        """The Record without its words, and with an empty salt in the place of theirs."""
        return self.before_salt + NO_SALT + self.after_salt


NO_SALT = b"\x12\x00"
"""The field of an empty salt."""

SALT_FIELD_BYTES = 2 + SALT_BYTES


def record_parts(stored: bytes) -> RecordParts:
    """An entry in parts. It is canonical, as all that is stored."""
    record = pb.Record.FromString(stored)
    if not record.words or len(record.salts) != _SALTS:
        return RecordParts(stored, b"", b"", b"")
    words = framed(pb.Record.WORDS_FIELD_NUMBER, record.words)
    facts = framed(pb.Record.FACTS_FIELD_NUMBER, record.facts) if record.facts else b""
    place = len(stored) - len(words) - len(facts)
    return RecordParts(
        stored[: place - SALT_FIELD_BYTES], facts, stored[place - SALT_FIELD_BYTES : place], words
    )


_SALTS = 2


def is_erased(entry: pb.Entry) -> bool:
    """Whether the words of an entry are gone, of which nothing but their digest is left."""
    return len(entry.salts) == _SALTS and not entry.salts[1]


def concerned(facts: pb.Facts, is_person: Callable[[str], bool]) -> set[str]:
    """The natural persons whom the words of an entry concern, by the ids of the participants.

    They are those whom the entry names or brings, and those whom it says they concern. To be let in
    is not to be spoken of: an audience is not among them.
    """
    kind = facts.WhichOneof("event")
    if kind == "entry_redacted":
        return set()  # That words were destroyed is to be known for good.
    found = set(facts.concerns)
    for one in references(facts):
        if (
            one.kind == pb.PART_KIND_PARTICIPANT
            and one.id not in found
            and "audience[" not in one.path
            and is_person(one.id)
        ):
            found.add(one.id)
    if kind == "participant_joined":
        joined = facts.participant_joined
        who = joined.participant_id
        if joined.kind == pb.PARTICIPANT_KIND_PERSON or is_person(who):
            found.add(who)
    elif kind == "entry_corrected":
        found |= concerned(facts.entry_corrected.replacement, is_person)
    return found
