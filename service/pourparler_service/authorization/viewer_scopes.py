"""The visibility scope of each viewer in each negotiation, and the readers filtered by it."""

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler_service.authorization.audience import Audience
from pourparler_service.authorization.filtered_store import (
    WHOLE,
    FilteredEventReader,
    FilteredLogReader,
    FilteredReader,
    ScopeKey,
)
from pourparler_service.authorization.policy import Policy
from pourparler_service.authorization.roles import (
    EVERYTHING,
    NOTHING,
    PUBLIC,
    Roles,
    VisibilityScope,
    roles_of,
    scope_as_participant,
    scope_of,
)
from pourparler_service.domain.refusal import RefusalError, not_found, quoted, refuse
from pourparler_service.runtime.lru_cache import LruCache
from pourparler_service.storage import paging
from pourparler_service.storage.interface import COPIES, EventStore

CACHED_ENTRIES = 4_000_000
"""The number of entries whose audience is cached, over all negotiations."""

_MOST_SCOPES = 100_000
_MOST_ADMITTED = 100_000


class CachedScope(NamedTuple):
    """A scope that is known without reading the store, and the version it belongs to."""

    key: ScopeKey
    version: int | None = None
    """None for a viewer that sees everything at every version."""


_EVERYTHING = CachedScope(WHOLE)


class AccessLookup(Protocol):
    """Tells quickly if a principal could see anything of a negotiation."""

    def __call__(self, id_: str, principal: str, /, *, public: bool) -> bool:
        """Return True if a principal has or had access, or if `public` and an entry is PUBLIC.

        Return False if there is no such negotiation.
        """


def _everybody(_id: str, _principal: str, *, public: bool) -> bool:  # noqa: ARG001 - a protocol's
    return True


@dataclass(slots=True, eq=False)
class _CachedAudience:
    audience: Audience = field(default_factory=Audience)
    lock: threading.Lock = field(default_factory=threading.Lock)  # guards the audience


class ScopeResolver:
    """Resolves the scopes of viewers, and builds the readers filtered by them. Thread-safe."""

    def __init__(
        self,
        store: EventStore,
        policy: Policy,
        *,
        admits: AccessLookup = _everybody,
        cached_entries: int = CACHED_ENTRIES,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Resolve by the entries of a store and by a policy.

        `clock` returns nanoseconds since 1970. A caller that `admits` accepts once is accepted
        until the end of the process.
        """
        self.policy = policy
        self._admits = admits
        self._store = store
        self._clock = clock
        self._is_notified = store.exclusive  # of every commit: nobody else writes to the store
        self._lock = threading.Lock()  # guards all below
        self._audiences: LruCache[str, _CachedAudience] = LruCache(cached_entries)
        self._scopes: LruCache[str, dict[tuple[str, str], CachedScope]] = LruCache(_MOST_SCOPES)
        self._admitted: LruCache[tuple[str, str], bool] = LruCache(_MOST_ADMITTED)
        self._commits = 0

    def viewer(self, caller: str, participant_id: str = "") -> "Viewer":
        """Return a caller as a viewer, perhaps with the view of a participant. Never blocks."""
        return Viewer(self, caller, participant_id)

    def events(self, id_: str, caller: str, participant_id: str = "") -> FilteredEventReader:
        """Return a reader of what a caller may see of a negotiation now.

        Block on the store. Raise the same RefusalError if there is no such negotiation and if the
        caller sees nothing of it.
        """
        if not participant_id and self.policy.sees_everything(caller):
            return FilteredEventReader(self._store, id_, EVERYTHING)
        self.check_admitted(id_, caller)
        with self._lock:
            commits = self._commits  # before the store is read
        with self._current(id_) as audience:
            roles = self._roles(audience, caller)
            scope = scope_of(roles, caller, self.policy)
            if self._imported(id_, caller, scope):
                scope = EVERYTHING
            nothing = scope == NOTHING or (scope == PUBLIC and not audience.shows_any(scope))
            if nothing or not audience.version:
                not_found(id_)
            if participant_id:
                own, scope = scope, scope_as_participant(participant_id, roles, scope)
                if not audience.shows_participant(participant_id, own):
                    refuse(
                        pb.ERROR_REASON_PART_NOT_FOUND,
                        f"There is no participant {quoted(participant_id)} in this negotiation.",
                        "viewer_participant_id",
                        id=participant_id,
                    )
            version = audience.version
            events = FilteredEventReader(
                self._store, id_, scope, version=version, audience=audience
            )
            if self._is_notified and not _ends(audience, caller):
                self._cache(id_, (caller, participant_id), events, commits)
            return events

    def log(self, caller: str, participant_id: str = "") -> FilteredLogReader:
        """Return a reader of what a caller may see of all negotiations. Never blocks."""

        def resolve(id_: str) -> FilteredEventReader:
            return self.events(id_, caller, participant_id)

        whole = not participant_id and self.policy.sees_everything(caller)
        return FilteredLogReader(self._store, resolve, whole=whole)

    def check_admitted(self, id_: str, caller: str) -> None:
        """Raise RefusalError if a caller is a stranger to a negotiation, before anything is read.

        A stranger has no access at all. The steps are the same if there is no such negotiation.
        Block on the store.
        """
        if self.is_admitted(id_, caller):
            return
        public = self.policy.allows(caller, self.policy.public)
        admitted = self._admits(id_, caller, public=public)
        if not admitted and not self._imported(id_, caller, NOTHING):
            not_found(id_)
        self.admit(id_, caller)

    def is_admitted(self, id_: str, caller: str) -> bool:
        """Return True if a caller is known to be no stranger to a negotiation. Never blocks."""
        if self.policy.sees_everything(caller):
            return True
        with self._lock:
            return self._admitted.get((id_, caller)) is not None

    def admit(self, id_: str, caller: str) -> None:
        """Note that a caller is no stranger, or is about to open the negotiation. Never blocks."""
        with self._lock:
            self._admitted.put((id_, caller), value=True, size=1)

    def sees_all(self, id_: str, caller: str) -> bool:
        """Return True if a caller sees every entry of a negotiation. Block on the store."""
        try:
            return self.events(id_, caller).scope.whole
        except RefusalError:
            return False

    def check_may_erase(self, id_: str, caller: str) -> None:
        """Raise RefusalError unless a caller is custodian, or the policy names it for erasures.

        Block on the store.
        """
        policy = self.policy
        is_named = policy.allows(caller, policy.privacy)
        if not is_named:
            self.check_admitted(id_, caller)
        with self._current(id_) as audience:
            roles, exists = self._roles(audience, caller), audience.version > 0
        if exists and (roles.custodian or is_named):
            return
        if not exists or scope_of(roles, caller, policy) in {NOTHING, PUBLIC}:
            not_found(id_)
        refuse(
            pb.ERROR_REASON_ROLE_NOT_SUFFICIENT,
            "Only a custodian, or a principal that the service names, can request an erasure.",
        )

    def cached_scope(self, name: str, caller: str, participant_id: str = "") -> CachedScope | None:
        """Return the scope of a caller by the name of a negotiation; None if the store decides.

        Never blocks.
        """
        if not participant_id and self.policy.sees_everything(caller):
            return _EVERYTHING
        with self._lock:
            cached = self._scopes.get(name)
            return None if cached is None else cached.get((caller, participant_id))

    def on_commit(self, ids: Collection[str]) -> None:
        """Drop the cached scopes of negotiations that have, or may have, more entries."""
        with self._lock:
            self._commits += 1
            for id_ in ids:
                self._scopes.drop(f"negotiations/{id_}")

    def purge(self, id_: str) -> None:
        """Drop the scopes that are cached for a negotiation."""
        self.on_commit((id_,))

    def _cache(
        self, id_: str, viewer: tuple[str, str], events: FilteredEventReader, commits: int
    ) -> None:
        name = f"negotiations/{id_}"
        cached = CachedScope(events.key(), events.version)
        with self._lock:
            if commits == self._commits:
                known = self._scopes.get(name) or {}
                known[viewer] = cached
                self._scopes.put(name, known, len(known))

    @contextlib.contextmanager
    def _current(self, id_: str) -> Iterator[Audience]:
        """Hold the audience of a negotiation, up to date with the store, for a `with` block."""
        with self._lock:
            cached = self._audiences.get(id_) or _CachedAudience()
        with cached.lock:
            audience = cached.audience
            before = audience.version
            for one in paging.stored(self._store, id_, after=before):
                record = pb.Record.FromString(one.data)
                header = pb.EntryHeader.FromString(record.header)
                audience.add(header, pb.Facts.FromString(record.facts))
            if audience.version != before:
                with self._lock:
                    if self._audiences.get(id_) in {None, cached}:
                        self._audiences.put(id_, cached, audience.version)
            yield audience

    def _roles(self, audience: Audience, caller: str) -> Roles:
        now = Timestamp()
        now.FromNanoseconds(self._clock())
        return roles_of(audience.principals, caller, now)

    def _imported(self, id_: str, caller: str, scope: VisibilityScope) -> bool:
        """Return True if a caller imported the negotiation, and so sees all of it."""
        if scope.whole:
            return False
        first = self._store.read(COPIES + id_, limit=1)
        return any(pb.Copy.FromString(one.data).copied_by == caller for one in first)


class Viewer:
    """A caller, perhaps with the view of a participant: the source of every filtered reader."""

    __slots__ = ("_scopes", "caller", "participant_id", "policy")

    def __init__(self, scopes: ScopeResolver, caller: str, participant_id: str) -> None:
        """Resolve by these scopes."""
        self._scopes = scopes
        self.caller = caller
        self.participant_id = participant_id
        self.policy = scopes.policy

    @property
    def sees_everything(self) -> bool:
        """True if the viewer sees everything in every negotiation, whatever is recorded."""
        return not self.participant_id and self.policy.sees_everything(self.caller)

    @property
    def key(self) -> str:
        """The caller; empty for viewers that see everything, who share what they read."""
        return "" if self.sees_everything else self.caller

    def events(self, id_: str) -> FilteredEventReader:
        """Return a reader of a negotiation with the current scope. See `ScopeResolver.events`."""
        return self._scopes.events(id_, self.caller, self.participant_id)

    def log(self) -> FilteredLogReader:
        """Return a reader of all negotiations with the current scopes. Never blocks."""
        return self._scopes.log(self.caller, self.participant_id)

    def reader(self, id_: str) -> FilteredReader:
        """Return a reader of a negotiation, or of all of them if the id is empty."""
        return self.events(id_) if id_ else self.log()

    def check_admitted(self, id_: str) -> None:
        """Raise RefusalError if the caller is a stranger. See `ScopeResolver.check_admitted`."""
        self._scopes.check_admitted(id_, self.caller)


def _ends(audience: Audience, caller: str) -> bool:
    """Return True if a grant of a caller has an end time."""
    known = audience.principals.get(caller)
    return known is not None and any(one.facts.HasField("end_time") for one in known.grants)
