"""The shell commands of a page of the documentation, and their output.

A shell reads all blocks of a page at once, so that a variable of one block is set in the next. It
reports each command with its arguments and its standard input. Then the commands run in order:
`pourparler` in this process, each other one in its own process.
"""

import base64
import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pourparler.cli.commands import run

ENDLESS = frozenset({"serve", "demo", "watch", "browse", "witness"})
"""Commands that do not end by themselves: their arguments are parsed, and they are not run."""

UNRUN = frozenset({"make", "pip"})
"""Other commands that a test reads and does not run."""

OTHERS = frozenset({"cp", "mkdir", "python"})
"""Other commands that a test runs."""

# With an empty PATH each command is unknown and reported, except the builtins of the shell.
_READ = """
set -e
coded=$(type -P base64)
PATH=/nowhere
tell() { { printf '%s\\0' "$#" "$@"; "$coded" -w0; printf '\\0'; } >&"$told"; }
command_not_found_handle() { tell "$@"; }
.() { :; }
"""
_NEXT = "\nprintf 'next\\0' >&\"$told\"\n"
_VARYING = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "(an instant)"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "(a UUID)"),
    (r"\b[\d,]+ bytes\b", "(so many) bytes"),
    (r"\b[0-9a-f]{64}\b", "(a root)"),
    (r"\d+\.\d s, [\d,]+ a second", "(so long)"),
    (r"\+[0-9a-f]{8}\+[\w+/=]{44}", "(a key)"),
)


class Typed(NamedTuple):
    """One command as the shell parsed it."""

    words: list[str]
    standard_input: bytes


def typed(blocks: Sequence[str]) -> list[list[Typed]]:
    """Return the commands of each block. Fail for a syntax error or an unknown command."""
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
                env={**os.environ, "told": str(end.fileno())},
            )
        words = iter(told.read().decode().split("\0")[:-1])
    out, _ = shell.communicate()
    assert (shell.returncode, out) == (0, b""), out.decode()
    return list(_commands(words))


def _commands(words: Iterator[str]) -> Iterator[list[Typed]]:
    block: list[Typed] = []
    for word in words:
        if word == "next":
            yield block
            block = []
        else:
            typed = [next(words) for _ in range(int(word))]
            block.append(Typed(typed, base64.b64decode(next(words))))
            assert typed[0] in {"pourparler", *UNRUN, *OTHERS}, typed


def answered(commands: Sequence[Typed]) -> tuple[str, int]:
    """Run commands in order; return their terminal output and the highest exit code."""
    out, gravest = io.StringIO(), 0
    for command in commands:
        program, *arguments = command.words
        if program in UNRUN or (program == "pourparler" and arguments[0] in ENDLESS):
            continue
        if program == "pourparler":
            code = _ours(arguments, command.standard_input, out)
        else:
            program = sys.executable if program == "python" else program
            done = subprocess.run(
                [program, *arguments],
                input=command.standard_input,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
            out.write(done.stdout.decode())
            code = done.returncode
        gravest = max(gravest, code)
    return out.getvalue(), gravest


def _ours(arguments: list[str], given: bytes, out: io.StringIO) -> int:
    before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(given))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            return run(arguments)
    finally:
        sys.stdin = before


def plain(text: str) -> str:
    """Return a text without the parts that differ at each run, and without trailing blanks."""
    for varying, instead in _VARYING:
        text = re.sub(varying, instead, text)
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines())
