"""Both clients behind one interface, so that a test covers each of them."""

import asyncio
import inspect
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from pourparler import aio


class Awaited:
    """A wrapper of the asyncio client or of its results: it waits for each result."""

    def __init__(self, runner: asyncio.Runner, awaits: Any) -> None:
        self._runner = runner
        self._awaits = awaits

    def __getattr__(self, name: str) -> Any:
        known = getattr(self._awaits, name)
        return self._waiting(known) if callable(known) else known

    def __enter__(self) -> Self:
        self._run(self._awaits.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run(self._awaits.__aexit__(kind, error, trace))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return self._run(anext(self._awaits))
        except StopAsyncIteration:
            raise StopIteration from None

    def _waiting(self, function: Any) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            answer = function(*given, **named)
            if inspect.isawaitable(answer):
                return self._run(answer)
            return Awaited(self._runner, answer)

        return call

    def _run(self, awaitable: Any) -> Any:
        async def until_done() -> Any:
            return await awaitable

        return self._runner.run(until_done())


def awaited(runner: asyncio.Runner, target: str, **settings: Any) -> Awaited:
    """Return an asyncio client with the interface of the other client."""
    return Awaited(runner, aio.Client(target, **settings))
