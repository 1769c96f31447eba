"""The ceiling: what gRPC in Python carries at all, on a server that is set up as ours is.

A method says by its name what it answers: `/empty/Unary-SIZE`; `/empty/Stream-COUNT-SIZE`;
`/empty/Session-SIZE`, a message for each; `/empty/Watch`, what is given to `/empty/Push`.
"""

import asyncio
import functools
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import uvloop

from pourparler_service.config.settings import Settings
from pourparler_service.server import options

WATCHING = b"watching"
"""What a watcher is sent at first."""

_Context = grpc.aio.ServicerContext[bytes, bytes]


@functools.cache
def _answer(size: int) -> bytes:
    """So many bytes, made once; no zeros, for which the system has one page in the place of all."""
    return b"." * size


class _Empty(grpc.GenericRpcHandler):
    """Answers, having done nothing."""

    def __init__(self) -> None:
        self._next: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def service(self, handler_call_details: Any) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        kind, *numbers = handler_call_details.method.removeprefix("/empty/").split("-")
        *counts, size = map(int, numbers or ["0"])
        answer = _answer(size)

        async def unary(request: bytes, context: _Context) -> bytes:
            return answer

        async def stream(request: bytes, context: _Context) -> None:
            for _ in range(counts[0]):
                await context.write(answer)

        async def session(requests: AsyncIterator[bytes], context: _Context) -> None:
            async for _ in requests:
                await context.write(answer)

        async def watch(request: bytes, context: _Context) -> None:
            await context.write(WATCHING)
            while True:
                await context.write(await asyncio.shield(self._next))

        async def push(request: bytes, context: _Context) -> bytes:
            pushed, self._next = self._next, asyncio.get_running_loop().create_future()
            pushed.set_result(request)
            return bytes(1)

        match kind:
            case "Unary":
                return grpc.unary_unary_rpc_method_handler(unary)
            case "Session":
                return grpc.stream_stream_rpc_method_handler(session)
            case "Watch":
                return grpc.unary_stream_rpc_method_handler(watch)
            case "Push":
                return grpc.unary_unary_rpc_method_handler(push)
            case _:
                return grpc.unary_stream_rpc_method_handler(stream)


async def _serve() -> None:
    settings = Settings.in_memory()
    server = grpc.aio.server(options=options(settings))
    server.add_generic_rpc_handlers((_Empty(),))
    port = server.add_insecure_port(settings.address)
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sys.stdout.write(f"127.0.0.1:{port}\n")
    sys.stdout.flush()
    await stop.wait()
    await server.stop(0)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
