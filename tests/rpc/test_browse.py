"""The reader over a running service, and in real terminals."""

import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path
from typing import NamedTuple

import pytest

from pourparler import Client, aio, participant, statement
from pourparler.cli.browse.app import Browser
from pourparler.cli.browse.source import ServiceSource
from pourparler.cli.commands import run
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from tests.rpc import test_terminal
from tests.support import service_client
from tests.support.tui_screen import in_full, seen, under_cursor, until
from tests.unit.docs.test_docs import ROOT

EXAMPLE = ROOT / "examples" / "renault-nissan" / "negotiation.jsonl"
# All that the reader may do to a terminal: colours, places, modes; and nothing that words could ask
# for, such as a title, a link, or the clipboard.
_ASKED = re.compile(r"\x1b(?:\[[0-9;?<>=]*(?: ?[A-Za-z]|\$p)|[78=>]|\(B)")


@pytest.fixture(name="address", scope="module")
def _address() -> Iterator[str]:
    with running() as address, Client(address) as client:
        assert run(["--server", address, "import", str(EXAMPLE)]) == 0
        client.open_negotiation(
            "Lease of a crane", participant("harbour", "Harbour"), negotiation_id="crane"
        )
        yield address


def reader(address: str, name: str | None = None, timeout: float = 10.0) -> Browser:
    return Browser(ServiceSource(aio.Client(address, timeout=timeout)), name)


async def test_the_list_is_narrowed_as_one_types_and_leads_to_a_negotiation(address: str) -> None:
    app = reader(address)
    async with app.run_test(size=(100, 24)) as pilot:
        await until(pilot, "Lease of a crane")
        assert " negotiations, the latest first" in seen(app)
        await pilot.press("slash", *"alliance OPEN")
        await until(pilot, "1 of ")
        assert "Lease of a crane" not in seen(app)
        await pilot.press("enter")
        await until(pilot, "at the table")
        assert "now, 17 entries" in seen(app)
        await pilot.press("escape")
        await until(pilot, "1 of ")
        await pilot.press("escape")
        await until(pilot, "Lease of a crane")


async def test_what_is_recorded_meanwhile_appears_and_moves_nobody(address: str) -> None:
    app = reader(address, "crane")
    async with app.run_test(size=(100, 24)) as pilot, aio.Client(address) as client:
        await until(pilot, "at the table")
        await pilot.press("3", "down")
        await until(pilot, "#2 participant joined")
        await client.record("crane", statement("It is free in May.", by="harbour"))
        await until(pilot, "new: #3; n leads there")
        assert "It is free in May." in seen(app)
        assert under_cursor(app) == ("entries", "2")
        assert in_full(app).startswith("#2 ")
        await pilot.press("n")
        await until(pilot, "new: #3", gone=True)
        assert under_cursor(app) == ("entries", "3")


async def test_what_is_recorded_meanwhile_leaves_the_past_as_it_was(address: str) -> None:
    app = reader(address, "berth")
    async with aio.Client(address) as client:
        said = [statement(text, by="harbour") for text in ("One.", "Two.", "Three.")]
        await client.open_negotiation(
            "A berth", participant("harbour", "Harbour"), *said, negotiation_id="berth"
        )
        async with app.run_test(size=(100, 24)) as pilot:
            await until(pilot, "at the table")
            await pilot.press("comma", "comma")
            await until(pilot, "HISTORY as of #3 of 5")
            await client.record("berth", statement("Four.", by="harbour"))
            await until(pilot, "HISTORY as of #3 of 6")
            await pilot.press("n")
            await until(pilot, "now, 6 entries")


async def test_words_are_searched_in_all_negotiations_and_lead_to_their_entry(
    address: str,
) -> None:
    app = reader(address)
    async with app.run_test(size=(100, 24)) as pilot:
        await until(pilot, "Lease of a crane")
        await pilot.press("s", *"majority")
        await until(pilot, "2 entries")
        assert "Future of the Renault-Nissan Alliance  #12" in seen(app)
        await pilot.press("enter", "down", "enter")
        await until(pilot, "#13 position taken")
        assert under_cursor(app) == ("entries", "13")
        await pilot.press("escape", "s", *"nowhere")
        await until(pilot, "No entry has these words.")
        await pilot.press("escape")
        await until(pilot, "the latest first")


async def test_whose_view_is_asked_for_is_all_that_is_shown(address: str) -> None:
    hidden = "Our limit is ninety."
    async with aio.Client(address) as client:
        parties = [participant(who, who.title()) for who in ("acme", "bolt")]
        confided = statement(hidden, by="acme", visibility=["acme"])
        await client.open_negotiation("Steel", *parties, confided, negotiation_id="steel")
        app = Browser(ServiceSource(aio.Client(address), viewer_participant_id="bolt"), None)
        async with app.run_test(size=(120, 24)) as pilot:
            await until(pilot, "1 negotiation, the latest first; as bolt would have it")
            await pilot.press("s", *"ninety")
            await until(pilot, "No entry has these words.")
            await pilot.press("escape", "enter")
            await until(pilot, "now, 4 entries")
            assert "as bolt would have it" in seen(app)
            await pilot.press("3", "end")
            await until(pilot, "#4")
            assert "withheld" in in_full(app)
            await pilot.press("comma")
            await until(pilot, "HISTORY as of #3 of 4")
            assert "as bolt would have it" in seen(app)
            assert hidden not in seen(app)


async def test_a_name_that_is_none_is_told_in_words_and_leads_to_the_list(address: str) -> None:
    app = reader(address, "nowhere")
    async with app.run_test(size=(100, 24)) as pilot:
        await until(pilot, "reason NEGOTIATION_NOT_FOUND")
        await pilot.press("comma", "n", "a", "v", "t", "x", "2", "3", "space")
        await pilot.press("escape")
        await until(pilot, "Lease of a crane")


async def test_a_service_that_goes_away_and_comes_back_costs_nothing(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, address="127.0.0.1:0")
    with running(settings) as address, Client(address) as client:
        client.open_negotiation("Talks", participant("a", "Anna"), negotiation_id="talks")
        app = reader(address, timeout=5)
        pilots = app.run_test(size=(100, 24))
        pilot = await pilots.__aenter__()
        await until(pilot, "Talks")
        await pilot.press("enter")
        await until(pilot, "Anna")
    try:
        await until(pilot, "asked again by itself")
        assert "Anna" in seen(app)
        with running(Settings(data=tmp_path, address=address)), Client(address) as client:
            client.record("talks", statement("Here again.", by="a"))
            await pilot.press("3")
            await until(pilot, "Here again.")
            assert "asked again by itself" not in seen(app)
        await pilot.press("escape")
        await pilot.press("r")
        await until(pilot, "Nothing listens at")
    finally:
        await pilots.__aexit__(None, None, None)


def test_without_its_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("pourparler.cli.browse")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "textual.app", None)

    assert run(["browse"]) == 1
    assert "pip install 'pourparler[browse]'" in capsys.readouterr().err


def test_without_a_terminal_it_says_what_to_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["browse"]) == 1
    assert "In a pipe use `pourparler show`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [["talks", "--bundle", __file__], ["--as-of", "3"], ["--bundle", __file__]]
)
def test_what_cannot_be_read_is_refused_in_a_sentence(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["browse", *wrong]) in {1, 2}
    assert "Error: " in capsys.readouterr().err


class Terminal(NamedTuple):
    """A terminal in which the reader runs."""

    press: Callable[[str], None]
    until: Callable[[str], None]
    end: Callable[[], int]
    written: bytearray
    process: "subprocess.Popen[bytes]"


@contextmanager
def terminal(
    address: str, *arguments: str, width: int = 100, height: int = 30, **more: str
) -> Iterator[Terminal]:
    """A terminal of this size, which gives all that is written to it."""
    ours, its = pty.openpty()
    ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    before = termios.tcgetattr(its)
    program = "from pourparler.cli import main; main()"
    line = [sys.executable, "-c", program, "--server", address, "browse", *arguments]
    environment = {**os.environ, "TERM": "xterm-256color", **more}
    environment.pop("COLUMNS", None)
    environment.pop("LINES", None)
    written, pressed = bytearray(), 0
    with subprocess.Popen(line, stdin=its, stdout=its, stderr=its, env=environment) as process:

        def read() -> None:
            if select.select([ours], [], [], 0.05)[0]:
                written.extend(os.read(ours, 65_536))

        def press(keys: str) -> None:
            nonlocal pressed
            pressed = len(written)
            os.write(ours, keys.encode())

        def until(text: str) -> None:
            end = time.monotonic() + 60
            while text not in (said := written[pressed:].decode(errors="replace")):
                assert time.monotonic() < end, said[-2_000:]
                read()

        def end() -> int:
            limit = time.monotonic() + 60
            while process.poll() is None:
                assert time.monotonic() < limit
                read()
            read()
            assert termios.tcgetattr(its) == before
            return process.returncode

        try:
            yield Terminal(press, until, end, written, process)
        finally:
            process.kill()
    os.close(ours)
    os.close(its)


@pytest.mark.parametrize("key", ["q", "\x03", ""])
def test_a_terminal_is_left_as_it_was(address: str, key: str) -> None:
    with terminal(address, "renault-nissan") as screen:
        screen.until("at the table")
        if key:
            screen.press(key)
        else:
            screen.process.terminate()
        assert screen.end() == 0

    written = screen.written.decode()
    assert written.count("\x1b[?1049h") == written.count("\x1b[?1049l") == 1
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")
    for mode in ("1000", "1003", "1006", "2004"):
        assert written.rfind(f"\x1b[?{mode}l") > written.rfind(f"\x1b[?{mode}h")


def test_without_colours_there_are_none(address: str) -> None:
    with terminal(address, "renault-nissan", NO_COLOR="1") as screen:
        screen.until("at the table")
        screen.press(",")
        screen.until("HISTORY")
        screen.press("q")
        screen.end()

    plain = {"", *"0123456789", "22", "24", "27", "39", "49"}
    for one in re.findall(r"\x1b\[([0-9;]*)m", screen.written.decode()):
        assert plain.issuperset(one.split(";"))


def test_hostile_words_do_nothing_to_a_terminal(
    evil: service_client.Service,
) -> None:
    with terminal(evil.address, width=200, height=60) as screen:
        screen.until("the latest first")
        screen.press("\r")
        screen.until("at the table")
        for view in ("2", "3", "1"):
            screen.press(f"{view}j?")
            screen.until("this help")  # by then it has shown what was there before
            screen.press("q\r?")
            screen.until("this help")
            screen.press("q\r")
        screen.press("q")
        assert screen.end() == 0

    written = screen.written.decode()
    for bad in ("\x1b]0;", "\x1b]8;", "\x1b]52;", "\x9b", "\u202e", "\u2066", "\u200f", "\u2028"):
        assert bad not in written
    assert "[red]markup[/red]" in written
    left = _ASKED.sub("", written).replace("\x1b]22;default\x07", "")
    test_terminal.is_harmless(left.replace("\r", "").replace("\n", ""))


@pytest.fixture(name="evil", scope="module")
def _evil(service: service_client.Service) -> service_client.Service:
    return test_terminal.evil(service)


@pytest.mark.tools
def test_it_is_read_in_a_terminal_that_changes_its_size(address: str) -> None:
    tmux = shutil.which("tmux")
    if tmux is None:
        pytest.skip("there is no tmux")
    socket = f"pourparler-{os.getpid()}"

    def ask(*words: str) -> str:
        asked = [tmux, "-L", socket, "-f", "/dev/null", *words]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout

    def sees(text: str) -> str:
        end = time.monotonic() + 60
        while text not in (said := ask("capture-pane", "-p", "-t", "r")):
            assert time.monotonic() < end, said
            time.sleep(0.1)
        return said

    program = f"{sys.executable} -c 'from pourparler.cli import main; main()'"
    command = f"{program} --server {address} browse renault-nissan"
    line = f"unset COLUMNS LINES; {command}; echo left with $?; sleep 60"
    ask("new-session", "-d", "-s", "r", "-x", "80", "-y", "24", line)
    try:
        narrow = sees("at the table")
        assert max(map(len, narrow.splitlines())) <= 80
        ask("resize-window", "-t", "r", "-x", "200", "-y", "50")
        wide = sees("#2 participant joined")
        assert "at the table" in wide
        ask("resize-window", "-t", "r", "-x", "30", "-y", "8")
        sees("Future of")
        ask("send-keys", "-t", "r", "3", "End")
        sees("#17")
        ask("send-keys", "-t", "r", "q")
        sees("left with 0")
    finally:
        ask("kill-server")
