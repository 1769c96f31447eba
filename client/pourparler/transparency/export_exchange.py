"""The exchange of an export: its requests, and the bundle that the responses make.

It writes to a file, but it does not wait or send, so both clients share it.
"""

from collections.abc import Callable, Iterable
from typing import BinaryIO

from pourparler import v1 as pb
from pourparler.drafts.values import Ref, negotiation_name, ref
from pourparler.errors import IncompleteReplayError, InternalError, PourparlerError
from pourparler.transparency.bundle import BundleWriter
from pourparler.transparency.checkpoint import CheckpointError, parse_checkpoint, parse_note
from pourparler.transparency.selection import Selection


class ExportExchange:
    """The checkpoint, then the entries up to it; entries recorded meanwhile are left out."""

    def __init__(
        self,
        name: str,
        signed: str,
        file: BinaryIO,
        progress: Callable[[int, int], object] | None,
        *,
        selection: Selection | None = None,
        viewer_participant_id: Ref = "",
    ) -> None:
        """Export a negotiation up to a signed checkpoint, or only a selection of its entries.

        Raises InternalError if the checkpoint is malformed, and SelectionError if the selection
        has a version after it.
        """
        self._name = negotiation_name(name)
        self._viewer_participant_id = ref(viewer_participant_id)
        try:
            checkpoint = parse_checkpoint(parse_note(signed).text)
        except CheckpointError as error:
            message = f"The checkpoint of the service is malformed: {error}."
            raise InternalError(message) from error
        self._size = checkpoint.size
        self._selection = selection
        if selection is not None:
            selection.check(self._size)
        self._progress = progress
        header = pb.BundleHeader(
            negotiation=self._name.removeprefix("negotiations/"),
            origin=checkpoint.origin,
            checkpoint=signed,
        )
        self._writer = BundleWriter(file, header)

    def replay_request(self) -> pb.ReplayEntriesRequest:
        """Return the request for the entries that are not written yet."""
        return pb.ReplayEntriesRequest(
            name=self._name,
            after_version=self._writer.count,
            as_of=pb.AsOf(version=self._size),
            viewer_participant_id=self._viewer_participant_id,
        )

    def add_records(self, records: Iterable[pb.Record]) -> None:
        """Write the next records."""
        for record in records:
            stored = record.SerializeToString(deterministic=True)
            self._writer.add(
                stored if self._selection is None else self._selection.filter_record(stored)
            )
        if self._progress is not None:
            self._progress(self._writer.count, self._size)

    def end_replay(self) -> None:
        """Write the end of the bundle. Raises IncompleteReplayError if entries are missing."""
        if self._writer.count < self._size:
            message = f"The replay ended after {self._writer.count} entries of {self._size}."
            error = IncompleteReplayError(message)
            error.last_version = self._writer.count
            raise error
        self._writer.end()

    def fail_replay(self, _error: PourparlerError) -> bool:
        """Return False: the replay is retried for the missing entries, or the export fails."""
        return False

    @property
    def count(self) -> int:
        """The number of entries written so far."""
        return self._writer.count
