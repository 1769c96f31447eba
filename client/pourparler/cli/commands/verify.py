"""Commands that take a record elsewhere, and prove or show what it is."""

import io
from pathlib import Path
from typing import BinaryIO

import click

from pourparler import v1 as pb
from pourparler.cli.input import format_detection
from pourparler.cli.options import query_options
from pourparler.cli.options.completion import Negotiation
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

_SEEN_IN_BUNDLE = "--as-seen-by asks the service: a bundle is as it was written."


@click.command(short_help="Check a record against the service that keeps it.")
@click.argument("negotiation", type=Negotiation())
@verdicts.options
@query_options.seen_option
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
    """Check the whole record of a negotiation, believing nothing but the key.

    Every entry is checked against what the service has signed, and folded anew; the state that the
    service gives has to be the same. Exit codes: 0 sound, 4 manipulated, 5 incomplete, 6 cannot
    tell, 7 partial: sound as far as it is shown. The service prints its key when it starts: have it
    from whoever runs it.
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
    code = verdicts.tell(standard_page(), found, origin, compared=True, as_json=as_json)
    if save is not None and found.verdict is Verdict.SOUND:
        verdicts.save(save, found.signed)
    return code


@click.command(
    short_help="Write a record to a file: a bundle, or for other tools.",
    epilog=query_options.examples(
        "pourparler export renault-nissan -o talks.bundle --only 3,7-9",
        "pourparler export renault-nissan -o talks.csv --format csv",
    ),
)
@click.argument("negotiation", type=Negotiation())
@bundles.output_option
@click.option(
    "--only",
    type=bundles.Versions(),
    metavar="VERSIONS",
    help="Only these can be read, such as 3,7-9; of all others there is the header alone.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(format_detection.OUT),
    default=format_detection.BUNDLE,
    show_default=True,
    help="In which format: see docs/reference/export-formats.md.",
)
@click.option(
    "--bundle",
    "bundled",
    type=click.File("rb"),
    metavar="FILE",
    help="Read the record from a bundle, and ask no service.",
)
@query_options.seen_option
@query_options.json_option
def export(
    negotiation: str,
    output: Path,
    only: Selection | None,
    form: str,
    bundled: BinaryIO | None,
    *,
    viewer_participant_id: str,
    as_json: bool,
) -> None:
    """Write the whole record of a negotiation to one file, a bundle that proves what it is.

    Every entry is in it as it is stored, with the signed checkpoint: see
    docs/reference/record-format.md. Whether it is sound, `pourparler verify` tells. With --only,
    what the chosen entries are shown without is told: what they name, and what corrects them. See
    docs/guides/auditing.md. In another --format it is for other tools, and proves nothing: see
    docs/reference/export-formats.md.
    """
    if bundled is not None and viewer_participant_id:
        raise click.UsageError(_SEEN_IN_BUNDLE)
    if form == format_detection.BUNDLE:
        if bundled is not None:
            raise click.UsageError("Of a bundle, say the --format that it is to be written in.")
        client = query_options.client()
        with (
            bundles.refusing(),
            bundles.fresh(output) as file,
            verdicts.progress("exporting") as progress,
        ):
            count = client.export_bundle(
                negotiation,
                file,
                selection=only,
                viewer_participant_id=viewer_participant_id,
                progress=progress,
            )
        bundles.told(standard_page(), output, count, only, as_json=as_json)
        return
    if only is not None:
        raise click.UsageError("--only is for a bundle: write one, and that in a --format.")
    format_detection.available(form)
    with bundles.refusing():
        if bundled is not None:
            entries, origin = format_detection.of_bundle(bundled, negotiation)
        else:
            entries, origin = format_detection.of_service(
                query_options.client(), negotiation, viewer_participant_id
            )
        with bundles.fresh(output, f"{form} file") as file:
            count = WRITERS[form](file, entries, origin)
    bundles.told(standard_page(), output, count, as_json=as_json, proves=False)


@click.command(short_help="Write a bundle in which only some entries can be read.")
@click.argument("file", type=click.File("rb", lazy=True))
@click.option(
    "--only",
    type=bundles.Versions(),
    metavar="VERSIONS",
    required=True,
    help="What can be read, such as 3,7-9.",
)
@bundles.output_option
@query_options.json_option
def withhold(file: BinaryIO, output: Path, only: Selection, *, as_json: bool) -> None:
    """Write a bundle anew in which only some entries can be read, asking nobody.

    FILE is what `pourparler export` wrote; - is standard input. Of all other entries there is the
    header alone, and the whole still verifies: see docs/guides/auditing.md.
    """
    with bundles.refusing(), bundles.fresh(output) as fresh:
        count = bundle.redact(file, fresh, only)
    bundles.told(standard_page(), output, count, only, as_json=as_json)


@click.command(short_help="Check a bundle, asking nobody.")
@click.argument("file", type=click.File("rb", lazy=True))
@click.option(
    "--negotiation", type=Negotiation(), metavar="NAME", default="", help="Of which it has to be."
)
@click.option(
    "--show", "showing", is_flag=True, help="Show the entries, if what is here is proven."
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
    """Check a bundle, believing nothing but the key and asking nobody.

    FILE is what `pourparler export` wrote; - is standard input. With --show its entries follow, as
    `history` shows them, where the verdict is sound or partial; with --json one to a line. Exit
    codes: 0 sound, 4 manipulated, 5 incomplete, 6 cannot tell, 7 partial: sound as far as it is
    shown.
    """
    read = bundles.held(file) if showing else file
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
    code = verdicts.tell(page, found, origin, compared=False, as_json=as_json)
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
                page.line(f"Named here, and brought by what is withheld: {', '.join(unknown)}.")
    if save is not None and found.verdict is Verdict.SOUND:
        verdicts.save(save, found.signed)
    return code


@click.command(
    short_help="Write a negotiation as one page for a browser.",
    epilog=query_options.examples(
        "pourparler report renault-nissan -o report.html",
    ),
)
@click.argument("negotiation", type=Negotiation(), required=False)
@click.option(
    "--bundle",
    "file",
    type=click.File("rb"),
    help="Made of this bundle, asking nobody; in place of NEGOTIATION.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    required=True,
    help="Where to write it, over an older one; or - for a pipe.",
)
@click.option("--on", "on_date", metavar="EDTF", help="Reckon dues against this date, not today.")
@click.option("--as-of", type=click.IntRange(min=1), metavar="VERSION", help="Only up to here.")
@click.option(
    "--key",
    "keys",
    type=verdicts.Key(),
    multiple=True,
    callback=verdicts.one_service,
    help="Verify the record first; a key of its service, had by another way than from it.",
)
@query_options.seen_option
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
    """Write a negotiation as one page for a browser, that asks for nothing else.

    For whoever was not in the room: where it stands, its timeline, each topic with what the parties
    held and offered, what was said, what was corrected, and the entries behind it all. Exit codes
    with --key: 0 sound, 4 manipulated, 5 incomplete, 6 cannot tell, 7 partial; the page says so,
    too.
    """
    if (negotiation is None) == (file is None):
        raise click.UsageError("Say either NEGOTIATION or --bundle FILE.")
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
