"""The command, against a running service."""

import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from google.protobuf import json_format

from pourparler import Client, errors
from pourparler import v1 as pb
from pourparler.cli.commands import run
from pourparler.schema.contract import ENTRY_TYPES
from pourparler_service.server import running

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "renault-nissan" / "negotiation.jsonl"
COMMAND = [sys.executable, "-c", "from pourparler.cli import main; main()"]


class Answer(NamedTuple):
    """What a command line came to."""

    code: int
    out: str
    err: str


Command = Callable[..., Answer]


@pytest.fixture(name="address", scope="module")
def _address() -> Iterator[str]:
    with running() as address:
        yield address


@pytest.fixture(name="command")
def _command(address: str, capsys: pytest.CaptureFixture[str]) -> Command:
    def command(*arguments: str) -> Answer:
        code = run(["--server", address, *arguments])
        return Answer(code, *capsys.readouterr())

    return command


@pytest.fixture(name="talks")
def _talks(command: Command, request: pytest.FixtureRequest) -> str:
    """A negotiation of this test's own, with two parties."""
    name = "t-" + hashlib.sha256(request.node.name.encode()).hexdigest()[:20]
    assert command("open", "Talks", "--id", name).out == f"negotiations/{name}\n"
    for who in ("acme", "bolt"):
        assert command("record", name, "--participant", who.title(), "--id", who).code == 0
    return name


@pytest.fixture(name="example")
def _example(command: Command) -> str:
    """The first example, imported."""
    assert command("import", str(EXAMPLE)).code == 0
    return "renault-nissan"


def test_a_negotiation_is_opened_and_what_is_said_is_shown(command: Command, talks: str) -> None:
    said = command(
        "record", talks, "--statement", "We agree.", "--by", "acme", "--to", "bolt", "--id", "s"
    )

    assert said.out == "Recorded #4 (direct): s, assert: acme, to bolt: “We agree.”\n"
    shown = command("show", talks, "--kind", "statements").out
    assert "Acme: “We agree.”" in shown
    assert "direct: recorded at the table" in shown


def test_several_drafts_are_recorded_together_or_not_at_all(
    command: Command, talks: str, tmp_path: Path
) -> None:
    file = tmp_path / "drafts.json"
    topic = (
        '{"facts": {"provenance": {"basis": "BASIS_DIRECT", "form": "FORM_SUMMARY"},'
        ' "topic_added": {"topic_id": "%s"}}, "words": {"title": "A topic"}}'
    )
    file.write_text(topic % "one" + "\n" + topic % "one")
    assert command("record", talks, str(file)).code == 1
    file.write_text(topic % "one" + "\n" + topic % "two")

    assert command("record", talks, str(file), "--validate-only").out.startswith(
        "Would be recorded #4"
    )
    assert command("record", talks, str(file), "--expected-version", "3").code == 0
    assert command("record", talks, str(file), "--expected-version", "3").err.splitlines()[1] == (
        "  reason VERSION_MISMATCH, field expected_version"
    )
    assert "version 5;" in command("show", talks).out


def test_a_repeated_request_id_gets_the_first_receipt(command: Command, talks: str) -> None:
    given = ["record", talks, "--topic", "A", "--id", "a", "--occurred", "2022"]
    given += ["--request-id", "mine", "--json"]

    assert command(*given) == command(*given)


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("show", "nothing"), 1, "NEGOTIATION_NOT_FOUND"),
        (("show", "renault-nissan", "--as-of", "99"), 1, "VERSION_NOT_FOUND"),
        (("show", "renault-nissan", "--occurred", "soon"), 1, "DATE_INVALID"),
        (("history", "nothing"), 1, "NEGOTIATION_NOT_FOUND"),
        (("status", "renault-nissan", "--on", "x"), 1, "DATE_INVALID"),
        (("diff", "renault-nissan", "1", "99"), 1, "VERSION_NOT_FOUND"),
        (
            ("record", "renault-nissan", "--statement", "x", "--by", "ampere"),
            1,
            "ACTING_NOT_ALLOWED",
        ),
        (("open", "Again", "--id", "renault-nissan"), 1, "NEGOTIATION_EXISTS"),
        (("show",), 2, ""),
        (("show", "renault-nissan", "--as-of", "yesterday"), 2, ""),
        (("show", "renault-nissan", "--as-of", str(1 << 64)), 2, ""),
        (("record", "renault-nissan"), 2, ""),
        (("nonsense",), 2, ""),
    ],
)  # fmt: skip
def test_a_refusal_is_one_sentence_with_its_reason_and_never_a_traceback(
    command: Command, example: str, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    answer = command(*arguments)

    assert answer.code == code
    assert answer.out == ""
    assert "Error: " in answer.err
    assert "Traceback" not in answer.err
    if reason:
        assert answer.err.splitlines()[1].startswith(f"  reason {reason}")


def test_a_service_that_is_away_is_told_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["--server", "127.0.0.1:1", "--timeout", "0.3", "list"])

    assert code == 3
    assert capsys.readouterr().err.startswith(
        "Error: Nothing listens at 127.0.0.1:1. Start a service with `pourparler serve`"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("show", "renault-nisan"), 1, "Did you mean renault-nissan? See all with"),
        (("show", "renault-nissan", "--as-seen-by", "nisan"), 1, "Did you mean nissan? See"),
        (("blame", "renault-nissan", "agr-leader"), 1, "Did you mean agr-leader-follower?"),
        (("record", "renault-nissan", "--topic", "A", "--by", "nisan"), 1, "Did you mean nissan?"),
        (("show", "renault-nissan", "--as-of", "99"), 1, "`pourparler history renault-nissan`"),
        (("history", "renault-nissan", "--type", "statement"), 2, "mean statement_recorded or"),
        (("history", "renault-nissan", "--topic", "t-gov"), 0, "Did you mean t-governance?"),
        (("shw", "renault-nissan"), 2, "Did you mean 'show'?"),
        (("open", "A", "--id", "renault-nissan"), 1, "`pourparler show renault-nissan`"),
        (("--server", "localhost", "list"), 2, "Say it as localhost:50710."),
        (("--server", "http://localhost:1/", "list"), 2, "Leave out http://, and say it as local"),
        (("--root-certificates", "/none", "list"), 1, "/none cannot be read: No such file or"),
        (("--token-file", "/none", "list"), 1, "The token in /none cannot be read: No such file"),
        (("--certificate", __file__, "list"), 1, "needs its private key: give both, or neither."),
        (("export", "renault-nissan", "-o", "/none/x"), 1, "Name another file with --output."),
        (("export", "renault-nissan", "-o", __file__), 1, "never written over. Name another file"),
    ],
)
def test_an_error_says_what_was_perhaps_meant_and_what_to_do_next(
    command: Command, example: str, arguments: tuple[str, ...], code: int, said: str
) -> None:
    answer = command(*arguments)

    assert answer.code == code
    assert said in answer.err
    assert answer.out in {"", "#  OCCURRED  RECORDED  BASIS  TYPE  WHAT  DETAILS\n"}


def test_what_grpc_writes_by_itself_is_not_seen(address: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a.b.c")
    told = subprocess.run(
        [*COMMAND, "--server", address, "--timeout", "1", "--token-file", str(token), "list"],
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"},
    )

    assert told.returncode == 3
    assert told.stderr.startswith(f"Error: The service at {address} does not use TLS")
    assert len(told.stderr.splitlines()) == 2


def test_every_answer_is_json_when_it_is_asked_for(command: Command, example: str) -> None:
    state = json_format.Parse(command("show", example, "--json").out, pb.GetNegotiationResponse())
    assert state.negotiation.words.title == "Future of the Renault-Nissan Alliance"
    for arguments, message in (
        (("status", example), pb.GetStatusReportResponse()),
        (("diff", example, "16"), pb.DiffNegotiationResponse()),
    ):
        out = command(*arguments, "--json").out
        assert out.isascii()
        json_format.Parse(out, message)
    entries = command("history", example, "--json").out.splitlines()
    assert [json_format.Parse(line, pb.Entry()).header.version for line in entries] == list(
        range(1, 18)
    )
    names = [json.loads(line)["name"] for line in command("list", "--json").out.splitlines()]
    assert "negotiations/renault-nissan" in names


def test_as_of_a_version_the_top_says_so_and_what_came_later_is_not_there(
    command: Command, example: str
) -> None:
    shown = command("show", example, "--as-of", "11").out

    assert shown.startswith("As the record stood at version 11 (recorded 20")
    assert "p-majority" not in shown
    assert "no positions" not in shown
    assert "s-joint" in shown


def test_as_of_a_time_it_is_the_record_of_that_time(
    command: Command, example: str, address: str
) -> None:
    with Client(address) as client:
        at = list(client.replay(example))[10].header.record_time

    shown = command("show", example, "--as-of", at.ToJsonString()).out

    second = f"{at.ToDatetime():%Y-%m-%d %H:%M:%S}Z"
    assert shown.startswith(f"As the record stood on {second}, at version 11 ")
    later = command("show", example, "--as-of", second).out
    assert int(re.search(r"at version (\d+)", later)[1]) >= 11  # type: ignore[index]
    assert "no agreements" in command("show", example, "--as-of", "2020-01-01").out


def test_as_of_what_had_happened_the_possible_is_told_from_the_definite(
    command: Command, example: str
) -> None:
    shown = command("show", example, "--occurred", "2021-01-01").out

    assert shown.startswith(
        "Events that definitely happened by 2021-01-01, by the record as it is now"
    )
    definite, _, possible = shown.partition("Only possibly by 2021-01-01")
    assert "agr-leader-follower" in definite
    assert "p-majority" not in shown
    assert "Entry #1 may be in." in possible
    assert "negotiation" in possible
    history = command("history", example, "--occurred", "2021-01-01").out
    assert [line.split()[0] for line in history.splitlines()[2:]] == ["#1", "#7"]
    assert "only possibly by then" in history.splitlines()[2]


def test_a_diff_says_what_one_entry_changed(command: Command, example: str) -> None:
    changed = command("diff", example, "16", "17").out

    assert "from: As the record stood at version 16" in changed
    assert "status: in force → in question" in changed
    assert "analysis, unconfirmed" in changed
    assert "Changes (1)" in changed
    assert "the record before its first entry" in command("diff", example).out
    by_date = command("diff", example, "--occurred-from", "2021", "--occurred-to", "2022").out
    assert "s-joint" in by_date


def test_a_part_is_put_down_to_the_entries_that_made_it_so(command: Command, example: str) -> None:
    of_one = command("blame", example, "agr-leader-follower").out.splitlines()[1:]
    assert [line.split()[0] for line in of_one] == ["agreements/agr-leader-follower"] * 2
    assert "sets status: in force → in question" in of_one[1]
    assert (
        len(command("blame", example, "agr-leader-follower", "--as-of", "16").out.splitlines()) == 3
    )
    assert "q-shares" in command("blame", example).out
    assert "q-shares" not in command("blame", example, "--occurred", "2021").out
    told = json.loads(command("blame", example, "q-shares", "--json").out)
    assert told["fields"]["status"] == 14
    missing = command("blame", example, "q-share")
    assert missing.code == 1
    assert "There is no part 'q-share' in renault-nissan." in missing.err


def test_who_goes_back_on_a_term_is_flagged_in_a_diff(
    command: Command, talks: str, address: str
) -> None:
    from pourparler import money, proposal  # noqa: PLC0415

    with Client(address) as client:
        for amount in (100, 80, 95):
            terms = [money("price", amount, "EUR")]
            client.record(talks, proposal(by="acme", to="bolt", terms=terms, id=f"p{amount}"))

    changed = command("diff", talks, "5").out

    assert "Reversals: later terms that undo earlier ones (1)" in changed
    assert re.search(r"Acme .*price .*100 EUR .*80 EUR .*95 EUR", changed)


def test_a_standing_answers_its_questions(command: Command, example: str) -> None:
    said = command("status", example, "--on", "2024-01-01").out

    assert "Due dates and ages are computed on 2024-01-01." in said
    assert re.search(r"m-ipo .* OVERDUE ", said)
    assert re.search(r"m-communication .* perhaps due ", said)
    assert "No one owes anything." in said


def test_a_history_is_filtered(command: Command, example: str) -> None:
    def versions(*filters: str) -> list[str]:
        return [
            line.split()[0] for line in command("history", example, *filters).out.splitlines()[1:]
        ]

    assert versions("--type", "statement_recorded") == ["#11", "#12"]
    assert versions("--after", "15", "--reverse") == ["#17", "#16"]
    assert versions("--basis", "analysis") == ["#14", "#17"]
    assert versions("--limit", "3") == ["#1", "#2", "#3"]
    assert "#13" in versions("--topic", "t-ev", "--participant", "renault")


def test_a_list_is_filtered_and_stable_in_a_pipe(command: Command, example: str) -> None:
    head, *rows = command("list", "--participant", "nissan", "--status", "open").out.splitlines()

    assert head.split("  ")[0] == "NEGOTIATION"
    assert [row.split()[:2] for row in rows] == [["renault-nissan", "open"]]
    assert command("list", "--title", "no such title").out == ""


def test_awkward_words_come_back_harmless_and_in_json_as_they_were(
    command: Command, talks: str
) -> None:
    evil = "\x1b[31mred\x07 \u202etxt.exe\n日本語\x00"
    assert (
        command("record", talks, "--statement", evil.replace("\x00", ""), "--by", "acme").code == 0
    )

    for arguments in (("show", talks), ("history", talks), ("diff", talks, "3")):
        out = command(*arguments).out
        assert r"\x1b[31mred\x07 <U+202E>txt.exe\n日本語" in out
        assert not {"\x1b", "\x07", "\u202e"} & set(out)
    entry = json.loads(command("history", talks, "--after", "3", "--json").out)
    assert entry["words"]["text"] == evil.replace("\x00", "")


def drafts(name: str, count: int) -> list[str]:
    """The lines of a negotiation with its opening and so many topics."""

    def line(**facts: object) -> str:
        provenance = {"basis": "BASIS_DIRECT", "form": "FORM_SUMMARY"}
        said = {"negotiation": name, "facts": {"provenance": provenance, **facts}}
        return json.dumps({**said, "words": {"title": "A title"}})

    return [line(negotiation_opened={})] + [
        line(topic_added={"topic_id": f"t{place}"}) for place in range(count)
    ]


def test_an_import_says_what_it_came_to_and_doubles_nothing(
    command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "talks.jsonl"
    lines = [
        line for pair in zip(drafts("i-1", 20), drafts("i-2", 20), strict=True) for line in pair
    ]
    file.write_text("\n".join(lines[:20]) + "\n\n")
    assert command("import", str(file)).out.startswith("20 recorded, 0 already there, 0 refused; ")
    file.write_text("\n".join(lines))

    assert command("import", str(file)).out.startswith("22 recorded, 20 already there, 0 refused; ")
    told = json.loads(command("import", str(file), "--json").out)
    assert (told["recorded"], told["already_there"], told["complete"]) == (0, 42, True)
    for name in ("i-1", "i-2"):
        assert "version 21;" in command("show", name).out


def test_a_refused_line_is_told_with_its_file_and_number(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "talks.jsonl"
    lines = drafts("i-3", 4)
    lines[3:3] = ["not json", lines[2], '{"negotiation": "i-3", "facts": {}}']
    file.write_text("\n".join(lines))

    stopped = command("import", str(file))
    assert stopped.code == 1
    assert stopped.out.startswith("3 recorded, 0 already there, 1 refused; ")
    assert stopped.err.startswith(f"{file}:4: MALFORMED: The line is not JSON: ")
    assert "repeat the same command" in stopped.err

    all_of_it = command("import", str(file), "--keep-going")
    assert all_of_it.code == 1
    assert all_of_it.out.startswith("2 recorded, 3 already there, 3 refused; ")
    assert f"{file}:5: ID_ALREADY_USED: " in all_of_it.err
    assert f"{file}:6: FIELD_REQUIRED: " in all_of_it.err
    assert "(drafts[0].facts" in all_of_it.err


def test_standard_input_is_imported_and_recorded(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, topic, *_ = drafts("i-4", 2)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{opening}\nx\n".encode())))

    answer = command("import", "-")

    assert answer.out.startswith("1 recorded, ")
    assert answer.err.startswith("-:2: MALFORMED")
    draft = json.loads(topic)
    del draft["negotiation"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(draft).encode())))
    assert command("record", "i-4", "-").out.startswith("Recorded #2")


def test_an_interrupted_import_says_how_to_go_on_and_goes_on(
    address: str, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "talks.jsonl"
    file.write_text("\n".join(drafts("i-5", 3000)))
    process = subprocess.Popen(
        [*COMMAND, "--server", address, "import", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with Client(address) as client:
        for _ in range(500):
            try:
                client.get_negotiation("i-5", view="basic")
            except errors.NotFoundError:
                time.sleep(0.02)
            else:
                break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "Repeat the same command to go on" in err
    assert "Traceback" not in err
    before = int(out.partition(" ")[0].replace(",", ""))
    assert 0 < before < 3001
    rest = command("import", str(file)).out
    assert rest.startswith(f"{3001 - before:,} recorded, {before:,} already there, 0 refused; ")


def test_whoever_stops_reading_ends_the_command_quietly(address: str, example: str) -> None:
    told = subprocess.run(
        ["bash", "-c", '"$@" | head -1; exit ${PIPESTATUS[0]}', "-", *COMMAND, "--server", address,
         "history", example],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip

    assert told.returncode in {0, 141}
    assert told.stderr == ""


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
def test_with_a_stream_closed_the_exit_code_says_the_same(closed: str) -> None:
    away = ["--server", "127.0.0.1:1", "--timeout", "1", "show", "talks"]

    told = subprocess.run(["bash", "-c", f'"$@" {closed}', "-", *COMMAND, *away], check=False)

    assert told.returncode == 3


@pytest.mark.parametrize("arguments", [(), *((name,) for name in (
    "serve", "open", "record", "import", "show", "history", "status", "diff", "list", "demo",
    "watch", "blame", "search", "rebuild-indexes",
))])  # fmt: skip
def test_every_command_says_how_it_is_used(command: Command, arguments: tuple[str, ...]) -> None:
    answer = command(*arguments, "--help")

    assert answer.code == 0
    assert "Usage: pourparler" in answer.out


def test_the_type_of_every_entry_can_be_asked_for(command: Command, example: str) -> None:
    for name in ENTRY_TYPES:
        assert command("history", example, "--type", name).code == 0


def test_the_demo_shows_each_command_and_its_answer(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code = run(["demo", "--port", "0", "--data", str(tmp_path / "data")])

    out = capsys.readouterr().out
    assert code == 0
    steps = re.findall(r"^\$ pourparler --server [\d.:]+ (.*)$", out, re.MULTILINE)
    assert [step.split()[0] for step in steps] == [
        "import", "list", "show", "status", "history", "show", "diff", "show"
    ]  # fmt: skip
    assert "17 recorded" in out
    assert "As the record stood at version 16" in out
    assert "Events that definitely happened by 2021-01-01" in out


def test_the_service_is_served_until_it_is_told_to_stop(tmp_path: Path) -> None:
    serve = [*COMMAND, "serve", "--data", str(tmp_path), "--address", "127.0.0.1:0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        serve, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        second = subprocess.run(serve, capture_output=True, text=True, check=False, timeout=30)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)

    assert first.startswith("Pourparler serves on 127.0.0.1:")
    assert process.returncode == 0
    assert second.returncode == 1
    assert second.stderr.startswith("Error: ")
    assert len(second.stderr.splitlines()) == 1


def test_an_address_that_others_can_reach_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["serve", "--store", "memory:", "--address", "0.0.0.0:0"])

    assert code == 1
    assert capsys.readouterr().err.startswith("Error: ")
