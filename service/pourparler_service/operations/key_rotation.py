"""Rotating the master key of a data directory, while no service runs."""

from collections.abc import Mapping
from pathlib import Path

from pourparler_service.application import open_backend
from pourparler_service.config.store_url import VARIABLE
from pourparler_service.storage import key_rotation
from pourparler_service.storage.key_rotation import Rotation


def rotate_master_key(
    folder: Path, environment: Mapping[str, str], to: Path | None = None
) -> Rotation:
    """Wrap the keys in a data directory, which the caller holds, with a new master key.

    The new one takes the place of the old one in its file, or goes to the file `to`. Raise
    SubjectKeyError, StoreSettingsError, StoreUnavailableError or DataDirectoryError.
    """
    backend = open_backend(folder, environment.get(VARIABLE, ""), environment)
    return key_rotation.rotate_master_key(backend.key_table(), folder, environment, to)
