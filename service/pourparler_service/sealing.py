"""An entry's stored bytes: its sections, their salts and digests, its header.

Everything here is storage format: permanent.
"""

import secrets
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.contract import ENTRY_TYPES
from pourparler.proof import leaf_hash
from pourparler.wire import written

FORMAT = 1
"""The version of the stored format that this module writes."""

SALT_BYTES = 32


class Sealed(NamedTuple):
    """An entry as it is stored, and the hash of its leaf in the log of its negotiation."""

    data: bytes
    leaf: bytes


def sealed(
    negotiation: str,
    version: int,
    record_time: Timestamp,
    facts: pb.Facts,
    words: pb.Words,
    *,
    salt: Callable[[int], bytes] = secrets.token_bytes,
) -> Sealed:
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
    return Sealed(written(record), leaf_hash(header_written))


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
    return sealed(negotiation, version, record_time, facts, words, salt=salt).data


def unseal(stored: bytes) -> pb.Entry:
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
