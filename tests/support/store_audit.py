"""An audit of stored records for each step of a test: the invariants of the store."""

import hashlib
from collections.abc import Sequence

from pourparler import v1 as pb
from pourparler.state.corrections import is_amending
from pourparler.state.fold import evolve, fold
from pourparler.state.summary import count_parts
from pourparler_service.storage.interface import EventStore
from tests.support.state_reader import StateReader


def audit(store: EventStore, negotiation: str) -> pb.Negotiation:
    """Audit each entry of a negotiation, compare the fold with the reads, return the state."""
    stored = store.read(negotiation)
    state = audit_records(negotiation, [one.data for one in stored])
    for one in stored:
        event = pb.Entry.FromString(one.data).facts
        name = event.WhichOneof("event")
        assert name is not None
        assert one.topic == getattr(event, name).DESCRIPTOR.full_name
    if stored:
        assert StateReader(store).read(negotiation, pb.AsOf()).state == state
    return state


def audit_records(negotiation: str, records: Sequence[bytes]) -> pb.Negotiation:
    """Check versions, times and digests, and that stepwise and full folds are equal."""
    entries = [pb.Entry.FromString(data) for data in records]
    assert [entry.header.version for entry in entries] == list(range(1, len(entries) + 1))
    assert {entry.header.negotiation for entry in entries} <= {negotiation}
    times = [entry.header.record_time.ToNanoseconds() for entry in entries]
    assert times == sorted(times)
    for data in records:
        record = pb.Record.FromString(data)
        header = pb.EntryHeader.FromString(record.header)
        assert list(header.section_digests) == [
            hashlib.sha256(salt + section).digest()
            for salt, section in zip(record.salts, (record.facts, record.words), strict=True)
        ]
    state = fold(entries)
    stepwise = pb.Negotiation()
    for place, entry in enumerate(entries, start=1):
        if is_amending(entry):
            stepwise = fold(entries[:place])
        else:
            evolve(stepwise, entry)
    count_parts(stepwise)
    assert stepwise == state
    return state
