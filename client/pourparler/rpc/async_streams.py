"""The results of the asyncio client that arrive as streams: replay, watch and search.

`sync_streams` has the same classes, without asyncio. Both are written by hand.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self

from pourparler import errors
from pourparler import v1 as pb
from pourparler.formats.dataframe import to_dataframe
from pourparler.rpc.streams import ReplayProgress, WatchProgress


class _Entries(AsyncIterator[pb.Entry]):
    """Entries as they arrive. Leaving the context ends the call."""

    def __init__(self, entries: AsyncGenerator[pb.Entry, None]) -> None:
        self._entries = entries

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> pb.Entry:
        return await anext(self._entries)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the call."""
        await self._entries.aclose()


class Replay(_Entries):
    """The entries of a replay. Leaving it early, by `break` or `async with`, ends the call.

    Iteration raises IncompleteReplayError if the replay ends before it is complete.
    """

    def __init__(self, entries: AsyncGenerator[pb.Entry, None], progress: ReplayProgress) -> None:
        super().__init__(entries)
        self._progress = progress

    async def to_pandas(self) -> Any:
        """Return the remaining entries as a pandas DataFrame.

        docs/reference/export-formats.md lists its columns.
        Raises ExtraMissingError if the extra `data` is not installed.
        """
        return to_dataframe([entry async for entry in self])

    @property
    def complete(self) -> pb.ReplayComplete | None:
        """The point of the replay, and whether `limit` truncated it; None before the end."""
        return self._progress.complete

    @property
    def possible_versions(self) -> frozenset[int]:
        """With `occur_date`: the versions read so far that only possibly match it."""
        return frozenset(self._progress.possible_versions)


class SearchResults(AsyncIterator[pb.SearchHit]):
    """The hits of a search, in the requested order."""

    def __init__(
        self, hits: AsyncIterator[pb.SearchHit], negotiations: Mapping[str, pb.SearchedNegotiation]
    ) -> None:
        self._hits = hits
        self.negotiations = negotiations
        """The negotiations with hits in the pages read so far, by name."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> pb.SearchHit:
        return await anext(self._hits)


class Watch(_Entries):
    """The entries of a watch. Leaving it, by `async with` or `close`, ends the call."""

    def __init__(self, entries: AsyncGenerator[pb.Entry, None], progress: WatchProgress) -> None:
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
