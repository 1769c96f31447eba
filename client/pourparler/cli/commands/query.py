"""Commands that query a negotiation, now or as it was, and watch new entries."""

from collections.abc import Mapping
from typing import Any, BinaryIO

import click

from pourparler import v1 as pb
from pourparler.cli.browse import launch
from pourparler.cli.errors import alternatives
from pourparler.cli.options import query_options
from pourparler.cli.options.completion import NegotiationType, PartType
from pourparler.cli.options.suggestions import Choice, similar
from pourparler.cli.output import blame as blame_page
from pourparler.cli.output import colors, part_descriptions, wording
from pourparler.cli.output import diff as diff_page
from pourparler.cli.output import history as history_page
from pourparler.cli.output import state as state_page
from pourparler.cli.output import status as status_page
from pourparler.cli.output import watch as watch_page
from pourparler.cli.output.anomaly_section import anomalies
from pourparler.cli.output.page import Column, Page, Table, print_message, standard_page
from pourparler.cli.output.wording import Names
from pourparler.cli.terminal_escape import escaped
from pourparler.drafts.values import choice
from pourparler.state.blame import blame as made_by
from pourparler.state.diff import diff as changes_between
from pourparler.state.fold import fold

EVERYWHERE = "-"
"""The name that stands for all negotiations."""


@click.command(
    short_help="Show the state: every part with its status and its basis.",
    epilog=query_options.examples(
        "pourparler show renault-nissan --kind agreements",
        "pourparler show renault-nissan --as-of 16        as of version 16",
        "pourparler show renault-nissan --occurred 2021   as of a date of the events",
    ),
)
@click.argument("negotiation", type=NegotiationType())
@query_options.point_options
@click.option(
    "--kind",
    "kinds",
    type=Choice(part_descriptions.KINDS),
    metavar="KIND",
    multiple=True,
    help="Show only the parts of this kind, such as agreements. Repeatable.",
)
@query_options.viewer_option
@query_options.full_option
@query_options.json_option
def show(
    negotiation: str,
    recorded: pb.AsOf | None,
    occurred: str,
    kinds: tuple[str, ...],
    *,
    viewer_participant_id: str,
    full: bool,
    as_json: bool,
) -> None:
    """Show the state of a negotiation, now or at an earlier point."""
    asked = query_options.point(recorded, occurred)
    answer = query_options.client().get_negotiation(
        negotiation, as_of=asked, viewer_participant_id=viewer_participant_id
    )
    if as_json:
        print_message(answer)
        return
    page = standard_page(full=full)
    _at(page, asked, answer.computed_at)
    state = answer.negotiation
    state_page.head(page, state, answer.possible_state.words.title)
    state_page.parts(page, state, kinds)
    anomalies(page, state.anomalies)
    if occurred:
        possible = changes_between(state, answer.possible_state)
        page.heading(f"Only possibly by {wording.edtf(occurred)}")
        if answer.possible_versions:
            number = len(answer.possible_versions)
            which = wording.versions(answer.possible_versions)
            page.line(f"{'Entry' if number == 1 else 'Entries'} {which} may be in.")
            shown = [one for one in possible if not kinds or one.part.split("/")[0] in kinds]
            diff_page.changes(
                page, shown, Names(answer.possible_state.participants), "Their changes"
            )
            diff_page.legend(page, shown)
        else:
            page.line("Nothing more: every other entry happened later.")


def _at(page: Page, asked: pb.AsOf, at: pb.ComputedAt) -> None:
    """Print the point of the answer, unless it is now."""
    if said := state_page.point(asked, at):
        page.line(said, f"bold {colors.DOUBTFUL}")


@click.command(
    short_help="Report what is agreed, proposed, owed and open.",
    epilog=query_options.examples(
        "pourparler status renault-nissan --on 2023-06-30    as of this date",
    ),
)
@click.argument("negotiation", type=NegotiationType())
@query_options.point_options
@click.option("--on", "on_date", metavar="EDTF", help="Compute due dates and ages as of this date.")
@query_options.viewer_option
@query_options.full_option
@query_options.json_option
def status(
    negotiation: str,
    recorded: pb.AsOf | None,
    occurred: str,
    on_date: str | None,
    *,
    viewer_participant_id: str,
    full: bool,
    as_json: bool,
) -> None:
    """Report what is agreed, what is proposed, who must answer, and who owes what by when."""
    asked = query_options.point(recorded, occurred)
    client = query_options.client()
    answer = client.status_report(
        negotiation, as_of=asked, on_date=on_date, viewer_participant_id=viewer_participant_id
    )
    if as_json:
        print_message(answer)
        return
    basic = pb.NEGOTIATION_VIEW_BASIC
    known = client.get_negotiation(
        negotiation, as_of=asked, view=basic, viewer_participant_id=viewer_participant_id
    ).negotiation
    page = standard_page(full=full)
    _at(page, asked, answer.computed_at)
    page.line(f"Status of {escaped(known.words.title) or negotiation}", "bold")
    status_page.status_report(page, answer.status_report, Names(known.participants))


@click.command(
    short_help="List the entries.",
    epilog=query_options.examples(
        "pourparler history renault-nissan --basis on_record --topic t-ev",
        "pourparler history renault-nissan --reverse --limit 5       the last five",
    ),
)
@click.argument("negotiation", type=NegotiationType())
@query_options.point_options
@click.option(
    "--after",
    "after_version",
    type=click.IntRange(min=0),
    default=0,
    help="Show only entries after this version.",
)
@query_options.type_option
@query_options.participant_option
@query_options.topic_option
@query_options.basis_option
@click.option("--reverse", is_flag=True, help="Show the latest entry first.")
@click.option("--limit", type=click.IntRange(min=1), help="Show at most this many entries.")
@query_options.viewer_option
@query_options.full_option
@query_options.json_option
def history(
    negotiation: str,
    recorded: pb.AsOf | None,
    occurred: str,
    *,
    full: bool,
    as_json: bool,
    **filters: Any,
) -> None:
    """List the entries of a negotiation. With --json, print one entry on each line."""
    asked = query_options.point(recorded, occurred)
    client = query_options.client()
    entries = client.replay(negotiation, as_of=asked, **filters)
    if as_json:
        for entry in entries:
            print_message(entry, one_line=True)
        return
    known = client.get_negotiation(
        negotiation, as_of=asked, viewer_participant_id=filters["viewer_participant_id"]
    )
    page = standard_page(full=full)
    _at(page, asked, known.computed_at)
    whole = known.possible_state if occurred else known.negotiation
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
    if not total:
        _none(whole, filters)


def _none(state: pb.Negotiation, filters: Mapping[str, Any]) -> None:
    """Print to stderr that no entry matches, and which ids of the filters are unknown."""
    said = ["No entry matches these options."]
    for kind in ("participants", "topics"):
        parts = getattr(state, kind)
        for key in filters[kind]:
            if key not in parts:
                found = similar(key, parts)
                meant = f" Did you mean {alternatives(found)}?" if found else ""
                said.append(f"There is no {kind[:-1]} {escaped(key)!r}.{meant}")
    click.echo(" ".join(said), err=True)


@click.command(
    short_help="Show which entries set each part and each field.",
    epilog=query_options.examples(
        "pourparler blame renault-nissan agr-leader-follower",
        "pourparler blame renault-nissan milestones --as-of 15",
    ),
)
@click.argument("negotiation", type=NegotiationType())
@click.argument("part", type=PartType(*blame_page.KINDS, paths=True), default="")
@query_options.point_options
@query_options.viewer_option
@query_options.full_option
@query_options.json_option
def blame(
    negotiation: str,
    part: str,
    recorded: pb.AsOf | None,
    occurred: str,
    *,
    viewer_participant_id: str,
    full: bool,
    as_json: bool,
) -> None:
    """Show which entries set each part of the state, and each field of one part.

    PART is an id, a kind such as `agreements`, or both, such as `agreements/ID`. Without PART, the
    command shows all parts. For a decided proposal it also shows the reason of the decision.
    """
    wanted = blame_page.PartSelector(part)
    client = query_options.client()
    asked = query_options.point(recorded, occurred)
    within = None
    if occurred:
        by_then = client.replay(
            negotiation, as_of=asked, viewer_participant_id=viewer_participant_id
        )
        within = {entry.header.version for entry in by_then} - by_then.possible_versions
    replay = client.replay(
        negotiation,
        as_of=query_options.point(recorded, ""),
        viewer_participant_id=viewer_participant_id,
    )
    entries = list(replay)
    found = blame_page.ordered(made_by(entries, wanted, within))
    if part and not found:
        raise wanted.missing(negotiation)
    if as_json:
        blame_page.print_json(found)
        return
    state = fold(entries)
    page = standard_page(full=full)
    if replay.complete is not None:
        _at(page, asked, replay.complete.computed_at)
    if not page.plain:
        page.line(f"Blame of {escaped(state.words.title) or negotiation}", "bold")
    blame_page.blame(page, found, state, one=wanted.one)


@click.command(short_help="Print new entries as the service records them.")
@click.argument("negotiation", type=NegotiationType(), default=EVERYWHERE)
@click.option(
    "--after",
    "after_version",
    type=click.IntRange(min=0),
    default=0,
    help="Show only entries after this version.",
)
@click.option(
    "--cursor", metavar="CURSOR", default="", help="Continue where an earlier watch ended."
)
@query_options.type_option
@query_options.participant_option
@query_options.basis_option
@query_options.viewer_option
@query_options.full_option
@query_options.json_option
def watch(negotiation: str, *, full: bool, as_json: bool, **filters: Any) -> int:
    """Print the entries of a negotiation as `history` does, and then each new entry.

    Without NEGOTIATION, the command watches all negotiations. It reconnects automatically. Ctrl-C
    ends it and prints the --cursor that continues without a gap and without a repetition.
    """
    client = query_options.client()
    everywhere = negotiation == EVERYWHERE
    seen_by = filters["viewer_participant_id"]
    if not everywhere:
        client.get_negotiation(
            negotiation, view=pb.NEGOTIATION_VIEW_BASIC, viewer_participant_id=seen_by
        )
    entries = client.watch(negotiation, **filters)
    server = click.get_current_context().find_root().params["server"]
    beside = watch_page.beside(entries, server)
    if as_json:
        return watch_page.watch(entries, lambda entry: print_message(entry, one_line=True), beside)
    page = standard_page(full=full)
    rows = watch_page.rows(page, watch_page.Known(client, seen_by), everywhere=everywhere)
    meanwhile = beside if page.plain else watch_page.below(page, entries, server)
    return watch_page.watch(entries, rows, meanwhile)


@click.command(
    short_help="Browse negotiations in a full-screen terminal.",
    epilog=query_options.examples(
        "pourparler browse                             the list of all",
        "pourparler browse renault-nissan --as-of 11   as of version 11",
    ),
)
@click.argument("negotiation", type=NegotiationType(), required=False)
@click.option(
    "--bundle", "file", type=click.File("rb"), help="Read this bundle, without a service."
)
@click.option(
    "--as-of", type=click.IntRange(min=1), metavar="VERSION", help="Start at this version."
)
@query_options.viewer_option
def browse(
    negotiation: str | None, file: BinaryIO | None, as_of: int | None, viewer_participant_id: str
) -> None:
    """Browse negotiations in a full-screen terminal: status, topics and entries.

    Without NEGOTIATION, the command lists all negotiations. The key ? explains the other keys: ,
    and . step through the versions, / searches, q quits. New entries appear automatically.
    """
    if file is not None and (negotiation is not None or viewer_participant_id):
        raise click.UsageError(
            "--bundle excludes NEGOTIATION and --as-seen-by. Give --bundle alone."
        )
    if as_of is not None and negotiation is None and file is None:
        raise click.UsageError("--as-of needs a negotiation. Give NEGOTIATION or --bundle.")
    launch.browse(negotiation, file, as_of, viewer_participant_id)


@click.command(
    short_help="Show changes and reversals between two points.",
    epilog=query_options.examples(
        "pourparler diff renault-nissan 16                     since version 16",
        "pourparler diff renault-nissan --occurred-from 2021 --occurred-to 2022",
    ),
)
@click.argument("negotiation", type=NegotiationType())
@click.argument("from_", metavar="[FROM", type=query_options.PointType(), required=False)
@click.argument("to", metavar="[TO]]", type=query_options.PointType(), required=False)
@click.option(
    "--occurred-from",
    metavar="EDTF",
    default="",
    help="Start: the events up to the end of this date.",
)
@click.option(
    "--occurred-to", metavar="EDTF", default="", help="End: the events up to the end of this date."
)
@query_options.viewer_option
@query_options.full_option
@query_options.json_option
def diff(
    negotiation: str,
    from_: pb.AsOf | None,
    to: pb.AsOf | None,
    occurred_from: str,
    occurred_to: str,
    *,
    viewer_participant_id: str,
    full: bool,
    as_json: bool,
) -> None:
    """Show the changes from one version or time to another, and the reversals of terms.

    FROM and TO are versions (16) or times (2026-11-23T09:30Z). The default of FROM is the
    beginning, the default of TO is now.
    """
    began = query_options.point(from_, occurred_from)
    if from_ is None and not occurred_from:
        began.version = 0
    ended = query_options.point(to, occurred_to)
    client = query_options.client()
    answer = client.diff(
        negotiation, start=began, end=ended, viewer_participant_id=viewer_participant_id
    )
    if as_json:
        print_message(answer)
        return
    page = standard_page(full=full)
    basic = pb.NEGOTIATION_VIEW_BASIC
    known = client.get_negotiation(
        negotiation, as_of=ended, view=basic, viewer_participant_id=viewer_participant_id
    )
    names = Names({**known.possible_state.participants, **known.negotiation.participants})
    title = (
        escaped(known.negotiation.words.title or known.possible_state.words.title) or negotiation
    )
    page.line(f"Changes in {title}", "bold")
    page.line(f"from: {_end(began, answer.start_computed_at)}")
    page.line(f"to:   {_end(ended, answer.end_computed_at)}")
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


@click.command("list", short_help="List the negotiations.")
@click.option(
    "--status",
    "statuses",
    type=click.Choice(["open", "suspended", "concluded"]),
    multiple=True,
    help="List only negotiations with this status. Repeatable.",
)
@click.option("--participant", metavar="ID", help="List only negotiations with this participant.")
@click.option(
    "--title", metavar="WORDS", help="List only negotiations with these words in their title."
)
@query_options.viewer_option
@query_options.json_option
def list_(
    statuses: tuple[str, ...],
    participant: str | None,
    title: str | None,
    viewer_participant_id: str,
    *,
    as_json: bool,
) -> None:
    """List the negotiations in the order in which they were opened."""
    filters: dict[str, Any] = {}
    if statuses:
        filters["statuses"] = [choice(pb.NegotiationStatus, status) for status in statuses]
    if participant:
        filters["participant_id"] = participant
    if title:
        filters["title_contains"] = title
    found = query_options.client().list_negotiations(
        **filters, viewer_participant_id=viewer_participant_id
    )
    if as_json:
        for one in found:
            print_message(one, one_line=True)
        return
    columns = [
        Column("negotiation", whole=True),
        Column("status", under=True),
        Column("title", text=True),
        Column("parties", under=True, text=True),
        Column("entries"),
        Column("last entry", whole=True),
        Column("opened", under=True),
    ]
    rows = [
        (
            one.name.removeprefix("negotiations/"),
            ": ".join(filter(None, (wording.word(one, "status"), wording.word(one, "outcome")))),
            escaped(one.title),
            wording.listed(list(one.parties)),
            f"{one.version:,}",
            wording.moment(one.update_time),
            wording.moment(one.open_time),
        )
        for one in found
    ]
    page = standard_page()
    if rows:
        page.table(Table("", columns, list(rows)))
    elif not page.plain and filters:
        page.line("No negotiation on the record matches these filters.")
    elif not page.plain:
        page.line("No negotiation is on the record. Open one with `pourparler open TITLE`.")
