"""The service is killed in the middle of an import: the record ends as if it had not been."""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from examples.casino import convert as casino
from examples.diplomacy import convert as diplomacy
from pourparler import Client
from pourparler import v1 as pb
from tests.support.service_process import apart, command
from tests.support.store_audit import audit
from tests.support.stores import open_store

DATA = Path(__file__).parents[1] / "data"
COPIES = 4
AWAY = 3


class Said(NamedTuple):
    """All that an entry says, but not when and with what salt it was recorded."""

    version: int
    facts: bytes
    words: bytes


@pytest.fixture(name="file", scope="module")
def _file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough lines that an import takes seconds: the same talks under several names."""
    lines = [*casino.lines(DATA / "casino"), *diplomacy.lines(DATA / "diplomacy")]
    path = tmp_path_factory.mktemp("drafts") / "drafts.jsonl"
    with path.open("w", encoding="utf-8") as drafts:
        for copy in range(COPIES):
            for line in lines:
                named = line.replace('"negotiations/', f'"negotiations/copy-{copy}-', 1)
                drafts.write(named + "\n")
    return path


def _importing(file: Path, address: str, timeout: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("--server", address, "--timeout", str(timeout), "import", str(file)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _imported(file: Path, address: str) -> str:
    """Import to the end; what the command said of it."""
    process = _importing(file, address, timeout=30)
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return said


def _count(client: Client) -> int:
    return sum(one.version for one in client.list_negotiations(page_size=1_000))


def _killed_at(data: Path, file: Path, count: int) -> None:
    """Import until so many entries are on the record, then let the service die without a word."""
    with apart(data) as service, Client(service.address) as client:
        process = _importing(file, service.address, timeout=2)
        try:
            give_up = time.monotonic() + 60
            while _count(client) < count:
                assert time.monotonic() < give_up
                assert process.poll() is None
                time.sleep(0.01)
            service.kill()
        finally:
            said, errors = process.communicate(timeout=60)
        assert process.returncode == AWAY, (said, errors)


def _record(address: str) -> dict[str, list[Said]]:
    """Everything that a service has on record, read back through its interface."""
    with Client(address) as client:
        return {
            one.name: [_said(entry) for entry in client.replay(one.name)]
            for one in client.list_negotiations(page_size=1_000)
        }


def _said(entry: pb.Entry) -> Said:
    return Said(
        entry.header.version,
        entry.facts.SerializeToString(deterministic=True),
        entry.words.SerializeToString(deterministic=True),
    )


def _audited(data: Path, negotiations: Sequence[str]) -> int:
    """Audit what lies in a data folder after its service has ended; how many entries it has."""
    store = open_store(data, {})
    try:
        return sum(
            audit(store, name.removeprefix("negotiations/")).version for name in negotiations
        )
    finally:
        store.close()


@pytest.mark.slow
def test_an_import_through_two_deaths_gives_the_record_of_one_through_none(
    file: Path, tmp_path: Path
) -> None:
    lines = len(file.read_text(encoding="utf-8").splitlines())
    with apart(tmp_path / "unharmed") as service:
        _imported(file, service.address)
        unharmed = _record(service.address)
    assert sum(map(len, unharmed.values())) == lines

    _killed_at(tmp_path / "killed", file, lines // 8)
    _killed_at(tmp_path / "killed", file, lines // 2)
    with apart(tmp_path / "killed") as service:
        with Client(service.address) as client:
            survived = _count(client)
        said = _imported(file, service.address)
        killed = _record(service.address)
        assert service.stop() == 0

    assert lines // 2 <= survived < lines
    assert f"{lines - survived:,} recorded, {survived:,} already there, 0 refused" in said
    assert killed == unharmed
    assert _audited(tmp_path / "killed", list(killed)) == lines
