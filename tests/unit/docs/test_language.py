import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pourparler.cli.commands import pourparler as command_line
from tests.support.plain_language import (
    DENIED,
    FIRST,
    LONGEST,
    Problem,
    Text,
    comments,
    docstrings,
    messages,
    of_markdown,
    of_template,
    problems,
    sentences,
)

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    page
    for place in (".", "docs", "examples", ".github")
    for page in (ROOT / place).glob("*.md" if place == "." else "**/*.md")
    if "node_modules" not in page.parts
)
MODULES = sorted(
    module
    for folder in ("client", "service")
    for module in (ROOT / folder).rglob("*.py")
    if not re.search(r"_pb2(_grpc)?\.py$", module.name)
)
CONTRACT = sorted((ROOT / "proto" / "pourparler").rglob("*.proto"))


MEASURED = re.compile(r"<!-- (summary|measured): .*?<!-- /\1 -->", re.DOTALL)
"""The parts of a page that the benchmarks write, from the names of their contenders."""


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def found(texts: Iterator[Text], *, prose: bool = True) -> list[str]:
    return [str(problem) for text in texts for problem in problems(text, prose=prose)]


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_a_page_is_in_plain_language(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    written = MEASURED.sub(lambda part: "\n" * part[0].count("\n"), text)

    assert found(of_markdown(written)) == []


@pytest.mark.parametrize("module", MODULES, ids=names(MODULES))
def test_a_module_is_explained_in_plain_language(module: Path) -> None:
    source = module.read_text(encoding="utf-8")

    assert found(docstrings(source)) == []
    assert found(comments(source), prose=False) == []


@pytest.mark.parametrize("module", MODULES, ids=names(MODULES))
def test_the_messages_of_a_module_are_in_plain_language(module: Path) -> None:
    assert found(messages(module.read_text(encoding="utf-8")), prose=False) == []


@pytest.mark.parametrize("file", CONTRACT, ids=names(CONTRACT))
def test_the_contract_is_explained_in_plain_language(file: Path) -> None:
    assert found(comments(file.read_text(encoding="utf-8"), "//")) == []


def test_the_report_is_in_plain_language() -> None:
    template = ROOT / "client" / "pourparler" / "cli" / "report" / "page.html"
    texts = list(of_template(template.read_text(encoding="utf-8")))

    assert len(texts) > 50
    assert found(iter(texts)) == []


def test_the_help_of_every_command_is_in_plain_language() -> None:
    texts = [Text(0, text) for text in helps(command_line)]

    assert len(texts) > 100
    assert found(iter(texts)) == []


def helps(command: click.Command) -> Iterator[str]:
    yield from re.split(r"\n\s*\n", (command.help or "").replace("\b", ""))
    yield from (one.help for one in command.params if isinstance(one, click.Option) and one.help)
    if isinstance(command, click.Group):
        for one in command.commands.values():
            yield from helps(one)


@pytest.mark.parametrize("word", DENIED)
def test_a_denied_word_is_found_wherever_it_stands(word: str) -> None:
    text = f"The service reads what {word.replace(' ', chr(10))} the caller wrote."

    assert [one.rule for one in problems(Text(1, text), prose=False)] == ["denied"]
    assert list(problems(Text(1, f"The `{word}` flag."))) == []


@pytest.mark.parametrize("word", FIRST)
def test_a_sentence_without_its_subject_first_is_found(word: str) -> None:
    text = f"The service answers. {word} the caller is, it knows."

    assert f"begins with {word}" in [one.rule for one in problems(Text(1, text))]


def test_a_sentence_that_is_too_long_is_found() -> None:
    long = " ".join(["Word"] * (LONGEST + 1))

    assert [one.rule for one in problems(Text(7, f"It is short. {long}."))] == ["26 words"]
    assert list(problems(Text(7, f"It is short. {long[:-5]}."))) == []


def test_text_is_split_into_sentences() -> None:
    text = "Use a date, e.g. `2023-41`. Version 1.2 reads it. (It fails!) Then try again."

    assert sentences(text) == [
        "Use a date, e.g. `2023-41`.",
        "Version 1.2 reads it.",
        "(It fails!)",
        "Then try again.",
    ]


def test_code_is_no_prose() -> None:
    page = "# Title\n\nA sentence\nover lines.\n\n```sh\nwhom\n```\n\n- an item\n\n| a | whom |\n"

    assert [one.text for one in of_markdown(page)] == [
        "Title",
        "A sentence over lines.",
        "an item",
        "a",
        "whom",
    ]
    assert found(of_markdown(page)) == [str(Problem(12, "denied", "whom"))]
