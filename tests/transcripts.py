"""What a page has its reader type into a shell: read by a shell, and what the command says to it.

A shell reads all of a page at once, so that a variable set in one block is there in the next, and
tells which commands of `pourparler` it was given, with which words and which standard input. They
are then run one after the other in this process.
"""

import base64
import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pourparler.cli.commands import run

ENDLESS = frozenset({"serve", "demo", "watch", "witness"})
"""Commands that do not end by themselves: what they are given is read, and they are not run."""

_READ = """
set -eo pipefail
pourparler() { { printf '%s\\0' "$#" "$@"; base64 -w0; printf '\\0'; } >&"$told"; }
make() { :; }
"""
_NEXT = "\nprintf 'next\\0' >&\"$told\"\n"
_VARYING = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "(an instant)"),
    (r"\b[\d,]+ bytes\b", "(so many) bytes"),
    (r"\b[0-9a-f]{64}\b", "(a root)"),
)


class Typed(NamedTuple):
    """One command of `pourparler`, as the shell read it."""

    arguments: list[str]
    standard_input: bytes


def typed(blocks: Sequence[str], environment: Mapping[str, str]) -> list[list[Typed]]:
    """The commands in each of these blocks. Fails where the shell knows no such command."""
    reading, writing = os.pipe()
    script = _READ + "".join(block + _NEXT for block in blocks)
    with os.fdopen(reading, "rb") as told:
        with os.fdopen(writing, "wb") as end:
            shell = subprocess.Popen(
                ["bash", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[end.fileno()],
                env={**os.environ, **environment, "told": str(end.fileno())},
            )
        words = iter(told.read().decode().split("\0")[:-1])
    out, _ = shell.communicate()
    assert shell.returncode == 0, out.decode()
    return list(_commands(words))


def _commands(words: Iterator[str]) -> Iterator[list[Typed]]:
    block: list[Typed] = []
    for word in words:
        if word == "next":
            yield block
            block = []
        else:
            arguments = [next(words) for _ in range(int(word))]
            block.append(Typed(arguments, base64.b64decode(next(words))))


def answered(commands: Sequence[Typed]) -> tuple[str, int]:
    """What these say on a terminal, one after the other, and the gravest of their exit codes."""
    out, gravest = io.StringIO(), 0
    for command in commands:
        if command.arguments[0] in ENDLESS:
            continue
        given = io.TextIOWrapper(io.BytesIO(command.standard_input))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            before, sys.stdin = sys.stdin, given
            try:
                gravest = max(gravest, run(command.arguments))
            finally:
                sys.stdin = before
    return out.getvalue(), gravest


def plain(text: str) -> str:
    """A text in which that is left out which is not the same twice, and blanks at ends of lines."""
    for varying, instead in _VARYING:
        text = re.sub(varying, instead, text)
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines())
