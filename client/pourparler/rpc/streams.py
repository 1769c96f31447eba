"""The progress of a replay and of a watch, over all their calls.

Pure: it does not wait or send.
"""

import re
from collections.abc import Iterator, Sequence

from pourparler import v1 as pb
from pourparler.errors import IncompleteReplayError, PourparlerError, UnavailableError

HEARTBEAT_TIMEOUT = 45.0
"""The time that a watch waits for a message, in seconds. The service sends one every 15."""

_SEPARATOR = "~"  # no cursor of the service contains it
_CURSOR = re.compile(rf"(?P<token>[\w=-]*){_SEPARATOR}(?P<read>\d{{1,9}})", re.ASCII)


class ReplayProgress:
    """The progress of a replay. The generator that reads the replay owns it."""

    def __init__(self) -> None:
        self.started = False
        self.complete: pb.ReplayComplete | None = None
        self.possible_versions: set[int] = set()
        self.last_version: int | None = None

    def add(self, message: pb.ReplayEntriesResponse) -> Sequence[pb.Entry]:
        """Return the entries of the next message."""
        self.started = True
        self.possible_versions.update(message.possible_versions)
        if message.entries:
            self.last_version = message.entries[-1].header.version
        if message.HasField("complete"):
            self.complete = message.complete
        return message.entries

    def end(self) -> None:
        """Raise IncompleteReplayError if the stream ended before the replay was complete."""
        if self.complete is None:
            raise self._incomplete("The stream ended without its completion message.")

    def error_after(self, error: PourparlerError) -> PourparlerError:
        """Return the error to raise for an error that ends a started replay."""
        if isinstance(error, UnavailableError):
            return self._incomplete(error.message, error.reason)
        return error

    def _incomplete(self, cause: str, reason: str = "") -> IncompleteReplayError:
        place = (
            "before its first entry"
            if self.last_version is None
            else f"after version {self.last_version}"
        )
        error = IncompleteReplayError(f"The replay was cut {place}. {cause}", reason=reason)
        error.last_version = self.last_version
        return error


class WatchProgress:
    """The progress of a watch, over all its calls. The generator that reads it owns it.

    A cursor of the service marks the end of a message. A cursor of this class can also mark a place
    within a message. It then has the cursor of the message before, and a number of entries.
    """

    def __init__(self, request: pb.ReplayEntriesRequest) -> None:
        found = _CURSOR.fullmatch(request.cursor)  # the service rejects any other cursor
        self._request = request
        self._token = found["token"] if found else request.cursor
        self._read = int(found["read"]) if found else 0
        self._skip = 0
        self.caught_up: pb.ReplayCaughtUp | None = None
        self.last_error: PourparlerError | None = None

    @property
    def cursor(self) -> str:
        """The cursor after the last entry that was read."""
        return f"{self._token}{_SEPARATOR}{self._read}" if self._read else self._token

    def request(self) -> pb.ReplayEntriesRequest:
        """Return the request of a call that continues from the cursor."""
        request = pb.ReplayEntriesRequest()
        request.CopyFrom(self._request)
        request.cursor = self._token
        if self._token:
            request.after_version = 0
        self._skip = self._read
        return request

    def add(self, message: pb.ReplayEntriesResponse) -> Iterator[pb.Entry]:
        """Yield the entries of the next message that were not read before."""
        self.last_error = None
        entries = message.entries[self._skip :]
        self._skip -= len(message.entries) - len(entries)
        for count, entry in enumerate(entries, start=1):
            self._read += 1
            if count == len(entries):
                self._advance(message.cursor)
            yield entry
        if not entries:
            self._advance(message.cursor)
        if message.HasField("caught_up"):
            self.caught_up = message.caught_up

    def _advance(self, cursor: str) -> None:
        self._token, self._read = cursor, self._skip


def watch_ended_error() -> PourparlerError:
    """Return the error of a watch that the service ended."""
    return UnavailableError("The service ended the watch.")


def watch_timeout_error() -> PourparlerError:
    """Return the error of a watch whose heartbeat did not arrive."""
    return UnavailableError("The service sent no heartbeat in time.")
