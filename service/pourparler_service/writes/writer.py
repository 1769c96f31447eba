"""The one writer: takes waiting requests in batches, decides, commits once, and then answers."""

import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler_service.authorization.policy import Policy, check_may_open
from pourparler_service.domain.refusal import RefusalError, Violation
from pourparler_service.storage.interface import (
    ConflictError,
    EventStore,
    StoredEntry,
    StoreUnavailableError,
)
from pourparler_service.transparency.signing_keys import Signer
from pourparler_service.writes.decision import Decider
from pourparler_service.writes.receipts import UnsignedReceipt
from pourparler_service.writes.requests import ImportRequest, WriteRequest
from pourparler_service.writes.write_queue import WriteQueue

CACHED_BYTES = 1 << 28
"""The size of all negotiations that the writer caches, in bytes."""

GROUP_SECONDS = 5.0
"""The processor time of one request, in seconds, while all others wait.

A correction folds a whole record again: a thousand of them in a long one would take minutes.
"""

_ATTEMPTS = 5
_DEFAULT_POLICY = Policy()


class _PendingCall(NamedTuple):
    """A request in the write queue, and the future of its receipt."""

    request: WriteRequest | ImportRequest
    receipt: Future[bytes]

    def entries(self) -> int:
        """Return the number of entries of the request."""
        request = self.request
        return len(request.drafts if isinstance(request, WriteRequest) else request.records)

    def start(self) -> bool:
        """Mark the call as started. Return False if its caller has already cancelled it."""
        return self.receipt.set_running_or_notify_cancel()

    def fail(self, error: Exception) -> None:
        """Answer with an error."""
        request = self.request
        if isinstance(request, WriteRequest) and request.failures is not None:
            request.failures.add(request.negotiation)
        self.receipt.set_exception(error)


class _Accepted(NamedTuple):
    """A call that gets this receipt after the commit of its batch."""

    call: _PendingCall
    receipt: UnsignedReceipt | None
    """None for an import."""


class Writer:
    """The thread that records. Callers hand in requests and wait for futures."""

    def __init__(
        self,
        store: EventStore,
        signer: Signer,
        *,
        clock: Callable[[], int] = time.time_ns,
        queue: "WriteQueue[_PendingCall] | None" = None,
        cached_bytes: int = CACHED_BYTES,
        policy: Policy = _DEFAULT_POLICY,
        group_seconds: float = GROUP_SECONDS,
        on_commit: Callable[[Collection[str]], object] = lambda _: None,
    ) -> None:
        """Write to a store and sign receipts; `clock` returns nanoseconds since 1970.

        `on_commit` gets the negotiations that have, or may have, more entries on disk. It is called
        before any caller is answered, and must not block or raise.
        """
        self._store = store
        self._signer = signer
        self._clock = clock
        self._policy = policy
        self._on_commit = on_commit
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._queue: WriteQueue[_PendingCall] = WriteQueue() if queue is None else queue
        self._decider = Decider(  # owned by the thread
            store, policy, cached_bytes=cached_bytes, request_seconds=group_seconds
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """True if the thread runs and takes requests."""
        return self._thread.is_alive() and not self._queue.closed

    def is_crowded(self, key: str) -> bool:
        """Return True if a caller with many requests should wait before the next one."""
        return self._queue.is_crowded(key)

    def check_may_open(self, caller: str) -> None:
        """Raise RefusalError if the policy does not let a caller open or import negotiations."""
        check_may_open(self._policy, caller)

    def submit(self, request: WriteRequest) -> Future[bytes]:
        """Hand in a request. The future returns the bytes of its Receipt, or raises RefusalError.

        A future that is cancelled before its request is started leaves nothing behind. Raise
        RefusalError if the caller may not open negotiations, or the queue is full.
        """
        if request.opens:
            self.check_may_open(request.caller)
        return self._enqueue(_PendingCall(request, Future()))

    def import_bundle(self, request: ImportRequest) -> Future[bytes]:
        """Hand in an import, as with `submit`. The future returns no bytes."""
        return self._enqueue(_PendingCall(request, Future()))

    def _enqueue(self, call: _PendingCall) -> Future[bytes]:
        self._queue.put(call.request.queue_key, call)
        return call.receipt

    def close(self) -> None:
        """Answer the waiting requests, take no more, and stop the thread."""
        self._queue.close()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while batch := self._queue.take_batch():
            try:
                self._write(batch)
            except Exception as fault:  # noqa: BLE001 - the thread lives on; callers are answered
                self._decider.forget()
                for call in batch:
                    if not call.receipt.done():
                        call.fail(fault)

    def _write(self, batch: Sequence[_PendingCall], attempt: int = 1) -> None:
        """Record a batch. The order of the steps makes an acknowledged entry safe."""
        # 1. Decide each request on the state that those before it leave, in memory alone. A crash
        # here leaves nothing.
        decider, records, accepted = self._decider, list[StoredEntry](), list[_Accepted]()
        decider.begin(self._clock())
        for call in batch:
            try:
                accepted.append(_Accepted(call, decider.decide(call.request, records)))
            except RefusalError as refusal:
                call.fail(refusal)
            except StoreUnavailableError as error:
                call.fail(_unavailable(error, _NOTHING_RECORDED))
            except Exception as fault:  # noqa: BLE001 - a fault of ours fails its own request alone
                call.fail(fault)

        # 2. Commit all accepted requests at once: this is the commit point. A crash before `append`
        # returns leaves all of the batch or nothing; a retry finds out which.
        try:
            if records:
                self._store.append(records)
        except ConflictError:
            # Another process was first in a negotiation. Nothing was stored: read all states again
            # and repeat the requests one by one, so only those fail that must.
            decider.forget()
            self._repeat([one.call for one in accepted], attempt)
            return
        except StoreUnavailableError as error:
            # The commit is in doubt: read it back. If that fails too, the answer claims no outcome,
            # and a retry with the same request id gets the real one.
            decider.forget()
            if not self._is_stored(records):
                self._on_commit({one.negotiation for one in records})
                for one in accepted:
                    one.call.fail(_unavailable(error, _PERHAPS_RECORDED))
                return

        # 3. Drop the cached responses about these negotiations, before any caller has a receipt. A
        # crash from here on loses no entry: the batch is on disk, and caches are in memory.
        decider.committed()
        if records:
            self._on_commit({one.negotiation for one in records})

        # 4. Sign and answer. A crash here loses only answers: a retry gets an equal receipt, since
        # signatures and roots follow from the stored entries.
        signer = self._signer
        receipts = [one.receipt.signed(signer) if one.receipt else b"" for one in accepted]
        for one, receipt in zip(accepted, receipts, strict=True):
            one.call.receipt.set_result(receipt)

    def _repeat(self, calls: Sequence[_PendingCall], attempt: int) -> None:
        if len(calls) > 1:
            for call in calls:
                self._write([call], attempt)
        elif attempt < _ATTEMPTS:
            self._write(calls, attempt + 1)
        else:
            for call in calls:
                error = ConflictError("other processes keep writing to this negotiation")
                call.fail(_unavailable(error, _NOTHING_RECORDED))

    def _is_stored(self, records: Sequence[StoredEntry]) -> bool:
        """Return True if these records are in the store, after a commit in doubt."""
        try:
            return all(
                self._store.read(one.negotiation, after=one.version - 1, upto=one.version) == [one]
                for one in (records[0], records[-1])
            )
        except StoreUnavailableError:
            return False


_NOTHING_RECORDED = "Nothing was recorded."
_PERHAPS_RECORDED = (
    "Repeat the request with the same request id: if it was recorded, that returns the receipt."
)


def _unavailable(error: Exception, advice: str) -> RefusalError:
    text = f"The store failed: {error}. {advice}"
    return RefusalError([Violation(pb.ERROR_REASON_STORE_UNAVAILABLE, "", text, {})])
