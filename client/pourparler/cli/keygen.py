"""Signing keys made on the command line, in the service's own room of keys."""

from pathlib import Path

import click

from pourparler.cli.demonstrating import room


def keygen(name: str, path: Path) -> str:
    """Make a key of this name in a new file; the verifier key."""
    keys = room("keys")
    try:
        key = keys.make_key(name)
        keys.write_key(key, path)
    except keys.KeyFileError as error:
        raise click.ClickException(str(error)) from error
    return str(key.verifier_key)
