"""What the help says: every command in its section, on a line, with examples that can be given."""

import re
import shlex

import pytest

from pourparler.cli.commands import SECTIONS, pourparler, run


def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    """The help of a command in a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*words, "--help"]) == 0
    return capsys.readouterr().out


def test_every_command_stands_in_one_section_and_on_one_line_that_is_not_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = shown(capsys, monkeypatch)

    named = [command.name for section in SECTIONS.values() for command in section]
    assert sorted(map(str, named)) == sorted(pourparler.commands)
    for section in SECTIONS:
        assert f"\n{section}:\n" in told
    lines = told.partition("\nQuery:\n")[2].splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ")] == named
    assert "..." not in "".join(lines)


@pytest.mark.parametrize("name", pourparler.commands)
def test_every_example_is_a_command_line_with_options_that_there_are(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = shown(capsys, monkeypatch, name)

    assert max(map(len, told.splitlines())) <= 80
    command = pourparler.commands[name]
    known = {one for option in command.params for one in option.opts}
    lines = (command.epilog or "").replace("\\\n", "").splitlines()
    for example in re.findall(r"\bpourparler ([a-z][^\n]*)", "\n".join(lines)):
        words = shlex.split(example.partition("   ")[0].partition(" |")[0].partition(')"')[0])
        assert words[0] == name
        assert {word for word in words if word.startswith("-")} <= known


def test_where_it_is_not_obvious_there_is_an_example() -> None:
    plain = {"list", "audit", "redact-bundle", "verify", "serve", "witness", "erase", "demo"}
    plain |= {"import", "watch", "rotate-master-key"}

    for name, command in pourparler.commands.items():
        if name not in plain:
            assert f"pourparler {name}" in (command.epilog or ""), name
