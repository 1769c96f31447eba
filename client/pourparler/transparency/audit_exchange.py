"""The exchange of an audit: its requests, their order, and the use of the responses.

Pure: it does not wait or send, so both clients share it.
"""

from collections.abc import Callable, Iterable

from pourparler import v1 as pb
from pourparler.drafts.values import Ref, negotiation_name, ref
from pourparler.errors import NotFoundError, PourparlerError
from pourparler.transparency.auditor import Auditor
from pourparler.transparency.checkpoint import (
    CheckpointError,
    VerifierKey,
    parse_checkpoint,
    parse_note,
)
from pourparler.transparency.findings import Audit

_MAX_RECHECKS = 3


class AuditExchange:
    """The checkpoint, then the entries up to it in one or two passes, then the state at it.

    Entries recorded during the audit are left out. The state must equal the fold of the entries
    that the same caller may see. If it differs, the entries are read again. If other sections are
    withheld by then, access changed or words were erased, and the comparison starts over.
    """

    def __init__(
        self,
        name: str,
        verifier_keys: Iterable[VerifierKey | str],
        *,
        base_checkpoint: str | None,
        progress: Callable[[int, int], None] | None,
        viewer_participant_id: Ref = "",
    ) -> None:
        """Audit a negotiation. Raises ValueError if the keys are not those of one service."""
        self._name = negotiation_name(name)
        self._viewer_participant_id = ref(viewer_participant_id)
        self._auditor = Auditor(
            self._name.removeprefix("negotiations/"), verifier_keys, base_checkpoint=base_checkpoint
        )
        self._progress = progress
        self._signed = ""
        self._size: int | None = None
        self._latest_version: int | None = None  # set if the latest state is of a later version
        self._state: pb.Negotiation | None = None
        self._rechecks = 0
        self._withheld_before: frozenset[tuple[int, str]] | None = None  # at the last recheck
        self.reading = True
        """True while entries must be read, in the first or the second pass."""
        self.comparing = True
        """True while a state must be requested."""

    def checkpoint_request(self) -> pb.GetCheckpointRequest:
        """Return the first request of the audit."""
        return pb.GetCheckpointRequest(name=self._name)

    def begin(self, signed: str) -> None:
        """Start with a signed checkpoint. `finish` verifies its signature."""
        self._signed = signed
        try:
            self._size = parse_checkpoint(parse_note(signed).text).size
        except CheckpointError:
            self._size = None

    def not_found(self) -> bool:
        """Handle NOT_FOUND. Return True if that is a finding, and False if it is an error."""
        if not self._auditor.has_base:
            return False
        self._auditor.end_early(
            "The service reports no such negotiation, but a checkpoint signs for it."
        )
        self.reading = self.comparing = False
        return True

    def replay_request(self) -> pb.ReplayEntriesRequest:
        """Return the request for the entries up to the checkpoint."""
        as_of = None if self._size is None else pb.AsOf(version=self._size)
        return pb.ReplayEntriesRequest(
            name=self._name, as_of=as_of, viewer_participant_id=self._viewer_participant_id
        )

    def add_records(self, records: Iterable[pb.Record]) -> None:
        """Check the next records."""
        for record in records:
            self._auditor.add_record(record)
        if self._progress is not None:
            self._progress(self._auditor.size, self._size or 0)

    def end_replay(self) -> None:
        """End the pass over the entries."""
        self.reading = self._auditor.needs_second_pass
        if self.reading:
            self._auditor.start_second_pass()
        elif self._withheld_before is not None:
            # The same sections are withheld, so the state does not match the entries.
            self.comparing = self._auditor.withheld != self._withheld_before
            self._withheld_before = None

    def fail_replay(self, error: PourparlerError) -> bool:
        """Handle a failed replay. Return True if that is a finding, and False to retry or raise."""
        is_missing = isinstance(error, NotFoundError)  # but the checkpoint signs for it
        if not self._auditor.size and not is_missing:
            return False
        self._auditor.end_early(
            f"The replay was cut after version {self._auditor.size}: {error.message}"
        )
        self.reading = False
        return True

    def state_request(self) -> pb.GetNegotiationRequest:
        """Return the request for the state."""
        request = pb.GetNegotiationRequest(
            name=self._name,
            view=pb.NEGOTIATION_VIEW_FULL,
            viewer_participant_id=self._viewer_participant_id,
        )
        if self._latest_version is not None and self._size is not None:
            request.as_of.version = self._size
        return request

    def compare(self, answer: pb.GetNegotiationResponse) -> None:
        """Compare the state in a response with the entries."""
        version = answer.computed_at.version
        # Callers rely on the latest state, so that one is compared, unless an entry was recorded
        # since the checkpoint.
        if self._latest_version is None and self._size is not None and version > self._size:
            self._latest_version = version
            return
        self._state = answer.negotiation
        self.comparing = False
        if self._rechecks < _MAX_RECHECKS and self._auditor.differs(answer.negotiation):
            self._rechecks += 1
            self._withheld_before = self._auditor.withheld
            self._auditor.restart()
            self.reading = True

    def later_checkpoint_request(self) -> pb.GetCheckpointRequest | None:
        """Return the last request if the latest state is of a later version, or else None.

        That state was not compared, so the service must at least sign for its version.
        """
        if self._latest_version is None:
            return None
        return pb.GetCheckpointRequest(name=self._name, version=self._latest_version)

    def add_later_checkpoint(self, signed: str) -> None:
        """Check the signed checkpoint of that version; "" if the service has none."""
        if self._latest_version is not None:
            self._auditor.check_later_checkpoint(self._latest_version, signed)

    def finish(self) -> Audit:
        """Return the result of the audit."""
        return self._auditor.finish(self._signed, state=self._state, of_visible_entries=True)
