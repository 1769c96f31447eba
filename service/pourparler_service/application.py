"""The composition root: settings to wired objects, opened and closed together."""

import contextlib
import secrets
import uuid
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from pourparler_service.aggregate.current import CurrentNegotiations
from pourparler_service.api.audit_service import Subscriptions
from pourparler_service.authentication import callers
from pourparler_service.authentication.bearer_tokens import TokenVerifier
from pourparler_service.authentication.jwks import IssuerKeys
from pourparler_service.authorization.viewer_scopes import ScopeResolver
from pourparler_service.backends.sqlite.search_index import open_index
from pourparler_service.backends.sqlite.snapshot_store import open_snapshots
from pourparler_service.config.settings import Settings
from pourparler_service.reads import negotiation_list
from pourparler_service.reads.filtered_states import FilteredStates
from pourparler_service.reads.negotiation_list import NegotiationList
from pourparler_service.reads.page_tokens import PageTokens
from pourparler_service.reads.replay import ReplayReader
from pourparler_service.reads.response_cache import ResponseCache
from pourparler_service.reads.subscriptions import CommitNotifier, SharedPages
from pourparler_service.runtime import cooperative
from pourparler_service.search import indexer
from pourparler_service.search.indexer import Indexer
from pourparler_service.search.search import Search
from pourparler_service.storage.data_directory import DataDirectory, DataDirectoryError
from pourparler_service.storage.event_store import Store, open_store
from pourparler_service.storage.interface import StoreUnavailableError
from pourparler_service.transparency.cosigning import Cosigner
from pourparler_service.transparency.log import Log
from pourparler_service.transparency.signing_keys import (
    Signer,
    make_key,
    read_key,
    write_key,
)
from pourparler_service.transparency.witness_client import WitnessSettingsError, witnesses_of
from pourparler_service.writes.bundle_import import BundleImporter
from pourparler_service.writes.erasure import Eraser
from pourparler_service.writes.writer import Writer

_THREADS = 4


class Application:
    """All that a service needs beneath the wire, opened together and closed together."""

    def __init__(self, settings: Settings) -> None:
        """Open the store, and what reads and writes it, in a running event loop.

        Raises FolderError, PersonsError, StoreSettingsError or StoreUnavailableError.
        """
        with contextlib.ExitStack() as opened:
            folder = opened.enter_context(DataDirectory(settings.data)) if settings.data else None
            path = folder.path if folder else None
            store = open_store(path, settings.environment)
            opened.callback(store.close)
            log_id = folder.log_id if folder else str(uuid.uuid4())
            tokens = PageTokens(
                folder.secret("page-tokens") if folder else secrets.token_bytes(32), log_id
            )
            self.catalogue = NegotiationList(
                store,
                path / negotiation_list.DATABASE if path else None,
                tokens=tokens,
                log_id=log_id,
            )
            opened.callback(self.catalogue.close)
            index = open_index(store, path / indexer.DATABASE if path else None, log_id)
            self.indexing = Indexer(store, index)
            opened.callback(self.indexing.close)
            self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="reader")
            opened.callback(self.threads.shutdown, cancel_futures=True)
            # Replays have threads of their own: many of them do not keep a state waiting.
            replaying = ThreadPoolExecutor(_THREADS, thread_name_prefix="replayer")
            opened.callback(replaying.shutdown, cancel_futures=True)
            self.store = store
            self.signer = _signer(settings, folder, begun=store.position() > 0)
            shelf = path / "snapshots.sqlite" if path else None
            snapshots = open_snapshots(shelf, store.persons)
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
                reader, pages, self.commits, replaying, settings.idle_seconds
            )
            self.writer = Writer(
                store, self.signer, policy=settings.access, on_commit=self._committed
            )
            self.writer.start()
            opened.callback(self.writer.close)
            self.erasures = Eraser(
                store,
                self.negotiations,
                self.writer,
                purges=[
                    self._changed,
                    self.states.forget,
                    snapshots.purge,
                    self.catalogue.purge,
                    self.indexing.purge,
                ],
            )
            self.erasures.finish()
            self.indexing.start()
            self.erasing = ThreadPoolExecutor(_THREADS, thread_name_prefix="eraser")
            opened.callback(self.erasing.shutdown, cancel_futures=True)
            self.close = opened.pop_all().close

    def _changed(self, id_: str) -> None:
        self.subscriptions.pages.forget()
        self._committed((id_,))

    def _committed(self, ids: Collection[str]) -> None:
        """What is read is told first: those who watch ask for it at once."""
        cooperative.recorded()
        self.states.committed(ids)
        self.scopes.committed(ids)
        self.commits.committed(ids)
        self.indexing.committed()

    def probe(self) -> None:
        """See that entries can be recorded and read. Raises StoreUnavailableError."""
        if not self.writer.alive:
            message = "the writer has stopped"
            raise StoreUnavailableError(message)
        self.store.probe()


def _signer(settings: Settings, folder: DataDirectory | None, *, begun: bool) -> Signer:
    """The keys of the service: those it is given, else one of its own, made at the first start.

    For a record that was begun none is made: whoever knows its key would take it for a forgery.
    """
    if settings.keys:
        return Signer(map(read_key, settings.keys))
    if folder is None:
        return Signer([make_key(f"pourparler/{uuid.uuid4()}")])
    path = folder.path / "signing.key"
    if begun and not path.exists():
        message = (
            f"The data folder {folder.path} has a record but no {path.name}: the key that its"
            " checkpoints were signed with is not here. Put it back, or name its file in"
            " POURPARLER_KEYS."
        )
        raise DataDirectoryError(message)
    if not path.exists():
        write_key(make_key(f"pourparler/{folder.log_id}"), path)
    return Signer([read_key(path)])


def _callers(settings: Settings, opened: contextlib.ExitStack) -> callers.CallerResolver:
    """Who tells callers apart. Raises IssuerSettingsError."""
    keyrings = [IssuerKeys(issuer) for issuer in settings.tokens]
    for keyring in keyrings:
        keyring.start()
        opened.callback(keyring.close)
    bearers = TokenVerifier(keyrings) if keyrings else None
    return callers.CallerResolver(bearers, anonymous=not settings.requires_authentication)


def _witnesses(settings: Settings, store: Store, log: Log) -> Cosigner | None:
    """The witnesses that the settings name, if any. Raises WitnessSettingsError."""
    witnesses, required = witnesses_of(settings.witnesses), settings.witnesses_required
    try:
        number = int(required or len(witnesses))
    except ValueError:
        message = f"How many cosignatures are required is no number: {required!r}."
        raise WitnessSettingsError(message) from None
    if not witnesses and not number:
        return None
    return Cosigner(witnesses, number, store, log, settings.witness_seconds)
