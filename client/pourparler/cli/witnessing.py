"""A witness run from the command line."""

from collections.abc import Sequence
from pathlib import Path

import click

from pourparler.checkpoint import VerifierKey
from pourparler.cli.demonstrating import room


def serve(key: Path, logs: Sequence[VerifierKey], data: Path, address: str | None) -> int:
    """Run a witness until it is told to stop."""
    keys, witness, server = room("keys"), room("witness"), room("witness_server")
    try:
        running = witness.Witness(keys.read_key(key), logs, data)
        try:
            server.serve(running, address or server.DEFAULT_ADDRESS)
        finally:
            running.close()
    except (keys.KeyFileError, witness.WitnessError) as error:
        raise click.ClickException(str(error)) from error
    return 0
