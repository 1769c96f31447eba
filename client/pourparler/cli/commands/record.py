"""Commands that put entries on the record: one by one, or a file of them."""

from concurrent.futures import Future
from typing import Any, BinaryIO

import click

from pourparler import v1 as pb
from pourparler.cli import interrupts
from pourparler.cli.input import draft_options, format_detection
from pourparler.cli.input import importer as imports
from pourparler.cli.input.import_report import Reporter
from pourparler.cli.options import query_options
from pourparler.cli.options.completion import Negotiation
from pourparler.cli.output import bundles, verdicts, wording
from pourparler.cli.output import history as history_page
from pourparler.cli.output.page import print_message, standard_page
from pourparler.cli.output.wording import Names
from pourparler.cli.terminal_escape import harmless
from pourparler.transparency.checkpoint import VerifierKey


@click.command(
    "open",
    short_help="Open a negotiation.",
    epilog=query_options.examples(
        'pourparler open "Lease of a crane" --id crane',
    ),
)
@click.argument("title")
@click.option("--id", "id_", metavar="ID", help="Its id; without it the service makes one.")
@click.option("--purpose", metavar="TEXT", default="", help="What it is for.")
@click.option(
    "--acceptance-rule",
    type=click.Choice(["all_addressees", "any", "majority", "named"]),
    default="all_addressees",
    show_default=True,
    help="How answers decide proposals.",
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
    """Open the record of a negotiation. In a pipe, its name alone is printed."""
    common = draft_options.said_of_all(given)
    receipt = query_options.client().open_negotiation(
        title, negotiation_id=id_, purpose=purpose, acceptance_rule=acceptance_rule, **common
    )
    if as_json:
        print_message(receipt)
        return
    page = standard_page()
    if page.plain:
        page.line(harmless(receipt.negotiation))
    else:
        page.line(f"Opened {receipt.negotiation}: {harmless(title)}", "bold")
        page.line(f"Say who takes part: {draft_options.example(receipt.negotiation)}", "dim")


@click.command(
    short_help="Put entries on the record, said by options or in a file.",
    epilog=query_options.examples(
        'pourparler record crane --participant "Northern Freight" --id freight',
        'pourparler record crane --statement "Nine thousand at most." --by freight',
        'pourparler record crane --proposal "" --id offer --by harbour --to freight \\',
        "  --money rent 9500 EUR",
        "pourparler record crane --answer reject --in-reply-to offer --by freight",
        "pourparler record crane --milestone Handover --expected 2027-03 --by harbour",
    ),
)
@click.argument("negotiation", type=Negotiation())
@click.argument("file", type=click.File("rb"), required=False)
@draft_options.options
@click.option("--request-id", metavar="ID", help="Your own id, so that repeating doubles nothing.")
@click.option("--expected-version", type=click.IntRange(min=0), help="Only at this version.")
@click.option("--validate-only", is_flag=True, help="Check, and record nothing.")
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
    """Put entries on the record: from FILE (`-` for standard input), or said by options.

    FILE holds one or more drafts as ProtoJSON, one after the other or in a list. They are recorded
    together: all of them, or none.
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
        told = history_page.describe(entry, Names())
        page.line(f"{done} #{entry.header.version} ({known}): {told}")


@click.command("import", short_help="Take a file of drafts, a table, or a bundle as a copy.")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--negotiation",
    type=Negotiation(),
    metavar="NAME",
    default="",
    help="Of the lines that name none.",
)
@click.option(
    "--key",
    "keys",
    type=verdicts.Key(),
    multiple=True,
    help="Of a bundle: what the service that it is from signs with, had from elsewhere.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(format_detection.IN),
    help="In which format it is; else as its name ends, else jsonl.",
)
@click.option(
    "--mapping",
    type=click.File("rb"),
    metavar="FILE",
    help="Of a table of others: how its rows make drafts, see docs/reference/import-formats.md.",
)
@click.option("--keep-going", is_flag=True, help="Go on after a refusal.")
@query_options.json_option
def import_(
    file: BinaryIO,
    negotiation: str,
    keys: tuple[VerifierKey, ...],
    form: str | None,
    mapping: BinaryIO | None,
    *,
    keep_going: bool,
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
                "This is a bundle: say with --key what the service that it is from signs with."
            )
        if negotiation or keep_going:
            raise click.UsageError("--negotiation and --keep-going are for drafts, not a bundle.")
        if form or mapping:
            raise click.UsageError("--format and --mapping are for drafts, and this is a bundle.")
        copied = query_options.client().import_bundle(file, verifier_keys=keys)
        if as_json:
            print_message(copied)
        else:
            bundles.told_of_copy(standard_page(), copied)
        return 0
    if keys:
        raise click.UsageError("--key is for a bundle, and this is none.")
    read = format_detection.reader(form, mapping, file)
    client = query_options.client()

    class _Recorder:
        def now(self) -> int:
            # What would be recorded would be now.
            would_be = client.open_negotiation("What time is it?", validate_only=True).entries[0]
            return would_be.header.record_time.ToNanoseconds()

        def record(self, negotiation: str, draft: pb.Draft, request_id: str) -> Future[pb.Receipt]:
            return session.record(negotiation, draft, request_id=request_id)

    with (
        Reporter(file) as reporter,
        client.record_stream(stop_on_failure=not keep_going) as session,
    ):
        run = imports.Import(
            _Recorder(),
            negotiation=negotiation,
            keep_going=keep_going,
            refused=reporter.refused,
            progress=reporter.progress,
        )
        with interrupts.first(run.interrupt):
            summary = run.run(file, read)
    return reporter.conclude(summary, as_json=as_json)
