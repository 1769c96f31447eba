"""The output of the command in a terminal of a width, and in a pipe."""

import io
from collections.abc import Callable

from rich.console import Console

from pourparler.cli.output.page import Page


def in_pipe(put: Callable[[Page], object]) -> str:
    """Return the output in a pipe."""
    out = io.StringIO()
    put(Page(Console(file=out, force_terminal=False, markup=False, emoji=False)))
    return out.getvalue()


def in_terminal(put: Callable[[Page], object], width: int = 80, *, full: bool = False) -> str:
    """Return the output in a terminal without colours and without trailing blanks."""
    out = io.StringIO()
    console = Console(
        file=out, force_terminal=True, width=width, color_system=None, markup=False, emoji=False
    )
    put(Page(console, full=full))
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())
