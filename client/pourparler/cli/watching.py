"""Entries as they come: each on the page at once, until whoever watches has seen enough."""

import sys
from collections.abc import Callable

from pourparler import Watch
from pourparler import v1 as pb
from pourparler.cli import history
from pourparler.cli.page import Column, Page, Table
from pourparler.cli.safe import harmless
from pourparler.cli.wording import Names
from pourparler.errors import Unavailable

_NEGOTIATION = Column("negotiation", width=20)


def watch(entries: Watch, put: Callable[[pb.Entry], object]) -> int:
    """Put entries where they belong until it is interrupted; then say how to go on."""
    try:
        for entry in entries:
            put(entry)
            # Whoever reads a pipe reads along.
            sys.stdout.flush()
    except KeyboardInterrupt:
        _tell(entries)
    except Unavailable:
        _tell(entries)
        raise
    finally:
        entries.close()
    return 0


def _tell(entries: Watch) -> None:
    if entries.cursor:
        print(f"\nGo on from here with --cursor {harmless(entries.cursor)}", file=sys.stderr)


def rows(page: Page, names: Names, *, everywhere: bool) -> Callable[[pb.Entry], object]:
    """Puts each entry on the page as a row of the history; over all, with its negotiation."""
    columns = [_NEGOTIATION, *history.COLUMNS] if everywhere else history.COLUMNS
    head = True

    def put(entry: pb.Entry) -> None:
        nonlocal head
        row = history.row(entry, names, {}, frozenset())
        if everywhere:
            row = (harmless(entry.header.negotiation), *row)
        page.table(Table("", columns, [row]), head=head)
        head = False

    return put
