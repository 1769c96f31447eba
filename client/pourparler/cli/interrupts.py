"""Interruptions of a command that has something to finish."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def on_first_interrupt(told: Callable[[], None]) -> Iterator[None]:
    """Tell of the first interruption; each after it raises KeyboardInterrupt, as always.

    KeyboardInterrupt comes between any two steps, also where a lock was just taken and is never
    given back: threads that need it would wait for ever.
    """
    usual = signal.getsignal(signal.SIGINT)
    if (
        usual is not signal.default_int_handler  # who started us wants no interruptions
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, usual)
        told()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
