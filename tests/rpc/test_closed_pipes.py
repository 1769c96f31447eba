"""Commands whose output or error stream has no reader: each one ends, and loses nothing."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pourparler import Client, participant
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from pourparler_service.transparency.signing_keys import write_key
from tests.support.service_process import UNMEASURED
from tests.support.signing_keys import KEY, signing_key

DATA = Path(__file__).parents[1] / "data" / "import-broken-pipe.jsonl"
COMMAND = [sys.executable, "-c", "from pourparler.cli import main; main()"]
WAIT = 60
"""The time in seconds after which a command hangs: far longer than it needs."""
QUERIES = (
    ("list",),
    ("show", "full"),
    ("status", "full"),
    ("history", "full"),
    ("history", "full", "--json"),
    ("search", "word"),
    ("diff", "full", "1"),
    ("blame", "full", "participants"),
    ("export", "full", "--output", "-"),
    ("export", "full", "--format", "csv", "--output", "-"),
    ("watch", "full"),
    ("watch", "full", "--json"),
)


@pytest.fixture(name="address", scope="module")
def _address() -> Iterator[str]:
    with running() as address, Client(address) as client:
        client.open_negotiation("A word", negotiation_id="full")
        for place in range(150):
            client.record("full", participant(f"p{place}", "A word " * 200))
        client.open_negotiation("Short", negotiation_id="short")
        yield address


def at(address: str, *arguments: str) -> list[str]:
    return [*COMMAND, "--server", address, *arguments]


def without_reader(
    line: list[str], *, out: bool = False, err: bool = False
) -> "subprocess.CompletedProcess[str]":
    """Run a command whose output, error stream or both are pipes without a reader."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            line,
            stdout=writing if out else subprocess.PIPE,
            stderr=writing if err else subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
            timeout=WAIT,
            env=UNMEASURED,
        )
    finally:
        os.close(writing)


def drafts(name: str, count: int) -> str:
    opening = {
        "negotiation": name,
        "facts": {
            "provenance": {"basis": "BASIS_DIRECT", "form": "FORM_SUMMARY"},
            "negotiation_opened": {},
        },
        "words": {"title": name},
    }
    lines = [opening]
    for place in range(count):
        event = {"topic_added": {"topic_id": f"t{place}"}}
        facts = {"provenance": {"basis": "BASIS_DIRECT", "form": "FORM_SUMMARY"}, **event}
        lines.append({"negotiation": name, "facts": facts, "words": {"title": "x"}})
    return "".join(f"{json.dumps(one)}\n" for one in lines)


def topics(address: str, name: str) -> int:
    with Client(address) as client:
        return len(client.get_negotiation(name).negotiation.topics)


@pytest.mark.parametrize("query", QUERIES, ids=" ".join)
def test_a_query_ends_when_its_output_has_no_reader(address: str, query: tuple[str, ...]) -> None:
    told = without_reader(at(address, *query), out=True)

    assert (told.returncode, told.stderr) == (141, "")


@pytest.mark.parametrize("query", [one for one in QUERIES if one[0] != "watch"], ids=" ".join)
def test_a_query_is_answered_when_its_error_stream_has_no_reader(
    address: str, query: tuple[str, ...]
) -> None:
    told = without_reader(at(address, *query), err=True)

    assert told.returncode == 0
    assert told.stdout


@pytest.mark.parametrize("streams", [{"out": True}, {"err": True}, {"out": True, "err": True}])
def test_an_error_has_its_exit_code_when_nothing_has_a_reader(
    address: str, streams: dict[str, bool]
) -> None:
    assert without_reader(at(address, "show", "unknown"), **streams).returncode == 1
    assert without_reader(at("127.0.0.1:1", "--timeout", "1", "list"), **streams).returncode == 3
    assert without_reader(at(address, "no-such-command"), **streams).returncode == 2


def test_a_watch_ends_when_its_reader_leaves_while_nothing_is_recorded(address: str) -> None:
    with subprocess.Popen(
        at(address, "watch", "short"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()

        assert process.wait(timeout=WAIT) == 141


def test_a_watch_goes_on_when_its_error_stream_has_no_reader(address: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    line = at(address, "watch", "short")
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=writing, text=True) as process:
        os.close(writing)
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)

        process.communicate(timeout=WAIT)

    assert process.returncode == 0


@pytest.mark.parametrize("streams", [{"out": True}, {"err": True}, {"out": True, "err": True}])
def test_an_import_records_every_line_whatever_stream_has_no_reader(
    address: str, streams: dict[str, bool], tmp_path: Path
) -> None:
    name = "-".join(["import", *streams])
    file = tmp_path / "drafts.jsonl"
    first, *rest = drafts(name, 300).splitlines(keepends=True)
    file.write_text(first + DATA.read_text() + "".join(rest))

    told = without_reader(at(address, "import", str(file), "--keep-going"), **streams)

    assert told.returncode == 1  # the lines of the case are refused
    assert topics(address, name) == 300


def test_an_import_whose_output_goes_to_head_ends(address: str) -> None:
    head = '"$@" 2>&1 | head -1; exit ${PIPESTATUS[0]}'
    line = at(address, "import", str(DATA), "--keep-going")

    told = subprocess.run(
        ["bash", "-c", head, "-", *line], capture_output=True, text=True, check=False, timeout=WAIT
    )

    assert told.returncode == 1
    assert told.stdout.startswith(f"{DATA}:1: NEGOTIATION_NOT_FOUND: ")
    assert len(told.stdout.splitlines()) == 1


@pytest.mark.parametrize("streams", [{"out": True}, {"err": True}])
def test_what_is_recorded_without_a_reader_is_on_the_record(
    address: str, streams: dict[str, bool]
) -> None:
    name = "-".join(["record", *streams])

    assert without_reader(at(address, "open", "Talks", "--id", name), **streams).returncode == 0
    added = at(address, "record", name, "--participant", "Acme", "--id", "acme")
    assert without_reader(added, **streams).returncode == 0

    with Client(address) as client:
        assert list(client.get_negotiation(name).negotiation.participants) == ["acme"]


@pytest.mark.parametrize("streams", [{"out": True}, {"err": True}, {"out": True, "err": True}])
def test_an_audit_saves_its_checkpoint_and_keeps_its_verdict_without_a_reader(
    streams: dict[str, bool], tmp_path: Path
) -> None:
    key, saved = tmp_path / "signing.key", tmp_path / "checkpoint"
    write_key(KEY, key)
    other = str(signing_key(1).verifier_key)
    with (
        running(replace(Settings.in_memory(), signing_keys=(key,))) as address,
        Client(address) as client,
    ):
        client.open_negotiation("Talks", negotiation_id="talks")
        audit = at(address, "audit", "talks", "--save-checkpoint", str(saved), "--verifier-key")

        assert without_reader([*audit, other], **streams).returncode == 6
        assert not saved.exists()
        assert without_reader([*audit, str(KEY.verifier_key)], **streams).returncode == 0
        assert saved.exists()


@pytest.mark.parametrize("streams", [{"out": True}, {"err": True}, {"out": True, "err": True}])
def test_a_service_serves_on_without_a_reader(streams: dict[str, bool], tmp_path: Path) -> None:
    serve = [*COMMAND, "serve", "--data", str(tmp_path), "--address", "127.0.0.1:0"]
    with subprocess.Popen(
        serve, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = process.stdout.readline()
        found = re.search(r"127\.0\.0\.1:\d+", said)
        assert found is not None, said
        if "out" in streams:
            process.stdout.close()
        if "err" in streams:
            process.stderr.close()
        with Client(found[0]) as client:
            client.open_negotiation("Talks", negotiation_id="talks")
            client.record("talks", participant("acme", "Acme"))
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=WAIT) == 0


def test_no_file_gets_the_descriptor_of_a_closed_stream() -> None:
    script = (
        "import os, sys; from pourparler.cli import pipes; pipes.fill_descriptors(); "
        "sys.exit(os.open(os.devnull, os.O_RDONLY))"
    )
    bash = shutil.which("bash") or "bash"

    line = [bash, "-c", '"$@" <&- >&- 2>&-', "-", sys.executable, "-c", script]
    told = subprocess.run(line, check=False, timeout=WAIT, env=UNMEASURED)

    assert told.returncode >= 3
