"""Commands for whoever keeps a service, a witness and their keys."""

from pathlib import Path

import click

from pourparler.cli.local import erasure as erasure_page
from pourparler.cli.local import keygen as keys
from pourparler.cli.local import rebuild as rebuild_page
from pourparler.cli.local import service_process, setting_options
from pourparler.cli.local import witness as witness_process
from pourparler.cli.local.setting_options import ServeCommand
from pourparler.cli.options import query_options
from pourparler.cli.options.completion import SHELLS, Negotiation, Part, script
from pourparler.cli.output import verdicts
from pourparler.cli.output.page import print_message, standard_page
from pourparler.cli.terminal_escape import harmless
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
@click.option(
    "--in-memory", is_flag=True, help="Keep the record in memory. It ends with the process."
)
def serve(config: Path | None, *, in_memory: bool, **settings: str | tuple[str, ...] | None) -> int:
    """Run the service until it receives SIGINT or SIGTERM.

    The settings file and the environment have the same settings as the options. An option wins
    over a variable, and a variable over the file. The master key is a secret: set it with the
    variable POURPARLER_MASTER_KEY alone.
    """
    if settings["data"] is not None and in_memory:
        raise click.UsageError("--data and --in-memory exclude each other. Give one of them.")
    return service_process.serve(config, setting_options.given(settings), in_memory=in_memory)


@click.command(short_help="Run a witness of services.")
@click.option(
    "--signing-key",
    "key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    required=True,
    help="Its key, made by `pourparler keygen --witness`.",
)
@click.option(
    "--log",
    "logs",
    type=verdicts.Key(),
    multiple=True,
    required=True,
    help="The verifier key of a service whose checkpoints it cosigns; several times.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    required=True,
    help="Where it keeps what it has seen.",
)
@click.option("--address", metavar="HOST:PORT", help="Where to listen.  [default: 127.0.0.1:50711]")
def witness(key: Path, logs: tuple[VerifierKey, ...], data: Path, address: str | None) -> int:
    """Run a witness until it is told to stop: see docs/guides/witnesses.md.

    It cosigns the checkpoints of services, as long as each record only grows. Run it where the
    operator of the service has no power over it.
    """
    return witness_process.serve(key, logs, data, address)


@click.command(short_help="Destroy the words that concern a person, for good.")
@click.argument("negotiation", type=Negotiation())
@click.argument("participant", type=Part("participants"))
@click.option(
    "--legal-basis", metavar="TEXT", required=True, help="Under what law. It stays on the record."
)
@click.option(
    "--authority",
    metavar="TEXT",
    required=True,
    help="Who ordered it, by office and not by name. It stays on the record.",
)
@click.option("--request-id", metavar="ID", help="To repeat the call by. Else a new one.")
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
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
    """Destroy the words of all entries that concern a natural person, for good.

    PARTICIPANT is its id. Facts and proofs stay, and the record says what was destroyed: see
    docs/guides/erasing-personal-data.md.
    """
    if not yes:
        asked = f"Destroy all words that concern {harmless(participant)} in {harmless(negotiation)}"
        click.confirm(f"{asked}? It cannot be undone.", abort=True, err=True)
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
        erasure_page.told(standard_page(), erasure)


@click.command(short_help="Wrap the keys of persons by a new master key.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    envvar="POURPARLER_DATA",
    show_envvar=True,
    help="The data folder, which no service is using.",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A new file for the new master key. Else it takes the place of the old one.",
)
def rotate_master_key(data: Path, to: Path | None) -> None:
    """Wrap the keys of all persons by a new master key: see docs/guides/erasing-personal-data.md.

    The old one is that of the folder, or what POURPARLER_MASTER_KEY says.
    """
    erasure_page.rotate(standard_page(), data, to)


@click.command(
    short_help="Make the catalogue and the index anew.",
    epilog=query_options.examples("pourparler rebuild-indexes --data pourparler-data"),
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    envvar="POURPARLER_DATA",
    show_envvar=True,
    help="The data folder, which no service is using.",
)
def rebuild_indexes(data: Path) -> None:
    """Make the catalogue and the index of a data folder anew, from the record.

    A service does so by itself where they are missing, damaged or of another format, and goes on
    serving: this is for whoever would rather have it done before, or mistrusts what is there.
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
    help="The file for the key, which must not be there yet.",
)
@click.option("--witness", is_flag=True, help="A key for a witness: see docs/guides/witnesses.md.")
def keygen(name: str, output: Path, *, witness: bool) -> None:
    """Make a signing key for a service, and print the verifier key that belongs to it.

    NAME is that of the service, best its address, such as example.org/record. Name the file in
    POURPARLER_KEYS; several files are separated by colons: for a rotation a new key of the same
    name joins the older one. Give the verifier key to all who check the record.
    """
    print(keys.keygen(name, output, witness=witness))


@click.command(
    short_help="Print the script by which a shell completes all this.",
    epilog=query_options.examples(
        'eval "$(pourparler completion bash)"   in ~/.bashrc',
        'eval "$(pourparler completion zsh)"    in ~/.zshrc, after compinit',
        "pourparler completion fish | source    in ~/.config/fish/config.fish",
    ),
)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script by which a shell completes this command.

    It completes commands, options, files, and the ids of what the service has: none, if it is away.
    """
    print(script(click.get_current_context().find_root().command, shell), end="")
