"""The report of an erasure, and the rotation of the master key."""

import os
from collections.abc import Iterable
from pathlib import Path

import click

from pourparler import v1 as pb
from pourparler.cli.local.service_process import service_module
from pourparler.cli.output import wording
from pourparler.cli.output.page import Page
from pourparler.cli.terminal_escape import escaped

_LIMITS = {
    pb.ERASURE_LIMIT_DISTRIBUTED_COPIES: "what was exported or answered before",
    pb.ERASURE_LIMIT_COPIES_AT_OTHER_SERVICES: "copies that other services have taken",
    pb.ERASURE_LIMIT_BACKUPS: (
        "backups made before, if they have the keys of persons and the master key"
    ),
    pb.ERASURE_LIMIT_ORIGINAL_RECORD: "the original: this is a copy of it",
    pb.ERASURE_LIMIT_UNENCRYPTED_ENTRIES: (
        "entries that stand in clear in a database of another kind"
    ),
}


def print_erasure(page: Page, erasure: pb.Erasure) -> None:
    """Tell what was destroyed, and what could not be reached."""
    who = escaped(erasure.participant_id)
    entries = wording.count(len(erasure.versions), "entry", "entries")
    page.line(f"Destroyed the words of {entries} that concern {who}: {_listed(erasure.versions)}.")
    page.line("Derived data is erased too: snapshots, lists and the search index.")
    if erasure.erased_before:
        page.line(f"Gone before: {_listed(erasure.erased_before)}.")
    if erasure.remaining_versions:
        page.line(f"Not destroyed: {_listed(erasure.remaining_versions)}.")
    page.line(f"It is on the record as {escaped(erasure.name)}.")
    page.line("Not reached:")
    for limit in erasure.limits:
        page.line(f"- {_LIMITS.get(limit, pb.ErasureLimit.Name(limit))}")


def _listed(versions: Iterable[int]) -> str:
    return wording.versions(versions) or "none"


def rotate(page: Page, data: Path, to: Path | None) -> None:
    """Wrap the keys of a folder by a new master key, and tell where it is."""
    folder, master_key, interface = (
        service_module("storage.data_directory"),
        service_module("storage.master_key"),
        service_module("storage.interface"),
    )
    if not data.is_dir():
        raise click.ClickException(f"There is no data folder {escaped(str(data))}.")
    try:
        with folder.DataDirectory(data):
            rotation = service_module("operations.key_rotation")
            rotated = rotation.rotate_master_key(data, os.environ, to)
    except (
        folder.DataDirectoryError,
        master_key.SubjectKeyError,
        interface.StoreSettingsError,
    ) as error:
        raise click.ClickException(str(error)) from error
    keys = wording.count(rotated.keys, "key", "keys")
    page.line(f"The master key {rotated.key_id} wraps {keys} now.")
    page.line(f"It is in {escaped(str(rotated.file))}. Keep it: without it their words are lost.")
    if to is not None:
        page.line("Name that file in POURPARLER_MASTER_KEY.")
