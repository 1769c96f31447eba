"""The states that callers see while they record: with entries that are not committed yet.

A state is the same aggregate as any other, over entries filtered to the scope of the caller.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pourparler import v1 as pb
from pourparler_service.aggregate.negotiation import Negotiation, NegotiationMark
from pourparler_service.authorization.audience import Audience, AudienceMark
from pourparler_service.authorization.filtering import filtered
from pourparler_service.authorization.roles import VisibilityScope
from pourparler_service.runtime.lru_cache import LruCache
from pourparler_service.storage.interface import StoredEntry


class ViewerStateMark(NamedTuple):
    """A point that the state of a viewer can be rolled back to."""

    state: "_ScopedState"
    negotiation: NegotiationMark
    audience: AudienceMark


@dataclass(slots=True, eq=False)
class _ScopedState:
    """The aggregate for one scope, and the number of disclosures that it was folded with."""

    negotiation: Negotiation
    disclosures: int


class ViewerState:
    """A negotiation as one caller sees it, advanced together with the whole negotiation."""

    def __init__(self, cached: "_CachedStates", scope: VisibilityScope) -> None:
        """Start at the current version of the whole negotiation."""
        self._cached = cached
        self.scope = scope
        self.advance()

    @property
    def state(self) -> pb.Negotiation:
        """The state as the caller sees it."""
        return self._cached.states[self.scope].negotiation.state

    def visible(self, entries: Sequence[pb.Entry]) -> list[pb.Entry]:
        """Return the entries that the caller may see."""
        shows = self._cached.audience.visible(self.scope)
        return [one for one in entries if shows(one.header.version)]

    def filtered(self, records: Sequence[StoredEntry]) -> Sequence[StoredEntry]:
        """Return records, and the header alone of the hidden ones."""
        return filtered(records, self._cached.audience.visible(self.scope))

    def advance(self, mark: ViewerStateMark | None = None) -> None:
        """Take the entries of the whole negotiation since. `rollback` to a mark removes them."""
        cached = self._cached
        audience, whole = cached.audience, cached.whole
        known = cached.states.get(self.scope)
        if known is not None and known.negotiation.version == whole.version:
            return
        for entry in whole.history(audience.version):
            audience.add(entry.header, entry.facts)
        # After a disclosure, entries that were folded as hidden are visible: fold all again.
        disclosures = audience.disclosures(audience.version)
        if known is None or known.disclosures != disclosures:
            negotiation = Negotiation(_PendingEvents(cached, self.scope), whole.id)
            known = cached.states[self.scope] = _ScopedState(negotiation, disclosures)
        is_marked = mark is not None and mark.state is known
        known.negotiation.catch_up(mark.negotiation.undo if mark and is_marked else None)

    def mark(self) -> ViewerStateMark:
        """Return the current point, for `rollback`."""
        state = self._cached.states[self.scope]
        return ViewerStateMark(state, state.negotiation.mark(), self._cached.audience.mark())

    def rollback(self, mark: ViewerStateMark) -> bool:
        """Remove the entries since a mark. Return False if no state can be used any more."""
        mark.state.negotiation.rollback(mark.negotiation)
        self._cached.states[self.scope] = mark.state
        return self._cached.audience.rollback(mark.audience)


class ViewerStates:
    """Caches the states of viewers by negotiation and scope. Owned by the writer's thread."""

    def __init__(self, cached_bytes: int) -> None:
        """Cache so many bytes of states."""
        self._cached: LruCache[str, _CachedStates] = LruCache(cached_bytes)

    def of(self, whole: Negotiation, scope: VisibilityScope) -> ViewerState:
        """Return the state of a viewer at the version of the whole negotiation."""
        cached = self._cached.get(whole.id) or _CachedStates(whole)
        cached.whole = whole  # which may have been evicted from its cache and loaded again
        state = ViewerState(cached, scope)
        self._cached.put(whole.id, cached, len(cached.states) * whole.size)
        return state

    def drop(self, id_: str) -> None:
        """Drop the states of a negotiation."""
        self._cached.drop(id_)

    def clear(self) -> None:
        """Drop every state."""
        self._cached.clear()


@dataclass(slots=True, eq=False)
class _CachedStates:
    """A negotiation with its audience, and its state for each scope."""

    whole: Negotiation
    audience: Audience = field(default_factory=Audience)
    states: dict[VisibilityScope, _ScopedState] = field(default_factory=dict)


class _PendingEvents:
    """The entries of a negotiation as a scope sees them, uncommitted ones included."""

    def __init__(self, cached: _CachedStates, scope: VisibilityScope) -> None:
        self._cached = cached
        self._scope = scope

    def read(
        self,
        negotiation: str,
        *,
        after: int = 0,
        upto: int | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> list[StoredEntry]:
        whole, audience = self._cached.whole, self._cached.audience
        found = whole.read(negotiation, after=after, upto=upto, reverse=reverse, limit=limit)
        return filtered(found, audience.visible(self._scope))

    def last_version(self, negotiation: str) -> int:
        return self._cached.whole.last_version(negotiation)
