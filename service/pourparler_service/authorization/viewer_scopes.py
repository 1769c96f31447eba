"""Who sees what of each negotiation: read from its entries as they come, and kept."""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler_service.authorization.audience import Audience
from pourparler_service.authorization.policy import Policy
from pourparler_service.authorization.roles import (
    EVERYTHING,
    NOTHING,
    PUBLIC,
    VisibilityScope,
    roles_of,
    seen_by,
    sight_of,
)
from pourparler_service.domain.refusal import not_found, quoted, refuse
from pourparler_service.runtime.lru_cache import LruCache
from pourparler_service.storage import paging
from pourparler_service.storage.event_store import Store
from pourparler_service.storage.interface import COPIES
from pourparler_service.validation import drafts

KEPT_ENTRIES = 4_000_000
"""Of how many entries together it is kept who may see them."""


_MOST_NOTED = 100_000
_MOST_ADMITTED = 100_000


class ViewerScope(NamedTuple):
    """What somebody sees of a negotiation, as its entries have it up to a version."""

    sight: VisibilityScope
    version: int = 0
    audience: Audience = Audience()
    """Not for who sees everything: nothing has to be looked up then."""

    def cut(self, upto: int) -> "ScopeKey":
        """What the entries up to a version are cut to."""
        return ScopeKey(self.sight, self.audience.disclosures(min(upto, self.version)))


class ScopeKey(NamedTuple):
    """What entries are cut to.

    Where it is equal at two versions, what is seen of an entry is the same at both.
    """

    sight: VisibilityScope
    disclosures: int
    """How often more was disclosed: then earlier entries are seen that were not."""


class CachedScope(NamedTuple):
    """What somebody surely sees of a negotiation, and its version."""

    cut: ScopeKey
    version: int = 0
    """Not for who sees everything."""


WHOLE = ViewerScope(EVERYTHING)
_EVERYTHING = CachedScope(ScopeKey(EVERYTHING, 0))


class AccessLookup(Protocol):
    """Says quickly who may see anything, or could: where there is no such negotiation, nobody."""

    def __call__(self, id_: str, principal: str, /, *, public: bool) -> bool:
        """Whether a principal has, or had, access to it; or anything in it is public."""


def _everybody(_id: str, _principal: str, *, public: bool) -> bool:  # noqa: ARG001 - a protocol's
    return True


@dataclass(slots=True, eq=False)
class _AudienceEntry:
    audience: Audience = field(default_factory=Audience)
    lock: threading.Lock = field(default_factory=threading.Lock)  # guards the audience


class ScopeResolver:
    """Looks up what callers see. For any thread."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        *,
        admits: AccessLookup = _everybody,
        kept_entries: int = KEPT_ENTRIES,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """By the entries of this store and by this policy; `clock` gives nanoseconds since 1970.

        Whom `admits` admits once is admitted for good.
        """
        self.policy = policy
        self._admits = admits
        self._store = store
        self._clock = clock
        self._is_told = store.exclusive
        self._lock = threading.Lock()  # guards all below
        self._kept: LruCache[str, _AudienceEntry] = LruCache(kept_entries)
        self._noted: LruCache[str, dict[tuple[str, str], CachedScope]] = LruCache(_MOST_NOTED)
        self._admitted: LruCache[tuple[str, str], bool] = LruCache(_MOST_ADMITTED)
        self._commits = 0

    def of(self, id_: str, caller: str, viewer_participant_id: str = "") -> ViewerScope:
        """What a caller sees of a negotiation, perhaps as a participant would.

        Blocks on the store. Refuses in the same words a negotiation that is not there, and one of
        which the caller sees nothing.
        """
        if not viewer_participant_id and self.policy.audits(caller):
            return WHOLE
        if viewer_participant_id:
            drafts.check_id(viewer_participant_id, "viewer_participant_id")
        self.check_admitted(id_, caller)
        with self._lock:
            commits = self._commits  # before the store is read
            kept = self._kept.get(id_) or _AudienceEntry()
        with kept.lock:
            audience = kept.audience
            before = audience.version
            for one in paging.stored(self._store, id_, after=before):
                record = pb.Record.FromString(one.data)
                header = pb.EntryHeader.FromString(record.header)
                audience.take(header, pb.Facts.FromString(record.facts))
            now = Timestamp()
            now.FromNanoseconds(self._clock())
            roles = roles_of(audience.principals, caller, now)
            sight = sight_of(roles, caller, self.policy)
            if self._brought(id_, caller, sight):
                sight = EVERYTHING
            if audience.version != before:
                self._resize(id_, kept)
            nothing = sight == NOTHING or (sight == PUBLIC and not audience.shows(sight))
            if nothing or not audience.version:
                not_found(id_)
            if viewer_participant_id:
                whole, sight = sight, seen_by(viewer_participant_id, roles, sight)
                if not audience.knows(viewer_participant_id, whole):
                    refuse(
                        pb.ERROR_REASON_PART_NOT_FOUND,
                        f"There is no participant {quoted(viewer_participant_id)} in this"
                        " negotiation.",
                        "viewer_participant_id",
                        id=viewer_participant_id,
                    )
            view = ViewerScope(sight, audience.version, audience)
            if self._is_told and not _ends(audience, caller):
                self._note(id_, (caller, viewer_participant_id), view, commits)
            return view

    def check_admitted(self, id_: str, caller: str) -> None:
        """Refuse a stranger before anything of a negotiation is looked at.

        It takes the same steps where there is none. Blocks on the store.
        """
        if self.surely_admits(id_, caller):
            return
        public = self.policy.lets(caller, self.policy.public)
        admitted = self._admits(id_, caller, public=public)
        if not admitted and not self._brought(id_, caller, NOTHING):
            not_found(id_)
        self.admit(id_, caller)

    def surely_admits(self, id_: str, caller: str) -> bool:
        """Whether it is known, without asking the store, that a caller is no stranger there.

        Never blocks.
        """
        if self.policy.audits(caller):
            return True
        with self._lock:
            return self._admitted.get((id_, caller)) is not None

    def admit(self, id_: str, caller: str) -> None:
        """Note that a caller is no stranger there, or is about to open it. Never blocks."""
        with self._lock:
            self._admitted.put((id_, caller), value=True, size=1)

    def surely(self, name: str, caller: str, viewer_participant_id: str = "") -> CachedScope | None:
        """What a caller sees of a negotiation, by its name, if that is known without the store.

        Never blocks.
        """
        if not viewer_participant_id and self.policy.audits(caller):
            return _EVERYTHING
        with self._lock:
            noted = self._noted.get(name)
            return None if noted is None else noted.get((caller, viewer_participant_id))

    def committed(self, ids: Collection[str]) -> None:
        """There is more of these negotiations in the store, or may be. For any thread."""
        with self._lock:
            self._commits += 1
            for id_ in ids:
                self._noted.drop(f"negotiations/{id_}")

    def _note(self, id_: str, who: tuple[str, str], view: ViewerScope, commits: int) -> None:
        name = f"negotiations/{id_}"
        noted = CachedScope(view.cut(view.version), view.version)
        with self._lock:
            if commits == self._commits:
                known = self._noted.get(name) or {}
                known[who] = noted
                self._noted.put(name, known, len(known))

    def _brought(self, id_: str, caller: str, sight: VisibilityScope) -> bool:
        """Whether it is a copy that this caller brought, who has all of it."""
        if sight.whole:
            return False
        first = self._store.read(COPIES + id_, limit=1)
        return any(pb.Copy.FromString(one.data).copied_by == caller for one in first)

    def _resize(self, id_: str, kept: _AudienceEntry) -> None:
        with self._lock:
            if self._kept.get(id_) in {None, kept}:
                self._kept.put(id_, kept, kept.audience.version)


def _ends(audience: Audience, caller: str) -> bool:
    """Whether access of a caller has an end."""
    known = audience.principals.get(caller)
    return known is not None and any(one.facts.HasField("end_time") for one in known.grants)
