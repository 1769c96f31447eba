"""A record exported from one service and recorded in another says the same, byte for byte."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as given_any
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler.state.fold import fold
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from tests.support.service_client import Service, answered_by, connected
from tests.support.store_audit import audit_records
from tests.support.strategies import histories

_NUMBERS = itertools.count()


@pytest.fixture(name="other", scope="module")
def _other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Another service, which keeps its record on disk."""
    folder: Path = tmp_path_factory.mktemp("other")
    with (
        running(Settings(data=folder, address="127.0.0.1:0")) as address,
        connected(address) as stubs,
    ):
        yield stubs


def stored(service: Service, id_: str) -> list[pb.Record]:
    """The entries of a negotiation as they are stored."""
    request = pb.ReplayEntriesRequest(name=f"negotiations/{id_}").SerializeToString()
    parts = service.raw("/pourparler.v1.AuditService/ReplayEntries", request, stream=True)
    found = [record for part in parts for record in pb.Records.FromString(part).records]
    audit_records(id_, [record.SerializeToString() for record in found])
    return found


def drafts(records: list[pb.Record]) -> list[pb.Draft]:
    """The drafts of which a record could have been made."""
    return [
        pb.Draft(facts=pb.Facts.FromString(record.facts), words=pb.Words.FromString(record.words))
        for record in records
    ]


def sections(records: list[pb.Record]) -> list[tuple[bytes, bytes]]:
    return [(record.facts, record.words) for record in records]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given_any(history=histories(24), at_once=st.booleans())
def test_what_is_exported_can_be_recorded_elsewhere_and_says_the_same(
    service: Service, other: Service, history: list[pb.Entry], *, at_once: bool
) -> None:
    id_ = f"exported-{next(_NUMBERS)}"
    taken = 0
    refusals = set()
    for entry in history:
        draft = pb.Draft(facts=entry.facts, words=entry.words)
        if taken % 2:
            draft.facts.ClearField("visibility")
        try:
            service.record(id_, draft)
        except grpc.RpcError as error:
            refusals.add(answered_by(error).code)
        else:
            taken += 1
    # What the service reserves to itself, and what rests on it, is not for callers.
    assert refusals <= {
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.NOT_FOUND,
    }
    first = stored(service, id_)
    assert len(first) == taken

    if at_once:
        other.record(id_, *drafts(first))
    else:
        for draft in drafts(first):
            other.record(id_, draft)

    second = stored(other, id_)
    assert sections(second) == sections(first)
    for here, there in zip(first, second, strict=True):
        assert set(here.salts).isdisjoint(there.salts)
    # But for when it was recorded, it comes to the same.
    for here, there in zip(first, second, strict=True):
        there.header = here.header
    moved = [pb.Entry.FromString(record.SerializeToString()) for record in second]
    assert fold(moved) == service.state(id_).negotiation
