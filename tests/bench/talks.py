"""The negotiations that are measured: two parties, then statements of 256 bytes."""

from collections.abc import Iterator, Mapping
from itertools import chain, islice, zip_longest
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.schema.contract import entry_type
from pourparler_service.storage.data_directory import DataDirectory
from pourparler_service.storage.interface import StoredEntry
from pourparler_service.storage.record_codec import record_bytes
from pourparler_service.transparency.signing_keys import write_key
from tests.support.sample_entries import BEGAN, PARTIES, joined, opened, said
from tests.support.signing_keys import KEY
from tests.support.stores import open_store

OPENING = (opened(), joined("acme"), joined("bolt"))

TEXT = "We could go to twelve, if the delivery is by May and the penalty falls. ".ljust(256, ".")

RECORD = "/pourparler.v1.RecordService/RecordEntries"
BATCH = "/pourparler.v1.RecordService/BatchRecordEntries"
SESSION = "/pourparler.v1.RecordService/StreamRecordEntries"
STATE = "/pourparler.v1.NegotiationService/GetNegotiation"
REPLAY = "/pourparler.v1.AuditService/ReplayEntries"
CHECKPOINT = "/pourparler.v1.AuditService/GetCheckpoint"
INCLUSION = "/pourparler.v1.AuditService/GetInclusionProof"
CONSISTENCY = "/pourparler.v1.AuditService/GetConsistencyProof"

_NUMBER, _PLACE = "0" * 7 + "1", "0" * 3 + "2"  # stand for what differs from body to body
_BATCH = 5_000


def of_length(length: int) -> str:
    """The id of a negotiation that has so many entries from the beginning."""
    return f"of-{length}"


def of_many(negotiations: int, length: int) -> dict[str, int]:
    """So many negotiations, each of this length, by their ids."""
    return {f"of-many-{place:05}": length for place in range(negotiations)}


def statement(number: int) -> pb.Draft:
    """A statement of 256 bytes under an id of its own."""
    draft = said(f"s-{number:08}", "acme")
    draft.words.text = TEXT
    return draft


def openings(name: str, negotiations: int) -> Iterator[bytes]:
    """Requests that open so many negotiations."""
    for place in range(negotiations):
        yield pb.RecordEntriesRequest(
            negotiation=f"negotiations/{name}-{place:04}", drafts=OPENING
        ).SerializeToString()


def statements(
    name: str, negotiations: int = 1, *, first: int = 0, drafts: int = 1
) -> Iterator[bytes]:
    """Requests without end, for one negotiation after the other, of one statement or more each."""
    return appends(f"{name}-{_PLACE}", negotiations, first=first, drafts=drafts)


def appends(id_: str, negotiations: int = 1, *, first: int = 0, drafts: int = 1) -> Iterator[bytes]:
    """Requests without end, each for the negotiation of this id, of one statement or more each."""
    each = [statement(int(_NUMBER)) for _ in range(drafts)]
    for place, draft in enumerate(each[1:], 1):
        draft.facts.statement_recorded.statement_id += f"-{place:03}"
    request = pb.RecordEntriesRequest(
        negotiation=f"negotiations/{id_}", request_id=f"r-{_NUMBER}", drafts=each
    )
    form = request.SerializeToString().replace(b"%", b"%%")
    form = form.replace(f"-{_NUMBER}".encode(), b"-%(number)08d")
    form = form.replace(f"-{_PLACE}".encode(), b"-%(place)04d")
    number = first
    while True:
        yield form % {b"number": number, b"place": number % negotiations}
        number += 1


def records(id_: str, length: int) -> Iterator[StoredEntry]:
    """The records of a negotiation of so many entries, a millisecond apart."""
    drafts = [pb.Draft.FromString(one.SerializeToString()) for one in (*OPENING, statement(0))]
    recorded = Timestamp()
    for version in range(1, length + 1):
        draft = drafts[min(version, len(drafts)) - 1]
        facts = draft.facts
        facts.request_id = f"v-{version:08}"
        facts.recorded_by = "anonymous@loopback"
        facts.visibility.CopyFrom(PARTIES)
        if version >= len(drafts):
            facts.statement_recorded.statement_id = f"v-{version:08}"
        recorded.FromMilliseconds(BEGAN * 1_000 + version)
        kind = entry_type(facts)
        assert kind is not None
        data = record_bytes(id_, version, recorded, facts, draft.words)
        yield StoredEntry(id_, version, str(kind.descriptor.full_name), data)


STORED_BYTES = max(len(one.data) for one in records("of-some", 4))
"""How many bytes are stored of a statement."""


def fill(folder: Path, histories: Mapping[str, int], *, in_turn: bool = False) -> None:
    """Make a data folder with negotiations of these ids and lengths.

    One after the other, or with an entry of each in turn.
    """
    each = [records(id_, length) for id_, length in histories.items()]
    stored = chain.from_iterable(zip_longest(*each) if in_turn else each)
    with DataDirectory(folder) as opened_folder:
        write_key(KEY, opened_folder.path / "signing.key")
        store = open_store(opened_folder.path, {})
        try:
            while batch := list(islice(stored, _BATCH)):
                store.append([one for one in batch if one is not None])
        finally:
            store.close()
