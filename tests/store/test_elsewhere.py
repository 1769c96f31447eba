"""The same record in another store: the same bytes, and so the same state."""

import tempfile
from pathlib import Path

from hypothesis import given as given_any
from hypothesis import settings

from pourparler import v1 as pb
from pourparler.schema.contract import entry_type
from pourparler_service.storage.interface import EventStore, StoredEntry
from pourparler_service.storage.record_codec import decode_record, record_bytes
from tests.support.sample_entries import NEGOTIATION
from tests.support.state_reader import StateReader
from tests.support.store_audit import audit
from tests.support.stores import open_store
from tests.support.strategies import histories

some = settings(max_examples=20)


def stored(entry: pb.Entry) -> StoredEntry:
    kind = entry_type(entry.facts)
    assert kind is not None
    header = entry.header
    data = record_bytes(NEGOTIATION, header.version, header.record_time, entry.facts, entry.words)
    return StoredEntry(NEGOTIATION, header.version, str(kind.descriptor.full_name), data)


def answers(store: EventStore, versions: int) -> list[bytes]:
    """What a reader is told at every version, as bytes."""
    negotiations = StateReader(store)
    return [
        negotiations.read(NEGOTIATION, pb.AsOf(version=version)).state.SerializeToString(
            deterministic=True
        )
        for version in range(versions + 1)
    ]


@some
@given_any(histories(24))
def test_every_store_gives_back_the_bytes_it_was_given(history: list[pb.Entry]) -> None:
    records = [stored(entry) for entry in history]
    memory = open_store(None, {})
    with tempfile.TemporaryDirectory() as folder:
        disk = open_store(Path(folder), {})
        try:
            for record in records:
                memory.append([record])
            disk.append(records)

            assert disk.read(NEGOTIATION) == memory.read(NEGOTIATION) == records
            scanned = [one for _, one in disk.scan(0, 1_000)]
            assert scanned == [one for _, one in memory.scan(0, 1_000)] == records
            told = answers(disk, len(records))
            assert told == answers(memory, len(records))
            assert audit(disk, NEGOTIATION) == audit(memory, NEGOTIATION)
        finally:
            disk.close()
        again = open_store(Path(folder), {})
        try:
            assert again.read(NEGOTIATION) == records
            assert answers(again, len(records)) == told
        finally:
            again.close()
    memory.close()


@some
@given_any(histories(24))
def test_what_is_read_back_says_what_was_recorded(history: list[pb.Entry]) -> None:
    for entry in history:
        read = decode_record(stored(entry).data)

        assert (read.facts, read.words) == (entry.facts, entry.words)
        assert read.header.record_time == entry.header.record_time
