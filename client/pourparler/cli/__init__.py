"""The command `pourparler`: the record of a negotiation, for people and for scripts."""

import contextlib
import os
import sys
from collections.abc import Sequence

from pourparler.cli import pipes

_NEEDED = frozenset({"click", "rich"})
_SERVING = frozenset({"serve", "witness", "demo"})
_OUTPUT, _ERRORS = 1, 2  # the descriptors
_INTERRUPTED = 130  # as in cli/errors.py, which may not be there yet


def main(before: Sequence[str] = ()) -> None:
    """Run the command, with arguments before those of the process, and leave with its exit code."""
    arguments = [*before, *sys.argv[1:]]
    pipes.fill_descriptors()
    # Python has none where its descriptor was closed: `pourparler show x 2>&-`.
    if sys.stdout is None or not sys.stdout.isatty():
        sys.stdout = pipes.stream(_OUTPUT, sys.stdout)
    if sys.stderr is None or not sys.stderr.isatty():
        sys.stderr = pipes.stream(_ERRORS, sys.stderr)
    if "GRPC_VERBOSITY" not in os.environ and _SERVING.isdisjoint(arguments):
        with contextlib.suppress(OSError):
            _hush()
    try:
        # Imported here, so that without the extra the command can say what it lacks.
        from pourparler.cli.commands import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        extra = "cli" if _SERVING.isdisjoint(arguments) else "service"
        sys.exit(
            f"The command needs {error.name}: install it with `pip install 'pourparler[{extra}]'`."
        )
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    sys.exit(run(arguments))


def _hush() -> None:
    """Keep what gRPC writes past Python off the error stream: the error that follows says it.

    gRPC has read its own variable by now, and has no other way to be told.
    """
    own = os.dup(_ERRORS)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _ERRORS)
    os.close(nowhere)
    if sys.stderr.isatty():
        sys.stderr = os.fdopen(own, "w", buffering=1, encoding=sys.stderr.encoding)
    else:
        sys.stderr = pipes.stream(own, sys.stderr)
