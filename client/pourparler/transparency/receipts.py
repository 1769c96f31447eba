"""The checks of a receipt against its request and against the stored records.

Pure: no I/O, no clock.
"""

import hashlib
from collections.abc import Sequence

from google.protobuf.message import Message

from pourparler import v1 as pb
from pourparler.schema.contract import is_repeated


def parse_receipt_records(response: bytes) -> tuple[pb.Receipt, list[pb.Record]]:
    """Return the receipt in a RecordEntriesResponse, and its entries as stored records."""
    receipt = pb.RecordEntriesResponse.FromString(response).receipt
    # In protobuf, a submessage has the encoding of a bytes field. The receipt has the field number
    # of Record.header, and its entries have that of Records.records.
    records = pb.Records.FromString(pb.Record.FromString(response).header).records
    return receipt, list(records)


def record_mismatch(receipt: pb.Receipt, records: Sequence[pb.Record]) -> str:
    """Return how the entries of a receipt differ from their records, or "" if they match."""
    if len(records) != len(receipt.entries):
        return "its entries are not its records"
    for entry, record in zip(receipt.entries, records, strict=True):
        version, digests = entry.header.version, entry.header.section_digests
        if entry != pb.Entry.FromString(record.SerializeToString()):
            return f"version {version} is not its record"
        sections = [record.facts, record.words]
        if not len(record.salts) == len(digests) == len(sections):
            return f"version {version} has not two sections"
        if _is_erased(receipt, entry):
            sections.pop()  # the words are destroyed
        for salt, section, digest in zip(record.salts, sections, digests, strict=False):
            if hashlib.sha256(salt + section).digest() != digest:
                return f"version {version} is not what its header says"
    return ""


def _is_erased(receipt: pb.Receipt, entry: pb.Entry) -> bool:
    """Return True if a receipt reports the words of an entry as destroyed, and they are absent."""
    reported = entry.header.version in receipt.erased_versions
    return reported and not entry.HasField("words") and not any(entry.salts[1:])


def request_mismatch(request: pb.RecordEntriesRequest, receipt: pb.Receipt) -> str:
    """Return how a receipt differs from its request, or "" if it matches."""
    entries, drafts = receipt.entries, request.drafts
    if request.negotiation and receipt.negotiation != request.negotiation:
        return f"it is of {receipt.negotiation}"
    if len(entries) != len(drafts):
        return f"it has {len(entries)} entries, and there were {len(drafts)} drafts"
    first = receipt.version - len(entries) + 1
    for version, (entry, draft) in enumerate(zip(entries, drafts, strict=True), start=first):
        if entry.header.version != version:
            return f"version {entry.header.version} stands in the place of {version}"
        if f"negotiations/{entry.header.negotiation}" != receipt.negotiation:
            return f"version {version} is of another negotiation"
        if entry.facts.request_id != request.request_id:
            return f"version {version} was recorded by another request"
        if entry.words != draft.words and not _is_erased(receipt, entry):
            return f"version {version} has other words"
        if entry.facts.WhichOneof("event") != draft.facts.WhichOneof("event"):
            return f"version {version} is of another type"
        if _client_facts(entry.facts, draft.facts) != _client_facts(draft.facts, draft.facts):
            return f"version {version} has other facts"
    return ""


def _client_facts(facts: pb.Facts, draft: pb.Facts) -> pb.Facts:
    """Return facts without the fields that the service sets if a draft leaves them out."""
    asked = pb.Facts()
    asked.CopyFrom(facts)
    _clear_service_fields(asked, draft)
    _clear_bounds(asked)
    return asked


def _clear_service_fields(facts: pb.Facts, draft: pb.Facts) -> None:
    facts.ClearField("request_id")
    facts.ClearField("recorded_by")
    if not draft.visibility.level:
        facts.ClearField("visibility")
    if not draft.negotiation_opened.acceptance_rule and facts.HasField("negotiation_opened"):
        facts.negotiation_opened.ClearField("acceptance_rule")
    if not draft.topic_added.status and facts.HasField("topic_added"):
        facts.topic_added.ClearField("status")
    if not draft.session_opened.default_visibility.level and facts.HasField("session_opened"):
        facts.session_opened.ClearField("default_visibility")
    if facts.entry_corrected.HasField("replacement"):
        _clear_service_fields(facts.entry_corrected.replacement, draft.entry_corrected.replacement)


def _clear_bounds(message: Message) -> None:
    if isinstance(message, pb.FuzzyDate):
        message.ClearField("earliest")
        message.ClearField("latest")
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for one in value if is_repeated(field) else [value]:
                _clear_bounds(one)
