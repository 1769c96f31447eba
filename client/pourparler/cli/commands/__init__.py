"""The command `pourparler`: its global options, its commands and its exit codes."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from pourparler.cli import errors, pipes
from pourparler.cli.commands import admin, query, record, search, verify
from pourparler.cli.local import service_process
from pourparler.cli.options import completion, connection, suggestions
from pourparler.errors import PourparlerError
from pourparler.rpc.channel import DEFAULT_TARGET

_BROKEN_PIPE = 141


class _SectionedGroup(click.Group):
    """A group whose help lists the commands in sections."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each section with its commands under its own heading."""
        del ctx
        widest = max(map(len, self.commands))
        limit = formatter.width - widest - 6
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [
                        (f"{command.name:<{widest}}", command.get_short_help_str(limit))
                        for command in commands
                    ]
                )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command. Choose if it ends as soon as the reader of its output is gone."""
        name, command, rest = super().resolve_command(ctx, args)
        pipes.end_with_reader(raises=command in (*SECTIONS["Query"], verify.export))
        return name, command, rest


@click.group(
    cls=_SectionedGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--server",
    type=connection.AddressType(),
    metavar="ADDRESS",
    envvar="POURPARLER_SERVER",
    default=DEFAULT_TARGET,
    show_default=True,
    show_envvar=True,
    help="Address of the service.",
)
@click.option(
    "--root-certificates",
    type=click.Path(),
    metavar="FILE",
    envvar="POURPARLER_ROOT_CERTIFICATES",
    show_envvar=True,
    help="Certificate authorities to trust, in PEM. Turns TLS on.",
)
@click.option(
    "--certificate",
    type=click.Path(),
    metavar="FILE",
    envvar="POURPARLER_CERTIFICATE",
    show_envvar=True,
    help="Client certificate, in PEM. Turns TLS on.",
)
@click.option(
    "--certificate-key",
    type=click.Path(),
    metavar="FILE",
    envvar="POURPARLER_CERTIFICATE_KEY",
    show_envvar=True,
    help="Private key of the client certificate, in PEM.",
)
@click.option(
    "--token-file",
    type=click.Path(),
    metavar="FILE",
    envvar="POURPARLER_TOKEN_FILE",
    show_envvar=True,
    help="File with a bearer token. Without it, the client sends the token in POURPARLER_TOKEN.",
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="Deadline of each call, including its retries.",
)
@click.version_option(package_name="pourparler")
def pourparler(**_options: object) -> None:
    """Record negotiations, query their state at any point, and verify the record.

    NEGOTIATION is an id, with or without the prefix `negotiations/`. A command prints tables in a
    terminal, plain lines in a pipe, and ProtoJSON with --json.

    Exit codes: 0 success, 1 refused or not found, 2 invalid command line, 3 service unavailable.
    A verification also returns 4 manipulated, 5 incomplete, 6 cannot tell or 7 partial. A query
    whose output is closed, as by `head`, returns 141. Other commands finish without their output.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A character that the terminal cannot show must not end the command.
            stream.reconfigure(errors="backslashreplace")
    if completion.VARIABLE in os.environ:
        return completion.answer(pourparler)
    context: click.Context | None = None
    try:
        # Its main() would exit with 1 when the reader of a pipe stops reading.
        with pourparler.make_context("pourparler", list(arguments)) as context:
            code = pourparler.invoke(context)
        sys.stdout.flush()
    except pipes.OutputClosedError:
        return _BROKEN_PIPE
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except PourparlerError as error:
        asked = context.obj if context is not None else None
        near = suggestions.suggest(error, asked, context) if context is not None and asked else ()
        return errors.report(error, asked, near)
    except (click.Abort, KeyboardInterrupt):
        return errors.INTERRUPTED
    finally:
        pipes.end_with_reader(raises=False)
    return code if isinstance(code, int) else 0


@pourparler.command(short_help="Run a demonstration on a real negotiation.")
@click.option("--keep", is_flag=True, help="Leave the service running.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on. 0 takes any free port."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Data folder. The default is a new temporary one.",
)
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The file to import.  [default: the example in the package]",
)
def demo(file: Path | None, data: Path | None, port: int | None, *, keep: bool) -> int:
    """Start a service, import a real negotiation, and run queries on it."""
    return service_process.run(
        file, data, port, keep=keep, default_server=DEFAULT_TARGET, command=run
    )


SECTIONS: Mapping[str, Sequence[click.Command]] = {
    "Query": (
        query.list_,
        query.show,
        query.status,
        query.history,
        search.search,
        query.diff,
        query.blame,
        query.watch,
        query.browse,
        verify.report,
    ),
    "Record": (record.open_, record.record, record.import_),
    "Verify and export": (verify.audit, verify.verify, verify.export, verify.redact_bundle),
    "Operate": (
        admin.serve,
        admin.witness,
        admin.keygen,
        admin.erase,
        admin.rotate_master_key,
        admin.rebuild_indexes,
        admin.completion,
        demo,
    ),
}
"""All commands, by section, in the order of the help."""

for _command in (command for section in SECTIONS.values() for command in section):
    pourparler.add_command(_command)
