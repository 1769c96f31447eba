"""Commands that record entries: one by one, or a file of them."""

import contextlib
from typing import Any, BinaryIO

import click

from pourparler.cli import interrupts
from pourparler.cli.input import draft_options, format_detection
from pourparler.cli.input import importer as imports
from pourparler.cli.input.import_recorders import DryRun, LiveRun
from pourparler.cli.input.import_report import Reporter
from pourparler.cli.options import query_options
from pourparler.cli.options.completion import NegotiationType
from pourparler.cli.output import bundles, verdicts, wording
from pourparler.cli.output.entry_descriptions import describe
from pourparler.cli.output.page import print_message, standard_page
from pourparler.cli.output.wording import Names
from pourparler.cli.terminal_escape import escaped
from pourparler.transparency.checkpoint import VerifierKey


@click.command(
    "open",
    short_help="Open a negotiation.",
    epilog=query_options.examples(
        'pourparler open "Lease of a crane" --id crane',
    ),
)
@click.argument("title")
@click.option(
    "--id", "id_", metavar="ID", help="Id of the negotiation. Without it, the service makes one."
)
@click.option("--purpose", metavar="TEXT", default="", help="Purpose of the negotiation.")
@click.option(
    "--acceptance-rule",
    type=click.Choice(["all_addressees", "any", "majority", "named"]),
    default="all_addressees",
    show_default=True,
    help="Rule by which answers decide proposals.",
)
@draft_options.common
@query_options.json_option
def open_(
    title: str,
    id_: str | None,
    purpose: str,
    acceptance_rule: str,
    *,
    as_json: bool,
    **given: Any,
) -> None:
    """Open the record of a negotiation. In a pipe, print only its name."""
    common = draft_options.common_values(given)
    receipt = query_options.client().open_negotiation(
        title, negotiation_id=id_, purpose=purpose, acceptance_rule=acceptance_rule, **common
    )
    if as_json:
        print_message(receipt)
        return
    page = standard_page()
    if page.plain:
        page.line(escaped(receipt.negotiation))
    else:
        page.line(f"Opened {receipt.negotiation}: {escaped(title)}", "bold")
        page.line(f"Record the participants: {draft_options.example(receipt.negotiation)}", "dim")


@click.command(
    short_help="Record entries, from options or a file.",
    epilog=query_options.examples(
        'pourparler record crane --participant "Northern Freight" --id freight',
        'pourparler record crane --statement "Nine thousand at most." --by freight',
        'pourparler record crane --proposal "" --id offer --by harbour --to freight \\',
        "  --money rent 9500 EUR",
        "pourparler record crane --answer reject --in-reply-to offer --by freight",
        "pourparler record crane --milestone Handover --expected 2027-03 --by harbour",
    ),
)
@click.argument("negotiation", type=NegotiationType())
@click.argument("file", type=click.File("rb"), required=False)
@draft_options.options
@click.option(
    "--request-id",
    metavar="ID",
    help="Id of the request. A retry with the same id records nothing twice.",
)
@click.option(
    "--expected-version",
    type=click.IntRange(min=0),
    help="Refuse the request if the negotiation has another version.",
)
@click.option("--validate-only", is_flag=True, help="Validate the request and record nothing.")
@query_options.json_option
def record(
    negotiation: str,
    file: BinaryIO | None,
    request_id: str | None,
    expected_version: int | None,
    *,
    validate_only: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Record entries, from FILE (`-` for standard input) or from options.

    FILE contains one or more drafts as ProtoJSON, one after the other or in a list. The service
    records all of them, or none.
    """
    drafts = draft_options.drafts(file, given)
    receipt = query_options.client().record(
        negotiation,
        *drafts,
        request_id=request_id,
        expected_version=expected_version,
        validate_only=validate_only,
    )
    if as_json:
        print_message(receipt)
        return
    page = standard_page()
    done = "Would be recorded" if validate_only else "Recorded"
    for entry in receipt.entries:
        known = wording.basis(entry.facts.provenance)
        told = describe(entry, Names())
        page.line(f"{done} #{entry.header.version} ({known}): {told}")


@click.command("import", short_help="Import a file of drafts, a table or a bundle.")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--negotiation",
    type=NegotiationType(),
    metavar="NAME",
    default="",
    help="Negotiation of the lines that name none.",
)
@click.option(
    "--verifier-key",
    "keys",
    type=verdicts.VerifierKeyType(),
    multiple=True,
    help="Verifier key of the service that wrote the bundle. Repeatable.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(format_detection.IN),
    help="Format of FILE. The default follows from the extension of FILE, or is jsonl.",
)
@click.option(
    "--mapping",
    type=click.File("rb"),
    metavar="FILE",
    help="Mapping of the columns of a table to drafts: see docs/reference/import-formats.md.",
)
@click.option("--keep-going", is_flag=True, help="Continue after a refused line.")
@click.option(
    "--as",
    "renamed",
    metavar="ID",
    default="",
    help="Record the lines in the negotiation ID, under its own name.",
)
@click.option(
    "--dry-run",
    "dry",
    is_flag=True,
    help="Show the entries that would be recorded, and record nothing.",
)
@query_options.json_option
def import_(
    file: BinaryIO,
    negotiation: str,
    keys: tuple[VerifierKey, ...],
    form: str | None,
    mapping: BinaryIO | None,
    *,
    renamed: str,
    keep_going: bool,
    dry: bool,
    as_json: bool,
) -> int:
    """Put a file of drafts on the record, or take a bundle as a copy.

    Drafts stand one to a line, or in another --format: see docs/reference/import-formats.md.
    Repeating it doubles nothing: what is recorded already is found again. Refused lines are told as
    FILE:LINE: REASON: text (field). A bundle is what `pourparler export` wrote; the copy is only
    read, and still proves itself with the key of the original.
    """
    if bundles.is_bundle(file):
        if not keys:
            raise click.UsageError(
                "The file is a bundle. Give the verifier key of its service with --verifier-key."
            )
        if negotiation or keep_going or renamed or dry:
            raise click.UsageError(
                "FILE is a bundle. --negotiation, --keep-going, --as and --dry-run are only for"
                " drafts. To record its entries again, export it with --format jsonl."
            )
        if form or mapping:
            raise click.UsageError("FILE is a bundle. --format and --mapping are only for drafts.")
        copied = query_options.client().import_bundle(file, verifier_keys=keys)
        if as_json:
            print_message(copied)
        else:
            bundles.print_import(standard_page(), copied)
        return 0
    if keys:
        raise click.UsageError("FILE is not a bundle. --verifier-key is only for a bundle.")
    read = format_detection.reader(form, mapping, file)
    client = query_options.client()

    with Reporter(file, dry=dry, as_json=as_json) as reporter, contextlib.ExitStack() as stack:
        recorder: DryRun | LiveRun
        if dry:
            recorder = DryRun(client, keep_going=keep_going)
        else:
            stream = stack.enter_context(client.record_stream(stop_on_failure=not keep_going))
            recorder = LiveRun(client, stream)
        run = imports.Import(
            recorder,
            negotiation=negotiation,
            renamed=renamed,
            keep_going=keep_going,
            refused=reporter.refused,
            recorded=reporter.recorded,
            progress=reporter.progress,
        )
        with interrupts.on_first_interrupt(run.interrupt):
            summary = run.run(file, read)
    return reporter.conclude(summary, unchecked=recorder.unchecked)
