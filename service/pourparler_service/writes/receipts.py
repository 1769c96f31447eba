"""Receipts: the entries of a request as they are stored, and the signed checkpoint after them."""

from collections.abc import Sequence
from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.schema.wire import length_delimited
from pourparler_service.aggregate.negotiation import Negotiation
from pourparler_service.storage.interface import StoredEntry
from pourparler_service.storage.record_codec import NO_SALT, decode_record, is_erased
from pourparler_service.transparency.signing_keys import Signer


class UnsignedReceipt(NamedTuple):
    """A receipt without its checkpoint: the entries, and the root of the log after them."""

    negotiation: str
    records: Sequence[StoredEntry]
    root: bytes
    record_time: Timestamp

    def signed(self, signer: Signer) -> bytes:
        """Return the bytes of a Receipt. They are equal each time; the entries are spliced in."""
        version = self.records[-1].version
        rest = pb.Receipt(negotiation=f"negotiations/{self.negotiation}", version=version)
        if self.root:
            rest.checkpoint = signer.checkpoint(
                self.negotiation, version, self.root, self.record_time
            )
        rest.erased_versions.extend(one.version for one in self.records if _lost_words(one))
        entries = b"".join(length_delimited(1, one.data) for one in self.records)
        return entries + rest.SerializeToString(deterministic=True)


def receipt_of(negotiation: Negotiation, records: Sequence[StoredEntry]) -> UnsignedReceipt:
    """Return the receipt of entries that are recorded or about to be."""
    last, record_time = records[-1], Timestamp()
    if last.version == negotiation.version:
        record_time.CopyFrom(negotiation.record_time)
    else:
        record_time.CopyFrom(decode_record(last.data).header.record_time)
    root = negotiation.tree.root(last.version)
    return UnsignedReceipt(negotiation.id, records, root, record_time)


def validation_receipt(id_: str, records: Sequence[StoredEntry]) -> UnsignedReceipt:
    """Return the receipt of entries that were only checked, without salts and root."""
    return UnsignedReceipt(id_, [_without_digests(one) for one in records], b"", Timestamp())


def _lost_words(stored: StoredEntry) -> bool:
    # Parse only what may have lost its words: only an entry that was read back can have.
    return bool(NO_SALT in stored.data) and is_erased(decode_record(stored.data))


def _without_digests(stored: StoredEntry) -> StoredEntry:
    entry = decode_record(stored.data)
    entry.ClearField("salts")
    entry.header.ClearField("section_digests")
    return stored._replace(data=entry.SerializeToString(deterministic=True))
