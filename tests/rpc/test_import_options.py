"""Imports of what is delivered twice, under another id, and without recording."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pourparler import Client, participant
from pourparler.cli.commands import run
from pourparler_service.server import running

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
EXAMPLE = ROOT / "examples" / "renault-nissan" / "negotiation.jsonl"
TWICE = DATA / "cloudevents-delivered-twice.json"


class Answer(NamedTuple):
    """The result of a command line."""

    code: int
    out: str
    err: str


Command = Callable[..., Answer]


@pytest.fixture(name="address")
def _address() -> Iterator[str]:
    with running() as address:
        yield address


@pytest.fixture(name="command")
def _command(address: str, capsys: pytest.CaptureFixture[str]) -> Command:
    def command(*arguments: str) -> Answer:
        capsys.readouterr()
        code = run(["--server", address, *arguments])
        return Answer(code, *capsys.readouterr())

    return command


def version(address: str, name: str) -> int:
    with Client(address) as client:
        return client.get_negotiation(name).negotiation.version


def names(address: str) -> set[str]:
    with Client(address) as client:
        return {one.name.removeprefix("negotiations/") for one in client.list_negotiations()}


def test_an_event_that_is_delivered_twice_is_recorded_once(address: str, command: Command) -> None:
    count = len({one["id"] for one in json.loads(TWICE.read_text())})

    first = command("import", str(TWICE), "--format", "cloudevents")
    again = command("import", str(TWICE), "--format", "cloudevents")

    assert (first.code, again.code) == (0, 0)
    assert first.out.startswith(f"{count} recorded, {count} already there, 0 refused")
    assert again.out.startswith(f"0 recorded, {2 * count} already there, 0 refused")
    assert version(address, "ce-twice") == count


def test_an_event_that_is_delivered_again_in_another_file_is_recorded_once(
    address: str, command: Command, tmp_path: Path
) -> None:
    events = json.loads(TWICE.read_text())
    count = len({one["id"] for one in events})
    files = [tmp_path / "first.json", tmp_path / "second.json"]
    files[0].write_text(json.dumps(events[: len(events) // 2]))
    files[1].write_text(json.dumps(events[len(events) // 4 :]))

    for file in files:
        assert command("import", str(file), "--format", "cloudevents").code == 0

    assert version(address, "ce-twice") == count


def test_another_content_under_the_same_event_id_is_refused(
    address: str, command: Command, tmp_path: Path
) -> None:
    assert command("import", str(TWICE), "--format", "cloudevents").code == 0
    event = json.loads(TWICE.read_text())[0]
    event["data"]["words"]["title"] = "Another title"
    file = tmp_path / "changed.json"
    file.write_text(json.dumps([event]))

    told = command("import", str(file), "--format", "cloudevents")

    assert told.code == 1
    assert "REQUEST_ID_REUSED" in told.err


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_an_exported_entry_that_is_delivered_twice_is_recorded_once(
    address: str, command: Command, tmp_path: Path, form: str
) -> None:
    file, part = tmp_path / "whole", tmp_path / "more"
    assert command("import", str(EXAMPLE)).code == 0
    count = version(address, "renault-nissan")
    assert command("export", "renault-nissan", "--format", form, "-o", str(file)).code == 0

    first = command("import", str(file), "--format", form, "--as", "copy")
    if form == "jsonl":  # the same entries at other places of a file
        part.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[3:]) * 2)
    else:
        part.write_bytes(file.read_bytes())
    again = command("import", str(part), "--format", form, "--as", "copy")

    assert first.out.startswith(f"{count} recorded, 0 already there, 0 refused")
    assert again.out.startswith("0 recorded, ")
    assert again.code == 0
    assert version(address, "copy") == count


def test_a_line_with_a_request_id_of_its_own_is_recorded_once(
    address: str, command: Command, tmp_path: Path
) -> None:
    provenance = {"basis": "BASIS_DIRECT", "form": "FORM_SUMMARY"}
    opening = {
        "facts": {"provenance": provenance, "negotiation_opened": {}},
        "words": {"title": "T"},
    }
    topic = {
        "facts": {"provenance": provenance, "topic_added": {"topic_id": "pay"}},
        "words": {"title": "Pay"},
    }
    first = {"negotiation": "talks", "request_id": "m-1", **opening}
    second = {"negotiation": "talks", "request_id": "m-2", **topic}
    file = tmp_path / "queue.jsonl"
    file.write_text("".join(f"{json.dumps(one)}\n" for one in (first, second, first, second)))

    told = command("import", str(file))

    assert told.out.startswith("2 recorded, 2 already there, 0 refused")
    assert version(address, "talks") == 2


def test_an_import_takes_a_record_under_another_id(address: str, command: Command) -> None:
    first = command("import", str(EXAMPLE), "--as", "rehearsal")
    again = command("import", str(EXAMPLE), "--as", "rehearsal")
    under_its_own = command("import", str(EXAMPLE))

    assert [one.out.split(";")[0] for one in (first, again, under_its_own)] == [
        "17 recorded, 0 already there, 0 refused",
        "0 recorded, 17 already there, 0 refused",
        "17 recorded, 0 already there, 0 refused",
    ]
    assert names(address) == {"rehearsal", "renault-nissan"}


def test_an_import_under_another_id_takes_one_negotiation_only(
    address: str, command: Command, tmp_path: Path
) -> None:
    lines = EXAMPLE.read_text().splitlines()
    other = json.loads(lines[0]) | {"negotiation": "negotiations/other"}
    file = tmp_path / "two.jsonl"
    file.write_text("\n".join([*lines, json.dumps(other)]))

    mixed = command("import", str(file), "--as", "one")
    told = command(
        "import", str(file), "--as", "two", "--negotiation", "renault-nissan", "--keep-going"
    )

    assert f"{file}:18: MALFORMED: The line is for negotiations/other, and an earlier" in mixed.err
    assert "--negotiation" in mixed.err
    assert told.out.startswith("17 recorded, 0 already there, 1 refused")
    assert names(address) == {"one", "two"}


def test_a_dry_run_shows_what_would_be_recorded_and_records_nothing(
    address: str, command: Command
) -> None:
    told = command("import", str(EXAMPLE), "--dry-run")

    *entries, summary = told.out.splitlines()
    assert told.code == 0
    assert summary == (
        "17 would be recorded, 0 already there, 0 refused. This was a dry run: nothing is recorded."
    )
    assert len(entries) == 17
    assert entries[0].startswith(f"{EXAMPLE}:1: negotiations/renault-nissan #1 (on record): ")
    assert names(address) == set()
    assert command("import", str(EXAMPLE)).out.startswith("17 recorded, 0 already there")


def test_a_dry_run_tells_what_is_there_already(
    address: str, command: Command, tmp_path: Path
) -> None:
    lines = EXAMPLE.read_text().splitlines()
    part = tmp_path / "part.jsonl"
    part.write_text("\n".join(lines[:5]))
    assert command("import", str(part)).code == 0

    told = command("import", str(EXAMPLE), "--dry-run", "--json")

    summary = json.loads(told.out.splitlines()[-1])
    assert (summary["recorded"], summary["already_there"]) == (12, 5)
    assert summary["dry_run"] is True
    assert json.loads(told.out.splitlines()[0])["entry"]["header"]["version"] == "6"
    assert version(address, "renault-nissan") == 5


@pytest.mark.parametrize("more", [[], ["--keep-going"]])
def test_a_dry_run_refuses_the_lines_that_the_import_refuses(
    command: Command, tmp_path: Path, more: list[str]
) -> None:
    lines = EXAMPLE.read_text().splitlines()
    lines[3:3] = [lines[2], "no json"]
    file = tmp_path / "talks.jsonl"
    file.write_text("\n".join(lines))

    dry = command("import", str(file), "--dry-run", *more)
    real = command("import", str(file), *more)

    assert (dry.code, sorted(dry.err.splitlines())) == (
        real.code,
        sorted(real.err.splitlines()),
    )
    counts = [one.out.splitlines()[-1].split(", ") for one in (dry, real)]
    assert counts[0][0].split()[0] == counts[1][0].split()[0]
    assert f"{file}:4: PARTICIPANT_ALREADY_ACTIVE: " in dry.err


def test_a_dry_run_of_a_long_record_says_what_it_could_not_check(
    address: str, command: Command, tmp_path: Path
) -> None:
    provenance = {"basis": "BASIS_DIRECT", "form": "FORM_SUMMARY"}
    lines = [
        {"facts": {"provenance": provenance, "negotiation_opened": {}}, "words": {"title": "T"}}
    ]
    lines += [
        {
            "facts": {"provenance": provenance, "topic_added": {"topic_id": f"t{place}"}},
            "words": {"title": "x"},
        }
        for place in range(1200)
    ]
    file = tmp_path / "long.jsonl"
    file.write_text("".join(f"{json.dumps(one)}\n" for one in lines))

    told = command("import", str(file), "--negotiation", "long", "--dry-run")

    assert told.code == 0
    assert told.out.splitlines()[-1].startswith("1,201 would be recorded, 0 already there")
    assert "No rule was applied to 201 entries" in told.err
    assert names(address) == set()


def test_a_bundle_keeps_its_name(command: Command, tmp_path: Path) -> None:
    bundle = tmp_path / "talks.bundle"
    assert command("import", str(EXAMPLE)).code == 0
    assert command("export", "renault-nissan", "-o", str(bundle)).code == 0
    key = "test.example+1a3a626a+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"

    told = command("import", str(bundle), "--as", "other", "--verifier-key", key)

    assert told.code == 2
    assert "--as and --dry-run are only for" in " ".join(told.err.split())


def tables(address: str) -> None:
    """Record the speakers that the cases of tables name."""
    with Client(address) as client:
        client.open_negotiation("Tables", negotiation_id="csvt")
        for name in ("a", "b"):
            client.record("csvt", participant(name, name))


@pytest.mark.parametrize(
    ("table", "speakers"), [("csv-semicolon.csv", ["a"]), ("csv-two-speakers.csv", ["a", "b"])]
)
def test_a_table_of_a_case_is_recorded(
    address: str, command: Command, table: str, speakers: list[str]
) -> None:
    tables(address)

    told = command("import", str(DATA / table), "--mapping", str(DATA / "csv-mapping.toml"))

    assert told.code == 0, told.err
    with Client(address) as client:
        (said,) = client.get_negotiation("csvt").negotiation.statements.values()
    assert [*said.facts.speakers] == speakers


def test_a_time_without_zone_in_a_table_is_refused_with_its_cell(
    address: str, command: Command
) -> None:
    tables(address)
    table = DATA / "csv-time-without-zone.csv"

    told = command("import", str(table), "--mapping", str(DATA / "csv-mapping.toml"))

    assert told.code == 1
    assert f"{table}:2: MALFORMED: The time '2026-11-30 14:05' has no zone. " in told.err
    assert "(column Day)" in told.err


@pytest.mark.parametrize(
    "case", ["akn-csd13.xml", "akn-date-role-time-lost.xml", "akn-id-instead-of-eid.xml"]
)
def test_a_debate_of_a_case_is_recorded_and_its_losses_are_told(
    address: str, command: Command, case: str
) -> None:
    file = str(DATA / case)

    told = command("import", file, "--format", "akn", "--negotiation", "sitting")
    again = command("import", file, "--format", "akn", "--negotiation", "sitting", "--json")

    assert told.code == 0, told.err
    assert f"{file}:7: LOST: the result of a vote (<voting>)\n" in told.err
    assert "LOST: the text of a <summary> (4 times)\n" in told.err
    assert "INFERRED: a speaker without a reference, described by <from>\n" in told.err
    summary = json.loads(again.out)
    assert summary["recorded"] == 0
    assert {"text": "the text of a <summary>", "line": 12, "count": 4} in summary["lost"]
    assert summary["inferred"]
