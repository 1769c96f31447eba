"""The service that the command line names, and how one shows it who one is."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import click

from pourparler import Client

_WORD = re.compile(r"[!-~]+", re.ASCII)


def client_of(root: click.Context, timeout: float | None = None) -> Client:
    """A client of the service that the options name before the command, closed by the caller."""
    options = root.params
    return Client(
        options["server"],
        timeout=timeout or options["timeout"],
        root_certificates=options["root_certificates"],
        certificate=options["certificate"],
        key=options["certificate_key"],
        token=_token(options["token_file"]),
    )


def _token(file: str | None) -> str | Callable[[], str] | None:
    """The token that says who asks. It is not given as an option: others could see it there."""
    if file is None:
        return os.environ.get("POURPARLER_TOKEN") or None

    def read() -> str:
        try:
            token = Path(file).read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise click.ClickException(f"The token cannot be read: {error}") from error
        if not _WORD.fullmatch(token):
            raise click.ClickException(f"The file {file} has no token, or more than that.")
        return token

    return read
