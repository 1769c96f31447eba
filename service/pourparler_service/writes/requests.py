"""Requests to the writer."""

from collections.abc import Sequence
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler_service.domain.refusal import refuse
from pourparler_service.storage.interface import StoredEntry

FAILED_NEGOTIATIONS = 10_000
"""The number of failed negotiations noted for a stream. Beyond it, every one counts as failed."""

_ID_LENGTH = 64


class FailedNegotiations:
    """The negotiations in which a request of a stream has failed, so that later ones must not run.

    Shared by the requests of one stream. A failure is noted before the next request is tried.
    """

    def __init__(self) -> None:
        """Start without failures."""
        self._failed: set[str] = set()

    def add(self, negotiation: str) -> None:
        """Note that a request for a negotiation has failed."""
        # A longer text is no id, and fails by itself each time.
        if len(self._failed) < FAILED_NEGOTIATIONS and len(negotiation) <= _ID_LENGTH:
            self._failed.add(negotiation)

    def check(self, negotiation: str) -> None:
        """Raise RefusalError if an earlier request for a negotiation has failed."""
        if negotiation in self._failed or len(self._failed) >= FAILED_NEGOTIATIONS:
            refuse(
                pb.ERROR_REASON_EARLIER_NOT_RECORDED,
                "An earlier request for this negotiation was not recorded, so this one was not"
                " recorded either.",
                negotiation=negotiation,
            )


class WriteRequest(NamedTuple):
    """Drafts of the right shape, to be recorded all together or not at all."""

    negotiation: str
    request_id: str
    caller: str
    drafts: Sequence[pb.Draft]
    expected_version: int | None = None
    validate_only: bool = False
    deadline: float | None = None  # on the clock of time.monotonic
    failures: FailedNegotiations | None = None
    """The failures of the stream that the request belongs to."""
    stop_on_failure: bool = False
    """True if the request fails after an earlier failure in its negotiation and stream."""
    queue_key: str = ""
    """The key that shares the write queue fairly: a caller, or a connection."""
    by_service: bool = False
    """True if the service itself records an erasure, and nothing else."""

    @property
    def opens(self) -> bool:
        """True if the request opens a negotiation."""
        return self.drafts[0].facts.HasField("negotiation_opened")


class ImportRequest(NamedTuple):
    """Verified entries of another service, to be stored all together as they are."""

    negotiation: str
    caller: str
    after: int
    """The version that the negotiation must have before; 0 if it must not exist."""
    records: Sequence[StoredEntry]
    checkpoint: str
    verifier_keys: Sequence[str]
    deadline: float | None = None  # on the clock of time.monotonic
    queue_key: str = ""
    """The key that shares the write queue fairly: a caller, or a connection."""
