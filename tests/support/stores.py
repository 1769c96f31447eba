"""The stores of a record, opened as the service opens them, for tests without a service."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from pourparler_service.application import Backend, open_backend
from pourparler_service.backends.memory.subject_keys import MemoryKeyTable
from pourparler_service.backends.sqlite.negotiation_list import SqliteNegotiationTable
from pourparler_service.backends.sqlite.search_index import SqliteSearchIndex
from pourparler_service.backends.sqlite.subject_keys import SqliteKeyTable
from pourparler_service.reads.negotiation_list import NegotiationList
from pourparler_service.reads.page_tokens import PageTokens
from pourparler_service.search.index import SearchIndex
from pourparler_service.search.indexer import digest_at
from pourparler_service.storage import key_rotation
from pourparler_service.storage.event_store import RecorderEventStore
from pourparler_service.storage.interface import EventStore
from pourparler_service.storage.subject_keys import SubjectKeyStore

LOG = "log"
"""The id of the record whose derived data these functions open."""


def open_store(
    folder: Path | None, environment: Mapping[str, str] | None = None, *, store: str = ""
) -> RecorderEventStore:
    """The event store of a data folder, or one in memory, with its keys."""
    environment = environment or {}
    backend = open_backend(folder, store, environment)
    keys = keys_of(backend, folder, environment)
    try:
        return cast("RecorderEventStore", backend.event_store(keys))
    except BaseException:
        keys.close()
        raise


def keys_of(
    backend: Backend, folder: Path | None, environment: Mapping[str, str] | None = None
) -> SubjectKeyStore:
    """The subject keys of a backend, with the master key of a folder, or one in memory."""
    table = backend.key_table()
    folder = None if isinstance(table, MemoryKeyTable) else folder
    return key_rotation.open_subject_keys(table, folder, environment or {})


def open_subject_keys(
    folder: Path | None, environment: Mapping[str, str] | None = None
) -> SubjectKeyStore:
    """The subject keys of a data folder, or new ones in memory."""
    table = MemoryKeyTable() if folder is None else SqliteKeyTable(folder / "persons.sqlite")
    return key_rotation.open_subject_keys(table, folder, environment or {})


def open_list(store: EventStore, folder: Path | None = None) -> NegotiationList:
    """The negotiation list of a store, in a folder or in memory."""
    table = SqliteNegotiationTable(folder / "catalogue.sqlite" if folder else None)
    return NegotiationList(store, table, tokens=PageTokens(bytes(32), LOG), log_id=LOG)


def open_index(store: EventStore, folder: Path | None = None) -> SearchIndex:
    """The search index of a store, in a folder or in memory."""
    path = folder / "search.sqlite" if folder else None
    return SqliteSearchIndex(path, LOG, functools.partial(digest_at, store))
