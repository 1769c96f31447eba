"""The command that finds entries by their words."""

from itertools import islice
from typing import Any

import click

from pourparler.cli.options import query_options
from pourparler.cli.options.completion import Negotiation
from pourparler.cli.output import search_hits, wording
from pourparler.cli.output.page import print_message, standard_page

_MOST_TO_A_PAGE = 1_000


@click.command(
    short_help="Entries by their words, in one negotiation or all.",
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
    type=Negotiation(),
    metavar="NEGOTIATION",
    multiple=True,
    help="Only in this negotiation; may be given several times.",
)
@click.option(
    "--speaker", "speakers", metavar="ID", multiple=True, help="Only what they say or do."
)
@query_options.participant_option
@query_options.topic_option
@query_options.type_option
@query_options.basis_option
@click.option(
    "--from", "occur_start_date", metavar="EDTF", help="Only what happened then or later."
)
@click.option("--to", "occur_end_date", metavar="EDTF", help="Only what happened then or earlier.")
@click.option("--definite", is_flag=True, help="Only what definitely happened between these dates.")
@click.option(
    "--recorded-from",
    "record_start_time",
    type=query_options.Begin(),
    metavar="TIME",
    help="Only what was recorded from then.",
)
@click.option(
    "--recorded-before",
    "record_end_time",
    type=query_options.Begin(),
    metavar="TIME",
    help="Only what was recorded before.",
)
@click.option("--current", is_flag=True, help="Only what counts: not what was corrected.")
@click.option(
    "--order",
    type=click.Choice(["rank", "newest", "oldest"]),
    default="rank",
    show_default=True,
    help="What comes first.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most this many."
)
@query_options.seen_option
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
    """Find entries by their words, over all negotiations or in some.

    All WORDS must stand in an entry, in whatever form they are written: case and accents do not
    matter. What is one argument stands together; a * is for how a word may go on. Without WORDS,
    all entries that meet the options.
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
        page.heading(f"The first {limit}; there are more: see --limit.")
    else:
        page.heading(f"{wording.count(len(hits), 'entry', 'entries')}.")
