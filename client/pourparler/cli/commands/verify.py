"""Commands that verify, export and show a whole record."""

import io
from pathlib import Path
from typing import BinaryIO

import click

from pourparler import v1 as pb
from pourparler.cli.input import format_detection
from pourparler.cli.options import query_options
from pourparler.cli.options.completion import NegotiationType
from pourparler.cli.output import bundles, verdicts
from pourparler.cli.output import history as history_page
from pourparler.cli.output import state as state_page
from pourparler.cli.output.page import print_message, standard_page
from pourparler.cli.output.wording import Names
from pourparler.cli.report import command as reports
from pourparler.formats.registry import WRITERS
from pourparler.transparency import bundle
from pourparler.transparency.checkpoint import VerifierKey, log_origin
from pourparler.transparency.findings import Verdict
from pourparler.transparency.selection import Selection

_SEEN_IN_BUNDLE = "--bundle excludes --as-seen-by: only a service can filter a record."


@click.command(short_help="Verify a record against its service.")
@click.argument("negotiation", type=NegotiationType())
@verdicts.options
@query_options.viewer_option
@query_options.json_option
def audit(
    negotiation: str,
    keys: tuple[VerifierKey, ...],
    since: str | None,
    save: Path | None,
    *,
    viewer_participant_id: str,
    as_json: bool,
) -> int:
    """Verify the whole record of a negotiation. Trust nothing but the verifier key.

    The client checks every entry against the signed checkpoint, computes the state again and
    compares it with the state that the service returns. Exit codes: 0 sound, 4 manipulated, 5
    incomplete, 6 cannot tell, 7 partial. Obtain the verifier key from the operator, not from the
    service.
    """
    client = query_options.client()
    with verdicts.progress() as progress:
        found = client.audit(
            negotiation,
            verifier_keys=keys,
            base_checkpoint=since,
            viewer_participant_id=viewer_participant_id,
            progress=progress,
        )
    origin = log_origin(keys[0].name, negotiation.removeprefix("negotiations/"))
    code = verdicts.print_verdict(standard_page(), found, origin, compared=True, as_json=as_json)
    if save is not None and found.verdict is Verdict.SOUND:
        verdicts.save(save, found.signed)
    return code


@click.command(
    short_help="Export a record: a bundle, or another format.",
    epilog=query_options.examples(
        "pourparler export renault-nissan --output talks.bundle --versions 3,7-9",
        "pourparler export renault-nissan --output talks.csv --format csv",
    ),
)
@click.argument("negotiation", type=NegotiationType())
@bundles.output_option
@click.option(
    "--versions",
    type=bundles.VersionsType(),
    metavar="VERSIONS",
    help="Include only these entries, such as 3,7-9, and the headers of all others.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(format_detection.OUT),
    default=format_detection.BUNDLE,
    show_default=True,
    help="Format of the file: see docs/reference/export-formats.md.",
)
@click.option(
    "--bundle",
    "bundled",
    type=click.File("rb"),
    metavar="FILE",
    help="Read the record from this bundle, without a service.",
)
@query_options.viewer_option
@query_options.json_option
def export(
    negotiation: str,
    output: Path,
    versions: Selection | None,
    form: str,
    bundled: BinaryIO | None,
    *,
    viewer_participant_id: str,
    as_json: bool,
) -> None:
    """Export the whole record of a negotiation to one file.

    A bundle contains every entry as it is stored, and the signed checkpoint: see
    docs/reference/record-format.md. `pourparler verify` verifies it. With --versions, the command
    lists what the included entries refer to and what corrects them: see docs/guides/auditing.md.

    Other formats are for other tools and prove nothing: see docs/reference/export-formats.md.
    """
    if bundled is not None and viewer_participant_id:
        raise click.UsageError(_SEEN_IN_BUNDLE)
    if form == format_detection.BUNDLE:
        if bundled is not None:
            raise click.UsageError("--bundle needs a --format other than bundle. Name one.")
        client = query_options.client()
        with (
            bundles.bundle_errors(),
            bundles.new_file(output) as file,
            verdicts.progress("exporting") as progress,
        ):
            count = client.export_bundle(
                negotiation,
                file,
                selection=versions,
                viewer_participant_id=viewer_participant_id,
                progress=progress,
            )
        bundles.print_export(standard_page(), output, count, versions, as_json=as_json)
        return
    if versions is not None:
        raise click.UsageError(
            "--versions is only for a bundle. Write a bundle, and export that with --format."
        )
    format_detection.available(form)
    with bundles.bundle_errors():
        if bundled is not None:
            entries, origin = format_detection.entries_of_bundle(bundled, negotiation)
        else:
            entries, origin = format_detection.entries_of_service(
                query_options.client(), negotiation, viewer_participant_id
            )
        with bundles.new_file(output, f"{form} file") as file:
            count = WRITERS[form](file, entries, origin)
    bundles.print_export(standard_page(), output, count, as_json=as_json, proves=False)


@click.command(short_help="Reduce a bundle to some of its entries.")
@click.argument("file", type=click.File("rb", lazy=True))
@click.option(
    "--versions",
    type=bundles.VersionsType(),
    metavar="VERSIONS",
    required=True,
    help="Entries that stay readable, such as 3,7-9.",
)
@bundles.output_option
@query_options.json_option
def redact_bundle(file: BinaryIO, output: Path, versions: Selection, *, as_json: bool) -> None:
    """Write a bundle in which only some entries are readable, without a service.

    FILE is a bundle; - is standard input. The new bundle has only the header of each other entry,
    so the Merkle proofs still verify: see docs/guides/auditing.md.
    """
    with bundles.bundle_errors(), bundles.new_file(output) as fresh:
        count = bundle.redact(file, fresh, versions)
    bundles.print_export(standard_page(), output, count, versions, as_json=as_json)


@click.command(short_help="Verify a bundle, without a service.")
@click.argument("file", type=click.File("rb", lazy=True))
@click.option(
    "--negotiation",
    type=NegotiationType(),
    metavar="NAME",
    default="",
    help="Fail unless the bundle contains this negotiation.",
)
@click.option(
    "--show", "showing", is_flag=True, help="List the entries if the verdict is sound or partial."
)
@query_options.full_option
@verdicts.options
@query_options.json_option
def verify(
    file: BinaryIO,
    negotiation: str,
    keys: tuple[VerifierKey, ...],
    since: str | None,
    save: Path | None,
    *,
    showing: bool,
    full: bool,
    as_json: bool,
) -> int:
    """Verify a bundle, without a service. Trust nothing but the verifier key.

    FILE is a bundle; - is standard input. With --show, the entries follow if the verdict is sound
    or partial. With --json, each entry is on one line. Exit codes: 0 sound, 4 manipulated, 5
    incomplete, 6 cannot tell, 7 partial.
    """
    read = bundles.private_copy(file) if showing else file
    with verdicts.progress() as progress:
        found = bundle.verify(
            read,
            keys,
            negotiation=negotiation.removeprefix("negotiations/"),
            base_checkpoint=since,
            progress=lambda done: progress(done, 0),
        )
    origin = found.checkpoint.origin if found.checkpoint else file.name
    page = standard_page(full=full)
    code = verdicts.print_verdict(page, found, origin, compared=False, as_json=as_json)
    if showing and found.verdict in {Verdict.SOUND, Verdict.PARTIAL}:
        entries = bundles.entries(read)
        if as_json:
            for entry in entries:
                print_message(entry, one_line=True)
        else:
            state = found.state or pb.Negotiation()
            names = Names(state.participants)
            history_page.history(page, entries, names, amendments=state.amendments)
            state_page.sources(page, bundles.entries(read))
            unknown = bundles.unknown(bundles.entries(read))
            if unknown and found.withheld:
                page.line(f"Withheld entries introduce these parts: {', '.join(unknown)}.")
    if save is not None and found.verdict is Verdict.SOUND:
        verdicts.save(save, found.signed)
    return code


@click.command(
    short_help="Write an HTML report of a negotiation.",
    epilog=query_options.examples(
        "pourparler report renault-nissan --output report.html",
    ),
)
@click.argument("negotiation", type=NegotiationType(), required=False)
@click.option(
    "--bundle",
    "file",
    type=click.File("rb"),
    help="Read the record from this bundle, without a service.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    required=True,
    help="File to write. It replaces an older file. - is standard output.",
)
@click.option(
    "--on",
    "on_date",
    metavar="EDTF",
    help="Compute due dates as of this date. The default is today.",
)
@click.option(
    "--as-of",
    type=click.IntRange(min=1),
    metavar="VERSION",
    help="Report the record up to this version.",
)
@click.option(
    "--verifier-key",
    "keys",
    type=verdicts.VerifierKeyType(),
    multiple=True,
    callback=verdicts.one_service,
    help="Verify the record first, with this verifier key of its service. Repeatable.",
)
@query_options.viewer_option
@query_options.json_option
def report(
    negotiation: str | None,
    file: BinaryIO | None,
    *,
    output: Path,
    on_date: str | None,
    as_of: int | None,
    keys: tuple[VerifierKey, ...],
    viewer_participant_id: str,
    as_json: bool,
) -> int:
    """Write an HTML report of a negotiation: one file that loads nothing else.

    It has the status, the timeline, the positions and offers on each topic, all corrections, and
    the entries themselves. Exit codes with --verifier-key: 0 sound, 4 manipulated, 5 incomplete, 6
    cannot tell, 7 partial. The report shows the verdict, too.
    """
    if (negotiation is None) == (file is None):
        raise click.UsageError(
            "The report needs one record. Give either NEGOTIATION or --bundle FILE."
        )
    if file is not None and viewer_participant_id:
        raise click.UsageError(_SEEN_IN_BUNDLE)
    if file is not None:
        data = file.read()
    else:
        with io.BytesIO() as copy, verdicts.progress("reading") as progress:
            query_options.client().export_bundle(
                negotiation or "",
                copy,
                viewer_participant_id=viewer_participant_id,
                progress=progress,
            )
            data = copy.getvalue()
    return reports.write(
        standard_page(), output, data, keys, on=on_date, as_of=as_of, as_json=as_json
    )
