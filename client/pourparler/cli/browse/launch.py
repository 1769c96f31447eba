"""The reader on the command line: what it needs, what it reads, and where it can be shown."""

import os
import sys
from typing import BinaryIO

import click

from pourparler.cli.options import query_options
from pourparler.cli.terminal_escape import escaped
from pourparler.transparency.bundle import BundleError


def browse(
    negotiation: str | None, file: BinaryIO | None, version: int | None, viewer_participant_id: str
) -> None:
    """Let a person read the negotiations of the service or of a bundle, until they have enough."""
    try:
        # Imported here: only this command needs it, and it takes a while.
        from pourparler.cli.browse.app import Browser  # noqa: PLC0415
        from pourparler.cli.browse.source import BundleSource, ServiceSource  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        raise click.ClickException(
            "A reader needs textual: install it with `pip install 'pourparler[browse]'`."
        ) from None
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM") == "dumb":
        raise click.ClickException(
            "A reader needs a whole terminal. In a pipe use `pourparler show`, `status` and "
            "`history`."
        )
    if file is None:
        server = click.get_current_context().find_root().params["server"]
        service = ServiceSource(query_options.async_client(), viewer_participant_id, server)
        reader = Browser(service, negotiation, version)
    else:
        try:
            bundle = BundleSource(file)
        except BundleError as error:
            raise click.ClickException(escaped(str(error))) from error
        reader = Browser(bundle, bundle.name, version)
    # Textual draws on the stream that Python began with, from which the command has turned away.
    setattr(sys, "__stderr__", sys.stderr)  # noqa: B010 - it is final to type checkers
    reader.run()
