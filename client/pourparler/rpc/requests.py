"""The requests of both clients, from Python values.

Pure but for new ids and the clock.
"""

import re
import secrets
import time
import uuid
from collections.abc import Iterable, Iterator
from datetime import date, datetime

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
from pourparler.transparency.checkpoint import VerifierKey

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def new_id() -> str:
    """Return a new UUID of version 7 (RFC 9562), which begins with the current time."""
    value = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62
    return str(uuid.UUID(int=value))


def record_request(
    name: str,
    *drafts: pb.Draft,
    request_id: str | None = None,
    expected_version: int | None = None,
    validate_only: bool = False,
) -> pb.RecordEntriesRequest:
    """Return a request that records entries together, for `record_batch`.

    The service records each request id only once: to repeat a request, pass the same `request_id`.
    The default is a new UUID.
    """
    return pb.RecordEntriesRequest(
        negotiation=negotiation_name(name),
        request_id=request_id or new_id(),
        expected_version=expected_version,
        validate_only=validate_only,
        drafts=drafts,
    )


def import_requests(
    chunks: Iterable[bytes], verifier_keys: Iterable[VerifierKey | str]
) -> Iterator[pb.ImportNegotiationRequest]:
    """Yield the requests of an import: first the verifier keys, then the chunks of the bundle."""
    yield pb.ImportNegotiationRequest(verifier_keys=[str(key) for key in verifier_keys])
    for chunk in chunks:
        yield pb.ImportNegotiationRequest(chunk=chunk)


def erase_subject_request(
    name: str, participant_id: str, legal_basis: str, authority: str, request_id: str | None
) -> pb.EraseSubjectRequest:
    """Return the request that destroys the words about a person."""
    return pb.EraseSubjectRequest(
        name=negotiation_name(name),
        participant_id=participant_id,
        legal_basis=legal_basis,
        authority=authority,
        request_id=request_id or new_id(),
    )


def open_negotiation_request(
    negotiation_id: str | None,
    drafts: Iterable[pb.Draft],
    request_id: str | None,
    *,
    validate_only: bool,
) -> pb.RecordEntriesRequest:
    """Return the request that opens a negotiation.

    Without an id, the request id is also the id of the negotiation, so that a repeated request
    returns the same receipt. If the request id is no valid id, the service generates one.
    """
    request_id = request_id or new_id()
    resource_id = negotiation_id or (request_id if _ID.fullmatch(request_id) else "")
    return pb.RecordEntriesRequest(
        negotiation=negotiation_name(resource_id) if resource_id else "",
        request_id=request_id,
        expected_version=0,
        validate_only=validate_only,
        drafts=drafts,
    )


def get_negotiation_request(
    name: str,
    as_of: Point | None,
    occur_date: date | str | None,
    view: Choice,
    viewer_participant_id: Ref = "",
) -> pb.GetNegotiationRequest:
    """Return the request for a state."""
    return pb.GetNegotiationRequest(
        name=negotiation_name(name),
        as_of=point(as_of, occur_date),
        view=choice(pb.NegotiationView, view),
        viewer_participant_id=ref(viewer_participant_id),
    )


def replay_request(
    name: str,
    *,
    after_version: int,
    as_of: Point | None,
    occur_date: date | str | None,
    entry_types: str | Iterable[str],
    participants: Refs,
    topics: Refs,
    bases: Choice | Iterable[Choice],
    reverse: bool,
    limit: int | None,
    viewer_participant_id: Ref = "",
) -> pb.ReplayEntriesRequest:
    """Return the request for a replay."""
    return pb.ReplayEntriesRequest(
        name=negotiation_name(name),
        after_version=after_version,
        as_of=point(as_of, occur_date),
        entry_types=[entry_types] if isinstance(entry_types, str) else entry_types,
        participant_ids=refs(participants),
        topic_ids=refs(topics),
        bases=[choice(pb.Basis, one) for one in _as_iterable(bases)],
        reverse=reverse,
        limit=limit or 0,
        viewer_participant_id=ref(viewer_participant_id),
    )


def watch_request(
    name: str,
    *,
    after_version: int,
    cursor: str,
    entry_types: str | Iterable[str],
    participants: Refs,
    bases: Choice | Iterable[Choice],
    viewer_participant_id: Ref = "",
) -> pb.ReplayEntriesRequest:
    """Return the request for a replay that waits for new entries."""
    return pb.ReplayEntriesRequest(
        name=negotiation_name(name),
        after_version=after_version,
        entry_types=[entry_types] if isinstance(entry_types, str) else entry_types,
        participant_ids=refs(participants),
        bases=[choice(pb.Basis, one) for one in _as_iterable(bases)],
        follow=True,
        cursor=cursor,
        viewer_participant_id=ref(viewer_participant_id),
    )


def status_report_request(
    name: str,
    as_of: Point | None,
    occur_date: date | str | None,
    on_date: date | str | None,
    viewer_participant_id: Ref = "",
) -> pb.GetStatusReportRequest:
    """Return the request for a status report."""
    return pb.GetStatusReportRequest(
        name=negotiation_name(name),
        as_of=point(as_of, occur_date),
        on_date="" if on_date is None else edtf(on_date),
        viewer_participant_id=ref(viewer_participant_id),
    )


def diff_request(
    name: str, start: Point | None, end: Point | None, viewer_participant_id: Ref = ""
) -> pb.DiffNegotiationRequest:
    """Return the request for the changes between two points."""
    return pb.DiffNegotiationRequest(
        name=negotiation_name(name),
        start=point(start),
        end=point(end),
        viewer_participant_id=ref(viewer_participant_id),
    )


def list_negotiations_request(
    *,
    statuses: Choice | Iterable[Choice],
    outcomes: Choice | Iterable[Choice],
    participant_id: str,
    title_contains: str,
    open_start_time: datetime | None,
    open_end_time: datetime | None,
    page_size: int,
    viewer_participant_id: Ref,
) -> pb.ListNegotiationsRequest:
    """Return the request for the first page of the negotiations."""
    return pb.ListNegotiationsRequest(
        page_size=page_size,
        statuses=[choice(pb.NegotiationStatus, one) for one in _as_iterable(statuses)],
        outcomes=[choice(pb.Outcome, one) for one in _as_iterable(outcomes)],
        participant_id=participant_id,
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
    entry_types: str | Iterable[str],
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
    """Return the request for the first page of the hits."""
    several = [names] if isinstance(names, str) else names
    return pb.SearchEntriesRequest(
        query=query,
        names=[negotiation_name(one) for one in several],
        speaker_ids=refs(speakers),
        participant_ids=refs(participants),
        topic_ids=refs(topics),
        entry_types=[entry_types] if isinstance(entry_types, str) else entry_types,
        bases=[choice(pb.Basis, one) for one in _as_iterable(bases)],
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


def _as_iterable(values: Choice | Iterable[Choice]) -> Iterable[Choice]:
    return [values] if isinstance(values, int | str) else values
