"""An export under way: what to ask the service, in which order, and how the answers make a bundle.

It writes to the file it is given, and neither waits nor sends, so that both clients share it.
"""

from collections.abc import Callable, Iterable
from typing import BinaryIO

from pourparler import v1 as pb
from pourparler.drafts.values import Ref, negotiation_name, ref
from pourparler.errors import PourparlerError, ReplayCut, ServiceFault
from pourparler.transparency.bundle import BundleWriter
from pourparler.transparency.checkpoint import CheckpointError, parse_checkpoint, parse_note
from pourparler.transparency.selection import Selection


class Exporting:
    """Checkpoint first, then the entries up to it. What is recorded meanwhile is left out."""

    def __init__(
        self,
        name: str,
        signed: str,
        file: BinaryIO,
        progress: Callable[[int, int], object] | None,
        *,
        only: Selection | None = None,
        viewer_participant_id: Ref = "",
    ) -> None:
        """Export a negotiation up to this checkpoint, or `only` these entries of it.

        Raises ServiceFault if it is none, SelectionError if it has not as many entries.
        """
        self._name = negotiation_name(name)
        self._viewer_participant_id = ref(viewer_participant_id)
        try:
            checkpoint = parse_checkpoint(parse_note(signed).text)
        except CheckpointError as error:
            message = f"The service gave no checkpoint that can be read: {error}."
            raise ServiceFault(message) from error
        self._size = checkpoint.size
        self._only = only
        if only is not None:
            only.check(self._size)
        self._progress = progress
        header = pb.BundleHeader(
            negotiation=self._name.removeprefix("negotiations/"),
            origin=checkpoint.origin,
            checkpoint=signed,
        )
        self._writer = BundleWriter(file, header)

    def replay_request(self) -> pb.ReplayEntriesRequest:
        """What to ask: the entries that are not written yet."""
        return pb.ReplayEntriesRequest(
            name=self._name,
            after_version=self._writer.count,
            as_of=pb.AsOf(version=self._size),
            viewer_participant_id=self._viewer_participant_id,
        )

    def take(self, records: Iterable[pb.Record]) -> None:
        """These are the next entries."""
        for record in records:
            stored = record.SerializeToString(deterministic=True)
            self._writer.add(stored if self._only is None else self._only.take(stored))
        if self._progress is not None:
            self._progress(self._writer.count, self._size)

    def read(self) -> None:
        """These were all entries. Raises ReplayCut if they were fewer than were signed for."""
        if self._writer.count < self._size:
            message = f"The replay ended after {self._writer.count} entries of {self._size}."
            error = ReplayCut(message)
            error.last_version = self._writer.count
            raise error
        self._writer.end()

    def failed(self, _error: PourparlerError) -> bool:
        """The replay has failed: it is tried again for the rest, or the export fails."""
        return False

    @property
    def count(self) -> int:
        """How many entries were written."""
        return self._writer.count
