"""Interruptions of a command that has something to finish."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def on_first_interrupt(told: Callable[[], None]) -> Iterator[None]:
    """Report the first interruption. Each later one raises KeyboardInterrupt, as usual.

    KeyboardInterrupt can occur between any two steps, also after a lock was acquired. The lock
    would stay locked, and other threads would wait for it forever.
    """
    usual = signal.getsignal(signal.SIGINT)
    if (
        usual is not signal.default_int_handler  # the parent process ignores interruptions
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
