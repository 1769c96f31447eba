"""The event store in memory."""

import bisect
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from eventsourcing.persistence import Notification, OperationalError, StoredEvent
from eventsourcing.popo import POPOApplicationRecorder

from pourparler_service.storage.event_store import RecordApplication, RecorderEventStore
from pourparler_service.storage.subject_keys import SubjectKeyStore


class MemoryRecorder(POPOApplicationRecorder):
    """The recorder of the library, which finds versions by bisection and can be closed.

    The one of the library passes over all entries of a negotiation at every read. It also keeps a
    row for every id that was ever read.
    """

    def __init__(self) -> None:
        super().__init__()
        self._versions: dict[str, list[int]] = {}  # of each negotiation, in their order
        self.closed = False

    def _assert_uniqueness(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        self._check_open()
        super()._assert_uniqueness(stored_events, **kwargs)

    def _update_table(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        for one in stored_events:
            versions = self._versions.setdefault(str(one.originator_id), [])
            bisect.insort(versions, one.originator_version)
        return super()._update_table(stored_events, **kwargs)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return the events of an aggregate, by version."""
        with self._database_lock:
            self._check_open()
            versions = self._versions.get(str(originator_id), [])
            begin = 0 if gt is None else bisect.bisect_right(versions, gt)
            end = len(versions) if lte is None else bisect.bisect_right(versions, lte)
            found = versions[begin:end]
            if desc:
                found.reverse()
            places = self._stored_events_index.get(str(originator_id), {})
            return [self._stored_events[places[version]] for version in found[:limit]]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Return the events of all aggregates, in the order of their positions."""
        self._check_open()
        return super().select_notifications(
            start, limit, stop, topics, inclusive_of_start=inclusive_of_start
        )

    def max_notification_id(self) -> int | None:
        """Return the position of the last event."""
        self._check_open()
        return super().max_notification_id()

    def _check_open(self) -> None:
        if self.closed:
            raise OperationalError("the store is closed")


class MemoryEventStore(RecorderEventStore):
    """An EventStore that lasts as long as its process, and that no other process can reach."""

    def __init__(self, keys: SubjectKeyStore) -> None:
        """Begin without entries; encrypt with these keys, so that an erasure destroys words."""
        self._recorder = MemoryRecorder()
        environment = {"PERSISTENCE_MODULE": "eventsourcing.popo"}
        application = RecordApplication(environment, keys, lambda: self._recorder)
        super().__init__(application, keys, exclusive=True)

    def close(self) -> None:
        """Close the store and its keys."""
        self._recorder.closed = True
        super().close()
