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
    ("List the negotiations", ["list"]),
    ("Show the state: every part, with its basis", ["show", NEGOTIATION]),
    ("Report the status: what is agreed, what is owed, what is open", ["status", NEGOTIATION]),
    ("List the entries", ["history", NEGOTIATION]),
    (
        "Show the prior agreement as of one version earlier",
        ["show", NEGOTIATION, "--as-of", "16", "--kind", "agreements"],
    ),
    ("Show what entry 17 changed", ["diff", NEGOTIATION, "16", "17"]),
    (
        "Show the events up to 2021, as the record knows them now",
        ["show", NEGOTIATION, "--occurred", "2021-01-01"],
    ),
)
"""The commands of the demonstration, each with its purpose."""


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
        steps = [("Import a negotiation", imported), *_STEPS]
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
        f"$ {ask} status {NEGOTIATION}\n"
        "# It stops with Ctrl-C; this starts it again:\n"
        f"$ pourparler serve --data {shlex.quote(str(data))}",
        flush=True,
    )
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


@contextlib.contextmanager
def _service(data: Path, port: int | None, default_server: str) -> Iterator[str]:
    """Run a service on the embedded store, at the default address if it is free."""
    server = service_module("server")
    host = default_server.rpartition(":")[0]
    addresses = [default_server, f"{host}:0"] if port is None else [f"{host}:{port}"]
    for last, address in enumerate(addresses, start=1):
        try:
            running = server.running(_settings({"data": [str(data)], "address": [address]}))
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


def serve(config: Path | None, options: Mapping[str, Sequence[str]]) -> int:
    """Run the service with the settings of the command line until a signal stops it."""
    server = service_module("server")
    try:
        server.serve(_settings(options, config))
    except (server.ServeError, service_module("config.settings_file").SettingsError) as error:
        raise click.ClickException(str(error)) from error
    return 0


def _settings(options: Mapping[str, Sequence[str]], config: Path | None = None) -> Any:
    settings = service_module("config.settings").Settings
    return settings.from_environment(config=config, options=options)


def service_module(name: str) -> Any:
    """Import a module of the service. The client does not depend on the service."""
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
