"""Commands for the operator of a service or a witness."""

from pathlib import Path

import click

from pourparler.cli.local import erasure as erasure_page
from pourparler.cli.local import keygen as keys
from pourparler.cli.local import rebuild as rebuild_page
from pourparler.cli.local import service_process, setting_options
from pourparler.cli.local import witness as witness_process
from pourparler.cli.local.setting_options import ServeCommand
from pourparler.cli.options import query_options
from pourparler.cli.options.completion import SHELLS, NegotiationType, PartType, script
from pourparler.cli.output import verdicts
from pourparler.cli.output.page import print_message, standard_page
from pourparler.cli.terminal_escape import escaped
from pourparler.transparency.checkpoint import VerifierKey


@click.command(cls=ServeCommand, short_help="Run the service.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    envvar="POURPARLER_CONFIG",
    show_envvar=True,
    help="Settings file, in TOML: see docs/reference/configuration.md.",
)
def serve(config: Path | None, **settings: str | tuple[str, ...] | None) -> int:
    """Run the service until it receives SIGINT or SIGTERM.

    The settings file and the environment have the same settings as the options. An option wins
    over a variable, and a variable over the file. The master key is a secret: set it with the
    variable POURPARLER_MASTER_KEY alone.
    """
    return service_process.serve(config, setting_options.given(settings))


@click.command(short_help="Run a witness.")
@click.option(
    "--signing-key",
    "key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    required=True,
    help="Signing key of the witness, made by `pourparler keygen --witness`.",
)
@click.option(
    "--log",
    "logs",
    type=verdicts.VerifierKeyType(),
    multiple=True,
    required=True,
    help="Verifier key of a service whose checkpoints the witness cosigns. Repeatable.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    required=True,
    help="Data folder of the witness.",
)
@click.option(
    "--address", metavar="HOST:PORT", help="Address to listen on.  [default: 127.0.0.1:50711]"
)
def witness(key: Path, logs: tuple[VerifierKey, ...], data: Path, address: str | None) -> int:
    """Run a witness until it receives SIGINT or SIGTERM: see docs/guides/witnesses.md.

    A witness cosigns the checkpoints of services as long as each record only grows. Run it where
    the operator of the service has no access.
    """
    return witness_process.serve(key, logs, data, address)


@click.command(short_help="Erase the words that concern a person.")
@click.argument("negotiation", type=NegotiationType())
@click.argument("participant", type=PartType("participants"))
@click.option(
    "--legal-basis",
    metavar="TEXT",
    required=True,
    help="Legal basis of the erasure. It stays on the record.",
)
@click.option(
    "--authority",
    metavar="TEXT",
    required=True,
    help="Office that ordered the erasure, not a name. It stays on the record.",
)
@click.option(
    "--request-id",
    metavar="ID",
    help="Id of the request. A retry with the same id erases nothing twice.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@query_options.json_option
def erase(
    negotiation: str,
    participant: str,
    legal_basis: str,
    authority: str,
    request_id: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase the words of all entries that concern a natural person.

    PARTICIPANT is the id of the person. Facts and proofs stay, and the record lists the erased
    entries: see docs/guides/erasing-personal-data.md.
    """
    if not yes:
        asked = f"Destroy all words that concern {escaped(participant)} in {escaped(negotiation)}"
        click.confirm(f"{asked}? You cannot undo it.", abort=True, err=True)
    erasure = query_options.client().erase_subject(
        negotiation,
        participant,
        legal_basis=legal_basis,
        authority=authority,
        request_id=request_id,
    )
    if as_json:
        print_message(erasure)
    else:
        erasure_page.print_erasure(standard_page(), erasure)


@click.command(short_help="Encrypt the keys of persons with a new master key.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    envvar="POURPARLER_DATA",
    show_envvar=True,
    help="Data folder. Stop the service that uses it first.",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="New file for the new master key. Without it, the new key replaces the old one.",
)
def rotate_master_key(data: Path, to: Path | None) -> None:
    """Encrypt the keys of all persons with a new master key.

    POURPARLER_MASTER_KEY names the old master key. The default is the one in the data folder. See
    docs/guides/erasing-personal-data.md.
    """
    erasure_page.rotate(standard_page(), data, to)


@click.command(
    short_help="Rebuild the negotiation list and the search index.",
    epilog=query_options.examples("pourparler rebuild-indexes --data pourparler-data"),
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    envvar="POURPARLER_DATA",
    show_envvar=True,
    help="Data folder. Stop the service that uses it first.",
)
def rebuild_indexes(data: Path) -> None:
    """Rebuild the negotiation list and the search index of a data folder, from the record.

    A service rebuilds them automatically if they are absent, damaged or of another format. Use this
    command to rebuild them before the service starts, or if you do not trust their content.
    """
    rebuild_page.rebuild(standard_page(), data)


@click.command(
    short_help="Make a signing key for a service or a witness.",
    epilog=query_options.examples(
        "pourparler keygen example.org/record --output signing.key",
    ),
)
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    required=True,
    help="New file for the key.",
)
@click.option(
    "--witness", is_flag=True, help="Make a key for a witness: see docs/guides/witnesses.md."
)
def keygen(name: str, output: Path, *, witness: bool) -> None:
    """Make a signing key for a service, and print its verifier key.

    NAME is the name of the service, for example its address: example.org/record. Name the file in
    POURPARLER_SIGNING_KEYS. For a rotation, name the files of the old and the new key, separated by
    a colon. Publish the verifier key to everyone who verifies the record.
    """
    print(keys.keygen(name, output, witness=witness))


@click.command(
    short_help="Print a completion script for your shell.",
    epilog=query_options.examples(
        'eval "$(pourparler completion bash)"   in ~/.bashrc',
        'eval "$(pourparler completion zsh)"    in ~/.zshrc, after compinit',
        "pourparler completion fish | source    in ~/.config/fish/config.fish",
    ),
)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that makes a shell complete this command.

    The script completes commands, options, files and the ids of the service, if it is available.
    """
    print(script(click.get_current_context().find_root().command, shell), end="")
