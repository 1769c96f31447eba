"""Reflection, in both of its versions: a client that knows nothing can find out how to call."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2

from tests.support.service_client import Service, refused

VERSIONS = ("v1", "v1alpha")
Asked = reflection_pb2.ServerReflectionRequest


def reflect(
    service: Service, version: str, *asked: Asked
) -> list[reflection_pb2.ServerReflectionResponse]:
    call = service.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=Asked.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    return list(call(iter(asked), timeout=10))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_services_are_listed(service: Service, version: str) -> None:
    (answer,) = reflect(service, version, Asked(list_services=""))

    assert [one.name for one in answer.list_services_response.service] == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        "pourparler.v1.AuditService",
        "pourparler.v1.NegotiationService",
        "pourparler.v1.PrivacyService",
        "pourparler.v1.RecordService",
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_listed_service_can_be_looked_up_with_all_it_needs(
    service: Service, version: str
) -> None:
    (listed,) = reflect(service, version, Asked(list_services=""))
    names = [one.name for one in listed.list_services_response.service]

    answers = reflect(service, version, *(Asked(file_containing_symbol=one) for one in names))

    files = [files_of(answer) for answer in answers]
    assert all(files)
    found = {file.name: file for some in files for file in some}
    missing = {needed for file in found.values() for needed in file.dependency} - found.keys()
    for answer in reflect(service, version, *(Asked(file_by_filename=one) for one in missing)):
        assert files_of(answer)


def files_of(answer: reflection_pb2.ServerReflectionResponse) -> list[FileDescriptorProto]:
    found: Sequence[bytes] = answer.file_descriptor_response.file_descriptor_proto
    return [FileDescriptorProto.FromString(one) for one in found]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_there_is_not_is_not_found(service: Service, version: str) -> None:
    asked = [
        Asked(file_by_filename="no.proto"),
        Asked(file_containing_symbol="no.Such"),
        Asked(all_extension_numbers_of_type="no.Such"),
        Asked(),
    ]

    answers = reflect(service, version, *asked)

    assert [answer.HasField("error_response") for answer in answers] == [True] * 4


@pytest.mark.parametrize("version", VERSIONS)
def test_garbage_is_malformed(service: Service, version: str) -> None:
    def garbage() -> Iterator[bytes]:
        yield b"\xff\xff"

    call: Any = service.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    )

    assert refused(lambda: list(call(garbage(), timeout=10))).reason == "MALFORMED"
