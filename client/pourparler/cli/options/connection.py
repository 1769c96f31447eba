"""The service that the command line names, and how one shows it who one is."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pourparler import Client, aio
from pourparler.cli.terminal_escape import escaped

_WORD = re.compile(r"[!-~]+", re.ASCII)


class AddressType(click.ParamType[str]):
    """Where a service listens: `HOST:PORT`, or what else gRPC knows, such as `unix:PATH`."""

    name = "ADDRESS"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address. Raises click.BadParameter if it has no port."""
        scheme, apart, rest = value.partition("://")
        if apart and scheme.lower() in {"http", "https"}:
            self.fail(f"Leave out {scheme}://, and say it as {rest.rstrip('/')}.", param, ctx)
        if ":" not in value:
            self.fail(f"{value!r} has no port. Say it as {value}:50710.", param, ctx)
        return value


def client(root: click.Context, timeout: float | None = None) -> Client:
    """Return a client with the global options. The caller closes it."""
    return Client(**_options(root, timeout))


def async_client(root: click.Context) -> aio.Client:
    """Return an asynchronous client with the global options."""
    return aio.Client(**_options(root))


def _options(root: click.Context, timeout: float | None = None) -> dict[str, Any]:
    options = root.params
    return {
        "target": options["server"],
        "timeout": timeout or options["timeout"],
        "root_certificates": options["root_certificates"],
        "certificate_chain": options["certificate"],
        "private_key": options["certificate_key"],
        "token": _token(options["token_file"]),
    }


def _token(file: str | None) -> str | Callable[[], str] | None:
    """Return the bearer token. It is not an option, because other users can see options."""
    if file is None:
        return os.environ.get("POURPARLER_TOKEN") or None

    def read() -> str:
        try:
            token = Path(file).read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is not text"
            raise click.ClickException(
                f"The token in {escaped(file)} cannot be read: {why}. Say another --token-file."
            ) from error
        if not _WORD.fullmatch(token):
            raise click.ClickException(
                f"The file {escaped(file)} has no token, or more than that. Write the token alone "
                "to it."
            )
        return token

    return read
