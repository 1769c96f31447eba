"""Health tells the truth about the store, and says when it changes."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from pourparler_service.api.call_handler import Call
from pourparler_service.api.health_service import HealthServicer
from pourparler_service.domain.refusal import RefusalError
from pourparler_service.server import running
from pourparler_service.storage.interface import StoreUnavailableError
from tests.support.service_client import Service, connected, refused

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
SERVICE = "pourparler.v1.RecordService"
CALL = Call("somebody", None)


def asked(service: str = "") -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=service)


@pytest.mark.parametrize("name", ["", SERVICE, "pourparler.v1.AuditService"])
def test_a_service_that_can_record_is_serving(service: Service, name: str) -> None:
    assert service.health.Check(asked(name), timeout=10).status == SERVING


def test_a_service_that_there_is_not_is_not_found(service: Service) -> None:
    answered = refused(lambda: service.health.Check(asked("no.such.Service"), timeout=10))

    assert answered.code is grpc.StatusCode.NOT_FOUND
    watch = service.health.Watch(asked("no.such.Service"), timeout=10)
    assert next(watch).status == UNKNOWN
    watch.cancel()


def test_garbage_is_malformed_here_too(service: Service) -> None:
    answered = refused(lambda: service.raw("/grpc.health.v1.Health/Check", b"\xff"))

    assert answered.reason == "MALFORMED"


def test_a_watch_ends_when_the_service_stops_and_says_so_first() -> None:
    said: list[int] = []
    with ExitStack() as stack:
        began = time.monotonic()
        with running() as address:
            service = stack.enter_context(connected(address))
            watch = service.health.Watch(asked(), timeout=20)
            assert next(watch).status == SERVING
        took = time.monotonic() - began

        answered = refused(lambda: said.extend(one.status for one in watch))

    assert said == [NOT_SERVING]
    assert (answered.code, answered.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    assert took < 5


class FakeStore:
    """A store that works or fails as a test says, and counts how often it is tried."""

    def __init__(self) -> None:
        self.works = True
        self.tried = 0

    def probe(self) -> None:
        self.tried += 1
        if not self.works:
            raise StoreUnavailableError("disk full")


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


async def next_status(watch: AsyncIterator[health_pb2.HealthCheckResponse]) -> int:
    answer = await asyncio.wait_for(anext(watch), 5)
    return answer.status


async def test_it_is_not_serving_while_the_store_fails_and_serving_again_after(
    threads: ThreadPoolExecutor,
) -> None:
    store = FakeStore()
    health = HealthServicer([SERVICE], store.probe, threads, every_seconds=30)
    looking = asyncio.create_task(health.keep_checking())
    watch, other = health.Watch(asked(SERVICE), CALL), health.Watch(asked(), CALL)
    assert (await next_status(watch), await next_status(other)) == (SERVING, SERVING)
    await aclosed(other)  # one watcher less, and the rest still hear

    store.works = False
    health.check_now()
    assert await next_status(watch) == NOT_SERVING
    assert (await health.Check(asked(), CALL)).status == NOT_SERVING

    store.works = True
    health.check_now()
    assert await next_status(watch) == SERVING
    looking.cancel()
    await asyncio.wait([looking])


async def aclosed(watch: Any) -> None:
    await watch.aclose()


async def test_it_looks_again_by_itself(threads: ThreadPoolExecutor) -> None:
    store = FakeStore()
    health = HealthServicer([SERVICE], store.probe, threads, every_seconds=1.1)
    looking = asyncio.create_task(health.keep_checking())
    watch = health.Watch(asked(), CALL)
    assert await next_status(watch) == SERVING

    store.works = False

    assert await next_status(watch) == NOT_SERVING
    looking.cancel()
    await asyncio.wait([looking])


async def test_many_who_ask_at_once_are_one_look(threads: ThreadPoolExecutor) -> None:
    store = FakeStore()
    health = HealthServicer([SERVICE], store.probe, threads, every_seconds=30)

    answers = await asyncio.gather(*(health.Check(asked(), CALL) for _ in range(50)))

    assert {answer.status for answer in answers} == {SERVING}
    assert store.tried == 1


async def test_once_it_closes_it_is_not_serving_for_good(threads: ThreadPoolExecutor) -> None:
    store = FakeStore()
    health = HealthServicer([SERVICE], store.probe, threads, every_seconds=30)
    watch = health.Watch(asked(), CALL)
    assert await next_status(watch) == SERVING

    health.close()

    assert await next_status(watch) == NOT_SERVING
    with pytest.raises(RefusalError) as refusal:
        await next_status(watch)
    assert refusal.value.text
    assert (await health.Check(asked(), CALL)).status == NOT_SERVING
