"""Floods before and over TLS: handshakes that do not go on, tokens that are not good; others are
served, and memory is kept.
"""

import contextlib
import itertools
import ssl
import threading
import time
from collections.abc import Callable, Iterator

import grpc
import pytest

from tests.rpc.test_floods import GET, MEBIBYTE, SETTLED_SECONDS, memory, resets, streams
from tests.support import http2_frames
from tests.support.certificates import Authority
from tests.support.http2_frames import BEGIN, is_closed
from tests.support.load_generator import RECORD
from tests.support.sample_entries import joined, opened, said
from tests.support.service_client import Service, refused
from tests.support.service_process import Apart, apart
from tests.support.token_issuer import AUDIENCE, ISSUER, Key, key_set

KEY = Key()
FLOOD_SECONDS = 0.7
HANDSHAKES, CONNECTIONS = 200, 4

SETTINGS = """
[tls]
certificate = "{certificate}"
key = "{key}"
[[oidc]]
issuer = "{issuer}"
audience = "{audience}"
jwks = "{keys}"
"""


class Served:
    """A service over TLS in a process of its own, with a negotiation `n` of Ann's."""

    def __init__(self, process: Apart, authority: Authority) -> None:
        self.process = process
        self.address = process.address
        self.authority = authority
        self.tls = ssl.create_default_context(cafile=str(authority.file))
        self.tls.set_alpn_protocols(["h2"])
        self._numbers = itertools.count()

    @contextlib.contextmanager
    def called(self, token: Callable[[], str]) -> Iterator[Service]:
        """Stubs that show a token, over a connection of their own."""

        def show(_: object, done: Callable[..., None]) -> None:
            done((("authorization", f"Bearer {token()}"),), None)

        credentials = grpc.composite_channel_credentials(
            grpc.ssl_channel_credentials(self.authority.file.read_bytes()),
            grpc.metadata_call_credentials(show),  # type: ignore[arg-type]
        )
        alone = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.secure_channel(self.address, credentials, options=alone) as channel:
            yield Service(self.address, channel)

    def serves(self, ann: Service) -> None:
        """See that Ann can record and read."""
        id_ = f"s{next(self._numbers)}"
        ann.record("n", said(id_, "a"))
        assert id_ in ann.state("n").negotiation.statements


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    authority = Authority(folder)
    own, keys, settings = authority.signs("service"), folder / "keys.json", folder / "settings"
    keys.write_text(key_set(KEY))
    settings.write_text(
        SETTINGS.format(**own._asdict(), issuer=ISSUER, audience=AUDIENCE, keys=keys)
    )
    with apart(folder / "data", more=["--config", str(settings)]) as process:
        yield Served(process, authority)


@pytest.fixture
def ann(served: Served) -> Iterator[Service]:
    with served.called(KEY.token) as ann:
        with contextlib.suppress(grpc.RpcError):  # another test was here before
            ann.record("n", opened(), joined("a"))
        yield ann


def hello(served: Served) -> bytes:
    """How a client begins a handshake."""
    sent = ssl.MemoryBIO()
    client = served.tls.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


HALF: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "half of it": lambda hello: hello[: len(hello) // 2],
    "its first byte": lambda hello: hello[:1],
    "the first message alone": lambda hello: hello,
    "no handshake": lambda _: BEGIN,
    "garbage": lambda hello: hello[:5] + bytes(len(hello) - 5),
}


def test_handshakes_that_do_not_go_on_keep_nobody_out(served: Served, ann: Service) -> None:
    first = hello(served)
    with contextlib.ExitStack() as opened_:
        for begin in itertools.islice(itertools.cycle(HALF.values()), HANDSHAKES):
            one = opened_.enter_context(http2_frames.dialled(served.address))
            with contextlib.suppress(OSError):
                one.sendall(begin(first))

        for _ in range(5):
            served.serves(ann)
        with served.called(KEY.token) as another:
            served.serves(another)


@pytest.mark.slow
def test_a_handshake_byte_by_byte_is_cut_and_others_are_served(
    served: Served, ann: Service
) -> None:
    first = hello(served)
    with (
        http2_frames.dialled(served.address) as slow,
        http2_frames.dialled(served.address) as silent,
    ):
        until = time.monotonic() + 12
        for byte in first:
            with contextlib.suppress(OSError):
                slow.sendall(bytes([byte]))
            served.serves(ann)
            time.sleep(0.1)
            if time.monotonic() > until:
                break

        assert is_closed(slow, 5)
        assert is_closed(silent, 5)


def flooded(served: Served, ann: Service, one: Callable[[threading.Event], None]) -> None:
    """Floods on several connections for a while; meanwhile Ann is served."""
    enough = threading.Event()
    threads = [threading.Thread(target=one, args=(enough,)) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    try:
        until = time.monotonic() + FLOOD_SECONDS
        while time.monotonic() < until:
            served.serves(ann)
            time.sleep(0.1)
    finally:
        enough.set()
        for thread in threads:
            thread.join()


def harmless(served: Served, ann: Service, one: Callable[[threading.Event], None]) -> None:
    """Floods that keep nobody out and leave nothing in memory."""
    flooded(served, ann, one)
    time.sleep(SETTLED_SECONDS)
    before = memory(served.process)

    flooded(served, ann, one)

    time.sleep(SETTLED_SECONDS)
    assert memory(served.process) - before < 64 * MEBIBYTE
    served.serves(ann)


def unsigned() -> str:
    _, claims, _ = KEY.token().split(".")
    return f"eyJhbGciOiJub25lIiwia2lkIjoib25lIn0.{claims}."


BAD: dict[str, tuple[Callable[[], str], str]] = {
    "none": (lambda: "", "TOKEN_MALFORMED"),
    "expired": (lambda: KEY.token(exp=time.time() - 10_000), "TOKEN_EXPIRED"),
    "of another": (lambda: KEY.token(aud="elsewhere"), "TOKEN_AUDIENCE_MISMATCH"),
    "unsigned": (unsigned, "TOKEN_UNSIGNED"),
    "forged": (Key("one").token, "TOKEN_SIGNATURE_INVALID"),
    "unknown": (Key("unknown").token, "TOKEN_KEYS_UNAVAILABLE"),
    "enormous": (lambda: "x" * 7_000, "TOKEN_MALFORMED"),
}


@pytest.mark.parametrize("apiece", [True, False], ids=["many connections", "one connection"])
def test_tokens_that_are_not_good_by_the_thousand_are_refused_and_others_served(
    served: Served, ann: Service, *, apiece: bool
) -> None:
    tokens = {bad(): reason for bad, reason in BAD.values()}
    told: set[tuple[str, str]] = set()

    def flood(enough: threading.Event) -> None:
        given = itertools.cycle(tokens)
        current = ""

        def calls(service: Service, number: int) -> None:
            nonlocal current
            for current in itertools.islice(given, number):
                answered = refused(lambda: service.state("n"))
                # Whether there is such a key is looked up once in a while, and waited for by none.
                reason = answered.reason.replace("TOKEN_KEY_UNKNOWN", "TOKEN_KEYS_UNAVAILABLE")
                told.add((tokens[current], reason))
                if enough.is_set():
                    break

        while not enough.is_set():
            with served.called(lambda: current) as service:
                calls(service, len(tokens) if apiece else 10_000)

    harmless(served, ann, flood)

    assert {reason for _, reason in told} >= {"TOKEN_EXPIRED", "TOKEN_SIGNATURE_INVALID"}
    assert all(wanted == reason for wanted, reason in told)


FLOODS: dict[str, Callable[[], Iterator[bytes]]] = {
    "calls without a token": lambda: streams(GET, b""),
    "resets": lambda: resets(RECORD, b""),
}


@pytest.mark.parametrize("what", FLOODS)
def test_frames_without_end_over_tls_do_no_harm(served: Served, ann: Service, what: str) -> None:
    def flood(enough: threading.Event) -> None:
        while not enough.is_set():
            with (
                contextlib.suppress(OSError),
                http2_frames.dialled(served.address) as plain,
                served.tls.wrap_socket(plain, server_hostname="localhost") as connection,
            ):
                connection.settimeout(0.2)
                connection.sendall(
                    BEGIN + http2_frames.frame(http2_frames.SETTINGS, http2_frames.ACK, 0, b"")
                )
                for piece in iter_parts(FLOODS[what]()):
                    connection.sendall(piece)
                    if enough.is_set():
                        break

    harmless(served, ann, flood)


def iter_parts(pieces: Iterator[bytes]) -> Iterator[bytes]:
    while part := b"".join(itertools.islice(pieces, 50)):
        yield part


def test_handshakes_by_the_hundred_are_made_and_given_up_and_others_served(
    served: Served, ann: Service
) -> None:
    def flood(enough: threading.Event) -> None:
        while not enough.is_set():
            with (
                contextlib.suppress(OSError),
                http2_frames.dialled(served.address) as plain,
                served.tls.wrap_socket(plain, server_hostname="localhost"),
            ):
                pass

    harmless(served, ann, flood)
