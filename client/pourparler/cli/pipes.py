"""Standard streams whose reader may close them at any time, such as `head -1` in a pipe.

A closed stream becomes a stream to nowhere. A write to it never fails, in any thread. A write that
fails in a thread of gRPC would end this thread, and the command would wait for it forever.
"""

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_LAST = 2  # the descriptor of the error stream
_CHECK_SECONDS = 0.5


class OutputClosedError(BaseException):
    """The reader of the output has closed it. It ends a command that only answers a query.

    Like KeyboardInterrupt, it is no Exception: code that handles errors does not stop it.
    """


class _Output(io.FileIO):
    """The descriptor of a stream. After its reader has closed it, it accepts and drops all data."""

    raises = False
    """True if a write without a reader raises OutputClosedError in the main thread."""
    is_closed_by_reader = False

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write to the descriptor."""
        if not self.is_closed_by_reader:
            try:
                return super().write(data)
            except (BrokenPipeError, ConnectionResetError):
                self.is_closed_by_reader = True
        if self.raises and threading.current_thread() is threading.main_thread():
            raise OutputClosedError
        return memoryview(data).nbytes


def fill_descriptors() -> None:
    """Open the standard descriptors that the parent process has closed, as by `>&-`.

    Without this, the next file would get the descriptor, such as a store. A message of gRPC to the
    error stream would then be written into that file.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    while nowhere <= _LAST:
        nowhere = os.open(os.devnull, os.O_RDWR)
    os.close(nowhere)


def stream(descriptor: int, like: TextIO | None) -> TextIO:
    """Return a stream to a descriptor that its reader may close, with the settings of another."""
    lines = like is not None and (
        getattr(like, "line_buffering", True) or getattr(like, "write_through", False)
    )
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(descriptor, "w", closefd=False)),
        encoding=getattr(like, "encoding", "utf-8"),
        errors="backslashreplace",
        line_buffering=lines,
    )


def end_with_reader(*, raises: bool) -> None:
    """Choose if a command ends as soon as the reader of its output is gone, or continues."""
    output = _output()
    if output is not None:
        output.raises = raises


@contextlib.contextmanager
def until_reader_leaves() -> Iterator[None]:
    """Raise OutputClosedError in the block when the reader leaves, also while it only waits."""
    output = _output()
    if output is None or sys.platform == "win32":
        yield
        return
    import select  # noqa: PLC0415 - Windows has no poll

    descriptor = output.fileno()

    def is_gone() -> bool:
        poll = select.poll()
        poll.register(descriptor, 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))

    def handle(_number: int, _frame: FrameType | None) -> None:
        if is_gone():
            raise OutputClosedError

    def look() -> None:
        while not ended.wait(_CHECK_SECONDS):
            if is_gone():
                # Only a signal wakes the main thread while it waits for the service.
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGPIPE)
                return

    ended = threading.Event()
    thread = threading.Thread(target=look, name="reader-of-output", daemon=True)
    usual = signal.signal(signal.SIGPIPE, handle)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        signal.signal(signal.SIGPIPE, usual)


def _output() -> _Output | None:
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw if isinstance(raw, _Output) else None
