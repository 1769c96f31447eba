import contextlib
import io
import json
import re
import shlex
import shutil
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import click
import grpc
import pytest

import pourparler
from pourparler import v1 as pb
from pourparler.cli.commands import pourparler as command_line
from pourparler.schema.contract import ENTRY_TYPES
from pourparler.schema.edtf import bounds
from pourparler_service.config.settings import Settings
from pourparler_service.config.settings_table import SETTINGS
from pourparler_service.server import running
from pourparler_service.transparency.signing_keys import write_key
from tests.support import doc_transcripts
from tests.support.signing_keys import signing_key
from tests.support.state_digest import particulars

ROOT = Path(__file__).resolve().parents[3]
README = ROOT / "README.md"
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
CHANGELOG = ROOT / "CHANGELOG.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
CLOCKS = ROOT / "docs" / "guides" / "as-of-queries.md"
PROMISES = ROOT / "docs" / "explanation" / "promises.md"
PAGES = sorted(ROOT.glob("*.md"))
PAGES += sorted(
    page
    for folder in ("docs", "examples", "tests")
    for page in (ROOT / folder).rglob("*.md")
    if "node_modules" not in page.parts
)

ROOMS = {
    "client/pourparler/": ROOT / "client" / "pourparler",
    "client/pourparler/cli/": ROOT / "client" / "pourparler" / "cli",
    "service/pourparler_service/": ROOT / "service" / "pourparler_service",
}
OF_OTHERS = {"Application", "ErrorInfo"}
VARIABLES = {"PERSISTENCE_MODULE", "KEY", "NO_COLOR", "SSL_CERT_FILE", "POURPARLER_CONFIG"}
VARIABLES |= {setting.variable for setting in SETTINGS}
VARIABLES |= {f"POURPARLER_{name}" for name in ("SERVER", "TOKEN", "TOKEN_FILE", "CERTIFICATE")}
VARIABLES |= {f"POURPARLER_{name}" for name in ("CERTIFICATE_KEY", "ROOT_CERTIFICATES")}
KEY = signing_key(name="pourparler/3f0c9a52-6d1e-4b7a-9a41-0d5e2c7b8f10")
PLACEHOLDERS = {"FILE", "LINE", "NAME", "REASON"}
DEFINITION = re.compile(r"\[`\w+`\]\([^)\s]+\.py\)")
"""A link from the name of a definition to its module: test_architecture.py looks it up."""


class Block(NamedTuple):
    language: str
    text: str
    follows: bool
    """Whether it stands right below the one before, as an answer does below what was asked."""


def blocks(page: Path) -> list[Block]:
    text, end = page.read_text(), 0
    found: list[Block] = []
    for one in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        follows = bool(found) and not text[end : one.start()].strip()
        found.append(Block(one[1], one[2], follows))
        end = one.end()
    return found


def spans(page: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", unfenced(page))


def code_lines(page: Path) -> list[str]:
    joined = [re.sub(r"\\\n *", "", block.text) for block in blocks(page)]
    fenced = [line for text in joined for line in text.splitlines()]
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


LANGUAGES = {"python", "sh", "text", "json", "proto"}
RUN = [page for page in PAGES if {"python", "sh"} & {block.language for block in blocks(page)}]


@pytest.fixture(name="desk")
def _desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with what a reader finds in that of the project."""
    for name in (".venv", "docs", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(name="address")
def _address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A service, with the key that it prints for its readers."""
    write_key(KEY, tmp_path / "signing.key")
    monkeypatch.setenv("KEY", str(KEY.verifier_key))
    settings = Settings(
        data=tmp_path / "pourparler-data",
        address="127.0.0.1:0",
        signing_keys=(tmp_path / "signing.key",),
    )
    with running(settings) as address:
        monkeypatch.setenv("POURPARLER_SERVER", address)
        yield address


@pytest.mark.parametrize("page", RUN, ids=names_of(RUN))
def test_what_a_page_shows_does_what_the_page_says(page: Path, desk: Path, address: str) -> None:
    follow(page, address)


def follow(page: Path, address: str) -> None:
    """Do what a page shows, and compare what comes of it with what the page says."""
    shown = blocks(page)
    typed = iter(doc_transcripts.typed([one.text for one in shown if one.language == "sh"]))
    known: dict[str, Any] = {}
    said, asked = "", ""
    for place, block in enumerate(shown):
        if block.language == "python":
            asked, said = "python", run_python(block.text, address, known)
        elif block.language == "sh":
            asked = "sh"
            said, code = doc_transcripts.answered(next(typed))
            answers = shown[place + 1 : place + 2]
            is_shown = any(one.language == "text" and one.follows for one in answers)
            assert code == 0 or is_shown, said
        elif block.language == "text" and (block.follows or (asked == "python" and said)) and asked:
            assert doc_transcripts.plain(said) == doc_transcripts.plain(block.text)
            asked = ""
        else:
            asked = ""
    if any(block.language == "python" for block in shown):
        assert "Client()" in page.read_text(), "a page that asks no service needs none to run"


def run_python(text: str, address: str, known: dict[str, Any]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(text.replace("Client()", f"Client({address!r})"), known)  # noqa: S102 - it is our own
    return out.getvalue()


def run_shell(text: str) -> None:
    for (command,) in doc_transcripts.typed(text.splitlines()):
        said, code = doc_transcripts.answered([command])

        assert code == 0, said


def test_a_page_that_says_something_else_is_noticed(desk: Path, address: str) -> None:
    wrong = desk / "wrong.md"
    for text in (
        "```sh\npourparler list\n```\n```text\nnothing\n```\n",
        "```sh\npourparler show nowhere\n```\n",
        "```sh\nporparler list\n```\n",
        "```python\nfrom pourparler import Client\nassert not Client()\n```\n",
    ):
        wrong.write_text(text)
        with pytest.raises(AssertionError):
            follow(wrong, address)


def test_the_tutorial_records_what_the_example_holds(desk: Path, address: str) -> None:
    follow(ROOT / "docs" / "tutorials" / "getting-started.md", address)
    with pourparler.Client(address) as client:
        recorded = particulars(client.get_negotiation("renault-nissan", as_of=17).negotiation)
    expected = json.loads((ROOT / "examples/renault-nissan/expected_state.json").read_text())

    # Whether a topic is talked about yet, the tutorial leaves open.
    assert recorded.pop("topics").keys() == expected.pop("topics").keys()
    assert recorded == {name: expected[name] for name in recorded}


def test_a_backup_made_as_the_guide_says_verifies_and_goes_on(desk: Path, address: str) -> None:
    follow(ROOT / "docs" / "guides" / "backup-and-restore.md", address)
    shutil.copy(desk / "pourparler-data" / "master.key", desk / "backup")
    settings = Settings(
        data=desk / "backup", address="127.0.0.1:0", signing_keys=(desk / "signing.key",)
    )

    with running(settings) as restored, pourparler.Client(restored) as client:
        found = client.audit("renault-nissan", verifier_keys=[KEY.verifier_key])
        client.record("renault-nissan", pourparler.topic("What next?"))

    assert found.verdict is pourparler.Verdict.SOUND
    assert found.checkpoint is not None
    assert found.checkpoint.size == 17


def test_every_clock_of_the_guide_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with running() as address, pourparler.Client(address) as client:
        monkeypatch.setenv("POURPARLER_SERVER", address)
        run_shell("pourparler import examples/renault-nissan/negotiation.jsonl")
        known = {"c": client, "name": "renault-nissan", "datetime": datetime, "UTC": UTC}
        versions = {"": 17, "as_of=11": 11, "as_of=datetime": 0}
        calls = [span for span in spans(CLOCKS) if span.startswith("c.")]
        options = [span for span in spans(CLOCKS) if re.match(r"--(as-of|occurred) ", span)]

        assert len(calls) == 5
        assert len(options) == 3
        for call in calls:
            version = versions["".join(re.findall(r"as_of=\w+", call))]
            answer = eval(call, known)  # noqa: S307 - it is our own

            assert answer.computed_at.version == version, call
        for option in options:
            run_shell(f"pourparler show renault-nissan {option}")


@every_page
def test_every_block_says_what_language_it_is_in(page: Path) -> None:
    fences = re.findall(r"^[ >]*(?:`{3,}|~{3,}).*$", page.read_text(), re.MULTILINE)

    assert {fence.removeprefix("```") for fence in fences[::2]} <= LANGUAGES
    assert fences[1::2] == ["```"] * len(blocks(page))


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
        if re.fullmatch(r"[\w./-]+\.(py|proto|md|jsonl|toml)", span) and page != CHANGELOG:
            there = span in known or (ROOT / span).exists() or (page.parent / span).exists()

            assert there, span


@every_page
def test_every_name_of_the_contract_is_in_the_contract(page: Path) -> None:
    text = DEFINITION.sub("", unfenced(page))
    for span in re.findall(r"`([^`\n]+)`", text):
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
            found |= {value.name for value in enum.values}
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


def test_the_tables_of_the_wings_are_what_the_folders_hold() -> None:
    page = ARCHITECTURE.read_text()
    for folder, path in ROOMS.items():
        table = page.partition(f"`{folder}`")[2].partition("\n## ")[0]
        names = re.findall(r"^\| `([\w.]+/?)` \|", table, re.MULTILINE)

        assert set(names) == held(path), f"list the wings of {folder} in docs/architecture.md"
        assert len(names) == len(set(names))


def test_the_folders_of_the_architecture_are_there() -> None:
    picture = next(
        block.text for block in blocks(ARCHITECTURE) if "client/pourparler/" in block.text
    )
    drawn = {line.split()[0] for line in picture.splitlines()}

    assert all((ROOT / folder).is_dir() for folder in drawn)
    assert drawn >= ROOMS.keys() - {"client/pourparler/cli/"}


def held(folder: Path) -> set[str]:
    modules = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
    return modules | {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}


def test_every_promise_names_a_test_that_is_there() -> None:
    promises = re.findall(r"\[`(test_\w+)`\]\(([^)]+)\)", PROMISES.read_text())

    assert len(promises) > 20
    for name, path in promises:
        text = (PROMISES.parent / path).read_text()
        assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), name


def test_the_readme_counts_the_types_of_entry_right() -> None:
    assert f"each of the {len(ENTRY_TYPES)} entry types" in README.read_text()


def test_the_glossary_is_in_alphabetical_order() -> None:
    page = (ROOT / "docs" / "reference" / "glossary.md").read_text()
    terms = re.findall(r"^\| \*\*(.+?)\*\* \| .+ \|$", page, re.MULTILINE)
    plain = [re.sub(r"[^a-z ]", "", term.lower()) for term in terms]

    assert len(terms) > 100
    assert plain == sorted(set(plain))


def test_dates_have_the_bounds_that_the_words_show() -> None:
    words = (ROOT / "docs" / "explanation" / "concepts.md").read_text()
    shown = re.findall(r"^\| [^|]+ \| `([^`]+)` \| (\S+) \| (\S+) \|$", words, re.MULTILINE)

    assert shown
    for edtf, *days in shown:
        assert [day or "open" for day in bounds(edtf)] == days


def test_the_mapping_shown_is_that_of_the_example() -> None:
    mapping = (ROOT / "examples" / "wages" / "minutes.toml").read_text()
    shown = textwrap.indent(mapping, "    ")

    assert shown in (ROOT / "docs" / "reference" / "import-formats.md").read_text()


def test_commands_that_are_not_run_say_what_to_put_in_their_place() -> None:
    for page in PAGES:
        for line in re.findall(r"^    (pourparler .*)$", unfenced(page), re.MULTILINE):
            assert re.search(r"\b[A-Z]{4,}\b", line), (
                f"{page}: show it in a block that is run: {line}"
            )


def unfenced(page: Path) -> str:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return "\n".join(without_old_names(text.splitlines()))


def without_old_names(lines: list[str]) -> Iterator[str]:
    """The lines of a page; tables from old names to new ones have only the columns of new ones."""
    old: list[bool] = []
    for line in lines:
        if not line.startswith("|"):
            old = []
            yield line
            continue
        cells = re.split(r"(?<!\\)\|", line.strip()[1:-1])
        old = old or [re.search(r"\bold\b", cell.lower()) is not None for cell in cells]
        named = [
            cell for cell, is_old in zip_longest(cells, old) if cell is not None and not is_old
        ]
        yield f"|{'|'.join(named)}|"


def test_the_data_folder_has_the_files_that_the_design_names(tmp_path: Path) -> None:
    design = (ROOT / "docs" / "explanation" / "design.md").read_text()
    table = design.partition("The data folder:")[2].partition("\n\n## ")[0]
    named = set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))
    with running(Settings(data=tmp_path, address="127.0.0.1:0")) as address:
        with pourparler.Client(address) as client:
            client.open_negotiation("Any")
            assert len(list(client.list_negotiations())) == 1
        held_now = {path.name for path in tmp_path.iterdir()}

    assert {re.sub(r"-(wal|shm)$", "", name) for name in held_now} == named


def test_decisions_are_numbered_in_turn_and_all_are_listed() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()

    numbers = sorted(int(page.name[:4]) for page in DECISIONS)
    assert numbers == list(range(1, len(DECISIONS) + 1))
    for page in DECISIONS:
        number, _, title = page.read_text().partition("\n")[0].removeprefix("# ").partition(" ")
        row = rf"^\| {page.name[:4]} \| \[{re.escape(title)}\]\({page.name}\) \| \S.*\.\s\|$"
        assert number == page.name[:4]
        assert re.search(row, index, re.MULTILINE), page.name


@pytest.mark.parametrize("page", DECISIONS, ids=names_of(DECISIONS))
def test_a_decision_is_short_and_says_what_would_change_it(page: Path) -> None:
    text = page.read_text()

    assert len(text.splitlines()) < 40
    assert re.findall(r"^\*\*(Decision\.|Alternatives\.|Revisit if)\*\*", text, re.MULTILINE) == [
        "Decision.",
        "Alternatives.",
        "Revisit if",
    ]
