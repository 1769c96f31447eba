"""What both clients share: their requests, when a call is tried again, and when a replay is whole.

Pure but for new ids and the clock: neither waits nor sends.
"""
# ruff: noqa: A002 (the id of a negotiation is called id)

import re
import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from random import SystemRandom
from typing import TypeAlias

from pourparler import v1 as pb
from pourparler.drafts.values import (
    Choice,
    Point,
    Ref,
    Refs,
    choice,
    edtf,
    instant,
    negotiation_name,
    point,
    ref,
    refs,
)
from pourparler.errors import Overloaded, PourparlerError, ReplayCut, Unavailable
from pourparler.transparency.checkpoint import VerifierKey

TARGET = "127.0.0.1:50710"
"""Where the service listens unless it is told otherwise."""

TIMEOUT = 10.0
"""How long a call may take in all, in seconds, with every time that it is tried again."""

PART_BYTES = 1 << 18
"""How many bytes of a bundle are sent in a part."""

CHANNEL_OPTIONS = (
    # A state is as long as its history: what may be received is bounded, and the bound is wide.
    ("grpc.max_receive_message_length", 256 << 20),
    # A service that is gone without a word is noticed, also by who waits for the rest of a replay.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # A service that comes back is found within the time that a call has.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # A proxy for the world outside need not lead to the service, least of all on this machine.
    ("grpc.enable_http_proxy", 0),
)

STALL = 45.0
"""How long a watch waits for a sign of the service, in seconds; one is due every 15."""

RECORD = "/pourparler.v1.RecordService/RecordEntries"
BATCH = "/pourparler.v1.RecordService/BatchRecordEntries"
SESSION = "/pourparler.v1.RecordService/StreamRecordEntries"
REPLAY = "/pourparler.v1.AuditService/ReplayEntries"

PROVING: Mapping[type, str] = {
    pb.GetCheckpointRequest: "GetCheckpoint",
    pb.GetInclusionProofRequest: "GetInclusionProof",
    pb.GetConsistencyProofRequest: "GetConsistencyProof",
}
"""By which call of the AuditService each of its requests is sent."""

Pointed: TypeAlias = pb.GetNegotiationRequest | pb.GetStatusReportRequest
Computed: TypeAlias = pb.GetNegotiationResponse | pb.GetStatusReportResponse

_SINCE = "~"  # in no cursor of the service
_CURSOR = re.compile(rf"(?P<token>[\w=-]*){_SINCE}(?P<given>\d{{1,9}})", re.ASCII)
_DRAW = SystemRandom().uniform
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Budget:
    """The time that one logical call may take in all, however often it is tried. Of one thread."""

    def __init__(
        self,
        seconds: float,
        *,
        renews: Callable[[PourparlerError], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[float, float], float] = _DRAW,
    ) -> None:
        self._renews = renews
        self._renewed = False
        self._clock = clock
        self._draw = draw
        self._end = clock() + seconds
        self._tries = 0

    def left(self) -> float:
        """The seconds that are left."""
        return max(self._end - self._clock(), 0.0)

    def pause(self, error: PourparlerError) -> float | None:
        """The seconds to wait before the call is tried again; None if it is not to be.

        Tried again are calls that did not reach the service or its store, and those that it asks
        to be repeated later; and once, at once, those for which what expired is renewed. All others
        would fail again, or mean something else by then.
        """
        if self._renews is not None and self._renews(error):
            once, self._renewed = not self._renewed, True
            return 0.0 if once else None
        asked = isinstance(error, Overloaded) and error.retry_after is not None
        if not isinstance(error, Unavailable) and not asked:
            return None
        # Full jitter: callers who failed together do not come back together.
        longest = min(_FIRST_PAUSE * 2**self._tries, _LONGEST_PAUSE)
        pause = (error.retry_after or 0.0) + self._draw(0.0, longest)
        self._tries += 1
        return pause if pause < self.left() else None


class Progress:
    """How far a replay has come. Owned by the generator that reads it."""

    def __init__(self) -> None:
        self.begun = False
        self.complete: pb.ReplayComplete | None = None
        self.possible_versions: set[int] = set()
        self.last_version: int | None = None

    def take(self, message: pb.ReplayEntriesResponse) -> Sequence[pb.Entry]:
        """The entries of the next message."""
        self.begun = True
        self.possible_versions.update(message.possible_versions)
        if message.entries:
            self.last_version = message.entries[-1].header.version
        if message.HasField("complete"):
            self.complete = message.complete
        return message.entries

    def end(self) -> None:
        """Raise if the replay has ended before it was complete."""
        if self.complete is None:
            raise self._cut("It ended without saying that it is complete.")

    def broken(self, error: PourparlerError) -> PourparlerError:
        """What an error comes to that ends a replay which has begun."""
        return self._cut(error.message, error.reason) if isinstance(error, Unavailable) else error

    def _cut(self, why: str, reason: str = "") -> ReplayCut:
        last = "its first entry" if self.last_version is None else f"version {self.last_version}"
        place = "before" if self.last_version is None else "after"
        error = ReplayCut(f"The replay was cut {place} {last}. {why}", reason=reason)
        error.last_version = self.last_version
        return error


class Watching:
    """How far a watch has come, over all its calls. Owned by the generator that reads it.

    A cursor of the service stands for the end of a message. Ours can stand within one: it is that
    of the message before, and how many entries were given since.
    """

    def __init__(self, request: pb.ReplayEntriesRequest) -> None:
        ours = _CURSOR.fullmatch(request.cursor)  # else the service says that it is none
        self._request = request
        self._token = ours["token"] if ours else request.cursor
        self._given = int(ours["given"]) if ours else 0
        self._skipping = 0
        self.caught_up: pb.ReplayCaughtUp | None = None
        self.away: PourparlerError | None = None

    @property
    def cursor(self) -> str:
        """Where another watch goes on: after the last entry that was given."""
        return f"{self._token}{_SINCE}{self._given}" if self._given else self._token

    def request(self) -> pb.ReplayEntriesRequest:
        """The request of a call that goes on from here."""
        request = pb.ReplayEntriesRequest()
        request.CopyFrom(self._request)
        request.cursor = self._token
        if self._token:
            request.after_version = 0
        self._skipping = self._given
        return request

    def take(self, message: pb.ReplayEntriesResponse) -> Iterator[pb.Entry]:
        """The entries of the next message that were not given before."""
        self.away = None
        entries = message.entries[self._skipping :]
        self._skipping -= len(message.entries) - len(entries)
        for place, entry in enumerate(entries, start=1):
            self._given += 1
            if place == len(entries):
                self._reach(message.cursor)
            yield entry
        if not entries:
            self._reach(message.cursor)
        if message.HasField("caught_up"):
            self.caught_up = message.caught_up

    def _reach(self, cursor: str) -> None:
        self._token, self._given = cursor, self._skipping


def watch_ended() -> PourparlerError:
    """What it comes to when a watch ends, which has no end."""
    return Unavailable("The service ended the watch.")


def watch_silent() -> PourparlerError:
    """What it comes to when nothing is heard of a watch for too long."""
    return Unavailable("Nothing was heard from the service in time.")


def new_id() -> str:
    """A new UUID of version 7 (RFC 9562), which begins with the time."""
    value = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62
    return str(uuid.UUID(int=value))


def group(
    name: str,
    *drafts: pb.Draft,
    request_id: str | None = None,
    expected_version: int | None = None,
    validate_only: bool = False,
) -> pb.RecordEntriesRequest:
    """A group of entries to be recorded, with the request id by which it is recorded only once."""
    return pb.RecordEntriesRequest(
        negotiation=negotiation_name(name),
        request_id=request_id or new_id(),
        expected_version=expected_version,
        validate_only=validate_only,
        drafts=drafts,
    )


def copy_requests(
    parts: Iterable[bytes], keys: Iterable[VerifierKey | str]
) -> Iterator[pb.ImportNegotiationRequest]:
    """The requests to take a copy of what a bundle holds: its parts, the keys before them."""
    yield pb.ImportNegotiationRequest(verifier_keys=[str(key) for key in keys])
    for part in parts:
        yield pb.ImportNegotiationRequest(chunk=part)


def erase_request(
    name: str, participant: str, legal_basis: str, authority: str, request_id: str | None
) -> pb.EraseSubjectRequest:
    """The request to have a person's words destroyed."""
    return pb.EraseSubjectRequest(
        name=negotiation_name(name),
        participant_id=participant,
        legal_basis=legal_basis,
        authority=authority,
        request_id=request_id or new_id(),
    )


def open_request(
    id: str | None, drafts: Iterable[pb.Draft], request_id: str | None, *, validate_only: bool
) -> pb.RecordEntriesRequest:
    """The request to open a negotiation.

    Where no id is given, the request id is the id of the negotiation too, so that whoever repeats
    the request finds what it made. One that cannot be an id leaves it to the service to make one.
    """
    request_id = request_id or new_id()
    known = id or (request_id if _ID.fullmatch(request_id) else "")
    return pb.RecordEntriesRequest(
        negotiation=negotiation_name(known) if known else "",
        request_id=request_id,
        expected_version=0,
        validate_only=validate_only,
        drafts=drafts,
    )


def get_request(
    name: str,
    as_of: Point | None,
    occurred: date | str | None,
    view: Choice,
    viewer_participant_id: Ref = "",
) -> pb.GetNegotiationRequest:
    """The request for a state."""
    return pb.GetNegotiationRequest(
        name=negotiation_name(name),
        as_of=point(as_of, occurred),
        view=choice(pb.NegotiationView, view),
        viewer_participant_id=ref(viewer_participant_id),
    )


def replay_request(
    name: str,
    *,
    after: int,
    as_of: Point | None,
    occurred: date | str | None,
    types: str | Iterable[str],
    participants: Refs,
    topics: Refs,
    bases: Choice | Iterable[Choice],
    reverse: bool,
    limit: int | None,
    viewer_participant_id: Ref = "",
) -> pb.ReplayEntriesRequest:
    """The request for a history."""
    return pb.ReplayEntriesRequest(
        name=negotiation_name(name),
        after_version=after,
        as_of=point(as_of, occurred),
        entry_types=[types] if isinstance(types, str) else types,
        participant_ids=refs(participants),
        topic_ids=refs(topics),
        bases=[choice(pb.Basis, one) for one in _several(bases)],
        reverse=reverse,
        limit=limit or 0,
        viewer_participant_id=ref(viewer_participant_id),
    )


def watch_request(
    name: str,
    *,
    after: int,
    cursor: str,
    types: str | Iterable[str],
    participants: Refs,
    bases: Choice | Iterable[Choice],
    viewer_participant_id: Ref = "",
) -> pb.ReplayEntriesRequest:
    """The request for a history that goes on with what comes."""
    return pb.ReplayEntriesRequest(
        name=negotiation_name(name),
        after_version=after,
        entry_types=[types] if isinstance(types, str) else types,
        participant_ids=refs(participants),
        bases=[choice(pb.Basis, one) for one in _several(bases)],
        follow=True,
        cursor=cursor,
        viewer_participant_id=ref(viewer_participant_id),
    )


def standing_request(
    name: str,
    as_of: Point | None,
    occurred: date | str | None,
    on: date | str | None,
    viewer_participant_id: Ref = "",
) -> pb.GetStatusReportRequest:
    """The request for a standing."""
    return pb.GetStatusReportRequest(
        name=negotiation_name(name),
        as_of=point(as_of, occurred),
        on_date="" if on is None else edtf(on),
        viewer_participant_id=ref(viewer_participant_id),
    )


def diff_request(
    name: str, start: Point | None, end: Point | None, viewer_participant_id: Ref = ""
) -> pb.DiffNegotiationRequest:
    """The request for what changed."""
    return pb.DiffNegotiationRequest(
        name=negotiation_name(name),
        start=point(start),
        end=point(end),
        viewer_participant_id=ref(viewer_participant_id),
    )


def list_request(
    *,
    statuses: Choice | Iterable[Choice],
    outcomes: Choice | Iterable[Choice],
    participant: str,
    title_contains: str,
    open_start_time: datetime | None,
    open_end_time: datetime | None,
    page_size: int,
    viewer_participant_id: Ref,
) -> pb.ListNegotiationsRequest:
    """The request for the first page of a list."""
    return pb.ListNegotiationsRequest(
        page_size=page_size,
        statuses=[choice(pb.NegotiationStatus, one) for one in _several(statuses)],
        outcomes=[choice(pb.Outcome, one) for one in _several(outcomes)],
        participant_id=participant,
        title_contains=title_contains,
        open_start_time=None if open_start_time is None else instant(open_start_time),
        open_end_time=None if open_end_time is None else instant(open_end_time),
        viewer_participant_id=ref(viewer_participant_id),
    )


def search_request(
    query: str,
    *,
    names: str | Iterable[str],
    speakers: Refs,
    participants: Refs,
    topics: Refs,
    types: str | Iterable[str],
    bases: Choice | Iterable[Choice],
    occur_start_date: date | str | None,
    occur_end_date: date | str | None,
    occurred_match: Choice,
    record_start_time: datetime | None,
    record_end_time: datetime | None,
    only_current: bool,
    order: Choice | None,
    page_size: int,
    viewer_participant_id: Ref,
) -> pb.SearchEntriesRequest:
    """The request for the first page of a search."""
    several = [names] if isinstance(names, str) else names
    return pb.SearchEntriesRequest(
        query=query,
        names=[negotiation_name(one) for one in several],
        speaker_ids=refs(speakers),
        participant_ids=refs(participants),
        topic_ids=refs(topics),
        entry_types=[types] if isinstance(types, str) else types,
        bases=[choice(pb.Basis, one) for one in _several(bases)],
        occur_start_date="" if occur_start_date is None else edtf(occur_start_date),
        occur_end_date="" if occur_end_date is None else edtf(occur_end_date),
        occurred_match=choice(pb.OccurredMatch, occurred_match),
        record_start_time=None if record_start_time is None else instant(record_start_time),
        record_end_time=None if record_end_time is None else instant(record_end_time),
        only_current=only_current,
        order=pb.SEARCH_ORDER_UNSPECIFIED if order is None else choice(pb.SearchOrder, order),
        page_size=page_size,
        viewer_participant_id=ref(viewer_participant_id),
    )


def _several(given: Choice | Iterable[Choice]) -> Iterable[Choice]:
    return [given] if isinstance(given, int | str) else given
