"""The index kept up with the record: in time, in the background, and without what was destroyed."""

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pourparler import Client
from pourparler import v1 as pb
from pourparler_service import application
from pourparler_service.config.settings import Settings
from pourparler_service.domain.refusal import RefusalError, reason_name
from pourparler_service.search.index import IndexQuery
from pourparler_service.search.indexer import MOST_BEHIND, Indexer
from pourparler_service.search.query import SearchQuery
from pourparler_service.server import running
from pourparler_service.storage.interface import EventStore, StoredEntry
from tests.support.sample_entries import history, joined, opened
from tests.support.service_client import Service, connected, refused
from tests.support.stores import open_index, open_store
from tests.support.visibility_harness import stored

MANY = 350


def talks(text: str, count: int) -> list[StoredEntry]:
    """A negotiation in which this is said so many times."""
    drafts = [opened(), joined("a")]
    for number in range(count):
        event = pb.StatementRecorded(
            statement_id=f"s-{number}", speakers=["a"], act=pb.STATEMENT_ACT_ASSERT
        )
        facts = pb.Facts(provenance=opened().facts.provenance, statement_recorded=event)
        drafts.append(pb.Draft(facts=facts, words=pb.Words(text=text)))
    return stored(history(*drafts))


@contextmanager
def indexed(store: EventStore, folder: Path | None = None, **settings: Any) -> Iterator[Indexer]:
    indexing = Indexer(store, open_index(store, folder), **settings)
    yield indexing
    indexing.close()


def found(indexing: Indexer, query: str) -> int:
    with indexing.current() as index:
        return len(
            index.ranked(
                IndexQuery(SearchQuery.parse(query)), index.position, after=None, most=4 * MANY
            )
        )


@pytest.fixture(name="store")
def _store() -> Iterator[EventStore]:
    store = open_store(None, {})
    yield store
    store.close()


def test_an_answer_has_all_that_is_on_the_record_or_there_is_none(store: EventStore) -> None:
    store.append(talks("A quokka", MANY))
    with indexed(store, patience_seconds=0) as indexing:
        for _ in range(4):
            with pytest.raises(RefusalError) as refusal:
                found(indexing, "quokka")
            assert reason_name(refusal.value.reason) == "INDEX_NOT_READY"

        assert found(indexing, "quokka") == MANY


def test_it_is_made_in_the_background_before_anybody_asks(store: EventStore) -> None:
    store.append(talks("A quokka", MANY))
    with indexed(store) as indexing:
        indexing.start()
        until = time.monotonic() + 60
        position = 0
        while position < MANY and time.monotonic() < until:
            time.sleep(0.05)
            with indexing.held() as index:
                position = index.position

    assert position == MANY + 2
    assert MANY < MOST_BEHIND


def test_what_was_read_before_it_was_destroyed_is_not_taken_in(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append(talks("A quokka", 3))
    scan = store.scan
    with indexed(store) as indexing:

        def scanned(after: int, limit: int) -> list[tuple[int, StoredEntry]]:
            read = scan(after, limit)
            said = {one.version: one for one in talks("Nothing", 3)}
            monkeypatch.setattr(
                store,
                "scan",
                lambda *asked: [(at, said[one.version]) for at, one in scan(*asked)],
            )
            indexing.purge("given")
            return read

        monkeypatch.setattr(store, "scan", scanned)

        assert found(indexing, "quokka") == 0
        assert found(indexing, "nothing") == 3


def test_words_of_persons_that_are_lost_with_the_process_are_restored(tmp_path: Path) -> None:
    store = open_store(tmp_path, {})
    sealed = [one._replace(persons=("a",)) for one in talks("A quokka", MANY)]
    store.append(sealed[:200])
    with indexed(store, tmp_path) as indexing:
        assert found(indexing, "quokka") == 198
    store.append(sealed[200:])
    with indexed(store, tmp_path, patience_seconds=0) as indexing:
        for _ in range(4):  # two hundred that were lost, and a hundred and fifty that are new
            with pytest.raises(RefusalError):
                found(indexing, "quokka")
        assert found(indexing, "quokka") == MANY
    store.close()


def test_what_nobody_waits_for_any_more_is_given_up(store: EventStore) -> None:
    store.append(talks("A quokka", 3 * MANY))
    with indexed(store) as indexing:
        assert found(indexing, "quokka") == 3 * MANY
        late = IndexQuery(SearchQuery.parse("quokka"), until=time.monotonic() - 1)
        with indexing.current() as index, pytest.raises(TimeoutError):
            index.ranked(late, index.position, after=None, most=1)

        assert found(indexing, "quokka") == 3 * MANY


@pytest.fixture(name="hasty")
def _hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service whose index nobody waits for."""
    hasty = functools.partial(Indexer, patience_seconds=0)
    monkeypatch.setattr(application, "Indexer", hasty)
    with running(Settings.in_memory()) as address, connected(address) as service:
        yield service


def test_while_it_is_made_a_search_is_asked_to_come_back(hasty: Service) -> None:
    with Client(hasty.address) as client:
        client.open_negotiation("A quokka", negotiation_id="talks")
        for name in range(3):
            client.record("talks", *(_said(f"{name}-{one}") for one in range(100)))

        request = pb.SearchEntriesRequest(query="quokka")
        answered = refused(lambda: hasty.negotiations.SearchEntries(request))

        assert (answered.code.name, answered.reason) == ("UNAVAILABLE", "INDEX_NOT_READY")
        assert answered.retry_seconds == 1.0
        assert hasty.state("talks").negotiation.version == 302 - 1
        assert len(list(client.search("quokka"))) == 301  # it comes back by itself


def _said(id_: str) -> pb.Draft:
    event = pb.TopicAdded(topic_id=f"t-{id_}")
    facts = pb.Facts(provenance=opened().facts.provenance, topic_added=event)
    return pb.Draft(facts=facts, words=pb.Words(title="Quokka"))
