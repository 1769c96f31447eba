"""Commands that ask what a negotiation is and was, and watch it go on."""

from collections.abc import Mapping
from typing import Any, BinaryIO

import click

from pourparler import v1 as pb
from pourparler.cli.browse import launch
from pourparler.cli.errors import either
from pourparler.cli.options import query_options
from pourparler.cli.options.completion import Negotiation, Part
from pourparler.cli.options.suggestions import Choice, near
from pourparler.cli.output import blame as blame_page
from pourparler.cli.output import colors, wording
from pourparler.cli.output import diff as diff_page
from pourparler.cli.output import history as history_page
from pourparler.cli.output import state as state_page
from pourparler.cli.output import status as standing_page
from pourparler.cli.output import watch as watch_page
from pourparler.cli.output.page import Column, Page, Table, print_message, standard_page
from pourparler.cli.output.wording import Names
from pourparler.cli.terminal_escape import harmless
from pourparler.drafts.values import choice
from pourparler.state.blame import blame as made_by
from pourparler.state.diff import diff as changes_between
from pourparler.state.fold import fold

EVERYWHERE = "-"
"""What stands for all negotiations in place of one."""


@click.command(
    short_help="What it is, or was: every part, and how it is known.",
    epilog=query_options.examples(
        "pourparler show renault-nissan --only agreements",
        "pourparler show renault-nissan --as-of 16        as the record stood then",
        "pourparler show renault-nissan --occurred 2021   what had happened by then",
    ),
)
@click.argument("negotiation", type=Negotiation())
@query_options.point_options
@click.option(
    "--only",
    type=Choice(state_page.KINDS),
    metavar="KIND",
    multiple=True,
    help="Only the parts of this kind, such as agreements; may be given several times.",
)
@query_options.seen_option
@query_options.full_option
@query_options.json_option
def show(
    negotiation: str,
    recorded: pb.AsOf | None,
    occurred: str,
    only: tuple[str, ...],
    *,
    viewer_participant_id: str,
    full: bool,
    as_json: bool,
) -> None:
    """Show the state of a negotiation, now or as it was."""
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
    state_page.parts(page, state, only)
    if occurred:
        possible = changes_between(state, answer.possible_state)
        page.heading(f"Only possibly by {wording.edtf(occurred)}")
        if answer.possible_versions:
            number = len(answer.possible_versions)
            which = wording.versions(answer.possible_versions)
            page.line(f"{'Entry' if number == 1 else 'Entries'} {which} may be in.")
            shown = [change for change in possible if not only or change.part.split("/")[0] in only]
            diff_page.changes(
                page, shown, Names(answer.possible_state.participants), "What they change"
            )
            diff_page.legend(page, shown)
        else:
            page.line("Nothing more: every other entry happened later.")


def _at(page: Page, asked: pb.AsOf, at: pb.ComputedAt) -> None:
    """Say at the top of an answer at what point it is, unless that is now."""
    if said := state_page.point(asked, at):
        page.line(said, f"bold {colors.DOUBTFUL}")


@click.command(
    short_help="Where it stands: agreed, proposed, owed, open.",
    epilog=query_options.examples(
        "pourparler standing renault-nissan --on 2023-06-30    what was due by then",
    ),
)
@click.argument("negotiation", type=Negotiation())
@query_options.point_options
@click.option("--on", "on_date", metavar="EDTF", help="Reckon dues and ages against this date.")
@query_options.seen_option
@query_options.full_option
@query_options.json_option
def standing(
    negotiation: str,
    recorded: pb.AsOf | None,
    occurred: str,
    on_date: str | None,
    *,
    viewer_participant_id: str,
    full: bool,
    as_json: bool,
) -> None:
    """Say what is agreed, what is proposed, who must answer, who owes what by when."""
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
    page.line(f"Standing of {harmless(known.words.title) or negotiation}", "bold")
    standing_page.standing(page, answer.status_report, Names(known.participants))


@click.command(
    short_help="The record itself, entry by entry.",
    epilog=query_options.examples(
        "pourparler history renault-nissan --basis on_record --topic t-ev",
        "pourparler history renault-nissan --reverse --limit 5       the latest five",
    ),
)
@click.argument("negotiation", type=Negotiation())
@query_options.point_options
@click.option(
    "--after",
    "after_version",
    type=click.IntRange(min=0),
    default=0,
    help="Only after this version.",
)
@query_options.type_option
@query_options.participant_option
@query_options.topic_option
@query_options.basis_option
@click.option("--reverse", is_flag=True, help="The latest first.")
@click.option("--limit", type=click.IntRange(min=1), help="At most this many.")
@query_options.seen_option
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
    """Replay the entries of a negotiation, with --json one to a line."""
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
    """Say, past a pipe, that nothing meets the filters, and which of their ids are not there."""
    said = ["No entry is asked for by this."]
    for kind in ("participants", "topics"):
        parts = getattr(state, kind)
        for key in filters[kind]:
            if key not in parts:
                found = near(key, parts)
                meant = f" Did you mean {either(found)}?" if found else ""
                said.append(f"There is no {kind[:-1]} {harmless(key)!r}.{meant}")
    click.echo(" ".join(said), err=True)


@click.command(
    short_help="Which entries made each part what it is, and why.",
    epilog=query_options.examples(
        "pourparler blame renault-nissan agr-leader-follower",
        "pourparler blame renault-nissan milestones --as-of 15",
    ),
)
@click.argument("negotiation", type=Negotiation())
@click.argument("part", type=Part(*blame_page.KINDS, paths=True), default="")
@query_options.point_options
@query_options.seen_option
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
    """Say which entries made each part of the state what it is, and what each of them set.

    PART is one part, by its id or with its kind before it, or a whole kind; without it, all. Of one
    part it is said of each field which entry set it, and of a proposal why it is decided.
    """
    wanted = blame_page.Wanted(part)
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
        page.line(f"What made {harmless(state.words.title) or negotiation} what it is", "bold")
    blame_page.blame(page, found, state, one=wanted.one)


@click.command(short_help="The entries as they come.")
@click.argument("negotiation", type=Negotiation(), default=EVERYWHERE)
@click.option(
    "--after",
    "after_version",
    type=click.IntRange(min=0),
    default=0,
    help="Only after this version.",
)
@click.option("--cursor", metavar="CURSOR", default="", help="Go on where an earlier watch ended.")
@query_options.type_option
@query_options.participant_option
@query_options.basis_option
@query_options.seen_option
@query_options.full_option
@query_options.json_option
def watch(negotiation: str, *, full: bool, as_json: bool, **filters: Any) -> int:
    """Print the entries of a negotiation as `history` does, and go on with those that come.

    Without NEGOTIATION those of all. It reconnects by itself when the connection breaks. Ctrl-C
    ends it, and says with which --cursor to go on: nothing is left out, and nothing comes twice.
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
    short_help="Read negotiations in the whole terminal.",
    epilog=query_options.examples(
        "pourparler browse                             the list, to choose from",
        "pourparler browse renault-nissan --as-of 11   as it stood at version 11",
    ),
)
@click.argument("negotiation", type=Negotiation(), required=False)
@click.option("--bundle", "file", type=click.File("rb"), help="Read this bundle, asking nobody.")
@click.option(
    "--as-of", type=click.IntRange(min=1), metavar="VERSION", help="Begin at this version."
)
@query_options.seen_option
def browse(
    negotiation: str | None, file: BinaryIO | None, as_of: int | None, viewer_participant_id: str
) -> None:
    """Read negotiations in the whole terminal: where each stands, its topics, its entries.

    Without NEGOTIATION the list of all, to choose from. The ? key says what the others do: , and .
    step through the versions, / searches, q leaves. What is recorded meanwhile appears by itself.
    """
    if file is not None and (negotiation is not None or viewer_participant_id):
        raise click.UsageError("A bundle is read by itself: say --bundle alone, or NEGOTIATION.")
    if as_of is not None and negotiation is None and file is None:
        raise click.UsageError("Say which NEGOTIATION with --as-of.")
    launch.browse(negotiation, file, as_of, viewer_participant_id)


@click.command(
    short_help="What changed between two points, and was gone back on.",
    epilog=query_options.examples(
        "pourparler diff renault-nissan 16                     since version 16",
        "pourparler diff renault-nissan --occurred-from 2021 --occurred-to 2022",
    ),
)
@click.argument("negotiation", type=Negotiation())
@click.argument("from_", metavar="[FROM", type=query_options.Point(), required=False)
@click.argument("to", metavar="[TO]]", type=query_options.Point(), required=False)
@click.option("--occurred-from", metavar="EDTF", default="", help="From what had happened by then.")
@click.option("--occurred-to", metavar="EDTF", default="", help="To what had happened by then.")
@query_options.seen_option
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
    """Say what changed from one version or time to another, and who went back on a term.

    FROM and TO are versions (16) or times (2026-11-23T09:30Z). Without FROM: from the beginning.
    Without TO: to now.
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
        harmless(known.negotiation.words.title or known.possible_state.words.title) or negotiation
    )
    page.line(f"What changed in {title}", "bold")
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


@click.command("list", short_help="The negotiations there are.")
@click.option(
    "--status", "statuses", type=click.Choice(["open", "suspended", "concluded"]), multiple=True
)
@click.option("--participant", metavar="ID", help="Only those with this participant.")
@click.option("--title", metavar="WORDS", help="Only those with these words in their title.")
@query_options.seen_option
@query_options.json_option
def list_(
    statuses: tuple[str, ...],
    participant: str | None,
    title: str | None,
    viewer_participant_id: str,
    *,
    as_json: bool,
) -> None:
    """List the negotiations on the record, in the order in which they were opened."""
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
            harmless(one.title),
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
    elif not page.plain:
        page.line("No negotiation is on the record. Open one with `pourparler open TITLE`.")
