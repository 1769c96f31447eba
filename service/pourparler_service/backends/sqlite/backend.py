"""The faces of a record in SQLite files of a data directory."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pourparler_service.backends.in_process import InProcessLeases, InProcessNotifications
from pourparler_service.backends.sqlite import (
    event_store,
    negotiation_list,
    search_index,
    snapshot_store,
    subject_keys,
)
from pourparler_service.backends.sqlite.event_store import SqliteEventStore, has_encrypted_entries
from pourparler_service.backends.sqlite.negotiation_list import SqliteNegotiationTable
from pourparler_service.backends.sqlite.search_index import SqliteSearchIndex
from pourparler_service.backends.sqlite.snapshot_store import SqliteSnapshotFile
from pourparler_service.backends.sqlite.subject_keys import SqliteKeyTable
from pourparler_service.backends.sqlite.transaction import remove
from pourparler_service.storage.data_directory import DataDirectory
from pourparler_service.storage.event_store import ENCODING
from pourparler_service.storage.master_key import SubjectKeyError
from pourparler_service.storage.subject_keys import SubjectKeyStore


class SqliteBackend:
    """A Backend in a data directory, which one process holds.

    The record may be in a file elsewhere: then other processes could write to it.
    """

    def __init__(self, data: Path, record: Path | None, environment: Mapping[str, str]) -> None:
        """Use this data directory, and this file for the record, if it is given.

        The environment has the variables of `ENCODING`. Nothing is opened yet.
        """
        self._data = data
        self._record = record or data / event_store.DATABASE
        self._encoding = {name: environment[name] for name in ENCODING if environment.get(name)}

    def directory(self) -> DataDirectory:
        """As Backend says."""
        return DataDirectory(self._data)

    def key_table(self) -> SqliteKeyTable:
        """As Backend says."""
        path = self._data / subject_keys.DATABASE
        if not path.exists() and has_encrypted_entries(self._record):
            raise SubjectKeyError(
                f"The data folder {self._data} has words that are encrypted with keys of persons,"
                f" but no {path.name}. Without it they cannot be read, by anyone, ever; facts and"
                " proofs remain. Put it back. Nothing was changed."
            )
        return SqliteKeyTable(path)

    def event_store(self, keys: SubjectKeyStore) -> SqliteEventStore:
        """As Backend says."""
        # This process holds the data directory: no other one opens what is in it.
        exclusive = self._record.resolve().parent == self._data.resolve()
        return SqliteEventStore(self._record, keys, exclusive=exclusive, encoding=self._encoding)

    def snapshot_file(self) -> SqliteSnapshotFile:
        """As Backend says."""
        return SqliteSnapshotFile(self._data / snapshot_store.DATABASE)

    def negotiation_table(self) -> SqliteNegotiationTable:
        """As Backend says."""
        return SqliteNegotiationTable(self._data / negotiation_list.DATABASE)

    def search_index(
        self, log_id: str, digest_of: Callable[[int], bytes | None]
    ) -> SqliteSearchIndex:
        """As Backend says."""
        return SqliteSearchIndex(self._data / search_index.DATABASE, log_id, digest_of)

    def notifications(self) -> InProcessNotifications:
        """As Backend says."""
        return InProcessNotifications()

    def leases(self) -> InProcessLeases:
        """As Backend says."""
        return InProcessLeases()

    def remove_derived_data(self) -> None:
        """As Backend says."""
        for name in (negotiation_list.DATABASE, search_index.DATABASE):
            remove(self._data / name)
