"""Who sees what of each negotiation: read from its entries as they come, and kept."""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler_service import history, shape, views
from pourparler_service.bounded import Bounded
from pourparler_service.past import not_found
from pourparler_service.refusal import quoted, refuse
from pourparler_service.store import COPIES, Entries, Store, Stored
from pourparler_service.views import EVERYTHING, NOTHING, PUBLIC, Audience, Policy, Sight

KEPT_ENTRIES = 4_000_000
"""Of how many entries together it is kept who may see them."""


_MOST_NOTED = 100_000
_MOST_ADMITTED = 100_000


class View(NamedTuple):
    """What somebody sees of a negotiation, as its entries have it up to a version."""

    sight: Sight
    version: int = 0
    audience: Audience = Audience()
    """Not for who sees everything: nothing has to be looked up then."""

    def cut(self, upto: int) -> "Cut":
        """What the entries up to a version are cut to."""
        return Cut(self.sight, self.audience.disclosures(min(upto, self.version)))


class Cut(NamedTuple):
    """What entries are cut to.

    Where it is equal at two versions, what is seen of an entry is the same at both.
    """

    sight: Sight
    disclosures: int
    """How often more was disclosed: then earlier entries are seen that were not."""


class Noted(NamedTuple):
    """What somebody surely sees of a negotiation, and its version."""

    cut: Cut
    version: int = 0
    """Not for who sees everything."""


WHOLE = View(EVERYTHING)
_EVERYTHING = Noted(Cut(EVERYTHING, 0))


class Admits(Protocol):
    """Says quickly who may see anything, or could: where there is no such negotiation, nobody."""

    def __call__(self, id_: str, principal: str, /, *, public: bool) -> bool:
        """Whether a principal has, or had, access to it; or anything in it is public."""


def _everybody(_id: str, _principal: str, *, public: bool) -> bool:  # noqa: ARG001 - a protocol's
    return True


@dataclass(slots=True, eq=False)
class _Kept:
    audience: Audience = field(default_factory=Audience)
    lock: threading.Lock = field(default_factory=threading.Lock)  # guards the audience


class Sights:
    """Looks up what callers see. For any thread."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        *,
        admits: Admits = _everybody,
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
        self._kept: Bounded[str, _Kept] = Bounded(kept_entries)
        self._noted: Bounded[str, dict[tuple[str, str], Noted]] = Bounded(_MOST_NOTED)
        self._admitted: Bounded[tuple[str, str], bool] = Bounded(_MOST_ADMITTED)
        self._commits = 0

    def of(self, id_: str, caller: str, viewer_participant_id: str = "") -> View:
        """What a caller sees of a negotiation, perhaps as a participant would.

        Blocks on the store. Refuses in the same words a negotiation that is not there, and one of
        which the caller sees nothing.
        """
        if not viewer_participant_id and self.policy.audits(caller):
            return WHOLE
        if viewer_participant_id:
            shape.check_id(viewer_participant_id, "viewer_participant_id")
        self.check_admitted(id_, caller)
        with self._lock:
            commits = self._commits  # before the store is read
            kept = self._kept.get(id_) or _Kept()
        with kept.lock:
            audience = kept.audience
            before = audience.version
            for one in history.stored(self._store, id_, after=before):
                record = pb.Record.FromString(one.data)
                header = pb.EntryHeader.FromString(record.header)
                audience.take(header, pb.Facts.FromString(record.facts))
            now = Timestamp()
            now.FromNanoseconds(self._clock())
            roles = views.roles_of(audience.principals, caller, now)
            sight = views.sight_of(roles, caller, self.policy)
            if self._brought(id_, caller, sight):
                sight = EVERYTHING
            if audience.version != before:
                self._resize(id_, kept)
            nothing = sight == NOTHING or (sight == PUBLIC and not audience.shows(sight))
            if nothing or not audience.version:
                not_found(id_)
            if viewer_participant_id:
                whole, sight = sight, views.seen_by(viewer_participant_id, roles, sight)
                if not audience.knows(viewer_participant_id, whole):
                    refuse(
                        pb.ERROR_REASON_PART_NOT_FOUND,
                        f"There is no participant {quoted(viewer_participant_id)} in this"
                        " negotiation.",
                        "viewer_participant_id",
                        id=viewer_participant_id,
                    )
            view = View(sight, audience.version, audience)
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

    def surely(self, name: str, caller: str, viewer_participant_id: str = "") -> Noted | None:
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

    def _note(self, id_: str, who: tuple[str, str], view: View, commits: int) -> None:
        name = f"negotiations/{id_}"
        noted = Noted(view.cut(view.version), view.version)
        with self._lock:
            if commits == self._commits:
                known = self._noted.get(name) or {}
                known[who] = noted
                self._noted.put(name, known, len(known))

    def _brought(self, id_: str, caller: str, sight: Sight) -> bool:
        """Whether it is a copy that this caller brought, who has all of it."""
        if sight.whole:
            return False
        first = self._store.read(COPIES + id_, limit=1)
        return any(pb.Copy.FromString(one.data).copied_by == caller for one in first)

    def _resize(self, id_: str, kept: _Kept) -> None:
        with self._lock:
            if self._kept.get(id_) in {None, kept}:
                self._kept.put(id_, kept, kept.audience.version)


def _ends(audience: Audience, caller: str) -> bool:
    """Whether access of a caller has an end."""
    known = audience.principals.get(caller)
    return known is not None and any(one.facts.HasField("end_time") for one in known.grants)


class CutStore:
    """The entries of one negotiation as they are seen: of what is not, the header alone."""

    def __init__(self, store: Entries, view: View) -> None:
        """Cut what is in this store."""
        self._store = store
        self._view = view
        self.version = view.version
        """Up to which it is known what is seen."""

    def read(
        self,
        negotiation: str,
        *,
        after: int = 0,
        upto: int | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> list[Stored]:
        """As of a store. What was disclosed after `upto` was not disclosed then."""
        upto = self.version if upto is None else min(upto, self.version)
        found = self._store.read(negotiation, after=after, upto=upto, reverse=reverse, limit=limit)
        seen = self._view.audience.seen(self._view.sight, upto)
        return [
            one if seen(one.version) else one._replace(data=views.header_alone(one.data))
            for one in found
        ]

    def last_version(self, negotiation: str) -> int:
        """As of a store."""
        beside = negotiation.startswith(COPIES)
        return self._store.last_version(negotiation) if beside else self.version
