"""Opening subject keys with their master key, and rotating the master key."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pourparler_service.storage.key_table import SubjectKeyTable
from pourparler_service.storage.master_key import (
    MASTER_KEY,
    MasterKey,
    MasterKeyError,
    decoded,
    read_master_key,
    write_master_key,
)
from pourparler_service.storage.subject_keys import SubjectKeyStore

_NEXT = ".next"
_VARIABLE = "POURPARLER_MASTER_KEY"


def open_subject_keys(
    table: SubjectKeyTable, folder: Path | None, environment: Mapping[str, str]
) -> SubjectKeyStore:
    """Open the keys of a table with their master key. Close the table if that fails.

    The master key is the one of POURPARLER_MASTER_KEY, else that of the data directory. It is made
    if the table has no key yet. Without a directory it is in memory. Raise SubjectKeyError or
    DataDirectoryError.
    """
    try:
        given = environment.get(_VARIABLE, "")
        master = MasterKey.random() if folder is None else _master_key(table, folder, given)
        return SubjectKeyStore(table, master)
    except BaseException:
        table.close()
        raise


def _master_key(table: SubjectKeyTable, folder: Path, given: str) -> MasterKey:
    """Return the master key that the table needs; any one, or a new one, if it needs none."""
    file, needed = folder / MASTER_KEY, table.master_key_id
    if not given and not file.exists() and not _next(file).exists():
        if needed:
            raise MasterKeyError(_lost(table, folder, "There is none here"))
        return write_master_key(file)
    if given and decoded(given) is not None:
        found = read_master_key(given)
    else:
        found = _settled(Path(given) if given else file, needed)
    if needed and found.key_id != needed:
        raise MasterKeyError(_lost(table, folder, f"The one that is here is {found.key_id}"))
    return found


def _settled(file: Path, needed: str) -> MasterKey:
    """Return the master key of a file, after finishing or undoing a rotation that was cut off."""
    fresh = _next(file)
    if fresh.exists():
        with contextlib.suppress(MasterKeyError):
            if needed and read_master_key(str(fresh)).key_id == needed:
                fresh.replace(file)
                _sync(file.parent)
        fresh.unlink(missing_ok=True)
    return read_master_key(str(file))


def _next(file: Path) -> Path:
    return file.with_name(file.name + _NEXT)


def _lost(table: SubjectKeyTable, folder: Path, here: str) -> str:
    keys = table.keys()
    persons = len({(key.negotiation, key.participant) for key in keys})
    negotiations = len({key.negotiation for key in keys})
    return (
        f"The master key {table.master_key_id} is missing. {here}. Without it, the words in"
        f" {folder} that concern persons (persons: {persons}, negotiations: {negotiations}) cannot"
        " be read, by anyone, ever; facts and proofs remain. Put it back where it was, or name its"
        f" file in {_VARIABLE}. Nothing was changed."
    )


class Rotation(NamedTuple):
    """The result of a rotation of the master key."""

    key_id: str
    """The id of the new master key."""
    file: Path
    keys: int
    """The number of subject keys that it wraps."""


def rotate_master_key(
    table: SubjectKeyTable, folder: Path, environment: Mapping[str, str], to: Path | None = None
) -> Rotation:
    """Wrap the keys of a table with a new master key, and close the table.

    The caller holds the data directory. The new master key replaces the old one in its file, or
    goes to the file `to`. Without a file of the old one, `to` is required. Raise SubjectKeyError or
    DataDirectoryError.
    """
    with contextlib.closing(table):
        old = _master_key(table, folder, environment.get(_VARIABLE, ""))
        if to is not None and to.exists():
            raise MasterKeyError(
                f"There is a file {to} already. A new master key needs a new file."
            )
        if to is None and old.file is None:
            raise MasterKeyError(
                "The master key is given by its value: say to which file the new one is to go."
            )
        file = to or old.file or folder
        # A crash before the keys are wrapped leaves a file that is not needed. A crash after that
        # leaves it to the next start to put the new master key in the place of the old one.
        new = write_master_key(file if to else _next(file))
        keys = SubjectKeyStore(table, old).rewrap(new)
    if to is None:
        _next(file).replace(file)
        _sync(file.parent)
    elif old.file == folder / MASTER_KEY:
        old.file.unlink()
    return Rotation(new.key_id, file, keys)


def _sync(folder: Path) -> None:
    """Wait until the names in a folder are on disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
