"""Signing keys made on the command line, in the service's own room of keys."""

from pathlib import Path

import click

from pourparler.checkpoint import COSIGNATURE, ED25519
from pourparler.cli.demonstrating import room


def keygen(name: str, path: Path, *, witness: bool = False) -> str:
    """Make a key of this name in a new file; the verifier key."""
    keys = room("keys")
    try:
        key = keys.make_key(name, algorithm=COSIGNATURE if witness else ED25519)
        keys.write_key(key, path)
    except keys.KeyFileError as error:
        raise click.ClickException(f"{error} Say another with -o.") from error
    return str(key.verifier_key)
