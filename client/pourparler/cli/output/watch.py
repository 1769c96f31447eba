"""The output of `watch`: each entry appears at once, until the reader stops."""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from rich.text import Text

from pourparler import Client, Watch
from pourparler import v1 as pb
from pourparler.cli import errors, pipes
from pourparler.cli.output import colors, history
from pourparler.cli.output.page import Column, Page, Table
from pourparler.cli.output.wording import Names
from pourparler.cli.terminal_escape import escaped
from pourparler.errors import PourparlerError, UnavailableError

_NEGOTIATION = Column("negotiation", width=20)
_LOOK = 0.5


def watch(
    entries: Watch, put: Callable[[pb.Entry], object], meanwhile: AbstractContextManager[object]
) -> int:
    """Put entries where they belong until it is interrupted; then say how to go on."""
    try:
        with pipes.until_reader_leaves(), meanwhile:
            for entry in entries:
                put(entry)
                # The reader of a pipe receives each entry at once.
                sys.stdout.flush()
    except KeyboardInterrupt:
        _tell(entries)
    except UnavailableError:
        _tell(entries)
        raise
    finally:
        entries.close()
    return 0


def _tell(entries: Watch) -> None:
    if entries.cursor:
        print(f"\nGo on from here with --cursor {escaped(entries.cursor)}", file=sys.stderr)


def below(page: Page, entries: Watch, server: str) -> AbstractContextManager[object]:
    """While it lasts, it is told below the entries whether all were shown, or nothing is heard."""

    def line() -> Text:
        if entries.last_error is not None:
            return Text(_away(entries.last_error, server), colors.DOUBTFUL)
        if entries.caught_up is None:
            return Text("Reading what is on the record…", "dim")
        return Text("Up to date; Ctrl-C ends it.", "dim")

    return page.below(line)


@contextlib.contextmanager
def beside(entries: Watch, server: str) -> Iterator[None]:
    """While it lasts, it is told on the error stream when nothing is heard, and when it is."""
    ended = threading.Event()

    def look() -> None:
        told = False
        while not ended.wait(_LOOK):
            away = entries.last_error
            if away is not None and not told:
                print(_away(away, server), file=sys.stderr, flush=True)
            elif away is None and told:
                print("The service is heard again.", file=sys.stderr, flush=True)
            told = away is not None

    thread = threading.Thread(target=look, name="beside", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _away(error: PourparlerError, server: str) -> str:
    said = errors.error_lines(error, errors.QueryContext("watch", server=server))[0]
    return f"{said.partition('. ')[0].rstrip('.')}; it is asked again by itself."


class Known:
    """The names of participants in each negotiation, from the entries that have arrived."""

    def __init__(self, client: Client, viewer_participant_id: str) -> None:
        """Ask the service for the names in a negotiation when its first entry comes."""
        self._client = client
        self._viewer_participant_id = viewer_participant_id
        self._participants: dict[str, dict[str, pb.Participant]] = {}
        self._names: dict[str, Names] = {}

    def names(self, entry: pb.Entry) -> Names:
        """Return the names in the negotiation of an entry, with the name that it introduces."""
        name = entry.header.negotiation
        participants = self._participants.get(name)
        if participants is None:
            participants = self._participants[name] = self._asked(name)
        facts = entry.facts
        who = facts.participant_joined.participant_id or facts.participant_changed.participant_id
        if who and entry.words.name:
            participants[who] = pb.Participant(words=pb.Words(name=entry.words.name))
            self._names.pop(name, None)
        if name not in self._names:
            self._names[name] = Names(participants)
        return self._names[name]

    def _asked(self, name: str) -> dict[str, pb.Participant]:
        view = pb.NEGOTIATION_VIEW_BASIC
        try:
            answer = self._client.get_negotiation(
                name, view=view, viewer_participant_id=self._viewer_participant_id
            )
        except PourparlerError:
            return {}  # ids will do
        return dict(answer.negotiation.participants)


def rows(page: Page, known: Known, *, everywhere: bool) -> Callable[[pb.Entry], object]:
    """Return a function that prints each entry as a row of `history`."""
    columns = [_NEGOTIATION, *history.COLUMNS] if everywhere else history.COLUMNS
    head = True

    def put(entry: pb.Entry) -> None:
        nonlocal head
        row = history.row(entry, known.names(entry), {}, frozenset())
        if everywhere:
            row = (escaped(entry.header.negotiation), *row)
        if not (head or page.plain):
            page.line()
        page.table(Table("", columns, [row]), head=head)
        head = False

    return put
