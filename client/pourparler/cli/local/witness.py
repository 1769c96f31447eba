"""A witness run from the command line."""

from collections.abc import Sequence
from pathlib import Path

import click

from pourparler.cli.local.service_process import service_module
from pourparler.transparency.checkpoint import VerifierKey


def serve(key: Path, logs: Sequence[VerifierKey], data: Path, address: str | None) -> int:
    """Run a witness until it is told to stop."""
    keys, witness, server = (
        service_module("transparency.signing_keys"),
        service_module("witness.witness"),
        service_module("witness.http_server"),
    )
    try:
        running = witness.Witness(keys.read_key(key), logs, data)
        try:
            server.serve(running, address or server.DEFAULT_ADDRESS)
        finally:
            running.close()
    except (keys.KeyFileError, witness.WitnessError) as error:
        raise click.ClickException(str(error)) from error
    return 0
