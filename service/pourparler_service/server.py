"""The composition root: settings to rooms, rooms to a server, and its beginning and end."""

import asyncio
import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import grpc
import uvloop
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

from pourparler import v1 as pb
from pourparler_service.api.audit_service import AuditServicer
from pourparler_service.api.call_handler import CallHandler
from pourparler_service.api.health_service import HealthServicer
from pourparler_service.api.import_service import ImportServicer
from pourparler_service.api.negotiation_service import NegotiationServicer
from pourparler_service.api.privacy_service import PrivacyServicer
from pourparler_service.api.quotas import Quota, RateLimit
from pourparler_service.api.record_service import RecordServicer
from pourparler_service.application import Application
from pourparler_service.authentication.certificates import (
    CertificateFilesError,
    ServerCertificate,
    ServerCertificateFiles,
)
from pourparler_service.authentication.jwks import IssuerSettingsError
from pourparler_service.config import addresses
from pourparler_service.config.settings import Settings
from pourparler_service.storage.data_directory import DataDirectoryError
from pourparler_service.storage.interface import StoreSettingsError, StoreUnavailableError
from pourparler_service.storage.master_key import SubjectKeyError
from pourparler_service.transparency.signing_keys import (
    KeyFileError,
    Signer,
)
from pourparler_service.transparency.witness_client import WitnessSettingsError

_LOG = logging.getLogger(__name__)

_HANDSHAKE_MS = 10_000
# How long a thread that computes may keep the interpreter from one that waits for it. By default
# it is ten times as long, and an append waits for it several times.
_SWITCH_SECONDS = 0.0005


def _service(request: type[Message], name: str) -> ServiceDescriptor:
    """The service of this name in the file of one of its requests."""
    file: Any = request.DESCRIPTOR.file
    found: ServiceDescriptor = file.services_by_name[name]
    return found


_RECORD = _service(pb.RecordEntriesRequest, "RecordService")
_NEGOTIATION = _service(pb.GetNegotiationRequest, "NegotiationService")
_AUDIT = _service(pb.ReplayEntriesRequest, "AuditService")
_PRIVACY = _service(pb.EraseSubjectRequest, "PrivacyService")
_HEALTH = _service(health_pb2.HealthCheckRequest, "Health")
_REFLECTION = _service(reflection_pb2.ServerReflectionRequest, "ServerReflection")
WITNESSES = "pourparler.witnesses"
"""The name by which health says whether checkpoints bear the cosignatures that are required."""

_SERVICES = tuple(service.full_name for service in (_RECORD, _NEGOTIATION, _AUDIT, _PRIVACY))
# On the wire v1 equals v1alpha, which is all that grpcio-reflection has. It is not in the list of
# services: clients would look for its descriptor, which there is not.
_REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"


class ServeError(Exception):
    """The service cannot start. The text says why, in one sentence for the operator."""


async def _serve(
    settings: Settings, started: Callable[[str, Signer], None], stop: asyncio.Event
) -> None:
    """Serve until `stop` is set. `started` is told address and keys once calls are taken."""
    with _as_serve_error(settings):
        host, _ = addresses.listening(
            settings.address, requires_authentication=settings.requires_authentication
        )
        rooms = Application(settings)
    try:
        witnesses = rooms.witnesses
        health = HealthServicer(
            _SERVICES,
            rooms.probe,
            rooms.threads,
            settings.health_check_seconds,
            {WITNESSES: lambda: witnesses.is_threshold_met} if witnesses is not None else None,
        )
        under_way = Quota(
            "bytes", settings.max_in_flight_bytes, settings.max_in_flight_bytes_per_caller
        )
        guard = CallHandler(
            calls=Quota("calls", settings.max_calls, settings.max_calls_per_caller),
            streams=Quota("streams", settings.max_streams, settings.max_streams_per_caller),
            in_flight_bytes=under_way,
            rate=None if settings.rate is None else RateLimit("calls", settings.rate),
            unary_seconds=settings.default_deadline_seconds,
            request_bytes=settings.max_request_bytes,
            caller=rooms.callers.caller,
            on_store_failure=health.check_now,
        )
        recording = RecordServicer(
            rooms.writer,
            rooms.threads,
            rooms.scopes,
            in_flight_bytes=under_way,
            on_store_failure=health.check_now,
        )
        server = grpc.aio.server(options=options(settings))
        server.add_generic_rpc_handlers(handlers(settings, rooms, guard, health, recording))
        with _as_serve_error(settings):
            port = _listen(server, settings)
        await server.start()
        looking = asyncio.create_task(health.keep_checking())
        started(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", rooms.signer)
        await stop.wait()

        _LOG.info("stopping: nothing new is taken, what is under way is finished")
        # Whoever asks is told first; then nothing new is taken, and what is under way is finished.
        health.close()
        recording.close()
        rooms.commits.close()
        guard.close()
        with contextlib.suppress(TimeoutError):
            # A server that stops cuts off calls that have not reached the guard, without a word.
            async with asyncio.timeout(settings.shutdown_grace_seconds):
                await guard.quiet()
        await server.stop(settings.shutdown_grace_seconds)
        looking.cancel()
        await asyncio.wait([looking])
    finally:
        rooms.close()


def _listen(server: grpc.aio.Server, settings: Settings) -> int:
    """Listen at the addresses that the settings say; the port of the first. Raises as gRPC does."""
    if settings.tls is None:
        return server.add_insecure_port(settings.address)
    certificate, key, clients = settings.tls
    apart = settings.mtls_address
    shown = ServerCertificateFiles(certificate, key, None if apart else clients)
    port = server.add_secure_port(settings.address, _credentials(shown))
    if apart:
        addresses.listening(apart, requires_authentication=True)
        server.add_secure_port(
            apart, _credentials(ServerCertificateFiles(certificate, key, clients))
        )
    return port


def _credentials(files: ServerCertificateFiles) -> grpc.ServerCredentials:
    """What a port shows and asks for: TLS 1.2 or 1.3, by the default of gRPC."""

    def configured(shown: ServerCertificate) -> grpc.ServerCertificateConfiguration:
        pair = (shown.key, shown.certificates)
        return grpc.ssl_server_certificate_configuration([pair], shown.clients)

    def changed() -> grpc.ServerCertificateConfiguration | None:
        # Asked before every handshake, on a thread of gRPC's.
        shown = files.reload_if_changed()
        return None if shown is None else configured(shown)

    return grpc.dynamic_ssl_server_credentials(
        configured(files.initial),
        changed,  # type: ignore[arg-type] # None is for no change; the stubs do not say so
        require_client_authentication=files.initial.clients is not None,
    )


def handlers(
    settings: Settings,
    rooms: Application,
    guard: CallHandler,
    health: HealthServicer,
    recording: RecordServicer,
) -> tuple[grpc.GenericRpcHandler, ...]:
    """All that is served, behind a guard."""
    reflecting = ReflectionServicer((*_SERVICES, _HEALTH.full_name, _REFLECTION.full_name))
    return (
        guard.handlers(_RECORD, recording),
        guard.handlers(
            _RECORD,
            ImportServicer(
                rooms.writer,
                rooms.importer,
                rooms.threads,
                copy_bytes=settings.max_bundle_bytes,
            ),
        ),
        guard.handlers(
            _NEGOTIATION,
            NegotiationServicer(
                rooms.scopes,
                rooms.states,
                rooms.catalogue,
                rooms.threads,
                rooms.search,
                searching=rooms.searching,
            ),
        ),
        guard.handlers(
            _AUDIT,
            AuditServicer(
                rooms.scopes,
                rooms.states,
                rooms.log,
                rooms.threads,
                rooms.subscriptions,
                witnesses=rooms.witnesses,
                watches=Quota("watches", settings.max_watches, settings.max_watches_per_caller),
            ),
        ),
        guard.handlers(
            _PRIVACY,
            PrivacyServicer(rooms.erasures, rooms.erasing, rooms.threads, rooms.scopes),
        ),
        # Whoever looks after a service has to be able to ask; a watch would take a place for long.
        guard.handlers(_HEALTH, health, unauthenticated=("Check",)),
        guard.handlers(_REFLECTION, reflecting),
        guard.handlers(_REFLECTION, reflecting, _REFLECTION_V1),
    )


def options(settings: Settings) -> list[tuple[str, int]]:
    """How gRPC is set up, whatever is served."""
    return [
        # Else a stray older server on the same port would silently take half of the connections.
        ("grpc.so_reuseport", 0),
        # Larger requests than are taken are received, so that the guard can say what is wrong.
        ("grpc.max_receive_message_length", 4 * settings.max_request_bytes),
        ("grpc.max_concurrent_streams", 128),
        # Calls that are begun and given up at once would pile up before the guard, for everybody:
        # each connection has few of them there. Unless some more may be just ending, a client with
        # more calls than streams would see most of them reset, instead of having them wait.
        ("grpc.http.overload_protection", 1),
        ("grpc.http2.max_deallocating_streams", 256),
        # Of calls that come faster than they are looked at, it would cut some off without a word,
        # anybody's: the guard says of those that are too many that they are.
        ("grpc.server.max_pending_requests", 100_000),
        ("grpc.server.max_pending_requests_hard_limit", 200_000),
        ("grpc.max_allowed_incoming_connections", settings.max_connections),
        # Whoever connects and does not speak HTTP/2 soon is somebody who keeps a place from others.
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
        ("grpc.http2.settings_timeout", _HANDSHAKE_MS),
        ("grpc.max_connection_age_ms", 300_000),
        ("grpc.max_connection_age_grace_ms", 30_000),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        # By default clients that ping more often than every five minutes are thrown out.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 20_000),
    ]


@contextlib.contextmanager
def _as_serve_error(settings: Settings) -> Iterator[None]:
    """Let whatever keeps the service from starting go on as a ServeError."""
    try:
        yield
    except (
        CertificateFilesError,
        DataDirectoryError,
        IssuerSettingsError,
        KeyFileError,
        SubjectKeyError,
        StoreSettingsError,
        WitnessSettingsError,
        addresses.AddressError,
    ) as error:
        raise ServeError(str(error)) from error
    except StoreUnavailableError as error:
        message = f"The store cannot be opened: {error}."
        raise ServeError(message) from error
    except RuntimeError as error:
        where = " or ".join(filter(None, (settings.address, settings.mtls_address)))
        message = (
            f"The address {where} cannot be listened to: another service is using it, or it is not"
            " this machine's. Say another with --address."
        )
        raise ServeError(message) from error


def _is_no_departure(record: logging.LogRecord) -> bool:
    """Whether gRPC tells of something else than a caller who left before the answer."""
    return not record.getMessage().startswith("ExecuteBatchError")


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises ServeError if the service cannot start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_no_departure)

    async def until_signalled() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await _serve(settings, lambda *known: _announce(settings, *known), stop)

    sys.setswitchinterval(_SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_signalled())


def _who_calls(settings: Settings) -> str:
    """What it means for callers where and how the service listens, told to the operator."""
    if not settings.requires_authentication:
        return (
            "Only this machine can connect. The service does not authenticate callers: everyone on"
            " this machine can read and record everything."
        )
    ways = [f"a token of {issuer.name}" for issuer in settings.oidc]
    if settings.mtls_address:
        ways.append(f"a certificate, at {settings.mtls_address}")
    elif settings.tls is not None and settings.tls.client_ca is not None:
        # There a certificate is what lets a caller in, and a token only says more.
        ways = ["a certificate"]
    return (
        f"Callers authenticate with {' or '.join(ways)}. The record says what each of them may see"
        " and record."
    )


def _announce(settings: Settings, address: str, signer: Signer) -> None:
    where = f"data in {settings.data.resolve()}" if settings.data else "data in memory only"
    sys.stdout.write(
        f"Pourparler serves on {address}, {where}. {_who_calls(settings)}\n"
        f"Its checkpoints are verified with {' or '.join(map(str, signer.verifier_keys))}\n"
    )
    sys.stdout.flush()


@contextlib.contextmanager
def running(settings: Settings | None = None) -> Iterator[str]:
    """A service in this process, on a thread of its own, while the block lasts: its address.

    Without settings it is in memory, on any free port. Raises ServeError if it cannot start.
    """
    chosen = settings or Settings.in_memory()
    started: Future[tuple[str, Callable[[], None]]] = Future()

    async def until_stopped() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stop_it() -> None:
            loop.call_soon_threadsafe(stop.set)

        await _serve(chosen, lambda address, _: started.set_result((address, stop_it)), stop)

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(until_stopped())
        except BaseException as error:
            if started.done():
                _LOG.exception("the service failed")
                raise
            started.set_exception(error)

    thread = threading.Thread(target=run, name="service")
    thread.start()
    try:
        address, stop_it = started.result()
    except BaseException:
        thread.join()
        raise
    try:
        yield address
    finally:
        stop_it()
        thread.join()
