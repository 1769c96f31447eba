"""Requests to the writer, and what each waits for."""

from collections.abc import Sequence
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler_service.domain.refusal import refuse
from pourparler_service.storage.interface import StoredEntry

FAILED_NEGOTIATIONS = 10_000
"""In how many negotiations groups of a session may fail; then all are taken to have failed."""


_ID_LENGTH = 64


class FailedNegotiations:
    """The negotiations of which a group of a session has failed, so that others wait in vain.

    Shared by the groups of one session. Whoever fails a group notes it before the next is tried.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._failed: set[str] = set()

    def fail(self, negotiation: str) -> None:
        """Note that a group of this negotiation has failed."""
        # What is longer is no id, and fails by itself whenever it comes.
        if len(self._failed) < FAILED_NEGOTIATIONS and len(negotiation) <= _ID_LENGTH:
            self._failed.add(negotiation)

    def check(self, negotiation: str) -> None:
        """Refuse what was to follow a group that has failed."""
        if negotiation in self._failed or len(self._failed) >= FAILED_NEGOTIATIONS:
            refuse(
                pb.ERROR_REASON_EARLIER_NOT_RECORDED,
                "A group of this negotiation that came before it was not recorded, so neither is"
                " this one.",
                negotiation=negotiation,
            )


class WriteRequest(NamedTuple):
    """Entries to be recorded all together.

    Drafts of the right shape, and what their caller asks for.
    """

    negotiation: str
    request_id: str
    caller: str
    drafts: Sequence[pb.Draft]
    expected_version: int | None = None
    validate_only: bool = False
    deadline: float | None = None  # on the clock of time.monotonic
    turn: FailedNegotiations | None = None
    """Of a session: where it is noted if the group fails."""
    stop_on_failure: bool = False
    """Whether it is refused if an earlier group of its negotiation in the session has failed."""
    name: str = ""
    """In which it waits in the line."""
    by_service: bool = False
    """Whether the service itself says that words were destroyed, and the group says only that."""


class ImportRequest(NamedTuple):
    """Entries of another service that were checked, to be stored all together as they are."""

    negotiation: str
    caller: str
    after: int
    """The version that the copy has to have before; 0 if there is to be none yet."""
    records: Sequence[StoredEntry]
    checkpoint: str
    verifier_keys: Sequence[str]
    deadline: float | None = None  # on the clock of time.monotonic
    name: str = ""
    """In which it waits in the line."""
