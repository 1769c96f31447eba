"""The service started from the command line: to serve, or for a demo on a real negotiation."""

import contextlib
import importlib.util
import os
import shlex
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

import pourparler

EXAMPLE = Path("examples", "renault-nissan", "negotiation.jsonl")
NEGOTIATION = "renault-nissan"

_STEPS = (
    ("What is on the record", ["list"]),
    ("How the negotiation stands: every part, and how it is known", ["show", NEGOTIATION]),
    ("Where it stands: what is agreed, what is owed, what is open", ["standing", NEGOTIATION]),
    ("The record itself, entry by entry", ["history", NEGOTIATION]),
    (
        "What the record said one step earlier of the agreement that was there before",
        ["show", NEGOTIATION, "--as-of", "16", "--only", "agreements"],
    ),
    ("And what entry 17 changed", ["diff", NEGOTIATION, "16", "17"]),
    (
        "What it says about 2021: what had happened by then, as we know it now",
        ["show", NEGOTIATION, "--occurred", "2021-01-01"],
    ),
)
"""What the demo asks, and why. Version 16 is the record before its last entry."""


@contextlib.contextmanager
def example() -> Iterator[Path]:
    """Yield the file that the demo imports: from the installed package, else from its checkout."""
    packaged = resources.files(pourparler).joinpath(*EXAMPLE.parts)
    if packaged.is_file():
        with resources.as_file(packaged) as file:
            yield file
        return
    file = Path(pourparler.__file__).resolve().parents[2] / EXAMPLE
    if not file.is_file():
        raise click.UsageError(f"{EXAMPLE} is not in this installation: name a file with --file.")
    yield file


def run(
    file: Path | None,
    data: Path | None,
    port: int | None,
    *,
    keep: bool,
    default_server: str,
    command: Callable[[list[str]], int],
) -> int:
    """Start a service, import a negotiation, ask of it; `command` runs a command line."""
    with contextlib.ExitStack() as stack:
        if file is None:
            file = stack.enter_context(example())
        if data is None and keep:
            data = Path(tempfile.mkdtemp(prefix="pourparler-demo-"))
        if data is None:
            data = Path(stack.enter_context(TemporaryDirectory(prefix="pourparler-demo-")))
            print("# The record is kept for as long as the demo lasts.", flush=True)
        else:
            print(f"# The record is kept in {data}.", flush=True)
        address = stack.enter_context(_service(data, port, default_server))
        server = [] if address == default_server else ["--server", address]
        if server:
            taken = f"{default_server} is taken: " if port is None else ""
            print(f"# {taken}The service is at {address}.")
        imported = [
            "import",
            os.path.relpath(file) if file.is_relative_to(Path.cwd()) else str(file),
        ]
        steps = [("A negotiation is put on the record", imported), *_STEPS]
        for why, arguments in steps:
            print(f"\n# {why}.\n$ {shlex.join(['pourparler', *server, *arguments])}", flush=True)
            code = command([*(server or ["--server", address]), *arguments])
            sys.stdout.flush()
            if code:
                return code
        if keep:
            _keep(address, server, data)
        elif sys.stdout.isatty():
            print("\n# With --keep the service would be left running, to be asked more.")
    return 0


def _keep(address: str, server: list[str], data: Path) -> None:
    """Leave the service running until it is interrupted."""
    ask = shlex.join(["pourparler", *server])
    print(
        f"\n# The service is left running on {address}. In another terminal, try\n"
        f"$ {ask} list\n"
        f"$ {ask} record {NEGOTIATION} --question 'Who will chair the talks?' --to renault\n"
        f"$ {ask} standing {NEGOTIATION}\n"
        "# It stops with Ctrl-C; this starts it again:\n"
        f"$ pourparler serve --data {shlex.quote(str(data))}",
        flush=True,
    )
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


@contextlib.contextmanager
def _service(data: Path, port: int | None, default_server: str) -> Iterator[str]:
    """A service on the embedded store; on the usual address if that is free."""
    server = service_module("server")
    host = default_server.rpartition(":")[0]
    addresses = [default_server, f"{host}:0"] if port is None else [f"{host}:{port}"]
    for last, address in enumerate(addresses, start=1):
        try:
            running = server.running(_settings(data, address))
            found = running.__enter__()
        except (server.ServeError, service_module("config.settings_file").SettingsError) as error:
            if last == len(addresses):
                raise click.ClickException(str(error)) from error
            continue
        break
    try:
        yield found
    finally:
        running.__exit__(None, None, None)


def serve(
    data: Path | None,
    address: str | None,
    *,
    settings: Path | None,
    in_memory: bool,
    witnesses: Sequence[tuple[str, str]] = (),
    required: int | None = None,
) -> int:
    """Run the service until it is told to stop."""
    server = service_module("server")
    said = {}
    if settings is not None:
        said["POURPARLER_SETTINGS"] = str(settings)
    if witnesses:
        said["POURPARLER_WITNESSES"] = " ".join(word for witness in witnesses for word in witness)
    if required is not None:
        said["POURPARLER_WITNESSES_REQUIRED"] = str(required)
    try:
        server.serve(_settings(data, address, in_memory=in_memory, said=said))
    except (server.ServeError, service_module("config.settings_file").SettingsError) as error:
        raise click.ClickException(str(error)) from error
    return 0


def _settings(
    data: Path | None,
    address: str | None,
    *,
    in_memory: bool = False,
    said: Mapping[str, str] | None = None,
) -> Any:
    environment = {**os.environ, **(said or {})}
    if in_memory:
        environment["POURPARLER_STORE"] = "memory:"
    settings = service_module("config.settings").Settings
    return settings.from_environment(environment, data=data, address=address)


def service_module(name: str) -> Any:
    """A room of the service: by its name, as the client never depends on it."""
    try:
        return importlib.import_module(f"pourparler_service.{name}")
    except ModuleNotFoundError as error:
        if importlib.util.find_spec("fcntl") is None:  # as on Windows
            raise click.ClickException(
                "The service does not run on this system: it needs Linux, macOS or another POSIX"
                " system. The client and the other commands run here: connect to a service"
                " elsewhere with --server."
            ) from error
        raise click.ClickException(
            f"This needs the service, which lacks {error.name}: install it with "
            "`pip install 'pourparler[service]'`."
        ) from error
