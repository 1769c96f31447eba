"""Opening the subject keys of a data directory, and rotating their master key."""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pourparler_service.storage.master_key import (
    KEY_BYTES,
    MASTER_KEY,
    MasterKey,
    MasterKeyError,
    SubjectKeyError,
    _decoded,
    read_master_key,
    write_master_key,
)
from pourparler_service.storage.subject_keys import DATABASE, FORMAT, SubjectKeyStore, _connected

_NEXT = ".next"


def open_subject_keys(folder: Path | None, environment: Mapping[str, str]) -> "SubjectKeyStore":
    """The keys of persons in a data folder; in memory, without one.

    The master key is what POURPARLER_MASTER_KEY says, else that of the folder, which is made where
    there is nothing yet that would need another. Raises PersonsError or FolderError.
    """
    said = environment.get("POURPARLER_MASTER_KEY", "")
    if folder is None:
        return SubjectKeyStore(None, MasterKey(secrets.token_bytes(KEY_BYTES)))
    path = folder / DATABASE
    return SubjectKeyStore(path, _master_key(folder, said, _wrapped_by(path)))


def _master_key(folder: Path, said: str, needed: str) -> MasterKey:
    """The master key of a folder: one that is there if the keys in it need it, else any."""
    file = folder / MASTER_KEY
    if not said and not file.exists() and not _next(file).exists():
        if needed:
            raise MasterKeyError(_lost(folder, needed, "There is none here"))
        return write_master_key(file)
    if said and _decoded(said) is not None:
        found = read_master_key(said)
    else:
        found = _settled(Path(said) if said else file, needed)
    if needed and found.key_id != needed:
        raise MasterKeyError(_lost(folder, needed, f"The one that is here is {found.key_id}"))
    return found


def _settled(file: Path, needed: str) -> MasterKey:
    """The master key in a file, once a rotation that was cut off there is finished or undone."""
    fresh = _next(file)
    if fresh.exists():
        with contextlib.suppress(MasterKeyError):
            if needed and read_master_key(str(fresh)).key_id == needed:
                fresh.replace(file)
                _settle(file.parent)
        fresh.unlink(missing_ok=True)
    return read_master_key(str(file))


def _next(file: Path) -> Path:
    return file.with_name(file.name + _NEXT)


def _lost(folder: Path, needed: str, here: str) -> str:
    persons, negotiations = _counted(folder / DATABASE)
    return (
        f"The master key {needed} is missing. {here}. Without it the words in {folder} that concern"
        f" persons (persons: {persons}, negotiations: {negotiations}) cannot be read, by anybody,"
        " ever; facts and proofs would be left. Put it back where it was, or name its file in"
        " POURPARLER_MASTER_KEY. Nothing was changed."
    )


def _looked_up(path: Path, statement: str) -> tuple[object, ...] | None:
    """A row of the database as it lies there; None if there is no database yet."""
    if not path.exists():
        return None
    try:
        with contextlib.closing(_connected(path)) as database:
            found: tuple[object, ...] | None = database.execute(statement).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None  # it was about to be made
        raise SubjectKeyError(f"{path} cannot be read: {error}.") from error
    except sqlite3.Error as error:
        raise SubjectKeyError(f"{path} cannot be read: {error}.") from error
    return found


def _wrapped_by(path: Path) -> str:
    """The id of the master key by which the keys in a database are wrapped; empty if none are."""
    found = _looked_up(path, "SELECT format, master_key_id, EXISTS (SELECT 1 FROM key) FROM about")
    if found is None:
        return ""
    written, key_id, any_key = found
    if written != FORMAT:
        raise SubjectKeyError(
            f"{path} has format {written}, written by a newer version of pourparler; this one reads"
            f" format {FORMAT}. Nothing was changed."
        )
    return str(key_id) if any_key else ""


def _counted(path: Path) -> tuple[int, int]:
    found = _looked_up(
        path,
        "SELECT count(*), count(DISTINCT negotiation) FROM (SELECT DISTINCT negotiation,"
        " participant FROM key WHERE wrapped IS NOT NULL)",
    )
    persons, negotiations = found or (0, 0)
    return int(str(persons)), int(str(negotiations))


class Rotation(NamedTuple):
    """What a rotation of the master key came to."""

    key_id: str
    """Of the new one."""
    file: Path
    keys: int
    """How many keys of persons it wraps."""


def rotate_master_key(
    folder: Path, environment: Mapping[str, str], to: Path | None = None
) -> Rotation:
    """Wrap the keys in a data folder, which nobody else holds, by a new master key.

    The new one takes the place of the old one in its file, or goes to a file of its own: it has to
    where the old one lies in none. Raises PersonsError or FolderError.
    """
    said = environment.get("POURPARLER_MASTER_KEY", "")
    old = _master_key(folder, said, _wrapped_by(folder / DATABASE))
    if to is not None and to.exists():
        raise MasterKeyError(f"There is a file {to} already. A new master key needs a new file.")
    if to is None and old.file is None:
        raise MasterKeyError(
            "The master key is given by its value: say to which file the new one is to go."
        )
    file = to or old.file or folder
    persons = SubjectKeyStore(folder / DATABASE, old)
    try:
        # A crash before the keys are wrapped anew leaves a file that nobody needs; a crash after
        # that leaves it to the next start to put the new master key in its place.
        new = write_master_key(file if to else _next(file))
        keys = persons.rewrap(new)
    finally:
        persons.close()
    if to is None:
        _next(file).replace(file)
        _settle(file.parent)
    elif old.file == folder / MASTER_KEY:
        old.file.unlink()
    return Rotation(new.key_id, file, keys)


def _settle(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
