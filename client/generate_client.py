"""Generate the client of threads from the asyncio client.

Usage: python client/generate_client.py [--check]

Without an option, it writes the generated modules. With `--check`, it compares them with the
modules in the repository and exits with status 1 if they differ.

The two clients differ only in the keywords of asyncio and in the names below. Whatever needs a
thread or an event loop stands in the transports, which are written by hand.
"""

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent / "pourparler"

MODULES = {
    "aio.py": "client.py",
    "rpc/async_verified_calls.py": "rpc/sync_verified_calls.py",
}
"""The generated module of each asyncio module."""

NAMES = {
    "AsyncIterator": "Iterator",
    "AsyncTransport": "SyncTransport",
    "AsyncVerifiedCalls": "SyncVerifiedCalls",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "async_record_stream": "sync_record_stream",
    "async_streams": "sync_streams",
    "async_transport": "sync_transport",
    "async_verified_calls": "sync_verified_calls",
}
"""The names of the asyncio modules that have another name without asyncio."""

TEXTS = {
    "aio.py": {
        "The asyncio client: it has the methods and parameters of `pourparler.Client`.": (
            "The client of threads: it has the methods and parameters of `pourparler.aio.Client`."
        ),
        "`pourparler.client` is generated from this module: see client/generate_client.py.": (
            "Generated from aio.py by client/generate_client.py; do not edit."
        ),
        "and belongs to one event loop.": "and threads may share it.",
    },
    "rpc/async_verified_calls.py": {
        "`sync_verified_calls` is generated from this module: see client/generate_client.py.": (
            "Generated from async_verified_calls.py by client/generate_client.py; do not edit."
        ),
    },
}
"""The sentences that differ, by module."""


def generate(module: str, source: str) -> str:
    """Return the module of threads for an asyncio module.

    Raises ValueError if a sentence that should be replaced is not there exactly once.
    """
    for text, replacement in TEXTS[module].items():
        if source.count(text) != 1:
            raise ValueError(f"{module}: {source.count(text)} times {text!r}, expected once")
        source = source.replace(text, replacement)
    lines = source.splitlines(keepends=True)
    for (row, start), end, replacement in sorted(_edits(source), reverse=True):
        line = lines[row - 1]
        lines[row - 1] = line[:start] + replacement + line[end:]
    return _format("".join(lines))


def _edits(source: str) -> Iterator[tuple[tuple[int, int], int, str]]:
    """Yield the place, the end column and the replacement of each token that changes."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.NAME:
            continue
        if token.string in {"async", "await"}:
            after = re.match(r"\s*", token.line[token.end[1] :])
            yield token.start, token.end[1] + (after.end() if after else 0), ""
        elif token.string in NAMES:
            yield token.start, token.end[1], NAMES[token.string]


def _format(source: str) -> str:
    """Return a module as the formatter and the import sorter of the project write it."""
    for arguments in (
        ["check", "--select", "I,UP028", "--fix-only", "--unsafe-fixes", "--quiet"],
        ["format", "--quiet"],
    ):
        command = [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", "client.py", "-"]
        run = subprocess.run(command, input=source, capture_output=True, text=True, check=True)
        source = run.stdout
    return source


def main(arguments: list[str]) -> int:
    """Write the generated modules, or compare them. Return the exit status."""
    stale = []
    for module, target in MODULES.items():
        generated = generate(module, (PACKAGE / module).read_text(encoding="utf-8"))
        path = PACKAGE / target
        if not path.exists() or path.read_text(encoding="utf-8") != generated:
            stale.append(target)
            if "--check" not in arguments:
                path.write_text(generated, encoding="utf-8")
    if "--check" in arguments and stale:
        print(f"Not the output of the generator: {', '.join(stale)}. Run make generate-client.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
