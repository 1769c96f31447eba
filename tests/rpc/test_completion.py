"""What a shell completes: asked as the shell asks, and in the shells themselves where they are."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pourparler import v1 as pb
from pourparler.cli.commands import run
from pourparler.cli.options.completion import VARIABLE
from tests.support.sample_entries import granted, joined, offered, opened, topic
from tests.support.service_client import Service

AWAY = "127.0.0.1:1"


@pytest.fixture(name="talks", scope="module")
def _talks(service: Service) -> Service:
    service.record("crane", opened(), joined("harbour"), joined("freight"), topic("rent"))
    service.record("crane", offered("offer", ["harbour"], ["freight"]))
    service.record("crane", granted("urn:ann", pb.ACCESS_ROLE_AUDITOR))
    service.record("crane-two", opened())
    return service


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> str:
    """A path on which the command is."""
    command = tmp_path / "pourparler"
    program = "from pourparler.cli import main; main()"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{program}" "$@"\n')
    command.chmod(0o755)
    return f"{tmp_path}{os.pathsep}{os.environ['PATH']}"


def completed(
    line: str, server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    """What bash is told for a line."""
    monkeypatch.setenv("POURPARLER_SERVER", server)
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv(VARIABLE, "bash_complete")
    assert run([]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    return [one.partition(",")[2] for one in told.out.splitlines() if one]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pourparler st", ["status"]),
        ("pourparler show cr", ["crane", "crane-two"]),
        ("pourparler show negotiations/crane-", ["negotiations/crane-two"]),
        ("pourparler show crane --as-seen-by ", ["freight", "harbour"]),
        ("pourparler history crane --topic r", ["rent"]),
        ("pourparler history crane --type proposal_m", ["proposal_made"]),
        ("pourparler show --kind=pro", ["proposals"]),
        ("pourparler blame crane prop", ["proposals", "proposals/offer"]),
        ("pourparler record crane --answer accept --in-reply-to ", ["offer"]),
        ("pourparler record crane --stance red", ["red_line"]),
        ("pourparler erase crane har", ["harbour"]),
        ("pourparler show nothing-like-this", []),
        ("pourparler blame crane access/urn:", ["ann"]),
        ("pourparler show 'unended", []),
    ],
)
def test_commands_options_choices_and_ids_are_completed(
    talks: Service,
    line: str,
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert completed(line, talks.address, monkeypatch, capsys) == expected


@pytest.mark.parametrize(
    "line", ["pourparler show ", "pourparler show crane --as-seen-by ", "pourparler diff crane "]
)
def test_of_a_service_that_is_away_nothing_is_completed(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert completed(line, AWAY, monkeypatch, capsys) == []


def test_an_address_on_the_line_is_asked_though_bash_ends_words_at_colons(
    talks: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for said in (f"--server {talks.address}", f"--server={talks.address}"):
        line = f"pourparler {said} show crane-"
        assert completed(line, AWAY, monkeypatch, capsys) == ["crane-two"]


def in_shell(path: str, server: str, *line: str) -> Sequence[str]:
    environment = {**os.environ, "PATH": path, "POURPARLER_SERVER": server}
    told = subprocess.run(
        line, capture_output=True, text=True, timeout=60, check=True, env=environment
    )
    assert told.stderr == ""
    return told.stdout.split()


def test_bash_completes_it(talks: Service, path: str) -> None:
    script = (
        'eval "$(pourparler completion bash)"; COMP_LINE="pourparler show crane-";'
        "COMP_POINT=${#COMP_LINE}; _pourparler_completion pourparler; echo ${COMPREPLY[@]};"
        "complete -p pourparler"
    )

    first, *rest = in_shell(path, talks.address, "bash", "--norc", "-c", script)

    assert first == "crane-two"
    assert "_pourparler_completion" in rest


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes_it(talks: Service, path: str) -> None:
    script = (
        (
            "autoload -U compinit; compinit -u -D; eval $(pourparler completion zsh); "
            "print $_comps[pourparler]; COMP_WORDS='pourparler show crane-' COMP_CWORD=2 "
            f"{VARIABLE}=zsh_complete pourparler"
        )
        .replace("eval $(", 'eval "$(')
        .replace("zsh);", 'zsh)";')
    )

    assert in_shell(path, talks.address, "zsh", "-f", "-c", script)[:3] == [
        "_pourparler_completion", "plain", "crane-two",
    ]  # fmt: skip


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_it(talks: Service, path: str) -> None:
    script = "pourparler completion fish | source; complete -C 'pourparler show crane-'"

    assert in_shell(path, talks.address, "fish", "--no-config", "-c", script)[0] == "crane-two"


def test_a_shell_that_is_not_known_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "tcsh"]) == 2
    assert "bash" in capsys.readouterr().err
