"""Entries and states reduced to what a visibility scope may see. Pure."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler.schema.wire import first
from pourparler.state.fold import Undo, evolve, fold, is_amending
from pourparler_service.authorization.audience import Audience, AudienceMark
from pourparler_service.authorization.roles import VisibilityScope


class FilteredStateMark(NamedTuple):
    """What a state as one sight has it was before some entries, so that it can go back."""

    state: pb.Negotiation
    undo: Undo
    audience: AudienceMark
    taken: int


class FilteredState:
    """The state as one sight has it, brought up to date with entries as they come.

    Belongs to one thread.
    """

    def __init__(self, sight: VisibilityScope) -> None:
        """Of a negotiation before its first entry."""
        self.state = pb.Negotiation()
        self._sight = sight
        self._audience = Audience()
        self._taken = 0  # how many bytes of entries
        self._wasted = 0  # by entries that were taken out again

    @property
    def version(self) -> int:
        """The version that it is at."""
        return self._audience.version

    def mark(self) -> FilteredStateMark:
        """Remember the state: `take` has to be given its undo from now on."""
        return FilteredStateMark(self.state, Undo(self.state), self._audience.mark(), self._taken)

    def back_to(self, mark: FilteredStateMark) -> bool:
        """Take out the entries since; whether that can be done. If not, it is of no use any more.

        What is refused costs those who wait behind it no more than what is accepted.
        """
        mark.undo.undo()
        self.state = mark.state
        # A message gives no memory back before it goes as a whole.
        self._wasted += self._taken - mark.taken
        self._taken = mark.taken
        if self._wasted > self._taken:
            self.state = pb.Negotiation()
            self.state.CopyFrom(mark.state)
            self._wasted = 0
        return self._audience.back_to(mark.audience)

    def take(
        self,
        entries: Iterable[pb.Entry],
        history: Callable[[], Iterable[pb.Entry]],
        undo: Undo | None = None,
    ) -> None:
        """Take in the next entries, whole; `history` gives all, those among them."""
        entries = list(entries)
        for entry in entries:
            self._audience.take(entry.header, entry.facts)
        seen = self._audience.seen(self._sight)
        # What speaks of earlier entries changes how they count, or that they are seen at all.
        anew = any(map(is_amending, entries))
        cut = [
            one if seen(one.header.version) else withheld(one)
            for one in (history() if anew else entries)
        ]
        self._taken += sum(one.ByteSize() for one in cut[-len(entries) :])
        if anew:
            self.state = fold(cut)
            return
        for entry in cut:
            evolve(self.state, entry, undo=undo)

    def seen(self, entries: Iterable[pb.Entry]) -> list[pb.Entry]:
        """Those of these entries that are seen."""
        seen = self._audience.seen(self._sight)
        return [one for one in entries if seen(one.header.version)]


def withheld(entry: pb.Entry) -> pb.Entry:
    """An entry of which nothing is shown but its header."""
    return pb.Entry(header=entry.header)


def header_alone(data: bytes) -> bytes:
    """The bytes of a Record of which nothing is shown but its header, which still verifies."""
    return first(data, pb.Record.HEADER_FIELD_NUMBER)
