"""Any bytes and messages at every method: the answer is never UNKNOWN or INTERNAL."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pourparler import v1 as pb
from pourparler.schema.contract import is_repeated
from tests.fuzz.targets import PATHS, SEEDS, TARGETS, Answering
from tests.support.sample_entries import draft as plain
from tests.support.sample_entries import joined, opened, said
from tests.support.service_client import Service, answered_by
from tests.support.service_process import UNMEASURED

REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
SESSION = "/pourparler.v1.RecordService/StreamRecordEntries"
METHODS: dict[str, type[Message]] = {
    "/pourparler.v1.RecordService/RecordEntries": pb.RecordEntriesRequest,
    "/pourparler.v1.RecordService/BatchRecordEntries": pb.BatchRecordEntriesRequest,
    SESSION: pb.StreamRecordEntriesRequest,
    "/pourparler.v1.NegotiationService/GetNegotiation": pb.GetNegotiationRequest,
    "/pourparler.v1.NegotiationService/ListNegotiations": pb.ListNegotiationsRequest,
    "/pourparler.v1.NegotiationService/GetStatusReport": pb.GetStatusReportRequest,
    "/pourparler.v1.NegotiationService/DiffNegotiation": pb.DiffNegotiationRequest,
    "/pourparler.v1.NegotiationService/SearchEntries": pb.SearchEntriesRequest,
    "/pourparler.v1.AuditService/ReplayEntries": pb.ReplayEntriesRequest,
}
FAULTS = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNIMPLEMENTED}
NAMES = ["negotiations/fuzzed", "negotiations/other", "fuzzed", "a", "s", "t", "1", "2022-10", ""]


@pytest.fixture(scope="module")
def fuzzed(service: Service) -> Service:
    service.record("fuzzed", opened(), joined("a"), joined("s"), said("t", "a"))
    return service


def outcome(service: Service, method: str, data: bytes) -> grpc.StatusCode | None:
    """The code of the error in which a call ends, which says its reason; None if it went well."""
    call: Any = service.channel.unary_stream(method)
    streams = method in {REFLECTION, SESSION}
    if streams:
        call = service.channel.stream_stream(method)
    try:
        list(call(iter([data]) if streams else data, timeout=10))
    except grpc.RpcError as error:
        answered = answered_by(error)
        assert answered.reason
        return answered.code
    return None


quickly = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("method", [*METHODS, REFLECTION, "/grpc.health.v1.Health/Check"])
@quickly
@given(data=st.binary(max_size=200))
def test_any_bytes_are_answered(fuzzed: Service, method: str, data: bytes) -> None:
    assert outcome(fuzzed, method, data) not in FAULTS


def messages(kind: Any, depth: int = 5) -> st.SearchStrategy[Any]:
    """Messages of a type with anything at all in their fields, often what means something."""
    fields = [one for one in kind.fields if depth or one.message_type is None]
    oneofs = [
        st.sampled_from(list(group.fields))
        for group in kind.oneofs
        if any(one in fields for one in group.fields)
    ]

    @st.composite
    def draw_message(draw: st.DrawFn) -> Any:
        message = GetMessageClass(kind)()
        chosen = draw(st.lists(st.sampled_from(fields), max_size=6, unique_by=id)) if fields else []
        chosen += [draw(one) for one in oneofs if draw(st.booleans())]
        for field in chosen:
            _fill(draw, message, field, depth)
        return message

    return draw_message()


def _fill(draw: st.DrawFn, message: Any, field: Any, depth: int) -> None:
    if field.message_type is not None:
        if not depth:
            return
        value = draw(messages(field.message_type, depth - 1))
        if is_repeated(field):
            getattr(message, field.name).append(value)
        else:
            getattr(message, field.name).CopyFrom(value)
    elif is_repeated(field):
        getattr(message, field.name).append(draw(_scalars(field)))
    else:
        setattr(message, field.name, draw(_scalars(field)))


def _scalars(field: Any) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from([*(one.number for one in field.enum_type.values), 99, -1])
    if field.type == field.TYPE_BYTES:
        return st.binary(max_size=40)
    return {
        field.CPPTYPE_STRING: st.sampled_from(NAMES) | st.text(max_size=12),
        field.CPPTYPE_BOOL: st.booleans(),
        field.CPPTYPE_INT32: st.integers(-(1 << 31), (1 << 31) - 1),
        field.CPPTYPE_INT64: st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(0, 1 << 33),
        field.CPPTYPE_UINT32: st.integers(0, (1 << 32) - 1),
        field.CPPTYPE_UINT64: st.integers(0, (1 << 64) - 1) | st.integers(0, 8),
    }[field.cpp_type]


@pytest.mark.parametrize("method", METHODS)
@quickly
@given(data=st.data())
def test_any_message_is_answered(fuzzed: Service, method: str, data: st.DataObject) -> None:
    request = data.draw(messages(METHODS[method].DESCRIPTOR))

    assert outcome(fuzzed, method, request.SerializeToString()) not in FAULTS


@st.composite
def hostile_drafts(draw: st.DrawFn) -> pb.Draft:
    """A draft of some type that has all of its required words, and anything at all besides."""
    field = draw(st.sampled_from(list(pb.Facts.DESCRIPTOR.oneofs_by_name["event"].fields)))
    result: pb.Draft = plain(draw(messages(field.message_type, 2)))
    result.MergeFrom(draw(messages(pb.Draft.DESCRIPTOR, 3)) if draw(st.booleans()) else pb.Draft())
    return result


@quickly
@given(drafts=st.lists(hostile_drafts(), min_size=1, max_size=3))
def test_any_drafts_are_answered(fuzzed: Service, drafts: list[pb.Draft]) -> None:
    request = pb.RecordEntriesRequest(negotiation="negotiations/fuzzed", drafts=drafts)

    assert (
        outcome(fuzzed, "/pourparler.v1.RecordService/RecordEntries", request.SerializeToString())
        not in FAULTS
    )


# Every method, without a connection: what the handlers make of it.


@pytest.fixture(scope="module")
def answering() -> Iterator[Answering]:
    asked = Answering()
    yield asked
    asked.close()


def input_of(path: str) -> Any:
    """The type of the requests of a method."""
    pool: Any = descriptor_pool.Default()
    service, _, method = path.removeprefix("/").partition("/")
    return pool.FindServiceByName(service).methods_by_name[method].input_type


@pytest.mark.parametrize("path", PATHS)
@quickly
@given(sent=st.lists(st.binary(max_size=100), min_size=1, max_size=3))
def test_no_method_is_at_fault_whatever_the_bytes(
    answering: Answering, path: str, sent: list[bytes]
) -> None:
    answering.call(path, *sent)


@pytest.mark.parametrize("path", PATHS)
@settings(quickly, max_examples=40)
@given(data=st.data())
def test_no_method_is_at_fault_whatever_the_messages(
    answering: Answering, path: str, data: st.DataObject
) -> None:
    several = st.lists(messages(input_of(path)), min_size=1, max_size=3)

    answering.call(path, *(one.SerializeToString() for one in data.draw(several)))


@pytest.mark.parametrize("target", sorted(set(TARGETS) - {"calls"}))
@quickly
@given(data=st.binary(max_size=200))
def test_no_reader_is_at_fault_whatever_the_bytes(target: str, data: bytes) -> None:
    TARGETS[target](data)


@pytest.mark.parametrize("target", SEEDS)
def test_fuzzing_begins_with_what_can_be_read(target: str) -> None:
    for seed in SEEDS[target]:
        TARGETS[target](seed)


FUZZING = Path("build/fuzz/environment/bin/python")


@pytest.mark.skipif(not FUZZING.exists(), reason="atheris is not here: make fuzz brings it")
@pytest.mark.slow
def test_fuzzing_for_a_short_time_finds_nothing() -> None:
    briefly = ["--minutes", "0.1", "calls", "drafts", "read_bundle"]
    environment = {**UNMEASURED, "PYTHONPATH": "client:service:."}
    ended = subprocess.run([FUZZING, "-m", "tests.fuzz", *briefly], check=False, env=environment)

    assert ended.returncode == 0
