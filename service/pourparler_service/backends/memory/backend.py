"""The faces of a record in memory."""

from collections.abc import Callable

from pourparler_service.backends.in_process import InProcessLeases, InProcessNotifications
from pourparler_service.backends.memory.data_directory import MemoryDirectory
from pourparler_service.backends.memory.event_store import MemoryEventStore
from pourparler_service.backends.memory.negotiation_list import MemoryNegotiationTable
from pourparler_service.backends.memory.snapshot_store import MemorySnapshotFile
from pourparler_service.backends.memory.subject_keys import MemoryKeyTable
from pourparler_service.backends.sqlite.search_index import SqliteSearchIndex
from pourparler_service.storage.subject_keys import SubjectKeyStore


class MemoryBackend:
    """A Backend that is lost with the process.

    Its search index is the one of SQLite, without a file. A full text search in Python would be a
    second search engine, which would have to rank as the first one does.
    """

    def directory(self) -> MemoryDirectory:
        """As Backend says."""
        return MemoryDirectory()

    def key_table(self) -> MemoryKeyTable:
        """As Backend says."""
        return MemoryKeyTable()

    def event_store(self, keys: SubjectKeyStore) -> MemoryEventStore:
        """As Backend says."""
        return MemoryEventStore(keys)

    def snapshot_file(self) -> MemorySnapshotFile:
        """As Backend says."""
        return MemorySnapshotFile()

    def negotiation_table(self) -> MemoryNegotiationTable:
        """As Backend says."""
        return MemoryNegotiationTable()

    def search_index(
        self, log_id: str, digest_of: Callable[[int], bytes | None]
    ) -> SqliteSearchIndex:
        """As Backend says."""
        return SqliteSearchIndex(None, log_id, digest_of)

    def notifications(self) -> InProcessNotifications:
        """As Backend says."""
        return InProcessNotifications()

    def leases(self) -> InProcessLeases:
        """As Backend says."""
        return InProcessLeases()

    def remove_derived_data(self) -> None:
        """As Backend says."""
