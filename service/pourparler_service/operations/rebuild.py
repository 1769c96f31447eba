"""Deriving the negotiation list and the search index again, while no service runs."""

import contextlib
import functools
from collections.abc import Callable, Mapping
from pathlib import Path

from pourparler_service.application import open_backend
from pourparler_service.config.store_url import VARIABLE
from pourparler_service.reads.negotiation_list import NegotiationList
from pourparler_service.reads.page_tokens import PageTokens
from pourparler_service.search.indexer import Indexer, digest_at
from pourparler_service.storage.key_rotation import open_subject_keys


def rebuild(
    path: Path, environment: Mapping[str, str], progress: Callable[[int, int], object]
) -> int:
    """Derive the negotiation list and the index of a data directory; return the entry count.

    `progress` is called with the position reached and the last position. The record itself is only
    read. A crash leaves less of both than there was: a service that starts derives the rest. Raise
    DataDirectoryError, also while a service uses the directory, SubjectKeyError,
    StoreSettingsError or StoreUnavailableError.
    """
    backend = open_backend(path, environment.get(VARIABLE, ""), environment)
    with contextlib.ExitStack() as opened:
        directory = backend.directory()
        opened.callback(directory.close)
        keys = open_subject_keys(backend.key_table(), directory.path, environment)
        opened.callback(keys.close)
        store = backend.event_store(keys)
        opened.callback(store.close)
        backend.remove_derived_data()
        last = store.position()
        tokens = PageTokens(directory.secret("page-tokens"), directory.log_id)
        with contextlib.closing(
            NegotiationList(
                store, backend.negotiation_table(), tokens=tokens, log_id=directory.log_id
            )
        ) as negotiations:
            negotiations.catch_up()
        index = backend.search_index(directory.log_id, functools.partial(digest_at, store))
        with contextlib.closing(Indexer(store, index)) as indexer:
            return indexer.catch_up(lambda position: progress(position, last))
