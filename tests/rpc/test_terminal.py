"""Words that would move, hide or turn what a terminal shows, in a terminal and in a pipe."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest

from pourparler import v1 as pb
from tests.support.sample_entries import draft, joined, offered, opened, said, topic
from tests.support.service_client import Service

EVIL = (
    "clear \x1b[2J title \x1b]0;owned\a bell \a C1 \x9b31m back \b\b\b over \r return NUL \0"
    " link \x1b]8;;http://x\x1b\\here\x1b]8;;\x1b\\ turned \u202exe.txt\u202c \u2066in\u2069"
    " mark \u200f lines \u2028 and \u2029 tag \U000e0041 rich [red]markup[/red] [link=x]y[/link]"
)
# What the command itself may send, and the words above do not.
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LINE_ENDS = frozenset("\r\n")


@pytest.fixture(name="evil", scope="module")
def _evil(service: Service) -> Service:
    return evil(service)


def evil(service: Service) -> Service:
    """A negotiation with such words wherever words can be."""
    drafts = [
        opened(),
        joined("a"),
        joined("b"),
        topic("t"),
        said("s", "a"),
        offered("o", ["a"], ["b"], topics=["t"]),
        draft(pb.QuestionRaised(question_id="q", topic_ids=["t"]), basis=pb.BASIS_ANALYSIS),
        draft(
            pb.StatementRecorded(statement_id="u", act=pb.STATEMENT_ACT_ASSERT),
            basis=pb.BASIS_UNATTRIBUTED,
        ),
    ]
    for one in drafts:
        for field in ("title", "name", "text", "speaker_described", "author"):
            if getattr(one.words, field):
                setattr(one.words, field, EVIL)
        one.words.sources.add(
            id="evil", kind=pb.SOURCE_KIND_NEWS, title=EVIL, publisher=EVIL, uri=EVIL, excerpt=EVIL
        )
        one.words.occurred_verbatim = EVIL
    drafts[5].facts.proposal_made.terms.add(
        key="k", type=pb.TERM_TYPE_TEXT, qualifier=pb.TERM_QUALIFIER_EXACT
    )
    drafts[5].words.term_texts.add(key="k", text=EVIL)
    drafts[5].words.conditions.append(EVIL)
    service.record("evil", *drafts)
    return service


COMMANDS = {
    "show": ["show", "evil"],
    "show as of": ["show", "evil", "--as-of", "3"],
    "history": ["history", "evil"],
    "status": ["status", "evil"],
    "diff": ["diff", "evil", "1"],
    "blame": ["blame", "evil"],
    "blame of one": ["blame", "evil", "o"],
    "no such part": ["blame", "evil", EVIL.replace("\0", "")],
    "list": ["list"],
    "no such name": ["show", EVIL.replace("\0", "")],
    "no such option": ["show", "evil", "--" + EVIL.replace("\0", "")],
    "no such command": [EVIL.replace("\0", "")],
    "a refusal": [
        "record",
        "evil",
        "--statement",
        EVIL.replace("\0", ""),
        "--by",
        EVIL.replace("\0", ""),
    ],
}


def command(service: Service, arguments: Sequence[str]) -> list[str]:
    """The command line that asks this service."""
    program = "from pourparler.cli import main; main()"
    return [sys.executable, "-c", program, "--server", service.address, *arguments]


def in_a_terminal(line: Sequence[str], kind: str) -> str:
    """What a command writes to a terminal of this kind."""
    ours, its = pty.openpty()
    env = {**os.environ, "TERM": kind, "COLUMNS": "100", "LINES": "40", "PAGER": "cat"}
    process = subprocess.Popen(line, stdin=its, stdout=its, stderr=its, env=env, close_fds=True)
    os.close(its)
    said, end = b"", time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                data = os.read(ours, 65_536)
            except OSError:
                break  # the terminal's other end is closed
            if not data:
                break
            said += data
    process.wait(timeout=20)
    os.close(ours)
    return said.decode()


def is_harmless(text: str) -> None:
    """Nothing but characters that are seen, and the ends of lines."""
    bad = {one for one in text if not (one.isprintable() or one in _LINE_ENDS)}
    assert not bad, (sorted(map(ascii, bad)), ascii(text[:2_000]))
    assert "\r" not in text.replace("\r\n", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_pipe_gets_what_can_be_seen(evil: Service, name: str) -> None:
    ended = subprocess.run(
        command(evil, COMMANDS[name]), capture_output=True, timeout=60, check=False
    )

    written = ended.stdout.decode() + ended.stderr.decode()
    assert written
    assert "Traceback" not in written
    is_harmless(written)


@pytest.mark.parametrize("kind", ["dumb", "xterm-256color"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_terminal_gets_what_can_be_seen(evil: Service, name: str, kind: str) -> None:
    written = in_a_terminal(command(evil, COMMANDS[name]), kind)

    assert written
    assert "Traceback" not in written
    is_harmless(_COLOURS.sub("", written))
    if name in {"show", "history", "blame", "blame of one"}:
        assert "[red]markup" in written.replace("\r\n", "")
