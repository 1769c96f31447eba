"""The index kept up with the record: whenever it is asked, and before, in the background."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

from pourparler import v1 as pb
from pourparler_service.domain.refusal import refuse
from pourparler_service.runtime import cooperative
from pourparler_service.search.index import SearchIndex, document
from pourparler_service.storage import paging
from pourparler_service.storage.event_store import Store
from pourparler_service.storage.interface import StoredEntry, StoreUnavailableError
from pourparler_service.storage.record_codec import leaf

_LOG = logging.getLogger(__name__)

DATABASE = "search.sqlite"
"""The file in the data folder that the index is in."""

PATIENCE_SECONDS = 2.0
"""How long who asks waits for the index to have all that is on the record."""

_BATCH = 100
_SPARSE = 4  # where of so many entries less than one is wanted, each is read by itself
MOST_BEHIND = 5_000
"""By how many entries it may be behind while somebody records: whoever asks waits for that long."""

_QUIET_SECONDS = 0.25
_READING_SECONDS = 0.1  # between two batches, while somebody reads much
_FIRST_SECONDS = 1.0  # a service that starts has other things to do first
_AGAIN_SECONDS = 5.0


class Indexer:
    """Keeps an index up with the record in a store. For any thread.

    Whoever asks has it brought up to the record first, so that every answer is as fresh as the
    store. A thread of its own does most of it before, with pauses in which others record and read.
    """

    def __init__(
        self, store: Store, index: SearchIndex, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Keep this index, which nobody else uses, up with this store."""
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
        """Begin to keep it up in the background."""
        self._woken.set()
        self._thread.start()

    def committed(self) -> None:
        """There is more on the record. Never waits."""
        self._woken.set()

    def close(self) -> None:
        """End it, and let the index go."""
        self._closed.set()
        self._woken.set()
        self._wanted.set()
        if self._thread.ident is not None:
            self._thread.join()
        with self._lock:
            self._index.close()

    @contextlib.contextmanager
    def current(self) -> Iterator[SearchIndex]:
        """The index for the length of a `with` block, with all that is on the record now.

        Refuses if that takes too long: then it is made in the background, without pauses. Blocks on
        the store.
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
        """The index as it is, for the length of a `with` block."""
        with self._lock:
            yield self._index

    def catch_up(self, progress: Callable[[int], object]) -> int:
        """Bring it up to the record, however long that takes; how many entries that took.

        It is told meanwhile at which position it is.
        """
        count = 0
        while took := self._step(in_haste=True):
            count += took
            progress(self._index.position)
        return count

    def purge(self, id_: str) -> None:
        """Leave nothing in it of words of a negotiation that are no longer on the record.

        Raises StoreUnavailableError.
        """
        with self._lock:
            self._purges += 1  # what was read before may have words that are gone now
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
                    elif cooperative.is_reading():
                        self._wanted.wait(_READING_SECONDS)
            except StoreUnavailableError as error:
                _LOG.warning("the index is not kept up, and will be tried again: %s", error)
                self._closed.wait(_AGAIN_SECONDS)
                self._woken.set()

    def _gives_way(self) -> bool:
        """Whether those who record come first: it is not far behind, and nobody waits for it."""
        if self._wanted.is_set() or cooperative.quiet_seconds() > _QUIET_SECONDS:
            return False
        return self._store.position() - self._index.position < MOST_BEHIND

    def _step(self, *, in_haste: bool) -> int:
        """Take in some of what it does not have; how many entries, 0 if there is nothing more."""
        with self._lock:
            lost, after, purges = self._index.lost(_BATCH), self._index.position, self._purges
        found = self._read(lost) if lost else self._store.scan(after, _BATCH)
        if not found:
            return 0
        documents = [
            document(*one)
            for one in (found if in_haste else cooperative.paced(found, awaited=False))
        ]
        position, last = found[-1]
        with self._lock:
            # Somebody else may have been faster, and what was read may have been destroyed since.
            if (self._index.position, self._purges) != (after, purges):
                return len(found)
            if not lost:
                self._index.take(documents, position, leaf(last.data))
            elif self._index.lost(1) == lost[:1]:
                self._index.restore(documents)
        return len(found)

    def _read(self, positions: Sequence[int]) -> list[tuple[int, StoredEntry]]:
        """The entries at these positions, or the first of them."""
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
