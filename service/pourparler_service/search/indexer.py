"""The indexer: it keeps the search index up to date, in the background and before each answer."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NoReturn

from pourparler import v1 as pb
from pourparler_service.domain.refusal import refuse
from pourparler_service.runtime import cooperative
from pourparler_service.search.index import SearchIndex, document
from pourparler_service.storage import paging
from pourparler_service.storage.interface import EventStore, StoredEntry, StoreUnavailableError
from pourparler_service.storage.record_codec import leaf

_LOG = logging.getLogger(__name__)

PATIENCE_SECONDS = 2.0
"""How long a question waits until the index has all entries of the record."""

_BATCH = 100
_SPARSE = 4  # if fewer than one of so many entries is needed, each is read by itself
MOST_BEHIND = 5_000
"""The lag in entries while others record: a question waits until they are indexed."""

_QUIET_SECONDS = 0.25
_READING_SECONDS = 0.1  # between two batches, during long reads
_FIRST_SECONDS = 1.0  # a service that starts has other things to do first
_AGAIN_SECONDS = 5.0


class Indexer:
    """Keeps an index up to date with a store: derived data. Any thread may call it.

    A question first indexes the entries that are missing, so that every answer is as fresh as the
    store. A background thread indexes most of them before, with pauses for other threads.
    """

    def __init__(
        self, store: EventStore, index: SearchIndex, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Keep this index, which nothing else uses, up to date with this store."""
        self._store = store
        self._index = index
        self._patience_seconds = patience_seconds
        self._lock = threading.RLock()  # guards the index, and what is below
        self._purges = 0
        self._woken = threading.Event()
        self._wanted = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep_up, name="indexer", daemon=True)

    def start(self) -> None:
        """Start to index in the background."""
        self._woken.set()
        self._thread.start()

    def on_commit(self, ids: Collection[str]) -> None:  # noqa: ARG002 - all are indexed
        """Wake the background thread."""
        self._woken.set()

    def close(self) -> None:
        """Stop the background thread, and close the index."""
        self._closed.set()
        self._woken.set()
        self._wanted.set()
        if self._thread.ident is not None:
            self._thread.join()
        with self._lock:
            self._index.close()

    @contextlib.contextmanager
    def current(self) -> Iterator[SearchIndex]:
        """Yield the index with all entries of the record, for the length of a `with` block.

        Raise RefusalError if indexing takes too long: it goes on in the background, without pauses.
        """
        until = time.monotonic() + self._patience_seconds
        if not self._lock.acquire(timeout=self._patience_seconds):
            _not_ready()
        try:
            while self._step(in_haste=True):
                if time.monotonic() > until:
                    self._wanted.set()
                    self._woken.set()
                    _not_ready()
            self._wanted.clear()
            yield self._index
        finally:
            self._lock.release()

    @contextlib.contextmanager
    def held(self) -> Iterator[SearchIndex]:
        """Yield the index as it is, for the length of a `with` block."""
        with self._lock:
            yield self._index

    def catch_up(self, progress: Callable[[int], object]) -> int:
        """Index all entries of the record, and return their number.

        `progress` is called with the position reached so far.
        """
        count = 0
        while took := self._step(in_haste=True):
            count += took
            progress(self._index.position)
        return count

    def purge(self, id_: str) -> None:
        """Remove the words of a negotiation that have left the record, as DerivedData says."""
        with self._lock:
            self._purges += 1  # entries that were read before may have words that are gone
            positions = self._index.positions(id_)
            stored = paging.stored(self._store, id_, in_haste=True)
            self._index.purge(
                [
                    document(positions[one.version], one)
                    for one in stored
                    if one.version in positions
                ]
            )

    def _keep_up(self) -> None:
        self._closed.wait(_FIRST_SECONDS)
        while not self._closed.is_set():
            self._woken.wait()
            self._woken.clear()
            try:
                while not self._closed.is_set():
                    if self._gives_way():
                        self._closed.wait(_QUIET_SECONDS)
                    elif not self._step(in_haste=self._wanted.is_set()):
                        break
                    elif cooperative.is_long_read_active():
                        self._wanted.wait(_READING_SECONDS)
            except StoreUnavailableError as error:
                _LOG.warning("the index is behind, and will be tried again: %s", error)
                self._closed.wait(_AGAIN_SECONDS)
                self._woken.set()

    def _gives_way(self) -> bool:
        """Return True if appends come first: the index is not far behind, and no question waits."""
        if self._wanted.is_set() or cooperative.seconds_since_commit() > _QUIET_SECONDS:
            return False
        return self._store.position() - self._index.position < MOST_BEHIND

    def _step(self, *, in_haste: bool) -> int:
        """Index a batch of missing entries, and return their number; 0 if none is missing."""
        with self._lock:
            lost, after, purges = self._index.lost(_BATCH), self._index.position, self._purges
        found = self._read(lost) if lost else self._store.scan(after, _BATCH)
        if not found:
            return 0
        documents = [
            document(*one)
            for one in (found if in_haste else cooperative.yielding(found, awaited=False))
        ]
        position, last = found[-1]
        with self._lock:
            # Another thread may have been faster, or an erasure may have come in between.
            if (self._index.position, self._purges) != (after, purges):
                return len(found)
            if not lost:
                self._index.take(documents, position, leaf(last.data))
            elif self._index.lost(1) == lost[:1]:
                self._index.restore(documents)
        return len(found)

    def _read(self, positions: Sequence[int]) -> list[tuple[int, StoredEntry]]:
        """Return the entries at these positions, or the first of them."""
        first, last = positions[0], positions[-1]
        if last - first < _SPARSE * len(positions):
            wanted = set(positions)
            return [
                one for one in self._store.scan(first - 1, last - first + 1) if one[0] in wanted
            ]
        return [one for place in positions for one in self._store.scan(place - 1, 1)]


def _not_ready() -> NoReturn:
    refuse(
        pb.ERROR_REASON_INDEX_NOT_READY,
        "The index that is searched does not have the whole record yet: it is being made."
        " Try again in a moment.",
    )


def digest_at(store: EventStore, position: int) -> bytes | None:
    """Return the digest of the entry at a position, as the index stores it; None without one."""
    found = store.scan(position - 1, 1)
    there = found and found[0][0] == position
    return leaf(found[0][1].data) if there else None
