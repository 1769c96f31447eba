"""Where negotiations are taken from to be read: a service, or a bundle."""

from collections.abc import AsyncIterator
from typing import BinaryIO, NamedTuple, Protocol

from google.protobuf.message import DecodeError

from pourparler import v1 as pb
from pourparler.aio import Client, Watch
from pourparler.cli import errors
from pourparler.cli.terminal_escape import escaped
from pourparler.errors import PourparlerError
from pourparler.transparency.bundle import BundleReader, CorruptBundleError

PAGE = 1_000


class Found(NamedTuple):
    """An entry that has the words, and the title of its negotiation."""

    hit: pb.SearchHit
    title: str


class RecordSource(Protocol):
    """Where negotiations are taken from."""

    lists: bool
    """Whether there is a list of them, from which one is chosen."""

    note: str
    """The note for everything that this source returns."""

    def negotiations(self) -> AsyncIterator[pb.NegotiationSummary]:
        """All that there are."""

    def entries(self, name: str) -> AsyncIterator[pb.Entry]:
        """Return the entries of a negotiation, from the first to the latest."""

    def watch(self, name: str, after: int) -> Watch | None:
        """Its entries after a version, as they come; None if none will."""

    def search(self, query: str) -> AsyncIterator[Found]:
        """Return the entries that contain these words, in all negotiations, best first."""

    def error_lines(self, error: PourparlerError) -> list[str]:
        """Return the lines of an error message."""

    async def close(self) -> None:
        """Let go of it."""


class ServiceSource:
    """The negotiations that a service keeps."""

    lists = True

    def __init__(self, client: Client, viewer_participant_id: str = "", server: str = "") -> None:
        """Ask the service at an address by this client; as a participant would have it."""
        self._client = client
        self._server = server
        self._viewer_participant_id = viewer_participant_id
        self.note = (
            f"as {escaped(viewer_participant_id)} would have it" if viewer_participant_id else ""
        )

    def negotiations(self) -> AsyncIterator[pb.NegotiationSummary]:
        """All that there are, in the order in which they were opened."""
        return self._client.list_negotiations(
            page_size=PAGE, viewer_participant_id=self._viewer_participant_id
        )

    def entries(self, name: str) -> AsyncIterator[pb.Entry]:
        """Return the entries of a negotiation, from the first to the latest."""
        return self._client.replay(name, viewer_participant_id=self._viewer_participant_id)

    def watch(self, name: str, after: int) -> Watch:
        """Its entries after a version, as they come."""
        return self._client.watch(
            name, after_version=after, viewer_participant_id=self._viewer_participant_id
        )

    async def search(self, query: str) -> AsyncIterator[Found]:
        """Return the entries that contain these words, in all negotiations, best first."""
        hits = self._client.search(query, viewer_participant_id=self._viewer_participant_id)
        async for hit in hits:
            name = f"negotiations/{hit.entry.header.negotiation}"
            known = hits.negotiations.get(name)
            yield Found(hit, known.title if known is not None else "")

    def error_lines(self, error: PourparlerError) -> list[str]:
        """Return the lines of an error message."""
        return errors.error_lines(error, errors.QueryContext("browse", server=self._server))

    async def close(self) -> None:
        """End all calls."""
        await self._client.close()


class BundleSource:
    """The negotiation in a bundle, without a service."""

    lists = False
    note = "from a bundle that was not verified here: `pourparler verify` does"

    def __init__(self, file: BinaryIO) -> None:
        """Read it at once. Raises BundleError."""
        try:
            self._entries = [pb.Entry.FromString(one) for one in BundleReader(file).records()]
        except DecodeError:
            raise CorruptBundleError("An entry of the bundle is garbled.") from None
        if not self._entries:
            raise CorruptBundleError("The bundle has no entries.")

    @property
    def name(self) -> str:
        """The name of the negotiation."""
        return self._entries[0].header.negotiation

    async def negotiations(self) -> AsyncIterator[pb.NegotiationSummary]:
        """None: there is only one, and it is open already."""
        nothing: tuple[pb.NegotiationSummary, ...] = ()
        for summary in nothing:
            yield summary

    async def entries(self, name: str) -> AsyncIterator[pb.Entry]:
        """Its entries."""
        del name
        for entry in self._entries:
            yield entry

    def watch(self, name: str, after: int) -> None:
        """None: a bundle does not grow."""
        del name, after

    async def search(self, query: str) -> AsyncIterator[Found]:
        """None: what is in a bundle is searched where it is shown."""
        del query
        nothing: tuple[Found, ...] = ()
        for found in nothing:
            yield found

    def error_lines(self, error: PourparlerError) -> list[str]:
        """Return no lines: a bundle needs no service."""
        return errors.error_lines(error)

    async def close(self) -> None:
        """There is nothing to let go of."""
