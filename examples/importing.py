"""Import drafts into a running service with the command line of Pourparler."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pourparler.cli.commands import run


def send(lines: Iterable[str], server: str, secure: Sequence[str] = ()) -> None:
    """Import drafts, one per line. Drafts that are already on the record do not change.

    `secure` has the command options for a service with authentication.

    If the service refuses a draft or is unavailable, the command reports it and the program exits.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder, "drafts.jsonl")
        with file.open("w", encoding="utf-8") as drafts:
            drafts.writelines(line + "\n" for line in lines)
        code = run(["--server", server, *secure, "import", str(file)])
    if code:
        sys.exit(code)
