"""Drafts to a running service, by the command that everybody uses."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pourparler.cli.commands import run


def send(lines: Iterable[str], server: str, secure: Sequence[str] = ()) -> None:
    """Import drafts, one a line; what was imported before stays as it is.

    `secure` are the options of the command by which a service that tells callers apart is called.

    When one is refused, or the service is away, the command says so and the program ends.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder, "drafts.jsonl")
        with file.open("w", encoding="utf-8") as drafts:
            drafts.writelines(line + "\n" for line in lines)
        code = run(["--server", server, *secure, "import", str(file)])
    if code:
        sys.exit(code)
