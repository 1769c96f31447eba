"""What is made of a record to answer quickly, made anew in a folder that no service uses."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pourparler_service.backends.sqlite.search_index import open_index
from pourparler_service.reads import negotiation_list
from pourparler_service.reads.negotiation_list import NegotiationList
from pourparler_service.reads.page_tokens import PageTokens
from pourparler_service.search import indexer
from pourparler_service.search.indexer import Indexer
from pourparler_service.storage.data_directory import DataDirectory
from pourparler_service.storage.event_store import open_store


def rebuild(
    path: Path, environment: Mapping[str, str], progress: Callable[[int, int], object]
) -> int:
    """Make the catalogue and the index of a folder anew; of how many entries.

    `progress` is told how far it is, and how far it goes. The record itself is only read. A crash
    leaves less of both than there was, and a service that starts makes the rest. Raises
    FolderError, also while a service uses the folder, PersonsError, StoreSettingsError or
    StoreUnavailableError.
    """
    with DataDirectory(path) as folder:
        store = open_store(path, environment)
        try:
            for name in (negotiation_list.DATABASE, indexer.DATABASE):
                for suffix in ("", "-wal", "-shm"):
                    (path / f"{name}{suffix}").unlink(missing_ok=True)
            last = store.position()
            tokens = PageTokens(folder.secret("page-tokens"), folder.log_id)
            lists = NegotiationList(
                store, path / negotiation_list.DATABASE, tokens=tokens, log_id=folder.log_id
            )
            try:
                lists.catch_up()
            finally:
                lists.close()
            index = Indexer(store, open_index(store, path / indexer.DATABASE, folder.log_id))
            try:
                count = index.catch_up(lambda position: progress(position, last))
            finally:
                index.close()
        finally:
            store.close()
    return count
