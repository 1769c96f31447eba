"""A folder that cannot be written, is in use, or is of a newer format: told, and nothing harmed."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from pourparler import v1 as pb
from tests.support.load_generator import (
    RECORD,
    Load,
    audit_folder,
    every_receipt_is_given_again,
    group,
    opening,
)
from tests.support.service_client import refused
from tests.support.service_process import (
    NOT_SERVING,
    SERVING,
    UNMEASURED,
    bound_user,
    command,
    folder_for_anybody,
    needs_prlimit,
    serving,
    wait_for_health,
)

ID = "locked"


def contents(folder: Path) -> Mapping[str, bytes]:
    """All files of a folder, byte for byte."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def forbid_writing(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        path.chmod(path.stat().st_mode & ~0o222)


def allow_writing(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)


def cannot_start(*arguments: str, user: int | None = None) -> str:
    """The one sentence in which the command says why it cannot start."""
    ended = subprocess.run(
        command("serve", *arguments, user=user),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=UNMEASURED,
    )
    assert ended.returncode == 1, ended.stderr
    assert ended.stdout == ""
    # Beside it, gRPC may have logged what it makes of an address.
    said = [line for line in ended.stderr.splitlines() if "add_port.cc" not in line]
    assert len(said) == 1, ended.stderr
    return said[0]


@pytest.mark.parametrize("missing", ["", "pourparler.json", "page-tokens.secret", "signing.key"])
def test_a_read_only_folder_is_not_begun_with(missing: str) -> None:
    with folder_for_anybody() as folder:
        with serving(folder, user=bound_user()) as (process, service):
            service.raw(RECORD, opening(ID))
            assert process.stop() == 0
        if missing:
            (folder / missing).unlink(missing_ok=True)
        forbid_writing(folder)
        before = contents(folder)

        said = cannot_start("--data", str(folder), user=bound_user())

        assert str(folder) in said
        assert "cannot be written" in said
        assert contents(folder) == before


def test_a_folder_in_a_place_that_cannot_be_written_is_not_made() -> None:
    with folder_for_anybody() as folder:
        forbid_writing(folder)

        said = cannot_start("--data", str(folder / "data"), user=bound_user())

        assert "cannot be written: Permission denied" in said
        assert contents(folder) == {}


@needs_prlimit
def test_a_store_that_is_opened_anew_and_cannot_be_written_says_so_until_it_can() -> None:
    load = Load()
    with folder_for_anybody() as folder, serving(folder, user=bound_user()) as (process, service):
        for data in (opening(ID), group(ID, 1)):
            load.receipts[data] = service.raw(RECORD, data)
        # What is open stays writable: only after a failure is it opened anew.
        forbid_writing(folder)
        process.limit_files(0)
        late = group(ID, 2)
        assert refused(lambda: service.raw(RECORD, late)).reason == "STORE_UNAVAILABLE"
        process.limit_files(None)

        wait_for_health(service, NOT_SERVING)
        answered = refused(lambda: service.raw(RECORD, late))
        assert (answered.code.name, answered.reason) == ("UNAVAILABLE", "STORE_UNAVAILABLE")
        assert service.state(ID).computed_at.version == 6

        allow_writing(folder)
        wait_for_health(service, SERVING)
        load.receipts[late] = service.raw(RECORD, late)
        every_receipt_is_given_again(service, load)
        assert process.stop() == 0
        assert audit_folder(folder, [ID]) == 9


def test_a_second_process_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, service):
        service.raw(RECORD, opening(ID))
        said = cannot_start("--data", str(tmp_path), "--address", "127.0.0.1:0")

        assert f"The data folder {tmp_path} is in use by another process." in said
        assert service.state(ID).computed_at.version == 3
        service.raw(RECORD, group(ID, 1))
        process.kill()

    # The lock goes with the process, however that ends.
    with serving(tmp_path) as (_, service):
        assert service.state(ID).computed_at.version == 6


def test_a_second_process_on_the_same_address_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path / "one") as (process, _):
        said = cannot_start("--data", str(tmp_path / "two"), "--address", process.address)

    assert f"The service cannot listen at {process.address}." in said


def test_a_folder_of_a_newer_format_is_refused_and_not_touched(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, service):
        service.raw(RECORD, opening(ID))
        assert process.stop() == 0
    about = tmp_path / "pourparler.json"
    known = json.loads(about.read_text(encoding="utf-8"))
    about.write_text(json.dumps({**known, "format": 2, "more": [1]}), encoding="utf-8")
    before = contents(tmp_path)

    said = cannot_start("--data", str(tmp_path))

    assert "format 2" in said
    assert "a newer version" in said
    assert contents(tmp_path) == before


@pytest.mark.parametrize("garbage", [b"", b"\0" * 100, b"[]", b'{"format": "one"}', b"\xff\xfe"])
def test_a_folder_that_does_not_say_what_it_is_is_refused_and_not_touched(
    tmp_path: Path, garbage: bytes
) -> None:
    with serving(tmp_path) as (process, service):
        service.raw(RECORD, opening(ID))
        assert process.stop() == 0
    (tmp_path / "pourparler.json").write_bytes(garbage)
    before = contents(tmp_path)

    said = cannot_start("--data", str(tmp_path))

    assert "pourparler.json cannot be read" in said
    assert contents(tmp_path) == before


def test_a_record_that_has_lost_its_key_is_not_signed_with_another(tmp_path: Path) -> None:
    load = Load()
    with serving(tmp_path) as (process, service):
        load.receipts[opening(ID)] = service.raw(RECORD, opening(ID))
        assert process.stop() == 0
    key = tmp_path / "signing.key"
    elsewhere = key.rename(tmp_path.parent / f"{tmp_path.name}.key")
    before = contents(tmp_path)

    said = cannot_start("--data", str(tmp_path))

    assert "has a record but no signing.key" in said
    assert contents(tmp_path).keys() == before.keys()
    elsewhere.rename(key)
    with serving(tmp_path) as (_, service):
        every_receipt_is_given_again(service, load)


@pytest.mark.parametrize(
    ("name", "garbage"),
    [
        ("page-tokens.secret", b""),
        ("page-tokens.secret", b"\0" * 31),
        ("page-tokens.secret", b"\0" * 33),
        ("signing.key", b""),
        ("signing.key", b"\xff\0garbage"),
        ("signing.key", b"PRIVATE+KEY+"),
    ],
)
def test_a_secret_that_is_none_is_refused(tmp_path: Path, name: str, garbage: bytes) -> None:
    with serving(tmp_path) as (process, service):
        service.raw(RECORD, opening(ID))
        assert process.stop() == 0
    (tmp_path / name).write_bytes(garbage)

    said = cannot_start("--data", str(tmp_path))

    assert name in said
    assert (tmp_path / name).read_bytes() == garbage


def test_a_record_that_is_no_database_is_refused_and_not_touched(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, service):
        service.raw(RECORD, opening(ID))
        assert process.stop() == 0
    (tmp_path / "record.sqlite").write_bytes(b"All of this is something else. " * 1_000)
    before = contents(tmp_path)

    said = cannot_start("--data", str(tmp_path))

    assert "The store cannot be opened: file is not a database." in said
    assert contents(tmp_path) == before


def test_a_lost_or_broken_catalogue_is_made_again(tmp_path: Path) -> None:
    for garbage in (None, b"garbage " * 1_000, b""):
        with serving(tmp_path) as (process, service):
            service.raw(RECORD, opening(ID))
            page = service.negotiations.ListNegotiations(pb.ListNegotiationsRequest(), timeout=10)
            assert [one.name for one in page.negotiations] == [f"negotiations/{ID}"]
            assert process.stop() == 0
        catalogue = tmp_path / "catalogue.sqlite"
        catalogue.unlink() if garbage is None else catalogue.write_bytes(garbage)


def test_a_copy_of_the_folder_is_the_same_record(tmp_path: Path) -> None:
    load = Load()
    with serving(tmp_path / "one") as (process, service):
        for data in (opening(ID), group(ID, 1)):
            load.receipts[data] = service.raw(RECORD, data)
        assert process.stop() == 0
    shutil.copytree(tmp_path / "one", tmp_path / "two")

    with serving(tmp_path / "two") as (_, service):
        every_receipt_is_given_again(service, load)
