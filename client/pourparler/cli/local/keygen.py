"""Signing keys made on the command line, in the service's own room of keys."""

from pathlib import Path

import click

from pourparler.cli.local.service_process import service_module
from pourparler.transparency.checkpoint import COSIGNATURE, ED25519


def keygen(name: str, path: Path, *, witness: bool = False) -> str:
    """Make a key of this name in a new file; the verifier key."""
    keys = service_module("transparency.signing_keys")
    try:
        key = keys.make_key(name, algorithm=COSIGNATURE if witness else ED25519)
        keys.write_key(key, path)
    except keys.KeyFileError as error:
        raise click.ClickException(f"{error} Name another file with --output.") from error
    return str(key.verifier_key)
