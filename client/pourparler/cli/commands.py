"""The commands, wired: each asks the service, and puts the answer on the page."""

import io
import os
import sys
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, BinaryIO

import click
from google.protobuf import json_format
from google.protobuf.message import Message
from rich.console import Console

from pourparler import bundle
from pourparler import v1 as pb
from pourparler.audit import Verdict
from pourparler.calls import TARGET
from pourparler.checkpoint import VerifierKey, origin_of
from pourparler.cli import (
    asking,
    auditing,
    bundling,
    converting,
    demonstrating,
    drafting,
    erasing,
    failing,
    watching,
    witnessing,
    wording,
)
from pourparler.cli import diff as diff_page
from pourparler.cli import history as history_page
from pourparler.cli import importing as imports
from pourparler.cli import keygen as keys
from pourparler.cli import publishing as reports
from pourparler.cli import standing as standing_page
from pourparler.cli import state as state_page
from pourparler.cli.page import Column, Page, Table
from pourparler.cli.reporting import Reporter
from pourparler.cli.safe import harmless
from pourparler.cli.wording import Names
from pourparler.contract import ENTRY_TYPES
from pourparler.diff import diff as changes_between
from pourparler.errors import PourparlerError
from pourparler.formats.known import WRITERS
from pourparler.selection import Selection
from pourparler.values import choice

_BROKEN_PIPE = 141

EVERYWHERE = "-"
"""What stands for all negotiations in place of one."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--server",
    metavar="ADDRESS",
    envvar="POURPARLER_SERVER",
    default=TARGET,
    show_default=True,
    show_envvar=True,
    help="The service to ask.",
)
@click.option(
    "--root-certificates",
    metavar="FILE",
    envvar="POURPARLER_ROOT_CERTIFICATES",
    help="The authorities to trust with its certificate; with this or the next, by TLS."
    "  [env: POURPARLER_ROOT_CERTIFICATES]",
)
@click.option(
    "--certificate",
    metavar="FILE",
    envvar="POURPARLER_CERTIFICATE",
    help="Your own certificate.  [env: POURPARLER_CERTIFICATE]",
)
@click.option(
    "--certificate-key",
    metavar="FILE",
    envvar="POURPARLER_CERTIFICATE_KEY",
    help="Its key.  [env: POURPARLER_CERTIFICATE_KEY]",
)
@click.option(
    "--token-file",
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
        return failing.report(error)
    except (click.Abort, KeyboardInterrupt):
        return failing.INTERRUPTED
    except BrokenPipeError:
        # Whoever read has seen enough. What is still buffered must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return code if isinstance(code, int) else 0


def _page(*, full: bool = False) -> Page:
    return Page(Console(markup=False, highlight=False, emoji=False), full=full)


def _print_json(message: Message, *, one_line: bool = False) -> None:
    # All but ASCII is escaped: nothing in it can do anything to a terminal.
    print(
        json_format.MessageToJson(
            message, preserving_proto_field_name=True, indent=None if one_line else 2
        )
    )


full_option = click.option("--full", is_flag=True, help="Long texts in full, in a terminal too.")


@pourparler.command()
@click.argument("negotiation")
@asking.point_options
@click.option(
    "--only",
    type=click.Choice(state_page.KINDS),
    multiple=True,
    help="Only the parts of this kind; may be given several times.",
)
@asking.seen_option
@full_option
@asking.json_option
def show(
    negotiation: str,
    recorded: pb.AsOf | None,
    occurred: str,
    only: tuple[str, ...],
    *,
    as_seen_by: str,
    full: bool,
    as_json: bool,
) -> None:
    """Show the state of a negotiation, now or as it was."""
    asked = asking.point(recorded, occurred)
    answer = asking.client().get(negotiation, as_of=asked, as_seen_by=as_seen_by)
    if as_json:
        _print_json(answer)
        return
    page = _page(full=full)
    _at(page, asked, answer.computed_at)
    state = answer.negotiation
    state_page.head(page, state, answer.possibly.words.title)
    state_page.parts(page, state, only)
    if occurred:
        possible = changes_between(state, answer.possibly)
        page.heading(f"Only possibly by {wording.edtf(occurred)}")
        if answer.possible_versions:
            number = len(answer.possible_versions)
            which = wording.versions(answer.possible_versions)
            page.line(f"{'Entry' if number == 1 else 'Entries'} {which} may be in.")
            shown = [change for change in possible if not only or change.part.split("/")[0] in only]
            diff_page.changes(page, shown, Names(answer.possibly.participants), "What they change")
            diff_page.legend(page, shown)
        else:
            page.line("Nothing more: every other entry happened later.")


def _at(page: Page, asked: pb.AsOf, at: pb.ComputedAt) -> None:
    """Say at the top of an answer at what point it is, unless that is now."""
    if said := state_page.point(asked, at):
        page.line(said, "bold yellow")


@pourparler.command()
@click.argument("negotiation")
@asking.point_options
@click.option("--on", "on_date", metavar="EDTF", help="Reckon dues and ages against this date.")
@asking.seen_option
@full_option
@asking.json_option
def standing(
    negotiation: str,
    recorded: pb.AsOf | None,
    occurred: str,
    on_date: str | None,
    *,
    as_seen_by: str,
    full: bool,
    as_json: bool,
) -> None:
    """Say what is agreed, what is proposed, who must answer, who owes what by when."""
    asked = asking.point(recorded, occurred)
    client = asking.client()
    answer = client.standing(negotiation, as_of=asked, on=on_date, as_seen_by=as_seen_by)
    if as_json:
        _print_json(answer)
        return
    basic = pb.NEGOTIATION_VIEW_BASIC
    known = client.get(negotiation, as_of=asked, view=basic, as_seen_by=as_seen_by).negotiation
    page = _page(full=full)
    _at(page, asked, answer.computed_at)
    page.line(f"Standing of {harmless(known.words.title) or negotiation}", "bold")
    standing_page.standing(page, answer.standing, Names(known.participants))


@pourparler.command()
@click.argument("negotiation")
@asking.point_options
@click.option("--after", type=click.IntRange(min=0), default=0, help="Only after this version.")
@click.option(
    "--type",
    "types",
    type=click.Choice(list(ENTRY_TYPES)),
    metavar="TYPE",
    multiple=True,
    help="Only this entry type, such as statement_recorded.",
)
@click.option(
    "--participant", "participants", metavar="ID", multiple=True, help="Only naming them."
)
@click.option("--topic", "topics", metavar="ID", multiple=True, help="Only on this topic.")
@click.option(
    "--basis",
    "bases",
    type=click.Choice(["direct", "on_record", "reported", "unattributed", "analysis"]),
    multiple=True,
    help="Only known in this way.",
)
@click.option("--reverse", is_flag=True, help="The latest first.")
@click.option("--limit", type=click.IntRange(min=1), help="At most this many.")
@asking.seen_option
@full_option
@asking.json_option
def history(
    negotiation: str,
    recorded: pb.AsOf | None,
    occurred: str,
    bases: tuple[str, ...],
    *,
    full: bool,
    as_json: bool,
    **filters: Any,
) -> None:
    """Replay the entries of a negotiation, with --json one to a line."""
    asked = asking.point(recorded, occurred)
    client = asking.client()
    entries = client.history(
        negotiation, as_of=asked, bases=[choice(pb.Basis, basis) for basis in bases], **filters
    )
    if as_json:
        for entry in entries:
            _print_json(entry, one_line=True)
        return
    known = client.get(negotiation, as_of=asked, as_seen_by=filters["as_seen_by"])
    page = _page(full=full)
    _at(page, asked, known.computed_at)
    whole = known.possibly if occurred else known.negotiation
    total = history_page.history(
        page,
        entries,
        Names(whole.participants),
        amendments=whole.amendments,
        possible=lambda: entries.possible_versions,
    )
    if not page.plain:
        page.line()
        page.line(f"{wording.count(total, 'entry', 'entries')}.")


@pourparler.command()
@click.argument("negotiation", default=EVERYWHERE)
@click.option("--after", type=click.IntRange(min=0), default=0, help="Only after this version.")
@click.option("--cursor", metavar="CURSOR", default="", help="Go on where an earlier watch ended.")
@click.option(
    "--type",
    "types",
    type=click.Choice(list(ENTRY_TYPES)),
    metavar="TYPE",
    multiple=True,
    help="Only this entry type, such as statement_recorded.",
)
@click.option(
    "--participant", "participants", metavar="ID", multiple=True, help="Only naming them."
)
@click.option(
    "--basis",
    "bases",
    type=click.Choice(["direct", "on_record", "reported", "unattributed", "analysis"]),
    multiple=True,
    help="Only known in this way.",
)
@asking.seen_option
@full_option
@asking.json_option
def watch(
    negotiation: str, bases: tuple[str, ...], *, full: bool, as_json: bool, **filters: Any
) -> int:
    """Print the entries of a negotiation as `history` does, and go on with those that come.

    Without NEGOTIATION those of all. It reconnects by itself when the connection breaks. Ctrl-C
    ends it, and says with which --cursor to go on: nothing is left out, and nothing comes twice.
    """
    client = asking.client()
    everywhere = negotiation == EVERYWHERE
    names = Names()
    if not everywhere:
        known = client.get(negotiation, as_seen_by=filters["as_seen_by"])
        names = Names(known.negotiation.participants)
    entries = client.watch(
        negotiation, bases=[choice(pb.Basis, basis) for basis in bases], **filters
    )
    if as_json:
        return watching.watch(entries, lambda entry: _print_json(entry, one_line=True))
    rows = watching.rows(_page(full=full), names, everywhere=everywhere)
    return watching.watch(entries, rows)


@pourparler.command()
@click.argument("negotiation")
@click.argument("from_", metavar="[FROM", type=asking.Point(), required=False)
@click.argument("to", metavar="[TO]]", type=asking.Point(), required=False)
@click.option("--occurred-from", metavar="EDTF", default="", help="From what had happened by then.")
@click.option("--occurred-to", metavar="EDTF", default="", help="To what had happened by then.")
@asking.seen_option
@full_option
@asking.json_option
def diff(
    negotiation: str,
    from_: pb.AsOf | None,
    to: pb.AsOf | None,
    occurred_from: str,
    occurred_to: str,
    *,
    as_seen_by: str,
    full: bool,
    as_json: bool,
) -> None:
    """Say what changed from one version or time to another, and who went back on a term.

    FROM and TO are versions (16) or times (2026-11-23T09:30Z). Without FROM: from the beginning.
    Without TO: to now.
    """
    began = asking.point(from_, occurred_from)
    if from_ is None and not occurred_from:
        began.version = 0
    ended = asking.point(to, occurred_to)
    client = asking.client()
    answer = client.diff(negotiation, from_=began, to=ended, as_seen_by=as_seen_by)
    if as_json:
        _print_json(answer)
        return
    page = _page(full=full)
    basic = pb.NEGOTIATION_VIEW_BASIC
    known = client.get(negotiation, as_of=ended, view=basic, as_seen_by=as_seen_by)
    names = Names({**known.possibly.participants, **known.negotiation.participants})
    title = harmless(known.negotiation.words.title or known.possibly.words.title) or negotiation
    page.line(f"What changed in {title}", "bold")
    page.line(f"from: {_end(began, answer.from_computed_at)}")
    page.line(f"to:   {_end(ended, answer.to_computed_at)}")
    diff_page.reversals(page, answer.reversals, names)
    diff_page.changes(page, answer.changes, names)
    if occurred_to:
        diff_page.changes(page, answer.possible_changes, names, "Changes only possibly by then")
    diff_page.legend(page, [*answer.changes, *answer.possible_changes])


def _end(asked: pb.AsOf, at: pb.ComputedAt) -> str:
    if asked.HasField("version") and not asked.version:
        return "the record before its first entry"
    recorded = wording.moment(at.record_time)
    return state_page.point(asked, at) or f"Now, at version {at.version} (recorded {recorded})."


@pourparler.command("list")
@click.option(
    "--status", "statuses", type=click.Choice(["open", "suspended", "concluded"]), multiple=True
)
@click.option("--participant", metavar="ID", help="Only those with this participant.")
@click.option("--title", metavar="WORDS", help="Only those with these words in their title.")
@asking.json_option
def list_(
    statuses: tuple[str, ...], participant: str | None, title: str | None, *, as_json: bool
) -> None:
    """List the negotiations on the record, in the order in which they were opened."""
    filters: dict[str, Any] = {}
    if statuses:
        filters["statuses"] = [choice(pb.NegotiationStatus, status) for status in statuses]
    if participant:
        filters["participant"] = participant
    if title:
        filters["title_contains"] = title
    found = asking.client().list(**filters)
    if as_json:
        for one in found:
            _print_json(one, one_line=True)
        return
    columns = [
        Column("negotiation", whole=True),
        Column("status", under=True),
        Column("title", text=True),
        Column("parties", under=True, text=True),
        Column("entries"),
        Column("last entry"),
        Column("opened", under=True),
    ]
    rows = [
        (
            one.name.removeprefix("negotiations/"),
            ": ".join(filter(None, (wording.word(one, "status"), wording.word(one, "outcome")))),
            harmless(one.title),
            wording.listed(list(one.parties)),
            f"{one.version:,}",
            wording.moment(one.update_time),
            f"opened {wording.moment(one.open_time)}",
        )
        for one in found
    ]
    page = _page()
    if rows:
        page.table(Table("", columns, list(rows)))
    elif not page.plain:
        page.line("No negotiation is on the record. Open one with `pourparler open TITLE`.")


@pourparler.command("open")
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
@asking.json_option
def open_(
    title: str, id_: str | None, purpose: str, acceptance_rule: str, *, as_json: bool
) -> None:
    """Open the record of a negotiation. In a pipe, its name alone is printed."""
    receipt = asking.client().open(title, id=id_, purpose=purpose, acceptance_rule=acceptance_rule)
    if as_json:
        _print_json(receipt)
        return
    page = _page()
    if page.plain:
        page.line(harmless(receipt.negotiation))
    else:
        page.line(f"Opened {receipt.negotiation}: {harmless(title)}", "bold")
        page.line(f"Say who takes part: {drafting.example(receipt.negotiation)}", "dim")


@pourparler.command()
@click.argument("negotiation")
@click.argument("file", type=click.File("rb"), required=False)
@drafting.options
@click.option("--request-id", metavar="ID", help="Your own id, so that repeating doubles nothing.")
@click.option("--expected-version", type=click.IntRange(min=0), help="Only at this version.")
@click.option("--validate-only", is_flag=True, help="Check, and record nothing.")
@asking.json_option
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
    drafts = drafting.drafts(file, given)
    receipt = asking.client().record(
        negotiation,
        *drafts,
        request_id=request_id,
        expected_version=expected_version,
        validate_only=validate_only,
    )
    if as_json:
        _print_json(receipt)
        return
    page = _page()
    done = "Would be recorded" if validate_only else "Recorded"
    for entry in receipt.entries:
        known = wording.basis(entry.facts.provenance)
        told = history_page.describe(entry, Names())
        page.line(f"{done} #{entry.header.version} ({known}): {told}")


@pourparler.command()
@click.argument("negotiation")
@auditing.options
@asking.json_option
def audit(
    negotiation: str,
    keys: tuple[VerifierKey, ...],
    since: str | None,
    save: Path | None,
    *,
    as_json: bool,
) -> int:
    """Check the whole record of a negotiation, believing nothing but the key.

    Every entry is checked against what the service has signed, and folded anew; the state that the
    service gives has to be the same. Exit codes: 0 sound, 4 manipulated, 5 incomplete, 6 cannot
    tell, 7 partial: sound as far as it is shown.
    """
    client = asking.client()
    with auditing.progress() as progress:
        found = client.audit(negotiation, keys=keys, since=since, progress=progress)
    origin = origin_of(keys[0].name, negotiation.removeprefix("negotiations/"))
    code = auditing.tell(_page(), found, origin, compared=True, as_json=as_json)
    if save is not None and found.verdict is Verdict.SOUND:
        auditing.save(save, found.signed)
    return code


@pourparler.command()
@click.argument("negotiation")
@bundling.output_option
@click.option(
    "--only",
    type=bundling.Versions(),
    metavar="VERSIONS",
    help="Only these can be read, such as 3,7-9; of all others there is the header alone.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(converting.OUT),
    default=converting.BUNDLE,
    show_default=True,
    help="In which format: see docs/formats.md.",
)
@click.option(
    "--bundle",
    "bundled",
    type=click.File("rb"),
    metavar="FILE",
    help="Read the record from a bundle, and ask no service.",
)
@asking.json_option
def export(
    negotiation: str,
    output: Path,
    only: Selection | None,
    form: str,
    bundled: BinaryIO | None,
    *,
    as_json: bool,
) -> None:
    """Write the whole record of a negotiation to one file, a bundle that proves what it is.

    Every entry is in it as it is stored, with the signed checkpoint: see docs/format.md. Whether it
    is sound, `pourparler verify` tells. With --only, what the chosen entries are shown without is
    told: what they name, and what corrects them. See docs/auditing.md. In another --format it is
    for other tools, and proves nothing: see docs/formats.md.
    """
    if form == converting.BUNDLE:
        if bundled is not None:
            raise click.UsageError("Of a bundle, say the --format that it is to be written in.")
        client = asking.client()
        with (
            bundling.refusing(),
            bundling.fresh(output) as file,
            auditing.progress("exporting") as progress,
        ):
            count = client.export(negotiation, file, only=only, progress=progress)
        bundling.told(_page(), output, count, only, as_json=as_json)
        return
    if only is not None:
        raise click.UsageError("--only is for a bundle: write one, and that in a --format.")
    converting.available(form)
    with bundling.refusing():
        if bundled is not None:
            entries, origin = converting.of_bundle(bundled, negotiation)
        else:
            entries, origin = converting.of_service(asking.client(), negotiation)
        with bundling.fresh(output, f"{form} file") as file:
            count = WRITERS[form](file, entries, origin)
    bundling.told(_page(), output, count, as_json=as_json, proves=False)


@pourparler.command()
@click.argument("file", type=click.File("rb", lazy=True))
@click.option(
    "--only",
    type=bundling.Versions(),
    metavar="VERSIONS",
    required=True,
    help="What can be read, such as 3,7-9.",
)
@bundling.output_option
@asking.json_option
def withhold(file: BinaryIO, output: Path, only: Selection, *, as_json: bool) -> None:
    """Write a bundle anew in which only some entries can be read, asking nobody.

    FILE is what `pourparler export` wrote; - is standard input. Of all other entries there is the
    header alone, and the whole still verifies: see docs/auditing.md.
    """
    with bundling.refusing(), bundling.fresh(output) as fresh:
        count = bundle.withhold(file, fresh, only)
    bundling.told(_page(), output, count, only, as_json=as_json)


@pourparler.command()
@click.argument("file", type=click.File("rb", lazy=True))
@click.option("--negotiation", metavar="NAME", default="", help="Of which it has to be.")
@click.option(
    "--show", "showing", is_flag=True, help="Show the entries, if what is here is proven."
)
@full_option
@auditing.options
@asking.json_option
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
    read = bundling.held(file) if showing else file
    with auditing.progress() as progress:
        found = bundle.verify(
            read,
            keys,
            negotiation=negotiation.removeprefix("negotiations/"),
            since=since,
            progress=lambda done: progress(done, 0),
        )
    origin = found.checkpoint.origin if found.checkpoint else file.name
    page = _page(full=full)
    code = auditing.tell(page, found, origin, compared=False, as_json=as_json)
    if showing and found.verdict in {Verdict.SOUND, Verdict.PARTIAL}:
        entries = bundling.entries(read)
        if as_json:
            for entry in entries:
                _print_json(entry, one_line=True)
        else:
            state = found.state or pb.Negotiation()
            names = Names(state.participants)
            history_page.history(page, entries, names, amendments=state.amendments)
            state_page.sources(page, bundling.entries(read))
            unknown = bundling.unknown(bundling.entries(read))
            if unknown and found.withheld:
                page.line(f"Named here, and brought by what is withheld: {', '.join(unknown)}.")
    if save is not None and found.verdict is Verdict.SOUND:
        auditing.save(save, found.signed)
    return code


@pourparler.command()
@click.argument("negotiation", required=False)
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
    type=auditing.Key(),
    multiple=True,
    callback=auditing.one_service,
    help="Verify the record first; a key of its service, had by another way than from it.",
)
@asking.json_option
def report(
    negotiation: str | None,
    file: BinaryIO | None,
    *,
    output: Path,
    on_date: str | None,
    as_of: int | None,
    keys: tuple[VerifierKey, ...],
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
    if file is not None:
        data = file.read()
    else:
        with io.BytesIO() as copy, auditing.progress("reading") as progress:
            asking.client().export(negotiation or "", copy, progress=progress)
            data = copy.getvalue()
    return reports.write(_page(), output, data, keys, on=on_date, as_of=as_of, as_json=as_json)


@pourparler.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--negotiation", metavar="NAME", default="", help="Of the lines that name none.")
@click.option(
    "--key",
    "keys",
    type=auditing.Key(),
    multiple=True,
    help="Of a bundle: what the service that it is from signs with, had from elsewhere.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(converting.IN),
    help="In which format it is; else as its name ends, else jsonl.",
)
@click.option(
    "--mapping",
    type=click.File("rb"),
    metavar="FILE",
    help="Of a table of others: how its rows make drafts, see docs/formats.md.",
)
@click.option("--keep-going", is_flag=True, help="Go on after a refusal.")
@asking.json_option
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
    """Put a file of drafts on the record, or take a bundle as a copy: see docs/import.md.

    Drafts stand one to a line, or in another --format: see docs/formats.md. Repeating it doubles
    nothing: what is recorded already is found again. Refused lines are told as FILE:LINE: REASON:
    text (field). A bundle is what `pourparler export` wrote; the copy is only read, and still
    proves itself with the key of the original.
    """
    if bundling.is_bundle(file):
        if not keys:
            raise click.UsageError(
                "This is a bundle: say with --key what the service that it is from signs with."
            )
        if negotiation or keep_going:
            raise click.UsageError("--negotiation and --keep-going are for drafts, not a bundle.")
        if form or mapping:
            raise click.UsageError("--format and --mapping are for drafts, and this is a bundle.")
        copied = asking.client().copy(file, keys=keys)
        if as_json:
            _print_json(copied)
        else:
            bundling.told_of_copy(_page(), copied)
        return 0
    if keys:
        raise click.UsageError("--key is for a bundle, and this is none.")
    read = converting.reader(form, mapping, file)
    client = asking.client()

    class _Recorder:
        def now(self) -> int:
            # What would be recorded would be now.
            would_be = client.open("What time is it?", validate_only=True).entries[0]
            return would_be.header.record_time.ToNanoseconds()

        def record(self, negotiation: str, draft: pb.Draft, request_id: str) -> Future[pb.Receipt]:
            return session.record(negotiation, draft, request_id=request_id)

    with Reporter(file) as reporter, client.session(in_turn=not keep_going) as session:
        summary = imports.Import(
            _Recorder(),
            negotiation=negotiation,
            keep_going=keep_going,
            refused=reporter.refused,
            progress=reporter.progress,
        ).run(file, read)
    return reporter.conclude(summary, as_json=as_json)


@pourparler.command()
@click.option(
    "--settings",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A settings file: see docs/security.md.  [env: POURPARLER_SETTINGS]",
)
@click.option(
    "--data", type=click.Path(path_type=Path), help="The data folder.  [env: POURPARLER_DATA]"
)
@click.option("--in-memory", is_flag=True, help="Keep nothing: the record goes with the process.")
@click.option(
    "--address",
    metavar="HOST:PORT",
    help="Where to listen; loopback only, unless callers are told apart."
    "  [env: POURPARLER_ADDRESS]",
)
@click.option(
    "--witness",
    "witnesses",
    nargs=2,
    multiple=True,
    metavar="URL VKEY",
    help="A witness to ask for cosignatures; several times.  [env: POURPARLER_WITNESSES]",
)
@click.option(
    "--witnesses-required",
    "required",
    type=click.IntRange(min=0),
    help="How many of them should cosign; else all.  [env: POURPARLER_WITNESSES_REQUIRED]",
)
def serve(
    settings: Path | None,
    data: Path | None,
    address: str | None,
    witnesses: tuple[tuple[str, str], ...],
    required: int | None,
    *,
    in_memory: bool,
) -> int:
    """Run the service until it is told to stop."""
    if data is not None and in_memory:
        raise click.UsageError("Say --data or --in-memory, not both.")
    return demonstrating.serve(
        data,
        address,
        settings=settings,
        in_memory=in_memory,
        witnesses=witnesses,
        required=required,
    )


@pourparler.command()
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    required=True,
    help="Its key, made by `pourparler keygen --witness`.",
)
@click.option(
    "--log",
    "logs",
    type=auditing.Key(),
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
    """Run a witness until it is told to stop: see docs/witnesses.md.

    It cosigns the checkpoints of services, as long as each record only grows. Run it where the
    operator of the service has no power over it.
    """
    return witnessing.serve(key, logs, data, address)


@pourparler.command()
@click.argument("negotiation")
@click.argument("participant")
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
@asking.json_option
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
    docs/privacy.md.
    """
    if not yes:
        asked = f"Destroy all words that concern {harmless(participant)} in {harmless(negotiation)}"
        click.confirm(f"{asked}? It cannot be undone.", abort=True, err=True)
    erasure = asking.client().erase_subject(
        negotiation,
        participant,
        legal_basis=legal_basis,
        authority=authority,
        request_id=request_id,
    )
    if as_json:
        _print_json(erasure)
    else:
        erasing.told(_page(), erasure)


@pourparler.command()
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
    """Wrap the keys of all persons by a new master key: see docs/privacy.md.

    The old one is that of the folder, or what POURPARLER_MASTER_KEY says.
    """
    erasing.rotate(_page(), data, to)


@pourparler.command()
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    required=True,
    help="The file for the key, which must not be there yet.",
)
@click.option("--witness", is_flag=True, help="A key for a witness: see docs/witnesses.md.")
def keygen(name: str, output: Path, *, witness: bool) -> None:
    """Make a signing key for a service, and print the verifier key that belongs to it.

    NAME is that of the service, best its address, such as example.org/record. Name the file in
    POURPARLER_KEYS; several files are separated by colons: for a rotation a new key of the same
    name joins the older one. Give the verifier key to all who check the record.
    """
    print(keys.keygen(name, output, witness=witness))


@pourparler.command()
@click.option("--keep", is_flag=True, help="Leave the service running, and say how to talk to it.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Where to listen; 0 is any that is free."
)
@click.option("--data", type=click.Path(path_type=Path), help="A data folder; else a fresh one.")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The negotiation to import; else the one in examples/.",
)
def demo(file: Path | None, data: Path | None, port: int | None, *, keep: bool) -> int:
    """Start a service, import a real negotiation, and show what can be asked of it."""
    file = file or demonstrating.example()
    if file is None:
        raise click.UsageError(
            f"{demonstrating.EXAMPLE} is neither here nor beside the package: say --file."
        )
    return demonstrating.run(file, data, port, keep=keep, default_server=TARGET, command=run)
