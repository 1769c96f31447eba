import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import click
import grpc
import pytest

import pourparler
from pourparler import dates
from pourparler import v1 as pb
from pourparler.cli.commands import pourparler as command_line
from pourparler.cli.commands import run
from pourparler.contract import ENTRY_TYPES
from pourparler_service.server import running
from pourparler_service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
PAGES = [README, ROOT / "CHANGELOG.md"]
PAGES += sorted(
    page
    for folder in ("docs", "examples", "tests")
    for page in (ROOT / folder).rglob("*.md")
    if "node_modules" not in page.parts
)

ROOMS = {
    "client/pourparler/": ROOT / "client" / "pourparler",
    "service/pourparler_service/": ROOT / "service" / "pourparler_service",
}
ENDLESS = {"serve", "demo", "watch", "witness"}
OF_OTHERS = {"Application", "ErrorInfo"}
VARIABLES = {"PERSISTENCE_MODULE", "POURPARLER_MASTER_KEY"}
VARIABLES |= {f"POURPARLER_{name}" for name in ("ADDRESS", "DATA", "KEYS", "SERVER")}
VARIABLES |= {"POURPARLER_WITNESSES", "POURPARLER_WITNESSES_REQUIRED"}
VARIABLES |= {f"POURPARLER_TLS_{name}" for name in ("CERTIFICATE", "KEY", "CLIENTS")}
VARIABLES |= {f"POURPARLER_TOKENS_{name}" for name in ("ISSUER", "AUDIENCE", "KEYS")}
VARIABLES |= {"POURPARLER_CERTIFICATES_ADDRESS", "POURPARLER_SETTINGS", "POURPARLER_TOKEN"}
VARIABLES |= {"SSL_CERT_FILE"}
PLACEHOLDERS = {"FILE", "LINE", "NAME", "REASON"}


class Block(NamedTuple):
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [Block(language, text) for language, text in found]


def spans(page: Path) -> list[str]:
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", prose)


def code_lines(page: Path) -> list[str]:
    fenced = [line for block in blocks(page) for line in block.text.splitlines()]
    indented = re.findall(r"^    (\S.*)$", page.read_text(), re.MULTILINE)
    return [line.strip() for line in [*fenced, *indented, *spans(page)]]


def commands(page: Path) -> list[list[str]]:
    lines = [re.sub(r"^(\$ |\.venv/bin/)+", "", line) for line in code_lines(page)]
    return [
        shlex.split(line, comments=True)[1:]
        for line in lines
        if re.match(r"pourparler +[a-z-]", line)
    ]


def names_of(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


every_page = pytest.mark.parametrize("page", PAGES, ids=names_of(PAGES))


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(block.language == "python" for block in blocks(page))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_what_a_page_shows_does_what_the_page_says(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    said = ""
    with running() as address:
        monkeypatch.setenv("POURPARLER_SERVER", address)
        for block in blocks(page):
            if block.language == "python":
                said = run_python(block.text, address)
            elif block.language == "sh":
                run_shell(block.text)
            elif block.language == "text" and said:
                assert said == block.text
            if block.language != "python":
                said = ""


def run_python(text: str, address: str) -> str:
    assert "Client()" in text, "a page that asks no service needs no service to run"
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(text.replace("Client()", f"Client({address!r})"), {})  # noqa: S102 - it is our own
    return out.getvalue()


def run_shell(text: str) -> None:
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["pourparler"] and words[1] not in ENDLESS:
            with contextlib.redirect_stdout(io.StringIO()):
                code = run(words[1:])

            assert code == 0, line


def test_every_clock_of_the_readme_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with running() as address, pourparler.Client(address) as client:
        monkeypatch.setenv("POURPARLER_SERVER", address)
        run_shell("pourparler import examples/renault-nissan/negotiation.jsonl")
        known = {"c": client, "name": "renault-nissan", "datetime": datetime, "UTC": UTC}
        versions = {"": 17, "as_of=11": 11, "as_of=datetime": 0}
        calls = [span for span in spans(README) if span.startswith("c.")]
        options = [span for span in spans(README) if re.match(r"--(as-of|occurred) ", span)]

        assert calls
        assert options
        for call in calls:
            version = versions["".join(re.findall(r"as_of=\w+", call))]
            answer = eval(call, known)  # noqa: S307 - it is our own

            assert answer.computed_at.version == version, call
        for option in options:
            run_shell(f"pourparler show renault-nissan {option}")


@every_page
def test_every_block_says_what_language_it_is_in(page: Path) -> None:
    assert {block.language for block in blocks(page)} <= {"python", "sh", "text", "json", "proto"}


@every_page
def test_every_command_named_can_be_given(page: Path) -> None:
    for arguments in commands(page):
        refuse_unknown(arguments)


def refuse_unknown(arguments: list[str]) -> None:
    context = click.Context(command_line, info_name="pourparler")
    _, rest, _ = command_line.make_parser(context).parse_args(list(arguments))
    if not rest:
        return
    command = command_line.get_command(context, rest[0])
    assert command is not None, rest[0]
    below = click.Context(command, parent=context, info_name=rest[0])
    _, left, _ = command.make_parser(below).parse_args([*rest[1:]])
    assert [one for one in left if one.startswith("-")] == []


def test_a_command_that_is_not_there_is_noticed() -> None:
    for wrong in (["shew"], ["show", "x", "--as-off", "3"]):
        with pytest.raises((AssertionError, click.NoSuchOption)):
            refuse_unknown(wrong)


@every_page
def test_every_make_target_named_is_in_the_makefile(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for line in code_lines(page)
        for target in re.findall(r"^make(?: -\w+)*(?: [A-Z]+=\S+)* ([a-z][a-z-]*)", line)
    }

    assert named - targets == set()


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?://", target):
            continue
        path, _, heading = target.partition("#")
        led_to = (page.parent / path).resolve() if path else page

        assert led_to.exists(), target
        if heading:
            assert heading in headings(led_to), target


def headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@every_page
def test_every_file_named_is_there(page: Path) -> None:
    known = {
        path.name
        for folder in ("proto", "client", "service", "tests", "examples", "docs")
        for path in (ROOT / folder).rglob("*.*")
    }
    for span in spans(page):
        if re.fullmatch(r"[\w./-]+\.(py|proto|md|jsonl|toml)", span) and page != PAGES[1]:
            there = span in known or (ROOT / span).exists() or (page.parent / span).exists()

            assert there, span


@every_page
def test_every_name_of_the_contract_is_in_the_contract(page: Path) -> None:
    for span in spans(page):
        if re.fullmatch(r"[A-Z][A-Z_]+[A-Z]", span):
            assert span in values() | VARIABLES | PLACEHOLDERS, span
        elif re.fullmatch(r"(?:[A-Z][a-z]+){1,}", span):
            assert span in messages_and_methods() | OF_OTHERS, span


def values() -> set[str]:
    found = {code.name for code in grpc.StatusCode}
    for file in files():
        for enum in file.enum_types_by_name.values():
            first = enum.values[0].name.removesuffix("UNSPECIFIED")
            found |= {value.name.removeprefix(first) for value in enum.values}
    return found


def messages_and_methods() -> set[str]:
    found = set(pourparler.__all__)
    for file in files():
        found |= set(file.message_types_by_name) | set(file.enum_types_by_name)
        for service in file.services_by_name.values():
            found |= {service.name, *(method.name for method in service.methods)}
    return found


def files() -> Iterator[Any]:
    pool = pb.Facts.DESCRIPTOR.file.pool
    for path in sorted((ROOT / "proto").rglob("*.proto")):
        yield pool.FindFileByName(str(path.relative_to(ROOT / "proto")))


def test_the_picture_of_the_rooms_is_what_the_folders_hold() -> None:
    picture = next(block.text for block in blocks(README) if "client/pourparler/" in block.text)
    drawn: dict[str, set[str]] = {}
    rooms: set[str] = set()
    for line in picture.splitlines():
        name = line.split()[0]
        if line.startswith(" "):
            rooms.add(name)
        else:
            rooms = drawn.setdefault(name, set())

    for folder, names in drawn.items():
        assert (ROOT / folder).is_dir(), folder
        if folder in ROOMS:
            assert names == held(ROOMS[folder]), f"draw the rooms of {folder} in README.md anew"
    assert drawn.keys() >= ROOMS.keys()


def held(folder: Path) -> set[str]:
    modules = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
    return modules | {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}


def test_every_promise_names_a_test_that_is_there() -> None:
    promises = re.findall(r"\[`(test_\w+)`\]\(([^)]+)\)", README.read_text())

    assert promises
    for name, path in promises:
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), name


def test_the_readme_counts_the_types_of_entry_right() -> None:
    assert f"each of the {len(ENTRY_TYPES)} types of entry" in README.read_text()


def test_dates_have_the_bounds_that_the_words_show() -> None:
    words = (ROOT / "docs" / "words.md").read_text()
    shown = re.findall(r"^\| [^|]+ \| `([^`]+)` \| (\S+) \| (\S+) \|$", words, re.MULTILINE)

    assert shown
    for edtf, *days in shown:
        assert [day or "open" for day in dates.bounds(edtf)] == days


def test_the_data_folder_has_the_files_that_the_design_names(tmp_path: Path) -> None:
    design = (ROOT / "docs" / "design.md").read_text()
    table = design.partition("The data folder:")[2].partition("\n\n## ")[0]
    named = set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))
    with running(Settings(data=tmp_path, address="127.0.0.1:0")) as address:
        with pourparler.Client(address) as client:
            client.open("Any")
            assert len(list(client.list())) == 1
        held_now = {path.name for path in tmp_path.iterdir()}

    assert {re.sub(r"-(wal|shm)$", "", name) for name in held_now} == named


def test_no_two_decisions_have_one_number_and_all_are_listed() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()

    assert len({page.name[:4] for page in DECISIONS}) == len(DECISIONS)
    for page in DECISIONS:
        title = page.read_text().partition("\n")[0].removeprefix("# ")
        assert f"[{title}]({page.name})" in index


@pytest.mark.parametrize("page", DECISIONS, ids=names_of(DECISIONS))
def test_a_decision_is_short_and_says_what_would_change_it(page: Path) -> None:
    text = page.read_text()

    assert len(text.splitlines()) < 40
    assert "**Chosen.**" in text
    assert "**What would change it.**" in text
