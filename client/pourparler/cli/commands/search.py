"""The command that searches the words of entries."""

from itertools import islice
from typing import Any

import click

from pourparler.cli.options import query_options
from pourparler.cli.options.completion import NegotiationType
from pourparler.cli.output import search_hits, wording
from pourparler.cli.output.page import print_message, standard_page

_MOST_TO_A_PAGE = 1_000


@click.command(
    short_help="Search the words of entries.",
    epilog=query_options.examples(
        "pourparler search crane rent",
        'pourparler search "our limit" --speaker freight --from 2023',
        "pourparler search 'agree*' --exclude lease --in renault-nissan",
    ),
)
@click.argument("words", nargs=-1)
@click.option(
    "--exclude",
    "excluded",
    metavar="WORDS",
    multiple=True,
    help="Leave out entries that contain these words. Repeatable.",
)
@click.option(
    "--in",
    "names",
    type=NegotiationType(),
    metavar="NEGOTIATION",
    multiple=True,
    help="Search only this negotiation. Repeatable.",
)
@click.option(
    "--speaker",
    "speakers",
    metavar="ID",
    multiple=True,
    help="Find only what this participant says or does. Repeatable.",
)
@query_options.participant_option
@query_options.topic_option
@query_options.type_option
@query_options.basis_option
@click.option(
    "--from", "occur_start_date", metavar="EDTF", help="Find only events on this date or later."
)
@click.option(
    "--to", "occur_end_date", metavar="EDTF", help="Find only events on this date or earlier."
)
@click.option(
    "--definite", is_flag=True, help="Find only events that definitely are between the dates."
)
@click.option(
    "--recorded-from",
    "record_start_time",
    type=query_options.TimeType(),
    metavar="TIME",
    help="Find only entries recorded at this time or later.",
)
@click.option(
    "--recorded-before",
    "record_end_time",
    type=query_options.TimeType(),
    metavar="TIME",
    help="Find only entries recorded before this time.",
)
@click.option(
    "--current", is_flag=True, help="Find only entries in force: no corrected or annulled ones."
)
@click.option(
    "--order",
    type=click.Choice(["rank", "newest", "oldest"]),
    default="rank",
    show_default=True,
    help="Order of the entries.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Show at most this many entries.",
)
@query_options.viewer_option
@query_options.full_option
@query_options.json_option
def search(
    words: tuple[str, ...],
    excluded: tuple[str, ...],
    limit: int,
    *,
    definite: bool,
    current: bool,
    full: bool,
    as_json: bool,
    **filters: Any,
) -> None:
    """Find entries by their words, in all negotiations or in some.

    An entry must contain all WORDS. Case and accents do not matter. One argument of several words
    is a phrase. A * stands for any ending of a word. Without WORDS, the command finds all entries
    that match the options.
    """
    asked: dict[str, Any] = {
        "query": search_hits.query(words, excluded),
        "occurred_match": "definite" if definite else "possible",
        "only_current": current,
        **filters,
    }
    found = query_options.client().search(page_size=min(limit + 1, _MOST_TO_A_PAGE), **asked)
    if as_json:
        for hit in islice(found, limit):
            print_message(hit, one_line=True)
        return
    hits = list(islice(found, limit + 1))
    page = standard_page(full=full)
    if hits:
        search_hits.results(page, hits[:limit], found.negotiations)
    if page.plain:
        return
    if not hits:
        del asked["occurred_match"], asked["order"]
        search_hits.nothing(page, asked)
    elif len(hits) > limit:
        page.heading(f"The first {limit} entries. For more, use --limit.")
    else:
        page.heading(f"{wording.count(len(hits), 'entry', 'entries')}.")
