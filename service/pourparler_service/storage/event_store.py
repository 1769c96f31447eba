"""The adapter to the `eventsourcing` library, independent of the database behind it.

Entries pass as the bytes they are, but for the words that concern natural persons: these are
encrypted in the store. Only this module and the backends import the library.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, cast

from eventsourcing.application import Application
from eventsourcing.domain import EventSourcingError
from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    Mapper,
    StoredEvent,
)
from eventsourcing.utils import Environment, EnvType

from pourparler_service.storage.interface import (
    COPIES,
    ConflictError,
    Rows,
    StoredEntry,
    StoreUnavailableError,
)
from pourparler_service.storage.master_key import SubjectKeyError
from pourparler_service.storage.subject_keys import SubjectKeyStore

ENCODING = ("COMPRESSOR_TOPIC", "CIPHER_TOPIC", "CIPHER_KEY")
"""The variables of the library that say how it compresses and encrypts all entries."""

FAILURES: tuple[type[Exception], ...] = (EventSourcingError, SubjectKeyError, OSError)
"""The errors with which the library and the subject keys fail."""

PATIENCE_SECONDS = 5.0
"""How long a write waits for another one that runs."""

ENCRYPTED = b"\x12"
"""The first byte of a SealedRecord, and of no Record. Permanent."""

_MOST_DECODED = 64  # entries read at once where their bytes cannot be counted before


class RecordMapper(Mapper[str]):
    """Maps a StoredEntry to the StoredEvent of the library, and back.

    The words that concern persons are encrypted and decrypted on the way. A compressor and a cipher
    of the library apply to all bytes, if they are set.
    """

    def __init__(self, keys: SubjectKeyStore, **given: Any) -> None:
        super().__init__(**given)
        self._keys = keys

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """Return an entry as the library stores it."""
        stored: StoredEntry = domain_event
        data = stored.data
        if stored.persons:
            data = self._keys.encrypt(stored.negotiation, data, stored.persons)
        if self.compressor:
            data = self.compressor.compress(data)
        if self.cipher:
            data = self.cipher.encrypt(data)
        return StoredEvent(stored.negotiation, stored.version, stored.topic, data)

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """Return an entry as it was appended, or without the words whose keys are destroyed."""
        data = stored_event.state
        if self.cipher:
            data = self.cipher.decrypt(data)
        if self.compressor:
            data = self.compressor.decompress(data)
        persons: tuple[str, ...] = ()
        if data[:1] == ENCRYPTED:
            id_ = str(stored_event.originator_id)
            persons = self._keys.subjects_of(id_, data)
            data = self._keys.decrypt(id_, data)
        return StoredEntry(
            str(stored_event.originator_id),
            stored_event.originator_version,
            stored_event.topic,
            data,
            persons,
        )


class RecordApplication(Application[str]):
    """The application of the library: one aggregate a negotiation, its id a string."""

    name = "pourparler"

    def __init__(
        self,
        environment: Mapping[str, str],
        keys: SubjectKeyStore,
        recorder: Callable[[], ApplicationRecorder] | None = None,
    ) -> None:
        """Open the recorder that the environment asks for, or the one that is given.

        The environment of the process is not read: it is no interface of this service.
        """
        self._keys = keys
        self._recorder = recorder
        super().__init__(cast("EnvType", {"ORIGINATOR_ID_TYPE": "text", **environment}))

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """Return the environment that was given, and nothing else."""
        return Environment(name, env)

    def construct_mapper(self) -> Mapper[str]:
        """Return a mapper that encrypts with the subject keys."""
        mapper = functools.partial(RecordMapper, self._keys)
        return mapper(
            transcoder=self.construct_transcoder(),
            cipher=self.factory.cipher(),
            compressor=self.factory.compressor(),
        )

    def construct_recorder(self) -> ApplicationRecorder:
        """Return the recorder that was given, else the one of the environment."""
        return self._recorder() if self._recorder is not None else super().construct_recorder()


class RecorderEventStore:
    """An EventStore over any recorder of the library.

    A backend opens the application, and reads and writes directly where it knows its database.
    """

    failures: ClassVar = FAILURES
    """The errors that mean that the store is unavailable."""

    def __init__(
        self, application: RecordApplication, keys: SubjectKeyStore, *, exclusive: bool
    ) -> None:
        """Store with this application, whose mapper encrypts with these keys."""
        self.subject_keys = keys
        self.exclusive = exclusive
        self._writing = threading.Lock()  # held by the thread that writes, or that reopens
        self._writes = self._reads = application

    @property
    def recorder(self) -> ApplicationRecorder:
        """The recorder that writes, to which the test suites of the library apply."""
        return self._writes.recorder

    def append(self, records: Sequence[StoredEntry]) -> None:
        """Store entries of any number of negotiations, as EventStore says."""
        keys = {(one.negotiation, person) for one in records for person in one.persons}
        with self.subject_keys.lock if keys else contextlib.nullcontext(), self._write():
            # A crash after this leaves keys that encrypt nothing; never the reverse.
            self.subject_keys.ensure_keys(keys)
            self._writes.events.put(cast("Any", records))

    @contextlib.contextmanager
    def _write(self) -> Iterator[None]:
        """Write while no other thread does.

        Raise StoreUnavailableError, also if another thread takes too long.
        """
        if not self._writing.acquire(timeout=PATIENCE_SECONDS):
            raise StoreUnavailableError("another write takes too long")
        try:
            with as_unavailable(self.failures):
                yield
        except StoreUnavailableError:
            self._reopen()
            raise
        finally:
            self._writing.release()

    def _reopen(self) -> None:
        """Make the store usable again after a failed write, while no other thread writes."""

    def read(
        self,
        negotiation: str,
        *,
        after: int = 0,
        upto: int | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> list[StoredEntry]:
        """Return the entries of a negotiation above the version `after`, up to `upto` inclusive."""
        with as_unavailable(self.failures):
            found = self._reads.events.get(
                negotiation, gt=after, lte=upto, desc=reverse, limit=limit
            )
            return cast("list[StoredEntry]", list(found))

    def last_version(self, negotiation: str) -> int:
        """Return the version of the last entry of a negotiation; 0 if there is none."""
        last = self.read(negotiation, reverse=True, limit=1)
        return last[0].version if last else 0

    def scan(self, after: int, limit: int) -> list[tuple[int, StoredEntry]]:
        """Return entries of all negotiations above a position, as EventStore says."""
        reads = self._reads
        with as_unavailable(self.failures):
            while found := reads.recorder.select_notifications(
                start=after, limit=limit, inclusive_of_start=False
            ):
                entries = [
                    (one.id, cast("StoredEntry", reads.mapper.to_domain_event(one)))
                    for one in found
                    if not str(one.originator_id).startswith(COPIES)
                ]
                if entries:
                    return entries
                after = found[-1].id
            return []

    def rows(self, negotiation: str, *, after: int, upto: int, limit: int, size: int) -> Rows:
        """Return the next entries as bytes, as EventStore says."""
        limit = min(limit, _MOST_DECODED)
        if negotiation:
            read = self.read(negotiation, after=after, upto=upto, limit=limit)
            found = [(one.version, negotiation, one.data) for one in read]
            last = len(found) < limit
        else:
            scanned = self.scan(after, limit)
            found = [(place, one.negotiation, one.data) for place, one in scanned if place <= upto]
            last = not scanned or len(found) < len(scanned)
        for count, (_, _, data) in enumerate(found, start=1):
            size -= len(data)
            if size <= 0:
                return Rows(found[:count], last=False)
        return Rows(found, last=last)

    def several(self, places: Sequence[tuple[str, int]], size: int) -> list[bytes]:
        """Return the bytes of entries in the given order, as EventStore says."""
        found: list[bytes] = []
        for id_, version in places[:_MOST_DECODED]:
            (one,) = self.read(id_, after=version - 1, upto=version)
            found.append(one.data)
            size -= len(one.data)
            if size <= 0:
                break
        return found

    def rewrite(self, records: Sequence[StoredEntry]) -> bool:  # noqa: ARG002 - the face's
        """Return False: the recorders of the library replace nothing."""
        return False

    def purge(self) -> None:
        """Do nothing: nothing was replaced."""

    def position(self) -> int:
        """Return the position of the last entry; 0 if there is none."""
        with as_unavailable(self.failures):
            return self._reads.recorder.max_notification_id() or 0

    def probe(self) -> None:
        """Read, to see that this works. Raise StoreUnavailableError."""
        self.position()

    def close(self) -> None:
        """Close the store and its keys."""
        with contextlib.suppress(EventSourcingError):
            self._reads.close()
            self._writes.close()
        self.subject_keys.close()


@contextlib.contextmanager
def as_unavailable(failures: tuple[type[Exception], ...] = FAILURES) -> Iterator[None]:
    """Raise the errors of the library as those of the faces."""
    try:
        yield
    except IntegrityError as error:
        raise ConflictError(str(error)) from error
    except failures as error:
        raise StoreUnavailableError(str(error)) from error
