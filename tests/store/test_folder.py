"""The data folder: one process, one format, nothing harmed."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pourparler_service.storage.data_directory import (
    DataDirectory,
    DataDirectoryError,
    DataDirectoryInUseError,
    DataDirectoryTooNewError,
)


def test_a_new_folder_is_made_and_keeps_its_log_id(tmp_path: Path) -> None:
    path = tmp_path / "new" / "data"

    with DataDirectory(path) as folder:
        log_id = folder.log_id
    with DataDirectory(path) as again:
        assert again.log_id == log_id


def test_a_new_folder_is_its_owners_alone_and_one_that_is_there_stays_as_it_is(
    tmp_path: Path,
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o750)

    DataDirectory(tmp_path / "new").close()
    DataDirectory(shared).close()

    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert stat.S_IMODE(shared.stat().st_mode) == 0o750


def test_two_folders_have_two_log_ids(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "a") as one, DataDirectory(tmp_path / "b") as other:
        assert one.log_id != other.log_id


def test_a_second_opening_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    with (
        DataDirectory(tmp_path),
        pytest.raises(DataDirectoryInUseError, match="in use by another process"),
    ):
        DataDirectory(tmp_path)
    DataDirectory(tmp_path).close()


def test_another_process_is_refused_while_this_one_holds_the_folder(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from pourparler_service.storage.data_directory import *\n"
        "try: DataDirectory(pathlib.Path(sys.argv[1]))\n"
        "except DataDirectoryInUseError as error: print(error); sys.exit(7)\n"
    )

    with DataDirectory(tmp_path):
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            check=False,
            capture_output=True,
            text=True,
        )

    assert done.returncode == 7
    assert str(tmp_path) in done.stdout


def test_a_newer_format_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    DataDirectory(tmp_path).close()
    about = tmp_path / "pourparler.json"
    about.write_text(json.dumps({"format": 2, "log_id": "x", "new": True}))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    with pytest.raises(DataDirectoryTooNewError, match="format 2, written by a newer version"):
        DataDirectory(tmp_path)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("said", ["", "{", "[]", '{"format": "new"}', '{"log_id": "x"}'])
def test_a_damaged_description_is_refused(tmp_path: Path, said: str) -> None:
    (tmp_path / "pourparler.json").write_text(said)

    with pytest.raises(DataDirectoryError, match="cannot be read"):
        DataDirectory(tmp_path)


def test_a_folder_with_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "record.sqlite").write_bytes(b"")

    with pytest.raises(DataDirectoryError, match=r"no pourparler\.json"):
        DataDirectory(tmp_path)

    assert not (tmp_path / "pourparler.json").exists()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")

    with pytest.raises(DataDirectoryError, match="cannot be written"):
        DataDirectory(tmp_path / "data")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(DataDirectoryError, match="cannot be written"):
        DataDirectory(tmp_path)


def test_a_secret_is_the_folders_own_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "a") as one, DataDirectory(tmp_path / "b") as other:
        secret = one.secret("pages")

        assert len(secret) == 32
        assert one.secret("pages") == secret
        assert one.secret("cursors") != secret
        assert other.secret("pages") != secret
        assert stat.S_IMODE((one.path / "pages.secret").stat().st_mode) == 0o600
