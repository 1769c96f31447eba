"""The command line: its options, its commands, and how it ends."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from pourparler.cli import errors
from pourparler.cli.commands import admin, query, record, search, verify
from pourparler.cli.local import service_process
from pourparler.cli.options import completion, connection, suggestions
from pourparler.errors import PourparlerError
from pourparler.rpc.requests import TARGET

_BROKEN_PIPE = 141


class _Rooms(click.Group):
    """The commands, told by what they are for."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each room with its commands under its own head."""
        del ctx
        widest = max(map(len, self.commands))
        limit = formatter.width - widest - 6
        for title, commands in ROOMS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [
                        (f"{command.name:<{widest}}", command.get_short_help_str(limit))
                        for command in commands
                    ]
                )


@click.group(
    cls=_Rooms,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--server",
    type=connection.Address(),
    metavar="ADDRESS",
    envvar="POURPARLER_SERVER",
    default=TARGET,
    show_default=True,
    show_envvar=True,
    help="The service to ask.",
)
@click.option(
    "--root-certificates",
    type=click.Path(),
    metavar="FILE",
    envvar="POURPARLER_ROOT_CERTIFICATES",
    help="The authorities to trust with its certificate; with this or the next, by TLS."
    "  [env: POURPARLER_ROOT_CERTIFICATES]",
)
@click.option(
    "--certificate",
    type=click.Path(),
    metavar="FILE",
    envvar="POURPARLER_CERTIFICATE",
    help="Your own certificate.  [env: POURPARLER_CERTIFICATE]",
)
@click.option(
    "--certificate-key",
    type=click.Path(),
    metavar="FILE",
    envvar="POURPARLER_CERTIFICATE_KEY",
    help="Its key.  [env: POURPARLER_CERTIFICATE_KEY]",
)
@click.option(
    "--token-file",
    type=click.Path(),
    metavar="FILE",
    envvar="POURPARLER_TOKEN_FILE",
    help="A file with a token that says who you are, or POURPARLER_TOKEN has the token itself."
    "  [env: POURPARLER_TOKEN_FILE]",
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="How long a call may take, all its attempts together.",
)
@click.version_option(package_name="pourparler")
def pourparler(**_options: object) -> None:
    """Keeps the record of a negotiation, and says what it is and was.

    NEGOTIATION is the id of one, with or without `negotiations/` before it. Answers are tables in a
    terminal and plain lines in a pipe; --json gives ProtoJSON. Exit codes: 0 fine, 1 refused or not
    found, 2 not understood, 3 the service is away; of an audit also 4 manipulated, 5 incomplete, 6
    cannot tell, 7 partial.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that cannot show a character must not end the command.
            stream.reconfigure(errors="backslashreplace")
    if completion.VARIABLE in os.environ:
        return completion.answer(pourparler)
    context: click.Context | None = None
    try:
        # Not by its main(), which leaves with 1 when a reader has seen enough.
        with pourparler.make_context("pourparler", list(arguments)) as context:
            code = pourparler.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except PourparlerError as error:
        asked = context.obj if context is not None else None
        near = suggestions.meant(error, asked, context) if context is not None and asked else ()
        return errors.report(error, asked, near)
    except (click.Abort, KeyboardInterrupt):
        return errors.INTERRUPTED
    except BrokenPipeError:
        # Whoever read has seen enough. What is still buffered must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return code if isinstance(code, int) else 0


@pourparler.command(short_help="See it at work on a real negotiation.")
@click.option("--keep", is_flag=True, help="Leave the service running, and say how to talk to it.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Where to listen; 0 is any that is free."
)
@click.option("--data", type=click.Path(path_type=Path), help="A data folder; else a fresh one.")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The file to import.  [default: the example in the package]",
)
def demo(file: Path | None, data: Path | None, port: int | None, *, keep: bool) -> int:
    """Start a service, import a real negotiation, and show what can be asked of it."""
    return service_process.run(file, data, port, keep=keep, default_server=TARGET, command=run)


ROOMS: Mapping[str, Sequence[click.Command]] = {
    "Asking": (
        query.list_,
        query.show,
        query.standing,
        query.history,
        search.search,
        query.diff,
        query.blame,
        query.watch,
        query.browse,
        verify.report,
    ),
    "Recording": (record.open_, record.record, record.import_),
    "Proving and passing on": (verify.audit, verify.export, verify.withhold, verify.verify),
    "Keeping": (
        admin.serve,
        admin.witness,
        admin.keygen,
        admin.erase,
        admin.rotate_master_key,
        admin.rebuild,
        admin.completion,
        demo,
    ),
}
"""All commands, by what they are for, in the order in which they are told."""

for _command in (command for room in ROOMS.values() for command in room):
    pourparler.add_command(_command)
