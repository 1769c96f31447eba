"""Records of a running service, out in the formats of others and in again under their own names."""

import asyncio
import contextlib
import csv
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from google.protobuf import json_format

from examples.casino import convert as dialogues
from examples.diplomacy import convert as games
from pourparler import Client, aio, participant, statement
from pourparler.cli.commands import run
from pourparler.formats import cloudevents, jsonl, parquet
from pourparler.formats import csv as csv_format
from pourparler.state.fold import fold
from pourparler_service.server import running

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
EXAMPLE = ROOT / "examples" / "renault-nissan" / "negotiation.jsonl"
TIMES = {"recordTime", "updateTime"}
WHOLE = ("jsonl", "csv", "parquet", "cloudevents")
PARTLY = ("prov", "akn")
ENTRIES = {
    "jsonl": jsonl.entries,
    "csv": csv_format.entries,
    "parquet": parquet.entries,
    "cloudevents": cloudevents.entries,
}
WORD = "Zanzibarina"


class Answer(NamedTuple):
    """What a command line came to."""

    code: int
    out: str
    err: str


Command = Callable[..., Answer]


@pytest.fixture(name="kept", scope="module")
def _kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with an article, eight dialogues and two games on its record."""
    drafts = tmp_path_factory.mktemp("drafts") / "drafts.jsonl"
    drafts.write_text(
        EXAMPLE.read_text(encoding="utf-8")
        + "".join(f"{one}\n" for one in dialogues.lines(DATA / "casino"))
        + "".join(f"{one}\n" for one in games.lines(DATA / "diplomacy")),
        encoding="utf-8",
    )
    with running() as address, contextlib.redirect_stdout(io.StringIO()):
        assert run(["--server", address, "import", str(drafts)]) == 0
        yield address


@pytest.fixture(name="other")
def _other() -> Iterator[str]:
    with running() as address:
        yield address


@pytest.fixture(name="command")
def _command(capsys: pytest.CaptureFixture[str]) -> Command:
    def command(address: str, *arguments: str) -> Answer:
        capsys.readouterr()
        code = run(["--server", address, *arguments])
        return Answer(code, *capsys.readouterr())

    return command


def names(address: str) -> list[str]:
    with Client(address) as client:
        return [one.name.removeprefix("negotiations/") for one in client.list_negotiations()]


def state(address: str, name: str) -> Any:
    """What a service says of a negotiation, but for when that was recorded there."""
    with Client(address) as client:
        return timeless(json_format.MessageToDict(client.get_negotiation(name).negotiation))


def timeless(said: Any) -> Any:
    if isinstance(said, list):
        return [timeless(one) for one in said]
    if not isinstance(said, dict):
        return said
    return {key: timeless(one) for key, one in said.items() if key not in TIMES}


@pytest.mark.parametrize("form", WHOLE)
def test_every_record_goes_out_and_comes_in_as_the_same_state(
    kept: str, other: str, form: str, tmp_path: Path, command: Command
) -> None:
    assert len(names(kept)) == 11
    for name in names(kept):
        file = str(tmp_path / name)

        assert command(kept, "export", name, "--format", form, "-o", file).code == 0
        assert command(other, "import", file, "--format", form).code == 0
        assert state(other, name) == state(kept, name)


def test_what_was_said_goes_out_and_comes_in_as_a_debate(
    kept: str, other: str, tmp_path: Path, command: Command
) -> None:
    for name in names(kept):
        file = str(tmp_path / name)
        assert command(kept, "export", name, "--format", "akn", "-o", file).code == 0
        told = command(other, "import", file, "--format", "akn", "--negotiation", name)

        assert told.code == 0, told.err
        said = [one for one in statements(kept, name) if one[0]]
        assert statements(other, name) == [(by, " ".join(text.split())) for by, text in said]


def statements(address: str, name: str) -> list[tuple[list[str], str]]:
    """Who said what, by the first named speaker."""
    with Client(address) as client:
        return [
            ([*entry.facts.statement_recorded.speakers][:1], entry.words.text)
            for entry in client.replay(name, entry_types="statement_recorded")
        ]


@pytest.mark.parametrize("form", [*WHOLE, *PARTLY])
def test_a_bundle_gives_the_same_file_and_asks_no_service(
    kept: str, form: str, tmp_path: Path, command: Command
) -> None:
    name, bundle = "renault-nissan", str(tmp_path / "bundle")
    online, offline = tmp_path / "online", tmp_path / "offline"
    assert command(kept, "export", name, "-o", bundle).code == 0
    assert command(kept, "export", name, "--format", form, "-o", str(online)).code == 0

    done = command(
        "127.0.0.1:1", "export", name, "--bundle", bundle, "--format", form, "-o", str(offline)
    )

    assert done.code == 0
    assert offline.read_bytes() == online.read_bytes()


def test_importing_again_doubles_nothing(
    kept: str, other: str, tmp_path: Path, command: Command
) -> None:
    file = str(tmp_path / "record.csv")
    assert command(kept, "export", "renault-nissan", "--format", "csv", "-o", file).code == 0

    first = command(other, "import", file)
    again = command(other, "import", file)

    assert first.out.startswith("17 recorded, 0 already there, 0 refused;")
    assert again.out.startswith("0 recorded, 17 already there, 0 refused;")


def test_a_refused_row_is_told_with_its_line_and_column(
    kept: str, other: str, tmp_path: Path, command: Command
) -> None:
    file = tmp_path / "record.csv"
    assert command(kept, "export", "renault-nissan", "--format", "csv", "-o", str(file)).code == 0
    file.write_bytes(file.read_bytes().replace(b",participant_joined,", b",participant_left,", 1))

    told = command(other, "import", str(file))

    assert told.code == 1
    assert told.err.splitlines()[0] == (
        f"{file}:3: MALFORMED: The cell says 'participant_left', and the entry"
        " 'participant_joined': what is recorded is the entry (column type)."
    )


def test_a_table_of_others_comes_in_by_a_mapping(
    other: str, tmp_path: Path, command: Command
) -> None:
    table, mapped = tmp_path / "minutes.csv", tmp_path / "minutes.toml"
    table.write_text("No,Who,Text\ns-1,Chair,We begin.\ns-2,Nobody,Ghosts.\n", encoding="utf-8")
    mapped.write_text(
        """
[[entries]]
set = { "facts.provenance.basis" = "direct", "facts.provenance.form" = "verbatim", \
"facts.statement_recorded.act" = "procedural" }

[entries.columns]
"facts.statement_recorded.statement_id" = "No"
"facts.statement_recorded.speakers" = "Who"
"words.text" = "Text"

[values.Who]
Chair = "chair"
Nobody = "nobody"
""",
        encoding="utf-8",
    )
    assert command(other, "open", "Minutes", "--id", "minutes").code == 0
    chair = ("--participant", "The chair", "--id", "chair")
    assert command(other, "record", "minutes", *chair).code == 0

    told = command(
        other, "import", str(table), "--negotiation", "minutes", "--mapping", str(mapped)
    )

    assert told.code == 1
    assert told.out.startswith("1 recorded, 0 already there, 1 refused;")
    assert told.err.startswith(f"{table}:3: PART_NOT_FOUND:")
    assert state(other, "minutes")["statements"]["s-1"]["words"]["text"] == "We begin."


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--format", "jsonl", "--mapping", __file__), "--mapping is for a table"),
        (("--format", "csv", "--mapping", __file__), "The mapping is not TOML"),
    ],
)
def test_a_mapping_that_is_none_is_told_before_anything_is_sent(
    arguments: tuple[str, ...], told: str, command: Command
) -> None:
    done = command("127.0.0.1:1", "import", str(EXAMPLE), *arguments)

    assert done.code == 2
    assert told in done.err


def test_what_is_no_bundle_or_another_one_is_not_written_out(
    kept: str, tmp_path: Path, command: Command
) -> None:
    bundle, out = tmp_path / "bundle", str(tmp_path / "out")
    assert command(kept, "export", "renault-nissan", "-o", str(bundle)).code == 0
    cut = tmp_path / "cut"
    cut.write_bytes(bundle.read_bytes()[:-20])
    form = ("--format", "csv", "-o", out)

    for file, name, told in (
        (bundle, "another", "The bundle is of renault-nissan, not of what was asked for."),
        (EXAMPLE, "renault-nissan", "The file is not a bundle of Pourparler."),
        (cut, "renault-nissan", "The bundle is truncated before its end."),
    ):
        done = command("127.0.0.1:1", "export", name, "--bundle", str(file), *form)

        assert done.code == 1
        assert told in done.err
        assert not Path(out).exists()


def test_a_bundle_is_taken_as_it_is_and_a_negotiation_has_to_be_there(
    kept: str, tmp_path: Path, command: Command
) -> None:
    bundle = str(tmp_path / "bundle")
    assert command(kept, "export", "renault-nissan", "-o", bundle).code == 0

    again = command(kept, "export", "renault-nissan", "--bundle", bundle, "-o", "-")
    drafts = command(kept, "import", bundle, "--format", "csv", "--verifier-key", "test+1+AAAA")
    some = command(
        kept, "export", "renault-nissan", "--versions", "3", "--format", "csv", "-o", "-"
    )
    nothing = command(kept, "export", "nothing", "--format", "csv", "-o", "-")

    assert "--bundle needs a --format" in again.err
    assert drafts.code == 2
    assert "--versions is only for a bundle" in some.err
    assert nothing.code == 1
    assert nothing.out == ""
    assert "NEGOTIATION_NOT_FOUND" in nothing.err


def test_a_history_is_a_frame_for_those_who_wait_and_those_who_await(kept: str) -> None:
    with Client(kept) as client, asyncio.Runner() as runner:
        found = client.replay("renault-nissan").to_pandas()
        same = runner.run(aio_frame(kept))

        assert len(found) == 17
        assert found.equals(same)


async def aio_frame(address: str) -> Any:
    async with aio.Client(address) as client:
        return await client.replay("renault-nissan").to_pandas()


def test_a_history_shown_in_a_notebook_is_still_to_be_read(kept: str) -> None:
    with Client(kept) as client:
        history = client.replay("renault-nissan")
        shown = history._repr_html_()
        again = history._repr_html_()

        assert shown == again
        assert shown.count("<tr>") == 18
        assert [entry.header.version for entry in history] == list(range(1, 18))


def test_a_format_whose_package_is_not_there_is_told_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Command
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    out = tmp_path / "out.parquet"

    for arguments in (
        ("export", "x", "--format", "parquet", "-o", str(out)),
        ("import", str(EXAMPLE), "--format", "parquet"),
    ):
        done = command("127.0.0.1:1", *arguments)

        assert done.code == 1
        assert "pyarrow is not installed" in done.err
    assert not out.exists()


@pytest.fixture(name="erased", scope="module")
def _erased() -> Iterator[str]:
    """A service with talks from which the words of Anna were destroyed."""
    with running() as address, Client(address) as client:
        client.open_negotiation(
            "Talks", participant("anna", WORD, kind="person"), negotiation_id="talks"
        )
        client.record("talks", statement(f"I, {WORD}, agree.", by="anna", id="s-1"))
        client.erase_subject("talks", "anna", legal_basis="Art. 17 GDPR", authority="The officer")
        yield address


@pytest.mark.parametrize("form", [*WHOLE, *PARTLY])
def test_words_that_were_destroyed_are_in_no_format_and_said_to_be_gone(
    erased: str, other: str, form: str, tmp_path: Path, command: Command
) -> None:
    file = tmp_path / "talks"
    assert command(erased, "export", "talks", "--format", form, "-o", str(file)).code == 0

    assert WORD.encode() not in file.read_bytes()
    if form in WHOLE:
        told = command(other, "import", str(file), "--format", form)

        assert told.code == 1
        assert "The words of entry 2 were withheld or destroyed" in told.err


@pytest.mark.parametrize("form", WHOLE)
def test_an_erased_record_is_read_back_as_it_is_in_the_service(
    erased: str, form: str, tmp_path: Path, command: Command
) -> None:
    file = tmp_path / "talks"
    assert command(erased, "export", "talks", "--format", form, "-o", str(file)).code == 0

    with file.open("rb") as opened, Client(erased) as client:
        back = list(ENTRIES[form](opened))

        assert back == list(client.replay("talks"))
        assert fold(back) == client.get_negotiation("talks").negotiation


def test_what_a_bundle_does_not_show_is_carried_as_withheld(
    kept: str, tmp_path: Path, command: Command
) -> None:
    name, bundle, table = "renault-nissan", str(tmp_path / "bundle"), tmp_path / "table"
    assert command(kept, "export", name, "--versions", "1-3", "-o", bundle).code == 0
    form = ("--format", "csv", "-o", str(table))
    assert command("127.0.0.1:1", "export", name, "--bundle", bundle, *form).code == 0

    with table.open(encoding="utf-8", newline="") as file:
        withheld = [one["withheld"] for one in csv.DictReader(file)]

    assert withheld == [""] * 3 + ["facts words"] * 14
