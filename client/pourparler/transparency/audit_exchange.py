"""An audit of a service under way: what to ask it, in which order, and what becomes of the answers.

Pure: neither waits nor sends, so that both clients share it.
"""

from collections.abc import Callable, Iterable

from pourparler import v1 as pb
from pourparler.drafts.values import Ref, negotiation_name, ref
from pourparler.errors import NotFound, PourparlerError
from pourparler.transparency.auditor import Audit, Auditor
from pourparler.transparency.checkpoint import (
    CheckpointError,
    VerifierKey,
    parse_checkpoint,
    parse_note,
)

_DOUBTS = 3


class Auditing:
    """Checkpoint first, then the entries up to it, once or twice, then the state at it.

    What is recorded meanwhile is left out. The state has to be that of the entries as they are
    shown to the same caller. Where it is another one, they are read once more: if more or less is
    shown by then, access has changed or words were destroyed, and there is nothing to compare yet.
    """

    def __init__(
        self,
        name: str,
        keys: Iterable[VerifierKey | str],
        *,
        since: str | None,
        progress: Callable[[int, int], None] | None,
        viewer_participant_id: Ref = "",
    ) -> None:
        """Audit a negotiation. Raises ValueError if the keys are not `log_keys`."""
        self._name = negotiation_name(name)
        self._viewer_participant_id = ref(viewer_participant_id)
        self._auditor = Auditor(self._name.removeprefix("negotiations/"), keys, since=since)
        self._progress = progress
        self._signed = ""
        self._size: int | None = None
        self._latest: int | None = None  # set once the latest state was of a later version
        self._state: pb.Negotiation | None = None
        self._doubts = 0
        self._doubted: frozenset[tuple[int, str]] | None = None  # what was withheld at the last one
        self.reading = True
        """Whether there are entries to be read, for the first time or the second."""
        self.comparing = True
        """Whether there is a state to be asked for."""

    def checkpoint_request(self) -> pb.GetCheckpointRequest:
        """What to ask first."""
        return pb.GetCheckpointRequest(name=self._name)

    def begin(self, signed: str) -> None:
        """The checkpoint is this. Whether it is signed is seen at the end."""
        self._signed = signed
        try:
            self._size = parse_checkpoint(parse_note(signed).text).size
        except CheckpointError:
            self._size = None

    def denied(self) -> bool:
        """There is no such negotiation, it is said: whether that is a finding, and not an error."""
        if not self._auditor.grown:
            return False
        self._auditor.cut("The service says that there is no such negotiation; there was one.")
        self.reading = self.comparing = False
        return True

    def replay_request(self) -> pb.ReplayEntriesRequest:
        """What to ask then."""
        as_of = None if self._size is None else pb.AsOf(version=self._size)
        return pb.ReplayEntriesRequest(
            name=self._name, as_of=as_of, viewer_participant_id=self._viewer_participant_id
        )

    def take(self, records: Iterable[pb.Record]) -> None:
        """These are the next entries."""
        for record in records:
            self._auditor.take(record)
        if self._progress is not None:
            self._progress(self._auditor.size, self._size or 0)

    def read(self) -> None:
        """These were all entries."""
        self.reading = self._auditor.again
        if self.reading:
            self._auditor.repeat()
        elif self._doubted is not None:
            # The same is shown, and it is not what the state was made of.
            self.comparing = self._auditor.withheld != self._doubted
            self._doubted = None

    def failed(self, error: PourparlerError) -> bool:
        """The replay has failed: whether that is a finding, and not to be tried again or raised."""
        lacking = isinstance(error, NotFound)  # what was signed for
        if not self._auditor.size and not lacking:
            return False
        self._auditor.cut(f"The replay was cut after version {self._auditor.size}: {error.message}")
        self.reading = False
        return True

    def state_request(self) -> pb.GetNegotiationRequest:
        """What to ask last."""
        request = pb.GetNegotiationRequest(
            name=self._name,
            view=pb.NEGOTIATION_VIEW_FULL,
            viewer_participant_id=self._viewer_participant_id,
        )
        if self._latest is not None and self._size is not None:
            request.as_of.version = self._size
        return request

    def compare(self, answer: pb.GetNegotiationResponse) -> None:
        """The state is this."""
        version = answer.computed_at.version
        # The latest state is what everybody is told, so that is the one to compare, unless
        # something was recorded since the checkpoint.
        if self._latest is None and self._size is not None and version > self._size:
            self._latest = version
            return
        self._state = answer.negotiation
        self.comparing = False
        if self._doubts < _DOUBTS and self._auditor.differs(answer.negotiation):
            self._doubts += 1
            self._doubted = self._auditor.withheld
            self._auditor.anew()
            self.reading = True

    def later_request(self) -> pb.GetCheckpointRequest | None:
        """What to ask at the very end, where the latest state was of a later version.

        It was not compared, so the service has to stand by its version at least.
        """
        if self._latest is None:
            return None
        return pb.GetCheckpointRequest(name=self._name, version=self._latest)

    def later(self, signed: str) -> None:
        """The checkpoint at that version is this; empty if there is none."""
        if self._latest is not None:
            self._auditor.stand_by(self._latest, signed)

    def finish(self) -> Audit:
        """What the audit came to."""
        return self._auditor.finish(self._signed, state=self._state, of_shown=True)
