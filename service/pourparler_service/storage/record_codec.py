"""The codec of stored entries: sections, salts, digests and header; and the persons concerned.

Everything here is storage format: permanent.
"""

import secrets
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.schema.contract import ENTRY_TYPES, references
from pourparler.schema.entry_format import FIRST_FORMAT
from pourparler.schema.wire import length_delimited, serialize
from pourparler.transparency.merkle import leaf_hash

SALT_BYTES = 32


class EncodedRecord(NamedTuple):
    """The stored bytes of an entry, and the hash of its leaf in the log of its negotiation."""

    data: bytes
    leaf: bytes


def encode_record(
    negotiation: str,
    version: int,
    record_time: Timestamp,
    facts: pb.Facts,
    words: pb.Words,
    *,
    entry_format: int = FIRST_FORMAT,
    salt: Callable[[int], bytes] = secrets.token_bytes,
) -> EncodedRecord:
    """Encode an entry as a Record, whose bytes are stored, hashed and delivered unchanged.

    Each section has a salt of its own, so that the header does not allow to guess a section.
    """
    facts_salt, facts_written = salt(SALT_BYTES), serialize(facts)
    words_salt, words_written = salt(SALT_BYTES), serialize(words)
    # Setting field by field takes half as long as constructing a message with all fields.
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
    header.format = entry_format
    header_written = serialize(header)
    record = pb.Record()
    record.header = header_written
    record.salts.extend((facts_salt, words_salt))
    record.facts = facts_written
    record.words = words_written
    return EncodedRecord(serialize(record), leaf_hash(header_written))


def record_bytes(
    negotiation: str,
    version: int,
    record_time: Timestamp,
    facts: pb.Facts,
    words: pb.Words,
    *,
    salt: Callable[[int], bytes] = secrets.token_bytes,
) -> bytes:
    """Return the stored bytes of an entry alone."""
    return encode_record(negotiation, version, record_time, facts, words, salt=salt).data


def decode_record(stored: bytes) -> pb.Entry:
    """Return the entry that stored bytes encode."""
    return pb.Entry.FromString(stored)


def leaf(stored: bytes) -> bytes:
    """Return the hash of the leaf of an entry in the log of its negotiation."""
    return leaf_hash(pb.Record.FromString(stored).header)


_TOPICS = {name: str(kind.descriptor.full_name) for name, kind in ENTRY_TYPES.items()}


def topic(facts: pb.Facts) -> str:
    """Return the full name of the type of an entry, under which it is stored."""
    kind = facts.WhichOneof("event")
    return _TOPICS[kind] if kind else ""


class RecordParts(NamedTuple):
    """The parts of a Record that an erasure keeps, and those that it destroys."""

    before_salt: bytes
    """The fields of the Record before the salt of the words."""
    after_salt: bytes
    """The fields between that salt and the words."""
    salt: bytes
    words: bytes
    """The fields of salt and words. Empty if the entry has no words."""

    @property
    def left(self) -> bytes:
        """The Record without its words, and with an empty salt in their place."""
        return self.before_salt + NO_SALT + self.after_salt


NO_SALT = b"\x12\x00"
"""The field of an empty salt."""

SALT_FIELD_BYTES = 2 + SALT_BYTES


def record_parts(stored: bytes) -> RecordParts:
    """Return the parts of an entry, whose bytes are canonical, as all stored bytes are."""
    record = pb.Record.FromString(stored)
    if not record.words or len(record.salts) != _SALTS:
        return RecordParts(stored, b"", b"", b"")
    words = length_delimited(pb.Record.WORDS_FIELD_NUMBER, record.words)
    facts = length_delimited(pb.Record.FACTS_FIELD_NUMBER, record.facts) if record.facts else b""
    place = len(stored) - len(words) - len(facts)
    return RecordParts(
        stored[: place - SALT_FIELD_BYTES], facts, stored[place - SALT_FIELD_BYTES : place], words
    )


_SALTS = 2


def is_erased(entry: pb.Entry) -> bool:
    """Return True if the words of an entry are destroyed, and their digest alone is left."""
    return len(entry.salts) == _SALTS and not entry.salts[1]


def concerned(facts: pb.Facts, is_person: Callable[[str], bool]) -> set[str]:
    """Return the participants who are natural persons that the words of an entry concern.

    These are the persons that the entry names, introduces, or lists in `concerns`. A member of an
    audience alone is not concerned.
    """
    kind = facts.WhichOneof("event")
    if kind == "entry_redacted":
        return set()  # A redaction stays readable.
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
