"""The composition root: settings to wired objects, opened and closed together.

No other module imports the backends.
"""

import contextlib
import functools
import uuid
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from pourparler_service.aggregate.current import CurrentNegotiations
from pourparler_service.aggregate.snapshots import SnapshotFile, open_snapshots
from pourparler_service.api.audit_service import Subscriptions
from pourparler_service.authentication import callers
from pourparler_service.authentication.bearer_tokens import TokenVerifier
from pourparler_service.authentication.jwks import IssuerKeys
from pourparler_service.authorization.viewer_scopes import ScopeResolver
from pourparler_service.backends.memory.backend import MemoryBackend
from pourparler_service.backends.sqlite.backend import SqliteBackend
from pourparler_service.config.settings import Settings
from pourparler_service.config.settings_file import SettingsError
from pourparler_service.config.store_url import MEMORY, read_store_url, refuse_library_settings
from pourparler_service.reads.filtered_states import FilteredStates
from pourparler_service.reads.negotiation_list import NegotiationList
from pourparler_service.reads.negotiation_table import NegotiationTable
from pourparler_service.reads.page_tokens import PageTokens
from pourparler_service.reads.replay import ReplayReader
from pourparler_service.reads.response_cache import ResponseCache
from pourparler_service.reads.subscriptions import CommitNotifier, SharedPages
from pourparler_service.runtime import cooperative
from pourparler_service.search.index import SearchIndex
from pourparler_service.search.indexer import Indexer, digest_at
from pourparler_service.search.search import Search
from pourparler_service.storage.data_directory import DataDirectoryError
from pourparler_service.storage.derived_data import DerivedDataList
from pourparler_service.storage.interface import (
    EventStore,
    Leases,
    Notifications,
    RecordDirectory,
    StoreSettingsError,
    StoreUnavailableError,
)
from pourparler_service.storage.key_rotation import open_subject_keys
from pourparler_service.storage.key_table import SubjectKeyTable
from pourparler_service.storage.subject_keys import SubjectKeyStore
from pourparler_service.transparency.cosigning import Cosigner
from pourparler_service.transparency.log import Log
from pourparler_service.transparency.signing_keys import (
    Signer,
    make_key,
    read_key,
    write_key,
)
from pourparler_service.transparency.witness_client import parse_witnesses
from pourparler_service.writes.bundle_import import BundleImporter
from pourparler_service.writes.erasure import Eraser
from pourparler_service.writes.writer import Writer

_THREADS = 4


class Backend(Protocol):
    """One way to store a record: it gives out an implementation of every face.

    Each method opens the object that it returns; the caller closes it. The record, the keys and the
    derived data of one backend belong together.
    """

    def directory(self) -> RecordDirectory:
        """Open the data directory, and hold it. Raise DataDirectoryError."""

    def key_table(self) -> SubjectKeyTable:
        """Open the table of subject keys. Raise SubjectKeyError if the record needs a lost one."""

    def event_store(self, keys: SubjectKeyStore) -> EventStore:
        """Open the event store; it closes the keys when it is closed."""

    def snapshot_file(self) -> SnapshotFile:
        """Open the file of snapshots."""

    def negotiation_table(self) -> NegotiationTable:
        """Open the table of the negotiation list."""

    def search_index(self, log_id: str, digest_of: Callable[[int], bytes | None]) -> SearchIndex:
        """Open the search index of the record with this id."""

    def notifications(self) -> Notifications:
        """Return the notifications of commits to this store."""

    def leases(self) -> Leases:
        """Return the leases of the jobs on this store."""

    def remove_derived_data(self) -> None:
        """Remove the negotiation list and the search index: the next opening derives them again."""


def open_backend(data: Path | None, url: str, environment: Mapping[str, str]) -> Backend:
    """Return the backend of the store that a setting names; by default SQLite in `data`.

    Without a data directory and a path, the record is in memory. Nothing is opened yet. Raise
    StoreSettingsError.
    """
    try:
        refuse_library_settings(environment)
        store = read_store_url(url)
    except SettingsError as error:
        raise StoreSettingsError(str(error)) from error
    if store.kind == MEMORY or (data is None and store.path is None):
        return MemoryBackend()
    if data is None:
        raise StoreSettingsError(
            f"The store {url} needs a data directory for its keys. Name one with POURPARLER_DATA."
        )
    return SqliteBackend(data, store.path, environment)


class Application:
    """All objects of a service below its gRPC edge, opened together and closed together."""

    def __init__(self, settings: Settings) -> None:
        """Open the store, and wire the objects that read and write it, in a running event loop.

        Raise DataDirectoryError, SubjectKeyError, StoreSettingsError or StoreUnavailableError.
        """
        backend = open_backend(settings.data, settings.store, settings.environment)
        with contextlib.ExitStack() as opened:
            directory = backend.directory()
            opened.callback(directory.close)
            keys = open_subject_keys(backend.key_table(), directory.path, settings.environment)
            opened.callback(keys.close)
            store = backend.event_store(keys)
            opened.callback(store.close)
            tokens = PageTokens(directory.secret("page-tokens"), directory.log_id)
            self.catalogue = NegotiationList(
                store, backend.negotiation_table(), tokens=tokens, log_id=directory.log_id
            )
            opened.callback(self.catalogue.close)
            index = backend.search_index(directory.log_id, functools.partial(digest_at, store))
            self.indexing = Indexer(store, index)
            opened.callback(self.indexing.close)
            self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="reader")
            opened.callback(self.threads.shutdown, cancel_futures=True)
            # Replays have threads of their own: many of them do not delay the read of a state.
            replaying = ThreadPoolExecutor(_THREADS, thread_name_prefix="replayer")
            opened.callback(replaying.shutdown, cancel_futures=True)
            self.store = store
            self.signer = _signer(settings, directory, begun=store.position() > 0)
            snapshots = open_snapshots(backend.snapshot_file, keys)
            opened.callback(snapshots.close)
            self.negotiations = CurrentNegotiations(store, snapshots)
            self.scopes = ScopeResolver(store, settings.access, admits=self.catalogue.admits)
            responses = ResponseCache(exclusive=store.exclusive)
            self.states = FilteredStates(self.negotiations, responses)
            self.search = Search(self.indexing, self.catalogue, tokens)
            self.searching = ThreadPoolExecutor(_THREADS, thread_name_prefix="searcher")
            opened.callback(self.searching.shutdown, cancel_futures=True)
            self.importer = BundleImporter(store, self.negotiations, self.scopes)
            self.log = Log(store, self.negotiations, self.signer)
            self.witnesses = _witnesses(settings, store, self.log)
            if self.witnesses is not None:
                self.witnesses.start()
                opened.callback(self.witnesses.close)
            self.commits = CommitNotifier()
            self.callers = _callers(settings, opened)
            reader = ReplayReader(self.log, tokens)
            pages = SharedPages(reader, self.commits, replaying)
            self.subscriptions = Subscriptions(
                reader, pages, self.commits, replaying, settings.heartbeat_seconds
            )
            # The order: a source comes before what is made of it, so that nothing is made of old
            # data again. Waiting readers are woken last.
            self.derived_data = DerivedDataList(
                [
                    snapshots,
                    self.negotiations,
                    self.scopes,
                    self.states,
                    responses,
                    self.catalogue,
                    self.indexing,
                    pages,
                    self.commits,
                ]
            )
            notifications = backend.notifications()
            notifications.listen(_give_way)
            notifications.listen(self.derived_data.on_commit)
            self.writer = Writer(
                store, self.signer, policy=settings.access, on_commit=notifications.publish
            )
            self.writer.start()
            opened.callback(self.writer.close)
            self.erasures = Eraser(
                store,
                keys,
                self.negotiations,
                self.writer,
                derived_data=self.derived_data,
                leases=backend.leases(),
            )
            self.erasures.finish()
            self.indexing.start()
            self.erasing = ThreadPoolExecutor(_THREADS, thread_name_prefix="eraser")
            opened.callback(self.erasing.shutdown, cancel_futures=True)
            self.close = opened.pop_all().close

    def probe(self) -> None:
        """Raise StoreUnavailableError unless entries can be recorded and read."""
        if not self.writer.alive:
            message = "the writer has stopped"
            raise StoreUnavailableError(message)
        self.store.probe()


def _give_way(ids: Collection[str]) -> None:  # noqa: ARG001 - a listener's
    """Let long work pause for the next appends."""
    cooperative.note_commit()


def _signer(settings: Settings, directory: RecordDirectory, *, begun: bool) -> Signer:
    """Return the signing keys of the settings, else the one of the data directory.

    It is made at the first start. For a record that has entries none is made: its readers would
    take the signatures of another key for a forgery. Raise DataDirectoryError.
    """
    if settings.signing_keys:
        return Signer(map(read_key, settings.signing_keys))
    if directory.path is None:
        return Signer([make_key(f"pourparler/{uuid.uuid4()}")])
    path = directory.path / "signing.key"
    if begun and not path.exists():
        message = (
            f"The data folder {directory.path} has a record but no {path.name}: the key that its"
            " checkpoints were signed with is not here. Put it back, or name its file in"
            " POURPARLER_SIGNING_KEYS."
        )
        raise DataDirectoryError(message)
    if not path.exists():
        write_key(make_key(f"pourparler/{directory.log_id}"), path)
    return Signer([read_key(path)])


def _callers(settings: Settings, opened: contextlib.ExitStack) -> callers.CallerResolver:
    """Return the resolver of callers, with the keys of its issuers. Raise IssuerSettingsError."""
    keyrings = [IssuerKeys(issuer) for issuer in settings.oidc]
    for keyring in keyrings:
        keyring.start()
        opened.callback(keyring.close)
    bearers = TokenVerifier(keyrings) if keyrings else None
    return callers.CallerResolver(bearers, anonymous=not settings.requires_authentication)


def _witnesses(settings: Settings, store: EventStore, log: Log) -> Cosigner | None:
    """Return the cosigner for the witnesses of the settings. Raise WitnessSettingsError."""
    witnesses, required = parse_witnesses(settings.witnesses), settings.witnesses_required
    number = len(witnesses) if required is None else required
    if not witnesses and not number:
        return None
    return Cosigner(witnesses, number, store, log, settings.witness_retry_seconds)
