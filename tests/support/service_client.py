"""The stubs of a running service for tests, and the details of its errors."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2_grpc

from pourparler import v1 as pb
from pourparler.v1 import (
    audit_service_pb2_grpc,
    negotiation_service_pb2_grpc,
    record_service_pb2_grpc,
)
from pourparler_service.api.error_status import failure_message
from pourparler_service.domain.refusal import RefusalError, Violation

_DETAILS: tuple[Any, ...] = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.BadRequest,
    error_details_pb2.PreconditionFailure,
    error_details_pb2.RetryInfo,
)


class Service:
    """The stubs of a service at an address, with short methods for tests."""

    def __init__(self, address: str, channel: grpc.Channel) -> None:
        self.address = address
        self.channel = channel
        self.records: Any = record_service_pb2_grpc.RecordServiceStub(channel)
        self.negotiations: Any = negotiation_service_pb2_grpc.NegotiationServiceStub(channel)
        self.audits: Any = audit_service_pb2_grpc.AuditServiceStub(channel)
        self.health: Any = health_pb2_grpc.HealthStub(channel)

    def record(self, id_: str, *drafts: pb.Draft, **more: Any) -> pb.Receipt:
        """Record a group of drafts and return the receipt."""
        request = pb.RecordEntriesRequest(negotiation=f"negotiations/{id_}", drafts=drafts, **more)
        response: pb.RecordEntriesResponse = self.records.RecordEntries(request, timeout=10)
        return response.receipt

    def state(self, id_: str, as_of: pb.AsOf | None = None) -> pb.GetNegotiationResponse:
        """Return the state of a negotiation."""
        request = pb.GetNegotiationRequest(name=f"negotiations/{id_}", as_of=as_of)
        response: pb.GetNegotiationResponse = self.negotiations.GetNegotiation(request, timeout=10)
        return response

    def replay(self, id_: str, **more: Any) -> list[pb.ReplayEntriesResponse]:
        """Return all messages of a replay."""
        request = pb.ReplayEntriesRequest(name=f"negotiations/{id_}", **more)
        return list(self.audits.ReplayEntries(request, timeout=10))

    def raw(self, method: str, data: bytes, *, stream: bool = False, timeout: float = 10) -> Any:
        """Call a method with bytes, and return the bytes of its responses."""
        channel: Any = self.channel
        if not stream:
            return channel.unary_unary(method)(data, timeout=timeout)
        return list(channel.unary_stream(method)(data, timeout=timeout))


@contextmanager
def connected(address: str, options: Sequence[tuple[str, Any]] = ()) -> Iterator[Service]:
    """Connect to a service for the length of a `with` block."""
    with grpc.insecure_channel(address, options=options) as channel:
        yield Service(address, channel)


class Answered(NamedTuple):
    """The details of an error."""

    code: grpc.StatusCode
    text: str
    reason: str = ""
    metadata: Mapping[str, str] = {}
    fields: Sequence[str] = ()
    retry_seconds: float | None = None

    @property
    def field(self) -> str:
        """The path of the first field."""
        return self.metadata.get("field", "")


def refused(call: Callable[[], object]) -> Answered:
    """Return the details of the error of a call. Each error of the service has details."""
    try:
        call()
    except grpc.RpcError as error:
        return answered_by(error)
    raise AssertionError("it was not refused")


def answered_by(error: Any) -> Answered:
    """Return the details of an RpcError."""
    trailers = dict(error.trailing_metadata() or ())
    status = Status.FromString(trailers.get("grpc-status-details-bin", b""))
    if not status.details:
        return Answered(error.code(), error.details())
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    return answered_with(status)


def failure(reason: pb.ErrorReason.ValueType) -> pb.RecordOutcome:
    """Return the outcome of a failed group that a client retries at once."""
    made = failure_message(RefusalError([Violation(reason, "", "As the test tells it.", {})]))
    for detail in made.status.details:
        if detail.type_url.endswith("/google.rpc.RetryInfo"):
            detail.Pack(error_details_pb2.RetryInfo())
    return pb.RecordOutcome(failure=made)


def answered_with(status: Status) -> Answered:
    """Return the details of a status: of an error, or of one group of a batch."""
    code = next(one for one in grpc.StatusCode if one.value[0] == status.code)
    details: dict[type, Any] = {}
    for packed in status.details:
        for known in _DETAILS:
            if packed.Is(known.DESCRIPTOR):
                details[known] = known()
                packed.Unpack(details[known])
    assert len(details) == len(status.details)
    info = details[error_details_pb2.ErrorInfo]
    assert info.domain == "pourparler"
    bad = details.get(error_details_pb2.BadRequest)
    failed = details.get(error_details_pb2.PreconditionFailure)
    retry = details.get(error_details_pb2.RetryInfo)
    assert (bad is not None) == (code is grpc.StatusCode.INVALID_ARGUMENT)
    assert (failed is not None) == (code is grpc.StatusCode.FAILED_PRECONDITION)
    return Answered(
        code,
        status.message,
        info.reason,
        dict(info.metadata),
        [one.field for one in bad.field_violations] if bad else [],
        retry.retry_delay.ToTimedelta().total_seconds() if retry else None,
    )
