"""The results of the client that arrive as streams: replay, watch and search.

`async_streams` has the same classes, for asyncio. Both are written by hand.
"""

from collections import deque
from collections.abc import Generator, Iterator, Mapping
from itertools import islice
from types import TracebackType
from typing import Any, Self

from pourparler import errors
from pourparler import v1 as pb
from pourparler.formats import notebook
from pourparler.formats.dataframe import to_dataframe
from pourparler.rpc.streams import ReplayProgress, WatchProgress


class _Entries(Iterator[pb.Entry]):
    """Entries as they arrive. Leaving the context ends the call."""

    def __init__(self, entries: Generator[pb.Entry, None, None]) -> None:
        self._entries = entries

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> pb.Entry:
        return next(self._entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the call."""
        self._entries.close()


class Replay(_Entries):
    """The entries of a replay. Leaving it early, by `break` or `with`, ends the call.

    Iteration raises IncompleteReplayError if the replay ends before it is complete.
    """

    def __init__(self, entries: Generator[pb.Entry, None, None], progress: ReplayProgress) -> None:
        super().__init__(entries)
        self._progress = progress
        self._peeked: deque[pb.Entry] = deque()  # shown in a notebook, but not yet given

    def __next__(self) -> pb.Entry:
        return self._peeked.popleft() if self._peeked else super().__next__()

    def to_pandas(self) -> Any:
        """Return the remaining entries as a pandas DataFrame.

        docs/reference/export-formats.md lists its columns.
        Raises ExtraMissingError if the extra `data` is not installed.
        """
        return to_dataframe(self)

    def _repr_html_(self) -> str:
        """Return a table of the next entries for a notebook, without consuming them."""
        missing = notebook.MAX_ROWS + 1 - len(self._peeked)
        self._peeked.extend(islice(self._entries, max(missing, 0)))
        shown = list(islice(self._peeked, notebook.MAX_ROWS))
        return notebook.replay_table(shown, has_more=len(self._peeked) > len(shown))

    @property
    def complete(self) -> pb.ReplayComplete | None:
        """The point of the replay, and whether `limit` truncated it; None before the end."""
        return self._progress.complete

    @property
    def possible_versions(self) -> frozenset[int]:
        """With `occur_date`: the versions read so far that only possibly match it."""
        return frozenset(self._progress.possible_versions)


class SearchResults(Iterator[pb.SearchHit]):
    """The hits of a search, in the requested order."""

    def __init__(
        self, hits: Iterator[pb.SearchHit], negotiations: Mapping[str, pb.SearchedNegotiation]
    ) -> None:
        self._hits = hits
        self.negotiations = negotiations
        """The negotiations with hits in the pages read so far, by name."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> pb.SearchHit:
        return next(self._hits)


class Watch(_Entries):
    """The entries of a watch. Leaving it, by `break` or `with`, ends the call."""

    def __init__(self, entries: Generator[pb.Entry, None, None], progress: WatchProgress) -> None:
        super().__init__(entries)
        self._progress = progress

    @property
    def cursor(self) -> str:
        """The cursor after the last entry; another watch of the same continues from it."""
        return self._progress.cursor

    @property
    def caught_up(self) -> pb.ReplayCaughtUp | None:
        """The last point at which the watch had given every entry; None before the first."""
        return self._progress.caught_up

    @property
    def last_error(self) -> errors.PourparlerError | None:
        """The error that interrupted the watch while it reconnects; None while connected."""
        return self._progress.last_error
