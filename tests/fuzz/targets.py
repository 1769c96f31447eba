"""What reads bytes that others made, each as a function of bytes that may refuse, but not fail."""

import asyncio
import functools
import io
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Never

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.message import DecodeError

from pourparler import v1 as pb
from pourparler.schema import edtf, wire
from pourparler.transparency import bundle, checkpoint, merkle
from pourparler.transparency.findings import Verdict
from pourparler_service.api.call_handler import CallHandler
from pourparler_service.api.health_service import HealthServicer
from pourparler_service.api.quotas import Quota
from pourparler_service.api.record_service import RecordServicer
from pourparler_service.application import Application
from pourparler_service.authentication.bearer_tokens import TokenVerifier
from pourparler_service.authentication.callers import CallerResolver
from pourparler_service.config.settings import Settings
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.domain.refusal import RefusalError
from pourparler_service.reads.page_tokens import PageTokens
from pourparler_service.search import snippets
from pourparler_service.search.query import SearchQuery
from pourparler_service.server import handlers
from pourparler_service.transparency.signing_keys import Signer, make_key
from pourparler_service.validation.drafts import check_draft, prepare
from tests.support.sample_entries import joined, opened, said

_LARGE = 1 << 24
_HEAD = 2
_SECONDS = 0.2
_NOBODYS = Signer([make_key("nobody")]).verifier_keys[0]
_FAULTS = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}


def drafts(data: bytes) -> None:
    """A request to record, up to where its drafts have the right shape."""
    try:
        request = pb.RecordEntriesRequest.FromString(data)
    except DecodeError:
        return
    for draft in request.drafts:
        try:
            prepare(draft, edtf.bounds)
            check_draft(draft)
        except RefusalError:
            continue


def date(data: bytes) -> None:
    """A date; what is one lies between its bounds."""
    try:
        found = edtf.bounds(data.decode(errors="replace"))
    except ValueError:
        return
    assert found is not None


def token(data: bytes) -> None:
    """A page token, which nobody can guess."""
    tokens = PageTokens(b"a secret of the service", "log")
    query = b"q" * 32
    assert tokens.read(data.decode(errors="replace"), query) is None


def bearer(data: bytes) -> None:
    """A token of a caller, which nobody can guess, where no issuer is trusted."""
    try:
        TokenVerifier([]).caller(data.decode(errors="replace"))
    except RefusalError:
        return
    raise AssertionError("it was taken")


def metadata(data: bytes) -> None:
    """The authorization of a call that comes over TLS."""

    class Context:
        def auth_context(self) -> Mapping[str, list[bytes]]:
            return {"transport_security_type": [b"ssl"], "x509_pem_cert": [data]}

        def invocation_metadata(self) -> None:
            return None

    try:
        CallerResolver(TokenVerifier([]), anonymous=False).caller(Context())
    except RefusalError:
        return
    raise AssertionError("it was taken")


def read_bundle(data: bytes) -> None:
    """A bundle, read, and verified with a key that nothing is signed with."""
    try:
        for record in bundle.BundleReader(io.BytesIO(data)).records():
            assert isinstance(record, bytes)
    except bundle.BundleError:
        pass
    audit = bundle.verify(io.BytesIO(data), [str(_NOBODYS)])
    assert audit.verdict not in {Verdict.SOUND, Verdict.PARTIAL}
    assert audit.findings


def note(data: bytes) -> None:
    """A signed checkpoint; what is read is written the same again."""
    text = data.decode(errors="replace")
    for parse in (checkpoint.parse_checkpoint, checkpoint.VerifierKey.parse):
        try:
            parse(text)
        except checkpoint.CheckpointError:
            continue
    try:
        read = checkpoint.parse_note(text)
    except checkpoint.CheckpointError:
        return
    assert read.signed() == text


def proofs(data: bytes) -> None:
    """Proofs, which show nothing: the roots are nobody's."""
    size, index, old = (int.from_bytes(data[at : at + 8], "big") for at in (0, 8, 16))
    hashes = [data[at : at + 32] for at in range(24, len(data), 32)]
    checks: list[Callable[[], None]] = [
        lambda: merkle.check_inclusion(bytes(32), index, size, hashes, b"r" * 32),
        lambda: merkle.check_consistency(old or 1, b"o" * 32, size, b"r" * 32, hashes),
    ]
    for check in checks:
        try:
            check()
        except merkle.ProofError:
            continue
        raise AssertionError("it was proved")


def wired(data: bytes) -> None:
    """Bytes as a field: a parser reads them back."""
    assert pb.Record.FromString(wire.length_delimited(1, data)).header == data


class AbortedError(Exception):
    """A call ended with this status."""


class Context:
    """What a handler is given of a call that nobody made."""

    def __init__(self) -> None:
        self.code: Any = None

    def time_remaining(self) -> None:
        return None

    def invocation_metadata(self) -> None:
        return None

    def peer(self) -> str:
        return "fuzz"

    def auth_context(self) -> Mapping[str, list[bytes]]:
        return {}

    def add_done_callback(self, callback: Callable[[object], None]) -> None:
        callback(self)

    async def write(self, data: bytes) -> None:
        assert isinstance(data, bytes)

    async def abort(self, code: Any, text: str, trailers: object) -> Never:
        self.code = code
        raise AbortedError(f"{code}: {text}")


class Answering:
    """A service in memory, and the handlers of all its methods."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._methods = self._runner.run(self._open())

    async def _open(self) -> dict[str, Any]:
        settings = Settings.in_memory()
        rooms = self._rooms = Application(settings)
        many = functools.partial(Quota, most=_LARGE)
        health = HealthServicer((), rooms.probe, rooms.threads, 10.0)
        guard = CallHandler(
            calls=many("calls"),
            streams=many("streams"),
            in_flight_bytes=many("bytes"),
            rate=None,
            unary_seconds=_SECONDS,
            request_bytes=1 << 20,
            caller=lambda _: ANONYMOUS,
            on_store_failure=lambda: None,
        )
        recording = RecordServicer(rooms.writer, rooms.threads, rooms.scopes)
        found: dict[str, Any] = {}
        for handler in handlers(settings, rooms, guard, health, recording):
            found |= dict(_methods(handler))
        request = pb.RecordEntriesRequest(
            negotiation="negotiations/n", drafts=[opened(), joined("a"), said("s", "a")]
        )
        record = found["/pourparler.v1.RecordService/RecordEntries"]
        await record.unary_unary(request.SerializeToString(), Context())
        return found

    def close(self) -> None:
        """It is not asked any more."""
        self._rooms.close()
        self._runner.close()

    def takes_streams(self, path: str) -> bool:
        """Whether a method takes several messages."""
        return path in self._methods and bool(self._methods[path].request_streaming)

    def call(self, path: str, *sent: bytes) -> None:
        """Call a method, for a short time. Raises AssertionError if it is at fault.

        Not those that only a newer contract of health or reflection has: gRPC answers them.
        """
        if path in self._methods:
            self._runner.run(self._call(self._methods[path], path, sent))

    async def _call(self, method: Any, path: str, sent: Sequence[bytes]) -> None:
        context = Context()

        async def requests() -> AsyncIterator[bytes]:
            for one in sent:
                yield one

        answering = next(
            one(requests() if method.request_streaming else sent[0], context)
            for one in (
                method.unary_unary,
                method.unary_stream,
                method.stream_unary,
                method.stream_stream,
            )
            if one is not None
        )
        try:
            await asyncio.wait_for(answering, _SECONDS)
        except (AbortedError, TimeoutError):
            assert context.code not in _FAULTS, f"{path} ended in {context.code}"


class _Asked:
    """The details of a call, by its method alone."""

    invocation_metadata = None

    def __init__(self, method: str) -> None:
        self.method = method


def _methods(handler: Any) -> list[tuple[str, Any]]:
    return [(path, found) for path in PATHS if (found := handler.service(_Asked(path))) is not None]


def _paths() -> list[str]:
    pool: Any = descriptor_pool.Default()
    names = [
        *(f"pourparler.v1.{name}Service" for name in ("Record", "Negotiation", "Audit", "Privacy")),
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    ]
    return [
        f"/{name}/{method.name}"
        for name in names
        for method in pool.FindServiceByName(name).methods
    ]


PATHS = _paths()
"""Of every method of every service."""


@functools.cache
def answering() -> Answering:
    """The one that is asked."""
    return Answering()


def calls(data: bytes) -> None:
    """A call of the method that the first byte says; the second, how long parts of a stream are."""
    if len(data) < _HEAD:
        return
    path, size, rest = PATHS[data[0] % len(PATHS)], data[1] + 1, data[_HEAD:]
    if answering().takes_streams(path):
        answering().call(path, *(rest[at : at + size] for at in range(0, len(rest), size)))
    else:
        answering().call(path, rest)


def searched(data: bytes) -> None:
    """A query in the first line, and a text in which it stands; what is shown is of the text."""
    query, _, text = data.decode(errors="replace").partition("\n")
    try:
        wanted = SearchQuery.parse(query)
    except RefusalError:
        return
    for one in snippets.snippets(pb.Words(text=text), wanted):
        assert "".join(piece.text for piece in one.segments) in text
        assert any(piece.match for piece in one.segments) or not wanted.phrases


TARGETS: dict[str, Callable[[bytes], None]] = {
    one.__name__: one
    for one in (
        drafts, date, token, bearer, metadata, read_bundle, note, proofs, wired, searched, calls,
    )
}  # fmt: skip


def _seeds() -> dict[str, list[bytes]]:
    """Bytes to begin with, of those that have a form."""
    request = pb.RecordEntriesRequest(
        negotiation="negotiations/n", request_id="r", drafts=[opened(), joined("b"), said("t", "a")]
    ).SerializeToString()
    named = pb.GetNegotiationRequest(name="negotiations/n").SerializeToString()
    return {
        "drafts": [request],
        "calls": [
            bytes([place, 255]) + one for place in range(len(PATHS)) for one in (request, named)
        ],
        "date": [b"2022-10-10T10:00:00Z", b"[2022-10-10..]", b"2023-41", b"1984~/2004-06%"],
        "read_bundle": [Path("tests/golden/talks.bundle").read_bytes()],
        "note": [b"origin\n1\nAAAA\n\n\xe2\x80\x94 name AAAA\n"],
        "searched": ['"l\u2019été" 京* -rent\nL\u2019e\u0301te\u0301 à 東京都 👍🏽'.encode()],
        "bearer": [b"Bearer eyJhbGciOiJFUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJ4In0.AAAA"],
    }


SEEDS = _seeds()
"""By the name of the target."""
