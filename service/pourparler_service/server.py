"""The lifecycle of the gRPC server: it listens, serves, finishes its calls and stops."""

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
# The interval in seconds after which a computing thread hands over the interpreter. The default is
# ten times longer, and an append waits for the interpreter several times.
_SWITCH_SECONDS = 0.0005


def _service(request: type[Message], name: str) -> ServiceDescriptor:
    """Return the service of a name from the file of one of its request messages."""
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
"""The health service name that reports if checkpoints have the required cosignatures."""

_SERVICES = tuple(service.full_name for service in (_RECORD, _NEGOTIATION, _AUDIT, _PRIVACY))
# On the wire v1 equals v1alpha, the only version in grpcio-reflection. It is not in the list of
# services, because clients would then request its descriptor, which does not exist.
_REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"


class ServeError(Exception):
    """The service cannot start. The text gives the cause to the operator."""


async def _serve(
    settings: Settings, started: Callable[[str, Signer], None], stop: asyncio.Event
) -> None:
    """Serve until `stop` is set. Call `started` with address and signer once the port is open."""
    with _as_serve_error(settings):
        host, _ = addresses.listening(
            settings.address, requires_authentication=settings.requires_authentication
        )
        application = Application(settings)
    try:
        witnesses = application.witnesses
        health = HealthServicer(
            _SERVICES,
            application.probe,
            application.threads,
            settings.health_check_seconds,
            {WITNESSES: lambda: witnesses.is_threshold_met} if witnesses is not None else None,
        )
        in_flight_bytes = Quota(
            "bytes", settings.max_in_flight_bytes, settings.max_in_flight_bytes_per_caller
        )
        call_handler = CallHandler(
            calls=Quota("calls", settings.max_calls, settings.max_calls_per_caller),
            streams=Quota("streams", settings.max_streams, settings.max_streams_per_caller),
            in_flight_bytes=in_flight_bytes,
            rate=None if settings.rate is None else RateLimit("calls", settings.rate),
            unary_seconds=settings.default_deadline_seconds,
            request_bytes=settings.max_request_bytes,
            caller=application.callers.caller,
            on_store_failure=health.check_now,
        )
        record_servicer = RecordServicer(
            application.writer,
            application.threads,
            application.scopes,
            in_flight_bytes=in_flight_bytes,
            on_store_failure=health.check_now,
        )
        server = grpc.aio.server(options=options(settings))
        server.add_generic_rpc_handlers(
            handlers(settings, application, call_handler, health, record_servicer)
        )
        with _as_serve_error(settings):
            port = _listen(server, settings)
        await server.start()
        health_task = asyncio.create_task(health.keep_checking())
        started(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", application.signer)
        await stop.wait()

        _LOG.info("stopping: the service refuses new calls and finishes calls in progress")
        # Health checks report it first. Then new calls are refused, and calls in progress finish.
        health.close()
        record_servicer.close()
        application.commits.close()
        call_handler.close()
        with contextlib.suppress(TimeoutError):
            # A gRPC server that stops would reset calls that have not reached the call handler.
            async with asyncio.timeout(settings.shutdown_grace_seconds):
                await call_handler.quiet()
        await server.stop(settings.shutdown_grace_seconds)
        health_task.cancel()
        await asyncio.wait([health_task])
    finally:
        application.close()


def _listen(server: grpc.aio.Server, settings: Settings) -> int:
    """Listen at the addresses of the settings. Return the port of the first one."""
    if settings.tls is None:
        return server.add_insecure_port(settings.address)
    certificate, key, clients = settings.tls
    mtls_address = settings.mtls_address
    certificate_files = ServerCertificateFiles(certificate, key, None if mtls_address else clients)
    port = server.add_secure_port(settings.address, _credentials(certificate_files))
    if mtls_address:
        addresses.listening(mtls_address, requires_authentication=True)
        server.add_secure_port(
            mtls_address, _credentials(ServerCertificateFiles(certificate, key, clients))
        )
    return port


def _credentials(files: ServerCertificateFiles) -> grpc.ServerCredentials:
    """Return the TLS credentials of a port: TLS 1.2 or 1.3, the default of gRPC."""

    def configured(content: ServerCertificate) -> grpc.ServerCertificateConfiguration:
        pair = (content.key, content.certificates)
        return grpc.ssl_server_certificate_configuration([pair], content.clients)

    def changed() -> grpc.ServerCertificateConfiguration | None:
        # gRPC calls this before every handshake, on one of its threads.
        content = files.reload_if_changed()
        return None if content is None else configured(content)

    return grpc.dynamic_ssl_server_credentials(
        configured(files.initial),
        changed,  # type: ignore[arg-type] # None means no change, but the stubs exclude it
        require_client_authentication=files.initial.clients is not None,
    )


def handlers(
    settings: Settings,
    application: Application,
    call_handler: CallHandler,
    health: HealthServicer,
    record_servicer: RecordServicer,
) -> tuple[grpc.GenericRpcHandler, ...]:
    """Return the handlers of all services. Each call passes the call handler first."""
    reflection = ReflectionServicer((*_SERVICES, _HEALTH.full_name, _REFLECTION.full_name))
    return (
        call_handler.handlers(_RECORD, record_servicer),
        call_handler.handlers(
            _RECORD,
            ImportServicer(
                application.writer,
                application.importer,
                application.threads,
                copy_bytes=settings.max_bundle_bytes,
            ),
        ),
        call_handler.handlers(
            _NEGOTIATION,
            NegotiationServicer(
                application.scopes,
                application.states,
                application.catalogue,
                application.threads,
                application.search,
                searching=application.searching,
            ),
        ),
        call_handler.handlers(
            _AUDIT,
            AuditServicer(
                application.scopes,
                application.states,
                application.log,
                application.threads,
                application.subscriptions,
                witnesses=application.witnesses,
                watches=Quota("watches", settings.max_watches, settings.max_watches_per_caller),
            ),
        ),
        call_handler.handlers(
            _PRIVACY,
            PrivacyServicer(
                application.erasures, application.erasing, application.threads, application.scopes
            ),
        ),
        # A monitor has no credentials. Only Check is open: a Watch would occupy a stream.
        call_handler.handlers(_HEALTH, health, unauthenticated=("Check",)),
        call_handler.handlers(_REFLECTION, reflection),
        call_handler.handlers(_REFLECTION, reflection, _REFLECTION_V1),
    )


def options(settings: Settings) -> list[tuple[str, int]]:
    """Return the options of the gRPC server."""
    return [
        # Otherwise an older server on the same port would silently get half of the connections.
        ("grpc.so_reuseport", 0),
        # The call handler receives requests above the limit, to refuse them with a reason.
        ("grpc.max_receive_message_length", 4 * settings.max_request_bytes),
        ("grpc.max_concurrent_streams", 128),
        # Calls that are started and cancelled at once would pile up before the call handler. This
        # limits them per connection. Some streams may be just ending, or a client with more calls
        # than streams would see most of its calls reset.
        ("grpc.http.overload_protection", 1),
        ("grpc.http2.max_deallocating_streams", 256),
        # At this limit gRPC resets calls of any caller without a reason. The call handler limits
        # calls before that, per caller and with a reason.
        ("grpc.server.max_pending_requests", 100_000),
        ("grpc.server.max_pending_requests_hard_limit", 200_000),
        ("grpc.max_allowed_incoming_connections", settings.max_connections),
        # A connection without a prompt HTTP/2 handshake is closed, so that others can connect.
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
        ("grpc.http2.settings_timeout", _HANDSHAKE_MS),
        ("grpc.max_connection_age_ms", 300_000),
        ("grpc.max_connection_age_grace_ms", 30_000),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        # By default the server closes connections that ping more often than every five minutes.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 20_000),
    ]


@contextlib.contextmanager
def _as_serve_error(settings: Settings) -> Iterator[None]:
    """Raise ServeError from each error that prevents the start."""
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
            f"The service cannot listen at {where}. Another process uses the address, or it does"
            " not belong to this machine. Choose another one with --address."
        )
        raise ServeError(message) from error


def _is_relevant(record: logging.LogRecord) -> bool:
    """Return False for the log record of gRPC about a caller who left before the response."""
    return not record.getMessage().startswith("ExecuteBatchError")


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raise ServeError if the service cannot start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_relevant)

    async def until_signalled() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await _serve(settings, lambda *details: _announce(settings, *details), stop)

    sys.setswitchinterval(_SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_signalled())


def _authentication_text(settings: Settings) -> str:
    """Return the authentication of callers in sentences for the operator."""
    if not settings.requires_authentication:
        return (
            "Only this machine can connect. The service does not authenticate callers: everyone on"
            " this machine can read and record everything."
        )
    ways = [f"a token of {issuer.name}" for issuer in settings.oidc]
    if settings.mtls_address:
        ways.append(f"a certificate, at {settings.mtls_address}")
    elif settings.tls is not None and settings.tls.client_ca is not None:
        # Here each connection requires a certificate, and a token is optional.
        ways = ["a certificate"]
    return (
        f"Callers authenticate with {' or '.join(ways)}. The record says what each of them may see"
        " and record."
    )


def _announce(settings: Settings, address: str, signer: Signer) -> None:
    where = f"data in {settings.data.resolve()}" if settings.data else "data in memory only"
    sys.stdout.write(
        f"Pourparler serves on {address}, {where}. {_authentication_text(settings)}\n"
        f"Verifier key of its checkpoints: {' or '.join(map(str, signer.verifier_keys))}\n"
    )
    sys.stdout.flush()


@contextlib.contextmanager
def running(settings: Settings | None = None) -> Iterator[str]:
    """Run a service on a background thread for the length of a `with` block; yield its address.

    Without settings its store is in memory, and its port is any free one. Raise ServeError if the
    service cannot start.
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
