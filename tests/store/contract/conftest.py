"""The implementations of every face: each test of this folder runs over all of them.

The next backend is one more member of `BACKENDS`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pourparler_service.application import Backend
from pourparler_service.backends.memory.backend import MemoryBackend
from pourparler_service.backends.sqlite.backend import SqliteBackend
from pourparler_service.backends.sqlite.event_store import SqliteEventStore
from pourparler_service.storage.interface import EventStore
from pourparler_service.storage.subject_keys import SubjectKeyStore
from tests.support.stores import keys_of, open_subject_keys

BACKENDS: dict[str, Callable[[Path], Backend]] = {
    "memory": lambda _: MemoryBackend(),
    "sqlite": lambda folder: SqliteBackend(folder, None, {}),
}
DURABLE = ["sqlite"]
"""The backends whose record is there when another one is opened at the same place."""


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """A backend with nothing in it."""
    return BACKENDS[request.param](tmp_path)


@pytest.fixture(params=DURABLE)
def reopened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Backend]:
    """Opens a backend at the same place each time."""
    return lambda: BACKENDS[request.param](tmp_path)


@pytest.fixture
def keys(backend: Backend, tmp_path: Path) -> Iterator[SubjectKeyStore]:
    """The subject keys of the backend."""
    keys = keys_of(backend, tmp_path)
    yield keys
    keys.close()


@pytest.fixture(params=[*BACKENDS, "sqlite compressed", "sqlite in memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    """An event store with nothing in it, of each kind that a service may open."""
    if request.param == "sqlite in memory":
        store: EventStore = SqliteEventStore(None, open_subject_keys(None))
    elif request.param == "sqlite compressed":
        compressed = SqliteBackend(tmp_path, None, {"COMPRESSOR_TOPIC": "zlib"})
        store = compressed.event_store(keys_of(compressed, tmp_path))
    else:
        backend = BACKENDS[request.param](tmp_path)
        store = backend.event_store(keys_of(backend, tmp_path))
    yield store
    store.close()
