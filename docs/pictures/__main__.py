"""Make the pictures of the documentation: `make pictures`, or PICTURES=wings for the wings alone.

The report and the terminal are of the real program, which records an example in a service of its
own. The picture of the report needs chromium. It is smaller if pngquant is there.
"""

import os
import pty
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from fcntl import ioctl
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME
from rich.text import Text

from docs.pictures import wings
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from pourparler_service.transparency.signing_keys import make_key, write_key

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent

COLUMNS = 104
"""The width of the terminal in characters."""

COMMANDS = (
    "pourparler show renault-nissan --as-of 12 --kind statements",
    "pourparler diff renault-nissan 16 17",
    'pourparler audit renault-nissan --verifier-key "$KEY"',
)
"""The commands that the picture of the terminal shows."""

_WINDOW = (1000, 1060)
_QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
)
_SVG = """<svg class="rich-terminal" width="{width}" height="{height}" \
viewBox="0 0 {width} {height}" \
xmlns="http://www.w3.org/2000/svg"><style>
.{unique_id}-matrix{{font-family:Menlo,Consolas,"DejaVu Sans Mono",monospace;\
font-size:{char_height}px;line-height:{line_height}px}}
{styles}
</style><defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>{lines}</defs>
<rect width="{width}" height="{height}" fill="#fff" stroke="#ccc" rx="8"/>
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g></svg>
"""
"""The template of an SVG of rich, without the fonts that it loads from the network."""


def main(only: str = "") -> None:
    """Make all pictures in the folder of this file, or those of the wings alone."""
    for name in wings.PACKAGES:
        (FOLDER / f"{name}-wings.svg").write_text(wings.draw(ROOT, name))
    page = ROOT / "docs" / "architecture.md"
    page.write_text(wings.listed(ROOT, page.read_text()))
    if only == "wings":
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        key = make_key("pourparler.example")
        write_key(key, folder / "signing.key")
        settings = Settings(
            data=folder / "data", address="127.0.0.1:0", signing_keys=(folder / "signing.key",)
        )
        with running(settings) as address:
            environment = {
                **os.environ,
                "POURPARLER_SERVER": address,
                "KEY": str(key.verifier_key),
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            }
            shell("pourparler import examples/renault-nissan/negotiation.jsonl", environment)
            picture_terminal(environment)
            picture_report(environment, folder)


def picture_terminal(environment: dict[str, str]) -> None:
    """Draw the commands and their answers as a terminal shows them."""
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    for command in COMMANDS:
        console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
        console.print(Text.from_ansi(shell(command, environment).rstrip()))
        console.print()
    svg = console.export_svg(
        title="", theme=DEFAULT_TERMINAL_THEME, code_format=_SVG, unique_id="terminal"
    )
    (FOLDER / "terminal.svg").write_text(svg)


def picture_report(environment: dict[str, str], folder: Path) -> None:
    """Draw the first screen of the report as a browser shows it."""
    page, picture = folder / "report.html", FOLDER / "report.png"
    shell(f'pourparler report renault-nissan --verifier-key "$KEY" --output {page}', environment)
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        print("There is no chromium: the picture of the report stays as it is.", file=sys.stderr)  # noqa: T201
        return
    profile, size = f"--user-data-dir={folder / 'profile'}", ",".join(map(str, _WINDOW))
    subprocess.run(
        [
            browser,
            *_QUIET,
            profile,
            f"--window-size={size}",
            f"--screenshot={picture}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
    )
    if shutil.which("pngquant"):
        quantize = ["pngquant", "--force", "--strip", "--output", str(picture), "64", str(picture)]
        subprocess.run(quantize, check=True)


def shell(command: str, environment: dict[str, str]) -> str:
    """Return what a command prints on a terminal of this width; raise an error if it fails."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    environment = {**environment, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    with subprocess.Popen(
        ["bash", "-c", command], cwd=ROOT, env=environment, stdin=theirs, stdout=theirs
    ) as started:
        os.close(theirs)
        said = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux reports the end of a terminal in this way
                break
            if not piece:
                break
            said += piece
    os.close(ours)
    if started.returncode:
        raise RuntimeError(f"{command} failed: {said.decode()}")
    return said.decode().replace("\r\n", "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
