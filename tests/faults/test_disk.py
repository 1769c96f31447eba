"""The disk is full: callers are told, health tells, nothing is lost, and it goes on by itself."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
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
from tests.support.service_client import Answered, Service, answered_by, connected, refused
from tests.support.service_process import (
    NOT_SERVING,
    SERVING,
    UNMEASURED,
    Apart,
    apart,
    command,
    needs_prlimit,
    serving,
    wait_for_health,
)
from tests.support.store_audit import audit_records

pytestmark = needs_prlimit

ID = "full"
ENOUGH = 2_000


def record_until_refused(service: Service, load: Load) -> Answered:
    """Record groups until one is refused; what was said then."""
    for number in range(len(load.receipts), ENOUGH):
        data = group(ID, number)
        try:
            load.receipts[data] = service.raw(RECORD, data)
        except grpc.RpcError as error:
            load.failed.append(data)
            return answered_by(error)
    raise AssertionError("the disk was never full")


@pytest.fixture(name="load")
def _load() -> Load:
    return Load()


def begun(service: Service, load: Load) -> None:
    for data in (opening(ID), *(group(ID, number) for number in range(1, 5))):
        load.receipts[data] = service.raw(RECORD, data)


def is_told(answered: Answered) -> None:
    assert answered.code is grpc.StatusCode.UNAVAILABLE
    assert answered.reason == "STORE_UNAVAILABLE"
    assert answered.retry_seconds
    assert "The store failed: " in answered.text


def fill(process: Apart, data: Path, service: Service, load: Load) -> None:
    """Leave the service room for a few groups more, and record until there is none."""
    begun(service, load)
    process.limit_files((data / "record.sqlite-wal").stat().st_size + 100_000)
    is_told(record_until_refused(service, load))


def test_it_goes_on_without_a_restart_when_there_is_room_again(tmp_path: Path, load: Load) -> None:
    with serving(tmp_path) as (process, service):
        fill(process, tmp_path, service, load)

        wait_for_health(service, NOT_SERVING)
        is_told(refused(lambda: service.raw(RECORD, load.failed[0])))
        assert service.state(ID).computed_at.version == 3 * len(load.receipts)
        assert sum(len(part.entries) for part in service.replay(ID)) == 3 * len(load.receipts)

        process.limit_files(None)
        wait_for_health(service, SERVING)
        for data in load.failed:
            load.receipts[data] = service.raw(RECORD, data)
        more = group(ID, ENOUGH)
        load.receipts[more] = service.raw(RECORD, more)
        every_receipt_is_given_again(service, load)
        assert service.state(ID).computed_at.version == 3 * len(load.receipts)
        assert process.stop() == 0
    assert audit_folder(tmp_path, [ID]) == 3 * len(load.receipts)


def test_it_goes_on_after_a_crash_on_a_full_disk(tmp_path: Path, load: Load) -> None:
    with serving(tmp_path) as (process, service):
        fill(process, tmp_path, service, load)
        process.kill()

    assert audit_folder(tmp_path, [ID]) >= 3 * len(load.receipts)
    with serving(tmp_path) as (_, service):
        for data in load.failed:
            load.receipts[data] = service.raw(RECORD, data)
        every_receipt_is_given_again(service, load)
        assert service.state(ID).computed_at.version == 3 * len(load.receipts)


def test_it_stops_in_order_on_a_full_disk(tmp_path: Path, load: Load) -> None:
    with serving(tmp_path) as (process, service):
        fill(process, tmp_path, service, load)
        assert process.stop() == 0

    assert audit_folder(tmp_path, [ID]) >= 3 * len(load.receipts)


def test_a_list_that_cannot_be_brought_up_to_date_says_so_and_recovers(
    tmp_path: Path, load: Load
) -> None:
    request = pb.ListNegotiationsRequest()
    with serving(tmp_path) as (process, service):
        begun(service, load)
        process.limit_files(0)

        answered = refused(lambda: service.negotiations.ListNegotiations(request, timeout=10))
        assert answered.reason == "STORE_UNAVAILABLE"

        process.limit_files(None)
        wait_for_health(service, SERVING)
        page = service.negotiations.ListNegotiations(request, timeout=10)
        assert [one.version for one in page.negotiations] == [3 * len(load.receipts)]


@pytest.mark.parametrize("room", [0, 8_192])
@pytest.mark.parametrize("ended_before", ["never begun", "stopped", "killed"])
def test_a_service_that_finds_the_disk_full_does_not_start(
    tmp_path: Path, load: Load, ended_before: str, room: int
) -> None:
    data = tmp_path / "data"
    if ended_before != "never begun":
        with serving(data) as (process, service):
            begun(service, load)
            process.kill() if ended_before == "killed" else process.stop()

    ended = subprocess.run(
        ["prlimit", f"--fsize={room}", *command("serve", "--data", str(data))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=UNMEASURED,
    )

    assert ended.returncode == 1
    assert ended.stdout == ""
    said = ended.stderr.splitlines()
    assert len(said) == 1, ended.stderr
    assert said[0].startswith("Error: ")
    assert "cannot be" in said[0]
    if ended_before != "never begun":
        with serving(data) as (_, service):
            every_receipt_is_given_again(service, load)


@pytest.fixture(name="small_disk")
def _small_disk(tmp_path: Path) -> Iterator[tuple[Apart, Service]]:
    """A service whose data folder is a file system of 4 MiB, which only its process sees."""
    before = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=4m none "$0" && exec "$@"']
    before.append(str(tmp_path))
    if os.geteuid() != 0 or subprocess.run([*before, "true"], check=False).returncode != 0:
        pytest.skip("a file system can be mounted by root only, and not everywhere")
    with apart(tmp_path, before=before) as process, connected(process.address) as service:
        yield process, service


def test_a_file_system_that_is_full_loses_nothing(
    small_disk: tuple[Apart, Service], tmp_path: Path, load: Load
) -> None:
    process, service = small_disk
    inside = ["nsenter", "-m", "-t", str(process.process.pid), "sh", "-c"]
    begun(service, load)
    subprocess.run(
        [*inside, 'cat /dev/zero > "$0"/other 2> /dev/null || true', str(tmp_path)], check=True
    )

    is_told(record_until_refused(service, load))
    wait_for_health(service, NOT_SERVING)

    subprocess.run([*inside, 'rm "$0"/other', str(tmp_path)], check=True)
    wait_for_health(service, SERVING)
    for data in load.failed:
        load.receipts[data] = service.raw(RECORD, data)
    every_receipt_is_given_again(service, load)
    data = pb.ReplayEntriesRequest(name=f"negotiations/{ID}").SerializeToString()
    parts = service.raw("/pourparler.v1.AuditService/ReplayEntries", data, stream=True)
    records = [
        record.SerializeToString()
        for part in parts
        for record in pb.Records.FromString(part).records
    ]
    audit_records(ID, records)
    assert len(records) == 3 * len(load.receipts)
