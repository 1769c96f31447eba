"""An entry's stored bytes: its sections, their salts and digests, its header.

Everything here is storage format: permanent.
"""

import hashlib
import secrets
from collections.abc import Callable

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.contract import entry_type
from pourparler.proof import leaf_hash
from pourparler.wire import written

FORMAT = 1
"""The version of the stored format that this module writes."""

SALT_BYTES = 32


def seal(
    negotiation: str,
    version: int,
    record_time: Timestamp,
    facts: pb.Facts,
    words: pb.Words,
    *,
    salt: Callable[[int], bytes] = secrets.token_bytes,
) -> bytes:
    """The bytes of the Record of an entry: to be stored, hashed and delivered just so.

    Each section has a salt of its own, so that nobody who holds the header can find out a section
    by guessing.
    """
    sections = [written(facts), written(words)]
    salts = [salt(SALT_BYTES) for _ in sections]
    header = pb.EntryHeader(
        negotiation=negotiation,
        version=version,
        record_time=record_time,
        section_digests=[
            hashlib.sha256(salt + section).digest()
            for salt, section in zip(salts, sections, strict=True)
        ],
        format=FORMAT,
    )
    return written(
        pb.Record(header=written(header), salts=salts, facts=sections[0], words=sections[1])
    )


def unseal(stored: bytes) -> pb.Entry:
    """The entry that stored bytes are."""
    return pb.Entry.FromString(stored)


def leaf(stored: bytes) -> bytes:
    """The hash of an entry's leaf in the log of its negotiation."""
    return leaf_hash(pb.Record.FromString(stored).header)


def topic(facts: pb.Facts) -> str:
    """The full name of the type of an entry, under which it is stored."""
    known = entry_type(facts)
    return str(known.descriptor.full_name) if known else ""
