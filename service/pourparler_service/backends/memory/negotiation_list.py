"""The table of the negotiation list in memory."""

import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence

from pourparler_service.reads.negotiation_table import Filters, Listed, NegotiationRow, Progress


class _Places:
    """The positions of some negotiations, ascending, to be read from any position on."""

    def __init__(self) -> None:
        self._places: list[int] = []

    def add(self, opened: int) -> None:
        place = bisect.bisect_left(self._places, opened)
        if self._places[place : place + 1] != [opened]:
            self._places.insert(place, opened)

    def remove(self, opened: int) -> None:
        del self._places[bisect.bisect_left(self._places, opened)]

    def __contains__(self, opened: int) -> bool:
        place = bisect.bisect_left(self._places, opened)
        return self._places[place : place + 1] == [opened]

    def after(self, opened: int) -> Iterator[int]:
        return itertools.islice(self._places, bisect.bisect_right(self._places, opened), None)


class MemoryNegotiationTable:
    """A NegotiationTable that is lost with the process."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._clear()

    def _clear(self) -> None:
        self._rows: dict[int, NegotiationRow] = {}
        self._opened: dict[str, int] = {}
        self._all = _Places()
        self._public = _Places()
        self._participants: dict[str, _Places] = {}
        self._principals: dict[str, _Places] = {}

    def progress(self) -> Progress | None:
        """As NegotiationTable says."""
        return self._progress

    def reset(self, progress: Progress) -> None:
        """As NegotiationTable says."""
        self._clear()
        self._progress = progress

    def save(self, rows: Sequence[NegotiationRow], position: int, digest: bytes) -> None:
        """As NegotiationTable says."""
        for row in rows:
            self._write(row)
        if self._progress is not None:
            self._progress = self._progress._replace(position=position, digest=digest)

    def _write(self, row: NegotiationRow) -> None:
        former = self._rows.get(row.opened)
        if former is not None:
            for participant in former.participants:
                self._participants[participant].remove(row.opened)
            if former.public:
                self._public.remove(row.opened)
        self._rows[row.opened] = row._replace(participants=tuple(row.participants), principals=())
        self._opened[row.id] = row.opened
        self._all.add(row.opened)
        if row.public:
            self._public.add(row.opened)
        for participant in row.participants:
            self._participants.setdefault(participant, _Places()).add(row.opened)
        for principal in row.principals:
            self._principals.setdefault(principal, _Places()).add(row.opened)

    def purge(self, row: NegotiationRow | None) -> None:
        """As NegotiationTable says."""
        if row is not None:
            self._write(row)

    def find(self, id_: str) -> NegotiationRow | None:
        """As NegotiationTable says."""
        opened = self._opened.get(id_)
        return None if opened is None else self._rows[opened]._replace(participants=())

    def page(self, filters: Filters, after: int, most: int) -> Sequence[Listed]:
        """As NegotiationTable says."""
        rows = (self._rows[opened] for opened in self._all.after(after))
        met = itertools.islice((row for row in rows if _meets(row, filters)), most)
        return [Listed(row.opened, row.id, row.open_time, row.head) for row in met]

    def accessible(
        self, principal: str, after: int, most: int | None, *, public: bool
    ) -> Sequence[Listed]:
        """As NegotiationTable says."""
        own = self._principals.get(principal, _Places()).after(after)
        open_to_all = self._public.after(after) if public else iter(())
        places = sorted({*itertools.islice(own, most), *itertools.islice(open_to_all, most)})
        return _listed((self._rows[opened] for opened in places), most)

    def joined(self, participant: str, after: int, most: int) -> Sequence[Listed]:
        """As NegotiationTable says."""
        places = self._participants.get(participant, _Places()).after(after)
        return _listed((self._rows[opened] for opened in places), most)

    def admits(self, id_: str, principal: str, *, public: bool) -> bool:
        """As NegotiationTable says."""
        opened = self._opened.get(id_)
        if opened is None:
            return False
        if public and self._rows[opened].public:
            return True
        return opened in self._principals.get(principal, _Places())

    def close(self) -> None:
        """As NegotiationTable says."""


def _listed(rows: Iterable[NegotiationRow], most: int | None) -> Sequence[Listed]:
    return [Listed(row.opened, row.id, row.open_time) for row in itertools.islice(rows, most)]


def _meets(row: NegotiationRow, filters: Filters) -> bool:
    return (
        (filters.statuses is None or row.status in filters.statuses)
        and (filters.outcomes is None or row.outcome in filters.outcomes)
        and (filters.participant is None or filters.participant in row.participants)
        and (filters.title is None or filters.title in row.title)
        and (filters.open_start_time is None or row.open_time >= filters.open_start_time)
        and (filters.open_end_time is None or row.open_time < filters.open_end_time)
    )
