"""The recorders of the event stores pass the suites of the library that they belong to."""

import tempfile
from pathlib import Path
from uuid import uuid4

from eventsourcing.persistence import ApplicationRecorder
from eventsourcing.tests import persistence

from pourparler_service.storage.event_store import RecorderEventStore
from tests.store.contract.conftest import BACKENDS
from tests.support.stores import keys_of


class _Opened(persistence.RecorderTestCase):
    """Opens an event store with nothing in it, and closes it after the test."""

    kind: str

    def new_originator_id(self) -> str:
        return str(uuid4())

    def create_recorder(self) -> ApplicationRecorder:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        backend = BACKENDS[self.kind](Path(folder.name))
        store = backend.event_store(keys_of(backend, Path(folder.name)))
        self.addCleanup(store.close)
        assert isinstance(store, RecorderEventStore)
        return store.recorder


class TestMemory(_Opened, persistence.ApplicationRecorderTestCase[ApplicationRecorder]):
    kind = "memory"

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestMemoryOrder(_Opened, persistence.NonInterleavingNotificationIDsBaseCase):
    kind = "memory"


class TestSqlite(_Opened, persistence.ApplicationRecorderTestCase[ApplicationRecorder]):
    kind = "sqlite"


class TestSqliteOrder(_Opened, persistence.NonInterleavingNotificationIDsBaseCase):
    kind = "sqlite"


del _Opened  # it is collected under the names above
