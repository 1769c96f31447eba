"""Callers that record concurrently and keep the response of each request."""

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from pourparler import v1 as pb
from tests.support.sample_entries import joined, opened, said
from tests.support.service_client import Service, answered_by, connected
from tests.support.store_audit import audit
from tests.support.stores import open_store

RECORD = "/pourparler.v1.RecordService/RecordEntries"
GROUP = 3


@dataclass
class Load:
    """The responses and refusals, by the bytes of the request."""

    receipts: dict[bytes, bytes] = field(default_factory=dict)
    refusals: list[tuple[str, str]] = field(default_factory=list)  # status code, reason
    failed: list[bytes] = field(default_factory=list)


def group(id_: str, number: int) -> bytes:
    """Return a request with three statements, the same each time."""
    drafts = [said(f"s-{number}-{place}", "a") for place in range(GROUP)]
    return pb.RecordEntriesRequest(
        negotiation=f"negotiations/{id_}", request_id=f"{id_}-{number}", drafts=drafts
    ).SerializeToString(deterministic=True)


def opening(id_: str) -> bytes:
    """Return the request that opens a negotiation for `group`."""
    return pb.RecordEntriesRequest(
        negotiation=f"negotiations/{id_}",
        request_id=f"{id_}-opening",
        drafts=[opened(), joined("a"), joined("b")],
    ).SerializeToString(deterministic=True)


@contextmanager
def under_load(address: str, ids: Sequence[str], *, first: int = 0) -> Iterator[Load]:
    """Record with one caller per negotiation until the block ends or the service is unavailable.

    `first` is the number of the first group.
    """
    load = Load()
    enough = threading.Event()

    def record(id_: str) -> None:
        with connected(address) as service:
            number = first
            data = opening(id_)
            while not enough.is_set():
                try:
                    load.receipts[data] = service.raw(RECORD, data)
                except grpc.RpcError as error:
                    answered = answered_by(error)
                    load.refusals.append((answered.code.name, answered.reason))
                    load.failed.append(data)
                    return
                data = group(id_, number)
                number += 1

    callers = [threading.Thread(target=record, args=(id_,)) for id_ in ids]
    for caller in callers:
        caller.start()
    try:
        yield load
    finally:
        enough.set()
        for caller in callers:
            caller.join(timeout=30)
        assert not any(caller.is_alive() for caller in callers)


def every_receipt_is_given_again(service: Service, load: Load) -> None:
    """Repeat the answered requests in another order, and assert equal bytes."""
    requests = list(load.receipts)
    random.Random(len(requests)).shuffle(requests)  # noqa: S311 - an order, no secret
    for data in requests:
        assert service.raw(RECORD, data) == load.receipts[data]


def audit_folder(data: Path, ids: Sequence[str]) -> int:
    """Audit the negotiations in an unserved folder; return the number of entries."""
    store = open_store(data, {})
    entries = 0
    try:
        for id_ in ids:
            audit(store, id_)
            requests: dict[str, int] = {}
            for stored in store.read(id_):
                facts = pb.Entry.FromString(stored.data).facts
                requests[facts.request_id] = requests.get(facts.request_id, 0) + 1
            assert set(requests.values()) <= {GROUP}
            entries += sum(requests.values())
    finally:
        store.close()
    return entries
